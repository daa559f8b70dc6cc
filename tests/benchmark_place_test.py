"""The benchmark of the place of people, on a synthetic recording and a lifter that is right."""

import json

import pytest
import small_recording

from benchmarks import place
from benchmarks.accuracy import recording


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    folder = small_recording.write(tmp_path_factory.mktemp("recording"))
    truth = {view.name: view.truth for view in recording.read(folder)}

    def lift(keypoints, confidence, image_size, fps):
        """Returns the truth of the views in their order, twice each: for two detectors."""
        return truth[order.pop(0)]

    order = [name for name in truth for _ in range(2)]
    return list(place.recorded(folder, lift))  # pyright: ignore[reportArgumentType]


def test_every_view_and_detector_is_a_case(cases):
    assert [case.name for case in cases] == [
        f"{view}, {detector}"
        for view in ("cam01", "cam07")
        for detector in ("OpenPose", "BlazePose")
    ]


def test_a_path_from_right_joints_is_right_and_depth_follows_size_and_focal_length(cases):
    rows = place.path_errors(cases[0])
    assert rows["true 3D joints"]["error, mm"] < 20
    assert rows["lifted joints"] == rows["true 3D joints"]
    assert rows["true 3D joints, 5 % too large"]["depth / true depth"] == pytest.approx(
        1.05, abs=0.01
    )
    longer = rows["true 3D joints, focal length 20 % too long"]
    assert longer["depth / true depth"] == pytest.approx(1.2, abs=0.03)


def test_it_prints_and_stores_every_table(cases, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(place.repose_jax, "load", lambda weights: None)
    monkeypatch.setattr(place, "recorded", lambda folder, model: iter(cases[:1]))
    path = tmp_path / "place.json"
    place.main(["--folder=DIR", f"--json={path}"])
    stored = json.loads(path.read_text("utf-8"))["results"]["cam01, OpenPose"]
    assert json.dumps(stored) == json.dumps(place.measure(cases[:1]))  # NaN without contacts
    assert [*stored] == ["path", "vertical", "contacts", "stature"]
    printed = capsys.readouterr().out
    assert printed.count("\n|---|") == 4
    assert "| upward axis of the camera | 0.0 |" in printed


@pytest.mark.parametrize(
    ("argv", "problem"),
    [([], "give --folder, --split or both"), (["--folder=missing"], "missing")],
)
def test_bad_arguments_are_one_line(argv, problem, capsys, monkeypatch):
    monkeypatch.setattr(place.repose_jax, "load", lambda weights: None)
    with pytest.raises(SystemExit) as stop:
        place.main(argv)
    assert stop.value.code == 2
    assert problem in capsys.readouterr().err
