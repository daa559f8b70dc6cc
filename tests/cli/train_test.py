import dataclasses

import jax
import numpy as np
import pytest
import small_data

from repose_jax.cli import train
from repose_jax.lifting import predictor


@pytest.fixture
def experiment(data_dir):
    return small_data.experiment(data_dir, eval={"pictures": 1})


def test_the_pictures_of_a_run_show_what_the_shipped_weights_make_of_the_detections(
    experiment, trained, monkeypatch
):
    model = predictor.load(trained.workdir)
    loads = []
    monkeypatch.setattr(predictor, "load", lambda: loads.append("shipped") or model)
    lift = train.shipped_lift(experiment)
    assert lift is not None
    assert loads == []  # a run begins without them
    sequences = small_data.sequences([4, 9])
    sequences = dataclasses.replace(sequences, fps=np.array([30, np.nan], np.float32))
    for number, rows in ((0, slice(1, 3)), (1, slice(4, 13))):
        expected = model(
            sequences.keypoints_2d[rows], sequences.confidence[rows], image_size=(1000, 900)
        )
        np.testing.assert_array_equal(lift(sequences, number, rows), expected)
    assert loads == ["shipped"]


@pytest.mark.parametrize(
    ("section", "change"), [("eval", {"pictures": 0}), ("data", {"inputs": "ground_truth"})]
)
def test_they_are_left_out_without_pictures_and_for_other_inputs(experiment, section, change):
    section_of = dataclasses.replace(getattr(experiment, section), **change)
    experiment = dataclasses.replace(experiment, **{section: section_of})
    assert train.shipped_lift(experiment) is None


def test_they_are_left_out_of_a_run_of_several_processes(experiment, monkeypatch):
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    assert train.shipped_lift(experiment) is None
