"""Read what a FLOAT neuron layer and the branches before it say, in float64.

In:  simplified FLOAT graph, a neuron layer.
Out: its weights with the membrane leak in them, its biases, and the level of the
     potential that the chip calls 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from neurocompile.errors import Unsupported
from neurocompile.ir.arrays import Array
from neurocompile.ir.graph import Graph
from neurocompile.ir.linear import full_bias
from neurocompile.ir.neurons import (
    IAF,
    LI,
    LIF,
    Integrator,
    LIBox,
    LIFBox,
    Neuron,
    StepParameters,
    has_current,
    level_of,
    start_of,
    step_parameters,
)
from neurocompile.ir.nodes import (
    Conv,
    ConvTranspose,
    Input,
    Linear,
    Reshape,
    Shape,
    Sparse,
    Weighted,
)
from neurocompile.quantize.columns import from_kernels, kernels
from neurocompile.simplify.compose_synapses import Branch, branches_before

# Neurons whose step is the chip's, v' = v (1 - l) + l (i + v_leak) or v' = v + i. Whatever else a
# neuron does would be lost without a word, so that a class has to be named here.
AS_ON_CHIP: tuple[type[Neuron], ...] = (LIF, LIFBox, IAF, LI, LIBox, Integrator)


@dataclass(frozen=True, eq=False)
class Arrival:
    """One synapse that arrives at a neuron layer.

    Attributes:
        origin: The neuron layer or input that it comes from.
        link: Name of the synapse, None where currents enter the neurons directly.
        op: The synapse in float64, its bias apart.
        in_shape, out_shape: Shapes on either side of the synapse.
        delay: Steps of the network's own time that it holds spikes back.
    """

    origin: str
    link: str | None
    op: Weighted | None
    in_shape: Shape
    out_shape: Shape
    delay: int


@dataclass(frozen=True, eq=False)
class Incoming:
    """A neuron layer and what arrives at it.

    Attributes:
        name, neuron, shape: The layer.
        dt: Length of a step, seconds.
        arrivals: The synapses before it.
        host: Real-valued input that meets this layer, to be written into biases; None without.
        bias: The synapses' bias for each neuron, (n,) or None.
        by_axon: Whether an axon brings that bias, not the bias register: always before a
            synaptic current.
        numbers: The step's parameters in float64.
        finer: () or shape, how many times finer a neuron's potential is counted than the layer's
            scale says; see `choices.finer`.
    """

    name: str
    neuron: Neuron
    shape: Shape
    dt: float
    arrivals: tuple[Arrival, ...]
    host: Arrival | None
    bias: Array | None
    by_axon: bool
    numbers: StepParameters
    finer: Array = field(default_factory=lambda: np.ones(()))

    @property
    def level(self) -> Array:
        """Potential that the chip calls 0: where a spike resets to, or a readout starts."""
        return _or_zero(level_of(self.neuron, self.numbers))

    @property
    def start(self) -> Array:
        """Potential before the first step, from `level`, counted as finely as the neuron's."""
        return self.finer * (_or_zero(start_of(self.neuron, self.numbers)) - self.level)

    @property
    def threshold(self) -> Array:
        """Threshold of a spiking layer, from `level`, counted as finely as the neuron's."""
        return self.finer * (self.numbers.v_th - self.level)

    @property
    def gain(self) -> Array:
        """What input is multiplied with to count in v, () or shape: the membrane leak, or 1."""
        leak = self.numbers.mem_leak
        return self.finer * (np.ones(()) if leak is None else np.asarray(leak))

    def register_bias(self) -> Array:
        """What the bias register adds each step, () or shape, float membrane units."""
        rest = self.numbers.v_leak
        drift = np.zeros(()) if rest is None else np.asarray(rest - self.level)
        if self.bias is not None and not self.by_axon:
            drift = drift + self.bias.reshape(self.shape)
        return np.asarray(self.gain * drift)

    def gained(self, op: Weighted) -> Weighted:
        """A synapse with each target's gain multiplied into its weights.

        Raises:
            Unsupported: If the gain differs between neurons that share weights.
        """
        if self.gain.ndim == 0:
            return op.with_weights(op.weights * self.gain)
        gain = np.broadcast_to(self.gain, self.shape)
        if isinstance(op, Linear) and len(op.weight) == gain.size:
            return op.with_weights(op.weight * gain.reshape(-1, 1))
        if isinstance(op, Sparse):
            return op.with_weights(op.data * np.repeat(gain.ravel(), np.diff(op.indptr)))
        channels = gain.reshape(len(gain), -1)
        if isinstance(op, Conv | ConvTranspose) and np.all(channels == channels[:, :1]):
            split = kernels(op)  # (groups, outputs of a group, columns), channels in order
            scaled = split * channels[:, 0].reshape(*split.shape[:2], 1)
            return op.with_weights(from_kernels(op, scaled))
        raise Unsupported(
            f"layer '{self.name}': a tau_mem for every neuron behind a {type(op).__name__}, "
            "whose weights are shared, is not in this version. Use one tau_mem for a channel."
        )


