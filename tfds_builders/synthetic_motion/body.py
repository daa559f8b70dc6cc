"""A person as a tree of 17 joints with constant bones: proportions, joint limits, kinematics.

World frame: right-handed, Y up, metres, the ground at y = 0. A person with heading 0 stands with
+Z in front and +X at their left. Angles are in degrees.

The trunk, the head and the arms follow forward kinematics; the legs follow two-bone inverse
kinematics from the positions of the ankles, so that planted feet stay planted.
"""

from __future__ import annotations

import dataclasses

import numpy as np

RIGHT, LEFT = 0, 1
SIGN = np.array([-1.0, 1.0])  # of the X axis, for right and left

# Active ranges of motion in degrees, as goniometry textbooks give them (Norkin & White,
# "Measurement of Joint Motion", after the American Academy of Orthopaedic Surgeons); those of the
# trunk and the head are the sums over the spine. Knees and elbows are hinges that bend one way.
TRUNK_LIMITS = np.array([(-30, 85), (-35, 35), (-45, 45)])  # forward, to the left, turn left
HEAD_LIMITS = np.array([(-50, 45), (-40, 40), (-70, 70)])
# Per arm: flexion, abduction, external rotation, elbow flexion.
ARM_LIMITS = np.array([(-60, 180), (-45, 180), (-80, 90), (0, 150)])
KNEE_LIMITS = (7.0, 150.0)

ANKLE_HEIGHT = 0.08  # of a standing foot, for the mean body


@dataclasses.dataclass(frozen=True)
class Body:
    """Bone lengths in metres; the default is the mean subject of Human3.6M."""

    hip: float = 0.133
    thigh: float = 0.443
    shin: float = 0.455
    spine: float = 0.233
    thorax: float = 0.257
    neck: float = 0.121
    head: float = 0.115
    clavicle: float = 0.151
    upper_arm: float = 0.279
    forearm: float = 0.252

    @property
    def leg(self) -> float:
        """Length of the straight leg, hip to ankle, in metres."""
        return self.thigh + self.shin

    @property
    def scale(self) -> float:
        """Leg length relative to the mean body: the scale of step lengths and heights."""
        return self.leg / (Body.thigh + Body.shin)

    @property
    def ankle_height(self) -> float:
        """Height of the ankle of a foot that stands on the ground, in metres."""
        return ANKLE_HEIGHT * self.scale

    @property
    def standing(self) -> float:
        """Height of the pelvis above straight legs, in metres."""
        return self.ankle_height + self.leg


@dataclasses.dataclass
class Controls:
    """Controls of a body, frame by frame; arrays of `t` frames, metres and degrees.

    Attributes:
        heading: [t] direction that the person faces, counter-clockwise seen from above.
        root: [t, 3] pelvis in the world; lowered where the legs do not reach the ankles.
        pelvis: [t, 3] pelvis relative to the heading: tilt forward, lean left, turn left.
        trunk: [t, 3] upper trunk relative to the pelvis: bend forward, bend left, turn left.
        head: [t, 3] head relative to the upper trunk: nod forward, tilt left, turn left.
        arms: [t, 2, 4] right and left: shoulder flexion, abduction, external rotation; elbow
            flexion. All 0 is an arm that hangs straight down.
        ankles: [t, 2, 3] right and left ankle in the world.
        splay: [t, 2] right and left: how far the knee points outwards.
    """

    heading: np.ndarray
    root: np.ndarray
    pelvis: np.ndarray
    trunk: np.ndarray
    head: np.ndarray
    arms: np.ndarray
    ankles: np.ndarray
    splay: np.ndarray


def soft_clip(x: np.ndarray, low, high, width: float = 2.0) -> np.ndarray:
    """Clamps `x` into (low, high) with rounded corners of about `width`, so that it stays smooth.

    Args:
        x: [...] values.
        low: lower limit, broadcast against `x`.
        high: upper limit, broadcast against `x`.
        width: distance from a limit at which the clamping begins, in the units of `x`.

    Returns:
        [...] values within the limits.
    """
    x = low + width * np.logaddexp(0, (x - low) / width)
    return high - width * np.logaddexp(0, (high - x) / width)


