"""STCFormer (Tang et al., CVPR 2023; section 3): criss-cross attention.

In every block half of the channels attends over the joints of a frame while the other half attends
over the frames of a joint. To what each half attends to are added a convolution of its values over
neighbouring frames and joints and, with a tiny weight, an embedding of the body part that the joint
belongs to (the "structure-enhanced positional embedding"). The defaults are the published model,
whose parameters do not depend on the number of frames; `width=512` is the large one.

The model that was published for MPI-INF-3DHP has the sizes `heads=4`, `attention_scale=256**-0.5`,
`part_weights=(1e-4, 0.0)` and, in the order of that dataset's joints, `parts=(0, 0, 1, 1, 1, 2, 2,
2, 3, 3, 3, 4, 4, 4, 0, 0, 0)`, and predicts millimetres. What it has beside them is not here: 15
rows of the part table and a norm in each block that nothing uses, an embedding of the torso that
stays zero, and other names in its checkpoints.
"""

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from repose_jax.models import layers
from repose_jax.models.lifter import Lifter, check, check_dtype


@dataclasses.dataclass(frozen=True)
class StcformerConfig:
    """Sizes of the network; the defaults are the paper's (4,748,000 parameters).

    Attributes:
        frames: the longest clip that is meant; any number of frames is accepted.
        joints: joints per frame.
        in_channels: channels of a 2D joint: x and y.
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
        dtype: compute type, "float32" or "bfloat16"; parameters, norms, softmax and output stay
            float32.
    """

    frames: int = 243
    joints: int = 17
    in_channels: int = 2
    out_channels: int = 3
    width: int = 256
    depth: int = 6
    heads: int = 8
    mlp_ratio: int = 4
    attention_scale: float | None = None
    parts: Sequence[int] = (0, 1, 1, 1, 2, 2, 2, 0, 0, 0, 0, 3, 3, 3, 4, 4, 4)
    part_weights: Sequence[float] = (1e-4, 1e-9)
    part_dropout: float = 0.5
    dropout: float = 0.1
    dtype: str = "float32"

    def __post_init__(self):
        for name in ("parts", "part_weights"):  # lists in a JSON file
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if self.width % (2 * self.heads):
            raise ValueError(
                f"Half of width {self.width} is not a multiple of heads {self.heads}; change one "
                "of them."
            )
        if len(self.parts) != self.joints or min(self.parts) < 0:
            raise ValueError(
                f"parts is {self.parts}; give the number of its part, from 0, for each of the "
                f"{self.joints} joints."
            )
        if len(self.part_weights) != 2:
            raise ValueError(
                f"part_weights is {self.part_weights}; give one for the half over joints and one "
                "for that over frames."
            )
        check_dtype(self.dtype)


class Neighbours(nnx.Module):
    """Convolution of each channel by itself over 3 frames and 3 joints; zeros lie beyond."""

    def __init__(self, width: int, *, dtype: jnp.dtype, rngs: nnx.Rngs):
        self.dtype = dtype
        draw = layers.uniform(9)
        self.kernel = nnx.Param(draw(rngs.params(), (3, 3, width), jnp.float32))
        self.bias = nnx.Param(draw(rngs.params(), (width,), jnp.float32))

    def __call__(self, x: Float[Array, "b t j c"]) -> Float[Array, "b t j c"]:
        """Sums shifted copies, which is many times faster on CPU than XLA's convolution by groups.

        The joints' neighbours are those of their order in the skeleton.
        """
        kernel, out = self.kernel[...].astype(self.dtype), self.bias[...].astype(self.dtype)
        frames, joints = x.shape[1:3]
        padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        for t in range(3):
            for j in range(3):
                out = out + kernel[t, j] * padded[:, t : t + frames, j : j + joints]
        return out


