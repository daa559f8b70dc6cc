import dataclasses
import functools
import importlib.util
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from repose_jax.evaluation.panels import Clip
from repose_jax.evaluation.pictures import animation, still
from repose_jax.skeleton import COCO17, HUMAN36M, MPI_INF_3DHP, SKELETONS

DOCS = Path(__file__).parents[2] / "docs"


def _clip(t: int = 6, **changes) -> Clip:
    """A wriggling pose in front of a camera."""
    rng = np.random.default_rng(0)
    target = rng.normal(0, 300, (t, 17, 3)).astype(np.float32) + np.float32([0, 0, 5000])
    fields = {
        "keypoints_2d": target[..., :2] / target[..., 2:] * 1000 + 500,
        "confidence": rng.uniform(0, 1, (t, 17)).astype(np.float32),
        "prediction": target + rng.normal(0, 40, target.shape).astype(np.float32),
        "image_size": (1000, 1002),
        "target": target,
        "visibility": rng.integers(-1, 2, (t, 17), np.int8),
    }
    return Clip(**(fields | changes))


def _ink(path: Path) -> float:
    """Share of the pixels that are clearly blue or orange."""
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    return float((np.ptp(pixels, axis=-1) > 80).mean())


def _colourful(image: Image.Image) -> np.ndarray:
    """Columns and rows of the clearly coloured pixels."""
    return np.argwhere(np.ptp(np.asarray(image.convert("RGB")).astype(int), axis=-1) > 80)


def test_mpjpe_is_relative_to_the_root():
    target = np.zeros((2, 17, 3))
    prediction = target + np.array([100.0, -20.0, 7.0])  # the same pose elsewhere
    prediction[1, 16] += [0, 30, 40]  # one joint of 17 is 50 mm off
    np.testing.assert_allclose(_clip(2, prediction=prediction, target=target).mpjpe, [0, 50 / 17])
    assert _clip(target=None).mpjpe is None


def test_a_still_has_a_column_for_each_frame(tmp_path):
    sizes = []
    for frames in ([0], [5, 1], None):
        still(tmp_path / "still.png", _clip(), frames=frames, title="title")
        sizes.append(Image.open(tmp_path / "still.png").size)
        assert _ink(tmp_path / "still.png") > 0.005
    assert sizes[0][1] == sizes[1][1] == sizes[2][1]
    panel = sizes[1][0] - sizes[0][0]
    assert sizes[2][0] - sizes[1][0] == pytest.approx(3 * panel, abs=2)  # five columns by default


def test_a_short_clip_has_fewer_columns_by_default(tmp_path):
    still(tmp_path / "default.png", _clip(2))
    still(tmp_path / "both.png", _clip(2), frames=[0, 1])
    assert (tmp_path / "default.png").read_bytes() == (tmp_path / "both.png").read_bytes()


def test_undetected_joints_are_not_drawn(tmp_path):
    clip = _clip(1)
    still(tmp_path / "all.png", dataclasses.replace(clip, confidence=np.ones((1, 17))))
    still(tmp_path / "none.png", dataclasses.replace(clip, confidence=np.zeros((1, 17))))
    still(tmp_path / "nan.png", dataclasses.replace(clip, keypoints_2d=np.full((1, 17, 2), np.nan)))
    assert _ink(tmp_path / "all.png") > _ink(tmp_path / "none.png")
    assert (tmp_path / "none.png").read_bytes() == (tmp_path / "nan.png").read_bytes()


def test_only_occluded_joints_are_hollow(tmp_path):
    clip = _clip(1)
    pictures = {}
    for name, value in (("unknown", -1), ("occluded", 0), ("visible", 1)):
        seen = np.full((1, 17), value, np.int8)
        still(tmp_path / f"{name}.png", dataclasses.replace(clip, visibility=seen))
        pictures[name] = (tmp_path / f"{name}.png").read_bytes()
    assert pictures["unknown"] == pictures["visible"]
    assert _ink(tmp_path / "occluded.png") < _ink(tmp_path / "visible.png")


