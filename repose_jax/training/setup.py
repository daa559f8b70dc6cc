"""What training and evaluation work with: data, model, devices, all made from a configuration."""

import dataclasses
import pathlib
from typing import Any

import jax
import optax
from flax import nnx
from jax.sharding import Mesh

from repose_jax import models
from repose_jax.config import Experiment
from repose_jax.data import clips as clips_lib
from repose_jax.evaluation.evaluator import (
    Evaluator,
    abstract_model,
    clip_context,
    load_evaluator,
    load_splits,
)
from repose_jax.objectives import objective
from repose_jax.runtime import devices
from repose_jax.training import optim, state

CPU_FRAMES = 243
"""Frames that go through the model at a time on a CPU."""
CPU_STEPS = 8
"""Most steps that are handed to a CPU at a time."""


@dataclasses.dataclass(frozen=True)
class Run:
    """Everything that training and evaluation need, made once from a configuration.

    Attributes:
        config: the experiment.
        workdir: where its files go.
        mesh: the devices.
        train: training clips.
        evaluator: test clips, and how predictions for them are made and scored.
        graphdef: the model's static half.
        optimizer: the update rule.
        momentum: step to the weight of a batch in the running statistics of batch norms.
        objective: what is minimised.
        steps_per_epoch: steps that count as an epoch.
        microbatches: parts of a batch that go through the model one after the other.
        steps_per_call: steps that are handed to the device at a time.
    """

    config: Experiment
    workdir: pathlib.Path
    mesh: Mesh
    train: clips_lib.Clips
    evaluator: Evaluator
    graphdef: Any
    optimizer: optax.GradientTransformation
    momentum: optax.Schedule
    objective: objective.Objective
    steps_per_epoch: int
    microbatches: int
    steps_per_call: int


def setup(config: Experiment, workdir: pathlib.Path) -> tuple[Run, state.TrainState]:
    """Loads the data and makes the model; nothing is written.

    Returns:
        The run and its state before the first step, on all devices.

    Raises:
        ValueError: the configuration asks for what cannot be.
        FileNotFoundError: a dataset is not prepared.
    """
    data, train_config = config.data, config.train
    minimised = objective_of(config)
    devices.process_rows(train_config.batch_size)  # raises if it cannot be split
    train_context, _ = check_model(config)
    mesh = devices.data_mesh()
    evaluator = load_evaluator(config, mesh)
    train_clips = clips_lib.cut(
        load_splits(data.train, data.data_dir),
        data,
        frames=data.frames,
        stride=data.stride,
        context=train_context,
    )
    of_a_pass = max(len(train_clips) // train_config.batch_size, 1)
    steps_per_epoch = train_config.epoch_steps or of_a_pass * train_config.epoch_passes
    model = models.create(**config.model, seed=train_config.seed)
    graphdef, train_state, optimizer = initial_state(config, model, steps_per_epoch=steps_per_epoch)
    run = Run(
        config=config,
        workdir=workdir,
        mesh=mesh,
        train=train_clips,
        evaluator=evaluator,
        graphdef=graphdef,
        optimizer=optimizer,
        momentum=optim.batch_norm_momentum(config.optim, steps_per_epoch, train_config.epochs),
        objective=minimised,
        steps_per_epoch=steps_per_epoch,
        microbatches=microbatches_of(config, train_state),
        steps_per_call=steps_per_call_of(config, steps_per_epoch),
    )
    return run, jax.device_put(train_state, devices.replicated(mesh))


def microbatches_of(config: Experiment, train_state: state.TrainState) -> int:
    """Returns in how many parts a batch goes through the model in training.

    As `config.train.microbatch_size` says. Without it a batch goes through at once; but on a CPU in
    parts of up to 243 frames, at least one clip, on each device: the memory of one part is used
    again for the next, while the kernel hands out that of a large step page by page
    (`docs/performance.md`).

    Raises:
        ValueError: a batch cannot be split so.
    """
    batch, wanted = config.train.batch_size, config.train.microbatch_size
    norms = bool(jax.tree.leaves(train_state.stats))
    if wanted is None:
        if norms or jax.default_backend() != "cpu":
            return 1
        mine = batch // jax.device_count()
        return mine // _divisor(mine, max(CPU_FRAMES // config.data.frames, 1))
    if norms and wanted != batch:
        raise ValueError(
            f"config.train.microbatch_size is {wanted}, but {config.model['name']!r} has batch "
            f"norms, whose statistics are of the whole batch: give {batch}, or leave it out."
        )
    if batch % wanted or wanted % jax.device_count():
        raise ValueError(
            f"config.train.microbatch_size is {wanted}; it must divide config.train.batch_size, "
            f"{batch}, and be a multiple of the number of devices, {jax.device_count()}."
        )
    return batch // wanted


def steps_per_call_of(config: Experiment, steps_per_epoch: int) -> int:
    """Returns how many steps are handed to the device at a time.

    As `config.train.steps_per_call` says. Without it one; but on a CPU, where a step has up to 243
    frames for each device, as many up to 8 as are a part of an epoch: the kernel hands out the
    memory of a step page by page, and what several steps use one after the other only once
    (`docs/performance.md`).
    """
    wanted = config.train.steps_per_call
    if wanted is None:
        frames = config.train.batch_size // jax.device_count() * config.data.frames
        short = jax.default_backend() == "cpu" and frames <= CPU_FRAMES
        return _divisor(steps_per_epoch, CPU_STEPS) if short else 1
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
    model = abstract_model(config)
    return clip_context(config, model, "data"), clip_context(config, model, "eval")


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
    graphdef, train_state = state.create(model, log_variances, optimizer, ema=config.optim.ema > 0)
    return graphdef, train_state, optimizer


def objective_of(config: Experiment) -> objective.Objective:
    """Returns what an experiment minimises."""
    return objective.make_objective(
        config.objective.weights,
        learn_weights=config.objective.learn_weights,
        reduction=config.objective.reduction,
        # Targets in millimetres are compared in metres, so that weights mean the same.
        unit=clips_lib.UNITS["metres"] / clips_lib.UNITS[config.data.unit],
    )
