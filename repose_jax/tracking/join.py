"""Tracklets of one person joined over longer gaps, by where they end and start."""

import dataclasses
import itertools

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from repose_jax.tracking import similarity

_TORSO = (0, 1, 4, 7, 8, 11, 14)
_FIT_S = 0.5  # s at either end over which the velocity is fitted
_SLACK = 0.1  # heights by which the positions may differ at once,
_SLACK_RATE = 0.6  # and heights a second that come to it in a gap
_SLACK_IDENTITY = (1.0, 4.0)  # the same where the source gives both the same number
_LOG_RATIO = 0.4  # of the sizes before and after
_BONUS = 1.0  # off the cost where the source gives both the same number


@dataclasses.dataclass(frozen=True, eq=False)
class _Ends:
    """One end of each tracklet."""

    time_s: Float[np.ndarray, " k"]
    centre: Float[np.ndarray, "k 2"]  # px
    velocity: Float[np.ndarray, "k 2"]  # px/s; NaN where the tracklet is too short to have one
    height: Float[np.ndarray, " k"]  # px
    identity: Int[np.ndarray, " k"]

    def __getitem__(self, rows) -> "_Ends":
        return _Ends(*(value[rows] for value in vars(self).values()))


def join(
    number: Int[np.ndarray, " n"],
    time_s: Float[np.ndarray, " n"],
    keypoints: Float[np.ndarray, "n 17 2"],
    identity: Int[np.ndarray, " n"],
    reach_s: float,
) -> Int[np.ndarray, " n"]:
    """Joins tracklets by a second assignment, of ends to starts.

    An end and a start fit if a steady walk from one to the other agrees with the velocities of both
    and the sizes are alike; one of the two must be long enough to have a velocity. Over a gap
    longer than `reach_s` only tracklets to which the source gives the same number are joined, if a
    person can have come so far.

    Args:
        number: tracklet of each pose; -1 for none.
        time_s: time of each pose, not decreasing, s.
        keypoints: the poses, px.
        identity: number of the person by the source, -1 if none.
        reach_s: longest gap that is bridged without such a number, s.

    Returns:
        The number of each pose, the same for tracklets that were joined.
    """
    count = number.max(initial=-1) + 1
    if count < 2:
        return number
    first, last = _ends(number, time_s, keypoints, identity, count)
    before, after = _candidates(first, last, reach_s)
    cost, good = _cost(last[before], first[after], reach_s)
    before, after, cost = before[good], after[good], cost[good]
    follower = np.arange(count)
    for rows in _components(before, after, count):
        ends, e = np.unique(before[rows], return_inverse=True)
        starts, s = np.unique(after[rows], return_inverse=True)
        # Leaving a tracklet alone costs more than the worst pair that fits.
        table = np.full((len(ends), len(starts)), 10.0)
        table[e, s] = cost[rows]
        for i, j in zip(*linear_sum_assignment(table), strict=True):
            if table[i, j] < 10:
                follower[starts[j]] = ends[i]
    # Ends come before starts, so that in order of time each takes the number of the first.
    for tracklet in np.argsort(first.time_s, kind="stable"):
        follower[tracklet] = follower[follower[tracklet]]
    return np.where(number >= 0, follower[number], -1)


def _ends(number, time_s, keypoints, identity, count) -> tuple[_Ends, _Ends]:
    """Returns the starts and the ends of all tracklets."""
    order = np.argsort(number, kind="stable")
    order = order[np.searchsorted(number[order], 0) :]
    bounds = np.searchsorted(number[order], np.arange(count + 1))
    firsts, lasts = [], []
    for start, stop in itertools.pairwise(bounds):
        rows = order[start:stop]
        head = rows[: np.searchsorted(time_s[rows], time_s[rows[0]] + _FIT_S, "right")]
        tail = rows[np.searchsorted(time_s[rows], time_s[rows[-1]] - _FIT_S) :]
        for side, part, at in ((firsts, head, rows[0]), (lasts, tail, rows[-1])):
            side.append((time_s[at], *_fit(time_s[part], keypoints[part], time_s[at])))
            numbers = identity[part][identity[part] >= 0]
            side[-1] += (np.bincount(numbers).argmax() if len(numbers) else -1,)
    return _stack(firsts), _stack(lasts)


