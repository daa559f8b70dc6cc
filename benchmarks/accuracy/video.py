"""Accuracy on a recording with real detections, beside 3D joints triangulated from all cameras."""

import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from benchmarks.accuracy import recording
from benchmarks.accuracy.recording import Detection, View
from benchmarks.accuracy.report import Rows, Values
from repose_jax.evaluation.metrics import METRICS
from repose_jax.evaluation.protocols.every_frame import HANDS
from repose_jax.lifting.predictor import Predictor
from repose_jax.skeleton import HUMAN36M, convert, convert_confidence

NECK, SPINE, THORAX, HEAD = map(HUMAN36M.joints.index, ("neck", "spine", "thorax", "head"))
LIMBS = tuple(
    HUMAN36M.joints.index(f"{side}_{joint}")
    for side in ("left", "right")
    for joint in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
)
"""The 12 joints that every detector and the truth have."""
JOINTS = tuple(joint for joint in range(HUMAN36M.size) if joint not in (NECK, SPINE))
"""The 15 joints of the truth: of OpenPose's joints none is a spine or a neck."""


def measure(
    models: Mapping[str, Predictor],
    folder: pathlib.Path,
    *,
    known: Sequence[str],
    mean_pose: Float[np.ndarray, "17 3"] | None,
) -> dict[str, Rows]:
    """Lifts every view of a recording from the joints of each detector.

    Args:
        models: the models.
        folder: the recording; see `benchmarks.accuracy.recording`.
        known: what the models are given of the cameras.
        mean_pose: a pose to compare with, camera axes, relative to the pelvis, mm.

    Returns:
        For each view the rows of a table.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is not of its format.
    """
    tables: dict[str, Rows] = {}
    for view in recording.read(folder):
        rows: dict[str, list[Values]] = {}
        for detector in ("OpenPose", "BlazePose"):
            detection = getattr(view, detector.lower())
            for name, keypoints, confidence in inputs(detection):
                rows[f"{detector}, {name}"] = [
                    errors(lift(model, view, keypoints, confidence, known), view.truth)
                    for model in models.values()
                ]
        own = view.own - view.own[:, HUMAN36M.root, None]
        rows["BlazePose's own 3D"] = [errors(own, view.truth)]
        if mean_pose is not None:
            still = np.broadcast_to(mean_pose, view.truth.shape)
            rows["mean pose"] = [errors(still, view.truth)]
        rows["triangulated joints"] = [
            {"bone_variation": errors(view.truth, view.truth)["bone_variation"]}
        ]
        tables[f"{view.name}, {len(view.truth)} frames"] = rows
        print(f"{view.name}: OpenPose is {view.reprojection:.1f} px from the projected truth.")
    return tables


def inputs(detection: Detection) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yields ways to make Human3.6M's joints of a detector's: name, px and confidence."""
    skeleton = detection.skeleton
    keypoints = convert(detection.keypoints, skeleton, HUMAN36M)
    confidence = convert_confidence(detection.confidence, skeleton, HUMAN36M)
    yield "nose as neck", keypoints, confidence

    middle, sure = keypoints.copy(), confidence.copy()
    middle[:, NECK] = (keypoints[:, THORAX] + keypoints[:, HEAD]) / 2
    sure[:, NECK] = confidence[:, [THORAX, HEAD]].min(axis=-1)
    yield "middle of thorax and head as neck", middle, sure

    estimated = [NECK, SPINE] + [HEAD] * ("head_top" not in skeleton.joints)
    for name, missing in (("no neck", [NECK]), ("no neck, spine", estimated)):
        place, seen = keypoints.copy(), confidence.copy()
        place[:, missing], seen[:, missing] = np.nan, 0
        yield name + ", head" * (HEAD in missing), place, seen


def lift(
    model: Predictor,
    view: View,
    keypoints: Float[np.ndarray, "t 17 2"],
    confidence: Float[np.ndarray, "t 17"],
    known: Sequence[str],
) -> Float[np.ndarray, "t 17 3"]:
    """Returns the poses that a model predicts of a view, mm."""
    hints: dict[str, Any] = {"fps": view.fps, "focal": view.focal, "up": view.up}
    named = {"focal_length" if name == "focal" else name: hints[name] for name in known}
    return model(keypoints, confidence, view.image_size, **named)


def errors(prediction: Float[np.ndarray, "t 17 3"], truth: Float[np.ndarray, "t 17 3"]) -> Values:
    """Returns the columns of poses, over the 15 joints of the truth."""

    def mean(metric: str, joints: Sequence[int], align: Sequence[int] = JOINTS) -> float:
        mask = np.zeros(truth.shape[:2], bool)
        mask[:, align] = True
        poses, target = (jnp.asarray(x, jnp.float32) for x in (prediction, truth))
        score = METRICS[metric](poses, target, jnp.asarray(mask))
        counted = np.zeros(HUMAN36M.size, bool)
        counted[list(joints)] = True
        return float(score.mean(where=jnp.asarray(counted)[None]))

    plain = ("mpjpe", "pa_mpjpe", "ra_mpjpe", "n_mpjpe", "mpjve", "bone_variation")
    return {
        **{metric: mean(metric, JOINTS) for metric in plain},
        "pa_mpjpe_12": mean("pa_mpjpe", LIMBS, LIMBS),
        "mpjpe_hands": mean("mpjpe", HANDS),
    }
