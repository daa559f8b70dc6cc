import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden_files import arrays

from repose_jax.evaluation import aggregation

GOLDEN = {
    name.removeprefix("agg/"): jnp.asarray(values)
    for name, values in arrays("d3dp_tiny").items()
    if name.startswith("agg/")
}
TRUE = jnp.ones((2, 5, 17), bool)
errors = jax.jit(aggregation.errors, static_argnames="together")
solve_root = jax.jit(aggregation.solve_root)


@pytest.fixture(scope="module", params=[0, 1, 2])
def step(request):
    """A step of the sampling, and its hypotheses with the root at 0."""
    return request.param, GOLDEN["pred"][:, request.param].at[..., 0, :].set(0)


def of_published(hypotheses):
    placed = hypotheses + GOLDEN["root"][:, None]
    projected = aggregation.project(placed, jnp.stack([GOLDEN["camera"]] * 2))
    return aggregation.closest(projected, GOLDEN["x2d"])


def test_reproduces_the_four_figures_of_the_authors(step):
    number, hypotheses = step
    chosen = {"true_root": of_published(hypotheses)}
    found = errors(hypotheses, GOLDEN["gt"], chosen, TRUE, together=True)
    names = {"mean": "p_agg", "true_root": "j_agg", "best": "p_best", "best_joints": "j_best"}
    for way, theirs in names.items():
        for metric, protocol in (("mpjpe", "p1"), ("pa_mpjpe", "p2")):
            wanted = GOLDEN[f"{protocol}_{theirs}"][number]
            np.testing.assert_allclose(found[way][metric].mean(), wanted, rtol=2e-5)


def test_reproduces_the_choice_of_each_joint(step):
    number, hypotheses = step
    wanted = GOLDEN["j_agg_index"][:, number]
    # The roots of all hypotheses are one.
    np.testing.assert_array_equal(of_published(hypotheses)[..., 1:], wanted[..., 1:])


def test_the_best_hypothesis_is_chosen_for_each_clip_unless_for_all_together(step):
    number, hypotheses = step
    found = errors(hypotheses, GOLDEN["gt"], {}, TRUE)
    wanted = GOLDEN["p1_p_best_one_by_one"][:, number]
    np.testing.assert_allclose(found["best"]["mpjpe"].mean((1, 2)), wanted, rtol=1e-5)


def test_frames_that_do_not_count_choose_nothing():
    hypotheses, target = GOLDEN["pred"][:, 0], GOLDEN["gt"]
    counts = TRUE.at[:, 3:].set(False)
    other = hypotheses.at[:, :, 3:].multiply(-7)
    found = [errors(h, target, {}, counts)["best"]["mpjpe"][:, :3] for h in (hypotheses, other)]
    np.testing.assert_array_equal(*found)


def scene(seed: int = 0):
    rng = np.random.default_rng(seed)
    poses = jnp.asarray(rng.normal(0, 0.3, (2, 5, 17, 3)), jnp.float32).at[..., 0, :].set(0)
    root = jnp.asarray(rng.normal(0, 0.5, (2, 5, 3)), jnp.float32) + jnp.array([0, 0, 4])
    placed = poses + root[:, :, None]
    return poses, root, placed[..., :2] / placed[..., 2:]


def test_the_root_is_found_from_the_rays_of_the_joints():
    poses, root, rays = scene()
    found = solve_root(poses, rays, jnp.ones((2, 5, 17)))
    np.testing.assert_allclose(found, root, atol=2e-3)
    sure = jnp.ones((2, 5, 17)).at[..., 3].set(0)  # a joint of no confidence has no influence
    found = solve_root(poses, rays.at[..., 3, :].add(1), sure)
    np.testing.assert_allclose(found, root, atol=2e-3)


def test_the_root_is_finite_and_all_joints_in_front_of_the_camera_whatever_was_seen():
    poses, _, rays = scene()
    weight = jnp.ones((2, 5, 17))
    for wrong in ((rays * 0, weight), (rays, weight * 0), (-rays, weight)):
        found = solve_root(poses, *wrong)
        assert jnp.isfinite(found).all()
        assert (poses[..., 2] + found[..., None, 2]).min() > 0.19


def test_the_best_of_what_was_seen_is_chosen_without_the_true_root():
    poses, _, rays = scene()
    noise = jax.random.normal(jax.random.key(0), (2, 4, 5, 17, 3)) * 0.05
    hypotheses = (poses[:, None] + noise).at[:, 2].set(poses).at[..., 0, :].set(0)
    root = solve_root(hypotheses.mean(1), rays, jnp.ones((2, 5, 17)))
    placed = hypotheses + root[:, None, :, None]
    chosen = aggregation.closest(placed[..., :2] / placed[..., 2:], rays)
    assert (chosen[..., 1:] == 2).mean() > 0.6  # of four
