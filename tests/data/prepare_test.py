import os
import pathlib
import shutil
import subprocess
import sys
import zipfile
from unittest import mock

import pytest
import small_human36m
import tensorflow_datasets as tfds

from repose_jax import cli
from repose_jax.data import motions, prepare, sequences
from repose_jax.runtime.lock import Lock

JOINTS = {
    "UpperLeg_R": (-7, 90, 0), "LowerLeg_R": (-7, 51, 0), "Foot_R": (-7, 10, 0),
    "UpperLeg_L": (7, 90, 0), "LowerLeg_L": (7, 51, 0), "Foot_L": (7, 10, 0),
    "Spine": (0, 109, 0), "Chest": (0, 119, 0), "Neck": (0, 135, 0), "Head": (0, 141, 0),
    "UpperArm_L": (11, 132, 0), "LowerArm_L": (35, 132, 0), "Hand_L": (57, 132, 0),
    "UpperArm_R": (-11, 132, 0), "LowerArm_R": (-35, 132, 0), "Hand_R": (-57, 132, 0),
}  # fmt: skip


def bvh(frames: int = 30) -> str:
    """A person who stands still, each joint a child of the root."""
    joints = "".join(
        f"JOINT {name}\n{{\nOFFSET {x} {y} {z}\nCHANNELS 0\n}}\n"
        for name, (x, y, z) in JOINTS.items()
    )
    root = "ROOT joint_Root\n{\nOFFSET 0 0 0\nCHANNELS 1 Xposition\n" + joints + "}\n"
    motion = f"MOTION\nFrames: {frames}\nFrame Time: 0.0333333\n" + "0\n" * frames
    return "HIERARCHY\n" + root + motion


@pytest.fixture
def archive(tmp_path) -> pathlib.Path:
    path = tmp_path / "data.zip"
    with zipfile.ZipFile(path, "w") as file:
        for take in ("001", "002", "003"):
            file.writestr(f"data/dataset-2_walk_normal_{take}.bvh", bvh())
    return path


def files_of(folder: pathlib.Path) -> list[str]:
    return [path.name for path in folder.rglob("*.array_record*")]


def test_a_dataset_is_prepared_in_the_printed_folder(tmp_path, archive):
    folder = prepare.prepare("bandai_namco", source=archive, data_dir=tmp_path / "data")
    assert folder == tmp_path / "data" / "bandai_namco" / "30fps" / "1.1.0"
    builder = tfds.builder_from_directory(folder)
    assert builder.info.splits["train"].num_examples == 8
    assert builder.info.splits["test"].num_examples == 4


def test_a_prepared_data_set_needs_its_source_no_more(tmp_path, archive):
    folder = prepare.prepare("bandai_namco", source=archive, data_dir=tmp_path / "data")
    archive.unlink()
    assert prepare.prepare("bandai_namco", data_dir=tmp_path / "data") == folder


@pytest.mark.parametrize("text", ["", "[]", '{"a": "b"}', "[" * 100_000])
def test_a_damaged_list_of_the_source_is_named(tmp_path, archive, text):
    folder = prepare.prepare("bandai_namco", source=archive, data_dir=tmp_path / "data", views=0)
    (folder / prepare.SOURCE).write_text(text)
    with pytest.raises(ValueError, match=f"{prepare.SOURCE} is damaged"):
        prepare.prepare("bandai_namco", source=archive, data_dir=tmp_path / "data", views=0)


def test_damaged_records_and_damaged_information_are_one_line(tmp_path, archive):
    folder = prepare.prepare("bandai_namco", source=archive, data_dir=tmp_path / "data", views=0)
    builder = prepare.builder("bandai_namco", archive, tmp_path / "data", views=0)
    for path in folder.glob("*.array_record*"):
        path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="1.1.0 is damaged"):
        prepare.summary(builder)
    (folder / "dataset_info.json").write_text('{"description": 3}')
    with pytest.raises(ValueError, match="bandai_namco has a damaged dataset .*Remove it"):
        prepare.builder("bandai_namco", archive, tmp_path / "data", views=0)


