"""The place of a person in the world, pose by pose."""

import collections
import math

import numpy as np
from jaxtyping import Float

from repose_jax.lifting import scale, trajectory, world
from repose_jax.lifting.live import LivePose
from repose_jax.lifting.one_euro import OneEuro
from repose_jax.motion.motion import Camera, World
from repose_jax.skeleton import HUMAN36M

PATH_S = 0.5
"""Time over which the newest place is solved for."""
WORLD_FROM = 300
"""Newest poses from which the vertical and the floor are found, of whoever it was."""
WORLD_EVERY_S = 0.5
"""Time after which they are found again."""
EASE_S = 0.7
"""Time in which the world follows a new vertical or floor by 63 %."""
DEPTH_CUTOFF_HZ = 0.7
"""Cutoff of the filter of the depth, the least certain coordinate, at rest."""
DEPTH_BETA = 0.0015
"""Growth of that cutoff with the speed, Hz for a mm/s."""


class LivePlace:
    """Places poses in front of the camera and in a world, from them and earlier ones alone.

    The vertical and the floor are found again as more is seen, and the world follows slowly. Its
    origin is below the first pelvis.
    """

    def __init__(
        self,
        camera: Camera,
        *,
        up: Float[np.ndarray, "3"] | None = None,
        height_mm: float | None = None,
    ):
        """Prepares a place for one person.

        Args:
            camera: the camera.
            up: direction of the vertical in camera axes; None to find it.
            height_mm: standing height; None for the size of the poses.
        """
        self._camera, self._up, self._height = camera, up, height_mm
        self._axes = world.axes(world.CAMERA_UP if up is None else up / np.linalg.norm(up))
        self._placed: collections.deque[tuple] = collections.deque(maxlen=WORLD_FROM)
        self._depth = OneEuro(min_cutoff_hz=DEPTH_CUTOFF_HZ, beta=DEPTH_BETA)
        self.reset()
        self._scale = 1.0
        self._first: np.ndarray | None = None
        self._height_above = 0.0  # of the first pelvis above the floor, mm
        self._target: World | None = None
        self._found_s = self._last_s = -math.inf

    def reset(self) -> None:
        """Forgets the path of the person: another one follows, in the same world."""
        self._newest: collections.deque[tuple] = collections.deque()
        self._depth.reset()

    def place(self, pose: LivePose) -> tuple[Float[np.ndarray, "17 3"], World]:
        """Returns the joints of the newest pose in the world, mm, and that world.

        Args:
            pose: later than the last one; its 2D joints are of a lens without distortion.
        """
        joints = pose.joints_mm + self._root(pose)
        self._placed.append((pose.time_s, joints, pose.confidence))
        if self._first is None:
            self._first = joints[HUMAN36M.root]
        if pose.time_s - self._found_s >= WORLD_EVERY_S:
            self._found_s = pose.time_s
            self._find_world()
        self._ease(pose.time_s)
        up = self._axes[1]
        origin = self._first - self._height_above * up
        # Places and poses are in proportion: so is the world.
        found = World(self._axes, self._scale * origin, self._target.source if self._target else "")
        return found.of_camera(self._scale * joints), found

    def _root(self, pose: LivePose) -> Float[np.ndarray, "3"]:
        """Returns the pelvis from the camera's centre, its depth smoothed along its ray."""
        self._newest.append((pose.time_s, pose.joints_mm, pose.keypoints_px, pose.confidence))
        while self._newest[0][0] < pose.time_s - PATH_S:
            self._newest.popleft()
        times, joints, points, sure = map(np.stack, zip(*self._newest, strict=True))
        root = trajectory.root_trajectory(joints, points, sure, self._camera, times)[-1]
        depth = self._depth.filter(root[None] * [0, 0, 1], pose.time_s)[0, 2]
        return root * max(depth, trajectory.NEAREST) / root[2]

    def _find_world(self) -> None:
        """Finds the vertical, the floor and the size of the body."""
        times, joints, sure = map(np.stack, zip(*self._placed, strict=True))
        person = world.Placed(joints, sure, times)
        self._target, _ = world.upright([person], self._camera, up=self._up)
        if self._height is not None:
            self._scale = self._height / max(scale.height_of(joints), 1.0)

    def _ease(self, time_s: float) -> None:
        """Moves the vertical and the floor towards those that were found."""
        assert self._target is not None
        up = self._target.rotation[1]
        height = float((self._first - self._target.origin_mm) @ up)
        share = 1 - math.exp(-(time_s - self._last_s) / EASE_S)  # 1 at first
        self._last_s = time_s
        eased = self._axes[1] + share * (up - self._axes[1])
        self._axes = world.axes(eased / np.linalg.norm(eased))
        self._height_above += share * (height - self._height_above)
