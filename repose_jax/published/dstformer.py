"""The names in the checkpoints of RePOSE and MotionBERT, which are of one network."""

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

_SUBLAYERS = {
    "norm1": ("norm_attention",),
    "norm2": ("norm_mlp",),
    "attn.qkv": ("attention", "qkv"),
    "attn.proj": ("attention", "out"),
    "mlp.fc1": ("mlp", "fc1"),
    "mlp.fc2": ("mlp", "fc2"),
}
_TOP = {
    "joints_embed": ("embed",),
    "norm": ("norm",),
    "pre_logits.fc": ("representation",),
    "head": ("head",),
}


def _target(name: str) -> Target | None:
    if name == "temp_embed":
        return ("frame_embedding",), row
    if name == "pos_embed":
        return ("joint_embedding",), row
    module, _, leaf = name.rpartition(".")
    path: Path | None = _TOP.get(module)
    if match := re.fullmatch(r"ts_attn\.(\d+)", module):
        path = ("layers", int(match[1]), "fusion")
    elif match := re.fullmatch(r"blocks_(st|ts)\.(\d+)\.(norm1|norm2|attn|mlp)_([st])(.*)", module):
        stream, layer, sublayer, axis, rest = match.groups()
        position = stream.index(axis)  # the stream's name lists its axes in the order of attention
        inner = _SUBLAYERS.get(sublayer + rest)
        if inner:
            streams = {"st": "joints_first", "ts": "frames_first"}
            path = ("layers", int(layer), streams[stream], position, *inner)
    if path is None:
        return None
    return (norm_target if "norm" in str(path[-1]) else linear_target)(path, leaf)


def _sizes(shapes: Shapes) -> dict[str, int]:
    """Tells the sizes, in which heads leave no trace."""
    axes = {
        "frames": ("temp_embed", 1),
        "joints": ("pos_embed", 1),
        "in_channels": ("joints_embed.weight", 1),
        "width": ("joints_embed.weight", 0),
        "representation": ("pre_logits.fc.weight", 0),
        "out_channels": ("head.weight", 0),
    }
    sizes = {
        size: shapes[name][axis]
        for size, (name, axis) in axes.items()
        if len(shapes.get(name, ())) > axis
    }
    if layers := {name.split(".")[1] for name in shapes if name.startswith("blocks_st.")}:
        sizes["depth"] = len(layers)
    hidden = shapes.get("blocks_st.0.mlp_s.fc1.weight")
    if hidden and sizes.get("width"):
        sizes["mlp_ratio"] = hidden[0] // sizes["width"]
    return sizes


DSTFORMER = Published(_target, _sizes)
