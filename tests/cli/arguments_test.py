"""The parser that all commands share."""

import pathlib
import pwd
import subprocess
import sys

import pytest

from repose_jax.cli import arguments

ROOT = pathlib.Path(__file__).parents[2]
PROGRAMS = ("benchmarks", "configs", "docs", "examples", "tests/faults", "tfds_builders")


def parse(*argv):
    """Parses a command line as `repose train` does, with a positional argument besides."""
    parser = arguments.Parser(prog="repose test")
    parser.add_config()
    parser.add_argument("file", nargs="?")
    parser.add_argument("--workdir")
    return arguments.parse(parser, argv)


def refusal(capsys, *argv) -> str:
    """The line that a wrong command line ends with."""
    with pytest.raises(SystemExit) as exit_info:
        parse(*argv)
    assert exit_info.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("repose test: error: ")
    assert printed.err.count("\n") == 1
    return printed.err


def test_configurations_are_named_with_and_without_their_path():
    by_name = parse("--config=h36m:small,spatial").experiment
    assert by_name.model["width"] == 96
    assert by_name.objective.weights["temporal_depth"] == 0
    assert parse("--config", "configs/h36m.py:spatial,small").experiment == by_name


@pytest.mark.parametrize(
    "overrides",
    [
        ["--config.train.epochs=7", "--config.eval.flip=False"],
        ["--config.train.epochs", "7", "--noconfig.eval.flip"],
        ["-config.train.epochs=7", "--config.eval.flip", "--config.eval.flip=false"],
    ],
)
def test_values_are_set_after_and_before_other_arguments(overrides):
    for argv in (
        ["--config=h36m", *overrides, "a.bin", "--workdir=x"],
        ["--workdir", "x", *overrides, "--config=h36m", "a.bin"],
        ["a.bin", "--config", "h36m", "--workdir=x", *overrides],
    ):
        args = parse(*argv)
        assert (args.file, args.workdir) == ("a.bin", "x")
        assert args.experiment.train.epochs == 7
        assert args.experiment.eval.flip is False
        assert args.overrides == overrides


def test_a_vector_may_begin_with_a_minus():
    parser = arguments.Parser(prog="program")
    parser.add_argument("file")
    parser.add_argument("--up")
    parser.add_argument("--flip", action="store_true")
    for up in ("-0.1,-1,0", "-1e-1,-1,0", "-1E+2,0,1", "-1e-1"):
        for line in (["--up", up, "a"], ["a", f"--up={up}", "--flip"]):
            found = parser.parse_args(line)
            assert (found.up, found.file) == (up, "a")


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "", "many", "\u0663"])
def test_a_number_of_things_is_one_or_more(text, capsys):
    parser = arguments.Parser(prog="program")
    parser.add_argument("--seeds", type=arguments.positive)
    assert parser.parse_args(["--seeds=03"]).seeds == 3
    with pytest.raises(SystemExit, match="2"):
        parser.parse_args([f"--seeds={text}"])
    wanted = f"program: error: argument --seeds: {text!r} is no whole number of 1 or more\n"
    assert capsys.readouterr().err == wanted


def test_values_are_read_as_their_type():
    experiment = parse(
        "--config=h36m",
        "--config.data.train=('a/30fps:train','b/30fps:train')",
        "--config.data.data_dir=~/data",
        "--config.optim.lr=1e-5",
        "--config.train.epoch_steps=5",
    ).experiment
    assert experiment.data.train == ("a/30fps:train", "b/30fps:train")
    assert experiment.data.data_dir == "~/data"
    assert experiment.optim.lr == 1e-5
    assert experiment.train.epoch_steps == 5


@pytest.mark.parametrize(
    "none",
    [
        ["--config.train.epoch_steps=None"],
        ["--config.train.epoch_steps", "None"],
        ["--config.train.epoch_steps=5", "--config.train.epoch_steps=None"],
    ],
)
def test_a_setting_that_may_be_none_is_set_to_it(none):
    args = parse("--config=quickstart", "--workdir=x", *none, "a.bin", "--config.eval.frames=9")
    train = args.experiment.train
    assert (train.epoch_steps, args.experiment.eval.frames) == (None, 9)
    assert (args.file, args.workdir) == ("a.bin", "x")
    assert args.overrides == [*none, "--config.eval.frames=9"]
    later = parse("--config=quickstart", *none, "--config.train.epoch_steps=7").experiment
    assert later.train.epoch_steps == 7
    for key in ("data.data_dir", "init_from"):
        experiment = parse("--config=quickstart", f"--config.{key}=None").experiment
        assert experiment.data.data_dir is None
        assert experiment.init_from is None


