"""Joint orders and the maps between them, as frozen data (numpy only).

A `Skeleton` is the joint order of one format. A map gives each joint of one format as a weighted
sum of joints of another: `convert` converts points, `convert_confidence` their confidence.
`docs/skeletons.md` draws every skeleton and tabulates every map.
"""

import functools
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class Skeleton:
    """One joint order: names, tree and mirror pairs.

    The tree of the formats with a root is kinematic; that of a detector's format only defines which
    joints a drawing connects.

    Attributes:
        name: key in `SKELETONS`.
        joints: joint names in order; a sided joint is named "left_..." or "right_...".
        parents: parent of each joint; -1 where a tree starts.
        left: joints of the left side.
        right: their mirror images, in the same order.
        root: the pelvis, the origin of root-relative poses; -1 where the format has none.

    Raises:
        ValueError: the tables contradict each other.
    """

    name: str
    joints: tuple[str, ...]
    parents: tuple[int, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]
    root: int

    def __post_init__(self):
        def check(good: bool, problem: str):
            if not good:
                raise ValueError(f"skeleton {self.name!r}: {problem}")

        size, indices = self.size, range(self.size)
        check(len(set(self.joints)) == size, f"joint names repeat: {self.joints}")
        check(len(self.parents) == size, f"{len(self.parents)} parents for {size} joints")
        check(
            all(-1 <= parent < size for parent in self.parents),
            f"parents must lie in [-1, {size}), found {self.parents}",
        )
        for joint in indices:
            ancestor, steps = joint, 0
            while ancestor >= 0 and steps <= size:
                ancestor, steps = self.parents[ancestor], steps + 1
            check(steps <= size, f"the parents of {self.joints[joint]!r} form a cycle")
        check(
            self.root == -1 or (self.root in indices and self.parents[self.root] == -1),
            f"root must be -1 or a joint without a parent, found {self.root}",
        )
        for side, listed in (("left", self.left), ("right", self.right)):
            named = [j for j in indices if self.joints[j].startswith(f"{side}_")]
            check(
                sorted(listed) == named,
                f"{side} must list exactly the joints named '{side}_...' {named}, found {listed}",
            )
        mirrored = tuple(self.joints[j].replace("left_", "right_", 1) for j in self.left)
        check(
            mirrored == tuple(self.joints[j] for j in self.right),
            f"left and right do not mirror each other: {self.left}, {self.right}",
        )
        flip = self.flip
        for joint in indices:
            parent = self.parents[joint]
            check(
                self.parents[flip[joint]] == (flip[parent] if parent >= 0 else -1),
                f"the parent of {self.joints[joint]!r} has no mirror image",
            )

    @property
    def size(self) -> int:
        """Number of joints."""
        return len(self.joints)

    @property
    def bones(self) -> tuple[tuple[int, int], ...]:
        """(parent, child) pairs in the order of the children."""
        return tuple((p, child) for child, p in enumerate(self.parents) if p >= 0)

    @property
    def flip(self) -> tuple[int, ...]:
        """Permutation that swaps left and right: `points[..., flip, :]` relabels a mirror image."""
        swap = dict(zip(self.left + self.right, self.right + self.left, strict=True))
        return tuple(swap.get(joint, joint) for joint in range(self.size))


def _skeleton(name: str, root: str | None, tree: Mapping[str, str | None]) -> Skeleton:
    """Returns a skeleton from `{joint: parent}` in joint order."""
    joints = tuple(tree)
    left = tuple(j for j, joint in enumerate(joints) if joint.startswith("left_"))
    return Skeleton(
        name=name,
        joints=joints,
        parents=tuple(-1 if parent is None else joints.index(parent) for parent in tree.values()),
        left=left,
        right=tuple(joints.index(joints[j].replace("left_", "right_", 1)) for j in left),
        root=-1 if root is None else joints.index(root),
    )