def test_each_rate_number_of_views_and_seed_has_a_folder_of_its_own(tmp_path, archive):
    folder = prepare.prepare(
        "bandai_namco", source=archive, data_dir=tmp_path / "data", fps=15, views=2, seed=7
    )
    assert folder == tmp_path / "data" / "bandai_namco" / "15fps_views2_seed7" / "1.1.0"
    records = tfds.builder_from_directory(folder).as_data_source(split="train")
    assert len(records) == 4
    assert records[0]["fps"] == 15
    assert len(records[0]["joints_3d"]) == 15


def test_motions_without_cameras_are_prepared_at_60_frames_per_second(tmp_path, archive, capsys):
    argv = ["prepare", "bandai_namco", f"--source={archive}", f"--data_dir={tmp_path / 'data'}"]
    assert cli.main([*argv, "--views=0"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines[-2:]] == [
        ["train", "2", "118", "0.0", "bandai_namco/60fps_motion:train"],
        ["test", "1", "59", "0.0", "bandai_namco/60fps_motion:test"],
    ]
    assert cli.main([*argv, "--views=0", "--seed=1"]) == 2
    assert "bandai_namco without cameras has nothing random" in capsys.readouterr().err


def test_bvh_files_of_any_kind_are_prepared_under_the_name_of_their_settings(tmp_path, capsys):
    rig = bvh().replace("joint_Root", "Root")
    for name in ("a/1", "a/2", "b/1"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.bvh").write_text(rig)
    (tmp_path / "Two dances.toml").write_text('[splits]\ntest = "2.bvh"\n')
    argv = ["prepare", "bvh_motion", f"--data_dir={tmp_path / 'data'}", "--views=0"]
    sources = [f"--source={tmp_path / 'a'}", f"--source={tmp_path / 'b'}"]
    assert cli.main([*argv, *sources[:1], f"--settings={tmp_path / 'Two dances.toml'}"]) == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()[-2:]] == [
        ["train", "1", "59", "0.0", "bvh_motion/two_dances_60fps_motion:train"],
        ["test", "1", "59", "0.0", "bvh_motion/two_dances_60fps_motion:test"],
    ]
    assert cli.main([*argv, *sources, "--label=more"]) == 2
    assert "a second take named '1'" in capsys.readouterr().err
    (tmp_path / "b/1.bvh").rename(tmp_path / "b/3.bvh")
    assert cli.main([*argv, *sources, "--label=more"]) == 0
    assert "bvh_motion/more_60fps_motion:train" in capsys.readouterr().out
    with pytest.raises(FileNotFoundError, match="--label=other --source=FILES --fps=30 --views=8"):
        sequences.load(("bvh_motion/other_30fps_views8:train",), str(tmp_path / "data"))
    shipped = "--settings=cmu_archives --source=FILES --fps=60 --views=0"  # they have the test set
    with pytest.raises(FileNotFoundError, match=shipped):
        motions.load(("bvh_motion/cmu_archives_60fps_motion:train",), str(tmp_path / "data"))


def test_a_dataset_with_one_source_refuses_several(tmp_path, archive, capsys):
    argv = ["prepare", "bandai_namco", f"--source={archive}", f"--data_dir={tmp_path / 'data'}"]
    assert cli.main([*argv, f"--source={archive}"]) == 2
    assert "bandai_namco is read from one source, found 2" in capsys.readouterr().err
    assert cli.main([*argv, "--label=x"]) == 2
    assert "has no option --label; it has --fps, --views, --seed" in capsys.readouterr().err


@pytest.mark.parametrize(
    "asked",
    [
        ("bandai_namco", "--source=~no_such_user/data.zip"),
        ("bvh_motion", "--source=a.zip", "--source=~no_such_user/data.zip"),
        ("bvh_motion", "--source=a.zip", "--settings=~no_such_user/settings.toml"),
    ],
)
def test_a_home_that_is_not_there_is_named(tmp_path, asked, capsys):
    assert cli.main(["prepare", *asked, f"--data_dir={tmp_path}"]) == 2
    assert "there is no home folder for ~no_such_user" in capsys.readouterr().err


def test_another_source_than_the_prepared_one_is_named(tmp_path, archive):
    data = tmp_path / "data"
    folder = prepare.prepare("bandai_namco", source=archive, data_dir=data)
    size = archive.stat().st_size
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr("data/dataset-2_run_normal_013.bvh", bvh())
    with pytest.raises(ValueError, match="was prepared from other files") as error:
        prepare.prepare("bandai_namco", source=archive, data_dir=data)
    now = archive.stat().st_size
    assert f"(data.zip: {size:,} bytes then, {now:,} bytes now)" in str(error.value)
    assert "--overwrite" in str(error.value)
    assert len(tfds.builder_from_directory(folder).as_data_source("test")) == 4


def test_a_dataset_is_overwritten_once_the_new_one_is_complete(tmp_path, archive):
    data = tmp_path / "data"
    folder = prepare.prepare("bandai_namco", source=archive, data_dir=data)
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr("data/dataset-2_run_normal_013.bvh", bvh())
    prepare.prepare("bandai_namco", source=archive, data_dir=data, overwrite=True)
    assert len(tfds.builder_from_directory(folder).as_data_source("test")) == 8
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr("data/dataset-2_run_normal_023.bvh", "damaged")
    with pytest.raises(ValueError, match="run_normal_023.bvh"):
        prepare.prepare("bandai_namco", source=archive, data_dir=data, overwrite=True)
    assert len(tfds.builder_from_directory(folder).as_data_source("test")) == 8
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


@pytest.mark.parametrize("complete", [True, False])
@pytest.mark.parametrize("overwrite", [True, False])
def test_what_a_killed_preparation_had_replaced_is_put_back_or_removed(
    complete, overwrite, tmp_path, archive
):
    options = {"source": archive, "data_dir": tmp_path / "data", "views": 0}
    folder = prepare.prepare("bandai_namco", **options)
    old = folder.with_name("replaced_1.1.0")
    if complete:
        shutil.copytree(folder, old)
    else:
        folder.rename(old)
        (old / "kept").touch()
    prepare.prepare("bandai_namco", **options, overwrite=overwrite)
    if overwrite or not complete:
        assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    assert (folder / "kept").exists() == (not complete and not overwrite)
    assert "train" in prepare.summary(prepare.builder("bandai_namco", **options))


def test_of_two_processes_at_the_same_time_one_prepares_and_the_other_waits(tmp_path, archive):
    data = tmp_path / "data"
    command = [sys.executable, "-m", "repose_jax", "prepare", "bandai_namco", "--views=0"]
    command += [f"--source={archive}", f"--data_dir={data}"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with Lock(data / "bandai_namco" / "60fps_motion"):
        both = [subprocess.Popen(command, **pipes) for _ in range(2)]
        for process in both:
            assert f"is in use by process {os.getpid()} on" in process.stderr.readline()
    outputs = [process.communicate()[0].split(":")[0] for process in both]
    assert sorted(outputs) == ["Already prepared", "Prepared"]
    assert [process.returncode for process in both] == [0, 0]


def test_a_failed_preparation_leaves_nothing_behind(tmp_path, archive):
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr("data/dataset-2_walk_normal_004.bvh", bvh()[:-20])
    with pytest.raises(ValueError, match=r"walk_normal_004.bvh: 'Frames:' promises 30 frames"):
        prepare.prepare("bandai_namco", source=archive, data_dir=tmp_path / "data")
    assert not (tmp_path / "data" / "bandai_namco" / "30fps" / "1.1.0").exists()
    assert files_of(tmp_path / "data") == []


def test_unknown_names_and_needless_sources_are_refused(tmp_path):
    with pytest.raises(ValueError, match="There is no dataset 'human36'. Did you mean 'human36m'"):
        prepare.prepare("human36", data_dir=tmp_path)
    with pytest.raises(ValueError, match="synthetic_motion is generated, not read from files"):
        prepare.prepare("synthetic_motion", source=tmp_path, data_dir=tmp_path)


def test_options_that_a_data_set_does_not_have_are_refused(tmp_path, capsys):
    with pytest.raises(ValueError, match="human36m has no option --fps; it has --config"):
        prepare.prepare("human36m", source=tmp_path, data_dir=tmp_path, fps=25)
    with pytest.raises(ValueError, match="cmu_mocap has no option --config; it has --fps, --view"):
        prepare.prepare("cmu_mocap", data_dir=tmp_path, config="50fps")
    assert cli.main(["prepare", "human36m", "--seed=1", f"--data_dir={tmp_path}"]) == 2
    assert "human36m has no option --seed" in capsys.readouterr().err


def test_human36m_is_prepared_by_the_same_command(tmp_path, capsys):
    pickled = small_human36m.write_motionbert(tmp_path)
    small_human36m.write_videopose3d(tmp_path)
    argv = ["prepare", "human36m", f"--source={tmp_path}", f"--data_dir={tmp_path / 'data'}"]
    assert cli.main(argv) == 2
    assert "choose one: --config=2.5d, --config=camera_cpn_ft" in capsys.readouterr().err
    assert cli.main([*argv, "--config=2.5d"]) == 0
    pickled.unlink()
    # What is prepared needs its files no more, but its name.
    assert cli.main(["prepare", "human36m", "--config=2.5d", argv[3]]) == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()[-2:]] == [
        ["train", "3", "18", "0.0", "human36m/2.5d:train"],
        ["test", "2", "10", "0.0", "human36m/2.5d:test"],
    ]


def test_minutes_are_omitted_where_the_frame_rate_is_unknown():
    records = [{"joints_3d": [0] * 90, "fps": fps} for fps in (30, float("nan"))]
    builder = mock.Mock(info=mock.Mock(splits=["train"]), SPLIT_SOURCES={})
    builder.as_data_source.return_value = records
    assert prepare.summary(builder).splitlines()[1].split()[:4] == ["train", "2", "180", "-"]


def test_the_command_prints_the_names_for_a_configuration(tmp_path, archive, capsys):
    argv = ["prepare", "bandai_namco", f"--source={archive}", f"--data_dir={tmp_path / 'data'}"]
    assert cli.main(argv) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines[-2:]] == [
        ["train", "8", "240", "0.1", "bandai_namco/30fps:train"],
        ["test", "4", "120", "0.1", "bandai_namco/30fps:test"],
    ]
    assert cli.main(argv) == 0
    again = capsys.readouterr().out.splitlines()
    assert again[0].startswith("Already prepared: ")
    assert again[-2:] == lines[-2:]


