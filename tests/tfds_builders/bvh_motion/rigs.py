"""Small BVH and ASF/AMC files of one standing person, in the conventions of common skeletons."""

import dataclasses

import numpy as np

# Of a person who faces +Z with the left at +X: metres, Y up.
PLACES = {
    "pelvis": (0, 0.95, 0), "spine1": (0, 1.05, 0), "spine2": (0, 1.15, 0), "spine3": (0, 1.25, 0),
    "spine4": (0, 1.35, 0), "neck": (0, 1.45, 0), "neck2": (0, 1.52, 0), "skull": (0, 1.57, 0),
    "top": (0, 1.74, 0), "eye": (0.03, 1.62, 0.05), "hip": (0.09, 0.93, 0), "knee": (0.09, 0.5, 0),
    "ankle": (0.09, 0.08, 0), "toe": (0.09, 0.02, 0.15), "collar": (0.03, 1.42, 0),
    "shoulder": (0.18, 1.42, 0), "elbow": (0.45, 1.42, 0), "wrist": (0.68, 1.42, 0),
    "knuckles": (0.76, 1.42, 0),
}  # fmt: skip
SIDES = {"left": 1, "right": -1}


@dataclasses.dataclass(frozen=True)
class Rig:
    """A naming convention: chains of "name:place", each below the joint in front of the ">".

    Attributes:
        trunk: From the root to the head.
        leg: Of one side, "{}" in the names stands for the word of the side, "{side}" for
            "left" or "right".
        arm: Of one side.
        left: The word for the left side.
        right: The word for the right side.
        along_bones: Whether the X axis of every joint points along the spine and Z to the left.
    """

    trunk: str
    leg: str
    arm: str
    left: str = "Left"
    right: str = "Right"
    along_bones: bool = False

    def joints(self) -> dict[str, tuple[str, np.ndarray]]:
        """Returns the parent and the place of each joint, each after its parent."""
        found: dict[str, tuple[str, np.ndarray]] = {}

        def chain(text: str, side: str, word: str, sign: int) -> None:
            text = text.replace("{side}", side).replace("{}", word)
            parent, _, rest = text.rpartition(" > ")
            for joint in rest.split(", "):
                name, place = joint.rsplit("=", 1)
                found[name] = parent, np.array(PLACES[place]) * (sign, 1, 1)
                parent = name

        chain(self.trunk, "", "", 1)
        for side, sign in SIDES.items():
            for limb in (*self.leg.split(" ; "), *self.arm.split(" ; ")):
                chain(limb, side, getattr(self, side), sign)
        return found


