"""A person made of rounded shapes, in the pose of 17 joints and three landmarks of the face.

Lengths are metres, in a world with Y up. A shape is a segment with a radius at either end, which an
own scale of its axes makes an ellipse across; shapes of one part of the clothing melt together.
"""

import dataclasses

import numpy as np

from repose_jax.skeleton import HALPE26, HUMAN36M

SKIN, HAIR, SHIRT, TROUSERS, SHOE = range(5)
MELT = (0.026, 0.02, 0.055, 0.05, 0.014)
"""Distance over which the shapes of each part melt together, m."""
_UP = np.array([0.0, 1.0, 0.0])


@dataclasses.dataclass(frozen=True, eq=False)
class Shape:
    """One shape.

    Attributes:
        part: `SKIN`, `HAIR`, ...
        start: `[3]` one end of its segment.
        axes: `[3, 3]` its axes as rows; the second points along the segment.
        length: of the segment.
        radii: at the start and at the end.
        scale: `[3]` factors on the radius along the axes.
    """

    part: int
    start: np.ndarray
    axes: np.ndarray
    length: float
    radii: tuple[float, float]
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)


@dataclasses.dataclass(frozen=True, eq=False)
class Figure:
    """The shapes of a person in one frame, with frames of reference for what is painted on.

    Attributes:
        shapes: the shapes, always in the same order and of the same parts.
        head: `[4, 3]` left, up and front of the head, and its centre.
        trunk: `[4, 3]` left, up and front of the trunk, and its lower end.
        landmarks: `[26, 3]` points that detectors look for, in the order of Halpe-26.
    """

    shapes: tuple[Shape, ...]
    head: np.ndarray
    trunk: np.ndarray
    landmarks: np.ndarray


def figure(joints: np.ndarray, face: np.ndarray) -> Figure:
    """Builds the person of one frame.

    Args:
        joints: `[17, 3]` in Human3.6M's order.
        face: `[3, 3]` nose, left ear, right ear.
    """
    at = dict(zip(HUMAN36M.joints, joints, strict=True))
    head = _head_axes(face)
    trunk = _axes(at["thorax"] - at["pelvis"], at["left_shoulder"] - at["right_shoulder"])
    hips = _axes(at["spine"] - at["pelvis"], at["left_hip"] - at["right_hip"])
    shapes = [*_head(head, at, trunk), *_torso(at, trunk, hips)]
    feet: dict[str, np.ndarray] = {}
    for side, sign in (("left", 1.0), ("right", -1.0)):
        hip, knee, ankle = (at[f"{side}_{name}"] for name in ("hip", "knee", "ankle"))
        shapes += _leg(hip, knee, ankle, at["pelvis"], hips[0])
        foot = _foot_axes(knee, ankle, hips, sign)
        shapes += _foot(ankle, foot)
        for name, place in (
            ("big_toe", (-0.02 * sign, -0.055, 0.165)),
            ("small_toe", (0.035 * sign, -0.06, 0.125)),
            ("heel", (0, -0.045, -0.055)),
        ):
            feet[f"{side}_{name}"] = ankle + np.array(place) @ foot
        shoulder, elbow, wrist = (at[f"{side}_{name}"] for name in ("shoulder", "elbow", "wrist"))
        shapes += _arm(shoulder, elbow, wrist, at["thorax"], trunk, sign)
    return Figure(
        tuple(shapes),
        head,
        np.concatenate([trunk, at["pelvis"][None]]),
        _landmarks(at, face, head, feet),
    )


def _axes(up: np.ndarray, left: np.ndarray) -> np.ndarray:
    """Returns axes as rows: about to the left, along `up`, and across both."""
    up = up / np.linalg.norm(up)
    left = left - left @ up * up
    left = left / np.linalg.norm(left)
    return np.stack([left, up, np.cross(left, up)])


