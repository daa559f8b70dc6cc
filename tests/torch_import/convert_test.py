import contextlib
import dataclasses
import io
import os
import re
import sys
import zipfile

import jax
import numpy as np
import pytest
import small_data
from flax import nnx
from golden_files import GOLDEN, load
from small_run import assert_close, records, restore

from repose_jax import cli, models
from repose_jax.models import diffusion
from repose_jax.runtime.checkpoint import Checkpoints
from repose_jax.torch_import import convert
from repose_jax.training import loop as train
from repose_jax.training import setup as run
from repose_jax.training import workdir
from repose_jax.training.evaluate_checkpoint import evaluate_checkpoint

CONFIG = dict(frames=27, width=32, depth=2, heads=4, representation=64)
CHECKPOINT = GOLDEN / "repose_tiny_checkpoint.bin"
LINE = [
    "--from=torch",
    "--config=tests/small_config.py",
    *(f"--config.model.{size}={value}" for size, value in CONFIG.items()),
    "--config.model.mlp_ratio=4",
]


def convert_line(*line) -> tuple[int, str]:
    """Runs the command line; returns its status and what it printed."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        status = cli.main(["convert", *map(str, line)])
    return status, printed.getvalue()


# Tensors to a model


@pytest.mark.parametrize("prefix", ["module.", "module.module.", "_orig_mod.", "module._orig_mod."])
def test_names_may_carry_the_prefixes_of_parallel_and_compiled_modules(prefix):
    _, weights, _ = load("repose_tiny")
    plain = convert.from_torch("repose", weights, **CONFIG)
    prefixed = convert.from_torch(
        "repose", {f"{prefix}{k}": v for k, v in weights.items()}, **CONFIG
    )
    np.testing.assert_array_equal(plain.head.kernel[...], prefixed.head.kernel[...])
    np.testing.assert_array_equal(plain.head.kernel[...], weights["head.weight"].T)


def test_every_tensor_must_be_used_and_every_parameter_filled():
    _, weights, _ = load("repose_tiny")
    weights["blocks_st.0.attn_s.extra"] = np.zeros(3)
    del weights["norm.bias"]
    weights["head.bias"] = np.zeros(4)
    weights["module.norm.weight"] = weights["norm.weight"]
    weights["ts_attn.1.weight"][0, 0] = np.nan
    with pytest.raises(ValueError, match="does not fit 'repose'") as error:
        convert.from_torch("repose", weights, **CONFIG)
    for part in (
        "unused tensor blocks_st.0.attn_s.extra;",
        "unused tensor module.norm.weight;",  # a second one for the same parameter
        "nothing fills ('representation', 'norm', 'bias');",
        "head.bias gives (4,), ('head', 'bias') is (3,);",
        "ts_attn.1.weight holds values that are not finite;",
        "may belong to another task's head",
    ):
        assert part in str(error.value)


def test_a_checkpoint_of_other_sizes_names_them_all():
    _, weights, _ = load("motionbert_tiny")
    other = dict(frames=81, width=64, depth=3, heads=4, representation=32, mlp_ratio=4)
    with pytest.raises(
        ValueError, match="in it frames is 27, not 81, width is 32, not 64"
    ) as error:
        convert.from_torch("motionbert", weights, **other)
    flags = ["frames=27", "width=32", "representation=64", "depth=2", "mlp_ratio=2"]
    assert " ".join(f"--config.model.{flag}" for flag in flags) in str(error.value)
    assert "cannot be inferred from it: heads (now 4)." in str(error.value)


def test_a_checkpoint_of_another_network_is_recognised():
    _, weights, _ = load("stcformer_tiny", {})
    with pytest.raises(ValueError, match="it looks like a checkpoint of 'stcformer'"):
        convert.from_torch("repose", weights)
    _, weights, _ = load("repose_tiny")
    with pytest.raises(ValueError, match="it looks like a checkpoint of 'repose' or 'motionbert'"):
        convert.from_torch("poseformer", weights)


def test_a_checkpoint_of_an_unknown_network_names_some_of_its_tensors():
    tensors = {f"net.{number}.weight": np.zeros(2) for number in range(100)}
    with pytest.raises(ValueError, match="unused tensor net.0.weight; .*; and ") as error:
        convert.from_torch("repose", tensors, **CONFIG)
    assert len(str(error.value)) < 1000


# A run that starts from a model


def test_a_converted_run_is_evaluated_and_trained_on(trained, tmp_path):
    # A learning rate at which training can only make the model worse.
    one, two = (
        dataclasses.replace(
            trained.config,
            optim=dataclasses.replace(trained.config.optim, lr=10.0, warmup_steps=0),
            train=dataclasses.replace(trained.config.train, epochs=epochs, eval_every=1),
        )
        for epochs in (1, 2)
    )
    model = models.create(**one.model, seed=7)
    workdir.write_run(one, model, tmp_path)
    state = restore(tmp_path, run.initial_state(one, model)[1], "best")
    assert int(state.step) == 0
    assert_close(state.params["model"], nnx.state(model, nnx.Param))
    assert_close(state.ema, nnx.state(model, nnx.Param))
    before = evaluate_checkpoint(one, tmp_path, "best").summary()["mpjpe"]
    for config in (one, two):  # begins, and resumes
        train.train_and_evaluate(config, tmp_path)
    assert [record["mpjpe"] for record in records(tmp_path, "converted")] == [before]
    assert records(tmp_path, "untrained") == []
    after = [record["mpjpe"] for record in records(tmp_path, "test")]
    assert len(after) == 2
    assert min(after) > before
    # The converted weights are the best until better ones are found.
    checkpoints = Checkpoints(tmp_path)
    best, latest = checkpoints.info("best"), checkpoints.info("latest")
    checkpoints.close()
    assert best == {"step": 0, "epoch": 0, "baselines": {}}
    assert latest
    assert latest["step"] == 4
    assert latest["baselines"]["converted"]["mpjpe"] == before


def test_only_an_empty_directory_is_written_to(tmp_path):
    (tmp_path / "metrics.jsonl").touch()
    config = small_data.experiment(tmp_path)
    with pytest.raises(FileExistsError, match="is not empty; give a new directory"):
        workdir.write_run(config, models.create(**config.model), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.jsonl"]


# The command line


def test_the_error_without_pytorch_has_instructions(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    status, printed = convert_line(CHECKPOINT, *LINE, f"--out={tmp_path}")
    assert status == 2
    assert "error: Reading a PyTorch checkpoint needs PyTorch" in printed
    assert "pip install torch" in printed


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            ["--config.model.widht=1"],
            "There is no key config.model.widht. Did you mean config.model.width?",
        ),
        (["--config.model.depth=deep"], "invalid literal for int()"),
        (["--config=configs/quickstart.py:tinny"], "There is no variant 'tinny' of "),
        (["--config=absent.py"], "There is no file absent.py"),
        (["--confg=x"], "There is no flag '--confg'. Did you mean '--config'?"),
        (["another"], "unrecognized arguments: another"),
        (["--from=jax"], "There is no choice 'jax'. Choose from torch."),
        (["--config.eval.protocol=human36m"], "Did you mean 'human36m_2.5d'?"),
        (["--config.data.test=()"], "config.data.test is empty"),
        (["--config.model.frames=5"], "config.data.frames is 9, more than config.model.frames, 5"),
    ],
)
def test_the_error_for_a_wrong_command_line_names_the_fault(line, message, tmp_path):
    status, printed = convert_line(CHECKPOINT, *LINE, f"--out={tmp_path}", *line)
    assert status == 2
    assert "repose convert: error: " in printed
    assert message in printed


def test_nothing_is_read_if_the_run_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    for out, message in ((tmp_path / "file", "is a file"), (tmp_path, "is not empty")):
        status, printed = convert_line("absent.bin", *LINE, f"--out={out}")
        assert status == 2
        assert message in printed


def test_the_command_converts_the_authors_checkpoint(tmp_path):
    pytest.importorskip("torch")
    arrays, weights, _ = load("repose_tiny")
    status, printed = convert_line(CHECKPOINT, *LINE, f"--out={tmp_path}")
    assert status == 0, printed
    assert "Converted 105,799 parameters in 110 tensors" in printed
    command = "repose eval --config=tests/small_config.py"
    assert f"\nEvaluate it: {command} --workdir={tmp_path} --config.model.frames=27 " in printed
    config = small_data.experiment(tmp_path, model={**CONFIG, "mlp_ratio": 4})
    graphdef, state, _ = run.initial_state(config, convert.from_torch("repose", weights, **CONFIG))
    params = restore(tmp_path, state).variables
    out = jax.jit(lambda v, x: nnx.merge(graphdef, *v)(x))(params, arrays["x"])
    np.testing.assert_allclose(out, arrays["y0"], rtol=0, atol=1e-5)
    status, printed = convert_line(CHECKPOINT, *LINE, f"--out={tmp_path}")
    assert status == 2
    assert "is not empty" in printed


def test_the_flags_that_the_command_names_are_all_that_are_needed(tmp_path):
    pytest.importorskip("torch")
    line = (CHECKPOINT, "--from=torch", "--config=tests/small_config.py", f"--out={tmp_path}")
    status, printed = convert_line(*line, "--config.model.mlp_ratio=4")
    assert status == 2
    flags = re.findall(r"--config[\w.]+=\w+", printed)
    assert flags[-2:] == ["--config.data.frames=27", "--config.data.stride=12"]
    status, printed = convert_line(*line, "--config.model.mlp_ratio=4", *flags)
    assert status == 0, printed


# What PyTorch saved


@pytest.fixture
def save(tmp_path):
    """Saves something as a checkpoint."""
    torch = pytest.importorskip("torch")

    def save(content, **options):
        torch.save(content, tmp_path / "checkpoint.bin", **options)
        return tmp_path / "checkpoint.bin"

    return save


@pytest.mark.parametrize("entry", [*convert.ENTRIES, None])
@pytest.mark.parametrize("zipped", [True, False])
def test_parameters_are_found_where_the_authors_put_them(entry, zipped, save):
    torch = pytest.importorskip("torch")
    tensors = {"module.a": torch.ones(2, 3), "b": torch.ones(4, dtype=torch.bfloat16)}
    around = {"epoch": 3, "lr": 1e-4, "optimizer": None}
    content = {**around, entry: tensors} if entry else tensors
    read = convert.read_torch(save(content, _use_new_zipfile_serialization=zipped))
    assert {key: (value.shape, value.dtype) for key, value in read.items()} == {
        "module.a": ((2, 3), np.float32),
        "b": ((4,), np.float32),
    }


@pytest.mark.parametrize("module", [b"numpy.core.", b"numpy._core."])
def test_the_best_error_may_be_a_numpy_number_of_any_version(module, save):
    torch = pytest.importorskip("torch")
    path = save({"model_pos": {"a": torch.ones(2)}, "min_loss": np.float64(37.2)})
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            if name.endswith("data.pkl"):
                assert b"numpy._core." in data
                data = data.replace(b"numpy._core.", module)
            archive.writestr(name, data)
    np.testing.assert_array_equal(convert.read_torch(path)["a"], [1, 1])


@pytest.mark.parametrize("zipped", [True, False])
def test_numpy_numbers_and_texts_of_any_kind_may_be_beside_the_parameters(zipped, save):
    torch = pytest.importorskip("torch")
    kinds = [np.dtype(code).type for code in np.typecodes["AllInteger"] + np.typecodes["AllFloat"]]
    found = [kind(3) for kind in kinds]
    found += [np.bool_(True), np.str_("S9"), np.bytes_(b"S9"), np.datetime64("2019-06-16")]
    found += [np.ones(2, kind) for kind in kinds] + [np.array(["S9", "S11"]), np.zeros(2, bool)]
    content = {"state_dict": {"a": torch.ones(2)}, "found": found}
    read = convert.read_torch(save(content, _use_new_zipfile_serialization=zipped))
    np.testing.assert_array_equal(read["a"], [1, 1])


class FromNumpy116:
    """Random numbers as VideoPose3D's checkpoints have them, written by NumPy 1.16 or before."""

    def __init__(self, random):
        self.random = random

    def __reduce__(self):
        return np.random.__dict__["__RandomState_ctor"], (), self.random.get_state()