def test_a_wrong_choice_names_its_flag(capsys):
    parser = arguments.Parser(prog="program")
    parser.add_argument("test", choices=("first", "second"))
    parser.add_argument("--rig", choices=("full", "simple"), metavar="RIG")
    for line, message in (
        (["first", "--rig=foo"], "argument --rig: There is no choice 'foo'. Choose from full"),
        (["third"], "There is no test 'third'. Choose from first, second."),
    ):
        with pytest.raises(SystemExit, match="2"):
            parser.parse_args(line)
        assert message in capsys.readouterr().err


def test_every_program_expands_the_home_in_its_options(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    parser = arguments.Parser()
    parser.add_argument("--out", type=pathlib.Path)
    monkeypatch.setattr("sys.argv", ["program", "--out=~/a", "~/b", "--config.data.data_dir=~/c"])
    found, rest = parser.parse_known_args()
    assert found.out == pathlib.Path("/home/me/a")
    assert rest == ["/home/me/b", "--config.data.data_dir=~/c"]  # which its reader expands
    files = [file for name in PROGRAMS for file in (ROOT / name).rglob("*.py")]
    others = [file for file in files if "ArgumentParser(" in file.read_text(encoding="utf-8")]
    assert len(files) > 100
    assert others == []


@pytest.mark.parametrize(
    ("argv", "file", "workdir"),
    [
        (["~/a", "--workdir=~/b"], "/home/me/a", "/home/me/b"),
        (["~", "--workdir", "~/b=c"], "/home/me", "/home/me/b=c"),
        (["a/~", "--workdir=x=~/b"], "a/~", "x=~/b"),
        (["~$a.mp4", "--workdir=~unknown.user/b"], "~$a.mp4", "~unknown.user/b"),
    ],
)
def test_a_leading_tilde_is_the_home_in_every_path(argv, file, workdir, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    args = parse("--config=h36m", *argv)
    assert (args.file, args.workdir) == (file, workdir)


def test_a_configuration_and_a_file_of_flags_may_be_in_the_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "own.py").write_text(
        "from configs import h36m\n\n\ndef get_config():\n    return h36m.get_config()\n"
    )
    (tmp_path / "flags").write_text("--config=~/own.py\n--workdir=~/x\n")
    assert parse("--flagfile=~/flags").workdir == str(tmp_path / "x")


def test_every_documented_value_can_be_set_for_every_file(tmp_path):
    file = tmp_path / "own.py"
    file.write_text(
        "from ml_collections import ConfigDict\n\n\n"
        "def get_config():\n"
        "    return ConfigDict({'model': {'name': 'repose'}})\n"
    )
    experiment = parse(
        f"--config={file}",
        "--config.eval.flip=False",
        "--config.train.epoch_steps=5",
        "--config.init_from=runs/other",
        "--config.objective.weights.velocity=2",
    ).experiment
    assert experiment.eval.flip is False
    assert experiment.train.epoch_steps == 5
    assert experiment.init_from == "runs/other"
    weights = dict(experiment.objective.weights)
    assert weights.pop("velocity") == 2
    assert {name for name, weight in weights.items() if weight} == {
        "mpjpe",
        "spatial_depth",
        "temporal_depth",
    }


def test_a_weight_may_be_of_any_loss():
    weights = parse("--config=h36m", "--config.objective.weights.mine=0.5").experiment.objective
    assert weights.weights["mine"] == 0.5


def test_arguments_are_read_from_a_file(tmp_path):
    file = tmp_path / "flags"
    file.write_text("--config=h36m\n--config.train.epochs=3\n--workdir=x\n")
    args = parse(f"--flagfile={file}", "--config.train.seed=4")
    assert (args.workdir, args.experiment.train.epochs, args.experiment.train.seed) == ("x", 3, 4)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "the following arguments are required: --config"),
        (["--config"], "argument --config: expected one argument"),
        (["--config=h36"], "There is no configuration 'h36'. Did you mean 'h36m'?"),
        (
            ["--config=configs/h36.py"],
            "There is no file configs/h36.py. Did you mean --config=h36m",
        ),
        (["--config=h36m:tinny"], "There is no variant 'tinny' of"),
        (["--config=h36m:tinny"], "Did you mean 'tiny'?"),
        (["--config=h36m:baseline,spatial"], "'baseline' and 'spatial'"),
        (["--config=h36m", "--config.optim.lrr=1"], "Did you mean config.optim.lr?"),
        (["--config=h36m", "--config.optm.lr=1"], "Did you mean config.optim?"),
        (["--config=h36m", "--config.optim.lr.x=1"], "config.optim.lr is a single value"),
        (["--config=h36m", "--config.optim.lr=fast"], "could not convert string to float: 'fast'"),
        (["--config=h36m", "--config.train.seed=1.5"], "--config.train.seed=1.5: invalid literal"),
        (["--config=h36m", "--config.eval.flip=perhaps"], "--config.eval.flip=perhaps"),
        (["--config=h36m", "--config.data.train=(1"], "config.data.train"),
        (["--config=h36m", "--config.optim.lr"], "--config.optim.lr"),
        (["--config=h36m", "--config.optim=1"], "--config.optim"),
        (["--config=h36m", "--config.train.epochs=None"], "--config.train.epochs=None"),
        (
            ["--config=h36m", "--config.data.train[5]=x"],
            "config.data.train[5] cannot be set: config.data.train is ('human36m/",
        ),
        (["--config=h36m", "--config.data.train[0]=x"], "give all of it, --config.data.train="),
        (["--config=h36m", "--config.optim.lr[0]=1"], "config.optim.lr[0] cannot be set"),
        (["--config=h36m", "--config.train.epochs=0"], "config.train.epochs is 0; it must be"),
        (
            ["--config=h36m", "--config.train.steps_at_once=2"],
            "renamed to config.train.steps_per_call",
        ),
        (["--config=h36m", "--wrkdir=x"], "no flag '--wrkdir'. Did you mean '--workdir'?"),
        (["--config=h36m", "--cofnig.optim.lr=1"], "There is no flag '--cofnig.optim.lr'."),
        (["--config=h36m", "a", "b"], "unrecognized arguments: b"),
        (["--config=h36m", "--work=x"], "There is no flag '--work'. Did you mean '--workdir'?"),
        (["--config=h36m", "--flagfile=absent"], "absent"),
        (["--config=h36m", "--workdir=~/x"], "~/x: there is no home folder for ~"),
    ],
)
def test_a_wrong_command_line_ends_in_one_line(argv, message, capsys, monkeypatch):
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)  # a user without a name
    assert message in refusal(capsys, *argv)


