"""Joints of ONNX models as those of Human3.6M."""

import numpy as np
from jaxtyping import Float

from repose_jax import skeleton
from repose_jax.detectors.onnx_session import Session

FORMATS = {17: "coco17", 26: "halpe26", 133: "wholebody133"}
"""Format by the number of joints."""


def format_of(session: Session, joints: int) -> str:
    """Returns the format of a model that finds this number of joints.

    Raises:
        ValueError: there is none.
    """
    if joints not in FORMATS:
        known = ", ".join(f"{count} ({name})" for count, name in FORMATS.items())
        raise ValueError(f"{session.path} finds {joints} joints; expected {known}.")
    return FORMATS[joints]


def to_human36m(
    keypoints: Float[np.ndarray, "n k 2"], confidence: Float[np.ndarray, "n k"], format: str
) -> tuple[Float[np.ndarray, "n 17 2"], Float[np.ndarray, "n 17"]]:
    """Converts joints of a format; missing ones are NaN with confidence 0."""
    if format == "wholebody133":  # the body comes first
        keypoints, confidence, format = keypoints[:, :17], confidence[:, :17], "coco17"
    source = skeleton.SKELETONS[format]
    points = skeleton.convert(keypoints, source, skeleton.HUMAN36M)
    seen = skeleton.convert_confidence(confidence, source, skeleton.HUMAN36M)
    missing = ~np.isfinite(points).all(-1) | (seen <= 0)
    return np.where(missing[..., None], np.nan, points), np.where(missing, 0, seen)
