"""The names in the checkpoints of MixSTE."""

import re

from repose_jax.torch_import.tensors import (
    BLOCK,
    Change,
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
    "Spatial_patch_to_embedding": ("embed",),
    "Spatial_norm": ("norm_joints",),
    "Temporal_norm": ("norm_frames",),
    "head.0": ("head", "norm"),
    "head.1": ("head",),
}
_BLOCKS = {"S": "over_joints", "T": "over_frames"}


def _target(name: str) -> Target | None:
    if name == "Spatial_pos_embed":
        return ("joint_embedding",), row
    if name == "Temporal_pos_embed":
        return ("frame_embedding",), Change(
            lambda tensor: row.to_ours(tensor)[:, None], lambda param: row.to_theirs(param[:, 0])
        )
    module, _, leaf = name.rpartition(".")
    path: Path | None = _TOP.get(module)
    if match := re.fullmatch(r"([ST])TEblocks\.(\d+)\.(.*)", module):
        axis, layer, inner = match.groups()
        if inner in BLOCK:
            path = (_BLOCKS[axis], int(layer), *BLOCK[inner])
    return None if path is None else module_target(path, leaf)


def _sizes(shapes: Shapes) -> dict[str, int]:
    axes = {
        "frames": ("Temporal_pos_embed", 1),
        "joints": ("Spatial_pos_embed", 1),
        "in_channels": ("Spatial_patch_to_embedding.weight", 1),
        "width": ("Spatial_patch_to_embedding.weight", 0),
        "out_channels": ("head.1.weight", 0),
    }
    return transformer_sizes(shapes, axes, blocks="STEblocks", hidden="STEblocks.0.mlp.fc1.weight")


_NAMES = expand(
    "{Spatial,Temporal}_pos_embed",
    "{Spatial_patch_to_embedding,Spatial_norm,Temporal_norm,head.0,head.1}.{weight,bias}",
    f"{{S,T}}TEblocks.#.{{{','.join(BLOCK)}}}.{{weight,bias}}",
)

MIXSTE = TensorNames(_target, _sizes, _NAMES)
