import json

import pytest

from repose_jax.runtime import extras


def test_returns_the_module():
    assert extras.require("json", "video", "Reading a video") is json


def test_names_the_extra_of_a_missing_package():
    with pytest.raises(ImportError, match=r'Reading a video needs .*pip install "repose-jax\[vid'):
        extras.require("a_package_that_is_not_there", "video", "Reading a video")
