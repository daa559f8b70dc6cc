"""Joint orders of keypoint files, and the joints of Human3.6M computed from them.

An order is the name of a format, such as "coco17", or a list of joint names in any usual spelling
("LHip", "left_hip", "hip_l", "Left Hip"). `repose_jax.skeleton.human36m_recipes` has the rule that
maps either to the joints of Human3.6M.
"""

import functools
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from jaxtyping import Float

from repose_jax.skeleton import (
    COCO17,
    HALPE26,
    HUMAN36M,
    OPENPOSE_BODY25B,
    SKELETONS,
    human36m_recipes,
)

# Names of joints; None for a point that is not used, such as one of a hand.
Joints = tuple[str | None, ...]

_COCO_FEET = tuple(
    f"{side}_{part}" for side in ("left", "right") for part in ("big_toe", "small_toe", "heel")
)
_FACE_AND_HANDS = (None,) * 110

FORMATS: Mapping[str, Joints] = MappingProxyType(
    {name: skeleton.joints for name, skeleton in SKELETONS.items()}
    | {
        "halpe136": HALPE26.joints + _FACE_AND_HANDS,
        "coco_wholebody133": COCO17.joints + _COCO_FEET + _FACE_AND_HANDS,
        "openpose_body135": OPENPOSE_BODY25B.joints + _FACE_AND_HANDS,
    }
)
"""Name of a format -> its joints in order."""

_OTHER_NAMES = {
    "coco": "coco17",
    "mscoco": "coco17",
    "movenet": "coco17",
    "halpe": "halpe26",
    "bodywithfeet": "halpe26",
    "body25": "openpose_body25",
    "body25b": "openpose_body25b",
    "body135": "openpose_body135",
    "coco18": "openpose_coco18",
    "body18": "openpose_coco18",
    "openposecoco": "openpose_coco18",
    "mpi15": "openpose_mpi15",
    "openposempi": "openpose_mpi15",
    "mpii": "mpii16",
    "blazepose": "blazepose33",
    "mediapipe": "blazepose33",
    "h36m": "human36m",
    "h36m17": "human36m",
    "3dhp": "mpi_inf_3dhp",
    "mpiinf3dhp": "mpi_inf_3dhp",
    "wholebody": "coco_wholebody133",
    "wholebody133": "coco_wholebody133",
    "cocowholebody": "coco_wholebody133",
    "coco133": "coco_wholebody133",
}

_SIDED = {
    "hip": "hip",
    "knee": "knee",
    "kne": "knee",
    "ankle": "ankle",
    "ank": "ankle",
    "shoulder": "shoulder",
    "sho": "shoulder",
    "elbow": "elbow",
    "elb": "elbow",
    "wrist": "wrist",
    "wri": "wrist",
    "eye": "eye",
    "ear": "ear",
    "heel": "heel",
    "bigtoe": "big_toe",
    "toe": "big_toe",
    "smalltoe": "small_toe",
    "footindex": "foot_index",
}
# What some call the ankle and the wrist, where the list has no other.
_SUBSTITUTES = {"foot": "ankle", "hand": "wrist"}
_CENTRAL = {
    "pelvis": "pelvis root hip hips midhip midhips hipcenter hipcentre centerhip bottomtorso",
    "spine": "spine spine1 belly abdomen torso midspine spinemid",
    "thorax": "thorax uppertorso midshoulder shouldercenter shouldercentre neckbase",
    "neck": "neck upperneck necknose",
    "nose": "nose",
    "head": "head",
    "head_top": "headtop tophead topofhead topofthehead htop headtip",
}
_SIDES = {"left": "left", "right": "right", "l": "left", "r": "right"}


def _spellings() -> dict[str, tuple[str, bool]]:
    """Returns `{spelling: (joint, whether it is a substitute)}`, spelt in letters and digits."""
    found = {word: (joint, False) for joint, words in _CENTRAL.items() for word in words.split()}
    for side, long in _SIDES.items():
        for part, joint in (_SIDED | _SUBSTITUTES).items():
            entry = (f"{long}_{joint}", part in _SUBSTITUTES)
            found |= {side + part: entry, part + side: entry}
    return found


_SPELLINGS = _spellings()


def _letters(name: str) -> str:
    return re.sub(r"^.*landmarks?\.|[^a-z0-9]", "", name.lower())


def find_format(name: str) -> str | None:
    """Returns the key of `FORMATS` that a user means by a name, such as "BODY_25"; None if none."""
    spelt = _letters(name)
    for key in FORMATS:
        if _letters(key) == spelt:
            return key
    return _OTHER_NAMES.get(spelt)


