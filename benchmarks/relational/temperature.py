"""The temperature at which a model's depths say how often their order is right."""

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import optimize, special

from benchmarks.accuracy import stored
from repose_jax.evaluation.predictions import Predictions
from repose_jax.lifting.predictor import Predictor

PAIRS = 1_000_000
"""Random pairs that are looked at."""
BOUNDS = 1.0, 1000.0  # mm


def measure(model: Predictor, split: str, *, data_dir: str | None) -> dict[str, dict[str, float]]:
    """Measures the gaps of depth that a model predicts on a prepared split.

    Pairs are random: of joints in a frame, and of the frames of a joint in clips as long as the
    model's; all of them, and those with an occluded joint.

    Returns:
        For each kind of pairs: "temperature", the most likely one, cm; "width", the mean predicted
        gap in percent of the mean true one; "order", the pairs that are ordered rightly, percent.

    Raises:
        ValueError: the split has no poses in mm, or the model does not take its clips.
        FileNotFoundError: the dataset is not prepared.
    """
    made = stored.predict(model, split, data_dir=data_dir, known=("fps",))[1]
    rng = np.random.default_rng(0)
    found = {}
    for kind, pairs in (
        ("joints", pairs_of_joints(made, rng)),
        ("frames", pairs_of_frames(made, rng, model.config.data.frames)),
    ):
        gap, truth = (np.diff(poses[(*pairs, 2)], axis=0)[0] for poses in (made.poses, made.truth))
        hidden = (made.clips.sequences.visibility[pairs] == 0).any(axis=0)
        for name, where in ((kind, truth != 0), (f"{kind}, occluded", hidden & (truth != 0))):
            right = (gap * np.sign(truth))[where]
            found[name] = {
                "temperature": of_gaps(right) / 10,
                "width": float(100 * np.abs(right).mean() / np.abs(truth[where]).mean()),
                "order": float(100 * (right > 0).mean()),
            }
    return found


def of_gaps(gaps: Float[np.ndarray, " n"]) -> float:
    """Returns the most likely temperature of predicted gaps of depth, in their unit.

    Args:
        gaps: those of pairs, positive where the order is right; mm.
    """

    def unlikelihood(log_tau: float) -> float:
        return -float(np.mean(special.log_expit(gaps / np.exp(log_tau))))

    return float(np.exp(optimize.fminbound(unlikelihood, *np.log(BOUNDS))))


def pairs_of_joints(
    made: Predictions, rng: np.random.Generator
) -> tuple[Int[np.ndarray, "2 n"], ...]:
    """Returns the frames and the joints of both ends of random pairs in one frame."""
    frame = rng.choice(np.flatnonzero(made.valid), PAIRS)
    joints = made.poses.shape[1]
    first = rng.integers(joints, size=PAIRS)
    other = (first + rng.integers(1, joints, PAIRS)) % joints
    return np.stack([frame, frame]), np.stack([first, other])


def pairs_of_frames(
    made: Predictions, rng: np.random.Generator, most: int
) -> tuple[Int[np.ndarray, "2 n"], ...]:
    """Returns the same of random pairs of a joint, in frames of a clip of `most`."""
    offsets = made.clips.sequences.offsets
    frame = rng.choice(np.flatnonzero(made.valid), PAIRS)
    apart = np.abs(np.diff(rng.integers(most, size=(2, PAIRS)), axis=0)[0])
    other = np.minimum(frame + apart, len(made.valid) - 1)
    sequence, of_other = (np.searchsorted(offsets, x, side="right") for x in (frame, other))
    one: Bool[np.ndarray, " n"] = (sequence == of_other) & made.valid[other]
    joint = rng.integers(made.poses.shape[1], size=PAIRS)
    return np.stack([frame, other])[:, one], np.stack([joint, joint])[:, one]
