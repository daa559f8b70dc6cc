"""Every addition of `docs/extending.md`, from files outside of the tree that hold its code."""

import csv
import json
import pathlib
import re
import subprocess
import sys

import jax
import numpy as np
import pytest
import small_data
from small_motion import small_motion
from small_run import records

import configs
from repose_jax import cli, models
from repose_jax.data import clips, sequences
from repose_jax.detectors.detector import Detector
from repose_jax.evaluation import metrics, predict, protocols, report
from repose_jax.evaluation.evaluator import Evaluator
from repose_jax.objectives import losses
from repose_jax.runtime import devices

ROOT = pathlib.Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.*?)\n\n```python\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL))


@pytest.fixture
def file_of(tmp_path):
    """Writes the file of a section outside of the tree, and removes what it registers."""
    registries = (losses.LOSSES, metrics.METRICS, models.MODELS, protocols.PROTOCOLS)
    before = [dict(registry) for registry in registries]

    def write(section):
        path = tmp_path / f"my_{section.split()[-1]}.py"
        path.write_text(SECTIONS[section])
        return path

    yield write
    for registry, kept in zip(registries, before, strict=True):
        registry.clear()
        registry.update(kept)


SMALL = {
    "data.train": "('small/30fps:train',)",
    "data.test": "('small/30fps:test',)",
    "data.frames": 9,
    "data.stride": 4,
    "model.frames": 9,
    "model.width": 8,
    "model.depth": 1,
    "train.epochs": 1,
    "train.epoch_steps": 2,
    "train.batch_size": 16,
    "train.eval_every": 1,
    "train.log_every": 1,
    "eval.batch_size": 8,
    "eval.pictures": 0,
}


def train(config, workdir, data_dir, **overrides):
    values = SMALL | {"data.data_dir": data_dir} | overrides
    flags = [f"--config.{key}={value}" for key, value in values.items()]
    return cli.main(["train", f"--config={config}", f"--workdir={workdir}", *flags])


def lines_of(section, name):
    """The lines of a definition with its decorator, or of a whole file."""
    code = SECTIONS[section]
    if name is None:
        return len(code.splitlines())
    (found,) = re.findall(rf"^(?:@.*\n)?(?:def|class) {name}\b.*?(?=^\S|\Z)", code, re.M | re.S)
    return len(found.strip().splitlines())


def test_additions_cost_what_the_page_promises():
    assert lines_of("A loss", "depth") <= 5
    assert lines_of("A metric", "depth_error") <= 5
    assert lines_of("A dataset", "MyPoses") <= 30
    assert lines_of("A protocol", None) <= 28
    assert lines_of("A backbone", None) < 60
    for name, most in (("read", 3), ("Still", 9), ("write", 3)):
        assert lines_of("Lifting", name) <= most


def test_a_loss_is_trained_with_the_weight_of_the_command_line(file_of, data_dir, tmp_path, capsys):
    workdir = tmp_path / "run"
    changes = {"objective.weights.depth": 2, "train.microbatch_size": 8}
    assert train(file_of("A loss"), workdir, data_dir, **changes) == 0
    config = json.loads((workdir / "config.json").read_text())["config"]
    assert config["objective"]["weights"]["depth"] == 2
    for record in records(workdir, "train"):
        parts = [record[name] for name in ("mpjpe", "spatial_depth", "temporal_depth")]
        np.testing.assert_allclose(record["loss"], sum(parts) + 2 * record["depth"], rtol=1e-5)
        assert record["depth"] > 0
    wrong = {"objective.weights.dept": 2}
    assert train(file_of("A loss"), tmp_path, data_dir, **wrong) == 2
    assert "Did you mean 'depth'?" in capsys.readouterr().err


def test_a_metric_has_a_column_everywhere(file_of, tmp_path):
    configs.load(str(file_of("A metric")))
    tested = clips.make(small_data.sequences([20, 9]), frames=9, stride=9)
    protocol = protocols.get("every_frame")
    evaluator = Evaluator(tested, protocol, devices.data_mesh(), 8, flip=False, window=None)
    still = predict.mean_pose_predictor(clips.mean_pose(tested), (0, 0))
    tally = evaluator.score(evaluator.predict(still))
    assert 0 < tally.mean("depth_error") < tally.mean("mpjpe")
    assert "Depth" in report.table(report.groups(tally)["joint"]).splitlines()[0]
    report.write(tmp_path, tally, protocol, {})
    with (tmp_path / "evaluation.csv").open(newline="") as file:
        first = next(csv.DictReader(file))
    assert float(first["depth_error"]) == tally.mean("depth_error")


def test_a_dataset_is_prepared_and_read(file_of, tmp_path):
    for split, lengths in small_data.LENGTHS.items():
        (tmp_path / split).mkdir()
        for number, length in enumerate(lengths):
            record = small_data.record(split, number, length)
            np.savez(tmp_path / split / f"{number}.npz", **record)
    command = [sys.executable, file_of("A dataset"), tmp_path]
    environment = {"PYTHONPATH": str(ROOT), "TFDS_DATA_DIR": str(tmp_path / "data")}
    subprocess.run(command, check=True, env=environment)
    found = sequences.load(["my_poses/30fps:test"], str(tmp_path / "data"))
    assert tuple(found.lengths) == small_data.LENGTHS["test"]
    expected = [record["joints_3d"] for record in small_data.records("test")]
    np.testing.assert_array_equal(found.joints_3d, np.concatenate(expected))


def test_a_protocol_chooses_the_table_and_the_best_checkpoint(file_of, data_dir, tmp_path):
    file = file_of("A protocol")
    assert configs.load(str(file)).eval.protocol == "wrists"
    sizes = {"model.heads": 2, "model.mlp_ratio": 2, "model.representation": 8}
    assert train(file, tmp_path, data_dir, **sizes) == 0
    evaluation = json.loads((tmp_path / "evaluation.json").read_text())
    assert set(evaluation["table"]) == {"walk", "wave"}
    wrists = [
        evaluation["results"]["joint"][f"{side}_wrist"]["mpjpe"] for side in ("left", "right")
    ]
    assert evaluation["summary"]["mpjpe"] == pytest.approx(np.mean(wrists))


def test_a_backbone_trains_with_the_relational_losses(file_of, data_dir, tmp_path):
    file = file_of("A backbone")
    assert configs.load(f"{file}:baseline").objective.weights.spatial_depth == 0
    assert train(file, tmp_path, data_dir) == 0
    assert {"spatial_depth", "temporal_depth"} <= set(records(tmp_path, "train")[-1])
    assert records(tmp_path, "test")[-1]["mpjpe"] > 0
    model = models.create(**configs.load(str(file)).model)
    x = jax.random.normal(jax.random.key(0), (2, 27, 17, 3))
    assert jax.eval_shape(model, x).shape == (2, 27, 17, 3)


def test_keypoints_a_detector_and_an_output_of_ones_own(tmp_path):
    mine = {}
    exec(SECTIONS["Lifting"], mine)
    np.savetxt(tmp_path / "joints.txt", np.random.default_rng(0).uniform(9, 99, (5, 34)))
    assert mine["read"](tmp_path / "joints.txt").keypoints.shape == (5, 17, 2)
    found = mine["Still"]().detect(np.zeros((60, 80, 3), np.uint8))
    assert found.keypoints.shape == (1, 17, 2)
    assert isinstance(mine["Still"](), Detector)
    person = small_motion(people=1, frames=4).people[0]
    mine["write"](tmp_path / "path.txt", person)
    np.testing.assert_allclose(np.loadtxt(tmp_path / "path.txt")[:, 1:], person.joints_mm[:, 0])
