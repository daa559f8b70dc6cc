"""Reading videos: upright frames with their times, and one clear line for what cannot be read."""

import struct
import zlib

import cv2
import numpy as np
import pytest
import small_videos

from repose_jax.detectors.video import Video, is_video, open_video, videos_in
from repose_jax.lifting.sources import APART_S


def read(source, **settings):
    """The times, frames, and the video after its end."""
    with open_video(source, **settings) as video:
        pairs = list(video)
    return [time for time, _ in pairs], [frame for _, frame in pairs], video


def stamped(*times, size=(4, 6)):
    return iter([(time, lambda: np.zeros((*size, 3), np.uint8)) for time in times])


def test_frames_come_in_rgb_with_their_times(tmp_path):
    path = small_videos.write(tmp_path / "a.mp4", small_videos.frames(5))
    times, frames, video = read(path)
    np.testing.assert_allclose(times, [0, 0.04, 0.08, 0.12, 0.16])
    assert video.size == (64, 48)
    assert (video.frames_expected, video.fps_expected) == (5, 25)
    assert video.name == "a.mp4"
    assert video.warnings == video.assumptions == ()
    assert all(frame.dtype == np.uint8 for frame in frames)
    np.testing.assert_allclose(frames[0][4, 6], (220, 20, 20), atol=12)
    np.testing.assert_allclose([f[40, 50, 1] for f in frames], [20, 22, 24, 26, 28], atol=3)


def test_a_variable_rate_keeps_the_time_of_every_frame(tmp_path):
    times_ms = [0, 33, 66, 566, 600, 1600]
    path = small_videos.write(tmp_path / "a.mp4", small_videos.frames(6), times_ms)
    times, frames, video = read(path)
    np.testing.assert_allclose(times, np.array(times_ms) / 1000, atol=5e-4)
    np.testing.assert_allclose([f[40, 50, 1] for f in frames], 20 + 2 * np.arange(6), atol=3)
    assert video.warnings == ()


def test_frames_of_a_turned_phone_are_upright(tmp_path):
    path = small_videos.turn(small_videos.write(tmp_path / "a.mp4", small_videos.frames(2)))
    _, frames, video = read(path)
    assert video.size == (48, 64)
    assert frames[0].shape == (64, 48, 3)
    red = frames[0][..., 0].astype(int) - frames[0][..., 1] > 100
    ys, xs = np.nonzero(red)  # the upper left corner goes to the upper right
    assert ys.mean() < 16
    assert xs.mean() > 36


def test_frames_of_a_truncated_file_are_used_and_it_warns(tmp_path):
    path = small_videos.write(tmp_path / "cut.mp4", small_videos.frames(40, 320, 240))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    times, _, video = read(path)
    assert 5 < len(times) < 40
    assert np.all(np.diff(times) > 0)
    assert len(video.warnings) == 1
    assert "cut.mp4: its header promises 40 frames" in video.warnings[0]


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "empty (0 bytes)"), (b"not a video\n" * 50, "not a video that OpenCV can read")],
)
def test_a_file_that_is_no_video_is_an_error_of_one_line(tmp_path, capfd, content, message):
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="a.mp4") as error:
        open_video(path)
    assert message in str(error.value)
    assert capfd.readouterr().err == ""  # nor does OpenCV write beside it


def test_a_video_cut_before_its_index_is_an_error(tmp_path):
    path = small_videos.write(tmp_path / "a.mp4", small_videos.frames(5))
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"a\.mp4: (not a video|no frame)"):
        open_video(path)


def test_a_header_without_frames_is_an_error(tmp_path):
    path = small_videos.write(tmp_path / "a.mp4", small_videos.frames(5))
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"mdat") + 4])
    with pytest.raises(ValueError, match="no frame of it can be decoded"):
        open_video(path)


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.mp4: there is no such file"):
        open_video(tmp_path / "nothing.mp4")


@pytest.mark.parametrize("number", [-1, 97, 1 << 31])
def test_a_missing_camera_is_an_error(number, capfd):
    with pytest.raises((OSError, ValueError), match=f"camera {number}: "):
        open_video(number)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", ["a:b.mp4", "take%03d.mp4", "ärm 1.mp4"])
def test_names_are_no_patterns_or_addresses(tmp_path, name):
    assert len(read(small_videos.write(tmp_path / name, small_videos.frames(3)))[0]) == 3


def test_an_image_is_one_frame_in_rgb(tmp_path):
    image = small_videos.frames(1)[0]
    cv2.imwrite(str(tmp_path / "a.png"), image[..., ::-1])
    times, frames, video = read(tmp_path / "a.png")
    assert times == [0]
    np.testing.assert_array_equal(frames[0], image)
    assert video.assumptions == ()


def test_images_of_a_folder_come_by_number_at_an_assumed_rate(tmp_path):
    for number, image in zip([1, 2, 10, 11], small_videos.frames(4), strict=True):
        cv2.imwrite(str(tmp_path / f"a{number}.png"), image[..., ::-1])
    (tmp_path / "notes.txt").write_text("of the recording")
    times, frames, video = read(tmp_path)
    np.testing.assert_allclose(times, np.arange(4) / 30)
    assert [frame[-1, -1, 0] for frame in frames] == [20, 22, 24, 26]
    assert "30 frames per second were assumed" in video.assumptions[0]
    times, _, video = read(tmp_path, fps=50)
    np.testing.assert_allclose(times, np.arange(4) / 50)
    assert video.assumptions == ()


