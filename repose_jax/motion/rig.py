"""A person's motion as the rotations of a skeleton's bones, for animation files.

Rest pose: a T pose that faces +z, the left arm along +x, y up, palms down.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from repose_jax.motion import twist
from repose_jax.motion.motion import Person
from repose_jax.motion.rotations import frames, interpolate, unit
from repose_jax.motion.twist import Hinge
from repose_jax.skeleton import HUMAN36M

X, Y, Z = np.eye(3)


@dataclasses.dataclass(frozen=True)
class _Joint:
    """A joint of a rig, and the bone that starts there.

    Attributes:
        parent: name of its parent; "" for the root.
        at: the point where it lies.
        to: the point where its bone ends; "" for several points, or none that is known.
        turns: "pelvis" or "chest" if it turns with that body, "parent" if it does not turn, else
            "aim": as little as its bone needs.
    """

    parent: str
    at: str
    to: str
    turns: str = "aim"


def _limbs(hip: str, arm: str) -> dict[str, _Joint]:
    """Returns the legs and arms below the given joints; {} stands for the side."""
    joints = {}
    for side, small in (("Left", "left"), ("Right", "right")):
        for chain, start, parent in (
            (("UpLeg", "Leg", "Foot"), ("hip", "knee", "ankle"), hip),
            (("Arm", "ForeArm", "Hand"), ("shoulder", "elbow", "wrist"), arm),
        ):
            points = [f"{small}_{joint}" for joint in start]
            names = [parent.format(side, side[0]), *(side + name for name in chain)]
            for i, point in enumerate(points):
                end = points[i + 1] if i < 2 else ""
                joints[names[i + 1]] = _Joint(names[i], point, end, "aim" if end else "parent")
    return joints


RIGS: Mapping[str, Mapping[str, _Joint]] = {
    # Where several bones start, each has a joint of its own at that point, as in the CMU database.
    "full": {
        "Hips": _Joint("", "pelvis", "", "pelvis"),
        "LHipJoint": _Joint("Hips", "pelvis", "left_hip"),
        "RHipJoint": _Joint("Hips", "pelvis", "right_hip"),
        "LowerBack": _Joint("Hips", "pelvis", "spine"),
        "Spine": _Joint("LowerBack", "spine", "thorax", "chest"),
        "Spine1": _Joint("Spine", "thorax", "", "parent"),
        "Neck": _Joint("Spine1", "thorax", "neck"),
        "Head": _Joint("Neck", "neck", "head"),
        "LeftShoulder": _Joint("Spine1", "thorax", "left_shoulder"),
        "RightShoulder": _Joint("Spine1", "thorax", "right_shoulder"),
        **_limbs(hip="{1}HipJoint", arm="{0}Shoulder"),
    },
    # No two joints at one point: the spine starts above the pelvis, clavicles beside the thorax.
    "simple": {
        "Hips": _Joint("", "pelvis", "", "pelvis"),
        "LowerBack": _Joint("Hips", "lumbar", "spine"),
        "Spine": _Joint("LowerBack", "spine", "thorax", "chest"),
        "Neck": _Joint("Spine", "thorax", "neck"),
        "Head": _Joint("Neck", "neck", "head"),
        "LeftShoulder": _Joint("Spine", "left_clavicle", "left_shoulder"),
        "RightShoulder": _Joint("Spine", "right_clavicle", "right_shoulder"),
        **_limbs(hip="Hips", arm="{0}Shoulder"),
    },
}
REST = {"spine": Y, "thorax": Y, "neck": Y, "head": Y}
REST |= {f"left_{joint}": X for joint in ("hip", "shoulder", "elbow", "wrist")}
REST |= {f"right_{joint}": -X for joint in ("hip", "shoulder", "elbow", "wrist")}
REST |= {f"{side}_{joint}": -Y for side in ("left", "right") for joint in ("knee", "ankle")}
"""Direction of the bone that ends at a point, in the rest pose."""
RIGID = 0.25
"""In the simple rig, share of the spine's first bone that is part of the pelvis, and of the
clavicles that is part of the chest."""
HINGES = {
    f"{side}_{joint}": (axis, f"{side}_{end}")
    for side, sign in (("left", 1), ("right", -1))
    for joint, axis, end in (("knee", X, "ankle"), ("elbow", -sign * Y, "wrist"))
}
"""For the bone that ends at a point: the axis of that joint's bend, and the next bone's end."""


@dataclasses.dataclass(frozen=True, eq=False)
class Rig:
    """A skeleton of rigid bones and its motion.

    Attributes:
        number: of the person in the video.
        names: of the joints, a parent before its children.
        parents: index of each joint's parent; -1 for the root, the first.
        offsets_mm: `[j, 3]` from the parent in the rest pose; that of the root is where the pelvis
            of the T pose is above the floor.
        ends_mm: where the bone of a joint without children ends, from the joint. Of hands and
            feet a share of the limb, as nothing is known of them.
        joints: index of the rig's joint at each of the 17 joints; that of the head, which is an
            end, is -1.
        time_s: `[t]` time in the video, s.
        root_mm: `[t, 3]` the root in the world, mm.
        rotations: `[t, j, 4]` quaternions x, y, z, w relative to the parent, for column vectors;
            each joint's have no jumps in sign.
        slowed: for each joint whose twist was faster than `twist.FASTEST_TWIST`, in how many frames
            it was changed.
    """

    number: int
    names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets_mm: Float[np.ndarray, "j 3"]
    ends_mm: Mapping[int, Float[np.ndarray, "3"]]
    joints: tuple[int, ...]
    time_s: Float[np.ndarray, " t"]
    root_mm: Float[np.ndarray, "t 3"]
    rotations: Float[np.ndarray, "t j 4"]
    slowed: Mapping[str, int]


def fit(person: Person, kind: str = "full") -> Rig:
    """Fits a skeleton of rigid, symmetric bones to a person's joints.

    Bones have the median of their lengths over the frames and both sides. Joints are placed from
    the pelvis outwards, each as near to the person's as its bone allows, so that errors of length
    do not add up.

    Args:
        person: the person.
        kind: "full": joints are exact; some bones have no length, as in the CMU database. "simple":
            none has no length, for programs that need that; the spine and the clavicles start at
            a fixed place beside the pelvis and the thorax, so that joints are only near.

    Returns:
        The rig.

    Raises:
        ValueError: an unknown kind.
    """
    if kind not in RIGS:
        raise ValueError(f"rig must be one of {', '.join(RIGS)}, found {kind!r}.")
    table = RIGS[kind]
    names = tuple(table)
    targets = dict(zip(HUMAN36M.joints, person.joints_mm.astype(float).swapaxes(0, 1), strict=True))
    lengths = _lengths(targets)
    points, bodies = _place(targets, lengths, person.time_s, rigid=kind == "simple")
    world, slowed = _rotations(table, points, bodies, person.time_s)
    rest = _rest(lengths)
    offsets = {
        name: rest[joint.at] - (rest[table[joint.parent].at] if joint.parent else 0)
        for name, joint in table.items()
    }
    at = {joint.at: i for i, joint in reversed(list(enumerate(table.values())))}
    return Rig(
        number=person.number,
        names=names,
        parents=tuple(names.index(j.parent) if j.parent else -1 for j in table.values()),
        offsets_mm=np.stack(list(offsets.values())),
        ends_mm={names.index(name): end for name, end in _ends(lengths).items()},
        joints=tuple(at.get(joint, -1) for joint in HUMAN36M.joints),
        time_s=person.time_s,
        root_mm=points["pelvis"],
        rotations=_relative(table, world),
        slowed=slowed,
    )


def positions(rig: Rig) -> Float[np.ndarray, "t j 3"]:
    """Returns the joints of a rig in the world, mm, by forward kinematics."""
    return _kinematics(rig)[0]


def human36m(rig: Rig) -> Float[np.ndarray, "t 17 3"]:
    """Returns the 17 joints of Human3.6M that a rig has, in the world, mm."""
    places, rotations = _kinematics(rig)
    head = rig.names.index("Head")
    top = places[:, head] + rotations[head].apply(rig.ends_mm[head])
    return np.concatenate([places, top[:, None]], axis=1)[:, list(rig.joints)]


def rest_positions(rig: Rig) -> Float[np.ndarray, "j 3"]:
    """Returns the joints in the rest pose, mm: on the floor, above the origin."""
    places = rig.offsets_mm.copy()
    for j, parent in enumerate(rig.parents):
        if parent >= 0:
            places[j] += places[parent]
    return places


def resample(rig: Rig, time_s: Float[np.ndarray, " n"]) -> Rig:
    """Returns the rig at other times within its own; rotations move on the shortest arc."""
    rotations = [
        interpolate(Rotation.from_quat(rig.rotations[:, j]), rig.time_s, time_s).as_quat()
        for j in range(len(rig.names))
    ]
    root = [np.interp(time_s, rig.time_s, values) for values in rig.root_mm.T]
    return dataclasses.replace(
        rig,
        time_s=time_s,
        root_mm=np.stack(root, axis=-1),
        rotations=_continuous(np.stack(rotations, axis=1)),
    )


def _kinematics(rig: Rig) -> tuple[Float[np.ndarray, "t j 3"], list[Rotation]]:
    places = np.zeros((len(rig.time_s), len(rig.names), 3))
    rotations: list[Rotation] = []
    for j, parent in enumerate(rig.parents):
        local = Rotation.from_quat(rig.rotations[:, j])
        if parent < 0:
            places[:, j] = rig.root_mm
            rotations.append(local)
        else:
            places[:, j] = places[:, parent] + rotations[parent].apply(rig.offsets_mm[j])
            rotations.append(rotations[parent] * local)
    return places, rotations


def _lengths(targets: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Returns the length of the bone that ends at each joint, the same for both sides, mm."""
    names = HUMAN36M.joints
    length = {
        names[end]: np.median(np.linalg.norm(targets[names[end]] - targets[names[start]], axis=-1))
        for start, end in HUMAN36M.bones
    }
    mirror = {name: names[HUMAN36M.flip[j]] for j, name in enumerate(names)}
    # A bone needs a length to have a direction.
    return {name: max((length[name] + length[mirror[name]]) / 2, 1.0) for name in length}


