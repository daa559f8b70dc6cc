"""The joints of Human3.6M in the skeletons of common programs and collections."""

import dataclasses
import re
from collections.abc import Iterable, Mapping

import numpy as np

from tfds_builders.bvh_motion.recording import Recording
from tfds_builders.records import JOINTS

Weights = Mapping[str, float]

_UPRIGHT = 0.9  # cosine of the angle to an axis, of a rest pose that stands along it


@dataclasses.dataclass(frozen=True)
class JointMap:
    """The joints of Human3.6M in the joints of a file.

    Attributes:
        joints: By joint of Human3.6M, the weights of the joints of the file of which it is the sum.
            The weights add up to 1.
        head_joint: The joint of the file that turns with the head; "" for none.
        head_top: Metres from the joint "head" of `joints` to the top of the head, along the head's
            own axis; 0 where the file has a joint at the top.
        head_axes: The directions to the left and to the top of the head in the axes of
            `head_joint`, such as `("+x", "+y")`; None for those of the world in the rest pose.
        requires: Other joints that a file must have, to distinguish skeletons of similar names.
    """

    joints: Mapping[str, Weights]
    head_joint: str = ""
    head_top: float = 0.0
    head_axes: tuple[str, str] | None = None
    requires: tuple[str, ...] = ()

    def sources(self) -> list[str]:
        """Returns the names of the joints that a file must have."""
        names = [name for weights in self.joints.values() for name in weights]
        return list(dict.fromkeys([*names, *self.requires, *filter(None, [self.head_joint])]))


def axis(word: str) -> np.ndarray:
    """Returns the unit vector of "+x" or "-z"."""
    return np.where(np.array(list("xyz")) == word[1], 1.0 if word[0] == "+" else -1.0, 0.0)


def _mean(names: str) -> Weights:
    """Returns equal weights of "A+B"; a name that is repeated counts as often."""
    words = names.split("+")
    return {word: words.count(word) / len(words) for word in words}


def joint_map(
    sides: tuple[str, str], legs: str, arms: str, trunk: tuple[str | Weights, ...], **options
) -> JointMap:
    """Makes the map of a skeleton with systematic names.

    Args:
        sides: Names of joints of the right and the left side, such as `("Right{}", "Left{}")`.
        legs: Names of hip, knee and ankle without their side, separated by spaces; "A+B" is the
            midpoint of two joints.
        arms: Those of shoulder, elbow and wrist.
        trunk: Spine, thorax, neck and head.
        **options: As for `JointMap`.
    """

    def sided(name: str, side: str) -> Weights:
        return _mean("+".join(side.format(word) for word in name.split("+")))

    right, left = sides
    hip = legs.split()[0]
    weights = [
        _mean(f"{left.format(hip)}+{right.format(hip)}"),
        *(sided(name, side) for side in sides for name in legs.split()),
        *(_mean(words) if isinstance(words, str) else words for words in trunk),
        *(sided(name, side) for side in (left, right) for name in arms.split()),
    ]
    return JointMap(dict(zip(JOINTS, weights, strict=True)), **options)


_NAMES = ("Right{}", "Left{}")  # of MotionBuilder, which many programs have adopted
_LEGS, _ARMS = "UpLeg Leg Foot", "Arm ForeArm Hand"
_HEAD = {"head_joint": "Head", "head_top": 0.15}
_X_ALONG_BONES = ("+z", "+x")
# The neck of the only skeleton of Bandai Namco is 6.457 cm long, the head 18 cm from there.
_BANDAI_HEAD = {"Head": 1 + 18 / 6.457, "Neck": -18 / 6.457}

# In the order in which they are tried: the first whose joints are all in a file is its map.
JOINT_MAPS = {
    "cmu_asf": joint_map(
        ("r{}", "l{}"),
        "hipjoint femur tibia",
        "clavicle humerus radius+wrist",
        ("lowerback", "thorax", "lowerneck+upperneck", "head"),
        head_joint="head",
    ),
    "cmu": joint_map(
        _NAMES,
        _LEGS,
        "Arm ForeArm Hand+FingerBase",
        ("Spine", "Neck", "Neck1+Head", "Head end"),
        head_joint="Head",
    ),
    "daz": joint_map(
        ("r{}", "l{}"),
        "Thigh Shin Foot",
        "Shldr ForeArm Hand",
        ("abdomen+chest", "neck", "head+head+leftEye+rightEye", "head"),
        head_joint="head",
        head_top=0.15,
    ),
    "mixamo": joint_map(
        _NAMES, _LEGS, _ARMS, ("Spine1", "Neck", "Head", "HeadTop_End"), head_joint="Head"
    ),
    "lafan1": joint_map(
        _NAMES,
        _LEGS,
        _ARMS,
        ("Spine1+Spine2", "Neck", "Head", "Head"),
        requires=("LeftToe",),
        head_axes=_X_ALONG_BONES,
        **_HEAD,
    ),
    "motionbuilder": joint_map(_NAMES, _LEGS, _ARMS, ("Spine1", "Neck", "Head", "Head"), **_HEAD),
    "xsens": joint_map(  # the names of 100STYLE too
        _NAMES,
        "Hip Knee Ankle",
        "Shoulder Elbow Wrist",
        ("Chest2+Chest3", "Neck", "Head", "Head"),
        **_HEAD,
    ),
    "xsens_segments": joint_map(
        _NAMES,
        "UpperLeg LowerLeg Foot",
        "UpperArm Forearm Hand",
        ("L3+T12", "Neck", "Head", "Head"),
        **_HEAD,
    ),
    "rokoko": joint_map(
        _NAMES, "Thigh Shin Foot", _ARMS, ("Spine2+Spine3", "Neck", "Head", "Head"), **_HEAD
    ),
    "biped": joint_map(
        ("R {}", "L {}"),
        "Thigh Calf Foot",
        "UpperArm Forearm Hand",
        ("Spine1", "Neck", "Head", "Head"),
        **_HEAD,
    ),
    "bandai": joint_map(
        ("{}_R", "{}_L"),
        "UpperLeg LowerLeg Foot",
        "UpperArm LowerArm Hand",
        ("Spine+Chest", "Neck", "Head", _BANDAI_HEAD),
        head_joint="Head",
        head_axes=_X_ALONG_BONES,
    ),
}


