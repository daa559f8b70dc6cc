import functools

import jax
import jax.numpy as jnp
import pytest

from repose_jax import cli
from repose_jax.models import complexity

TINY = dict(frames=12, width=16, depth=2, heads=2, mlp_ratio=3, representation=24)


def by_hand(t, *, j=17, c, depth, ratio, representation):
    """MACs of the dual-stream transformer, (linear, attention)."""
    tokens, sublayers = t * j, 4 * depth
    linear = sublayers * (4 + 2 * ratio) * c * c + depth * 2 * c * 2
    linear += 3 * c + c * representation + representation * 3
    # Half of the attention is over the joints, half over the frames: logits, and mixed values.
    attention = depth * 2 * (2 * j * c + 2 * t * c)
    return tokens * linear, tokens * attention


def test_counts_the_transformer_as_by_hand():
    found = complexity.of_model("repose", clip_frames=9, **TINY)
    expected = by_hand(9, c=16, depth=2, ratio=3, representation=24)
    assert (found.linear_macs, found.attention_macs) == expected
    assert found.macs == sum(expected)
    assert found.macs_per_frame == sum(expected) / 9
    with pytest.raises(ValueError, match="t <= 12"):
        complexity.of_model("repose", clip_frames=13, **TINY)


def test_rematerialisation_and_precision_do_not_change_the_count():
    plain, other = (
        complexity.of_model("repose", clip_frames=9, **TINY, **options)
        for options in ({}, {"remat": True, "dtype": "bfloat16"})
    )
    assert plain == other


@pytest.mark.parametrize(
    ("name", "width", "ratio", "gmacs"),
    [("repose", 256, 4, (65.5, 71.0)), ("motionbert", 512, 2, (174.4, 185.4))],
)
def test_the_authors_models(name, width, ratio, gmacs):
    found = complexity.of_model(name, clip_frames=243)
    expected = by_hand(243, c=width, depth=5, ratio=ratio, representation=512)
    assert (found.linear_macs, found.attention_macs) == expected
    assert (round(found.linear_macs / 1e9, 1), round(found.macs / 1e9, 1)) == gmacs


W, X = jnp.zeros((4, 5)), jnp.zeros((2, 3, 4))


def through_scan(w, x):
    return jax.lax.scan(lambda carry, _: (carry @ w @ w.T, None), x, length=7)[0]


def through_scanned_carry(w, x):
    # What is carried depends on the input from the second round on: a product of activations.
    return jax.lax.scan(lambda carry, row: (carry @ row @ row.T, None), w @ w.T, x)[0]


@jax.custom_vjp
def custom(w, x):
    return x @ w


custom.defvjp(lambda w, x: (custom(w, x), None), lambda _, grad: (grad, grad))


@pytest.mark.parametrize(
    ("function", "linear", "attention"),
    [
        (lambda w, x: x @ w, 2 * 3 * 4 * 5, 0),
        (lambda w, x: w.T @ x[0].T, 3 * 4 * 5, 0),
        (lambda w, x: x @ x.mT, 0, 2 * 3 * 4 * 3),
        (lambda w, x: x + w.sum() * (w.T @ w).sum(), 0, 0),  # of parameters alone: once for all
        (jax.jit(lambda w, x: jax.jit(jnp.matmul)(x, w)), 120, 0),
        (jax.checkpoint(lambda w, x: jnp.sin(x @ w)), 120, 0),
        (custom, 120, 0),
        (through_scan, 7 * 2 * 120, 0),
        (through_scanned_carry, 0, 2 * (4 * 4 * 3 + 4 * 3 * 4)),
        (lambda w, x: (x @ w) @ (x @ w).mT, 240, 2 * 3 * 3 * 5),
        (
            lambda w, x: jax.lax.conv_general_dilated(
                x.mT, jnp.zeros((6, 4, 2)) + w[0, 0], (1,), "VALID"
            ),
            2 * 6 * 2 * 4 * 2,  # clips, features, places, channels, width
            0,
        ),
    ],
)
def test_counts_products_wherever_they_are(function, linear, attention):
    if function is through_scanned_carry:
        x = jnp.zeros((2, 4, 3))
        assert complexity.product_macs(function, W, x) == (linear, attention)
    else:
        assert complexity.product_macs(function, W, X) == (linear, attention)


def test_loops_of_unknown_length_are_refused_only_with_products():
    def loop(body, w, x):
        return jax.lax.while_loop(lambda x: x.sum() < 1, functools.partial(body, w), x)

    with pytest.raises(ValueError, match="inside of 'while' cannot be counted"):
        complexity.product_macs(functools.partial(loop, lambda w, x: x @ w @ w.T), W, X)
    assert complexity.product_macs(functools.partial(loop, lambda w, x: x + 1), W, X) == (0, 0)


def test_the_command_shows_the_papers_number_beside_ours(capsys):
    assert cli.main(["complexity", "--config=configs/h36m.py"]) == 0
    printed = capsys.readouterr().out
    row = printed.splitlines()[2].split("  ")
    name, *cells = [cell.strip() for cell in row if cell.strip()]
    assert name == "repose"
    assert cells == ["16,001,549", "243", "71.0 G", "292.4 M", "65.5 G", "5.5 G"]
    assert "says 43.7 G per clip (the paper's number, not ours): 27.3 G less" in printed
    assert cli.main(["complexity", "--config=configs/h36m.py", "--config.model.width=128"]) == 0
    assert "Table 2 says" not in capsys.readouterr().out
    assert cli.main(["complexity", "--config=configs/h36m.py", "--config.model.heads=7"]) == 2
    assert "width is 256; give a multiple of heads, 7." in capsys.readouterr().err