class CrissCross(nnx.Module):
    """Attention over joints for half of the channels, over frames for the other half."""

    def __init__(self, config: StcformerConfig, *, rngs: nnx.Rngs):
        self.config = config
        half, dtype = config.width // 2, jnp.dtype(config.dtype)
        self.qkv = layers.uniform_linear(config.width, 3 * config.width, dtype=dtype, rngs=rngs)
        self.near_joints = Neighbours(half, dtype=dtype, rngs=rngs)
        self.near_frames = Neighbours(half, dtype=dtype, rngs=rngs)
        self.part_embedding = nnx.Param(
            jax.random.normal(rngs.params(), (max(config.parts) + 1, half // config.heads))
        )
        self.out = layers.uniform_linear(config.width, config.width, dtype=dtype, rngs=rngs)

    def __call__(
        self, x: Float[Array, "b t j c"], key: PRNGKeyArray | None, norm: nnx.LayerNorm
    ) -> Float[Array, "b t j c"]:
        """Mixes the tokens of a frame and those of a joint, after a norm."""
        config = self.config
        half = config.width // 2
        scale = half**-0.5 if config.attention_scale is None else config.attention_scale
        heads = (*x.shape[:-1], config.heads, half // config.heads)
        projected = layers.mapped(self.qkv, x, norm)
        columns = [part.reshape(heads) for part in jnp.split(projected, 6, axis=-1)]
        parts = self.part_embedding[...][jnp.asarray(config.parts)]
        halves = []
        for over, near, (query, key_, value), weight, drop_key in zip(
            ("joints", "frames"),
            (self.near_joints, self.near_frames),
            (columns[::2], columns[1::2]),
            config.part_weights,
            layers.keys(key, 2),
            strict=True,
        ):
            mixed = layers.attend_over(over, query, key_, value, scale=scale)
            local = near(value.reshape(*x.shape[:-1], half)).reshape(heads)
            part = layers.drop_path(parts[None], config.part_dropout, drop_key)[0, :, None]
            halves.append(mixed + local + (weight * part).astype(mixed.dtype))
        # Each head has both of its halves side by side.
        return layers.mapped(self.out, jnp.concatenate(halves, axis=-1).reshape(x.shape))


class Block(nnx.Module):
    """Pre-norm criss-cross attention, then a pre-norm MLP, each with a residual connection."""

    def __init__(self, config: StcformerConfig, *, rngs: nnx.Rngs):
        self.norm_attention = layers.layer_norm(config.width, epsilon=1e-5, rngs=rngs)
        self.attention = CrissCross(config, rngs=rngs)
        self.norm_mlp = layers.layer_norm(config.width, epsilon=1e-5, rngs=rngs)
        self.mlp = layers.MLP(
            config.width,
            config.width * config.mlp_ratio,
            drop=config.dropout,
            linear=_linear,
            dtype=jnp.dtype(config.dtype),
            rngs=rngs,
        )

    def __call__(
        self, x: Float[Array, "b t j c"], key: PRNGKeyArray | None
    ) -> Float[Array, "b t j c"]:
        """Returns the tokens after both residual branches."""
        parts, hidden = layers.keys(key, 2)
        x = x + self.attention(x, parts, self.norm_attention)
        return x + self.mlp(x, hidden, self.norm_mlp)


class Stcformer(Lifter):
    """Lifts every frame of a clip of any length."""

    def __init__(self, config: StcformerConfig, *, rngs: nnx.Rngs):
        self.config = config
        dtype = jnp.dtype(config.dtype)
        self.embed = _linear(config.in_channels, config.width, dtype=dtype, rngs=rngs)
        self.blocks = nnx.List(Block(config, rngs=rngs) for _ in range(config.depth))
        self.head = _linear(
            config.width, config.out_channels, dtype=jnp.dtype(jnp.float32), rngs=rngs
        )

    def __call__(
        self, x: Float[Array, "b t j cin"], key: PRNGKeyArray | None = None
    ) -> Float[Array, "b t j cout"]:
        """Lifts every frame of clips of any length; see `Lifter`."""
        config = self.config
        check(x, config)
        x = layers.gelu(self.embed(x))
        for block, block_key in zip(self.blocks, layers.keys(key, config.depth), strict=True):
            x = block(x, block_key)
        return self.head(x)


def _linear(inputs: int, outputs: int, *, dtype: jnp.dtype, rngs: nnx.Rngs) -> nnx.Linear:
    return layers.uniform_linear(inputs, outputs, bias=False, dtype=dtype, rngs=rngs)
