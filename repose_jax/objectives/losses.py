"""Training losses: the relational depth losses, of RePOSE and others, and the usual companions.

Every loss is `loss(prediction, target, mask=None) -> scalar`, jittable, on poses `[*b, t, j, 3]` of
any leading batch axes, in whatever unit the model predicts. `docs/losses.md` has the equations.

`mask` is boolean, `[*b, t, j]` or `[*b, t, 1]`, true where a joint of a frame counts. Means are
over what counts: a bone needs both ends, an angle both bones, a pair both members, a velocity both
frames. Nothing to count gives 0. Masked elements may hold anything, NaN included. A mask that is
true everywhere is the same as none.

Losses with an option `occluded`, `[*b, t, j]`, are over occluded joints where it is given. Those of
pairs of depths, `spatial_*` and `temporal_*`, have further options:

    occluded: pairs count of which at least one joint is occluded.
    closest: true gap of depth up to which a pair does not count; by default 0.
    ordered: the mean is over the pairs that count, not over all.

Gradients are finite everywhere. Where a norm, an angle or a scale has no derivative (zero error,
zero-length or parallel bones, an all-zero pose) the gradient through it is 0. So it is where it
would overflow: for lengths below 1e-15, and poses a million times smaller than the target's.

A new loss is one function with the decorator `loss`, here or anywhere else (`docs/extending.md`).
"""

import inspect
import itertools
import math
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from repose_jax.objectives import depth_order
from repose_jax.skeleton import HUMAN36M

Poses = Float[Array, "*b t j 3"]
Valid = Bool[Array, "*b t j"]
Terms = tuple[Array, Array]
"""Values, and what counts: True or False for each of them, or the number of terms in them."""

BONES = HUMAN36M.bones
"""(parent, child) joints of the 16 bones."""

# The field's list of angles has 18 of the 19 pairs of bones that meet; without neck to left
# shoulder. Kept so, because the values are only comparable over the same angles.
_LEFT_OUT = {HUMAN36M.joints.index("neck"), HUMAN36M.joints.index("left_shoulder")}
ANGLES = tuple(
    (first, second)
    for first, second in itertools.combinations(range(len(BONES)), 2)
    if set(BONES[first]) & set(BONES[second]) and {BONES[first][1], BONES[second][1]} != _LEFT_OUT
)
"""Pairs of indices into `BONES`: the 18 angles between bones that share a joint."""

_JOINT_WEIGHTS = {"knee": 2.5, "ankle": 2.5, "head": 1.5, "shoulder": 1.5, "elbow": 4, "wrist": 4}
JOINT_WEIGHTS = tuple(
    float(_JOINT_WEIGHTS.get(joint.removeprefix("right_").removeprefix("left_"), 1))
    for joint in HUMAN36M.joints
)
"""Weight of each joint in MixSTE's losses: the further out on a limb the more."""

_DEPTH_SPREAD = {"pelvis": 0.1, "hip": 0.2, "knee": 0.8, "ankle": 1.05, "spine": 0.3, "neck": 1.0}
_DEPTH_SPREAD |= {"thorax": 0.7, "head": 1.25, "shoulder": 0.9, "elbow": 1.1, "wrist": 1.55}
DEPTH_SPREAD = tuple(
    _DEPTH_SPREAD[joint.removeprefix("right_").removeprefix("left_")] for joint in HUMAN36M.joints
)
"""Spread of each joint's depth error, relative to the root of their mean square.

Of the probe of `configs/lift.py` on CMU subject 02, left and right averaged; but the pelvis, whose
depth is known there.
"""


_SMALLEST = 1e-30  # squares of lengths below count as 0: divided by, they would overflow
_SMALLEST_SCALED = 1e-18  # the same of whole poses, whose square is divided by twice


