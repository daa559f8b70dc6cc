"""Errors of detectors on a recording: what the simulated detectors are fitted to.

The error of a joint is its distance from the projection of the triangulated joint, in units of the
torso (middle of the hips to middle of the shoulders, parallel to the image). Its median over the
frames is the constant offset, the rest noise; noise above 15 % is a gross error.
"""

import pathlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from benchmarks.accuracy import recording
from benchmarks.accuracy.recording import Detection, View
from repose_jax.evaluation.tables import Table
from repose_jax.skeleton import OPENPOSE_BODY25B

GROSS = 0.15  # of the torso
LAGS = np.arange(0, 3.25, 0.25)  # frames
COLUMNS = ("largest offset %", "offset %", "noise %", "without lag %", "gross %", "missing %")
COLUMNS += ("confidence", "its deviation")


def measure(folder: pathlib.Path) -> dict[str, Mapping[str, Any]]:
    """Measures both detectors over all views of a recording.

    Returns:
        For each detector "joints", kind of joint to the values of `COLUMNS`, and "all joints": its
        lag in seconds, the time constant in seconds of the noise without the lag and the white part
        of its variance, and the correlation of the confidence with the logarithm of the error.
    """
    views = recording.read(folder)
    return {
        name: fit([(view, getattr(view, name.lower())) for view in views])
        for name in ("OpenPose", "BlazePose")
    }


def table(name: str, found: Mapping[str, Any]) -> Table:
    """Returns the table of a detector."""
    every = {key: f"{key} {value:.2g}" for key, value in found["all joints"].items()}
    return Table(
        title=f"{name}, in % of the torso; all joints: {', '.join(every.values())}",
        columns=COLUMNS,
        rows=found["joints"],
        digits=(1, 1, 1, 1, 1, 1, 2, 2),
    )


def fit(seen: Sequence[tuple[View, Detection]]) -> Mapping[str, Any]:
    """Measures a detector over views and its detections in them; see `measure`."""
    lag = min(LAGS, key=lambda lag: np.mean([_spread(*one, lag) for one in seen]))
    kinds: dict[str, list[np.ndarray]] = defaultdict(list)
    correlations, confidences, sizes = [], [], []
    for view, detection in seen:
        timely = errors(view, detection, lag)
        for joint, error in errors(view, detection, 0).items():
            confidence = detection.confidence[:, detection.skeleton.joints.index(joint)]
            offset, noise = _split(error)
            _, later = _split(timely[joint])
            gross = np.linalg.norm(noise, axis=-1) > GROSS
            shares = [np.linalg.norm(offset), _deviation(noise), _deviation(later)]
            shares += [gross.mean(), np.mean(confidence == 0)]
            row = np.array([*(100 * np.array(shares)), confidence.mean(), confidence.std()])
            kinds[joint.removeprefix("left_").removeprefix("right_")].append(row)
            correlations.append([_correlation(later, frames) for frames in (3, 6)])
            found = np.isfinite(later).all(axis=-1)
            confidences.append(confidence[found])
            sizes.append(np.log(np.linalg.norm(later[found], axis=-1) + 0.005))
    near, far = np.mean(correlations, axis=0)
    trust = np.corrcoef(np.concatenate(confidences), np.concatenate(sizes))[0, 1]
    fps = seen[0][0].fps
    joints = {
        kind: [float(np.max(rows, axis=0)[0]), *np.mean(rows, axis=0).tolist()]
        for kind, rows in kinds.items()
    }
    return {
        "joints": joints,
        "all joints": {
            "lag (s)": float(lag / fps),
            "time constant (s)": float(3 / fps / np.log(near / far)),
            "white part": float(max(1 - near**2 / far, 0)),
            "correlation of confidence and log error": float(trust),
        },
    }


def errors(view: View, detection: Detection, lag: float) -> dict[str, Float[np.ndarray, "t 2"]]:
    """Returns the errors of every joint that was triangulated, in units of the torso.

    Args:
        view: the view.
        detection: its detections.
        lag: frames by which they are late.
    """
    frames = np.arange(len(view.truth))
    found = {}
    for joint, name in enumerate(detection.skeleton.joints):
        if name not in OPENPOSE_BODY25B.joints:
            continue
        truth = view.projected[:, OPENPOSE_BODY25B.joints.index(name)]
        if np.isfinite(truth).all():
            late = np.stack([np.interp(frames - lag, frames, x) for x in truth.T], axis=-1)
            found[name] = (detection.keypoints[:, joint] - late) / view.torso
    return found


def _split(error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    offset = np.nanmedian(error, axis=0)
    return offset, error - offset


def _ordinary(noise: np.ndarray) -> np.ndarray:
    """Noise without gross errors, which are NaN, and without its mean."""
    noise = np.where(np.linalg.norm(noise, axis=-1, keepdims=True) > GROSS, np.nan, noise)
    return noise - np.nanmean(noise, axis=0)


def _deviation(noise: np.ndarray) -> float:
    return float(np.sqrt(np.nanmean(_ordinary(noise) ** 2)))


def _correlation(noise: np.ndarray, frames: int) -> float:
    noise = _ordinary(noise)
    return float(np.nanmean(noise[frames:] * noise[:-frames]) / np.nanmean(noise**2))


def _spread(view: View, detection: Detection, lag: float) -> float:
    every = errors(view, detection, lag).values()
    return float(np.mean([_deviation(_split(error)[1]) for error in every]))
