"""Writer of BVH files: centimetres, y up, right-handed, a T pose that faces +z at rest."""

import os

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from repose_jax.motion.motion import usual_step
from repose_jax.motion.rig import Rig, resample
from repose_jax.motion.rotations import euler
from repose_jax.runtime.whole_file import whole

ORDERS = ("ZXY", "YXZ", "XZY", "YZX", "ZYX", "XYZ")
"""Orders of Euler angles, the most usual in BVH files first."""
AWAY = 0.6
"""Sine of the middle angle up to which Euler angles change hardly faster than the rotation."""
REGULAR = 0.1
"""Frames are regular if none is further than this share of a step from its regular time."""
SPARSE = 20
"""Times as many frames as there are, and 10,000, are the most that irregular ones may become."""


def write(path: str | os.PathLike[str], rig: Rig, *, fps: float | None = None):
    """Writes the motion of a rig as a BVH file.

    The file begins at time 0 with the first frame of the rig, whatever its time in the video. As it
    has one frame rate, irregular frames are resampled at their usual rate.

    Args:
        path: the file to write.
        rig: the motion.
        fps: frame rate of the file; that of the rig if None.

    Raises:
        ValueError: `fps` is not a positive number, or the frames are so far apart that the file
            would consist of what is between them.
    """
    rig, step = _regular(rig, fps)
    rotations = [Rotation.from_quat(rig.rotations[:, j]) for j in range(len(rig.names))]
    orders = [_order(rotation) for rotation in rotations]
    hierarchy, order = _hierarchy(rig, orders)
    angles = [np.degrees(euler(rotations[j], orders[j])) for j in order]
    channels = np.concatenate([rig.root_mm / 10, *angles], axis=1)
    line = " ".join(["%.5f"] * channels.shape[1]) + "\n"
    with whole(path) as part, part.open("w", encoding="ascii", newline="\n") as file:
        file.writelines(f"{text}\n" for text in hierarchy)
        file.write(f"MOTION\nFrames: {len(channels)}\nFrame Time: {step:.10f}\n")
        file.writelines(line % tuple(row) for row in channels.tolist())


def _hierarchy(rig: Rig, orders: list[str]) -> tuple[list[str], list[int]]:
    """Returns the lines of the hierarchy, and the joints in the order of their channels."""
    lines, order = ["HIERARCHY"], []

    def offset(indent: str, way_mm: Float[np.ndarray, "3"]):
        lines.append(indent + "OFFSET {:.5f} {:.5f} {:.5f}".format(*way_mm / 10 + 0.0))

    def add(j: int, indent: str):
        inner = indent + "\t"
        root = rig.parents[j] < 0
        order.append(j)
        lines.extend([f"{indent}{'ROOT' if root else 'JOINT'} {rig.names[j]}", indent + "{"])
        offset(inner, np.zeros(3) if root else rig.offsets_mm[j])
        places = "Xposition Yposition Zposition " if root else ""
        turns = " ".join(f"{axis}rotation" for axis in orders[j])
        lines.append(f"{inner}CHANNELS {6 if root else 3} {places}{turns}")
        for child, parent in enumerate(rig.parents):
            if parent == j:
                add(child, inner)
        if j in rig.ends_mm:
            lines.extend([inner + "End Site", inner + "{"])
            offset(inner + "\t", rig.ends_mm[j])
            lines.append(inner + "}")
        lines.append(indent + "}")

    add(0, "")
    return lines, order


def _order(rotations: Rotation) -> str:
    """Returns the most usual order of Euler angles that stays away from gimbal lock.

    Lock is where the middle angle is 90 degrees; its sine is an entry of the matrix.
    """
    sines = np.abs(rotations.as_matrix()).max(axis=0)
    worst = {o: float(sines["XYZ".index(o[0]), "XYZ".index(o[2])]) for o in ORDERS}
    return next((o for o in ORDERS if worst[o] < AWAY), min(ORDERS, key=worst.__getitem__))


def _regular(rig: Rig, fps: float | None) -> tuple[Rig, float]:
    """Returns a rig whose frames have a constant rate, and the time between them, s."""
    if fps is not None and not (np.isfinite(fps) and fps > 0):
        raise ValueError(f"The frame rate of a BVH file must be positive, found {fps}.")
    time, steps = rig.time_s - rig.time_s[0], len(rig.time_s) - 1
    if steps == 0:
        return rig, 1 / (fps or 30.0)
    mean = time[-1] / steps
    regular = np.abs(time - mean * np.arange(steps + 1)).max() < REGULAR * mean
    step = 1 / fps if fps else mean if regular else usual_step(time)
    if regular and abs(step - mean) * steps < REGULAR * mean:
        return rig, step
    count = int(time[-1] / step + 1e-6) + 1
    if count > SPARSE * len(time) + 10_000:
        raise ValueError(
            f"A BVH file has one frame rate: for {len(time)} frames over {time[-1]:.6g} s it would "
            f"need {count:,}; write .glb, which has the times of the frames."
        )
    return resample(rig, np.minimum(rig.time_s[0] + step * np.arange(count), rig.time_s[-1])), step