def _head_axes(face: np.ndarray) -> np.ndarray:
    """Returns left, up and front of the head, and the point between the ears."""
    centre = (face[1] + face[2]) / 2
    left = face[1] - face[2]
    left /= np.linalg.norm(left)
    nose = face[0] - centre
    nose -= nose @ left * left
    nose /= np.linalg.norm(nose)
    angle = np.arctan2(0.02, 0.11)  # of the nose below the ears
    up = np.cross(nose, left)
    front = np.cos(angle) * nose + np.sin(angle) * up
    return np.stack([left, np.cross(front, left), front, centre])


def _head(head: np.ndarray, at: dict[str, np.ndarray], trunk: np.ndarray) -> list[Shape]:
    axes, centre = head[:3], head[3]

    def ellipsoid(part, place, radii):
        return Shape(part, centre + np.array(place) @ axes, axes, 0.0, (1.0, 1.0), radii)

    def bar(start, end, radii):
        start, end = (centre + np.array(place) @ axes for place in (start, end))
        return _between(SKIN, start, end, axes[0], radii)

    return [
        ellipsoid(SKIN, (0, 0.025, -0.012), (0.074, 0.092, 0.097)),
        ellipsoid(SKIN, (0, -0.045, 0.028), (0.056, 0.066, 0.062)),
        ellipsoid(SKIN, (0, -0.088, 0.062), (0.024, 0.020, 0.022)),  # chin
        bar((0, 0.026, 0.078), (0, -0.017, 0.097), (0.009, 0.013)),  # nose
        ellipsoid(SKIN, (0.077, -0.002, -0.008), (0.012, 0.031, 0.019)),
        ellipsoid(SKIN, (-0.077, -0.002, -0.008), (0.012, 0.031, 0.019)),
        _between(
            SKIN,
            at["thorax"] + np.array([0, -0.03, -0.01]) @ trunk,
            centre + np.array([0, -0.04, -0.02]) @ axes,
            axes[0],
            (0.062, 0.052),
        ),
        ellipsoid(HAIR, (0, 0.040, -0.026), (0.083, 0.094, 0.096)),
        ellipsoid(HAIR, (0, 0.085, 0.030), (0.066, 0.044, 0.058)),  # above the forehead
        ellipsoid(HAIR, (0, -0.030, -0.060), (0.066, 0.060, 0.042)),  # nape
    ]


def _torso(at: dict[str, np.ndarray], trunk: np.ndarray, hips: np.ndarray) -> list[Shape]:
    left = trunk[0]
    chest_top = at["thorax"] + np.array([0, -0.115, 0.005]) @ trunk
    shapes = [
        Shape(SHIRT, at["pelvis"] - 0.055 * hips[1], hips, 0.18, (0.184, 0.150), (1, 0.30, 0.74)),
        _between(
            SHIRT, at["spine"] - 0.06 * trunk[1], chest_top, left, (0.148, 0.160), (1, 1, 0.72)
        ),
        Shape(TROUSERS, at["pelvis"] - 0.05 * hips[1], hips, 0.05, (0.150, 0.145), (1, 0.8, 0.75)),
    ]
    for side in ("left", "right"):
        inner = at["thorax"] + np.array([0, -0.03, -0.012]) @ trunk
        shoulder = at[f"{side}_shoulder"] + np.array([0, -0.012, 0]) @ trunk
        shapes.append(_between(SHIRT, inner, shoulder, trunk[2], (0.050, 0.056)))
    return shapes


