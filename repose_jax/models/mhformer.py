"""MHFormer: a transformer of three hypotheses (Li et al., CVPR 2022; section 3).

Three encoders, each on top of the one before, generate three hypotheses of what the 2D joints show
(section 3.3): their tokens are the coordinates, one for every x or y of a joint, with the frames as
channels. From there a token is a frame. Each hypothesis is refined (3.4), then they attend to each
other (3.5), and one pose for every frame is predicted from all three.

The authors' test lifts every frame as the centre of its own window and keeps that pose alone.
"""

import dataclasses

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from repose_jax.models import kernels, layers
from repose_jax.models.dropout import (
    dropout,
    split_key,
    stochastic_depth,
    stochastic_depth_rates,
)
from repose_jax.models.lifter import Lifter, LifterConfig, check_clips

HYPOTHESES = 3


@dataclasses.dataclass(frozen=True)
class MHFormerConfig(LifterConfig):
    """Sizes of the network; the defaults are the 351-frame model's (31,516,125 parameters).

    Attributes:
        frames: frames of a clip, which is the width of the generating encoders. For up to 27 the
            authors' network has batch norm, ReLU and dropout where the hypotheses become frames.
        out_channels: channels of a 3D joint.
        width: width of a frame's token in a hypothesis.
        depth: blocks over the hypotheses: the last one mixes them, the others refine each.
        heads: attention heads of these blocks; must divide the width.
        hidden: hidden width of their MLPs, which see all hypotheses.
        generator_depth: blocks of each generating encoder.
        generator_heads: its attention heads; must divide the frames.
        dropout: rate after the embeddings, after the output projections and in the MLPs, in
            training.
        stochastic_depth: rate at which the last block's residual branches are dropped, in training;
            grows linearly from 0 at the first block, in the encoders and over the hypotheses.
    """

    frames: int = 351
    out_channels: int = 3
    width: int = 512
    depth: int = 3
    heads: int = 8
    hidden: int = 1024
    generator_depth: int = 4
    generator_heads: int = 9
    dropout: float = 0.1
    stochastic_depth: float = 0.2

    def __post_init__(self):
        super().__post_init__()
        self.check_multiple("frames", "generator_heads")  # frames are the width of these tokens


class Generator(nnx.Module):
    """Multi-hypothesis generation: an encoder over the coordinates, with a residual connection."""

    def __init__(self, config: MHFormerConfig, *, rngs: nnx.Rngs):
        self.dropout = config.dropout
        self.norm_in = layers.layer_norm(config.frames, epsilon=1e-5, rngs=rngs)
        self.embedding = nnx.Param(jnp.zeros((config.joints * config.in_channels, config.frames)))
        self.blocks = nnx.List(
            layers.Block(
                config.frames,
                config.generator_heads,
                2 * config.frames,
                over="joints",
                dropout=config.dropout,
                stochastic_depth=rate,
                dtype=jnp.dtype(config.dtype),
                rngs=rngs,
            )
            for rate in stochastic_depth_rates(config.stochastic_depth, config.generator_depth)
        )
        self.norm_out = layers.layer_norm(config.frames, rngs=rngs)

    def __call__(
        self, x: Float[Array, "b 1 jc t"], key: PRNGKeyArray | None
    ) -> Float[Array, "b 1 jc t"]:
        """Returns the coordinates of the next hypothesis, in float32."""
        embedding_key, *block_keys = split_key(key, 1 + len(self.blocks))
        hidden = dropout(self.norm_in(x) + self.embedding[...], self.dropout, embedding_key)
        for block, block_key in zip(self.blocks, block_keys, strict=True):
            hidden = block(hidden, block_key)
        return x + self.norm_out(hidden)


class FrameEmbedding(nnx.Module):
    """Turns the coordinates of a hypothesis into one token for each frame."""

    def __init__(self, config: MHFormerConfig, *, rngs: nnx.Rngs):
        self.dropout, self.dtype = config.dropout, jnp.dtype(config.dtype)
        inputs = config.joints * config.in_channels
        self.linear = layers.Linear(inputs, config.width, dtype=self.dtype, rngs=rngs)
        self.norm = layers.BatchNorm(config.width) if config.frames <= 27 else None
        self.embedding = nnx.Param(jnp.zeros((config.frames, config.width)))

    def __call__(
        self, x: Float[Array, "b 1 t jc"], key: PRNGKeyArray | None
    ) -> Float[Array, "b 1 t c"]:
        """Returns the tokens with the embedding of their frames."""
        relu_key, embedding_key = split_key(key, 2)
        x = self.linear(x)
        if self.norm is not None:
            x = jax.nn.relu(self.norm(x, training=key is not None))
            x = dropout(x, 0.25, relu_key)
        return dropout((x + self.embedding[...]).astype(self.dtype), self.dropout, embedding_key)


