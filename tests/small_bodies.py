"""Synthetic people: standing, walking, and in front of a camera."""

import numpy as np

from repose_jax.skeleton import HUMAN36M

STANDING = {
    "pelvis": (0, 0, 0),
    "right_hip": (-130, 0, 0),
    "right_knee": (-130, -450, 0),
    "right_ankle": (-130, -900, 0),
    "left_hip": (130, 0, 0),
    "left_knee": (130, -450, 0),
    "left_ankle": (130, -900, 0),
    "spine": (0, 250, 0),
    "thorax": (0, 500, 0),
    "neck": (0, 600, 80),
    "head": (0, 750, 0),
    "left_shoulder": (180, 480, 0),
    "left_elbow": (220, 200, 30),
    "left_wrist": (230, -50, 80),
    "right_shoulder": (-180, 480, 0),
    "right_elbow": (-220, 200, 30),
    "right_wrist": (-230, -50, 80),
}
"""A body that faces the camera, in the axes of a world: x right, y up, z towards the camera; mm."""


def standing() -> np.ndarray:
    """Returns `[17, 3]` relative to the pelvis, world axes, mm."""
    return np.array([STANDING[joint] for joint in HUMAN36M.joints], float)


def camera_axes(pitch: float = 0, roll: float = 0) -> np.ndarray:
    """Returns the rotation from the world to a camera that looks down by `pitch`, degrees."""
    p, r = np.radians([pitch, roll])
    level = np.diag([1.0, -1.0, -1.0])
    tilt = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    turn = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return turn @ tilt @ level


def project(points: np.ndarray, focal: float, centre) -> np.ndarray:
    """Projects points in camera axes to px."""
    return focal * points[..., :2] / points[..., 2:] + np.asarray(centre)
