"""Projection from camera space to the image: a pinhole camera with lens distortion."""

import numpy as np
from jaxtyping import Float


def project(
    joints: Float[np.ndarray, "*b j 3"],
    intrinsics: Float[np.ndarray, "3 3"],
    distortion: Float[np.ndarray, "5"],
) -> Float[np.ndarray, "*b j 2"]:
    """Projects points as OpenCV does (Brown's model).

    Args:
        joints: `[*b, j, 3]` in camera space (x right, y down, z away), any unit of length.
        intrinsics: `[3, 3]` pinhole matrix, px.
        distortion: `[5]` radial k1, k2, tangential p1, p2, radial k3.

    Returns:
        `[*b, j, 2]`, px.
    """
    x, y = np.moveaxis(joints[..., :2] / joints[..., 2:], -1, 0)
    k1, k2, p1, p2, k3 = distortion
    r2 = x**2 + y**2
    radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    distorted = np.stack(
        [
            x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x**2),
            y * radial + p1 * (r2 + 2 * y**2) + 2 * p2 * x * y,
        ],
        axis=-1,
    )
    return distorted @ intrinsics[:2, :2].T + intrinsics[:2, 2]
