"""Errors of the path, the vertical, the contacts and the stature of people who were lifted.

    python -m benchmarks.place --folder=DIR --split=cmu_mocap/30fps:test --data_dir=DIR

`--folder` is the recording of `benchmarks.accuracy.recording`. The split has views of known cameras
and the joints of a simulated detector. docs/place.md has the tables.
"""

import argparse
import dataclasses
import pathlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from jaxtyping import Float

import repose_jax
from benchmarks import runs
from benchmarks.accuracy import recording
from benchmarks.accuracy.video import inputs
from repose_jax.cli import arguments
from repose_jax.cli.environment import start_jax
from repose_jax.data import sequences
from repose_jax.evaluation import tables
from repose_jax.lifting import contacts, scale, world
from repose_jax.lifting.camera import camera, undistorted
from repose_jax.lifting.predictor import Predictor
from repose_jax.lifting.trajectory import root_trajectory
from repose_jax.motion.motion import Camera
from repose_jax.runtime import terminal
from repose_jax.skeleton import HUMAN36M

Rows = dict[str, dict[str, float]]


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
    """A person in a view whose camera and 3D joints are known.

    Attributes:
        name: of the view.
        keypoints: `[t, 17, 2]` px, without distortion.
        confidence: `[t, 17]`.
        time_s: `[t]`.
        camera: the true one.
        up: the true vertical in camera axes.
        root: `[t, 3]` the true pelvis, camera axes, mm.
        truth: `[t, 17, 3]` relative to it.
        lifted: `[t, 17, 3]` the model's.
    """

    name: str
    keypoints: Float[np.ndarray, "t 17 2"]
    confidence: Float[np.ndarray, "t 17"]
    time_s: Float[np.ndarray, " t"]
    camera: Camera
    up: Float[np.ndarray, "3"]
    root: Float[np.ndarray, "t 3"]
    truth: Float[np.ndarray, "t 17 3"]
    lifted: Float[np.ndarray, "t 17 3"]


def recorded(folder: pathlib.Path, model: Predictor) -> Iterator[Case]:
    """Yields the views of a recording with the joints of each detector."""
    views = recording.read(folder)
    file = next((folder / "calibration").glob("*.toml"))
    for view in views:
        for detector in ("OpenPose", "BlazePose"):
            _, keypoints, confidence = list(inputs(getattr(view, detector.lower())))[-1]
            found = camera(view.image_size, file=file, video=view.name)
            yield Case(
                name=f"{view.name}, {detector}",
                keypoints=undistorted(keypoints, found),
                confidence=np.nan_to_num(confidence),
                time_s=np.arange(len(view.truth)) / view.fps,
                camera=found,
                up=view.up,
                root=view.root,
                truth=np.nan_to_num(view.truth),
                lifted=model(keypoints, confidence, view.image_size, fps=view.fps),
            )


def stored(split: str, data_dir: str | None, model: Predictor, most: int) -> Iterator[Case]:
    """Yields the views of a prepared split, at most `most` frames of each."""
    data = sequences.load([split], data_dir)
    for index, name in enumerate(data.names):
        start, stop = data.offsets[index : index + 2]
        rows = slice(start, min(stop, start + most))
        matrix, fps = data.intrinsics[index].astype(float), float(data.fps[index])
        width, height = map(int, data.image_size[index])
        found = Camera(
            matrix[0, 0], matrix[:2, 2], (width, height), "", data.distortion[index].astype(float)
        )
        keypoints, confidence = data.keypoints_2d[rows], data.confidence[rows]
        joints = data.joints_3d[rows].astype(float)
        root = joints[:, HUMAN36M.root]
        yield Case(
            name=name,
            keypoints=undistorted(keypoints.astype(float), found),
            confidence=confidence.astype(float),
            time_s=np.arange(len(joints)) / fps,
            camera=found,
            up=np.asarray(data.up)[index].astype(float),
            root=root,
            truth=joints - root[:, None],
            lifted=model(keypoints, confidence, (width, height), fps=fps),
        )


def path_errors(case: Case) -> Rows:
    """Returns the errors of the path with several joints, sizes and focal lengths, mm."""
    longer = dataclasses.replace(case.camera, focal_px=1.2 * case.camera.focal_px)
    assumed = camera(case.camera.image_size)
    runs = {
        "true 3D joints": (case.truth, case.camera),
        "true 3D joints, 5 % too large": (1.05 * case.truth, case.camera),
        "true 3D joints, focal length 20 % too long": (case.truth, longer),
        "lifted joints": (case.lifted.astype(float), case.camera),
        "lifted joints, the assumed focal length": (case.lifted.astype(float), assumed),
    }
    rows: Rows = {}
    for name, (joints, used) in runs.items():
        found = root_trajectory(joints, case.keypoints, case.confidence, used, case.time_s)
        error = found - case.root
        wander = np.linalg.norm(error - error.mean(axis=0), axis=-1).mean()
        rows[name] = {
            "error, mm": np.linalg.norm(error, axis=-1).mean(),
            "without its mean, mm": wander,
            "depth / true depth": np.median(found[:, 2] / case.root[:, 2]),
        }
    return rows


