"""SemGCN: graph convolutions over the joints of one frame (Zhao et al., CVPR 2019; section 3).

A joint becomes a map of itself and another of its neighbours in the skeleton, weighted by a softmax
over learned weights of the edges (equation 3). Between such layers, non-local ones let each joint
read pairs of joints all over the body (equation 4). Frames have no part in each other. Modulated
GCN (Zou and Tang, ICCV 2021) instead adds a learned matrix to fixed weights of the edges, and
scales each channel of each joint.

The authors' graph has 16 joints: those of Human3.6M without the neck, the head on the thorax. This
model takes and gives all 17, as the others do; a joint that its graph has not is not read, and its
position is the middle between its parent and its child. `data.dropped_joints` leaves it out of the
losses and the evaluation too.
"""

import dataclasses
import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from repose_jax.models import kernels, layers
from repose_jax.models.lifter import Lifter, LifterConfig, check_clips
from repose_jax.skeleton import HUMAN36M

_PAIRS = (  # of the authors' 16 joints, of which a non-local layer reads the maximum
    ("right_knee", "right_ankle"),
    ("left_knee", "left_ankle"),
    ("right_hip", "left_hip"),
    ("pelvis", "spine"),
    ("thorax", "head"),
    ("right_elbow", "right_wrist"),
    ("left_elbow", "left_wrist"),
    ("left_shoulder", "right_shoulder"),
)


@dataclasses.dataclass(frozen=True)
class SemgcnConfig(LifterConfig):
    """Sizes of the network; the defaults are the authors' model's (434,703 parameters).

    Attributes:
        frames: most frames of a clip; each is lifted alone.
        joints: 17, as the skeleton is part of the network.
        width: channels of a joint.
        depth: residual blocks of two graph convolutions.
        dropped_joints: joints that are not in the graph, ("neck",) in the authors' models.
        non_local: a non-local layer after the first layer and after each block; for the authors'
            graph alone. Without, the authors' model has 267,343 parameters.
        modulated: the graph convolutions of Modulated GCN, whose authors' model for ground truth
            has no non-local layers and 287,923 parameters.
    """

    width: int = 128
    depth: int = 4
    dropped_joints: tuple[str, ...] = ("neck",)
    non_local: bool = True
    modulated: bool = False

    def __post_init__(self):
        super().__post_init__()
        if self.joints != HUMAN36M.size:
            raise self.refusal("joints", f"{HUMAN36M.size}, the joints of the network's skeleton")
        if any(joint not in HUMAN36M.joints[1:] for joint in self.dropped_joints):
            raise self.refusal("dropped_joints", f"some of {', '.join(HUMAN36M.joints[1:])}")
        if self.non_local and self.dropped_joints != ("neck",):
            raise self.refusal("non_local", "False, or leave dropped_joints at ('neck',)")
        if self.non_local and self.width % 2:
            raise self.refusal("width", "an even number, for the non-local layers")


class Graph(NamedTuple):
    """The joints of the network.

    Attributes:
        joints: their indices in Human3.6M's order.
        connected: `[n, n]` whether two of them are neighbours or the same.
        between: `[17, 2]` the two of them that each joint of Human3.6M lies between: twice itself,
            or, of one that is not in the graph, its parent and its child.
    """

    joints: np.ndarray
    connected: np.ndarray
    between: np.ndarray


@functools.cache
def graph(dropped_joints: tuple[str, ...]) -> Graph:
    """Returns the graph without some joints, whose children are connected to their parents."""
    kept = [j for j, joint in enumerate(HUMAN36M.joints) if joint not in dropped_joints]
    node = {joint: index for index, joint in enumerate(kept)}

    def parent(joint: int) -> int:
        above = HUMAN36M.parents[joint]
        return above if above in node else parent(above)

    connected = np.eye(len(kept), dtype=bool)
    for joint in kept[1:]:
        ends = node[joint], node[parent(joint)]
        connected[ends] = connected[ends[::-1]] = True
    between = np.zeros((HUMAN36M.size, 2), int)
    for joint in range(HUMAN36M.size):
        children = [child for child in kept if HUMAN36M.parents[child] == joint]
        ends = (joint, joint) if joint in node else (parent(joint), *children, parent(joint))[:2]
        between[joint] = [node[end] for end in ends]
    return Graph(np.array(kept), connected, between)