_SPINE = "Spine=spine1, Spine1=spine2, Spine2=spine3, Neck=neck, Head=skull"
_LEG = "Hips > {}UpLeg=hip, {}Leg=knee, {}Foot=ankle, "
_ARM = "{}Shoulder=collar, {}Arm=shoulder, {}ForeArm=elbow, {}Hand=wrist"
RIGS = {
    "cmu": Rig(
        "Hips=pelvis, LowerBack=pelvis, Spine=spine2, Spine1=spine3, Neck=neck, Neck1=neck2, "
        "Head=skull",
        _LEG + "{}ToeBase=toe",
        "Spine1 > " + _ARM + ", {}FingerBase=knuckles",
    ),
    "daz": Rig(
        "hip=pelvis, abdomen=spine1, chest=spine3, neck=neck, head=skull",
        "hip > {}Buttock=hip, {}Thigh=hip, {}Shin=knee, {}Foot=ankle",
        "chest > {}Collar=collar, {}Shldr=shoulder, {}ForeArm=elbow, {}Hand=wrist "
        "; head > {side}Eye=eye",
        "l",
        "r",
    ),
    "mixamo": Rig(
        "mixamorig:Hips=pelvis, mixamorig:Spine=spine1, mixamorig:Spine1=spine2, "
        "mixamorig:Spine2=spine3, mixamorig:Neck=neck, mixamorig:Head=skull, "
        "mixamorig:HeadTop_End=top",
        "mixamorig:Hips > mixamorig:{}UpLeg=hip, mixamorig:{}Leg=knee, mixamorig:{}Foot=ankle, "
        "mixamorig:{}ToeBase=toe",
        "mixamorig:Spine2 > mixamorig:{}Shoulder=collar, mixamorig:{}Arm=shoulder, "
        "mixamorig:{}ForeArm=elbow, mixamorig:{}Hand=wrist",
    ),
    "lafan1": Rig(
        "Hips=pelvis, " + _SPINE, _LEG + "{}Toe=toe", "Spine2 > " + _ARM, along_bones=True
    ),
    "motionbuilder": Rig("Hips=pelvis, " + _SPINE, _LEG + "{}ToeBase=toe", "Spine2 > " + _ARM),
    "xsens": Rig(
        "Hips=pelvis, Chest=spine1, Chest2=spine2, Chest3=spine3, Chest4=spine4, Neck=neck, "
        "Head=skull",
        "Hips > {}Hip=hip, {}Knee=knee, {}Ankle=ankle, {}Toe=toe",
        "Chest4 > {}Collar=collar, {}Shoulder=shoulder, {}Elbow=elbow, {}Wrist=wrist",
    ),
    "xsens_segments": Rig(
        "Pelvis=pelvis, L5=spine1, L3=spine2, T12=spine3, T8=spine4, Neck=neck, Head=skull",
        "Pelvis > {} Upper Leg=hip, {} Lower Leg=knee, {} Foot=ankle, {} Toe=toe",
        "T8 > {} Shoulder=collar, {} Upper Arm=shoulder, {} Forearm=elbow, {} Hand=wrist",
    ),
    "rokoko": Rig(
        "Hips=pelvis, Spine1=spine1, Spine2=spine2, Spine3=spine3, Spine4=spine4, Neck=neck, "
        "Head=skull",
        "Hips > {}Thigh=hip, {}Shin=knee, {}Foot=ankle, {}Toe=toe",
        "Spine4 > " + _ARM,
    ),
    "biped": Rig(
        "Bip01=pelvis, Bip01 Pelvis=pelvis, Bip01 Spine=spine1, Bip01 Spine1=spine2, "
        "Bip01 Neck=neck, Bip01 Head=skull",
        "Bip01 Pelvis > Bip01 {} Thigh=hip, Bip01 {} Calf=knee, Bip01 {} Foot=ankle",
        "Bip01 Neck > Bip01 {} Clavicle=collar, Bip01 {} UpperArm=shoulder, "
        "Bip01 {} Forearm=elbow, Bip01 {} Hand=wrist",
        "L",
        "R",
    ),
    "bandai": Rig(
        "joint_Root=pelvis, Hips=pelvis, Spine=spine1, Chest=spine3, Neck=neck, Head=neck2",
        "Hips > UpperLeg_{}=hip, LowerLeg_{}=knee, Foot_{}=ankle, Toes_{}=toe",
        "Chest > Shoulder_{}=collar, UpperArm_{}=shoulder, LowerArm_{}=elbow, Hand_{}=wrist",
        "L",
        "R",
        along_bones=True,
    ),
}
# From X along the spine, Y to the front and Z to the left to the world; a rotation by ZXY angles.
_ALONG_BONES = np.array([(0, 0, 1), (1, 0, 0), (0, 1, 0)], float)
_ALONG_BONES_ANGLES = "90 90 0"


