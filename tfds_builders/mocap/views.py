"""Views of a take by virtual cameras: one record for each view."""

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from tfds_builders.mocap import body
from tfds_builders.mocap.cameras import draw_azimuths, draw_camera, project, world_to_camera
from tfds_builders.mocap.detector import DetectorModel, detect
from tfds_builders.mocap.occlusion import visible
from tfds_builders.mocap.take import Take, resample
from tfds_builders.records import make_record


def _generator(seed: int, *names: str) -> np.random.Generator:
    """Returns a generator that depends on the seed and the names alone, not on order or process."""
    digest = hashlib.sha256("\0".join(names).encode()).digest()
    return np.random.default_rng([seed, int.from_bytes(digest[:16], "little")])


def views_of(
    take: Take,
    *,
    dataset: str,
    fps: float,
    views: int,
    seed: int,
    train: bool,
    detector: DetectorModel = DetectorModel(),  # noqa: B008 (frozen)
) -> Iterator[dict[str, Any]]:
    """Yields the record of each view of a take.

    For each view a body (only where `train`), a camera and a detector's errors are sampled from the
    seed, the names of dataset and take, and the view only, so records do not depend on other takes
    or views (except for the directions of the views, which depend on their number).

    Args:
        take: The take.
        dataset: Name of the dataset.
        fps: Frames per second of the records.
        views: Number of cameras.
        seed: Seed of all samples.
        train: Whether a body is sampled for each view; otherwise the person keeps the recorded one.
        detector: Errors of the 2D joints.
    """
    take = resample(take, fps)
    azimuths = draw_azimuths(_generator(seed, dataset, take.name), views)
    for view, azimuth in enumerate(azimuths):
        rng = _generator(seed, dataset, take.name, f"view{view}")
        joints = body.randomise_body(rng, take.joints) if train else take.joints
        camera = draw_camera(rng, joints, azimuth)
        joints_3d = world_to_camera(camera, 1000 * joints)
        visibility = visible(joints_3d, body.stature(joints))
        keypoints, confidence = detect(
            rng, project(camera.intrinsics, joints_3d), visibility, fps, detector
        )
        yield make_record(
            name=f"{take.name}/view{view}",
            subject=take.subject,
            action=take.action,
            camera=f"view{view}",
            fps=fps,
            image_size=camera.image_size,
            keypoints_2d=keypoints,
            confidence=confidence,
            joints_3d=joints_3d,
            visibility=visibility,
            intrinsics=camera.intrinsics,
            distortion=np.zeros(5),
            rotation=camera.rotation,
            translation=camera.translation,
        )