def read_incoming(
    graph: Graph, name: str, shape: dict[str, Shape], by_axon: bool = False
) -> Incoming:
    """Everything that a neuron layer of a simplified FLOAT graph says about itself.

    Args:
        graph: Simplified FLOAT graph.
        name: The layer.
        shape: Behind every node.
        by_axon: Whether an axon shall bring the bias where a register could hold it too.

    Raises:
        Unsupported: If a chip has no such neuron; if real-valued input goes anywhere but into
            this one layer, and at once; or if a readout feeds the layer.
    """
    neuron = graph.nodes[name]
    if type(neuron) not in AS_ON_CHIP:
        allowed = ", ".join(kind.__name__ for kind in AS_ON_CHIP)
        raise Unsupported(
            f"layer '{name}' ({type(neuron).__name__}): a chip has no neuron of this kind, allowed "
            f"are {allowed}. Use one of them."
        )
    arrivals: list[Arrival] = []
    bias: Array | None = None
    host: Arrival | None = None
    for branch in branches_before(graph, name):
        arrival, own = _arrival(graph, branch, shape)
        if own is not None:
            bias = own if bias is None else bias + own
        origin = graph.nodes[branch.origin]
        if not getattr(origin, "spiking", True):
            raise Unsupported(
                f"layer '{name}': it is fed by the potentials of readout '{branch.origin}', but "
                "only spikes leave a neuron on a chip. Feed it from a spiking layer."
            )
        if isinstance(origin, Input) and graph.settings.encoder.kind == "current":
            _check_host(graph, branch, name)
            host = arrival
        else:
            arrivals.append(arrival)
    return Incoming(
        name=name,
        neuron=neuron,
        shape=shape[name],
        dt=graph.settings.dt,
        arrivals=tuple(arrivals),
        host=host,
        bias=bias,
        by_axon=by_axon or has_current(neuron),
        numbers=StepParameters(**step_parameters(neuron, graph.settings.dt)),
    )


def _arrival(graph: Graph, branch: Branch, shape: dict[str, Shape]) -> tuple[Arrival, Array | None]:
    """A branch's synapse, and its bias for each neuron in float64."""
    before = in_shape = out_shape = shape[branch.origin]
    link: str | None = None
    op: Any = None
    bias: Array | None = None
    for step in branch.names:
        node = graph.nodes[step]
        if not isinstance(node, Reshape):
            link, in_shape, out_shape = step, before, shape[step]
            own = full_bias(node, in_shape)
            bias = None if own is None else own.astype(np.float64)
            op = replace(node, bias=None).with_weights(node.weights.astype(np.float64))
        before = shape[step]
    return Arrival(branch.origin, link, op, in_shape, out_shape, branch.delay), bias


def _check_host(graph: Graph, branch: Branch, name: str) -> None:
    """What the host writes into bias registers stays there: it goes to one layer, at once."""
    ways = len(graph.after(branch.origin))
    if ways == 1 and not branch.delay:
        return
    found = f"comes {branch.delay} steps late" if branch.delay else f"goes {ways} ways"
    raise Unsupported(
        f"layer '{name}': real-valued input '{branch.origin}' {found}, but the host can write it "
        "into the bias registers of one layer only, before the first step. Lead it through one "
        "LIFBox layer of its own, or use the Bernoulli encoder."
    )


def _or_zero(potential: Any) -> Array:
    return np.zeros(()) if potential is None else np.asarray(potential)
