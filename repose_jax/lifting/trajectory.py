"""The path of the pelvis in front of the camera: from 2D joints and root-relative 3D joints."""

import numpy as np
from jaxtyping import Float
from scipy.linalg import solveh_banded

from repose_jax.lifting.penalties import smoothness
from repose_jax.motion.motion import Camera

ACCELERATION = 5000.0
"""Usual acceleration of a pelvis, mm/s^2: what is faster is taken for noise."""
SPEED = 3000.0
"""Usual speed of a pelvis, mm/s: long gaps are crossed on a straight line."""
ROUNDS = 12
NEAREST = 200.0
"""Least depth of a joint, mm."""
_START = 4000.0


def root_trajectory(
    joints_mm: Float[np.ndarray, "t 17 3"],
    keypoints: Float[np.ndarray, "t 17 2"],
    confidence: Float[np.ndarray, "t 17"],
    camera: Camera,
    time_s: Float[np.ndarray, " t"],
) -> Float[np.ndarray, "t 3"]:
    """Places root-relative poses in front of the camera so that they project onto the 2D joints.

    The path minimises the robust reprojection error (Huber's loss, weighted by the confidence) plus
    the acceleration of the path. Each frame counts by the information that its joints have on each
    axis, so that the depth, of which a frame has least, is smoothed most, and a frame without
    joints lies between the others. Depth is proportional to the focal length and to the size of the
    poses.

    Args:
        joints_mm: relative to the pelvis, camera axes.
        keypoints: px, of a lens without distortion; may be NaN where the confidence is 0.
        confidence: 0 for a joint without influence.
        camera: the camera.
        time_s: of each frame, increasing.

    Returns:
        The pelvis from the camera's centre, camera axes, mm; finite, with all joints in front of
        the camera.
    """
    joints = joints_mm.astype(np.float64)
    seen = (confidence > 0) & np.isfinite(keypoints).all(axis=-1)
    weight = np.where(seen, np.nan_to_num(confidence), 0.0)
    points = np.where(seen[..., None], keypoints, camera.centre_px) - camera.centre_px
    rays = points.astype(np.float64) / camera.focal_px
    least = NEAREST - joints[..., 2].min(axis=1)
    duration = _durations(time_s)
    smooth = smoothness(time_s, acceleration=ACCELERATION, speed=SPEED)
    root = _start(joints, rays, weight)
    anchor = root.copy()
    for _ in range(ROUNDS):
        root[:, 2] = np.maximum(root[:, 2], least)
        matrix, push = _reprojection(joints + root[:, None], rays, weight, camera.focal_px)
        # What no joint determines stays at the start.
        matrix = duration[:, None, None] * matrix + np.eye(3) / 1e5**2
        push = duration[:, None] * push + (anchor - root) / 1e5**2
        root = _solve(matrix, smooth, push + np.einsum("tab,tb->ta", matrix, root))
    root[:, 2] = np.maximum(root[:, 2], least)
    return root


def _start(joints: np.ndarray, rays: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Returns a path at one depth, at which the poses are as large as in the image."""
    total = np.maximum(weight.sum(axis=1), 1e-9)[:, None]

    def centre(values: np.ndarray) -> np.ndarray:
        return np.einsum("tj,tjd->td", weight, values) / total

    def extent(values: np.ndarray) -> np.ndarray:
        apart = ((values - centre(values)[:, None]) ** 2).sum(axis=-1)
        return np.sqrt((weight * apart).sum(axis=1) / total[:, 0])

    size, seen = extent(joints[..., :2]), extent(rays)
    usable = ((weight > 0).sum(axis=1) >= 3) & (seen > 1e-6) & (size > 1)
    depth = float(np.median(size[usable] / seen[usable])) if usable.any() else _START
    place = centre(rays) * depth - centre(joints)[:, :2]
    known = np.flatnonzero(weight.any(axis=1))
    if len(known):  # frames without joints: where the person was seen last, or first
        last = np.searchsorted(known, np.arange(len(place)), side="right") - 1
        place = place[known[np.maximum(last, 0)]]
    return np.column_stack([place, np.full(len(place), depth)])


def _reprojection(
    place: np.ndarray, rays: np.ndarray, weight: np.ndarray, focal_px: float
) -> tuple[np.ndarray, np.ndarray]:
    """Returns what the reprojection error of each frame has on its root.

    Returns:
        `[t, 3, 3]` information (Gauss-Newton), and `[t, 3]` minus half the gradient of the error.
    """
    depth = place[..., 2]
    ahead = place[..., :2] / depth[..., None]
    error = rays - ahead
    used = _robust(error, weight, least=0.5 / focal_px)
    share, pull = used / depth**2, used / depth
    matrix = np.zeros((len(place), 3, 3))
    matrix[:, 0, 0] = matrix[:, 1, 1] = share.sum(axis=1)
    matrix[:, 2, :2] = matrix[:, :2, 2] = -(share[..., None] * ahead).sum(axis=1)
    matrix[:, 2, 2] = (share * (ahead**2).sum(axis=-1)).sum(axis=1)
    push = np.empty((len(place), 3))
    push[:, :2] = (pull[..., None] * error).sum(axis=1)
    push[:, 2] = -(pull * (error * ahead).sum(axis=-1)).sum(axis=1)
    return matrix, push


def _robust(error: np.ndarray, weight: np.ndarray, least: float) -> np.ndarray:
    """Returns the weight of each joint over its variance: Huber's, at a scale from all errors.

    Args:
        error: `[t, j, 2]` of the rays.
        weight: `[t, j]` confidence.
        least: the least scale.
    """
    size = np.linalg.norm(error, axis=-1)
    found = size[weight > 0]
    # The median length of a 2D error of standard deviation 1 is 1.18.
    scale = max(float(np.median(found)) / 1.18, least) if len(found) else least
    return weight * np.minimum(1, 2 * scale / np.maximum(size, 1e-12)) / scale**2


def _durations(time_s: np.ndarray) -> np.ndarray:
    """Returns the time that each frame stands for, s, at most two usual steps.

    With it a frame's joints count as its smoothness does: a higher frame rate is no more evidence.
    """
    if len(time_s) < 2:
        return np.ones(len(time_s))
    step = np.diff(time_s)
    step = np.minimum(step, 2 * np.median(step))
    return np.concatenate([step[:1], (step[1:] + step[:-1]) / 2, step[-1:]])


def _solve(matrix: np.ndarray, smooth: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Solves `(blocks of matrix + smooth for each axis) root = target` by banded Cholesky.

    Args:
        matrix: `[t, 3, 3]` symmetric.
        smooth: `[3, t]` diagonals of the matrix over time that all axes share.
        target: `[t, 3]`.
    """
    frames = len(matrix)
    bands = np.zeros((7, 3 * frames))  # lower form: row d, column i is element (i + d, i)
    for distance, values in enumerate(smooth):
        bands[3 * distance] = np.repeat(values, 3)
    for column in range(3):
        for row in range(column, 3):
            bands[row - column, column::3] += matrix[:, row, column]
    bands = bands[: min(7, 3 * frames)]
    return solveh_banded(bands, target.ravel(), lower=True).reshape(frames, 3)