@pytest.mark.parametrize("zipped", [True, False])
def test_random_numbers_and_counts_of_batches_are_read_past(zipped, save):
    torch = pytest.importorskip("torch")
    random = np.random.RandomState(0)
    tensors = {"bn.weight": torch.ones(2), "bn.num_batches_tracked": torch.tensor(3)}
    for state in (random, FromNumpy116(random)):
        content = {"random_state": state, "model_pos": tensors}
        read = convert.read_torch(save(content, _use_new_zipfile_serialization=zipped))
        assert list(read) == ["bn.weight"]


def test_a_checkpoint_of_d3dp_is_read_with_its_schedule_checked(save):
    torch = pytest.importorskip("torch")
    _, weights, _ = load("d3dp_tiny", {})
    sizes = {"frames": 27, "width": 32, "depth": 2}
    tensors = {f"module.{name}": torch.from_numpy(array) for name, array in weights.items()}
    buffers = {f"module.{n}": torch.tensor(a) for n, a in diffusion.schedule().items()}
    parameter = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.AdamW([parameter])
    parameter.sum().backward()
    optimizer.step()  # so that it has a state
    content = {
        "epoch": 3,
        "lr": 6e-5,
        "random_state": np.random.RandomState(1),
        "optimizer": optimizer.state_dict(),
        "model_pos": {**buffers, **tensors},
    }
    model = convert.from_torch("d3dp", convert.read_torch(save(content)), **sizes)
    wanted = convert.from_torch("d3dp", weights, **sizes)
    assert_close(nnx.state(model), nnx.state(wanted))
    buffers["module.betas"][7] *= 1.01
    content["model_pos"] = {**buffers, **tensors}
    with pytest.raises(
        ValueError, match=r"module\.betas has other values than in the authors' code"
    ):
        convert.from_torch("d3dp", convert.read_torch(save(content)), **sizes)


