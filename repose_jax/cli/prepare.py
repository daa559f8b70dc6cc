"""Prepare a dataset: read its files once and write the records that training reads.

    repose prepare human36m --source=h36m_sh_conf_cam_source_final.pkl
    repose prepare mpi_inf_3dhp --source=~/Downloads/mpi_inf_3dhp
    repose prepare cmu_mocap --source=~/Downloads/allasfamc.zip
    repose prepare bandai_namco --source=~/Downloads/data.zip
    repose prepare synthetic_motion

A dataset is prepared once for each config (motion capture: frame rate, number of views and seed).
An interrupted preparation resumes where it was. The table at the end gives the names of the splits
in a configuration, such as `human36m/2.5d:train`.
"""

import argparse
import sys

from repose_jax.data import prepare


def main(argv: list[str] | None = None) -> int:
    """Runs the command line; returns 0, or 2 if the data set could not be prepared."""
    parser = argparse.ArgumentParser(
        prog="repose prepare",
        description="Prepare a data set for training.",
        allow_abbrev=False,
    )
    parser.add_argument("name", choices=prepare.DATASETS, help="which data set")
    parser.add_argument("--source", help="the downloaded file, or the folder of the files")
    parser.add_argument(
        "--data_dir", help="where prepared data sets live (TFDS_DATA_DIR or ~/tensorflow_datasets)"
    )
    parser.add_argument("--config", help="which of its configs, where a data set has several")
    parser.add_argument("--overwrite", action="store_true", help="prepare it again if it is there")
    mocap = parser.add_argument_group("motion capture")
    mocap.add_argument("--fps", type=float, help="frames per second (30)")
    mocap.add_argument("--views", type=int, help="cameras for each motion (4)")
    mocap.add_argument("--seed", type=int, help="seed of all that is drawn (0)")
    args = vars(parser.parse_args(argv))
    overwrite = args.pop("overwrite")
    try:
        builder = prepare.builder(**args)
        written = prepare.write(builder, overwrite=overwrite)
    except (OSError, ValueError, ImportError) as error:
        message = " ".join(str(error).split())
        print(f"{parser.prog}: error: {message}", file=sys.stderr)
        return 2
    if written:
        print(f"Prepared: {builder.data_path}")
    else:
        print(f"Already prepared: {builder.data_path} (--overwrite prepares it again)")
    print(prepare.summary(builder))
    return 0
