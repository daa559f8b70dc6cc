"""The pipeline from 2D joints to people in a world, with a model that knows the truth."""

import dataclasses

import numpy as np
import pytest
from flax import nnx
from small_motion import small_motion

import repose_jax as rp
from repose_jax import models
from repose_jax.config import DataConfig, Experiment
from repose_jax.keypoints.detections import Detections
from repose_jax.lifting import scale
from repose_jax.lifting.lift import motion_of
from repose_jax.lifting.options import Options, options_of
from repose_jax.lifting.predictor import Predictor
from repose_jax.motion.motion import MISSING, SEEN
from repose_jax.skeleton import HUMAN36M

TRUTH = small_motion(people=2, frames=90)
CAMERA = {"focal": TRUTH.camera.focal_px}
UNFILTERED = {"smooth": 0, "max_gap": 0}
MODEL = {"name": "mixer", "frames": 9, "width": 8, "depth": 1}
CALLS: list[dict] = []


class Oracle(Predictor):
    """A model that answers with the true pose of the person whose joints it is given."""

    def __call__(self, keypoints_2d, confidence=None, image_size=None, **known):
        CALLS.append(known)
        seen = np.asarray(keypoints_2d)
        same = [one for one in TRUTH.people if len(one.frame) == len(seen)]
        (person,) = same
        return person.joints_camera_mm.astype(np.float32)


def oracle(**data) -> Oracle:
    CALLS.clear()
    config = Experiment(
        model=MODEL, data=DataConfig(normalise="person", frames=9, stride=9, **data)
    )
    graphdef, variables = nnx.split(models.create(**config.model_fields))
    return Oracle(config, graphdef, (variables,))


def exact_keypoints(person) -> np.ndarray:
    place = person.joints_camera_mm + person.root_mm[:, None]
    camera = TRUTH.camera
    return camera.focal_px * place[..., :2] / place[..., 2:] + camera.centre_px


def detections(people=TRUTH.people, **changes) -> Detections:
    rows = [(frame, one, row) for one in people for row, frame in enumerate(one.frame)]
    rows.sort(key=lambda row: row[0])
    found = Detections(
        keypoints=np.array([exact_keypoints(one)[row] for _, one, row in rows]),
        confidence=np.full((len(rows), 17), 0.9),
        frame=np.array([frame for frame, _, _ in rows]),
        score=np.ones(len(rows)),
        identity=np.full(len(rows), -1),
        time_s=TRUTH.time_s,
        image_size=TRUTH.camera.image_size,
        name="walkers",
        format="human36m",
    )
    return dataclasses.replace(found, **changes)


def lifted(found=None, **options):
    return motion_of(found or detections(), oracle(), options_of({**CAMERA, **options}))


def test_everyone_is_placed_where_they_walked():
    motion = lifted(**UNFILTERED)
    assert [person.number for person in motion.people] == [1, 2]
    for person, true in zip(motion.people, TRUTH.people, strict=True):
        np.testing.assert_array_equal(person.frame, true.frame)
        np.testing.assert_allclose(person.joints_camera_mm, true.joints_camera_mm, atol=2)
        assert np.abs(person.root_mm - true.root_mm).mean() < 5


def test_the_world_is_upright_on_the_floor():
    motion = lifted(**UNFILTERED)
    true_up = TRUTH.world.rotation[1]
    assert motion.world.rotation[1] @ true_up > np.cos(np.radians(10))
    joints = np.concatenate([person.joints_mm for person in motion.people])
    assert abs(joints[..., 1].min()) < 120
    assert np.allclose(motion.people[0].joints_mm[0, 0, [0, 2]], 0, atol=1e-3)


@pytest.mark.parametrize("up", ["0.1,-1,-0.2", (0.1, -1, -0.2)])
def test_the_world_is_a_rigid_motion_of_camera_axes(up):
    motion = lifted(**UNFILTERED, up=up)
    assert motion.world.source == "given"
    for person in motion.people:
        place = person.joints_camera_mm + person.root_mm[:, None]
        np.testing.assert_allclose(motion.world.of_camera(place), person.joints_mm, atol=0.1)


def test_the_model_is_given_a_known_camera_and_no_assumed_one():
    lifted()
    assert CALLS[0]["focal_length"] == CAMERA["focal"]
    assert CALLS[0]["fps"] == pytest.approx(30)
    motion = motion_of(detections(), oracle(), Options())
    assert CALLS[0]["focal_length"] is None
    assert any("Focal length: 1280 px, assumed" in sentence for sentence in motion.assumptions)
    motion = motion_of(detections(focal_px=1111.0), oracle(), Options())
    assert CALLS[0]["focal_length"] == motion.camera.focal_px == 1111


def test_distances_are_proportional_to_an_assumed_focal_length():
    near, far = lifted(**UNFILTERED), lifted(**UNFILTERED, focal=2000)
    ratio = far.people[0].root_mm[:, 2] / near.people[0].root_mm[:, 2]
    np.testing.assert_allclose(ratio, 2, rtol=0.05)


