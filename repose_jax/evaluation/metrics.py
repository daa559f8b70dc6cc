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
`repose_jax.losses`; what is masked weighs 0 and may hold anything. `docs/metrics.md` has the
definitions and the protocols.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from repose_jax.objectives.losses import apply_mask, optimal_scale


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


def mpjpe(
    prediction: Float[Array, "*b t j 3"],
    target: Float[Array, "*b t j 3"],
    mask: Bool[Array, "*b t #j"] | None = None,
) -> Score:
    """Distance of predicted and true joint, in mm; of root-relative poses in "protocol 1".

    The protocols average over all joints, the root and its error of 0 among them.
    """
    prediction, target, valid = apply_mask(prediction, target, mask)
    return _score(_length(prediction - target), valid)


def pa_mpjpe(
    prediction: Float[Array, "*b t j 3"],
    target: Float[Array, "*b t j 3"],
    mask: Bool[Array, "*b t #j"] | None = None,
) -> Score:
    """`mpjpe` after `procrustes` alignment of each frame, in mm: "protocol 2" or P-MPJPE.

    Poses need not be root-relative.
    """
    return mpjpe(procrustes(prediction, target, mask), target, mask)


def n_mpjpe(
    prediction: Float[Array, "*b t j 3"],
    target: Float[Array, "*b t j 3"],
    mask: Bool[Array, "*b t #j"] | None = None,
) -> Score:
    """`mpjpe` after the best scale of each frame, in mm: "protocol 3"; of root-relative poses."""
    prediction, target, valid = apply_mask(prediction, target, mask)
    return _score(_length(optimal_scale(prediction, target) * prediction - target), valid)


def mpjve(
    prediction: Float[Array, "*b t j 3"],
    target: Float[Array, "*b t j 3"],
    mask: Bool[Array, "*b t #j"] | None = None,
) -> Score:
    """Error of the velocity, in mm per frame; of root-relative poses in the protocols.

    The step from frame t to t + 1 belongs to t + 1; the first frame weighs 0. Multiply by the
    frame rate for mm/s.
    """
    prediction, target, valid = apply_mask(prediction, target, mask)
    error = _length(jnp.diff(prediction - target, axis=-3))
    return _score(error, valid[..., 1:, :] & valid[..., :-1, :], first=1, frames=valid.shape[-2])


def acceleration_error(
    prediction: Float[Array, "*b t j 3"],
    target: Float[Array, "*b t j 3"],
    mask: Bool[Array, "*b t #j"] | None = None,
) -> Score:
    """Error of the acceleration, in mm per frame²; of root-relative poses in the protocols.

    x[t + 1] - 2 x[t] + x[t - 1] belongs to t; the first and the last frame weigh 0. Multiply by
    the squared frame rate for mm/s².
    """
    prediction, target, valid = apply_mask(prediction, target, mask)
    difference = prediction - target
    before, here, after = (
        difference[..., :-2, :, :],
        difference[..., 1:-1, :, :],
        difference[..., 2:, :, :],
    )
    both = valid[..., :-2, :] & valid[..., 1:-1, :] & valid[..., 2:, :]
    return _score(_length(after - 2 * here + before), both, first=1, frames=valid.shape[-2])


def pck(
    prediction: Float[Array, "*b t j 3"],
    target: Float[Array, "*b t j 3"],
    mask: Bool[Array, "*b t #j"] | None = None,
    threshold: float | int = 150.0,
) -> Score:
    """Correct joints in percent: error strictly below `threshold` mm; of root-relative poses.

    The MPI-INF-3DHP protocol counts 14 of the 17 joints: choose them with `Score.mean(where=...)`.
    """
    error, valid = mpjpe(prediction, target, mask)
    return _score(100.0 * (error < threshold), valid > 0)


def auc(
    prediction: Float[Array, "*b t j 3"],
    target: Float[Array, "*b t j 3"],
    mask: Bool[Array, "*b t #j"] | None = None,
) -> Score:
    """Mean `pck` in percent over the 31 thresholds 0, 5, ..., 150 mm; of root-relative poses.

    At the threshold 0 nothing is correct, so a perfect prediction scores 30/31 (96.8 %).
    """
    error, valid = mpjpe(prediction, target, mask)
    thresholds = range(0, 151, 5)
    passed = sum((error < threshold).astype(error.dtype) for threshold in thresholds)
    return _score(100.0 * passed / len(thresholds), valid > 0)


