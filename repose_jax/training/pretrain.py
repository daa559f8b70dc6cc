r"""Masked pre-training of P-STMO (stage I of Shan et al., ECCV 2022), from 2D joints alone.

    repose pretrain --config=configs/zoo/pstmo.py:masked --workdir=runs/stage1
    python main.py --config=configs/zoo/pstmo.py --workdir=runs/pstmo \
        --config.init_from=runs/stage1/lifter

The configuration is that of a lifter `pstmo`: its model, data, optimiser and training apply, its
objective does not. What `--hidden_frames` and `--hidden_joints` hide of the training windows is
told again; errors are in the units of the inputs, half widths of the image. `WORKDIR/lifter`
becomes a run of the lifter with the encoders that tell the test windows best. The same command
resumes.
"""

import dataclasses
import functools
import math
import pathlib
import shutil
import signal
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.experimental import multihost_utils
from tqdm import tqdm

from repose_jax import models
from repose_jax.config import Experiment
from repose_jax.data import clips as clips_lib
from repose_jax.models.layers import Draws
from repose_jax.models.pstmo import Pstmo
from repose_jax.models.pstmo_pretrain import (
    MaskedPoseConfig,
    MaskedPoseModel,
    draw_masks,
    encoder_of,
)
from repose_jax.objectives import objective
from repose_jax.runtime import devices, signals
from repose_jax.runtime.checkpoint import Checkpoints
from repose_jax.runtime.metric_writer import MetricWriter
from repose_jax.torch_import import PUBLISHED, convert
from repose_jax.training import state
from repose_jax.training.setup import Run, setup
from repose_jax.training.step import jit_step
from repose_jax.training.workdir import claim_workdir, write_run


def pretrain(
    config: Experiment,
    workdir: pathlib.Path,
    *,
    hidden_frames: float = MaskedPoseConfig.hidden_frames,
    hidden_joints: int = MaskedPoseConfig.hidden_joints,
) -> float:
    """Pre-trains as configured, resuming what the workdir holds, and writes the lifter's start.

    Args:
        config: an experiment of `pstmo`.
        workdir: where checkpoints, metrics and, in `lifter`, the run to start from go.
        hidden_frames: share of the frames of a window that are hidden.
        hidden_joints: joints of every frame that are hidden.

    Returns:
        The best test error: mean distance in the image, half widths.

    Raises:
        ValueError: a configuration that cannot be, or a workdir of another one.
        FileNotFoundError: a dataset is not prepared.
        FloatingPointError: the loss is not finite.
        signals.Interrupted: SIGINT or SIGTERM; the state is saved.
    """
    hidden = {"hidden_frames": hidden_frames, "hidden_joints": hidden_joints}
    sizes = masked_config(config, **hidden)
    made, _ = setup(config, workdir)
    graphdef, train_state = state.create(
        MaskedPoseModel(sizes, rngs=Draws(config.train.seed)),
        {},
        made.optimizer,
        ema=config.optim.ema > 0,
    )
    train_state = jax.device_put(train_state, devices.replicated(made.mesh))
    claim_workdir(config, workdir)
    checkpoints = Checkpoints(workdir)
    if info := checkpoints.info("latest"):
        if info["hidden"] != hidden:
            raise ValueError(
                f"{workdir} was begun with {info['hidden']}, not {hidden}. Give another --workdir, "
                "or the same to go on with it."
            )
        train_state = checkpoints.restore("latest", train_state)
    best = (checkpoints.info("best") or {"error": math.inf})["error"]
    masked = objective.make_objective({"mpjpe": 1.0})
    update = jit_step(dataclasses.replace(made, graphdef=graphdef, objective=masked))
    step, last = int(train_state.step), config.train.epochs * made.steps_per_epoch
    primary = jax.process_index() == 0
    writer = MetricWriter(workdir, resumed_step=step) if primary else None
    rows = devices.process_rows(config.train.batch_size)
    test = _windows(made, sizes.frames)
    try:
        with (
            signals.stop_signals() as stopping,  # before the bar appears
            tqdm(
                total=last, initial=step, unit="step", dynamic_ncols=True, disable=not primary
            ) as bar,
        ):
            stopping.saves_after = "step"
            while step < last:
                batch = clips_lib.train_batch(
                    made.train,
                    config.train.batch_size,
                    seed=config.train.seed,
                    step=step,
                    flip_share=config.data.flip_share,
                    rows=rows,
                )
                batch["targets"] = batch["inputs"] * np.array([1, 1, 0], np.float32)  # at depth 0
                train_state, metrics = update(train_state, devices.put_rows(batch, made.mesh))
                step += 1
                bar.update()
                stop = stopping.agreed(step)
                epoch, rest = divmod(step, made.steps_per_epoch)
                due = step == last or (rest == 0 and epoch % config.train.eval_every == 0)
                if step % config.train.log_every == 0 or due or stop:
                    values = {key: float(value) for key, value in metrics.items()}
                    if not all(map(math.isfinite, values.values())):
                        raise FloatingPointError(
                            f"Not finite at step {step}: {values}. A lower learning rate or a "
                            "smaller config.optim.clip_norm may help."
                        )
                    bar.set_postfix_str(f"loss={values['loss']:.4f}")
                    if writer:
                        writer.write(step, "train", values)
                saved: dict[str, Any] = {"step": step, "hidden": hidden}
                if due:
                    error = reconstruction_error(graphdef, train_state, test, made)
                    saved["error"] = error
                    if writer:
                        writer.write(step, "test", {"error": error})
                        bar.write(f"epoch {epoch}: test error {error:.4f}")
                if due or stop:
                    checkpoints.save("latest", step, train_state, saved)
                if due and saved["error"] < best:
                    best = saved["error"]
                    checkpoints.save("best", step, train_state, saved)
                if stop:
                    raise signals.Interrupted(
                        stop,
                        f"Stopped by {signal.Signals(stop).name} after step {step} of {last}. "
                        "The same command goes on from there.",
                    )
        checkpoints.wait()
        _write_lifter(
            config, graphdef, checkpoints.restore("best", train_state), workdir / "lifter"
        )
    finally:
        checkpoints.close()
        if writer:
            writer.close()
    return best


