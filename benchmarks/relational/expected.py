"""The expected cost of a pair whose order is uncertain, and its figure."""

import math
import pathlib

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.relational.forms import FORMS, Form
from repose_jax.evaluation import charts
from repose_jax.objectives import depth_order


def expected_cost(form: Form, probability: float, gaps: np.ndarray, truth: float) -> np.ndarray:
    """Returns the expected cost of a pair over its predicted gap of depth.

    Args:
        form: what it costs.
        probability: that the joint that is predicted nearer by a positive gap truly is.
        gaps: predicted gaps, m.
        truth: the true gap in either order, m.
    """
    options = {k: v for k, v in form.options.items() if k in ("margin", "tau")}
    kind = {"depth": "hinge", "order": "logistic", "difference": "difference"}[form.kind]
    if kind == "difference":
        options["margin"] = math.inf
    pairs = depth_order.Pairs(kind, **options)

    @jax.vmap
    def cost(gap):
        depth = jnp.array([[0.0], [1.0]]) * gap
        nearer = jnp.array([[0.0], [truth]])
        right, wrong = (depth_order.pairwise_cost(depth, t, pairs) for t in (nearer, -nearer))
        return probability * right + (1 - probability) * wrong

    return np.asarray(cost(jnp.asarray(gaps, jnp.float32)))


def draw(path: pathlib.Path) -> None:
    """Draws the expected cost of the hinge and of the logistic loss for some probabilities."""
    gaps = np.linspace(-0.2, 0.2, 161)
    panels = {
        "Hinge (the paper's): expected cost, cm": FORMS["hinge"],
        "Logistic, tau 5 cm: expected cost, cm": FORMS["logistic, tau 5 cm"],
    }
    charts.lines(
        path,
        {
            head: {
                f"p = {p:g}": [
                    (float(100 * gap), float(100 * cost))
                    for gap, cost in zip(gaps, expected_cost(form, p, gaps, 0.1), strict=True)
                ]
                for p in (0.5, 0.6, 0.75, 0.9)
            }
            for head, form in panels.items()
        },
        x="predicted gap of depth, cm",
    )
