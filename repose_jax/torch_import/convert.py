"""Weights of the authors' PyTorch models in ours: every tensor used, every parameter filled."""

import os
import re
import shlex
import zipfile
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import jax.numpy as jnp
import numpy as np
from flax import nnx

from repose_jax import models
from repose_jax.models.lifter import Lifter, LifterConfig
from repose_jax.models.pstmo_pretrain import MaskedPoseModel
from repose_jax.torch_import import TENSOR_NAMES
from repose_jax.torch_import.tensors import TensorNames

SHOWN = 10  # problems of a checkpoint that a message lists
ENTRIES = "model_pos", "model", "state_dict"  # of checkpoints, that hold the parameters
_PREFIXES = re.compile(r"^(module\.|_orig_mod\.)+")  # of parallel and of compiled modules


Model = TypeVar("Model", Lifter, MaskedPoseModel)


class OtherSizesError(ValueError):
    """A checkpoint of a model of other sizes.

    Attributes:
        sizes: the checkpoint's sizes that differ, by their names in the model's configuration.
    """

    def __init__(self, sizes: Mapping[str, Any], message: str):
        super().__init__(message)
        self.sizes = sizes


def from_torch(name: str, state_dict: Mapping[str, Any], **config: Any) -> Lifter:
    """Builds a model from the tensors of its authors' PyTorch checkpoint.

    Args:
        name: the model's name in `repose_jax.models`.
        state_dict: name of a tensor to tensor or array; names may have prefixes `module.` and
            `_orig_mod.`, of parallel and of compiled modules.
        **config: sizes, as for `repose_jax.models.create`.

    Returns:
        The model with the checkpoint's weights.

    Raises:
        ValueError: the checkpoint is another network's, or has other sizes, which the message
            names; or a tensor is not used, a parameter is not filled, a shape differs or a value is
            not finite.
    """
    model: Lifter = nnx.eval_shape(lambda: models.create(name, **config))
    if name not in TENSOR_NAMES:
        raise ValueError(
            f"There are no names of PyTorch tensors for {name!r}, only for "
            f"{', '.join(TENSOR_NAMES)}."
        )
    return fill(model, TENSOR_NAMES[name], state_dict, name=name)


def fill(model: Model, known: TensorNames, state_dict: Mapping[str, Any], *, name: str) -> Model:
    """Puts the tensors of a checkpoint into a model; see `from_torch`.

    Args:
        model: the model, whose values are replaced; it may have shapes only.
        known: the names of the tensors.
        state_dict: name of a tensor to tensor or array.
        name: name of the model in messages.

    Returns:
        The model.

    Raises:
        ValueError: as in `from_torch`; or a constant of the network has another value.
    """
    params: dict[Any, Any] = dict(nnx.to_flat_state(nnx.state(model)))
    arrays = {
        key: np.asarray(tensor, np.float32)
        for key, tensor in state_dict.items()
        if not key.endswith(".num_batches_tracked")  # a counter that PyTorch does not use
    }
    names = {key: _PREFIXES.sub("", key) for key in arrays}
    shapes = {names[key]: value.shape for key, value in arrays.items()}
    _check_network(name, known, shapes)
    _check_sizes(name, model.config, known, known.sizes(shapes))
    problems, unfilled = [], set(params)
    constants = known.constants()
    for key, value in arrays.items():
        wanted = constants.get(names[key])
        if wanted is not None:
            if value.shape != wanted.shape or not np.allclose(value, wanted, rtol=1e-5, atol=0):
                problems.append(f"{key} has other values than in the authors' code")
            continue
        target = known.target(names[key])
        if target is None or target[0] not in unfilled:
            problems.append(f"unused tensor {key}")
            continue
        path, change = target
        unfilled.remove(path)
        value = change.to_ours(value)
        if value.shape != params[path].shape:
            problems.append(f"{key} gives {value.shape}, {path} is {params[path].shape}")
        elif not np.isfinite(value).all():
            problems.append(f"{key} holds values that are not finite")
        else:
            params[path] = params[path].replace(jnp.asarray(value))
    unused = any(problem.startswith("unused") for problem in problems)
    problems += [f"nothing fills {path}" for path in sorted(unfilled, key=str)]
    if len(problems) > SHOWN:
        problems[SHOWN:] = [f"and {len(problems) - SHOWN} more"]
    if unused:
        problems.append(
            "unused tensors may belong to another task's head (as in MotionBERT's checkpoints for "
            "actions and meshes), for which there is no model here"
        )
    if problems:
        raise ValueError(f"The checkpoint does not fit {name!r}: " + "; ".join(problems) + ".")
    nnx.update(model, nnx.from_flat_state(params.items()))
    return model


