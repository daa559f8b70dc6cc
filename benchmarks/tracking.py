"""People in synthetic scenes of crossings, followed: exchanged tracks, tracks, speed.

    python -m benchmarks.tracking --scenes=30

The scenes of `benchmarks.scenes`: three people who walk to and fro for 12 s at 30 frames/s, each
hidden for up to 49 frames at once by whoever passes before them, with 3 % random misses. `--frames`
is the length of one more scene, with nobody hidden for long, for the speed.
"""

import json
import pathlib
import platform
import sys
import time

import numpy as np

from benchmarks import runs, scenes
from repose_jax.cli.arguments import Parser, positive
from repose_jax.runtime import terminal
from repose_jax.tracking.track import Track
from repose_jax.tracking.tracks import track

RESULT = pathlib.Path(__file__).parent / "results" / "tracking.json"


def exchanges(scene: scenes.Scene, tracks: list[Track]) -> int:
    """Returns how often the track of a person's poses changes."""
    owner = {
        tuple(pose[0]): number
        for number, one in enumerate(tracks)
        for pose in one.detected[..., :2]
        if np.isfinite(pose[0, 0])
    }
    numbers = [owner.get(tuple(pose[0]), -1) for pose in scene.detections.keypoints]
    changes = 0
    for person in np.unique(scene.person):
        own = np.array(numbers)[scene.person == person]
        changes += np.count_nonzero(np.diff(own[own >= 0]))
    return int(changes)


def measure(seeds: range) -> dict[str, float]:
    """Follows the people of some scenes; the means of exchanges and tracks."""
    found, gaps = [], []
    for seed in seeds:
        scene = scenes.crossing(seed)
        tracks = track(scene.detections)
        found.append((exchanges(scene, tracks), len(tracks)))
        gaps.append(scene.longest_gap)
    changes, count = np.array(found).T
    return {
        "scenes": len(found),
        "exchanges": float(changes.mean()),
        "scenes_without_exchange": int((changes == 0).sum()),
        "tracks": float(count.mean()),
        "longest_gap_frames": max(gaps),
    }


def speed(frames: int) -> dict[str, float]:
    """Times the following of three people through one long scene, in time of the processor."""
    scene = scenes.crossing(0, seconds=frames / 30, longest_s=float("inf"))
    start = time.process_time()
    tracks = track(scene.detections)
    seconds = time.process_time() - start
    return {"frames": frames, "seconds": round(seconds, 2), "tracks": len(tracks)}


@runs.one_line
def main():
    """Measures, prints and stores."""
    parser = Parser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--scenes", type=positive, default=30, help="number of scenes, seeds from 0"
    )
    parser.add_argument(
        "--frames", type=positive, default=20_000, help="of the scene that is timed"
    )
    parser.add_argument("--out", type=pathlib.Path, default=RESULT, help="JSON file to write")
    arguments = parser.parse_args()
    result = {
        "first_ten": measure(range(min(10, arguments.scenes))),
        "all": measure(range(arguments.scenes)),
        "speed": speed(arguments.frames),
        "python": platform.python_version(),
        "processor": _processor(),
    }
    arguments.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


def _processor() -> str:
    path = pathlib.Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


if __name__ == "__main__":
    sys.exit(terminal.run(main))
