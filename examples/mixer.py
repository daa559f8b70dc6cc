"""A backbone of one's own: an MLP-Mixer (Tolstikhin et al., NeurIPS 2021) on synthetic motion."""

import dataclasses

from flax import nnx
from ml_collections import ConfigDict

from configs import quickstart
from repose_jax import models
from repose_jax.models import layers
from repose_jax.models.lifter import Lifter, LifterConfig, check_clips


@dataclasses.dataclass(frozen=True)
class MixerConfig(LifterConfig):
    frames: int = 27
    in_channels: int = 3
    width: int = 64
    depth: int = 3


class Mix(nnx.Module):
    def __init__(self, size: int, width: int, *, axis: int, rngs: nnx.Rngs):
        self.axis = axis
        self.norm = layers.layer_norm(width, rngs=rngs)
        self.mlp = layers.MLP(size, 2 * size, rngs=rngs)

    def __call__(self, x):
        return x + self.mlp(self.norm(x).swapaxes(self.axis, -1)).swapaxes(self.axis, -1)


class Mixer(Lifter):
    fixed_length = True  # it has a weight for every frame, so it takes clips of one length

    def __init__(self, config: MixerConfig, *, rngs: nnx.Rngs):
        self.config = config
        self.embed = nnx.Linear(config.in_channels, config.width, rngs=rngs)
        sizes = {1: config.frames, 2: config.joints, 3: config.width}  # of x[b, t, j, c]
        self.blocks = nnx.List()
        for axis, size in [*sizes.items()] * config.depth:
            self.blocks.append(Mix(size, config.width, axis=axis, rngs=rngs))
        self.head = nnx.Linear(config.width, 3, rngs=rngs)

    def __call__(self, x, key=None):
        check_clips(x, self.config, least=self.config.frames, most=self.config.frames)
        x = self.embed(x)
        for block in self.blocks:
            x = block(x)
        return self.head(x)


models.MODELS["mixer"] = (Mixer, MixerConfig)


def get_config(variant: str = "") -> ConfigDict:
    config = quickstart.get_config(variant)
    config.model = ConfigDict({"name": "mixer"})
    return config