def test_files_that_are_no_configurations_are_named(tmp_path, capsys):
    file = tmp_path / "own.py"
    build = "from configs import common\n\ndef get_config():\n    c = common.base()\n    c.model"
    for text, message in {
        "x = (": "SyntaxError",
        "import absent_package": "absent_package",
        "x = 1": "no function get_config",
        "def get_config(): return {}": "must return a ConfigDict",
        "from configs import common\n\ndef get_config():\n    return common.bse()": "line 4: ",
        "def get_config(): assert False": "own.py, line 1: AssertionError",
        "def get_config(): return 1 / 0": "own.py, line 1: ZeroDivisionError: division by zero",
        "def get_config(): return get_config()": "own.py, line 1: RecursionError",
        "def get_config():\n    import absent": "own.py, line 2: ModuleNotFoundError",
        "def get_config(): raise ValueError('a\\nb')": "own.py, line 1: ValueError: a b",
        "def get_config(a, b): pass": "own.py: TypeError: get_config() missing",
        "get_config = 1": "no function get_config",
        "from ml_collections import ConfigDict\n"
        "def get_config(): return ConfigDict({'model': {'name': 'repose'}, 'train': 5})": (
            "config.train is 5; it must be"
        ),
        f"{build} = {{'name': 'repose', 'dtype': 'float'}}\n    return c": "config.model.dtype",
        f"{build} = {{}}\n    return c": "config.model is {}; it must be",
    }.items():
        file.write_text(text)
        line = refusal(capsys, f"--config={file}")
        assert message in line


def test_a_value_that_a_file_requires_is_given_on_the_command_line(tmp_path, capsys):
    file = tmp_path / "own.py"
    file.write_text(
        "from configs import quickstart\n"
        "from ml_collections import config_dict\n\n\n"
        "def get_config():\n"
        "    config = quickstart.get_config()\n"
        "    del config.train.epochs\n"
        "    config.train.epochs = config_dict.required_placeholder(int)\n"
        "    return config\n"
    )
    assert "config.train.epochs has no value" in refusal(capsys, f"--config={file}")
    assert parse(f"--config={file}", "--config.train.epochs=3").experiment.train.epochs == 3


def test_the_configurations_are_those_of_this_package_whatever_else_is_called_configs(tmp_path):
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "__init__.py").write_text("raise ImportError('another package')")
    code = (
        "from repose_jax.cli import arguments; configs = arguments.configs();"
        "assert 'h36m' in configs.catalogue(); assert arguments.configs() is configs;"
        "from configs import common; assert common.base"
    )
    root = pathlib.Path(__file__).parents[2]
    subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.append({str(root)!r}); {code}"],
        check=True,
        cwd=tmp_path,
    )
