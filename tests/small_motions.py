"""Motions of synthetic persons, in memory and as a prepared dataset `dancers`."""

import pathlib

import numpy as np
import tensorflow_datasets as tfds
from etils import epath

from repose_jax.data.motions import LANDMARKS, Motions
from repose_jax.simulation.body import PARENTS
from tfds_builders.mocap.builder import MocapBuilder
from tfds_builders.mocap.take import Take

FPS = 60.0
TRAIN = "dancers/60fps_motion:train"
LENGTHS = {"train": (90, 31, 2, 1), "test": (40,)}

# Standing upright, facing +Z, left towards +X; metres.
_RIGHT_SIDE = {
    "hip": (-0.13, 0.98, 0.0),
    "knee": (-0.14, 0.53, 0.02),
    "ankle": (-0.14, 0.08, -0.02),
    "shoulder": (-0.17, 1.43, 0.0),
    "elbow": (-0.24, 1.16, -0.02),
    "wrist": (-0.26, 0.9, 0.02),
    "ear": (-0.075, 1.6, 0.02),
}
_MIDDLE = {
    "pelvis": (0.0, 0.98, 0.0),
    "spine": (0.0, 1.22, -0.01),
    "thorax": (0.0, 1.47, 0.0),
    "neck": (0.0, 1.58, 0.03),
    "head": (0.0, 1.71, 0.02),
    "nose": (0.0, 1.57, 0.12),
}


def _rest(name: str) -> np.ndarray:
    side, _, joint = name.partition("_")
    if not joint:
        return np.array(_MIDDLE[name])
    return np.array(_RIGHT_SIDE[joint]) * ([-1, 1, 1] if side == "left" else 1)


STANDING = np.stack([_rest(name) for name in LANDMARKS])
# How far bones turn against the one that they hang on, radians.
_TURN = {"hip": 0.1, "knee": 0.5, "ankle": 0.5, "elbow": 1.0, "wrist": 1.0, "nose": 0.0, "ear": 0.0}


def motion(frames: int, seed: int, *, fps: float = FPS) -> np.ndarray:
    """A person with bones of one length, who turns and walks about; `[frames, 20, 3]`, metres."""
    rng = np.random.default_rng([7, seed])
    time = np.arange(frames)[:, None] / fps
    turns, points = [_rotations(_turn(rng, time))], np.zeros((frames, len(LANDMARKS), 3))
    wave = np.sin(rng.uniform(0.5, 2, 3) * time + rng.uniform(0, 6, 3))
    points[:, 0] = STANDING[0] + wave * [0.8, 0.1, 0.8]
    for joint, parent in list(enumerate(PARENTS))[1:]:
        amplitude = _TURN.get(LANDMARKS[joint].split("_")[-1], 0.15)
        axis = amplitude * np.sin(rng.uniform(1, 6, 3) * time + rng.uniform(0, 6, 3))
        turns.append(turns[parent] @ _rotations(axis))
        points[:, joint] = points[:, parent] + turns[joint] @ (STANDING[joint] - STANDING[parent])
    points[..., 1] += 0.08 - points[:, (3, 6), 1].min()
    return points.astype(np.float32)


def clips(count: int, frames: int, *, seed: int = 0, fps: float = FPS) -> np.ndarray:
    """Several persons, `[count, frames, 20, 3]`."""
    return np.stack([motion(frames, 100 * seed + number, fps=fps) for number in range(count)])


def motions(lengths: tuple[int, ...] = LENGTHS["train"], fps: float = FPS) -> Motions:
    """Motions of these lengths, as if read from a dataset."""
    names = tuple(f"take{number}" for number in range(len(lengths)))
    return Motions(
        joints=np.concatenate([motion(length, n, fps=fps) for n, length in enumerate(lengths)]),
        offsets=np.cumsum([0, *lengths]),
        fps=np.full(len(lengths), fps, np.float32),
        names=names,
        subjects=names,
        actions=("dance",) * len(lengths),
    )


def _turn(rng: np.random.Generator, time: np.ndarray) -> np.ndarray:
    """Once about the vertical in some seconds, and a little to all sides."""
    axis = 0.1 * np.sin(rng.uniform(0.5, 2, 3) * time + rng.uniform(0, 6, 3))
    return axis + (rng.uniform(0, 6) + rng.uniform(-3, 3) * time) * np.array([0, 1, 0])


def _rotations(axis: np.ndarray) -> np.ndarray:
    """Rodrigues' formula."""
    angle = np.maximum(np.linalg.norm(axis, axis=-1), 1e-9)[:, None, None]
    x, y, z = axis.T / angle[:, 0, 0]
    cross = np.stack([0 * x, -z, y, z, 0 * x, -x, -y, x, 0 * x], -1).reshape(-1, 3, 3)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


class Dancers(MocapBuilder):
    """The persons, as a dataset `dancers`."""

    pkg_dir_path = epath.Path(__file__).parent  # this module is in no package
    VERSION = tfds.core.Version("1.0.0")

    def _takes(self, dl_manager):
        return {split: [_take(split, n) for n in range(len(LENGTHS[split]))] for split in LENGTHS}


def _take(split: str, number: int) -> Take:
    points = motion(LENGTHS[split][number], number + 50 * (split == "test")).astype(float)
    return Take(f"{split}{number}", split, "dance", FPS, joints=points[:, :17], face=points[:, 17:])


def prepare(data_dir: pathlib.Path) -> None:
    """Writes the dataset to `data_dir/dancers/60fps_motion/1.0.0`."""
    Dancers(data_dir=data_dir, config="60fps_motion").download_and_prepare()