class Loss:
    """A training loss; made with `loss`.

    Attributes:
        terms: `(prediction, target, valid, **options) -> (values, counts)` of masked poses.
        name: the name of that function, by which configurations know the loss.
        of_occluded: whether an objective gives it the option `occluded`: it names it.
    """

    def __init__(self, terms: Callable[..., Terms]):
        self.terms, self.name, self.__doc__ = terms, terms.__name__, terms.__doc__
        self.of_occluded = "occluded" in inspect.signature(terms).parameters

    def __call__(
        self,
        prediction: Poses,
        target: Poses,
        mask: Bool[Array, "*b t #j"] | None = None,
        reduction: str = "mean",
        **options: Any,
    ) -> Float[Array, ""]:
        """Returns the loss of a batch.

        Args:
            prediction: poses.
            target: poses in the same unit and depth reference.
            mask: joints that count, see the module's docstring.
            reduction: "mean" over all that counts; or "sum" over what counts in a clip, and the
                mean over clips.
            **options: of this loss, such as `tau` of `spatial_order`.

        Raises:
            ValueError: unknown reduction.
        """
        prediction, target, valid = apply_mask(prediction, target, mask)
        values, counts = self.terms(prediction, target, valid, **options)
        total = jnp.sum(values, where=counts > 0)
        return total / jnp.maximum(_size(counts, valid, reduction), 1)

    def count(
        self, target: Poses, mask: Valid, reduction: str = "mean", **options: Any
    ) -> Float[Array, ""]:
        """Returns how many joints, bones, angles, pairs or clips the loss is the mean over.

        The loss of a batch is the mean of those of its parts, weighted by their counts.
        """
        _, target, valid = apply_mask(target, target, mask)
        _, counts = self.terms(target, target, valid, **options)
        return _size(counts, mask, reduction)


LOSSES: dict[str, Loss] = {}
"""Every loss by its name in a configuration."""


def loss(terms: Callable[..., Terms]) -> Loss:
    """Makes a loss of a function and registers it in `LOSSES` under the function's name.

    Args:
        terms: gets prediction and target in at least float32, 0 where masked, and which joints are
            valid, `[*b, t, j]`. Returns values and which of them count, of which the loss is the
            mean; or the sum of the values and their number. What counts does not depend on the
            prediction. Further arguments, which need defaults, are options of the loss.

    Raises:
        ValueError: another file has a loss of this name.
    """
    made = Loss(terms)
    other = LOSSES.get(made.name, made)
    if other.terms.__code__.co_filename != terms.__code__.co_filename:
        raise ValueError(f"There is already a loss {made.name!r}; give yours another name.")
    LOSSES[made.name] = made
    return made


def _size(counts, valid, reduction):
    """How many terms a mean is over: those that count, or the clips of `[*b, t, j]`."""
    if reduction == "mean":
        return jnp.sum(counts, dtype=jnp.float32)
    if reduction == "sum":
        return jnp.float32(math.prod(valid.shape[:-2]))
    raise ValueError(f'reduction must be "mean" or "sum", found {reduction!r}')


@loss
def mpjpe(prediction: Poses, target: Poses, valid: Valid) -> Terms:
    """Mean distance of predicted and true joints, in the unit of the poses."""
    return _norm(prediction - target), valid


@loss
def occluded_mpjpe(
    prediction: Poses, target: Poses, valid: Valid, occluded: Valid | None = None
) -> Terms:
    """`mpjpe` over the joints that are occluded: beside `mpjpe`, a larger weight of these."""
    return _norm(prediction - target), valid if occluded is None else valid & occluded


@loss
def mpjpe_of_visible_depth(
    prediction: Poses, target: Poses, valid: Valid, occluded: Valid | None = None
) -> Terms:
    """`mpjpe` without the depths of occluded joints, whose distance is that in x and y.

    For labels in which these depths are not known. The losses of the order read of a target that
    alone: any depths in the right order are labels for them.
    """
    error = prediction - target
    if occluded is not None:
        error = error.at[..., 2].set(jnp.where(occluded, 0, error[..., 2]))
    return _norm(error), valid


@loss
def mse(prediction: Poses, target: Poses, valid: Valid) -> Terms:
    """Mean squared error of the coordinates, in squared units."""
    return jnp.mean((prediction - target) ** 2, axis=-1), valid


