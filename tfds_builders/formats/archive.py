"""Text files of a dataset, in a folder or in the zip archive that was downloaded."""

import dataclasses
import functools
import lzma
import os
import pathlib
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import tensorflow_datasets as tfds

from tfds_builders import limits
from tfds_builders.formats import text
from tfds_builders.mocap.builder import MocapBuilder


@dataclasses.dataclass(frozen=True)
class TextFile:
    """A text file, not read yet.

    Attributes:
        name: Its location, for errors: "folder/02/02_01.amc" or "archive.zip:02/02_01.amc".
        path: The file on disk: the text file or its archive.
        inside: Its path in the folder or archive, "02/02_01.amc".
        match: The match of its path with the pattern that it was found by.
        read: Returns its content, in whatever encoding it is (see `text.decode`); raises
            ValueError with its name if the archive is damaged or the file is no text.
    """

    name: str
    path: pathlib.Path
    inside: str
    match: re.Match[str]
    read: Callable[[], str]


def _in_archive(path: pathlib.Path, pattern: re.Pattern[str]) -> list[TextFile]:
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error) as error:
        raise ValueError(
            f"{path}: not a zip archive, or damaged ({error}); download it again, or give the "
            "folder that it was unpacked to"
        ) from None

    def reader(member: zipfile.ZipInfo) -> Callable[[], str]:
        def read() -> str:
            try:
                data = archive.read(member)
            except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError) as error:
                raise ValueError(
                    f"{path}:{member.filename}: damaged ({error}); download the archive again"
                ) from None
            except NotImplementedError as error:
                raise ValueError(
                    f"{path}:{member.filename}: {error}; unpack the archive and give the folder"
                ) from None
            return text.decode(data, f"{path}:{member.filename}")

        return read

    found = [
        TextFile(f"{path}:{member.filename}", path, member.filename, match, reader(member))
        for member in archive.infolist()
        if (match := pattern.fullmatch(member.filename))
    ]
    members = [archive.getinfo(file.inside) for file in found]
    for member in members:
        limits.check_member(member, str(path))
    limits.check_sizes(members, str(path))
    return found


def _on_disk(path: pathlib.Path, inside: str, pattern: re.Pattern[str]) -> list[TextFile]:
    match = pattern.fullmatch(path.absolute().as_posix())
    read = functools.partial(_read, path)
    return [TextFile(str(path), path, inside, match, read)] if match else []


def _read(path: pathlib.Path) -> str:
    limits.check_size(path.stat().st_size, str(path))
    return text.read(path)


def find(source: str | os.PathLike[str], pattern: re.Pattern[str]) -> list[TextFile]:
    """Finds files by their path without reading or extracting them.

    Args:
        source: A zip archive, or a folder with the files at any depth or, where it has none of
            them, with an archive of them directly in it; or one of the files.
        pattern: Must match the whole path, with "/" between folders; the part of the path that
            leads to the data is up to the user, so begin with `(.*/)?`.

    Returns:
        The files, ordered by name; none where nothing matches.

    Raises:
        FileNotFoundError: If there is no such source.
        ValueError: If an archive cannot be read, or several archives in a folder have matching
            files.
    """
    source = pathlib.Path(source).expanduser()
    if not source.exists():
        raise FileNotFoundError(f"{source}: no such file or folder")
    if not source.is_dir():
        found = _on_disk(source, source.name, pattern) or _in_archive(source, pattern)
    else:
        found = [
            file
            for path in source.rglob("*")
            for file in _on_disk(path, path.relative_to(source).as_posix(), pattern)
        ]
        if not found:
            archives = {path: _in_archive(path, pattern) for path in sorted(source.glob("*.zip"))}
            holding = [path for path, files in archives.items() if files]
            if len(holding) > 1:
                raise ValueError(
                    f"{source}: several archives contain the data, keep one: "
                    f"{', '.join(path.name for path in holding)}"
                )
            found = archives[holding[0]] if holding else []
    return sorted(found, key=lambda file: file.name)


class ArchiveBuilder(MocapBuilder):
    """A motion capture dataset that is read from files of the user.

    Args:
        source: The archive, folder or file to read. Where it is not given, the `manual_dir` of
            TFDS's `DownloadConfig` is read, by default `DATA_DIR/downloads/manual`.
        **kwargs: As for any TFDS builder.
    """

    PATTERN: ClassVar[re.Pattern[str]]  # of the paths of the files to read, as `find` takes it

    def __init__(self, *, source: str | os.PathLike[str] | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self._source = None if source is None else pathlib.Path(source).expanduser()
        self._found: set[pathlib.Path] = set()

    def source_files(self) -> Iterable[pathlib.Path]:
        """Returns the files of the source, or their archive."""
        if self._source is None:
            return ()
        return {file.path for file in find(self._source, self.PATTERN)}

    def _files_read(self) -> Iterable[pathlib.Path]:
        """Returns the files of the source, of the manual directory or of the download."""
        return {*self.source_files(), *self._found}

    def _find(self, place: pathlib.Path | None) -> list[TextFile]:
        """Returns the files in a place, which then belong to the fingerprint of the source."""
        files = find(place, self.PATTERN) if place else []
        self._found |= {file.path for file in files}
        return files

    def _folder(self, dl_manager: tfds.download.DownloadManager) -> pathlib.Path | None:
        """Returns the folder of the user's files: the source, else TFDS's manual directory."""
        if self._source is not None:
            return self._source
        try:
            return pathlib.Path(dl_manager.manual_dir)
        except AssertionError:  # raised by TFDS where it is absent or empty
            return None

    def _missing(self, dl_manager: tfds.download.DownloadManager) -> FileNotFoundError:
        """Returns the error for a source without the data."""
        source = self._folder(dl_manager)
        where = f"no such data in {source}" if source else "no source and no manual_dir were given"
        instructions = " ".join((self.MANUAL_DOWNLOAD_INSTRUCTIONS or "").split())
        return FileNotFoundError(f"{self.name}: {where}. {instructions}")
