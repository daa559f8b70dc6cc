"""The tensors of a PyTorch model as parameters of ours."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Path = tuple[str | int, ...]
Shapes = Mapping[str, tuple[int, ...]]
Change = Callable[[np.ndarray], np.ndarray]
Target = tuple[Path, Change]  # the parameter, and the change of layout


@dataclasses.dataclass(frozen=True)
class TensorNames:
    """The tensors in the checkpoints of a network's authors.

    Attributes:
        target: name of a tensor to its parameter, or None for an unknown name.
        sizes: shapes of the tensors to the sizes that can be inferred, by the fields of the model's
            config.
        not_inferred: fields of the model's config that the shapes do not determine.
    """

    target: Callable[[str], Target | None]
    sizes: Callable[[Shapes], Mapping[str, Any]]
    not_inferred: tuple[str, ...] = ("heads",)


def same(tensor: np.ndarray) -> np.ndarray:
    """Returns the tensor as it is."""
    return tensor


def row(tensor: np.ndarray) -> np.ndarray:
    """Drops a leading axis of length 1."""
    return tensor.reshape(tensor.shape[1:]) if tensor.shape[:1] == (1,) else tensor


def kernel(tensor: np.ndarray) -> np.ndarray:
    """Transposes the weight of a linear map or a convolution.

    Args:
        tensor: `[out, in, *window]`.

    Returns:
        `[*window, in, out]`.
    """
    return np.moveaxis(tensor, (0, 1), (-1, -2)) if tensor.ndim > 1 else tensor


def pointwise(tensor: np.ndarray) -> np.ndarray:
    """Returns the kernel `[in, out]` of a convolution of width 1 with weight `[out, in, 1]`."""
    return tensor[..., 0].T if tensor.ndim == 3 and tensor.shape[2] == 1 else tensor


_NORM = {
    "weight": "scale",
    "bias": "bias",
    "running_mean": "mean",  # of batch norms
    "running_var": "var",
}


def norm_target(path: Path, leaf: str) -> Target | None:
    """Maps the leaf of a PyTorch norm, "weight" and so on, to that of our norm at `path`."""
    return ((*path, _NORM[leaf]), same) if leaf in _NORM else None


def linear_target(path: Path, leaf: str, change: Change = kernel) -> Target | None:
    """Maps the leaf of a PyTorch linear map or convolution to that of ours at `path`."""
    if leaf == "weight":
        return (*path, "kernel"), change
    return ((*path, "bias"), same) if leaf == "bias" else None


def module_target(path: Path, leaf: str) -> Target | None:
    """Maps the leaf of a PyTorch norm or linear map to ours, by the last name of the path."""
    return (norm_target if "norm" in str(path[-1]) else linear_target)(path, leaf)


# The modules of a pre-norm transformer block, as most call them, to those of `layers.Block`.
BLOCK: Mapping[str, Path] = {
    "norm1": ("attention", "qkv", "norm"),
    "attn.qkv": ("attention", "qkv"),
    "attn.proj": ("attention", "out"),
    "norm2": ("mlp", "fc1", "norm"),
    "mlp.fc1": ("mlp", "fc1"),
    "mlp.fc2": ("mlp", "fc2"),
}


def lengths(shapes: Shapes, axes: Mapping[str, tuple[str, int]]) -> dict[str, int]:
    """Reads sizes off the axes of tensors; those of missing tensors are left out.

    Args:
        shapes: of the checkpoint.
        axes: size to (name of a tensor, axis).
    """
    return {
        size: shapes[name][axis]
        for size, (name, axis) in axes.items()
        if len(shapes.get(name, ())) > axis
    }


def count(shapes: Shapes, modules: str) -> int:
    """Counts the modules of a PyTorch list, such as "blocks"."""
    position = modules.count(".") + 1
    return len({name.split(".")[position] for name in shapes if name.startswith(f"{modules}.")})


def transformer_sizes(
    shapes: Shapes, axes: Mapping[str, tuple[str, int]], *, blocks: str, hidden: str
) -> dict[str, int]:
    """Reads the sizes of a transformer off its tensors; heads cannot be inferred.

    Args:
        shapes: of the checkpoint.
        axes: as for `lengths`; among them the `width`.
        blocks: name of the list of its blocks.
        hidden: the tensor whose first axis is the hidden width of the MLPs.
    """
    sizes = lengths(shapes, axes)
    if depth := count(shapes, blocks):
        sizes["depth"] = depth
    if sizes.get("width") and len(shapes.get(hidden, ())) > 0:
        sizes["mlp_ratio"] = shapes[hidden][0] // sizes["width"]
    return sizes
