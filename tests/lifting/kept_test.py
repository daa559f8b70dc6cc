"""The joints in a folder of results: what is replaced, and what is not."""

import dataclasses
import pathlib

import numpy as np
import pytest

from repose_jax.keypoints import store
from repose_jax.lifting import kept
from tests.keypoints.store_test import FOUND

PART = dataclasses.replace(FOUND, keypoints=FOUND.keypoints + 1)


def same(path: pathlib.Path, wanted) -> bool:
    file = path if path.is_file() else path / store.NAME
    return np.allclose(store.read(file).keypoints, wanted.keypoints, atol=1e-3)


def test_what_was_detected_is_kept_and_the_sentence_lifts_it(tmp_path):
    (said,) = kept.keep(FOUND, tmp_path / "out put", whole=True)
    assert same(tmp_path / "out put", FOUND)
    assert said.endswith(f"repose lift '{tmp_path}/out put' --out '{tmp_path}/out put'")


def test_a_part_does_not_replace_the_whole_and_the_whole_replaces_the_part(tmp_path):
    kept.keep(PART, tmp_path, whole=False)
    assert same(tmp_path / store.NAME, PART)
    kept.keep(FOUND, tmp_path, whole=True)
    (said,) = kept.keep(PART, tmp_path, whole=False)
    assert same(tmp_path / store.NAME, FOUND)
    assert same(tmp_path / store.PARTIAL, PART)
    assert f"lift {tmp_path / store.PARTIAL} --out {tmp_path / 'partial'}" in said
    kept.keep(PART, tmp_path, whole=True)
    assert same(tmp_path / store.NAME, PART)
    assert not (tmp_path / store.PARTIAL).exists()


def test_of_nobody_nothing_is_kept(tmp_path):
    nobody = {
        name: getattr(FOUND, name)[:0]
        for name in ("keypoints", "confidence", "frame", "score", "identity")
    }
    assert kept.keep(dataclasses.replace(FOUND, **nobody), tmp_path / "out", whole=True) == []
    assert not (tmp_path / "out").exists()


def test_joints_of_an_earlier_result_are_kept_as_they_are_there(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    kept.keep_again(FOUND, tmp_path / "clip.json", first)
    assert same(first, FOUND)
    changed = dataclasses.replace(FOUND, time_s=FOUND.time_s * 2)
    for folder in (first, second):
        kept.keep_again(changed, first, folder)
        np.testing.assert_array_equal(store.read(folder / store.NAME).time_s, FOUND.time_s)


def test_the_result_of_another_video_is_refused(tmp_path):
    usual = pathlib.Path("motion")
    kept.check_same(tmp_path, "other.mp4", usual=usual)
    kept.keep(FOUND, tmp_path, whole=True)
    kept.check_same(tmp_path, "clip.mp4", usual=usual)
    with pytest.raises(ValueError, match="has the result of clip.mp4. .* other.mp4, or --out=mot"):
        kept.check_same(tmp_path, "other.mp4", usual=usual)
