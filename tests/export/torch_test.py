import io

import jax
import numpy as np
import pytest
from flax import nnx
from golden_files import load
from small_export import contents

from repose_jax.config import Experiment
from repose_jax.export import torch as torch_export
from repose_jax.torch_import import TENSOR_NAMES, convert
from repose_jax.weights.file import Contents

every_network = pytest.mark.parametrize("name", TENSOR_NAMES)


def with_weights_of(tensors, name: str, **sizes) -> Contents:
    model = convert.from_torch(name, tensors, **sizes)
    graphdef, *trees = nnx.split(model, nnx.Param, nnx.BatchStat)
    return Contents(Experiment(model={"name": name, **sizes}), graphdef, tuple(trees), {})


@every_network
def test_the_tensors_of_the_authors_networks_are_returned_as_they_were(name):
    # With those of the golden files the authors' networks give the outputs there.
    _, wanted, _ = load(f"{name}_tiny", {})
    known = TENSOR_NAMES[name]
    heads = {"heads": 2, "generator_heads": 3, "frames": 27}  # no tensor depends on them
    sizes = {key: heads[key] for key in known.not_inferred if key in heads}
    sizes |= known.sizes({key: tensor.shape for key, tensor in wanted.items()})
    found = torch_export.state_dict(with_weights_of(wanted, name, **sizes))
    for key, constant in known.constants().items():
        np.testing.assert_array_equal(found.pop(key), constant, err_msg=key)
    assert found.keys() == wanted.keys()
    for key, tensor in wanted.items():
        assert found[key].dtype == np.float32
        np.testing.assert_array_equal(found[key], tensor, err_msg=key)


@pytest.mark.slow
@every_network
def test_parameters_are_read_again_bit_for_bit(name):
    model = contents(name)
    tensors = torch_export.state_dict(model)
    read = with_weights_of(tensors, **model.config.model)
    assert jax.tree.all(jax.tree.map(np.array_equal, read.variables, model.variables))


def test_a_longer_window_of_mhformer_has_embeddings_without_norms():
    # As in the authors' code: a list with a norm for up to 27 frames, else one convolution.
    for frames, name in ((27, "embedding_1.0.weight"), (81, "embedding_1.weight")):
        model = contents("mhformer", model={"frames": frames})
        assert name in torch_export.state_dict(model)


def test_pytorch_loads_the_file():
    torch = pytest.importorskip("torch")
    model = contents("repose")
    for dtype in ("float32", "float16"):
        loaded = torch.load(io.BytesIO(torch_export.content(model, dtype)), weights_only=True)
        wanted = torch_export.state_dict(model, dtype)
        assert loaded.keys() == wanted.keys()
        for key, tensor in loaded.items():
            assert tensor.dtype == getattr(torch, dtype)
            np.testing.assert_array_equal(tensor.numpy(), wanted[key])
    linear = torch.nn.Linear(3, 8)
    linear.load_state_dict({k: loaded[f"joints_embed.{k}"] for k in ("weight", "bias")})


def test_a_model_that_no_authors_published_is_refused():
    with pytest.raises(ValueError, match="no PyTorch code of authors for 'mixer', only for repose"):
        torch_export.state_dict(contents("mixer"))
