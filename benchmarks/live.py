"""Live lifting: time for a pose, and its error by the window and the delay.

    python -m benchmarks.live cmu_mocap/30fps:test --data_dir=DIR --seconds=4

Pushes the detections of the first seconds of some views into `repose_jax.lifting.live.Live`, frame
by frame, and compares the poses with the truth and with lifting the whole view afterwards. Frames
of the first two seconds, whose windows are not full yet, do not count. Run it with one core:
`taskset -c 0`. Times are CPU time of the process for a push, the median; the 3D jitter is the mean
second difference of joints in mm/frame^2.
"""

import argparse
import pathlib
import time
from typing import Any

import numpy as np

import repose_jax as rp
from benchmarks import runs
from repose_jax.cli.environment import start_jax
from repose_jax.data import sequences
from repose_jax.evaluation import tables
from repose_jax.lifting.live import Live

RESULTS = pathlib.Path(__file__).parent / "results" / "live.json"
SETTINGS = (
    {"frames": 81, "fps": 30, "delay": 0},
    {"frames": 41, "fps": 15, "delay": 0},
    {"frames": 41, "fps": 15, "delay": 2},
    {"frames": 27, "fps": 15, "delay": 0},
    {"frames": 27, "fps": 15, "delay": 2},
)
WARM_UP_S = 2.0
COLUMNS = ("delay s", "CPU ms a pose", "MPJPE mm", "from offline mm", "jitter", "jitter, no filter")


def main() -> None:
    """Measures, prints a table and writes it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "split", help="a prepared test split of views, such as cmu_mocap/30fps:test"
    )
    parser.add_argument("--data_dir", help="folder of the prepared datasets; TFDS's default")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each view")
    parser.add_argument("--views", type=int, default=4, help="number of views, evenly chosen")
    parser.add_argument("--json", type=pathlib.Path, default=RESULTS, help="the result")
    args = parser.parse_args()
    start_jax()
    views = _views(args.split, args.data_dir, args.views, args.seconds)
    predictor = rp.load()
    for view in views:
        view["offline"] = predictor(
            view["keypoints"], view["confidence"], view["size"], fps=view["fps"]
        )
    rows = {}
    for setting in SETTINGS:
        name = "{frames} frames at {fps}/s, {delay} ahead".format(**setting)
        rows[name] = _measure(predictor, views, setting)
        print(name, rows[name], flush=True)
    table = tables.Table("Live lifting", COLUMNS, {n: tuple(r) for n, r in rows.items()}, digits=2)
    print(tables.markdown(table))
    runs.save(
        args.json,
        views=[view["name"] for view in views],
        seconds=args.seconds,
        columns=COLUMNS,
        results=rows,
    )


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
    main()