def test_errors_of_the_command_are_one_line(tmp_path, archive, capsys):
    damaged = tmp_path / "damaged.zip"
    damaged.write_bytes(archive.read_bytes()[:-30])
    (tmp_path / "empty").mkdir()
    for source, message in {
        tmp_path / "absent.zip": "absent.zip: no such file or folder",
        tmp_path / "empty": "no such data in",
        damaged: "damaged.zip: not a zip archive, or damaged",
    }.items():
        argv = ["prepare", "bandai_namco", f"--source={source}", f"--data_dir={tmp_path / 'data'}"]
        assert cli.main(argv) == 2
        # Only TFDS's progress bar may share standard error with it.
        error = capsys.readouterr().err.splitlines()[-1]
        assert error.startswith("repose prepare: error: ")
        assert message in error
    assert cli.main(["prepare", "synthetic_motion", f"--source={archive}"]) == 2
    assert cli.main(["prepare", "bandai_namco", "--fps=0", f"--data_dir={tmp_path}"]) == 2
    assert "fps" in capsys.readouterr().err


def test_importing_the_module_imports_no_builder():
    code = "import sys, repose_jax.data.prepare; print([m for m in sys.modules if 'tfds' in m])"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


def test_a_split_that_the_source_does_not_hold_is_named_with_its_files(tmp_path):
    source = small_human36m.write_motionbert(
        tmp_path, {"test": small_human36m.motionbert()["test"]}
    )
    data = tmp_path / "data"
    builder = prepare.builder("human36m", source, data)
    assert prepare.write(builder)
    *rows, missing = prepare.summary(builder).splitlines()
    assert [row.split()[0] for row in rows] == ["split", "test"]
    files = "'train' of h36m_sh_conf_cam_source_final.pkl, or S1, S5, S6, S7 and S8 of data_3d_h36m"
    assert missing.startswith(f"No split 'train': it is read from {files}")
    with pytest.raises(
        ValueError, match="human36m/2.5d has no split 'train'; it has test."
    ) as error:
        sequences.load(("human36m/2.5d:train",), str(data))
    assert f"It is read from {files}" in str(error.value)
    assert sequences.load(("human36m/2.5d:test",), str(data)).lengths.tolist() == [4, 6]


