"""Bodies in motion: recombined of several takes, of other sizes and proportions, mirrored."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from repose_jax.data.motions import LANDMARKS
from repose_jax.simulation.noise import chosen
from repose_jax.skeleton import HUMAN36M

PARENTS = (*HUMAN36M.parents, 9, 9, 9)
"""The joint that each landmark hangs on; the face moves with the bone from neck to head."""
FLIP = (*HUMAN36M.flip, 17, 19, 18)

Points = Float[Array, "b t l 3"]

UPPER_BODY = (*range(7, 17), 17, 18, 19)
ARMS = tuple(range(11, 17))
ANKLES = (3, 6)
ANKLE_HEIGHT = 0.08  # metres, of a person standing
STATURE = (1.50, 1.95)  # metres; about the 1st percentile of women to the 99th of men
# From the floor to the top of the head along one leg and the spine.
_STATURE_BONES = (2, 3, 7, 8, 9, 10)
_LEGS = (2, 3, 5, 6)
# Spread of each bone's share of the body, relative; as `tfds_builders.mocap.body` has it.
_SPREAD = {
    "hip": 0.12,
    "knee": 0.04,
    "ankle": 0.04,
    "spine": 0.06,
    "thorax": 0.06,
    "neck": 0.08,
    "head": 0.08,
    "shoulder": 0.10,
    "elbow": 0.05,
    "wrist": 0.05,
    "face": 0.10,
}
# The class of the bone that ends at each landmark; both sides share one and so stay symmetric.
_CLASS = [
    "face" if name in ("nose", "left_ear", "right_ear") else name.split("_")[-1]
    for name in LANDMARKS
]
_CLASSES = list(_SPREAD)
_FACTOR_OF = np.array([_CLASSES.index(c) if c in _SPREAD else len(_CLASSES) for c in _CLASS])


def recombine(
    key: PRNGKeyArray,
    points: Points,
    upper: Points,
    arms: Points,
    *,
    upper_share: float | Array,
    arms_share: float | Array,
) -> Points:
    """Gives some bodies the upper body of another take, and some the arms of another.

    The upper body hangs on the pelvis, turned about the vertical so that the hips point the same
    way. Arms hang on the thorax, turned with the trunk. Every bone keeps its length.

    Args:
        key: random key.
        points: landmarks of the takes, metres, Y up.
        upper: of as many takes that give upper bodies.
        arms: of as many takes that give arms.
        upper_share: share of the clips with the upper body of another take.
        arms_share: share of the clips with the arms of another take.
    """
    key_upper, key_arms = jax.random.split(key)
    count = len(points)

    index = jnp.array(UPPER_BODY)
    turn = _turn_about_vertical(_heading(points) - _heading(upper))
    there = upper[:, :, index] - upper[:, :, :1]
    moved = points[:, :, :1] + jnp.einsum("btij,btlj->btli", turn, there)
    pick = chosen(key_upper, count, upper_share)[:, None, None, None]
    points = points.at[:, :, index].set(jnp.where(pick, moved, points[:, :, index]))

    index = jnp.array(ARMS)
    turn = jnp.einsum("btji,btjk->btik", trunk(points), trunk(arms))
    there = arms[:, :, index] - arms[:, :, 8:9]
    moved = points[:, :, 8:9] + jnp.einsum("btij,btlj->btli", turn, there)
    pick = chosen(key_arms, count, arms_share)[:, None, None, None]
    return points.at[:, :, index].set(jnp.where(pick, moved, points[:, :, index]))


def randomise(key: PRNGKeyArray, points: Points) -> Points:
    """Transfers motions to persons of other statures and proportions.

    Every bone keeps its direction; its factor is one for the clip and for both sides. The path of
    the pelvis is scaled with the legs, and the lowest ankle keeps its height.
    """
    key_stature, key_bones = jax.random.split(key)
    count = len(points)
    lengths = jnp.median(jnp.linalg.norm(_bones(points), axis=-1), axis=1)  # [b, l]
    spread = jnp.array([*_SPREAD.values(), 0.0])
    draws = jnp.clip(jax.random.normal(key_bones, (count, len(spread))), -2, 2)
    factors = (1 + spread * draws)[:, _FACTOR_OF]
    low, high = STATURE
    wanted = jax.random.uniform(key_stature, (count, 1), minval=low, maxval=high) - ANKLE_HEIGHT
    standing = (lengths * factors)[:, _STATURE_BONES].sum(-1, keepdims=True)
    return scale_bones(points, factors * wanted / jnp.maximum(standing, 1e-6), lengths)


def scale_bones(
    points: Points, factors: Float[Array, "b l"], lengths: Float[Array, "b l"]
) -> Points:
    """Scales bones by the factor of the landmark that each ends at; see `randomise`."""
    legs = jnp.array(_LEGS)
    leg = (factors * lengths)[:, legs].sum(-1) / jnp.maximum(lengths[:, legs].sum(-1), 1e-6)
    floor = points[:, :, ANKLES, 1].min((1, 2))
    pivot = jnp.stack([points[:, 0, 0, 0], floor, points[:, 0, 0, 2]], -1)[:, None]
    bones = _bones(points) * factors[:, None, :, None]
    scaled = [pivot + leg[:, None, None] * (points[:, :, 0] - pivot)]
    for landmark in range(1, len(LANDMARKS)):
        scaled.append(scaled[PARENTS[landmark]] + bones[:, :, landmark])
    points = jnp.stack(scaled, axis=2)
    lift = floor - points[:, :, ANKLES, 1].min((1, 2))
    return points.at[..., 1].add(lift[:, None, None])


def stature(points: Points) -> Float[Array, " b"]:
    """Returns the height of a person with these bones standing upright, metres."""
    lengths = jnp.median(jnp.linalg.norm(_bones(points), axis=-1), axis=1)
    return lengths[:, _STATURE_BONES].sum(-1) + ANKLE_HEIGHT


def mirror(key: PRNGKeyArray, points: Points, share: float | Array) -> Points:
    """Mirrors some motions: left and right change places."""
    mirrored = points[:, :, list(FLIP)] * jnp.array([-1.0, 1.0, 1.0])
    return jnp.where(chosen(key, len(points), share)[:, None, None, None], mirrored, points)


def _bones(points: Points) -> Points:
    parents = [max(parent, 0) for parent in PARENTS]  # that of the pelvis has no length
    return points - points[:, :, parents]


def _heading(points: Points) -> Float[Array, "b t"]:
    """Returns the angle of the line from the right to the left hip about the vertical."""
    across = points[:, :, 4] - points[:, :, 1]
    return jnp.arctan2(across[..., 2], across[..., 0])


def _turn_about_vertical(angle: Float[Array, "b t"]) -> Float[Array, "b t 3 3"]:
    """Returns the rotation that increases headings, as `_heading` measures them, by an angle."""
    cos, sin, zero, one = jnp.cos(angle), jnp.sin(angle), 0 * angle, 0 * angle + 1
    rows = [[cos, zero, -sin], [zero, one, zero], [sin, zero, cos]]
    return jnp.stack([jnp.stack(row, -1) for row in rows], -2)


def trunk(points: Points) -> Float[Array, "b t 3 3"]:
    """Returns the axes of the trunk as rows: to the left, up the spine, forward; in the world."""
    up = _unit(points[:, :, 8] - points[:, :, 0])
    left = points[:, :, 11] - points[:, :, 14]
    left = _unit(left - (left * up).sum(-1, keepdims=True) * up)
    return jnp.stack([left, up, jnp.cross(left, up)], axis=-2)


def _unit(vectors: Float[Array, "*b 3"]) -> Float[Array, "*b 3"]:
    return vectors / jnp.maximum(jnp.linalg.norm(vectors, axis=-1, keepdims=True), 1e-6)