@loss
def mae(prediction: Poses, target: Poses, valid: Valid) -> Terms:
    """Mean absolute error of the coordinates, in the unit of the poses."""
    return jnp.mean(jnp.abs(prediction - target), axis=-1), valid


@loss
def n_mpjpe(prediction: Poses, target: Poses, valid: Valid) -> Terms:
    """`mpjpe` after `optimal_scale`, through which gradients flow too."""
    return _norm(optimal_scale(prediction, target) * prediction - target), valid


@loss
def velocity(prediction: Poses, target: Poses, valid: Valid) -> Terms:
    """Mean distance of predicted and true joint displacements from frame to frame."""
    error = _norm(jnp.diff(prediction, axis=-3) - jnp.diff(target, axis=-3))
    return error, _both_frames(valid)


@loss
def limb_length(prediction: Poses, target: Poses, valid: Valid) -> Terms:
    """Mean absolute error of the bone lengths; joints in the Human3.6M order."""
    return jnp.abs(_norm(_limbs(prediction)) - _norm(_limbs(target))), _whole_limbs(valid)


@loss
def limb_variance(prediction: Poses, target: Poses, valid: Valid) -> Terms:
    """Mean over clips and bones of the variance over time of the predicted bone length.

    Unbiased (divided by one less than the frames); a bone seen in fewer than two frames does not
    count. In squared units. The target's values play no part.
    """
    length, limbs = _norm(_limbs(prediction)), _whole_limbs(valid)
    frames = jnp.sum(limbs, axis=-2, keepdims=True, dtype=length.dtype)
    mean = jnp.sum(length, axis=-2, keepdims=True, where=limbs) / jnp.maximum(frames, 1)
    square = jnp.sum((length - mean) ** 2, axis=-2, keepdims=True, where=limbs)
    return square / jnp.maximum(frames - 1, 1), frames >= 2


@loss
def angle(prediction: Poses, target: Poses, valid: Valid) -> Terms:
    """Mean absolute error of the `ANGLES` between bones, in radians."""
    return jnp.abs(_angles(prediction) - _angles(target)), _whole_angles(valid)


@loss
def angle_velocity(prediction: Poses, target: Poses, valid: Valid) -> Terms:
    """Mean absolute error of the change of the `ANGLES` from frame to frame, in radians."""
    error = jnp.diff(_angles(prediction), axis=-2) - jnp.diff(_angles(target), axis=-2)
    return jnp.abs(error), _both_frames(_whole_angles(valid))


@loss
def weighted_mpjpe(prediction: Poses, target: Poses, valid: Valid) -> Terms:
    """Mean of the distances of predicted and true joints times `JOINT_WEIGHTS`.

    MixSTE (Zhang et al., CVPR 2022). Divided by the number of joints, not by the sum
    of their weights, so it is larger than `mpjpe`: 2.15 times if all joints are equally wrong.
    """
    return jnp.array(JOINT_WEIGHTS) * _norm(prediction - target), valid


@loss
def temporal_consistency(prediction: Poses, target: Poses, valid: Valid) -> Terms:
    """Mean squared change of the predicted coordinates from frame to frame, by `JOINT_WEIGHTS`.

    MixSTE (Zhang et al., CVPR 2022). Over the three coordinates too, in squared
    units. A penalty on motion as such: the target's values play no part.
    """
    square = jnp.mean(jnp.diff(prediction, axis=-3) ** 2, axis=-1)
    return jnp.array(JOINT_WEIGHTS) * square, _both_frames(valid)


