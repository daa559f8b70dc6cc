"""The names in the checkpoints of MotionAGFormer."""

import re

from repose_jax.torch_import.tensors import (
    Path,
    Shapes,
    Target,
    TensorNames,
    expand,
    module_target,
    row,
    same,
    transformer_sizes,
)

_TOP = {
    "joints_embed": ("embed",),
    "norm": ("representation", "norm"),
    "rep_logit.fc": ("representation",),
    "head": ("head",),
}
_BLOCK = {
    "norm1": ("norm_mixer",),
    "norm2": ("mlp", "fc1", "norm"),
    "mixer.qkv": ("mixer", "qkv"),
    "mixer.proj": ("mixer", "out"),
    "mixer.U": ("mixer", "own"),
    "mixer.V": ("mixer", "others"),
    "mixer.batch_norm": ("mixer", "norm"),
    "mlp.fc1": ("mlp", "fc1"),
    "mlp.fc2": ("mlp", "fc2"),
}
_SCALES = {"layer_scale_1": "scale_mixer", "layer_scale_2": "scale_mlp"}
_STREAMS = {"att": "attention", "graph": "graph"}
_POSITIONS = {"spatial": 0, "temporal": 1}


def _target(name: str) -> Target | None:
    if name == "pos_embed":
        return ("joint_embedding",), row
    module, _, leaf = name.rpartition(".")
    path: Path | None = _TOP.get(module)
    if match := re.fullmatch(r"layers\.(\d+)\.fusion", module):
        path = ("layers", int(match[1]), "fusion")
    elif match := re.fullmatch(r"layers\.(\d+)\.(att|graph)_(spatial|temporal)\.?(.*)", module):
        layer, stream, axis, inner = match.groups()
        block = ("layers", int(layer), _STREAMS[stream], _POSITIONS[axis])
        if leaf in _SCALES and not inner:
            return (*block, _SCALES[leaf]), same
        path = (*block, *_BLOCK[inner]) if inner in _BLOCK else None
    return None if path is None else module_target(path, leaf)


def _sizes(shapes: Shapes) -> dict[str, int]:
    axes = {
        "frames": ("layers.0.graph_temporal.mixer.batch_norm.weight", 0),
        "joints": ("pos_embed", 1),
        "in_channels": ("joints_embed.weight", 1),
        "width": ("joints_embed.weight", 0),
        "representation": ("rep_logit.fc.weight", 0),
        "out_channels": ("head.weight", 0),
    }
    return transformer_sizes(
        shapes, axes, blocks="layers", hidden="layers.0.att_spatial.mlp.fc1.weight"
    )


_BLOCKS = "layers.#.{att,graph}_{spatial,temporal}"
_NAMES = expand(
    "pos_embed",
    f"{{{','.join(_TOP)}}}.{{weight,bias}}",
    "layers.#.fusion.{weight,bias}",
    f"{_BLOCKS}.{{layer_scale_1,layer_scale_2}}",
    f"{_BLOCKS}.{{{','.join(_BLOCK)}}}.{{weight,bias,running_mean,running_var}}",
)

MOTIONAGFORMER = TensorNames(
    _target, _sizes, _NAMES, not_inferred=("heads", "neighbours", "joint_order")
)
