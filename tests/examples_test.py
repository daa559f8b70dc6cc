"""The example of `docs/your_own_backbone.md`, as it is printed there."""

import importlib
import pathlib
import re

import jax
import numpy as np
import pytest
import small_data

from repose_jax import config as config_lib
from repose_jax import models
from repose_jax.training import loop as train

ROOT = pathlib.Path(__file__).parents[1]


def test_the_page_shows_the_file_of_under_sixty_lines():
    page = (ROOT / "docs" / "your_own_backbone.md").read_text()
    (shown,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    assert shown == (ROOT / "examples" / "mixer.py").read_text()
    assert len(shown.splitlines()) < 60


@pytest.fixture
def mixer(monkeypatch):
    """The module that the file is, and the registration that comes with it, for one test."""
    monkeypatch.setattr(models, "MODELS", dict(models.MODELS))
    return importlib.reload(importlib.import_module("examples.mixer"))


def test_the_backbone_trains_with_the_relational_losses(mixer, data_dir, tmp_path):
    weights = mixer.get_config().objective.weights
    assert weights.spatial_depth > 0
    assert weights.temporal_depth > 0
    assert mixer.get_config("baseline").objective.weights.spatial_depth == 0
    small = small_data.experiment(data_dir, train={"epochs": 2})
    sections = small.to_dict()
    sections["model"] = {"name": "mixer", "frames": 9, "width": 8, "depth": 1}
    sections["objective"]["weights"] = weights.to_dict()
    tally = train.train_and_evaluate(config_lib.from_mapping(sections), tmp_path)
    assert tally.frames() == sum(small_data.LENGTHS["test"])
    assert np.isfinite(tally.mean("mpjpe"))


def test_its_default_size_lifts_clips(mixer):
    model = models.create(**mixer.get_config().model)
    x = jax.random.normal(jax.random.key(0), (2, 27, 17, 3))
    assert jax.eval_shape(model, x).shape == (2, 27, 17, 3)
