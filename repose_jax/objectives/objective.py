"""The training objective: a weighted sum of losses, with weights fixed or learned.

RePOSE, equation 4, is MPJPE + λ_S spatial depth + λ_T temporal depth. The paper leaves λ_S and λ_T
open; they are 1 here by default. `docs/losses.md` says how to choose them.

    objective = make_objective({"mpjpe": 1.0, "spatial_depth": 0.5})
    total, parts = objective(prediction, target, mask)
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from repose_jax.config import EQUATION_4, LOGISTIC, RELATIONAL, TAU
from repose_jax.objectives.losses import LOSSES
from repose_jax.runtime import names

MAX_FACTOR = 10.0
"""A learned weight stays between 1 / MAX_FACTOR and MAX_FACTOR times its fixed one."""


@dataclass(frozen=True)
class Objective:
    """Weighted sum of losses; build it with `make_objective`. Hashable, so static under jit.

    Attributes:
        weights: (name in `LOSSES`, positive weight) of each term.
        learned: names of the terms whose weight is learned too.
        reduction: of the relational losses, "mean" or "sum".
        unit: what poses are multiplied by before they are compared; see `docs/losses.md`.
        tau: temperature of the logistic losses, in the unit of the products.
    """

    weights: tuple[tuple[str, float], ...]
    learned: tuple[str, ...] = ()
    reduction: str = "mean"
    unit: float = 1.0
    tau: float = TAU

    @jax.named_scope("losses")
    def __call__(
        self,
        prediction: Float[Array, "*b t j 3"],
        target: Float[Array, "*b t j 3"],
        mask: Bool[Array, "*b t #j"] | None = None,
        log_variances: Mapping[str, Float[Array, ""]] | None = None,
        shares: Mapping[str, Float[Array, ""]] | None = None,
    ) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
        """The objective and its parts.

        A term with weight λ and loss L adds λ L; one with a learned weight and parameter s adds
        λ exp(-s̄) L + s̄, where s̄ is s bounded smoothly to ±log(`MAX_FACTOR`).

        Args:
            prediction: poses, in the unit of the model.
            target: poses in the same unit and depth reference.
            mask: joints that count, see `repose_jax.objectives.losses`.
            log_variances: the parameters from `init_log_variances`, trained with those of the
                model; needed exactly if weights are learned.
            shares: of poses that are a part of a batch, the results of `shares`. The totals and
                losses of all parts then add up to those of the batch.

        Returns:
            The total, and each loss by name, without its weight.

        Raises:
            ValueError: `log_variances` does not hold the learned terms.
        """
        log_variances = log_variances or {}
        if set(log_variances) != set(self.learned):
            raise ValueError(
                f"log_variances must hold the learned terms {sorted(self.learned)}, "
                f"found {sorted(log_variances)}; make them with init_log_variances(objective)"
            )
        prediction, target = prediction * self.unit, target * self.unit
        total, parts = jnp.zeros(()), {}
        for name, weight in self.weights:
            share = shares[name] if shares else 1.0
            options = {"tau": self.tau} if name in LOGISTIC else {}
            value = LOSSES[name](
                prediction, target, mask, reduction=self._reduction(name), **options
            )
            parts[name] = share * value
            if name in log_variances:
                bounded = bound_log_variance(log_variances[name])
                total += weight * jnp.exp(-bounded) * parts[name] + share * bounded
            else:
                total += weight * parts[name]
        return total, parts

    def shares(
        self, mask: Bool[Array, "*b t j"], whole: Bool[Array, "*b_whole t j"]
    ) -> dict[str, Float[Array, ""]]:
        """How much each loss of a part of a batch counts in that of the whole.

        Args:
            mask: joints that count in the part.
            whole: joints that count in the batch.
        """

        def share(name):
            reduction = self._reduction(name)
            mine, all_ = (LOSSES[name].count(one, reduction) for one in (mask, whole))
            # A loss with nothing to count still has its learned weight.
            return jnp.where(all_ > 0, mine / jnp.maximum(all_, 1), mask.shape[0] / whole.shape[0])

        return {name: share(name) for name, _ in self.weights}

    def describe(self) -> str:
        """Returns one line with every loss and its weight."""
        terms = " + ".join(f"{weight:g} x {name}" for name, weight in self.weights)
        if self.reduction != "mean" and any(name in RELATIONAL for name, _ in self.weights):
            terms += f" (relational losses: {self.reduction} over pairs)"
        if any(name in LOGISTIC for name, _ in self.weights):
            terms += f" (tau {self.tau:g})"
        return terms + (f" (learned: weights of {', '.join(self.learned)})" * bool(self.learned))

    def _reduction(self, name: str) -> str:
        return self.reduction if name in RELATIONAL else "mean"


def make_objective(
    weights: Mapping[str, float | int] = EQUATION_4,
    *,
    learn_weights: bool = False,
    reduction: str = "mean",
    unit: float = 1.0,
    tau: float = TAU,
) -> Objective:
    """An objective from a configuration.

    Args:
        weights: loss name to weight; a loss of weight 0 is left out.
        learn_weights: learn the weights of the relational losses by homoscedastic uncertainty
            (Kendall et al., CVPR 2018), starting from `weights`.
        reduction: of the relational losses: "mean" (the algorithms) or "sum" (the equations).
        unit: what poses are multiplied by before they are compared: 0.001 for a model that predicts
            millimetres, so that weights, clipping and learned weights mean what they do for metres.
        tau: temperature of the logistic losses, in the unit that poses are compared in.

    Raises:
        ValueError: a name is unknown, a weight is negative or not finite, nothing is left to
            minimise or to learn, the reduction is unknown, or tau is not a number above 0.
    """
    for name, weight in weights.items():
        if name not in LOSSES:
            raise ValueError(names.unknown("loss", name, LOSSES))
        if not (math.isfinite(weight) and weight >= 0):
            raise ValueError(f"the weight of {name!r} must be 0 or more, found {weight}")
    if reduction not in ("mean", "sum"):
        raise ValueError(f'reduction must be "mean" or "sum", found {reduction!r}')
    if not 0 < tau < math.inf:
        raise ValueError(f"tau must be a number above 0, found {tau}")
    kept = tuple((name, float(weight)) for name, weight in weights.items() if weight > 0)
    if not kept:
        raise ValueError(f"no loss has a weight above 0: {dict(weights)}")
    learned = tuple(name for name, _ in kept if learn_weights and name in RELATIONAL)
    if learn_weights and not learned:
        raise ValueError(
            f"learn_weights needs a weight above 0 for one of {RELATIONAL}, found {dict(weights)}"
        )
    return Objective(kept, learned, reduction, unit, tau)


def init_log_variances(objective: Objective) -> dict[str, Float[Array, ""]]:
    """Parameters of the learned weights, to be trained with the model: 0, so a factor of 1.

    Leave them out of weight decay, which would pull the factors to 1. Empty if nothing is learned.
    """
    return {name: jnp.zeros(()) for name in objective.learned}


def bound_log_variance(log_variance: Float[Array, ""]) -> Float[Array, ""]:
    """Bounds s to ±log(`MAX_FACTOR`), with slope 1 at 0.

    Alone, exp(-s) L + s is least at s = log L, a weight of 1/L. The paper's relational losses are
    hinges, which do reach 0: the weight would grow without end, and with it the gradient of
    whatever pair is violated next. A smooth bound, because a clipped s would get no gradient to
    come back by.
    """
    limit = math.log(MAX_FACTOR)
    return limit * jnp.tanh(log_variance / limit)
