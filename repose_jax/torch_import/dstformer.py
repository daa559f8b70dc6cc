"""The names in the checkpoints of RePOSE and MotionBERT, which are of one network."""

import re

from repose_jax.torch_import.tensors import (
    BLOCK,
    Path,
    Shapes,
    Target,
    TensorNames,
    expand,
    module_target,
    row,
    transformer_sizes,
)

_TOP = {
    "joints_embed": ("embed",),
    "norm": ("representation", "norm"),
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
        inner = BLOCK.get(sublayer + rest)
        if inner:
            streams = {"st": "joints_first", "ts": "frames_first"}
            path = ("layers", int(layer), streams[stream], position, *inner)
    return None if path is None else module_target(path, leaf)


def _sizes(shapes: Shapes) -> dict[str, int]:
    axes = {
        "frames": ("temp_embed", 1),
        "joints": ("pos_embed", 1),
        "in_channels": ("joints_embed.weight", 1),
        "width": ("joints_embed.weight", 0),
        "representation": ("pre_logits.fc.weight", 0),
        "out_channels": ("head.weight", 0),
    }
    return transformer_sizes(
        shapes, axes, blocks="blocks_st", hidden="blocks_st.0.mlp_s.fc1.weight"
    )


_NAMES = expand(
    "{temp,pos}_embed",
    "{joints_embed,norm,pre_logits.fc,head}.{weight,bias}",
    "ts_attn.#.{weight,bias}",
    "blocks_{st,ts}.#.{norm1,norm2}_{s,t}.{weight,bias}",
    "blocks_{st,ts}.#.attn_{s,t}.{qkv,proj}.{weight,bias}",
    "blocks_{st,ts}.#.mlp_{s,t}.{fc1,fc2}.{weight,bias}",
)

DSTFORMER = TensorNames(_target, _sizes, _NAMES)
