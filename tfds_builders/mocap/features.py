"""The schema of every prepared dataset, and the check that a record keeps to it."""

from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from tfds_builders.mocap.take import JOINTS


def features() -> tfds.features.FeaturesDict:
    """Returns the features of one record: one sequence of one person, seen by one camera.

    Tensors are stored as plain bytes, which TFDS writes several times faster than its default.
    """

    def tensor(shape, dtype, doc):
        return tfds.features.Tensor(shape=shape, dtype=dtype, encoding="bytes", doc=doc)

    joints = len(JOINTS)
    return tfds.features.FeaturesDict(
        {
            "name": tfds.features.Text(doc='Unique name of the sequence, e.g. "02_01/view0".'),
            "subject": tfds.features.Text(doc="Who; empty where not known."),
            "action": tfds.features.Text(doc="What; empty where not known."),
            "camera": tfds.features.Text(doc='Name of the camera, e.g. "view0".'),
            "fps": tfds.features.Scalar(dtype=np.float32, doc="Frames per second."),
            "image_size": tensor((2,), np.int32, "Width and height, px."),
            "keypoints_2d": tensor(
                (None, joints, 2), np.float32, "2D joints as a detector gives them, px."
            ),
            "confidence": tensor(
                (None, joints), np.float32, "Confidence of the detector in [0, 1]."
            ),
            "joints_3d": tensor((None, joints, 3), np.float32, "True joints in camera space, mm."),
            "visibility": tensor((None, joints), np.int8, "1 visible, 0 occluded, -1 not known."),
            "intrinsics": tensor((3, 3), np.float32, "Pinhole matrix, px; NaN: not known."),
            "rotation": tensor(
                (3, 3), np.float32, "From the world (Y up, mm) to the camera; NaN: not known."
            ),
            "translation": tensor(
                (3,), np.float32, "mm; x_camera = rotation @ x_world + translation; NaN: not known."
            ),
        }
    )


def make_record(
    *,
    name: str,
    camera: str,
    fps: float,
    image_size: tuple[int, int],
    keypoints_2d: np.ndarray,
    confidence: np.ndarray,
    joints_3d: np.ndarray,
    subject: str = "",
    action: str = "",
    visibility: np.ndarray | None = None,
    intrinsics: np.ndarray | None = None,
    rotation: np.ndarray | None = None,
    translation: np.ndarray | None = None,
) -> dict[str, Any]:
    """Returns a record of the schema of `features`, checked and with the right types.

    Args:
        name: Unique name of the sequence.
        camera: Name of the camera.
        fps: Frames per second.
        image_size: Width and height, px.
        keypoints_2d: `[t, 17, 2]`, px.
        confidence: `[t, 17]`, in [0, 1].
        joints_3d: `[t, 17, 3]`, mm, camera space.
        subject: Who, "" where not known.
        action: What, "" where not known.
        visibility: `[t, 17]` of 1, 0 or -1; None where not known.
        intrinsics: `[3, 3]`, px; None where not known.
        rotation: `[3, 3]`, world to camera; None where not known.
        translation: `[3]`, mm; None where not known.

    Raises:
        ValueError: If a shape is wrong, a number is not finite or out of its range, or a joint is
            not in front of a camera whose intrinsics are known.
    """
    frames, joints = len(keypoints_2d), len(JOINTS)

    def array(key, value, shape, dtype):
        if value is None:
            missing = -1 if np.issubdtype(dtype, np.integer) else np.nan
            return np.full(shape, missing, dtype)
        value = np.asarray(value)
        if value.shape != shape:
            raise ValueError(
                f"record {name!r}: {key} must have shape {shape}, found {value.shape}; "
                f"keypoints_2d has {frames} frames"
            )
        if not np.isfinite(value).all():
            raise ValueError(
                f"record {name!r}: {key} holds numbers that are not finite, the first at index "
                f"{np.argwhere(~np.isfinite(value))[0].tolist()}"
            )
        return value.astype(dtype)

    record = {
        "name": name,
        "subject": subject,
        "action": action,
        "camera": camera,
        "fps": np.float32(fps),
        "image_size": array("image_size", image_size, (2,), np.int32),
        "keypoints_2d": array("keypoints_2d", keypoints_2d, (frames, joints, 2), np.float32),
        "confidence": array("confidence", confidence, (frames, joints), np.float32),
        "joints_3d": array("joints_3d", joints_3d, (frames, joints, 3), np.float32),
        "visibility": array("visibility", visibility, (frames, joints), np.int8),
        "intrinsics": array("intrinsics", intrinsics, (3, 3), np.float32),
        "rotation": array("rotation", rotation, (3, 3), np.float32),
        "translation": array("translation", translation, (3,), np.float32),
    }

    def check(key, good, what):
        if not np.all(good):
            raise ValueError(f"record {name!r}: {key} must be {what}, found {record[key]}")

    check("name", len(name) > 0, "a non-empty text")
    check("fps", np.isfinite(record["fps"]) and fps > 0, "positive")
    check("image_size", record["image_size"] > 0, "positive")
    check("confidence", (record["confidence"] >= 0) & (record["confidence"] <= 1), "in [0, 1]")
    check("visibility", np.isin(record["visibility"], (-1, 0, 1)), "1, 0 or -1")
    if intrinsics is not None:
        behind = np.argwhere(record["joints_3d"][..., 2] <= 0)
        if len(behind):
            frame, joint = behind[0]
            raise ValueError(
                f"record {name!r}: {len(behind)} joints are not in front of the camera, the first "
                f"is {JOINTS[joint]} in frame {frame}"
            )
    return record
