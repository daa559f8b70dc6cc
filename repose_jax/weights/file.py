"""A model in one `.safetensors` file: its parameters, its configuration and notes on it.

The same model gives the same bytes. Reading runs no code of the file.
"""

import dataclasses
import functools
import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from flax import nnx
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

import repose_jax
from repose_jax import config as config_lib
from repose_jax import models
from repose_jax.config import Experiment
from repose_jax.models.lifter import Lifter
from repose_jax.runtime import devices, folders
from repose_jax.runtime.whole_file import whole

SUFFIX = ".safetensors"
FORMAT = 1
KEY = "repose_jax"
"""The only key of the metadata, whose order in the file safetensors does not fix."""
DTYPES = {"float16": "F16", "float32": "F32"}


class Contents(NamedTuple):
    """A model as a file holds it.

    Attributes:
        config: the experiment that trained it.
        graphdef: the model's static half.
        variables: its parameters and statistics, float32, on all devices.
        notes: JSON values about it.
    """

    config: Experiment
    graphdef: nnx.GraphDef[Lifter]
    variables: tuple[nnx.State, ...]
    notes: dict[str, Any]


def write(
    path: str | os.PathLike[str],
    config: Experiment,
    variables: tuple[nnx.State, ...],
    dtype: str = "float16",
    notes: Mapping[str, Any] | None = None,
) -> None:
    """Writes a model to a file; one that exists is replaced when the new one is complete.

    See `content`.

    Args:
        path: the file, `*.safetensors`.
        config: the experiment that trained the model.
        variables: its parameters and statistics.
        dtype: of the parameters.
        notes: JSON values about the model.

    Raises:
        ValueError: another suffix, or as in `content`.
    """
    path = pathlib.Path(path)
    if path.suffix != SUFFIX:
        raise ValueError(f"{path}: the name of a file of weights ends in {SUFFIX}.")
    replace(path, content(config, variables, dtype, notes))


def replace(path: pathlib.Path, content: bytes) -> None:
    """Writes a file, and makes its folder; one that exists stays until the new one is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as part:
        part.write_bytes(content)


def content(
    config: Experiment,
    variables: tuple[nnx.State, ...],
    dtype: str = "float16",
    notes: Mapping[str, Any] | None = None,
) -> bytes:
    """Returns the bytes of a file.

    Folders of this machine in the configuration (`data.data_dir`, `init_from`) are left out.

    Args:
        config: the experiment that trained the model.
        variables: its parameters and statistics.
        dtype: "float16" or "float32", of the parameters in the file; statistics of batch norms
            are float32.
        notes: JSON values about the model, such as its data and their licence.

    Raises:
        ValueError: another dtype, or values that are not finite in that dtype.
    """
    data = dataclasses.replace(config.data, data_dir=None)
    values = dataclasses.replace(config, data=data, init_from=None).to_dict()
    about = {"format": FORMAT, "version": repose_jax.__version__, "config": values}
    about["notes"] = dict(notes or {})
    return save(arrays(variables, dtype), {KEY: json.dumps(about, sort_keys=True)})


def arrays(variables: tuple[nnx.State, ...], dtype: str) -> dict[str, np.ndarray]:
    """Returns the parameters and statistics of a model by their paths, as a file stores them.

    Args:
        variables: the parameters and statistics.
        dtype: "float16" or "float32", of the parameters; statistics are float32.

    Returns:
        Path, such as "layers.0.fusion.kernel", to array, in the order of the leaves.

    Raises:
        ValueError: another dtype, or values that are not finite in that dtype.
    """
    if dtype not in DTYPES:
        raise ValueError(f"dtype is {dtype!r}; choose from {', '.join(DTYPES)}.")
    params, *statistics = variables
    return {
        name: _stored(name, value, kind)
        for tree, kind in ((params, dtype), *((tree, "float32") for tree in statistics))
        for name, value in _by_name(tree).items()
    }


def read(path: str | os.PathLike[str]) -> Contents:
    """Reads a model from a file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, of another program or of a later version, or its tensors
            are not those of the model in its configuration; one line with the file and the fault.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file of weights.")
    folders.check_readable(path)
    try:
        with safe_open(path, "np") as file:
            config, notes = _about(file.metadata())
            graphdef, *trees = nnx.split(_abstract(config), nnx.Param, nnx.BatchStat)
            expected = {name: leaf for tree in trees for name, leaf in _by_name(tree).items()}
            _check_tensors(file, expected)
            tensors = {name: _finite(name, file.get_tensor(name)) for name in expected}
    except (SafetensorError, ValueError, TypeError) as error:
        raise ValueError(f"{path}: {' '.join(str(error).split())}") from error
    sharding = devices.replicated(devices.data_mesh())
    variables = tuple(
        jax.tree.unflatten(
            jax.tree.structure(tree),
            [jax.device_put(tensors[name].astype(np.float32), sharding) for name in _by_name(tree)],
        )
        for tree in trees
    )
    return Contents(config, graphdef, variables, notes)


