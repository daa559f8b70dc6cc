"""What training and evaluation work with: data, model, devices, all made from a configuration."""

import dataclasses
import functools
import json
import pathlib
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax.experimental import multihost_utils
from jax.sharding import Mesh

import repose_jax
from repose_jax import config as config_lib
from repose_jax import models
from repose_jax.config import Experiment
from repose_jax.data import clips as clips_lib
from repose_jax.data import prepare
from repose_jax.data import sequences as dataset
from repose_jax.evaluation import protocols
from repose_jax.evaluation import tally as evaluate
from repose_jax.evaluation.protocols import protocol as protocol_lib
from repose_jax.objectives import objective
from repose_jax.runtime import devices
from repose_jax.runtime.checkpoint import Checkpoints
from repose_jax.training import optim, state

CPU_FRAMES = 243
"""Frames that go through the model at a time on a CPU."""
CPU_STEPS = 8
"""Most steps that are handed to a CPU at a time."""

# What may change between two runs in one workdir: how long, how often, where the data lie, and how
# the same numbers are computed.
MAY_CHANGE = {
    "model.fused_attention",
    "model.remat",
    "data.data_dir",
    "train.epochs",
    "train.clips_at_once",
    "train.steps_at_once",
    "train.eval_every",
    "train.log_every",
    "eval.batch_size",
    "eval.flip",
    "eval.protocol",
    "eval.pictures",
    "eval.frames",
    "eval.read",
}


@dataclasses.dataclass(frozen=True)
class Run:
    """Everything that training and evaluation need, made once from a configuration.

    Attributes:
        config: the experiment.
        workdir: where its files go.
        mesh: the devices.
        train: training clips.
        test: test clips.
        test_motion: the sequences of the test clips.
        graph: the model's static half.
        optimizer: the update rule.
        momentum: step to the weight of a batch in the running statistics of batch norms.
        objective: what is minimised.
        protocol: how results are counted.
        steps_per_epoch: steps that count as an epoch.
        passes: parts of a batch that go through the model one after the other.
        steps_at_once: steps that are handed to the device at a time.
    """

    config: Experiment
    workdir: pathlib.Path
    mesh: Mesh
    train: clips_lib.Clips
    test: clips_lib.Clips
    test_motion: dataset.Motion
    graph: Any
    optimizer: optax.GradientTransformation
    momentum: optax.Schedule
    objective: objective.Objective
    protocol: protocol_lib.Protocol
    steps_per_epoch: int
    passes: int
    steps_at_once: int

    def score(self, predictor: evaluate.Predictor) -> evaluate.Tally:
        """Scores a predictor on the test clips, as the protocol treats predictions."""
        protocol = self.protocol
        return evaluate.evaluate(
            predictor,
            self.test,
            self.test_motion,
            batch_size=self.config.eval.batch_size,
            mesh=self.mesh,
            zero_root=protocol.zero_root and self.config.data.root_relative,
            scale=protocol.scale(self.test_motion.image_size) if protocol.scale else None,
        )

    def predictor(self, variables: tuple[Any, ...]) -> evaluate.Predictor:
        """Returns the model's predictor with some parameters and statistics."""
        config = self.config
        window = config.data.frames if config.eval.read == "centre" else None
        return evaluate.model_predictor(self.graph, variables, flip=config.eval.flip, window=window)


