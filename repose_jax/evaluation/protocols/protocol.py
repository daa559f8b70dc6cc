"""The parts of a protocol."""

import dataclasses
from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int

from repose_jax.evaluation.tables import Table
from repose_jax.evaluation.tally import Tally


@dataclasses.dataclass(frozen=True)
class Protocol:
    """The rules of a benchmark.

    Attributes:
        summary: one mean of every metric; the checkpoint with the lowest `mpjpe` is the best.
        table: the means in the layout of the papers' tables.
        zero_root: set the root of a model that is trained on root-relative targets to 0, instead of
            subtracting the predicted root from all joints.
        scale: sizes of the images of sequences to a factor on the predictions of each.
    """

    summary: Callable[[Tally], dict[str, float]]
    table: Callable[[Tally], Table]
    zero_root: bool = False
    scale: Callable[[Int[np.ndarray, "s 2"]], Float[np.ndarray, " s"]] | None = None
