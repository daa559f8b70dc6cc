"""An exported file computes the same as the library: StableHLO in JAX, ONNX in onnxruntime."""

import json

import jax
import numpy as np
import onnxruntime
import pytest
from jax import export
from small_export import contents, inputs

import repose_jax as rp
from repose_jax import models
from repose_jax.export import onnx, program, stablehlo

CLIPS = 8
OF_CENTRES = ("pstmo", "videopose3d", "poseformer", "poseformerv2")


def session(content: bytes) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])


def assert_same(found, wanted):
    """Up to rounding: 1e-5 of the largest number."""
    assert np.isfinite(wanted).all()
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


def assert_for_any_number_of_clips(content: bytes, x, wanted):
    runs = session(content)
    for clips in (1, 3, CLIPS):
        (found,) = runs.run(None, {name: array[:clips] for name, array in x.items()})
        assert_same(found, wanted[:clips])


@pytest.fixture(scope="module")
def lifter():
    """A small model as those that ship: in the person's frame, with test-time augmentation."""
    return contents("repose", data={"normalise": "person"}, notes={"licence": "CC0-1.0"})


@pytest.fixture(scope="module")
def made(lifter):
    return program.make(lifter)


@pytest.fixture(scope="module")
def exported(made):
    return export.deserialize(bytearray(stablehlo.content(made)))


@pytest.fixture(scope="module")
def lifted(made, exported):
    """Clips, and their joints by StableHLO."""
    x = inputs(made, CLIPS)
    return x, np.asarray(jax.jit(exported.call)(x))


def test_stablehlo_lifts_a_clip_as_the_library_does(lifter, lifted):
    x, joints = lifted
    predictor = rp.Predictor(*lifter)
    for clip in (0, 1):  # with and without a frame rate and a focal length
        fps, focal = (
            None if np.isnan(x[name][clip]) else float(x[name][clip])
            for name in ("fps", "focal_length")
        )
        wanted = predictor(
            x["keypoints"][clip],
            x["confidence"][clip],
            image_size=(1920, 1080),
            fps=fps,
            focal_length=focal,
            up=(0, -1, 0),
            constant_bones=False,
        )
        assert_same(joints[clip], wanted)


def test_stablehlo_is_for_every_platform_and_holds_nothing_of_one_of_them(exported):
    assert exported.platforms == ("cpu", "cuda", "tpu")
    (arrays,), _ = exported.in_tree.unflatten(exported.in_avals)
    assert arrays["keypoints"].shape[1:] == (9, 17, 2)
    module = exported.mlir_module()
    assert "optimization_barrier" not in module  # of the fast forms on a CPU
    assert "cudnn" not in module.lower()


def test_onnx_computes_the_same_for_any_number_of_clips(made, lifted):
    assert_for_any_number_of_clips(onnx.content(made), *lifted)


def test_onnx_says_what_it_reads_and_returns(made):
    runs = session(onnx.content(made))
    assert {part.name: part.shape for part in runs.get_inputs()} == {
        "keypoints": ["b", 9, 17, 2],
        "confidence": ["b", 9, 17],
        "image_size": ["b", 2],
        "fps": ["b"],
        "focal_length": ["b"],
        "up": ["b", 3],
    }
    assert [(part.name, part.shape) for part in runs.get_outputs()] == [("joints", ["b", 9, 17, 3])]
    about = runs.get_modelmeta().custom_metadata_map
    assert about["version"] == rp.__version__
    assert about["unit"] == "mm"
    assert json.loads(about["notes"]) == {"licence": "CC0-1.0"}
    assert json.loads(about["joints"]) == list(rp.HUMAN36M.joints)
    assert set(json.loads(about["inputs"])) == {part.name for part in runs.get_inputs()}


def test_parameters_in_float16_take_half_the_space_and_move_joints_a_little(made, lifted):
    x, wanted = lifted
    contents = {dtype: onnx.content(made, dtype) for dtype in ("float16", "float32")}
    parameters = sum(leaf.size for leaf in jax.tree.leaves(made.variables))
    assert len(contents["float32"]) - len(contents["float16"]) > 1.7 * parameters
    (found,) = session(contents["float16"]).run(None, x)
    error = np.abs(found - wanted).max() / np.abs(wanted).max()
    assert 1e-5 < error < 1e-2


def test_a_network_of_convolutions_and_batch_norms_alone():
    made = program.make(contents("videopose3d"), form="normalised", frames=3)
    x = inputs(made, CLIPS)
    assert x["normalised"].shape == (CLIPS, 11, 17, 2)
    wanted = np.asarray(jax.jit(made)(made.variables, x))
    assert_for_any_number_of_clips(onnx.content(made), x, wanted)


@pytest.mark.slow
@pytest.mark.parametrize("normalise", ["image", "person"])
@pytest.mark.parametrize("name", models.MODELS)
def test_every_network_in_onnx(name, normalise):
    model = contents(name, data={"normalise": normalise})
    made = program.make(model, frames=3 if name in OF_CENTRES else None)
    x = inputs(made, CLIPS)
    wanted = np.asarray(jax.jit(made)(made.variables, x))
    assert_for_any_number_of_clips(onnx.content(made), x, wanted)


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_CENTRES)
def test_one_window_of_a_network_of_centre_frames_in_onnx(name):
    made = program.make(contents(name), form="normalised", frames=1)
    x = inputs(made, CLIPS)
    wanted = np.asarray(jax.jit(made)(made.variables, x))
    assert_for_any_number_of_clips(onnx.content(made), x, wanted)
