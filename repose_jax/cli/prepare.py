"""Prepare a dataset: read its files once and write the records that training reads.

    repose prepare human36m --source=h36m_sh_conf_cam_source_final.pkl
    repose prepare mpi_inf_3dhp --source=~/Downloads/mpi_inf_3dhp
    repose prepare cmu_mocap --source=~/Downloads/allasfamc.zip
    repose prepare bandai_namco --source=~/Downloads/data.zip
    repose prepare bvh_motion --source=~/bvh --settings=bvh.toml --views=0
    repose prepare synthetic_motion

A dataset is prepared once for each of its configs (motion capture: frame rate, number of views and
seed). An interrupted preparation resumes. The table at the end has the names of the splits in a
configuration, such as `human36m/2.5d:train`.
"""

import argparse

from repose_jax.cli.arguments import Parser
from repose_jax.data import prepare


def add_arguments(parser: Parser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("name", choices=prepare.DATASETS, metavar="DATASET", help="its name")
    parser.add_argument(
        "--source",
        action="append",
        help="the downloaded file, or the folder of the files; bvh_motion takes several",
    )
    parser.add_argument(
        "--data_dir",
        help="folder of the prepared datasets (default: TFDS_DATA_DIR or ~/tensorflow_datasets)",
    )
    parser.add_argument("--config", help="name of one of its configs, if it has several")
    parser.add_argument("--overwrite", action="store_true", help="prepare it again if it is there")
    mocap = parser.add_argument_group("motion capture")
    mocap.add_argument(
        "--fps", type=float, help="frames per second (default: 30, and 60 with --views=0)"
    )
    mocap.add_argument(
        "--views",
        type=int,
        help="cameras for each motion (default: 4); 0: the motions themselves, without cameras",
    )
    mocap.add_argument("--seed", type=int, help="seed of everything random (default: 0)")
    mocap.add_argument(
        "--skip-bad",
        action="store_true",
        default=None,
        help="leave out and list bad files, as long as they are at most a tenth of a split, or one",
    )
    files = parser.add_argument_group("bvh_motion")
    files.add_argument("--settings", help="TOML file of splits, frame rates and joint maps")
    files.add_argument("--label", help="beginning of the config's name (default: the settings')")


def run(args: argparse.Namespace) -> None:
    """Runs the command."""
    keys = ("config", "fps", "views", "seed", "label", "settings", "skip_bad")
    options = {key: getattr(args, key) for key in keys}
    builder = prepare.builder(args.name, args.source, args.data_dir, **options)
    if prepare.write(builder, overwrite=args.overwrite):
        print(f"Prepared: {builder.data_path}")
        for fault in getattr(builder, "left_out", ()):
            print(f"Left out: {fault}")
    else:
        print(f"Already prepared: {builder.data_path} (--overwrite prepares it again)")
    print(prepare.summary(builder))