def _rest(lengths: Mapping[str, float]) -> dict[str, Float[np.ndarray, "3"]]:
    """Returns all points of the T pose, which stands on the floor, mm."""
    leg = lengths["left_knee"] + lengths["left_ankle"] - _ends(lengths)["LeftFoot"][1]
    rest = {"pelvis": leg * Y}
    for start, end in HUMAN36M.bones:
        name = HUMAN36M.joints[end]
        rest[name] = rest[HUMAN36M.joints[start]] + lengths[name] * REST[name]
    for name, start, end in (
        ("lumbar", "pelvis", "spine"),
        ("left_clavicle", "thorax", "left_shoulder"),
        ("right_clavicle", "thorax", "right_shoulder"),
    ):
        rest[name] = rest[start] + RIGID * (rest[end] - rest[start])
    return rest


def _ends(lengths: Mapping[str, float]) -> dict[str, Float[np.ndarray, "3"]]:
    """Returns the ends of the bones of joints without children, from the joint, mm."""
    hand, shin = 0.4 * lengths["left_wrist"], lengths["left_ankle"]
    foot = shin * np.array([0, -0.15, 0.4])  # from the ankle to the ball, flat on the floor
    return {
        "Head": lengths["head"] * Y,
        "LeftHand": hand * X,
        "RightHand": -hand * X,
        "LeftFoot": foot,
        "RightFoot": foot,
    }


