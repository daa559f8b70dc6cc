"""Poses of a person while the frames come in."""

import collections
import dataclasses
import functools
import math
from collections.abc import Sequence

import jax
import numpy as np
from flax import nnx
from jaxtyping import Array, Float
from numpy.typing import ArrayLike

from repose_jax.config import COUNT, POSITIVE, Rule
from repose_jax.data.clips import UNITS
from repose_jax.data.normalise import to_person_frame
from repose_jax.evaluation import predict
from repose_jax.evaluation.evaluator import abstract_model, centre_window, clip_context
from repose_jax.keypoints import masked
from repose_jax.lifting import bones, resample, video
from repose_jax.lifting.one_euro import OneEuro
from repose_jax.lifting.predictor import Predictor
from repose_jax.models.lifter import Lifter
from repose_jax.skeleton import HUMAN36M

FRAMES, FPS, DELAY = 27, 15, 2
"""Window: a third of the time of a window of the training, and no less accurate; and a pose two
frames before its end, 0.13 s."""
LEARNED_FROM = 300
"""Newest poses whose median gives the lengths of the bones."""
MAX_GAP_S = 1.0
"""Longest time without the person after which a stream starts anew."""
_GAP = Rule(float, "a number of seconds above 0", lambda x: x > 0)


@dataclasses.dataclass(frozen=True, eq=False)
class LivePose:
    """The pose of a person at one time.

    Attributes:
        joints_mm: `[17, 3]` joints relative to the pelvis in camera axes (x right, y down, z away).
        confidence: `[17]` of the 2D joints at that time; 0 where missing.
        time_s: the time, on the clock of the frames.
        unfiltered_mm: `[17, 3]` the joints as the model predicts them.
        keypoints_px: `[17, 2]` the 2D joints at that time, between frames interpolated; any value
            where the confidence is 0.
    """

    joints_mm: Float[np.ndarray, "17 3"]
    confidence: Float[np.ndarray, "17"]
    time_s: float
    unfiltered_mm: Float[np.ndarray, "17 3"]
    keypoints_px: Float[np.ndarray, "17 2"]


class Live:
    """Lifts one person in a stream of frames.

        live = Live(rp.load(), image_size=(1280, 720))
        pose = live.push(keypoints, time_s, confidence)  # of each frame that comes

    For each frame the model lifts a window of a fixed length and rate that ends at it, whose frames
    are interpolated in time; those before the first are missing. It is compiled when the object is
    made, once for all of one length.
    """

    def __init__(
        self,
        predictor: Predictor,
        image_size: Sequence[int] | None,
        *,
        fps: int | float = FPS,
        frames: int | None = None,
        delay: int = DELAY,
        focal_length: int | float | None = None,
        up: ArrayLike | Sequence[int | float] | None = None,
        smooth: bool = True,
        constant_bones: bool = True,
        max_gap_s: int | float = MAX_GAP_S,
    ):
        """Prepares a stream, and compiles the model.

        Args:
            predictor: a model in the frame of the person.
            image_size: width and height, px.
            fps: frames per second of the window, whatever the rate of the camera is: fewer make it
                span more time. Above the rates of the training the window has every second frame,
                or third, ....
            frames: length of the window; None for `FRAMES`, or the most that the model takes. The
                time for a pose is in proportion to it.
            delay: frames of the window after the pose that is returned; 0 for the pose of the
                newest frame, which is less accurate.
            focal_length: of the camera, px; None if unknown.
            up: direction of the world's vertical in camera axes; None if unknown.
            smooth: apply a One-Euro filter.
            constant_bones: give bones the median length of the newest `LEARNED_FROM` poses.
            max_gap_s: time without the person after which the stream starts anew.

        Raises:
            ValueError: a model in the frame of the image, or of another output than mm; or an
                argument outside its range.
        """
        _check(predictor)
        config = predictor.config
        self._frames = COUNT.check(
            "frames", min(FRAMES, config.test_frames) if frames is None else frames
        )
        self._max_gap_s = _GAP.check("max_gap_s", max_gap_s)
        newest = self._frames - 1
        before_it = Rule(int, f"an integer from 0 to {newest}", lambda x: 0 <= x <= newest)
        delay, fps = before_it.check("delay", delay), POSITIVE.check("fps", fps)
        # Of a frame like any other: the camera is what is checked.
        self._camera = video.check(
            np.full((1, HUMAN36M.size, 2), 100),
            None,
            image_size,
            fps=fps,
            focal_length=focal_length,
            up=up,
            mm_per_px=None,
            missing_without_influence=True,
        )
        _, most = config.simulation.rates
        self._period = math.ceil(fps / most) / fps
        self._delay_s = delay * self._period
        self._filter = OneEuro() if smooth else None
        self._constant_bones = constant_bones
        self._mm = np.float32(1 / UNITS[config.data.unit])
        self._lift = functools.partial(
            _lift, predictor.graphdef, predictor.variables, frame=self._frames - 1 - delay
        )
        self.reset()
        nothing = np.zeros((self._frames, HUMAN36M.size))
        self._pose(np.stack([nothing, nothing], axis=-1), nothing)

    def reset(self) -> None:
        """Forgets all frames, and the lengths of the bones: a new person or stream follows."""
        self._seen: collections.deque[tuple[float, np.ndarray, np.ndarray]] = collections.deque()
        self._last_s = self._last_seen_s = -math.inf
        self._poses: collections.deque[np.ndarray] = collections.deque(maxlen=LEARNED_FROM)
        if self._filter:
            self._filter.reset()

    def push(
        self, keypoints: ArrayLike, time_s: int | float, confidence: ArrayLike | None = None
    ) -> LivePose | None:
        """Takes the person's 2D joints in the next frame and returns the newest pose.

        Its time is that of the frame less the delay. A frame that is not later than the last one is
        ignored. After a gap, or a clock that was set back by more than `max_gap_s`, the stream
        starts anew.

        Args:
            keypoints: `[17, 2]` joints in Human3.6M's order, px; any value where missing.
            time_s: of the frame, s.
            confidence: `[17]` in [0, 1], 0 or NaN where missing; None for 1 where the joints are
                finite.

        Returns:
            The pose; None while the first frames of a stream are younger than the delay, for an
            ignored frame, and while the person is away.

        Raises:
            ValueError: joints of another shape, or a time that is not finite.
        """
        points, seen = _checked(keypoints, confidence, time_s)
        time_s = float(time_s)
        step = time_s - self._last_s
        if step < -self._max_gap_s or time_s - self._last_seen_s > self._max_gap_s:
            self.reset()
        elif step <= 0:
            return None
        if (seen > 0).any():
            self._last_seen_s = time_s
        elif not self._seen:
            return None  # nobody yet
        self._last_s = time_s
        self._seen.append((time_s, points, seen))
        span_s = (self._frames + resample.BRIDGE) * self._period
        while self._seen[0][0] < time_s - span_s:
            self._seen.popleft()
        if self._seen[0][0] > time_s - self._delay_s + self._period / 2:
            return None
        points, seen = self._window(time_s)
        frame = self._frames - 1 - round(self._delay_s / self._period)
        pose = self._pose(points, seen)
        joints = self._finished(pose, time_s - self._delay_s)
        return LivePose(joints, seen[frame], time_s - self._delay_s, pose, points[frame])

    def _window(
        self, time_s: float
    ) -> tuple[Float[np.ndarray, "t 17 2"], Float[np.ndarray, "t 17"]]:
        """Returns the joints of the window that ends at this time."""
        wanted = time_s - self._period * np.arange(self._frames)[::-1]
        times, points, seen = (np.stack(part) for part in zip(*self._seen, strict=True))
        if len(times) == 1:  # as if it had been preceded by a frame without joints
            times = np.array([times[0] - self._period, times[0]])
            points, seen = np.repeat(points, 2, axis=0), np.stack([0 * seen[0], seen[0]])
        # Frames that are rarer than those of the window are further apart, but nothing is missing.
        period = max(self._period, float(np.median(np.diff(times))))
        return resample.at(wanted, points, seen, times, period)

    def _pose(
        self, points: Float[np.ndarray, "t 17 2"], seen: Float[np.ndarray, "t 17"]
    ) -> Float[np.ndarray, "17 3"]:
        camera = self._camera
        with jax.default_matmul_precision("highest"):
            pose = self._lift(
                np.nan_to_num(points).astype(np.float32),
                seen.astype(np.float32),
                camera.image_size.astype(np.float32),
                np.float32(camera.focal_length),
                np.float32(1 / self._period),
                camera.up.astype(np.float32),
            )
        return np.asarray(pose) * self._mm

    def _finished(
        self, pose: Float[np.ndarray, "17 3"], time_s: float
    ) -> Float[np.ndarray, "17 3"]:
        self._poses.append(pose)
        if self._filter:
            pose = self._filter.filter(pose, time_s)
        if self._constant_bones:
            pose = bones.with_lengths(pose[None], bones.bone_lengths(np.stack(self._poses)))[0]
        return pose


