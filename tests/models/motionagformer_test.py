from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from golden_files import check_reproduces, load

from configs.zoo.motionagformer import get_config as recipe_of
from repose_jax import models
from repose_jax.models import motionagformer
from repose_jax.torch_import import TENSOR_NAMES, convert

NAMES = {  # of the sizes in the authors' code -> ours
    "n_frames": "frames",
    "num_joints": "joints",
    "dim_in": "in_channels",
    "dim_feat": "width",
    "dim_rep": "representation",
    "n_layers": "depth",
    "num_heads": "heads",
    "mlp_ratio": "mlp_ratio",
    "neighbour_num": "neighbours",
}


@pytest.mark.parametrize("name", ["motionagformer_tiny", "motionagformer_xs_t27"])
def test_reproduces_the_authors_model(name):
    check_reproduces("motionagformer", name, NAMES)


def test_the_authors_models_for_mpi_inf_3dhp_read_its_order_of_joints():
    stored, weights, sizes = load("motionagformer_tiny", NAMES)
    model = convert.from_torch("motionagformer", weights, **sizes, joint_order="mpi_inf_3dhp")
    # Their order of Human3.6M's joints: pelvis 14, right hip 8, ..., right wrist 4.
    theirs = [14, 8, 9, 10, 11, 12, 13, 15, 1, 16, 0, 5, 6, 7, 2, 3, 4]
    out = nnx.jit(lambda model, x: model(x))(model, stored["x"][:, :, theirs])
    scale = np.abs(stored["y0"]).max()
    np.testing.assert_allclose(out, stored["y0"][:, :, theirs], rtol=0, atol=1e-5 * scale)


TINY: dict[str, Any] = dict(frames=5, width=8, depth=1, heads=2, mlp_ratio=2, representation=8)


@pytest.mark.parametrize(
    ("size", "count"),
    [("xs", 2_241_531), ("s", 4_817_119), ("", 11_723_811), ("l", 19_007_111)],
)
def test_the_sizes_of_the_recipe_have_the_authors_parameter_counts(size, count):
    recipe = dict(recipe_of(size).model)

    def parameters(depth: int) -> int:
        model = nnx.eval_shape(lambda: models.create(**{**recipe, "depth": depth}))
        return models.parameter_count(model)

    one, two = parameters(1), parameters(2)  # which give the count of many, sooner
    assert one + (recipe["depth"] - 1) * (two - one) == count


def test_joints_are_connected_to_their_neighbours_but_for_three_that_the_authors_table_lacks():
    graph = motionagformer.skeleton_graph()
    connected = {joint: set(np.flatnonzero(row)) for joint, row in enumerate(graph)}
    assert (connected[0], connected[4]) == ({1, 7}, {0, 5})
    assert (connected[8], connected[11], connected[14]) == ({7, 9}, {8, 12}, {8, 15})
    assert {tuple(pair) for pair in np.argwhere(graph != graph.T)} == {
        (0, 4),
        (4, 0),
        (8, 11),
        (11, 8),
        (8, 14),
        (14, 8),
    }


def test_a_graph_is_normalised_by_the_number_of_connections():
    graph = jnp.array([[1.0, 1.0, 0.0], [0.0, 1.0, 0.0], [1.0, 1.0, 1.0]])
    expected = [[1 / 2, 1 / 2**0.5, 0], [0, 1, 0], [1 / 6**0.5, 1 / 3**0.5, 1 / 3]]
    np.testing.assert_allclose(motionagformer.normalise(graph), expected, rtol=1e-6)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_frames_are_connected_to_the_most_similar_ones(count):
    x = jax.random.normal(jax.random.key(0), (2, 9, 3, 4))
    graph = motionagformer.similar_frames(x, count)
    similarity = np.einsum("btjc,bsjc->bjts", x, x)
    expected = np.zeros_like(similarity)
    np.put_along_axis(expected, np.argsort(-similarity, axis=-1)[..., :count], 1, axis=-1)
    np.testing.assert_array_equal(graph, expected)


def test_frames_as_similar_as_the_last_chosen_one_are_connected_too():
    x = jnp.array([3.0, 2.0, 2.0, 1.0]).reshape(1, 4, 1, 1)
    for count, connected in ((1, [1, 0, 0, 0]), (2, [1, 1, 1, 0]), (3, [1, 1, 1, 0])):
        graph = motionagformer.similar_frames(x, count)
        np.testing.assert_array_equal(graph[0, 0], np.tile(connected, (4, 1)))
    still = motionagformer.similar_frames(jnp.ones((1, 4, 1, 1)), 2)
    np.testing.assert_array_equal(still, np.ones((1, 1, 4, 4)))


