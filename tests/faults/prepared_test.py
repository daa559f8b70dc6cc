"""Damaged prepared datasets: each ends in one line with its folder, and runs nothing."""

import json
import pathlib
import shutil

import numpy as np
import pytest
import small_data

from repose_jax.data import sequences


def _copy(data_dir: pathlib.Path, to: pathlib.Path) -> pathlib.Path:
    shutil.copytree(data_dir / "small", to / "small")
    return next((to / "small" / "30fps").iterdir())


def _mutate(rng: np.random.Generator, data: bytes) -> bytes:
    """Flips a byte, cuts, removes, repeats or zeroes a part."""
    at = int(rng.integers(len(data)))
    end = min(len(data), at + int(rng.integers(1, 64)))
    return [
        lambda: data[:at] + bytes([data[at] ^ 1 << int(rng.integers(8))]) + data[at + 1 :],
        lambda: data[:at],
        lambda: data[:at] + data[end:],
        lambda: data[:end] + data[at:],
        lambda: data[:at] + bytes(end - at) + data[end:],
    ][int(rng.integers(5))]()


def _check(data_dir: pathlib.Path, to: pathlib.Path, tries: int, seed: int) -> dict[str, int]:
    rng = np.random.default_rng(seed)
    outcomes = {"read": 0, "refused": 0}
    folder = _copy(data_dir, to)
    files = {path: path.read_bytes() for path in sorted(folder.iterdir()) if path.stat().st_size}
    for _ in range(tries):
        path = list(files)[int(rng.integers(len(files)))]
        path.write_bytes(_mutate(rng, files[path]))
        message = ""
        try:
            sequences.load((small_data.TRAIN, small_data.TEST), str(to))
        except ValueError as error:
            message = str(error)
        outcomes["refused" if message else "read"] += 1
        assert not message or str(to) in message or "small/30fps" in message, path
        assert "\n" not in message
        path.write_bytes(files[path])
    return outcomes


def test_damaged_datasets_are_refused_in_one_line(data_dir, tmp_path):
    assert _check(data_dir, tmp_path, 25, seed=0)["refused"] > 5


@pytest.mark.slow
def test_three_hundred_damaged_datasets_are_refused_in_one_line(data_dir, tmp_path):
    outcomes = _check(data_dir, tmp_path, 300, seed=1)
    print(outcomes)
    assert sum(outcomes.values()) == 300


@pytest.mark.parametrize(
    "key", ["keypoints_2d", "mm_per_px", "intrinsics", "fps", "rotation", "name", "subject"]
)
def test_a_dataset_of_an_older_version_is_refused(data_dir, tmp_path, key):
    folder = _copy(data_dir, tmp_path)
    content = json.loads((folder / "features.json").read_text())
    del content["featuresDict"]["features"][key]
    (folder / "features.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=f"{folder} was prepared by an older .* have no '{key}'"):
        sequences.load((small_data.TRAIN,), str(tmp_path))


@pytest.mark.parametrize("key", ["pythonClassName", "type"])
def test_nothing_is_imported_from_a_dataset(data_dir, tmp_path, monkeypatch, key):
    features = _copy(data_dir, tmp_path) / "features.json"
    (tmp_path / "stranger.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    text = features.read_text()
    at = text.index('"pythonClassName"')
    end = text.index(",", at)
    features.write_text(f'{text[:at]}"{key}": "stranger.Feature"{text[end:]}')
    with pytest.raises(ValueError, match=r"features.json names the class stranger.Feature"):
        sequences.load((small_data.TRAIN,), str(tmp_path))
