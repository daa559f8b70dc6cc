import math
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from repose_jax.evaluation import charts
from repose_jax.evaluation.panels import LEFT, MIDDLE, RIGHT
from repose_jax.skeleton import HUMAN36M


@pytest.fixture
def drawn(monkeypatch) -> list[Figure]:
    """The figures that are written."""
    figures = []
    save = Figure.savefig

    def savefig(figure, *args, **kwargs):
        figures.append(figure)
        save(figure, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", savefig)
    return figures


def record(step: int, split: str = "train", **values: float | None) -> charts.Record:
    return {"step": step, "split": split, **values}


RUN = [
    record(0, "mean_pose", mpjpe=150.0, pa_mpjpe=90.0),
    record(0, "untrained", mpjpe=300.0, pa_mpjpe=100.0),
    record(10, loss=0.5, mpjpe=0.4, spatial_depth=0.1, grad_norm=1.0, lr=1e-3, clips_per_s=9.0),
    record(20, loss=0.3, mpjpe=0.3, spatial_depth=None, grad_norm=1.0, lr=5e-4, clips_per_s=9.0),
    record(20, "test", mpjpe=80.0, pa_mpjpe=50.0),
]


def lines(figure: Figure) -> dict[str, dict[str, list[float]]]:
    """Drawn artists by the title of a visible panel and by label."""
    return {
        ax.get_title(loc="left"): {
            str(line.get_label()): np.asarray(line.get_ydata()).tolist() for line in ax.get_lines()
        }
        for ax in figure.axes
        if ax.get_visible()
    }


def test_curves_show_the_loss_its_parts_the_test_error_and_the_learning_rate(tmp_path, drawn):
    charts.curves(tmp_path / "curves.png", RUN, title="a run")
    found = lines(drawn[0])
    assert list(found) == [
        "Training loss",
        "Parts of the loss, unweighted",
        "Test error, mm",
        "Learning rate",
    ]
    assert list(found["Training loss"].values()) == [[0.5, 0.3]]
    assert found["Parts of the loss, unweighted"] == {"mpjpe": [0.4, 0.3], "spatial depth": [0.1]}
    assert found["Test error, mm"] == {
        "MPJPE": [300.0, 80.0],
        "PA-MPJPE": [100.0, 50.0],
        "MPJPE of the mean pose": [150.0, 150.0],
    }
    assert list(found["Learning rate"].values()) == [[1e-3, 5e-4]]
    assert Image.open(tmp_path / "curves.png").width > 800


def test_curves_of_pre_training_show_its_error(tmp_path, drawn):
    charts.curves(tmp_path / "curves.png", [record(1, loss=0.5), record(1, "test", error=0.1)])
    assert list(lines(drawn[0])) == ["Training loss", "Test error, half widths of the image"]


def test_long_curves_are_smoothed(tmp_path, drawn):
    charts.curves(tmp_path / "a.png", [record(i, loss=1.0 + i % 2) for i in range(200)])
    values, smooth = lines(drawn[0])["Training loss"].values()
    assert np.ptp(values) == 1
    assert np.ptp(smooth) < 0.01


def test_without_numbers_nothing_is_drawn(tmp_path):
    charts.curves(tmp_path / "curves.png", [record(1, loss=None)])
    assert list(tmp_path.iterdir()) == []


def test_bars_are_by_joint_in_the_colours_of_its_side_and_by_action(tmp_path: Path, drawn):
    joints = {name: 10.0 + number for number, name in enumerate(HUMAN36M.joints)}
    actions = {"Walking": 50.0, "Sitting": 70.0, "Posing": math.nan}
    charts.error_bars(tmp_path / "errors.png", joints, actions, mean=60.0, title="a run")
    by_joint, by_action = drawn[0].axes
    assert [bar.get_width() for bar in by_joint.patches] == list(joints.values())
    colors = dict(zip(joints, (bar.get_facecolor() for bar in by_joint.patches), strict=True))
    named = {"left_knee": LEFT, "right_knee": RIGHT, "spine": MIDDLE}
    for joint, color in named.items():
        assert colors[joint][:3] == pytest.approx(
            [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        )
    assert [label.get_text() for label in by_action.get_yticklabels()] == ["Walking", "Sitting"]
    assert {text.get_text() for text in by_action.texts} == {"50.0", "70.0"}
    assert by_joint.get_xlabel() == "mean of all joints and frames 60.0"


def test_lines_go_through_their_points(tmp_path, drawn):
    points = {"a": [(60.0, 90.0), (120.0, 80.0)], "b": [(50.0, 95.0), (130.0, 70.0)]}
    charts.lines(tmp_path / "lines.png", {"Test error, mm": points}, x="training, s")
    assert lines(drawn[0]) == {"Test error, mm": {"a": [90.0, 80.0], "b": [95.0, 70.0]}}
    (ax,) = drawn[0].axes
    assert [line.get_xdata().tolist() for line in ax.get_lines()] == [[60, 120], [50, 130]]
    assert ax.get_xlabel() == "training, s"
    assert ax.get_xlim()[0] == 0
    with Image.open(tmp_path / "lines.png") as picture:
        assert picture.width > 400


def test_intervals_are_drawn_about_zero_in_the_same_rows_of_all_panels(tmp_path, drawn):
    panels = {
        "tuned": {"one test": {"a": (1.0, 0.5)}, "another": {"a": (-2.0, 0.25)}},
        "from scratch": {"one test": {"b": (3.0, 1.0)}},
    }
    rows = ("b", "empty", "a")
    charts.intervals(tmp_path / "intervals.png", panels, rows=rows, x="difference, mm")
    tuned, scratch = drawn[0].axes
    assert tuned.get_title(loc="left") == "tuned"
    assert [label.get_text() for label in tuned.get_yticklabels()] == ["b", "a"]
    bars = [container.lines for container in tuned.containers + scratch.containers]
    assert [points.get_xdata().tolist() for points, *_ in bars] == [[1], [-2], [3]]
    assert [round(float(points.get_ydata()[0])) for points, *_ in bars] == [1, 1, 0]
    ends = [np.concatenate(lines_of[0].get_segments())[:, 0].tolist() for *_, lines_of in bars]
    assert ends == [[0.5, 1.5], [-2.25, -1.75], [2, 4]]
    assert bars[0][0].get_color() == bars[2][0].get_color() != bars[1][0].get_color()
    low, high = tuned.get_xlim()
    assert (low, high) == scratch.get_xlim()
    assert low < -2.25
    assert high > 4
