"""Gaussian diffusion of poses (Ho et al., NeurIPS 2020) with a cosine schedule, as D3DP uses it.

A pose x_0 becomes x_t = sqrt(a_t) x_0 + sqrt(1 - a_t) e in step t of 1,000, with noise e of
deviation 1 and a_t from 1 down to 0. A network that predicts x_0 from x_t makes poses of noise by
DDIM (Song et al., ICLR 2021) with eta 1: few steps, with fresh noise in each.
"""

import functools
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

STEPS = 1000
"""Steps of the diffusion."""
LIMIT = 1.1
"""Coordinates, in metres, to which the network's input and prediction are clamped."""
_OFFSET = 0.008


@functools.cache
def schedule() -> Mapping[str, Float[np.ndarray, "1000"]]:
    """Returns the constants of every step in float64, by their names in the authors' code.

    They are read-only.
    """
    time = np.linspace(0, STEPS, STEPS + 1)
    level = np.cos((time / STEPS + _OFFSET) / (1 + _OFFSET) * np.pi / 2) ** 2
    level = level / level[0]
    betas = np.clip(1 - level[1:] / level[:-1], 0, 0.999)
    signal = np.cumprod(1 - betas)
    before = np.append(1.0, signal[:-1])
    variance = betas * (1 - before) / (1 - signal)
    constants = {
        "betas": betas,
        "alphas_cumprod": signal,
        "alphas_cumprod_prev": before,
        "sqrt_alphas_cumprod": np.sqrt(signal),
        "sqrt_one_minus_alphas_cumprod": np.sqrt(1 - signal),
        "log_one_minus_alphas_cumprod": np.log(1 - signal),
        "sqrt_recip_alphas_cumprod": np.sqrt(1 / signal),
        "sqrt_recipm1_alphas_cumprod": np.sqrt(1 / signal - 1),
        "posterior_variance": variance,
        "posterior_log_variance_clipped": np.log(np.maximum(variance, 1e-20)),
        "posterior_mean_coef1": betas * np.sqrt(before) / (1 - signal),
        "posterior_mean_coef2": (1 - before) * np.sqrt(1 - betas) / (1 - signal),
    }
    for values in constants.values():
        values.setflags(write=False)
    return constants


def add_noise(
    poses: Float[Array, "*shape"], noise: Float[Array, "*shape"], step: Int[Array, " b"]
) -> Float[Array, "*shape"]:
    """Returns the noisy poses x_t of clips, each in its own step, clamped to +-`LIMIT`."""
    signal, deviation = (
        jnp.asarray(schedule()[name], jnp.float32)[step].reshape(-1, *[1] * (poses.ndim - 1))
        for name in ("sqrt_alphas_cumprod", "sqrt_one_minus_alphas_cumprod")
    )
    return clamp(signal * poses + deviation * noise)


def clamp(poses: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """Clamps coordinates to +-`LIMIT`."""
    return jnp.clip(poses, -LIMIT, LIMIT)


def sampling_times(count: int) -> Int[np.ndarray, " k"]:
    """Returns the steps in which a network is called, from the last: 999, 799, ... for five.

    Raises:
        ValueError: the count is not 1 to 1,000.
    """
    if not 1 <= count <= STEPS:
        raise ValueError(f"There are {count} sampling steps; give 1 to {STEPS}.")
    return np.arange(count, 0, -1) * STEPS // count - 1


def sample(
    predict: Callable[[Float[Array, "*b"], Int[Array, ""]], Float[Array, "*b"]],
    noise: Callable[[Int[Array, ""]], Float[Array, "*b"]],
    count: int,
) -> Float[Array, "k ..."]:
    """Makes poses of noise by DDIM with eta 1.

    Args:
        predict: clamped noisy poses and their step to a prediction of x_0, which is clamped here.
        noise: draws noise of deviation 1: of number 0 the poses to start from, of number i that of
            the i-th update.
        count: steps of the sampling; see `sampling_times`.

    Returns:
        The prediction of every step; the last is the result.
    """
    times = sampling_times(count)
    now, then = times, np.append(times[1:], 0)  # the last update is not used
    constants = schedule()
    level, after = constants["alphas_cumprod"][now], constants["alphas_cumprod"][then]
    sigma = np.sqrt(np.maximum((1 - level / after) * (1 - after) / (1 - level), 0))
    of_step = {
        "step": now,
        "number": np.arange(1, count + 1),
        "reciprocal": constants["sqrt_recip_alphas_cumprod"][now],
        "ratio": constants["sqrt_recipm1_alphas_cumprod"][now],
        "signal": np.sqrt(after),
        "kept": np.sqrt(np.maximum(1 - after - sigma**2, 0)),
        "sigma": sigma,
    }

    def update(poses, at):
        found = clamp(predict(clamp(poses), at["step"]))
        # Of the poses as they are: the noise that leads from the prediction to them.
        estimate = (at["reciprocal"] * poses - found) / at["ratio"]
        fresh = at["sigma"] * noise(at["number"])
        return at["signal"] * found + at["kept"] * estimate + fresh, found

    of_step = {
        name: jnp.asarray(values, jnp.float32 if values.dtype == np.float64 else jnp.int32)
        for name, values in of_step.items()
    }
    _, found = jax.lax.scan(update, noise(jnp.zeros((), jnp.int32)), of_step)
    return found
