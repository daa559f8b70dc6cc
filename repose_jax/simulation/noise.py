"""Random processes over the frames of clips, drawn at once for whole batches."""

import math

import jax
import jax.numpy as jnp
from jax.scipy.special import ndtri
from jaxtyping import Array, Bool, Float, PRNGKeyArray


def log_uniform(key: PRNGKeyArray, shape: tuple[int, ...], low: float, high: float) -> Array:
    """Samples numbers whose logarithm is uniform."""
    return jnp.exp(jax.random.uniform(key, shape, minval=jnp.log(low), maxval=jnp.log(high)))


def chosen(key: PRNGKeyArray, count: int, share: float | Array) -> Bool[Array, " b"]:
    """Samples which clips something happens in."""
    return jax.random.uniform(key, (count,)) < share


def correlated(
    key: PRNGKeyArray,
    shape: tuple[int, ...],
    fps: Float[Array, " b"],
    seconds: Float[Array, " b"] | float,
) -> Float[Array, "b t *rest"]:
    """Samples first-order autoregressive Gaussian noise of unit variance over the frames.

    Args:
        key: random key.
        shape: (b, t, ...).
        fps: frames per second of each clip.
        seconds: time after which the autocorrelation is 1 / e.
    """
    frames = jnp.arange(shape[1])
    decay = jnp.exp(-1 / (fps * seconds))[:, None, None]
    lag = frames[:, None] - frames
    # Frame t of the process as a sum over the innovations of all frames up to t: one product.
    mixing = jnp.where(lag >= 0, decay ** jnp.maximum(lag, 0), 0)
    mixing *= jnp.where(frames == 0, 1, jnp.sqrt(1 - decay**2))
    white = jax.random.normal(key, (*shape[:2], math.prod(shape[2:])))
    return jnp.einsum("bts,bsk->btk", mixing, white).reshape(shape)


def bursts(
    key: PRNGKeyArray,
    share: Float[Array, "b t *rest"],
    fps: Float[Array, " b"],
    seconds: float,
) -> Bool[Array, "b t *rest"]:
    """Samples events that last for some frames, as excursions of correlated noise.

    Args:
        key: random key.
        share: share of the time in which the event is on.
        fps: frames per second of each clip.
        seconds: about how long an event lasts.
    """
    level = ndtri(1 - jnp.clip(share, 1e-7, 0.999))
    return correlated(key, share.shape, fps, seconds) > level
