"""Every layout of the licensed datasets is prepared, trained on and evaluated by its protocol."""

import functools
import importlib
import json
import pathlib
import sys

import pytest
import small_human36m
import small_mpi_inf_3dhp

from repose_jax import config
from repose_jax.data import prepare
from repose_jax.training import loop as train


def motionbert(folder: pathlib.Path) -> str:
    small_human36m.write_motionbert(folder)
    return "2.5d"


def videopose3d(folder: pathlib.Path) -> str:
    small_human36m.write_videopose3d(folder)
    return "camera_cpn_ft_h36m_dbb"


def release(folder: pathlib.Path, ground_truth: str) -> str:
    small_mpi_inf_3dhp.write_train(folder)
    for name in ("TS1", "TS5"):
        small_mpi_inf_3dhp.write_test(folder, name)
    return ground_truth


def p_stmo(folder: pathlib.Path) -> str:
    write = small_mpi_inf_3dhp.write_archive
    write(folder / "data_train_3dhp.npz", small_mpi_inf_3dhp.archive_train())
    write(folder / "data_test_3dhp.npz", small_mpi_inf_3dhp.archive_test(("TS1", "TS5")))
    return "universal"


LAYOUTS = {
    "MotionBERT": (motionbert, "human36m", "h36m", ""),
    "MotionBERT, ground truth in": (motionbert, "human36m", "h36m", "gt2d"),
    "VideoPose3D": (videopose3d, "human36m", "h36m", "camera"),
    "VideoPose3D, ground truth in": (videopose3d, "human36m", "h36m", "camera,gt2d"),
    "P-STMO": (p_stmo, "mpi_inf_3dhp", "mpi_inf_3dhp", ""),
    "release, universal": (
        functools.partial(release, ground_truth="universal"), "mpi_inf_3dhp", "mpi_inf_3dhp", "",
    ),
    "release, metric": (
        functools.partial(release, ground_truth="metric"), "mpi_inf_3dhp", "mpi_inf_3dhp", "metric",
    ),
}  # fmt: skip


def experiment(name: str, variant: str, data_dir: pathlib.Path) -> config.Experiment:
    """One step of a very small model."""
    module = importlib.import_module(f"configs.{name}")
    values = module.get_config(",".join(filter(None, ["tiny", variant])))
    values.data.update({"data_dir": str(data_dir), "frames": 3, "stride": 1})
    values.model.update({"frames": 3, "width": 8, "representation": 16})
    values.train.update({"epochs": 1, "epoch_steps": 1, "batch_size": 8})
    values.eval.update({"batch_size": 8, "pictures": 0})
    return config.from_mapping(values.to_dict())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_is_prepared_trained_on_and_evaluated(layout, tmp_path, capsys):
    write, dataset, name, variant = LAYOUTS[layout]
    source, data_dir, workdir = (tmp_path / part for part in ("source", "data", "run"))
    source.mkdir()
    prepared = prepare.prepare(dataset, source=source, data_dir=data_dir, config=write(source))
    run = experiment(name, variant, data_dir)
    assert run.data.test[0].startswith(f"{dataset}/{prepared.parent.name}:")
    train.train_and_evaluate(run, workdir)

    content = json.loads((workdir / "evaluation.json").read_text())
    assert content["protocol"] == run.eval.protocol
    assert 0 < content["summary"]["mpjpe"] < 5000
    table = (workdir / "protocol.txt").read_text()
    assert table in capsys.readouterr().out
    assert next(iter(content["table"])) == ("MPJPE (P1)" if dataset == "human36m" else "TS1")
    if dataset == "human36m":
        assert content["table"]["MPJPE (P1)"]["Avg"] == content["summary"]["mpjpe"]
    else:
        counted = 2 * small_mpi_inf_3dhp.valid().sum()
        assert content["table"]["mean of frames"]["frames"] == counted
        assert ("Exercise" in table) == ("release" in layout)
    assert "tensorflow" not in sys.modules
