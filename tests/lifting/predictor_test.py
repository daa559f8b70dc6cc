import dataclasses
import hashlib
import json
import os
import pathlib

import numpy as np
import pytest
import small_data
import small_weights
from golden_files import GOLDEN

import repose_jax as rp
from repose_jax import models
from repose_jax.data import prepare
from repose_jax.evaluation import predict as predict_lib
from repose_jax.evaluation.evaluator import Evaluator, load_evaluator
from repose_jax.evaluation.predictions import Predictions
from repose_jax.lifting.predictor import batch_size
from repose_jax.runtime import devices
from repose_jax.training.workdir import write_run
from repose_jax.weights import file, shipped


def predictions_of(predictor: rp.Predictor) -> Predictions:
    """The predictions of the run's evaluation."""
    evaluator: Evaluator = load_evaluator(predictor.config, devices.data_mesh())
    return evaluator.predict(evaluator.predictor(predictor.graphdef, predictor.variables))


def assert_as_evaluated(predictor: rp.Predictor, *, factor: bool = False) -> None:
    """Lifts the detections of each test sequence and compares with the evaluation."""
    found = predictions_of(predictor)
    sequences = found.clips.sequences
    for number, size in enumerate(sequences.image_size.tolist()):
        rows = slice(*sequences.offsets[number : number + 2])
        joints = predictor(
            sequences.keypoints_2d[rows],
            sequences.confidence[rows],
            image_size=tuple(size),
            mm_per_px=sequences.mm_per_px[rows] if factor else None,
        )
        assert joints.shape == (sequences.lengths[number], 17, 3)
        covered = np.isfinite(found.poses[rows]).all((1, 2))
        assert covered.any()
        np.testing.assert_allclose(
            joints[covered], found.poses[rows][covered], rtol=1e-4, atol=1e-2
        )
        assert np.isfinite(joints).all()


@pytest.fixture(scope="module")
def predictor(trained) -> rp.Predictor:
    return rp.load(trained.workdir, checkpoint="latest")


def test_a_test_sequence_is_predicted_as_in_the_evaluation(trained, predictor):
    assert predictor.unit == "mm"
    lengths = set(small_data.LENGTHS["test"])
    assert min(lengths) < predictor.config.test_frames < max(lengths)
    assert_as_evaluated(predictor)
    found = predictions_of(predictor)
    error = np.linalg.norm(found.poses - found.truth, axis=-1)[found.valid].mean()
    results = json.loads((trained.workdir / "evaluation.json").read_text())["results"]
    assert error == pytest.approx(results["all"]["all"]["mpjpe"], rel=1e-5)


def test_a_workdir_needs_neither_its_datasets_nor_its_place(trained, tmp_path, predictor):
    path = tmp_path / "elsewhere"
    path.symlink_to(trained.workdir)
    config = dataclasses.replace(
        predictor.config, data=dataclasses.replace(predictor.config.data, data_dir="missing")
    )
    moved = dataclasses.replace(rp.load(str(path), "latest"), config=config)
    np.testing.assert_array_equal(moved(VIDEO, image_size=(640, 480)), predict(predictor))


@pytest.mark.parametrize(("frames", "compiles"), [(81, 1), (9, 0)])
def test_a_model_with_one_program_is_compiled_before_its_first_call(tmp_path, frames, compiles):
    """Many clips of 9 frames are predicted at a time, those of 81 frames one by one."""
    model = rp.load(small_weights.write(tmp_path / "small.safetensors", frames))
    programs = predict_lib._predict._cache_size
    before = programs()
    model.compile(flip=True)
    assert programs() == before + compiles
    model(np.tile(VIDEO, (8, 1, 1)), image_size=(640, 480), flip=True)
    assert programs() == before + 1


@pytest.mark.parametrize(
    "model",
    [
        {"name": "videopose3d", "filter_widths": (3, 3), "width": 16},  # centres of windows
        {"name": "mixste", "frames": 9, "depth": 1, "width": 8, "heads": 2},  # clips of 9 frames
    ],
)
def test_a_converted_model_is_predicted_as_in_its_evaluation(data_dir, tmp_path, model):
    config = dataclasses.replace(small_data.experiment(data_dir), model=model)
    write_run(config, models.create(**model), tmp_path / "run")
    assert_as_evaluated(rp.load(tmp_path / "run"))


@pytest.fixture(scope="module")
def in_image(tmp_path_factory) -> rp.Predictor:
    """A model of 2.5D labels, evaluated on whole clips alone."""
    data_dir = tmp_path_factory.mktemp("human36m")
    prepare.prepare(
        "human36m",
        source=GOLDEN / "h36m" / "h36m_sh_conf_cam_source_final.pkl",
        data_dir=data_dir,
    )
    config = small_data.experiment(
        data_dir,
        data={
            "train": ("human36m/2.5d:train",),
            "test": ("human36m/2.5d:test",),
            "partial_clips": "drop",
            "root_relative": False,
        },
        eval={"protocol": "human36m_2.5d"},
    )
    write_run(config, models.create(**config.model), data_dir / "run")
    return rp.load(data_dir / "run")


