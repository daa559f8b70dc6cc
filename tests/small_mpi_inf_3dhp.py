"""Small files in every layout of MPI-INF-3DHP, of a person who walks and waves."""

import pathlib
import struct
import zlib
from typing import Any

import h5py
import numpy as np
import scipy.io

CAMERAS = (0, 1, 2, 4, 5, 6, 7, 8)
FRAMES = 12
HEIGHT = 1.05  # size of the person relative to the universal one

# The joints of the training set and their positions, in mm from the pelvis: right, down and away in
# the image of camera 0. The person faces it, so the left is on the right.
BODY = {
    "spine3": (0, -330, 5),
    "spine4": (0, -420, 10),
    "spine2": (0, -220, 0),
    "spine": (0, -120, -5),
    "pelvis": (0, 0, 0),
    "neck": (0, -500, 15),
    "head": (0, -600, 0),
    "head_top": (0, -720, 5),
    "left_clavicle": (40, -480, 10),
    "left_shoulder": (170, -470, 20),
    "left_elbow": (260, -220, 40),
    "left_wrist": (300, 10, -30),
    "left_hand": (310, 90, -40),
    "right_clavicle": (-40, -480, 10),
    "right_shoulder": (-170, -470, 20),
    "right_elbow": (-270, -230, 50),
    "right_wrist": (-310, 20, -60),
    "right_hand": (-320, 100, -70),
    "left_hip": (100, 20, 0),
    "left_knee": (110, 430, -60),
    "left_ankle": (120, 830, 20),
    "left_foot": (130, 880, -60),
    "left_toe": (130, 890, -110),
    "right_hip": (-100, 20, 0),
    "right_knee": (-115, 430, 30),
    "right_ankle": (-125, 830, 60),
    "right_foot": (-135, 880, -20),
    "right_toe": (-135, 890, -70),
}
# The joints of the test set and of P-STMO's archives, in their order.
JOINTS = (
    "head_top", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder",
    "left_elbow", "left_wrist", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee",
    "left_ankle", "pelvis", "spine", "head",
)  # fmt: skip
# The same joints in the order of the records.
RECORDED = (
    "pelvis", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle",
    "spine", "neck", "head", "head_top", "left_shoulder", "left_elbow", "left_wrist",
    "right_shoulder", "right_elbow", "right_wrist",
)  # fmt: skip


def intrinsics(name: str) -> np.ndarray:
    """The camera of a sequence; the same for all in the studio."""
    if name in ("TS5", "TS6"):
        return np.array([[1683.0, 0, 940], [0, 1672, 560], [0, 0, 1]])
    return np.array([[1497.5, 0, 1024], [0, 1497, 1051], [0, 0, 1]])


def extrinsics(camera: int) -> np.ndarray:
    """`[4, 4]`, mm: around the room, upright; camera 0 looks along -Z."""
    cos, sin = np.cos(0.7 * camera), np.sin(0.7 * camera)
    rotation = np.array([[cos, 0, sin], [0, -1, 0], [sin, 0, -cos]])
    return np.block([[rotation, np.array([[0.0], [1400], [3500]])], [np.zeros((1, 3)), 1]])


def joints(
    name: str, which: tuple[str, ...], camera: int = 0, frames: int = FRAMES, metric: bool = True
) -> np.ndarray:
    """`[frames, joints, 3]`, mm, camera space."""
    body = np.array([BODY[joint] for joint in which], float)
    time = np.arange(frames)[:, None, None] / 8
    phases = [zlib.crc32(f"{name}{joint}".encode()) % 628 / 100 for joint in which]
    wave = 40 * np.sin(time + np.array(phases)[:, None] + [0, 2, 4])
    body = body + wave * np.array([[joint != "pelvis"] for joint in which])
    pelvis = np.concatenate(
        [700 * np.sin(time + len(name)), 450 + 50 * np.sin(2 * time), 600 * np.cos(time)], 2
    )
    # These are as camera 0 sees them, around the middle of the room.
    first, other = extrinsics(0), extrinsics(camera)
    turn = other[:3, :3] @ first[:3, :3].T
    pelvis = (pelvis + np.array([0, 0, 3500]) - first[:3, 3]) @ turn.T + other[:3, 3]
    return pelvis + body @ turn.T / (1 if metric else HEIGHT)


def keypoints(name: str, which: tuple[str, ...], camera: int = 0, frames: int = FRAMES) -> Any:
    """`[frames, joints, 2]`, px, exact."""
    seen = joints(name, which, camera, frames) @ intrinsics(name).T
    return seen[..., :2] / seen[..., 2:]


def annot(name: str, frames: int = FRAMES) -> dict[str, Any]:
    """The variables of `annot.mat`."""
    variables: dict[str, Any] = {
        "cameras": np.arange(14, dtype=np.uint8)[None],
        "frames": np.arange(frames, dtype=np.uint16)[:, None],
    }
    names = tuple(BODY)
    for key in ("annot2", "annot3", "univ_annot3"):
        cells = np.empty((14, 1), object)
        for camera in range(14):
            if key == "annot2":
                value = keypoints(name, names, camera, frames)
            else:
                value = joints(name, names, camera, frames, key == "annot3")
            cells[camera, 0] = value.reshape(frames, -1).astype(np.float32)
        variables[key] = cells
    return variables