def _simple(name: str) -> str:
    return re.sub(r"[\s_.:-]", "", name).lower()


def index(names: Iterable[str]) -> dict[str, str]:
    """Indexes the joints of a file by their simplified names.

    Case, spaces and punctuation do not count, nor a prefix that all joints but the root share:
    "mixamorig:LeftArm" is "leftarm", "Bip01 L Thigh" is "lthigh".
    """
    names = list(names)
    below = names[1:] or names
    shared = re.match(r"(.*[\s_:.])?", below[0])
    prefix = shared.group() if shared else ""
    while not all(name.startswith(prefix) for name in below):
        prefix = re.sub(r"[^\s_:.]*[\s_:.]$", "", prefix)
    found: dict[str, str] = {}
    for name in names:
        found.setdefault(_simple(name.removeprefix(prefix)), name)
    for name in names:
        found.setdefault(_simple(name), name)
    return found


def missing(wanted: JointMap, names: Mapping[str, str]) -> list[str]:
    """Returns the joints of a map that a file, indexed by `index`, does not have."""
    return [name for name in wanted.sources() if _simple(name) not in names]


def recognise(names: list[str], maps: Mapping[str, JointMap]) -> JointMap:
    """Returns the first map whose joints a file has.

    Raises:
        ValueError: If it has those of none; names its joints and the nearest map.
    """
    found = index(names)
    lacking = {key: missing(candidate, found) for key, candidate in maps.items()}
    for key, absent in lacking.items():
        if not absent:
            return maps[key]
    nearest = min(lacking, key=lambda key: len(lacking[key]) / len(maps[key].sources()))
    raise ValueError(
        f"its skeleton is none of {', '.join(maps)}. The nearest is {nearest!r}, of which it lacks "
        f"{', '.join(lacking[nearest][:6])}. Its joints are {', '.join(names)}. Write a joint map "
        "of it as [skeletons.NAME] in a TOML file and give it with --settings=FILE "
        "(docs/bvh_motion.md)"
    )


def apply(wanted: JointMap, recording: Recording) -> tuple[np.ndarray, np.ndarray | None]:
    """Computes the joints of Human3.6M and the axes of the head.

    Args:
        wanted: A map whose joints the recording has.
        recording: A recording of t frames.

    Returns:
        `[t, 17, 3]` in units and axes of the file, without `head_top`; and `[t, 3, 3]`, whose
        columns are the left, the top and the front of the head, or None where they are unknown.

    Raises:
        ValueError: If the recording lacks a joint.
    """
    found = index(recording.positions)
    if absent := missing(wanted, found):
        raise ValueError(f"the skeleton has no joint {absent[0]!r}")

    def sums(points: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        terms = (
            [weight * points[found[_simple(name)]] for name, weight in wanted.joints[joint].items()]
            for joint in JOINTS
        )
        return [np.sum(term, axis=0) for term in terms]

    joints = np.stack(sums(recording.positions), axis=1)
    local = _head_axes(wanted, np.stack(sums(recording.rest)))
    if local is None:
        return joints, None
    return joints, recording.rotations[found[_simple(wanted.head_joint)]] @ local


def _head_axes(wanted: JointMap, rest: np.ndarray) -> np.ndarray | None:
    """Returns the left, the top and the front of the head as columns in its joint's axes."""
    if not wanted.head_joint:
        return None
    if wanted.head_axes:
        left, up = (axis(word) for word in wanted.head_axes)
    else:
        pelvis, neck, ankle, right, left = (
            rest[JOINTS.index(joint)]
            for joint in ("pelvis", "neck", "right_ankle", "right_hip", "left_hip")
        )
        left, up = _nearest_axis(left - right), _nearest_axis(neck - pelvis)
        if left is None or up is None or left @ up or (ankle - pelvis) @ up >= 0:
            return None  # the rest pose does not stand
    return np.stack([left, up, np.cross(left, up)], axis=-1)


def _nearest_axis(vector: np.ndarray) -> np.ndarray | None:
    """Returns the signed axis along a direction; None if it is along none."""
    length = np.linalg.norm(vector)
    largest = np.argmax(np.abs(vector))
    if not length or np.abs(vector[largest]) < _UPRIGHT * length:
        return None
    return np.sign(vector[largest]) * np.eye(3)[largest]
