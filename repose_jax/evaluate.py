"""Evaluation: predictions for every frame of the test sequences, scored and summed up by group.

Each frame counts once, in the first clip that covers it. Predictions and targets are compared
relative to the root of each frame, in millimetres. Metrics over time (velocity, acceleration,
order of frames) are taken within a clip.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.experimental import multihost_utils
from jax.sharding import Mesh
from jaxtyping import Array, Float

from repose_jax import clips as clips_lib
from repose_jax import devices
from repose_jax.metrics import METRICS
from repose_jax.skeleton import HUMAN36M

Predictor = Callable[[Any], Float[Array, "b t j 3"]]  # inputs [b, t, j, 3] to poses, metres
VISIBILITY = ("unknown", "occluded", "visible")  # of values -1, 0, 1


@dataclasses.dataclass(frozen=True)
class Tally:
    """Sums of each metric by action, joint and visibility, from which every mean follows.

    Attributes:
        actions: the labels of the first axis.
        totals: metric name to `[action, joint, visibility]` sum.
        weights: metric name to what the sums are divided by.
    """

    actions: tuple[str, ...]
    totals: Mapping[str, np.ndarray]
    weights: Mapping[str, np.ndarray]

    def mean(
        self,
        metric: str,
        *,
        action: str | None = None,
        joint: int | None = None,
        visibility: str | None = None,
    ) -> float:
        """Returns the mean of a metric over a group; NaN where the group is empty."""
        where = (
            slice(None) if action is None else self.actions.index(action),
            slice(None) if joint is None else joint,
            slice(None) if visibility is None else VISIBILITY.index(visibility),
        )
        weight = self.weights[metric][where].sum()
        return float(self.totals[metric][where].sum() / weight) if weight else float("nan")

    def summary(self, **group: Any) -> dict[str, float]:
        """Returns the mean of every metric over a group."""
        return {metric: self.mean(metric, **group) for metric in self.totals}


def predict(
    graph: Any, params: Any, inputs: Float[Array, "b t j cin"], *, flip: bool
) -> Float[Array, "b t j 3"]:
    """Runs a model without its drops.

    Args:
        graph: the model's static half.
        params: its parameters.
        inputs: `[b, t, j, 3]` normalised joints with confidence.
        flip: average with the prediction for the mirrored clip, mirrored back.

    Returns:
        `[b, t, j, 3]` in the units of the training targets.
    """
    model = nnx.merge(graph, params)
    out = model(inputs)
    if flip:
        out = (out + clips_lib.flip(model(clips_lib.flip(inputs)))) / 2
    return out


_predict = jax.jit(predict, static_argnums=0, static_argnames="flip")


def model_predictor(graph: Any, params: Any, *, flip: bool) -> Predictor:
    """Returns the predictor of a model; compiled once for all parameters of one model."""
    return lambda inputs: _predict(graph, params, inputs, flip=flip)


def mean_pose_predictor(train: clips_lib.Clips) -> Predictor:
    """Returns the predictor that answers everything with the mean pose of the training frames."""
    joints = train.joints - train.joints[:, HUMAN36M.root, None]
    mean = jnp.asarray(joints.mean(axis=0, dtype=np.float64), jnp.float32)
    return lambda inputs: jnp.broadcast_to(mean, (*inputs.shape[:-1], 3))


@jax.jit
def _score(prediction, targets, counted):
    def root_relative_mm(x):
        return (x - x[..., HUMAN36M.root, None, :]) / clips_lib.METRES

    prediction, targets = root_relative_mm(prediction), root_relative_mm(targets)
    mask = jnp.broadcast_to(counted, targets.shape[:-1])
    return {name: tuple(f(prediction, targets, mask)) for name, f in METRICS.items()}


def evaluate(
    predictor: Predictor,
    clips: clips_lib.Clips,
    actions: tuple[str, ...],
    *,
    batch_size: int,
    mesh: Mesh,
) -> Tally:
    """Evaluates a predictor on all clips, each frame once.

    Args:
        predictor: normalised inputs to poses in metres.
        clips: test clips.
        actions: the action of each sequence.
        batch_size: clips in a batch, over all devices; the last one is filled up and the filling
            not counted.
        mesh: the devices.

    Returns:
        Sums of every metric.
    """
    names = tuple(sorted(set(actions)))
    action_of = np.array([names.index(action) for action in actions])
    shape = (len(names), clips.joints.shape[1], len(VISIBILITY))
    totals = {name: np.zeros(shape) for name in METRICS}
    weights = {name: np.zeros(shape) for name in METRICS}
    rows = devices.process_rows(batch_size)
    joint = np.arange(shape[1])
    for index, real, batch in clips_lib.eval_batches(clips, batch_size):
        counted = batch["counted"] & real[:, None, None]
        local = {
            key: value[rows]
            for key, value in (batch | {"counted": counted}).items()
            if key in ("inputs", "targets", "counted")
        }
        arrays = devices.put_rows(local, mesh)
        with jax.default_matmul_precision("highest"):
            scores = _score(predictor(arrays["inputs"]), arrays["targets"], arrays["counted"])
        scores = multihost_utils.process_allgather(scores, tiled=True)
        action = action_of[clips.windows.sequence[index]][:, None, None]
        group = np.broadcast_arrays(action, joint, batch["visibility"].astype(np.int64) + 1)
        for name, (total, weight) in scores.items():
            np.add.at(totals[name], tuple(group), np.asarray(total, np.float64))
            np.add.at(weights[name], tuple(group), np.asarray(weight, np.float64))
    return Tally(actions=names, totals=totals, weights=weights)


def predict_sequence(
    predictor: Predictor, clips: clips_lib.Clips, sequence: int, *, batch_size: int, mesh: Mesh
) -> Float[np.ndarray, "t j 3"]:
    """Predicts a whole sequence, each frame in the first clip that covers it.

    Returns:
        `[t, j, 3]` poses in mm, relative to what the clips' depth reference is.
    """
    rows = devices.process_rows(batch_size)
    parts = []
    mine = np.flatnonzero(clips.windows.sequence == sequence)
    for first in range(0, len(mine), batch_size):
        index = np.resize(mine[first : first + batch_size], batch_size)  # one shape: one program
        batch = clips_lib.gather(clips, index)
        with jax.default_matmul_precision("highest"):
            prediction = predictor(devices.put_rows(batch["inputs"][rows], mesh))
        gathered = np.asarray(multihost_utils.process_allgather(prediction, tiled=True))
        real = len(mine[first : first + batch_size])
        parts.append(gathered[:real][batch["counted"][:real, :, 0]])
    return np.concatenate(parts) / clips_lib.METRES