def match_names(names: Sequence[str]) -> Joints:
    """Returns the joints that a list of names in any usual spelling means.

    Args:
        names: of the joints in order.

    Returns:
        Names as in `repose_jax.skeleton.SKELETONS`; None for points that are not known.

    Raises:
        ValueError: two names mean the same joint, or fewer than four joints of the arms and legs
            are known.
    """
    known = [_SPELLINGS.get(_letters(name), (None, False)) for name in names]
    primary = {joint for joint, substitute in known if not substitute}
    joints = tuple(
        None if substitute and joint in primary else joint for joint, substitute in known
    )
    where: dict[str, str] = {}
    for name, joint in zip(names, joints, strict=True):
        if joint is not None and joint in where:
            raise ValueError(f"the joints {where[joint]!r} and {name!r} are both {joint!r}.")
        if joint is not None:
            where[joint] = name
    if sum(joint.startswith(("left", "right")) for joint in where) < 4:
        raise ValueError(
            f"the joints are named {_listed(names)}; too few of them are known. Names such as "
            "'left_hip', 'LHip' or 'hip_l' are; rename them, or name the format."
        )
    return joints


def joints_of(order: str | Sequence[str | None]) -> Joints:
    """Returns the joints of a format, or of a list of names in any usual spelling.

    Raises:
        ValueError: no such format, or as `match_names`.
    """
    if not isinstance(order, str):
        return match_names([name or "" for name in order])
    format = find_format(order)
    if format is None:
        raise ValueError(f"there is no joint order {order!r}; there are: {', '.join(FORMATS)}.")
    return FORMATS[format]


@functools.cache
def _recipes(joints: Joints) -> tuple[tuple[int, tuple[int, ...], tuple[float, ...]], ...]:
    """Returns `(joint of Human3.6M, source joints, weights)` of those that can be computed."""
    found = human36m_recipes({joint for joint in joints if joint is not None})
    return tuple(
        (
            HUMAN36M.joints.index(joint),
            tuple(joints.index(used) for used, _ in recipe),
            tuple(weight for _, weight in recipe),
        )
        for joint, recipe in found.items()
    )


def to_human36m(
    keypoints: Float[np.ndarray, "n k 2"],
    confidence: Float[np.ndarray, "n k"],
    format: str | Sequence[str | None],
) -> tuple[Float[np.ndarray, "n 17 2"], Float[np.ndarray, "n 17"]]:
    """Computes the joints of Human3.6M from those of a format.

    The confidence of a joint is the least of those that it is computed from. A joint that the
    format lacks, or one of whose sources is missing, is NaN with confidence 0.

    Args:
        keypoints: joints of the format; a joint that is NaN or has no confidence is missing.
        confidence: their confidence.
        format: key or usual name of `FORMATS`, or names of the joints.

    Raises:
        ValueError: no such format, or another number of joints.
    """
    joints = joints_of(format)
    if keypoints.shape[1] != len(joints):
        name = f"the format {format!r}" if isinstance(format, str) else "the list of joint names"
        raise ValueError(
            f"there are {keypoints.shape[1]} joints, but {name} has {len(joints)}; formats with "
            f"{keypoints.shape[1]} joints: {', '.join(with_size(keypoints.shape[1])) or 'none'}."
        )
    found = np.isfinite(keypoints).all(-1) & (confidence > 0)
    points = np.where(found[..., None], keypoints, np.nan)
    scores = np.where(found, confidence, 0)
    result = np.full((len(points), HUMAN36M.size, 2), np.nan, points.dtype)
    result_scores = np.zeros((len(points), HUMAN36M.size), confidence.dtype)
    for joint, sources, weights in _recipes(joints):
        used = [*sources]
        result[:, joint] = np.einsum(
            "k,nkd->nd", np.asarray(weights, points.dtype), points[:, used]
        )
        result_scores[:, joint] = scores[:, used].min(1)
    return result, result_scores


def with_size(size: int) -> tuple[str, ...]:
    """Returns the formats of a number of joints."""
    return tuple(name for name, joints in FORMATS.items() if len(joints) == size)


def unnamed(size: int) -> tuple[str | Joints, ...]:
    """Returns the orders that joints without names may have; `None` for each joint if unknown."""
    return with_size(size) or ((None,) * size,)


def detected(size: int) -> tuple[str | Joints, ...]:
    """Returns the orders of joints without names that a detector found; of 17 it is COCO's."""
    return ("coco17",) if size == 17 else unnamed(size)


def _listed(names: Sequence[str], at_most: int = 6) -> str:
    shown = ", ".join(repr(name) for name in names[:at_most])
    return shown + (f" and {len(names) - at_most} more" if len(names) > at_most else "")
