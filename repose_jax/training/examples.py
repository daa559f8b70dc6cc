"""Training examples: clips of recorded views, or windows into motions of which views are simulated.

Either way a batch is a function of (seed, step).
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float, PRNGKeyArray

from repose_jax.config import UNITS, Experiment
from repose_jax.data import clips as clips_lib
from repose_jax.data import motions
from repose_jax.data.clips import Clips
from repose_jax.evaluation.evaluator import load_splits
from repose_jax.objectives import objective
from repose_jax.runtime import devices
from repose_jax.simulation import windows
from repose_jax.simulation.simulate import simulate
from repose_jax.simulation.windows import MotionWindows

Examples = Clips | MotionWindows


def load(config: Experiment, context: tuple[int, int]) -> Examples:
    """Loads the training data of an experiment.

    Args:
        config: the experiment.
        context: frames before and after a clip that the model needs.

    Raises:
        FileNotFoundError: a dataset is not prepared.
        ValueError: data that the experiment cannot use.
    """
    data = config.data
    if config.from_motions:
        if not data.root_relative:
            raise ValueError(
                "Views of motions are relative to the root: leave config.data.root_relative at "
                "its default."
            )
        found = motions.load(data.train, data.data_dir)
        return MotionWindows(found, sum(context) + data.frames, config.simulation.rates)
    found = load_splits(data.train, data.data_dir)
    if _needs_occluded(config) and not np.any(found.visibility == 0):
        raise ValueError(
            "config.objective is of occluded joints, but no joint of config.data.train "
            f"({', '.join(data.train)}) is known to be occluded; use motion capture, or "
            'pairs="all" and no loss such as occluded_mpjpe.'
        )
    return clips_lib.cut(found, data, frames=data.frames, stride=data.stride, context=context)


def _needs_occluded(config: Experiment) -> bool:
    return objective.from_config(config.objective).needs_occluded


def batch(config: Experiment, examples: Examples, step: int) -> dict[str, np.ndarray]:
    """Returns this process's rows of the batch of a step, on the host.

    `inputs`, `targets` and `mask`, or the windows of which `simulation` makes them.
    """
    batch_size, seed = config.train.batch_size, config.train.seed
    rows = devices.process_rows(batch_size)
    if isinstance(examples, MotionWindows):
        return windows.sample(examples, batch_size, seed=seed, step=step, rows=rows)
    return clips_lib.train_batch(
        examples,
        batch_size,
        seed=seed,
        step=step,
        flip_share=config.data.flip_share,
        rows=rows,
        with_occluded=_needs_occluded(config),
    )


def simulated(
    config: Experiment,
    key: PRNGKeyArray,
    landmarks: Float[Array, "n l 3"],
    rows: dict[str, Array],
) -> dict[str, Array]:
    """Simulates views of windows into motions, as an experiment configures; in its unit."""
    made = simulate(
        key,
        landmarks,
        rows,
        config.simulation,
        normalise=config.data.normalise,
        flip_share=config.data.flip_share,
    )
    targets = made["targets"] * (UNITS[config.data.unit] / UNITS["metres"])
    counted = clips_lib.counted_joints(config.data.dropped_joints)
    return made | {"targets": targets, "mask": made["mask"] & counted}


def landmarks(examples: MotionWindows, mesh: Mesh) -> Float[Array, "n l 3"]:
    """Puts the landmarks of motions on all devices."""
    return jax.device_put(examples.motions.joints, devices.replicated(mesh))


def mean_pose(config: Experiment, examples: Examples) -> Float[np.ndarray, "j 3"]:
    """Returns the mean training pose in the units of the model; of simulated views, of some."""
    if not isinstance(examples, MotionWindows):
        return clips_lib.mean_pose(examples)
    rows = windows.sample(examples, 256, seed=config.train.seed, step=0, rows=slice(None))
    make = jax.jit(functools.partial(simulated, config))
    made = make(jax.random.key(config.train.seed), jnp.asarray(examples.motions.joints), rows)
    return np.asarray(made["targets"].mean((0, 1)))


def describe(examples: Examples) -> str:
    """Returns the amount of data in words."""
    if isinstance(examples, MotionWindows):
        found = examples.motions
        minutes = (np.diff(found.offsets) / found.fps).sum() / 60
        return f"{minutes:,.1f} minutes of {len(found.fps):,} motions, in simulated views"
    return f"{len(examples):,} clips of {examples.frames} frames"


def names_of(config: Experiment, examples: Examples, step: int) -> str:
    """Returns the examples in the batch of a step in words, for the message of an error."""
    if isinstance(examples, MotionWindows):
        return f"simulated in step {step} with seed {config.train.seed}"
    train = config.train
    index = clips_lib.batch_index(len(examples), train.batch_size, train.seed, step)
    return f"the training clips {index.tolist()}"