def test_the_left_hand_is_blue_and_right_in_the_picture_of_a_person_who_faces_the_camera(tmp_path):
    pose = np.zeros((1, 17, 3))
    pose[0, 13, 0], pose[0, 16, 0] = 500, -500  # wrists; the camera's x points right
    clip = _clip(1, prediction=pose, target=None, confidence=np.zeros((1, 17)))
    still(tmp_path / "hands.png", clip)
    image = np.asarray(Image.open(tmp_path / "hands.png").convert("RGB")).astype(int)
    image = image[: int(0.9 * len(image))]  # without the legend
    blue = np.argwhere(image[..., 2] - image[..., 0] > 120)[:, 1]
    orange = np.argwhere(image[..., 0] - image[..., 2] > 120)[:, 1]
    assert blue.max() > orange.max()
    assert orange.min() < blue.min()


@pytest.mark.parametrize(("target", "visibility"), [(True, False), (False, True), (False, False)])
def test_pictures_without_truth_or_visibility(tmp_path, target, visibility):
    clip = _clip(3)
    clip = dataclasses.replace(
        clip,
        target=clip.target if target else None,
        visibility=clip.visibility if visibility else None,
    )
    still(tmp_path / "still.png", clip)
    animation(tmp_path / "animation.gif", clip, fps=25)
    assert _ink(tmp_path / "still.png") > 0.005
    assert Image.open(tmp_path / "animation.gif").n_frames == 3


def test_hypotheses_are_drawn_in_both_views_of_a_still_and_in_an_animation(tmp_path):
    clip = _clip(1)
    apart = np.random.default_rng(1).normal(0, 60, (1, 8, 17, 3))
    with_some = dataclasses.replace(clip, hypotheses=clip.prediction[:, None] + apart)
    for name, draw in (("still.png", still), ("moving.gif", functools.partial(animation, fps=25))):
        ink = []
        for one in (clip, with_some):
            draw(tmp_path / name, one)
            ink.append(_ink(tmp_path / name))
        assert ink[1] > 1.1 * ink[0]


def test_other_skeletons_with_a_root(tmp_path):
    still(tmp_path / "mpi.png", _clip(1, skeleton=MPI_INF_3DHP))
    assert _ink(tmp_path / "mpi.png") > 0.005


def test_a_gif_keeps_frames_and_time_and_repeats(tmp_path):
    animation(tmp_path / "walk.gif", _clip(10), fps=30, title="walk")
    gif = Image.open(tmp_path / "walk.gif")
    durations = []
    for frame in range(gif.n_frames):
        gif.seek(frame)
        durations.append(gif.info["duration"])
    assert len(durations) == 10
    assert set(durations) == {30, 40}  # a GIF counts in hundredths of a second
    assert sum(durations) == pytest.approx(10 * 1000 / 30, abs=5)
    assert gif.info["loop"] == 0