def setup(config: Experiment, workdir: pathlib.Path) -> tuple[Run, state.TrainState]:
    """Loads the data and makes the model; nothing is written.

    Returns:
        The run and its state before the first step, on all devices.

    Raises:
        ValueError: the configuration asks for what cannot be.
        FileNotFoundError: a dataset is not prepared.
    """
    data, train_config = config.data, config.train
    protocol = protocols.get(config.eval.protocol)
    if jax.process_index() == 0:
        prepare.prepare_embedded((*data.train, *data.test), data.data_dir)
    multihost_utils.sync_global_devices("datasets are prepared")
    minimised = objective_of(config)
    for size in (train_config.batch_size, config.eval.batch_size):
        devices.process_rows(size)  # refuses what cannot be split
    train_context, test_context = check_model(config)
    cut = functools.partial(
        clips_lib.make,
        tails=data.tails,
        inputs=data.inputs,
        root_relative=data.root_relative,
        depth_reference=data.depth_reference,
        unit=data.unit,
    )
    train_clips = cut(
        dataset.load(data.train, data.data_dir),
        frames=data.frames,
        stride=data.stride,
        context=train_context,
    )
    test_motion = dataset.load(data.test, data.data_dir)
    of_a_pass = max(len(train_clips) // train_config.batch_size, 1)
    steps_per_epoch = train_config.epoch_steps or of_a_pass * train_config.epoch_passes
    model = models.create(**config.model, seed=train_config.seed)
    graph, train_state, optimizer = initial_state(config, model, steps_per_epoch=steps_per_epoch)
    mesh = devices.data_mesh()
    run = Run(
        config=config,
        workdir=workdir,
        mesh=mesh,
        train=train_clips,
        test=cut(
            test_motion,
            frames=config.test_frames,
            stride=config.test_frames,
            context=test_context,
        ),
        test_motion=test_motion,
        graph=graph,
        optimizer=optimizer,
        momentum=optim.batch_norm_momentum(config.optim, steps_per_epoch, train_config.epochs),
        objective=minimised,
        protocol=protocol,
        steps_per_epoch=steps_per_epoch,
        passes=passes_of(config, train_state),
        steps_at_once=steps_at_once_of(config, steps_per_epoch),
    )
    return run, jax.device_put(train_state, devices.replicated(mesh))


def passes_of(config: Experiment, train_state: state.TrainState) -> int:
    """Returns in how many parts a batch goes through the model in training.

    As `config.train.clips_at_once` says. Without it a batch goes through at once; but on a CPU in
    parts of up to 243 frames, at least one clip, on each device: the memory of one part is used
    again for the next, while the kernel hands out that of a large step page by page
    (`docs/performance.md`).

    Raises:
        ValueError: a batch cannot be split so.
    """
    batch, wanted = config.train.batch_size, config.train.clips_at_once
    norms = bool(jax.tree.leaves(train_state.stats))
    if wanted is None:
        if norms or jax.default_backend() != "cpu":
            return 1
        mine = batch // jax.device_count()
        return mine // _divisor(mine, max(CPU_FRAMES // config.data.frames, 1))
    if norms and wanted != batch:
        raise ValueError(
            f"config.train.clips_at_once is {wanted}, but {config.model['name']!r} has batch norms,"
            f" whose statistics are of the whole batch: give {batch}, or leave it out."
        )
    if wanted < 1 or batch % wanted or wanted % jax.device_count():
        raise ValueError(
            f"config.train.clips_at_once is {wanted}; it must divide config.train.batch_size, "
            f"{batch}, and be a multiple of the number of devices, {jax.device_count()}."
        )
    return batch // wanted


def steps_at_once_of(config: Experiment, steps_per_epoch: int) -> int:
    """Returns how many steps are handed to the device at a time.

    As `config.train.steps_at_once` says. Without it one; but on a CPU, where a step has up to 243
    frames for each device, as many up to 8 as are a part of an epoch: the kernel hands out the
    memory of a step page by page, and what several steps use one after the other only once
    (`docs/performance.md`).

    Raises:
        ValueError: fewer than one.
    """
    wanted = config.train.steps_at_once
    if wanted is None:
        frames = config.train.batch_size // jax.device_count() * config.data.frames
        short = jax.default_backend() == "cpu" and frames <= CPU_FRAMES
        return _divisor(steps_per_epoch, CPU_STEPS) if short else 1
    if wanted < 1:
        raise ValueError(f"config.train.steps_at_once is {wanted}; it must be at least 1.")
    return wanted


def _divisor(number: int, most: int) -> int:
    """Returns the largest divisor of a number that is at most `most`."""
    return max(n for n in range(1, min(number, most) + 1) if number % n == 0)


def check_model(config: Experiment) -> tuple[tuple[int, int], tuple[int, int]]:
    """Refuses a model that cannot be, or that does not take the clips.

    Returns:
        The frames around a training clip, and those around a test clip, that the model needs.

    Raises:
        ValueError: an unknown model or size, or clips that the model does not take.
    """
    model: Any = nnx.eval_shape(functools.partial(models.create, **config.model))
    name, frames, context = config.model["name"], model.config.frames, model.context
    if any(context):  # any clip will do, with its context
        if config.eval.read == "centre":
            raise ValueError(
                f'config.eval.read is "centre", but {name!r} gives nothing else; leave it at '
                '"every".'
            )
        return context, context
    for field, value in (("data", config.data.frames), ("eval", config.test_frames)):
        if field == "eval" and config.eval.read == "centre":
            continue
        if value > frames or (model.exact and value != frames):
            relation = "not" if model.exact else "more than"
            raise ValueError(
                f"config.{field}.frames is {value}, {relation} config.model.frames, {frames}, "
                f"which {name!r} takes."
            )
    window = config.data.frames
    centred = ((window - 1) // 2, window // 2) if config.eval.read == "centre" else context
    return context, centred


def initial_state(
    config: Experiment, model: nnx.Module, *, steps_per_epoch: int = 1
) -> tuple[Any, state.TrainState, optax.GradientTransformation]:
    """Makes the state of a model before its first step; needs no data.

    Args:
        config: the experiment.
        model: its model.
        steps_per_epoch: steps that count as an epoch; the update rule depends on it, its state does
            not.

    Returns:
        The model's static half, the state, and the update rule.
    """
    optimizer = optim.optimizer(config.optim, steps_per_epoch)
    log_variances = objective.init_log_variances(objective_of(config))
    graph, train_state = state.create(model, log_variances, optimizer, ema=config.optim.ema > 0)
    return graph, train_state, optimizer


def start_from(workdir: pathlib.Path, train_state: state.TrainState) -> state.TrainState:
    """Puts the weights of another run into a state before its first step.

    Args:
        workdir: of a run, trained or converted; its best checkpoint is read, of which the moving
            average if it keeps one.
        train_state: the state, of a model with the same parameters.

    Returns:
        The state with those parameters and statistics; those of the optimiser are as before.

    Raises:
        FileNotFoundError: there is no run or no checkpoint.
        ValueError: its model has other parameters; names them.
    """
    path = workdir / "config.json"
    if not path.exists():
        raise FileNotFoundError(
            f"config.init_from: {workdir} holds no run (no config.json). Give the workdir of a "
            "run, or one that `python -m repose_jax.convert` wrote."
        )
    config = config_lib.from_mapping(json.loads(path.read_text())["config"])
    _, like, _ = initial_state(config, models.create(**config.model))
    like = jax.device_put(like, devices.replicated(devices.data_mesh()))
    checkpoints = Checkpoints(workdir)
    kind = "best" if checkpoints.info("best") else "latest"
    params, stats = checkpoints.restore(kind, like).variables
    checkpoints.close()
    shapes = [
        {jax.tree_util.keystr(path): leaf.shape for path, leaf in jax.tree.leaves_with_path(tree)}
        for tree in ((params, stats), (train_state.params["model"], train_state.stats))
    ]
    if shapes[0] != shapes[1]:
        differing = sorted(
            f"{name} is {shapes[0].get(name, 'not there')}, wanted {shapes[1].get(name, 'none')}"
            for name in shapes[0].keys() | shapes[1].keys()
            if shapes[0].get(name) != shapes[1].get(name)
        )
        raise ValueError(
            f"config.init_from: the model of {workdir} ({dict(config.model)}) has other "
            f"parameters than this one: {'; '.join(differing[:5])}"
            + (f" and {len(differing) - 5} more." if len(differing) > 5 else ".")
        )
    return dataclasses.replace(
        train_state,
        params={**train_state.params, "model": params},
        stats=stats,
        # A copy: the state is donated, and one buffer cannot be donated twice.
        ema=None if train_state.ema is None else jax.tree.map(jnp.copy, params),
    )


def objective_of(config: Experiment) -> objective.Objective:
    """Returns what an experiment minimises."""
    return objective.make_objective(
        config.objective.weights,
        learn_weights=config.objective.learn_weights,
        reduction=config.objective.reduction,
        # Targets in millimetres are compared in metres, so that weights mean the same.
        unit=clips_lib.UNITS["metres"] / clips_lib.UNITS[config.data.unit],
    )


def claim_workdir(config: Experiment, workdir: pathlib.Path) -> None:
    """Writes the resolved configuration and version, if those that are there agree with it.

    Raises:
        ValueError: the workdir belongs to another configuration; names what differs.
    """
    path = workdir / "config.json"
    wanted = json.loads(json.dumps(config.to_dict()))
    if path.exists():
        found = json.loads(path.read_text())["config"]
        differing = [
            f"  config.{where}: {old!r} there, {new!r} now"
            for where, old, new in _differences(found, wanted)
            if where not in MAY_CHANGE
        ]
        if differing:
            raise ValueError(
                f"{workdir} belongs to another configuration:\n"
                + "\n".join(differing)
                + "\nGive another --workdir, or the same configuration to go on with it."
            )
    multihost_utils.sync_global_devices("the workdir is checked")  # by all, before one writes
    if jax.process_index() == 0:
        workdir.mkdir(parents=True, exist_ok=True)
        content = {"version": repose_jax.__version__, "config": wanted}
        path.write_text(json.dumps(content, indent=2) + "\n")


def _differences(a: Any, b: Any, where: str = "") -> Iterator[tuple[str, Any, Any]]:
    if isinstance(a, dict) and isinstance(b, dict):
        for key in [*a, *(key for key in b if key not in a)]:
            yield from _differences(a.get(key), b.get(key), f"{where}.{key}" if where else str(key))
    elif a != b:
        yield where, a, b
