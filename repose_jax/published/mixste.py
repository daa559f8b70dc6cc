"""The names in the checkpoints of MixSTE."""

import re

from repose_jax.published.tensors import (
    Path,
    Published,
    Shapes,
    Target,
    linear_target,
    norm_target,
    row,
)

_TOP = {
    "Spatial_patch_to_embedding": ("embed",),
    "Spatial_norm": ("norm_joints",),
    "Temporal_norm": ("norm_frames",),
    "head.0": ("norm",),
    "head.1": ("head",),
}
_BLOCKS = {"S": "over_joints", "T": "over_frames"}
_IN_BLOCK = {
    "norm1": ("norm_attention",),
    "norm2": ("norm_mlp",),
    "attn.qkv": ("attention", "qkv"),
    "attn.proj": ("attention", "out"),
    "mlp.fc1": ("mlp", "fc1"),
    "mlp.fc2": ("mlp", "fc2"),
}


def _target(name: str) -> Target | None:
    if name == "Spatial_pos_embed":
        return ("joint_embedding",), row
    if name == "Temporal_pos_embed":
        return ("frame_embedding",), lambda tensor: row(tensor)[:, None]
    module, _, leaf = name.rpartition(".")
    path: Path | None = _TOP.get(module)
    if match := re.fullmatch(r"([ST])TEblocks\.(\d+)\.(.*)", module):
        axis, layer, inner = match.groups()
        if inner in _IN_BLOCK:
            path = (_BLOCKS[axis], int(layer), *_IN_BLOCK[inner])
    if path is None:
        return None
    return (norm_target if "norm" in str(path[-1]) else linear_target)(path, leaf)


def _sizes(shapes: Shapes) -> dict[str, int]:
    """Tells the sizes, in which heads leave no trace."""
    axes = {
        "frames": ("Temporal_pos_embed", 1),
        "joints": ("Spatial_pos_embed", 1),
        "in_channels": ("Spatial_patch_to_embedding.weight", 1),
        "width": ("Spatial_patch_to_embedding.weight", 0),
        "out_channels": ("head.1.weight", 0),
    }
    sizes = {
        size: shapes[name][axis]
        for size, (name, axis) in axes.items()
        if len(shapes.get(name, ())) > axis
    }
    if layers := {name.split(".")[1] for name in shapes if name.startswith("STEblocks.")}:
        sizes["depth"] = len(layers)
    hidden = shapes.get("STEblocks.0.mlp.fc1.weight")
    if hidden and sizes.get("width"):
        sizes["mlp_ratio"] = hidden[0] // sizes["width"]
    return sizes


MIXSTE = Published(_target, _sizes)
