"""VideoPose3D: dilated temporal convolutions (Pavllo et al., CVPR 2019; section 3).

The joints of a frame are one vector. Convolutions over the frames, each with a wider dilation than
the last, turn a window of 243 frames into the pose of one: that in the centre, or the last one in
the causal form. The authors' models of 27 and 81 frames have three and four filters of width 3.
"""

import dataclasses
import math

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from repose_jax.models import layers
from repose_jax.models.dropout import dropout, split_key
from repose_jax.models.lifter import Lifter, LifterConfig, check_clips


@dataclasses.dataclass(frozen=True)
class VideoPose3DConfig(LifterConfig):
    """Sizes of the network; the defaults are the authors' model's (16,952,371 parameters).

    Attributes:
        filter_widths: frames that each convolution reads, odd numbers; one residual block for every
            width after the first.
        frames: the window of an output, which is the product of the filter widths; not a parameter.
        causal: read the frames up to the one that is lifted, instead of as many on both sides.
        out_channels: channels of a 3D joint.
        width: channels of the convolutions.
        dropout: rate after every convolution, in training.
    """

    frames: int = dataclasses.field(init=False, default=243)
    filter_widths: tuple[int, ...] = (3, 3, 3, 3, 3)
    causal: bool = False
    out_channels: int = 3
    width: int = 1024
    dropout: float = 0.25

    def __post_init__(self):
        super().__post_init__()
        if not self.filter_widths or any(w < 1 or w % 2 == 0 for w in self.filter_widths):
            raise self.refusal("filter_widths", "at least one, all odd, as (3, 3, 3)")
        object.__setattr__(self, "frames", math.prod(self.filter_widths))


def windows(
    x: Float[Array, "b t c"], width: int, dilation: int | None
) -> Float[Array, "b k {width} c"]:
    """Returns the input frames of a filter for each of its output frames.

    Args:
        x: frames.
        width: of the filter.
        dilation: distance of its input frames, for an output at every frame; None for adjacent
            frames of windows that do not overlap.
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
        self.dropout, self.dtype = config.dropout, jnp.dtype(config.dtype)
        self.kernel = nnx.Param(layers.INIT(rngs.params(), (filter_width, inputs, config.width)))
        self.norm = layers.BatchNorm(config.width)

    def __call__(
        self, x: Float[Array, "b k w cin"], key: PRNGKeyArray | None
    ) -> Float[Array, "b k cout"]:
        """Maps the input frames of the filter to its output, in one matrix product."""
        kernel = self.kernel[...].astype(self.dtype)
        x = x.astype(self.dtype).reshape(*x.shape[:2], -1) @ kernel.reshape(-1, kernel.shape[-1])
        x = jax.nn.relu(self.norm(x, training=key is not None))
        return dropout(x, self.dropout, key)


class Block(nnx.Module):
    """A filter over frames and one over channels, added to the input at the output frame."""

    def __init__(self, filter_width: int, config: VideoPose3DConfig, *, rngs: nnx.Rngs):
        self.filter_width = filter_width
        self.position = filter_width - 1 if config.causal else filter_width // 2
        self.over_frames = Convolution(config.width, filter_width, config, rngs=rngs)
        self.over_channels = Convolution(config.width, 1, config, rngs=rngs)

    def __call__(
        self, x: Float[Array, "b t c"], dilation: int | None, key: PRNGKeyArray | None
    ) -> Float[Array, "b k c"]:
        """Returns fewer frames; see `windows` for `dilation`."""
        frames_key, channels_key = split_key(key, 2)
        x = windows(x, self.filter_width, dilation)
        hidden = self.over_frames(x, frames_key)
        return x[:, :, self.position] + self.over_channels(hidden[:, :, None], channels_key)


class VideoPose3D(Lifter[VideoPose3DConfig]):
    """Lifts the frames of a clip that have their window of `config.frames` frames.

    A clip of one window is lifted by strided filters, which compute only what its one output
    depends on; the authors trained the model so, with batch statistics over these frames. In a
    longer clip dilated filters compute what neighbouring outputs share once. Both give the same
    pose.
    """

    def __init__(self, config: VideoPose3DConfig, *, rngs: nnx.Rngs):
        self.config = config
        first, *rest = config.filter_widths
        self.expand = Convolution(config.joints * config.in_channels, first, config, rngs=rngs)
        self.blocks = nnx.List(Block(width, config, rngs=rngs) for width in rest)
        self.head = layers.Linear(config.width, config.joints * config.out_channels, rngs=rngs)
        layers.initialise_uniformly(self, rngs=rngs)

    @property
    def context(self) -> tuple[int, int]:
        """The frames of the window before and after the lifted one."""
        others = self.config.frames - 1
        return (others, 0) if self.config.causal else (others // 2, others // 2)

    def __call__(
        self, x: Float[Array, "b t j cin"], key: PRNGKeyArray | None = None
    ) -> Float[Array, "b k j cout"]:
        """Lifts clips of at least `config.frames` frames; see `Lifter`."""
        config = self.config
        check_clips(x, config, least=config.frames)
        strided = x.shape[1] == config.frames
        first_key, *block_keys = split_key(key, 1 + len(self.blocks))
        dilation, width = 1, config.filter_widths[0]
        x = x.reshape(*x.shape[:2], -1)
        x = self.expand(windows(x, width, None if strided else dilation), first_key)
        for block, block_key in zip(self.blocks, block_keys, strict=True):
            dilation, width = dilation * width, block.filter_width
            x = block(x, None if strided else dilation, block_key)
        out = self.head(x)
        return out.reshape(*out.shape[:2], config.joints, config.out_channels)
