"""P-STMO's first stage of training: masked pose modelling (Shan et al., ECCV 2022; section 3.2).

Most frames of a window are hidden, and some joints of the others; the encoders of `pstmo` see the
rest, and a narrow decoder tells all 2D joints again. It needs no 3D poses. The lifter then starts
from the encoders:

    masked = MaskedPoseModel(MaskedPoseConfig(frames=81), rngs=nnx.Rngs(0))
    (told,) = masked.outputs(x, key)  # minimise losses.mpjpe(told, at_depth_0(x))
    model = models.create("pstmo", frames=81)
    nnx.update(model, encoder_of(masked))

`repose pretrain` does this for a configuration.
"""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from repose_jax.models import layers
from repose_jax.models.lifter import check
from repose_jax.models.pstmo import FrameEncoder, Head, PoseEncoder, PstmoConfig, StdNorm


@dataclasses.dataclass(frozen=True)
class MaskedPoseConfig(PstmoConfig):
    """Sizes of the lifter that is prepared, and how much is hidden; the defaults are P-STMO-S's.

    Published for detected keypoints: 0.8 and 2 (P-STMO-S), 0.6 and 3 (P-STMO); for true ones 0.8
    and 7; for MPI-INF-3DHP 0.7 and 2.

    Attributes:
        hidden_frames: share of the frames of a window that are hidden, rounded down to frames.
        hidden_joints: how many joints of every frame are hidden.
    """

    hidden_frames: float = 0.8
    hidden_joints: int = 2

    def __post_init__(self):
        super().__post_init__()
        if self.width % (2 * self.heads):
            raise ValueError(
                f"width {self.width} is not a multiple of 2 x heads {self.heads}, which the "
                "decoder of half the width needs."
            )
        if not 0 <= self.hidden_frames < 1:
            raise ValueError(f"hidden_frames must be in [0, 1), found {self.hidden_frames}.")
        if not 0 <= self.hidden_joints <= self.joints:
            raise ValueError(
                f"hidden_joints must be 0 to {self.joints}, the joints, found {self.hidden_joints}."
            )


class Masks(NamedTuple):
    """What the encoders see of a batch of windows; all windows of a batch share it, as published.

    Attributes:
        visible: `[v]` indices of the frames that are seen.
        joints: `[t, j]` true for the joints that are not seen in a frame that is.
    """

    visible: Int[Array, " v"]
    joints: Bool[Array, "t j"]


def draw_masks(key: PRNGKeyArray, config: MaskedPoseConfig) -> Masks:
    """Draws what is hidden; the shapes depend on the configuration alone.

    Every choice of frames, and in each frame every choice of joints, is equally likely. (The
    published code never hides the last joint.)
    """
    frame_key, joint_key = jax.random.split(key)
    seen = config.frames - int(config.frames * config.hidden_frames)
    visible = jax.random.permutation(frame_key, config.frames)[:seen]
    hidden = jnp.arange(config.joints) < config.hidden_joints
    joints = jnp.broadcast_to(hidden, (config.frames, config.joints))
    return Masks(visible, jax.random.permutation(joint_key, joints, axis=1, independent=True))


class MaskedPoseModel(nnx.Module):
    """The lifter's encoders and a decoder back to 2D (2,573,092 parameters on 27 frames).

    What training asks of a lifter (`outputs`, `context`) it has too.
    """

    context = (0, 0)

    def __init__(self, config: MaskedPoseConfig, *, rngs: nnx.Rngs):
        self.config = config
        width, narrow, dtype = config.width, config.width // 2, jnp.dtype(config.dtype)
        self.joint_token = nnx.Param(jax.random.normal(rngs.params(), (config.in_channels,)))
        self.pose_encoder = PoseEncoder(config, rngs=rngs)
        self.frame_encoder = FrameEncoder(config, width=width, depth=config.depth, rngs=rngs)
        self.norm = StdNorm(width)
        self.narrow = layers.uniform_linear(width, narrow, bias=False, dtype=dtype, rngs=rngs)
        self.frame_token = nnx.Param(jax.random.normal(rngs.params(), (narrow,)))
        self.decoder = FrameEncoder(config, width=narrow, depth=config.depth - 1, rngs=rngs)
        self.head = Head(narrow, config.joints, 2, rngs=rngs)

    def __call__(
        self, x: Float[Array, "b t j cin"], masks: Masks, key: PRNGKeyArray | None = None
    ) -> Float[Array, "b t j 2"]:
        """Tells the 2D joints of windows from what the masks leave.

        Args:
            x: `[b, t, j, 2 or 3]` windows, as the lifter takes them.
            masks: what is hidden.
            key: random key of the drops, and the sign of training, as in `Lifter`.

        Returns:
            `[b, t, j, 2]` float32 positions in the units of `x`, of all frames in their order.

        Raises:
            ValueError: windows that the lifter does not take.
        """
        config = self.config
        check(x, config, least=config.frames, most=config.frames)
        pose, encode, decode = layers.keys(key, 3)
        x = jnp.where(masks.joints[..., None], self.joint_token[...], x)
        # As published, hidden frames are still in the batch norms of the network of 1 frame.
        tokens = self.frame_encoder(self.pose_encoder(x, pose), encode, masks.visible)
        tokens = self.narrow(self.norm(tokens))
        hidden = jnp.broadcast_to(
            self.frame_token[...].astype(tokens.dtype), (*x.shape[:2], tokens.shape[-1])
        )
        tokens = self.decoder(hidden.at[:, masks.visible].set(tokens), decode)
        return self.head(tokens, key is not None)

    def outputs(
        self, x: Float[Array, "b t j cin"], key: PRNGKeyArray
    ) -> tuple[Float[Array, "b t j 3"]]:
        """Tells the 2D joints of windows of which it draws what is hidden, at depth 0.

        Args:
            x: `[b, t, j, 2 or 3]` windows.
            key: random key of what is hidden and of the drops.
        """
        mask_key, drop_key = jax.random.split(key)
        return (at_depth_0(self(x, draw_masks(mask_key, self.config), drop_key)),)


def at_depth_0(x: Float[Array, "b t j _"]) -> Float[Array, "b t j 3"]:
    """Puts 2D joints in space, where a distance in the image is one of poses."""
    return jnp.pad(x[..., :2], ((0, 0), (0, 0), (0, 0), (0, 1)))


def encoder_of(model: MaskedPoseModel) -> Any:
    """Returns the parameters and batch statistics that `pstmo` starts from, an `nnx.State`.

    They have the names of `pstmo`, for `nnx.update(lifter, encoder_of(masked))`. The lifter must
    have the same frames, joints, channels, width, depth and MLP ratio.
    """
    return nnx.State(
        {name: nnx.state(getattr(model, name)) for name in ("pose_encoder", "frame_encoder")}
    )
