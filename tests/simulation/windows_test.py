import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
import small_motions

from repose_jax.data.motions import Motions
from repose_jax.simulation import windows
from repose_jax.simulation.windows import MotionWindows

FRAMES, RATES = 27, (15.0, 60.0)
WHOLE = slice(None)


def counting(lengths: tuple[int, ...], fps: tuple[float, ...]) -> Motions:
    """Motions whose coordinates are the number of the frame, and 1000 times that of the take."""
    template = small_motions.motions((1,) * len(lengths))
    values = np.concatenate([1000 * take + np.arange(n) for take, n in enumerate(lengths)])
    return dataclasses.replace(
        template,
        joints=np.broadcast_to(values[:, None, None], (len(values), 20, 3)).astype(np.float32),
        offsets=np.cumsum([0, *lengths]),
        fps=np.float32(fps),
    )


LENGTHS, TAKE_FPS = (1, 2, 5, 700, 300), (60.0, 60.0, 30.0, 60.0, 120.0)
MOTIONS = counting(LENGTHS, TAKE_FPS)
WINDOWS = MotionWindows(MOTIONS, FRAMES, RATES)


def sample(found: MotionWindows = WINDOWS, size=512, *, seed=0, step=0, rows=WHOLE):
    return windows.sample(found, size, seed=seed, step=step, rows=rows)


def interpolate(batch, who, motions=MOTIONS) -> np.ndarray:
    found = windows.interpolate(
        jnp.asarray(motions.joints), {key: jnp.asarray(x) for key, x in batch.items()}, who
    )
    return np.asarray(found)


def assert_same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> None:
    assert a.keys() == b.keys()
    for key in a:
        np.testing.assert_array_equal(a[key], b[key])


# Which windows


def test_a_batch_depends_on_nothing_but_seed_and_step():
    first = sample(seed=1, step=5)
    sample(seed=2, step=99)
    assert_same(first, sample(seed=1, step=5))
    for seed, step in ((1, 6), (2, 5)):
        other = sample(seed=seed, step=step)
        for key in ("low", "start", "ratio", "fps"):
            assert not np.array_equal(first[key], other[key])


def test_the_rows_of_processes_make_up_the_batch():
    whole = sample(size=8)
    parts = [sample(size=8, rows=rows) for rows in (slice(0, 4), slice(4, 6), slice(6, 8))]
    assert_same(whole, {key: np.concatenate([part[key] for part in parts]) for key in whole})


def test_every_clip_has_a_window_of_its_own_and_one_of_each_partner():
    batch = sample(size=8)
    for key in ("low", "count", "start", "ratio"):
        assert batch[key].shape == (8, 1 + windows.PARTNERS)
    assert (np.diff(batch["start"], axis=1) != 0).all()
    assert batch["mask"].shape == (8, FRAMES)


def test_takes_are_chosen_in_proportion_to_their_time():
    batch = sample(size=20_000)
    seconds = np.array(LENGTHS) / TAKE_FPS
    for who in range(1 + windows.PARTNERS):
        take = np.searchsorted(MOTIONS.offsets, batch["low"][:, who])
        np.testing.assert_array_equal(batch["count"][:, who], np.array(LENGTHS)[take])
        found = np.bincount(take, minlength=len(LENGTHS)) / len(take)
        np.testing.assert_allclose(found, seconds / seconds.sum(), atol=0.01)


def test_windows_begin_anywhere_in_their_take():
    batch = sample(size=20_000)
    assert (batch["start"] >= 0).all()
    assert (batch["start"] <= batch["count"] - 1).all()
    long = batch["count"] == 700
    quartiles = np.quantile(batch["start"][long], [0.25, 0.5, 0.75])
    np.testing.assert_allclose(quartiles, 699 * np.array([0.25, 0.5, 0.75]), atol=10)


