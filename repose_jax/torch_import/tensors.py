"""The tensors of a PyTorch model as parameters of ours, and back."""

import dataclasses
import itertools
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

Path = tuple[str | int, ...]
Shapes = Mapping[str, tuple[int, ...]]


class Change(NamedTuple):
    """A change of layout between a tensor of the authors and a parameter of ours.

    Attributes:
        to_ours: tensor to parameter.
        to_theirs: parameter to tensor.
    """

    to_ours: Callable[[np.ndarray], np.ndarray]
    to_theirs: Callable[[np.ndarray], np.ndarray]


Target = tuple[Path, Change]


@dataclasses.dataclass(frozen=True)
class TensorNames:
    """The tensors in the checkpoints of a network's authors.

    Attributes:
        target: name of a tensor to its parameter, or None for an unknown name.
        sizes: shapes of the tensors to the sizes that can be inferred, by the fields of the model's
            config.
        names: paths of parameters to the names of their tensors, and of others that the model of
            these parameters has not.
        not_inferred: fields of the model's config that the shapes do not determine.
        constants: returns tensors of given values by their names, which are no parameters.
    """

    target: Callable[[str], Target | None]
    sizes: Callable[[Shapes], Mapping[str, Any]]
    names: Callable[[Collection[Path]], Iterable[str]]
    not_inferred: tuple[str, ...] = ("heads",)
    constants: Callable[[], Mapping[str, np.ndarray]] = dict


def expand(*patterns: str) -> Callable[[Collection[Path]], Iterator[str]]:
    """Returns `TensorNames.names` of patterns.

    Args:
        *patterns: names with alternatives in braces, "fc{1,2}.{weight,bias}", and "#" for any
            number.
    """

    def names(paths: Collection[Path]) -> Iterator[str]:
        largest = max((part for path in paths for part in path if isinstance(part, int)), default=0)
        numbers = [str(number) for number in range(2 * largest + 2)]  # some count in two steps
        for pattern in patterns:
            parts = [
                part[1:-1].split(",")
                if part.startswith("{")
                else numbers
                if part == "#"
                else [part]
                for part in re.split(r"(\{[^}]*\}|#)", pattern)
            ]
            yield from map("".join, itertools.product(*parts))

    return names


def to_theirs(known: TensorNames, params: Mapping[Path, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns the parameters of a model as the tensors of its authors.

    Args:
        known: the names of the tensors.
        params: path of a parameter or statistic to its value.

    Raises:
        ValueError: a parameter has no name there.
    """
    tensors, unnamed = dict(known.constants()), set(params)
    for name in known.names(params):
        target = known.target(name)
        if target is not None and target[0] in unnamed:
            path, change = target
            unnamed.remove(path)
            tensors[name] = change.to_theirs(params[path])
    if unnamed:
        raise ValueError(f"There are no names of PyTorch tensors for {sorted(unnamed, key=str)}.")
    return tensors


same = Change(lambda tensor: tensor, lambda param: param)
"""The layout is the same."""
row = Change(
    lambda tensor: tensor.reshape(tensor.shape[1:]) if tensor.shape[:1] == (1,) else tensor,
    lambda param: param[None],
)
"""A tensor has a leading axis of length 1."""
kernel = Change(
    lambda tensor: np.moveaxis(tensor, (0, 1), (-1, -2)) if tensor.ndim > 1 else tensor,
    lambda param: np.moveaxis(param, (-1, -2), (0, 1)),
)
"""The weight `[out, in, *window]` of a linear map or a convolution is `[*window, in, out]` here."""
pointwise = Change(
    lambda tensor: tensor[..., 0].T if tensor.ndim == 3 and tensor.shape[2] == 1 else tensor,
    lambda param: param.T[..., None],
)
"""The weight `[out, in, 1]` of a convolution of width 1 is `[in, out]` here."""


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
