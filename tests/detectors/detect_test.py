"""From a video to the detections of its frames."""

import cv2
import numpy as np
import pytest
import small_videos

from repose_jax.detectors.detect import detect
from repose_jax.detectors.detector import Found


class Brightness:
    """Finds as many people as frames were given before, modulo 3, where the frame is so bright."""

    format = "human36m"
    warnings = ("People are made of light.",)

    def __init__(self):
        self.frames = 0

    def detect(self, frame, time_s=None):
        people = self.frames % 3
        self.frames += 1
        value = float(frame[-1, -1, 1])
        return Found(
            np.full((people, 17, 2), value), np.full((people, 17), 0.5), np.full(people, 0.25)
        )


@pytest.fixture
def video(tmp_path):
    return small_videos.write(tmp_path / "a.mp4", small_videos.frames(7), [*range(0, 280, 40)])


def test_rows_are_of_the_frames_in_their_order(video):
    found = detect(video, Brightness())
    assert found.frame.tolist() == [1, 2, 2, 4, 5, 5]
    np.testing.assert_allclose(found.keypoints[:, 3, 1], 20 + 2 * found.frame, atol=3)
    assert np.all(found.confidence == 0.5)
    assert np.all(found.score == 0.25)
    assert np.all(found.identity == -1)
    np.testing.assert_allclose(found.time_s, np.arange(7) * 0.04)
    assert (found.image_size, found.name, found.format) == ((64, 48), "a.mp4", "human36m")
    assert found.warnings == Brightness.warnings


def test_slow_motion_divides_the_times(video):
    found = detect(video, Brightness(), slow_motion=8)
    np.testing.assert_allclose(found.time_s, np.arange(7) * 0.005)
    with pytest.raises(ValueError, match="slow motion is 0"):
        detect(video, Brightness(), slow_motion=0)


def test_progress_comes_after_each_frame(video):
    calls = []
    detect(video, Brightness(), progress=lambda *call: calls.append(call))
    assert [call[:2] for call in calls] == [(i, 7) for i in range(1, 8)]
    np.testing.assert_allclose([call[2] for call in calls], np.arange(7) * 0.04)


def test_an_error_of_the_detector_ends_the_reading(video):
    class Broken(Brightness):
        def detect(self, frame, time_s=None):
            raise ValueError("no weights")

    with pytest.raises(ValueError, match="no weights"):
        detect(video, Broken())


def test_an_error_of_the_reader_comes_through(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    cv2.imwrite(str(folder / "0.png"), small_videos.frames(1)[0])
    (folder / "1.png").write_bytes(b"broken")
    with pytest.raises(ValueError, match=r"1\.png: not an image"):
        detect(folder, Brightness())


def test_a_video_of_nobody_has_no_rows(video):
    class Nobody(Brightness):
        def detect(self, frame, time_s=None):
            return Found(np.zeros((0, 17, 2)), np.zeros((0, 17)), np.zeros(0))

    found = detect(video, Nobody())
    assert found.keypoints.shape == (0, 17, 2)
    assert len(found.time_s) == 7
