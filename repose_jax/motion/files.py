"""The files of a motion: one set for each person, and what shows all people."""

import contextlib
import functools
import json
import logging
import os
import pathlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from repose_jax.keypoints import store
from repose_jax.motion import bvh, glb, page, preview, rerun, tables, trc
from repose_jax.motion.motion import STATUS, Motion, Person
from repose_jax.motion.rig import RIGS, Rig, fit
from repose_jax.runtime import extras, folders, names
from repose_jax.runtime.whole_file import whole


class _Writer(Protocol):
    def __call__(
        self, path: pathlib.Path, /, *, motion: Motion, person: Person, rig: Any
    ) -> None: ...


OF_PERSON: Mapping[str, _Writer] = {
    "npz": lambda path, motion, person, rig: tables.write_npz(path, motion, person),
    "json": lambda path, motion, person, rig: tables.write_json(path, motion, person),
    "csv": lambda path, motion, person, rig: tables.write_csv(path, person),
    "bvh": lambda path, motion, person, rig: bvh.write(path, rig),
    "glb": lambda path, motion, person, rig: glb.write(path, rig),
    "trc": lambda path, motion, person, rig: trc.write(path, person),
    "angles": lambda path, motion, person, rig: tables.write_angles(path, person),
}
"""Kind of file to what writes it for one person."""
NAMES = {"angles": "_angles.csv"}
"""Ends of the names of files whose kind is not their suffix."""
RIGGED = ("bvh", "glb")
"""Kinds that need a rig."""
OF_ALL = {"html": "index.html", "mp4": "preview.mp4", "rrd": "motion.rrd"}
"""Kind of file to its name, of those that show all people."""
EXTRAS = {"mp4": ("preview", ("av", "cv2")), "rrd": ("rerun", ("rerun",))}
"""Kinds that need an extra: its name, and its modules."""
KINDS = (*OF_PERSON, *OF_ALL)
SUMMARY = "summary.json"
_OF_SUMMARY = {"name", "camera", "world", "people", "assumptions", "files"}
"""Fields by which a summary is known from other files of its name."""
Stage = Callable[[str, int, int], None]
"""Called with a stage, what is done of it, and the whole."""
_LISTED = 3


def _end(kind: str) -> str:
    """Returns the end of the names of files of a kind of one person."""
    return NAMES.get(kind, f".{kind}")


def available() -> tuple[str, ...]:
    """Returns the kinds of files that can be written with what is installed."""
    return tuple(kind for kind in KINDS if _missing(kind) is None)


def check(kinds: Sequence[str]) -> None:
    """Checks that kinds exist and can be written, before anything is computed.

    Raises:
        ValueError: an unknown kind.
        ImportError: a kind whose extra is not installed.
    """
    for kind in kinds:
        if kind not in KINDS:
            raise ValueError(names.unknown("kind of file", kind, KINDS))
        if (error := _missing(kind)) is not None:
            raise error


def _missing(kind: str) -> ImportError | None:
    extra, modules = EXTRAS.get(kind, ("", ()))
    for module in modules:
        try:
            extras.require(module, extra, f"Writing {OF_ALL[kind]}")
        except ImportError as error:
            return error
    return None


def write(
    folder: pathlib.Path,
    motion: Motion,
    kinds: Sequence[str] = KINDS,
    *,
    rig: str = "full",
    progress: Stage | None = None,
) -> list[pathlib.Path]:
    """Writes the files of a motion into a folder, `summary.json` last.

    Each file appears when it is complete; one that cannot be written does not stop the others.
    Files that an earlier `summary.json` there lists and that are not replaced are removed.

    Args:
        folder: made if it does not exist.
        motion: the motion.
        kinds: of `KINDS`.
        rig: skeleton of .bvh and .glb, "full" or "simple"; see `rig.fit`.
        progress: called with "writing", the number of files that are written, and that of all; for
            the preview with "drawing" and the numbers of its frames.

    Returns:
        The files.

    Raises:
        ValueError: an unknown rig.
        NotWritten: some files could not be written.
        OSError: the folder cannot be made.
    """
    rigs = _rigs(motion, kinds, rig)
    folder.mkdir(parents=True, exist_ok=True)
    earlier = _listed(folder)
    planned: list[tuple[str, Callable[[pathlib.Path], None]]] = []
    for person in motion.people:
        of_one = {"motion": motion, "person": person, "rig": rigs.get(person.number)}
        for kind in (kind for kind in OF_PERSON if kind in kinds):
            name = f"person_{person.number}{_end(kind)}"
            planned.append((name, functools.partial(OF_PERSON[kind], **of_one)))
    offered = [name for name, _ in planned] + [OF_ALL[k] for k in ("mp4", "rrd") if k in kinds]
    shown = {
        "html": lambda path: page.write(path, motion, offered),
        "mp4": lambda path: _write_preview(path, motion, progress),
        "rrd": lambda path: rerun.write(path, motion),
    }
    planned += [(OF_ALL[kind], shown[kind]) for kind in OF_ALL if kind in kinds]
    written: list[str] = []
    problems: dict[str, Exception] = {}
    content = summary(motion, [*rigs.values()])
    planned.append((SUMMARY, lambda path: _write_summary(path, {**content, "files": written})))
    for done, (name, make) in enumerate(planned):
        if progress is not None:
            progress("writing", done, len(planned))
        try:
            make(folder / name)
        except Exception as error:  # of any library: the other files are worth having
            logging.getLogger(__name__).debug("%s was not written", name, exc_info=True)
            problems[name] = error
        else:
            written.append(name)
    if progress is not None:
        progress("writing", len(planned), len(planned))
    for name in earlier - {*written}:
        (folder / name).unlink(missing_ok=True)
    files = [folder / name for name in written]
    if problems:
        raise NotWritten(folder, files, problems)
    return files


