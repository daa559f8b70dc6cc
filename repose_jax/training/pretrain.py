r"""Masked pre-training of P-STMO (stage I of Shan et al., ECCV 2022), from 2D joints alone.

    repose pretrain --config=pstmo:masked --workdir=runs/stage1
    repose train --config=pstmo --workdir=runs/pstmo \
        --config.init_from=runs/stage1/lifter

The configuration is that of a lifter `pstmo`: its model, data, optimiser and training apply, its
objective does not. The model predicts the joints of the training windows that `--hidden_frames` and
`--hidden_joints` hide; errors are in the units of the inputs, half widths of the image.
`WORKDIR/lifter` becomes a run of the lifter with the encoders of the lowest test error. The same
command resumes.
"""

import contextlib
import dataclasses
import functools
import pathlib
import shutil
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax.experimental import multihost_utils

from repose_jax import models
from repose_jax.config import Experiment
from repose_jax.data import clips as clips_lib
from repose_jax.models.layers import KeySequence
from repose_jax.models.pstmo import Pstmo
from repose_jax.models.pstmo_pretrain import (
    MaskedPoseConfig,
    MaskedPoseModel,
    encoder_of,
    sample_masks,
)
from repose_jax.objectives import objective
from repose_jax.runtime import devices, signals
from repose_jax.runtime.checkpoint import Checkpoints
from repose_jax.torch_import import TENSOR_NAMES, convert
from repose_jax.training import log, loop, state, step
from repose_jax.training.setup import Run, setup
from repose_jax.training.workdir import (
    check_length,
    check_workdir,
    owned,
    write_config,
    write_run,
)


def pretrain(
    config: Experiment,
    workdir: pathlib.Path,
    *,
    hidden_frames: float = MaskedPoseConfig.hidden_frames,
    hidden_joints: int = MaskedPoseConfig.hidden_joints,
    from_best: bool = False,
) -> float:
    """Pre-trains as configured, by the loop of `training.loop`, and writes the lifter's start.

    Args:
        config: an experiment of `pstmo`.
        workdir: folder of checkpoints, metrics and, in `lifter`, of the run to start from.
        hidden_frames: share of the frames of a window that are hidden.
        hidden_joints: joints of every frame that are hidden.
        from_best: resume from the best checkpoint if the latest is lost.

    Returns:
        The best test error: mean distance in the image, half widths.

    Raises:
        ValueError: an invalid configuration, or a workdir of another one.
        OSError: a workdir that is not writable or in use, a full disk, or a dataset that is not
            prepared.
        FloatingPointError: the loss or the test error is not finite.
        signals.Interrupted: SIGINT or SIGTERM; while it trains, the state is saved first.
    """
    hidden = {"hidden_frames": hidden_frames, "hidden_joints": hidden_joints}
    sizes = masked_config(config, **hidden)
    with contextlib.ExitStack() as stack:
        stop = stack.enter_context(signals.stop_signals())
        # 1. Check the workdir and lock it.
        workdir = check_workdir(config, workdir)
        lock = stack.enter_context(owned(workdir))
        # 2. Load the data, make the masked model.
        lifting, _ = setup(config)
        model = MaskedPoseModel(sizes, rngs=KeySequence(config.train.seed))
        graphdef, train_state = state.create(model, {}, lifting.optimizer, ema=config.optim.ema > 0)
        train_state = jax.device_put(train_state, devices.replicated(lifting.mesh))
        masked = objective.make_objective({"mpjpe": 1.0})
        run = dataclasses.replace(lifting, graphdef=graphdef, objective=masked)
        check_length(workdir, run.last_step, run.steps_per_epoch)
        write_config(config, workdir)
        # 3. Resume or start.
        checkpoints = stack.enter_context(contextlib.closing(Checkpoints(workdir, lock)))
        train_state, info = loop.resume(run, checkpoints, train_state, from_best)
        before = (info or {}).get("hidden", hidden)
        if before != hidden:
            raise ValueError(
                f"{workdir} was begun with {before}, not {hidden}. Give another --workdir, or the "
                "same numbers to resume."
            )
        writer = stack.enter_context(log.metric_writer(workdir, train_state))
        # 5. and 6. Train; nothing is compared with.
        task = _task(run, sizes.frames, hidden)
        train_state = loop.train(run, task, train_state, checkpoints, writer, stop, {})
        # 7. Conclude.
        best_state = checkpoints.restore("best", train_state)
        _write_lifter(config, graphdef, best_state, workdir / "lifter")
        if writer:
            print(f"Written: {log.draw(workdir, writer, [], run.last_step)}")
        return (checkpoints.info("best") or {})["error"]


