"""The newest frame of a camera."""

import itertools
import threading
import time

import numpy as np
import pytest

from repose_jax.detectors.newest import Newest
from repose_jax.detectors.video import Video


def video(count, *, wait=None, fail=False, closed=None):
    """A source of frames whose pixels are their number; it waits after the second frame."""

    def frames():
        for i in range(count):
            if i == 2 and wait is not None:
                wait()
            yield float(i), lambda i=i: np.full((4, 6, 3), i, np.uint8)
        if fail:
            raise OSError("the cable is out")

    return Video("camera 0", frames(), close=(lambda: None) if closed is None else closed)


def test_frames_that_nobody_took_are_dropped():
    taken = threading.Event()
    with Newest(video(8, wait=taken.wait)) as newest:
        frames = iter(newest)
        first = next(frames)
        taken.set()
        newest._thread.join()  # all others have come
        last = next(frames)
        assert (first.time_s, last.time_s, last.image[0, 0, 0]) == (first.time_s, 7.0, 7)
        assert last.came_s <= time.monotonic()
        assert newest.read == 8
        assert list(frames) == []


def test_the_error_of_the_camera_comes_after_its_frames():
    with Newest(video(3, fail=True)) as newest:
        newest._thread.join()
        frames = iter(newest)
        assert next(frames).time_s == 2.0
        with pytest.raises(OSError, match="cable"):
            next(frames)


def test_a_file_is_read_at_its_pace_from_when_frames_are_asked_for(monkeypatch):
    waits = []
    with Newest(video(3), paced=True) as newest:
        monkeypatch.setattr(newest._ended, "wait", lambda seconds: waits.append(seconds))
        assert newest.read == 0
        list(newest)
    np.testing.assert_allclose(waits, [0, 1, 2], atol=0.5)


def test_leaving_ends_the_thread_and_closes_the_camera_once():
    closed = []
    endless = ((float(i), lambda: np.zeros((4, 6, 3), np.uint8)) for i in itertools.count())
    with Newest(Video("camera 0", endless, close=lambda: closed.append(1))) as newest:
        next(iter(newest))
    assert closed == [1]
    assert not newest._thread.is_alive()