HUMAN36M = _skeleton(
    "human36m",
    root="pelvis",
    tree={
        "pelvis": None,
        "right_hip": "pelvis",
        "right_knee": "right_hip",
        "right_ankle": "right_knee",
        "left_hip": "pelvis",
        "left_knee": "left_hip",
        "left_ankle": "left_knee",
        "spine": "pelvis",
        "thorax": "spine",
        "neck": "thorax",  # lies at the height of the chin; "nose" or "neck/nose" elsewhere
        "head": "neck",  # top of the head
        "left_shoulder": "thorax",
        "left_elbow": "left_shoulder",
        "left_wrist": "left_elbow",
        "right_shoulder": "thorax",
        "right_elbow": "right_shoulder",
        "right_wrist": "right_elbow",
    },
)

MPI_INF_3DHP = _skeleton(
    "mpi_inf_3dhp",
    root="pelvis",
    tree={
        "head_top": "head",
        "neck": "spine",
        "right_shoulder": "neck",
        "right_elbow": "right_shoulder",
        "right_wrist": "right_elbow",
        "left_shoulder": "neck",
        "left_elbow": "left_shoulder",
        "left_wrist": "left_elbow",
        "right_hip": "pelvis",
        "right_knee": "right_hip",
        "right_ankle": "right_knee",
        "left_hip": "pelvis",
        "left_knee": "left_hip",
        "left_ankle": "left_knee",
        "pelvis": None,
        "spine": "pelvis",
        "head": "neck",
    },
)

_COCO: dict[str, str | None] = {
    "nose": None,
    "left_eye": "nose",
    "right_eye": "nose",
    "left_ear": "left_eye",
    "right_ear": "right_eye",
    "left_shoulder": "nose",
    "right_shoulder": "nose",
    "left_elbow": "left_shoulder",
    "right_elbow": "right_shoulder",
    "left_wrist": "left_elbow",
    "right_wrist": "right_elbow",
    "left_hip": "left_shoulder",
    "right_hip": "right_shoulder",
    "left_knee": "left_hip",
    "right_knee": "right_hip",
    "left_ankle": "left_knee",
    "right_ankle": "right_knee",
}
# Where these are drawn from in the formats that have a neck.
_ON_NECK = {"nose": "neck", "left_shoulder": "neck", "right_shoulder": "neck"}
_ON_PELVIS = {"left_hip": "pelvis", "right_hip": "pelvis"}

COCO17 = _skeleton("coco17", root=None, tree=_COCO)

HALPE26 = _skeleton(
    "halpe26",
    root="pelvis",
    tree=_COCO
    | _ON_NECK
    | _ON_PELVIS
    | {
        "head_top": "nose",
        "neck": "pelvis",
        "pelvis": None,
        "left_big_toe": "left_ankle",
        "right_big_toe": "right_ankle",
        "left_small_toe": "left_ankle",
        "right_small_toe": "right_ankle",
        "left_heel": "left_ankle",
        "right_heel": "right_ankle",
    },
)

_OPENPOSE_FEET = {
    "left_big_toe": "left_ankle",
    "left_small_toe": "left_ankle",
    "left_heel": "left_ankle",
    "right_big_toe": "right_ankle",
    "right_small_toe": "right_ankle",
    "right_heel": "right_ankle",
}
_OPENPOSE_ARMS = {
    "right_shoulder": "neck",
    "right_elbow": "right_shoulder",
    "right_wrist": "right_elbow",
    "left_shoulder": "neck",
    "left_elbow": "left_shoulder",
    "left_wrist": "left_elbow",
}
_OPENPOSE_LEGS = {
    "right_hip": "right_shoulder",
    "right_knee": "right_hip",
    "right_ankle": "right_knee",
    "left_hip": "left_shoulder",
    "left_knee": "left_hip",
    "left_ankle": "left_knee",
}
_OPENPOSE_FACE = {
    "right_eye": "nose",
    "left_eye": "nose",
    "right_ear": "right_eye",
    "left_ear": "left_eye",
}