class CrossAttention(nnx.Module):
    """Pre-norm multi-head attention over the frames; queries, keys, values of three inputs."""

    def __init__(self, width: int, heads: int, *, dtype: jnp.dtype, rngs: nnx.Rngs):
        self.heads = heads
        self.query, self.key, self.value = (
            layers.NormLinear(width, width, dtype=dtype, rngs=rngs) for _ in range(3)
        )
        self.out = layers.Linear(width, width, dtype=dtype, rngs=rngs)

    def __call__(
        self,
        query: Float[Array, "b 1 t c"],
        key: Float[Array, "b 1 t c"],
        value: Float[Array, "b 1 t c"],
    ) -> Float[Array, "b 1 t c"]:
        """Returns for each frame a mixture of the values."""
        shape = value.shape
        heads = (*shape[:-1], self.heads, shape[-1] // self.heads)
        query, key, value = (
            jnp.swapaxes(linear(tokens).reshape(heads), -2, -3)  # [b, 1, h, t, d]
            for linear, tokens in ((self.query, query), (self.key, key), (self.value, value))
        )
        mixed = kernels.attention(query, key, value)
        return self.out(jnp.swapaxes(mixed, -2, -3).reshape(shape))


class Refinement(nnx.Module):
    """Self-hypothesis refinement: in each hypothesis the frames attend to each other."""

    def __init__(self, config: MHFormerConfig, *, rngs: nnx.Rngs):
        self.attentions = nnx.List(
            layers.Attention(
                config.width,
                config.heads,
                over="joints",
                norm_epsilon=1e-6,
                dtype=jnp.dtype(config.dtype),
                rngs=rngs,
            )
            for _ in range(HYPOTHESES)
        )

    def __call__(
        self, hypotheses: list[Float[Array, "b 1 t c"]], index: int
    ) -> Float[Array, "b 1 t c"]:
        """Returns the residual of the hypothesis of this index."""
        return self.attentions[index](hypotheses[index])


class Interaction(nnx.Module):
    """Cross-hypothesis interaction: the others' queries and keys mix the values of a hypothesis."""

    OTHERS = ((1, 2), (0, 2), (0, 1))  # whose queries and whose keys, for each hypothesis

    def __init__(self, config: MHFormerConfig, *, rngs: nnx.Rngs):
        dtype = jnp.dtype(config.dtype)
        self.attentions = nnx.List(
            CrossAttention(config.width, config.heads, dtype=dtype, rngs=rngs)
            for _ in range(HYPOTHESES)
        )

    def __call__(
        self, hypotheses: list[Float[Array, "b 1 t c"]], index: int
    ) -> Float[Array, "b 1 t c"]:
        """Returns the residual of the hypothesis of this index."""
        sources = (*self.OTHERS[index], index)
        return self.attentions[index](*(hypotheses[source] for source in sources))


class Block(nnx.Module):
    """Attention that changes one hypothesis after the other, then an MLP on all of them."""

    def __init__(
        self,
        attention: Refinement | Interaction,
        config: MHFormerConfig,
        *,
        stochastic_depth: float,
        rngs: nnx.Rngs,
    ):
        self.dropout, self.stochastic_depth = config.dropout, stochastic_depth
        self.attention = attention
        self.mlp = layers.MLP(
            HYPOTHESES * config.width,
            config.hidden,
            norm_epsilon=1e-6,
            dropout=config.dropout,
            dtype=jnp.dtype(config.dtype),
            rngs=rngs,
        )

    def __call__(
        self, x: Float[Array, "b 1 t hc"], key: PRNGKeyArray | None
    ) -> Float[Array, "b 1 t hc"]:
        """Returns the hypotheses, concatenated like the inputs."""
        mlp_key, depth_key, *keys = split_key(key, 2 + 2 * HYPOTHESES)
        hypotheses = jnp.split(x, HYPOTHESES, axis=-1)
        for index in range(HYPOTHESES):  # the later ones see the results of the earlier ones
            branch = self.attention(hypotheses, index)
            branch = dropout(branch, self.dropout, keys[2 * index])
            branch = stochastic_depth(branch, self.stochastic_depth, keys[2 * index + 1])
            hypotheses[index] = hypotheses[index] + branch
        x = jnp.concatenate(hypotheses, axis=-1)
        return x + stochastic_depth(self.mlp(x, mlp_key), self.stochastic_depth, depth_key)


class MHFormer(Lifter[MHFormerConfig]):
    """Lifts clips of `config.frames` frames by three hypotheses, frame for frame."""

    fixed_length = True

    def __init__(self, config: MHFormerConfig, *, rngs: nnx.Rngs):
        self.config = config
        self.generators = nnx.List(Generator(config, rngs=rngs) for _ in range(HYPOTHESES))
        self.embeddings = nnx.List(FrameEmbedding(config, rngs=rngs) for _ in range(HYPOTHESES))
        *rates, last = stochastic_depth_rates(config.stochastic_depth, config.depth)
        self.refinements = nnx.List(
            Block(Refinement(config, rngs=rngs), config, stochastic_depth=rate, rngs=rngs)
            for rate in rates
        )
        self.interaction = Block(
            Interaction(config, rngs=rngs), config, stochastic_depth=last, rngs=rngs
        )
        width = HYPOTHESES * config.width
        self.norm = layers.layer_norm(width, rngs=rngs)
        self.norm_batch = layers.BatchNorm(width)
        self.head = layers.Linear(width, config.joints * config.out_channels, rngs=rngs)
        layers.initialise_uniformly(self, rngs=rngs)

    def __call__(
        self, x: Float[Array, "b t j cin"], key: PRNGKeyArray | None = None
    ) -> Float[Array, "b t j cout"]:
        """Lifts every frame of clips of `config.frames` frames; see `Lifter`."""
        config = self.config
        check_clips(x, config, least=config.frames, most=config.frames)
        keys = iter(split_key(key, 2 * HYPOTHESES + config.depth))
        # Tokens are [b, 1, n, c], as `layers.Attention` expects two axes of tokens.
        coordinates = jnp.swapaxes(x.reshape(x.shape[0], 1, config.frames, -1), -1, -2)
        hypotheses = []
        for generate, embed in zip(self.generators, self.embeddings, strict=True):
            coordinates = generate(coordinates, next(keys))
            hypotheses.append(embed(jnp.swapaxes(coordinates, -1, -2), next(keys)))
        tokens = jnp.concatenate(hypotheses, axis=-1)
        for block in (*self.refinements, self.interaction):
            tokens = block(tokens, next(keys))
        tokens = self.norm_batch(self.norm(tokens), training=key is not None)
        return self.head(tokens).reshape(*x.shape[:3], config.out_channels)