@functools.partial(jax.jit, static_argnums=0, static_argnames="frame")
def _lift(
    graphdef: nnx.GraphDef[Lifter],
    variables: predict.Variables,
    keypoints: Float[Array, "t 17 2"],
    confidence: Float[Array, "t 17"],
    image_size: Float[Array, "2"],
    focal: Float[Array, ""],
    fps: Float[Array, ""],
    up: Float[Array, "3"],
    *,
    frame: int,
) -> Float[Array, "17 3"]:
    """Returns the pose of a frame of a window, relative to the pelvis, in the model's unit."""
    inputs = to_person_frame(
        keypoints[None], confidence[None], image_size[None], focal[None], fps[None], up[None]
    )
    pose = predict.predict(graphdef, variables, inputs, flip=False)[0, frame]
    return pose - pose[HUMAN36M.root]


def _check(predictor: Predictor) -> None:
    config = predictor.config
    if config.data.normalise != "person" or predictor.unit != "mm":
        raise ValueError(
            "live: the model should read the frame of the person and predict mm, as shipped "
            f"weights do; this one reads that of the {config.data.normalise} and predicts "
            f"{predictor.unit}."
        )
    if centre_window(config) or any(clip_context(config, abstract_model(config), "eval")):
        raise ValueError("live: the model should lift every frame of a clip, not its centre alone.")


def _checked(
    keypoints: ArrayLike, confidence: ArrayLike | None, time_s: int | float
) -> tuple[Float[np.ndarray, "17 2"], Float[np.ndarray, "17"]]:
    """Returns joints and their confidence as arrays, 0 for missing ones and those too far away."""
    points = masked.filled(keypoints, np.nan)
    near = (np.abs(points) <= video.FARTHEST).all(-1)
    seen = near.astype(float) if confidence is None else masked.filled(confidence, 0)
    shapes = points.shape, seen.shape
    if shapes != ((HUMAN36M.size, 2), (HUMAN36M.size,)):
        raise ValueError(
            f"keypoints and confidence have the shapes {shapes[0]} and {shapes[1]}; expected "
            f"({HUMAN36M.size}, 2) and ({HUMAN36M.size},)."
        )
    if not math.isfinite(time_s):
        raise ValueError(f"time_s is {time_s}; expected the time of the frame, s.")
    seen = np.where(near, np.clip(np.nan_to_num(seen), 0, 1), 0)
    return np.where((seen > 0)[:, None], points, 0), seen
