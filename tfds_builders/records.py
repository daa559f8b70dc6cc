"""The schema of every prepared dataset, and the check of a record against it."""

from typing import Any

import numpy as np
import tensorflow_datasets as tfds

# The 17 joints of Human3.6M. `neck` is between the neck and the nose, `head` the top of the head
# and `thorax` the base of the neck.
JOINTS = (
    "pelvis",
    "right_hip",
    "right_knee",
    "right_ankle",
    "left_hip",
    "left_knee",
    "left_ankle",
    "spine",
    "thorax",
    "neck",
    "head",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "right_shoulder",
    "right_elbow",
    "right_wrist",
)
# The joints of motion records: with three points of the face, which detectors find.
LANDMARKS = (*JOINTS, "nose", "left_ear", "right_ear")
PARENTS = (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15)


def _tensor(shape: tuple[int | None, ...], dtype: Any, doc: str) -> tfds.features.Tensor:
    # Stored as plain bytes, which TFDS writes several times faster than its default.
    return tfds.features.Tensor(shape=shape, dtype=dtype, encoding="bytes", doc=doc)


def features() -> tfds.features.FeaturesDict:
    """Returns the features of one record: one sequence of one person, seen by one camera."""
    tensor, joints = _tensor, len(JOINTS)
    return tfds.features.FeaturesDict(
        {
            "name": tfds.features.Text(doc='Unique name of the sequence, e.g. "02_01/view0".'),
            "subject": tfds.features.Text(doc="Person; empty where unknown."),
            "action": tfds.features.Text(doc="Action; empty where unknown."),
            "camera": tfds.features.Text(doc='Name of the camera, e.g. "view0".'),
            "fps": tfds.features.Scalar(dtype=np.float32, doc="Frames per second."),
            "image_size": tensor((2,), np.int32, "Width and height, px."),
            "keypoints_2d": tensor(
                (None, joints, 2), np.float32, "2D joints as a detector returns them, px."
            ),
            "confidence": tensor(
                (None, joints), np.float32, "Confidence of the detector, about [0, 1]."
            ),
            "joints_3d": tensor(
                (None, joints, 3),
                np.float32,
                "True joints in camera space, mm; with mm_per_px in the image: x and y in px and "
                "depth relative to the root of the frame in px of the same size.",
            ),
            "mm_per_px": tensor(
                (None,),
                np.float32,
                "2.5D labels only (else empty): mm per px of joints_3d by frame; NaN: unknown.",
            ),
            "visibility": tensor((None, joints), np.int8, "1 visible, 0 occluded, -1 unknown."),
            "valid": tensor((None,), np.int8, "1 where the protocol counts the frame, else 0."),
            "activity": tensor(
                (None,), np.int8, "Number of the activity in each frame; 0: unknown."
            ),
            "intrinsics": tensor((3, 3), np.float32, "Pinhole matrix, px; NaN: unknown."),
            "distortion": tensor(
                (5,), np.float32, "Lens distortion as in OpenCV: k1 k2 p1 p2 k3; NaN: unknown."
            ),
            "rotation": tensor(
                (3, 3), np.float32, "From the world (Y up, mm) to the camera; NaN: unknown."
            ),
            "translation": tensor(
                (3,), np.float32, "mm; x_camera = rotation @ x_world + translation; NaN: unknown."
            ),
        }
    )


def motion_features() -> tfds.features.FeaturesDict:
    """Returns the features of one motion record: one motion of one person, without a camera."""
    shared = features()
    return tfds.features.FeaturesDict(
        {key: shared[key] for key in ("name", "subject", "action", "fps")}
        | {
            "joints": _tensor(
                (None, len(LANDMARKS), 3),
                np.float32,
                "The 17 joints, nose, left ear and right ear in the world, metres, Y up.",
            )
        }
    )