def check_folder(
    folder: pathlib.Path, source: pathlib.Path | None = None, kinds: Sequence[str] = ()
) -> None:
    """Checks that a result can be written into a folder and replaces no other files.

    It is for before any work.

    Args:
        folder: of the result.
        source: what is lifted; None for the joints of an earlier result.
        kinds: of the files that will be beside the joints.

    Raises:
        ValueError: the folder is a file, is not writable, is or has the source, or has a file that
            is of no earlier result and would be replaced.
    """
    there = next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))
    if not there.is_dir():
        what = "a file" if there.exists() else "a link to what does not exist"
        raise ValueError(f"The results cannot be written to {folder}: {there} is {what}.")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ValueError(f"The results cannot be written to {folder}: {there} is not writable.")
    if source is not None:
        source, out = source.resolve(), folder.resolve()
        replaced = source.name in store.NAMES or _is_of_result(source.name)
        if source == out or (source.parent == out and replaced):
            raise ValueError(f"{source} would be overwritten by its result; name another --out.")
    if there == folder and (other := _of_others(folder, kinds)) is not None:
        raise ValueError(
            f"{folder / other} is not of repose lift and would be overwritten; move it, or name "
            "another --out."
        )


def _is_of_result(name: str, kinds: Sequence[str] = KINDS) -> bool:
    """Returns whether a file of a result with these kinds may have a name."""
    if name in (SUMMARY, *(OF_ALL[kind] for kind in kinds if kind in OF_ALL)):
        return True
    ends = "|".join(re.escape(_end(kind)) for kind in kinds if kind in OF_PERSON)
    return re.fullmatch(rf"person_\d+({ends})", name) is not None


def _of_others(folder: pathlib.Path, kinds: Sequence[str]) -> str | None:
    """Returns the name of what a result in a folder would replace and that is of no result."""
    for name in store.NAMES:
        path = folder / name
        if os.path.lexists(path) and (path.is_dir() or store.find(path) is None):
            return name
    if not kinds or store.find(folder) is not None or _summary_in(folder) is not None:
        return None
    return next(filter(lambda name: _is_of_result(name, kinds), sorted(os.listdir(folder))), None)


