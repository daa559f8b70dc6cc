"""The authors' own reader and evaluation of Human3.6M, on a synthetic file in MotionBERT's layout.

`tests/golden/h36m` has the file and the output of their code for it: where clips start, the first
inputs and labels, and the errors of stored predictions.
"""

import functools

import jax.numpy as jnp
import numpy as np
import pytest
from golden_files import GOLDEN

from repose_jax.data import clips, prepare
from repose_jax.data import sequences as dataset
from repose_jax.evaluation import protocols
from repose_jax.evaluation.predict import predict_sequences
from repose_jax.evaluation.protocols import human36m
from repose_jax.evaluation.score import score
from repose_jax.runtime import devices

EXPECTED = dict(np.load(GOLDEN / "h36m" / "h36m_expected.npz"))
LENGTH = int(EXPECTED["clip_length"])
PROTOCOL = protocols.get("human36m_2.5d")


@pytest.fixture(scope="module")
def load(tmp_path_factory):
    data_dir = tmp_path_factory.mktemp("human36m")
    source = GOLDEN / "h36m" / "h36m_sh_conf_cam_source_final.pkl"
    prepare.prepare("human36m", source=source, data_dir=data_dir)
    return functools.cache(lambda split: dataset.load((f"human36m/2.5d:{split}",), str(data_dir)))


def cut(motion: dataset.Sequences, stride: int) -> clips.Clips:
    return clips.make(
        motion, frames=LENGTH, stride=stride, partial_clips="drop", root_relative=False
    )


@pytest.mark.parametrize("split", ["train", "test"])
def test_the_clips_are_those_of_the_authors_reader(load, split):
    found = cut(load(split), int(EXPECTED[f"{split}_stride"]))
    assert len(found) == int(EXPECTED[f"n_{split}"])
    np.testing.assert_array_equal(found.windows.start, EXPECTED[f"{split}_clip_start"])
    batch = clips.gather(found, np.array([0, 1]))
    np.testing.assert_allclose(batch["inputs"], EXPECTED[f"{split}_input_first"], atol=1e-6)
    np.testing.assert_allclose(batch["targets"], EXPECTED[f"{split}_label_first"], atol=1e-6)


def test_the_errors_are_those_of_the_authors_evaluation(load):
    motion = load("test")
    found = cut(motion, LENGTH)
    predictions = EXPECTED["predictions_normalised"]
    stored = iter((predictions[:8], np.resize(predictions[8:], predictions[:8].shape)))
    predictions = predict_sequences(
        lambda inputs: jnp.asarray(next(stored)), found, batch_size=8, mesh=devices.data_mesh()
    )
    tally = score(predictions)
    table, summary = PROTOCOL.table(tally), PROTOCOL.summary(tally)
    names = {name: short for short, name, _ in human36m.ACTIONS}
    assert table.columns == (*(names[action] for action in EXPECTED["actions"]), "Avg")
    for label, metric, golden in (
        ("MPJPE (P1)", "mpjpe", "mpjpe"),
        ("PA-MPJPE (P2)", "pa_mpjpe", "p_mpjpe"),
    ):
        wanted = [*EXPECTED[f"{golden}_per_action"], EXPECTED[golden]]
        np.testing.assert_allclose(table.rows[label], wanted, atol=1e-3)
        np.testing.assert_allclose(summary[metric], wanted[-1], atol=1e-3)


def test_dropping_partial_clips_leaves_whole_clips_and_covering_them_every_frame(load):
    motion = load("test")
    dropped = clips.covered(cut(motion, LENGTH)).sum()
    assert dropped == sum(n // LENGTH * LENGTH for n in motion.lengths)
    assert clips.covered(clips.make(motion, frames=LENGTH, stride=LENGTH)).all()
