"""From a video to the detections of its frames."""

import os

import cv2
import numpy as np
import pytest
import small_videos

from repose_jax.detectors.detect import Incomplete, detect
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


def test_in_frames_that_come_too_soon_nobody_is_looked_for(video):
    detector, calls = Brightness(), []
    found = detect(
        video,
        detector,
        apart_s=0.009,
        slow_motion=8,
        progress=lambda *call: calls.append(call[0]),
    )
    assert found.examined is not None
    assert found.examined.tolist() == [True, False, True, False, True, False, True]
    assert found.frame.tolist() == [2, 4, 4]
    np.testing.assert_allclose(found.keypoints[:, 3, 1], 20 + 2 * found.frame, atol=3)
    np.testing.assert_allclose(found.time_s, np.arange(7) * 0.005)
    assert (detector.frames, calls) == (4, [1, 2, 3, 4, 5, 6, 7])
    assert "People were looked for in 4 of 7 frames" in found.assumptions[0]
    assert detect(video, Brightness(), apart_s=0.04 - 1e-6).examined is None


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


def images(folder, count=4):
    folder.mkdir()
    for number, image in enumerate(small_videos.frames(count)):
        cv2.imwrite(str(folder / f"{number}.png"), image)
    return folder


def cut_png(path):
    path.write_bytes(path.read_bytes()[:-40])


def cut_jpeg(path):
    _, data = cv2.imencode(".jpg", small_videos.frames(1)[0])
    path.write_bytes(data.tobytes()[:-40])


def folder_of_that_name(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_bytes(b"a text"), "not an image that OpenCV can read"),
        (lambda path: path.write_bytes(b""), r"the file is empty \(0 bytes\); replace it"),
        (cut_png, "not an image that OpenCV can read, or cut off; replace it"),
        (cut_jpeg, "not an image that OpenCV can read, or cut off"),
        (folder_of_that_name, "the image cannot be read"),
    ],
    ids=["text", "empty", "cut png", "cut jpeg", "folder"],
)
def test_an_image_that_cannot_be_read_ends_a_folder_and_the_people_before_it_are_kept(
    tmp_path, capfd, damage, message
):
    folder = images(tmp_path / "images")
    damage(folder / "3.png")
    with pytest.raises(Incomplete, match=rf"3\.png: {message}") as error:
        detect(folder, Brightness())
    kept = error.value.found
    assert kept.frame.tolist() == [1, 2, 2]
    assert len(kept.time_s) == 3
    assert kept.warnings[0] == str(error.value)
    assert str(error.value).endswith("Detection ended there, after 3 frames.")
    assert capfd.readouterr().err == ""  # libpng and OpenCV write nothing beside the line


def test_an_image_that_is_removed_meanwhile_ends_a_folder(tmp_path):
    folder = images(tmp_path / "images", 12)

    def remove(*_):
        (folder / "11.png").unlink(missing_ok=True)

    with pytest.raises(Incomplete, match=r"11\.png: the image cannot be read") as error:
        detect(folder, Brightness(), progress=remove)
    assert len(error.value.found.time_s) == 11


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
def test_an_image_without_permission_ends_a_folder(tmp_path):
    folder = images(tmp_path / "images")
    (folder / "2.png").chmod(0)
    with pytest.raises(Incomplete, match=r"2\.png: the image cannot be read \(Permission denied"):
        detect(folder, Brightness())


def test_an_error_of_the_first_image_is_as_it_is(tmp_path):
    folder = images(tmp_path / "images")
    (folder / "0.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"0\.png: the file is empty") as error:
        detect(folder, Brightness())
    assert not isinstance(error.value, Incomplete)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RuntimeError("no memory\nat all"), "RuntimeError: no memory at all"),
        (MemoryError(), "MemoryError"),
    ],
    ids=str,
)
def test_any_error_amid_a_video_keeps_the_people_before_it(video, error, said):
    class Full(Brightness):
        def detect(self, frame, time_s=None):
            if self.frames == 5:
                raise error
            return super().detect(frame, time_s)

    said = rf"a\.mp4: {said}\. Detection ended there, after 5 frames\."
    with pytest.raises(Incomplete, match=said) as raised:
        detect(video, Full(), slow_motion=2)
    np.testing.assert_allclose(raised.value.found.time_s, np.arange(5) * 0.02)
    assert raised.value.found.frame.tolist() == [1, 2, 2, 4]


def test_a_video_of_nobody_has_no_rows(video):
    class Nobody(Brightness):
        def detect(self, frame, time_s=None):
            return Found(np.zeros((0, 17, 2)), np.zeros((0, 17)), np.zeros(0))

    found = detect(video, Nobody())
    assert found.keypoints.shape == (0, 17, 2)
    assert len(found.time_s) == 7
