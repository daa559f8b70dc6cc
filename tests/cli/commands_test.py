"""The commands as they are called: their help, their errors, their exit status."""

import os
import runpy
import subprocess
import sys

import processes
import pytest

import repose_jax
from repose_jax import cli

COMMANDS = (
    "prepare",
    "train",
    "eval",
    "demo",
    "export",
    "convert",
    "pretrain",
    "compare",
    "complexity",
)


def repose(*argv, **environment):
    """Runs `python -m repose_jax`."""
    return subprocess.run(
        [sys.executable, "-m", "repose_jax", *argv],
        capture_output=True,
        text=True,
        cwd=processes.ROOT,
        env=os.environ | environment,
    )


def test_without_a_command_the_help_is_printed_as_an_error(capsys):
    assert cli.main([]) == 2
    assert "repose COMMAND" in capsys.readouterr().err


def test_help_lists_the_commands(capsys):
    assert cli.main(["--help"]) == 0
    printed = capsys.readouterr().out
    for name in COMMANDS:
        assert f"\n  {name} " in printed


def test_the_version_is_printed(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == f"repose {repose_jax.__version__}"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name, capsys):
    assert cli.main([name, "--help"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"usage: repose {name}")
    assert f"repose {name} " in printed.partition("\n\n")[2]  # an example


@pytest.mark.parametrize("argv", [["--help"], ["train", "--help"], ["prepare", "--help"]])
def test_help_imports_nothing_heavy(argv):
    code = (
        "import sys; from repose_jax import cli; status = cli.main(sys.argv[1:]);"
        "print(sorted({'jax', 'flax', 'tensorflow_datasets'} & set(sys.modules))); exit(status)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, *argv], capture_output=True, text=True, check=True
    )
    assert result.stdout.splitlines()[-1] == "[]"


def test_help_lists_the_configurations_and_their_variants(capsys):
    assert cli.main(["train", "--help"]) == 0
    printed = capsys.readouterr().out
    assert "\n  quickstart\n      A small model" in printed
    assert "\n  zoo/mixste\n" in printed
    h36m = printed[printed.index("\n  h36m\n") :].splitlines()[3]
    assert h36m.strip().startswith(":baseline, spatial, ")
    assert {"gt2d", "camera"} <= set(h36m.split(", "))


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["trian"], "There is no command 'trian'. Did you mean 'train'?"),
        (["--helpp"], "There is no flag '--helpp'. Did you mean '--help'?"),
        (["prepare", "human36"], "There is no dataset 'human36'. Did you mean 'human36m'?"),
        (["prepare", "cmu_mocap", "--fps=fast"], "argument --fps: invalid float value: 'fast'"),
        (["prepare", "synthetic_motion", "--sed=1"], "Did you mean '--seed'?"),
        (["train", "--config=h36m", "--workdir="], "argument --workdir: the value is empty"),
        (["prepare", "bvh_motion", "--source="], "argument --source: the value is empty"),
        (["prepare", "bvh_motion", "--source=a", "--data_dir", ""], "--data_dir: the value is emp"),
        (["lift", "clip.mp4", "--weights="], "argument --weights: the value is empty"),
        (
            ["convert", "", "--from=torch", "--config=h36m", "--out=x"],
            "checkpoint: the value is em",
        ),
        (["compare", ""], "argument runs: the value is empty"),
        (["export", "--to=", "x", "--out=y"], "There is no choice ''"),
        (["eval", "--config=h36m", "--workdir=x", "--checkpoint=bets"], "Did you mean 'best'?"),
        (["complexity", "--config=h36m", "--config.model.name=repos"], "'repos'"),
        (["complexity", "--config=h36m", "--config.model.heads=7"], "heads"),
    ],
)
def test_wrong_words_end_in_one_line(argv, message, capsys):
    assert cli.main(argv) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_terminal_without_a_character_shows_its_code(tmp_path):
    file = tmp_path / "own.py"
    file.write_text("raise ValueError('\N{GREEK SMALL LETTER LAMDA}')", encoding="utf-8")
    result = repose("train", f"--config={file}", "--workdir=x", PYTHONIOENCODING="ascii")
    assert result.returncode == 2
    assert "\\u03bb" in result.stderr


def test_a_name_that_is_no_text_is_shown(tmp_path, capsys):
    source = os.fsdecode(os.fsencode(tmp_path) + b"/\xe4")
    status = cli.main(["prepare", "synthetic_motion", f"--data_dir={source}"])
    error = capsys.readouterr().err
    assert status == 2
    assert "a name has characters that are no text" in error
    assert "set LC_ALL=C.UTF-8" in error
    assert error.count("\n") == 1


def test_a_current_folder_that_was_removed_is_an_error_of_one_line(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    assert cli.main(["complexity", "--config=h36m"]) == 2
    error = capsys.readouterr().err
    assert error == "repose complexity: error: the current folder was removed; change to another.\n"


@pytest.mark.parametrize(("flags", "command"), [([], "train"), (["--mode=eval"], "eval")])
def test_main_py_is_train_or_eval(flags, command, monkeypatch):
    called = []
    monkeypatch.setattr(cli, "main", lambda argv: called.append(argv) or 0)
    line = ["--config=h36m", "--config.train.epochs", "3", "--workdir", "x"]
    monkeypatch.setattr(sys, "argv", ["main.py", *line[:2], *flags, *line[2:]])
    with pytest.raises(SystemExit):
        runpy.run_path(str(processes.ROOT / "main.py"), run_name="__main__")
    assert called == [[command, *line]]
