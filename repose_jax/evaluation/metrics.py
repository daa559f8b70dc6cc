"""Metrics of the field, in float32, element by element.

Every metric is `metric(prediction, target, mask=None) -> Score`, jittable, on poses `[*b, t, j, 3]`
in millimetres. A `Score` keeps the value of each joint of each frame, so one result gives the
number and every breakdown of it:

    score = mpjpe(prediction, target)               # [*b, t, j]
    score.mean()                                    # the number
    score.mean(axis=(0, 1))                         # for each joint, with poses [b, t, j, 3]
    score.mean(where=visibility == 0)               # occluded joints; visibility [b, t, j]
    score.mean(where=(actions == "walk")[:, None, None])

No metric subtracts a root joint. The protocols compare root-relative poses: subtract the root of
each frame first where a docstring says so. `mask` is boolean, `[*b, t, j]` or `[*b, t, 1]`, as in
`repose_jax.objectives.losses`; what is masked weighs 0 and may hold anything. `docs/metrics.md`
has the definitions and the protocols.

A new metric is one function with the decorator `metric`, here or anywhere else
(`docs/extending.md`); its column is in every table then.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from repose_jax.objectives.losses import Poses, Terms, Valid, apply_mask, optimal_scale
from repose_jax.skeleton import HUMAN36M


class Score(NamedTuple):
    """Sums and weights of a metric at each frame and joint; arrays of JAX or numpy.

    A pytree: scores of several batches are joined by `jax.tree.map` over `np.concatenate`.

    Attributes:
        total: weighted sum of the metric's values, 0 where nothing counts.
        weight: how many values are in it: 0 or 1, or a number of pairs.
    """

    total: Float[Array | np.ndarray, "*b t j"]
    weight: Float[Array | np.ndarray, "*b t j"]

    def mean(
        self,
        where: Bool[Array | np.ndarray, "..."] | None = None,
        axis: int | tuple[int, ...] | None = None,
    ) -> Float[Array | np.ndarray | np.floating, "..."]:
        """Weighted mean over `axis` (all of them by default).

        Args:
            where: what to take into account, of the rank of the score and broadcast to it.
            axis: axes of the score to average over.

        Returns:
            The mean in the metric's unit; NaN where nothing counts ("no such joints").
        """
        chosen = True if where is None else where
        with np.errstate(invalid="ignore"):  # 0 / 0 of numpy's arrays
            return self.total.sum(axis, where=chosen) / self.weight.sum(axis, where=chosen)


@dataclasses.dataclass(frozen=True)
class Metric:
    """A metric, and how tables show it; made with `metric`.

    Attributes:
        name: by which files and `METRICS` know it.
        head: the head of its column.
        unit: of its values.
        digits: after the decimal point in tables.
        better: "lower" or "higher" values.
        along: "clips", or whole "sequences" for differences between frames.
        terms: `(prediction, target, valid) -> (total, weight)` of masked poses.
    """

    name: str
    head: str
    unit: str
    digits: int
    better: str
    along: str
    terms: Callable[..., Terms]

    def __post_init__(self):
        object.__setattr__(self, "__doc__", self.terms.__doc__)

    def __call__(
        self,
        prediction: Poses,
        target: Poses,
        mask: Bool[Array, "*b t #j"] | None = None,
        **options: Any,
    ) -> Score:
        """Returns the sums and weights of each frame and joint.

        Args:
            prediction: poses in mm.
            target: poses in mm.
            mask: joints that count, see the module's docstring.
            **options: of the metric.
        """
        total, weight = self.terms(*apply_mask(prediction, target, mask), **options)
        return Score(jnp.where(weight > 0, total, 0), weight.astype(total.dtype))

    @property
    def column(self) -> str:
        """Head of the column, with an arrow to where better is."""
        percent = " %" if self.unit == "%" else ""
        return f"{self.head}{percent} {'↓' if self.better == 'lower' else '↑'}"


METRICS: dict[str, Metric] = {}
"""Every metric by its name in a report."""


def metric(
    head: str, *, unit: str = "mm", digits: int = 2, better: str = "lower", along: str = "clips"
) -> Callable[[Callable[..., Terms]], Metric]:
    """Makes a metric of a function and registers it in `METRICS` under the function's name.

    The function gets prediction and target in mm, 0 where masked, and which joints are valid,
    `[*b, t, j]`. It returns the value of each joint of each frame, and whether it counts; or the
    sum of several values, and their number.

    Args:
        head: the head of its column in every table.
        unit: of its values.
        digits: after the decimal point in tables.
        better: "lower" or "higher" values.
        along: "clips", or whole "sequences" for differences between frames.

    Raises:
        ValueError: another file has a metric of this name, or an unknown `better` or `along`.
    """
    if better not in ("lower", "higher") or along not in ("clips", "sequences"):
        raise ValueError(
            f'better is "lower" or "higher" and along "clips" or "sequences", found {better!r} '
            f"and {along!r}"
        )

    def register(terms: Callable[..., Terms]) -> Metric:
        made = Metric(terms.__name__, head, unit, digits, better, along, terms)
        other = METRICS.get(made.name, made)
        if other.terms.__code__.co_filename != terms.__code__.co_filename:
            raise ValueError(f"There is already a metric {made.name!r}; give yours another name.")
        METRICS[made.name] = made
        return made

    return register


@metric("MPJPE")
def mpjpe(prediction: Poses, target: Poses, valid: Valid) -> Terms:
    """Distance of predicted and true joint, in mm; of root-relative poses in "protocol 1".

    The protocols average over all joints, the root and its error of 0 among them.
    """
    return _length(prediction - target), valid


@metric("PA-MPJPE")
def pa_mpjpe(prediction: Poses, target: Poses, valid: Valid) -> Terms:
    """`mpjpe` after `procrustes` alignment of each frame, in mm: "protocol 2" or P-MPJPE.

    Poses need not be root-relative.
    """
    return _length(procrustes(prediction, target, valid) - target), valid


@metric("RA-MPJPE")
def ra_mpjpe(prediction: Poses, target: Poses, valid: Valid) -> Terms:
    """`mpjpe` after the best rotation of each frame about the origin; of root-relative poses.

    The rotation-aligned error, in mm: scale and position stay, and there is no reflection. It is
    the error of the pose without that of the lean and the heading of the whole body.
    """
    rotation, _ = _best_rotation(prediction, target)
    return _length(_product(prediction, rotation) - target), valid


@metric("N-MPJPE")
def n_mpjpe(prediction: Poses, target: Poses, valid: Valid) -> Terms:
    """`mpjpe` after the best scale of each frame, in mm: "protocol 3"; of root-relative poses."""
    return _length(optimal_scale(prediction, target) * prediction - target), valid


@metric("MPJVE", unit="mm/frame", along="sequences")
def mpjve(prediction: Poses, target: Poses, valid: Valid) -> Terms:
    """Error of the velocity, in mm per frame; of root-relative poses in the protocols.

    The step from frame t to t + 1 belongs to t + 1; the first frame weighs 0. Multiply by the
    frame rate for mm/s.
    """
    error = _length(jnp.diff(prediction - target, axis=-3))
    return _place(error, valid), _place(valid[..., 1:, :] & valid[..., :-1, :], valid)


@metric("Accel", unit="mm/frame²", along="sequences")
def acceleration_error(prediction: Poses, target: Poses, valid: Valid) -> Terms:
    """Error of the acceleration, in mm per frame²; of root-relative poses in the protocols.

    x[t + 1] - 2 x[t] + x[t - 1] belongs to t; the first and the last frame weigh 0. Multiply by
    the squared frame rate for mm/s².
    """
    difference = prediction - target
    before, here, after = (
        difference[..., :-2, :, :],
        difference[..., 1:-1, :, :],
        difference[..., 2:, :, :],
    )
    error = _length(after - 2 * here + before)
    all_three = valid[..., :-2, :] & valid[..., 1:-1, :] & valid[..., 2:, :]
    return _place(error, valid), _place(all_three, valid)


@metric("Bones", along="sequences")
def bone_variation(prediction: Poses, target: Poses, valid: Valid) -> Terms:
    """Standard deviation over time of the predicted bone lengths, in mm; Human3.6M's joints.

    The deviation over a sequence of the bone that ends at a joint, of all frames with both of its
    ends, is the value of that joint in each of these frames. The root ends no bone, and a bone
    needs two frames. The target has no part in it.
    """
    ends = np.array([child for _, child in HUMAN36M.bones])
    starts = np.array([parent for parent, _ in HUMAN36M.bones])
    known = valid[..., ends] & valid[..., starts]
    length = _length(prediction[..., ends, :] - prediction[..., starts, :])
    frames = jnp.sum(known, axis=-2, keepdims=True)
    mean = jnp.sum(length, axis=-2, keepdims=True, where=known) / jnp.maximum(frames, 1)
    square = jnp.sum((length - mean) ** 2, axis=-2, keepdims=True, where=known)
    deviation = jnp.sqrt(square / jnp.maximum(frames - 1, 1))
    known &= frames > 1
    total = jnp.zeros_like(prediction[..., 0]).at[..., ends].set(known * deviation)
    return total, jnp.zeros_like(valid).at[..., ends].set(known)


@metric("PCK", unit="%", better="higher")
def pck(prediction: Poses, target: Poses, valid: Valid, threshold: float | int = 150.0) -> Terms:
    """Correct joints in percent: error strictly below `threshold` mm; of root-relative poses.

    The MPI-INF-3DHP protocol counts 14 of the 17 joints: choose them with `Score.mean(where=...)`.
    """
    return 100.0 * (_length(prediction - target) < threshold), valid


@metric("AUC", unit="%", better="higher")
def auc(prediction: Poses, target: Poses, valid: Valid) -> Terms:
    """Mean `pck` in percent over the 31 thresholds 0, 5, ..., 150 mm; of root-relative poses.

    At the threshold 0 nothing is correct, so a perfect prediction scores 30/31 (96.8 %).
    """
    error = _length(prediction - target)
    thresholds = range(0, 151, 5)
    passed = jnp.zeros_like(error)
    for threshold in thresholds:
        passed += error < threshold
    return 100.0 * passed / len(thresholds), valid


@metric("Order-S", unit="%", better="higher")
def spatial_depth_order(prediction: Poses, target: Poses, valid: Valid) -> Terms:
    """Pairs of joints in a frame whose depth order is right, in percent.

    Pairs of equal true depth do not count; a predicted tie is wrong. Each joint gets the pairs
    that it is in, so each pair is in the score of both. The depth reference does not matter.
    """
    return _depth_order(prediction[..., 2], target[..., 2], valid)


@metric("Order-T", unit="%", better="higher")
def temporal_depth_order(prediction: Poses, target: Poses, valid: Valid) -> Terms:
    """Pairs of frames whose depth order of a joint is right, in percent.

    As `spatial_depth_order`, among the frames of each joint. Both poses in one depth reference: to
    the root of each frame (order with respect to the body), or to one for the whole clip (order in
    camera space); see `repose_jax.objectives.losses.temporal_depth`.
    """
    depth, truth, valid = (
        jnp.moveaxis(x, -1, 0) for x in (prediction[..., 2], target[..., 2], valid)
    )
    # One joint at a time: only one [*b, t, t] is alive, of j.
    total, weight = jax.lax.map(lambda joint: _depth_order(*joint), (depth, truth, valid))
    return jnp.moveaxis(total, 0, -1), jnp.moveaxis(weight, 0, -1)


def procrustes(
    prediction: Float[Array, "*b t j 3"],
    target: Float[Array, "*b t j 3"],
    mask: Bool[Array, "*b t #j"] | None = None,
) -> Float[Array, "*b t j 3"]:
    """The prediction, moved onto the target by the best similarity transform of each frame.

    Least squares over rotation (never a reflection), scale and translation. Masked joints have no
    part in it. A prediction or a target without extent, all joints in one point, is no obstacle:
    everything lands on the target's centroid, as masked joints do.
    """
    prediction, target, valid = apply_mask(prediction, target, mask)
    weight = valid[..., None].astype(prediction.dtype)

    def centre(poses):
        count = jnp.maximum(jnp.sum(weight, axis=-2, keepdims=True), 1)
        centroid = jnp.sum(weight * poses, axis=-2, keepdims=True) / count
        return weight * (poses - centroid), centroid

    (source, _), (destination, centroid) = centre(prediction), centre(target)
    rotation, along = _best_rotation(source, destination)
    square = jnp.sum(source**2, axis=(-2, -1))
    scale = along / jnp.where(square > 0, square, 1)
    return scale[..., None, None] * _product(source, rotation) + centroid


def _best_rotation(source, destination):
    """The rotation about the origin with the least squares, `[..., 3, 3]`, never a reflection.

    With it, the sum of the products of the rotated source and the destination, `[...]`.
    """
    covariance = _product(jnp.swapaxes(source, -2, -1), destination)
    left, singular, right = jnp.linalg.svd(covariance, full_matrices=False)
    # The direction of the smallest singular value is reversed where that avoids a reflection.
    proper = jnp.linalg.det(_product(left, right)) >= 0
    flip = jnp.stack([jnp.ones(proper.shape), jnp.ones(proper.shape), 2.0 * proper - 1], axis=-1)
    return _product(left * flip[..., None, :], right), jnp.sum(flip * singular, axis=-1)


def _product(a, b):
    """Matrix product in full float32, also where the default of an accelerator is lower."""
    return jnp.matmul(a, b, precision=jax.lax.Precision.HIGHEST)


def _length(vectors):
    return jnp.linalg.norm(vectors, axis=-1)


def _place(values, valid):
    """Values that begin at the second frame, padded with 0 to the frames of `valid`."""
    after = valid.shape[-2] - 1 - values.shape[-2]
    return jnp.pad(values, [(0, 0)] * (values.ndim - 2) + [(1, after), (0, 0)])


def _depth_order(depth, truth, valid):
    """[..., n] to two [..., n]: 100 × pairs in the right order, and pairs that have an order."""
    both = valid[..., :, None] & valid[..., None, :]
    below, above = (op(truth[..., :, None], truth[..., None, :]) for op in (jnp.less, jnp.greater))
    right = below & (depth[..., :, None] < depth[..., None, :])
    right |= above & (depth[..., :, None] > depth[..., None, :])
    counted = jnp.sum(both & (below | above), axis=-1, dtype=depth.dtype)
    return 100 * jnp.sum(both & right, axis=-1, dtype=depth.dtype), counted
