"""A live session: frames of a camera in, poses out, with a small model."""

import threading

import numpy as np
import pytest
import small_live
from small_live import WALKER, predictor

from repose_jax.detectors.detector import Found
from repose_jax.detectors.newest import Newest
from repose_jax.lifting import ahead
from repose_jax.lifting.live import DELAY, FPS
from repose_jax.lifting.options import Options
from repose_jax.lifting.session import Session

PREDICTOR = predictor()
PATIENCE_S = 10
DELAY_S = DELAY / FPS


def session(detector=None, **options) -> Session:
    size = small_live.TRUTH.camera.image_size
    detector = small_live.Detector() if detector is None else detector
    return Session(PREDICTOR, detector, size, Options(), name="camera 0", **options)


def one_by_one(live: Session, frames: int):
    """Poses that are shown for each frame of a camera that waits for it."""
    taken = threading.Semaphore(1)

    def before(frame):
        assert taken.acquire(timeout=PATIENCE_S)

    with Newest(small_live.camera(frames, before)) as newest:
        try:
            for shown in live.poses(newest):
                yield shown
                taken.release()
        finally:
            taken.release()


def test_each_frame_has_the_newest_pose_with_the_image_and_joints_of_its_time():
    shown = list(one_by_one(session(), 20))
    assert [one.joints_mm is None for one in shown] == [True] * 4 + [False] * 16
    for number, one in enumerate(shown[4:], 4):
        behind = number - round(30 * DELAY_S)
        assert one.time_s == pytest.approx(behind / 30, abs=1e-6)
        assert one.image[0, 0, 0] == behind
        np.testing.assert_allclose(one.keypoints_px, WALKER.keypoints_px[behind, :, :2], atol=0.01)
        assert np.isfinite(one.joints_mm).all()
        assert one.latency_s > DELAY_S
        assert one.dropped == 0


def test_frames_that_come_during_a_detection_are_dropped_and_counted():
    came = threading.Event()

    class Slow(small_live.Detector):
        def detect(self, frame, time_s=None):
            assert came.wait(PATIENCE_S)  # all 20 have come
            return super().detect(frame)

    with Newest(small_live.camera(20)) as newest:
        newest._thread.join()
        came.set()
        shown = list(session(Slow()).poses(newest))
    assert [(one.image[0, 0, 0], one.dropped) for one in shown] == [(19, 19)]


def test_the_next_frame_is_detected_while_one_is_lifted(monkeypatch):
    detecting = [threading.Event() for _ in range(3)]
    taken = threading.Semaphore(1)

    class Watched(small_live.Detector):
        def detect(self, frame, time_s=None):
            detecting[frame[0, 0, 0]].set()
            taken.release()
            return super().detect(frame)

    live = session(Watched())
    push = live._live.push

    def lifted(keypoints, time_s, confidence):
        number = round(30 * time_s)
        if number < 2:
            assert detecting[number + 1].wait(PATIENCE_S)
        return push(keypoints, time_s, confidence)

    monkeypatch.setattr(live._live, "push", lifted)
    with Newest(small_live.camera(3, lambda _: taken.acquire(timeout=PATIENCE_S))) as newest:
        assert len(list(live.poses(newest))) == 3


def test_an_error_of_the_detector_comes_after_the_frames_before_it():
    class Broken(small_live.Detector):
        def detect(self, frame, time_s=None):
            if frame[0, 0, 0] == 2:
                raise ValueError("the file of the weights is damaged")
            return super().detect(frame)

    shown = one_by_one(session(Broken()), 5)
    assert [next(shown).image[0, 0, 0] for _ in range(2)] == [0, 1]
    with pytest.raises(ValueError, match="damaged"):
        next(shown)


def test_a_camera_that_falls_silent_is_given_up(monkeypatch):
    monkeypatch.setattr(ahead, "_CLOSING_S", 0.1)
    out = threading.Event()

    def before(frame):
        if frame == 2:
            out.wait(PATIENCE_S)

    with Newest(small_live.camera(5, before)) as newest:
        with pytest.raises(OSError, match=r"camera 0: no frame came for 0.2 s; is it still conn"):
            list(session().poses(newest, silence_s=0.2))
        out.set()


def test_the_stream_and_the_place_start_anew_with_another_person(monkeypatch):
    class Changing(small_live.Detector):
        def detect(self, frame, time_s=None):
            found = super().detect(frame)
            away = 0 if frame[0, 0, 0] < 10 else 5000
            return Found(found.keypoints + away, found.confidence, found.score)

    live = session(Changing())
    resets = []
    monkeypatch.setattr(live._place, "reset", lambda: resets.append(live.times_s[-1]))
    shown = list(one_by_one(live, 40))
    (changed_s,) = resets
    changed = round(30 * changed_s)
    assert changed > 20  # it waits for the first person
    lifted = [one.joints_mm is not None for one in shown]
    assert lifted[changed - 1 : changed + 3] == [True, False, False, False]
    assert all(lifted[changed + 4 :])
    assert (shown[-1].keypoints_px > 4000).all()


def test_the_joints_of_everybody_are_kept_if_asked_for():
    class Two(small_live.Detector):
        def detect(self, frame, time_s=None):
            found = super().detect(frame)
            people = [found.keypoints, found.keypoints / 4] if frame[0, 0, 0] % 2 else []
            return Found(
                np.concatenate([np.zeros((0, 17, 2)), *people]),
                np.ones((len(people), 17)),
                np.ones(len(people)),
            )

    live = session(Two(), keep=True)
    shown = list(one_by_one(live, 5))
    found = live.detections()
    assert len(shown) == len(found.time_s) == 5
    assert found.frame.tolist() == [1, 1, 3, 3]
    np.testing.assert_allclose(found.time_s, np.arange(5) / 30)
    np.testing.assert_allclose(found.keypoints[2], WALKER.keypoints_px[3, :, :2], atol=0.01)
    assert (found.name, found.format, found.image_size) == ("camera 0", "human36m", (1280, 720))
