"""Weights of the authors' PyTorch models in ours: every tensor used, every parameter filled."""

import os
import re
import zipfile
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx

from repose_jax import models
from repose_jax.torch_import import PUBLISHED
from repose_jax.torch_import.tensors import Published


def from_torch(name: str, state_dict: Mapping[str, Any], **config: Any) -> nnx.Module:
    """Builds a model from the tensors of a published PyTorch checkpoint.

    Args:
        name: the model's name in `repose_jax.models`.
        state_dict: published parameter name (with or without the prefix `module.`) to tensor or
            array.
        **config: sizes, as for `repose_jax.models.create`.

    Returns:
        The model with the checkpoint's weights.

    Raises:
        ValueError: other sizes, which the message names; or a tensor that is not used, a parameter
            that is not filled, a shape that differs, a value that is not finite: the message lists
            all of them.
    """
    model = nnx.eval_shape(lambda: models.create(name, **config))
    return fill(model, PUBLISHED[name], state_dict, name=name)


def fill(model: Any, known: Published, state_dict: Mapping[str, Any], *, name: str) -> Any:
    """Puts the tensors of a published checkpoint into a model; see `from_torch`.

    Args:
        model: of which only the shapes matter; gets its values here.
        known: what the tensors are called.
        state_dict: published parameter name to tensor or array.
        name: what messages call the model.

    Returns:
        The model.

    Raises:
        ValueError: as in `from_torch`.
    """
    params: dict[Any, Any] = dict(nnx.to_flat_state(nnx.state(model)))
    arrays = {
        key: np.asarray(tensor, np.float32)
        for key, tensor in state_dict.items()
        if not key.endswith(".num_batches_tracked")  # which PyTorch counts, and does not use
    }
    shapes = {key.removeprefix("module."): value.shape for key, value in arrays.items()}
    _check_sizes(name, model.config, known.sizes(shapes))
    problems, unfilled = [], set(params)
    for key, value in arrays.items():
        mapped = known.target(key.removeprefix("module."))
        if mapped is None or mapped[0] not in unfilled:
            problems.append(f"unused tensor {key}")
            continue
        path, change = mapped
        unfilled.remove(path)
        value = change(value)
        if value.shape != params[path].shape:
            problems.append(f"{key} gives {value.shape}, {path} is {params[path].shape}")
        elif not np.isfinite(value).all():
            problems.append(f"{key} holds values that are not finite")
        else:
            params[path] = params[path].replace(jnp.asarray(value))
    unused = any(problem.startswith("unused") for problem in problems)
    problems += [f"nothing fills {path}" for path in sorted(unfilled, key=str)]
    if unused:
        problems.append(
            "unused tensors may belong to another task's head (as in MotionBERT's checkpoints for "
            "actions and meshes), for which there is no model here"
        )
    if problems:
        raise ValueError(f"The checkpoint does not fit {name!r}: " + "; ".join(problems) + ".")
    nnx.update(model, nnx.from_flat_state(params.items()))
    return model


def _check_sizes(name: str, config: Any, found: Mapping[str, Any]) -> None:
    differing = {key: size for key, size in found.items() if size != getattr(config, key)}
    if differing:
        told = [f"{key} is {size}, not {getattr(config, key)}" for key, size in differing.items()]
        flags = [f"--config.model.{key}={size}" for key, size in differing.items()]
        raise ValueError(
            f"The checkpoint does not fit {name!r} of these sizes: in it {', '.join(told)}. "
            f"Give {' '.join(flags)}, or the same as arguments in Python."
        )


def read_torch(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Reads the parameters of a published checkpoint.

    It is a dictionary saved by PyTorch whose entry `model_pos` or `model` has the parameters, or
    these alone. Tensors, numbers and plain containers are read and nothing else.

    Args:
        path: the file.

    Returns:
        Published parameter name to float32 array.

    Raises:
        ImportError: PyTorch is not installed.
        FileNotFoundError: there is no such file.
        ValueError: not such a checkpoint, damaged, or one that refers to code.
    """
    try:
        import torch  # pyright: ignore[reportMissingImports]  (an optional extra)
    except ImportError as error:
        raise ImportError(
            "Reading a PyTorch checkpoint needs PyTorch, which is not installed: pip install torch"
        ) from error
    if not os.path.isfile(path):
        raise FileNotFoundError(f"There is no file {path}.")
    try:
        if zipfile.is_zipfile(path):  # PyTorch does not look at the checksums
            with zipfile.ZipFile(path) as archive:
                if entry := archive.testzip():
                    raise zipfile.BadZipFile(entry)
        with torch.serialization.safe_globals(_numpy_globals()):
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # of a damaged file PyTorch raises nearly anything
        if match := re.search(r"GLOBAL ([\w.]+)", str(error)):
            raise ValueError(
                f"{path} refers to {match[1]}, which is neither a tensor nor a number. It is "
                "refused: to read it could run any code."
            ) from error
        raise ValueError(
            f"{path} is not a PyTorch checkpoint, or is damaged ({type(error).__name__})."
        ) from error
    if not isinstance(loaded, dict):
        raise ValueError(f"{path} holds a {type(loaded).__name__}, expected a dictionary.")
    tensors = loaded.get("model_pos", loaded.get("model", loaded))
    if not isinstance(tensors, dict) or not tensors:
        raise ValueError(f"{path} holds no parameters in its entry 'model_pos' or 'model'.")
    counter = ".num_batches_tracked"  # of PyTorch's batch norms, which do not use it
    tensors = {key: value for key, value in tensors.items() if not str(key).endswith(counter)}
    for key, value in tensors.items():
        if not (isinstance(value, torch.Tensor) and value.is_floating_point()):
            found = getattr(value, "dtype", type(value).__name__)
            raise ValueError(
                f"{path} should hold tensors of parameters in its entry 'model_pos' or 'model', or "
                f"these alone; {key!r} is {found}."
            )
    return {str(key): value.detach().float().numpy() for key, value in tensors.items()}


def _numpy_globals() -> list[Any]:
    """Returns what of NumPy may lie beside the parameters, and runs nothing when it is made.

    MotionBERT's training saves its best error, a NumPy number, VideoPose3D's its random numbers.
    """
    random = np.random.RandomState(0)
    made_by: list[Any] = [np.float64().__reduce__()[0], np.zeros(1).__reduce__()[0]]
    constructors = [
        (function, f"numpy.{core}.multiarray.{function.__name__}")
        for function in made_by
        for core in ("core", "_core")
    ]
    kinds = (np.float64, np.uint32, np.int64)
    return [
        *constructors,
        (random.__reduce__()[0], "numpy.random.__RandomState_ctor"),  # as NumPy 1.16 called it
        (random.__reduce__()[0], "numpy.random._pickle.__randomstate_ctor"),
        *(random._bit_generator.__reduce__()[:1]),
        np.random.RandomState,
        type(random._bit_generator),
        np.ndarray,
        np.dtype,
        *(type(np.dtype(kind)) for kind in kinds),
    ]


READERS = {"torch": read_torch}
