"""What training and evaluation work with: data, model, devices, all made from a configuration."""

import dataclasses
import functools
import json
import pathlib
from collections.abc import Iterator
from typing import Any

import jax
import optax
from flax import nnx
from jax.experimental import multihost_utils
from jax.sharding import Mesh

import repose_jax
from repose_jax import clips as clips_lib
from repose_jax import (
    dataset,
    devices,
    evaluate,
    models,
    objective,
    optim,
    prepare,
    protocols,
    state,
)
from repose_jax.config import Experiment
from repose_jax.protocols import protocol as protocol_lib

# What may change between two runs in one workdir: how long, how often, and where the data lie.
MAY_CHANGE = {
    "data.data_dir",
    "train.epochs",
    "train.eval_every",
    "train.log_every",
    "eval.batch_size",
    "eval.flip",
    "eval.protocol",
    "eval.pictures",
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
        objective: what is minimised.
        protocol: how results are counted.
        steps_per_epoch: steps that count as an epoch.
    """

    config: Experiment
    workdir: pathlib.Path
    mesh: Mesh
    train: clips_lib.Clips
    test: clips_lib.Clips
    test_motion: dataset.Motion
    graph: Any
    optimizer: optax.GradientTransformation
    objective: objective.Objective
    protocol: protocol_lib.Protocol
    steps_per_epoch: int

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

    def predictor(self, params: Any) -> evaluate.Predictor:
        """Returns the model's predictor with some parameters."""
        return evaluate.model_predictor(self.graph, params, flip=self.config.eval.flip)


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
    minimised = _objective(config)
    for size in (train_config.batch_size, config.eval.batch_size):
        devices.process_rows(size)  # refuses what cannot be split
    check_model(config)
    cut = functools.partial(
        clips_lib.make,
        frames=data.frames,
        tails=data.tails,
        inputs=data.inputs,
        root_relative=data.root_relative,
        depth_reference=data.depth_reference,
    )
    train_clips = cut(dataset.load(data.train, data.data_dir), stride=data.stride)
    test_motion = dataset.load(data.test, data.data_dir)
    steps_per_epoch = train_config.epoch_steps or max(
        len(train_clips) // train_config.batch_size, 1
    )
    model = models.create(**config.model, rngs=nnx.Rngs(train_config.seed))
    graph, train_state, optimizer = initial_state(config, model, steps_per_epoch=steps_per_epoch)
    mesh = devices.data_mesh()
    run = Run(
        config=config,
        workdir=workdir,
        mesh=mesh,
        train=train_clips,
        test=cut(test_motion, stride=data.frames),
        test_motion=test_motion,
        graph=graph,
        optimizer=optimizer,
        objective=minimised,
        protocol=protocol,
        steps_per_epoch=steps_per_epoch,
    )
    return run, jax.device_put(train_state, devices.replicated(mesh))


def check_model(config: Experiment) -> None:
    """Refuses a model that cannot be.

    Raises:
        ValueError: an unknown model or size, or clips that are longer than what the model takes.
    """
    abstract: Any = nnx.eval_shape(functools.partial(models.create, **config.model))
    if config.data.frames > abstract.config.frames:
        raise ValueError(
            f"config.data.frames is {config.data.frames}, more than config.model.frames, "
            f"{abstract.config.frames}."
        )


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
    log_variances = objective.init_log_variances(_objective(config))
    graph, train_state = state.create(model, log_variances, optimizer, ema=config.optim.ema > 0)
    return graph, train_state, optimizer


def _objective(config: Experiment) -> objective.Objective:
    return objective.make_objective(
        config.objective.weights,
        learn_weights=config.objective.learn_weights,
        reduction=config.objective.reduction,
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
