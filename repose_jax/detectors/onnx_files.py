"""Detectors in ONNX files, recognised by the shapes of their inputs and outputs."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from repose_jax.detectors.onnx_session import Session, load
from repose_jax.detectors.rtmo import Rtmo, is_rtmo
from repose_jax.detectors.rtmpose import Rtmpose, is_simcc
from repose_jax.detectors.yolo_pose import YoloPose, is_yolo_pose
from repose_jax.detectors.yolox import Yolox, is_yolox

LAYOUTS = {"RTMO": is_rtmo, "YOLOX": is_yolox, "SimCC": is_simcc, "YOLO pose": is_yolo_pose}
ONE_STAGE = {"RTMO": Rtmo, "YOLO pose": YoloPose}


def layout(session: Session) -> str:
    """Returns the layout of a model, a key of `LAYOUTS`.

    Raises:
        ValueError: it is none of them.
    """
    for name, recognises in LAYOUTS.items():
        if recognises(session):
            return name
    height, width = session.size
    raise ValueError(
        f"{session.path} is of no known layout: for an image of {width} x {height} px its outputs "
        f"have the shapes {', '.join(map(str, session.outputs))}; expected RTMO (1, n, 5) and "
        f"(1, n, joints, 3), YOLO pose (1, 5 + 3 joints, n) or (1, n, 6 + 3 joints), YOLOX "
        f"(1, n, 5) or (1, cells, 5 + classes), or SimCC (1, joints, {2 * width}) and (1, joints, "
        f"{2 * height})."
    )


def from_files(
    paths: Sequence[str | os.PathLike[str]],
    *,
    yolox: Callable[[], Path] | None = None,
    every: int = 1,
    threads: int | None = None,
) -> Rtmo | YoloPose | Rtmpose:
    """Builds a detector of ONNX files.

    Args:
        paths: an RTMO or a YOLO for poses; or a SimCC model of poses (RTMPose) and a YOLOX, in
            either order.
        yolox: returns the path of a YOLOX, for a model of poses alone.
        every: of RTMPose, frames from one detection of boxes to the next.
        threads: as `onnx_session.load`.

    Raises:
        ImportError: a package of the extra "video" is missing.
        FileNotFoundError: there is no such file.
        ValueError: a file is no model, of no known layout, or the models do not fit together.
    """
    sessions = [load(path, threads=threads) for path in paths]
    if yolox is not None and [layout(session) for session in sessions] == ["SimCC"]:
        sessions.append(load(yolox(), threads=threads))
    found = {layout(session): session for session in sessions}
    if len(sessions) == 1 and (only := layout(sessions[0])) in ONE_STAGE:
        return ONE_STAGE[only](sessions[0])
    if sorted(found) == ["SimCC", "YOLOX"] and len(sessions) == 2:
        return Rtmpose(found["SimCC"], Yolox(found["YOLOX"]), every=every)
    given = ", ".join(f"{session.path} ({layout(session)})" for session in sessions)
    raise ValueError(
        f"{given or 'no file'}: expected an RTMO or a YOLO for poses, or a SimCC model of poses "
        "together with a YOLOX for the boxes of people: yolox.onnx,pose.onnx."
    )
