"""The 2D joints of one person in a video: checked, and missing joints filled."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import ArrayLike

from repose_jax.data.sequences import Sequences
from repose_jax.keypoints import masked
from repose_jax.lifting.camera import focal_range
from repose_jax.skeleton import HUMAN36M

Number = int | float
_TINY, _HUGE = (float(bound) for bound in (np.finfo(np.float32).tiny, np.finfo(np.float32).max))
FARTHEST = 1_000_000
"""Coordinates beyond are mistakes, px; a joint that is missing may be anything."""


@dataclasses.dataclass(frozen=True)
class Video:
    """The 2D joints of one person in a video.

    Attributes:
        keypoints_2d: `[t, j, 2]` 2D joints, px; finite.
        confidence: `[t, j]` confidence of the detector, 0 for a missing joint.
        image_size: width and height, px.
        fps: frames per second; NaN if unknown.
        focal_length: of the camera, px; NaN if unknown.
        up: direction of the world's vertical in camera axes, of length 1; NaN if unknown.
        mm_per_px: `[t]` size of a px at the depth of the person, mm; None if it is not needed.
    """

    keypoints_2d: Float[np.ndarray, "t j 2"]
    confidence: Float[np.ndarray, "t j"]
    image_size: Int[np.ndarray, "2"]
    fps: float
    focal_length: float
    up: Float[np.ndarray, "3"]
    mm_per_px: Float[np.ndarray, " t"] | None

    def every(self, step: int, first: int) -> "Video":
        """Returns the video of every `step`-th frame from the frame `first` on."""
        taken = slice(first, None, step)
        return dataclasses.replace(
            self,
            keypoints_2d=self.keypoints_2d[taken],
            confidence=self.confidence[taken],
            fps=self.fps / step,
            mm_per_px=None if self.mm_per_px is None else self.mm_per_px[taken],
        )

    def sequences(self) -> Sequences:
        """Returns the video as a sequence without ground truth."""
        frames, joints = self.confidence.shape
        centre, focal = self.image_size / 2, self.focal_length
        intrinsics = np.array([[focal, 0, centre[0]], [0, focal, centre[1]], [0, 0, 1]])
        if np.isnan(focal):
            intrinsics[:] = np.nan
        return Sequences(
            keypoints_2d=self.keypoints_2d,
            confidence=self.confidence,
            joints_3d=np.full((frames, joints, 3), np.nan, np.float32),
            visibility=np.full((frames, joints), -1, np.int8),
            valid=np.ones(frames, bool),
            activity=np.zeros(frames, np.int8),
            offsets=np.array([0, frames]),
            image_size=self.image_size[None],
            intrinsics=intrinsics[None].astype(np.float32),
            distortion=np.full((1, 5), np.nan, np.float32),
            fps=np.array([self.fps], np.float32),
            names=("video",),
            actions=("",),
            subjects=("",),
            mm_per_px=self.mm_per_px,
            up=self.up[None].astype(np.float32),
        )


def check(
    keypoints_2d: ArrayLike,
    confidence: ArrayLike | None,
    image_size: Sequence[Number] | None,
    *,
    fps: Number | None,
    focal_length: Number | None,
    up: ArrayLike | Sequence[Number] | None,
    mm_per_px: Float[np.ndarray, "..."] | None,
    missing_without_influence: bool,
) -> Video:
    """Checks what `Predictor` is called with, and fills missing joints.

    Args:
        keypoints_2d: see `Predictor.__call__`; the same for those that follow.
        confidence: of the detector; None for 1, and 0 for joints that are not finite.
        image_size: width and height.
        fps: frames per second.
        focal_length: focal length, px.
        up: the world's vertical.
        mm_per_px: size of a px, for the video or for each frame.
        missing_without_influence: fill all joints of confidence 0, and not only those that are not
            finite.

    Raises:
        ValueError: names the argument, its value and what is expected.
    """
    joints = HUMAN36M.size
    # A copy, in which missing joints are filled.
    keypoints = np.array(masked.filled(keypoints_2d, np.nan), np.float32)
    if keypoints.ndim != 3 or keypoints.shape[1:] != (joints, 2) or not len(keypoints):
        raise ValueError(
            f"keypoints_2d has shape {keypoints.shape}; expected (frames, {joints}, 2)."
        )
    frames = len(keypoints)
    seen = _confidence(confidence, keypoints)
    keypoints[np.isnan(seen)] = np.nan
    seen = np.nan_to_num(seen)
    size = np.asarray(() if image_size is None else image_size)
    in_px = size.shape == (2,) and size.dtype.kind in "iuf"
    if not in_px or not ((size >= 1) & (size <= FARTHEST)).all():
        raise ValueError(f"image_size is {image_size}; expected (width, height) of the image, px.")
    if mm_per_px is not None:
        positive = np.isfinite(mm_per_px).all() and (mm_per_px > 0).all()
        if mm_per_px.shape not in ((), (frames,)) or not positive:
            raise ValueError(
                f"mm_per_px must be a positive number, or one for each of the {frames} frames."
            )
        mm_per_px = np.broadcast_to(mm_per_px, frames)
    focal = _positive("focal_length", focal_length, "the focal length, px")
    if focal < focal_range(float(size.max()))[0]:
        raise ValueError(
            f"focal_length is {focal_length} for an image of {size.max()} px; expected px, neither "
            "mm nor a share of the width."
        )
    known = np.asarray(np.isfinite(keypoints).all(-1))
    if missing_without_influence:
        known &= seen > 0
    return Video(
        keypoints_2d=_filled(keypoints, known),
        confidence=seen,
        image_size=size.astype(np.int64),
        fps=_positive("fps", fps, "frames per second"),
        focal_length=focal,
        up=_direction(up),
        mm_per_px=mm_per_px,
    )


def _confidence(
    confidence: ArrayLike | None, keypoints: Float[np.ndarray, "t j 2"]
) -> Float[np.ndarray, "t j"]:
    """Returns checked confidences, NaN for a missing joint; without them, 1 for finite joints."""
    finite = np.isfinite(keypoints).all(-1)
    if confidence is None:
        return np.where(finite, 1, np.nan).astype(np.float32)
    seen = np.array(masked.filled(confidence, 0), np.float32)
    if seen.shape != finite.shape:
        raise ValueError(f"confidence has shape {seen.shape}; expected {finite.shape}.")
    if (seen < -0.25).any() or (seen > 1.25).any():  # heat maps overshoot
        raise ValueError("confidence must be in [0, 1].")
    wrong = ~finite & (seen > 0)
    if wrong.any():
        frame, joint = np.argwhere(wrong)[0].tolist()
        raise ValueError(
            f"keypoints_2d: {HUMAN36M.joints[joint]} in frame {frame} is not finite and has "
            f"confidence {seen[frame, joint]:g}; give a missing joint confidence 0."
        )
    return seen


def _positive(name: str, value: Number | None, meaning: str) -> float:
    """Returns a number as float, NaN for None."""
    if value is None:
        return np.nan
    array = np.asarray(value)
    # What single precision takes for 0 or for infinite is neither a rate nor a length.
    if array.shape or array.dtype.kind not in "iuf" or not _TINY <= array <= _HUGE:
        raise ValueError(f"{name} is {value!r}; expected {meaning}, above 0, or None if unknown.")
    return float(array)


def _direction(up: ArrayLike | Sequence[Number] | None) -> Float[np.ndarray, "3"]:
    """Returns a vector of length 1, NaN for None."""
    if up is None:
        return np.full(3, np.nan)
    vector = np.asarray(up)
    if vector.shape != (3,) or vector.dtype.kind not in "iuf" or not np.isfinite(vector).all():
        raise ValueError(f"up is {up!r}; expected the world's vertical in camera axes, 3 numbers.")
    length = np.linalg.norm(vector.astype(np.float64))
    if not length:
        raise ValueError("up is the zero vector; expected a direction, or None if unknown.")
    return vector / length


def _filled(
    keypoints: Float[np.ndarray, "t j 2"], known: Bool[np.ndarray, "t j"]
) -> Float[np.ndarray, "t j 2"]:
    """Interpolates missing joints in time; one that is always missing is where the others are."""
    if not known.any():
        raise ValueError("keypoints_2d: all joints are missing in all frames.")
    if np.abs(keypoints[known]).max() > FARTHEST:
        raise ValueError(f"keypoints_2d: a joint is further than {FARTHEST:,} px from the image.")
    if np.abs(keypoints[known]).max() <= 2:
        raise ValueError(
            "keypoints_2d: all joints are within 2 px of the upper left corner; expected px, not "
            "normalised coordinates."
        )
    for joint in np.flatnonzero(known.any(0) & ~known.all(0)):
        there, gap = np.flatnonzero(known[:, joint]), np.flatnonzero(~known[:, joint])
        for values in keypoints[:, joint].T:
            values[gap] = np.interp(gap, there, values[there])
    never = ~known.any(0)
    keypoints[:, never] = keypoints[:, ~never].mean(1, keepdims=True)
    return keypoints