OPENPOSE_BODY25 = _skeleton(
    "openpose_body25",
    root="pelvis",
    tree={"nose": "neck", "neck": "pelvis"}
    | _OPENPOSE_ARMS
    | {"pelvis": None}
    | (_OPENPOSE_LEGS | _ON_PELVIS)
    | _OPENPOSE_FACE
    | _OPENPOSE_FEET,
)

OPENPOSE_BODY25B = _skeleton(
    "openpose_body25b",
    root=None,
    tree=_COCO | _ON_NECK | {"neck": None, "head_top": "nose"} | _OPENPOSE_FEET,
)

OPENPOSE_COCO18 = _skeleton(
    "openpose_coco18",
    root=None,
    tree={"nose": "neck", "neck": None} | _OPENPOSE_ARMS | _OPENPOSE_LEGS | _OPENPOSE_FACE,
)

OPENPOSE_MPI15 = _skeleton(
    "openpose_mpi15",
    root=None,
    tree={"head_top": "neck", "neck": None} | _OPENPOSE_ARMS | _OPENPOSE_LEGS | {"chest": "neck"},
)

MPII16 = _skeleton(
    "mpii16",
    root="pelvis",
    tree={
        "right_ankle": "right_knee",
        "right_knee": "right_hip",
        "right_hip": "pelvis",
        "left_hip": "pelvis",
        "left_knee": "left_hip",
        "left_ankle": "left_knee",
        "pelvis": None,
        "thorax": "pelvis",
        "neck": "thorax",  # the upper end of the neck
        "head_top": "neck",
        "right_wrist": "right_elbow",
        "right_elbow": "right_shoulder",
        "right_shoulder": "thorax",
        "left_shoulder": "thorax",
        "left_elbow": "left_shoulder",
        "left_wrist": "left_elbow",
    },
)

BLAZEPOSE33 = _skeleton(
    "blazepose33",
    root=None,
    tree={
        "nose": None,
        "left_eye_inner": "nose",
        "left_eye": "left_eye_inner",
        "left_eye_outer": "left_eye",
        "right_eye_inner": "nose",
        "right_eye": "right_eye_inner",
        "right_eye_outer": "right_eye",
        "left_ear": "left_eye_outer",
        "right_ear": "right_eye_outer",
        "left_mouth": "nose",
        "right_mouth": "nose",
        "left_shoulder": "nose",
        "right_shoulder": "nose",
        "left_elbow": "left_shoulder",
        "right_elbow": "right_shoulder",
        "left_wrist": "left_elbow",
        "right_wrist": "right_elbow",
        "left_pinky": "left_wrist",
        "right_pinky": "right_wrist",
        "left_index": "left_wrist",
        "right_index": "right_wrist",
        "left_thumb": "left_wrist",
        "right_thumb": "right_wrist",
        "left_hip": "left_shoulder",
        "right_hip": "right_shoulder",
        "left_knee": "left_hip",
        "right_knee": "right_hip",
        "left_ankle": "left_knee",
        "right_ankle": "right_knee",
        "left_heel": "left_ankle",
        "right_heel": "right_ankle",
        "left_foot_index": "left_ankle",
        "right_foot_index": "right_ankle",
    },
)

SKELETONS: Mapping[str, Skeleton] = MappingProxyType(
    {
        skeleton.name: skeleton
        for skeleton in (
            HUMAN36M,
            MPI_INF_3DHP,
            COCO17,
            HALPE26,
            OPENPOSE_BODY25,
            OPENPOSE_BODY25B,
            OPENPOSE_COCO18,
            OPENPOSE_MPI15,
            MPII16,
            BLAZEPOSE33,
        )
    }
)


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


def flip(x: Float[Any, "*b j c"]) -> Float[Any, "*b j c"]:
    """Mirrors 2D or 3D joints: negates x and exchanges left and right. NumPy or JAX arrays."""
    mirror = np.ones(x.shape[-1], np.float32)
    mirror[0] = -1
    return x[..., list(HUMAN36M.flip), :] * mirror