def spatial_depth_order(
    prediction: Float[Array, "*b t j 3"],
    target: Float[Array, "*b t j 3"],
    mask: Bool[Array, "*b t #j"] | None = None,
) -> Score:
    """Pairs of joints in a frame whose depth order is right, in percent.

    Pairs of equal true depth do not count; a predicted tie is wrong. Each joint gets the pairs
    that it is in, so each pair is in the score of both. The depth reference does not matter.
    """
    prediction, target, valid = apply_mask(prediction, target, mask)
    return Score(*_depth_order(prediction[..., 2], target[..., 2], valid))


def temporal_depth_order(
    prediction: Float[Array, "*b t j 3"],
    target: Float[Array, "*b t j 3"],
    mask: Bool[Array, "*b t #j"] | None = None,
) -> Score:
    """Pairs of frames whose depth order of a joint is right, in percent.

    As `spatial_depth_order`, among the frames of each joint. Both poses in one depth reference: to
    the root of each frame (order with respect to the body), or to one for the whole clip (order in
    camera space); see `repose_jax.losses.temporal_depth`.
    """
    prediction, target, valid = apply_mask(prediction, target, mask)
    depth, truth, valid = (
        jnp.moveaxis(x, -1, 0) for x in (prediction[..., 2], target[..., 2], valid)
    )
    # One joint at a time: only one [*b, t, t] is alive, of j.
    scores = jax.lax.map(lambda joint: _depth_order(*joint), (depth, truth, valid))
    return Score(*(jnp.moveaxis(x, 0, -1) for x in scores))


METRICS: dict[str, Callable[..., Score]] = {
    "mpjpe": mpjpe,
    "pa_mpjpe": pa_mpjpe,
    "n_mpjpe": n_mpjpe,
    "mpjve": mpjve,
    "acceleration_error": acceleration_error,
    "pck": pck,
    "auc": auc,
    "spatial_depth_order": spatial_depth_order,
    "temporal_depth_order": temporal_depth_order,
}
"""Every metric by its name in a report. Errors are better low; percentages are better high."""


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
    covariance = _product(jnp.swapaxes(source, -2, -1), destination)
    left, singular, right = jnp.linalg.svd(covariance, full_matrices=False)
    # The direction of the smallest singular value is turned round where that avoids a reflection.
    proper = jnp.linalg.det(_product(left, right)) >= 0
    flip = jnp.stack([jnp.ones(proper.shape), jnp.ones(proper.shape), 2.0 * proper - 1], axis=-1)
    rotation = _product(left * flip[..., None, :], right)
    square = jnp.sum(source**2, axis=(-2, -1))
    scale = jnp.sum(flip * singular, axis=-1) / jnp.where(square > 0, square, 1)
    return scale[..., None, None] * _product(source, rotation) + centroid


def _product(a, b):
    """Matrix product in full float32, whatever the accelerator would do by default."""
    return jnp.matmul(a, b, precision=jax.lax.Precision.HIGHEST)


def _length(vectors):
    return jnp.linalg.norm(vectors, axis=-1)


def _score(values, valid, first=0, frames=None):
    """A score of `frames` frames (as many as values by default), the values from `first` on."""
    frames = values.shape[-2] if frames is None else frames

    def place(x):
        after = frames - first - x.shape[-2]
        return jnp.pad(x, [(0, 0)] * (x.ndim - 2) + [(first, after), (0, 0)])

    return Score(place(jnp.where(valid, values, 0)), place(valid.astype(values.dtype)))


def _depth_order(depth, truth, valid):
    """[..., n] to two [..., n]: 100 × pairs in the right order, and pairs that have an order."""
    both = valid[..., :, None] & valid[..., None, :]
    below, above = (op(truth[..., :, None], truth[..., None, :]) for op in (jnp.less, jnp.greater))
    right = below & (depth[..., :, None] < depth[..., None, :])
    right |= above & (depth[..., :, None] > depth[..., None, :])
    counted = jnp.sum(both & (below | above), axis=-1, dtype=depth.dtype)
    return 100 * jnp.sum(both & right, axis=-1, dtype=depth.dtype), counted
