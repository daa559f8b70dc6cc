"""Joints that ONNX models find."""

from repose_jax.detectors.onnx_session import Session

FORMATS = {17: "coco17", 26: "halpe26", 133: "coco_wholebody133"}
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
