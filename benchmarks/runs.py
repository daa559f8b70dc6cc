"""Trains many settings with several seeds, one after the other, and puts the results in tables."""

import functools
import json
import pathlib
import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import jax

from repose_jax.cli import arguments
from repose_jax.evaluation import compare
from repose_jax.evaluation.tables import markdown
from repose_jax.runtime import names

Results = Mapping[str, Sequence[compare.Run]]
Main = Callable[..., None]


def one_line(main: Main) -> Main:
    """Decorates the main function of a program: an error ends it with one line and status 2."""

    @functools.wraps(main)
    def checked(*args: Any, **options: Any) -> None:
        try:
            main(*args, **options)
        except BrokenPipeError:
            raise  # to `terminal.run`
        except (ImportError, ValueError, OSError, FloatingPointError) as error:
            file = pathlib.Path(main.__code__.co_filename)
            name = file.parent.name if file.stem == "__main__" else file.stem
            print(f"{name}: error: {names.message(error)}", file=sys.stderr)
            raise SystemExit(2) from error

    return checked


def read(path: pathlib.Path) -> Any:
    """Returns the results in a file that `save` wrote.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it holds no results.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))["results"]
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise ValueError(f"{path} holds no results of this program: {error!r}") from error


def refuse(flags: Sequence[str], keys: Collection[str]) -> None:
    """Refuses `--config` and overrides of it that a program would silently replace.

    Args:
        flags: of the command line.
        keys: of the configuration, which the program sets: "train.seed", "model", ...

    Raises:
        ValueError: one of the flags is of such a key, of a part of it, or of what it is in.
    """
    for flag in flags:
        name = flag.split("=")[0]
        found = arguments.OVERRIDE.match(flag)
        given = f"{found[1]}." if found else "" if name == "--config" else None
        if given is None:
            continue
        if any(f"{key}.".startswith(given) or given.startswith(f"{key}.") for key in keys):
            raise ValueError(f"{name} is set by this program; leave it out.")


def sweep(
    settings: Mapping[str, tuple[str, Sequence[str]]],
    *,
    seeds: int,
    out: pathlib.Path,
    extra: Sequence[str],
) -> dict[str, list[compare.Run]]:
    """Trains every setting with several seeds; what is finished in `out` is not trained again.

    All settings are checked before the first one is trained. A wrong one, and a finished run of
    another configuration in `out`, end the program with one line and status 2; so does a run that
    fails or diverges.

    Args:
        settings: name to (config with variants, overrides); "{seed}" in these is the seed.
        seeds: 0 to `seeds - 1`, the seed outermost, so that an interrupted sweep is balanced.
        out: folder of the workdirs.
        extra: overrides for all.

    Returns:
        For each setting the runs of its seeds.

    Raises:
        ValueError: `extra` sets what a setting does, or the seed.
    """
    of_settings = [arguments.OVERRIDE.match(x) for _, own in settings.values() for x in own]
    refuse(extra, {"train.seed", *(found[1] for found in of_settings if found)})
    jobs = {
        out / f"{name.replace(' ', '_')}_seed{seed}": [
            f"--config={config}",
            *(flag.replace("{seed}", str(seed)) for flag in overrides),
            *extra,
            f"--config.train.seed={seed}",
        ]
        for seed in range(seeds)
        for name, (config, overrides) in settings.items()
    }
    unfinished = [workdir for workdir, flags in jobs.items() if not _is_finished(workdir, flags)]
    for workdir in unfinished:
        command = [sys.executable, "-m", "repose_jax", "train", f"--workdir={workdir}"]
        ended = subprocess.run([*command, "--config.eval.pictures=0", *jobs[workdir]])
        if ended.returncode:  # it has printed why: a run that diverged has no place in a table
            sys.exit(ended.returncode)
    found = [compare.read(workdir) for workdir in jobs]
    return {name: found[i :: len(settings)] for i, name in enumerate(settings)}


def _is_finished(workdir: pathlib.Path, flags: Sequence[str]) -> bool:
    parser = arguments.Parser(prog="repose train")
    parser.add_config()
    wanted = compare.settings(arguments.parse(parser, flags).experiment.to_dict())
    if not (workdir / "evaluation.json").exists():
        return False
    found = {k: v for k, v in compare.read(workdir).settings.items() if k != "checkpoint"}
    changed = [
        f"config.{key} is {found.get(key)!r} there and {wanted.get(key)!r} now"
        for key in compare.differing([found, wanted])
    ]
    if changed:
        parser.error(
            f"{workdir} has results of another configuration: {'; '.join(changed)}. "
            "Give another --out."
        )
    return True


def visibilities(results: Results) -> tuple[str | None, ...]:
    """Returns None, for all joints, and "occluded" where every run knows which those are."""
    rows = [run.evaluation["results"]["visibility"] for runs in results.values() for run in runs]
    return (None, "occluded") if all("occluded" in row for row in rows) else (None,)


def report(results: Results, against: str | None = None) -> str:
    """Formats the tables of `repose compare` as Markdown.

    Args:
        results: for each setting the runs of its seeds.
        against: a setting from which to show the differences too.
    """
    parts = []
    for visibility in visibilities(results):
        parts.append(compare.means(results, compare.DEFAULT, visibility))
        if against:
            parts.append(compare.differences(results, against, compare.DEFAULT, visibility))
    return "\n".join(map(markdown, parts))


def values(results: Results) -> dict[str, list[dict[str, float]]]:
    """Returns the metrics of every run, as JSON: "mpjpe/all", "mpjpe/occluded", ..."""
    columns = [(metric, v) for metric in compare.DEFAULT for v in visibilities(results)]
    return {
        name: [{f"{m}/{v or 'all'}": run.value(m, v) for m, v in columns} for run in runs]
        for name, runs in results.items()
    }


def environment() -> dict[str, Any]:
    """Returns what a figure depends on: processor, devices, versions."""
    model = platform.processor()
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
        names = [line for line in lines if "model name" in line]
        model = f"{len(names)} x {names[0].split(':')[1].strip()}" if names else model
    return {
        "cpu": model,
        "devices": [str(device.device_kind) for device in jax.devices()],
        "jax": jax.__version__,
        "python": platform.python_version(),
    }


def _commit() -> dict[str, str]:
    """Returns the commit of this repository, if it is one of git."""
    command = ["git", "-C", str(pathlib.Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    try:
        found = subprocess.run(command, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return {}
    return {"commit": found.stdout.decode("ascii").strip()}


def save(path: pathlib.Path, **content: Any) -> None:
    """Writes a result with its command, environment and commit."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made = {"command": shlex.join(sys.orig_argv[1:]), "environment": environment(), **_commit()}
    content = {**made, **content}
    text = json.dumps(content, indent=1)
    text = re.sub(r"\[[-\d.eE,\s]+\]", lambda found: " ".join(found[0].split()), text)  # of numbers
    path.write_text(text + "\n", encoding="utf-8")