def _stack(ends) -> _Ends:
    return _Ends(*(np.array(column) for column in zip(*ends, strict=True)))


def _fit(time_s, poses, at):
    """Returns centre and velocity at a time, and the height, of some poses of a person."""
    torso = poses[:, _TORSO]
    poses_of = torso if np.isfinite(torso).all() else poses
    known = ~np.isnan(poses_of[..., 0])
    centre = np.where(known[..., None], poses_of, 0).sum(1) / known.sum(1)[:, None]
    height = np.median(similarity.height(poses))
    span = time_s - at
    if len(span) < 3 or np.ptp(span) < 0.1:
        return centre[np.abs(span).argmin()], np.full(2, np.nan), height
    slope, offset = np.polyfit(span, centre, 1)
    return offset, slope, height


def _candidates(first: _Ends, last: _Ends, reach_s) -> tuple[np.ndarray, np.ndarray]:
    """Returns pairs of an end and a later start, near in time or of the same identity."""
    order = np.argsort(first.time_s, kind="stable")
    starts = first.time_s[order]
    low = np.searchsorted(starts, last.time_s, "right")
    high = np.searchsorted(starts, last.time_s + reach_s, "right")
    pairs = [
        (np.full(b - a, end), order[a:b]) for end, (a, b) in enumerate(zip(low, high, strict=True))
    ]
    for identity in np.unique(last.identity[last.identity >= 0]):
        same_ends = np.flatnonzero(last.identity == identity)
        same_starts = order[first.identity[order] == identity]
        # The next start alone: what follows it belongs to it.
        at = np.searchsorted(first.time_s[same_starts], last.time_s[same_ends], "right")
        inside = at < len(same_starts)
        pairs.append((same_ends[inside], same_starts[at[inside]]))
    before, after = (np.concatenate(part) for part in zip(*pairs, strict=True))
    unique = np.unique(np.stack([before, after], 1), axis=0)
    return unique[:, 0], unique[:, 1]


def _cost(
    end: _Ends, start: _Ends, reach_s: float
) -> tuple[Float[np.ndarray, " p"], Bool[np.ndarray, " p"]]:
    """Returns the cost of each pair in [0, 3], and whether it may be joined."""
    gap = start.time_s - end.time_s
    same = (end.identity == start.identity) & (end.identity >= 0)
    size = np.maximum(0.5 * (end.height + start.height), 1e-6)
    known = np.isfinite(end.velocity[:, 0]) | np.isfinite(start.velocity[:, 0])
    forward = end.centre + np.nan_to_num(end.velocity) * gap[:, None] - start.centre
    backward = start.centre - np.nan_to_num(start.velocity) * gap[:, None] - end.centre
    apart = 0.5 * (np.linalg.norm(forward, axis=1) + np.linalg.norm(backward, axis=1)) / size
    # One who turned round out of sight is where they were last, whatever their velocity.
    straight = np.linalg.norm(start.centre - end.centre, axis=1) / size
    apart = np.where(same, np.minimum(apart, straight), apart)
    allowed = np.where(
        same,
        _SLACK_IDENTITY[0] + _SLACK_IDENTITY[1] * gap,
        _SLACK + _SLACK_RATE * gap,
    )
    ratio = np.abs(np.log(np.maximum(end.height, 1e-6) / np.maximum(start.height, 1e-6)))
    good = (
        (apart <= allowed)
        & (ratio <= _LOG_RATIO * (1 + same))
        & (same | (known & (gap <= reach_s)))
    )
    return apart / allowed + ratio / _LOG_RATIO + _BONUS * ~same, good


def _components(before, after, count):
    """Yields the pairs of each group of tracklets that no pair connects to another group."""
    if not len(before):
        return
    pairs = coo_array((np.ones(len(before)), (before, after + count)), (2 * count, 2 * count))
    label = connected_components(pairs, directed=False)[1][before]
    order = np.argsort(label, kind="stable")
    yield from np.split(order, np.flatnonzero(np.diff(label[order])) + 1)
