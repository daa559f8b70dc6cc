"""P-STMO, a many-to-one transformer (Shan et al., ECCV 2022; section 3).

A network of 1 frame maps each 2D pose to a token, a transformer mixes the tokens of the window, and
a second one with strided convolutions brings them down to that of the centre frame. Both answer:
the first for every frame, the second for the centre. `repose_jax.models.pstmo_pretrain` has the
paper's first stage of training.

The defaults are P-STMO-S on 243 frames; depth 4 is P-STMO.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray

from repose_jax.models import layers
from repose_jax.models.lifter import CentreLifter, check, check_dtype, slide

STRIDES: dict[int, tuple[int, ...]] = {  # of the second transformer's layers, by frames
    9: (1, 3, 3),
    27: (3, 3, 3),
    81: (3, 3, 3, 3),
    243: (3, 3, 3, 3, 3),
    351: (3, 9, 13),
}
_EMBEDDED = 3  # of its layers have an embedding of the frames


@dataclasses.dataclass(frozen=True)
class PstmoConfig:
    """Sizes of the network; the defaults are P-STMO-S's on 243 frames (6,482,278 parameters).

    Attributes:
        frames: length of the window; a key of `STRIDES`.
        joints: joints per frame.
        in_channels: channels of a 2D joint: x and y.
        width: width of a token; it is twice that inside the network of 1 frame.
        depth: layers of the first transformer: 3, or 4 in P-STMO.
        heads: attention heads; must divide the width.
        mlp_ratio: hidden width of the transformers' MLPs relative to `width`.
        dropout: rate in the network of 1 frame, on the attention weights, inside the MLPs and after
            every attention and MLP, in training.
        dtype: compute type, "float32" or "bfloat16"; parameters, norms, softmax and output stay
            float32.
    """

    frames: int = 243
    joints: int = 17
    in_channels: int = 2
    width: int = 256
    depth: int = 3
    heads: int = 8
    mlp_ratio: int = 2
    dropout: float = 0.1
    dtype: str = "float32"

    def __post_init__(self):
        if self.frames not in STRIDES:
            raise ValueError(
                f"frames is {self.frames}; choose from {', '.join(map(str, STRIDES))}, for which "
                "P-STMO has strides."
            )
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}.")
        check_dtype(self.dtype)


class StdNorm(nnx.Module):
    """Normalises a token by its unbiased standard deviation plus epsilon, in float32."""

    def __init__(self, width: int, *, epsilon: float = 1e-6):
        self.epsilon = epsilon
        self.scale = nnx.Param(jnp.ones(width))
        self.bias = nnx.Param(jnp.zeros(width))

    def __call__(self, x: Float[Array, "*b c"]) -> Float[Array, "*b c"]:
        """Normalises every token by itself; the output is float32."""
        x = x.astype(jnp.float32)
        centred = x - x.mean(-1, keepdims=True)
        deviation = jnp.std(x, axis=-1, ddof=1, keepdims=True)
        return self.scale[...] * centred / (deviation + self.epsilon) + self.bias[...]


class Attention(nnx.Module):
    """Multi-head self-attention over the frames of `[b, t, c]`."""

    def __init__(self, width: int, heads: int, *, drop: float, dtype: jnp.dtype, rngs: nnx.Rngs):
        self.heads, self.drop = heads, drop

        def linear() -> nnx.Linear:
            return layers.uniform_linear(width, width, dtype=dtype, rngs=rngs)

        self.query, self.key, self.value, self.out = linear(), linear(), linear(), linear()

    def __call__(
        self, x: Float[Array, "b t c"], key: PRNGKeyArray | None = None
    ) -> Float[Array, "b t c"]:
        """Mixes the tokens."""
        heads = (*x.shape[:2], self.heads, x.shape[2] // self.heads)
        query, keys, value = (
            jnp.swapaxes(linear(x).reshape(heads), 1, 2)
            for linear in (self.query, self.key, self.value)
        )
        mixed = layers.attend(query, keys, value, self.drop, key)
        return self.out(jnp.swapaxes(mixed, 1, 2).reshape(x.shape))


class Block(nnx.Module):
    """Pre-norm attention over the frames, then a pre-norm MLP, each with a residual connection.

    With a stride the MLP ends in a convolution of 3 frames, which keeps every `stride`-th. So does
    the residual connection: the published max pooling has windows of 1 frame.
    """

    def __init__(
        self, config: PstmoConfig, *, width: int, stride: int | None = None, rngs: nnx.Rngs
    ):
        dtype = jnp.dtype(config.dtype)
        hidden = width * config.mlp_ratio
        self.drop, self.dtype, self.stride = config.dropout, dtype, stride or 1
        self.norm_attention = StdNorm(width)
        self.attention = Attention(width, config.heads, drop=config.dropout, dtype=dtype, rngs=rngs)
        self.norm_mlp = StdNorm(width)
        self.fc1 = layers.uniform_linear(width, hidden, dtype=dtype, rngs=rngs)
        if stride is None:
            self.fc2 = layers.uniform_linear(hidden, width, dtype=dtype, rngs=rngs)
        else:
            init = layers.uniform(3 * hidden)
            self.fc2 = nnx.Conv(
                hidden,
                width,
                kernel_size=3,
                strides=stride,
                padding=1,
                dtype=dtype,
                kernel_init=init,
                bias_init=init,
                rngs=rngs,
            )

    def __call__(self, x: Float[Array, "b t c"], key: PRNGKeyArray | None) -> Float[Array, "b _ c"]:
        """Returns the tokens of the frames that are kept."""
        weights, attended, hidden, mapped = layers.keys(key, 4)
        branch = self.attention(self.norm_attention(x).astype(self.dtype), weights)
        x = x + layers.dropout(branch, self.drop, attended)
        branch = jax.nn.relu(self.fc1(self.norm_mlp(x).astype(self.dtype)))
        branch = self.fc2(layers.dropout(branch, self.drop, hidden))
        return x[:, :: self.stride] + layers.dropout(branch, self.drop, mapped)


class Unit(nnx.Module):
    """A linear map, batch norm, leaky ReLU and dropout."""

    def __init__(self, inputs: int, outputs: int, *, drop: float, dtype: jnp.dtype, rngs: nnx.Rngs):
        self.drop = drop
        self.linear = layers.uniform_linear(inputs, outputs, dtype=dtype, rngs=rngs)
        self.norm = layers.BatchNorm(outputs)

    def __call__(
        self, x: Float[Array, "*b cin"], key: PRNGKeyArray | None
    ) -> Float[Array, "*b cout"]:
        """Maps every token by itself; in training the batch norm is over all of them."""
        x = jax.nn.leaky_relu(self.norm(self.linear(x), key is not None), 0.2)
        return layers.dropout(x, self.drop, key)


class PoseEncoder(nnx.Module):
    """From the joints of a frame to its token (the paper's spatial encoding module)."""

    def __init__(self, config: PstmoConfig, *, rngs: nnx.Rngs):
        dtype, hidden = jnp.dtype(config.dtype), 2 * config.width

        def unit(inputs: int) -> Unit:
            return Unit(inputs, hidden, drop=config.dropout, dtype=dtype, rngs=rngs)

        self.embed = unit(config.joints * config.in_channels)
        self.residual = nnx.List([unit(hidden), unit(hidden)])
        self.out = layers.uniform_linear(hidden, config.width, dtype=dtype, rngs=rngs)

    def __call__(
        self, x: Float[Array, "b t j cin"], key: PRNGKeyArray | None
    ) -> Float[Array, "b t c"]:
        """Maps every frame by itself."""
        embed, *inner = layers.keys(key, 3)
        x = branch = self.embed(x.reshape(*x.shape[:2], -1), embed)
        for unit, unit_key in zip(self.residual, inner, strict=True):
            branch = unit(branch, unit_key)
        return self.out(x + branch)


class FrameEncoder(nnx.Module):
    """The transformer over the frames of a window (the paper's temporal encoder)."""

    def __init__(self, config: PstmoConfig, *, width: int, depth: int, rngs: nnx.Rngs):
        self.dtype = jnp.dtype(config.dtype)
        self.frame_embedding = frame_embedding(config.frames, width, rngs)
        self.blocks = nnx.List(Block(config, width=width, rngs=rngs) for _ in range(depth))
        self.norm = StdNorm(width)  # not applied; in the published parameters

    def __call__(
        self,
        x: Float[Array, "b t c"],
        key: PRNGKeyArray | None,
        visible: Int[Array, " v"] | None = None,
    ) -> Float[Array, "b _ c"]:
        """Mixes the tokens of a window, or of those of its frames that are visible."""
        x = (x + self.frame_embedding[...]).astype(self.dtype)
        if visible is not None:
            x = x[:, visible]
        for block, block_key in zip(self.blocks, layers.keys(key, len(self.blocks)), strict=True):
            x = block(x, block_key)
        return x


class Aggregator(nnx.Module):
    """From the tokens of a window to that of its centre (the paper's many-to-one aggregator)."""

    def __init__(self, config: PstmoConfig, *, rngs: nnx.Rngs):
        self.dtype = jnp.dtype(config.dtype)
        # Of the whole window, though only the first has as many frames left: as published.
        self.frame_embeddings = nnx.List(
            frame_embedding(config.frames, config.width, rngs) for _ in range(_EMBEDDED)
        )
        self.blocks = nnx.List(
            Block(config, width=config.width, stride=stride, rngs=rngs)
            for stride in STRIDES[config.frames]
        )
        self.norm = StdNorm(config.width)  # not applied; in the published parameters

    def __call__(self, x: Float[Array, "b t c"], key: PRNGKeyArray | None) -> Float[Array, "b 1 c"]:
        """Returns the token of the centre."""
        for layer, block_key in enumerate(layers.keys(key, len(self.blocks))):
            if layer < _EMBEDDED:
                x = (x + self.frame_embeddings[layer][...][: x.shape[1]]).astype(self.dtype)
            x = self.blocks[layer](x, block_key)
        return x


class Head(nnx.Module):
    """Batch norm and a linear map, from tokens to poses."""

    def __init__(self, width: int, joints: int, channels: int, *, rngs: nnx.Rngs):
        self.joints = joints
        self.norm = layers.BatchNorm(width)
        self.linear = layers.uniform_linear(
            width, joints * channels, dtype=jnp.dtype("float32"), rngs=rngs
        )

    def __call__(self, x: Float[Array, "b t c"], training: bool) -> Float[Array, "b t j cout"]:
        """Returns float32 poses."""
        x = self.linear(self.norm(x.astype(jnp.float32), training))
        return x.reshape(*x.shape[:2], self.joints, -1)


def frame_embedding(frames: int, width: int, rngs: nnx.Rngs) -> nnx.Param:
    """Returns a learned embedding `[frames, width]`, of the published deviation 1."""
    return nnx.Param(jax.random.normal(rngs.params(), (frames, width)))


class Pstmo(CentreLifter):
    """Lifts the 2D joints of a window to the 3D joints of its centre frame."""

    config: PstmoConfig

    def __init__(self, config: PstmoConfig, *, rngs: nnx.Rngs):
        self.config = config
        self.pose_encoder = PoseEncoder(config, rngs=rngs)
        self.frame_encoder = FrameEncoder(config, width=config.width, depth=config.depth, rngs=rngs)
        self.sequence_head = Head(config.width, config.joints, 3, rngs=rngs)
        self.aggregator = Aggregator(config, rngs=rngs)
        self.head = Head(config.width, config.joints, 3, rngs=rngs)

    def __call__(
        self, x: Float[Array, "b t j cin"], key: PRNGKeyArray | None = None
    ) -> Float[Array, "b k j 3"]:
        """Lifts the frames that are the centre of a window; see `Lifter`."""
        check(x, self.config, least=self.config.frames)
        pose, window = layers.keys(key, 2)

        def centre(tokens: Float[Array, "w t 1 c"]) -> Float[Array, "w j 3"]:
            return self._lift(tokens[:, :, 0], window)[1][:, 0]

        # Neighbouring windows share most of their frames: each is encoded once.
        tokens = self.pose_encoder(x, pose)
        return slide(centre, tokens[:, :, None], self.config.frames)

    def outputs(
        self, x: Float[Array, "b t j cin"], key: PRNGKeyArray | None = None
    ) -> tuple[Float[Array, "b t j 3"], Float[Array, "b 1 j 3"]]:
        """Lifts single windows: every frame by the first transformer, the centre by the second.

        Published training minimises the sum of both errors.

        Raises:
            ValueError: clips that are longer than a window, or that the model does not take.
        """
        frames = self.config.frames
        if x.shape[1] > frames:
            raise ValueError(
                f"P-STMO is trained on single windows of {frames} frames, got clips of "
                f"{x.shape[1]}. Cut them; only a call of the model slides its window over longer "
                "clips."
            )
        check(x, self.config, least=frames, most=frames)
        pose, window = layers.keys(key, 2)
        return self._lift(self.pose_encoder(x, pose), window)

    def _lift(self, tokens: Any, key: Any) -> tuple[Any, Any]:
        mix, aggregate = layers.keys(key, 2)
        training = key is not None
        tokens = self.frame_encoder(tokens, mix)
        every = self.sequence_head(tokens, training)
        return every, self.head(self.aggregator(tokens, aggregate), training)
