"""What a protocol is."""

import dataclasses
from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int

from repose_jax.evaluation.tables import Table
from repose_jax.evaluation.tally import Tally


@dataclasses.dataclass(frozen=True)
class Protocol:
    """How a benchmark counts.

    Attributes:
        summary: the one number of every metric; the checkpoint with the lowest `mpjpe` is the best.
        table: the numbers in the layout of the papers' tables.
        zero_root: a model that is trained on root-relative targets has its root put to 0, instead
            of all joints moved by where it predicts the root.
        scale: a factor on the predictions of each sequence, from the sizes of their images.
    """

    summary: Callable[[Tally], dict[str, float]]
    table: Callable[[Tally], Table]
    zero_root: bool = False
    scale: Callable[[Int[np.ndarray, "s 2"]], Float[np.ndarray, " s"]] | None = None
