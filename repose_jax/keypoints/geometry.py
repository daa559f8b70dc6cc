"""Inferences from the geometry of people: joint orders that look alike, and the scale of points."""

import numpy as np
from jaxtyping import Bool, Float

from repose_jax.keypoints.detections import Detections
from repose_jax.keypoints.formats import FORMATS, Joints

# Bones and their lengths, as parts of a standing person's height in an image.
_BONES = {
    (f"{side}_{a}", f"{side}_{b}"): length
    for side in ("left", "right")
    for a, b, length in (
        ("hip", "knee", 0.235),
        ("knee", "ankle", 0.235),
        ("shoulder", "elbow", 0.165),
        ("elbow", "wrist", 0.14),
        ("shoulder", "hip", 0.28),
    )
} | {("left_shoulder", "right_shoulder"): 0.2, ("left_hip", "right_hip"): 0.12}
_FEWEST = 6  # bones that can be compared
# Real poses deviate from these proportions by 0.04 to 0.4 (seen from the side) in the right order,
# and by 1.47 to 10 times as much in the best of the wrong ones.
_MARGIN = 1.4


def order_by_proportions(
    keypoints: Float[np.ndarray, "n k 2"],
    found: Bool[np.ndarray, "n k"],
    candidates: tuple[str, ...],
) -> str | None:
    """Returns the joint order in which people have human proportions; None if that is not clear.

    Args:
        keypoints: joints in any unit.
        found: which of them are not missing.
        candidates: keys of `repose_jax.keypoints.formats.FORMATS` with k joints.
    """
    if len(candidates) == 1:
        return candidates[0]
    deviations = {name: _deviation(keypoints, found, FORMATS[name]) for name in candidates}
    best, second = sorted(candidates, key=lambda name: deviations[name])[:2]
    clear = deviations[best] < np.inf and deviations[second] > _MARGIN * deviations[best]
    return best if clear else None


def _deviation(keypoints: np.ndarray, found: np.ndarray, joints: Joints) -> float:
    """Returns the mean deviation of the bones from the usual proportions, as a log ratio.

    Of each bone the median over the poses is taken, so that bones that point to the camera and a
    few bad poses have no influence.
    """
    points = np.where(found[..., None], keypoints, np.nan)
    ratios = []
    for (a, b), usual in _BONES.items():
        if a in joints and b in joints:
            bone = points[:, joints.index(a)] - points[:, joints.index(b)]
            lengths = np.linalg.norm(bone, axis=-1)
            lengths = lengths[lengths > 0]
            if len(lengths):
                ratios.append(np.log(np.median(lengths) / usual))
    if len(ratios) < _FEWEST:
        return np.inf
    return float(np.abs(ratios - np.median(ratios)).mean())


# Widths of shoulders, as parts of the torso's length, that a person has when seen from the front.
_SHOULDERS = (0.45, 0.95)


def pixels(
    keypoints: Float[np.ndarray, "n 17 2"], image_size: tuple[int, int], by_both: bool
) -> tuple[Float[np.ndarray, "n 17 2"], str]:
    """Returns normalised joints of Human3.6M's order in px, and a sentence that says how.

    Three normalisations are met: x by the width and y by the height (MediaPipe, YOLO); both by the
    width; and VideoPose3D's, both by half the width with the origin in the middle of the image.
    Negative coordinates show the last. The others are distinguished by the proportions of the body;
    where these are unclear, it is the first.

    Args:
        keypoints: parts of the image's size; NaN if missing.
        image_size: width and height, px.
        by_both: whether they are known to be of the first kind; those may be outside of the image.
    """
    width, height = image_size
    if not by_both and np.nanpercentile(keypoints, 2) < -0.1:
        middle = np.array([1, height / width])
        return (keypoints + middle) * width / 2, (
            "Some normalised coordinates are negative: they were taken as VideoPose3D's, -1 to 1 "
            f"over the width of {width} px."
        )
    scaled = keypoints * np.array([width, height])
    by_width = keypoints * width
    good = [_SHOULDERS[0] < _shoulders(x) < _SHOULDERS[1] for x in (scaled, by_width)]
    if not by_both and good == [False, True]:
        return by_width, (
            f"Coordinates are normalised; they were multiplied by the width of {width} px in both "
            "directions, as the proportions of the body require."
        )
    return scaled, (
        f"Coordinates are normalised; x was multiplied by the width of {width} px, y by the height "
        f"of {height} px."
    )


def _shoulders(joints: np.ndarray) -> float:
    """Returns the width of the shoulders over the torso's length, of a person seen from the front.

    Infinite if there is none.
    """
    width = np.linalg.norm(joints[:, 11] - joints[:, 14], axis=-1)
    torso = np.linalg.norm(joints[:, 8] - joints[:, 0], axis=-1)
    known = np.isfinite(width) & np.isfinite(torso) & (torso > 0)
    if not known.any():
        return np.inf
    return float(np.percentile(width[known], 90) / np.median(torso[known]))


def estimate_image_size(detections: Detections) -> tuple[int, int]:
    """Returns the smallest usual size of a video that holds nearly all joints.

    Portrait where the joints are spread around a point that is lower than it is far to the right,
    as around the middle of a portrait image.

    Raises:
        ValueError: there are no joints.
    """
    points = detections.keypoints[np.isfinite(detections.keypoints).all(-1)]
    if not len(points):
        raise ValueError(
            f"{detections.name}: there are no joints to estimate the size of the image from."
        )
    low, high = np.percentile(points, (0.3, 99.7), axis=0)
    middle = (low + high) / 2
    portrait = middle[0] < 0.75 * middle[1] and high[0] < high[1]
    for long, short in _SIZES:
        size = (short, long) if portrait else (long, short)
        if (high <= size).all():
            return size
    width, height = (int(-(-value // 2) * 2) for value in high)
    return width, height


_SIZES = (
    (320, 240),
    (640, 360),
    (640, 480),
    (960, 540),
    (1280, 720),
    (1920, 1080),
    (2560, 1440),
    (3840, 2160),
    (7680, 4320),
)
