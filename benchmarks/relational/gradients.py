"""How hard each form of the relational losses pulls, beside MPJPE."""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from benchmarks.relational.forms import FORMS, NONE, Backbone, experiment
from repose_jax.objectives import objective
from repose_jax.simulation.windows import MotionWindows
from repose_jax.training import examples, step
from repose_jax.training import stored as weights
from repose_jax.training.setup import setup


def measure(
    backbone: Backbone, flags: Sequence[str], batches_: int = 4
) -> dict[str, dict[str, float]]:
    """Measures how hard each form pulls at weight 1, as a share of MPJPE.

    Args:
        backbone: the model, with the weights that it names.
        flags: of `repose train`; with `--config.init_from=RUN` of a trained model.
        batches_: batches over which the norms are averaged.

    Returns:
        For each form and each of its losses the norm of its gradient over that of MPJPE, by the
        predicted depths and by the parameters of the model.
    """
    config = experiment(NONE, backbone, backbone.tune, flags)
    run, state = setup(config)
    if start := config.init_from or backbone.start:
        state = weights.start_from(start, state)
    assert isinstance(run.train, MotionWindows)
    motions = examples.landmarks(run.train, run.mesh)
    rows = step.batches(run, range(batches_))

    simulate = jax.jit(functools.partial(examples.simulated, config))
    keys = jax.random.split(jax.random.key(config.train.seed), batches_)
    made = [
        simulate(key, motions, jax.tree.map(lambda x, i=i: x[i], rows))
        for i, key in enumerate(keys)
    ]

    def predict(params, inputs):
        model = nnx.merge(run.graphdef, params, state.stats)
        return model.outputs(inputs[..., : model.config.in_channels], keys[0])[-1]

    @jax.jit
    def backward(params, inputs, by_output):
        (grads,) = jax.vjp(lambda params: predict(params, inputs), params)[1](by_output)
        return jnp.sqrt(sum(jnp.sum(x**2) for x in jax.tree.leaves(grads)))

    params = state.params["model"]
    outputs = [jax.jit(predict)(params, batch["inputs"]) for batch in made]

    def mean(minimised):
        @jax.jit
        def by_output(output, batch):
            mask = jnp.broadcast_to(batch["mask"], batch["targets"].shape[:-1])
            parameters = objective.init_log_variances(minimised)
            total = functools.partial(minimised, log_variances=parameters)
            return jax.grad(
                lambda x: total(x, batch["targets"], mask, occluded=batch["occluded"])[0]
            )(output)

        each = []
        for output, batch in zip(outputs, made, strict=True):
            found = by_output(output, batch)
            each.append((jnp.linalg.norm(found[..., 2]), backward(params, batch["inputs"], found)))
        return np.mean(jax.device_get(each), axis=0)

    whole = mean(objective.make_objective({"mpjpe": 1.0}))
    found = {}
    for name, form in FORMS.items():
        for loss in form.losses:
            by_depth, by_params = mean(objective.make_objective({loss: 1.0}, **form.options))
            axis, _, kind = loss.partition("_")
            found[f"{name}, {axis}" if kind == form.kind else name] = {
                "by depth": float(by_depth / whole[0]),
                "by parameters": float(by_params / whole[1]),
            }
    return found
