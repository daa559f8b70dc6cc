import subprocess
import sys

import jax.numpy as jnp
import pytest

import repose_jax as rp


def run(code: str) -> str:
    """Runs code in a new interpreter; returns what it prints."""
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout


def test_importing_the_library_imports_nothing_heavy():
    heavy = ["jax", "flax", "numpy", "scipy", "matplotlib", "tensorflow_datasets"]
    assert run(f"import sys, repose_jax; print(sorted({{*{heavy}}} & set(sys.modules)))") == "[]\n"


def test_lifting_with_weights_of_a_file_imports_no_checkpoints():
    code = "import sys, repose_jax as rp; rp.load(); print('orbax.checkpoint' in sys.modules)"
    assert run(code) == "False\n"


def test_the_library_has_the_names_of_its_page():
    names = "load, create_model, losses, metrics, Predictor, Skeleton, HUMAN36M, __version__"
    for name in names.split(", "):
        assert getattr(rp, name) is not None
        assert name in dir(rp)
    model = rp.create_model("repose", frames=9, width=8, depth=1, heads=2, representation=8)
    assert model(jnp.zeros((1, 9, 17, 3))).shape == (1, 9, 17, 3)
    assert isinstance(rp.HUMAN36M, rp.Skeleton)
    with pytest.raises(AttributeError, match="has no attribute 'lodd'"):
        rp.lodd  # noqa: B018
