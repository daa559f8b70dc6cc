"""Errors of lifting from end to end, and what smoothing brings and costs."""

import dataclasses
import functools
import pathlib
from collections.abc import Iterator, Mapping, Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from benchmarks.accuracy import recording, video
from benchmarks.accuracy.recording import View
from repose_jax.data import sequences
from repose_jax.evaluation.metrics import METRICS
from repose_jax.keypoints.detections import Detections
from repose_jax.lifting import lift, smooth, sources
from repose_jax.lifting.bones import with_constant_lengths
from repose_jax.lifting.options import Options
from repose_jax.lifting.predictor import Predictor
from repose_jax.motion.motion import Person
from repose_jax.skeleton import HUMAN36M

CUTOFFS = (0, 4, 6, 8)
"""Of the filter, Hz; 0 is none."""
JOINTS = list(video.JOINTS)

Row = Mapping[str, float]


def of_recording(folder: pathlib.Path, model: Predictor) -> Iterator[tuple[str, dict[str, Row]]]:
    """Yields the errors of each input of a recording, by cutoff and flip.

    Inputs are the video of a view, where there is one, and the keypoint files of every view. The
    largest person is compared with the truth. The camera is assumed, as for any video.

    Args:
        folder: see `benchmarks.accuracy.recording`; with videos in `videos/camNN.mp4`.
        model: the model.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is not of its format.
    """
    for view in recording.read(folder):
        for source, path in inputs(folder, view):
            for every_frame in (False, True) if source == "video" else (True,):
                options = Options(
                    fps=view.fps,
                    image_size=view.image_size,
                    largest=True,
                    every_frame=every_frame,
                )
                (found,) = sources.detections_of(path, options)
                rows = {}
                for flip in (False, True):
                    for cutoff in CUTOFFS:
                        asked = dataclasses.replace(options, smooth=cutoff, flip=flip)
                        rows[_named(cutoff) + ", flip" * flip] = errors(found, model, asked, view)
                name = f"{source}, every frame" if source == "video" and every_frame else source
                yield f"{view.name}, {name}", rows
        own = view.own - view.own[:, HUMAN36M.root, None]
        name = "its own 3D joints"
        yield f"{view.name}, BlazePose", {name: _pose_errors(own, view.truth, view.fps)}


def inputs(folder: pathlib.Path, view: View) -> Iterator[tuple[str, pathlib.Path]]:
    """Yields names and paths of what a view can be lifted from."""
    filmed = folder / "videos" / f"{view.name}.mp4"
    if filmed.exists():
        yield "video", filmed
    yield "OpenPose", folder / "pose" / f"{view.name}_json"


def errors(found: Detections, model: Predictor, options: Options, view: View) -> Row:
    """Returns the errors of the largest person of a view."""
    (person,) = lift.motion_of(found, model, options).people
    truth = view.truth[person.frame]
    known = dataclasses.replace(options, focal=view.focal)
    (placed,) = lift.motion_of(found, model, known).people
    return {
        "frames": float(len(person.frame)),
        **_pose_errors(person.joints_camera_mm, truth, view.fps),
        **_path_errors(person, view, "path"),
        **_path_errors(placed, view, "path, focal known"),
    }


def _pose_errors(found: np.ndarray, truth: np.ndarray, fps: float) -> Row:
    values = video.errors(found, truth)
    return {
        "PA, 12 joints": values["pa_mpjpe_12"],
        "MPJPE": values["mpjpe"],
        "bones": values["bone_variation"],
        "acceleration": float(accelerations(found[:, JOINTS], fps).mean()),
        "true acceleration": float(accelerations(truth[:, JOINTS], fps).mean()),
    }


def _path_errors(person: Person, view: View, name: str) -> Row:
    """Returns the error of the path, mm, and that of its shape: without its mean."""
    error = person.root_mm - view.root[person.frame]
    return {
        name: float(np.linalg.norm(error, axis=-1).mean()),
        f"{name}, without its mean": float(np.linalg.norm(error - error.mean(0), axis=-1).mean()),
    }


