"""MotionAGFormer (Mehraban et al., WACV 2024; section 3): attention beside graph convolutions.

In every layer two streams read the same tokens `[b, t, j, c]`, each first over the joints and then
over the frames: one by attention, the other by graph convolutions, which see only a joint's
neighbours in the skeleton and a frame's most similar frames. Weights learned per token fuse the
two, as in MotionBERT. The defaults are those of the base model; the paper's other sizes are xs
(`frames=27, depth=12, width=64`), s (`frames=81, depth=26, width=64`) and l (`depth=26`).
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from repose_jax.models import kernels, layers
from repose_jax.models.dropout import dropout, split_key, stochastic_depth
from repose_jax.models.lifter import Lifter, LifterConfig, check_clips, joint_orders
from repose_jax.skeleton import HUMAN36M

LAYER_SCALE = 1e-5  # initial scale of every residual branch


@dataclasses.dataclass(frozen=True)
class MotionAGFormerConfig(LifterConfig):
    """Sizes of the network; the defaults are those of the base model (11,723,811 parameters).

    Attributes:
        frames: length of the clips, of which each frame has its own batch norm.
        joints: 17, as the skeleton is part of the network.
        joint_order: order in which the network reads the joints, "human36m", or "mpi_inf_3dhp" as
            the authors' models for that dataset. Those connect its joints by Human3.6M's numbers.
        out_channels: channels of a 3D joint.
        width: width of a token.
        depth: number of dual-stream layers.
        heads: attention heads; must divide the width.
        mlp_ratio: hidden width of the MLPs relative to `width`.
        neighbours: how many frames, usually with itself among them, a frame is connected to in a
            temporal graph convolution; at most `frames`.
        representation: width of the tanh representation before the head.
        dropout: rate after the attention's output projections and in the MLPs, in training.
        attention_dropout: rate on the attention weights, in training.
        stochastic_depth: rate at which residual branches are dropped, in training; the same in
            every layer.
        remat: recompute each layer in the backward pass instead of storing its activations; on
            accelerators, as XLA undoes it on a CPU.
        dtype: compute type, "float32" or "bfloat16"; the choice of neighbours stays float32 too.
    """

    in_channels: int = 3
    joint_order: str = "human36m"
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

    def __post_init__(self):
        super().__post_init__()
        if self.joints != HUMAN36M.size:
            raise self.refusal("joints", f"{HUMAN36M.size}, the joints of the network's skeleton")
        joint_orders(self.joint_order)  # raises if it is unknown
        if self.neighbours > self.frames:
            raise self.refusal("neighbours", f"1 to {self.frames}, the frames")


def skeleton_graph() -> np.ndarray:
    """Returns `[17, 17]`, 1 where a joint is connected to another, as in the authors' code.

    Neighbours in the skeleton are connected in both directions, except that the pelvis is not
    connected to the left hip, nor the thorax to the shoulders: the authors' table lacks these, and
    their weights were trained with it.
    """
    graph = np.zeros((HUMAN36M.size, HUMAN36M.size), np.float32)
    for joint, parent in enumerate(HUMAN36M.parents):
        if parent >= 0:
            graph[joint, parent] = graph[parent, joint] = 1
    lacking = (("pelvis", "left_hip"), ("thorax", "left_shoulder"), ("thorax", "right_shoulder"))
    for joint, other in lacking:
        graph[HUMAN36M.joints.index(joint), HUMAN36M.joints.index(other)] = 0
    return graph


def similar_frames(x: Float[Array, "b t j c"], count: int) -> Float[Array, "b j t t"]:
    """Returns 1 where a frame of a joint is connected to another: to the `count` most similar.

    Similarity is the inner product. As in the authors' code, ties with the last of them are
    connected too, of which a clip padded with copies of a frame has many. The choice has no
    gradient.
    """
    x = jax.lax.stop_gradient(x)
    # In full precision, as other roundings give other choices.
    similarity = jnp.einsum("btjc,bsjc->bjts", x, x, precision="highest")
    return (similarity >= kernels.kth_largest(similarity, count)).astype(jnp.float32)


def normalise(graph: Float[Array, "*b n n"]) -> Float[Array, "*b n n"]:
    """Returns D^-1/2 A D^-1/2, where D has the number of connections of each node of graph A."""
    degree = graph.sum(-1)
    return graph * jax.lax.rsqrt(degree[..., :, None] * degree[..., None, :])


class GraphConvolution(nnx.Module):
    """Graph convolution along one axis of `[b, t, j, c]`: over "joints" or "frames".

    It computes relu(x + norm(D^-1/2 A D^-1/2 x V + x U)) with the graph A and the number D of each
    node's connections. The batch norm has statistics for each node.
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
        self, x: Float[Array, "b t j c"], key: PRNGKeyArray | None
    ) -> Float[Array, "b t j c"]:
        """Mixes each node with those that it is connected to; a key indicates training."""
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
    """Multi-head self-attention along one axis, with dropout of the result."""

    def __init__(self, config: MotionAGFormerConfig, *, over: str, rngs: nnx.Rngs):
        super().__init__(
            config.width,
            config.heads,
            over=over,
            qkv_bias=False,
            dropout=config.attention_dropout,
            torch_init=True,
            dtype=jnp.dtype(config.dtype),
            rngs=rngs,
        )
        self.out_dropout = config.dropout

    def __call__(
        self, x: Float[Array, "b t j c"], key: PRNGKeyArray | None = None
    ) -> Float[Array, "b t j c"]:
        """Mixes the tokens along the axis."""
        weights_key, out_key = split_key(key, 2)
        return dropout(super().__call__(x, weights_key), self.out_dropout, out_key)


