"""The optimiser: AdamW with warm-up, exponential decay per epoch and gradient clipping."""

import dataclasses

import jax.numpy as jnp
import optax


@dataclasses.dataclass(frozen=True)
class OptimConfig:
    """Recipe of the optimiser.

    Attributes:
        lr: peak learning rate.
        decay: factor on the learning rate after every epoch.
        warmup_steps: steps over which it rises linearly from zero.
        weight_decay: decoupled weight decay; on every parameter of the model, as PyTorch's AdamW.
        clip_norm: largest global norm of the gradient; 0 for no clipping.
        ema: decay of the moving average of the parameters that evaluation uses; 0 for none.
    """

    lr: float = 5e-4
    decay: float = 0.99
    warmup_steps: int = 0
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    ema: float = 0.0


def schedule(config: OptimConfig, steps_per_epoch: int) -> optax.Schedule:
    """Returns step -> learning rate: a staircase over epochs, times the warm-up."""

    def rate(step):
        warm = jnp.minimum(1.0, (step + 1) / max(config.warmup_steps, 1))
        return config.lr * warm * config.decay ** (step // steps_per_epoch)

    return rate


def optimizer(config: OptimConfig, steps_per_epoch: int) -> optax.GradientTransformation:
    """Returns the optimiser over `{"model": ..., "log_variances": ...}`.

    Learned loss weights (`log_variances`) are not decayed: zero has no special meaning for them.
    """
    clip = optax.clip_by_global_norm(config.clip_norm) if config.clip_norm else optax.identity()
    adamw = optax.adamw(
        schedule(config, steps_per_epoch),
        weight_decay=config.weight_decay,
        mask={"model": True, "log_variances": False},
    )
    return optax.chain(clip, adamw)