def test_the_choice_of_frames_has_no_gradient():
    x = jax.random.normal(jax.random.key(0), (1, 5, 2, 3))
    gradient = jax.grad(lambda x: motionagformer.similar_frames(x, 2).sum())(x)
    np.testing.assert_array_equal(gradient, jnp.zeros_like(x))


@pytest.mark.parametrize(("over", "axis"), [("joints", 2), ("frames", 1)])
def test_each_node_of_a_graph_is_normalised_by_its_own_batch_statistics(over, axis):
    config = motionagformer.MotionAGFormerConfig(**TINY)
    graph = motionagformer.GraphConvolution(config, over=over, rngs=nnx.Rngs(0))
    zeros = jax.tree.map(jnp.zeros_like, nnx.state(graph.others))
    nnx.update(graph.others, zeros)  # what is left is own(x)
    x = jax.random.normal(jax.random.key(0), (3, 5, 17, 8))
    own = np.asarray(graph.own(x))
    rest = tuple(i for i in range(4) if i != axis)
    mean, var = own.mean(rest, keepdims=True), own.var(rest, keepdims=True)
    deterministic, trained = (graph(x, key) for key in (None, jax.random.key(0)))
    untouched = np.maximum(x + own / np.sqrt(1 + 1e-5), 0)  # running mean 0 and variance 1
    np.testing.assert_allclose(deterministic, untouched, atol=1e-5)
    expected = np.maximum(x + (own - mean) / np.sqrt(var + 1e-5), 0)
    np.testing.assert_allclose(trained, expected, atol=1e-4)
    count = own.size // own.shape[axis]
    np.testing.assert_allclose(graph.norm.mean[...], mean.ravel(), atol=1e-5)
    np.testing.assert_allclose(graph.norm.var[...], var.ravel() * count / (count - 1), rtol=1e-4)


def test_an_untrained_layer_passes_its_tokens_on_nearly_unchanged():
    config = motionagformer.MotionAGFormerConfig(**TINY)
    layer = motionagformer.DualStreamLayer(config, rngs=nnx.Rngs(0))
    x = jax.random.normal(jax.random.key(0), (1, 5, 17, 8))
    change = jnp.abs(nnx.jit(lambda layer, x: layer(x, None))(layer, x) - x).max()
    assert 0 < change < 20 * motionagformer.LAYER_SCALE


def test_rematerialisation_changes_neither_gradients_nor_batch_statistics():
    x = jax.random.normal(jax.random.key(0), (2, 5, 17, 3))

    @nnx.jit
    def step(model):
        gradient = nnx.grad(lambda model: (model(x, jax.random.key(3)) ** 2).mean())(model)
        return gradient, nnx.state(model, nnx.BatchStat)

    results = []
    for remat in (False, True):
        model: Any = models.create("motionagformer", **TINY, dropout=0.1, remat=remat)
        results.append(jax.tree.leaves(step(model)))
        assert jnp.abs(model.layers[0].graph[1].mixer.norm.mean[...]).max() > 0
    for plain, again in zip(*results, strict=True):
        np.testing.assert_allclose(plain, again, atol=1e-6)


def test_all_sizes_but_heads_and_neighbours_are_inferred_from_a_checkpoint():
    _, weights, sizes = load("motionagformer_tiny", NAMES)
    found = TENSOR_NAMES["motionagformer"].sizes({key: w.shape for key, w in weights.items()})
    assert found == {key: sizes[key] for key in sizes if key not in ("heads", "neighbours")} | {
        "out_channels": 3
    }


def test_clips_of_another_length_and_sizes_that_do_not_fit_are_refused():
    model = nnx.eval_shape(lambda: models.create("motionagformer", **TINY))
    with pytest.raises(ValueError, match=r"t = 5, 17, 3.*got \[1, 4, 17, 3\]"):
        model(jnp.zeros((1, 4, 17, 3)))
    assert model.fixed_length
    for field, value, problem in (
        ("joints", 16, "give 17"),
        ("heads", 3, "a multiple of heads, 3"),
        ("neighbours", 6, "neighbours is 6; give 1 to 5, the frames"),
        ("dtype", "float16", "bfloat16"),
    ):
        with pytest.raises(ValueError, match=problem):
            motionagformer.MotionAGFormerConfig(**(TINY | {field: value}))
