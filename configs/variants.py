"""Variants of a configuration: the words after the colon of `--config=NAME:VARIANT,...`."""

import dataclasses
import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ml_collections import ConfigDict

from repose_jax.config import LOGISTIC

DECISIONS = (
    "data",
    "inputs",
    "size",
    "frames",
    "direction of time",
    "clips",
    "spatial loss",
    "temporal loss",
    "learned weights",
    "schedule",
    "stage",
)
"""Decisions of variants, in the order in which variants are applied."""


@dataclasses.dataclass(frozen=True)
class Variant:
    """A word after the colon.

    Attributes:
        name: the word.
        decides: of `DECISIONS`; two variants that decide the same contradict each other.
        doc: one line for `--help`.
        change: the values that it sets, by section, or a function that changes the configuration.
    """

    name: str
    decides: tuple[str, ...]
    doc: str
    change: Mapping[str, Mapping[str, Any]] | Callable[[ConfigDict], None]


def apply(config: ConfigDict, words: str, variants: Iterable[Variant], *, of: str) -> ConfigDict:
    """Applies variants, in an order that does not depend on that of the words.

    A variant with a relational loss replaces the choice of the configuration: the losses that the
    words name are all there are.

    Args:
        config: the configuration without variants; it is changed.
        words: names of variants, separated by commas.
        variants: all variants of the configuration.
        of: module of the configuration, for messages.

    Returns:
        The configuration.

    Raises:
        ValueError: an unknown variant, or two that contradict each other.
    """
    file = f"{of.replace('.', '/')}.py"
    known = {variant.name: variant for variant in variants}
    chosen: list[Variant] = []
    for word in dict.fromkeys(filter(None, map(str.strip, words.split(",")))):
        if word not in known:
            close = difflib.get_close_matches(word, known, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise ValueError(
                f"There is no variant {word!r} of {file}.{hint} There are {', '.join(known)}."
            )
        for other in chosen:
            if both := [one for one in other.decides if one in known[word].decides]:
                raise ValueError(
                    f"Variants {other.name!r} and {word!r} of {file} contradict each other: "
                    f"both set the {both[0]}."
                )
        chosen.append(known[word])
    decided = {decision for variant in chosen for decision in variant.decides}
    if decided & {"spatial loss", "temporal loss"}:
        weights = config.objective.weights
        weights.update({"spatial_depth": 0.0, "temporal_depth": 0.0})
        weights.update({name: 0.0 for name in LOGISTIC if name in weights})
    for variant in sorted(chosen, key=lambda one: min(map(DECISIONS.index, one.decides))):
        if callable(variant.change):
            variant.change(config)
        else:
            config.update(variant.change)
    return config
