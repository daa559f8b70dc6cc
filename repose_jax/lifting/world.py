"""The world that people stand in: where up is, and where the floor is."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from repose_jax.lifting.scale import ANKLE, ANKLES, HIPS, KNEES, THORAX, leg_length
from repose_jax.motion.motion import Camera, World
from repose_jax.skeleton import HUMAN36M

CAMERA_UP = np.array([0.0, -1.0, 0.0])
"""Up of a level camera, in its axes."""
DIRECTION = (
    "'camera', or three numbers, not all 0: the vertical in camera axes (x right, y down, z away), "
    "such as '0,-1,0' for a level camera"
)
"""The values that `read_up` takes, in words for messages."""
UPRIGHT_S = 0.5
"""Least time with someone upright from which the vertical is estimated, s."""
MOST_TILT = 60.0
"""Greatest angle between the vertical and a level camera's that is believed, degrees."""
MOST_BENT = 60.0
"""Greatest bend of hips and knees of someone who stands or walks upright, degrees."""
FLOOR_PERCENTILE = 5.0
"""Of the lowest ankle over time: a single outlier does not lift everybody, nor does a jump."""
DISAGREEMENT = 200.0
"""Distance between the floors of people that is reported, mm."""


@dataclasses.dataclass(frozen=True, eq=False)
class Placed:
    """A person in front of the camera.

    Attributes:
        joints_mm: `[t, 17, 3]` camera axes, from the camera's centre, mm.
        confidence: `[t, 17]` of the joints; 0 for one that was not seen.
        time_s: `[t]` of each frame, s.
    """

    joints_mm: Float[np.ndarray, "t 17 3"]
    confidence: Float[np.ndarray, "t 17"]
    time_s: Float[np.ndarray, " t"]


def upright(
    people: Sequence[Placed], camera: Camera, *, up: Float[np.ndarray, "3"] | None = None
) -> tuple[World, list[str]]:
    """Finds a world whose y axis is the vertical and whose origin is on the floor.

    The vertical is `up` if given, else that of the camera file, else the robust mean direction in
    which people who stand upright extend, else the upward axis of the camera. The x axis is that of
    the camera made horizontal. The floor lies an ankle's height below the lowest ankles of a
    person; of several, at the weighted median: an error of the vertical moves a floor in proportion
    to the distance, so that near people count more. Without ankles, a leg below the pelvis.

    Args:
        people: at least one; the origin is below the first pelvis of the first.
        camera: the camera.
        up: direction of the vertical in camera axes, of any length; see `read_up`.

    Returns:
        The world, and warnings.

    Raises:
        ValueError: `up` has no direction.
    """
    vertical, source = _vertical(people, camera, up)
    floor, warnings = _floor(people, vertical)
    first = people[0].joints_mm[0, HUMAN36M.root].astype(np.float64)
    origin = first + (floor - first @ vertical) * vertical
    return World(axes(vertical), origin, source), warnings


def read_up(up: Any) -> Float[np.ndarray, "3"]:
    """Reads a direction in camera axes.

    Args:
        up: three numbers, also as the text "x,y,z"; or "camera" for the upward axis of the image.

    Raises:
        ValueError: none of them, or no direction.
    """
    if isinstance(up, str) and up.strip().lower() == "camera":
        return CAMERA_UP
    try:
        vector = np.array([float(x) for x in up.split(",")] if isinstance(up, str) else up)
        if vector.dtype.kind in "iuf":  # no texts and no truth values
            return _unit(vector.astype(float))
    except ValueError:
        pass
    raise ValueError(f"up is {up!r}; it must be {DIRECTION}.")


def _unit(vector: np.ndarray) -> np.ndarray:
    if vector.shape != (3,) or not np.isfinite(vector).all() or not vector.any():
        raise ValueError(f"The vertical must be three numbers, not all zero; found {vector}.")
    return vector / np.linalg.norm(vector)


def _vertical(
    people: Sequence[Placed], camera: Camera, up: np.ndarray | None
) -> tuple[np.ndarray, str]:
    """Returns up in camera axes, and where it comes from as a clause."""
    if up is not None:
        return _unit(np.asarray(up, float)), "given"
    if camera.up is not None:
        return _unit(camera.up), "from the camera file"
    bodies, seconds = [np.zeros((0, 3))], 0.0
    for person in people:
        standing = upright_frames(person)
        bodies.append(_extent(person.joints_mm[standing].astype(np.float64)))
        step = float(np.median(np.diff(person.time_s))) if len(person.time_s) > 1 else 0.0
        seconds += step * int(standing.sum())
    if seconds < UPRIGHT_S:
        return CAMERA_UP, "the upward axis of the camera, as nobody was seen standing upright"
    return robust_mean(np.concatenate(bodies)), (
        f"the mean direction of people while they stand upright, {seconds:.1f} s in all"
    )