def masked_config(
    config: Experiment, *, hidden_frames: float, hidden_joints: int
) -> MaskedPoseConfig:
    """Returns the sizes of the masked model that prepares an experiment's lifter.

    Raises:
        ValueError: it is not of `pstmo`, or not on single windows, or sizes that cannot be.
    """
    lifter: Any = nnx.eval_shape(functools.partial(models.create, **config.model))
    if not isinstance(lifter, Pstmo):
        raise ValueError(
            f"config.model.name is {config.model['name']!r}; there is masked pre-training for "
            "'pstmo' only."
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
    """Builds the masked model from the tensors of a published checkpoint of stage I.

    Args:
        state_dict: published parameter name (with or without the prefix `module.`) to tensor or
            array, as from `convert.read_torch`.
        **config: fields of `MaskedPoseConfig`.

    Raises:
        ValueError: as in `convert.from_torch`.
    """
    sizes = MaskedPoseConfig(**config)
    model = nnx.eval_shape(lambda: MaskedPoseModel(sizes, rngs=Draws(0)))
    return convert.fill(model, PUBLISHED["pstmo"], state_dict, name="pstmo, masked")


def reconstruction_error(
    graphdef: Any, train_state: state.TrainState, test: clips_lib.Clips, made: Run
) -> float:
    """Returns the mean distance of told from given 2D joints over the frames of the test clips.

    The masks are the same at every call.
    """
    batch_size, seed = made.config.eval.batch_size, made.config.train.seed
    rows = devices.process_rows(batch_size)
    total = count = 0.0
    for number, (index, new) in enumerate(clips_lib.eval_batches(test, batch_size)):
        inputs = test.inputs[clips_lib.rows(test, index[rows])]
        arrays = {"inputs": inputs, "frame_mask": new[rows, :, None]}
        key = jax.random.fold_in(jax.random.key(seed), number)
        arrays = devices.put_rows(arrays, made.mesh)
        total += float(_distances(graphdef, train_state.variables, arrays, key))
        count += new.sum() * inputs.shape[2]
    return total / count


@functools.partial(jax.jit, static_argnums=0)
def _distances(graphdef, variables, batch, key):
    model = nnx.merge(graphdef, *variables)
    x = batch["inputs"][..., : model.config.in_channels]
    told = model(x, draw_masks(key, model.config))
    return jnp.sum(jnp.linalg.norm(told - x[..., :2], axis=-1), where=batch["frame_mask"])


def _windows(made: Run, frames: int) -> clips_lib.Clips:
    """Cuts the test sequences into whole windows, one after the other."""
    inputs = made.config.data.inputs
    return clips_lib.make(
        made.evaluator.clips.sequences, frames=frames, stride=frames, inputs=inputs
    )


def _write_lifter(
    config: Experiment, graphdef: Any, best: state.TrainState, workdir: pathlib.Path
) -> None:
    lifter = models.create(**config.model, seed=config.train.seed)
    nnx.update(lifter, encoder_of(nnx.merge(graphdef, *best.variables)))
    if jax.process_index() == 0:
        shutil.rmtree(workdir, ignore_errors=True)  # of a shorter pre-training
    multihost_utils.sync_global_devices("there is no lifter yet")
    write_run(config, lifter, workdir)
