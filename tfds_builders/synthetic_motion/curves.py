"""Curves over time that activities are made of: key values, repetitions, smooth noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

FPS = 60.0
"""Frames per second of the generated motion."""


def wander(
    rng: np.random.Generator, t: np.ndarray, shape: Sequence[int] = (), period: float = 2.5
) -> np.ndarray:
    """Smooth noise [t, *shape] of unit variance: sinusoids with periods about `period` seconds."""
    waves = 5
    frequency = rng.uniform(0.2, 1.6, (waves, *shape)) / period
    phase = rng.uniform(0, 2 * np.pi, (waves, *shape))
    t = t.reshape(-1, *[1] * (1 + len(shape)))
    return np.sqrt(2 / waves) * np.sin(2 * np.pi * frequency * t + phase).sum(axis=1)


def curve(x: np.ndarray, points, periodic: bool = False) -> np.ndarray:
    """Monotone cubic interpolation (Fritsch & Carlson, 1980): smooth and without overshoot.

    Args:
        x: [t] where to evaluate; beyond the points the end values hold.
        points: pairs (position, value), sorted; a value is a number or a tuple of [c] numbers.
        periodic: the curve repeats with period 1.

    Returns:
        [t] or [t, c] values.
    """
    at = np.array([position for position, _ in points], float)
    values = np.array([value for _, value in points], float)
    if periodic:
        x = x % 1
        at = np.concatenate([at - 1, at, at + 1])
        values = np.concatenate([values, values, values])
        at, first = np.unique(at, return_index=True)
        values = values[first]
    width = np.diff(at).reshape(-1, *[1] * (values.ndim - 1))
    secants = np.diff(values, axis=0) / width
    before, after = secants[:-1], secants[1:]
    same = before * after > 0
    total = np.where(same, before + after, 1)
    slopes = np.zeros_like(values)
    slopes[1:-1] = np.where(same, 2 * before * after / total, 0)  # harmonic mean
    return hermite(x, at, values, slopes)


def hermite(x: np.ndarray, at: np.ndarray, values: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    """Cubic interpolation of `values` [n, ...] with `slopes` [n, ...] at positions `at` [n]."""
    x = np.clip(x, at[0], at[-1])
    k = np.clip(np.searchsorted(at, x, side="right") - 1, 0, len(at) - 2)
    trailing = [1] * (values.ndim - 1)
    width = np.diff(at)[k].reshape(-1, *trailing)
    u = (x - at[k]).reshape(-1, *trailing) / width
    blend = u * u * (3 - 2 * u)
    bend = u * (1 - u) * ((1 - u) * slopes[k] - u * slopes[k + 1])
    return values[k] * (1 - blend) + values[k + 1] * blend + width * bend


def repeats(
    rng: np.random.Generator, t: np.ndarray, period: float
) -> tuple[np.ndarray, Callable[[float, float], np.ndarray]]:
    """Splits the time into repetitions of about `period` seconds, no two of the same length.

    Returns:
        phase [t] in [0, 1) within the repetition, and `draw(low, high)`, which gives a random
        number [t] that is constant within a repetition.
    """
    count = int((t[-1] - t[0]) / (0.75 * period)) + 3
    starts = np.cumsum(period * rng.uniform(0.8, 1.2, count)) + t[0] - 1.2 * period
    index = np.searchsorted(starts, t, side="right")
    edges = np.concatenate([[t[0] - 2.4 * period], starts])
    duration = np.diff(edges, append=starts[-1] + period)[index]
    phase = (t - edges[index]) / duration

    def draw(low: float, high: float) -> np.ndarray:
        return rng.uniform(low, high, count + 1)[index]

    return phase, draw


def poses(rng: np.random.Generator, t: np.ndarray, choices, hold: tuple, move: tuple) -> np.ndarray:
    """Goes from one of the `choices` (tuples of [c] numbers) to another, holding each a while.

    Returns:
        [t, c] values.
    """
    choices = np.array(choices, float)
    points, now, last = [], t[0], -1
    while not points or now < t[-1]:
        pick = rng.choice([i for i in range(len(choices)) if i != last or len(choices) == 1])
        end = now + rng.uniform(*hold)
        points += [(now, choices[pick]), (end, choices[pick])]
        now, last = end + rng.uniform(*move), pick
    return curve(t, points)


def smooth(x: np.ndarray, seconds: float = 0.03) -> np.ndarray:
    """Rounds the corners of `x` [t, ...] with a Gaussian of this standard deviation."""
    reach = int(3 * seconds * FPS) + 1
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / (seconds * FPS)) ** 2)
    padded = np.pad(x, [(reach, reach)] + [(0, 0)] * (x.ndim - 1), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, len(kernel), axis=0)
    return windows @ (kernel / kernel.sum())
