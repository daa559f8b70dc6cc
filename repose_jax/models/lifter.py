"""The interface of all lifters, and the sizes that they share.

Some lifters return a pose for every frame of a clip. Others return the pose of the centre frame of
a window: for each frame they need others around it, their context.
"""

import abc
import dataclasses
from collections.abc import Callable
from typing import Generic

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray
from typing_extensions import TypeVar

from repose_jax.skeleton import HUMAN36M, MPI_INF_3DHP, conversion_matrix


@dataclasses.dataclass(frozen=True)
class LifterConfig:
    """Sizes that every lifter has; a model adds its own as fields of a frozen subclass.

    Every field is checked by its type: an `int` is at least 1 (or its metadata's "least"), a
    `float` is a rate in [0, 1), and the width is a multiple of the heads.

    Attributes:
        frames: frames of a clip, or of the window of one pose.
        joints: joints per frame.
        in_channels: channels of a 2D joint. 2: x and y; 3: and confidence; more: as the data has.
        dtype: compute type, "float32" or "bfloat16"; parameters, norms, softmax and output stay
            float32.

    Raises:
        ValueError: names a wrong field, its value and what is allowed.
    """

    frames: int = 243
    joints: int = 17
    in_channels: int = 2
    dtype: str = "float32"

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            kind, least = type(value), field.metadata.get("least", 1)
            if field.type is int and not (kind is int and value >= least):
                raise self.refusal(field.name, f"a whole number of at least {least}")
            if field.type is float and not (kind in (int, float) and 0 <= value < 1):
                raise self.refusal(field.name, "a number of at least 0 and below 1")
            if field.type is bool and kind is not bool:
                raise self.refusal(field.name, "True or False")
        self.check_multiple("width", "heads")
        if self.dtype not in ("float32", "bfloat16"):
            raise self.refusal("dtype", "'float32' or 'bfloat16'")

    def check_multiple(self, field: str, of: str, times: int = 1) -> None:
        """Refuses a field that is not a multiple of another, times a number; if it has both."""
        if hasattr(self, field) and hasattr(self, of):
            divisor = times * getattr(self, of)
            if getattr(self, field) % divisor:
                name = f"{of}, {divisor}" if times == 1 else f"{times} x {of}, {divisor}"
                raise self.refusal(field, f"a multiple of {name}")

    def refusal(self, field: str, allowed: str) -> ValueError:
        """Returns the error for a wrong field."""
        return ValueError(f"{field} is {getattr(self, field)!r}; give {allowed}.")


def joint_orders(name: str) -> tuple[list[int], list[int]]:
    """Returns the indices of Human3.6M's joints in the order of a dataset, and the way back.

    Args:
        name: "human36m", or "mpi_inf_3dhp": authors' models for that dataset read its own order.

    Raises:
        ValueError: another name.
    """
    orders = {skeleton.name: skeleton for skeleton in (HUMAN36M, MPI_INF_3DHP)}
    if name not in orders:
        raise ValueError(f"joint_order is {name!r}; give {' or '.join(map(repr, orders))}.")
    order = conversion_matrix(HUMAN36M, orders[name]).argmax(axis=1)
    return order.tolist(), order.argsort().tolist()


Config = TypeVar("Config", bound=LifterConfig, default=LifterConfig, covariant=True)


class Lifter(nnx.Module, Generic[Config]):
    """A network from 2D joints to 3D joints.

    Attributes:
        config: its sizes.
        fixed_length: whether it takes clips of `config.frames` frames only, rather than of up to
            as many. Irrelevant for a model with context, which takes any clip in which a frame has
            its context.
        dropped_joints: joints that the network has not: it gives a place between others for them.
    """

    config: Config
    fixed_length: bool = False
    dropped_joints: tuple[str, ...] = ()

    @property
    def context(self) -> tuple[int, int]:
        """How many frames before and after a frame the model needs beyond the clip.

        A clip of t frames gives t - before - after poses: those of the frames that have theirs.
        """
        return 0, 0

    @abc.abstractmethod
    def __call__(
        self, x: Float[Array, "b t j cin"], key: PRNGKeyArray | None = None
    ) -> Float[Array, "b k j 3"]:
        """Lifts a batch of clips.

        Args:
            x: `[b, t, j, config.in_channels]` normalised coordinates x and y, confidence, and
                further channels of the data.
            key: random key of dropout and stochastic depth, given in training only: with it, batch
                norms use the statistics of the batch. Without it the network is deterministic.

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
        """Returns all poses that training compares with the targets; the last are the prediction.

        Each has a pose for every frame of `x`, or for every frame that has its context.
        """
        return (self(x, key),)

    def training_outputs(
        self, x: Float[Array, "b t j cin"], targets: Float[Array, "b t j 3"], key: PRNGKeyArray
    ) -> tuple[Float[Array, "b _ j 3"], ...]:
        """Returns the `outputs` of a training step; of a denoiser from its targets with noise."""
        return self.outputs(x, key)


class CentreLifter(Lifter[Config]):
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


def check_clips(
    x: Float[Array, "b t j c"], config: LifterConfig, *, least: int = 1, most: int | None = None
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
