"""The state of training: one pytree, made in one place."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx

Params = dict[str, Any]  # {"model": nnx.State, "log_variances": {loss name: scalar}}


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TrainState:
    """Training state.

    Attributes:
        step: updates made, int32.
        params: the model's parameters and the learned loss weights, float32.
        stats: the running statistics of the model's batch norms; empty where it has none.
        opt_state: state of the optimiser.
        ema: moving average of the model's parameters, or None.
    """

    step: Any  # an array; but like every leaf, whatever a tree map or Orbax puts in its place
    params: Params
    stats: Any
    opt_state: optax.OptState
    ema: Any

    @property
    def variables(self) -> tuple[nnx.State, nnx.State]:
        """The variables for evaluation: the parameters, or their moving average, and `stats`.

        `nnx.merge(graphdef, *variables)` is the model.
        """
        return self.params["model"] if self.ema is None else self.ema, self.stats


def create(
    model: nnx.Module,
    log_variances: dict[str, jax.Array],
    optimizer: optax.GradientTransformation,
    *,
    ema: bool,
) -> tuple[nnx.GraphDef, TrainState]:
    """Returns (the model's static half for `nnx.merge`, the state before the first step)."""
    graphdef, params, stats = nnx.split(model, nnx.Param, nnx.BatchStat)
    params = {"model": params, "log_variances": log_variances}
    state = TrainState(
        step=jnp.zeros((), jnp.int32),
        params=params,
        stats=stats,
        opt_state=optimizer.init(params),
        # A copy: the state is donated, and no buffer is donated twice.
        ema=jax.tree.map(jnp.copy, params["model"]) if ema else None,
    )
    return graphdef, state
