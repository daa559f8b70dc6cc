import numpy as np
import pytest
import small_data
from small_clips import stretched

from repose_jax.evaluation import protocols
from repose_jax.evaluation.evaluator import load_evaluator
from repose_jax.runtime import devices

MESH = devices.data_mesh()


def test_an_evaluator_is_loaded_from_the_test_split_alone(tmp_path):
    small_data.prepare(tmp_path, splits=("test",))
    config = small_data.experiment(tmp_path, eval={"frames": 6, "flip": False, "batch_size": 16})
    evaluator = load_evaluator(config, MESH)
    clips = evaluator.clips
    assert tuple(clips.sequences.lengths) == small_data.LENGTHS["test"]
    assert (clips.frames, evaluator.batch_size, evaluator.flip) == (6, 16, False)
    assert evaluator.window is None
    assert evaluator.protocol is protocols.get("every_frame")


def test_the_protocol_decides_about_the_root_and_the_scale(data_dir):
    def lifted(inputs):  # 300 mm off, the root too
        return stretched(inputs) + np.float32([0.3, 0, 0])

    found = {}
    for name in ("every_frame", "human36m_camera", "mpi_inf_3dhp_scale_slip"):
        evaluator = load_evaluator(small_data.experiment(data_dir, eval={"protocol": name}), MESH)
        found[name] = evaluator.predict(lifted).poses
    inputs = evaluator.clips.inputs
    relative = stretched(inputs - inputs[:, :1]) * 1000
    np.testing.assert_allclose(found["every_frame"], relative, atol=0.01)
    as_lifted = np.asarray(lifted(inputs)) * 1000
    as_lifted[:, 0] = 0
    np.testing.assert_allclose(found["human36m_camera"], as_lifted, atol=0.01)
    slip = found["mpi_inf_3dhp_scale_slip"]
    np.testing.assert_allclose(slip, as_lifted * 1000 / 2048, atol=0.01)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"eval": {"frames": 10}}, ValueError, "config.eval.frames is 10, more than"),
        ({"eval": {"batch_size": 4}}, ValueError, "4 clips cannot be split over 8 devices"),
        ({"data": {"test": ("small/60fps:test",)}}, FileNotFoundError, "not prepared"),
    ],
)
def test_an_experiment_that_cannot_be_evaluated_is_refused(data_dir, changes, error, message):
    with pytest.raises(error, match=message):
        load_evaluator(small_data.experiment(data_dir, **changes), MESH)
