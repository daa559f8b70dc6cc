"""The names in the checkpoints of PoseFormerV2."""

from collections.abc import Mapping

from repose_jax.torch_import.poseformer import COMMON, names, sizes, target
from repose_jax.torch_import.tensors import BLOCK, Path, TensorNames

_TOP = {
    **COMMON,
    "Joint_embedding": ("spatial", "embed"),
    "Freq_embedding": ("embed",),
    "weighted_mean": ("coefficient_mean",),
    "weighted_mean_": ("frame_mean",),
}
_MIXED: Mapping[str, Path] = {
    **{name: path for name, path in BLOCK.items() if not name.startswith("mlp")},
    "mlp1.fc1": ("mlp", "fc1"),
    "mlp1.fc2": ("mlp", "fc2"),
    "norm3": ("norm_frequency_mlp",),
    "mlp2.fc1": ("frequency_mlp", "fc1"),
    "mlp2.fc2": ("frequency_mlp", "fc2"),
}
_EMBEDDINGS: Mapping[str, Path] = {
    "Spatial_pos_embed": ("spatial", "joint_embedding"),
    "Temporal_pos_embed": ("frame_embedding",),
    "Temporal_pos_embed_": ("coefficient_embedding",),
}
_AXES = {
    "kept_frames": ("Temporal_pos_embed", 1),
    "kept_coefficients": ("Temporal_pos_embed_", 1),
}

POSEFORMERV2 = TensorNames(
    lambda name: target(name, _TOP, _MIXED, _EMBEDDINGS),
    lambda shapes: sizes(shapes, "Joint_embedding", _AXES),
    names(_TOP, _MIXED, _EMBEDDINGS),
    not_inferred=("heads", "frames"),
)
