"""The names in VideoPose3D's checkpoints."""

import re
from typing import Any

from repose_jax.torch_import.tensors import (
    Shapes,
    Target,
    TensorNames,
    expand,
    linear_target,
    norm_target,
    pointwise,
)

_FILTERS = ("over_frames", "over_channels")  # of a block, numbered on from block to block


def _target(name: str) -> Target | None:
    module, _, leaf = name.rpartition(".")
    if module == "shrink":
        return linear_target(("head",), leaf, pointwise)
    if match := re.fullmatch(r"(?:expand|layers)_(conv|bn)(?:\.(\d+))?", module):
        kind, number = match.groups()
        path = ("expand",)
        if number:
            block, which = divmod(int(number), 2)
            path = ("blocks", block, _FILTERS[which])
        return linear_target(path, leaf) if kind == "conv" else norm_target((*path, "norm"), leaf)
    return None


def _sizes(shapes: Shapes) -> dict[str, Any]:
    expand, shrink = shapes.get("expand_conv.weight", ()), shapes.get("shrink.weight", ())
    if len(expand) != 3 or not shrink or shrink[0] < 3:
        return {}
    blocks = sum(name.startswith("layers_conv.") for name in shapes) // 2
    later = [shapes.get(f"layers_conv.{2 * block}.weight", (0,)) for block in range(blocks)]
    joints = shrink[0] // 3
    return {
        "width": expand[0],
        "joints": joints,
        "in_channels": expand[1] // joints,
        "filter_widths": (expand[2], *(shape[-1] for shape in later)),
    }


_NAMES = expand(
    "{expand_conv,shrink}.{weight,bias}",
    "layers_conv.#.{weight,bias}",
    "expand_bn.{weight,bias,running_mean,running_var}",
    "layers_bn.#.{weight,bias,running_mean,running_var}",
)

VIDEOPOSE3D = TensorNames(_target, _sizes, _NAMES, not_inferred=("causal",))
