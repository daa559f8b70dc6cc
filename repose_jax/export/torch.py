"""The parameters of a model as a checkpoint for its authors' PyTorch code.

It is a dictionary of tensors, for `load_state_dict` of the authors' module of the same sizes;
`repose convert` reads it as well.
"""

import io
from typing import Any

import jax
import numpy as np
from flax import nnx

from repose_jax.runtime import extras
from repose_jax.torch_import import TENSOR_NAMES
from repose_jax.torch_import.tensors import to_theirs
from repose_jax.weights import file


def content(contents: file.Contents, dtype: str = "float32") -> bytes:
    """Returns the bytes of the file.

    Args:
        contents: the model.
        dtype: of the parameters, "float16" or "float32".

    Raises:
        ImportError: PyTorch is not installed; names the extra.
        ValueError: there is no PyTorch code of authors for the model.
    """
    torch = extras.require("torch", "torch", "Writing a PyTorch checkpoint")
    found = io.BytesIO()
    tensors = state_dict(contents, dtype).items()
    torch.save({name: torch.from_numpy(array) for name, array in tensors}, found)
    return found.getvalue()


def state_dict(contents: file.Contents, dtype: str = "float32") -> dict[str, np.ndarray]:
    """Returns the tensors by the authors' names; see `content`."""
    name = contents.config.model["name"]
    if name not in TENSOR_NAMES:
        raise ValueError(
            f"There is no PyTorch code of authors for {name!r}, only for "
            f"{', '.join(TENSOR_NAMES)}; --to=onnx writes any model."
        )
    structure = jax.tree.structure(contents.variables)
    stored = file.arrays(contents.variables, dtype).values()
    trees = jax.tree.unflatten(structure, stored)
    params: dict[Any, np.ndarray] = {
        path: np.asarray(jax.tree.leaves(leaf)[0])
        for tree in trees
        for path, leaf in nnx.to_flat_state(tree)
    }
    tensors = to_theirs(TENSOR_NAMES[name], params)
    return {key: np.array(tensor, order="C") for key, tensor in tensors.items()}
