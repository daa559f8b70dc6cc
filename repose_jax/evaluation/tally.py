"""Evaluation: predictions for every frame of the test sequences, scored and summed up by group.

Clips are predicted one by one and laid end to end; each frame is that of the first clip that covers
it, and counts once. Then predictions and targets are compared relative to the root of each frame,
in millimetres: velocity and acceleration along whole sequences, the order of frames within clips.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.experimental import multihost_utils
from jax.sharding import Mesh
from jaxtyping import Array, Bool, Float, Int

from repose_jax.data import clips as clips_lib
from repose_jax.data.sequences import Motion
from repose_jax.evaluation.metrics import METRICS
from repose_jax.models.lifter import slide
from repose_jax.runtime import devices
from repose_jax.skeleton import HUMAN36M

# Inputs [b, before + t + after, j, 3] to poses [b, t, j, 3] in model units.
Predictor = Callable[[Any], Float[Array, "b t j 3"]]
VISIBILITY = ("unknown", "occluded", "visible")  # of values -1, 0, 1
_ALONG_SEQUENCES = ("mpjve", "acceleration_error")
_SEQUENCE_BLOCK = 1024  # sequences are filled up to a multiple, so that few lengths are compiled


@dataclasses.dataclass(frozen=True)
class Group:
    """Frames that are summed up together: those of a sequence in which one thing is done.

    Attributes:
        sequence: its name.
        subject: who.
        action: what is done in the sequence.
        activity: the number of what is done in these frames; 0 not known.
    """

    sequence: str
    subject: str
    action: str
    activity: int


@dataclasses.dataclass(frozen=True)
class Tally:
    """Sums of each metric by group, joint and visibility, from which every mean follows.

    Attributes:
        groups: the labels of the first axis.
        totals: metric name to `[group, joint, visibility]` sum.
        weights: metric name to what the sums are divided by.
    """

    groups: tuple[Group, ...]
    totals: Mapping[str, np.ndarray]
    weights: Mapping[str, np.ndarray]

    @property
    def actions(self) -> tuple[str, ...]:
        """What is done in the sequences, in alphabetical order."""
        return tuple(sorted({group.action for group in self.groups}))

    def mean(
        self,
        metric: str,
        *,
        where: Callable[[Group], bool] = lambda group: True,
        joint: int | Sequence[int] | None = None,
        visibility: str | None = None,
    ) -> float:
        """Returns the mean of a metric over a choice of frames and joints; NaN where it is empty.

        Args:
            metric: its name in `METRICS`.
            where: which groups.
            joint: which joint or joints; None for all.
            visibility: one of `VISIBILITY`; None for all.
        """
        rows = [where(group) for group in self.groups]
        joints = slice(None) if joint is None else np.atleast_1d(joint)
        kinds = slice(None) if visibility is None else VISIBILITY.index(visibility)

        total, weight = (
            float(sums[metric][rows][:, joints][..., kinds].sum())
            for sums in (self.totals, self.weights)
        )
        return total / weight if weight else float("nan")

    def summary(self, **choice: Any) -> dict[str, float]:
        """Returns the mean of every metric over a choice of frames and joints."""
        return {metric: self.mean(metric, **choice) for metric in self.totals}

    def frames(self, where: Callable[[Group], bool] = lambda group: True) -> int:
        """Returns how many frames count."""
        weights = self.weights["mpjpe"][[where(group) for group in self.groups]]
        return round(weights.sum() / weights.shape[1])


def predict(
    graph: Any,
    variables: tuple[Any, ...],
    inputs: Float[Array, "b n j cin"],
    *,
    flip: bool,
    window: int | None = None,
) -> Float[Array, "b t j 3"]:
    """Runs a model without its drops.

    Args:
        graph: the model's static half.
        variables: its parameters and statistics.
        inputs: `[b, before + t + after, j, 3]` normalised joints with confidence, which is left out
            for a model without.
        flip: average with the prediction for the mirrored clip, mirrored back.
        window: read the centre frame of every window of so many frames, of a model that gives every
            frame; None to read all that it gives.

    Returns:
        `[b, t, j, 3]` in the units of the training targets.
    """
    model = nnx.merge(graph, *variables)
    inputs = inputs[..., : model.config.in_channels]

    def lift(x):
        if window is None:
            return model(x)
        centre = (window - 1) // 2
        return slide(lambda w: model(w)[:, centre], x, window)

    out = lift(inputs)
    if flip:
        out = (out + clips_lib.flip(lift(clips_lib.flip(inputs)))) / 2
    return out


_predict = jax.jit(predict, static_argnums=0, static_argnames=("flip", "window"))


def model_predictor(
    graph: Any, variables: tuple[Any, ...], *, flip: bool, window: int | None = None
) -> Predictor:
    """Returns the predictor of a model; compiled once for all parameters of one model."""
    return lambda inputs: _predict(graph, variables, inputs, flip=flip, window=window)


def mean_pose_predictor(train: clips_lib.Clips) -> Predictor:
    """Returns the predictor that answers everything with the mean pose of the training frames."""
    joints = train.joints
    if train.root_relative:
        joints = joints - joints[:, HUMAN36M.root, None]
    mean = jnp.asarray(joints.mean(axis=0, dtype=np.float64), jnp.float32)
    around = sum(train.context)
    return lambda x: jnp.broadcast_to(mean, (x.shape[0], x.shape[1] - around, *mean.shape))


def predict_frames(
    predictor: Predictor, clips: clips_lib.Clips, *, batch_size: int, mesh: Mesh
) -> Float[np.ndarray, "n j 3"]:
    """Predicts all clips, and lays each frame where it belongs.

    Args:
        predictor: normalised inputs to poses in the units of the model.
        clips: what to predict.
        batch_size: clips in a batch, over all devices.
        mesh: the devices.

    Returns:
        `[n, j, 3]` in the units of the model, each frame from the first clip that covers it; NaN
        where none does.
    """
    frames = np.full(clips.joints.shape, np.nan, np.float32)
    mine = devices.process_rows(batch_size)
    for index, real, batch in clips_lib.eval_batches(clips, batch_size):
        with jax.default_matmul_precision("highest"):
            prediction = predictor(devices.put_rows(batch["inputs"][mine], mesh))
        if not prediction.is_fully_addressable:  # each process has its rows
            prediction = multihost_utils.process_allgather(prediction, tiled=True)
        prediction = np.asarray(prediction)
        counted = batch["counted"][..., 0] & real[:, None]
        frames[clips_lib.rows(clips, index)[counted]] = prediction[counted]
    return frames


def root_relative_mm(
    poses: Float[np.ndarray, "n j 3"], clips: clips_lib.Clips, *, zero_root: bool = False
) -> Float[np.ndarray, "n j 3"]:
    """Returns poses relative to the root of each frame, in mm.

    Args:
        poses: `[n, j, 3]` in the units of the model.
        clips: whose units.
        zero_root: take the root to be at 0 instead of subtracting it, as the protocols do with
            models that are trained on root-relative targets.
    """
    if zero_root:
        relative = poses.copy()
        relative[:, HUMAN36M.root] = 0
    else:
        relative = poses - poses[:, HUMAN36M.root, None]
    return relative * clips.mm_per_unit[:, None, None]


@jax.jit
def _score_frames(prediction, target, mask):
    metrics = {name: f for name, f in METRICS.items() if name not in _ALONG_SEQUENCES}
    return {name: tuple(f(prediction, target, mask)) for name, f in metrics.items()}


@jax.jit
def _score_sequence(prediction, target, mask):
    return {name: tuple(METRICS[name](prediction, target, mask)) for name in _ALONG_SEQUENCES}


def score(
    prediction: Float[np.ndarray, "n j 3"],
    target: Float[np.ndarray, "n j 3"],
    counted: Bool[np.ndarray, " n"],
    clips: clips_lib.Clips,
    motion: Motion,
    *,
    batch_size: int = 32,
) -> Tally:
    """Compares poses in mm.

    Args:
        prediction: `[n, j, 3]`, relative to the root; anything where it does not count.
        target: `[n, j, 3]`, likewise.
        counted: `[n]` the frames that count.
        clips: which frames are together in a clip.
        motion: the sequences.
        batch_size: clips that are scored at once.

    Returns:
        Sums of every metric.
    """
    sequence = np.repeat(np.arange(len(motion.names)), motion.lengths)
    kinds, group = np.unique(np.stack([sequence, motion.activity]), axis=1, return_inverse=True)
    groups = tuple(
        Group(motion.names[s], motion.subjects[s], motion.actions[s], int(activity))
        for s, activity in kinds.T
    )
    shape = (len(groups), target.shape[1], len(VISIBILITY))
    cell = np.ravel_multi_index(
        (group[:, None], np.arange(shape[1]), clips.visibility.astype(np.int64) + 1), shape
    )
    totals = {name: np.zeros(shape) for name in METRICS}
    weights = {name: np.zeros(shape) for name in METRICS}

    def add(scores: Mapping[str, tuple[Any, Any]], rows: Int[np.ndarray, "..."]) -> None:
        cells = cell[rows].ravel()
        for name, parts in jax.device_get(scores).items():
            for sums, part in zip((totals, weights), parts, strict=True):
                counts = np.bincount(cells, part.ravel(), minlength=sums[name].size)
                sums[name] += counts.reshape(shape)

    for index, real, batch in clips_lib.eval_batches(clips, batch_size):
        rows = clips_lib.rows(clips, index)
        mask = (batch["counted"][..., 0] & real[:, None] & counted[rows])[..., None]
        add(_score_frames(prediction[rows], target[rows], mask), rows)
    for begin, end in zip(motion.offsets[:-1], motion.offsets[1:], strict=True):
        filled = -(end - begin) % _SEQUENCE_BLOCK + end - begin
        rows = np.minimum(np.arange(begin, begin + filled), end - 1)
        mask = (counted[rows] & (np.arange(filled) < end - begin))[:, None]
        add(_score_sequence(prediction[rows], target[rows], mask), rows)
    return Tally(groups=groups, totals=totals, weights=weights)


def evaluate(
    predictor: Predictor,
    clips: clips_lib.Clips,
    motion: Motion,
    *,
    batch_size: int,
    mesh: Mesh,
    zero_root: bool = False,
    scale: Float[np.ndarray, " s"] | None = None,
) -> Tally:
    """Evaluates a predictor on all clips, each frame once.

    Frames count that a clip covers, that the dataset's protocol counts (`valid`), and whose scale
    in mm is known.

    Args:
        predictor: normalised inputs to poses in the units of the model.
        clips: test clips.
        motion: the sequences that they are cut from.
        batch_size: clips in a batch, over all devices; the last one is filled up and the filling
            not counted.
        mesh: the devices.
        zero_root: see `root_relative_mm`.
        scale: a factor on the predictions of each sequence.

    Returns:
        Sums of every metric.

    Raises:
        ValueError: no frame counts.
    """
    frames = predict_frames(predictor, clips, batch_size=batch_size, mesh=mesh)
    counted = clips_lib.covered(clips) & clips.valid & np.isfinite(clips.mm_per_unit)
    if not counted.any():
        raise ValueError(
            "Not one frame of the test sequences counts: none is valid, or the scale of their 2.5D "
            "labels is not known (that of Human3.6M's training split is not)."
        )
    prediction = root_relative_mm(frames, clips, zero_root=zero_root)
    if scale is not None:
        prediction *= np.repeat(scale, motion.lengths)[:, None, None].astype(np.float32)
    target = root_relative_mm(clips.joints, clips)
    return score(prediction, target, counted, clips, motion, batch_size=batch_size)


def predict_sequence(
    predictor: Predictor, clips: clips_lib.Clips, sequence: int, *, batch_size: int, mesh: Mesh
) -> Float[np.ndarray, "t j 3"]:
    """Predicts one sequence.

    Returns:
        `[t, j, 3]` poses in mm, relative to the root of each frame; those of a tail that no clip
        covers are left out.
    """
    mine = clips.windows.sequence == sequence
    windows = clips_lib.Windows(
        *(getattr(clips.windows, field.name)[mine] for field in dataclasses.fields(clips.windows))
    )
    chosen = dataclasses.replace(clips, windows=windows)
    frames = predict_frames(predictor, chosen, batch_size=batch_size, mesh=mesh)
    return root_relative_mm(frames, clips)[clips_lib.covered(chosen)]
