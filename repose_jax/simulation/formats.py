"""Formats of detectors: what each finds, and how it becomes the 17 joints of Human3.6M.

COCO-17, Halpe-26, BODY_25, BODY_25B and BlazePose have the limbs. They differ in the trunk and the
head: none has Human3.6M's spine or the middle of the neck, few have the top of the head. Users
fill these gaps in several ways, so each format comes in each of them.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from repose_jax.data.motions import LANDMARKS
from repose_jax.simulation.noise import chosen
from repose_jax.skeleton import (
    HEAD_FROM_EARS,
    HUMAN36M,
    MID_EARS,
    MID_HIPS,
    MID_SHOULDERS,
    Recipe,
    mix,
)

_NOTHING: Recipe = ()


def _own(landmark: str) -> Recipe:
    return ((landmark, 1.0),)


def _formats() -> list[dict[str, Recipe]]:
    """Returns the joints of the trunk and the head in every format and filling."""
    found = []
    for pelvis, thorax in ((MID_HIPS, MID_SHOULDERS), (_own("pelvis"), _own("thorax"))):
        for top in (_own("head"), HEAD_FROM_EARS, _NOTHING):
            spines = (mix((pelvis, 0.5), (thorax, 0.5)), _NOTHING)
            between = mix((thorax, 0.5), (top, 0.5)) if top else mix((thorax, 0.4), (MID_EARS, 0.6))
            necks = (_own("nose"), between, _NOTHING)
            for spine, neck in itertools.product(spines, necks):
                found.append(
                    {"pelvis": pelvis, "spine": spine, "thorax": thorax, "neck": neck, "head": top}
                )
    return found


def _matrix(recipes: dict[str, Recipe]) -> np.ndarray:
    rows = np.zeros((HUMAN36M.size, len(LANDMARKS)), np.float32)
    for row, joint in zip(rows, HUMAN36M.joints, strict=True):
        for name, weight in recipes.get(joint, _own(joint)):
            row[LANDMARKS.index(name)] = weight
    return rows


FORMATS = np.stack([_matrix({}), *map(_matrix, _formats())])
"""`[f, 17, 20]` maps from landmarks to joints; the first is Human3.6M's own. A joint that a format
lacks is a row of zeros."""


def to_human36m(
    key: PRNGKeyArray,
    found: Float[Array, "b t l 2"],
    confidence: Float[Array, "b t l"],
    share: float | Array,
) -> tuple[Float[Array, "b t 17 2"], Float[Array, "b t 17"]]:
    """Converts landmarks to joints, in some clips by way of another format.

    The confidence of a joint is the least of the landmarks that it is computed from.

    Args:
        key: random key.
        found: landmarks in the image.
        confidence: their confidence; 0 for one that is missing.
        share: share of the clips in another format than Human3.6M's.
    """
    key_share, key_format = jax.random.split(key)
    count = len(found)
    index = jax.random.randint(key_format, (count,), 1, len(FORMATS))
    index = jnp.where(chosen(key_share, count, share), index, 0)
    matrix = jnp.asarray(FORMATS)[index]
    joints = jnp.einsum("bjl,btlk->btjk", matrix, found, precision="highest")
    used = (matrix != 0)[:, None]
    least = jnp.where(used, confidence[:, :, None], jnp.inf).min(-1)
    return joints, jnp.where(jnp.isfinite(least), least, 0)
