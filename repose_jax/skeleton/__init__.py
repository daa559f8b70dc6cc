"""Joint orders and the maps between them, as frozen data (numpy only).

A `Skeleton` is the joint order of one format. A map gives each joint of one format as a weighted
sum of joints of another: `convert` converts points, `convert_confidence` their confidence.
`docs/skeletons.md` draws every skeleton and tabulates every map.
"""

from repose_jax.skeleton.maps import (
    HEAD_FROM_EARS,
    MAPS,
    MID_EARS,
    MID_HIPS,
    MID_SHOULDERS,
    Recipe,
    conversion_matrix,
    convert,
    convert_confidence,
    human36m_recipes,
    mix,
)
from repose_jax.skeleton.orders import (
    BLAZEPOSE33,
    COCO17,
    HALPE26,
    HUMAN36M,
    MPI_INF_3DHP,
    MPII16,
    OPENPOSE_BODY25,
    OPENPOSE_BODY25B,
    OPENPOSE_COCO18,
    OPENPOSE_MPI15,
    SKELETONS,
    Skeleton,
    flip,
)

__all__ = [
    "BLAZEPOSE33",
    "COCO17",
    "HALPE26",
    "HEAD_FROM_EARS",
    "HUMAN36M",
    "MAPS",
    "MID_EARS",
    "MID_HIPS",
    "MID_SHOULDERS",
    "MPII16",
    "MPI_INF_3DHP",
    "OPENPOSE_BODY25",
    "OPENPOSE_BODY25B",
    "OPENPOSE_COCO18",
    "OPENPOSE_MPI15",
    "SKELETONS",
    "Recipe",
    "Skeleton",
    "conversion_matrix",
    "convert",
    "convert_confidence",
    "flip",
    "human36m_recipes",
    "mix",
]
