import shutil
import signal
import time

import processes
import pytest
from small_run import records


@pytest.mark.parametrize(
    ("flags", "config", "message"),
    [
        (["--config.optim.lrr=1"], "tests/small_config.py", "Did you mean config.optim.lr?"),
        (["--config.optim.lr=fast"], "tests/small_config.py", "could not convert string to float"),
        (["--config.train.epochs=0"], "tests/small_config.py", "config.train.epochs "),
        (["--wrkdir=x"], "tests/small_config.py", "Did you mean '--workdir'?"),
        ([], "configs/quickstart.py:tinny", "There is no variant 'tinny' of "),
        (["--mode=evl"], "configs/quickstart.py", "Did you mean 'eval'?"),
        (["--mode=eval"], "configs/quickstart.py", "holds no run (no config.json)"),
    ],
)
def test_a_wrong_command_line_ends_in_one_line(flags, config, message, tmp_path):
    status, printed = processes.run(f"--workdir={tmp_path}", *flags, config=config)
    assert status == 2
    assert message in printed
    assert printed.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_data_set_that_is_not_prepared_ends_in_one_error(tmp_path):
    flags = (f"--workdir={tmp_path / 'run'}", f"--config.data.data_dir={tmp_path}")
    status, printed = processes.run(*flags)
    assert status == 2
    assert f"error: The dataset small/30fps is not prepared in {tmp_path}." in printed
    assert "Traceback" not in printed


def test_an_interrupted_run_saves_and_the_same_command_finishes_it(trained, data_dir, tmp_path):
    workdir = shutil.copytree(trained.workdir, tmp_path / "run")
    flags = (
        f"--workdir={workdir}",
        f"--config.data.data_dir={data_dir}",
        "--config.train.epochs=20",
        "--config.train.eval_every=20",
    )
    process = processes.start(*flags)
    while "train: step 6 of 40" not in process.printed():  # before the first step is compiled
        time.sleep(0.02)
        assert not process.has_ended(), processes.finish(process)
    process.process.send_signal(signal.SIGTERM)
    ((status, printed),) = processes.finish(process)
    assert status == 128 + signal.SIGTERM
    (saved,) = (workdir / "checkpoints" / "latest").iterdir()
    assert 6 < int(saved.name) < 40
    assert f"Stopped by SIGTERM after step {saved.name} of 40; saved {saved}" in printed
    assert "Traceback" not in printed
    status, printed = processes.run(*flags)
    assert status == 0, printed
    assert f"Resuming after step {saved.name}" in printed
    assert [record["step"] for record in records(workdir, "train")] == list(range(1, 41))
    score = f"{records(workdir, 'test')[-1]['mpjpe']:.2f}"
    status, evaluated = processes.run(*flags, "--mode=eval", "--checkpoint=latest")
    assert status == 0, evaluated
    table = printed[printed.index("\nall ") : printed.index("Written")]
    assert score in table
    assert table in evaluated
