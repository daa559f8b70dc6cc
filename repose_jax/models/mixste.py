"""MixSTE (Zhang et al., CVPR 2022; section 3): attention over joints and over frames in turn.

Every layer attends over the joints of each frame and then over the frames of each joint. The norm
after each of the two is one for all layers, and its output is what the next block adds to. The
defaults are the published model of 243 frames.
"""

import dataclasses

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from repose_jax.models import layers
from repose_jax.models.lifter import Lifter, check, check_dtype


@dataclasses.dataclass(frozen=True)
class MixsteConfig:
    """Sizes of the network; the defaults are the paper's (33,783,811 parameters).

    Attributes:
        frames: frames of a clip, of which each has its embedding; others are refused.
        joints: joints per frame.
        in_channels: channels of a 2D joint: x and y.
        out_channels: channels of a 3D joint.
        width: width of a token.
        depth: number of layers, each of a block over joints and a block over frames.
        heads: attention heads; must divide the width.
        mlp_ratio: hidden width of the MLPs relative to `width`.
        dropout: rate after the embeddings and the output projections and in the MLPs, in training.
        attention_dropout: rate on the attention weights, in training.
        stochastic_depth: rate at which the last layer's residual branches are dropped, in training;
            grows linearly from 0 at the first layer.
        dtype: compute type, "float32" or "bfloat16"; parameters, norms, softmax and output stay
            float32.
    """

    frames: int = 243
    joints: int = 17
    in_channels: int = 2
    out_channels: int = 3
    width: int = 512
    depth: int = 8
    heads: int = 8
    mlp_ratio: int = 2
    dropout: float = 0.0
    attention_dropout: float = 0.0
    stochastic_depth: float = 0.1
    dtype: str = "float32"

    def __post_init__(self):
        if self.width % self.heads:
            raise ValueError(
                f"width {self.width} is not a multiple of heads {self.heads}; change one of them."
            )
        check_dtype(self.dtype)


class Mixste(Lifter):
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
                    drop=config.dropout,
                    attention_drop=config.attention_dropout,
                    path_drop=rate,
                    linear=layers.uniform_linear,
                    dtype=dtype,
                    rngs=rngs,
                )
                for rate in layers.path_drops(config.stochastic_depth, config.depth)
            )

        self.embed = layers.uniform_linear(config.in_channels, width, dtype=dtype, rngs=rngs)
        self.joint_embedding = nnx.Param(jnp.zeros((config.joints, width)))
        self.frame_embedding = nnx.Param(jnp.zeros((config.frames, 1, width)))
        self.over_joints = blocks("joints")
        self.over_frames = blocks("frames")
        self.norm_joints = layers.layer_norm(width, rngs=rngs)
        self.norm_frames = layers.layer_norm(width, rngs=rngs)
        self.norm = layers.layer_norm(width, epsilon=1e-5, rngs=rngs)
        self.head = layers.uniform_linear(
            width, config.out_channels, dtype=jnp.dtype(jnp.float32), rngs=rngs
        )

    def __call__(
        self, x: Float[Array, "b t j cin"], key: PRNGKeyArray | None = None
    ) -> Float[Array, "b t j cout"]:
        """Lifts every frame of clips of `config.frames` frames; see `Lifter`."""
        config = self.config
        check(x, config, least=config.frames, most=config.frames)
        dtype = jnp.dtype(config.dtype)
        joints_key, frames_key, *rest = layers.keys(key, 2 + 2 * config.depth)
        x = (self.embed(x) + self.joint_embedding[...]).astype(dtype)
        x = layers.dropout(x, config.dropout, joints_key)
        for layer, (over_joints, over_frames) in enumerate(
            zip(self.over_joints, self.over_frames, strict=True)
        ):
            x = self.norm_joints(over_joints(x, rest[2 * layer])).astype(dtype)
            if layer == 0:  # frames are told apart only once joints have been related
                x = (x + self.frame_embedding[...]).astype(dtype)
                x = layers.dropout(x, config.dropout, frames_key)
            x = self.norm_frames(over_frames(x, rest[2 * layer + 1])).astype(dtype)
        return self.head(self.norm(x))