def calibration(changes: dict[str, str] | None = None) -> str:
    """The text of `camera.calibration`; `changes` replace fields of camera 0."""
    text = "Skeletool Camera Calibration File V1.0\n"
    matrix = np.eye(4)
    for camera in range(14):
        matrix[:3, :3] = intrinsics("S1/Seq1")
        fields = {
            "sensor": "10 10",
            "size": "2048 2048",
            "animated": "0",
            "intrinsic": " ".join(f"{n:.7g}" for n in matrix.ravel()) + " ",
            "extrinsic": " ".join(f"{n:.7g}" for n in extrinsics(camera).ravel()) + " ",
            "radial": "0",
        } | ((changes or {}) if camera == 0 else {})
        text += f"name          {camera}\n"
        text += "".join(f"  {key:<11} {value}\n" for key, value in fields.items())
    return text


def avi(frames: int, rate: int = 25, scale: int = 1) -> bytes:
    """The header of a video, with nothing after it."""
    kind = struct.pack("<4s4sI2HI", b"vids", b"H264", 0, 0, 0, 0)
    clock = struct.pack("<4I", scale, rate, 0, frames)
    stream = kind + clock + struct.pack("<3I4H", 0, 0, 0, 0, 0, 2048, 2048)
    strl = b"strlstrh" + struct.pack("<I", len(stream)) + stream
    main = struct.pack("<I", 1_000_000 * scale // rate) + bytes(52)
    hdrl = b"hdrlavih" + struct.pack("<I", len(main)) + main
    hdrl += b"LIST" + struct.pack("<I", len(strl)) + strl
    body = b"AVI LIST" + struct.pack("<I", len(hdrl)) + hdrl
    return b"RIFF" + struct.pack("<I", len(body)) + body


def write_train(source: pathlib.Path, name: str = "S1/Seq1", frames: int = FRAMES) -> pathlib.Path:
    """Writes a sequence of the release; returns its folder."""
    folder = source / name
    folder.mkdir(parents=True)
    scipy.io.savemat(folder / "annot.mat", annot(name, frames), do_compression=True)
    (folder / "camera.calibration").write_text(calibration())
    return folder


def valid(frames: int = FRAMES) -> np.ndarray:
    """Every third frame does not count."""
    return (np.arange(frames) % 3 != 2).astype(float)


def activity(frames: int = FRAMES) -> np.ndarray:
    """One activity after the other."""
    return (np.arange(frames) * 7 // frames + 1).astype(float)


def annot_data(name: str, frames: int = FRAMES) -> dict[str, np.ndarray]:
    """The arrays of `annot_data.mat`."""
    return {
        "annot2": keypoints(name, JOINTS, frames=frames)[:, None],
        "annot3": joints(name, JOINTS, frames=frames)[:, None],
        "univ_annot3": joints(name, JOINTS, frames=frames, metric=False)[:, None],
        "valid_frame": valid(frames)[:, None],
        "activity_annotation": activity(frames)[:, None],
    }


def write_hdf5(path: pathlib.Path, arrays: dict[str, Any]) -> None:
    """Writes a MATLAB file of version 7.3 as MATLAB does: a header, then HDF5."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for key, value in arrays.items():
            compressed = {"compression": "gzip"} if np.ndim(value) > 2 else {}
            file.create_dataset(key, data=value, **compressed)
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(512))


def write_test(source: pathlib.Path, name: str = "TS1", frames: int = FRAMES) -> pathlib.Path:
    """Writes a sequence of the release; returns its folder."""
    folder = source / name
    folder.mkdir(parents=True)
    write_hdf5(folder / "annot_data.mat", annot_data(name, frames))
    return folder


def archive_train(names: tuple[str, ...] = ("S1/Seq1",), frames: int = FRAMES) -> dict[str, Any]:
    """The content of `data_train_3dhp.npz`."""
    return {
        name.replace("/", " "): [
            {
                str(camera): {
                    "data_2d": keypoints(name, JOINTS, camera, frames).astype(np.float32),
                    "data_3d": joints(name, JOINTS, camera, frames, False).astype(np.float32),
                }
                for camera in CAMERAS
            },
            25,
        ]
        for name in names
    }


def archive_test(names: tuple[str, ...] = ("TS1",), frames: int = FRAMES) -> dict[str, Any]:
    """The content of `data_test_3dhp.npz`."""
    return {
        name: {
            "data_2d": keypoints(name, JOINTS, frames=frames),
            "data_3d": joints(name, JOINTS, frames=frames, metric=False),
            "valid": valid(frames),
        }
        for name in names
    }


def write_archive(path: pathlib.Path, data: Any) -> pathlib.Path:
    """Writes an archive as P-STMO does."""
    np.savez_compressed(path, data=data)
    return path