@dataclasses.dataclass(frozen=True, eq=False)
class Lifted:
    """A view of a prepared split, and what the network makes of its simulated detections.

    Attributes:
        truth: `[t, 17, 3]` relative to the pelvis, mm.
        raw: `[t, 17, 3]` the prediction, blended over clips that overlap, without constant bones.
        cut: `[t, 17, 3]` the same, but of clips side by side.
        frames: of a clip.
        seen: first row and row after the last of each part in which anything was detected.
        fps: frames per second.
    """

    truth: Float[np.ndarray, "t 17 3"]
    raw: Float[np.ndarray, "t 17 3"]
    cut: Float[np.ndarray, "t 17 3"]
    frames: int
    seen: list[tuple[int, int]]
    fps: float


def lifted(split: str, data_dir: str | None, model: Predictor, every: int) -> Iterator[Lifted]:
    """Yields every n-th view of a prepared split.

    Raises:
        FileNotFoundError: the dataset is not prepared.
    """
    data = sequences.load((split,), data_dir)
    frames = model.config.test_frames
    for index in range(0, len(data.names), every):
        view = slice(*data.offsets[index : index + 2])
        joints, fps = data.joints_3d[view], float(data.fps[index])
        confidence = data.confidence[view]
        run = functools.partial(
            model,
            image_size=tuple(map(int, data.image_size[index])),
            fps=fps,
            constant_bones=False,
            flip=False,
        )
        columns = data.keypoints_2d[view], confidence
        starts = range(0, len(joints), frames)
        parts = [[values[start : start + frames] for values in columns] for start in starts]
        yield Lifted(
            truth=(joints - joints[:, :1]).astype(np.float32),
            raw=run(*columns),
            cut=np.concatenate([run(*part) for part in parts]),
            frames=frames,
            seen=smooth.segments(np.any(confidence > 0, axis=-1)),
            fps=fps,
        )


def of_filter(view: Lifted) -> dict[str, Row]:
    """Returns the errors of a view by cutoff; filter and constant bones follow as in `lift`."""
    time_s = np.arange(len(view.raw)) / view.fps
    rows = {}
    for cutoff in CUTOFFS:
        found = view.raw.astype(np.float64)
        if cutoff:
            found, _ = smooth.butterworth(found, time_s, cutoff, segments=view.seen)
        found = with_constant_lengths(found.astype(np.float32))
        rows[_named(cutoff)] = _all_joint_errors(found, view.truth, view.fps)
    return rows


def _all_joint_errors(found: np.ndarray, truth: np.ndarray, fps: float) -> Row:
    valid = jnp.ones(truth.shape[:2], bool)

    def mean(metric: str) -> float:
        score = METRICS[metric](jnp.asarray(found), jnp.asarray(truth), valid)
        return float(score.mean())

    return {
        "MPJPE": mean("mpjpe"),
        "PA-MPJPE": mean("pa_mpjpe"),
        "bones": mean("bone_variation"),
        "acceleration error": mean("acceleration_error") * fps**2 / 1000,
        "acceleration": float(accelerations(found, fps).mean()),
        "true acceleration": float(accelerations(truth, fps).mean()),
    }


def of_seams(view: Lifted) -> dict[str, Row]:
    """Returns the acceleration error where a clip begins or ends, and elsewhere, m/s²."""
    step = view.frames - -(-view.frames // 4)
    count = len(view.raw)
    overlapping = [*range(step, count, step), *range(view.frames, count, step)]
    side_by_side = [*range(view.frames, count, view.frames)]
    rows = {}
    for name, found, seams in (
        ("overlapping and blended", view.raw, overlapping),
        ("side by side", view.cut, side_by_side),
    ):
        error = accelerations(found - view.truth, view.fps).mean(axis=-1)
        # The frames before and after a seam are both in the two accelerations about it.
        at = np.isin(np.arange(1, count - 1), [*seams, *(seam - 1 for seam in seams)])
        if at.any():
            rows[name] = {
                "at seams": float(error[at].mean()),
                "elsewhere": float(error[~at].mean()),
            }
    return rows


def accelerations(joints: Float[np.ndarray, "t j 3"], fps: float) -> Float[np.ndarray, "t-2 j"]:
    """Returns the size of the acceleration of joints, m/s², without the first and last frame."""
    return np.linalg.norm(np.diff(joints, 2, axis=0), axis=-1) * fps**2 / 1000


def _named(cutoff: int) -> str:
    return f"{cutoff} Hz" if cutoff else "no filter"


def mean(rows: Sequence[Row]) -> Row:
    """Returns the mean of the values of several rows."""
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
