"""Frames of reference of the 2D joints that a network reads."""

import numpy as np
from jaxtyping import Float, Int


def to_image_frame(
    keypoints: Float[np.ndarray, "*n j 2"], image_size: Int[np.ndarray, "*n 2"]
) -> Float[np.ndarray, "*n j 2"]:
    """Maps pixels to [-1, 1] across the width, keeping the aspect: v / w * 2 - [1, h / w]."""
    width, height = np.moveaxis(image_size[..., None, :].astype(np.float32), -1, 0)
    centre = np.stack([np.ones_like(width), height / width], axis=-1)
    return (keypoints / width[..., None] * 2 - centre).astype(np.float32)