def _arm(shoulder, elbow, wrist, thorax, trunk, sign) -> list[Shape]:
    inner = 0.93 * shoulder + 0.07 * thorax
    sleeve_end = inner + 0.66 * (elbow - inner)
    hand = _axes(wrist - elbow, trunk[0])
    fingers = hand[1] + 0.12 * hand[0] * -sign + 0.12 * trunk[2]
    fingers /= np.linalg.norm(fingers)
    palm = wrist + 0.075 * hand[1]
    return [
        _between(SHIRT, inner, sleeve_end, trunk[0], (0.057, 0.056)),
        _between(SKIN, inner, elbow, trunk[0], (0.047, 0.040)),
        _between(SKIN, elbow, wrist, trunk[0], (0.043, 0.026)),
        _between(SKIN, wrist, palm, trunk[0], (0.033, 0.042), (0.5, 1, 1)),
        _between(SKIN, palm, palm + 0.085 * fingers, trunk[0], (0.038, 0.020), (0.42, 1, 1)),
        _between(
            SKIN,
            wrist + 0.03 * hand[1],
            wrist + 0.075 * hand[1] + 0.045 * hand[2] * np.sign(hand[2] @ trunk[2]),
            trunk[0],
            (0.017, 0.011),
        ),
    ]


def _leg(hip, knee, ankle, pelvis, left) -> list[Shape]:
    top = hip + 0.3 * (pelvis - hip)
    calf = knee + 0.3 * (ankle - knee)
    hem = ankle + 0.04 * (knee - ankle) / np.linalg.norm(knee - ankle)
    return [
        _between(TROUSERS, top, knee, left, (0.090, 0.060)),
        _between(TROUSERS, knee, calf, left, (0.058, 0.059)),
        _between(TROUSERS, calf, hem, left, (0.059, 0.052)),
    ]


def _foot_axes(knee, ankle, hips, sign) -> np.ndarray:
    """Returns left, up and front of a foot, which is about square to the shin and on the floor."""
    shin = knee - ankle
    left = hips[0] * np.array([1, 0, 1])
    level = np.cross(left / np.linalg.norm(left), _UP)
    level = level + 0.12 * sign * hips[0]  # toes point outward a little
    level[1] = 0
    level /= np.linalg.norm(level)
    down = np.arctan2(shin @ level, shin[1])  # as the shin leans forward, the toes go down
    raised = max(ankle[1] - 0.085, 0.0)
    lowest, highest = np.arcsin(min(raised / 0.14, 1.0)), np.arcsin(min(raised / 0.06, 1.0))
    pitch = np.clip(down - np.deg2rad(8), -highest, lowest)
    front = np.cos(pitch) * level - np.sin(pitch) * _UP
    return _axes(np.cross(front, np.cross(_UP, front)), np.cross(_UP, front))


def _foot(ankle, axes) -> list[Shape]:
    heel, ball, toe = (
        ankle + np.array(place) @ axes
        for place in ((0, -0.042, -0.040), (0, -0.052, 0.100), (0, -0.056, 0.160))
    )
    return [
        _between(SHOE, ankle + 0.03 * axes[1], heel, axes[0], (0.043, 0.036)),
        _between(SHOE, heel, ball, axes[0], (0.037, 0.040), (1, 1, 0.75)),
        _between(SHOE, ankle - 0.01 * axes[1], ball, axes[0], (0.040, 0.034)),
        _between(SHOE, ball, toe, axes[0], (0.042, 0.034), (1, 1, 0.62)),
    ]


def _between(part, start, end, left, radii, scale=(1.0, 1.0, 1.0)) -> Shape:
    length = float(np.linalg.norm(end - start))
    return Shape(part, start, _axes(end - start, left), length, radii, scale)


def _landmarks(at, face, head, feet) -> np.ndarray:
    """Returns the points of Halpe-26."""
    eyes = {
        f"{side}_eye": head[3] + np.array([0.031 * sign, 0.018, 0.080]) @ head[:3]
        for side, sign in (("left", 1), ("right", -1))
    }
    points = {
        **at,
        **feet,
        **eyes,
        "nose": face[0],
        "left_ear": face[1],
        "right_ear": face[2],
        "head_top": head[3] + 0.125 * head[1],
        "neck": at["thorax"],
    }
    return np.array([points[name] for name in HALPE26.joints])
