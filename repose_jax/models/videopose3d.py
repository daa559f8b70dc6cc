"""VideoPose3D: dilated temporal convolutions (Pavllo et al., CVPR 2019; section 3).

The joints of a frame are one vector. Convolutions over the frames, each with a wider dilation than
the last, turn a window of 243 frames into the pose of one: that in the centre, or the last one in
the causal form. The published models of 27 and 81 frames have three and four filters of width 3.
"""

import dataclasses
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from repose_jax.models import layers
from repose_jax.models.lifter import Lifter, check, check_dtype


@dataclasses.dataclass(frozen=True)
class VideoPose3DConfig:
    """Sizes of the network; the defaults are the published model's (16,952,371 parameters).

    Attributes:
        filter_widths: frames that each convolution reads, odd numbers; one residual block for every
            width after the first. Their product is the window of an output, `frames`.
        causal: read the frames up to the one that is lifted, instead of as many on both sides.
        joints: joints per frame.
        in_channels: channels of a 2D joint: x and y.
        out_channels: channels of a 3D joint.
        width: channels of the convolutions.
        dropout: rate after every convolution, in training.
        dtype: compute type, "float32" or "bfloat16"; parameters, norms and output stay float32.
    """

    filter_widths: Sequence[int] = (3, 3, 3, 3, 3)
    causal: bool = False
    joints: int = 17
    in_channels: int = 2
    out_channels: int = 3
    width: int = 1024
    dropout: float = 0.25
    dtype: str = "float32"

    def __post_init__(self):
        # A run's configuration that was read from a file has a list.
        object.__setattr__(self, "filter_widths", tuple(self.filter_widths))
        if not self.filter_widths or any(w < 1 or w % 2 == 0 for w in self.filter_widths):
            raise ValueError(
                f"filter_widths is {self.filter_widths}; give at least one, all odd, as (3, 3, 3)."
            )
        check_dtype(self.dtype)

    @property
    def frames(self) -> int:
        """The frames that one output frame depends on."""
        return math.prod(self.filter_widths)


def windows(
    x: Float[Array, "b t c"], width: int, dilation: int | None
) -> Float[Array, "b k {width} c"]:
    """Returns the frames that a filter reads for each frame that it gives.

    Args:
        x: frames.
        width: of the filter.
        dilation: distance of the frames that it reads, at every position; None for adjacent frames
            of windows that do not overlap.
    """
    batch, frames, channels = x.shape
    if dilation is None:
        return x.reshape(batch, frames // width, width, channels)
    count = frames - dilation * (width - 1)
    taps = [x[:, tap * dilation : tap * dilation + count] for tap in range(width)]
    return jnp.stack(taps, axis=2)


class Convolution(nnx.Module):
    """A filter without bias, batch norm, ReLU and dropout."""

    def __init__(
        self, inputs: int, filter_width: int, config: VideoPose3DConfig, *, rngs: nnx.Rngs
    ):
        self.drop, self.dtype = config.dropout, jnp.dtype(config.dtype)
        shape = (filter_width, inputs, config.width)
        self.kernel = nnx.Param(layers.INIT(rngs.params(), shape, jnp.float32))
        self.norm = layers.BatchNorm(config.width)

    def __call__(
        self, x: Float[Array, "b k w cin"], key: PRNGKeyArray | None
    ) -> Float[Array, "b k cout"]:
        """Maps what the filter reads to what it gives, in one matrix product."""
        kernel = self.kernel[...].astype(self.dtype)
        x = x.astype(self.dtype).reshape(*x.shape[:2], -1) @ kernel.reshape(-1, kernel.shape[-1])
        x = jax.nn.relu(self.norm(x, training=key is not None))
        return layers.dropout(x, self.drop, key)


class Block(nnx.Module):
    """A filter over frames and one over channels, added to the frame that the output is of."""

    def __init__(self, filter_width: int, config: VideoPose3DConfig, *, rngs: nnx.Rngs):
        self.filter_width = filter_width
        self.kept = filter_width - 1 if config.causal else filter_width // 2
        self.over_frames = Convolution(config.width, filter_width, config, rngs=rngs)
        self.over_channels = Convolution(config.width, 1, config, rngs=rngs)

    def __call__(
        self, x: Float[Array, "b t c"], dilation: int | None, key: PRNGKeyArray | None
    ) -> Float[Array, "b k c"]:
        """Returns fewer frames; see `windows` for `dilation`."""
        first, second = layers.keys(key, 2)
        x = windows(x, self.filter_width, dilation)
        hidden = self.over_frames(x, first)
        return x[:, :, self.kept] + self.over_channels(hidden[:, :, None], second)


class VideoPose3D(Lifter):
    """Lifts the frames of a clip that have their window of `config.frames` frames.

    A clip of one window is lifted by strided filters, which compute what the one output depends on
    and nothing else (the form in which the model was trained: the statistics of the batch are over
    these frames). In a longer one neighbouring outputs share what they have in common: dilated
    filters compute every frame once. Both give the same pose.
    """

    def __init__(self, config: VideoPose3DConfig, *, rngs: nnx.Rngs):
        self.config = config
        first, *rest = config.filter_widths
        self.expand = Convolution(config.joints * config.in_channels, first, config, rngs=rngs)
        self.blocks = nnx.List(Block(width, config, rngs=rngs) for width in rest)
        outputs = config.joints * config.out_channels
        self.head = layers.linear(config.width, outputs, dtype=jnp.dtype(jnp.float32), rngs=rngs)
        layers.draw_uniformly(self, rngs=rngs)

    @property
    def context(self) -> tuple[int, int]:
        """The frames of the window before and after the one that is lifted."""
        others = self.config.frames - 1
        return (others, 0) if self.config.causal else (others // 2, others // 2)

    def __call__(
        self, x: Float[Array, "b t j cin"], key: PRNGKeyArray | None = None
    ) -> Float[Array, "b k j cout"]:
        """Lifts clips of at least `config.frames` frames; see `Lifter`."""
        config = self.config
        check(x, config, least=config.frames)
        strided = x.shape[1] == config.frames
        first, *rest = layers.keys(key, 1 + len(self.blocks))
        dilation, width = 1, config.filter_widths[0]
        x = x.reshape(*x.shape[:2], -1)
        x = self.expand(windows(x, width, None if strided else dilation), first)
        for block, block_key in zip(self.blocks, rest, strict=True):
            dilation, width = dilation * width, block.filter_width
            x = block(x, None if strided else dilation, block_key)
        out = self.head(x)
        return out.reshape(*out.shape[:2], config.joints, config.out_channels)
