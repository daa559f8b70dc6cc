"""A run: its data, model and update rule, made from a configuration."""

import collections
import dataclasses

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
)
from repose_jax.objectives import objective
from repose_jax.runtime import devices
from repose_jax.training import examples, optim, state

CPU_FRAMES = 243
"""Frames that go through the model at a time on a CPU."""
CPU_STEPS = 8
"""Most steps in a call on a CPU."""


@dataclasses.dataclass(frozen=True)
class Run:
    """Everything that training needs, made once from a configuration.

    Attributes:
        config: the experiment.
        mesh: the devices.
        train: training clips, or motions of which clips are simulated.
        evaluator: the test set with its protocol.
        graphdef: the model's static half.
        optimizer: the update rule.
        momentum: step to the weight of a batch in the running statistics of batch norms.
        objective: the function to minimise.
        steps_per_epoch: steps that count as an epoch.
        microbatches: parts of a batch that go through the model one after the other.
        steps_per_call: steps in a call of the compiled update.
    """

    config: Experiment
    mesh: Mesh
    train: examples.Examples
    evaluator: Evaluator
    graphdef: nnx.GraphDef
    optimizer: optax.GradientTransformation
    momentum: optax.Schedule
    objective: objective.Objective
    steps_per_epoch: int
    microbatches: int
    steps_per_call: int

    @property
    def last_step(self) -> int:
        """Steps of the whole training."""
        return self.config.train.epochs * self.steps_per_epoch

    def describe(self, train_state: state.TrainState) -> str:
        """Returns a few lines about the run, for the start of a log."""
        config, test = self.config, self.evaluator.clips
        kinds = collections.Counter(device.device_kind for device in jax.devices())
        parameters = sum(leaf.size for leaf in jax.tree.leaves(train_state.params["model"]))
        epochs, batch_size = config.train.epochs, config.train.batch_size
        lines = {
            "devices": ", ".join(f"{count} x {kind}" for kind, count in kinds.items()),
            "model": f"{config.model['name']}, {parameters:,} parameters",
            "training data": f"{examples.describe(self.train)} ({', '.join(config.data.train)})",
            "test data": f"{len(test):,} clips of {test.frames} frames "
            f"({', '.join(config.data.test)}), protocol {config.eval.protocol}",
            "steps": f"{self.last_step:,} ({epochs} epochs of {self.steps_per_epoch:,}) with "
            f"{batch_size} clips each",
            "loss": self.objective.describe(),
        }
        return "\n".join(f"  {name:<14}{text}" for name, text in lines.items())


def setup(config: Experiment) -> tuple[Run, state.TrainState]:
    """Loads the data and makes the model; nothing is written.

    Returns:
        The run and its state before the first step, on all devices.

    Raises:
        ValueError: an invalid configuration.
        FileNotFoundError: a dataset is not prepared.
    """
    data, train_config = config.data, config.train
    minimised = objective_of(config)
    devices.process_rows(train_config.batch_size)  # raises if it cannot be split
    train_context, _ = check_model(config)
    mesh = devices.data_mesh()
    evaluator = load_evaluator(config, mesh)
    train = examples.load(config, train_context)
    steps_of_pass = len(train) // train_config.batch_size
    if not (steps_of_pass or config.from_motions):
        raise ValueError(
            f"config.train.batch_size is {train_config.batch_size}, but config.data.train has "
            f"{len(train)} clips of {data.frames} frames; give a smaller batch, or more "
            "clips by a smaller config.data.stride."
        )
    steps_per_epoch = train_config.epoch_steps or max(steps_of_pass, 1) * train_config.epoch_passes
    model = models.create(**config.model_fields, seed=train_config.seed)
    graphdef, train_state, optimizer = initial_state(config, model, steps_per_epoch=steps_per_epoch)
    run = Run(
        config=config,
        mesh=mesh,
        train=train,
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
    """Returns the number of parts in which a batch goes through the model in training.

    `config.train.microbatch_size` sets it. Without it a batch goes through at once; but on a CPU in
    parts of up to 243 frames, at least one clip, on each device: the memory of one part is used
    again for the next, while the kernel hands out that of a large step page by page
    (`docs/performance.md`).

    Raises:
        ValueError: a batch does not split so.
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
    """Returns the number of steps in a call of the compiled update.

    `config.train.steps_per_call` sets it. Without it one; but on a CPU, where a step has up to 243
    frames for each device, as many up to 8 as divide an epoch: the kernel hands out the memory of
    a step page by page, and that which several steps reuse only once (`docs/performance.md`).
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
    """Checks that the model of an experiment exists and takes its clips.

    Returns:
        The frames before and after a training clip, and a test clip, that the model needs.

    Raises:
        ValueError: an unknown model or size, or clips that the model does not take.
    """
    model = abstract_model(config)
    return clip_context(config, model, "data"), clip_context(config, model, "eval")


def initial_state(
    config: Experiment, model: nnx.Module, *, steps_per_epoch: int = 1
) -> tuple[nnx.GraphDef, state.TrainState, optax.GradientTransformation]:
    """Makes the state of a model before its first step; needs no data.

    Args:
        config: the experiment.
        model: its model.
        steps_per_epoch: steps that count as an epoch; the update rule depends on it, its state does
            not.

    Returns:
        The model's static half, the state, and the update rule.
    """
    optimizer = optim.optimizer(config.optim, steps_per_epoch, config.train.epochs)
    log_variances = objective.init_log_variances(objective_of(config))
    graphdef, train_state = state.create(model, log_variances, optimizer, ema=config.optim.ema > 0)
    return graphdef, train_state, optimizer


def objective_of(config: Experiment) -> objective.Objective:
    """Returns the function that an experiment minimises."""
    # Targets in millimetres are compared in metres, so that weights keep their meaning.
    unit = clips_lib.UNITS["metres"] / clips_lib.UNITS[config.data.unit]
    return objective.from_config(config.objective, unit)