def test_rates_are_within_their_range_and_uniform_in_the_logarithm():
    fps = sample(size=20_000)["fps"]
    assert (fps >= 15 - 1e-4).all()
    assert (fps <= 60 + 1e-4).all()
    np.testing.assert_allclose(np.mean(fps < 30), 0.5, atol=0.02)


def test_a_window_lasts_as_long_as_its_frames_at_the_rate_of_the_clip():
    batch = sample()
    take = np.searchsorted(MOTIONS.offsets, batch["low"])
    wanted = np.array(TAKE_FPS)[take] / batch["fps"][:, None]
    np.testing.assert_allclose(batch["ratio"], wanted, rtol=1e-5)


def test_some_motions_stop_before_the_end_of_the_clip_and_the_rest_of_it_is_masked():
    mask = sample(size=20_000)["mask"]
    length = mask.sum(1)
    np.testing.assert_array_equal(mask, np.arange(FRAMES) < length[:, None])
    assert length.min() == 1
    np.testing.assert_allclose(
        np.mean(length < FRAMES), windows.STOPS * (1 - 1 / FRAMES), atol=0.01
    )


def test_the_number_of_windows_is_that_of_clips_at_30_frames_per_second():
    assert len(MotionWindows(counting((600, 300), (60.0, 30.0)), 30, RATES)) == 20
    assert len(MotionWindows(counting((1,), (60.0,)), 30, RATES)) == 1


# Their frames


@pytest.mark.parametrize("who", range(1 + windows.PARTNERS))
def test_windows_go_back_in_time_at_the_ends_and_never_leave_their_take(who):
    lengths = (1, 2, 5, 40)
    motions = counting(lengths, (60.0, 60.0, 30.0, 60.0))
    batch = sample(MotionWindows(motions, FRAMES, RATES), 1000)
    found = interpolate(batch, who, motions)[:, :, 4, 1]
    low, count = batch["low"][:, who, None], batch["count"][:, who, None]
    take = np.searchsorted(motions.offsets, low)
    frame = np.minimum(np.arange(FRAMES), batch["mask"].sum(1, keepdims=True) - 1)
    time = batch["start"][:, who, None] + frame * batch["ratio"][:, who, None].astype(float)
    last = np.maximum(count - 1, 1e-9)
    inside = np.abs((time + last) % (2 * last) - last)  # a triangle wave
    np.testing.assert_allclose(found - 1000 * take, np.where(count > 1, inside, 0), atol=2e-3)
    # All kinds of takes were there, and some windows passed the end.
    assert {*count.ravel().tolist()} == {*lengths}
    assert (time > last).any()


def test_a_motion_stands_still_where_it_is_masked():
    batch = sample()
    found, mask = interpolate(batch, 0), batch["mask"]
    last = found[np.arange(len(mask)), mask.sum(1) - 1]
    stopped = ~mask
    assert stopped.any()
    wanted = np.broadcast_to(last[:, None], found.shape)
    np.testing.assert_array_equal(found[stopped], wanted[stopped])


def test_interpolation_is_exact_for_straight_motion():
    rng = np.random.default_rng(0)
    start, speed = rng.normal(size=(2, 20, 3))
    line = (start + speed * np.arange(200)[:, None, None] / 60).astype(np.float32)
    motions = dataclasses.replace(counting((200,), (60.0,)), joints=line)
    batch = sample(MotionWindows(motions, FRAMES, (50.0, 60.0)), 64)
    inside = batch["start"][:, 0] + FRAMES * batch["ratio"][:, 0] < 199
    assert inside.any()
    assert (batch["start"][:, 0] % 1 > 0.1).any()
    frame = np.minimum(np.arange(FRAMES), batch["mask"].sum(1, keepdims=True) - 1)
    time = batch["start"][:, :1] / 60 + frame / batch["fps"][:, None]
    wanted = start + speed * time[..., None, None]
    np.testing.assert_allclose(interpolate(batch, 0, motions)[inside], wanted[inside], atol=1e-4)
