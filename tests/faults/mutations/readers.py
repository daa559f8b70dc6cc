"""Every reader of files of strangers, with small valid files and the call of the commands."""

import dataclasses
import pathlib
from collections.abc import Callable

import small_human36m

from tests.faults.mutations import data, poses, runs


@dataclasses.dataclass(frozen=True)
class Reader:
    """A reader.

    Attributes:
        write: writes valid files to a new folder.
        read: reads the folder; raises AssertionError if it returns what it must not.
        alone: `read` takes the file that was changed, and not the folder.
        whole: an error names the folder: users give it, and did not make the files.
        share: of the tries, in comparison with others; slow readers get less.
    """

    write: Callable[[pathlib.Path], object]
    read: Callable[[pathlib.Path], object]
    alone: bool = False
    whole: bool = False
    share: float = 1.0


READERS = {
    "pickle": Reader(data.write_pickle, data.read_pickle, alone=True, share=1.5),
    "npz": Reader(data.write_npz, data.read_pickle, alone=True, share=1.5),
    "Human3.6M, MotionBERT (pickle)": Reader(
        small_human36m.write_motionbert, data.prepared("human36m")
    ),
    "Human3.6M, VideoPose3D (npz)": Reader(
        small_human36m.write_videopose3d, data.prepared("human36m")
    ),
    "MPI-INF-3DHP, S1 (mat, AVI)": Reader(data.write_release_train, data.prepared("mpi_inf_3dhp")),
    "MPI-INF-3DHP, TS1 (HDF5, JPEG)": Reader(
        data.write_release_test, data.prepared("mpi_inf_3dhp")
    ),
    "MPI-INF-3DHP, P-STMO (npz)": Reader(data.write_p_stmo, data.prepared("mpi_inf_3dhp")),
    "BVH": Reader(data.write_bvh, data.prepared("bvh_motion", views=0), share=1.5),
    "ASF and AMC": Reader(data.write_acclaim, data.prepared("bvh_motion", views=0), share=1.5),
    "CMU folder (ASF, AMC, CSV)": Reader(data.write_cmu, data.prepared("cmu_mocap", views=0)),
    "zip archive": Reader(
        data.write_zip, data.prepared("cmu_mocap", views=0), alone=True, share=1.5
    ),
    "BVH of Bandai Namco": Reader(
        data.write_bandai, data.prepared("bandai_namco", views=0), share=0.5
    ),
    "joint maps (TOML)": Reader(data.write_settings, data.read_settings, alone=True),
    "prepared data": Reader(data.write_prepared, data.read_prepared, whole=True),
    "prepared motions": Reader(data.write_motions, data.read_motions, whole=True, share=0.5),
    "prepared data, again": Reader(data.write_again, data.read_again, whole=True, share=0.5),
    "keypoints": Reader(poses.write_keypoints, poses.read_keypoints, alone=True, share=3),
    "keypoints, folder": Reader(poses.write_folder, poses.read_folder, whole=True),
    "keypoints.npz": Reader(poses.write_stored, poses.read_keypoints, alone=True),
    "keypoints, lifted": Reader(poses.write_to_lift, poses.read_to_lift, alone=True, share=0.5),
    "video": Reader(poses.write_video, poses.read_video, alone=True),
    "weights (safetensors)": Reader(runs.write_weights, runs.read_weights, alone=True),
    "PyTorch": Reader(runs.write_torch, runs.read_torch, alone=True),
    "checkpoint": Reader(runs.write_run, runs.read_run, whole=True, share=0.7),
    "config.json": Reader(runs.write_config, runs.read_config),
    "evaluation.json": Reader(runs.write_compared, runs.read_compared),
    "metrics.jsonl": Reader(runs.write_log, runs.read_log),
    "command line": Reader(runs.write_line, runs.read_line, alone=True),
    "cameras (TOML)": Reader(poses.write_camera, poses.read_camera, alone=True),
}