def test_bad_files_are_left_out_and_listed(tmp_path, archive, capsys):
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr("data/dataset-2_walk_normal_004.bvh", bvh()[:-20])
    argv = ["prepare", "bandai_namco", f"--source={archive}", f"--data_dir={tmp_path / 'data'}"]
    assert cli.main(argv) == 2
    assert cli.main([*argv, "--skip-bad"]) == 0
    out = capsys.readouterr().out
    assert "Left out: " in out
    folder = tmp_path / "data" / "bandai_namco" / "30fps" / "1.1.0"
    [line] = (folder / prepare.LEFT_OUT).read_text().splitlines()
    assert "walk_normal_004.bvh: 'Frames:' promises 30 frames" in line
    assert len(tfds.builder_from_directory(folder).as_data_source("train")) == 8


def test_too_many_bad_files_are_refused(tmp_path, archive):
    with zipfile.ZipFile(archive, "a") as file:
        for take in ("004", "005"):
            file.writestr(f"data/dataset-2_walk_normal_{take}.bvh", bvh()[:-20])
    with pytest.raises(ValueError, match="more than 1 files are bad, too many to leave out: .*004"):
        prepare.prepare("bandai_namco", source=archive, data_dir=tmp_path / "data", skip_bad=True)


def test_another_archive_in_the_manual_directory_starts_a_stopped_preparation_anew(
    tmp_path, archive, caplog
):
    caplog.set_level("WARNING", logger="absl")
    data = tmp_path / "data"
    manual = data / "downloads" / "manual"
    manual.mkdir(parents=True)
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr("data/dataset-2_run_normal_003.bvh", bvh())  # first: of the split "test"
        file.writestr("data/dataset-2_walk_normal_004.bvh", bvh()[:-20])
    archive.rename(manual / "data.zip")  # the split "test" is finished, "train" fails
    with pytest.raises(ValueError, match="004"):
        prepare.prepare("bandai_namco", data_dir=data)
    with zipfile.ZipFile(manual / "data.zip", "w") as file:
        for take in ("001", "013"):
            file.writestr(f"data/dataset-2_walk_normal_{take}.bvh", bvh(60))
    assert list((data / "bandai_namco" / "30fps").glob("unfinished_*"))
    folder = prepare.prepare("bandai_namco", data_dir=data)
    for split in ("train", "test"):
        records = tfds.builder_from_directory(folder).as_data_source(split)
        assert [len(record["joints_3d"]) for record in records] == [60] * 4
    assert "it starts anew" in caplog.text
