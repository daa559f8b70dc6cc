"""The names in the checkpoints of SemGCN and of Modulated GCN."""

import re
from typing import Any

from repose_jax.torch_import.tensors import (
    Change,
    Path,
    Shapes,
    Target,
    TensorNames,
    expand,
    linear_target,
    norm_target,
    pointwise,
    row,
    same,
)

_CONVOLUTION = {"W": ("kernel", same), "e": ("edges", row), "bias": ("bias", same)}
_CONVOLUTION |= {"adj2": ("edges", same), "M": ("modulation", same)}
_LAYERS = {"gconv1": ("first",), "gconv2": ("second",), None: ()}  # None in "gconv_input"
_NON_LOCAL = {"g.0": "value", "theta": "query", "phi.0": "key", "W.0": "out"}
_SCORE = Change(
    lambda tensor: tensor[0, :, :, 0] if tensor.ndim == 4 else tensor,
    lambda param: param[None, :, :, None],
)
_DROPPED = {49: (), 46: ("neck",)}  # joints that are not in a graph, by the number of its edges
_DROPPED |= {17: (), 16: ("neck",)}  # ... by the number of its joints


def _convolution(path: Path, leaf: str) -> Target | None:
    name, change = _CONVOLUTION.get(leaf, ("", same))
    return ((*path, name), change) if name else None


def _target(name: str) -> Target | None:
    module, _, leaf = name.rpartition(".")
    if module == "gconv_output":
        return _convolution(("head",), leaf)
    match = re.fullmatch(r"gconv_(input|layers)\.(\d+)\.(?:(gconv[12])\.)?(gconv|bn)", module)
    if match and (match[1] == "layers") == bool(match[3]):
        path: Path = (match[1], int(match[2]), *_LAYERS[match[3]])
        if match[4] == "gconv":
            return _convolution((*path, "convolution"), leaf)
        return norm_target((*path, "norm"), leaf)
    if match := re.fullmatch(r"gconv_(input|layers)\.(\d+)\.nonlocal\.(.+)", module):
        path = (match[1], int(match[2]))
        if match[3] == "W.1":
            return norm_target((*path, "norm"), leaf)
        if match[3] == "concat_project.0" and leaf == "weight":
            return (*path, "score"), _SCORE
        if match[3] in _NON_LOCAL:
            return linear_target((*path, _NON_LOCAL[match[3]]), leaf, pointwise)
    return None


def _sizes(shapes: Shapes) -> dict[str, Any]:
    first, edges, pairs = (shapes.get(f"gconv_input.0.gconv.{x}", ()) for x in ("W", "e", "adj2"))
    edges = edges or pairs
    if len(first) != 3 or len(edges) != 2:
        return {}
    blocks = {name.split(".")[1] for name in shapes if ".gconv1.gconv.W" in name}
    sizes = {
        "in_channels": first[1],
        "width": first[2],
        "depth": len(blocks),
        "non_local": any(".nonlocal." in name for name in shapes),
        "modulated": bool(pairs),
    }
    return sizes | ({"dropped_joints": _DROPPED[edges[1]]} if edges[1] in _DROPPED else {})


_NAMES = expand(
    "gconv_input.0.gconv.{W,e,adj2,M,bias}",
    "gconv_input.0.bn.{weight,bias,running_mean,running_var}",
    "gconv_layers.#.gconv{1,2}.gconv.{W,e,adj2,M,bias}",
    "gconv_layers.#.gconv{1,2}.bn.{weight,bias,running_mean,running_var}",
    "gconv_{input,layers}.#.nonlocal.{g.0,theta,phi.0,W.0}.{weight,bias}",
    "gconv_{input,layers}.#.nonlocal.concat_project.0.weight",
    "gconv_{input,layers}.#.nonlocal.W.1.{weight,bias,running_mean,running_var}",
    "gconv_output.{W,e,adj2,M,bias}",
)

SEMGCN = TensorNames(_target, _sizes, _NAMES, not_inferred=())
