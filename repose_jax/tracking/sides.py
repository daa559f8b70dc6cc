"""Left and right that a detector exchanged in some frames of a track."""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float, Int

from repose_jax.skeleton import HUMAN36M
from repose_jax.tracking import similarity
from repose_jax.tracking.track import Track

_PAIRS = np.array(list(zip(HUMAN36M.left, HUMAN36M.right, strict=True)))
_LEGS, _ARMS = _PAIRS[:3], _PAIRS[3:]
# Motion, in heights of the person, that a change of the sides of legs or arms alone, or of both at
# once, must save; and that it must save for a repair at either end of a run.
_MARGIN, _MARGIN_BOTH = 0.18, 0.24
_CLEAR, _CLEAR_BOTH = 0.2, 0.36
# Price, in heights a second, of the time exchanged: long runs need stronger evidence at their ends,
# or two chance changes with half a minute between them would exchange all of it.
_SWAPPED = 0.18
_STEP = 0.04  # s; in longer steps more motion is to be expected, and more must be saved
_LONGEST_STEP = 0.25  # s, over which joints are compared
_MOST = 0.4  # share of the frames, above which it is unclear which side is which
_LISTED = 3  # periods named in a sentence
# A state is found (0), legs (1), arms (2) or both (3) exchanged; the change between two states:
_CHANGE = np.arange(4)[:, None] ^ np.arange(4)


def mend_sides(track: Track) -> tuple[Track, list[str]]:
    """Exchanges left and right back in frames where a detector exchanged them, if that is clear.

    The most probable sequence of states (as found, exchanged) is that of least motion of the joints
    from frame to frame, relative to the body, with a price for each change of state. One who turns
    round does not change it: the joints of both sides meet and pass, they do not jump.

    Args:
        track: the person.

    Returns:
        The track with `keypoints`, `confidence` and `status` exchanged where it is clear, and a
        sentence for each kind of repair or doubt, with the number of frames and their times.
    """
    heights = similarity.height(track.keypoints)
    rows = np.flatnonzero(np.isfinite(track.keypoints[:, _PAIRS.ravel(), 0]).sum(1) >= 4)
    if len(rows) < 3:
        return track, []
    # A person may be a point: then motion in heights shows nothing.
    gains = _saved(track, rows, max(float(np.nanmedian(heights)), 1.0))
    state = _viterbi(gains, np.diff(track.time_s[rows]))
    swapped = np.zeros((2, len(track.frame)), bool)
    clear = swapped.copy()
    for part in range(2):
        of_part = (state >> part & 1).astype(bool)
        swapped[part, rows] = of_part
        if np.count_nonzero(of_part) <= _MOST * len(rows):
            clear[part, rows] = of_part & _clear(state, part, gains)
    for pairs, frames in zip((_LEGS, _ARMS), clear, strict=True):
        track = _exchanged(track, pairs, frames)
    repaired = "Left and right of {} were exchanged back in {}."
    doubtful = (
        "Left and right of {} may be exchanged in {}; they were left as they are, as it is not "
        "clear which is right."
    )
    return track, _sentences(track, clear, repaired) + _sentences(track, swapped & ~clear, doubtful)


def _sentences(track: Track, frames: Bool[np.ndarray, "2 t"], form: str) -> list[str]:
    """Returns a sentence for each of body, legs, arms of which there are frames."""
    legs, arms = frames
    parts = (("the body", legs & arms), ("the legs", legs & ~arms), ("the arms", arms & ~legs))
    return [form.format(name, _when(track, rows)) for name, rows in parts if rows.any()]


def _saved(track: Track, rows: np.ndarray, height: float) -> Float[np.ndarray, "s 2"]:
    """Returns the motion, in heights, that a change of sides saves in each step.

    That of legs and of arms; NaN over a gap.
    """
    points, weights = track.keypoints[rows], track.confidence[rows]
    # Relative to the body: of one who is near and fast everything moves.
    moved = np.nan_to_num(_median(points[1:] - points[:-1]))[:, None]
    saved = np.zeros((len(rows) - 1, 2))
    for part, pairs in enumerate((_LEGS, _ARMS)):
        joint, other = np.concatenate([pairs, pairs[:, ::-1]]).T
        kept = np.linalg.norm(points[1:, joint] - points[:-1, joint] - moved, axis=-1)
        crossed = np.linalg.norm(points[1:, other] - points[:-1, joint] - moved, axis=-1)
        # A joint without its counterpart shows no side.
        weight = np.minimum(weights[1:, joint], weights[:-1, joint])
        weight = np.minimum(weight, np.minimum(weights[1:, other], weights[:-1, other]))
        saved[:, part] = (weight * np.nan_to_num(kept - crossed)).sum(1) / height
    step_s = np.diff(track.time_s[rows])
    saved[step_s > _LONGEST_STEP] = np.nan
    return saved / np.maximum(step_s / _STEP, 1)[:, None]