def _place(
    targets, lengths, time_s, rigid: bool
) -> tuple[dict[str, np.ndarray], dict[str, Rotation]]:
    """Returns points near to the targets that obey the lengths of bones, and pelvis and chest."""
    hips = targets["left_hip"] - targets["right_hip"]
    pelvis = frames(0, hips, 1, targets["spine"] - targets["pelvis"], time_s)
    points = {"pelvis": (targets["left_hip"] + targets["right_hip"]) / 2}
    if not rigid:
        points["pelvis"] = targets["pelvis"]

    def toward(name: str, start: str, body: Rotation | None = None, through: str = ""):
        """Places a joint; if its bone begins inside a rigid body, also the place where it does."""
        length = lengths[name]
        if body:
            points[through] = points[start] + body.apply(RIGID * length * REST[name])
            start, length = through, (1 - RIGID) * length
        points[name] = points[start] + length * unit(targets[name] - points[start])

    for name in ("left_hip", "right_hip"):
        toward(name, "pelvis")
    toward("spine", "pelvis", pelvis if rigid else None, "lumbar")
    for name, start in (("thorax", "spine"), ("neck", "thorax"), ("head", "neck")):
        toward(name, start)
    shoulders = targets["left_shoulder"] - targets["right_shoulder"]
    chest = frames(1, points["thorax"] - points["spine"], 0, shoulders, time_s)
    for side in ("left", "right"):
        toward(f"{side}_shoulder", "thorax", chest if rigid else None, f"{side}_clavicle")
        for start, end in (("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow")):
            toward(f"{side}_{end}", f"{side}_{start}")
        toward(f"{side}_wrist", f"{side}_elbow")
    return points, {"pelvis": pelvis, "chest": chest}


def _rotations(table, points, bodies, time_s) -> tuple[dict[str, Rotation], dict[str, int]]:
    """Returns the rotation of every joint in the world, and of which the twist was slowed down."""
    world: dict[str, Rotation] = {}
    slowed = {}
    for name, joint in table.items():
        if joint.turns in bodies:
            world[name] = bodies[joint.turns]
        elif joint.turns == "parent":
            world[name] = world[joint.parent]
        else:
            hinge = None
            if joint.to in HINGES:
                axis, end = HINGES[joint.to]
                hinge = Hinge(axis, points[end] - points[joint.to])
            way = points[joint.to] - points[joint.at]
            world[name], changed = twist.aim(
                world[joint.parent], REST[joint.to], way, time_s, hinge
            )
            if changed.any():
                slowed[name] = int(changed.sum())
    return world, slowed


def _relative(table, world: Mapping[str, Rotation]) -> Float[np.ndarray, "t j 4"]:
    """Returns the rotations relative to parents as quaternions."""
    local = [
        (world[joint.parent].inv() * world[name] if joint.parent else world[name]).as_quat()
        for name, joint in table.items()
    ]
    return _continuous(np.stack(local, axis=1))


def _continuous(quaternions: Float[np.ndarray, "t j 4"]) -> Float[np.ndarray, "t j 4"]:
    """Returns quaternions without jumps in sign from frame to frame."""
    same = (quaternions[1:] * quaternions[:-1]).sum(-1) >= 0
    first = quaternions[:1, :, 3] >= 0
    signs = np.cumprod(np.where(np.concatenate([first, same]), 1, -1), axis=0)
    return quaternions * signs[..., None]