class NotWritten(OSError):
    """Some files of a motion could not be written.

    Attributes:
        written: the files that were.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        written: list[pathlib.Path],
        problems: Mapping[str, Exception],
    ):
        self.written = written
        reasons = dict.fromkeys(map(names.message, problems.values()))
        listed = ", ".join([*problems][:_LISTED])
        if len(problems) > _LISTED:
            listed += f" and {len(problems) - _LISTED} more"
        super().__init__(
            f"{len(problems)} of {len(problems) + len(written)} files in {folder} could not be "
            f"written ({listed}): {'; '.join([*reasons][:2])}"
        )


def _write_summary(path: pathlib.Path, content: Mapping[str, Any]) -> None:
    with whole(path) as part:
        text = json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False)
        part.write_text(text + "\n", encoding="utf-8")


def _write_preview(path: pathlib.Path, motion: Motion, progress: Stage | None = None) -> None:
    drawing = None if progress is None else functools.partial(progress, "drawing")
    if motion.frames is None:
        preview.write(path, motion, progress=drawing)
        return
    with contextlib.closing(motion.frames(preview.apart_s(motion))) as frames:
        preview.write(path, motion, frames, progress=drawing)


def save(
    motion: Motion,
    path: str | os.PathLike[str],
    *,
    rig: str = "full",
) -> list[pathlib.Path]:
    """Writes a motion to one file of the kind that its suffix names.

    Of a motion of several people, kinds of one person give a file for each, `NAME_1.bvh`, but for
    .glb, which holds all. Angles are those of a name that ends with "_angles.csv". A path without
    suffix, or of a folder that exists, is a folder for all kinds that can be written; 2D joints
    that `repose lift` left there are removed if they are of another video.

    Raises:
        ValueError: an unknown suffix or rig.
        ImportError: a kind whose extra is not installed.
    """
    path = folders.expand(path)
    if not path.suffix or path.is_dir():
        written = write(path, motion, available(), rig=rig)
        _remove_joints_of_another(path, motion)
        return written
    kind, end = _kind(path)
    check([kind])
    path.parent.mkdir(parents=True, exist_ok=True)
    rigs = _rigs(motion, [kind], rig)
    if kind == "html":
        page.write(path, motion)
    elif kind == "mp4":
        _write_preview(path, motion)
    elif kind == "rrd":
        rerun.write(path, motion)
    elif kind == "glb":
        glb.write(path, [*rigs.values()])
    else:
        written = []
        for person in motion.people:
            name = f"{path.name[: -len(end)]}_{person.number}{path.name[-len(end) :]}"
            one = path.with_name(name) if len(motion.people) > 1 else path
            OF_PERSON[kind](one, motion=motion, person=person, rig=rigs.get(person.number))
            written.append(one)
        return written
    return [path]


def _remove_joints_of_another(folder: pathlib.Path, motion: Motion) -> None:
    """Removes the 2D joints in a folder, of which lifting it anew would make another motion."""
    path = store.find(folder)
    if path is None:
        return
    with contextlib.suppress(ValueError):  # damaged
        found = store.read(path)
        if found.name == motion.name and len(found.time_s) == len(motion.time_s):
            return
    for name in store.NAMES:
        if store.find(folder / name) is not None:
            (folder / name).unlink()


def _kind(path: pathlib.Path) -> tuple[str, str]:
    """Returns the kind of file that a name means, and the end of the name that shows it."""
    name = path.name.lower()
    for kind, end in NAMES.items():
        if name.endswith(end):
            return kind, end
        if name.endswith(f".{kind}"):
            raise ValueError(f"{path}: the name of a file of {kind} ends with {end}.")
    return path.suffix[1:].lower(), path.suffix


def _rigs(motion: Motion, kinds: Sequence[str], rig: str) -> dict[int, Rig]:
    """Returns a rig for the number of each person, if a kind needs them."""
    if rig not in RIGS:
        raise ValueError(names.unknown("rig", rig, RIGS))
    needed = any(kind in RIGGED for kind in kinds)
    return {person.number: fit(person, rig) for person in motion.people} if needed else {}


def summary(motion: Motion, rigs: Sequence[Rig] = ()) -> dict[str, Any]:
    """Returns what was found, assumed and asked for, as values of JSON."""
    steps = np.diff(motion.time_s)
    slowed = sum(sum(one.slowed.values()) for one in rigs)
    warnings = [*motion.warnings]
    if slowed:
        warnings.append(
            f"The twist of limbs was faster than is possible in {slowed} places of the .bvh and "
            ".glb files and was slowed down; joints are where they were."
        )
    return {
        "name": motion.name,
        "format": motion.format,
        "image_size": [*motion.camera.image_size],
        "frames": len(motion.time_s),
        "duration_s": round(float(motion.time_s[-1] - motion.time_s[0]), 6),
        "fps": round(motion.fps, 6),
        "variable_frame_rate": bool(len(steps) and np.ptp(steps) > 0.1 * np.median(steps)),
        "units": {k: v for person in motion.people for k, v in tables.units(person).items()},
        "camera": {
            "focal_px": round(float(motion.camera.focal_px), 3),
            "centre_px": np.round(motion.camera.centre_px, 3).tolist(),
            "source": motion.camera.source,
        },
        "world": {
            "rotation": np.round(motion.world.rotation, 8).tolist(),
            "origin_mm": np.round(motion.world.origin_mm, 2).tolist(),
            "source": motion.world.source,
        },
        "people": [_person(person) for person in motion.people],
        "assumptions": [*motion.assumptions],
        "warnings": warnings,
        **motion.settings,
    }


def _person(person: Person) -> dict[str, Any]:
    return {
        "number": person.number,
        "frames": len(person.frame),
        "from_s": round(float(person.time_s[0]), 6),
        "to_s": round(float(person.time_s[-1]), 6),
        "joints": {
            name: round(float((person.status == value).mean()), 4)
            for value, name in enumerate(STATUS)
        },
    }


def _summary_in(folder: pathlib.Path) -> dict[str, Any] | None:
    """Returns the summary of the result in a folder; None if there is none."""
    try:
        found = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and found.keys() >= _OF_SUMMARY else None


def _listed(folder: pathlib.Path) -> set[str]:
    """Returns the names of files in a folder that the summary of a result in it lists, and its."""
    found = _summary_in(folder)
    if found is None:
        return set()
    listed = found["files"] if isinstance(found["files"], list) else []
    return {SUMMARY, *(name for name in listed if isinstance(name, str) and _is_of_result(name))}