def swing_twist(pitch: np.ndarray, side: np.ndarray, twist: np.ndarray) -> np.ndarray:
    """Rotation of a ball joint: a twist about the bone (Y), then a swing about a level axis.

    Args:
        pitch: [...] swing about +X, degrees: takes +Y forwards and -Y backwards.
        side: [...] swing about +Z, degrees: takes -Y to the left and +Y to the right.
        twist: [...] twist about +Y, degrees: turns to the left.

    Returns:
        [..., 3, 3] rotation matrices.
    """
    x, z, y = np.deg2rad(pitch), np.deg2rad(side), np.deg2rad(twist)
    angle = np.sqrt(x**2 + z**2)
    # Rodrigues' formula: I + sinc K + (1 - cos) / angle^2 K^2 with K the cross matrix of (x, 0, z).
    sin = np.sinc(angle / np.pi)
    versine = 0.5 * np.sinc(angle / (2 * np.pi)) ** 2
    zero = np.zeros_like(angle)
    cross = _matrix((zero, -z, zero), (z, zero, -x), (zero, x, zero))
    swing = np.eye(3) + sin[..., None, None] * cross + versine[..., None, None] * cross @ cross
    cos_y, sin_y, one = np.cos(y), np.sin(y), np.ones_like(angle)
    return swing @ _matrix((cos_y, zero, sin_y), (zero, one, zero), (-sin_y, zero, cos_y))


def turn(heading: np.ndarray) -> np.ndarray:
    """Rotation about the vertical: `heading` [...] in degrees gives [..., 3, 3]."""
    return swing_twist(np.zeros_like(heading), np.zeros_like(heading), heading)


def joints(body: Body, controls: Controls) -> np.ndarray:
    """Forward kinematics (trunk, head, arms) and inverse kinematics (legs).

    Joint angles are clamped to the limits of this module. The pelvis is lowered where a leg could
    not reach its ankle otherwise.

    Args:
        body: bone lengths.
        controls: `t` frames.

    Returns:
        [t, 17, 3] joints in the world, metres, in the Human3.6M order.
    """
    arms = soft_clip(controls.arms, *ARM_LIMITS.T)
    pelvis, lower, upper, neck, skull = _spine(controls)

    hips = pelvis[:, None] @ (SIGN[:, None, None] * np.array([[body.hip], [0], [0]]))
    hips = hips[..., 0]  # [t, 2, 3], from the pelvis
    out = np.empty((len(pelvis), 17, 3))
    out[:, 0] = _within_reach(body, controls.root, hips, controls.ankles)
    out[:, 7] = out[:, 0] + body.spine * _direction(lower, -5)
    out[:, 8] = out[:, 7] + body.thorax * _direction(upper, 3)
    out[:, 9] = out[:, 8] + body.neck * _direction(neck, 18)
    out[:, 10] = out[:, 9] + body.head * _direction(skull, -8)

    for side, (hip, shoulder) in enumerate(((1, 14), (4, 11))):
        sign = SIGN[side]
        out[:, hip] = out[:, 0] + hips[:, side]
        hinge = (pelvis @ turn(sign * controls.splay[:, side]))[..., 0]  # the pelvis's left
        out[:, hip + 1], out[:, hip + 2] = _leg(body, out[:, hip], controls.ankles[:, side], hinge)
        flexion, abduction, rotation, elbow = np.moveaxis(arms[:, side], -1, 0)
        arm = upper @ swing_twist(-flexion, sign * abduction, sign * rotation)
        # The shoulder blade follows the arm: the shoulder rises as the arm does.
        raised = 0.5 - 0.5 * np.cos(np.deg2rad(np.hypot(flexion, abduction)))
        rise = np.deg2rad(-10 + 30 * raised)
        clavicle = np.stack([sign * np.cos(rise), np.sin(rise), 0 * rise], axis=-1)
        out[:, shoulder] = out[:, 8] + body.clavicle * _apply(upper, clavicle)
        out[:, shoulder + 1] = out[:, shoulder] - body.upper_arm * arm[..., 1]
        elbow = np.deg2rad(elbow)
        forearm = np.stack([0 * elbow, -np.cos(elbow), np.sin(elbow)], axis=-1)
        out[:, shoulder + 2] = out[:, shoulder + 1] + body.forearm * _apply(arm, forearm)
    return out


