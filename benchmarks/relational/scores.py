"""Tests many models of one architecture at once on a prepared split."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from repose_jax.data import clips as clips_lib
from repose_jax.evaluation import predict
from repose_jax.evaluation.evaluator import Evaluator
from repose_jax.evaluation.metrics import METRICS, Metric
from repose_jax.evaluation.predict import Variables
from repose_jax.evaluation.tally import VISIBILITY
from repose_jax.models.lifter import Lifter
from repose_jax.objectives.losses import Poses, Terms, Valid
from repose_jax.skeleton import HUMAN36M


def depth_spread(prediction: Poses, target: Poses, valid: Valid) -> Terms:
    """Deviation of a joint's predicted depth from the mean of its frame, in percent of the truth's.

    Below 100 the pose is flatter than it is. Mean absolute deviations, of all frames together.
    """
    total, weight = (
        jnp.abs(depth - jnp.mean(depth, axis=-1, keepdims=True, where=valid))
        for depth in (prediction[..., 2], target[..., 2])
    )
    return jnp.where(valid, 100 * total, 0), jnp.where(valid, weight, 0)


SPREAD = Metric("depth_spread", "Spread", "%", 1, "higher", "clips", depth_spread)

COLUMNS = (
    *(("mpjpe", None), ("mpjpe", "occluded"), ("n_mpjpe", None), ("n_mpjpe", "occluded")),
    *(("pa_mpjpe", None), ("pa_mpjpe", "occluded")),
    *(("spatial_depth_order", None), ("spatial_depth_order", "occluded")),
    *(("temporal_depth_order", None), ("mpjve", None), ("depth_spread", None)),
)
"""(metric, visibility) of the tables."""


def metric(name: str) -> Metric:
    """Returns a metric of `COLUMNS`."""
    return SPREAD if name == SPREAD.name else METRICS[name]


def key(name: str, visibility: str | None) -> str:
    """Returns the name of a column in a result."""
    return f"{name}/{visibility or 'all'}"


def of_members(
    evaluator: Evaluator,
    graphdef: nnx.GraphDef[Lifter],
    members: Variables,
    *,
    at_a_time: int,
) -> list[dict[str, float]]:
    """Returns the `COLUMNS` of every member: the means of `evaluator.score`.

    Args:
        evaluator: the test set, of the protocol "every_frame".
        graphdef: the static half of the models.
        members: their variables, `[m, ...]`.
        at_a_time: members that are tested at once.
    """
    clips = evaluator.clips
    sequences = clips.sequences
    index = np.arange(len(clips))
    rows, new = clips_lib.rows(clips, index), clips_lib.new_frames(clips, index)
    # Each frame is that of the first clip that covers it.
    place = np.zeros(len(clips.joints), np.int64)
    place[rows[new]] = np.flatnonzero(new)
    counted = sequences.valid & clips_lib.covered(clips) & np.isfinite(clips.mm_per_unit)
    frame = np.arange(sequences.lengths.max())
    along = np.minimum(sequences.offsets[:-1, None] + frame, sequences.offsets[1:, None] - 1)
    masks = {
        "clips": (rows, (new & counted[rows])[..., None] & clips.counted),
        "sequences": (
            along,
            (counted[along] & (frame < sequences.lengths[:, None]))[..., None] & clips.counted,
        ),
    }
    arrays = {
        "inputs": clips_lib.model_inputs(clips, index),
        "place": place,
        "mm": clips.mm_per_unit,
        "truth": predict.root_relative_mm(clips.joints, clips),
        "visibility": sequences.visibility,
        "masks": masks,
    }
    with jax.default_matmul_precision("highest"):
        found = _test(graphdef, evaluator.flip, evaluator.window, at_a_time, members, arrays)
    found = jax.device_get(found)
    names = [key(*column) for column in COLUMNS]
    return [{name: float(found[name][m]) for name in names} for m in range(len(found[names[0]]))]


@functools.partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _test(graphdef, flip, window, at_a_time, members, arrays):
    truth = arrays["truth"]

    def one(variables):
        made = predict.predict(graphdef, variables, arrays["inputs"], flip=flip, window=window)
        frames = made.reshape(-1, *made.shape[2:])[arrays["place"]]
        root = frames[:, HUMAN36M.root, None]
        poses = (frames - root) * arrays["mm"][:, None, None]

        def mean(name, visibility):
            rows, mask = arrays["masks"][metric(name).along]
            score = metric(name)(poses[rows], truth[rows], mask)
            kinds = arrays["visibility"][rows] + 1
            where = True if visibility is None else kinds == VISIBILITY.index(visibility)
            return score.total.sum(where=where) / score.weight.sum(where=where)

        return {key(*column): mean(*column) for column in COLUMNS}

    return jax.lax.map(one, members, batch_size=at_a_time)
