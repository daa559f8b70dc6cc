"""MotionBERT's DSTformer (Zhu et al., ICCV 2023; section 3.2): the network of RePOSE, wider.

The authors' models are "base", which the defaults here are, and "lite", which has RePOSE's sizes
(`width=256`, `mlp_ratio=4`).
"""

import dataclasses

from repose_jax.models.repose import ReposeConfig


@dataclasses.dataclass(frozen=True)
class MotionBertConfig(ReposeConfig):
    """Sizes of the network; the defaults are those of the base model (42,466,317 parameters).

    Attributes:
        width: width of a token.
        mlp_ratio: hidden width of the MLPs relative to `width`.
    """

    width: int = 512
    mlp_ratio: int = 2