@loss
def spatial_depth(
    prediction: Poses, target: Poses, valid: Valid, margin: float = 0.0, **pairs: Any
) -> Terms:
    """Depth order of the joints within each frame: RePOSE, equation 2 and algorithm 1.

    Each ordered pair of joints (i, k) with true depth d_i < d_k, strictly, costs
    max(0, z_i - z_k) of the predicted depths z. Pairs that truly tie cost nothing. Shifting a whole
    frame in depth changes nothing, so the depth reference of the target does not matter here.

    Of the prediction only the depths, `[..., 2]`, are read, of the target only their order.
    `reduction="mean"`, as in the algorithm, is over all j*j ordered pairs of all frames and clips;
    "sum", as in the equation, over the pairs and frames of a clip, then the mean over clips: t*j*j
    times the former where nothing is masked.

    With a `margin` a pair costs max(0, z_i - z_k + min(margin, d_k - d_i)), so that a right order
    has to be predicted as wide as the margin, or as it is. With a margin as large as a body this is
    one side of `spatial_difference`.
    """
    return _order_cost("hinge", -1, prediction, target, valid, margin=margin, **pairs)


@loss
def temporal_depth(
    prediction: Poses, target: Poses, valid: Valid, margin: float = 0.0, **pairs: Any
) -> Terms:
    """Depth order of the frames of a clip for each joint: RePOSE, equation 3 and algorithm 2.

    As `spatial_depth`, with the frames of one joint in place of the joints of one frame; "sum" is
    j*t*t times "mean" where nothing is masked. What the order means follows from the depths of the
    target:

    * relative to the root of each frame (the "2.5D" files of Human3.6M): is the joint nearer to the
      camera *with respect to the body* than in another frame. The root itself always ties, and a
      person who walks to the camera in a frozen pose costs nothing.
    * relative to the root of the clip's first frame: the order in camera space, which also has the
      body's own approach and retreat, for the root as well. The model must then predict in the
      same reference.
    """
    return _order_cost("hinge", -2, prediction, target, valid, margin=margin, **pairs)


@loss
def spatial_order(prediction: Poses, target: Poses, valid: Valid, **pairs: Any) -> Terms:
    """Logistic form of `spatial_depth`: its pairs cost tau log(1 + exp((z_i - z_k) / tau)).

    A pair of which the order is uncertain, with probability p that i is nearer, costs least at
    z_k - z_i = tau log(p / (1 - p)), where the hinge of `spatial_depth` is least at a tie. So the
    true pose does not cost 0. The option `tau` (`TAU` by default) is in the unit of the poses; with
    `tau_by_joint` the joints multiply it by their `DEPTH_SPREAD`, a pair by the root of the mean
    square of its two.
    """
    return _order_cost("logistic", -1, prediction, target, valid, **pairs)


@loss
def temporal_order(prediction: Poses, target: Poses, valid: Valid, **pairs: Any) -> Terms:
    """Logistic form of `temporal_depth`, as `spatial_order` is of `spatial_depth`."""
    return _order_cost("logistic", -2, prediction, target, valid, **pairs)


@loss
def spatial_difference(prediction: Poses, target: Poses, valid: Valid, **pairs: Any) -> Terms:
    """Differences of depth of the joints within each frame: |(z_i - z_k) - (d_i - d_k)|.

    Over the pairs of `spatial_depth`. Unlike an order it needs the true depths, as MPJPE does.
    """
    return _order_cost("difference", -1, prediction, target, valid, margin=math.inf, **pairs)


@loss
def temporal_difference(prediction: Poses, target: Poses, valid: Valid, **pairs: Any) -> Terms:
    """Differences of depth of the frames of a clip for each joint, as `spatial_difference`."""
    return _order_cost("difference", -2, prediction, target, valid, margin=math.inf, **pairs)


def optimal_scale(
    prediction: Float[Array, "*b t j 3"], target: Float[Array, "*b t j 3"]
) -> Float[Array, "*b t 1 1"]:
    """The factor for each frame that brings the prediction closest to the target.

    Least squares about the origin, so poses should be root-relative: <x, y> / <x, x>. Its
    derivative grows with the factor: it is 0 for a frame predicted as zeros, or a million times
    smaller than the target.
    """
    product = jnp.sum(prediction * target, axis=(-2, -1), keepdims=True)
    square = jnp.sum(prediction**2, axis=(-2, -1), keepdims=True)
    smallest = _SMALLEST_SCALED + 1e-12 * jnp.sum(target**2, axis=(-2, -1), keepdims=True)
    zero = square < smallest  # not of NaN, which has to show
    return jnp.where(zero, 0, product / jnp.where(zero, 1, square))


