"""A mixer of frames: every frame is one token, mixed by MLPs over frames and over channels.

The architecture is that of MLP-Mixer (Tolstikhin et al., NeurIPS 2021), with frames in place of the
patches of an image. The joints of a frame are one vector, so the network does not know which
numbers belong to which joint, and learns it. There are as many tokens as frames, 17 times fewer
than in a transformer over joints.
"""

import dataclasses

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from repose_jax.models import layers
from repose_jax.models.dropout import split_key
from repose_jax.models.lifter import Lifter, LifterConfig, check_clips


@dataclasses.dataclass(frozen=True)
class MixerConfig(LifterConfig):
    """Sizes of the network; the defaults have 2,516,367 parameters.

    Attributes:
        frames: the longest clip; the maps over frames are of this size.
        in_channels: channels of a 2D joint. Those that are the same for all joints of a frame, such
            as the place of the person in the image, are read once for every joint.
        width: width of a frame's token.
        depth: number of blocks, each of an MLP over the frames and one over the channels.
        expansion: hidden width of the MLPs over the frames relative to `frames`.
        mlp_ratio: hidden width of the MLPs over the channels relative to `width`.
        dropout: rate in both kinds of MLP, in training.
    """

    frames: int = 81
    in_channels: int = 3
    width: int = 384
    depth: int = 4
    expansion: int = 2
    mlp_ratio: int = 2
    dropout: float = 0.0


class Block(nnx.Module):
    """A pre-norm MLP over the frames, then one over the channels, each with a residual."""

    def __init__(self, config: MixerConfig, *, rngs: nnx.Rngs):
        frames, width, dtype = config.frames, config.width, jnp.dtype(config.dtype)
        self.norm = layers.layer_norm(width, rngs=rngs)
        self.over_frames = layers.MLP(
            frames, frames * config.expansion, dropout=config.dropout, dtype=dtype, rngs=rngs
        )
        self.over_channels = layers.MLP(
            width,
            width * config.mlp_ratio,
            norm_epsilon=1e-6,
            dropout=config.dropout,
            dtype=dtype,
            rngs=rngs,
        )

    def __call__(self, x: Float[Array, "b t c"], key: PRNGKeyArray | None) -> Float[Array, "b t c"]:
        """Returns the tokens after both residual branches."""
        frames_key, channels_key = split_key(key, 2)
        normed = jnp.swapaxes(self.norm(x), 1, 2)
        x = x + jnp.swapaxes(self.over_frames(normed, frames_key), 1, 2)
        return x + self.over_channels(x, channels_key)


class Mixer(Lifter[MixerConfig]):
    """Lifts every frame of a clip of up to `config.frames` frames.

    In a shorter clip the last frame is repeated, as where clips are cut from a short video.
    """

    def __init__(self, config: MixerConfig, *, rngs: nnx.Rngs):
        self.config = config
        inputs, outputs = (config.joints * count for count in (config.in_channels, 3))
        dtype = jnp.dtype(config.dtype)
        self.embed = layers.Linear(inputs, config.width, dtype=dtype, rngs=rngs)
        self.blocks = nnx.List(Block(config, rngs=rngs) for _ in range(config.depth))
        self.head = layers.NormLinear(config.width, outputs, rngs=rngs)
        layers.initialise_by_fan_in(self, rngs=rngs)

    def __call__(
        self, x: Float[Array, "b t j cin"], key: PRNGKeyArray | None = None
    ) -> Float[Array, "b t j 3"]:
        """Lifts every frame of clips of up to `config.frames` frames; see `Lifter`."""
        config = self.config
        check_clips(x, config, most=config.frames)
        batch, frames, joints, _ = x.shape
        x = jnp.concatenate([x, *[x[:, -1:]] * (config.frames - frames)], axis=1)
        x = self.embed(x.reshape(batch, config.frames, -1))
        for block, block_key in zip(self.blocks, split_key(key, config.depth), strict=True):
            x = block(x, block_key)
        return self.head(x[:, :frames]).reshape(batch, frames, joints, 3)