def _by_name(tree: nnx.State) -> dict[str, Any]:
    """Returns the leaves of a tree by their paths, such as "layers.0.fusion.kernel", in order."""
    return {
        jax.tree_util.keystr(path, simple=True, separator=".").removesuffix(".value"): leaf
        for path, leaf in jax.tree.leaves_with_path(tree)
    }


def _abstract(config: Experiment) -> Lifter:
    return nnx.eval_shape(functools.partial(models.create, **config.model_fields))


def _stored(name: str, value: Any, dtype: str) -> np.ndarray:
    """Returns an array as it is stored; refuses one that is not finite then."""
    array = np.asarray(jax.device_get(value), np.float32)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds values that are not finite; the training diverged.")
    largest = np.abs(array).max(initial=0)
    if largest > np.finfo(dtype).max:
        raise ValueError(f'{name} holds {largest:g}, too large for {dtype}; use "float32".')
    return np.ascontiguousarray(array.astype(dtype))


def _finite(name: str, array: np.ndarray) -> np.ndarray:
    if not np.isfinite(array).all():
        raise ValueError(f"the tensor {name} holds values that are not finite.")
    return array


def _about(metadata: Mapping[str, str] | None) -> tuple[Experiment, dict[str, Any]]:
    """Returns the configuration and the notes in a file's metadata.

    Raises:
        ValueError: they are of another program, of a later format, or damaged.
    """
    if not metadata or KEY not in metadata:
        raise ValueError("the file holds no configuration of repose_jax; `repose export` adds it.")
    try:
        about = json.loads(metadata[KEY])
        number, version = about["format"], about["version"]
        if number != FORMAT:
            raise ValueError(
                f"its format is {number}, of repose_jax {version}; this version reads {FORMAT}."
            )
        return config_lib.from_run(about["config"]), dict(about["notes"])
    except (KeyError, TypeError, AttributeError, RecursionError, json.JSONDecodeError) as error:
        raise ValueError(f"its configuration is damaged ({error!r}).") from error


def _check_tensors(file: Any, expected: Mapping[str, jax.ShapeDtypeStruct]) -> None:
    """Compares the tensors of a file with the parameters and statistics of the model.

    Raises:
        ValueError: one is missing, unknown, or has another shape or an unknown dtype.
    """
    found = set(file.keys())
    faults = []
    for name in sorted(found | expected.keys()):
        if name not in found:
            faults.append(f"the tensor {name} is missing")
        elif name not in expected:
            faults.append(f"the model has no {name}")
        else:
            part, wanted = file.get_slice(name), expected[name].shape
            shape, dtype = tuple(part.get_shape()), part.get_dtype()
            if shape != wanted:
                faults.append(f"{name} has shape {shape}, {wanted} in the model")
            elif dtype not in DTYPES.values():
                faults.append(f"{name} is {dtype}; read are {', '.join(DTYPES.values())}")
    if faults:
        more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
        raise ValueError(f"{'; '.join(faults[:3])}{more}.")