def frames_of(record: dict[str, Any]) -> int:
    """Returns the number of frames of a record of either kind."""
    return len(record["joints" if "joints" in record else "joints_3d"])


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
    mm_per_px: np.ndarray | None = None,
    visibility: np.ndarray | None = None,
    valid: np.ndarray | None = None,
    activity: np.ndarray | None = None,
    intrinsics: np.ndarray | None = None,
    distortion: np.ndarray | None = None,
    rotation: np.ndarray | None = None,
    translation: np.ndarray | None = None,
) -> dict[str, Any]:
    """Returns a record of the schema of `features`, checked and with the right types.

    Args:
        name: Unique name of the sequence.
        camera: Name of the camera.
        fps: Frames per second; NaN where unknown.
        image_size: Width and height, px.
        keypoints_2d: `[t, 17, 2]`, px.
        confidence: `[t, 17]`, in [-0.25, 1.25], as the heights of heat maps exceed [0, 1].
        joints_3d: `[t, 17, 3]`, mm, camera space; with `mm_per_px` 2.5D labels: x and y in px, and
            depth relative to the root of the frame in px of the same size.
        subject: Person, "" where unknown.
        action: Action, "" where unknown.
        mm_per_px: `[t]`, for 2.5D labels (the "2.5D factor"), NaN where unknown; else None.
        visibility: `[t, 17]` of 1, 0 or -1; None where unknown.
        valid: `[t]` of 1 where the protocol counts the frame, else 0; None for all.
        activity: `[t]` number of the activity in each frame, from 1; None where unknown.
        intrinsics: `[3, 3]`, px; None where unknown.
        distortion: `[5]`, k1 k2 p1 p2 k3 as in OpenCV; None where unknown.
        rotation: `[3, 3]`, world to camera; None where unknown.
        translation: `[3]`, mm; None where unknown.

    Raises:
        ValueError: If a shape is wrong, a number is not finite or out of its range, or a joint is
            not in front of a camera whose intrinsics are known.
    """
    frames, joints = len(keypoints_2d), len(JOINTS)

    def array(key, value, shape, dtype, missing: float = np.nan, may_be_nan=False):
        if value is None:
            return np.full(shape, missing, dtype)
        value = np.asarray(value)
        if value.shape != shape:
            raise ValueError(
                f"record {name!r}: {key} must have shape {shape}, found {value.shape}; "
                f"keypoints_2d has {frames} frames"
            )
        finite = np.isfinite(value) | (may_be_nan & np.isnan(value))
        if not finite.all():
            raise ValueError(
                f"record {name!r}: {key} has numbers that are not finite, the first at index "
                f"{np.argwhere(~finite)[0].tolist()}"
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
        "mm_per_px": array(
            "mm_per_px",
            mm_per_px,
            (0 if mm_per_px is None else frames,),
            np.float32,
            may_be_nan=True,
        ),
        "visibility": array("visibility", visibility, (frames, joints), np.int8, missing=-1),
        "valid": array("valid", valid, (frames,), np.int8, missing=1),
        "activity": array("activity", activity, (frames,), np.int8, missing=0),
        "intrinsics": array("intrinsics", intrinsics, (3, 3), np.float32),
        "distortion": array("distortion", distortion, (5,), np.float32),
        "rotation": array("rotation", rotation, (3, 3), np.float32),
        "translation": array("translation", translation, (3,), np.float32),
    }
    _check(record)
    if intrinsics is not None and mm_per_px is None:
        _check_in_front(record)
    return record


def _check(record: dict[str, Any]) -> None:
    """Raises an error of values that are out of their range."""

    def check(key: str, good: Any, what: str) -> None:
        if not np.all(good):
            raise ValueError(
                f"record {record['name']!r}: {key} must be {what}, found {record[key]}"
            )

    check("name", len(record["name"]) > 0, "a non-empty text")
    check("fps", np.isnan(record["fps"]) or 0 < record["fps"] < np.inf, "positive")
    check("image_size", record["image_size"] > 0, "positive")
    confidence = record["confidence"]
    check("confidence", (confidence >= -0.25) & (confidence <= 1.25), "about in [0, 1]")
    known = record["mm_per_px"][~np.isnan(record["mm_per_px"])]
    check("mm_per_px", known > 0, "positive")
    check("valid", np.isin(record["valid"], (0, 1)), "1 or 0")
    check("activity", record["activity"] >= 0, "0 or more")
    check("visibility", np.isin(record["visibility"], (-1, 0, 1)), "1, 0 or -1")


def _check_in_front(record: dict[str, Any]) -> None:
    """Raises an error of joints that are not in front of the camera."""
    behind = np.argwhere(record["joints_3d"][..., 2] <= 0)
    if len(behind):
        frame, joint = behind[0]
        raise ValueError(
            f"record {record['name']!r}: {len(behind)} joints are not in front of the camera, the "
            f"first is {JOINTS[joint]} in frame {frame}"
        )
