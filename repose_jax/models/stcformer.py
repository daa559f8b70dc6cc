"""STCFormer (Tang et al., CVPR 2023; section 3): criss-cross attention.

In every block half of the channels attends over the joints of a frame while the other half attends
over the frames of a joint. To the result of each half are added a convolution of its values over
neighbouring frames and joints and, with a tiny weight, an embedding of the body part that the joint
belongs to (the "structure-enhanced positional embedding"). The defaults are the paper's model,
whose parameters do not depend on the number of frames; `width=512` is the large one.

The authors' model for MPI-INF-3DHP has the sizes `heads=4`, `attention_scale=256**-0.5`,
`part_weights=(1e-4, 0.0)` and, in the order of that dataset's joints, `parts=(0, 0, 1, 1, 1, 2, 2,
2, 3, 3, 3, 4, 4, 4, 0, 0, 0)`, and predicts millimetres. Not implemented are 15 rows of its part
table and a norm in each block that nothing uses, its embedding of the torso that stays zero, and
the names in its checkpoints.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from repose_jax.models import kernels, layers
from repose_jax.models.dropout import split_key, stochastic_depth
from repose_jax.models.lifter import Lifter, LifterConfig, check_clips


@dataclasses.dataclass(frozen=True)
class StcformerConfig(LifterConfig):
    """Sizes of the network; the defaults are the paper's (4,748,000 parameters).

    Attributes:
        frames: the longest clip that is meant; any number of frames is accepted.
        out_channels: channels of a 3D joint.
        width: width of a token.
        depth: number of blocks.
        heads: attention heads of each half; must divide half the width.
        mlp_ratio: hidden width of the MLPs relative to `width`.
        attention_scale: what the attention logits are multiplied by; 1 / sqrt(width / 2) if None,
            which counts all heads of a half.
        parts: the body part of each joint, numbered from 0: torso and head, right leg, left leg,
            left arm, right arm.
        part_weights: weights of the part embedding in the half over joints and that over frames.
        part_dropout: rate at which the part embedding is left out of a half, for the whole batch,
            in training.
        dropout: rate in the MLPs, in training.
    """

    out_channels: int = 3
    width: int = 256
    depth: int = 6
    heads: int = 8
    mlp_ratio: int = 4
    attention_scale: float | None = None
    parts: tuple[int, ...] = (0, 1, 1, 1, 2, 2, 2, 0, 0, 0, 0, 3, 3, 3, 4, 4, 4)
    part_weights: tuple[float, ...] = (1e-4, 1e-9)
    part_dropout: float = 0.5
    dropout: float = 0.1

    def __post_init__(self):
        super().__post_init__()
        self.check_multiple("width", "heads", times=2)
        if len(self.parts) != self.joints or min(self.parts) < 0:
            raise self.refusal("parts", f"a part, from 0, for each of the {self.joints} joints")
        if len(self.part_weights) != 2:
            raise self.refusal(
                "part_weights", "one for the half over joints, one for that over frames"
            )
        if self.attention_scale is not None and not 0 < self.attention_scale < float("inf"):
            raise self.refusal("attention_scale", "a number above 0, or None")


class Neighbours(nnx.Module):
    """Convolution of each channel over 3 frames and 3 joints in their order, padded with zeros."""

    def __init__(self, width: int, *, dtype: jnp.dtype, rngs: nnx.Rngs):
        self.dtype = dtype
        init = layers.uniform(9)
        self.kernel = nnx.Param(init(rngs.params(), (3, 3, width)))
        self.bias = nnx.Param(init(rngs.params(), (width,)))

    def __call__(self, x: Float[Array, "b t j c"]) -> Float[Array, "b t j c"]:
        """Returns the term that is added to the attention's result."""
        kernel, bias = self.kernel[...].astype(self.dtype), self.bias[...].astype(self.dtype)
        return kernels.depthwise_convolution(x, kernel) + bias


