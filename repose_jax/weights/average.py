"""The mean of several trainings of one model."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from repose_jax import models as models_lib
from repose_jax.weights.file import Contents

_OF_TRAINING = frozenset(
    ("dtype", "remat", "fused_attention", "dropout", "attention_dropout", "stochastic_depth")
)
"""Fields of a model that its predictions do not depend on."""


def average(models: Mapping[str, Contents]) -> Contents:
    """Returns the model whose parameters are the means of those of others.

    Trainings that start from the same weights and see other batches end close to each other, and
    their mean is often better than each ("Model soups", Wortsman et al., ICML 2022). The mean of
    trainings from different initial values is not a model of any use.

    Args:
        models: by their names, at least one. The configuration is that of the first.

    Returns:
        The model. Its notes are those that all have, and `averaged`: the number of models.

    Raises:
        ValueError: models that differ in more than their parameters, or that have batch norms,
            whose statistics are of one training; names them.
    """
    (first, reference), *others = models.items()
    if not others:
        return reference
    if jax.tree.leaves(reference.variables[1]):
        raise ValueError(
            f"{first} has batch norms, whose statistics are of one training: it has no mean with "
            "others."
        )
    wanted = _settings(reference)
    for name, found in others:
        given = _settings(found)
        if differing := [key for key in wanted | given if wanted.get(key) != given.get(key)]:
            key = differing[0]
            raise ValueError(
                f"{name} has config.{key} {given.get(key)}, {first} {wanted.get(key)}: only "
                "trainings of one model have a mean."
            )
    variables = jax.tree.map(
        lambda *x: np.mean(np.stack(x), axis=0), *(each.variables for each in models.values())
    )
    common = {
        key: value
        for key, value in reference.notes.items()
        if all(found.notes.get(key) == value for _, found in others)
    }
    notes = {**common, "averaged": len(models)}
    return Contents(reference.config, reference.graphdef, variables, notes)


def _settings(model: Contents) -> dict[str, Any]:
    """Returns what has to be equal, by its field of the configuration."""
    sizes, data = models_lib.completed(model.config.model), model.config.data
    return {
        **{f"model.{key}": size for key, size in sizes.items() if key not in _OF_TRAINING},
        **{f"data.{key}": getattr(data, key) for key in ("normalise", "root_relative", "unit")},
    }
