"""The mean of several trainings of one model."""

from collections.abc import Mapping

import jax
import numpy as np

from repose_jax.weights.file import Contents


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
    for name, found in others:
        for field, wanted, value in (
            ("model", reference.config.model, found.config.model),
            ("data.normalise", reference.config.data.normalise, found.config.data.normalise),
            ("data.unit", reference.config.data.unit, found.config.data.unit),
        ):
            if value != wanted:
                raise ValueError(
                    f"{name} has config.{field} {_plain(value)}, {first} {_plain(wanted)}: only "
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


def _plain(value: object) -> object:
    return dict(value) if isinstance(value, Mapping) else value
