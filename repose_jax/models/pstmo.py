"""P-STMO, a many-to-one transformer (Shan et al., ECCV 2022; section 3).

A network of 1 frame maps each 2D pose to a token, a transformer mixes the tokens of the window, and
a second one with strided convolutions reduces them to that of the centre frame. Both predict poses:
the first of every frame, the second of the centre. `repose_jax.models.pstmo_pretrain` has the
paper's first stage of training.

The defaults are P-STMO-S on 243 frames; depth 4 is P-STMO.
"""

import dataclasses

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray

from repose_jax.models import kernels, layers
from repose_jax.models.dropout import dropout, split_key
from repose_jax.models.lifter import (
    CentreLifter,
    LifterConfig,
    check_clips,
    joint_orders,
    slide,
)

STRIDES: dict[int, tuple[int, ...]] = {  # of the second transformer's layers, by frames
    9: (1, 3, 3),
    27: (3, 3, 3),
    81: (3, 3, 3, 3),
    243: (3, 3, 3, 3, 3),
    351: (3, 9, 13),
}
_EMBEDDED = 3  # of its layers have an embedding of the frames


@dataclasses.dataclass(frozen=True)
class PstmoConfig(LifterConfig):
    """Sizes of the network; the defaults are P-STMO-S's on 243 frames (6,482,278 parameters).

    Attributes:
        frames: length of the window; a key of `STRIDES`.
        joint_order: order in which the network reads the joints, "human36m", or "mpi_inf_3dhp" as
            the authors' models for that dataset.
        width: width of a token; it is twice that inside the network of 1 frame.
        depth: layers of the first transformer: 3, or 4 in P-STMO.
        heads: attention heads; must divide the width.
        mlp_ratio: hidden width of the transformers' MLPs relative to `width`.
        dropout: rate in the network of 1 frame, on the attention weights, inside the MLPs and after
            every attention and MLP, in training.
    """

    width: int = 256
    depth: int = 3
    heads: int = 8
    mlp_ratio: int = 2
    dropout: float = 0.1
    joint_order: str = "human36m"

    def __post_init__(self):
        super().__post_init__()
        joint_orders(self.joint_order)  # raises if it is unknown
        if self.frames not in STRIDES:
            known = ", ".join(map(str, STRIDES))
            raise self.refusal("frames", f"one of {known}, for which P-STMO has strides")


class StdNorm(nnx.Module):
    """Normalises a token by its unbiased standard deviation plus epsilon, in float32."""

    def __init__(self, width: int, *, epsilon: float = 1e-6):
        self.epsilon = epsilon
        self.scale = nnx.Param(jnp.ones(width))
        self.bias = nnx.Param(jnp.zeros(width))

    def __call__(self, x: Float[Array, "*b c"]) -> Float[Array, "*b c"]:
        """Normalises every token; the output is float32."""
        x = x.astype(jnp.float32)
        centred = x - x.mean(-1, keepdims=True)
        deviation = jnp.std(x, axis=-1, ddof=1, keepdims=True)
        return self.scale[...] * centred / (deviation + self.epsilon) + self.bias[...]


