"""PoseFormer: a spatial, then a temporal transformer (Zheng et al., ICCV 2021; section 3.2).

Every frame's joints attend to each other; the tokens of a frame's joints, side by side, are then
one token of the frame, and the frames of a window attend to each other. A learned weighted mean
over the frames gives the pose of the centre frame. The defaults are the authors' model of 81
frames.
"""

import dataclasses

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from repose_jax.models import layers
from repose_jax.models.dropout import split_key, stochastic_depth_rates
from repose_jax.models.lifter import CentreLifter, LifterConfig, check_clips, slide


@dataclasses.dataclass(frozen=True)
class PoseFormerConfig(LifterConfig):
    """Sizes of the network; the defaults are the authors' (9,602,885 parameters).

    Attributes:
        frames: frames of the window whose centre frame is lifted.
        width: width of a joint's token; a frame's token is `joints * width` wide.
        depth: number of layers of either transformer.
        heads: attention heads of both; must divide the width.
        mlp_ratio: hidden width of the MLPs relative to that of the tokens.
        stochastic_depth: rate at which the last layers' residual branches are dropped, in training,
            for single frames in the spatial and for windows in the temporal transformer; grows
            linearly from 0 at the first layers.
    """

    frames: int = 81
    width: int = 32
    depth: int = 4
    heads: int = 8
    mlp_ratio: int = 2
    stochastic_depth: float = 0.1


class SpatialTransformer(nnx.Module):
    """The joints of each frame attend to each other; a token for every joint."""

    def __init__(self, config: PoseFormerConfig, *, rngs: nnx.Rngs):
        self.dtype, width = jnp.dtype(config.dtype), config.width
        self.embed = layers.Linear(config.in_channels, width, dtype=self.dtype, rngs=rngs)
        self.joint_embedding = nnx.Param(jnp.zeros((config.joints, width)))
        self.layers = nnx.List(
            layers.Block(
                width,
                config.heads,
                width * config.mlp_ratio,
                over="joints",
                stochastic_depth=rate,
                dtype=self.dtype,
                rngs=rngs,
            )
            for rate in stochastic_depth_rates(config.stochastic_depth, config.depth)
        )
        self.norm = layers.layer_norm(width, rngs=rngs)

    def __call__(
        self, x: Float[Array, "b t j cin"], key: PRNGKeyArray | None = None
    ) -> Float[Array, "b t j c"]:
        """Returns the tokens of every frame."""
        x = (self.embed(x) + self.joint_embedding[...]).astype(self.dtype)
        for layer, layer_key in zip(self.layers, split_key(key, len(self.layers)), strict=True):
            x = layer(x, layer_key)
        return self.norm(x)


class WeightedMean(nnx.Module):
    """A mean over tokens with learned weights, which need not add up to one, and an offset."""

    def __init__(self, count: int, *, rngs: nnx.Rngs):
        self.kernel = nnx.Param(layers.uniform(count)(rngs.params(), (count,)))
        self.bias = nnx.Param(jnp.zeros(1))

    def __call__(self, x: Float[Array, "w n c"]) -> Float[Array, "w c"]:
        """Returns a token for every window."""
        return jnp.einsum("n,wnc->wc", self.kernel[...], x) + self.bias[...]


class PoseFormer(CentreLifter[PoseFormerConfig]):
    """Lifts the centre frame of every window of a clip."""

    def __init__(self, config: PoseFormerConfig, *, rngs: nnx.Rngs):
        self.config = config
        dtype, width = jnp.dtype(config.dtype), config.joints * config.width
        self.spatial = SpatialTransformer(config, rngs=rngs)
        self.frame_embedding = nnx.Param(jnp.zeros((config.frames, width)))
        self.layers = nnx.List(
            layers.Block(
                width,
                config.heads,
                width * config.mlp_ratio,
                over="frames",
                stochastic_depth=rate,
                dtype=dtype,
                rngs=rngs,
            )
            for rate in stochastic_depth_rates(config.stochastic_depth, config.depth)
        )
        self.norm = layers.layer_norm(width, rngs=rngs)
        self.mean = WeightedMean(config.frames, rngs=rngs)
        self.head = layers.NormLinear(width, 3 * config.joints, epsilon=1e-5, rngs=rngs)
        layers.initialise_uniformly(self, rngs=rngs)

    def __call__(
        self, x: Float[Array, "b t j cin"], key: PRNGKeyArray | None = None
    ) -> Float[Array, "b k j 3"]:
        """Lifts the frames of clips that have their context; see `Lifter`."""
        config = self.config
        check_clips(x, config, least=config.frames)
        spatial_key, temporal_key = split_key(key, 2)
        layer_keys = split_key(temporal_key, config.depth)

        def lift(tokens: Float[Array, "w t j c"]) -> Float[Array, "w j 3"]:
            x = tokens.reshape(*tokens.shape[:2], -1) + self.frame_embedding[...]
            x = x[:, :, None].astype(config.dtype)
            for layer, layer_key in zip(self.layers, layer_keys, strict=True):
                x = layer(x, layer_key)
            return self.head(self.mean(self.norm(x)[:, :, 0])).reshape(-1, config.joints, 3)

        # The tokens of a frame's joints are the same in all its windows.
        return slide(lift, self.spatial(x, spatial_key), config.frames)