class Hostile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_checkpoint_that_names_code_is_refused_and_runs_nothing(save, tmp_path):
    path = save({"model_pos": {}, "epoch": Hostile(tmp_path / "made")})
    with pytest.raises(ValueError, match=r"refers to \w+\.mkdir, .* could run any code") as error:
        convert.read_torch(path)
    assert "weights_only" not in str(error.value)  # no advice to switch the protection off
    assert not (tmp_path / "made").exists()


def test_files_that_are_not_checkpoints_are_named(save, tmp_path):
    torch = pytest.importorskip("torch")
    for content, message in (
        ([torch.ones(2)], "holds a list, expected a dictionary"),
        ({"model": {}}, "holds no parameters in its entry"),
        ({"epoch": 3, "net": {"a": torch.ones(2)}}, "'epoch' is int"),
        ({"model": {"steps": torch.ones(2, dtype=torch.int32)}}, "'steps' is torch.int32"),
    ):
        with pytest.raises(ValueError, match=message):
            convert.read_torch(save(content))
    with pytest.raises(FileNotFoundError, match="There is no file .*absent"):
        convert.read_torch(tmp_path / "absent")


def test_damaged_files_are_refused(save, tmp_path):
    pytest.importorskip("torch")
    whole = CHECKPOINT.read_bytes()
    rng = np.random.default_rng(0)
    damaged = {f"cut at {at}": whole[:at] for at in (0, 1, 100, 20_000, len(whole) - 1)}
    damaged |= {"text": b"hello world\n", "another archive": b"PK\x05\x06" + bytes(18)}
    for at in rng.integers(128, 12_000, 50):  # where the file describes the tensors
        damaged[f"flip at {at}"] = whole[:at] + bytes([whole[at] ^ 0x41]) + whole[at + 1 :]
    path = tmp_path / "damaged.bin"
    for content in damaged.values():
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"damaged\.bin (is|refers)"):
            convert.read_torch(path)
