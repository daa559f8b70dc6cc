"""Prepared datasets in memory: the concatenated sequences of some splits."""

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int, Int8

from repose_jax.data import prepared

_FRAMES = ("keypoints_2d", "confidence", "joints_3d", "visibility", "valid", "activity")
_SEQUENCES = ("image_size", "intrinsics", "distortion")
_OTHERS = ("mm_per_px", "fps", "rotation", "name", "action", "subject")


@dataclasses.dataclass(frozen=True)
class Sequences:
    """Concatenated sequences; sequence `i` is rows `offsets[i]:offsets[i + 1]` of each array.

    Attributes:
        keypoints_2d: `[n, j, 2]` 2D joints of a detector, px.
        confidence: `[n, j]` detector confidence in [0, 1].
        joints_3d: `[n, j, 3]` ground truth in camera space, mm; with `mm_per_px` 2.5D labels: x and
            y in the image, px, and depth relative to the root of the frame in px of the same size.
        visibility: `[n, j]` 1 visible, 0 occluded, -1 unknown.
        valid: `[n]` whether the dataset's protocol counts the frame.
        activity: `[n]` the dataset's number of the activity in each frame; 0 if unknown.
        offsets: `[s + 1]` first row of each sequence, and the number of rows.
        image_size: `[s, 2]` width and height, px.
        intrinsics: `[s, 3, 3]` pinhole matrix, px; NaN if unknown.
        distortion: `[s, 5]` of the lens, k1 k2 p1 p2 k3 as in OpenCV; NaN if unknown.
        fps: `[s]` frames per second; NaN if unknown.
        names: sequence names.
        actions: action in each sequence.
        subjects: person in each sequence.
        mm_per_px: `[n]` size of a px of a 2.5D label in each frame, mm, NaN if unknown; None for
            labels in camera space.
        up: `[s, 3]` direction of the world's vertical in camera axes; NaN, or None for all, if
            unknown.
    """

    keypoints_2d: Float[np.ndarray, "n j 2"]
    confidence: Float[np.ndarray, "n j"]
    joints_3d: Float[np.ndarray, "n j 3"]
    visibility: Int8[np.ndarray, "n j"]
    valid: Bool[np.ndarray, " n"]
    activity: Int8[np.ndarray, " n"]
    offsets: Int[np.ndarray, " starts"]
    image_size: Int[np.ndarray, "s 2"]
    intrinsics: Float[np.ndarray, "s 3 3"]
    distortion: Float[np.ndarray, "s 5"]
    fps: Float[np.ndarray, " s"]
    names: tuple[str, ...]
    actions: tuple[str, ...]
    subjects: tuple[str, ...]
    mm_per_px: Float[np.ndarray, " n"] | None = None
    up: Float[np.ndarray, "s 3"] | None = None

    @functools.cached_property
    def lengths(self) -> Int[np.ndarray, " s"]:
        """Number of frames of each sequence."""
        return np.diff(self.offsets)


def load(specs: Sequence[str], data_dir: str | None = None) -> Sequences:
    """Reads prepared splits into memory.

    Args:
        specs: prepared splits, each `dataset/config:split`, for example `cmu_mocap/30fps:train`.
        data_dir: folder of prepared datasets; TFDS's default if None.

    Returns:
        All sequences of all specs, in their order.

    Raises:
        ValueError: a malformed spec, a split that does not exist, motions without cameras, or 2.5D
            labels in a config of another name or among labels in camera space.
        FileNotFoundError: a dataset that is not prepared; the message gives the command.
    """
    records = prepared.records(specs, data_dir, _FRAMES + _SEQUENCES + _OTHERS)
    lengths = [len(record["joints_3d"]) for record in records]
    labelled = [len(record["mm_per_px"]) for record in records]
    if any(labelled) and labelled != lengths:
        raise ValueError(f"{list(specs)} mix 2.5D labels in the image with labels in camera space.")
    if any(labelled) != any(map(has_25d_labels, specs)):
        raise ValueError(
            f"{list(specs)}: datasets with 2.5D labels, and no others, have a config whose name "
            "begins with '2.5d'."
        )
    # Records are released as they are concatenated: large datasets would not fit in memory twice.
    arrays = {key: np.concatenate([record.pop(key) for record in records]) for key in _FRAMES}
    scales = np.concatenate([record["mm_per_px"] for record in records])

    def text(key: str) -> tuple[str, ...]:
        return tuple(record[key].decode() for record in records)

    return Sequences(
        **arrays | {"valid": arrays["valid"].astype(bool)},
        **{key: np.stack([record[key] for record in records]) for key in _SEQUENCES},
        mm_per_px=scales if any(labelled) else None,
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        fps=np.array([record["fps"] for record in records], np.float32),
        up=np.stack([record["rotation"][:, 1] for record in records]),
        names=text("name"),
        actions=text("action"),
        subjects=text("subject"),
    )


def has_25d_labels(spec: str) -> bool:
    """Returns whether a split has 2.5D labels in the image, by the name of its config."""
    return spec.partition("/")[2].startswith("2.5d")
