"""MixSTE (Zhang et al., CVPR 2022; section 3): alternating attention over joints and frames.

Every layer attends over the joints of each frame and then over the frames of each joint. The norm
after each of the two is one for all layers, and its output is what the next block adds to. The
defaults are the authors' model of 243 frames.
"""

import dataclasses

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from repose_jax.models import layers
from repose_jax.models.dropout import dropout, split_key, stochastic_depth_rates
from repose_jax.models.lifter import Lifter, LifterConfig, check_clips


@dataclasses.dataclass(frozen=True)
class MixsteConfig(LifterConfig):
    """Sizes of the network; the defaults are the paper's (33,783,811 parameters).

    Attributes:
        frames: frames of a clip, each with its embedding; clips of other lengths are refused.
        out_channels: channels of a 3D joint.
        width: width of a token.
        depth: number of layers, each of a block over joints and a block over frames.
        heads: attention heads; must divide the width.
        mlp_ratio: hidden width of the MLPs relative to `width`.
        dropout: rate after the embeddings and the output projections and in the MLPs, in training.
        attention_dropout: rate on the attention weights, in training.
        stochastic_depth: rate at which the last layer's residual branches are dropped, in training;
            grows linearly from 0 at the first layer.
    """

    out_channels: int = 3
    width: int = 512
    depth: int = 8
    heads: int = 8
    mlp_ratio: int = 2
    dropout: float = 0.0
    attention_dropout: float = 0.0
    stochastic_depth: float = 0.1


class Mixste(Lifter[MixsteConfig]):
    """Lifts every frame of a clip of exactly `config.frames` frames."""

    fixed_length = True

    def __init__(self, config: MixsteConfig, *, rngs: nnx.Rngs):
        self.config = config
        width, dtype = config.width, jnp.dtype(config.dtype)

        def blocks(over: str):
            return nnx.List(
                layers.Block(
                    width,
                    config.heads,
                    width * config.mlp_ratio,
                    over=over,
                    dropout=config.dropout,
                    attention_dropout=config.attention_dropout,
                    stochastic_depth=rate,
                    torch_init=True,
                    dtype=dtype,
                    rngs=rngs,
                )
                for rate in stochastic_depth_rates(config.stochastic_depth, config.depth)
            )

        self.embed = layers.Linear(
            config.in_channels, width, torch_init=True, dtype=dtype, rngs=rngs
        )
        self.joint_embedding = nnx.Param(jnp.zeros((config.joints, width)))
        self.frame_embedding = nnx.Param(jnp.zeros((config.frames, 1, width)))
        self.over_joints = blocks("joints")
        self.over_frames = blocks("frames")
        self.norm_joints = layers.layer_norm(width, rngs=rngs)
        self.norm_frames = layers.layer_norm(width, rngs=rngs)
        self.head = layers.NormLinear(
            width, config.out_channels, epsilon=1e-5, torch_init=True, rngs=rngs
        )

    def __call__(
        self, x: Float[Array, "b t j cin"], key: PRNGKeyArray | None = None
    ) -> Float[Array, "b t j cout"]:
        """Lifts every frame of clips of `config.frames` frames; see `Lifter`."""
        config = self.config
        check_clips(x, config, least=config.frames, most=config.frames)
        return self._lift(self.embed(x), key)

    def _lift(
        self, tokens: Float[Array, "b t j c"], key: PRNGKeyArray | None
    ) -> Float[Array, "b t j cout"]:
        """Returns the poses of embedded joints."""
        config = self.config
        joints_key, frames_key, *block_keys = split_key(key, 2 + 2 * config.depth)
        x = (tokens + self.joint_embedding[...]).astype(config.dtype)
        x = dropout(x, config.dropout, joints_key)
        for layer, (over_joints, over_frames) in enumerate(
            zip(self.over_joints, self.over_frames, strict=True)
        ):
            x = self.norm_joints(over_joints(x, block_keys[2 * layer])).astype(config.dtype)
            if layer == 0:  # the frames' embedding comes after the first block over joints
                x = (x + self.frame_embedding[...]).astype(config.dtype)
                x = dropout(x, config.dropout, frames_key)
            x = self.norm_frames(over_frames(x, block_keys[2 * layer + 1])).astype(config.dtype)
        return self.head(x)