def _check_network(name: str, known: TensorNames, tensors: Mapping[str, Any]) -> None:
    """Raises if the checkpoint has the names of another network."""

    def count(names: TensorNames) -> int:
        return sum(names.target(tensor) is not None for tensor in tensors)

    best = max([known, *TENSOR_NAMES.values()], key=count)
    if count(best) > count(known):
        others = " or ".join(repr(other) for other, its in TENSOR_NAMES.items() if its is best)
        raise ValueError(
            f"The checkpoint does not fit {name!r}: it looks like a checkpoint of {others}, which "
            f"names {count(best)} of its {len(tensors)} tensors; {name!r} names {count(known)}."
        )


def _check_sizes(
    name: str, config: LifterConfig, known: TensorNames, found: Mapping[str, Any]
) -> None:
    differing = {key: size for key, size in found.items() if size != getattr(config, key)}
    if differing:
        sizes = [f"{key} is {size}, not {getattr(config, key)}" for key, size in differing.items()]
        flags = [shlex.quote(f"--config.model.{key}={size}") for key, size in differing.items()]
        others = [f"{key} (now {getattr(config, key)})" for key in known.not_inferred]
        raise OtherSizesError(
            differing,
            f"The checkpoint does not fit {name!r} of these sizes: in it {', '.join(sizes)}. "
            f"Give {' '.join(flags)}, or the same as arguments in Python."
            + (f" Check also what cannot be inferred from it: {', '.join(others)}." * bool(others)),
        )


def read_torch(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Reads the parameters in a checkpoint of PyTorch.

    It is a dictionary of which one of the `ENTRIES` has the parameters, or these alone.
    Tensors, numbers and plain containers are read and nothing else.

    Args:
        path: the file.

    Returns:
        Name of a tensor to float32 array.

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
        if zipfile.is_zipfile(path):  # PyTorch does not verify the checksums
            with zipfile.ZipFile(path) as archive:
                if entry := archive.testzip():
                    raise zipfile.BadZipFile(entry)
        with torch.serialization.safe_globals(_numpy_globals()):
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except PermissionError:
        raise
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
    tensors = next((loaded[entry] for entry in ENTRIES if entry in loaded), loaded)
    entries = " or ".join(map(repr, ENTRIES))
    if not isinstance(tensors, dict) or not tensors:
        raise ValueError(f"{path} holds no parameters in its entry {entries}.")
    counter = ".num_batches_tracked"  # of PyTorch's batch norms, which do not use it
    tensors = {key: value for key, value in tensors.items() if not str(key).endswith(counter)}
    for key, value in tensors.items():
        if not (isinstance(value, torch.Tensor) and value.is_floating_point()):
            found = getattr(value, "dtype", type(value).__name__)
            raise ValueError(
                f"{path} should hold tensors of parameters in its entry {entries}, or these alone; "
                f"{key!r} is {found}."
            )
    return {str(key): value.detach().float().numpy() for key, value in tensors.items()}


def _numpy_globals() -> list[Any]:
    """Returns what of NumPy may be beside the parameters, and runs no code when it is unpickled.

    MotionBERT's training saves its best error, a NumPy number, VideoPose3D's its random numbers.
    Numbers and texts of all kinds are read, arrays of objects and of structures are not.
    """
    random = np.random.RandomState(0)
    made_by: list[Any] = [np.float64().__reduce__()[0], np.zeros(1).__reduce__()[0]]
    constructors = [
        (function, f"numpy.{core}.multiarray.{function.__name__}")
        for function in made_by
        for core in ("core", "_core")
    ]
    kinds = map(np.dtype, set(np.typecodes["All"]) - {"O", "V"})
    return [
        *constructors,
        (random.__reduce__()[0], "numpy.random.__RandomState_ctor"),  # as NumPy 1.16 called it
        (random.__reduce__()[0], "numpy.random._pickle.__randomstate_ctor"),
        *(random._bit_generator.__reduce__()[:1]),
        np.random.RandomState,
        type(random._bit_generator),
        np.ndarray,
        np.dtype,
        *(type(kind) for kind in kinds),
    ]


READERS: dict[str, Callable[..., dict[str, np.ndarray]]] = {"torch": read_torch}
