"""Windows into motions: which seconds of which takes a training batch shows."""

import dataclasses

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from repose_jax.data.motions import Motions

PARTNERS = 2
"""Further takes for every clip, which may give it their upper body or their arms."""
STOPS = 0.15
"""Share of the clips whose motion stops before their end, as short sequences are padded."""


@dataclasses.dataclass(frozen=True)
class MotionWindows:
    """Motions with the windows that training takes from them.

    Attributes:
        motions: the motions.
        frames: frames in a clip.
        rates: least and most frames per second of a clip.
    """

    motions: Motions
    frames: int
    rates: tuple[float, float]

    def __len__(self) -> int:
        """Clips at 30 frames per second that the motions hold without overlap."""
        seconds = (np.diff(self.motions.offsets) / self.motions.fps).sum()
        return max(int(seconds * 30 / self.frames), 1)


def sample(windows: MotionWindows, batch_size: int, *, seed: int, step: int, rows: slice) -> dict:
    """Samples the windows of a step, a pure function of its arguments.

    Every clip has a frame rate, log-uniform in `rates`, a window into a take, and one into each of
    `PARTNERS` others; takes are chosen in proportion to their length. A window that is longer than
    the take, or passes its end, goes back in time from there.

    Args:
        windows: the motions.
        batch_size: clips in the whole batch, over all processes.
        seed: seed of the run.
        step: the training step.
        rows: the rows of the batch that this process takes.

    Returns:
        `low` and `count`, `start` and `ratio` `[b, 1 + PARTNERS]`: first frame and frames of the
        takes, first frame of the windows in them and frames from one to the next; `fps` `[b]`;
        `mask` `[b, t]`, true before the motion stops.
    """
    rng = np.random.default_rng([seed, 2, step])
    motions = windows.motions
    frames, shape = windows.frames, (batch_size, 1 + PARTNERS)
    low, high = np.log(windows.rates)
    fps = np.exp(rng.uniform(low, high, batch_size))
    lengths = np.diff(motions.offsets)
    seconds = lengths / motions.fps
    takes = np.searchsorted(np.cumsum(seconds), rng.uniform(0, seconds.sum(), shape))
    takes = np.minimum(takes, len(seconds) - 1)
    ratio = motions.fps[takes] / fps[:, None]
    start = rng.uniform(size=shape) * (lengths[takes] - 1)
    stop = np.where(
        rng.uniform(size=batch_size) < STOPS, rng.integers(1, frames + 1, batch_size), frames
    )
    arrays = {
        "low": motions.offsets[takes].astype(np.int32),
        "count": lengths[takes].astype(np.int32),
        "start": start.astype(np.float32),
        "ratio": ratio.astype(np.float32),
        "fps": fps.astype(np.float32),
        "mask": np.arange(frames) < stop[:, None],
    }
    return {name: array[rows] for name, array in arrays.items()}


def interpolate(
    motions: Float[Array, "n l 3"], batch: dict[str, Array], who: int
) -> Float[Array, "b t l 3"]:
    """Returns the landmarks in the windows of a batch, linear between recorded frames.

    Args:
        motions: landmarks of all takes.
        batch: from `sample`.
        who: 0 for the clips' own takes, then the partners.
    """
    low, count, start, ratio = (
        batch[key][:, who, None] for key in ("low", "count", "start", "ratio")
    )
    mask = batch["mask"]
    step = jnp.minimum(jnp.arange(mask.shape[1]), mask.sum(1, keepdims=True) - 1)
    last = jnp.maximum(count - 1, 1).astype(jnp.float32)
    # There and back again.
    position = jnp.mod(start + step * ratio, 2 * last)
    position = jnp.minimum(jnp.where(position > last, 2 * last - position, position), count - 1)
    before = jnp.floor(position).astype(jnp.int32)
    share = (position - before)[..., None, None]
    after = jnp.minimum(before + 1, count - 1)
    return motions[low + before] * (1 - share) + motions[low + after] * share
