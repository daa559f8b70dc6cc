"""The 2D joints that a folder of results has, to lift them anew with other options."""

import os
import pathlib
import shlex

from repose_jax.keypoints import store
from repose_jax.keypoints.detections import Detections
from repose_jax.lifting import sources


def keep(detections: Detections, folder: pathlib.Path, *, whole: bool) -> list[str]:
    """Stores what was detected in a video; returns a sentence on where it is and how to lift it.

    Joints of a part of the video do not replace those of an earlier result. Of nobody nothing is
    stored, or said.

    Args:
        detections: of the video.
        folder: of the results.
        whole: whether all of the video was looked at.
    """
    if not len(detections.frame):
        return []
    beside = not whole and store.find(folder) is not None
    path = folder / (store.PARTIAL if beside else store.NAME)
    _write(detections, path)
    if whole:
        (folder / store.PARTIAL).unlink(missing_ok=True)
    source, out = (path, folder / "partial") if beside else (folder, folder)
    command = shlex.join(["repose", "lift", os.fspath(source), "--out", os.fspath(out)])
    return [f"The 2D joints are in {path}; lift them with: {command}"]


def keep_again(detections: Detections, source: pathlib.Path, folder: pathlib.Path) -> None:
    """Stores joints that were read; those of an earlier result as they are there.

    So options, such as other times, do not replace what was detected.

    Args:
        detections: as read.
        source: what they were read from.
        folder: of the results.
    """
    path, earlier = folder / store.NAME, store.find(source)
    if earlier is None:
        _write(detections, path)
    elif not path.exists() or not path.samefile(earlier):
        _write(store.read(earlier), path)


def check_same(folder: pathlib.Path, name: str, *, usual: pathlib.Path) -> None:
    """Checks that a folder has no result of a video of another name.

    Args:
        folder: of the results.
        name: of the video.
        usual: the folder that results go to without `--out`.

    Raises:
        ValueError: it has.
    """
    name = name.encode("utf-8", "replace").decode()  # of a file, of any bytes
    earlier = store.name_in(folder)
    if earlier not in (None, name):
        raise ValueError(
            f"{folder} has the result of {earlier}. Give another --out for that of {name}, or "
            f"--out={usual} to replace it."
        )


def _write(detections: Detections, path: pathlib.Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    store.write(path, sources.to_store(detections))
