"""PoseFormerV2: PoseFormer on few frames and low frequencies (Zhao et al., CVPR 2023; section 3).

Of a long window only some central frames go through the spatial transformer. The lowest
coefficients of the discrete cosine transform of every joint's coordinates along the window stand
for the rest. The tokens of both attend to each other. The defaults are the authors' model of 243
frames, of which it keeps 27 frames and 27 coefficients.
"""

import dataclasses

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from repose_jax.models import layers
from repose_jax.models.dropout import split_key, stochastic_depth, stochastic_depth_rates
from repose_jax.models.lifter import CentreLifter, check_clips, slide
from repose_jax.models.poseformer import PoseFormerConfig, SpatialTransformer, WeightedMean


@dataclasses.dataclass(frozen=True)
class PoseFormerV2Config(PoseFormerConfig):
    """Sizes of the network; the defaults are the authors' (14,381,899 parameters).

    Attributes:
        frames: frames of the window whose centre frame is lifted.
        kept_frames: frames in the middle of the window that become tokens; odd. The authors' are 1
            and 3 (of 27 and 81 frames), 9 (of 81) and 27 (of 243).
        kept_coefficients: lowest coefficients of the cosine transform, which become tokens; the
            authors' are 3 for 1 and 3 frames, 9 for 9 and 27 for 27.
    """

    frames: int = 243
    kept_frames: int = 27
    kept_coefficients: int = 27

    def __post_init__(self):
        super().__post_init__()
        if self.kept_frames % 2 == 0 or self.kept_frames > self.frames:
            raise self.refusal("kept_frames", f"an odd number of the {self.frames} frames")
        if self.kept_coefficients > self.frames:
            raise self.refusal("kept_coefficients", f"1 to {self.frames}, the frames")


