"""Sweeps over settings: on data without visibility, and never with results of another setting."""

import functools
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import small_data

from benchmarks import lambda_sweep, runs
from tfds_builders.builder import Shard


class Unseen(small_data.Small):
    """The data set `small` without visibility."""

    def _shards(self, dl_manager):
        def records(split):
            for record in small_data.records(split):
                yield record | {"visibility": np.full_like(record["visibility"], -1)}

        return {split: [Shard(functools.partial(records, split))] for split in small_data.LENGTHS}


CONFIG = str(pathlib.Path(small_data.__file__).with_name("small_config.py"))


def test_a_sweep_runs_without_visibility_and_reuses_only_its_own_results(
    tmp_path, monkeypatch, capsys
):
    Unseen(config="30fps", data_dir=tmp_path).download_and_prepare()
    capsys.readouterr()
    command = ["lambda_sweep", f"--config={CONFIG}", f"--out={tmp_path / 'out'}", "--values", "0.5"]
    command += [f"--config.data.{split}=('unseen/30fps:{split}',)" for split in ("train", "test")]
    command += [f"--config.data.data_dir={tmp_path}", "--config.train.epochs=1"]
    monkeypatch.setattr(sys, "argv", command)
    lambda_sweep.main()
    printed = capsys.readouterr().out
    assert "| spatial_depth 0.5 |" in printed
    assert "| temporal_depth 0.5 |" in printed
    assert "occluded" not in printed

    monkeypatch.setattr(subprocess, "run", lambda *args, **options: pytest.fail("trained again"))
    lambda_sweep.main()
    assert capsys.readouterr().out == printed

    monkeypatch.setattr(sys, "argv", [*command, "--config.optim.lr=0.5", "--values", "3", "0.5"])
    with pytest.raises(SystemExit, match="2"):
        lambda_sweep.main()
    (line,) = capsys.readouterr().err.splitlines()
    assert "has results of another configuration: config.optim.lr is 0.01 there and 0.5 now" in line


def test_a_wrong_setting_is_refused_before_any_training(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(subprocess, "run", lambda *args, **options: pytest.fail("trained"))
    settings = {"good": (CONFIG, []), "bad": (CONFIG, ["--config.optim.lrr=1"])}
    with pytest.raises(SystemExit, match="2"):
        runs.sweep(settings, seeds=1, out=tmp_path, extra=[])
    assert "config.optim.lr" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flag", "name"),
    [
        ("--config.objective.weights.spatial_depth=2", "--config.objective.weights.spatial_depth"),
        ("--config.train.seed=1", "--config.train.seed"),
        ("--config=h36m", "--config"),
    ],
)
def test_what_a_sweep_sets_itself_is_refused(flag, name, tmp_path, monkeypatch):
    monkeypatch.setattr(subprocess, "run", lambda *args, **options: pytest.fail("trained"))
    settings = {"one": (CONFIG, ["--config.objective.weights.spatial_depth=0.5"])}
    with pytest.raises(ValueError, match=f"^{name} is set by this program; leave it out.$"):
        runs.sweep(settings, seeds=1, out=tmp_path, extra=[flag])
