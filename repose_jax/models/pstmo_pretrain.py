"""P-STMO's first stage of training: masked pose modelling (Shan et al., ECCV 2022; section 3.2).

Most frames of a window are hidden, and some joints of the others; the encoders of `pstmo` see the
rest, and a narrow decoder predicts all 2D joints. It needs no 3D poses. The lifter then starts from
the encoders:

    masked = MaskedPoseModel(MaskedPoseConfig(frames=81), rngs=nnx.Rngs(0))
    (predicted,) = masked.outputs(x, key)  # minimise losses.mpjpe(predicted, at_depth_0(x))
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
from repose_jax.models.dropout import split_key
from repose_jax.models.lifter import check_clips
from repose_jax.models.pstmo import FrameEncoder, Head, PoseEncoder, PstmoConfig, StdNorm


@dataclasses.dataclass(frozen=True)
class MaskedPoseConfig(PstmoConfig):
    """Sizes of the lifter that is prepared, and how much is hidden; the defaults are P-STMO-S's.

    The paper's for detected keypoints are 0.8 and 2 (P-STMO-S), 0.6 and 3 (P-STMO); for ground
    truth 0.8 and 7; for MPI-INF-3DHP 0.7 and 2.

    Attributes:
        hidden_frames: share of the frames of a window that are hidden, rounded down to frames.
        hidden_joints: how many joints of every frame are hidden.
    """

    hidden_frames: float = 0.8
    hidden_joints: int = dataclasses.field(default=2, metadata={"least": 0})

    def __post_init__(self):
        super().__post_init__()
        self.check_multiple("width", "heads", times=2)  # the decoder has half the width
        if self.hidden_joints > self.joints:
            raise self.refusal("hidden_joints", f"0 to {self.joints}, the joints")


class Masks(NamedTuple):
    """Frames and joints that the encoders see; as in the authors' code all windows share them.

    Attributes:
        visible: `[v]` indices of the visible frames.
        joints: `[t, j]` true for the hidden joints of the visible frames.
    """

    visible: Int[Array, " v"]
    joints: Bool[Array, "t j"]


def sample_masks(key: PRNGKeyArray, config: MaskedPoseConfig) -> Masks:
    """Samples hidden frames and joints; the shapes depend on the configuration alone.

    Every choice of frames, and in each frame every choice of joints, is equally likely. (The
    authors' code never hides the last joint.)
    """
    frame_key, joint_key = jax.random.split(key)
    count = config.frames - int(config.frames * config.hidden_frames)
    visible = jax.random.permutation(frame_key, config.frames)[:count]
    hidden = jnp.arange(config.joints) < config.hidden_joints
    joints = jnp.broadcast_to(hidden, (config.frames, config.joints))
    return Masks(visible, jax.random.permutation(joint_key, joints, axis=1, independent=True))


class MaskedPoseModel(nnx.Module):
    """The lifter's encoders and a decoder back to 2D (2,573,092 parameters on 27 frames).

    It has the parts of a lifter's interface that training uses: `training_outputs` and
    `context`.
    """

    context = (0, 0)

    def __init__(self, config: MaskedPoseConfig, *, rngs: nnx.Rngs):
        self.config = config
        width, narrow, dtype = config.width, config.width // 2, jnp.dtype(config.dtype)
        self.joint_token = nnx.Param(jax.random.normal(rngs.params(), (config.in_channels,)))
        self.pose_encoder = PoseEncoder(config, rngs=rngs)
        self.frame_encoder = FrameEncoder(config, width=width, depth=config.depth, rngs=rngs)
        self.norm = StdNorm(width)
        self.narrow = layers.Linear(
            width, narrow, bias=False, torch_init=True, dtype=dtype, rngs=rngs
        )
        self.frame_token = nnx.Param(jax.random.normal(rngs.params(), (narrow,)))
        self.decoder = FrameEncoder(config, width=narrow, depth=config.depth - 1, rngs=rngs)
        self.head = Head(narrow, config.joints, 2, rngs=rngs)

    def __call__(
        self, x: Float[Array, "b t j cin"], masks: Masks, key: PRNGKeyArray | None = None
    ) -> Float[Array, "b t j 2"]:
        """Predicts the 2D joints of windows from the visible ones.

        Args:
            x: `[b, t, j, 2 or 3]` windows, as the lifter takes them.
            masks: hidden frames and joints.
            key: random key of dropout, given in training only, as in `Lifter`.

        Returns:
            `[b, t, j, 2]` float32 positions in the units of `x`, of all frames in their order.

        Raises:
            ValueError: windows that the lifter does not take.
        """
        config = self.config
        check_clips(x, config, least=config.frames, most=config.frames)
        pose_key, encoder_key, decoder_key = split_key(key, 3)
        x = jnp.where(masks.joints[..., None], self.joint_token[...], x)
        # As in the authors' code, the batch norms of the network of 1 frame see hidden frames too.
        tokens = self.frame_encoder(self.pose_encoder(x, pose_key), encoder_key, masks.visible)
        tokens = self.narrow(self.norm(tokens))
        hidden = jnp.broadcast_to(
            self.frame_token[...].astype(tokens.dtype), (*x.shape[:2], tokens.shape[-1])
        )
        tokens = self.decoder(hidden.at[:, masks.visible].set(tokens), decoder_key)
        return self.head(tokens, key is not None)

    def outputs(
        self, x: Float[Array, "b t j cin"], key: PRNGKeyArray
    ) -> tuple[Float[Array, "b t j 3"]]:
        """Predicts the 2D joints of windows under sampled masks, at depth 0.

        Args:
            x: `[b, t, j, 2 or 3]` windows.
            key: random key of the masks and of dropout.
        """
        mask_key, dropout_key = jax.random.split(key)
        return (at_depth_0(self(x, sample_masks(mask_key, self.config), dropout_key)),)

    def training_outputs(
        self, x: Float[Array, "b t j cin"], targets: Float[Array, "b t j 3"], key: PRNGKeyArray
    ) -> tuple[Float[Array, "b t j 3"]]:
        """Returns the `outputs`; the targets have no influence."""
        return self.outputs(x, key)


def at_depth_0(x: Float[Array, "b t j _"]) -> Float[Array, "b t j 3"]:
    """Appends a depth of 0 to 2D joints, so that losses of 3D poses apply to them."""
    return jnp.pad(x[..., :2], ((0, 0), (0, 0), (0, 0), (0, 1)))


def encoder_of(model: MaskedPoseModel) -> Any:
    """Returns the parameters and batch statistics that `pstmo` starts from, an `nnx.State`.

    They have the names of `pstmo`, for `nnx.update(lifter, encoder_of(masked))`. The lifter must
    have the same frames, joints, channels, width, depth and MLP ratio.
    """
    return nnx.State(
        {name: nnx.state(getattr(model, name)) for name in ("pose_encoder", "frame_encoder")}
    )
