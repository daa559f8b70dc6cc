"""Joint orders of formats as frozen data (numpy only): names, trees and mirror pairs."""

from collections.abc import Mapping
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


def flip(x: Float[Any, "*b j c"]) -> Float[Any, "*b j c"]:
    """Mirrors 2D or 3D joints: negates x and exchanges left and right. NumPy or JAX arrays."""
    mirror = np.ones(x.shape[-1], np.float32)
    mirror[0] = -1
    return x[..., list(HUMAN36M.flip), :] * mirror