def apply_mask(
    prediction: Float[Array, "*b t j 3"],
    target: Float[Array, "*b t j 3"],
    mask: Bool[Array, "*b t #j"] | None = None,
) -> tuple[Float[Array, "*b t j 3"], Float[Array, "*b t j 3"], Bool[Array, "*b t j"]]:
    """Poses in at least float32 with 0 in place of masked elements, and the mask for each joint.

    The zeros keep whatever the masked elements hold, NaN included, out of values and gradients.
    """
    dtype = jnp.promote_types(prediction.dtype, jnp.float32)
    prediction, target = prediction.astype(dtype), target.astype(dtype)
    if mask is None:
        return prediction, target, jnp.ones(prediction.shape[:-1], bool)
    valid = jnp.broadcast_to(mask, prediction.shape[:-1])
    kept = valid[..., None]
    return jnp.where(kept, prediction, 0), jnp.where(kept, target, 0), valid


def _norm(vectors):
    """Euclidean length over the last axis, with gradient 0 at 0 instead of NaN.

    Lengths whose squares lose their digits count as 0.
    """
    square = jnp.sum(vectors**2, axis=-1)
    zero = square < _SMALLEST  # not of NaN, which has to show
    return jnp.where(zero, 0, jnp.sqrt(jnp.where(zero, 1, square)))


def _both_frames(valid):
    """[*b, t, n] to [*b, t - 1, n]: a frame and the next one are valid."""
    return valid[..., 1:, :] & valid[..., :-1, :]


def _limbs(poses):
    """[*b, t, 17, 3] to [*b, t, 16, 3]: each bone from parent to child."""
    parents, children = np.array(BONES).T
    return poses[..., children, :] - poses[..., parents, :]


def _whole_limbs(valid):
    parents, children = np.array(BONES).T
    return valid[..., children] & valid[..., parents]


def _angles(poses):
    """[*b, t, 17, 3] to [*b, t, 18]: angles in [0, π]; π/2 at a bone of no length.

    From sine and cosine at once: the arc cosine alone loses half of its digits, and its derivative
    grows without bound, where bones are almost parallel.
    """
    limbs = _limbs(poses)
    length = _norm(limbs)[..., None]
    short = length == 0  # not of NaN, which has to show
    directions = jnp.where(short, 0, limbs / jnp.where(short, 1, length))
    first, second = (directions[..., bones, :] for bones in np.array(ANGLES).T)
    sine, cosine = _norm(jnp.cross(first, second)), jnp.sum(first * second, axis=-1)
    undefined = (sine == 0) & (cosine == 0)
    return jnp.arctan2(jnp.where(undefined, 1, sine), jnp.where(undefined, 0, cosine))


def _whole_angles(valid):
    valid = _whole_limbs(valid)
    first, second = np.array(ANGLES).T
    return valid[..., first] & valid[..., second]


def _order_cost(
    kind,
    axis,
    prediction,
    target,
    valid,
    *,
    occluded=None,
    ordered=False,
    tau_by_joint=False,
    **pairs,
):
    """The cost of pairs of depths along an axis of [*b, t, j], and the number of pairs."""

    def sets(array):
        return jnp.moveaxis(array, axis, 0).reshape(array.shape[axis], -1)

    # An element without depth is in no pair.
    truth = sets(jnp.where(valid, target[..., 2], jnp.nan))
    depth = sets(prediction[..., 2])
    either = None if occluded is None else sets(jnp.broadcast_to(occluded, valid.shape))
    spread = jnp.broadcast_to(jnp.array(DEPTH_SPREAD), valid.shape) if tau_by_joint else None
    scale = None if spread is None else sets(spread)
    chosen = depth_order.Pairs(kind, **pairs)
    cost = depth_order.cost(depth, truth, chosen, scale, either)
    if ordered:
        return cost, depth_order.count(truth, chosen, either)
    members = jnp.sum(valid, axis=axis, dtype=jnp.float32)
    return cost, jnp.sum(members**2)
