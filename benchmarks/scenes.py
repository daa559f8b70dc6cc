"""Synthetic scenes of people who walk past each other, as a detector would see them."""

import dataclasses

import numpy as np
from jaxtyping import Float, Int

from repose_jax.keypoints.detections import Detections
from repose_jax.skeleton import HUMAN36M

SIZE = (1280, 720)
_FOCAL, _CAMERA_HEIGHT = 1000.0, 1.2  # px, m
_THIGH, _SHIN, _UPPER_ARM, _FOREARM = 0.45, 0.43, 0.30, 0.26  # m


@dataclasses.dataclass(frozen=True, eq=False)
class Scene:
    """Detections, and the true person of each.

    Attributes:
        detections: poses in random order within each frame.
        person: `[n]` true person of each pose.
        longest_gap: frames for which a person is hidden at most.
    """

    detections: Detections
    person: Int[np.ndarray, " n"]
    longest_gap: int


def walker(
    x: Float[np.ndarray, " t"],
    z: Float[np.ndarray, " t"],
    heading: Float[np.ndarray, " t"],
    phase: Float[np.ndarray, " t"],
) -> Float[np.ndarray, "t 17 3"]:
    """Returns a person who walks: joints in camera axes (x right, y down, z away), metres.

    Args:
        x: place of the pelvis to the right of the camera, m.
        z: its distance, m.
        heading: angle of the walk from the camera's x axis towards it, radians.
        phase: of the step, radians.
    """
    joints = np.zeros((len(x), 17, 3))  # forward, up, to the right of the walker

    def limb(first, side, upper, lower, swing, bend):
        second, third = first + 1, first + 2
        joints[:, second] = joints[:, first] + upper * np.stack(
            [np.sin(swing), -np.cos(swing), 0 * swing], 1
        )
        angle = swing + bend
        joints[:, third] = joints[:, second] + lower * np.stack(
            [np.sin(angle), -np.cos(angle), 0 * swing], 1
        )

    swing = 0.45 * np.sin(phase)
    for hip, side in ((1, 1), (4, -1)):
        joints[:, hip] = (0, 0, 0.12 * side)
        limb(hip, side, _THIGH, _SHIN, side * swing, -0.35 * (1 + np.cos(phase) * side))
    for joint, up in ((7, 0.25), (8, 0.5), (9, 0.62), (10, 0.78)):
        joints[:, joint] = (0.08 if joint == 9 else 0, up, 0)
    for shoulder, side in ((14, 1), (11, -1)):
        joints[:, shoulder] = (0, 0.48, 0.18 * side)
        limb(shoulder, side, _UPPER_ARM, _FOREARM, -side * swing, 0.5 + 0 * swing)
    cos, sin = np.cos(heading)[:, None], np.sin(heading)[:, None]
    forward, up, right = np.moveaxis(joints, -1, 0)
    place_x = x[:, None] + forward * cos + right * sin
    place_z = z[:, None] - forward * sin + right * cos
    return np.stack([place_x, _CAMERA_HEIGHT - 0.95 - up, place_z], -1)


def project(joints: Float[np.ndarray, "*b 3"]) -> Float[np.ndarray, "*b 2"]:
    """Projects points in camera axes to px of an image of `SIZE`."""
    return _FOCAL * joints[..., :2] / joints[..., 2:] + np.array(SIZE) / 2


def crossing(
    seed: int,
    *,
    seconds: float = 12.0,
    fps: float = 30.0,
    misses: float = 0.03,
    longest_s: float = 49 / 30,
) -> Scene:
    """Returns three people who cross to and fro, each hidden by whoever passes before them.

    Args:
        seed: of the walks, the misses and the noise of 1 % of a person's height.
        seconds: length.
        fps: frame rate.
        misses: share of the poses that the detector does not find.
        longest_s: time for which a person may be hidden; walks that hide one longer are made anew.
    """
    rng = np.random.default_rng(seed)
    while True:
        scene = _walks(rng, seconds, fps, misses)
        if scene.longest_gap <= longest_s * fps:
            return scene


def _walks(rng, seconds, fps, misses) -> Scene:
    time_s = np.arange(round(seconds * fps)) / fps
    points, depth = [], []
    for person in range(3):
        speed, start = rng.uniform(0.5, 1.2), rng.uniform(-1.5, 1.5)
        direction = rng.choice([-1, 1])
        # To and fro between two walls 4 m apart, slowing down to turn round.
        travelled = speed * time_s * direction + start
        turn = 4 / np.pi
        x = 2 * np.sin(travelled / turn)
        velocity = np.gradient(x, time_s)
        z = 4.5 + 1.2 * person + 0.3 * np.sin(0.5 * time_s + rng.uniform(0, 6))
        heading = np.arctan2(0.25, velocity)
        phase = 2 * np.pi * np.cumsum(np.abs(velocity)) / fps / 1.4 + rng.uniform(0, 6)
        points.append(project(walker(x, z, heading, phase)))
        depth.append(z)
    points, depth = np.stack(points), np.stack(depth)
    seen = _visible(points, depth) & (rng.random(depth.shape) >= misses)
    noise = rng.normal(size=points.shape) * (0.01 * _FOCAL * 1.7 / depth)[..., None, None]
    return _scene(points + noise, seen, time_s, rng)


def _visible(points, depth):
    """Returns for each person and frame whether nobody nearer covers most of them."""
    low, high = points.min(2), points.max(2)
    seen = np.ones(depth.shape, bool)
    for a in range(len(points)):
        for b in range(len(points)):
            shared = np.maximum(np.minimum(high[a], high[b]) - np.maximum(low[a], low[b]), 0)
            covered = shared.prod(-1) / (high[a] - low[a]).prod(-1)
            seen[a] &= (a == b) | (depth[b] > depth[a]) | (covered < 0.5)
    return seen


def _scene(points, seen, time_s, rng) -> Scene:
    frame, person = np.nonzero(seen.T)
    order = np.lexsort((rng.random(len(frame)), frame))
    frame, person = frame[order], person[order]
    found = np.ones((len(frame), 17))
    gaps = [np.diff(np.flatnonzero(row)).max(initial=1) - 1 for row in seen]
    detections = Detections(
        keypoints=points[person, frame],
        confidence=found,
        frame=frame,
        score=found[:, 0],
        identity=np.full(len(frame), -1),
        time_s=time_s,
        image_size=SIZE,
        name="crossing",
        format=HUMAN36M.name,
    )
    return Scene(detections, person, int(max(gaps)))