def _task(run: Run, frames: int, hidden: Mapping[str, float]) -> loop.Task:
    """Returns the task of predicting hidden joints of windows of so many frames."""
    test = _windows(run, frames)

    def batches(steps: range) -> dict[str, jax.Array]:
        made = step.batches(run, steps)
        return made | {"targets": made["inputs"] * jnp.array([1.0, 1.0, 0.0])}  # at depth 0

    return loop.Task(
        update=step.jit_steps(run),
        batches=batches,
        evaluate=lambda train_state: {"error": reconstruction_error(train_state, test, run)},
        score="error",
        describe=lambda numbers: (
            f"test error {numbers['error']:.4f} half image widths (2D distance)"
        ),
        saved={"hidden": hidden},
        unit="half image widths",
    )


def masked_config(
    config: Experiment, *, hidden_frames: float, hidden_joints: int
) -> MaskedPoseConfig:
    """Returns the sizes of the masked model that prepares an experiment's lifter.

    Raises:
        ValueError: it is not of `pstmo`, or not on single windows of recorded views in the frame of
            the image, or has invalid sizes.
    """
    lifter: Any = nnx.eval_shape(functools.partial(models.create, **config.model_fields))
    if not isinstance(lifter, Pstmo):
        raise ValueError(
            f"config.model.name is {config.model['name']!r}; there is masked pre-training for "
            "'pstmo' only."
        )
    if config.from_motions or config.data.normalise != "image":
        raise ValueError(
            "Masked pre-training reads recorded views in the frame of the image: give config.data."
            'train without motions, and leave config.data.normalise at "image".'
        )
    if config.data.frames != 1:
        raise ValueError(
            f"config.data.frames is {config.data.frames}; P-STMO trains on single windows: give 1, "
            "the centre, around which it gets its window."
        )
    return MaskedPoseConfig(
        **dataclasses.asdict(lifter.config),
        hidden_frames=hidden_frames,
        hidden_joints=hidden_joints,
    )


def from_torch(state_dict: Mapping[str, Any], **config: Any) -> MaskedPoseModel:
    """Builds the masked model from the tensors of a checkpoint of stage I of the authors' code.

    Args:
        state_dict: its parameter name (with or without the prefix `module.`) to tensor or
            array, as from `convert.read_torch`.
        **config: fields of `MaskedPoseConfig`.

    Raises:
        ValueError: as in `convert.from_torch`.
    """
    sizes = MaskedPoseConfig(**config)
    model = nnx.eval_shape(lambda: MaskedPoseModel(sizes, rngs=KeySequence(0)))
    return convert.fill(model, TENSOR_NAMES["pstmo"], state_dict, name="pstmo, masked")


def reconstruction_error(train_state: state.TrainState, test: clips_lib.Clips, run: Run) -> float:
    """Returns the mean distance of predicted and given 2D joints over the frames of test clips.

    The masks are the same at every call.
    """
    batch_size, seed = run.config.eval.batch_size, run.config.train.seed
    rows = devices.process_rows(batch_size)
    total = count = 0.0
    for number, (index, new) in enumerate(clips_lib.eval_batches(test, batch_size)):
        inputs = clips_lib.model_inputs(test, index[rows])
        arrays = {"inputs": inputs, "frame_mask": new[rows, :, None]}
        key = jax.random.fold_in(jax.random.key(seed), number)
        arrays = devices.put_rows(arrays, run.mesh)
        total += float(_distances(run.graphdef, train_state.variables, arrays, key))
        count += new.sum() * inputs.shape[2]
    return total / count


@functools.partial(jax.jit, static_argnums=0)
def _distances(graphdef, variables, batch, key):
    model = nnx.merge(graphdef, *variables)
    x = batch["inputs"][..., : model.config.in_channels]
    predicted = model(x, sample_masks(key, model.config))
    distances = jnp.linalg.norm(predicted - x[..., :2], axis=-1)
    return jnp.sum(distances, where=batch["frame_mask"])


def _windows(run: Run, frames: int) -> clips_lib.Clips:
    """Cuts the test sequences into whole windows, one after the other."""
    inputs = run.config.data.inputs
    return clips_lib.make(
        run.evaluator.clips.sequences, frames=frames, stride=frames, inputs=inputs
    )


def _write_lifter(
    config: Experiment, graphdef: Any, best: state.TrainState, workdir: pathlib.Path
) -> None:
    lifter = models.create(**config.model_fields, seed=config.train.seed)
    nnx.update(lifter, encoder_of(nnx.merge(graphdef, *best.variables)))
    if jax.process_index() == 0:
        shutil.rmtree(workdir, ignore_errors=True)  # of a shorter pre-training
    multihost_utils.sync_global_devices("the lifter of before is removed")
    write_run(config, lifter, workdir)