class GraphConvolution(nnx.Module):
    """Maps of each joint and of its neighbours, summed by the weights of the edges."""

    def __init__(self, inputs: int, outputs: int, config: SemgcnConfig, *, rngs: nnx.Rngs):
        self.dropped_joints, self.dtype = config.dropped_joints, jnp.dtype(config.dtype)
        # The authors' Xavier initialisation, which takes the two maps for a convolution's window.
        limit = 1.414 * math.sqrt(6 / (outputs * (inputs + 2)))
        shape = (2, inputs, outputs)
        self.kernel = nnx.Param(
            jax.random.uniform(rngs.params(), shape, minval=-limit, maxval=limit)
        )
        self.modulated, connected = config.modulated, graph(config.dropped_joints).connected
        if config.modulated:
            self.edges = nnx.Param(jnp.full(connected.shape, 1e-6))
            self.modulation = nnx.Param(jnp.ones((len(connected), outputs)))
        else:
            self.edges = nnx.Param(jnp.ones(connected.sum()))
        self.bias = nnx.Param(layers.uniform(outputs)(rngs.params(), (outputs,)))

    def __call__(self, x: Float[Array, "b t n i"]) -> Float[Array, "b t n o"]:
        """Convolves the joints of every frame."""
        weights = self._weights().astype(self.dtype)
        itself = np.eye(len(weights), dtype=bool)
        own, others = jnp.sum(weights, -1, where=itself), jnp.where(itself, 0, weights)
        both = kernels.linear(
            x, jnp.concatenate(list(self.kernel[...]), -1), None, dtype=self.dtype
        )
        of_joint, of_neighbour = jnp.split(both, 2, axis=-1)
        if self.modulated:
            scale = self.modulation[...].astype(self.dtype)
            of_joint, of_neighbour = scale * of_joint, scale * of_neighbour
        out = own[:, None] * of_joint + jnp.einsum("nm,btmo->btno", others, of_neighbour)
        return out + self.bias[...].astype(self.dtype)

    def _weights(self) -> Float[Array, "n n"]:
        """Returns the weights of the edges, by the joint that receives and the one that gives."""
        connected = graph(self.dropped_joints).connected
        if self.modulated:
            neighbours = connected ^ np.eye(len(connected), dtype=bool)
            fixed = neighbours / neighbours.sum(-1, keepdims=True) + np.eye(len(connected))
            edges = jnp.float32(fixed) + self.edges[...]
            return (edges + edges.T) / 2
        edge = np.where(connected, connected.cumsum().reshape(connected.shape) - 1, 0)
        return jax.nn.softmax(jnp.where(connected, self.edges[...][edge], -jnp.inf), axis=-1)


class Layer(nnx.Module):
    """A graph convolution, batch norm and ReLU."""

    def __init__(self, inputs: int, config: SemgcnConfig, *, rngs: nnx.Rngs):
        self.convolution = GraphConvolution(inputs, config.width, config, rngs=rngs)
        self.norm = layers.BatchNorm(config.width)

    def __call__(self, x: Float[Array, "b t n i"], training: bool) -> Float[Array, "b t n c"]:
        """Maps the joints of every frame; batch norms use the statistics of a training batch."""
        return jax.nn.relu(self.norm(self.convolution(x), training))


class Block(nnx.Module):
    """Two layers, added to their input."""

    def __init__(self, config: SemgcnConfig, *, rngs: nnx.Rngs):
        self.first = Layer(config.width, config, rngs=rngs)
        self.second = Layer(config.width, config, rngs=rngs)

    def __call__(self, x: Float[Array, "b t n c"], training: bool) -> Float[Array, "b t n c"]:
        """Maps the joints of every frame."""
        return x + self.second(self.first(x, training), training)


class NonLocal(nnx.Module):
    """Adds to each joint a sum over pairs of joints, weighted by ReLU scores of joint and pair."""

    def __init__(self, config: SemgcnConfig, *, rngs: nnx.Rngs):
        width, half = config.width, config.width // 2
        init = nnx.initializers.variance_scaling(2.0, "fan_in", "normal")  # Kaiming's
        dtype = jnp.dtype(config.dtype)

        def linear(inputs: int, outputs: int) -> layers.Linear:
            made = layers.Linear(inputs, outputs, dtype=dtype, rngs=rngs)
            made.kernel.set_value(init(rngs.params(), (inputs, outputs)))
            return made

        self.value, self.query, self.key = (linear(width, half) for _ in range(3))
        self.score = nnx.Param(init(rngs.params(), (width, 1)))
        self.out = linear(half, width)
        self.norm = layers.BatchNorm(width)
        self.norm.scale.set_value(jnp.zeros(width))  # the identity at first

    def __call__(self, x: Float[Array, "b t n c"], training: bool) -> Float[Array, "b t n c"]:
        """Mixes the joints of every frame."""
        nodes = [HUMAN36M.joints[joint] for joint in graph(("neck",)).joints]
        pairs = np.array([[nodes.index(joint) for joint in pair] for pair in _PAIRS])
        value, key = (part(x)[:, :, pairs].max(-2) for part in (self.value, self.key))
        of_joint, of_pair = jnp.split(self.score[...].astype(x.dtype), 2)
        scores = self.query(x) @ of_joint + jnp.swapaxes(key @ of_pair, -1, -2)
        mixed = jax.nn.relu(scores) / len(pairs) @ value
        return x + self.norm(self.out(mixed), training)


class Semgcn(Lifter[SemgcnConfig]):
    """Lifts the frames of a clip, each alone."""

    def __init__(self, config: SemgcnConfig, *, rngs: nnx.Rngs):
        self.config, self.dropped_joints = config, config.dropped_joints
        # In the order of the authors' lists, as the names of their tensors count both kinds.
        between = [NonLocal] if config.non_local else []
        first = Layer(config.in_channels, config, rngs=rngs)
        self.input = nnx.List([first, *(kind(config, rngs=rngs) for kind in between)])
        kinds = (Block, *between) * config.depth
        self.layers = nnx.List([kind(config, rngs=rngs) for kind in kinds])
        self.head = GraphConvolution(config.width, 3, config, rngs=rngs)

    def __call__(
        self, x: Float[Array, "b t j cin"], key: PRNGKeyArray | None = None
    ) -> Float[Array, "b t j 3"]:
        """Lifts every frame of clips of any number of frames; see `Lifter`."""
        config = self.config
        check_clips(x, config)
        nodes = graph(config.dropped_joints)
        x = x[:, :, nodes.joints].astype(config.dtype)
        for layer in [*self.input, *self.layers]:
            x = layer(x, key is not None)
        x = self.head(x).astype(jnp.float32)
        return (x[:, :, nodes.between[:, 0]] + x[:, :, nodes.between[:, 1]]) / 2
