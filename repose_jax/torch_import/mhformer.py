"""The names in MHFormer's checkpoints."""

import re
from collections.abc import Collection, Iterator

from repose_jax.torch_import.tensors import (
    BLOCK,
    Path,
    Shapes,
    Target,
    TensorNames,
    count,
    expand,
    kernel,
    lengths,
    linear_target,
    norm_target,
    pointwise,
    row,
)

_LINEAR = {
    "qkv": "qkv",
    "proj": "out",
    "linear_q": "query",
    "linear_k": "key",
    "linear_v": "value",
}


def _generator(path: Path, rest: str) -> Path | None:
    if rest == "norm":
        return (*path, "norm_out")
    if match := re.fullmatch(r"blocks\.(\d+)\.(.+)", rest):
        block, inner = int(match[1]), BLOCK.get(match[2])
        return (*path, "blocks", block, *inner) if inner else None
    return None


def _block(path: Path, rest: str) -> Path | None:
    """Returns the path of a module in a block over the hypotheses, which are counted from 1."""
    if rest in ("norm2", "mlp.fc1", "mlp.fc2"):
        return (*path, *BLOCK[rest])
    if match := re.fullmatch(r"norm1_(\d)", rest):
        return (*path, "attention", "attentions", int(match[1]) - 1, "qkv", "norm")
    if match := re.fullmatch(r"norm3_(\d)([123])", rest):
        part = ("query", "key", "value")[int(match[2]) - 1]
        return (*path, "attention", "attentions", int(match[1]) - 1, part, "norm")
    if (match := re.fullmatch(r"attn_(\d)\.(\w+)", rest)) and match[2] in _LINEAR:
        return (*path, "attention", "attentions", int(match[1]) - 1, _LINEAR[match[2]])
    return None


def _module(name: str) -> Path | None:
    top = {
        "Transformer_hypothesis.norm": ("norm",),
        "regression.0": ("norm_batch",),
        "regression.1": ("head",),
    }
    if name in top:
        return top[name]
    if match := re.fullmatch(r"norm_(\d)", name):
        return "generators", int(match[1]) - 1, "norm_in"
    if match := re.fullmatch(r"Transformer_encoder_(\d)\.(.+)", name):
        return _generator(("generators", int(match[1]) - 1), match[2])
    if match := re.fullmatch(r"embedding_(\d)(\.[01])?", name):  # the index where there is a norm
        return "embeddings", int(match[1]) - 1, "norm" if match[2] == ".1" else "linear"
    if match := re.fullmatch(r"Transformer_hypothesis\.SHR_blocks\.(\d+)\.(.+)", name):
        return _block(("refinements", int(match[1])), match[2])
    if match := re.fullmatch(r"Transformer_hypothesis\.CHI_blocks\.0\.(.+)", name):
        return _block(("interaction",), match[1])
    return None


def _target(name: str) -> Target | None:
    if match := re.fullmatch(r"Transformer_encoder_(\d)\.pos_embed", name):
        return ("generators", int(match[1]) - 1, "embedding"), row
    if match := re.fullmatch(r"Transformer_hypothesis\.pos_embed_(\d)", name):
        return ("embeddings", int(match[1]) - 1, "embedding"), row
    module, _, leaf = name.rpartition(".")
    path = _module(module)
    if path is None:
        return None
    if "norm" in str(path[-1]):
        return norm_target(path, leaf)
    return linear_target(path, leaf, pointwise if path[0] in ("embeddings", "head") else kernel)


def _sizes(shapes: Shapes) -> dict[str, int]:
    axes = {
        "frames": ("Transformer_hypothesis.pos_embed_1", 1),
        "width": ("Transformer_hypothesis.pos_embed_1", 2),
        "hidden": ("Transformer_hypothesis.CHI_blocks.0.mlp.fc1.weight", 0),
        "coordinates": ("Transformer_encoder_1.pos_embed", 1),
        "outputs": ("regression.1.weight", 0),
    }
    sizes = lengths(shapes, axes)
    coordinates, outputs = sizes.pop("coordinates", 0), sizes.pop("outputs", 0)
    if joints := outputs // 3:
        sizes |= {"joints": joints, "in_channels": coordinates // joints}

    sizes["depth"] = count(shapes, "Transformer_hypothesis.SHR_blocks") + 1
    sizes["generator_depth"] = count(shapes, "Transformer_encoder_1.blocks")
    return sizes


_HYPOTHESES = "Transformer_hypothesis"
_BLOCKS = f"{_HYPOTHESES}.{{SHR,CHI}}_blocks.#"
_COMMON = (
    "Transformer_encoder_#.pos_embed",
    f"{_HYPOTHESES}.pos_embed_#",
    f"{_HYPOTHESES}.norm.{{weight,bias}}",
    "regression.{0,1}.{weight,bias,running_mean,running_var}",
    "norm_#.{weight,bias}",
    "Transformer_encoder_#.norm.{weight,bias}",
    f"Transformer_encoder_#.blocks.#.{{{','.join(BLOCK)}}}.{{weight,bias}}",
    f"{_BLOCKS}.{{norm2,mlp.fc1,mlp.fc2}}.{{weight,bias}}",
    f"{_BLOCKS}.norm1_#.{{weight,bias}}",
    f"{_BLOCKS}.norm3_##.{{weight,bias}}",
    f"{_BLOCKS}.attn_#.{{{','.join(_LINEAR)}}}.{{weight,bias}}",
)


def _names(paths: Collection[Path]) -> Iterator[str]:
    """Returns the names; an embedding is the first of a list if a norm follows it."""
    norm = ("embeddings", 0, "norm", "scale") in paths
    parts = "embedding_#.{0,1}" if norm else "embedding_#"
    return expand(*_COMMON, f"{parts}.{{weight,bias,running_mean,running_var}}")(paths)


MHFORMER = TensorNames(_target, _sizes, _names, not_inferred=("heads", "generator_heads"))
