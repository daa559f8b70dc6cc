"""The paper's Table 3, on MPI-INF-3DHP: computed costs beside the published results.

    python -m benchmarks.mpi_inf_3dhp --json=benchmarks/results/mpi_inf_3dhp.json

Parameters and multiply-adds are counted here, from the computation of a clip of each system's
number of frames without mirrored clips, which double it. A clip of a lifter of the centre of a
window is one pose. Of D3DP, a hypothesis is one pass for each of the 10 steps, a clip is 20
hypotheses; others have one. PCK, AUC and MPJPE are the authors': the dataset is licensed, and no
system was evaluated here.
"""

import pathlib
from typing import Any, NamedTuple

import configs
from benchmarks import runs
from repose_jax import config, models
from repose_jax.cli.arguments import Parser
from repose_jax.evaluation import tables
from repose_jax.models import complexity


class System(NamedTuple):
    """A row.

    Attributes:
        recipe: the configuration whose model it is.
        published: PCK and AUC in percent, MPJPE in mm; the authors' figures.
        frames: of the model, where they are not the recipe's.
        hypotheses: poses that are sampled for a clip.
        passes: of the network for each of them.
    """

    recipe: str
    published: tuple[float, float, float]
    frames: int | None = None
    hypotheses: int = 1
    passes: int = 1


SYSTEMS = {
    "VideoPose3D": System("videopose3d:81", (86.0, 51.9, 84.0)),
    "PoseFormer": System("poseformer", (88.6, 56.4, 77.1), frames=9),
    "MHFormer": System("mhformer:27", (93.8, 63.3, 58.0), frames=9),
    "MixSTE": System("mixste:27", (94.4, 66.5, 54.9)),
    "P-STMO-S": System("pstmo:81", (97.9, 75.8, 32.2)),
    "PoseFormerV2": System("poseformerv2:81", (97.9, 78.8, 27.8)),
    "STCFormer": System("stcformer:81", (98.7, 83.9, 23.1)),
    "D3DP": System("d3dp:3dhp", (97.7, 77.8, 30.2), hypotheses=20, passes=10),
    "MotionAGFormer-XS": System("motionagformer:3dhp,xs", (98.2, 83.5, 19.2)),
    "MotionAGFormer-S": System("motionagformer:3dhp,s", (98.3, 84.5, 17.1)),
    "MotionAGFormer-B": System("motionagformer:3dhp", (98.3, 84.2, 18.2)),
    "MotionAGFormer-L": System("motionagformer:3dhp,l", (98.2, 85.3, 16.2)),
    "RePOSE": System("mpi_inf_3dhp", (98.3, 86.7, 15.5)),
}
COLUMNS = {
    "frames": "{}",
    "parameters": "{:,}",
    "hypotheses": "{}",
    "GMACs per hypothesis": "{:,.2f}",
    "GMACs per clip": "{:,.2f}",
    "PCK ↑ (published)": 1,
    "AUC ↑ (published)": 1,
    "MPJPE ↓ (published)": 1,
}


def row(system: System) -> dict[str, Any]:
    """Returns the cells of a system by `COLUMNS`."""
    experiment = config.from_mapping(configs.load(system.recipe).to_dict())
    sizes = {**experiment.model, **({"frames": system.frames} if system.frames else {})}
    _, sizes_of = models.MODELS[sizes["name"]]
    window = sizes_of(**{key: value for key, value in sizes.items() if key != "name"}).frames
    counted = complexity.of_model(**sizes, clip_frames=min(experiment.data.frames, window))
    one = counted.macs * system.passes / 1e9
    costs = (window, counted.parameters, system.hypotheses, one, one * system.hypotheses)
    return dict(zip(COLUMNS, (*costs, *system.published), strict=True))


@runs.one_line
def main() -> None:
    """Prints the table."""
    parser = Parser(description=__doc__)
    parser.add_argument("--json", type=pathlib.Path, help="where to write the result")
    args = parser.parse_args()
    rows = {name: row(system) for name, system in SYSTEMS.items()}
    cells = {name: list(values.values()) for name, values in rows.items()}
    title = "MPI-INF-3DHP: costs counted here, results published by the authors"
    print(tables.markdown(tables.Table(title, tuple(COLUMNS), cells, tuple(COLUMNS.values()))))
    if args.json:
        runs.save(args.json, results=rows)


if __name__ == "__main__":
    main()