def upright_frames(person: Placed) -> Bool[np.ndarray, " t"]:
    """Returns in which frames someone stands or walks upright.

    Hips and knees are not bent as those of someone who sits, kneels or bows; the joints of the legs
    were seen; and the body is not further from the upward axis of the image than a camera is
    usually tilted.
    """
    joints = person.joints_mm.astype(np.float64)
    trunk = _directions(joints[:, THORAX] - joints[:, HUMAN36M.root])
    body = _extent(joints)
    good = (person.confidence[:, [*HIPS, *KNEES, *ANKLES, THORAX]] > 0).all(axis=1)
    good &= body @ CAMERA_UP > np.cos(np.radians(MOST_TILT))
    straight = np.cos(np.radians(MOST_BENT))
    for hip, knee, ankle in zip(HIPS, KNEES, ANKLES, strict=True):
        thigh = _directions(joints[:, hip] - joints[:, knee])
        shank = _directions(joints[:, knee] - joints[:, ankle])
        good &= (thigh * shank).sum(-1) > straight
        good &= (trunk * thigh).sum(-1) > straight
    return good


def _extent(joints: np.ndarray) -> np.ndarray:
    """Returns the directions from the middle of the ankles to the thorax."""
    return _directions(joints[:, THORAX] - joints[:, ANKLES].mean(axis=1))


def _directions(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def robust_mean(directions: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "3"]:
    """Returns the direction with the least sum of distances from others (geometric median)."""
    mean = _unit(directions.mean(axis=0))
    for _ in range(50):
        weight = 1 / np.maximum(np.linalg.norm(directions - mean, axis=-1), 1e-3)
        mean = _unit(weight @ directions)
    return mean


def axes(up: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3 3"]:
    """Returns the rotation from camera axes to a world with this vertical, of length 1."""
    right = np.array([1.0, 0.0, 0.0])
    if abs(up[0]) > 0.98:  # a camera on its side: right in the world is down in the image
        right = np.array([0.0, np.sign(up[0]), 0.0])
    right = _unit(right - (right @ up) * up)
    return np.stack([right, up, np.cross(right, up)])


def _floor(people: Sequence[Placed], up: np.ndarray) -> tuple[float, list[str]]:
    """Returns the height of the floor above the camera's centre, mm, and warnings."""
    floors, depths, warnings = [], [], []
    for person in people:
        joints = person.joints_mm.astype(np.float64)
        seen = person.confidence[:, ANKLES] > 0
        heights = np.where(seen, joints[:, ANKLES] @ up, np.inf).min(axis=1)
        heights = heights[np.isfinite(heights)]
        if len(heights):
            floors.append(
                float(np.percentile(heights, FLOOR_PERCENTILE)) - ANKLE * leg_length(joints)
            )
            depths.append(_depth(joints))
    if not floors:
        for person in people:
            pelvis = person.joints_mm[:, HUMAN36M.root].astype(np.float64) @ up
            ankles = person.joints_mm[:, ANKLES].astype(np.float64) @ up
            leg = float(np.median(pelvis - ankles.min(axis=1)))
            floors.append(float(np.median(pelvis)) - (1 + ANKLE) * leg)
            depths.append(_depth(person.joints_mm))
        warnings.append("No ankle was seen: the floor is a guess, a leg below the pelvis.")
    apart = max(floors) - min(floors)
    if apart > DISAGREEMENT:
        warnings.append(
            f"The floors below different people are up to {apart:.0f} mm apart (their sizes or the "
            "vertical are wrong, or they stand on different levels); that of those near the camera "
            "is used."
        )
    return _weighted_median(np.array(floors), 1 / np.square(depths)), warnings


def _depth(joints: Float[np.ndarray, "t 17 3"]) -> float:
    """Returns the usual distance along the optical axis, mm."""
    return max(float(np.median(joints[:, HUMAN36M.root, 2])), 1.0)


def _weighted_median(values: Float[np.ndarray, " n"], weights: Float[np.ndarray, " n"]) -> float:
    """Returns the lowest of the values at or below which half of the weight lies."""
    order = np.argsort(values)
    below = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(below, 0.5 * below[-1])])
