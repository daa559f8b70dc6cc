"""A model by where it is stored: shipped weights, a file of weights, or the workdir of a run.

What reads runs is imported for those alone: Orbax takes 0.3 s.
"""

import dataclasses
import os
import pathlib

import jax
import jax.numpy as jnp

from repose_jax.evaluation.hypotheses import notes
from repose_jax.runtime import folders
from repose_jax.runtime.names import closest
from repose_jax.training import state
from repose_jax.weights import file, shipped


def find(source: str | os.PathLike[str] | None) -> pathlib.Path:
    """Returns the file or the workdir of a model.

    Args:
        source: None for the shipped weights that are the default; the name of shipped weights; a
            `.safetensors` file; or the workdir of a run. A folder with the name of shipped weights
            is read as `./NAME`, or as a `pathlib.Path`.

    Raises:
        ValueError: no weights ship, or a file that ships is damaged.
        FileNotFoundError: there is nothing of that name, or the folder holds no run.
    """
    if source is None:
        return shipped.find(None)
    name = os.fspath(source)
    # A pathlib.Path is without the "./" that would make it a folder.
    is_folder = isinstance(source, os.PathLike) and os.path.isdir(name)
    if name in shipped.SHIPPED and not is_folder:
        return shipped.find(name)
    path = folders.expand(name)
    if path.is_dir():
        from repose_jax.training.workdir import read_config

        read_config(path)  # raises if it holds no run
    elif path.suffix != file.SUFFIX or not path.exists():
        names = ", ".join(shipped.SHIPPED)
        close = closest(name, shipped.SHIPPED)
        hint = f" Did you mean {close!r}?" if close else ""
        listed = f"the name of shipped ones ({names}), " if names else ""
        raise FileNotFoundError(
            f"There are no weights {name!r}.{hint} Give {listed}a {file.SUFFIX} file, or "
            "the workdir of a run, trained or converted."
        )
    return path


def load(source: str | os.PathLike[str] | None, checkpoint: str | None = None) -> file.Contents:
    """Loads a model; no dataset is needed.

    Args:
        source: see `find`.
        checkpoint: of a run, "best" (by its evaluations; the default) or "latest".

    Raises:
        ValueError: an unknown kind of checkpoint, or one for a file; a damaged file.
        FileNotFoundError: there is nothing of that name, no run, or no such checkpoint.
    """
    if checkpoint is not None:
        from repose_jax.runtime.checkpoint import KINDS

        if checkpoint not in KINDS:
            raise ValueError(f"checkpoint is {checkpoint!r}; choose from {', '.join(KINDS)}.")
    path = find(source)
    if path.is_dir():
        from repose_jax.training.workdir import load_weights, read_config

        config = read_config(path)
        weights = load_weights(config, path, checkpoint or "best")
        return file.Contents(config, weights.graphdef, weights.variables, notes(path))
    if checkpoint is not None:
        raise ValueError(f"checkpoint is {checkpoint!r}, but {path} holds one model; leave it out.")
    return file.read(path)


def start_from(source: str | os.PathLike[str], train_state: state.TrainState) -> state.TrainState:
    """Puts the weights of another model into a state before its first step.

    Args:
        source: see `find`. Of a run the best checkpoint is read, of which the moving average if it
            keeps one.
        train_state: the state, of a model with the same parameters.

    Returns:
        The state with those parameters and statistics; those of the optimiser are as before.

    Raises:
        FileNotFoundError: there is no such model or no checkpoint.
        ValueError: its model has other parameters; names them.
    """
    path = find(source)
    unscored = path.is_dir() and not (path / "checkpoints" / "best").exists()
    config, _, (params, stats), _ = load(source, "latest" if unscored else None)
    shapes = [
        {jax.tree_util.keystr(path): leaf.shape for path, leaf in jax.tree.leaves_with_path(tree)}
        for tree in ((params, stats), (train_state.params["model"], train_state.stats))
    ]
    if shapes[0] != shapes[1]:
        differing = sorted(
            f"{name} is {shapes[0].get(name, 'missing')}, wanted {shapes[1].get(name, 'none')}"
            for name in shapes[0].keys() | shapes[1].keys()
            if shapes[0].get(name) != shapes[1].get(name)
        )
        raise ValueError(
            f"config.init_from: the model of {source} ({dict(config.model)}) has other "
            f"parameters than this one: {'; '.join(differing[:5])}"
            + (f" and {len(differing) - 5} more." if len(differing) > 5 else ".")
        )
    return dataclasses.replace(
        train_state,
        params={**train_state.params, "model": params},
        stats=stats,
        # A copy: the state is donated, and no buffer is donated twice.
        ema=None if train_state.ema is None else jax.tree.map(jnp.copy, params),
    )
