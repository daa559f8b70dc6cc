"""The training objective: a weighted sum of losses, with weights fixed or learned.

RePOSE, equation 4, is MPJPE + λ_S spatial depth + λ_T temporal depth. The paper leaves λ_S and λ_T
open; they are 1 here by default. `docs/losses.md` says how to choose them.

    objective = make_objective({"mpjpe": 1.0, "spatial_depth": 0.5})
    total, parts = objective(prediction, target, mask)
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from repose_jax.config import EQUATION_4, HINGE, LOGISTIC, RELATIONAL, ObjectiveConfig
from repose_jax.objectives.losses import LOSSES
from repose_jax.runtime import names

MAX_FACTOR = 10.0
"""A learned weight stays between 1 / MAX_FACTOR and MAX_FACTOR times its fixed one."""
LEARNED_TAU = "tau"
"""Name of the parameter of a learned temperature, beside those of learned weights."""


class Truth(NamedTuple):
    """The ground truth of poses, and of which joints.

    Attributes:
        target: the poses.
        mask: joints that count.
        occluded: joints that are occluded.
    """

    target: Float[Array, "*b t j 3"]
    mask: Bool[Array, "*b t #j"]
    occluded: Bool[Array, "*b t j"] | None = None


@dataclasses.dataclass(frozen=True)
class Objective:
    """Weighted sum of losses; build it with `make_objective`. Hashable, so static under jit.

    Attributes:
        weights: (name in `LOSSES`, weight) of each term; as arrays they may differ in one program.
        config: the options of the relational losses.
        unit: what poses are multiplied by before they are compared; see `docs/losses.md`.
    """

    weights: tuple[tuple[str, float | Float[Array, ""]], ...]
    config: ObjectiveConfig
    unit: float = 1.0

    @property
    def learned(self) -> tuple[str, ...]:
        """The learned parameters: the names of the terms whose weight is learned, `LEARNED_TAU`."""
        weights = RELATIONAL if self.config.learn_weights else ()
        names_ = tuple(name for name, _ in self.weights if name in weights)
        return names_ + (LEARNED_TAU,) * self.config.learn_tau

    @property
    def needs_occluded(self) -> bool:
        """Whether it has to know which joints are occluded."""
        return any(self._of_occluded(name) for name, _ in self.weights)

    @jax.named_scope("losses")
    def __call__(
        self,
        prediction: Float[Array, "*b t j 3"],
        target: Float[Array, "*b t j 3"],
        mask: Bool[Array, "*b t #j"] | None = None,
        log_variances: Mapping[str, Float[Array, ""]] | None = None,
        shares: Mapping[str, Float[Array, ""]] | None = None,
        occluded: Bool[Array, "*b t j"] | None = None,
    ) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
        """The objective and its parts.

        A term with weight λ and loss L adds λ L; one with a learned weight and parameter s adds
        λ exp(-s̄) L + s̄, where s̄ is s bounded smoothly to ±log(`MAX_FACTOR`). A learned
        temperature is exp(s̄) times the fixed one, which takes its place as the unit of the cost.

        Args:
            prediction: poses, in the unit of the model.
            target: poses in the same unit and depth reference.
            mask: joints that count, see `repose_jax.objectives.losses`.
            log_variances: the parameters from `init_log_variances`, trained with those of the
                model; needed exactly if something is learned.
            shares: of poses that are a part of a batch, the results of `shares`. The totals and
                losses of all parts then add up to those of the batch.
            occluded: joints that are occluded; needed if `needs_occluded`.

        Returns:
            The total, and each loss by name, without its weight.

        Raises:
            ValueError: `log_variances` does not hold the learned terms, or `occluded` is missing.
        """
        log_variances = log_variances or {}
        if set(log_variances) != set(self.learned):
            raise ValueError(
                f"log_variances must hold the learned terms {sorted(self.learned)}, "
                f"found {sorted(log_variances)}; make them with init_log_variances(objective)"
            )
        bounded = {name: bound_log_variance(s) for name, s in log_variances.items()}
        prediction, target = prediction * self.unit, target * self.unit
        total, parts = jnp.zeros(()), {}
        for name, weight in self.weights:
            share = shares[name] if shares else 1.0
            # tau softplus(x / (tau exp(s))): the likelihood of the order, which has a best s.
            learned_tau = LEARNED_TAU in bounded and name in LOGISTIC
            pose = prediction * jnp.exp(-bounded[LEARNED_TAU]) if learned_tau else prediction
            options = self._options(name, occluded)
            parts[name] = share * LOSSES[name](
                pose, target, mask, reduction=self._reduction(name), **options
            )
            if name in bounded:
                total += weight * jnp.exp(-bounded[name]) * parts[name] + share * bounded[name]
            else:
                total += weight * parts[name]
        return total, parts

    def shares(self, part: Truth, whole: Truth) -> dict[str, Float[Array, ""]]:
        """How much each loss of a part of a batch counts in that of the whole."""

        def count(name, truth):
            options = self._options(name, truth.occluded)
            target = truth.target * self.unit
            return LOSSES[name].count(target, truth.mask, self._reduction(name), **options)

        def share(name):
            mine, all_ = count(name, part), count(name, whole)
            # A loss with nothing to count still has its learned weight.
            clips = len(part.target) / len(whole.target)
            return jnp.where(all_ > 0, mine / jnp.maximum(all_, 1), clips)

        return {name: share(name) for name, _ in self.weights}

    def describe(self) -> str:
        """Returns one line with every loss and its weight."""
        text = " + ".join(f"{weight:g} x {name}" for name, weight in self.weights)
        used = {name for name, _ in self.weights}
        notes = []
        if used & set(RELATIONAL):
            notes += {"sum": ["sum over pairs"], "ordered": ["mean over ordered pairs"]}.get(
                self.config.reduction, []
            )
            notes += ["pairs with an occluded joint"] * (self.config.pairs == "occluded")
            notes += [f"gaps above {self.config.closest:g}"] * bool(self.config.closest)
        text += f" (relational losses: {', '.join(notes)})" * bool(notes)
        if used & set(HINGE) and self.config.margin:
            text += f" (margin {self.config.margin:g})"
        if used & set(LOGISTIC):
            text += f" (tau {self.config.tau:g}{' by joint' * self.config.tau_by_joint})"
        learned = [name for name in self.learned if name != LEARNED_TAU]
        terms = [f"weights of {', '.join(learned)}"] * bool(learned) + ["tau"] * (
            self.config.learn_tau
        )
        return text + f" (learned: {'; '.join(terms)})" * bool(terms)

    def _of_occluded(self, name: str) -> bool:
        return self.config.pairs == "occluded" if name in RELATIONAL else LOSSES[name].of_occluded

    def _options(self, name: str, occluded: Array | None) -> dict[str, Any]:
        options: dict[str, Any] = {}
        if self._of_occluded(name):
            if occluded is None:
                raise ValueError(f"{name} needs to know which joints are occluded.")
            options["occluded"] = occluded
        if name not in RELATIONAL:
            return options
        config = self.config
        options |= {"closest": config.closest, "ordered": config.reduction == "ordered"}
        if name in LOGISTIC:
            options |= {"tau": config.tau, "tau_by_joint": config.tau_by_joint}
        return options | ({"margin": config.margin} if name in HINGE else {})

    def _reduction(self, name: str) -> str:
        return "sum" if self.config.reduction == "sum" and name in RELATIONAL else "mean"


def make_objective(
    weights: Mapping[str, float | int] = EQUATION_4, *, unit: float = 1.0, **options: Any
) -> Objective:
    """An objective of some losses.

    Args:
        weights: loss name to weight; a loss of weight 0 is left out.
        unit: what poses are multiplied by before they are compared: 0.001 for a model that predicts
            millimetres, so that weights, clipping and learned weights mean what they do for metres.
        **options: other fields of `repose_jax.config.ObjectiveConfig`. Learned weights are those of
            the relational losses, by homoscedastic uncertainty (Kendall et al., CVPR 2018).

    Raises:
        ValueError: a name is unknown, a value is not allowed, or nothing is left to minimise or to
            learn.
    """
    return from_config(ObjectiveConfig(weights, **options), unit)


def from_config(config: ObjectiveConfig, unit: float = 1.0) -> Objective:
    """An objective from a configuration; see `make_objective`."""
    for name in config.weights:
        if name not in LOSSES:
            raise ValueError(names.unknown("loss", name, LOSSES))
    kept = tuple((name, weight) for name, weight in config.weights.items() if weight > 0)
    if not kept:
        raise ValueError(f"no loss has a weight above 0: {dict(config.weights)}")
    for option, of in (("learn_weights", RELATIONAL), ("learn_tau", LOGISTIC)):
        if getattr(config, option) and not any(name in of for name, _ in kept):
            raise ValueError(
                f"{option} needs a weight above 0 for one of {of}, found {dict(config.weights)}"
            )
    return Objective(kept, config, unit)


def init_log_variances(objective: Objective) -> dict[str, Float[Array, ""]]:
    """Parameters of what is learned, to be trained with the model: 0, so a factor of 1.

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