def test_people_are_lifted_in_frames_between_those_that_were_examined():
    """The model sees the frames of `TRUTH`, every second of a video of 60 frames/s."""
    frames = len(TRUTH.time_s)
    examined = np.arange(2 * frames) % 2 == 0
    found = detections()
    found = dataclasses.replace(
        found,
        frame=2 * found.frame,
        time_s=np.arange(2 * frames) / 60,
        examined=examined,
    )
    motion = lifted(found, **UNFILTERED)
    assert len(motion.time_s) == 2 * frames
    assert CALLS[0]["fps"] == pytest.approx(30)
    for person, true, plain in zip(
        motion.people, TRUTH.people, lifted(**UNFILTERED).people, strict=True
    ):
        assert person.frame.tolist() == [*range(2 * true.frame[0], 2 * true.frame[-1] + 1)]
        np.testing.assert_allclose(person.time_s, person.frame / 60)
        np.testing.assert_allclose(person.raw_camera_mm[::2], true.joints_camera_mm, atol=1e-2)
        between = (true.joints_camera_mm[1:] + true.joints_camera_mm[:-1]) / 2
        assert np.linalg.norm(person.raw_camera_mm[1::2] - between, axis=-1).mean() < 5
        away = np.linalg.norm(person.root_mm[::2] - plain.root_mm, axis=-1)
        assert away.mean() < 10
        np.testing.assert_array_equal(person.status[::2], plain.status)
        assert np.isfinite(person.keypoints_px[person.status == SEEN]).all()


def test_the_height_of_people_is_that_asked_for():
    motion = lifted(height=1.9)
    for person in motion.people:
        assert scale.height_of(person.joints_mm) == pytest.approx(1900, abs=5)
    assert "Height of people: 1.9 m, as given." in motion.assumptions


def test_smoothing_keeps_the_raw_result_and_bones_have_one_length():
    motion = lifted()
    parents, children = np.array(rp.HUMAN36M.bones).T
    for person, true in zip(motion.people, TRUTH.people, strict=True):
        np.testing.assert_allclose(person.raw_camera_mm, true.joints_camera_mm, atol=1e-2)
        assert np.abs(person.joints_camera_mm - person.raw_camera_mm).max() > 0.5
        bones = person.joints_mm[:, children] - person.joints_mm[:, parents]
        assert np.linalg.norm(bones, axis=-1).std(axis=0).max() < 0.2


def test_one_person_may_be_chosen():
    assert [one.number for one in lifted(person=2).people] == [2]
    assert [one.number for one in lifted(largest=True).people] == [1]
    with pytest.raises(ValueError, match="walkers: there is no person 3; 2 people were found"):
        lifted(person=3)


def test_joints_in_a_long_gap_are_marked():
    found = detections(TRUTH.people[:1])
    found.keypoints[30:70, 13], found.confidence[30:70, 13] = np.nan, 0
    (person,) = lifted(found).people
    assert (person.status[30:70, 13] == MISSING).all()
    assert (person.confidence[30:70, 13] == 0).all()
    assert np.isfinite(person.joints_mm).all()
    assert np.isnan(person.keypoints_px[30:70, 13, :2]).all()


def test_an_unknown_image_size_is_estimated_and_said():
    motion = lifted(detections(image_size=None))
    assert any(s.startswith("Size of the image: ") for s in motion.assumptions)
    given = lifted(detections(image_size=None), image_size=(1280, 720))
    assert given.camera.image_size == (1280, 720)


def test_feet_may_be_locked():
    free, locked = lifted(), lifted(lock_feet=True)
    assert any("standing feet do not slide" in sentence for sentence in locked.assumptions)
    for one, other in zip(free.people, locked.people, strict=True):
        np.testing.assert_allclose(one.joints_camera_mm, other.joints_camera_mm)
        place = locked.world.of_camera(other.joints_camera_mm + other.root_mm[:, None])
        np.testing.assert_allclose(place, other.joints_mm, atol=0.1)


def test_a_video_without_people_is_refused():
    nobody = dataclasses.replace(
        detections(),
        keypoints=np.zeros((0, 17, 2)),
        confidence=np.zeros((0, 17)),
        frame=np.zeros(0, int),
        score=np.zeros(0),
        identity=np.zeros(0, int),
    )
    with pytest.raises(ValueError, match="walkers: nobody was found in 90 frames"):
        lifted(nobody)


def test_a_model_in_px_is_refused():
    model = oracle(train=("human36m/2.5d_sh:train",))
    with pytest.raises(ValueError, match=r"2\.5D labels and predicts px"):
        motion_of(detections(), model, Options())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"height": 178}, r"height is 178; it must be a number from 0\.5 to 2\.5 m"),
        ({"fps": 0}, "fps is 0"),
        ({"max_gap": float("nan")}, "max_gap is nan"),
        ({"person": 1, "largest": True}, "person and largest"),
        ({"image_size": (4, 3)}, "image_size is"),
        ({"focal": 1000, "fov": 50}, "focal and fov"),
        ({"fov": 180}, "fov is 180"),
        ({"up": "north"}, "north"),
    ],
    ids=str,
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        motion_of(detections(), oracle(), Options(**options))


