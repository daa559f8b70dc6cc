"""Files of 2D joints, videos and cameras, and how the commands read them."""

import pathlib

import numpy as np
import small_keypoints
import small_videos
import small_weights

from tests.keypoints import read_test
from tests.lifting import camera_test


def finite(*arrays: np.ndarray) -> None:
    assert all(np.isfinite(array).all() for array in arrays), "values that are not finite"


def write_keypoints(folder: pathlib.Path) -> None:
    small = small_keypoints
    small.write_json(folder / "alphapose.json", small.alphapose())
    small.write_json(folder / "openpose.json", small.openpose("openpose_body25b", 0))
    small.write_json(folder / "mmpose.json", small.mmpose_video("coco17", 4))
    (folder / "deeplabcut.csv").write_text(small.deeplabcut(["nose", "left_hip", "right_hip"]))
    markers = {"Nose": "nose", "LHip": "left_hip", "RHip": "right_hip", "Neck": "neck"}
    (folder / "clip_px_person00.trc").write_text(small.trc(markers))
    small.videopose3d(folder / "videopose3d.npz", 4)
    np.save(folder / "array.npy", small.points("coco17", 4))
    np.savetxt(folder / "array.txt", small.points("halpe26", 4).reshape(4, -1))
    (folder / "yolo.txt").write_text(small.yolo_label(0, 2, (0.75, 7)))
    small.write_json(folder / "yolo.json", [small.yolo_people(t) for t in range(4)])
    for path in read_test.mediapipe_files(folder):
        assert path.exists()


def check_detections(found) -> None:
    for detections in found:
        seen = detections.confidence > 0
        finite(detections.keypoints[seen], detections.confidence, detections.time_s)
        assert np.abs(detections.keypoints[seen]).max(initial=0) <= 100_000
        assert len(detections.time_s) < 10_000, "many frames of a small file"


def read_keypoints(path: pathlib.Path) -> None:
    from repose_jax.keypoints import read

    check_detections(read.read(path, image_size=small_keypoints.SIZE))


def write_folder(folder: pathlib.Path) -> None:
    small_keypoints.openpose_folder(folder, "openpose_body25b", 4)


def read_folder(folder: pathlib.Path) -> None:
    from repose_jax.keypoints import read

    check_detections(read.read(folder))


def write_stored(folder: pathlib.Path) -> None:
    from repose_jax.keypoints import read, store

    source = small_keypoints.write_json(folder / "a.json", small_keypoints.alphapose())
    store.write(folder / store.NAME, read.read(source, image_size=small_keypoints.SIZE)[0])
    source.unlink()


def write_to_lift(folder: pathlib.Path) -> None:
    small_weights.write(folder.with_name("small.safetensors"))
    entries = small_keypoints.alphapose(frames=20)
    small_keypoints.write_json(folder / "a.json", entries)


def read_to_lift(path: pathlib.Path) -> None:
    import repose_jax as rp

    weights = path.parent.with_name("small.safetensors")
    motion = rp.lift(path, weights=weights, image_size=small_keypoints.SIZE)
    for person in motion.people:
        finite(person.joints_mm, person.root_mm, person.time_s)


def write_video(folder: pathlib.Path) -> None:
    small_videos.write(folder / "a.mp4", small_videos.frames(12))


def read_video(path: pathlib.Path) -> None:
    from repose_jax.detectors import video

    with video.open_video(path) as opened:
        times = [time for time, _ in opened]
    finite(np.array(times))
    assert (np.diff(times) > 0).all()


def write_camera(folder: pathlib.Path) -> None:
    text = camera_test.table() + camera_test.table(name="cam_02", size=(1280, 720), focal=1000.0)
    (folder / "cameras.toml").write_text(text)


def read_camera(path: pathlib.Path) -> None:
    from repose_jax.lifting.camera import camera, undistorted

    for size in ((1920, 1080), (1280, 720)):
        found = camera(size, file=f"{path}:cam_01")
        finite(np.array(found.focal_px), found.centre_px)
        undistorted(np.array([[0.0, 0], size]), found)
