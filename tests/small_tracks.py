"""Tracks of a person who walks, for tests."""

import numpy as np

from benchmarks import scenes
from repose_jax.motion.motion import MISSING, SEEN
from repose_jax.tracking.track import Track

FPS = 30.0
HEIGHT = 400  # px, about


def of_points(keypoints, time_s=None):
    """The track of joints `[t, 17, 2]`, of which NaN are missing."""
    confidence = np.where(np.isnan(keypoints[..., 0]), 0, 0.9)
    frames = len(keypoints)
    return Track(
        frame=np.arange(frames),
        time_s=np.arange(frames) / FPS if time_s is None else time_s,
        keypoints=keypoints.copy(),
        confidence=confidence,
        status=np.where(confidence > 0, SEEN, MISSING).astype(np.uint8),
        detected=np.concatenate([keypoints, confidence[..., None]], axis=-1),
    )


def walk(frames=120, *, turns=0.0, fps=FPS, noise=0.01, seed=0):
    """A person who walks to the right at 1.2 m/s and turns by so many degrees a second."""
    time_s = np.arange(frames) / fps
    heading = 0.3 + np.radians(turns) * time_s
    flat = np.zeros(frames)
    joints = scenes.walker(1.2 * time_s - 2, flat + 4.5, heading, 2 * np.pi * 0.9 * time_s)
    points = scenes.project(joints)
    jitter = np.random.default_rng(seed).normal(size=points.shape) * noise * HEIGHT
    return of_points(points + jitter, time_s)
