"""Errors that the repairs of a track find, make and leave, on synthetic walkers with known errors.

    python -m benchmarks.repairs --walkers=40

Walkers of `benchmarks.scenes` for 12 s, each from another side, with white noise of 1 % of the
person's height. Outliers of 0.15 to 0.5 heights are put in one joint of every 20th frame; sides are
exchanged for 1, 5 and 15 frames; frames are left out for gaps.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from benchmarks import scenes
from repose_jax.cli.arguments import Parser, positive
from repose_jax.evaluation import tables
from repose_jax.motion.motion import MISSING, SEEN
from repose_jax.skeleton import HUMAN36M
from repose_jax.tracking import similarity
from repose_jax.tracking.gaps import fill_gaps
from repose_jax.tracking.outliers import without_outliers
from repose_jax.tracking.sides import mend_sides
from repose_jax.tracking.track import Track

RATES = (60, 30, 15)
PARTS = {"whole body": slice(0, 6), "legs": slice(0, 3), "arms": slice(3, 6)}
RUNS, GAPS = (1, 5, 15), (2, 7, 16)
SECONDS = 12

Row = dict[str, float]


def walker(seed: int, fps: int, noise: float = 0.01) -> tuple[Track, Float[np.ndarray, "t 17 2"]]:
    """Returns the track of someone who walks and turns, and the joints without noise, px."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(SECONDS * fps) / fps
    heading = rng.uniform(0, 2 * np.pi) + 0.3 * np.sin(0.7 * time_s + rng.uniform(0, 6))
    phase = 2 * np.pi * rng.uniform(0.7, 1.1) * time_s + rng.uniform(0, 6)
    x, z = 0.8 * np.sin(0.5 * time_s + rng.uniform(0, 6)), np.full(len(time_s), 5.0)
    true = scenes.project(scenes.walker(x, z, heading, phase))
    height = np.median(similarity.height(true))
    found = true + noise * height * rng.normal(size=true.shape)
    return _track(found, time_s), true


def _track(keypoints: Float[np.ndarray, "t 17 2"], time_s: Float[np.ndarray, " t"]) -> Track:
    seen = np.isfinite(keypoints[..., 0])
    sure = seen.astype(float)
    return Track(
        frame=np.arange(len(time_s)),
        time_s=time_s,
        keypoints=keypoints,
        confidence=sure,
        status=np.where(seen, SEEN, MISSING).astype(np.uint8),
        detected=np.concatenate([keypoints, sure[..., None]], axis=-1),
    )


def outliers(seed: int, fps: int) -> Row:
    """Returns shares, %, of good joints that are removed, and of outliers that are found."""
    track, _ = walker(seed, fps)
    rng = np.random.default_rng([seed, 1])
    frames = np.arange(10, len(track.frame) - 10, 20)
    joints = rng.integers(17, size=len(frames))
    angle = rng.uniform(0, 2 * np.pi, len(frames))
    size = rng.uniform(0.15, 0.5, len(frames)) * np.median(similarity.height(track.keypoints))
    keypoints = track.keypoints.copy()
    keypoints[frames, joints] += (size * [np.cos(angle), np.sin(angle)]).T
    found, _ = without_outliers(dataclasses.replace(track, keypoints=keypoints))
    bad = np.zeros(track.status.shape, bool)
    bad[frames, joints] = True
    removed = found.status == MISSING
    return {
        "good joints removed, %": 100 * removed[~bad].mean(),
        "outliers found, %": 100 * removed[bad].mean(),
    }


def sides(seed: int, fps: int, part: str) -> Row:
    """Returns the share of exchanged joints that is left after the repair, %, by their run.

    And that of the frames of a good track that the repair changes.
    """
    track, _ = walker(seed, fps)
    good, _ = mend_sides(track)
    changed = (good.keypoints != track.keypoints).any((1, 2))
    row = {"good frames changed, %": 100 * changed.mean()}
    left, right = np.array(HUMAN36M.left)[PARTS[part]], np.array(HUMAN36M.right)[PARTS[part]]
    for run in RUNS:
        starts = np.arange(2 * fps, len(track.frame) - 2 * fps, 2 * fps)
        starts += np.random.default_rng([seed, run]).integers(fps // 2, size=len(starts))
        exchanged = (starts[:, None] + np.arange(run)).ravel()
        keypoints = track.keypoints.copy()
        keypoints[np.ix_(exchanged, left)] = track.keypoints[np.ix_(exchanged, right)]
        keypoints[np.ix_(exchanged, right)] = track.keypoints[np.ix_(exchanged, left)]
        mended, _ = mend_sides(dataclasses.replace(track, keypoints=keypoints))
        before, after = (
            np.linalg.norm(found - track.keypoints, axis=-1).sum()
            for found in (keypoints, mended.keypoints)
        )
        row[f"{run} frames: displacement left, %"] = 100 * after / before
    return row


def filling(seed: int, fps: int, noise: float) -> Row:
    """Returns the mean error of filled gaps, % of the person's height, and of straight lines."""
    track, true = walker(seed, fps, noise)
    height, row = np.median(similarity.height(true)), {}
    for length in GAPS:
        starts = np.arange(fps, len(track.frame) - fps, 2 * length + 20)
        missing = (starts[:, None] + np.arange(length)).ravel()
        keypoints = track.keypoints.copy()
        keypoints[missing] = np.nan
        filled = fill_gaps(_track(keypoints, track.time_s), 2.0).keypoints[missing]
        share = ((np.arange(length) + 1) / (length + 1))[:, None, None]
        before, after = track.keypoints[starts - 1, None], track.keypoints[starts + length, None]
        line = ((1 - share) * before + share * after).reshape(filled.shape)
        for name, found in (("straight line", line), ("this cubic", filled)):
            error = np.linalg.norm(found - true[missing], axis=-1).mean()
            row[f"{length} frames, {name}"] = 100 * error / height
    return row


def measure(walkers: int) -> dict[str, dict[str, Row]]:
    """Returns the means over some walkers, by table and row."""

    def mean(rows: Sequence[Row]) -> Row:
        return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}

    seeds = range(walkers)
    return {
        "outliers": {f"{f} frames/s": mean([outliers(s, f) for s in seeds]) for f in RATES},
        "sides": {
            f"{part}, {f} frames/s": mean([sides(s, f, part) for s in seeds])
            for part in PARTS
            for f in RATES
        },
        "gaps at 30 frames/s": {
            f"noise of {noise:.1%}": mean([filling(s, 30, noise) for s in seeds])
            for noise in (0.003, 0.01)
        },
    }


def main() -> None:
    """Measures and prints."""
    parser = Parser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--walkers", type=positive, default=40, help="number of walkers, seeds from 0"
    )
    for title, rows in measure(parser.parse_args().walkers).items():
        columns = tuple(next(iter(rows.values())))
        values = {name: [row[column] for column in columns] for name, row in rows.items()}
        table = tables.Table(title, columns, values, (2,) * len(columns))
        print("\n" + tables.markdown(table).rstrip("\n"))


if __name__ == "__main__":
    main()
