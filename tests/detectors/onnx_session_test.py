import zipfile

import numpy as np
import pytest
from onnx import TensorProto, helper

from repose_jax.detectors import onnx_session
from tests.detectors import tiny_onnx

pytest.importorskip("onnxruntime")


def one(path, **how):
    return tiny_onnx.constant(path, (64, 48), {"out": np.ones((1, 3), np.float32)}, **how)


def test_a_model_has_the_size_of_its_images_and_the_shapes_of_its_outputs(tmp_path):
    session = onnx_session.load(tiny_onnx.pose(tmp_path / "pose.onnx"))
    assert session.size == (256, 192)
    assert session.outputs == ((1, 26, 384), (1, 26, 512))
    assert session.batched


@pytest.mark.parametrize("batch", [1, "batch"])
def test_several_images_are_run_whether_or_not_the_model_takes_them_at_once(tmp_path, batch):
    session = onnx_session.load(tiny_onnx.pose(tmp_path / "pose.onnx", batch=batch))
    assert session.batched == (batch == "batch")
    images = np.zeros((3, 3, 256, 192), np.float32)
    images[np.arange(3), :, :, [10, 20, 30]] = 1
    in_x, in_y = session.run(images)
    assert in_x.shape == (3, 26, 384)
    assert in_y.shape == (3, 26, 512)
    assert in_x.argmax(-1)[:, 0].tolist() == [20, 40, 60]


def test_an_open_size_is_the_usual_one(tmp_path):
    path = tiny_onnx.constant(
        tmp_path / "open.onnx", ("h", "w"), {"out": np.ones((1, 3), np.float32)}
    )
    assert onnx_session.load(path).size == (640, 640)


def test_a_model_in_half_precision_reads_and_gives_floats(tmp_path):
    path = tiny_onnx.constant(
        tmp_path / "half.onnx",
        (64, 48),
        {"out": np.ones((1, 3), np.float16)},
        input_type=TensorProto.FLOAT16,
        output_type=TensorProto.FLOAT16,
    )
    (output,) = onnx_session.load(path).run(np.zeros((1, 3, 64, 48), np.float32))
    assert output.dtype == np.float32


def test_leaves_a_core_to_others():
    assert 1 <= onnx_session.default_threads() <= onnx_session.MOST_THREADS


def test_threads_are_those_asked_for(tmp_path):
    session = onnx_session.load(one(tmp_path / "a.onnx"), threads=2)
    assert session.runner.get_session_options().intra_op_num_threads == 2


def test_reads_the_model_in_a_zip(tmp_path):
    one(tmp_path / "a.onnx")
    with zipfile.ZipFile(tmp_path / "model.zip", "w") as archive:
        archive.write(tmp_path / "a.onnx", "20230831/rtm/end2end.onnx")
        archive.writestr("20230831/rtm/deploy.json", "{}")
    assert onnx_session.load(tmp_path / "model.zip").size == (64, 48)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty; expected an ONNX model"),
        (b"no model", r"a.onnx is not a model that onnxruntime .* can load: .*\w"),
        (b"\x08\x07", "is not a model that onnxruntime"),
    ],
)
def test_a_file_that_is_no_model_is_refused(tmp_path, content, message):
    (tmp_path / "a.onnx").write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        onnx_session.load(tmp_path / "a.onnx")
    assert "\n" not in str(error.value)


def test_a_zip_without_a_model_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "model.zip", "w") as archive:
        archive.writestr("readme.txt", "")
    with pytest.raises(ValueError, match="holds 0 files"):
        onnx_session.load(tmp_path / "model.zip")


def test_a_damaged_zip_is_refused(tmp_path):
    one(tmp_path / "a.onnx")
    with zipfile.ZipFile(tmp_path / "model.zip", "w") as archive:
        archive.write(tmp_path / "a.onnx", "end2end.onnx")
    content = bytearray((tmp_path / "model.zip").read_bytes())
    content[60] ^= 255
    (tmp_path / "model.zip").write_bytes(content)
    with pytest.raises(ValueError, match="is damaged .*; download it again"):
        onnx_session.load(tmp_path / "model.zip")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="gone.onnx: no such file"):
        onnx_session.load(tmp_path / "gone.onnx")


@pytest.mark.parametrize(
    ("how", "found"),
    [
        ({"input_type": TensorProto.UINT8, "batch": 1}, r"image \[1, 3, 64, 48\] tensor\(uint8\)"),
        ({"batch": 4}, r"image \[4, 3, 64, 48\]"),
    ],
)
def test_another_input_is_refused_with_what_was_found(tmp_path, how, found):
    nodes = [helper.make_node("Identity", ["out_is"], ["out"])]
    constants = {"out_is": np.ones(3, np.float32)}
    path = tiny_onnx.save(tmp_path / "a.onnx", nodes, (64, 48), {"out": [3]}, constants, **how)
    with pytest.raises(ValueError, match=f"{found}.*expected one input of floats"):
        onnx_session.load(path)


def test_a_model_that_fails_on_its_trial_is_refused(tmp_path):
    nodes = [helper.make_node("Reshape", ["image", "shape"], ["out"])]
    constants = {"shape": np.array([7, -1])}
    path = tiny_onnx.save(tmp_path / "a.onnx", nodes, ("h", "w"), {"out": [7, "n"]}, constants)
    with pytest.raises(ValueError, match="cannot run on an image of 640 x 640 px"):
        onnx_session.load(path)
