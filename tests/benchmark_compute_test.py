"""The error against training compute: models that train as configured, and the curve of one."""

import dataclasses
import json

import pytest
import small_data

from benchmarks import compute
from repose_jax.training.setup import check_model


@pytest.mark.parametrize("name", compute.MODELS)
def test_a_model_takes_the_clips_of_the_recipe(name):
    found = compute.experiment(name, 401, seed=2, data_dir="data")
    before, after = check_model(found)[0]
    assert found.data.frames == 27
    assert before + 1 + after in (1, 27)  # of the centre frame, or of all
    assert found.model_fields["in_channels"] == 11
    assert found.from_motions
    assert (found.train.epochs, found.train.epoch_steps, found.train.seed) == (4, 101, 2)


def test_a_curve_has_equal_parts_of_the_time(data_dir, tmp_path, monkeypatch, capsys):
    asked = []

    def experiment(name, steps, seed, data_dir):
        asked.append(steps)
        whole = small_data.experiment(data_dir)
        changed = {"epochs": 4, "epoch_steps": max(min(steps, 8) // 4, 1), "seed": seed}
        return dataclasses.replace(whole, train=dataclasses.replace(whole.train, **changed))

    monkeypatch.setattr(compute, "experiment", experiment)
    path, picture = tmp_path / "compute.json", tmp_path / "compute.png"
    line = ["compute", f"--data_dir={data_dir}", "--models", "RePOSE 64 x 1", f"--json={path}"]
    monkeypatch.setattr("sys.argv", [*line, "--seconds=1000"])
    compute.main()
    (found,) = json.loads(path.read_text())["results"].values()
    assert asked[1] > 1000  # a step takes less than a second
    assert [point["steps"] for point in found["points"]] == [2, 4, 6, 8]
    seconds = [point["seconds"] for point in found["points"]]
    assert seconds == sorted(seconds)
    assert f"| RePOSE 64 x 1 | {found['points'][0]['mpjpe']:.1f} |" in capsys.readouterr().out

    monkeypatch.setattr("sys.argv", ["compute", f"--json={path}", f"--draw={picture}"])
    compute.main()
    assert picture.exists()
