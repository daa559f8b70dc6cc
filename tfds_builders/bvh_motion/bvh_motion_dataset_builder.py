"""Motion capture from any BVH or ASF/AMC files of the user."""

import functools
import os
import pathlib
import re
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import tensorflow_datasets as tfds

from tfds_builders.bvh_motion import joint_maps, person, settings
from tfds_builders.bvh_motion.recording import Recording, read_amc, read_bvh
from tfds_builders.formats import archive
from tfds_builders.mocap.builder import MocapBuilder
from tfds_builders.mocap.take import Take, TakeFile

PATTERN = re.compile(
    r"(.*/)?(?P<stem>[^/.][^/]*)\.(?P<kind>bvh|amc|asf)", flags=re.IGNORECASE | re.DOTALL
)
Source = str | os.PathLike[str]


class Builder(MocapBuilder):
    """Any BVH or ASF/AMC files; the settings say which are the test split.

    Args:
        source: The archive, folder or file to read, or several.
        settings: The TOML file of settings, or the name of one of `settings.SHIPPED`.
        **kwargs: As for any TFDS builder.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar[dict[str, str]] = {"1.0.0": "First version."}

    def __init__(
        self,
        *,
        source: Source | Sequence[Source] | None = None,
        settings: Source | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        single = isinstance(source, str | os.PathLike)
        self._sources = [source] if single else list(source or [])
        self._settings = settings

    def source_files(self) -> Iterable[pathlib.Path]:
        """Returns the files of the sources, or their archives, and the user's settings."""
        files = {file.path for source in self._sources for file in archive.find(source, PATTERN)}
        if self._settings is not None:
            path = settings.find(self._settings)
            files |= {path} - set(settings.SHIPPED.values())
        return files

    def _takes(self, dl_manager: tfds.download.DownloadManager) -> dict[str, list[TakeFile]]:
        del dl_manager  # nothing to download
        if not self._sources:
            raise ValueError(f"{self.name} is read from files of yours: give them as --source")
        path, chosen = None, settings.Settings()
        if self._settings is not None:
            path = settings.find(self._settings)
            chosen = settings.read(path)
        splits: dict[str, list[tuple[archive.TextFile, archive.TextFile | None]]] = {}
        for source in self._sources:
            files = archive.find(source, PATTERN)
            if not any(_kind(file) != "asf" for file in files):
                raise FileNotFoundError(f"{source}: there are no .bvh or .amc files in it")
            for file in files:
                if _kind(file) != "asf" and not chosen.rule(file.inside).skip:
                    skeleton = _skeleton_of(file, files) if _kind(file) == "amc" else None
                    splits.setdefault(chosen.split(file.inside), []).append((file, skeleton))
        if not splits:
            raise ValueError(
                f"{path}: [[files]] with skip = true leave out all files of the source"
            )
        for split, patterns in chosen.splits.items():
            if split not in splits:
                raise ValueError(
                    f"{path}: the split {split!r} has no file: none matches {', '.join(patterns)}"
                )
        return {
            split: [
                TakeFile(file.name, functools.partial(_take, file, skeleton, chosen))
                for file, skeleton in splits[split]
            ]
            for split in sorted(splits)
        }


def _kind(file: archive.TextFile) -> str:
    return file.match["kind"].lower()


def _skeleton_of(file: archive.TextFile, files: list[archive.TextFile]) -> archive.TextFile:
    """Returns the .asf file of an .amc file: "02.asf" of "02_01.amc", or the only one beside it."""
    folder = pathlib.PurePosixPath(file.inside).parent
    beside = [
        each
        for each in files
        if _kind(each) == "asf" and pathlib.PurePosixPath(each.inside).parent == folder
    ]
    stem = file.match["stem"]
    named = [each for each in beside if f"{stem}_".startswith(each.match["stem"] + "_")]
    candidates = named or beside
    if len(candidates) != 1:
        found = ", ".join(pathlib.PurePosixPath(each.inside).name for each in candidates) or "none"
        raise ValueError(
            f"{file.name}: its skeleton must be beside it in the source, such as 02.asf of "
            f"02_01.amc, found {found}"
        )
    return candidates[0]


@functools.lru_cache(maxsize=1)  # files of one skeleton follow each other
def _text(file: archive.TextFile) -> str:
    return file.read()


def _read(file: archive.TextFile, skeleton: archive.TextFile | None) -> Recording:
    if skeleton is None:
        return read_bvh(file.read(), file.name)
    return read_amc(_text(skeleton), skeleton.name, file.read(), file.name)


def _take(
    file: archive.TextFile, skeleton: archive.TextFile | None, chosen: settings.Settings
) -> Take:
    rule = chosen.rule(file.inside)
    recording = _read(file, skeleton)
    fps = rule.fps or recording.fps
    if fps is None:
        raise ValueError(
            f"{file.name}: its header has no frame rate (:SAMPLES-PER-SECOND); give it in the "
            'settings, fps = 120 of [[files]] with match = "*.amc"'
        )
    try:
        if rule.skeleton:
            joint_map = chosen.skeletons[rule.skeleton]
        else:
            joint_map = joint_maps.recognise(list(recording.positions), chosen.skeletons)
        joints, face = person.convert(recording, joint_map, rule.metres_per_unit, rule.up)
    except ValueError as error:
        raise ValueError(f"{file.name}: {error}") from None
    path = pathlib.PurePosixPath(file.inside)
    action = path.parent.name if rule.action is None else rule.action
    return Take(
        str(path.with_suffix("")),
        rule.subject or "",
        action,
        fps,
        joints,
        face,
        warnings=recording.warnings,
    )
