import jax
import numpy as np
import pytest
from small_export import contents, inputs

import repose_jax as rp
from repose_jax.export import program


def lift(model, **options):
    """Returns a program, an input of two clips and its output."""
    made = program.make(model, **options)
    x = inputs(made, 2)
    return made, x, np.asarray(jax.jit(made)(made.variables, x))


def test_joints_in_the_frame_of_the_image_are_lifted_as_by_the_library():
    for evaluation, data in (
        ({"protocol": "every_frame"}, {}),
        ({"protocol": "human36m_camera"}, {"unit": "millimetres"}),  # sets the root to 0
    ):
        model = contents("mixer", evaluation=evaluation, data=data)
        made, x, joints = lift(model)
        assert made.about["unit"] == "mm"
        predictor = rp.Predictor(*model)
        for clip in (0, 1):
            wanted = predictor(x["keypoints"][clip], x["confidence"][clip], (1920, 1080))
            assert np.abs(wanted).max() > 0.1
            np.testing.assert_allclose(joints[clip], wanted, atol=1e-5 * np.abs(wanted).max())


def test_a_model_of_labels_in_px_returns_px():
    model = contents("mixer", data={"train": ("human36m/2.5d:train",)}, evaluation={"flip": False})
    made, x, joints = lift(model)
    assert made.about["unit"] == "px"
    wanted = rp.Predictor(*model)(
        x["keypoints"][0], x["confidence"][0], (1920, 1080), mm_per_px=2.0
    )
    np.testing.assert_allclose(2 * joints[0], wanted, atol=1e-5 * np.abs(wanted).max())


def test_the_network_alone_reads_normalised_joints():
    model = contents("mixer", data={"normalise": "person"})
    made, _, joints = lift(model, form="normalised")
    assert made.inputs == {"normalised": (9, 17, 11)}
    (shape, meaning) = made.about["inputs"]["normalised"]
    assert shape == ["b", 9, 17, 11]
    assert "log frame rate" in meaning
    assert joints.shape == (2, 9, 17, 3)


def test_a_model_of_positions_alone_does_not_ask_for_confidence():
    made = program.make(contents("mixste"))
    assert made.inputs == {"keypoints": (9, 17, 2), "image_size": (2,)}


def test_clips_have_the_frames_around_them_that_the_network_needs():
    made = program.make(contents("pstmo"), frames=5)
    assert made.inputs["keypoints"] == (13, 17, 2)
    assert made.about["context"] == [4, 4]
    assert made.about["output"][0] == ["b", 5, 17, 3]


def test_centre_frames_of_windows_are_part_of_the_program_but_not_of_the_network():
    model = contents("stcformer", evaluation={"output": "centre", "frames": 2})
    assert program.make(model).inputs["keypoints"] == (10, 17, 2)
    assert program.make(model, form="normalised").inputs["normalised"] == (9, 17, 2)


def test_programs_compute_in_float32_without_attention_of_one_device():
    model = contents("repose", model={"dtype": "bfloat16", "fused_attention": ("frames",)})
    made = program.make(model)
    text = str(jax.make_jaxpr(made)(made.variables, inputs(made, 2)))
    assert "bf16" not in text
    assert "cudnn" not in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"form": "pixels"}, "form is 'pixels'; choose from keypoints, normalised"),
        ({"form": "normalised", "flip": False}, "flip: only keypoints are mirrored"),
        ({"frames": 10}, "frames is 10, more than config.model.frames, 9, which 'repose' takes"),
        ({"frames": 0}, "frames is 0"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        program.make(contents("repose"), **options)