def test_photographs_of_a_folder_are_no_video(tmp_path):
    names = ["IMG_0412.jpg", "IMG_0981.jpg", "IMG_2040.jpg"]
    for name, image in zip(names, small_videos.frames(3), strict=True):
        cv2.imwrite(str(tmp_path / name), image)
    assert videos_in(tmp_path) == [tmp_path / name for name in names]
    with pytest.raises(ValueError, match="the 3 images are not the frames of one video"):
        open_video(tmp_path)
    frames = tmp_path / "frames"
    frames.mkdir()
    for number in (1, 2, 3):
        cv2.imwrite(str(frames / f"{number:04}.jpg"), small_videos.frames(1)[0])
    assert videos_in(frames) == []
    assert videos_in(tmp_path / "frames" / "0001.jpg") == []


def test_a_folder_without_images_and_a_broken_image_are_errors(tmp_path):
    with pytest.raises(ValueError, match="holds no images"):
        open_video(tmp_path)
    (tmp_path / "a.png").write_bytes(b"not an image")
    with pytest.raises(ValueError, match=r"a\.png: not an image"):
        open_video(tmp_path)


def test_an_image_of_too_many_pixels_is_an_error(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((1, 1, 3), np.uint8))
    data = bytearray((tmp_path / "a.png").read_bytes())
    data[16:24] = struct.pack(">II", 100_000, 100_000)  # width and height
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(ValueError, match=r"a\.png: not an image"):
        open_video(tmp_path / "a.png")


def test_a_rate_is_positive(tmp_path):
    with pytest.raises(ValueError, match="fps is 0"):
        open_video(tmp_path, fps=0)


def test_frames_after_a_change_of_size_are_left_out(tmp_path):
    for number, shape in enumerate([(8, 8, 3), (8, 8, 3), (8, 6, 3), (8, 8, 3)]):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.zeros(shape, np.uint8))
    times, _, video = read(tmp_path, fps=10)
    assert len(times) == 2
    assert "frame 2 (2.png) is of 6x8 px, those before it of 8x8" in video.warnings[0]


def test_a_repeated_time_is_put_between_its_neighbours():
    video = Video("a", stamped(5.0, 5.1, 5.1, 5.2, 5.3))
    np.testing.assert_allclose([t for t, _ in video], [0, 0.1, 0.15, 0.2, 0.3])
    assert "the times of 1 frames did not increase" in video.warnings[0]


def test_without_times_frames_follow_at_the_rate_of_the_header():
    video = Video("a", stamped(*[0.0] * 101), fps_expected=50.0)
    times = [t for t, _ in video]
    assert np.all(np.diff(times) > 0)
    assert times[-1] == pytest.approx(100 / 50, rel=0.01)


def test_times_that_start_again_continue_at_the_same_rate():
    video = Video("a", stamped(*np.arange(20) / 20, *np.arange(20) / 20))
    times = [t for t, _ in video]
    np.testing.assert_allclose(np.diff(times)[21:], 1 / 20)
    assert "20 frames" in video.warnings[0]


def test_frames_are_read_as_they_are_needed():
    read = []

    def source():
        for i in range(100):
            read.append(i)
            yield i / 10, lambda: np.zeros((4, 4, 3), np.uint8)

    with Video("a", source()) as video:
        assert len(read) == 1
        frames = iter(video)
        for _ in range(10):
            next(frames)
        assert len(read) == 10


def test_frames_that_come_too_soon_are_left_out_and_not_taken():
    taken = []

    def source():
        for time in (0.0, 0.01, 0.03, 0.5, 0.51, 0.52, 0.53, 0.54):
            yield time, lambda time=time: (taken.append(time), np.zeros((4, 4, 3), np.uint8))[1]

    video = Video("a", source(), frames_expected=8, fps_expected=10.0)
    assert [time for time, _ in video.frames(0.025)] == [0.0, 0.03, 0.5, 0.53]
    assert taken == [0.0, 0.03, 0.5, 0.53]
    sampled = list(Video("a", source()).sampled(0.025))
    assert [time for time, _ in sampled] == [0.0, 0.01, 0.03, 0.5, 0.51, 0.52, 0.53, 0.54]
    assert [time for time, frame in sampled if frame is not None] == [0.0, 0.03, 0.5, 0.53]
    assert not any("8 frames, 4 came" in warning for warning in video.warnings)


@pytest.mark.parametrize("digits", [3, 9], ids=["whole ms", "exact"])
@pytest.mark.parametrize(
    ("fps", "every"), [(24, 1), (30, 1), (45, 1), (48, 2), (50, 2), (60, 2), (90, 2), (240, 6)]
)
def test_of_every_usual_rate_the_same_share_of_frames_is_examined(fps, every, digits):
    times = [round(frame / fps, digits) for frame in range(4 * fps)]
    frame = np.zeros((4, 4, 3), np.uint8)
    video = Video("a", ((time, lambda: frame) for time in times))
    sampled = list(video.sampled(APART_S))
    assert [number for number, (_, found) in enumerate(sampled) if found is not None] == [
        *range(0, len(times), every)
    ]


def test_a_broken_frame_ends_a_video():
    frames = [np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4, 3), np.uint8), None, None]
    video = Video(
        "a",
        ((i / 10, lambda frame=frame: frame) for i, frame in enumerate(frames)),
        frames_expected=4,
        fps_expected=10.0,
    )
    assert len(list(video)) == 2
    assert "promises 4 frames, 2 came" in video.warnings[0]


def test_videos_are_known_by_name_and_folders_by_content(tmp_path):
    assert is_video("a.MP4")
    assert is_video("b.jpg")
    assert not is_video("c.json")
    assert not is_video(tmp_path)
    (tmp_path / "0.png").touch()
    assert is_video(tmp_path)
    (tmp_path / "0.json").touch()
    assert not is_video(tmp_path)
