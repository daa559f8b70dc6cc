"""What every lifter states of itself: what it takes, and what it gives.

Some lifters give a frame for every frame of a clip. Others give the centre frame of a window: for
each frame that is asked for they need others around it, their context.
"""

import abc
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray


class Lifter(nnx.Module):
    """A network from 2D to 3D joints; called with clips, it gives poses.

    Attributes:
        config: its sizes, among them `frames`, `joints`, `in_channels` (2: x and y; 3: and
            confidence) and `dtype`.
        fixed_length: whether it takes clips of `config.frames` frames only, rather than of up to
            as many. Irrelevant for one with context, which takes any clip in which a frame has its
            context.
    """

    config: Any
    fixed_length: bool = False

    @property
    def context(self) -> tuple[int, int]:
        """How many frames before and after a frame it needs beyond the clip.

        A clip of t frames gives t - before - after poses: those of the frames that have theirs.
        """
        return 0, 0

    @abc.abstractmethod
    def __call__(
        self, x: Float[Array, "b t j cin"], key: PRNGKeyArray | None = None
    ) -> Float[Array, "b k j 3"]:
        """Lifts a batch of clips.

        Args:
            x: `[b, t, j, 2 or 3]` image coordinates normalised to the width of the image, and
                confidence where `config.in_channels` is 3.
            key: random key of the drops, and the sign of training: batch norms use the statistics
                of the batch. Without it the network is deterministic.

        Returns:
            `[b, t - before - after, j, 3]` positions in float32, in the units of the training
            targets.

        Raises:
            ValueError: the clip has another length or other joints or channels than the model
                takes.
        """

    def outputs(
        self, x: Float[Array, "b t j cin"], key: PRNGKeyArray | None = None
    ) -> tuple[Float[Array, "b _ j 3"], ...]:
        """Returns everything that is trained, of which the last is what the lifter answers.

        Each has a pose for every frame of `x`, or for every frame that has its context.
        """
        return (self(x, key),)


class CentreLifter(Lifter):
    """A lifter of the centre frame of a window of `config.frames` frames."""

    @property
    def context(self) -> tuple[int, int]:
        """The frames before and after the centre of the window."""
        frames = self.config.frames
        return (frames - 1) // 2, frames // 2


def slide(
    function: Callable[[Float[Array, "w t j c"]], Float[Array, "w k d"]],
    x: Float[Array, "b n j c"],
    frames: int,
) -> Float[Array, "b n_ k d"]:
    """Applies a function of a window to every window of `frames` frames of a clip.

    Args:
        function: `[w, frames, j, c]` windows to `[w, k, d]`, one frame of each.
        x: `[b, n, j, c]` clips of at least `frames` frames.
        frames: length of a window.

    Returns:
        `[b, n - frames + 1, k, d]`.
    """
    clips, count = x.shape[0], x.shape[1] - frames + 1
    index = jnp.arange(count)[:, None] + jnp.arange(frames)
    out = function(x[:, index].reshape(clips * count, frames, *x.shape[2:]))
    return out.reshape(clips, count, *out.shape[1:])


def check(
    x: Float[Array, "b t j c"], config: Any, *, least: int = 1, most: int | None = None
) -> None:
    """Refuses clips that a model does not take.

    Args:
        x: clips.
        config: the model's sizes.
        least: the fewest frames.
        most: the most frames; None for any number.

    Raises:
        ValueError: another number of frames, joints or channels; names both.
    """
    taken = (config.joints, config.in_channels)
    if x.shape[1] < least or (most is not None and x.shape[1] > most) or x.shape[2:] != taken:
        if most is None:
            length = f"t >= {least}"
        else:
            length = f"t = {most}" if least == most else f"t <= {most}"
        raise ValueError(
            f"The model takes clips [b, {length}, {taken[0]}, {taken[1]}], got {list(x.shape)}."
        )


def check_dtype(dtype: str) -> None:
    """Refuses a compute type that there is not.

    Raises:
        ValueError: neither "float32" nor "bfloat16".
    """
    if dtype not in ("float32", "bfloat16"):
        raise ValueError(f'dtype is {dtype!r}; choose "float32" or "bfloat16".')
