"""Tracklets: poses joined from frame to frame by optimal assignment."""

import itertools

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment

from repose_jax.keypoints.detections import Detections
from repose_jax.tracking import similarity

# Least similarity of a pose to the track that it belongs to; more is needed in the next frame, less
# and less over time, s.
_GATE, _GATE_AT_ONCE, _GATE_TIME = 0.15, 0.25, 0.2
_YOUNG = 3  # poses, before which the velocity is not known
_CERTAIN = 0.6  # similarity below which poses of such tracks must have the same shape as well
_SAME_SHAPE = 0.6  # least OKS of two poses about their middles,
_SHAPE_TIME = 0.5  # falling over time, s
_SAME_IDENTITY = 0.2  # added to the similarity where the source gives both the same number
_VELOCITY_TIME = 0.1  # s, time constant of the exponential mean of the velocity
_LOOSENING = 1.0  # 1/s, growth of OKS's spread while a person is not seen
_SIZE_TIME = 0.2  # s, time constant of the mean of a person's size
_HEIGHT = 0.12  # logarithm of a ratio of heights that weakens a pair in the assignment
_WITNESS_TIME = 0.25  # s without a sight that halve the weight of a track in the assignment
_DUPLICATE = 0.8  # OKS of two poses of one person in the same frame
_LARGEST_RATIO = 2.0  # of the sizes of one person before and after a gap of a frame


class _Live:
    """The tracks that a pose of the next frame may belong to, as arrays with a row for each."""

    def __init__(self):
        self.number = np.zeros(0, int)
        self.pose = np.zeros((0, 17, 2))
        self.velocity = np.zeros((0, 2))  # px/s, of the whole body
        self.size = np.zeros(0)
        self.height = np.zeros(0)  # px
        self.seen_s = np.zeros(0)
        self.count = np.zeros(0, int)
        self.identity = np.zeros(0, int)

    def forget(self, before_s: float):
        if np.any(self.seen_s < before_s):
            rows = self.seen_s >= before_s
            for name, value in vars(self).items():
                setattr(self, name, value[rows])

    def add(self, number, pose, size, height, time_s, identity):
        new = (number, pose, np.zeros((len(number), 2)), size, height, np.full(len(number), time_s))
        new = (*new, np.ones(len(number), int), identity)
        for (name, value), more in zip(vars(self).items(), new, strict=True):
            setattr(self, name, np.concatenate([value, more]))

    def update(self, rows, pose, size, height, time_s, identity):
        elapsed = time_s - self.seen_s[rows]
        step = pose - self.pose[rows]
        known = ~np.isnan(step[..., 0])
        moved = np.where(known[..., None], step, 0).sum(1) / np.maximum(known.sum(1), 1)[:, None]
        # A plain mean of the first steps, which an exponential one would draw towards 0.
        rate = np.maximum(1 - np.exp(-elapsed / _VELOCITY_TIME), 1 / self.count[rows])
        change = moved / elapsed[:, None] - self.velocity[rows]
        self.velocity[rows] += rate[:, None] * change
        # A joint that is not found moves with the body until it is.
        carried = self.pose[rows] + moved[:, None]
        self.pose[rows] = np.where(np.isnan(pose), carried, pose)
        share = np.minimum(1, elapsed / _SIZE_TIME)
        self.size[rows] += share * (size - self.size[rows])
        self.height[rows] += share * (height - self.height[rows])
        self.seen_s[rows] = time_s
        self.count[rows] += 1
        self.identity[rows] = np.where(identity >= 0, identity, self.identity[rows])


