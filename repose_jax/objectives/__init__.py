"""The training objective: losses and their weighted sum."""

from repose_jax.objectives.losses import loss as loss