def head_axes(controls: Controls) -> np.ndarray:
    """Returns the rotation [t, 3, 3] of the head from one that is upright and faces +Z."""
    return _spine(controls)[-1]


def _spine(controls: Controls) -> tuple[np.ndarray, ...]:
    """Returns the rotations [t, 3, 3] of pelvis, lower trunk, upper trunk, neck and head."""
    trunk = soft_clip(controls.trunk, *TRUNK_LIMITS.T)
    head = soft_clip(controls.head, *HEAD_LIMITS.T)
    pelvis = turn(controls.heading) @ _upright(controls.pelvis)
    lower = pelvis @ _upright(0.4 * trunk)
    upper = lower @ _upright(0.6 * trunk)
    neck = upper @ _upright(0.4 * head)
    return pelvis, lower, upper, neck, neck @ _upright(0.6 * head)


def _within_reach(body, root, hips, ankles) -> np.ndarray:
    """Returns the pelvis [t, 3], lowered to where both legs reach their ankles."""
    level = (root[:, None] + hips - ankles)[..., [0, 2]]
    rise = np.sqrt(np.maximum((0.9955 * body.leg) ** 2 - np.sum(level**2, axis=-1), 0.01))
    heights = np.concatenate([root[:, 1:2], ankles[..., 1] + rise - hips[..., 1]], axis=1)
    width = 0.006  # a smooth minimum, so that the pelvis moves smoothly from leg to leg
    lowest = heights.min(axis=1)
    total = np.sum(np.exp((lowest[:, None] - heights) / width), axis=1)
    out = root.copy()
    out[:, 1] = lowest - width * np.log(total)
    return out


def _leg(body, hip, ankle, hinge) -> tuple[np.ndarray, np.ndarray]:
    """Two-bone inverse kinematics: the knee and the ankle [t, 3] that the bones allow.

    The knee lies on the side of `cross(hip to ankle, hinge)`: in front of a standing leg.
    """
    a, b = body.thigh, body.shin
    span = ankle - hip
    distance = np.linalg.norm(span, axis=-1)
    direction = span / distance[:, None]
    straight, folded = (
        np.sqrt(a**2 + b**2 + 2 * a * b * np.cos(np.deg2rad(x))) for x in KNEE_LIMITS
    )
    distance = soft_clip(distance, folded, straight, 0.001)
    front = np.cross(direction, hinge)
    front /= np.linalg.norm(front, axis=-1, keepdims=True)
    along = (a**2 - b**2 + distance**2) / (2 * distance)
    across = np.sqrt(np.maximum(a**2 - along**2, 0))
    knee = hip + along[:, None] * direction + across[:, None] * front
    return knee, hip + distance[:, None] * direction


def _upright(angles) -> np.ndarray:
    """Rotation of a bone that points up from (forward, left, turn left) [t, 3]."""
    return swing_twist(angles[:, 0], -angles[:, 1], angles[:, 2])


def _direction(rotation, forward) -> np.ndarray:
    """The rotated direction of a bone that at rest points up, `forward` degrees to the front."""
    angle = np.deg2rad(forward)
    return np.cos(angle) * rotation[..., 1] + np.sin(angle) * rotation[..., 2]


def _apply(rotation, vector) -> np.ndarray:
    return (rotation @ vector[..., None])[..., 0]


def _matrix(*rows) -> np.ndarray:
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)
