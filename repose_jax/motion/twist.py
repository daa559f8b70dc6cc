"""Rotations of bones from their directions; positions leave the turn about a bone's axis open."""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float
from scipy.linalg import solveh_banded
from scipy.spatial.transform import Rotation

from repose_jax.motion.rotations import swing, unit, wrap

TIME_CONSTANT_S = 0.08
"""Of the smoothing of the twist where the bend is clear; longer where it is not."""
NEUTRAL_WEIGHT = 0.01
"""Of no twist, beside the weight 1 of a clear bend: pulls within a second."""
FASTEST_TWIST = np.radians(720)
"""rad/s; faster twists are slowed down."""
BEND = np.radians((8, 25))
"""Below the first the bend of a joint has no plane that could be trusted, above the second one."""
IMPLAUSIBLE = np.cos(np.radians(120))
"""Cosine of the twist from which on a bend is that of a joint bent the wrong way."""


@dataclasses.dataclass(frozen=True, eq=False)
class Hinge:
    """The joint at a bone's end, whose bend shows how the bone is twisted.

    Attributes:
        axis: `[3]` about which the next bone turns when it bends, in the rest pose.
        next_direction: `[t, 3]` of the next bone, in the world.
    """

    axis: Float[np.ndarray, "3"]
    next_direction: Float[np.ndarray, "t 3"]


def aim(
    parent: Rotation,
    rest: Float[np.ndarray, "3"],
    direction: Float[np.ndarray, "t 3"],
    time_s: Float[np.ndarray, " t"],
    hinge: Hinge | None = None,
) -> tuple[Rotation, Bool[np.ndarray, " t"]]:
    """Returns the rotations in the world that give a bone its direction.

    They are the smallest from the parent's, times a twist about the bone. The twist follows the
    plane of the bend at the bone's end, as far as the bend is clear, and otherwise changes as
    slowly as it can and returns to none. It is the least-squares solution of all frames at once.

    Args:
        parent: rotations of the parent in the world.
        rest: direction of the bone in the rest pose.
        direction: `[t, 3]` of the bone in the world; of no length: as the parent has it at rest.
        time_s: of each frame, s.
        hinge: the joint at the bone's end; None if its bend means nothing for the bone.

    Returns:
        The rotations, and the frames in which the twist was slowed down to `FASTEST_TWIST`.
    """
    local = unit(parent.inv().apply(direction))
    local = np.where(np.linalg.norm(local, axis=-1, keepdims=True) > 0.5, local, rest)
    smallest = swing(np.broadcast_to(rest, local.shape), local)
    turned = _turned(smallest, rest, local)
    # Opposite to the rest pose the smallest rotation is any of many: no twist means nothing there.
    defined = np.clip((1 + local @ rest) / 0.3, 0, 1)
    pull = NEUTRAL_WEIGHT * defined if hinge else defined
    target = pull * np.exp(-1j * turned)
    if hinge:
        twist, weight = _seen(parent * smallest, rest, direction, hinge)
        plausible = np.clip((1 + np.cos(twist)) / (1 + IMPLAUSIBLE), 0, 1)
        weight = weight * (1 - defined * (1 - plausible))
        target = target + weight * np.exp(1j * (twist - turned))
    smooth = _smooth(target, time_s)
    twist, slowed = _slow_down(smooth, time_s)
    return parent * smallest * Rotation.from_rotvec((twist + turned)[:, None] * rest), slowed


def _turned(smallest, rest, local) -> Float[np.ndarray, " t"]:
    """Returns by which twist a bone, moved without any, differs from the smallest rotations, rad.

    The smallest rotations from one rest pose turn about a bone that moves along a cone.
    """
    if len(local) == 1:
        return np.zeros(1)
    step = smallest[1:].inv() * swing(local[:-1], local[1:]) * smallest[:-1]
    quaternion = step.as_quat()
    twist = 2 * np.arctan2(quaternion[:, :3] @ rest, quaternion[:, 3])
    return np.concatenate([[0], np.cumsum(wrap(twist))])


def _seen(
    untwisted: Rotation, rest, direction, hinge: Hinge
) -> tuple[Float[np.ndarray, " t"], Float[np.ndarray, " t"]]:
    """Returns the twist that the bend of the hinge shows, rad, and its weight from 0 to 1."""
    normal = np.cross(unit(direction), unit(hinge.next_direction))
    axis = untwisted.inv().apply(normal)
    twist = np.arctan2(np.cross(hinge.axis, axis) @ rest, axis @ hinge.axis)
    # The plane of a folded limb is as vague as that of a straight one.
    bend = np.arcsin(np.clip(np.linalg.norm(normal, axis=-1), 0, 1))
    return twist, np.clip((bend - BEND[0]) / (BEND[1] - BEND[0]), 0, 1)


def _smooth(target, time_s) -> Float[np.ndarray, " t"]:
    """Returns the angles of complex numbers, smoothed with their lengths as weights, unwrapped."""
    if len(target) == 1:
        return np.angle(target)
    # Stamps that are nearly equal would leave nothing but the link.
    link = (TIME_CONSTANT_S / np.maximum(np.diff(time_s), 5e-4)) ** 2

    def solve(weight, value):
        bands = np.zeros((2, len(value)))
        bands[1] = weight + 1e-9
        bands[1, :-1] += link
        bands[1, 1:] += link
        bands[0, 1:] = -link
        return solveh_banded(bands, weight * value)

    weight = np.abs(target)
    arrow = np.exp(1j * np.angle(target))
    # The smoothed complex numbers choose the turns; angles then pass a reversal at even speed.
    turns = np.unwrap(np.angle(solve(weight, arrow)))
    return solve(weight, turns + wrap(np.angle(target) - turns))


def _slow_down(
    angle: Float[np.ndarray, " t"], time_s: Float[np.ndarray, " t"]
) -> tuple[Float[np.ndarray, " t"], Bool[np.ndarray, " t"]]:
    """Returns the angles, changed so that none changes too fast, and where they were changed.

    The middle of the least angles that are everywhere above and the greatest that are below.
    """
    way = FASTEST_TWIST * time_s

    def above(values):
        forward = np.maximum.accumulate(values + way) - way
        backward = np.maximum.accumulate((values - way)[::-1])[::-1] + way
        return np.maximum(forward, backward)

    slow = (above(angle) - above(-angle)) / 2
    return slow, np.abs(slow - angle) > np.radians(1)
