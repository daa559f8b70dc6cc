"""A workdir of an earlier version (commit beb5c03) is evaluated and resumed as it was then."""

import json
import pathlib
import tarfile

import pytest
import small_data
from small_run import records

from repose_jax import config
from repose_jax.config import Experiment
from repose_jax.training import loop
from repose_jax.training.evaluate_checkpoint import evaluate_checkpoint

GOLDEN = pathlib.Path(__file__).parents[1] / "golden"
EXPECTED = json.loads((GOLDEN / "workdir_beb5c03.json").read_text())


@pytest.fixture
def workdir(tmp_path) -> pathlib.Path:
    with tarfile.open(GOLDEN / "workdir_beb5c03.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / "workdir"


def experiment(workdir: pathlib.Path, data_dir: pathlib.Path, **train: int) -> Experiment:
    """The experiment that its `config.json` holds, in the words of that version."""
    values = json.loads((workdir / "config.json").read_text())["config"]
    values["data"]["data_dir"] = str(data_dir)
    values["train"] |= train
    return config.from_run(values)


@pytest.mark.parametrize("kind", ["best", "latest"])
def test_it_is_evaluated_to_the_same_numbers(kind, workdir, data_dir):
    tally = evaluate_checkpoint(experiment(workdir, data_dir), workdir, kind)
    found = {name: tally.mean(name) for name in EXPECTED[kind]}  # others are newer
    assert found == pytest.approx(EXPECTED[kind], rel=1e-4)


def test_it_resumes_and_its_steps_are_the_same(workdir, data_dir):
    loop.train_and_evaluate(experiment(workdir, data_dir, epochs=5), workdir)
    resumed = [record for record in records(workdir) if record["step"] > 6]
    assert len(resumed) == len(EXPECTED["records"])
    for record, expected in zip(resumed, EXPECTED["records"], strict=True):
        assert record.pop("split") == expected.pop("split")
        assert expected.keys() <= record.keys()  # newer metrics are not in it
        found = {name: record[name] for name in expected}
        assert found == pytest.approx(expected, rel=1e-3, abs=1e-6)


def test_its_configuration_file_makes_the_experiment(workdir):
    small = small_data.experiment(pathlib.Path("data"))
    assert small.model.items() <= experiment(workdir, pathlib.Path("data")).model.items()
