"""Live lifting: time for a pose, and its error by the window and the delay.

    python -m benchmarks.live cmu_mocap/30fps:test --data_dir=DIR --seconds=4
    python -m benchmarks.live --video=examples/walk.mp4

The first pushes the detections of the first seconds of some views into `repose_jax.lifting.live`,
frame by frame, and compares the poses with the truth and with lifting the whole view afterwards.
Frames of the first two seconds, whose windows are not full yet, do not count. Run it with one core:
`taskset -c 0`. Times are CPU time of the process for a push, the median; the 3D jitter is the mean
second difference of joints in mm/frame^2.

The second plays a video as a camera to detector and lifter, as `repose live` does: poses per
second, the delay from a frame to its pose, and how many frames were dropped; with the next frame
detected while one is lifted, and with one after the other; with two detectors.
"""

import argparse
import os
import pathlib
import sys
import time
from typing import Any

import numpy as np

import repose_jax as rp
from benchmarks import runs
from repose_jax.cli.arguments import Parser, positive
from repose_jax.cli.environment import start_jax
from repose_jax.data import sequences
from repose_jax.detectors import create
from repose_jax.detectors.newest import Newest
from repose_jax.detectors.video import open_video
from repose_jax.evaluation import tables
from repose_jax.lifting.live import Live
from repose_jax.lifting.options import Options
from repose_jax.lifting.session import Session
from repose_jax.runtime import terminal

RESULTS = pathlib.Path(__file__).parent / "results"
SETTINGS = (
    {"frames": 81, "fps": 30, "delay": 0},
    {"frames": 41, "fps": 15, "delay": 0},
    {"frames": 41, "fps": 15, "delay": 2},
    {"frames": 27, "fps": 15, "delay": 0},
    {"frames": 27, "fps": 15, "delay": 2},
)
WARM_UP_S = 2.0
_MEANWHILE = "the next frame detected meanwhile"
PLAYED = ("poses/s", "delay ms", "95 % within ms", "dropped %", "CPU ms a frame")
COLUMNS = ("delay s", "CPU ms a pose", "MPJPE mm", "from offline mm", "jitter", "jitter, no filter")