def bvh(
    rig: Rig,
    *,
    units_per_metre: float = 100,
    frames: int = 3,
    frame_time: float = 0.0333333,
    bend: float = 0,
    z_up: bool = False,
    without: str = "?",
) -> str:
    """Returns a file of a person who stands.

    Args:
        rig: The names.
        units_per_metre: The unit.
        frames: Number of frames.
        frame_time: Seconds of a frame.
        bend: Metres by which the knees are in front of the line from hip to ankle.
        z_up: Whether Z points up and the person faces -Y.
        without: A word that is replaced in all names.
    """
    joints = rig.joints()
    for _, place in joints.values():
        if place[1] == PLACES["knee"][1]:
            place[2] += bend
    turn = _ALONG_BONES.T if rig.along_bones else np.eye(3)
    if z_up:
        turn = turn @ np.array([(1, 0, 0), (0, 0, -1), (0, 1, 0)])
    places = {name: units_per_metre * turn @ place for name, (_, place) in joints.items()}

    def offset(vector: np.ndarray) -> str:
        return "OFFSET " + " ".join(f"{value:.6f}" for value in vector)

    def block(name: str, parent: str) -> str:
        children = [child for child, (above, _) in joints.items() if above == name]
        position = "Xposition Yposition Zposition " if not parent else ""
        count = 6 if position else 3
        end = places[name] + turn @ [0, 0.17 * units_per_metre, 0]
        inside = "".join(block(child, name) for child in children)
        return (
            f"{'JOINT' if parent else 'ROOT'} {name.replace(without, 'Other')}\n{{\n"
            f"{offset(places[name] - places.get(parent, 0 * places[name]))}\n"
            f"CHANNELS {count} {position}Zrotation Xrotation Yrotation\n"
            + (inside or f"End Site\n{{\n{offset(end - places[name])}\n}}\n")
            + "}\n"
        )

    root = next(iter(joints))
    world = np.array(joints[root][1]) * units_per_metre
    world = world if not z_up else np.array([world[0], -world[2], world[1]])
    angles = _ALONG_BONES_ANGLES if rig.along_bones else "0 0 0"
    line = (
        " ".join(f"{value:.6f}" for value in world) + f" {angles} " + "0 0 0 " * (len(joints) - 1)
    )
    return (
        f"HIERARCHY\n{block(root, '')}MOTION\nFrames: {frames}\nFrame Time: {frame_time}\n"
        + f"{line}\n" * frames
    )


# Bones: name, the bone that it is attached to, the place of its end.
_TRUNK_BONES = (
    ("lowerback", "root", "spine2"), ("thorax", "lowerback", "neck"),
    ("lowerneck", "thorax", "neck2"), ("upperneck", "lowerneck", "skull"),
    ("head", "upperneck", "top"),
)  # fmt: skip
_LIMB_BONES = (
    ("{}hipjoint", "root", "hip"), ("{}femur", "{}hipjoint", "knee"),
    ("{}tibia", "{}femur", "ankle"), ("{}clavicle", "thorax", "shoulder"),
    ("{}humerus", "{}clavicle", "elbow"), ("{}radius", "{}humerus", "wrist"),
    ("{}wrist", "{}radius", "knuckles"),
)  # fmt: skip


def asf() -> str:
    """The skeleton in units of 1/0.45 inch, the root at the pelvis."""
    ends = {"root": np.array(PLACES["pelvis"])}
    bones = list(_TRUNK_BONES)
    for letter in "lr":
        bones += [(n.format(letter), p.format(letter), place) for n, p, place in _LIMB_BONES]
    text = (
        ":units\n length 0.45\n angle deg\n:root\n order TX TY TZ RX RY RZ\n axis XYZ\n"
        " position 0 0 0\n orientation 0 0 0\n:bonedata\n"
    )
    for name, parent, place in bones:
        ends[name] = np.array(PLACES[place]) * (-1 if name[0] == "r" else 1, 1, 1)
        vector = ends[name] - ends[parent]
        length = np.linalg.norm(vector)
        x, y, z = vector / length
        text += f" begin\n name {name}\n direction {x:.6f} {y:.6f} {z:.6f}\n"
        text += f" length {length * 0.45 / 0.0254:.6f}\n axis 0 0 0 XYZ\n"
        text += " dof rx\n end\n" if name == "lfemur" else " end\n"
    return text + ":hierarchy\n begin\n" + "".join(f" {p} {n}\n" for n, p, _ in bones) + " end\n"


def amc(frames: int = 3) -> str:
    """Stands at the height of `PLACES`."""
    height = PLACES["pelvis"][1] * 0.45 / 0.0254
    text = ":FULLY-SPECIFIED\n:DEGREES\n"
    for frame in range(1, frames + 1):
        text += f"{frame}\nroot 0 {height:.6f} 0 0 0 0\nlfemur 0\n"
    return text