class Attention(nnx.Module):
    """Multi-head self-attention over the frames of `[b, t, c]`."""

    def __init__(self, width: int, heads: int, *, dropout: float, dtype: jnp.dtype, rngs: nnx.Rngs):
        self.heads, self.dropout = heads, dropout
        self.query, self.key, self.value, self.out = (
            layers.Linear(width, width, torch_init=True, dtype=dtype, rngs=rngs) for _ in range(4)
        )

    def __call__(
        self, x: Float[Array, "b t c"], key: PRNGKeyArray | None = None
    ) -> Float[Array, "b t c"]:
        """Mixes the tokens."""
        heads = (*x.shape[:2], self.heads, x.shape[2] // self.heads)
        query, key_, value = (
            jnp.swapaxes(linear(x).reshape(heads), 1, 2)
            for linear in (self.query, self.key, self.value)
        )
        mixed = kernels.attention(query, key_, value, self.dropout, key)
        return self.out(jnp.swapaxes(mixed, 1, 2).reshape(x.shape))


class Block(nnx.Module):
    """Pre-norm attention over the frames, then a pre-norm MLP, each with a residual connection.

    With a stride the MLP ends in a convolution of 3 frames, which keeps every `stride`-th. So does
    the residual connection: the max pooling in the authors' code has windows of 1 frame.
    """

    def __init__(
        self, config: PstmoConfig, *, width: int, stride: int | None = None, rngs: nnx.Rngs
    ):
        dtype = jnp.dtype(config.dtype)
        hidden = width * config.mlp_ratio
        self.dropout, self.dtype, self.stride = config.dropout, dtype, stride or 1
        self.norm_attention = StdNorm(width)
        self.attention = Attention(
            width, config.heads, dropout=config.dropout, dtype=dtype, rngs=rngs
        )
        self.norm_mlp = StdNorm(width)
        self.fc1 = layers.Linear(width, hidden, torch_init=True, dtype=dtype, rngs=rngs)
        if stride is None:
            self.fc2 = layers.Linear(hidden, width, torch_init=True, dtype=dtype, rngs=rngs)
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
        """Returns the tokens of every `stride`-th frame."""
        weights_key, attention_key, hidden_key, mlp_key = split_key(key, 4)
        branch = self.attention(self.norm_attention(x).astype(self.dtype), weights_key)
        x = x + dropout(branch, self.dropout, attention_key)
        hidden = jax.nn.relu(self.fc1(self.norm_mlp(x).astype(self.dtype)))
        branch = self.fc2(dropout(hidden, self.dropout, hidden_key))
        return x[:, :: self.stride] + dropout(branch, self.dropout, mlp_key)


class Unit(nnx.Module):
    """A linear map, batch norm, leaky ReLU and dropout."""

    def __init__(self, inputs: int, outputs: int, config: PstmoConfig, *, rngs: nnx.Rngs):
        self.dropout, dtype = config.dropout, jnp.dtype(config.dtype)
        self.linear = layers.Linear(inputs, outputs, torch_init=True, dtype=dtype, rngs=rngs)
        self.norm = layers.BatchNorm(outputs)

    def __call__(
        self, x: Float[Array, "*b cin"], key: PRNGKeyArray | None
    ) -> Float[Array, "*b cout"]:
        """Maps every token; in training the batch norm is over all of them."""
        x = jax.nn.leaky_relu(self.norm(self.linear(x), key is not None), 0.2)
        return dropout(x, self.dropout, key)


class PoseEncoder(nnx.Module):
    """From the joints of a frame to its token (the paper's spatial encoding module)."""

    def __init__(self, config: PstmoConfig, *, rngs: nnx.Rngs):
        dtype, hidden = jnp.dtype(config.dtype), 2 * config.width
        self.embed = Unit(config.joints * config.in_channels, hidden, config, rngs=rngs)
        self.residual = nnx.List(Unit(hidden, hidden, config, rngs=rngs) for _ in range(2))
        self.out = layers.Linear(hidden, config.width, torch_init=True, dtype=dtype, rngs=rngs)

    def __call__(
        self, x: Float[Array, "b t j cin"], key: PRNGKeyArray | None
    ) -> Float[Array, "b t c"]:
        """Maps every frame."""
        embed_key, *unit_keys = split_key(key, 3)
        x = branch = self.embed(x.reshape(*x.shape[:2], -1), embed_key)
        for unit, unit_key in zip(self.residual, unit_keys, strict=True):
            branch = unit(branch, unit_key)
        return self.out(x + branch)


class FrameEncoder(nnx.Module):
    """The transformer over the frames of a window (the paper's temporal encoder)."""

    def __init__(self, config: PstmoConfig, *, width: int, depth: int, rngs: nnx.Rngs):
        self.dtype = jnp.dtype(config.dtype)
        self.frame_embedding = frame_embedding(config.frames, width, rngs)
        self.blocks = nnx.List(Block(config, width=width, rngs=rngs) for _ in range(depth))
        self.norm = StdNorm(width)  # not applied; among the authors' parameters

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
        for block, block_key in zip(self.blocks, split_key(key, len(self.blocks)), strict=True):
            x = block(x, block_key)
        return x


class Aggregator(nnx.Module):
    """From the tokens of a window to that of its centre (the paper's many-to-one aggregator)."""

    def __init__(self, config: PstmoConfig, *, rngs: nnx.Rngs):
        self.dtype = jnp.dtype(config.dtype)
        # As in the authors' code, of the whole window, though only the first block sees all of it.
        self.frame_embeddings = nnx.List(
            frame_embedding(config.frames, config.width, rngs) for _ in range(_EMBEDDED)
        )
        self.blocks = nnx.List(
            Block(config, width=config.width, stride=stride, rngs=rngs)
            for stride in STRIDES[config.frames]
        )
        self.norm = StdNorm(config.width)  # not applied; among the authors' parameters

    def __call__(self, x: Float[Array, "b t c"], key: PRNGKeyArray | None) -> Float[Array, "b 1 c"]:
        """Returns the token of the centre."""
        for layer, block_key in enumerate(split_key(key, len(self.blocks))):
            if layer < _EMBEDDED:
                x = (x + self.frame_embeddings[layer][...][: x.shape[1]]).astype(self.dtype)
            x = self.blocks[layer](x, block_key)
        return x


class Head(nnx.Module):
    """Batch norm and a linear map, from tokens to poses."""

    def __init__(self, width: int, joints: int, channels: int, *, rngs: nnx.Rngs):
        self.joints = joints
        self.norm = layers.BatchNorm(width)
        self.linear = layers.Linear(width, joints * channels, torch_init=True, rngs=rngs)

    def __call__(self, x: Float[Array, "b t c"], training: bool) -> Float[Array, "b t j cout"]:
        """Returns float32 poses."""
        x = self.linear(self.norm(x.astype(jnp.float32), training))
        return x.reshape(*x.shape[:2], self.joints, -1)


def frame_embedding(frames: int, width: int, rngs: nnx.Rngs) -> nnx.Param:
    """Returns a learned embedding `[frames, width]`, of deviation 1 as in the authors' code."""
    return nnx.Param(jax.random.normal(rngs.params(), (frames, width)))


class Pstmo(CentreLifter[PstmoConfig]):
    """Lifts the 2D joints of a window to the 3D joints of its centre frame."""

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
        check_clips(x, self.config, least=self.config.frames)
        pose_key, window_key = split_key(key, 2)

        def centre(tokens: Float[Array, "w t 1 c"]) -> Float[Array, "w j 3"]:
            return self._lift(tokens[:, :, 0], window_key)[1][:, 0]

        # Neighbouring windows share most of their frames: each is encoded once.
        tokens = self._encode(x, pose_key)
        return slide(centre, tokens[:, :, None], self.config.frames)

    def outputs(
        self, x: Float[Array, "b t j cin"], key: PRNGKeyArray | None = None
    ) -> tuple[Float[Array, "b t j 3"], Float[Array, "b 1 j 3"]]:
        """Lifts single windows: every frame by the first transformer, the centre by the second.

        Training in the authors' code minimises the sum of both errors.

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
        check_clips(x, self.config, least=frames, most=frames)
        pose_key, window_key = split_key(key, 2)
        return self._lift(self._encode(x, pose_key), window_key)

    def _encode(
        self, x: Float[Array, "b t j cin"], key: PRNGKeyArray | None
    ) -> Float[Array, "b t c"]:
        if self.config.joint_order != "human36m":
            x = x[:, :, joint_orders(self.config.joint_order)[0]]
        return self.pose_encoder(x, key)

    def _lift(
        self, tokens: Float[Array, "b t c"], key: PRNGKeyArray | None
    ) -> tuple[Float[Array, "b t j 3"], Float[Array, "b 1 j 3"]]:
        encoder_key, aggregator_key = split_key(key, 2)
        training = key is not None
        tokens = self.frame_encoder(tokens, encoder_key)
        every = self.sequence_head(tokens, training)
        centre = self.head(self.aggregator(tokens, aggregator_key), training)
        if self.config.joint_order != "human36m":
            back = joint_orders(self.config.joint_order)[1]
            every, centre = every[:, :, back], centre[:, :, back]
        return every, centre