def tilt_errors(case: Case) -> Rows:
    """Returns the angles between found and true vertical, degrees."""
    assumed = camera(case.camera.image_size)
    rows = {"upward axis of the camera": {"degrees": _angle(world.CAMERA_UP, case.up)}}
    for name, joints in (("true 3D joints", case.truth), ("lifted joints", case.lifted)):
        root = root_trajectory(
            joints.astype(float), case.keypoints, case.confidence, assumed, case.time_s
        )
        person = world.Placed(joints + root[:, None], case.confidence, case.time_s)
        found, _ = world.upright([person], assumed)
        rows[name] = {"degrees": _angle(found.rotation[1], case.up)}
    return rows


def contact_errors(case: Case) -> Rows:
    """Returns the sliding of standing feet before and after they are locked, mm/s."""
    root = root_trajectory(
        case.lifted.astype(float), case.keypoints, case.confidence, case.camera, case.time_s
    )
    person = world.Placed(case.lifted + root[:, None], case.confidence, case.time_s)
    found, _ = world.upright([person], case.camera, up=case.up)
    locked = contacts.lock_feet(
        found.of_camera(person.joints_mm),
        case.keypoints,
        case.confidence,
        root[:, 2] / case.camera.focal_px,
        case.time_s,
    )
    moved = root + locked.shift_mm @ found.rotation
    return {
        "before": {
            "sliding, mm/s": locked.sliding,
            "error of the path, mm": np.linalg.norm(root - case.root, axis=-1).mean(),
        },
        "feet locked": {
            "sliding, mm/s": locked.sliding_locked,
            "error of the path, mm": np.linalg.norm(moved - case.root, axis=-1).mean(),
        },
    }


def stature_errors(case: Case) -> Rows:
    """Returns the statures of the bones, mm."""
    return {
        name: {"stature, mm": scale.height_of(joints.astype(float))}
        for name, joints in (("true 3D joints", case.truth), ("lifted joints", case.lifted))
    }


MEASURES: dict[str, Callable[[Case], Rows]] = {
    "path": path_errors,
    "vertical": tilt_errors,
    "contacts": contact_errors,
    "stature": stature_errors,
}


def _angle(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.degrees(np.arccos(np.clip(first @ second, -1, 1))))


def _mean(found: list[Rows]) -> Rows:
    return {
        row: {key: _mean_of([rows[row][key] for rows in found]) for key in columns}
        for row, columns in found[0].items()
    }


def _mean_of(values: list[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return round(float(np.mean(known)), 3) if known else float("nan")


def measure(cases: Sequence[Case]) -> dict[str, Rows]:
    """Returns the rows of each of `MEASURES`, in the mean of cases."""
    return {name: _mean([run(case) for case in cases]) for name, run in MEASURES.items()}


def _groups(args: argparse.Namespace, model: Predictor) -> Iterator[tuple[str, list[Case]]]:
    """Yields cases of which the mean is shown, with a title."""
    if args.folder:
        yield from ((case.name, [case]) for case in recorded(args.folder, model))
    if args.split:
        cases = [*stored(args.split, args.data_dir, model, args.frames)]
        yield f"{args.split}, mean of {len(cases)} views", cases


def _show(title: str, measured: Mapping[str, Rows]) -> None:
    for name, rows in measured.items():
        columns = tuple(next(iter(rows.values())))
        digits = tuple(2 if "/ true" in column else 1 for column in columns)
        values = {row: [of[column] for column in columns] for row, of in rows.items()}
        table = tables.Table(f"{title}: {name}", columns, values, digits)
        print("\n" + tables.markdown(table).rstrip("\n"), flush=True)


@runs.one_line
def main(argv: Sequence[str] | None = None) -> None:
    """Measures and prints."""
    parser = arguments.Parser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=pathlib.Path, help="folder of the recording")
    parser.add_argument("--split", help="a prepared test split with cameras")
    parser.add_argument("--data_dir", help="folder of the prepared datasets")
    parser.add_argument("--weights", help="name, file or workdir (default: shipped)")
    parser.add_argument(
        "--frames", type=arguments.positive, default=150, help="most frames of a view of the split"
    )
    parser.add_argument("--json", type=pathlib.Path, help="where to write the result")
    args = arguments.parse(parser, list(sys.argv[1:] if argv is None else argv))
    if not (args.folder or args.split):
        parser.error("Nothing to measure: give --folder, --split or both.")
    start_jax()
    model = repose_jax.load(args.weights)
    measured = {}
    for title, cases in _groups(args, model):
        measured[title] = measure(cases)
        _show(title, measured[title])
    if args.json:
        runs.save(args.json, results=measured)


if __name__ == "__main__":
    sys.exit(terminal.run(main))
