"""The names in the checkpoints of PoseFormer."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping

from repose_jax.torch_import.tensors import (
    BLOCK,
    Change,
    Path,
    Shapes,
    Target,
    TensorNames,
    expand,
    linear_target,
    module_target,
    row,
    transformer_sizes,
)

COMMON: Mapping[str, Path] = {  # to both PoseFormers
    "Spatial_norm": ("spatial", "norm"),
    "Temporal_norm": ("norm",),
    "head.0": ("head", "norm"),
    "head.1": ("head",),
}
_TOP = {
    **COMMON,
    "Spatial_patch_to_embedding": ("spatial", "embed"),
    "weighted_mean": ("mean",),
}
_EMBEDDINGS: Mapping[str, Path] = {
    "Spatial_pos_embed": ("spatial", "joint_embedding"),
    "Temporal_pos_embed": ("frame_embedding",),
}


# The weight [1, in, 1] of a convolution with one output is a vector here.
_FLAT = Change(
    lambda tensor: tensor.reshape(tensor.shape[1]) if tensor.ndim == 3 else tensor,
    lambda param: param.reshape(1, -1, 1),
)


def target(
    name: str,
    top: Mapping[str, Path],
    temporal: Mapping[str, Path],
    embeddings: Mapping[str, Path],
) -> Target | None:
    """Maps the name of a tensor of a PoseFormer.

    Args:
        name: of the tensor.
        top: PyTorch modules to ours, outside the layers.
        temporal: PyTorch modules to ours, in a layer of the second transformer.
        embeddings: position embeddings to ours.
    """
    if name in embeddings:
        return embeddings[name], row
    module, _, leaf = name.rpartition(".")
    path = top.get(module)
    if match := re.fullmatch(r"(Spatial_)?blocks\.(\d+)\.(.*)", module):
        spatial, layer, inner = match.groups()
        known = (BLOCK if spatial else temporal).get(inner)
        path = known and (*(("spatial",) if spatial else ()), "layers", int(layer), *known)
    if not path:
        return None
    if "mean" in str(path[-1]):
        return linear_target(path, leaf, _FLAT)
    return module_target(path, leaf)


def names(
    top: Mapping[str, Path], temporal: Mapping[str, Path], embeddings: Mapping[str, Path]
) -> Callable[[Collection[Path]], Iterable[str]]:
    """Returns the names of the tensors of a PoseFormer; see `target`."""
    return expand(
        *embeddings,
        f"{{{','.join(top)}}}.{{weight,bias}}",
        f"Spatial_blocks.#.{{{','.join(BLOCK)}}}.{{weight,bias}}",
        f"blocks.#.{{{','.join(temporal)}}}.{{weight,bias}}",
    )


def sizes(shapes: Shapes, embed: str, axes: Mapping[str, tuple[str, int]]) -> dict[str, int]:
    """Infers the sizes.

    Args:
        shapes: of the checkpoint.
        embed: name of the embedding of joints.
        axes: size to (name of a tensor, axis), where the PoseFormers differ.
    """
    axes = {
        "joints": ("Spatial_pos_embed", 1),
        "width": ("Spatial_pos_embed", 2),
        "in_channels": (f"{embed}.weight", 1),
        **axes,
    }
    return transformer_sizes(
        shapes, axes, blocks="blocks", hidden="Spatial_blocks.0.mlp.fc1.weight"
    )


POSEFORMER = TensorNames(
    lambda name: target(name, _TOP, BLOCK, _EMBEDDINGS),
    lambda shapes: sizes(
        shapes, "Spatial_patch_to_embedding", {"frames": ("Temporal_pos_embed", 1)}
    ),
    names(_TOP, BLOCK, _EMBEDDINGS),
)
