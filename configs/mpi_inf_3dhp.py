"""MPI-INF-3DHP as in the paper: 81 frames, ground-truth keypoints as input.

    repose prepare mpi_inf_3dhp --source=mpi_inf_3dhp
    repose train --config=mpi_inf_3dhp --workdir=runs/mpi_inf_3dhp

The keypoints of the dataset are its ground truth in the image, so there is no variant for them.
Evaluated on the valid frames by the dataset's own definitions (`docs/protocols.md`).

Hardware: one GPU is meant. Time and memory are not measured, as the data are licensed; by
P-STMO's frame counts there are about 117,000 training clips, 3,600 steps of 32 an epoch.

`metric` takes `annot3` as ground truth instead of `univ_annot3`, which is scaled to one height.

The paper's results (the paper's, not ours): PCK 98.3, AUC 86.7, MPJPE 15.5 mm.
"""

from ml_collections import ConfigDict

from configs import common
from configs.variants import Variant, apply

METRIC = Variant(
    "metric",
    ("data",),
    "the metric instead of the universal ground truth",
    {"data": {"train": ("mpi_inf_3dhp/metric:train",), "test": ("mpi_inf_3dhp/metric:test",)}},
)
VARIANTS = (*common.VARIANTS, METRIC)


def get_config(variant: str = "") -> ConfigDict:
    """Returns the experiment."""
    config = common.base()
    config.model.frames = 81
    config.data.update({"frames": 81, "stride": 9})
    config.data.train = ("mpi_inf_3dhp/universal:train",)
    config.data.test = ("mpi_inf_3dhp/universal:test",)
    config.eval.protocol = "mpi_inf_3dhp"
    return apply(config, variant, VARIANTS, of=__name__)
