"""The shipped weights lift a walk over several windows, and nothing jerks where a window ends."""

import numpy as np
import pytest
from small_motion import small_motion

import repose_jax as rp
from repose_jax.evaluation import predict
from repose_jax.lifting import blend

FRAMES, WINDOW, STRIDE = 240, 81, 60


@pytest.fixture(scope="module")
def once():
    """Runs the network once for the same inputs."""
    made, found = predict.model_predictor, {}

    def model_predictor(*model, **options):
        run = made(*model, **options)

        def call(inputs):
            key = np.asarray(inputs).tobytes()
            if key not in found:
                found[key] = run(inputs)
            return found[key]

        return call

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(predict, "model_predictor", model_predictor)
        yield


def lifted() -> np.ndarray:
    """Returns a walk as the shipped weights lift it, from exact 2D joints."""
    motion = small_motion(people=1, frames=FRAMES)
    (person,), camera = motion.people, motion.camera
    place = person.joints_camera_mm + person.root_mm[:, None]
    keypoints = camera.focal_px * place[..., :2] / place[..., 2:] + camera.centre_px
    model = rp.load()
    assert model.config.test_frames == WINDOW
    known = {"image_size": camera.image_size, "fps": motion.fps}
    return model(keypoints, **known, constant_bones=False, flip=False)


def acceleration_at_seams(poses: np.ndarray) -> float:
    """Returns the mean acceleration where a window starts or ends, as a multiple of that elsewhere.

    The last window ends with the video.
    """
    starts = [*range(0, FRAMES - WINDOW, STRIDE), FRAMES - WINDOW]
    seams = {*starts[1:], *(start + WINDOW for start in starts[:-1])}
    acceleration = np.linalg.norm(np.diff(poses, 2, axis=0), axis=-1).mean(axis=-1)
    # Both frames beside a seam have an acceleration across it.
    across = np.isin(np.arange(1, FRAMES - 1), [*seams, *(seam - 1 for seam in seams)])
    return float(acceleration[across].mean() / acceleration[~across].mean())


@pytest.mark.usefixtures("once")
def test_the_acceleration_at_seams_is_about_that_elsewhere():
    assert acceleration_at_seams(lifted()) < 1.4


@pytest.mark.usefixtures("once")
def test_of_windows_side_by_side_it_is_a_multiple(monkeypatch):
    # Each frame from the first window that covers it.
    monkeypatch.setattr(blend, "predict_blended", predict.predict_frames)
    assert acceleration_at_seams(lifted()) > 2
