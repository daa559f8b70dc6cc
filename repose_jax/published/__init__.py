"""What the published checkpoints call their tensors: one file per network."""

from repose_jax.published.dstformer import DSTFORMER
from repose_jax.published.poseformer import POSEFORMER
from repose_jax.published.poseformerv2 import POSEFORMERV2
from repose_jax.published.tensors import Published

PUBLISHED: dict[str, Published] = {  # by the name of the model in `repose_jax.models`
    "repose": DSTFORMER,
    "motionbert": DSTFORMER,
    "poseformer": POSEFORMER,
    "poseformerv2": POSEFORMERV2,
}
