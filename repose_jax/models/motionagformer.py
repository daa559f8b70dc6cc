"""MotionAGFormer (Mehraban et al., WACV 2024; section 3): attention beside graph convolutions.

In every layer two streams read the same tokens `[b, t, j, c]`, each first over the joints and then
over the frames: one by attention, the other by graph convolutions, which see only a joint's
neighbours in the skeleton and a frame's most similar frames. Weights learned per token fuse the
two, as in MotionBERT. The defaults are those of the base model; the other published sizes are xs
(`frames=27, depth=12, width=64`), s (`frames=81, depth=26, width=64`) and l (`depth=26`).
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from repose_jax.models import layers
from repose_jax.models.lifter import Lifter, check, check_dtype
from repose_jax.skeleton import HUMAN36M

LAYER_SCALE = 1e-5  # to which every residual branch is scaled at first


@dataclasses.dataclass(frozen=True)
class MotionAGFormerConfig:
    """Sizes of the network; the defaults are those of the base model (11,723,811 parameters).

    Attributes:
        frames: length of the clips, of which each frame has its own batch norm.
        joints: joints per frame, 17: the skeleton is part of the network.
        in_channels: channels of a 2D joint: x, y and confidence.
        out_channels: channels of a 3D joint.
        width: width of a token.
        depth: number of dual-stream layers.
        heads: attention heads; must divide the width.
        mlp_ratio: hidden width of the MLPs relative to `width`.
        neighbours: how many frames, among them mostly itself, a frame listens to in a temporal
            graph convolution; at most `frames`.
        representation: width of the tanh representation before the head.
        dropout: rate after the attention's output projections and in the MLPs, in training.
        attention_dropout: rate on the attention weights, in training.
        stochastic_depth: rate at which residual branches are dropped, in training; the same in
            every layer.
        remat: recompute each layer in the backward pass instead of storing its activations; on
            accelerators, as XLA undoes it on a CPU.
        dtype: compute type, "float32" or "bfloat16"; parameters, norms, softmax, the choice of
            neighbours and output stay float32.
    """

    frames: int = 243
    joints: int = 17
    in_channels: int = 3
    out_channels: int = 3
    width: int = 128
    depth: int = 16
    heads: int = 8
    mlp_ratio: int = 4
    neighbours: int = 2
    representation: int = 512
    dropout: float = 0.0
    attention_dropout: float = 0.0
    stochastic_depth: float = 0.0
    remat: bool = False
    dtype: str = "float32"

    def __post_init__(self):
        if self.joints != HUMAN36M.size:
            raise ValueError(
                f"joints is {self.joints}; the network's skeleton is Human3.6M's: give "
                f"{HUMAN36M.size}."
            )
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}.")
        if not 1 <= self.neighbours <= self.frames:
            raise ValueError(
                f"neighbours is {self.neighbours}; choose from 1 to the {self.frames} frames."
            )
        check_dtype(self.dtype)


def skeleton_graph() -> np.ndarray:
    """Returns `[17, 17]`, 1 where a joint listens to another, as published.

    Neighbours in the skeleton listen to each other, with three exceptions: the pelvis does not
    listen to the left hip, nor the thorax to the shoulders. The published table of connections
    leaves these out, and so the published weights were trained.
    """
    graph = np.zeros((HUMAN36M.size, HUMAN36M.size), np.float32)
    for joint, parent in enumerate(HUMAN36M.parents):
        if parent >= 0:
            graph[joint, parent] = graph[parent, joint] = 1
    left_out = (("pelvis", "left_hip"), ("thorax", "left_shoulder"), ("thorax", "right_shoulder"))
    for joint, other in left_out:
        graph[HUMAN36M.joints.index(joint), HUMAN36M.joints.index(other)] = 0
    return graph


def similar_frames(x: Float[Array, "b t j c"], count: int) -> Float[Array, "b j t t"]:
    """Returns 1 where a frame of a joint listens to another: to the `count` that are most like it.

    Likeness is the inner product. Frames that are as like as the last of them are listened to as
    well, as published: a clip that repeats a frame to its length has many. The choice has no
    gradient.
    """
    x = jax.lax.stop_gradient(x)
    # In full precision: other roundings are other choices.
    likeness = jnp.einsum("btjc,bsjc->bjts", x, x, precision="highest")
    # Descending from the greatest value until it and those above are `count`: on CPU 20 to 30 times
    # faster than `top_k`, which sorts.
    last = likeness.max(-1, keepdims=True)
    for _ in range(count - 1):
        enough = (likeness >= last).sum(-1, keepdims=True) >= count
        below = jnp.where(likeness < last, likeness, -jnp.inf).max(-1, keepdims=True)
        last = jnp.where(enough, last, below)
    return (likeness >= last).astype(jnp.float32)


def normalise(graph: Float[Array, "*b n n"]) -> Float[Array, "*b n n"]:
    """Returns D^-1/2 A D^-1/2, where D is how many each node of the graph A listens to."""
    degree = graph.sum(-1)
    return graph * jax.lax.rsqrt(degree[..., :, None] * degree[..., None, :])


class GraphConvolution(nnx.Module):
    """Graph convolution along one axis of `[b, t, j, c]`: over "joints" or "frames".

    It answers relu(x + norm(D^-1/2 A D^-1/2 x V + x U)) with the graph A and the number D of those
    that a node listens to. The batch norm has statistics for each node.
    """

    def __init__(self, config: MotionAGFormerConfig, *, over: str, rngs: nnx.Rngs):
        self.over, self.neighbours = over, config.neighbours
        self.dtype = jnp.dtype(config.dtype)
        nodes, axis = {"joints": (config.joints, -2), "frames": (config.frames, -3)}[over]
        self.own, self.others = (
            nnx.Linear(
                config.width,
                config.width,
                dtype=self.dtype,
                kernel_init=nnx.initializers.variance_scaling(2.0, "fan_in", "normal"),
                bias_init=layers.uniform(config.width),
                rngs=rngs,
            )
            for _ in range(2)
        )
        self.norm = layers.BatchNorm(nodes, axis=axis)

    def __call__(
        self,
        x: Float[Array, "b t j c"],
        key: PRNGKeyArray | None,
        norm: Callable[[Array], Array],
    ) -> Float[Array, "b t j c"]:
        """Mixes each node with those that it listens to, after a norm.

        The key tells training, and no more.
        """
        x = norm(x)
        tokens = x.astype(self.dtype)
        others = self.others(tokens)
        if self.over == "joints":
            weights = normalise(jnp.asarray(skeleton_graph())).astype(self.dtype)
            mixed = jnp.einsum("jk,btkc->btjc", weights, others)
        else:
            weights = normalise(similar_frames(x, self.neighbours)).astype(self.dtype)
            mixed = jnp.einsum("bjts,bsjc->btjc", weights, others)
        return jax.nn.relu(tokens + self.norm(mixed + self.own(tokens), key is not None))


class Attention(layers.Attention):
    """Multi-head self-attention along one axis, with dropout of what it answers."""

    def __init__(self, config: MotionAGFormerConfig, *, over: str, rngs: nnx.Rngs):
        super().__init__(
            config.width,
            config.heads,
            over=over,
            qkv_bias=False,
            drop=config.attention_dropout,
            linear=layers.uniform_linear,
            dtype=jnp.dtype(config.dtype),
            rngs=rngs,
        )
        self.out_drop = config.dropout

    def __call__(
        self,
        x: Float[Array, "b t j c"],
        key: PRNGKeyArray | None = None,
        norm: nnx.LayerNorm | None = None,
    ) -> Float[Array, "b t j c"]:
        """Mixes the tokens along the axis, after a norm if one is given."""
        weights, out = layers.keys(key, 2)
        return layers.dropout(super().__call__(x, weights, norm), self.out_drop, out)


class Block(nnx.Module):
    """A pre-norm mixer of tokens, then a pre-norm MLP, each with a scaled residual connection."""

    def __init__(self, config: MotionAGFormerConfig, mixer: nnx.Module, *, rngs: nnx.Rngs):
        self.path_drop = config.stochastic_depth
        self.norm_mixer = layers.layer_norm(config.width, epsilon=1e-5, rngs=rngs)
        self.mixer = mixer
        self.scale_mixer = nnx.Param(jnp.full(config.width, LAYER_SCALE))
        self.norm_mlp = layers.layer_norm(config.width, epsilon=1e-5, rngs=rngs)
        self.mlp = layers.MLP(
            config.width,
            config.width * config.mlp_ratio,
            drop=config.dropout,
            linear=layers.uniform_linear,
            dtype=jnp.dtype(config.dtype),
            rngs=rngs,
        )
        self.scale_mlp = nnx.Param(jnp.full(config.width, LAYER_SCALE))

    def __call__(
        self, x: Float[Array, "b t j c"], key: PRNGKeyArray | None
    ) -> Float[Array, "b t j c"]:
        """Returns the tokens after both residual branches."""
        mixing, path_1, hidden, path_2 = layers.keys(key, 4)
        branch = self.mixer(x, mixing, self.norm_mixer) * self.scale_mixer[...]
        x = x + layers.drop_path(branch.astype(x.dtype), self.path_drop, path_1)
        branch = self.mlp(x, hidden, self.norm_mlp) * self.scale_mlp[...]
        return x + layers.drop_path(branch.astype(x.dtype), self.path_drop, path_2)


class DualStreamLayer(nnx.Module):
    """Attention beside graph convolutions, fused by softmax weights learned per token."""

    def __init__(self, config: MotionAGFormerConfig, *, rngs: nnx.Rngs):
        axes = ("joints", "frames")
        self.attention = nnx.List(
            Block(config, Attention(config, over=over, rngs=rngs), rngs=rngs) for over in axes
        )
        self.graph = nnx.List(
            Block(config, GraphConvolution(config, over=over, rngs=rngs), rngs=rngs)
            for over in axes
        )
        self.fusion = layers.fusion(config.width, rngs=rngs)

    def __call__(
        self, x: Float[Array, "b t j c"], key: PRNGKeyArray | None
    ) -> Float[Array, "b t j c"]:
        """Returns the fused tokens of the two streams."""
        attended, convolved = x, x
        key_a, key_b, key_c, key_d = layers.keys(key, 4)
        for block, block_key in zip(self.attention, (key_a, key_b), strict=True):
            attended = block(attended, block_key)
        for block, block_key in zip(self.graph, (key_c, key_d), strict=True):
            convolved = block(convolved, block_key)
        return layers.fuse(self.fusion, attended, convolved)


class MotionAGFormer(Lifter):
    """Lifts 2D joints with confidence to 3D joints, frame for frame."""

    fixed_length = True

    def __init__(self, config: MotionAGFormerConfig, *, rngs: nnx.Rngs):
        self.config = config
        dtype = jnp.dtype(config.dtype)
        self.embed = layers.uniform_linear(config.in_channels, config.width, dtype=dtype, rngs=rngs)
        self.joint_embedding = nnx.Param(jnp.zeros((config.joints, config.width)))
        self.layers = nnx.List(DualStreamLayer(config, rngs=rngs) for _ in range(config.depth))
        self.norm = layers.layer_norm(config.width, epsilon=1e-5, rngs=rngs)
        self.representation = layers.uniform_linear(
            config.width, config.representation, dtype=dtype, rngs=rngs
        )
        self.head = layers.uniform_linear(
            config.representation, config.out_channels, dtype=jnp.dtype(jnp.float32), rngs=rngs
        )

    def __call__(
        self, x: Float[Array, "b t j cin"], key: PRNGKeyArray | None = None
    ) -> Float[Array, "b t j cout"]:
        """Lifts every frame of clips of `config.frames` frames; see `Lifter`."""
        config = self.config
        check(x, config, least=config.frames, most=config.frames)
        dtype = jnp.dtype(config.dtype)
        x = (self.embed(x) + self.joint_embedding[...]).astype(dtype)
        call = layers.repeated(DualStreamLayer.__call__, remat=config.remat)
        for layer, layer_key in zip(self.layers, layers.keys(key, config.depth), strict=True):
            x = call(layer, x, layer_key)
        x = jnp.tanh(self.representation(self.norm(x).astype(dtype)))
        return self.head(x)
