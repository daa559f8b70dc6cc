"""D3DP (Shan et al., ICCV 2023): MixSTE as the denoiser of a diffusion of poses.

It predicts a pose from its 2D joints and a noisy pose of some step of the diffusion, which enters
as an embedding that is added to every token before the first block. From noise it makes as many
hypotheses of a pose as are asked for (`D3dp.sample`). Called like other lifters it makes one
prediction in one pass: that of the last step from noise which is always the same. (From the mean of
the noise, 0, which it has never seen, a small trained model had an error 60 % larger.)
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Int, Key, PRNGKeyArray

from repose_jax.models import diffusion, kernels, layers
from repose_jax.models.lifter import check_clips
from repose_jax.models.mixste import Mixste, MixsteConfig
from repose_jax.skeleton import flip


@dataclasses.dataclass(frozen=True)
class D3dpConfig(MixsteConfig):
    """Sizes of the network; the defaults are the paper's (34,835,459 parameters).

    Raises:
        ValueError: as `MixsteConfig`; or an odd width, or poses without three coordinates.
    """

    def __post_init__(self):
        super().__post_init__()
        if self.width < 4 or self.width % 2:
            raise self.refusal("width", "an even number of at least 4")
        if self.out_channels != 3:
            raise self.refusal("out_channels", "3: its poses are its inputs too")


class D3dp(Mixste):
    """Lifts every frame of a clip of exactly `config.frames` frames, in any number of ways."""

    config: D3dpConfig

    def __init__(self, config: D3dpConfig, *, rngs: nnx.Rngs):
        super().__init__(config, rngs=rngs)
        width = config.width
        self.embed = layers.Linear(
            config.in_channels + 3, width, torch_init=True, dtype=self.embed.dtype, rngs=rngs
        )
        self.step_hidden = layers.Linear(width, 2 * width, torch_init=True, rngs=rngs)
        self.step_out = layers.Linear(2 * width, width, torch_init=True, rngs=rngs)

    def __call__(
        self, x: Float[Array, "b t j cin"], key: PRNGKeyArray | None = None
    ) -> Float[Array, "b t j cout"]:
        """Lifts clips in one pass, all from the same noise; see `Lifter`."""
        step = jnp.full(x.shape[:1], diffusion.STEPS - 1)
        noise = np.random.default_rng(0).standard_normal((*x.shape[1:-1], 3))
        noise = diffusion.clamp(jnp.asarray(noise, jnp.float32))
        noisy = jnp.broadcast_to(noise, (x.shape[0], 1, *noise.shape))
        return self.denoise(x, noisy, step, key)[:, 0]

    def denoise(
        self,
        keypoints: Float[Array, "b t j cin"],
        noisy_poses: Float[Array, "b h t j 3"],
        step: Int[Array, " b"],
        key: PRNGKeyArray | None = None,
    ) -> Float[Array, "b h t j 3"]:
        """Predicts poses from noisy ones; nothing is clamped.

        Args:
            keypoints: clips, as for `Lifter`.
            noisy_poses: h noisy poses of each.
            step: of the diffusion of each clip, 0 to 999.
            key: random key of dropout and stochastic depth, given in training only.

        Raises:
            ValueError: clips of another length, or other joints or channels.
        """
        config = self.config
        check_clips(keypoints, config, least=config.frames, most=config.frames)
        hypotheses = noisy_poses.shape[1]
        joints = jnp.repeat(keypoints, hypotheses, axis=0)
        noisy = noisy_poses.reshape(joints.shape[0], *noisy_poses.shape[2:])
        at = self.step_hidden(_step_embedding(step, config.width))
        at = self.step_out(kernels.gelu(at))
        at = jnp.repeat(at, hypotheses, axis=0)[:, None, None]
        tokens = self.embed(jnp.concatenate([joints, noisy], axis=-1)) + at
        return self._lift(tokens, key).reshape(noisy_poses.shape)

    def training_outputs(
        self,
        x: Float[Array, "b t j cin"],
        targets: Float[Array, "b t j 3"],
        key: PRNGKeyArray,
    ) -> tuple[Float[Array, "b t j 3"]]:
        """Predicts the targets from themselves with noise, each clip in a step of its own."""
        step_key, noise_key, dropout_key = jax.random.split(key, 3)
        step = jax.random.randint(step_key, x.shape[:1], 0, diffusion.STEPS)
        noise = jax.random.normal(noise_key, targets.shape)
        noisy = diffusion.add_noise(targets, noise, step)
        return (self.denoise(x, noisy[:, None], step, dropout_key)[:, 0],)

    def sample(
        self,
        keypoints: Float[Array, "b t j cin"],
        noise: Callable[[Int[Array, ""]], Float[Array, "b h t j 3"]],
        steps: int,
        *,
        mirror: Callable[[Array], Array] | None = None,
    ) -> Float[Array, "k b h t j 3"]:
        """Makes hypotheses of the poses of clips.

        Args:
            keypoints: clips, as for `Lifter`.
            noise: draws noise; see `diffusion.sample` and `clip_noise`.
            steps: steps of the sampling.
            mirror: mirrors keypoints; with it every step averages the prediction with that of the
                mirrored clips and noisy poses, mirrored back.

        Returns:
            The hypotheses of every step; the last are the result.
        """

        def predict(poses, step):
            at = jnp.full(keypoints.shape[:1], step)
            if mirror is None:
                return self.denoise(keypoints, poses, at)
            both = (
                jnp.stack([keypoints, mirror(keypoints)]),
                jnp.stack([poses, flip(poses)]),
            )
            plain, mirrored = jax.lax.map(lambda one: self.denoise(one[0], one[1], at), both)
            return (plain + flip(mirrored)) / 2

        return diffusion.sample(predict, noise, steps)


def clip_noise(
    keys: Key[Array, " b"], hypotheses: int, shape: tuple[int, ...]
) -> Callable[[Int[Array, ""]], Float[Array, "b h *shape"]]:
    """Returns the noise of clips for `D3dp.sample`, a function of the key of each clip.

    Hypothesis h of a clip has the same noise, however many hypotheses and clips are made with it.

    Args:
        keys: `[b]` a key for each clip.
        hypotheses: of each clip.
        shape: of a hypothesis.
    """
    fold = jax.vmap(jax.vmap(jax.random.fold_in, (None, 0)), (0, None))
    of_hypothesis = fold(keys, jnp.arange(hypotheses))
    draw = jax.vmap(jax.vmap(lambda key, n: jax.random.normal(jax.random.fold_in(key, n), shape)))

    def noise(number):
        return draw(of_hypothesis, jnp.full(of_hypothesis.shape, number))

    return noise


def _step_embedding(step: Int[Array, " b"], width: int) -> Float[Array, "b width"]:
    """Returns sines and cosines of steps, from the rate 1 down to 1 / 10,000."""
    half = width // 2
    rates = np.exp(np.arange(half, dtype=np.float32) * np.float32(-np.log(10_000) / (half - 1)))
    angles = step[:, None].astype(jnp.float32) * rates
    return jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=1)
