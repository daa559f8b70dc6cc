"""Time and memory of the preparation of Human3.6M.

    python -m benchmarks.prepare_human36m --out=h36m_full

Writes a synthetic file of the size and layout of MotionBERT's, prepares it in a process of its own
and prints time and peak memory of that process. The file is removed afterwards, the prepared
dataset stays.
"""

import os
import pathlib
import pickle
import subprocess
import sys
import time
from typing import Any

import numpy as np

from benchmarks import runs
from repose_jax.cli.arguments import Parser
from repose_jax.runtime import terminal

# Frames of the real file; subjects; videos: 15 actions, 2 takes, 4 cameras for each subject,
# without one take of S11.
SPLITS = {"train": (1_559_752, (1, 5, 6, 7, 8), 600), "test": (566_920, (9, 11), 236)}
ACTIONS = (
    "Direction",
    "Discuss",
    "Eating",
    "Greet",
    "Phone",
    "Pose",
    "Purchase",
    "Sitting",
    "SittingDown",
    "Smoke",
    "Photo",
    "Wait",
    "Walk",
    "WalkDog",
    "WalkTwo",
)
CAMERAS = ("54138969", "55011271", "58860488", "60457274")


def split_of(name: str, rng: np.random.Generator) -> dict[str, Any]:
    """Returns one split: arrays of float64, and a text object of its own for every frame."""
    frames, subjects, videos = SPLITS[name]
    bounds = np.linspace(0, frames, videos + 1) + np.r_[0, rng.uniform(-500, 500, videos - 1), 0]
    bounds = bounds.astype(int)
    joint_2d = np.empty((frames, 17, 2))
    image = np.empty((frames, 17, 3))
    source: list[str] = []
    action: list[str] = []
    camera = np.empty(frames, "<U8")
    for video in range(videos):
        rows = slice(*bounds[video : video + 2])
        length = rows.stop - rows.start
        take, view = divmod(video, 4)
        subject, take = divmod(take, 30)
        pose = rng.uniform(-150, 150, (17, 3))
        drift = 100 * np.sin(np.arange(length) / rng.uniform(40, 80))
        image[rows] = pose - pose[0] + drift[:, None, None] * rng.uniform(-1, 1, (17, 3))
        image[rows, 0] = 0
        image[rows, :, :2] += 500
        joint_2d[rows] = image[rows, :, :2] + rng.normal(0, 3, (length, 17, 2))
        camera[rows] = CAMERAS[view]
        identity = (subjects[subject], take // 2 + 2, take % 2 + 1, view + 1)
        source += ["s_{:02}_act_{:02}_subact_{:02}_ca_{:02}".format(*identity)] * length
        action += [ACTIONS[take // 2]] * length
    split = {
        "joint_2d": joint_2d,
        "confidence": rng.uniform(0.3, 1, (frames, 17)),
        "joint3d_image": image,
        "camera_name": camera,
        # Not the same object again and again, which a pickle would write once.
        "source": [text[:1] + text[1:] for text in source],
    }
    if name == "test":
        factor = rng.uniform(2.9, 4.7, frames)
        split |= {
            "action": [text[:1] + text[1:] for text in action],
            "2.5d_factor": factor,
            "joints_2.5d_image": image * factor[:, None, None],
        }
    return split


def generate(path: pathlib.Path) -> None:
    """Writes the file."""
    rng = np.random.default_rng(0)
    with path.open("wb") as file:
        pickle.dump({name: split_of(name, rng) for name in SPLITS}, file, protocol=4)


@runs.one_line
def main() -> None:
    """Generates, measures and prints."""
    parser = Parser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder of 3.5 GB")
    default = pathlib.Path(__file__).parent / "results" / "prepare_human36m.json"
    parser.add_argument("--json", type=pathlib.Path, default=default)
    args = parser.parse_args()
    if (args.out / "human36m").exists():
        parser.error(f"there is a prepared dataset in {args.out}; remove it")
    args.out.mkdir(parents=True, exist_ok=True)
    source = args.out / "h36m_sh_conf_cam_source_final.pkl"
    # In a process of its own: a process that has been large would make its child look large.
    code = "import sys, pathlib; from benchmarks import prepare_human36m as p;"
    code += "p.generate(pathlib.Path(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", code, os.fspath(source)], check=True)
    command = [sys.executable, "-m", "repose_jax", "prepare", "human36m"]
    command += [f"--source={source}", f"--data_dir={args.out}"]
    load = os.getloadavg()[0]
    begin = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    if status:
        raise RuntimeError(f"preparing failed with status {status}")
    frames = sum(count for count, *_ in SPLITS.values())
    prepared = sum(p.stat().st_size for p in args.out.glob("human36m/*/*/*.array_record*"))
    result = {
        "load_before": round(load, 1),  # processes that others kept running
        "frames": frames,
        "source_bytes": source.stat().st_size,
        "prepared_bytes": prepared,
        "wall_s": round(seconds, 1),
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 1),
        "frames_per_s": round(frames / seconds),
        "peak_memory_bytes": usage.ru_maxrss * 1024,
    }
    source.unlink()
    runs.save(args.json, **result)
    print(
        f"{frames:,} frames in {seconds:.0f} s ({result['cpu_s']:.0f} s of processor time, "
        f"{result['frames_per_s']:,} frames/s), at most {result['peak_memory_bytes'] / 1e9:.2f} GB "
        f"of memory; {result['source_bytes'] / 1e9:.2f} GB became {prepared / 1e9:.2f} GB"
    )


if __name__ == "__main__":
    sys.exit(terminal.run(main))