class CrissCross(nnx.Module):
    """A norm, then attention over joints for half of the channels, over frames for the others."""

    def __init__(self, config: StcformerConfig, *, rngs: nnx.Rngs):
        self.config = config
        half, dtype = config.width // 2, jnp.dtype(config.dtype)
        self.qkv = layers.NormLinear(
            config.width, 3 * config.width, epsilon=1e-5, torch_init=True, dtype=dtype, rngs=rngs
        )
        self.near_joints = Neighbours(half, dtype=dtype, rngs=rngs)
        self.near_frames = Neighbours(half, dtype=dtype, rngs=rngs)
        self.part_embedding = nnx.Param(
            jax.random.normal(rngs.params(), (max(config.parts) + 1, half // config.heads))
        )
        self.out = layers.Linear(
            config.width, config.width, torch_init=True, dtype=dtype, rngs=rngs
        )

    def __call__(
        self, x: Float[Array, "b t j c"], key: PRNGKeyArray | None
    ) -> Float[Array, "b t j c"]:
        """Mixes the tokens of a frame and those of a joint."""
        config = self.config
        half = config.width // 2
        scale = half**-0.5 if config.attention_scale is None else config.attention_scale
        heads = (*x.shape[:-1], config.heads, half // config.heads)
        columns = [part.reshape(heads) for part in jnp.split(self.qkv(x), 6, axis=-1)]
        parts = self.part_embedding[...][jnp.asarray(config.parts)]
        halves = []
        for over, near, (query, key_, value), weight, part_key in zip(
            ("joints", "frames"),
            (self.near_joints, self.near_frames),
            (columns[::2], columns[1::2]),
            config.part_weights,
            split_key(key, 2),
            strict=True,
        ):
            mixed = layers.attend_over(over, query, key_, value, scale=scale)
            local = near(value.reshape(*x.shape[:-1], half)).reshape(heads)
            part = stochastic_depth(parts[None], config.part_dropout, part_key)[0, :, None]
            halves.append(mixed + local + (weight * part).astype(mixed.dtype))
        # The two halves of a head are adjacent channels.
        return self.out(jnp.concatenate(halves, axis=-1).reshape(x.shape))


class Block(nnx.Module):
    """Pre-norm criss-cross attention, then a pre-norm MLP, each with a residual connection."""

    def __init__(self, config: StcformerConfig, *, rngs: nnx.Rngs):
        self.attention = CrissCross(config, rngs=rngs)
        self.mlp = layers.MLP(
            config.width,
            config.width * config.mlp_ratio,
            norm_epsilon=1e-5,
            dropout=config.dropout,
            bias=False,
            torch_init=True,
            dtype=jnp.dtype(config.dtype),
            rngs=rngs,
        )

    def __call__(
        self, x: Float[Array, "b t j c"], key: PRNGKeyArray | None
    ) -> Float[Array, "b t j c"]:
        """Returns the tokens after both residual branches."""
        parts_key, mlp_key = split_key(key, 2)
        x = x + self.attention(x, parts_key)
        return x + self.mlp(x, mlp_key)


class Stcformer(Lifter[StcformerConfig]):
    """Lifts every frame of a clip of any length."""

    def __init__(self, config: StcformerConfig, *, rngs: nnx.Rngs):
        self.config = config
        options: dict[str, Any] = dict(bias=False, torch_init=True, rngs=rngs)
        self.embed = layers.Linear(
            config.in_channels, config.width, dtype=jnp.dtype(config.dtype), **options
        )
        self.blocks = nnx.List(Block(config, rngs=rngs) for _ in range(config.depth))
        self.head = layers.Linear(config.width, config.out_channels, **options)

    def __call__(
        self, x: Float[Array, "b t j cin"], key: PRNGKeyArray | None = None
    ) -> Float[Array, "b t j cout"]:
        """Lifts every frame of clips of any length; see `Lifter`."""
        check_clips(x, self.config)
        x = kernels.gelu(self.embed(x))
        for block, block_key in zip(self.blocks, split_key(key, len(self.blocks)), strict=True):
            x = block(x, block_key)
        return self.head(x)
