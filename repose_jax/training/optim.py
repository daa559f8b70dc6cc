"""The optimiser: Adam and its kin, with warm-up, decay per epoch and gradient clipping."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from repose_jax.config import OptimConfig


def schedule(config: OptimConfig, steps_per_epoch: int, epochs: int = 1) -> optax.Schedule:
    """Returns step -> learning rate: a staircase over epochs or half a cosine, times the warm-up.

    Args:
        config: the peak and the factors.
        steps_per_epoch: steps that count as an epoch.
        epochs: epochs of the whole training, over which the cosine falls to 0.
    """

    def rate(step):
        warm = jnp.minimum(1.0, (step + 1) / max(config.warmup_steps, 1))
        if config.schedule == "cosine":
            done = jnp.minimum(step / (steps_per_epoch * epochs), 1.0)
            return config.lr * warm * (1 + jnp.cos(jnp.pi * done)) / 2
        past = step // steps_per_epoch
        drops = past // config.drop_every if config.drop_every else 0
        return config.lr * warm * config.decay ** (past - drops) * config.drop**drops

    return rate


def batch_norm_momentum(config: OptimConfig, steps_per_epoch: int, epochs: int) -> optax.Schedule:
    """Returns step -> momentum m of batch norms: running = (1 - m) running + m batch.

    It falls exponentially, a stair an epoch, from `batch_norm_momentum` in the first to what would
    be `batch_norm_momentum_end` in the one after the last, as VideoPose3D's does (Pavllo et al.,
    CVPR 2019).

    Args:
        config: has both ends.
        steps_per_epoch: steps that count as an epoch.
        epochs: epochs of the whole training.
    """
    first, last = config.batch_norm_momentum, config.batch_norm_momentum_end

    def momentum(step):
        return jnp.float32(first) * (last / first) ** ((step // steps_per_epoch) / epochs)

    return momentum


def scale_by_amsgrad(
    b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8
) -> optax.GradientTransformation:
    """Scales gradients as AMSGrad does in PyTorch (Reddi et al., ICLR 2018, algorithm 2).

    With moments m and v of the gradient, and V the largest v so far, of each element, step t is

        m / (1 - b1^t) / (sqrt(V / (1 - b2^t)) + eps).

    Optax's own takes the largest of the corrected v / (1 - b2^t), which is another method: of the
    first gradient that is the whole square, and V would never fall below it.

    Args:
        b1: decay of the first moment.
        b2: decay of the second moment.
        eps: added to the root.
    """

    def init(params):
        mu, nu, nu_max = (optax.tree.zeros_like(params) for _ in range(3))
        return optax.ScaleByAmsgradState(jnp.zeros([], jnp.int32), mu, nu, nu_max)

    def update(updates, state, params=None):
        del params
        count = optax.safe_increment(state.count)
        mu = jax.tree.map(lambda g, m: b1 * m + (1 - b1) * g, updates, state.mu)
        nu = jax.tree.map(lambda g, v: b2 * v + (1 - b2) * g**2, updates, state.nu)
        nu_max = jax.tree.map(jnp.maximum, state.nu_max, nu)
        first, second = 1 - b1**count, jnp.sqrt(1 - b2**count)
        scaled = jax.tree.map(lambda m, v: m / first / (jnp.sqrt(v) / second + eps), mu, nu_max)
        return scaled, optax.ScaleByAmsgradState(count, mu, nu, nu_max)

    return optax.GradientTransformation(init, update)


def _adamw(config, rate):
    # Learned loss weights are not decayed: zero has no special meaning for them.
    mask = {"model": True, "log_variances": False}
    return optax.adamw(rate, weight_decay=config.weight_decay, mask=mask)


def _amsgrad(config, rate):
    del config
    return optax.chain(scale_by_amsgrad(), optax.scale_by_learning_rate(rate))


def _adam(config, rate):
    del config
    return optax.adam(rate)


OPTIMIZERS: dict[str, Callable[[OptimConfig, optax.Schedule], Any]] = {
    "adamw": _adamw,
    "amsgrad": _amsgrad,
    "adam": _adam,
}
"""Every optimiser by its name in a configuration: AdamW (Loshchilov and Hutter, ICLR 2019), AMSGrad
(`scale_by_amsgrad`) and Adam (Kingma and Ba, ICLR 2015), all with PyTorch's numbers."""


def optimizer(
    config: OptimConfig, steps_per_epoch: int, epochs: int = 1
) -> optax.GradientTransformation:
    """Returns the optimiser over `{"model": ..., "log_variances": ...}`; see `schedule`."""
    clip = optax.clip_by_global_norm(config.clip_norm) if config.clip_norm else optax.identity()
    return optax.chain(
        clip, OPTIMIZERS[config.name](config, schedule(config, steps_per_epoch, epochs))
    )
