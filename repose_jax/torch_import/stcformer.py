"""The names in the checkpoints of STCFormer."""

import re

import numpy as np

from repose_jax.torch_import.tensors import (
    Change,
    Path,
    Shapes,
    Target,
    TensorNames,
    expand,
    kernel,
    lengths,
    linear_target,
    module_target,
    same,
    transformer_sizes,
)

_TOP = {"pose_emb": ("embed",), "regress_head": ("head",)}
_IN_BLOCK = {
    "layer_norm": ("mlp", "fc1", "norm"),
    "mlp.fc1": ("mlp", "fc1"),
    "mlp.fc2": ("mlp", "fc2"),
    "stc_att.layer_norm": ("attention", "qkv", "norm"),
    "stc_att.qkv": ("attention", "qkv"),
    "stc_att.proj": ("attention", "out"),
    "stc_att.sep2_s": ("attention", "near_joints"),
    "stc_att.sep2_t": ("attention", "near_frames"),
}


def _apart(tensor: np.ndarray) -> np.ndarray:
    """Puts all queries before all keys before all values; the tensor has q, k, v by channel."""
    return tensor.reshape(-1, 3, *tensor.shape[1:]).swapaxes(0, 1).reshape(tensor.shape)


def _together(tensor: np.ndarray) -> np.ndarray:
    """Undoes `_apart`."""
    return tensor.reshape(3, -1, *tensor.shape[1:]).swapaxes(0, 1).reshape(tensor.shape)


# [c, 1, 3, 3] to [3, 3, c]
_NEAR = Change(
    lambda tensor: kernel.to_ours(tensor).squeeze(-2),
    lambda param: kernel.to_theirs(param[..., None, :]),
)


def _target(name: str) -> Target | None:
    module, _, leaf = name.rpartition(".")
    path: Path | None = _TOP.get(module)
    if match := re.fullmatch(r"stcformer\.stc_block\.(\d+)\.(.*)", module):
        block, inner = ("blocks", int(match[1])), match[2]
        if inner == "stc_att.emb" and leaf == "weight":
            return (*block, "attention", "part_embedding"), same
        if inner in _IN_BLOCK:
            path = (*block, *_IN_BLOCK[inner])
    if path is None:
        return None
    if path[-1] == "qkv":
        change = kernel if leaf == "weight" else same
        apart = Change(
            lambda tensor: change.to_ours(_apart(tensor)),
            lambda param: _together(change.to_theirs(param)),
        )
        ours = linear_target(path, leaf, apart)
        return ours and (ours[0], apart)
    if str(path[-1]).startswith("near"):
        return linear_target(path, leaf, _NEAR)
    return module_target(path, leaf)


def _sizes(shapes: Shapes) -> dict[str, int]:
    block = "stcformer.stc_block"
    axes = {
        "in_channels": ("pose_emb.weight", 1),
        "width": ("pose_emb.weight", 0),
        "out_channels": ("regress_head.weight", 0),
    }
    sizes = transformer_sizes(shapes, axes, blocks=block, hidden=f"{block}.0.mlp.fc1.weight")
    part = lengths(shapes, {"width": (f"{block}.0.stc_att.emb.weight", 1)})
    if sizes.get("width") and part.get("width"):
        sizes["heads"] = sizes["width"] // 2 // part["width"]
    return sizes


_NAMES = expand(
    "{pose_emb,regress_head}.{weight,bias}",
    "stcformer.stc_block.#.stc_att.emb.weight",
    f"stcformer.stc_block.#.{{{','.join(_IN_BLOCK)}}}.{{weight,bias}}",
)

STCFORMER = TensorNames(_target, _sizes, _NAMES, not_inferred=("frames", "joints"))