@runs.one_line
def main() -> None:
    """Measures, prints a table and writes it."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "split", nargs="?", help="a prepared test split of views, such as cmu_mocap/30fps:test"
    )
    parser.add_argument("--data_dir", help="folder of the prepared datasets; TFDS's default")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each view")
    parser.add_argument("--views", type=positive, default=4, help="number of views, evenly chosen")
    parser.add_argument("--video", type=pathlib.Path, help="a video of one person, to play")
    parser.add_argument("--rounds", type=positive, default=3, help="how often the video is played")
    parser.add_argument("--json", type=pathlib.Path, help="the result")
    args = parser.parse_args()
    if (args.split is None) == (args.video is None):
        parser.error("give a split, or --video.")
    start_jax()
    predictor = rp.load()
    if args.split is None:
        return _play(predictor, args.video, args.rounds, args.json or RESULTS / "live_video.json")
    views = _views(args.split, args.data_dir, args.views, args.seconds)
    for view in views:
        view["offline"] = predictor(
            view["keypoints"], view["confidence"], view["size"], fps=view["fps"]
        )
    rows = {}
    for setting in SETTINGS:
        name = "{frames} frames at {fps}/s, {delay} ahead".format(**setting)
        rows[name] = _measure(predictor, views, setting)
        print(name, rows[name], flush=True)
    runs.save(
        args.json or RESULTS / "live.json",
        views=[view["name"] for view in views],
        seconds=args.seconds,
        columns=COLUMNS,
        results=rows,
    )
    table = tables.Table("Live lifting", COLUMNS, {n: tuple(r) for n, r in rows.items()}, digits=2)
    print(tables.markdown(table))


def _play(predictor: rp.Predictor, video: pathlib.Path, rounds: int, path: pathlib.Path) -> None:
    """Plays a video in all ways by turns, prints a table and writes it."""
    rows: dict[str, list[float]] = {}
    ways = {
        f"{detector}, {how}": (detector, how == _MEANWHILE)
        for detector in ("blazepose", "blazepose-int8")
        for how in (_MEANWHILE, "one after the other")
    }
    found = {name: [] for name in ways}
    _played(predictor, video, "blazepose", overlap=True)  # compiles, and reads what is read once
    for _ in range(rounds):
        for name, (detector, overlap) in ways.items():
            found[name].append(_played(predictor, video, detector, overlap=overlap))
            print(name, found[name][-1][1:], flush=True)
    for name, played in found.items():
        delays = np.concatenate([one[0] for one in played])
        wall, cpu, frames, lifted = np.sum([one[1:] for one in played], axis=0)
        middle, most = 1000 * np.percentile(delays, (50, 95))
        dropped = 100 * (1 - lifted / frames)
        rows[name] = [len(delays) / wall, middle, most, dropped, 1000 * cpu / lifted]
    table = tables.Table("Live", PLAYED, {n: tuple(r) for n, r in rows.items()}, digits=1)
    load = os.getloadavg()[1]
    runs.save(path, video=video.name, rounds=rounds, load=load, columns=PLAYED, results=rows)
    print(tables.markdown(table))


def _played(
    predictor: rp.Predictor, video: pathlib.Path, name: str, *, overlap: bool
) -> tuple[np.ndarray, float, float, int, int]:
    """Returns delays, s, wall and CPU time, s, and numbers of frames that came and were lifted."""
    source = open_video(video)
    detector = create.create(name, people="one")
    session = Session(predictor, detector, source.size, Options(people="one"))
    with Newest(source, paced=True) as frames:
        started = time.monotonic(), time.process_time()
        one_by_one = (session.lift(session.detect(frame)) for frame in frames)
        for _ in session.poses(frames) if overlap else one_by_one:
            pass
        taken = time.monotonic() - started[0], time.process_time() - started[1]
    return np.array(session.latencies_s), *taken, frames.read, len(session.times_s)


def _views(split: str, data_dir: str | None, count: int, seconds: float) -> list[dict[str, Any]]:
    """Returns the first seconds of views that are long enough."""
    found = sequences.load((split,), data_dir)
    long = np.flatnonzero(found.lengths >= np.rint(seconds * found.fps))
    if not len(long):
        raise SystemExit(f"{split} has no view of {seconds} s.")
    views = []
    for number in long[np.linspace(0, len(long) - 1, count).round().astype(int)]:
        fps = float(found.fps[number])
        first = int(found.offsets[number])
        frames = slice(first, first + round(seconds * fps))
        joints = found.joints_3d[frames]
        views.append(
            {
                "name": found.names[number],
                "keypoints": found.keypoints_2d[frames],
                "confidence": found.confidence[frames],
                "truth": joints - joints[:, :1],
                "size": tuple(found.image_size[number].tolist()),
                "fps": fps,
            }
        )
    return views


def _measure(
    predictor: rp.Predictor, views: list[dict[str, Any]], setting: dict[str, Any]
) -> list[float]:
    delay_s = setting["delay"] / setting["fps"]
    taken, error, apart, jitter, raw_jitter = [], [], [], [], []
    for view in views:
        stream = Live(predictor, view["size"], **setting)
        poses, raw = [], []
        for number, (joints, sure) in enumerate(
            zip(view["keypoints"], view["confidence"], strict=True)
        ):
            started = time.process_time()
            pose = stream.push(joints, number / view["fps"], sure)
            taken.append(time.process_time() - started)
            if pose is None or pose.time_s < WARM_UP_S:
                continue
            index = round(pose.time_s * view["fps"])
            poses.append(pose.joints_mm)
            raw.append(pose.unfiltered_mm)
            error.append(_distance(pose.joints_mm, view["truth"][index]))
            apart.append(_distance(pose.joints_mm, view["offline"][index]))
        jitter.append(_distance(np.diff(poses, 2, axis=0), 0))
        raw_jitter.append(_distance(np.diff(raw, 2, axis=0), 0))
    columns = 1e3 * np.median(taken), *map(np.mean, (error, apart, jitter, raw_jitter))
    return [delay_s, *map(float, columns)]


def _distance(a: Any, b: Any) -> float:
    return float(np.linalg.norm(np.subtract(a, b), axis=-1).mean())


if __name__ == "__main__":
    sys.exit(terminal.run(main))
