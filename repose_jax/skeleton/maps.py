"""Maps between joint orders: each joint of one as a weighted sum of joints of another.

`convert` converts points, `convert_confidence` their confidence. `docs/skeletons.md` tabulates
every map.
"""

import functools
from collections.abc import Collection, Mapping
from types import MappingProxyType

import numpy as np
from jaxtyping import Float

from repose_jax.skeleton.orders import HUMAN36M, MPI_INF_3DHP, SKELETONS, Skeleton

# One joint as a weighted sum of source joints; the weights sum to 1.
Recipe = tuple[tuple[str, float], ...]


def mix(*parts: tuple[Recipe, float]) -> Recipe:
    """Mixes recipes: `mix((a, 0.5), (b, 0.5))` is the midpoint of a and b."""
    mixed: dict[str, float] = {}
    for recipe, share in parts:
        for joint, weight in recipe:
            mixed[joint] = mixed.get(joint, 0) + share * weight
    return tuple(mixed.items())


def _sides(joint: str) -> Recipe:
    return ((f"left_{joint}", 0.5), (f"right_{joint}", 0.5))


MID_HIPS, MID_SHOULDERS, MID_EARS = _sides("hip"), _sides("shoulder"), _sides("ear")

# COCO and BODY_25 have no top of the head: extend the line from the middle of the shoulders to that
# of the ears, which lies along the neck however the person turns. Compared with detectors of the
# head top, the error is about 5 % of the torso (2 to 3 cm); that of the usual middle of the eyes is
# 20 to 32 % (10 to 15 cm), and it moves forward with the face.
HEAD_FROM_EARS = mix((MID_EARS, 1.7), (MID_SHOULDERS, -0.7))

_LIMBS = tuple(
    f"{side}_{joint}"
    for side in ("left", "right")
    for joint in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
)


def human36m_recipes(joints: Collection[str]) -> dict[str, Recipe]:
    """Returns the joints of Human3.6M as recipes of the joints that a format has.

    The same rule for all formats, by the names of their joints:

    - pelvis: its own, else the middle of the hips;
    - thorax: its own; the neck of formats that also have a pelvis; else the middle of the
      shoulders; else the neck;
    - spine: its own, else the middle of pelvis and thorax;
    - head: its top, which formats without another name call head; else from ears and shoulders;
    - neck: the nose; else the neck of formats that also have a thorax; else the head of formats
      that also have its top; else the middle of thorax and head.

    Args:
        joints: names as in `SKELETONS`; others are not used.

    Returns:
        `{joint of Human3.6M: recipe}` without the joints that cannot be computed.
    """

    def own(joint: str) -> Recipe:
        return ((joint, 1.0),)

    def middle(*between: str) -> Recipe:
        found = [recipes.get(joint, ()) for joint in between]
        return mix(*((recipe, 0.5) for recipe in found)) if all(found) else ()

    neck_is_thorax = "pelvis" in joints and "thorax" not in joints
    recipes: dict[str, Recipe] = {joint: own(joint) for joint in _LIMBS}

    def first(joint: str, *choices: Recipe):
        recipes[joint] = next((c for c in choices if c and all(j in joints for j, _ in c)), ())

    first("pelvis", own("pelvis"), MID_HIPS)
    thorax = (own("neck"), MID_SHOULDERS) if neck_is_thorax else (MID_SHOULDERS, own("neck"))
    first("thorax", own("thorax"), *thorax)
    first("spine", own("spine"), middle("pelvis", "thorax"))
    first("head", own("head_top"), own("head"), HEAD_FROM_EARS)
    upper_neck = own("neck") if "thorax" in joints else ()
    lower_head = own("head") if "head_top" in joints else ()
    first("neck", own("nose"), upper_neck, lower_head, middle("thorax", "head"))
    return {j: r for j, r in recipes.items() if r and all(used in joints for used, _ in r)}


# (source, target) -> {target joint: recipe}
MAPS: Mapping[tuple[str, str], Mapping[str, Recipe]] = MappingProxyType(
    {
        ("human36m", "mpi_inf_3dhp"): {
            m: ((h, 1.0),) for h, ((m, _),) in human36m_recipes(MPI_INF_3DHP.joints).items()
        }
    }
    | {
        (skeleton.name, "human36m"): human36m_recipes(skeleton.joints)
        for skeleton in SKELETONS.values()
        if skeleton != HUMAN36M
    }
)


@functools.cache
def conversion_matrix(source: Skeleton, target: Skeleton) -> Float[np.ndarray, "t s"]:
    """Returns the map from `source` to `target` as a read-only matrix whose rows sum to 1.

    Raises:
        ValueError: no map between the two.
    """
    if source == target:
        matrix = np.eye(source.size)
    elif (source.name, target.name) in MAPS:
        recipes = MAPS[source.name, target.name]
        matrix = np.zeros((target.size, source.size))
        for row, joint in zip(matrix, target.joints, strict=True):
            for used, weight in recipes[joint]:
                row[source.joints.index(used)] += weight
    else:
        available = ", ".join(f"{a} -> {b}" for a, b in MAPS)
        raise ValueError(
            f"no map from {source.name!r} to {target.name!r} joints; there are: {available}"
        )
    matrix.setflags(write=False)
    return matrix


def convert(
    points: Float[np.ndarray, "*b s d"], source: Skeleton, target: Skeleton
) -> Float[np.ndarray, "*b t d"]:
    """Converts points of the `source` joints to the `target` joints.

    Works in any linear frame: pixels, normalised or camera space. A joint that was not detected
    (coordinates 0 or NaN) invalidates the target joints computed from it and no others;
    `convert_confidence` gives those a confidence of 0.

    Args:
        points: `[*b, source joints, d]`.
        source: joint order of `points`.
        target: joint order to return.

    Returns:
        `[*b, target joints, d]`, of the dtype of `points`.

    Raises:
        ValueError: no such map, or `points` has another number of joints than `source`.
    """
    _check_joints(points.shape[-2], source)
    matrix = conversion_matrix(source, target).astype(points.dtype)
    # Row by row, because in one product 0 * NaN would spread a missing joint over all others.
    return np.stack(
        [row[row != 0] @ points[..., np.flatnonzero(row), :] for row in matrix], axis=-2
    )


def convert_confidence(
    confidence: Float[np.ndarray, "*b s"], source: Skeleton, target: Skeleton
) -> Float[np.ndarray, "*b t"]:
    """Returns the confidence of the `target` joints: the least of the joints each is computed from.

    So it is 0 (absent) as soon as that of one source joint is.

    Args:
        confidence: `[*b, source joints]`.
        source: joint order of `confidence`.
        target: joint order to return.

    Returns:
        `[*b, target joints]`.

    Raises:
        ValueError: as `convert`.
    """
    _check_joints(confidence.shape[-1], source)
    used = conversion_matrix(source, target) != 0
    return np.stack([confidence[..., row].min(axis=-1) for row in used], axis=-1)


def _check_joints(found: int, source: Skeleton):
    if found != source.size:
        raise ValueError(
            f"{source.name!r} has {source.size} joints, but the array has {found}; "
            f"choose the format of the array among {', '.join(SKELETONS)}"
        )
