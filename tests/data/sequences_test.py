import shutil

import numpy as np
import pytest
import small_data

from repose_jax.data import sequences as dataset


def test_sequences_are_concatenated_in_the_order_of_the_specs(data_dir):
    motion = dataset.load((small_data.TEST, small_data.TRAIN), str(data_dir))
    lengths = small_data.LENGTHS["test"] + small_data.LENGTHS["train"]
    assert motion.lengths.tolist() == list(lengths)
    assert motion.offsets.tolist() == np.cumsum([0, *lengths]).tolist()
    sequence = 0
    for split in ("test", "train"):
        for number, length in enumerate(small_data.LENGTHS[split]):
            wanted = small_data.record(split, number, length)
            rows = slice(*motion.offsets[sequence : sequence + 2])
            for key in ("keypoints_2d", "confidence", "joints_3d", "visibility"):
                found = getattr(motion, key)[rows]
                assert found.dtype == wanted[key].dtype
                np.testing.assert_array_equal(found, wanted[key])
            for key in ("name", "action", "subject"):
                assert getattr(motion, f"{key}s")[sequence] == wanted[key]
            assert motion.image_size[sequence].tolist() == [1000, 900]
            assert motion.fps[sequence] == 30
            sequence += 1


def test_the_error_of_a_dataset_that_is_not_prepared_has_the_command(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        dataset.load(("cmu_mocap/50fps:train",), str(tmp_path))
    assert f"cmu_mocap/50fps is not prepared in {tmp_path}" in str(error.value)
    command = f"repose prepare cmu_mocap --source=FILES --fps=50 --data_dir={tmp_path}"
    assert command in str(error.value)


def test_a_misspelt_dataset_is_named_with_the_nearest_one(tmp_path):
    with pytest.raises(FileNotFoundError, match="Did you mean synthetic_motion/30fps?"):
        dataset.load(["synthetic_motio/30fps:train"], str(tmp_path))


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nothing/30fps", "has no dataset 'nothing'; it has human36m, .* is prepared by its build"),
        ("cmu_mocap/fast", "cmu_mocap has no config 'fast'; they are named like 30fps, and 60fps_"),
        ("cmu_mocap/dance_30fps", "cmu_mocap has no config 'dance_30fps'"),
        ("synthetic_motion/30fps_view8", "synthetic_motion has no config '30fps_view8'"),
    ],
)
def test_no_command_is_given_that_cannot_prepare_it(tmp_path, path, message):
    with pytest.raises(FileNotFoundError, match=f"{path} is not prepared in .*{message}") as error:
        dataset.load([f"{path}:train"], str(tmp_path))
    assert f"repose prepare {path.split('/')[0]}" not in str(error.value)


def test_the_command_for_files_of_the_user_has_their_source(tmp_path):
    with pytest.raises(FileNotFoundError, match="bvh_motion --source=FILES --fps=60 --views=0"):
        dataset.load(["bvh_motion/60fps_motion:train"], str(tmp_path))


def test_the_command_that_prepares_it_has_all_settings_in_its_name(tmp_path):
    with pytest.raises(FileNotFoundError, match="--fps=30 --views=8 --seed=1 --data_dir"):
        dataset.load(("cmu_mocap/30fps_views8_seed1:train",), str(tmp_path))


def test_a_preparation_that_was_broken_off_is_not_read(tmp_path, data_dir):
    folder = tmp_path / "small" / "30fps"
    shutil.copytree(data_dir / "small" / "30fps", folder)
    shutil.copytree(folder / "1.0.0", folder / "incomplete.Z5D2PC_1.0.0")
    assert dataset.load((small_data.TEST,), str(tmp_path)).names
    shutil.rmtree(folder / "1.0.0")
    with pytest.raises(FileNotFoundError, match="is not prepared"):
        dataset.load((small_data.TEST,), str(tmp_path))


def test_the_newest_version_is_read(tmp_path, data_dir):
    folder = tmp_path / "small" / "30fps"
    shutil.copytree(data_dir / "small" / "30fps" / "1.0.0", folder / "1.10.0")
    (folder / "1.9.0").mkdir()
    (folder / "1.9.0" / "dataset_info.json").write_text("{}")
    assert dataset.load((small_data.TEST,), str(tmp_path)).names


def test_an_unknown_split_is_refused_with_those_that_exist(data_dir):
    with pytest.raises(ValueError, match="small/30fps has no split 'validation'; it has .*test"):
        dataset.load(("small/30fps:validation",), str(data_dir))


@pytest.mark.parametrize("spec", ["small", "small:train", "small/30fps", "small/30fps/1.0.0:train"])
def test_a_malformed_spec_is_refused(spec, data_dir):
    with pytest.raises(ValueError, match=f"'{spec}' is not of the form dataset/config:split"):
        dataset.load((spec,), str(data_dir))


def test_one_string_is_not_a_tuple_of_specs(data_dir):
    with pytest.raises(ValueError, match="a tuple of strings, found the string 'small/30fps:train"):
        dataset.load(small_data.TRAIN, str(data_dir))


def test_no_spec_at_all_is_refused(data_dir):
    with pytest.raises(ValueError, match="no sequence in"):
        dataset.load((), str(data_dir))
