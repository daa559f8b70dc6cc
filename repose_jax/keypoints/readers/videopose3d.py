"""VideoPose3D's archives of 2D joints: "positions_2d" by video, and "metadata"."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from repose_jax.keypoints.formats import detected
from repose_jax.keypoints.readers.poses import Poses, single, size_of


def is_archive(content: Any) -> bool:
    """Whether an npz is such an archive."""
    return isinstance(content, Mapping) and isinstance(content.get("positions_2d"), Mapping)


def read(content: Mapping[str, Any]) -> list[Poses]:
    """Reads every video of an archive; one with several cameras gives one for each.

    Raises:
        ValueError: something is malformed.
    """
    metadata = content.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    found = []
    for video, actions in content["positions_2d"].items():
        if not isinstance(actions, Mapping):
            raise ValueError(f"positions_2d[{video!r}] is no dictionary of actions.")
        for action, cameras in actions.items():
            cameras = cameras if isinstance(cameras, list | tuple) else [cameras]
            for number, points in enumerate(cameras):
                name = str(video) if action == "custom" else f"{video} {action}"
                name += f" camera {number}" if len(cameras) > 1 else ""
                where = f"positions_2d[{video!r}][{action!r}][{number}]"
                found.append(_poses(points, name, where, metadata, video))
    if not found:
        raise ValueError("positions_2d has no video.")
    return found


def _poses(points: Any, name: str, where: str, metadata: Mapping[str, Any], video: Any) -> Poses:
    points = np.asarray(points)
    if points.ndim != 3 or points.shape[2] not in (2, 3) or points.dtype.kind not in "fiu":
        raise ValueError(f"{where} has the shape {points.shape}, not [frames, joints, 2 or 3].")
    videos = metadata.get("video_metadata")
    of_video = videos.get(video) if isinstance(videos, Mapping) else None
    of_video = of_video if isinstance(of_video, Mapping) else {}
    corner = (points[..., :2] == 0).all(-1)
    layout = str(metadata.get("layout_name", "")).lower()
    return Poses(
        keypoints=points[..., :2].astype(float),
        confidence=points[..., 2].astype(float) if points.shape[2] == 3 else 1.0 - corner,
        orders=("human36m",) if layout == "h36m" else detected(points.shape[1]),
        frame=np.arange(len(points)),
        frames=np.arange(len(points)),
        listed=True,
        identity=np.zeros(len(points), int),
        fps=single(of_video.get("fps")),
        image_size=size_of(of_video.get("w"), of_video.get("h")),
        name=name,
    )
