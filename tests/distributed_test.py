"""Two processes, joined by JAX on one machine, give what one gives."""

import json
import signal
import time

import numpy as np
import processes
import pytest
from small_run import assert_close, records, restore

from repose_jax.training import stored
from repose_jax.training.setup import setup
from repose_jax.weights import file


@pytest.fixture(scope="module")
def together(data_dir, tmp_path_factory):
    """The workdir of the run of two processes, and what each of them printed.

    Their environment has a proxy that nobody runs: they are joined without it.
    """
    workdir = tmp_path_factory.mktemp("together")
    started = processes.start_two(
        f"--config.data.data_dir={data_dir}",
        f"--workdir={workdir}",
        "--config.eval.pictures=1",
        http_proxy="http://127.0.0.1:9",
        grpc_proxy="http://127.0.0.1:9",
    )
    finished = processes.finish(*started)
    assert [status for status, _ in finished] == [0, 0], finished
    return workdir, [printed for _, printed in finished]


def test_two_processes_give_the_losses_and_scores_of_one(trained, together):
    one, two = records(trained.workdir), records(together[0])
    assert [(r["step"], r["split"]) for r in one] == [(r["step"], r["split"]) for r in two]
    for a, b in zip(one, two, strict=True):
        if a["split"] == "train":
            for key in ("loss", "mpjpe", "spatial_depth", "temporal_depth", "grad_norm"):
                np.testing.assert_allclose(a[key], b[key], rtol=1e-4, atol=1e-7, err_msg=key)
        else:
            np.testing.assert_allclose(a["mpjpe"], b["mpjpe"], rtol=1e-4)
            np.testing.assert_allclose(a["mpjve"], b["mpjve"], rtol=1e-3)


def test_two_processes_train_the_parameters_of_one(trained, together, tmp_path):
    _, like = setup(trained.config)
    for kind in ("latest", "best"):
        one, two = restore(trained.workdir, like, kind), restore(together[0], like, kind)
        assert_close(one.params, two.params, rtol=1e-3, atol=2e-5)


def test_the_first_process_alone_prints_and_writes(trained, together):
    workdir, (first, second) = together
    assert "MPJPE" in first
    assert "MPJPE" not in second
    results = json.loads((workdir / "evaluation.json").read_text())["results"]
    assert results.keys() == {"all", "visibility", "action", "joint"}
    names = {path.name for path in (workdir / "pictures").iterdir()}
    assert names == {path.name for path in (trained.workdir / "pictures").iterdir()}


def test_a_missing_variable_ends_in_one_line(monkeypatch, tmp_path):
    monkeypatch.setenv("JAX_NUM_PROCESSES", "2")
    status, printed = processes.run(f"--workdir={tmp_path}")
    assert status == 2
    assert "JAX_PROCESS_ID is not set, but JAX_NUM_PROCESSES" in printed
    assert printed.count("\n") == 1


@pytest.mark.slow
def test_a_signal_to_one_process_stops_both_which_go_on_together(data_dir, tmp_path):
    flags = (
        f"--config.data.data_dir={data_dir}",
        f"--workdir={tmp_path}",
        "--config.train.epochs=60",
        "--config.train.eval_every=60",
    )
    started = processes.start_two(*flags)
    while not (tmp_path / "metrics.jsonl").exists() or not records(tmp_path, "train"):
        time.sleep(0.05)
        assert not any(process.has_ended() for process in started), processes.finish(*started)
    started[1].process.send_signal(signal.SIGTERM)
    for status, printed in processes.finish(*started):
        assert status == 128 + signal.SIGTERM, printed
        assert "Stopped by SIGTERM after step " in printed
    (saved,) = (tmp_path / "checkpoints" / "latest").iterdir()
    assert int(saved.name) % 10 == 0
    last = records(tmp_path, "train")[-1]["step"]
    assert last == int(saved.name) < 120
    for status, printed in processes.finish(*processes.start_two(*flags)):
        assert status == 0, printed
    assert [record["step"] for record in records(tmp_path, "train")] == list(range(1, 121))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["workdir", "file"])
def test_two_processes_start_from_the_weights_of_one(trained, data_dir, tmp_path, kind):
    source = trained.workdir
    if kind == "file":
        source = tmp_path / "model.safetensors"
        config, _, variables, _ = stored.load(trained.workdir)
        file.write(source, config, variables, "float32")
    started = processes.start_two(
        f"--config.data.data_dir={data_dir}",
        f"--workdir={tmp_path / 'run'}",
        f"--config.init_from={source}",
        "--config.train.epochs=1",
    )
    for status, printed in processes.finish(*started):
        assert status == 0, printed
    (initial,) = records(tmp_path / "run", "initial")
    best = min(record["mpjpe"] for record in records(trained.workdir, "test"))
    assert initial["mpjpe"] == pytest.approx(best, rel=1e-4)
