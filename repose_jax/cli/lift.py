"""Lift videos, or 2D joints that a detector found, to the 3D motion of people.

    repose lift clip.mp4 --out motion
    repose lift alphapose-results.json --image-size=1920x1080 --fps=25 --height=1.78
    repose lift openpose_json/ --person=1 --files=npz,bvh
    repose lift --camera 0

An input is a video, an image, a keypoint file (YOLO, AlphaPose, OpenPose, MMPose, COCO, MediaPipe,
DeepLabCut, TRC, npz, ...), or a folder of such files. Each person has a set of files; index.html
shows all of them. The 2D joints are kept in keypoints.npz, an input too: to lift anew with other
options nothing is detected again.

`--camera 0` shows the pose of the person before a camera as it happens, without an INPUT: it is
`repose live`, whose help describes it.
"""

import argparse
import concurrent.futures
import functools
import gc
import pathlib
import re
import sys
import time
from typing import Any

from repose_jax.cli import environment, live
from repose_jax.cli.arguments import Parser
from repose_jax.keypoints import store
from repose_jax.keypoints.detections import Detections
from repose_jax.runtime import folders, names
from repose_jax.runtime.signals import Interrupted, stop_signals


def add_arguments(parser: Parser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("inputs", nargs="*", type=pathlib.Path, metavar="INPUT")
    parser.add_argument(
        "--out",
        type=pathlib.Path,
        metavar="DIR",
        help="folder of the results (default: motion, where the result of another input is not "
        "replaced); of several inputs each has a folder there",
    )
    parser.add_argument(
        "--files",
        metavar="KIND,...",
        help="kinds of files: npz, json, csv, angles, bvh, glb, trc, html, mp4, rrd "
        "(default: all that can be written)",
    )
    parser.add_argument(
        "--rig",
        choices=("full", "simple"),
        default="full",
        help="skeleton of .bvh and .glb; simple: no bones of length 0, for programs that retarget",
    )
    model = parser.add_argument_group("model")
    model.add_argument(
        "--weights", help="shipped weights, a .safetensors file or a run (default: shipped weights)"
    )
    model.add_argument("--checkpoint", choices=("best", "latest"), help="of a run (default: best)")
    model.add_argument(
        "--flip", action="store_true", help="also lift the mirrored video: twice the time"
    )
    model.add_argument(
        "--hypotheses",
        type=int,
        metavar="N",
        help="of a run of d3dp: the mean of so many, and how far they spread",
    )
    source = parser.add_argument_group("input")
    source.add_argument("--format", help="of keypoints, such as coco17 (default: recognised)")
    source.add_argument(
        "--joints", type=_names, metavar="NAME,...", help="order of the joints of an array or table"
    )
    source.add_argument("--fps", type=float, help="frame rate of keypoints or images")
    source.add_argument(
        "--image-size", type=_size, metavar="WxH", help="of keypoints, px (default: estimated)"
    )
    source.add_argument(
        "--slow-motion", type=float, metavar="N", help="the video plays N times too slowly"
    )
    source.add_argument(
        "--detector",
        help="blazepose (default), blazepose-int8 (faster), rtmpose, rtmo, or the path of an ONNX "
        "file, such as one of YOLO for poses",
    )
    source.add_argument("--detector-weights", metavar="DIR", help="folder of the detector's files")
    source.add_argument(
        "--every-frame",
        action="store_true",
        help="look for people in every frame, also of videos of more than 45 frames/s (slower)",
    )
    people = parser.add_argument_group("people")
    people.add_argument(
        "--people", choices=("all", "one"), help="one: the video shows one person (faster)"
    )
    people.add_argument("--person", type=int, metavar="N", help="lift this person alone")
    people.add_argument("--largest", action="store_true", help="lift the largest person alone")
    people.add_argument(
        "--min-length", type=float, metavar="S", help="shortest appearance, s (default: 0.3)"
    )
    people.add_argument(
        "--max-gap", type=float, metavar="S", help="longest gap that is filled, s (default: 0.5)"
    )
    people.add_argument(
        "--smooth", type=float, metavar="HZ", help="cutoff of the filter (default: 6; 0: none)"
    )
    place = parser.add_argument_group("where and how big")
    place.add_argument("--height", type=float, metavar="M", help="standing height of people, m")
    place.add_argument("--focal", type=float, metavar="PX", help="focal length, px")
    place.add_argument("--fov", type=float, metavar="DEG", help="view of the longer side, degrees")
    place.add_argument(
        "--camera",
        metavar="FILE.toml",
        help="calibration of Pose2Sim; or the number of a camera, whose pose is shown live",
    )
    place.add_argument("--up", help="the vertical: camera, or x,y,z in camera axes")
    place.add_argument(
        "--lock-feet", action="store_true", help="move people so that standing feet do not slide"
    )
    live.add_server(parser.add_argument_group("live, with --camera=NUMBER"))


def run(args: argparse.Namespace) -> None:
    """Runs the command."""
    from repose_jax.motion import files

    if live.is_source(args.camera):
        live.run(_live(args))
        return
    if not args.inputs:
        raise ValueError("the following arguments are required: INPUT, or --camera=0 for a camera.")
    if args.port is not None or args.no_browser:
        raise ValueError("--port and --no-browser are of the live view: give --camera=0, too.")
    out, replacing = folders.expand(args.out or _OUT), args.out is not None
    kinds = (
        files.available()
        if args.files is None
        else tuple(args.files.lower().replace(" ", "").split(","))
    )
    files.check(kinds)
    from repose_jax.detectors import video
    from repose_jax.lifting.options import of_flags

    options = of_flags(vars(args))
    for path in args.inputs:
        if not path.exists():
            raise FileNotFoundError(f"There is no file or folder {path}.")
    inputs = [path for given in args.inputs for path in video.videos_in(given) or [given]]
    problems = 0
    with concurrent.futures.ThreadPoolExecutor(1, "loading") as pool:
        model = pool.submit(_load, options, video=any(map(video.is_video, inputs)))
        for path in inputs:
            folder = out if len(inputs) == 1 else _unused(out / _stem(_name(path)))
            try:
                problems += _lift(path, folder, model, options, kinds, args.rig, replacing)
            except (ValueError, OSError, ImportError) as error:
                if len(inputs) == 1 or _failed(model):
                    raise
                _print_error(error)
                problems += 1
    if problems:
        raise ValueError(
            f"{names.counted(problems, 'problem')}, see above; all other results are in {out}."
        )


def _load(options: Any, *, video: bool) -> Any:
    """Imports JAX and all that builds on it, which takes seconds, and loads the model.

    It is compiled, too, if people are to be detected in a video meanwhile.
    """
    gc.disable()  # all that is imported stays: looking for garbage in it takes a fifth of the time
    try:
        from repose_jax.lifting import lift

        # Not before the imports: its warnings would be lost while LiteRT, silenced, loads networks.
        environment.start_jax()
        model = lift.load_model(options)
    finally:
        gc.enable()
    if video and not options.hypotheses:
        model.compile(flip=options.flip)
    return model


def _failed(model: concurrent.futures.Future[Any]) -> bool:
    """Returns whether a model could not be loaded."""
    return model.done() and model.exception() is not None


def _live(args: argparse.Namespace) -> argparse.Namespace:
    """Returns the arguments of `repose live`.

    Raises:
        ValueError: some have no influence there.
    """
    ignored = [name for name in _NOT_LIVE if getattr(args, name) not in (None, False, "full", [])]
    if ignored:
        name = "INPUT" if ignored[0] == "inputs" else f"--{ignored[0].replace('_', '-')}"
        raise ValueError(
            f"--camera={args.camera} shows a camera, where {name} has no influence; leave it out."
        )
    return argparse.Namespace(**{**vars(args), "source": args.camera, "camera": None})


def _lift(
    path: pathlib.Path,
    out: pathlib.Path,
    loading: concurrent.futures.Future[Any],
    options: Any,
    kinds: Any,
    rig: str,
    replacing: bool,
) -> int:
    """Lifts one input; returns how many of its videos failed, which others of it do not stop.

    People are detected while the model is being loaded. Results of other videos are replaced only
    if so asked.
    """
    from repose_jax.detectors import detect, video
    from repose_jax.lifting import kept, sources
    from repose_jax.motion import files

    filmed = video.is_video(path)
    source = path if store.find(path) is None else None
    files.check_folder(out, source, kinds)
    if filmed and not replacing:
        kept.check_same(out, path.name, usual=_OUT)
    with stop_signals() as stop, _Bars() as bars:

        def show(stage: str, done: int, total: int) -> None:
            stop.saves_after = "frame"  # as soon as there are joints to keep
            bars(stage, done, total)

        broken = None
        try:
            found = sources.detections_of(
                path,
                options,
                progress=show,
                stopped=lambda: bool(stop.received) or _failed(loading),
            )
        except detect.Incomplete as error:
            found, broken = [error.found], error
        whole = broken is None and not stop.received
        # Nothing is written if the model cannot be loaded.
        model = None if stop.received else loading.result()
    folders = [out if len(found) == 1 else _unused(out / _stem(one.name)) for one in found]
    where: list[str] = []
    if filmed:  # what took time is kept first
        where = kept.keep(found[0], out, whole=whole)
    else:
        for detections, folder in zip(found, folders, strict=True):
            files.check_folder(folder, source, kinds)
            if not replacing:
                kept.check_same(folder, detections.name, usual=_OUT)
    if stop.received:
        said = () if whole else found[0].warnings[:1]
        raise Interrupted(stop.received[0], " ".join((*said, *where)))
    if broken is not None:
        raise ValueError(" ".join((str(broken), *where))) from broken
    failed = 0
    for detections, folder in zip(found, folders, strict=True):
        try:
            _lift_one(detections, folder, model, options, kinds, rig, path)
        except Interrupted as stopped:
            if filmed:
                raise Interrupted(stopped.signum, " ".join((str(stopped), *where))) from stopped
            raise
        except (ValueError, OSError) as error:
            if filmed and not isinstance(error, files.NotWritten):
                raise ValueError(" ".join((names.message(error), *where))) from error
            if len(found) == 1:
                raise
            _print_error(error)
            failed += 1
    return failed


def _lift_one(
    detections: Detections,
    folder: pathlib.Path,
    model: Any,
    options: Any,
    kinds: Any,
    rig: str,
    path: pathlib.Path,
) -> None:
    """Lifts the people of one video, which came from a path, and writes their files."""
    from repose_jax.detectors import video
    from repose_jax.lifting import kept, lift, sources
    from repose_jax.motion import files

    start = time.monotonic()
    with _Bars() as bars:
        filmed = video.is_video(path)
        frames = functools.partial(sources.frames_of, path, options) if filmed else None
        motion = lift.motion_of(detections, model, options, frames=frames, progress=bars)
        if not filmed:  # not before: those of an earlier result stay with it if this one fails
            kept.keep_again(detections, path, folder)
        problem = None
        try:
            written = files.write(folder, motion, kinds, rig=rig, progress=bars)
        except files.NotWritten as error:
            written, problem = error.written, error
    print(_report(motion, folder, written, time.monotonic() - start))
    if problem is not None:
        raise problem


def _print_error(error: Exception) -> None:
    print(f"repose lift: error: {names.message(error)}", file=sys.stderr)


def _name(path: pathlib.Path) -> str:
    """Returns the name of an input; of "." and ".." that of the folder that they mean."""
    return path.resolve().name if path.name in ("", "..") else path.name


def _stem(name: str) -> str:
    """Returns the name of a video as that of a folder: of one level, and one that disks allow."""
    stem = re.sub(r"[\x00-\x1f]", "_", pathlib.PurePath(name.replace("\\", "/")).stem)[:_LONGEST]
    while len(stem.encode("utf-8", "surrogatepass")) > _LONGEST:
        stem = stem[:-1]
    stem = stem.strip()
    return "video" if stem in ("", ".", "..") else stem


def _report(motion: Any, folder: pathlib.Path, written: Any, seconds: float) -> str:
    """Returns what was found, assumed and written, for the terminal."""
    frames, people = len(motion.time_s), motion.people
    length = f" ({motion.time_s[-1]:.2f} s at {motion.fps:.4g} frames/s)" if frames > 1 else ""
    lines = [
        f"{motion.name}: {names.counted(len(people), 'person', 'people')} in "
        f"{names.counted(frames, 'frame')}{length}, 2D joints: {motion.format}"
    ]
    for person in people[:_LISTED]:
        seen = (person.status == 0).mean()
        lines.append(
            f"  person {person.number}: {person.time_s[0]:.2f} to {person.time_s[-1]:.2f} s, "
            f"{seen:.0%} of the joints seen"
        )
    if len(people) > _LISTED:
        lines.append(f"  and {len(people) - _LISTED} more")
    for title, sentences in (("assumed", motion.assumptions), ("warnings", motion.warnings)):
        if sentences:
            lines += [f"{title}:", *(f"  {sentence}" for sentence in sentences[:_LISTED])]
            if len(sentences) > _LISTED:
                lines.append(f"  and {len(sentences) - _LISTED} more, in summary.json")
    page = folder / "index.html"
    look = f"; open {page}" if page in written else ""
    count = names.counted(len(written), "file")
    lines.append(f"Lifted and written in {seconds:.1f} s: {count} in {folder}{look}")
    return "\n".join(lines)


class _Bars:
    """A progress bar for each stage, one after the other; a context manager."""

    def __init__(self):
        self._stage, self._bar, self._start = "", None, 0.0

    def __enter__(self) -> "_Bars":
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.__exit__()

    def __call__(self, stage: str, done: int, total: int) -> None:
        from repose_jax.runtime.progress import Progress

        if stage != self._stage:
            self.__exit__()
            self._bar = Progress(max(total, done, 1), stage, unit=_UNITS[stage], keep=False)
            self._stage, self._start = stage, time.monotonic()
        assert self._bar is not None
        self._bar.total = max(self._bar.total, done)
        if _UNITS[stage] == "frame" and done > 1:
            rate = done / max(time.monotonic() - self._start, 1e-9)
            self._bar.show(f"{rate:.1f} frames/s")
        self._bar.advance(done - self._bar.done)


def _unused(folder: pathlib.Path) -> pathlib.Path:
    """Returns the folder, or one with a number if this run has written to it."""
    name, number = folder, 1
    while name in _TAKEN:
        number += 1
        name = folder.with_name(f"{folder.name}_{number}")
    _TAKEN.add(name)
    return name


def _size(text: str) -> tuple[int, int]:
    width, cross, height = text.lower().partition("x")
    if not cross or not width.isdigit() or not height.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is no size; give it as 1920x1080")
    return int(width), int(height)


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(","))


_OUT = pathlib.Path("motion")
_UNITS = {"detecting": "frame", "lifting": "person", "writing": "file", "drawing": "frame"}
_LISTED = 12
_LONGEST = 200  # bytes; 255 are allowed, and a number may follow
_NOT_LIVE = (
    *("inputs", "files", "rig", "flip", "hypotheses", "format", "joints", "fps", "image_size"),
    *("slow_motion", "every_frame", "person", "largest", "min_length", "max_gap", "smooth"),
    "lock_feet",
)
_TAKEN: set[pathlib.Path] = set()
