"""Weights, runs and command lines, and how the commands read them."""

import contextlib
import io
import pathlib
import shutil

import small_config
import small_data
import small_weights

from tests.evaluation import compare_test


def write_weights(folder: pathlib.Path) -> None:
    small_weights.write(folder / "a.safetensors")


def read_weights(path: pathlib.Path) -> None:
    from repose_jax.weights import file

    file.read(path)


def write_torch(folder: pathlib.Path) -> None:
    import torch

    tensors = {f"layers.{n}.weight": torch.arange(12.0).reshape(3, 4) for n in range(3)}
    torch.save({"epoch": 3, "lr": 1e-3, "model_pos": tensors}, folder / "a.bin")


def read_torch(path: pathlib.Path) -> None:
    from repose_jax.torch_import import convert

    convert.read_torch(path)


def write_run(folder: pathlib.Path) -> None:
    from repose_jax import models
    from repose_jax.training import workdir

    experiment = small_data.experiment(folder)
    workdir.write_run(experiment, models.create(**experiment.model_fields), folder)


def read_run(folder: pathlib.Path) -> None:
    from repose_jax.training import stored

    stored.load(folder)


def write_config(folder: pathlib.Path) -> None:
    compare_test.write(folder / "run", 50.0)


def read_config(folder: pathlib.Path) -> None:
    from repose_jax.evaluation.evaluator import abstract_model
    from repose_jax.training import workdir

    abstract_model(workdir.read_config(folder / "run"))


def write_compared(folder: pathlib.Path) -> None:
    compare_test.write(folder / "a", 50.0, occluded=60.0)
    compare_test.write(folder / "b", 48.0, occluded=61.0, train={"epochs": 5})


def read_compared(folder: pathlib.Path) -> None:
    from repose_jax.evaluation import compare, tables

    groups = compare.group([compare.read(path) for path in compare.find([str(folder)])])
    first = next(iter(groups))
    for format_ in tables.FORMATS.values():
        format_(compare.means(groups, compare.DEFAULT))
        format_(compare.differences(groups, first, compare.DEFAULT, "occluded"))


def write_log(folder: pathlib.Path) -> None:
    lines = (f'{{"step": {n}, "split": "train", "loss": {1 / n}}}\n' for n in range(1, 9))
    (folder / "metrics.jsonl").write_text("".join(lines))


def read_log(folder: pathlib.Path) -> None:
    from repose_jax.runtime import metric_writer

    for resumed in (3, 0):
        writer = metric_writer.MetricWriter(folder, resumed)
        writer.write(4, "train", {"loss": 1.0})
        writer.close()
    shutil.rmtree(folder / "tensorboard")


_LINE = """--config=PATH
--config.model.width=16
--config.train.epochs=5
--config.optim.lr=0.01
--config.data.train=('small/30fps:train',)
--config.objective.weights.spatial_depth=0.5
--config.objective.learn_weights=false
--workdir=runs
"""


def write_line(folder: pathlib.Path) -> None:
    (folder / "line.txt").write_text(_LINE)


def read_line(path: pathlib.Path) -> None:
    from repose_jax.cli import arguments

    text = path.read_text("utf-8", "surrogateescape")
    argv = text.replace("PATH", small_config.__file__).replace("\0", "").splitlines()
    argv = [argument for argument in argv if not argument.startswith("--flagfile")]
    parser = arguments.Parser(prog="repose train")
    parser.add_config()
    parser.add_argument("--workdir")
    printed = io.StringIO()
    try:
        with contextlib.redirect_stderr(printed), contextlib.redirect_stdout(printed):
            arguments.parse(parser, argv)
    except SystemExit as end:
        message = printed.getvalue()
        if end.code == 2:
            assert message.startswith("repose train: error: "), message
            raise ValueError(f"line.txt: {message.rstrip()}") from None
