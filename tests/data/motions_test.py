import numpy as np
import pytest
import small_data
import tensorflow_datasets as tfds
from etils import epath

from repose_jax.data import motions, sequences
from tfds_builders.mocap.builder import MocapBuilder
from tfds_builders.mocap.take import Take
from tfds_builders.records import LANDMARKS

LENGTHS = {"train": (5, 9), "test": (7,)}


def take(split: str, number: int) -> Take:
    rng = np.random.default_rng([len(split), number])
    joints = rng.normal(0, 0.1, (LENGTHS[split][number], 17, 3))
    return Take(f"{split}{number}", f"S{number}", "walk", 60.0, joints)


class SmallMotions(MocapBuilder):
    pkg_dir_path = epath.Path(__file__).parent  # this module is in no package
    VERSION = tfds.core.Version("1.0.0")

    def _takes(self, dl_manager):
        return {s: [take(s, n) for n in range(len(lengths))] for s, lengths in LENGTHS.items()}


@pytest.fixture(scope="module")
def motion_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("motions")
    SmallMotions(data_dir=folder, config="60fps_motion").download_and_prepare()
    return folder


def spec(split: str) -> str:
    return f"small_motions/60fps_motion:{split}"


def test_motions_are_concatenated_in_the_order_of_the_specs(motion_dir):
    found = motions.load((spec("test"), spec("train")), str(motion_dir))
    takes = [take("test", 0), take("train", 0), take("train", 1)]
    assert found.offsets.tolist() == [0, 7, 12, 21]
    assert found.joints.dtype == np.float32
    wanted = np.concatenate([np.concatenate([t.joints, t.face], axis=1) for t in takes])
    np.testing.assert_array_equal(found.joints, wanted.astype(np.float32))
    assert found.fps.tolist() == [60, 60, 60]
    assert found.names == ("test0", "train0", "train1")
    assert found.subjects == ("S0", "S0", "S1")
    assert found.actions == ("walk",) * 3


def test_the_landmarks_are_those_of_the_records():
    assert motions.LANDMARKS == LANDMARKS
    assert len(LANDMARKS) == 20


def test_the_error_of_motions_that_are_not_prepared_has_the_command(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        motions.load(("cmu_mocap/60fps_motion:train",), str(tmp_path))
    assert f"prepare cmu_mocap --source=FILES --fps=60 --views=0 --data_dir={tmp_path}" in str(
        error.value
    )
    with pytest.raises(FileNotFoundError, match="--fps=120 --views=0 --seed=2 "):
        motions.load(("synthetic_motion/120fps_motion_seed2:train",), str(tmp_path))


def test_views_are_no_motions_and_motions_no_views(data_dir, motion_dir):
    with pytest.raises(ValueError, match=r"small/30fps has what cameras saw.*--views=0"):
        motions.load((small_data.TRAIN,), str(data_dir))
    with pytest.raises(ValueError, match=r"small_motions/60fps_motion has motions without cam"):
        sequences.load((spec("train"),), str(motion_dir))


def test_unknown_splits_and_malformed_specs_are_refused(motion_dir):
    with pytest.raises(ValueError, match="has no split 'validation'; it has .*test"):
        motions.load((spec("validation"),), str(motion_dir))
    with pytest.raises(ValueError, match="is not of the form dataset/config:split"):
        motions.load(("small_motions",), str(motion_dir))
    with pytest.raises(ValueError, match="a tuple of strings, found the string"):
        motions.load(spec("train"), str(motion_dir))
