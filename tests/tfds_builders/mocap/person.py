"""Simple poses with adult proportions, facing +Z, left towards +X."""

import numpy as np

RIGHT_ARM, LEFT_ARM = [14, 15, 16], [11, 12, 13]
RIGHT_LEG, LEFT_LEG = [1, 2, 3], [4, 5, 6]


def standing() -> np.ndarray:
    """Arms hanging, `[17, 3]`, metres, Y up."""
    joints = np.zeros((17, 3))
    joints[[0, 7, 8, 9, 10], 1] = 0.98, 1.22, 1.47, 1.58, 1.71
    for side, leg, arm in ((-1, RIGHT_LEG, RIGHT_ARM), (1, LEFT_LEG, LEFT_ARM)):
        joints[leg] = [(side * 0.13, y, 0) for y in (0.98, 0.53, 0.08)]
        joints[arm] = [(side * x, y, 0) for x, y in ((0.17, 1.43), (0.24, 1.16), (0.26, 0.9))]
    return joints


def arms_spread() -> np.ndarray:
    """A T-pose, `[17, 3]`."""
    joints = standing()
    for side, arm in ((-1, RIGHT_ARM), (1, LEFT_ARM)):
        joints[arm] = [(side * x, 1.43, 0) for x in (0.17, 0.45, 0.7)]
    return joints


def walking(frames: int, fps: float, speed: float = 1.2) -> np.ndarray:
    """Walks along +Z; both legs swing, and the arms against them. `[frames, 17, 3]`."""
    time = np.arange(frames) / fps
    joints = np.repeat(standing()[None], frames, axis=0)
    swing = 0.4 * np.sin(2 * np.pi * time)
    for sign, limb in ((1, RIGHT_LEG), (-1, LEFT_LEG), (-1, RIGHT_ARM), (1, LEFT_ARM)):
        top = joints[:, limb[0]]
        for joint in limb[1:]:
            length = top[:, 1] - joints[:, joint, 1]
            joints[:, joint, 1] = top[:, 1] - length * np.cos(swing)
            joints[:, joint, 2] = top[:, 2] + sign * length * np.sin(swing)
    joints[..., 2] += speed * time[:, None]
    return joints
