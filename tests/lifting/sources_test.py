"""The 2D joints of a video or keypoint file, and what has no influence on them."""

import shutil

import cv2
import numpy as np
import pytest
import small_videos

from repose_jax.detectors import create
from repose_jax.detectors.detector import Found
from repose_jax.keypoints import read, store
from repose_jax.lifting import sources
from repose_jax.lifting.options import Options


class One:
    """Finds a person in every frame."""

    format = "human36m"
    warnings = ()

    def detect(self, frame, time_s=None):
        shape = np.random.default_rng(0).uniform(0, 40, (1, 17, 2))
        return Found(shape, np.ones((1, 17)), np.array([0.9]))


@pytest.fixture(autouse=True)
def detector(monkeypatch):
    monkeypatch.setattr(create, "create", lambda *_, **__: One())


@pytest.fixture
def video(tmp_path):
    return small_videos.write(tmp_path / "a.mp4", small_videos.frames(4))


def warnings(path, **options):
    (found,) = sources.detections_of(path, Options(**options))
    return found.warnings


@pytest.mark.parametrize(
    ("options", "ignored"),
    [
        ({"fps": 60, "joints": ("hip",)}, "a video: joints, fps."),
        ({"format": "coco17", "image_size": (64, 48)}, "a video: format, image_size."),
        ({"detector": "rtmpose", "people": "one"}, "the detector rtmpose: people."),
    ],
)
def test_what_has_no_influence_on_a_video_is_said(options, ignored, video):
    assert warnings(video, **options) == (f"Without influence on {ignored}",)


def test_what_has_influence_on_a_video_is_not_called_ignored(video, tmp_path):
    assert warnings(video, people="one", every_frame=True, slow_motion=2, fov=60) == ()
    frames = tmp_path / "frames"
    frames.mkdir()
    for number, image in enumerate(small_videos.frames(3)):
        cv2.imwrite(str(frames / f"{number}.png"), image)
    assert warnings(frames, fps=60) == ()


def test_what_has_no_influence_on_joints_is_said(video, tmp_path):
    (found,) = sources.detections_of(video, Options())
    result = tmp_path / "result"
    result.mkdir()
    store.write(result / store.NAME, found)
    assert warnings(result, people="one", every_frame=True, slow_motion=2) == (
        "Without influence on joints of an earlier result: every_frame, people, slow_motion.",
    )
    array = tmp_path / "array.npz"
    shutil.copy(result / store.NAME, array)
    assert warnings(result) == warnings(array) == ()


def test_the_frame_rate_of_an_earlier_result_can_be_corrected(video, tmp_path):
    (found,) = sources.detections_of(video, Options())
    store.write(tmp_path / store.NAME, found)
    (corrected,) = sources.detections_of(tmp_path / store.NAME, Options(fps=60))
    assert corrected.warnings == ()
    np.testing.assert_allclose(corrected.time_s, np.arange(4) / 60)
    assert not np.allclose(read.read(tmp_path / store.NAME)[0].time_s, corrected.time_s)