def follow(
    detections: Detections, identity: Int[np.ndarray, " n"], memory_s: float
) -> tuple[Int[np.ndarray, " n"], Float[np.ndarray, "n 17 2"], Float[np.ndarray, "n 17"]]:
    """Joins poses from frame to frame into tracklets.

    In each frame an optimal assignment finds the track of each pose: by the similarity of the pose
    to the last one of the track, moved with the track's own velocity. A second pose of a person in
    a frame is left out; joints that only it has are taken over.

    Args:
        detections: poses of a video.
        identity: number of the person of each pose by the source, -1 if none.
        memory_s: time for which a person who is not seen is waited for, s.

    Returns:
        The tracklet of each pose, -1 for one left out, and the keypoints and confidence to use.
    """
    confidence = detections.confidence.copy()
    keypoints = np.where(confidence[..., None] > 0, detections.keypoints, np.nan)
    usable = np.any(~np.isnan(keypoints[..., 0]), axis=1)
    number = np.full(len(keypoints), -1)
    extent = similarity.box(keypoints)
    extent = extent[:, 2:] - extent[:, :2]
    # Of a person seen from the side the box is narrow, and of one who lies it is flat.
    sizes = np.sqrt(extent.prod(1) * 0.5 + extent.max(1) ** 2 * 0.15)
    heights = extent.max(1)
    live, created = _Live(), 0
    bounds = np.searchsorted(detections.frame, np.arange(len(detections.time_s) + 1)).tolist()
    for time_s, (start, stop) in zip(
        detections.time_s.tolist(), itertools.pairwise(bounds), strict=True
    ):
        if start == stop:
            continue
        rows = np.flatnonzero(usable[start:stop]) + start
        if len(rows) > 1:
            rows = _without_duplicates(rows, keypoints, confidence, sizes, detections.score)
        live.forget(time_s - memory_s)
        tracks, found = _assign(
            live, keypoints[rows], sizes[rows], heights[rows], identity[rows], time_s
        )
        matched = rows[found]
        number[matched] = live.number[tracks]
        live.update(
            tracks, keypoints[matched], sizes[matched], heights[matched], time_s, identity[matched]
        )
        if len(found) < len(rows):
            new = np.delete(rows, found)
            number[new] = np.arange(created, created + len(new))
            created += len(new)
            live.add(number[new], keypoints[new], sizes[new], heights[new], time_s, identity[new])
    return number, keypoints, confidence


def _without_duplicates(rows, keypoints, confidence, sizes, score):
    """Returns the rows of a frame without second poses of a person, whose joints it merges."""
    order = rows[np.argsort(-score[rows] * (confidence[rows] > 0).sum(1), kind="stable")]
    alike = similarity.oks(keypoints[order], keypoints[order], sizes[order])
    alike = np.maximum(alike, alike.T) > _DUPLICATE
    if np.count_nonzero(alike) <= len(order):
        return rows
    kept: list[int] = []
    for i, row in enumerate(order):
        first = next((j for j in kept if alike[i, j]), None)
        if first is None:
            kept.append(i)
            continue
        lacks = np.isnan(keypoints[order[first], :, 0])
        keypoints[order[first], lacks] = keypoints[row, lacks]
        confidence[order[first], lacks] = confidence[row, lacks]
    return np.sort(order[kept])


def _assign(live: _Live, poses, sizes, heights, identity, time_s):
    """Returns rows of `live` and of `poses` that belong together."""
    if not len(live.number) or not len(poses):
        return np.zeros(0, int), np.zeros(0, int)
    elapsed = time_s - live.seen_s
    predicted = live.pose + (live.velocity * elapsed[:, None])[:, None]
    likeness = similarity.similarity(predicted, poses, live.size, 1 + _LOOSENING * elapsed)
    same = (live.identity[:, None] == identity) & (identity >= 0)
    ratio = live.size[:, None] / np.maximum(sizes, 1e-6)
    change = np.maximum(ratio, 1 / np.maximum(ratio, 1e-6))
    plausible = (likeness > 0.02) & (change < _LARGEST_RATIO)
    likeness = np.where(plausible, likeness + _SAME_IDENTITY * same, 0)
    young = live.count < _YOUNG
    gate = _GATE + ~young * _GATE_AT_ONCE * np.exp(-elapsed / _GATE_TIME)
    likeness = np.where(likeness >= gate[:, None], likeness, 0)
    # Of two tracks that may be exchanged, one seen lately is the better witness. Heights help to
    # choose; they do not exclude a pair, as people crouch and are cut off.
    witness = 1 / (1 + elapsed / _WITNESS_TIME)
    taller = np.log(np.maximum(live.height[:, None], 1e-6) / np.maximum(heights, 1e-6))
    as_tall = np.exp(-0.5 * (taller / _HEIGHT) ** 2)
    track, pose = linear_sum_assignment(-likeness * witness[:, None] * as_tall)
    value = likeness[track, pose]
    good = value > 0
    for pair in np.flatnonzero(good & young[track] & (value < _CERTAIN)):
        row = track[pair]
        good[pair] = _shape(live, row, poses[pose[pair]]) >= _SAME_SHAPE * np.exp(
            -elapsed[row] / _SHAPE_TIME
        )
    return track[good], pose[good]


def _shape(live: _Live, row, pose) -> float:
    """Returns how much a pose is like the last one of a track but for its place."""
    step = pose - live.pose[row]
    known = ~np.isnan(step[:, 0])
    there = live.pose[row] + np.median(step[known], axis=0)
    return float(similarity.oks(there[None], pose[None], live.size[[row]])[0, 0])
