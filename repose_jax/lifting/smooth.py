"""Smoothing without delay: a Butterworth filter forwards and backwards in time."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float
from scipy import signal

# A filter of order 2 that is applied twice is 3 dB down at this share of its cutoff.
_TWICE = (math.sqrt(2) - 1) ** 0.25
_SHORTEST = 4  # frames
_LEAST = 1e-5  # cutoff over half the frame rate, below which the filter has no digits left


def butterworth(
    positions: Float[np.ndarray, "t ..."],
    time_s: Float[np.ndarray, " t"],
    cutoff_hz: float,
    *,
    segments: Sequence[tuple[int, int]] | None = None,
) -> tuple[Float[np.ndarray, "t ..."], str | None]:
    """Smooths positions with a zero-phase Butterworth filter of order 4.

    The filter of biomechanics: order 2 forwards and backwards, 3 dB down at the cutoff. Every
    segment is filtered alone and is extended at its ends by its own point reflection.

    Args:
        positions: finite values over time, in any unit.
        time_s: time of each, s; uniform, as the filter is defined by it.
        cutoff_hz: frequency above which motion counts as noise, Hz.
        segments: first row and row after the last of each part to be filtered; between them lie
            gaps that must not be filtered across. The whole if None.

    Returns:
        The smoothed positions, and why they (or some of them) are unchanged, as a sentence; None if
        all were filtered.

    Raises:
        ValueError: a cutoff that is not positive, values that are not finite, or times that are not
            uniform.
    """
    if not cutoff_hz > 0:
        raise ValueError(f"the cutoff of the smoothing is {cutoff_hz} Hz; it must be positive.")
    if len(positions) < _SHORTEST:
        return positions, f"Not smoothed: fewer than {_SHORTEST} frames."
    step = _step(time_s)
    if cutoff_hz >= 0.5 / step:
        return positions, (
            f"Not smoothed: a cutoff of {cutoff_hz:g} Hz needs more than {2 * cutoff_hz:g} "
            f"frames/s, and there are {1 / step:.1f}."
        )
    # Divided as the bilinear transform warps frequencies.
    once = 2 / math.pi * math.atan(math.tan(math.pi * cutoff_hz * step) / _TWICE)
    if once < _LEAST:
        return positions, (
            f"Not smoothed: a cutoff of {cutoff_hz:g} Hz is too low for {1 / step:.6g} frames/s."
        )
    sections = signal.butter(2, once, output="sos")
    padding = math.ceil(4 / once)
    smoothed, short = positions.copy(), False
    for start, stop in [(0, len(positions))] if segments is None else segments:
        part = positions[start:stop]
        if not np.isfinite(part).all():
            raise ValueError(f"frames {start} to {stop - 1} to be smoothed are not all finite.")
        if len(part) < _SHORTEST:
            short = True
            continue
        smoothed[start:stop] = signal.sosfiltfilt(
            sections, part, axis=0, padlen=min(padding, len(part) - 1)
        )
    problem = f"Not smoothed where fewer than {_SHORTEST} frames lie between gaps."
    return smoothed, problem if short else None


def segments(present: Bool[np.ndarray, " t"]) -> list[tuple[int, int]]:
    """Returns the first row and the row after the last of each run of true values."""
    edges = np.flatnonzero(np.diff(present.astype(np.int8), prepend=0, append=0))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def _step(time_s) -> float:
    """Returns the step of uniform times, s; time stamps may be rounded to milliseconds."""
    step = float(time_s[-1] - time_s[0]) / (len(time_s) - 1)
    off = np.abs(time_s - (time_s[0] + step * np.arange(len(time_s)))).max()
    if off > 0.5 * step:
        raise ValueError(
            f"the times of the frames to be smoothed are not uniform: one is {1000 * off:.0f} ms "
            f"off a step of {1000 * step:.1f} ms. Resample them first."
        )
    return step
