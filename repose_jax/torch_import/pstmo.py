"""The names in P-STMO's checkpoints, of the lifter and of its masked pre-training."""

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
    linear_target,
    norm_target,
    pointwise,
    row,
    same,
    transformer_sizes,
)

_EMBEDDINGS: dict[str, Path] = {
    "Transformer.pos_embedding": ("frame_encoder", "frame_embedding"),
    "Transformer_reduce.model.pos_embedding_1": ("aggregator", "frame_embeddings", 0),
    "Transformer_reduce.model.pos_embedding_2": ("aggregator", "frame_embeddings", 1),
    "Transformer_reduce.model.pos_embedding_3": ("aggregator", "frame_embeddings", 2),
    "dec_pos_embedding": ("decoder", "frame_embedding"),
}
_TOKENS: dict[str, Path] = {
    "mask_token": ("frame_token",),
    "spatial_mask_token": ("joint_token",),
}
_POINTWISE: dict[str, Path] = {  # convolutions of 1 frame
    "encoder.fc_1": ("pose_encoder", "embed", "linear"),
    "encoder.layers.0.w1": ("pose_encoder", "residual", 0, "linear"),
    "encoder.layers.0.w2": ("pose_encoder", "residual", 1, "linear"),
    "encoder.fc_2": ("pose_encoder", "out"),
    "fcn_1.1": ("sequence_head", "linear"),
    "fcn.1": ("head", "linear"),
    "fcn_dec.1": ("head", "linear"),
}
_BATCH_NORMS: dict[str, Path] = {
    "encoder.bn_1": ("pose_encoder", "embed", "norm"),
    "encoder.layers.0.batch_norm1": ("pose_encoder", "residual", 0, "norm"),
    "encoder.layers.0.batch_norm2": ("pose_encoder", "residual", 1, "norm"),
    "fcn_1.0": ("sequence_head", "norm"),
    "fcn.0": ("head", "norm"),
    "fcn_dec.0": ("head", "norm"),
}
_STACKS = {
    "Transformer": "frame_encoder",
    "Transformer_reduce": "aggregator",
    "Transformer_dec": "decoder",
}
_SUBLAYERS: dict[str, Path] = {
    "self_attn.linears.0": ("attention", "query"),
    "self_attn.linears.1": ("attention", "key"),
    "self_attn.linears.2": ("attention", "value"),
    "self_attn.linears.3": ("attention", "out"),
    "feed_forward.w_1": ("fc1",),
    "feed_forward.w_2": ("fc2",),
    "sublayer.0.norm": ("norm_attention",),
    "sublayer.1.norm": ("norm_mlp",),
}
_STD_NORM = {"a_2": "scale", "b_2": "bias"}


def _target(name: str) -> Target | None:
    if name in _EMBEDDINGS:
        return _EMBEDDINGS[name], row
    if name in _TOKENS:
        return _TOKENS[name], Change(np.ravel, lambda param: param.reshape(1, 1, -1))
    module, _, leaf = name.rpartition(".")
    if module in _POINTWISE:
        return linear_target(_POINTWISE[module], leaf, pointwise)
    if module in _BATCH_NORMS:
        return norm_target(_BATCH_NORMS[module], leaf)
    if module == "encoder_LN":
        return _std_norm_target(("norm",), leaf)
    if module == "encoder_to_decoder":
        return linear_target(("narrow",), leaf)
    if match := re.fullmatch(r"(Transformer\w*)\.model\.(norm|layers\.(\d+)\.(.+))", module):
        stack, rest, layer, sublayer = match.groups()
        if stack in _STACKS and rest == "norm":
            return _std_norm_target((_STACKS[stack], "norm"), leaf)
        if stack in _STACKS and sublayer in _SUBLAYERS:
            path = (_STACKS[stack], "blocks", int(layer), *_SUBLAYERS[sublayer])
            if sublayer.endswith("norm"):
                return _std_norm_target(path, leaf)
            narrow = stack == "Transformer_reduce" and sublayer == "feed_forward.w_1"
            return linear_target(path, leaf, pointwise if narrow else kernel)
    return None


def _std_norm_target(path: Path, leaf: str) -> Target | None:
    return ((*path, _STD_NORM[leaf]), same) if leaf in _STD_NORM else None


def _sizes(shapes: Shapes) -> dict[str, int]:
    axes = {
        "frames": ("Transformer.pos_embedding", 1),
        "width": ("Transformer.pos_embedding", 2),
        "inputs": ("encoder.fc_1.weight", 1),
        "outputs": ("fcn.1.bias", 0),
        "masked_outputs": ("fcn_dec.1.bias", 0),
    }
    layers = "Transformer.model.layers"
    sizes = transformer_sizes(
        shapes, axes, blocks=layers, hidden=f"{layers}.0.feed_forward.w_1.weight"
    )
    inputs, outputs, masked = (sizes.pop(n, 0) for n in ("inputs", "outputs", "masked_outputs"))
    if joints := outputs // 3 or masked // 2:
        sizes["joints"] = joints
        if inputs:
            sizes["in_channels"] = inputs // joints
    return sizes


_NORMS = "{sublayer.0.norm,sublayer.1.norm}.{a_2,b_2}"
_LINEAR = (
    "{self_attn.linears.0,self_attn.linears.1,self_attn.linears.2,self_attn.linears.3,"
    "feed_forward.w_1,feed_forward.w_2}.{weight,bias}"
)
_NAMES = expand(  # of the lifter
    *(name for name in _EMBEDDINGS if name.startswith("Transformer")),
    f"{{{','.join(name for name in _POINTWISE if name != 'fcn_dec.1')}}}.{{weight,bias}}",
    f"{{{','.join(name for name in _BATCH_NORMS if name != 'fcn_dec.0')}}}"
    ".{weight,bias,running_mean,running_var}",
    "{Transformer,Transformer_reduce}.model.norm.{a_2,b_2}",
    "{Transformer,Transformer_reduce}.model.layers.#." + _NORMS,
    "{Transformer,Transformer_reduce}.model.layers.#." + _LINEAR,
)

PSTMO = TensorNames(_target, _sizes, _NAMES, not_inferred=("heads", "joint_order"))