@pytest.mark.parametrize(("frames", "fps", "shown"), [(10, 50, 5), (9, 60, 5), (62, 25, 31)])
def test_a_long_or_fast_clip_leaves_out_frames_but_not_time(tmp_path, frames, fps, shown):
    animation(tmp_path / "long.gif", _clip(frames), fps=fps)
    gif = Image.open(tmp_path / "long.gif")
    assert gif.n_frames == shown
    step = -(-frames // shown)
    gif.seek(1)
    assert gif.info["duration"] == pytest.approx(1000 * step / fps, abs=10)


def test_an_animation_moves(tmp_path):
    animation(tmp_path / "moves.gif", _clip(2), fps=10)
    gif = Image.open(tmp_path / "moves.gif")
    first = _colourful(gif)
    gif.seek(1)
    assert not np.array_equal(first, _colourful(gif))


def test_results_with_names_have_rows_of_their_own(tmp_path):
    clip = _clip(2)
    sizes = []
    for results in (clip, {"one": clip, "other": clip}):
        still(tmp_path / "still.png", results)
        animation(tmp_path / "moves.gif", results, fps=25)
        sizes.append([Image.open(tmp_path / name).size[1] for name in ("still.png", "moves.gif")])
    panel = 2.1 / 0.8 + 0.08  # inches
    rows = (np.subtract(*sizes[::-1]) / (panel * np.array([120, 80]))).round(2)
    np.testing.assert_array_equal(rows, [2, 1])


def test_the_error_of_each_result_is_its_own(tmp_path, monkeypatch):
    clip = _clip(1, prediction=np.zeros((1, 17, 3)), target=np.zeros((1, 17, 3)))
    moved = clip.prediction.copy()
    moved[0, 16] = [0, 0, 17 * 42]
    texts = []
    monkeypatch.setattr(
        Figure, "savefig", lambda self, *_, **__: texts.extend(map(_texts, self.axes))
    )
    both = {"exact": clip, "off": dataclasses.replace(clip, prediction=moved)}
    still(tmp_path / "still.png", both, frames=[0])
    assert texts == [
        {"2D input", "frame 0"},
        {"exact, MPJPE 0 mm\ncamera view", "0 mm", "grid 0.5 m"},
        {"exact, MPJPE 0 mm\nside view", "◂ camera"},
        {"off, MPJPE 42 mm\ncamera view", "42 mm"},
        {"off, MPJPE 42 mm\nside view"},
    ]


def _texts(axes: Axes) -> set[str]:
    found = {axes.get_title(), axes.get_ylabel(), *(text.get_text() for text in axes.texts)}
    return found - {""}


@pytest.mark.parametrize("frames", [[], [6], [-1]])
def test_frames_outside_the_clip_are_refused(tmp_path, frames):
    with pytest.raises(ValueError, match=r"frames must lie in \[0, 6\)"):
        still(tmp_path / "x.png", _clip(), frames=frames)


def test_a_rate_that_is_not_positive_is_refused(tmp_path):
    with pytest.raises(ValueError, match="fps must be positive, found 0"):
        animation(tmp_path / "x.gif", _clip(), fps=0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"confidence": np.ones((5, 17))}, r"confidence must be \(6, 17\).*found \(5, 17\)"),
        ({"target": np.full((6, 17, 3), np.nan)}, "target holds values that are not finite"),
        ({"skeleton": COCO17}, "'coco17' has no root"),
        ({"hypotheses": np.zeros((6, 2, 17))}, r"hypotheses must be \(6, 2, 17, 3\)"),
        ({"prediction": np.zeros((6, 16, 3))}, r"prediction must be \(6, 17, 3\)"),
    ],
)
def test_clips_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        _clip(**changes)


@pytest.fixture(scope="module")
def draw_skeletons():
    spec = importlib.util.spec_from_file_location("draw_skeletons", DOCS / "draw_skeletons.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=SKELETONS)
def test_a_drawing_numbers_and_names_every_joint_at_its_own_place(skeleton, draw_skeletons):
    figure = draw_skeletons.draw_skeleton(skeleton)
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts] == [str(j) for j in range(skeleton.size)]
    assert {*skeleton.joints, skeleton.name} <= {text.get_text() for text in figure.texts}
    places = np.array([text.get_position() for text in axes.texts])
    gaps = np.linalg.norm(places[:, None] - places[None], axis=-1) + 10 * np.eye(skeleton.size)
    assert gaps.min() > 0.35  # numbers do not touch
    np.testing.assert_allclose(places[list(skeleton.flip)], places * [-1, 1])


def test_the_page_of_skeletons_is_up_to_date(draw_skeletons):
    found = (DOCS / "skeletons.md").read_text(encoding="utf-8")
    assert found == draw_skeletons.page(), "run python docs/draw_skeletons.py"


@pytest.mark.parametrize("name", SKELETONS)
def test_the_page_shows_every_skeleton(name):
    path = DOCS / "images" / f"skeleton_{name}.png"
    assert f"images/{path.name}" in (DOCS / "skeletons.md").read_text(encoding="utf-8")
    assert path.stat().st_size < 100_000
    assert Image.open(path).size == (660, 600)


def test_human36m_is_the_default():
    assert _clip().skeleton is HUMAN36M
