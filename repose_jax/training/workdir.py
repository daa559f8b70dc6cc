"""The folder of a run: its configuration and its weights."""

import contextlib
import dataclasses
import json
import os
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import jax
from flax import nnx
from jax.experimental import multihost_utils

import repose_jax
from repose_jax import config as config_lib
from repose_jax import models
from repose_jax.config import Experiment
from repose_jax.evaluation.evaluator import abstract_model
from repose_jax.evaluation.predict import Variables
from repose_jax.models.lifter import Lifter
from repose_jax.runtime import devices, folders
from repose_jax.runtime.checkpoint import Checkpoints, check_path, saved_step
from repose_jax.runtime.lock import Lock
from repose_jax.runtime.whole_file import whole
from repose_jax.training.setup import initial_state

# Settings that may change between two runs in one workdir: of duration, intervals, folders of data,
# evaluation, and of how the same numbers are computed.
MAY_CHANGE = {
    "model.fused_attention",
    "model.remat",
    "data.data_dir",
    "train.epochs",
    "train.microbatch_size",
    "train.steps_per_call",
    "train.eval_every",
    "train.log_every",
    "eval.batch_size",
    "eval.flip",
    "eval.protocol",
    "eval.pictures",
    "eval.frames",
    "eval.output",
    "eval.hypotheses",
    "eval.sampling_steps",
    "eval.as_published",
}
# Folders that a training makes in its workdir.
FOLDERS = "checkpoints", "checkpoints/latest", "checkpoints/best", "pictures", "tensorboard"


def check_workdir(config: Experiment, workdir: pathlib.Path) -> pathlib.Path:
    """Checks that a run can use a workdir, before it loads anything; writes nothing.

    A workdir of another configuration whose run failed before its first checkpoint is used.

    Returns:
        The workdir, with the home that a leading `~` stands for.

    Raises:
        ValueError: the workdir belongs to another configuration, of which it names what differs; or
            there are no checkpoints in such a path.
        NotADirectoryError: it is a file, or inside of one, or has a file where a folder will be.
        PermissionError: it is not writable, or not to be made.
    """
    workdir = folders.expand(workdir)
    check_path(workdir)
    check_writable(workdir, "--workdir")
    for folder in FOLDERS:
        if (path := workdir / folder).exists() and not path.is_dir():
            raise NotADirectoryError(
                f"{path} is a file, where a run has a folder; move it, or give another --workdir."
            )
    if (workdir / "config.json").exists() and _has_results(workdir):
        check_same(config, workdir)
    return workdir


def _has_results(workdir: pathlib.Path) -> bool:
    """Returns whether a run got as far as a checkpoint; others leave nothing to be lost."""
    kept = any((workdir / "checkpoints").glob("*/*"))  # damaged ones too
    return kept or (workdir / "evaluation.json").exists()


def check_writable(folder: pathlib.Path, option: str) -> None:
    """Refuses a folder in which no file can be made.

    Args:
        folder: it need not exist.
        option: its name on the command line.

    Raises:
        NotADirectoryError: it is a file, or inside of one.
        PermissionError: it is not writable, or not to be made.
    """
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not existing.is_dir():
        raise NotADirectoryError(f"{option} is {folder}, but {existing} is a file.")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise PermissionError(
            f"{option} is {folder}, but {existing} is not writable; give another folder."
        )


def check_same(config: Experiment, workdir: pathlib.Path) -> None:
    """Refuses the workdir of another configuration.

    Raises:
        FileNotFoundError: it holds no run.
        ValueError: its configuration is another, or is damaged; names what differs.
    """
    found = read_config(workdir)
    differing = [
        f"  config.{where}: {old!r} there, {new!r} now"
        for where, old, new in _differences(_comparable(found), _comparable(config))
        if where not in MAY_CHANGE
    ]
    if differing:
        raise ValueError(
            f"{workdir} belongs to another configuration:\n"
            + "\n".join(differing)
            + "\nGive another --workdir, or the same configuration to resume."
        )


@contextlib.contextmanager
def owned(workdir: pathlib.Path) -> Iterator[Lock | None]:
    """Holds the lock of a workdir, which is made if it is missing.

    Of several processes of a run the first one holds it; the others get None.

    Raises:
        OSError: another run has it; names its machine and process.
    """
    lock = devices.on_first_process(lambda: Lock(workdir))
    with lock or contextlib.nullcontext():
        yield lock


def check_length(workdir: pathlib.Path, last_step: int, steps_per_epoch: int) -> None:
    """Refuses a run that would end before the step to which its workdir was trained.

    Raises:
        ValueError: names the epochs that were begun.
    """
    step = saved_step(workdir) or saved_step(workdir, "best") or 0
    if step > last_step:
        raise ValueError(
            f"config.train.epochs is {last_step // steps_per_epoch}, {last_step} steps, but "
            f"{workdir} was trained to step {step}; give at least "
            f"{-(-step // steps_per_epoch)} epochs, or another --workdir."
        )


