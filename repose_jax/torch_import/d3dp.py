"""The names in the checkpoints of D3DP: those of MixSTE, the embedding of steps, the schedule."""

from repose_jax.models import diffusion
from repose_jax.torch_import.mixste import MIXSTE
from repose_jax.torch_import.tensors import Shapes, Target, TensorNames, expand, module_target

_PREFIX = "pose_estimator."
_STEPS = {"time_mlp.1": ("step_hidden",), "time_mlp.3": ("step_out",)}


def _target(name: str) -> Target | None:
    if not name.startswith(_PREFIX):
        return None
    name = name.removeprefix(_PREFIX)
    module, _, leaf = name.rpartition(".")
    return module_target(_STEPS[module], leaf) if module in _STEPS else MIXSTE.target(name)


def _sizes(shapes: Shapes) -> dict[str, int]:
    inner = {name.removeprefix(_PREFIX): shape for name, shape in shapes.items()}
    sizes = dict(MIXSTE.sizes(inner))
    if "in_channels" in sizes:
        sizes["in_channels"] -= 3  # those of the noisy pose
    return sizes


def _names(paths):
    own = expand("{time_mlp.1,time_mlp.3}.{weight,bias}")
    return (_PREFIX + name for names in (MIXSTE.names, own) for name in names(paths))


D3DP = TensorNames(_target, _sizes, _names, constants=diffusion.schedule)