def test_a_model_of_25d_labels_predicts_mm_with_the_size_of_a_pixel(in_image):
    assert in_image.unit == "px"
    assert_as_evaluated(in_image, factor=True)


def test_a_model_of_25d_labels_predicts_px_only_if_they_are_asked_for(in_image):
    with pytest.raises(ValueError, match="mm_per_px: this model was trained on 2.5D labels"):
        predict(in_image)
    pixels, millimetres = (predict(in_image, mm_per_px=factor) for factor in (1, 4.5))
    np.testing.assert_allclose(millimetres, 4.5 * pixels, rtol=1e-5)


# Input

RNG = np.random.default_rng(0)
VIDEO = np.cumsum(RNG.normal(0, 2, (25, 17, 2)), axis=0) + RNG.uniform(100, 400, (17, 2))


def predict(predictor, keypoints=VIDEO, confidence=None, image_size=(640, 480), **options):
    return predictor(keypoints, confidence, image_size, **options)


def test_poses_are_relative_to_the_pelvis_and_depend_on_the_whole_clip(predictor):
    joints = predict(predictor)
    np.testing.assert_allclose(joints[:, rp.HUMAN36M.root], 0, atol=1e-3)
    moved = VIDEO.copy()
    moved[3] += 50
    assert (np.abs(predict(predictor, moved) - joints)[:9] > 1e-3).any((1, 2)).all()


def test_without_confidences_all_are_1(predictor):
    ones = predict(predictor, confidence=np.ones((25, 17)))
    np.testing.assert_array_equal(predict(predictor), ones)
    assert not np.array_equal(predict(predictor, confidence=np.full((25, 17), 0.5)), ones)


def test_one_frame_is_a_video_and_lists_are_arrays(predictor):
    joints = predict(predictor, VIDEO[:1].tolist(), np.ones((1, 17)).tolist(), [640, 480])
    np.testing.assert_array_equal(joints, predict(predictor, VIDEO[:1]))


def test_a_missing_joint_is_interpolated_in_time_and_keeps_confidence_0(predictor):
    confidence = np.ones((25, 17))
    confidence[4, 3] = confidence[:, 8] = 0
    missing, filled = VIDEO.copy(), VIDEO.copy()
    missing[4, 3] = missing[:, 8] = np.nan
    filled[4, 3] = (VIDEO[3, 3] + VIDEO[5, 3]) / 2
    others = np.delete(np.arange(17), 8)
    filled[:, 8] = filled[:, others].mean(1)
    found = predict(predictor, missing, confidence)
    np.testing.assert_allclose(found, predict(predictor, filled, confidence), atol=0.05)
    np.testing.assert_array_equal(np.isnan(missing[4, 3]), True)  # the argument is as it was


def test_without_confidences_a_joint_that_is_nan_is_missing(predictor):
    seen = np.ones((25, 17))
    seen[7, 2] = 0
    expected = predict(predictor, with_nan(), seen)
    np.testing.assert_array_equal(predict(predictor, with_nan()), expected)
    seen[7, 2] = np.nan
    np.testing.assert_array_equal(predict(predictor, confidence=seen), expected)


def test_masked_joints_are_missing(predictor):
    mask = np.zeros(VIDEO.shape, bool)
    mask[7, 2] = True
    hidden = np.ma.array(VIDEO, mask=mask)
    expected = predict(predictor, np.where(mask, np.nan, VIDEO))
    np.testing.assert_array_equal(predict(predictor, hidden), expected)
    seen = np.ma.array(np.ones((25, 17)), mask=mask[..., 0])
    np.testing.assert_array_equal(
        predict(predictor, confidence=seen), predict(predictor, confidence=seen.filled(0))
    )


def test_camera_and_frame_rate_have_no_influence_in_the_frame_of_the_image(predictor):
    known = predict(predictor, fps=240, focal_length=700, up=(0, -1, 0))
    np.testing.assert_array_equal(known, predict(predictor))


