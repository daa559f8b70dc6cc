"""The people of a video, from poses that were found in single frames."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from repose_jax.keypoints.detections import Detections
from repose_jax.keypoints.identity import unshared
from repose_jax.motion.motion import MISSING, SEEN
from repose_jax.tracking import similarity
from repose_jax.tracking.follow import follow
from repose_jax.tracking.join import join
from repose_jax.tracking.track import Track

_REACH = 2  # times the memory: longest gap over which tracklets are joined


def track(
    detections: Detections, *, memory_s: float = 1.0, min_length_s: float = 0.3
) -> list[Track]:
    """Follows the people of a video.

    Poses are joined from frame to frame by optimal assignment, and the tracklets that come of it by
    another one over gaps of up to twice `memory_s`. One who leaves and returns later is another
    track, unless the source of the poses gives both the same number.

    Args:
        detections: poses of all people in all frames.
        memory_s: time for which a person who is not seen is waited for, s.
        min_length_s: a person seen for less than this is left out, s; but not if the video itself
            is shorter, nor if nobody would be left.

    Returns:
        The people, those seen longest first, of equally long ones the largest; none if there is no
        pose with a joint.

    Raises:
        ValueError: a negative time.
    """
    for name, value in (("memory_s", memory_s), ("min_length_s", min_length_s)):
        if not value >= 0:
            raise ValueError(f"{name} is {value}; it must be 0 s or more.")
    identity = unshared(detections.frame, detections.identity)
    number, keypoints, confidence = follow(detections, identity, memory_s)
    times = detections.time_s[detections.frame]
    number = join(number, times, keypoints, identity, _REACH * memory_s)
    order = np.argsort(number, kind="stable")
    order = order[np.searchsorted(number[order], 0) :]
    groups = np.split(order, np.flatnonzero(np.diff(number[order])) + 1) if len(order) else []
    tracks = [_track(detections, rows, keypoints, confidence) for rows in groups]
    lengths = [len(rows) for rows in groups]
    least = _least_frames(detections.time_s, min_length_s)
    if max(lengths, default=0) >= least:
        tracks = [one for one, length in zip(tracks, lengths, strict=True) if length >= least]
    return sorted(tracks, key=lambda one: (-_seen(one).sum(), -_mean_height(one)))


def largest(tracks: Sequence[Track]) -> Track:
    """Returns the person with the largest product of mean height in the image and time seen.

    Raises:
        ValueError: no tracks.
    """
    if not tracks:
        raise ValueError("there is nobody to choose the largest of: no track.")
    return max(tracks, key=lambda one: _mean_height(one) * _seen(one).sum())


def _least_frames(time_s: Float[np.ndarray, " t"], min_length_s: float) -> float:
    """Returns the number of frames that a person must be seen in; 0 if the video is too short."""
    if len(time_s) < 2:
        return 0.0
    step = np.median(np.diff(time_s))
    span = time_s[-1] - time_s[0] + step
    return 0.0 if span <= min_length_s else float(min_length_s / step - 1e-6)


def _track(detections: Detections, rows: Int[np.ndarray, " r"], keypoints, confidence) -> Track:
    """Returns the track of some poses, with rows of NaN in the frames without one."""
    frames = detections.frame[rows]
    frame = np.arange(frames[0], frames[-1] + 1)
    points = np.full((len(frame), 17, 3), np.nan)
    points[..., 2] = 0
    at = frames - frames[0]
    known = ~np.isnan(keypoints[rows][..., 0]) & (confidence[rows] > 0)
    points[at, :, :2] = np.where(known[..., None], keypoints[rows], np.nan)
    points[at, :, 2] = np.where(known, confidence[rows], 0)
    return Track(
        frame=frame,
        time_s=detections.time_s[frame],
        keypoints=points[..., :2].copy(),
        confidence=points[..., 2].copy(),
        status=np.where(points[..., 2] > 0, SEEN, MISSING).astype(np.uint8),
        detected=points,
    )


def _seen(one: Track) -> np.ndarray:
    return np.any(one.confidence > 0, axis=1)


def _mean_height(one: Track) -> float:
    return float(similarity.height(one.keypoints[_seen(one)]).mean())