def write_config(config: Experiment, workdir: pathlib.Path) -> None:
    """Writes the resolved configuration and the version to a workdir, and makes it."""
    multihost_utils.sync_global_devices("the workdir is checked")  # by all, before one writes
    path = workdir / "config.json"
    content = {"version": repose_jax.__version__, "config": config.to_dict()}
    text = json.dumps(content, indent=2) + "\n"
    if jax.process_index() == 0 and not (path.exists() and path.read_text("utf-8") == text):
        workdir.mkdir(parents=True, exist_ok=True)
        with whole(path) as part:
            part.write_text(text, encoding="utf-8")


def read_config(workdir: pathlib.Path) -> Experiment:
    """Returns the configuration of a run.

    Raises:
        FileNotFoundError: there is no run.
        ValueError: its `config.json` is damaged.
    """
    path = folders.expand(workdir) / "config.json"
    if not path.exists():
        raise FileNotFoundError(
            f"{workdir} holds no run (no config.json); give the workdir of a run, trained or "
            "converted."
        )
    try:
        return config_lib.from_run(json.loads(path.read_text(encoding="utf-8"))["config"])
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise ValueError(f"{path} is not the configuration of a run: {error}") from error


def _comparable(config: Experiment) -> dict[str, Any]:
    """Returns an experiment's values; a loss of weight 0 is the same as none.

    A size of the model that an earlier version did not have has its default.
    """
    values = config.to_dict()
    values["model"] = models.completed(values["model"])
    weights = values["objective"]["weights"]
    values["objective"]["weights"] = {name: w for name, w in weights.items() if w}
    return values


def _differences(a: Any, b: Any, where: str = "") -> Iterator[tuple[str, Any, Any]]:
    if isinstance(a, dict) and isinstance(b, dict):
        for key in [*a, *(key for key in b if key not in a)]:
            yield from _differences(a.get(key), b.get(key), f"{where}.{key}" if where else str(key))
    elif a != b:
        yield where, a, b


def check_empty(workdir: pathlib.Path) -> None:
    """Refuses a workdir for a new run that holds something or is a file.

    Raises:
        FileExistsError: it is not empty, or a file.
    """
    if workdir.exists() and not workdir.is_dir():
        raise FileExistsError(f"{workdir} is a file; give a new directory.")
    if workdir.exists() and any(workdir.iterdir()):
        raise FileExistsError(f"{workdir} is not empty; give a new directory.")


def write_run(config: Experiment, model: nnx.Module, workdir: pathlib.Path) -> None:
    """Writes a run that starts from a model: at step 0, with nothing trained.

    Args:
        config: the experiment to evaluate or resume.
        model: its model.
        workdir: folder of the run; must be empty or missing.

    Raises:
        FileExistsError: the workdir holds something.
    """
    check_empty(workdir)
    _, train_state, _ = initial_state(config, model)
    checkpoints = Checkpoints(workdir)
    for kind in ("latest", "best"):
        # Training finds no baselines, and scores the model before it resumes.
        checkpoints.save(kind, 0, train_state, {"step": 0, "epoch": 0, "baselines": {}})
    checkpoints.close()
    write_config(config, workdir)  # last: a folder without a configuration is not a run


@dataclasses.dataclass(frozen=True)
class Weights:
    """A model as a checkpoint holds it.

    Attributes:
        graphdef: its static half.
        variables: its parameters (their moving average, if there is one), and its statistics.
        step: updates made.
        info: JSON values saved beside the state, such as the baselines.
    """

    graphdef: nnx.GraphDef[Lifter]
    variables: Variables
    step: int
    info: Mapping[str, Any]


def load_weights(config: Experiment, workdir: pathlib.Path, kind: str) -> Weights:
    """Reads the model of a run, without the state of its optimiser, to all devices.

    Args:
        config: the run's configuration.
        workdir: the run.
        kind: "best" or "latest".

    Raises:
        FileNotFoundError: there is no checkpoint of that kind.
        FloatingPointError: it holds NaN or infinity.
    """
    graphdef, params, stats = nnx.split(abstract_model(config), nnx.Param, nnx.BatchStat)
    average = config.optim.ema > 0
    like = {"stats": stats} | ({"ema": params} if average else {"params": {"model": params}})
    sharding = devices.replicated(devices.data_mesh())
    like = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), like)
    checkpoints = Checkpoints(workdir)
    found = checkpoints.restore_part(kind, like)
    info = checkpoints.info(kind) or {}
    checkpoints.close()
    params = found["ema"] if average else found["params"]["model"]
    return Weights(graphdef, (params, found["stats"]), info["step"], info)