def with_nan():
    keypoints = VIDEO.copy()
    keypoints[7, 2, 1] = np.nan
    return keypoints


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"keypoints": VIDEO[:, :16]}, r"shape \(25, 16, 2\); expected \(frames, 17, 2\)"),
        ({"keypoints": VIDEO[0]}, r"shape \(17, 2\); expected \(frames, 17, 2\)"),
        ({"keypoints": VIDEO[:0]}, r"shape \(0, 17, 2\)"),
        (
            {"keypoints": with_nan(), "confidence": np.ones((25, 17))},
            "right_knee in frame 7 is not finite and has confidence 1;",
        ),
        ({"keypoints": VIDEO / 320 - 1}, "expected px, not normalised coordinates"),
        ({"confidence": np.ones(25)}, r"confidence has shape \(25,\); expected \(25, 17\)"),
        ({"confidence": np.full((25, 17), 80)}, r"confidence must be in \[0, 1\]"),
        ({"confidence": np.full((25, 17), np.nan)}, "all joints are missing in all frames"),
        ({"image_size": None}, "image_size is None; expected"),
        ({"image_size": (640,)}, "image_size is .*; expected"),
        ({"image_size": (640, 0)}, "image_size is .*; expected"),
        ({"image_size": (640, 10**7)}, "image_size is .*; expected"),
        ({"mm_per_px": 4.0}, "this model predicts mm; leave it out"),
        ({"fps": 0}, "fps is 0; expected frames per second, above 0, or None if unknown"),
        ({"fps": np.inf}, "fps is inf; expected"),
        ({"fps": 1e-300}, "fps is 1e-300; expected"),
        ({"focal_length": 1e300}, "focal_length is 1e\\+300; expected"),
        ({"focal_length": -700}, "focal_length is -700; expected the focal length, px, above 0"),
        ({"focal_length": np.nan}, "focal_length is nan; expected"),
        (
            {"focal_length": 26},
            "focal_length is 26 for an image of 640 px; expected px",
        ),
        ({"up": (0, 1)}, r"up is \(0, 1\); expected the world's vertical in camera axes"),
        ({"up": (0, np.nan, 1)}, "up is .* expected the world's vertical in camera axes"),
        ({"up": (0, 0, 0)}, "up is the zero vector"),
        (
            {"keypoints": np.full((25, 17, 2), np.nan), "confidence": np.zeros((25, 17))},
            "all joints are missing in all frames",
        ),
    ],
)
def test_input_of_another_kind_is_refused_in_one_line(predictor, arguments, message):
    with pytest.raises(ValueError, match=message) as error:
        predict(predictor, **arguments)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("factor", [0, np.nan, np.ones(3)])
def test_the_size_of_a_pixel_is_one_positive_number_or_one_for_each_frame(in_image, factor):
    with pytest.raises(ValueError, match="mm_per_px must be a positive number, or one for each of"):
        predict(in_image, mm_per_px=factor)


def test_a_workdir_without_a_run_and_an_unknown_checkpoint_are_refused(trained, tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no run"):
        rp.load(tmp_path)
    with pytest.raises(ValueError, match="checkpoint is 'last'; choose from latest, best"):
        rp.load(trained.workdir, "last")


# Files of weights


@pytest.fixture(scope="module")
def exported(predictor, tmp_path_factory):
    path = tmp_path_factory.mktemp("exported") / "small.safetensors"
    file.write(path, predictor.config, predictor.variables, notes={"licence": "CC0-1.0"})
    return path


@pytest.fixture
def ships(monkeypatch, exported):
    """The package ships the exported file, as "small"."""
    sha256 = hashlib.sha256(exported.read_bytes()).hexdigest()
    monkeypatch.setattr(shipped, "FOLDER", exported.parent)
    monkeypatch.setattr(shipped, "SHIPPED", {"small": shipped.Shipped(exported.name, sha256)})


def test_a_file_predicts_as_its_run_up_to_the_rounding_of_float16(exported, predictor):
    from_file = rp.load(exported)
    assert from_file.notes == {"licence": "CC0-1.0"}
    np.testing.assert_allclose(predict(from_file), predict(predictor), atol=2)  # mm


def test_shipped_weights_are_loaded_by_default_and_by_name(ships, exported):
    expected = predict(rp.load(exported))
    np.testing.assert_array_equal(predict(rp.load()), expected)
    np.testing.assert_array_equal(predict(rp.load("small")), expected)
    np.testing.assert_array_equal(predict(rp.load(pathlib.Path("small"))), expected)


def test_a_folder_with_the_name_of_shipped_weights_is_loaded_by_its_path(
    ships, trained, tmp_path, monkeypatch
):
    (tmp_path / "small").symlink_to(trained.workdir)
    monkeypatch.chdir(tmp_path)
    assert rp.load("small").notes
    assert not rp.load(os.path.join(".", "small")).notes
    assert not rp.load(pathlib.Path("small")).notes


def test_a_name_of_nothing_is_refused_with_all_that_can_be_loaded(ships):
    with pytest.raises(FileNotFoundError) as error:
        rp.load("smal")
    assert str(error.value) == (
        "There are no weights 'smal'. Did you mean 'small'? Give the name of shipped ones (small), "
        "a .safetensors file, or the workdir of a run, trained or converted."
    )


def test_a_file_has_no_kinds_of_checkpoints(exported):
    with pytest.raises(ValueError, match="checkpoint is 'best', but .* holds one model"):
        rp.load(exported, "best")


@pytest.mark.parametrize(
    ("clips", "frames", "most", "size"),
    [
        (10, 81, 32, 1),
        (10, 243, 32, 1),
        (10, 27, 32, 3),
        (100, 1, 32, 8),
        (1, 9, 32, 1),
        (9, 9, 2, 2),
    ],
)
def test_a_cpu_predicts_about_81_frames_at_a_time(clips, frames, most, size, monkeypatch):
    monkeypatch.setattr("jax.device_count", lambda: 1)
    assert batch_size(clips, frames, most) == size
    monkeypatch.setattr("jax.device_count", lambda: 4)
    assert batch_size(1, frames, most) == 4  # which the devices can split
    monkeypatch.setattr("jax.default_backend", lambda: "gpu")
    assert batch_size(100, frames, 32) == 32
