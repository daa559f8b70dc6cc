"""Weights of the published PyTorch models in ours: every tensor used, every parameter filled."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx

from repose_jax import models

Path = tuple[str | int, ...]

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


def _repose_path(name: str) -> tuple[Path, tuple[int, ...]] | None:
    """Maps a published name of RePOSE or MotionBERT to (path, leading axes to drop), or to None."""
    if name == "temp_embed":
        return ("frame_embedding",), (0,)
    if name == "pos_embed":
        return ("joint_embedding",), (0,)
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
    if path is None or leaf not in ("weight", "bias"):
        return None
    if leaf == "bias":
        return (*path, "bias"), ()
    return (*path, "scale" if "norm" in str(path[-1]) else "kernel"), ()


_PATHS: dict[str, Callable[[str], tuple[Path, tuple[int, ...]] | None]] = {"repose": _repose_path}


def from_torch(name: str, state_dict: Mapping[str, Any], **config: Any) -> nnx.Module:
    """Builds a model from the tensors of a published PyTorch checkpoint.

    Args:
        name: the model's name in `repose_jax.models`.
        state_dict: published parameter name (with or without the prefix `module.`) to tensor or
        array. **config: sizes, as for `repose_jax.models.create`.

    Returns:
        The model with the checkpoint's weights.

    Raises:
        ValueError: a tensor that is not used, a parameter that is not filled, or a shape that
        differs;
            the message lists all of them.
    """
    model = models.create(name, **config)
    params = dict(nnx.to_flat_state(nnx.state(model, nnx.Param)))
    problems, unfilled = [], set(params)
    for key, tensor in state_dict.items():
        mapped = _PATHS[name](key.removeprefix("module."))
        if mapped is None or mapped[0] not in params:
            problems.append(f"unused tensor {key}")
            continue
        path, leading = mapped
        value = np.asarray(tensor, np.float32)
        value = value.squeeze(leading) if leading else value
        value = value.T if path[-1] == "kernel" else value
        if value.shape != params[path].shape:
            problems.append(f"{key} gives {value.shape}, {path} is {params[path].shape}")
        else:
            params[path][...] = jnp.asarray(value)
        unfilled.discard(path)
    problems += [f"nothing fills {path}" for path in sorted(unfilled, key=str)]
    if problems:
        raise ValueError(f"The checkpoint does not fit {name!r}: " + "; ".join(problems))
    nnx.update(model, nnx.from_flat_state(params.items()))
    return model