def cosine_transform(length: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the matrices of the discrete cosine transform (DCT-II) and of its inverse.

    It has the scale of the authors' code, `X[k] = 2 sum_t x[t] cos(pi k (2 t + 1) / (2 length))`:
    rows are orthogonal, and `sqrt(2 length)` long, but the first is `sqrt(4 length)` long.

    Args:
        length: number of samples, and of coefficients.

    Returns:
        `[length, length]` coefficients by samples, and `[length, length]` samples by coefficients,
        float32.
    """
    k, t = np.arange(length)[:, None], np.arange(length)
    forward = 2 * np.cos(np.pi * k * (2 * t + 1) / (2 * length))
    inverse = forward.T / (forward**2).sum(axis=1)
    return forward.astype(np.float32), inverse.astype(np.float32)


def on_frequencies(mlp: layers.MLP, x: Float[Array, "b n j c"]) -> Float[Array, "b n j c"]:
    """Transforms the tokens along `n`, maps every coefficient, and transforms them back."""
    forward, inverse = (m.astype(x.dtype) for m in cosine_transform(x.shape[1]))
    x = mlp(jnp.einsum("fn,bnjc->bfjc", forward, x))
    return jnp.einsum("nf,bfjc->bnjc", inverse, x)


class MixedBlock(nnx.Module):
    """Attention over all tokens, then an MLP on the first half and a frequency MLP on the second.

    With as many frames as coefficients the halves are the coefficients and the frames. With fewer
    frames the second half begins among the coefficients, as in the authors' models.
    """

    def __init__(self, config: PoseFormerV2Config, *, stochastic_depth: float, rngs: nnx.Rngs):
        self.stochastic_depth, self.dtype = stochastic_depth, jnp.dtype(config.dtype)
        width, dtype = config.joints * config.width, self.dtype
        hidden = width * config.mlp_ratio
        self.attention = layers.Attention(
            width, config.heads, over="frames", norm_epsilon=1e-6, dtype=dtype, rngs=rngs
        )
        self.mlp = layers.MLP(width, hidden, norm_epsilon=1e-6, dtype=dtype, rngs=rngs)
        self.norm_frequency_mlp = layers.layer_norm(width, rngs=rngs)
        self.frequency_mlp = layers.MLP(width, hidden, dtype=dtype, rngs=rngs)

    def __call__(
        self, x: Float[Array, "w n j c"], key: PRNGKeyArray | None = None
    ) -> Float[Array, "w n j c"]:
        """Returns the tokens after all residual branches."""
        keys = split_key(key, 3)
        x = x + stochastic_depth(self.attention(x), self.stochastic_depth, keys[0])
        first, second = jnp.split(x, [x.shape[1] // 2], axis=1)
        first = first + stochastic_depth(self.mlp(first), self.stochastic_depth, keys[1])
        normed = self.norm_frequency_mlp(second).astype(self.dtype)
        branch = on_frequencies(self.frequency_mlp, normed)
        second = second + stochastic_depth(branch, self.stochastic_depth, keys[2])
        return jnp.concatenate([first, second], axis=1)


class PoseFormerV2(CentreLifter[PoseFormerV2Config]):
    """Lifts the centre frame of every window of a clip."""

    def __init__(self, config: PoseFormerV2Config, *, rngs: nnx.Rngs):
        self.config = config
        width = config.joints * config.width
        self.spatial = SpatialTransformer(config, rngs=rngs)
        self.frame_embedding = nnx.Param(jnp.zeros((config.kept_frames, width)))
        self.embed = layers.Linear(
            config.joints * config.in_channels, width, dtype=jnp.dtype(config.dtype), rngs=rngs
        )
        self.coefficient_embedding = nnx.Param(jnp.zeros((config.kept_coefficients, width)))
        self.layers = nnx.List(
            MixedBlock(config, stochastic_depth=rate, rngs=rngs)
            for rate in stochastic_depth_rates(config.stochastic_depth, config.depth)
        )
        self.norm = layers.layer_norm(width, rngs=rngs)
        self.coefficient_mean = WeightedMean(config.kept_coefficients, rngs=rngs)
        self.frame_mean = WeightedMean(config.kept_frames, rngs=rngs)
        self.head = layers.NormLinear(2 * width, 3 * config.joints, epsilon=1e-5, rngs=rngs)
        layers.initialise_uniformly(self, rngs=rngs)

    def __call__(
        self, x: Float[Array, "b t j cin"], key: PRNGKeyArray | None = None
    ) -> Float[Array, "b k j 3"]:
        """Lifts the frames of clips that have their context; see `Lifter`."""
        config = self.config
        check_clips(x, config, least=config.frames)
        return slide(lambda windows: self._lift(windows, key), x, config.frames)

    def _lift(
        self, x: Float[Array, "w t j cin"], key: PRNGKeyArray | None
    ) -> Float[Array, "w j 3"]:
        config = self.config
        spatial_key, layers_key = split_key(key, 2)
        start = (config.frames - 1) // 2 - config.kept_frames // 2
        frames = self.spatial(x[:, start : start + config.kept_frames], spatial_key)
        frames = frames.reshape(*frames.shape[:2], -1) + self.frame_embedding[...]
        transform, _ = cosine_transform(config.frames)
        coefficients = jnp.einsum("ft,wtjc->wfjc", transform[: config.kept_coefficients], x)
        coefficients = self.embed(coefficients.reshape(*coefficients.shape[:2], -1))
        coefficients = coefficients + self.coefficient_embedding[...]
        x = jnp.concatenate([coefficients, frames], axis=1)[:, :, None].astype(config.dtype)
        for layer, layer_key in zip(self.layers, split_key(layers_key, config.depth), strict=True):
            x = layer(x, layer_key)
        coefficients, frames = jnp.split(self.norm(x)[:, :, 0], [config.kept_coefficients], axis=1)
        means = [self.coefficient_mean(coefficients), self.frame_mean(frames)]
        return self.head(jnp.concatenate(means, axis=-1)).reshape(-1, config.joints, 3)
