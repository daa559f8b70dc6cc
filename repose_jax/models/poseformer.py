"""PoseFormer: a spatial, then a temporal transformer (Zheng et al., ICCV 2021; section 3.2).

Every frame's joints attend to each other; the tokens of a frame's joints, side by side, are then
one token of the frame, and the frames of a window attend to each other. A learned weighted mean
over the frames gives the pose of the centre frame. The defaults are the published model of 81
frames.
"""

import dataclasses

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from repose_jax.models import layers
from repose_jax.models.lifter import CentreLifter, check, check_dtype, slide


@dataclasses.dataclass(frozen=True)
class PoseFormerConfig:
    """Sizes of the network; the defaults are the published ones (9,602,885 parameters).

    Attributes:
        frames: frames of the window whose centre frame is lifted.
        joints: joints per frame.
        in_channels: channels of a 2D joint: x and y.
        width: width of a joint's token; a frame's token is `joints * width` wide.
        depth: number of layers of either transformer.
        heads: attention heads of both; must divide the width.
        mlp_ratio: hidden width of the MLPs relative to that of the tokens.
        stochastic_depth: rate at which the last layers' residual branches are dropped, in training,
            for single frames in the spatial and for windows in the temporal transformer; grows
            linearly from 0 at the first layers.
        dtype: compute type, "float32" or "bfloat16"; parameters, norms, softmax and output stay
            float32.
    """

    frames: int = 81
    joints: int = 17
    in_channels: int = 2
    width: int = 32
    depth: int = 4
    heads: int = 8
    mlp_ratio: int = 2
    stochastic_depth: float = 0.1
    dtype: str = "float32"

    def __post_init__(self):
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}.")
        if self.frames < 1:
            raise ValueError(f"frames is {self.frames}; a window has at least 1 frame.")
        check_dtype(self.dtype)


class SpatialTransformer(nnx.Module):
    """A token for every joint, which knows of the other joints of its frame."""

    def __init__(self, config: PoseFormerConfig, *, rngs: nnx.Rngs):
        self.dtype, width = jnp.dtype(config.dtype), config.width
        self.embed = layers.linear(config.in_channels, width, dtype=self.dtype, rngs=rngs)
        self.joint_embedding = nnx.Param(jnp.zeros((config.joints, width)))
        self.layers = nnx.List(
            layers.Block(
                width,
                config.heads,
                width * config.mlp_ratio,
                over="joints",
                path_drop=rate,
                dtype=self.dtype,
                rngs=rngs,
            )
            for rate in layers.path_drops(config.stochastic_depth, config.depth)
        )
        self.norm = layers.layer_norm(width, rngs=rngs)

    def __call__(
        self, x: Float[Array, "b t j cin"], key: PRNGKeyArray | None = None
    ) -> Float[Array, "b t j c"]:
        """Returns the tokens of every frame."""
        x = (self.embed(x) + self.joint_embedding[...]).astype(self.dtype)
        for layer, layer_key in zip(self.layers, layers.keys(key, len(self.layers)), strict=True):
            x = layer(x, layer_key)
        return self.norm(x)


class WeightedMean(nnx.Module):
    """A mean over tokens with learned weights, which need not add up to one, and an offset."""

    def __init__(self, count: int, *, rngs: nnx.Rngs):
        bound = count**-0.5
        self.kernel = nnx.Param(
            jax.random.uniform(rngs.params(), (count,), minval=-bound, maxval=bound)
        )
        self.bias = nnx.Param(jnp.zeros(1))

    def __call__(self, x: Float[Array, "w n c"]) -> Float[Array, "w c"]:
        """Returns a token for every window."""
        return jnp.einsum("n,wnc->wc", self.kernel[...], x) + self.bias[...]


class Head(nnx.Module):
    """A norm and a linear map from the token of a window to the joints of its centre frame."""

    def __init__(self, inputs: int, joints: int, *, rngs: nnx.Rngs):
        self.joints = joints
        self.norm = layers.layer_norm(inputs, epsilon=1e-5, rngs=rngs)  # 1e-6 everywhere else
        self.linear = layers.linear(inputs, 3 * joints, dtype=jnp.dtype(jnp.float32), rngs=rngs)

    def __call__(self, x: Float[Array, "w c"]) -> Float[Array, "w j 3"]:
        """Returns the pose of every window."""
        return self.linear(self.norm(x)).reshape(-1, self.joints, 3)


class PoseFormer(CentreLifter):
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
                path_drop=rate,
                dtype=dtype,
                rngs=rngs,
            )
            for rate in layers.path_drops(config.stochastic_depth, config.depth)
        )
        self.norm = layers.layer_norm(width, rngs=rngs)
        self.mean = WeightedMean(config.frames, rngs=rngs)
        self.head = Head(width, config.joints, rngs=rngs)
        layers.draw_uniformly(self, rngs=rngs)

    def __call__(
        self, x: Float[Array, "b t j cin"], key: PRNGKeyArray | None = None
    ) -> Float[Array, "b k j 3"]:
        """Lifts the frames of clips that have their context; see `Lifter`."""
        config = self.config
        check(x, config, least=config.frames)
        spatial, temporal = layers.keys(key, 2)
        layer_keys = layers.keys(temporal, config.depth)

        def lift(tokens: Float[Array, "w t j c"]) -> Float[Array, "w j 3"]:
            x = tokens.reshape(*tokens.shape[:2], -1) + self.frame_embedding[...]
            x = x[:, :, None].astype(config.dtype)
            for layer, layer_key in zip(self.layers, layer_keys, strict=True):
                x = layer(x, layer_key)
            return self.head(self.mean(self.norm(x)[:, :, 0]))

        # A frame's own tokens are the same in every window that it is in.
        return slide(lift, self.spatial(x, spatial), config.frames)
