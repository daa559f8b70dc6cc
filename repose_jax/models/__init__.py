"""Lifters by name. A model knows its sizes, and neither configurations nor data nor training."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, get_args

import jax
from flax import nnx

from repose_jax.models.d3dp import D3dp, D3dpConfig
from repose_jax.models.layers import KeySequence
from repose_jax.models.lifter import Lifter, LifterConfig
from repose_jax.models.mhformer import MHFormer, MHFormerConfig
from repose_jax.models.mixer import Mixer, MixerConfig
from repose_jax.models.mixste import Mixste, MixsteConfig
from repose_jax.models.motionagformer import MotionAGFormer, MotionAGFormerConfig
from repose_jax.models.motionbert import MotionBertConfig
from repose_jax.models.poseformer import PoseFormer, PoseFormerConfig
from repose_jax.models.poseformerv2 import PoseFormerV2, PoseFormerV2Config
from repose_jax.models.pstmo import Pstmo, PstmoConfig
from repose_jax.models.repose import Repose, ReposeConfig
from repose_jax.models.semgcn import Semgcn, SemgcnConfig
from repose_jax.models.stcformer import Stcformer, StcformerConfig
from repose_jax.models.videopose3d import VideoPose3D, VideoPose3DConfig
from repose_jax.runtime.names import closest, unknown

MODELS: dict[str, tuple[Callable[..., Lifter], type[LifterConfig]]] = {
    "repose": (Repose, ReposeConfig),
    "motionbert": (Repose, MotionBertConfig),
    "pstmo": (Pstmo, PstmoConfig),
    "motionagformer": (MotionAGFormer, MotionAGFormerConfig),
    "mixste": (Mixste, MixsteConfig),
    "d3dp": (D3dp, D3dpConfig),
    "stcformer": (Stcformer, StcformerConfig),
    "mhformer": (MHFormer, MHFormerConfig),
    "videopose3d": (VideoPose3D, VideoPose3DConfig),
    "poseformer": (PoseFormer, PoseFormerConfig),
    "poseformerv2": (PoseFormerV2, PoseFormerV2Config),
    "semgcn": (Semgcn, SemgcnConfig),
    "mixer": (Mixer, MixerConfig),
}


def create(name: str, *, seed: int = 0, **config: Any) -> Lifter:
    """Creates a lifter.

    Args:
        name: a key of `MODELS`.
        seed: of the initialisation.
        **config: fields of the model's config class; others have the values of the authors' model.
            Lists, as in a JSON file, become tuples, and what is of NumPy as of Python.

    Returns:
        The model, with freshly initialised float32 parameters.

    Raises:
        ValueError: an unknown model or field, naming the known ones; or a wrong value.
    """
    if name not in MODELS:
        raise ValueError(unknown("model", name, MODELS))
    model, config_class = MODELS[name]
    fields = [field.name for field in dataclasses.fields(config_class) if field.init]
    for key in config:
        if key not in fields:
            close = closest(key, fields)
            hint = f" Did you mean {close!r}?" if close else ""
            raise ValueError(f"Model {name!r} has no {key!r}.{hint} It has {', '.join(fields)}.")
    sizes: dict[str, Any] = {}
    for key, value in config.items():
        plain = value.tolist() if hasattr(value, "tolist") else value
        sizes[key] = tuple(plain) if isinstance(plain, list) else plain
    return model(config_class(**sizes), rngs=KeySequence(seed))


def completed(model: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the name and all sizes of a model: one that was left out has its default.

    Args:
        model: its name and some sizes, as in a configuration, of this version or an earlier one.
    """
    _, config_class = MODELS.get(model["name"], (None, LifterConfig))
    fields = [field for field in dataclasses.fields(config_class) if field.init]
    defaults = {f.name: f.default for f in fields if f.default is not dataclasses.MISSING}
    return {**defaults, **model}


def optional_sizes(name: str) -> dict[str, type]:
    """Returns the sizes of a model that may be None, with the type that they have otherwise."""
    _, config_class = MODELS.get(name, (None, LifterConfig))
    kinds = {field.name: get_args(field.type) for field in dataclasses.fields(config_class)}
    return {name: kind[0] for name, kind in kinds.items() if kind[1:] == (type(None),)}


def parameter_count(model: nnx.Module) -> int:
    """Returns the number of trainable parameters."""
    return sum(leaf.size for leaf in jax.tree.leaves(nnx.state(model, nnx.Param)))
