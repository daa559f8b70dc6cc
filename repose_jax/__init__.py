"""RePOSE in JAX: lifting 2D human joints to 3D with relational depth losses.

    import repose_jax as rp

    predictor = rp.load()  # the weights that ship
    joints = predictor(keypoints_2d, confidence, image_size=(1920, 1080), fps=30)  # [t, 17, 3], mm
    motion = rp.lift("clip.mp4")  # everyone in a video, in a world

Shapes are written with one set of letters throughout: ``b`` clips in a batch, ``t`` frames, ``j``
joints, ``c`` channels, ``h`` attention heads. Positions are in millimetres in camera space (x
right, y down, z away from the camera) wherever a docstring does not say otherwise.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from repose_jax.evaluation import metrics as metrics
    from repose_jax.lifting.lift import lift as lift
    from repose_jax.lifting.live import Live as Live
    from repose_jax.lifting.predictor import Predictor as Predictor
    from repose_jax.lifting.predictor import load as load
    from repose_jax.models import create as create_model
    from repose_jax.motion.motion import Motion as Motion
    from repose_jax.objectives import losses as losses
    from repose_jax.skeleton import HUMAN36M as HUMAN36M
    from repose_jax.skeleton import Skeleton as Skeleton

__version__ = "0.1.0"
__all__ = [
    "HUMAN36M",
    "Live",
    "Motion",
    "Predictor",
    "Skeleton",
    "create_model",
    "lift",
    "load",
    "losses",
    "metrics",
]

# Name to (module, attribute of it, or None for the module): imported at first use, as JAX is slow
# to import.
_LAZY = {
    "HUMAN36M": ("repose_jax.skeleton", "HUMAN36M"),
    "Live": ("repose_jax.lifting.live", "Live"),
    "Motion": ("repose_jax.motion.motion", "Motion"),
    "Predictor": ("repose_jax.lifting.predictor", "Predictor"),
    "Skeleton": ("repose_jax.skeleton", "Skeleton"),
    "create_model": ("repose_jax.models", "create"),
    "lift": ("repose_jax.lifting.lift", "lift"),
    "load": ("repose_jax.lifting.predictor", "load"),
    "losses": ("repose_jax.objectives.losses", None),
    "metrics": ("repose_jax.evaluation.metrics", None),
}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module_name, attribute = _LAZY[name]
    module = importlib.import_module(module_name)
    value = module if attribute is None else getattr(module, attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *_LAZY]
