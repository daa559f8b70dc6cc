"""Names of the tensors in the authors' PyTorch checkpoints: one file per network."""

from repose_jax.torch_import.d3dp import D3DP
from repose_jax.torch_import.dstformer import DSTFORMER
from repose_jax.torch_import.mhformer import MHFORMER
from repose_jax.torch_import.mixste import MIXSTE
from repose_jax.torch_import.motionagformer import MOTIONAGFORMER
from repose_jax.torch_import.poseformer import POSEFORMER
from repose_jax.torch_import.poseformerv2 import POSEFORMERV2
from repose_jax.torch_import.pstmo import PSTMO
from repose_jax.torch_import.semgcn import SEMGCN
from repose_jax.torch_import.stcformer import STCFORMER
from repose_jax.torch_import.tensors import TensorNames
from repose_jax.torch_import.videopose3d import VIDEOPOSE3D

TENSOR_NAMES: dict[str, TensorNames] = {  # by the name of the model in `repose_jax.models`
    "repose": DSTFORMER,
    "motionbert": DSTFORMER,
    "pstmo": PSTMO,
    "motionagformer": MOTIONAGFORMER,
    "mixste": MIXSTE,
    "d3dp": D3DP,
    "stcformer": STCFORMER,
    "mhformer": MHFORMER,
    "videopose3d": VIDEOPOSE3D,
    "poseformer": POSEFORMER,
    "poseformerv2": POSEFORMERV2,
    "semgcn": SEMGCN,
}
