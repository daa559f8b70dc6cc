import dataclasses
import re

import pytest
import small_data

from repose_jax import models
from repose_jax.training.setup import Run, microbatches_of, setup, steps_per_call_of


@pytest.fixture(scope="module")
def started(trained):
    """The run before its first step, and its state, which must not be donated."""
    return setup(trained.config)


@pytest.mark.parametrize("clips", [4, 12, 32])  # not of 8 devices, not a part of 16
def test_an_invalid_size_of_microbatches_is_refused(data_dir, clips):
    with pytest.raises(ValueError, match=f"microbatch_size is {clips}; it must divide .* 16, and"):
        setup(small_data.experiment(data_dir, train={"batch_size": 16, "microbatch_size": clips}))


def test_on_a_cpu_long_clips_make_microbatches(data_dir, started):
    _, state = started

    def passes(frames, batch):
        config = small_data.experiment(
            data_dir, train={"batch_size": batch}, data={"frames": frames}
        )
        return microbatches_of(config, state)

    assert passes(243, 32) == 4  # one for each of the 8 devices
    assert passes(81, 48) == 2  # three
    assert passes(81, 40) == 5  # one: two or three are no part of five
    assert passes(9, 64) == 1


def test_batch_norms_need_the_whole_batch(data_dir):
    config = dataclasses.replace(
        small_data.experiment(data_dir, train={"batch_size": 16, "microbatch_size": 8}),
        model={"name": "videopose3d", "filter_widths": (3, 3), "width": 16},
    )
    with pytest.raises(
        ValueError, match=r"microbatch_size is 8, but 'videopose3d' has batch norms"
    ):
        setup(config)


def test_on_a_cpu_a_call_has_up_to_8_short_steps(data_dir):
    def steps(frames, batch, steps_per_epoch, at_once=None):
        config = small_data.experiment(
            data_dir,
            train={"batch_size": batch, "steps_per_call": at_once},
            data={"frames": frames},
        )
        return steps_per_call_of(config, steps_per_epoch)

    assert steps(27, 64, 50) == 5  # 8 clips on each of 8 devices; the largest part of 50
    assert steps(27, 64, 48) == 8
    assert steps(27, 64, 3) == 3
    assert steps(27, 64, 47) == 1
    assert steps(81, 32, 48) == 1  # 324 frames on each
    assert steps(81, 32, 47, at_once=6) == 6


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": {"frames": 10}}, "config.data.frames is 10, more than config.model.frames, 9"),
        (
            {"train": {"batch_size": 24}},
            "config.train.batch_size is 24, but config.data.train has 17 clips of 9 frames; ",
        ),
        ({"train": {"batch_size": 12}}, "batch of 12 clips cannot be split over 8 devices"),
        ({"eval": {"batch_size": 4}}, "batch of 4 clips cannot be split over 8 devices"),
        (
            {"objective": {"weights": {"mpjp": 1.0}}},
            "There is no loss 'mpjp'. Did you mean 'mpjpe'",
        ),
        ({"model": {"widht": 4}}, "Model 'repose' has no 'widht'. Did you mean 'width'?"),
        ({"model": {"joints": 16}}, "config.model.joints is 16; it must be 17, as in the poses"),
        ({"model": {"out_channels": 2}}, "config.model.out_channels is 2; it must be 3"),
        (
            {"data": {"train": ("small",)}},
            "config.data.train is ('small',); it must be a list",
        ),
    ],
)
def test_an_invalid_configuration_is_refused(changes, message, data_dir):
    with pytest.raises(ValueError, match=re.escape(message)):
        setup(small_data.experiment(data_dir, **changes))


def test_a_run_describes_itself(started):
    run, train_state = started
    assert run.describe(train_state).splitlines() == [
        "  devices       8 x cpu",
        f"  model         repose, {parameter_count(run):,} parameters",
        "  training data 17 clips of 9 frames (small/30fps:train)",
        "  test data     9 clips of 9 frames (small/30fps:test), protocol every_frame",
        "  steps         6 (3 epochs of 2) with 8 clips each",
        f"  loss          {run.objective.describe()}",
    ]


def parameter_count(run: Run) -> int:
    return models.parameter_count(models.create(**run.config.model))
