"""Show the 3D pose of the person before a camera, as it happens.

    repose live                    the first camera
    repose live 1 --out session    the second; the 2D joints are kept
    repose live clip.mp4           a video as if it came from a camera

The pose is shown in the browser, by a page that only this computer serves. The camera's frames and
poses stay in memory, and are sent nowhere. Ctrl-C ends it. With --out the 2D joints of the session
are written to keypoints.npz, of which `repose lift` makes the better result: it knows the whole
motion. `repose lift --camera 0` is the same command.
"""

import argparse
import contextlib
import dataclasses
import math
import pathlib
import re
import webbrowser
from typing import Any

import numpy as np

from repose_jax.cli import environment
from repose_jax.cli.arguments import Parser
from repose_jax.runtime import folders, names
from repose_jax.runtime.signals import Interrupted

SILENCE_S = 5.0
"""Time after which a camera that sends nothing is taken for disconnected."""


def add_arguments(parser: Parser) -> None:
    """Adds the command's arguments."""
    parser.add_argument(
        "source",
        nargs="?",
        default="0",
        metavar="CAMERA",
        help="number of a camera (default: 0), or a video that is played as one",
    )
    parser.add_argument(
        "--out", type=pathlib.Path, metavar="DIR", help="folder for the 2D joints of the session"
    )
    add_server(parser)
    model = parser.add_argument_group("model")
    model.add_argument(
        "--weights", help="shipped weights, a .safetensors file or a run (default: shipped weights)"
    )
    model.add_argument("--checkpoint", choices=("best", "latest"), help="of a run (default: best)")
    model.add_argument(
        "--detector",
        help="blazepose (default), blazepose-int8 (faster), rtmpose, rtmo, or the path of an ONNX "
        "file, such as one of YOLO for poses",
    )
    model.add_argument("--detector-weights", metavar="DIR", help="folder of the detector's files")
    model.add_argument(
        "--people",
        choices=("all", "one"),
        help="one (default): show whom the detector is surest of; all: look for everybody and show "
        "the largest (slower)",
    )
    place = parser.add_argument_group("where and how big")
    place.add_argument("--height", type=float, metavar="M", help="standing height of the person, m")
    place.add_argument("--focal", type=float, metavar="PX", help="focal length, px")
    place.add_argument("--fov", type=float, metavar="DEG", help="view of the longer side, degrees")
    place.add_argument("--camera", metavar="FILE.toml", help="calibration of Pose2Sim")
    place.add_argument("--up", help="the vertical: camera, or x,y,z in camera axes")


def add_server(parser: Any) -> None:
    """Adds the arguments of the page to a parser or a group of arguments."""
    parser.add_argument("--port", type=int, help="of the page (default: a free one)")
    parser.add_argument(
        "--no-browser", action="store_true", help="print the address of the page, do not open it"
    )


def is_source(text: str | None) -> bool:
    """Returns whether a text names a camera or a video, and not a calibration."""
    from repose_jax.detectors import video

    if text is None:
        return False
    return re.fullmatch(r"-?\d+", text) is not None or video.is_video(text)


def run(args: argparse.Namespace) -> None:
    """Runs the command."""
    out = None if args.out is None else folders.expand(args.out)
    if out is not None:
        _check_out(out)
    from repose_jax.detectors import create, video
    from repose_jax.detectors.newest import Newest
    from repose_jax.motion.live_server import LiveServer

    environment.start_jax()
    from repose_jax.lifting import predictor
    from repose_jax.lifting.options import of_flags
    from repose_jax.lifting.session import Session

    options = of_flags(vars(args) | {"people": args.people or "one"})
    camera = re.fullmatch(r"-?\d+", args.source) is not None
    with LiveServer(args.port or 0) as server:
        source = video.open_video(int(args.source) if camera else args.source)
        with Newest(source, paced=not camera) as frames:
            detector = create.create(options.detector, args.detector_weights, people=options.people)
            model = predictor.load(options.weights, options.checkpoint)
            keep = out is not None
            session = Session(model, detector, source.size, options, name=source.name, keep=keep)
            server.page = _page(session, options)
            print(f"{session.name}: {server.address} shows the pose; Ctrl-C ends it.", flush=True)
            if not args.no_browser:
                webbrowser.open(server.address)
            try:
                _show(session.poses(frames, silence_s=SILENCE_S if camera else math.inf), server)
                server.reason = _end(source, camera)
                print(server.reason)
            except Interrupted:
                pass  # the usual end
            except Exception as error:
                server.reason = f"Ended: {names.message(error)}"
                raise
            finally:
                print(_summary(session, frames.read))
                if out is not None:
                    _write(out, session)


def _check_out(folder: pathlib.Path) -> None:
    """Checks before a session that its joints can be written, and replace no others.

    Raises:
        ValueError: they cannot, or would.
    """
    from repose_jax.keypoints import store
    from repose_jax.motion import files

    files.check_folder(folder)
    if (folder / store.NAME).exists():
        raise ValueError(
            f"{folder / store.NAME} has the joints of an earlier session or result; name another "
            "--out."
        )


def _page(session: Any, options: Any) -> str:
    from repose_jax.motion import live_page

    facts = [
        ("Detector", str(options.detector)),
        ("Height", "that of a usual adult" if options.height is None else f"{options.height:g} m"),
    ]
    return live_page.page(session.name, session.camera, facts)


def _show(poses: Any, server: Any) -> None:
    """Sends poses until their source ends or somebody ends them."""
    from repose_jax.motion import live_page

    with contextlib.closing(poses):
        for shown in poses:
            if server.listeners:
                fields = dataclasses.fields(shown)
                server.send(live_page.message(**{f.name: getattr(shown, f.name) for f in fields}))


def _end(source: Any, camera: bool) -> str:
    """Returns why a video ended.

    Raises:
        OSError: it is a camera, which should not.
    """
    if camera:
        why = (f"{source.name}: no more frames came; is it still connected?", *source.warnings)
        raise OSError(" ".join(why))
    return " ".join((f"{source.name}: the video has ended.", *source.warnings))


def _summary(session: Any, read: int) -> str:
    """Returns what was seen, for the terminal."""
    times, latencies = np.array(session.times_s), np.array(session.latencies_s)
    line = f"{session.name}: {len(times)} of {read} frames lifted"
    if len(times) > 1:
        line += f", {(len(times) - 1) / np.ptp(times):.1f} per second; the others were dropped"
    if len(latencies):
        middle, most = 1000 * np.percentile(latencies, (50, 95))
        line += f". From a frame to its pose {middle:.0f} ms (median), 95 % within {most:.0f} ms"
    return line + "."


def _write(folder: pathlib.Path, session: Any) -> None:
    """Writes the 2D joints of a session."""
    from repose_jax.keypoints import store

    found = session.detections()
    if not len(found.frame):
        print("Nobody was seen: nothing is written.")
        return
    folder.mkdir(parents=True, exist_ok=True)
    store.write(folder / store.NAME, found)
    print(
        f"The 2D joints are in {folder / store.NAME}; `repose lift {folder} --out {folder}` lifts "
        "them anew, better: of each moment it knows what comes after."
    )