def _median(steps: Float[np.ndarray, "s j 2"]) -> Float[np.ndarray, "s 2"]:
    """Returns the median over the joints that are not NaN; NaN if there is none."""
    result = np.full((len(steps), 2), np.nan)
    some = np.isfinite(steps[..., 0]).any(1)
    result[some] = np.nanmedian(steps[some], axis=1)
    return result


def _viterbi(
    gains: Float[np.ndarray, "s 2"], step_s: Float[np.ndarray, " s"]
) -> Int[np.ndarray, " t"]:
    """Returns the cheapest sequence of states, of one more frame than there are steps."""
    legs, arms = gains.T
    change = np.stack(
        [0 * legs, _MARGIN - legs, _MARGIN - arms, _MARGIN_BOTH - legs - arms], axis=1
    )
    change = np.nan_to_num(change)  # over a gap any change is free
    prices = _SWAPPED * np.array([0, 1, 1, 2]) * np.minimum(step_s, _LONGEST_STEP)[:, None]
    cost, back = prices[0], np.zeros((len(change), 4), int)
    for step, of_change in enumerate(change):
        table = cost[:, None] + of_change[_CHANGE]
        back[step] = table.argmin(0)
        cost = table.min(0) + prices[step]
    state = np.zeros(len(change) + 1, int)
    state[-1] = cost.argmin()
    for step in range(len(change), 0, -1):
        state[step - 1] = back[step - 1, state[step]]
    return state


def _clear(
    state: Int[np.ndarray, " t"], part: int, gains: Float[np.ndarray, "s 2"]
) -> Bool[np.ndarray, " t"]:
    """Returns the frames of runs at whose ends the change of sides saves enough."""
    changed = state[1:] ^ state[:-1]
    margin = np.where(changed == 3, gains.sum(1) - _CLEAR_BOTH, gains[:, part] - _CLEAR)
    result = np.zeros(len(state), bool)
    edges = np.flatnonzero(np.diff(state >> part & 1, prepend=0, append=0))
    for start, stop in edges.reshape(-1, 2):
        # A run at an end of the track, or beside a gap, has one end that can be seen.
        ends = [margin[at - 1] for at in (start, stop) if 0 < at < len(state)]
        known = [value for value in ends if not np.isnan(value)]
        result[start:stop] = bool(known) and min(known) > 0
    return result


def _exchanged(track: Track, pairs: np.ndarray, rows: Bool[np.ndarray, " t"]) -> Track:
    order = np.arange(track.keypoints.shape[1])
    order[pairs[:, 0]], order[pairs[:, 1]] = pairs[:, 1], pairs[:, 0]

    def swap(values):
        values = values.copy()
        values[rows] = values[rows][:, order]
        return values

    return dataclasses.replace(
        track,
        keypoints=swap(track.keypoints),
        confidence=swap(track.confidence),
        status=swap(track.status),
    )


def _when(track: Track, rows: Bool[np.ndarray, " t"]) -> str:
    """Returns the number of frames and the periods they lie in."""
    edges = np.flatnonzero(np.diff(rows.astype(np.int8), prepend=0, append=0)).reshape(-1, 2)
    periods = [
        f"{track.time_s[a]:.2f} s"
        if b - a == 1
        else f"{track.time_s[a]:.2f} to {track.time_s[b - 1]:.2f} s"
        for a, b in edges[:_LISTED]
    ]
    more = f" and {len(edges) - _LISTED} more periods" if len(edges) > _LISTED else ""
    count = np.count_nonzero(rows)
    return f"{count} frame{'s' if count > 1 else ''} ({', '.join(periods)}{more})"
