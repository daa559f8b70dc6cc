"""preview.mp4: sizes, times, pictures, and that only complete files appear."""

import dataclasses
import sys

import numpy as np
import pytest
from small_motion import small_motion, with_hypotheses

from repose_jax.motion import preview

av = pytest.importorskip("av")
MOTION = small_motion(people=2, frames=12)


def frames(motion, size=(320, 180), colour=(200, 40, 40)):
    for time in motion.time_s:
        yield float(time), np.full((size[1], size[0], 3), colour, np.uint8)


def read(path):
    """Returns times, s, and `[t, h, w, 3]` RGB of a video."""
    with av.open(str(path)) as video:
        stream = video.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        found = [(frame.time, frame.to_ndarray(format="rgb24")) for frame in video.decode(video=0)]
    return np.array([time for time, _ in found]), np.stack([picture for _, picture in found])


def with_image(motion, size):
    camera = dataclasses.replace(motion.camera, image_size=size)
    return dataclasses.replace(motion, camera=camera)


def test_keeps_the_times_of_a_variable_frame_rate(tmp_path):
    time = np.cumsum([0.02, 1 / 29.97, 0.5, 1 / 240, *[0.04] * 8])
    motion = dataclasses.replace(MOTION, time_s=time)
    preview.write(tmp_path / "preview.mp4", motion, frames(motion))
    found, _ = read(tmp_path / "preview.mp4")
    np.testing.assert_allclose(found, time, atol=1e-4)


@pytest.mark.parametrize(("fps", "every"), [(31.0, 1), (50.0, 2), (59.94, 2), (120.0, 4)])
def test_has_every_second_frame_or_third_of_a_fast_video(fps, every, tmp_path):
    motion = small_motion(people=1, frames=13, fps=fps)
    preview.write(tmp_path / "preview.mp4", motion)
    found, _ = read(tmp_path / "preview.mp4")
    np.testing.assert_allclose(found, motion.time_s[::every], atol=1e-4)


@pytest.mark.parametrize("size", [(1920, 1080), (1080, 1920), (321, 239), (2600, 500), (640, 640)])
def test_has_even_sizes_of_at_most_960_px(size, tmp_path):
    motion = with_image(MOTION, size)
    preview.write(tmp_path / "preview.mp4", motion, list(frames(motion, size))[:2])
    _, pictures = read(tmp_path / "preview.mp4")
    _, height, width, _ = pictures.shape
    assert height % 2 == width % 2 == 0
    assert 400 < height <= 960
    assert width <= 1700


def test_shows_the_frame_with_joints_beside_the_floor(tmp_path):
    preview.write(tmp_path / "preview.mp4", MOTION, frames(MOTION))
    _, pictures = read(tmp_path / "preview.mp4")
    video, panel = pictures[4, :, :-540], pictures[4, :, -540:]
    red = np.abs(video.astype(int) - [200, 40, 40]).max(-1) < 25
    assert 0.8 < red.mean() < 0.999
    blue = (panel[..., 2].astype(int) - panel[..., 0]) > 60
    orange = (panel[..., 0].astype(int) - panel[..., 2]) > 60
    assert min(blue.mean(), orange.mean()) > 0.002
    assert (panel.min(-1) > 180).mean() > 0.7


def test_draws_the_joints_where_they_were_detected(tmp_path):
    motion = small_motion(people=1, frames=1)
    preview.write(tmp_path / "preview.mp4", motion, frames(motion, (1280, 720)))
    _, pictures = read(tmp_path / "preview.mp4")
    x, y = motion.people[0].keypoints_px[0, 3, :2] * 540 / 720
    near = pictures[0, round(y) - 2 : round(y) + 3, round(x) - 2 : round(x) + 3]
    assert near.max(axis=(0, 1)).min() > 180  # the white dot of a joint


def test_hypotheses_are_thin_lines_over_the_person(tmp_path):
    panels = []
    for motion in (small_motion(1, 1), with_hypotheses(small_motion(1, 1))):
        preview.write(tmp_path / "preview.mp4", motion)
        _, pictures = read(tmp_path / "preview.mp4")
        panels.append(pictures[0, :, -540:].astype(int))
    changed = np.abs(panels[1] - panels[0]).max(-1) > 20
    assert 0.002 < changed.mean() < 0.05
    assert (panels[1][changed].mean(-1) < panels[0][changed].mean(-1)).mean() > 0.8


def test_the_point_of_view_turns(tmp_path):
    motion = small_motion(people=1, frames=2, fps=0.25)
    still = dataclasses.replace(
        motion.people[0], joints_mm=motion.people[0].joints_mm[:1].repeat(2, axis=0)
    )
    path = tmp_path / "preview.mp4"
    preview.write(path, dataclasses.replace(motion, people=(still,)))
    _, pictures = read(path)
    panels = pictures[:, :, -540:].astype(float)
    assert np.abs(panels[0] - panels[-1]).mean() > 1


@pytest.mark.parametrize("people", [0, 1])
def test_draws_keypoints_without_a_video_on_a_plain_background(people, tmp_path):
    motion = small_motion(people, frames=4)
    preview.write(tmp_path / "preview.mp4", motion)
    times, pictures = read(tmp_path / "preview.mp4")
    np.testing.assert_allclose(times, motion.time_s, atol=1e-4)
    assert pictures[0, 5, 5].max() < 60


def test_says_how_many_frames_are_drawn(tmp_path):
    seen = []
    motion = small_motion(people=1, frames=5)
    preview.write(tmp_path / "x.mp4", motion, progress=lambda *now: seen.append(now))
    assert seen == [(n, 5) for n in range(1, 6)]


def test_an_interrupted_preview_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "preview.mp4"
    path.write_text("old")

    def broken():
        yield from list(frames(MOTION))[:3]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        preview.write(path, MOTION, broken())
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_video_without_frames_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="no frame"):
        preview.write(tmp_path / "preview.mp4", MOTION, iter(()))
    assert list(tmp_path.iterdir()) == []


def test_reads_no_frame_ahead(tmp_path, monkeypatch):
    asked = []

    def counted():
        for number, item in enumerate(frames(MOTION)):
            asked.append(number)
            yield item

    drawn = []
    original = preview.drawing.draw_3d

    def draw(*arguments):
        drawn.append(len(asked))
        original(*arguments)

    monkeypatch.setattr(preview.drawing, "draw_3d", draw)
    preview.write(tmp_path / "preview.mp4", MOTION, counted())
    assert drawn == list(range(1, 13))


@pytest.mark.parametrize("package", ["av", "cv2"])
def test_a_missing_package_names_the_extra(package, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=r"repose-jax\[preview\]"):
        preview.write(tmp_path / "preview.mp4", MOTION, frames(MOTION))
