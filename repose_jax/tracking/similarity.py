"""Similarity of 2D poses: OKS of their joints and overlap of their boxes."""

import numpy as np
from jaxtyping import Float

_HIP, _KNEE, _ANKLE, _SHOULDER, _ELBOW, _WRIST = 0.107, 0.087, 0.089, 0.079, 0.072, 0.062
SIGMAS = np.array(
    [_HIP, _HIP, _KNEE, _ANKLE, _HIP, _KNEE, _ANKLE, _HIP, _SHOULDER, _SHOULDER, _SHOULDER]
    + [_SHOULDER, _ELBOW, _WRIST] * 2
)
"""Spread of each joint by the root of the person's area: COCO's, of the nearest joint."""
_PRECISION = 1 / (2 * (2 * SIGMAS) ** 2)


def box(keypoints: Float[np.ndarray, "*b j 2"]) -> Float[np.ndarray, "*b 4"]:
    """Returns x0, y0, x1, y1 round the joints that are not NaN; NaN if there is none."""
    known = ~np.isnan(keypoints)
    low = np.where(known, keypoints, np.inf).min(-2)
    high = np.where(known, keypoints, -np.inf).max(-2)
    corners = np.concatenate([low, high], -1)
    return np.where(np.isfinite(corners), corners, np.nan)


def height(keypoints: Float[np.ndarray, "*b j 2"]) -> Float[np.ndarray, "*b"]:
    """Returns the longer side of the box round each pose, px: its size however it lies."""
    corners = box(keypoints)
    return (corners[..., 2:] - corners[..., :2]).max(-1)


def similarity(
    first: Float[np.ndarray, "a 17 2"],
    second: Float[np.ndarray, "b 17 2"],
    size: Float[np.ndarray, " a"],
    tolerance: Float[np.ndarray, " a"],
) -> Float[np.ndarray, "a b"]:
    """Returns half the OKS plus half the IoU of each pair of poses, of the joints that both have.

    Args:
        first: poses, px; NaN where a joint is missing.
        second: poses to compare them with.
        size: root of the area of each person of `first`, px.
        tolerance: factor on the spread of the joints of OKS, for each of `first`.

    Returns:
        Values in [0, 1]; 0 for a pair without a joint in common.
    """
    difference = first[:, None] - second[None]
    distance = (difference**2).sum(-1)
    both = ~np.isnan(distance)
    scale = (size * tolerance) ** 2 + 1e-6
    near = np.exp(-np.where(both, distance, 0) / scale[:, None, None] * _PRECISION)
    count = both.sum(-1)
    oks = (near * both).sum(-1) / np.maximum(count, 1)
    return np.where(count > 0, 0.5 * oks + 0.5 * _overlap(first, second, both), 0.0)


def oks(
    first: Float[np.ndarray, "a 17 2"],
    second: Float[np.ndarray, "b 17 2"],
    size: Float[np.ndarray, " a"],
) -> Float[np.ndarray, "a b"]:
    """Returns the OKS of each pair of poses over the joints that both have; 0 without three."""
    distance = ((first[:, None] - second[None]) ** 2).sum(-1)
    both = ~np.isnan(distance)
    near = np.exp(-np.where(both, distance, 0) / (size[:, None, None] ** 2 + 1e-6) * _PRECISION)
    count = both.sum(-1)
    return np.where(count >= 3, (near * both).sum(-1) / np.maximum(count, 1), 0.0)


def _overlap(first, second, both):
    """Returns the IoU of the boxes round the joints that both poses of a pair have."""
    outside = np.where(both, 0.0, np.inf)[..., None]
    a, b = np.nan_to_num(first)[:, None], np.nan_to_num(second)[None]
    low_a, low_b = (a + outside).min(-2), (b + outside).min(-2)
    high_a, high_b = (a - outside).max(-2), (b - outside).max(-2)
    with np.errstate(invalid="ignore"):  # no joint in common
        shared = np.maximum(np.minimum(high_a, high_b) - np.maximum(low_a, low_b), 0).prod(-1)
        union = (high_a - low_a).prod(-1) + (high_b - low_b).prod(-1) - shared
    return np.where(union > 0, shared / np.where(union > 0, union, 1), 0.0)