def array_of(person) -> np.ndarray:
    return exact_keypoints(person)


def lifted_array(monkeypatch, points, confidence=None, **options):
    """Returns the motion of an array of joints."""
    monkeypatch.setattr("repose_jax.lifting.predictor.load", lambda *_: oracle())
    known = {"format": "human36m", "image_size": (1280, 720), "fps": 30, **CAMERA}
    return rp.lift(points, confidence, **known, **options)


def test_arrays_are_lifted(monkeypatch):
    points = array_of(TRUTH.people[0])
    motion = lifted_array(monkeypatch, points)
    third = np.concatenate([points, np.full((*points.shape[:2], 1), 0.9)], axis=-1)
    same = lifted_array(monkeypatch, third)
    np.testing.assert_allclose(motion.people[0].joints_mm, same.people[0].joints_mm, atol=30)


def test_masked_values_of_arrays_are_missing(monkeypatch):
    points = array_of(TRUTH.people[0])
    mask = np.zeros(points.shape, bool)
    mask[40:70, 3] = True  # too long to be filled
    seen = np.ma.array(np.ones(points.shape[:2]), mask=mask[..., 0])
    for hidden, sure in ((np.ma.array(points, mask=mask), None), (points, seen)):
        (person,) = lifted_array(monkeypatch, hidden, sure).people
        np.testing.assert_array_equal(person.confidence == 0, mask[..., 0])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"weights": "nowhere"}, FileNotFoundError, "There are no weights 'nowhere'"),
        ({"hypotheses": 5}, ValueError, "makes one prediction"),
    ],
    ids=["missing", "one prediction"],
)
def test_a_model_is_refused_before_people_are_looked_for(
    options, error, message, monkeypatch, tmp_path
):
    def detections_of(*_):
        pytest.fail("people were looked for")

    monkeypatch.setattr("repose_jax.lifting.lift.detections_of", detections_of)
    clip = tmp_path / "clip.mp4"
    clip.touch()
    with pytest.raises(error, match=message):
        rp.lift(clip, **options)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"source": "nothing.mp4"}, FileNotFoundError, r"no file or folder nothing\.mp4"),
        ({"source": ""}, FileNotFoundError, "the path is empty"),
        ({"source": np.zeros((5, 17, 2))}, ValueError, "order of the joints is unknown"),
        ({"source": np.zeros((5, 17)), "format": "coco17"}, ValueError, r"shape \(5, 17\)"),
        ({"source": np.zeros((5, 17, 3)), "confidence": np.zeros((5, 17)), "format": "coco17"},
         ValueError, "third value"),
        ({"source": [[[1, 2], [3]]], "format": "coco17"}, ValueError, "is a list that is no array"),
        ({"source": np.zeros((5, 17, 2)), "confidence": ["high"], "format": "coco17"},
         ValueError, "confidence is a list that is no array of numbers"),
        ({"source": np.zeros((5, 17, 2)), "format": "coco17", "joints": HUMAN36M.joints},
         ValueError, "'coco17' and the joints are different orders; give one"),
        ({"source": np.zeros((5, 17, 2)), "format": "openpose"},
         ValueError, "the joint order is needed, not the format 'openpose' of files"),
        ({"source": "clip.mp4", "confidence": np.ones((5, 17))}, ValueError, "leave it out"),
        ({"source": np.zeros((5, 17, 2)), "hight": 1.8}, TypeError, "Did you mean 'height'"),
    ],
    ids=["file", "empty", "order", "shape", "twice", "ragged", "texts", "orders", "format",
         "confidence", "option"],
)  # fmt: skip
def test_wrong_calls_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        rp.lift(**arguments)


def test_paths_may_begin_with_the_home_of_the_user(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setattr("repose_jax.lifting.predictor.load", lambda *_: oracle())
    np.save(tmp_path / "joints.npy", array_of(TRUTH.people[0]))
    with pytest.raises(FileNotFoundError, match=f"no camera file {tmp_path / 'lens.toml'}"):
        rp.lift("~/joints.npy", format="human36m", camera="~/lens.toml:cam")
    with pytest.raises(FileNotFoundError, match=f"no file or folder {tmp_path / 'other.npy'}"):
        rp.lift("~/other.npy")


def test_arrays_of_slow_motion_have_the_times_of_the_motion(monkeypatch):
    points = array_of(TRUTH.people[0])
    motion = lifted_array(monkeypatch, points, slow_motion=2)
    np.testing.assert_allclose(motion.time_s, np.arange(len(points)) / 60)


def test_what_has_no_influence_on_arrays_is_said(monkeypatch):
    points = array_of(TRUTH.people[0])
    motion = lifted_array(monkeypatch, points, detector="rtmo", people="one", every_frame=True)
    said = "Without influence on 2D joints: detector, every_frame, people."
    assert said in motion.warnings
