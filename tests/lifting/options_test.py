import dataclasses
import fractions
import json
import pathlib

import numpy as np
import pytest

from repose_jax.lifting.options import Options, options_of

WRONG = object()
OF_ANOTHER_TYPE = {
    "weights": 3,
    "checkpoint": "newest",
    "format": 17,
    "joints": "nose,left_eye",
    "fps": "30",
    "image_size": "1920x1080",
    "slow_motion": "8",
    "detector": 1,
    "detector_weights": 1,
    "every_frame": "yes",
    "people": "two",
    "person": "1",
    "largest": 1,
    "min_length": "0.3",
    "max_gap": [0.5],
    "smooth": "6",
    "flip": "yes",
    "hypotheses": 2.5,
    "height": "1.8",
    "focal": "1500",
    "fov": "60",
    "camera": 0,
    "up": ("0", "-1", "0"),
    "lock_feet": "no",
}


def test_every_option_has_a_rule_and_an_example():
    fields = dataclasses.fields(Options)
    assert [field.name for field in fields] == [*OF_ANOTHER_TYPE]
    assert all("rule" in field.metadata for field in fields)


@pytest.mark.parametrize("name", OF_ANOTHER_TYPE)
def test_a_value_of_another_type_is_refused_in_one_line(name):
    for value in (OF_ANOTHER_TYPE[name], WRONG, {"a": 1}):
        with pytest.raises(ValueError, match=f"^{name} is .*; it must be ") as error:
            options_of({name: value})
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fps", True),
        ("fps", float("inf")),
        ("smooth", None),
        ("person", 0),
        ("person", True),
        ("focal", 0),
        ("min_length", float("inf")),
        ("image_size", (1920,)),
        ("image_size", (1920.5, 1080)),
        ("image_size", (True, 1080)),
        ("joints", []),
        ("joints", ["nose", 3]),
        ("weights", ""),
        ("up", (0, 0, 0)),
    ],
)
def test_a_value_out_of_its_range_is_refused(name, value):
    with pytest.raises(ValueError, match=f"^{name} is .*; it must be "):
        options_of({name: value})


def test_numbers_of_numpy_and_fractions_are_numbers():
    asked = options_of(
        {
            "fps": fractions.Fraction(30000, 1001),
            "image_size": np.array([1920, 1080]),
            "joints": np.array(["nose", "neck"]),
            "person": np.int64(2),
            "height": np.float32(1.5),
            "smooth": np.array(4),
            "flip": np.bool_(True),
            "up": np.array([0, -1, 0]),
        }
    )
    assert asked.fps == pytest.approx(29.97003)
    assert (asked.image_size, asked.joints) == ((1920, 1080), ("nose", "neck"))
    assert (asked.person, asked.height, asked.smooth, asked.flip) == (2, 1.5, 4, True)
    assert asked.up == (0, -1, 0)
    json.dumps(dataclasses.asdict(asked))


def test_a_size_may_be_of_whole_floats_as_libraries_of_videos_give_them():
    size = options_of({"image_size": (1920.0, np.float32(1080))}).image_size
    assert size is not None
    assert list(map(type, size)) == [int, int]


def test_an_option_that_does_not_exist_is_a_wrong_call():
    with pytest.raises(TypeError, match="Did you mean 'height'"):
        options_of({"hight": 1.8})


def test_options_are_checked_however_they_are_made():
    with pytest.raises(ValueError, match="^height is 178; it must be a number from 0.5 to 2.5 m"):
        Options(height=178)


def test_paths_may_be_text_or_paths():
    for path in ("runs/own", pathlib.Path("runs/own")):
        asked = Options(weights=path, detector=path, detector_weights=path, camera=path)
        assert asked.weights == asked.camera == path