class Block(nnx.Module):
    """A pre-norm mixer of tokens, then a pre-norm MLP, each with a scaled residual connection."""

    def __init__(self, config: MotionAGFormerConfig, mixer: nnx.Module, *, rngs: nnx.Rngs):
        self.stochastic_depth = config.stochastic_depth
        self.norm_mixer = layers.layer_norm(config.width, epsilon=1e-5, rngs=rngs)
        self.mixer = mixer
        self.scale_mixer = nnx.Param(jnp.full(config.width, LAYER_SCALE))
        self.mlp = layers.MLP(
            config.width,
            config.width * config.mlp_ratio,
            norm_epsilon=1e-5,
            dropout=config.dropout,
            torch_init=True,
            dtype=jnp.dtype(config.dtype),
            rngs=rngs,
        )
        self.scale_mlp = nnx.Param(jnp.full(config.width, LAYER_SCALE))

    def __call__(
        self, x: Float[Array, "b t j c"], key: PRNGKeyArray | None
    ) -> Float[Array, "b t j c"]:
        """Returns the tokens after both residual branches."""
        mixer_key, depth_key_1, mlp_key, depth_key_2 = split_key(key, 4)
        branch = self.mixer(self.norm_mixer(x), mixer_key) * self.scale_mixer[...]
        x = x + stochastic_depth(branch.astype(x.dtype), self.stochastic_depth, depth_key_1)
        branch = self.mlp(x, mlp_key) * self.scale_mlp[...]
        return x + stochastic_depth(branch.astype(x.dtype), self.stochastic_depth, depth_key_2)


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
        self.fusion = layers.Fusion(config.width, rngs=rngs)

    def __call__(
        self, x: Float[Array, "b t j c"], key: PRNGKeyArray | None
    ) -> Float[Array, "b t j c"]:
        """Returns the fused tokens of the two streams."""
        attended, convolved = x, x
        key_a, key_b, key_c, key_d = split_key(key, 4)
        for block, block_key in zip(self.attention, (key_a, key_b), strict=True):
            attended = block(attended, block_key)
        for block, block_key in zip(self.graph, (key_c, key_d), strict=True):
            convolved = block(convolved, block_key)
        return self.fusion(attended, convolved)


class MotionAGFormer(Lifter[MotionAGFormerConfig]):
    """Lifts 2D joints with confidence to 3D joints, frame for frame."""

    fixed_length = True

    def __init__(self, config: MotionAGFormerConfig, *, rngs: nnx.Rngs):
        self.config = config
        width, dtype = config.width, jnp.dtype(config.dtype)
        self.embed = layers.Linear(
            config.in_channels, width, torch_init=True, dtype=dtype, rngs=rngs
        )
        self.joint_embedding = nnx.Param(jnp.zeros((config.joints, width)))
        self.layers = nnx.List(DualStreamLayer(config, rngs=rngs) for _ in range(config.depth))
        self.representation = layers.NormLinear(
            width, config.representation, epsilon=1e-5, torch_init=True, dtype=dtype, rngs=rngs
        )
        self.head = layers.Linear(
            config.representation, config.out_channels, torch_init=True, rngs=rngs
        )

    def __call__(
        self, x: Float[Array, "b t j cin"], key: PRNGKeyArray | None = None
    ) -> Float[Array, "b t j cout"]:
        """Lifts every frame of clips of `config.frames` frames; see `Lifter`."""
        config = self.config
        check_clips(x, config, least=config.frames, most=config.frames)
        order, back = joint_orders(config.joint_order)
        x = x if config.joint_order == "human36m" else x[:, :, order]
        x = (self.embed(x) + self.joint_embedding[...]).astype(config.dtype)
        layer_call = layers.jit_layer(DualStreamLayer.__call__, remat=config.remat)
        for layer, layer_key in zip(self.layers, split_key(key, config.depth), strict=True):
            x = layer_call(layer, x, layer_key)
        out = self.head(jnp.tanh(self.representation(x)))
        return out if config.joint_order == "human36m" else out[:, :, back]
