"""Read the parameters of a FLOAT neuron layer and of the branches before it, in float64.

In:  simplified FLOAT graph, a neuron layer.
Out: its weights multiplied by the membrane leak, its biases, and the level of the
     potential that is 0 on the chip.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from neurocompile.errors import Unsupported, a_or_an
from neurocompile.ir.adapting import ALIF, LSNN, LIFRefrac
from neurocompile.ir.after_spikes import AdaptiveLIF, RefractoryLIF
from neurocompile.ir.arrays import Array
from neurocompile.ir.chip_neurons import ATRLIF
from neurocompile.ir.fixed import ChipNeuron, CubaLIF
from neurocompile.ir.graph import Graph
from neurocompile.ir.linear import full_bias
from neurocompile.ir.neurons import (
    IAF,
    LI,
    LIF,
    DeltaEncoder,
    Integrator,
    LIBox,
    LIFBox,
    Neuron,
    SigmaDeltaReLU,
    SigmaReadout,
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
    size,
)
from neurocompile.ir.order import components, sources_first
from neurocompile.quantize.columns import from_kernels, kernels
from neurocompile.simplify.compose_synapses import Branch, branches_before

# What a user does where constant currents cannot enter.
WITHOUT_CURRENT = (
    "neurons without a synaptic current (norse.torch.LIFBoxCell, snntorch.Leaky, SpikingJelly's "
    "LIFNode, Sinabs' LIF without tau_syn)"
)
RANDOM_SPIKES = (
    "let random spikes enter: save the model again with Settings(encoder=Encoder('bernoulli')); "
    "where a command chose the encoder, choose encoder=Encoder('bernoulli') (--encoder bernoulli)."
)

# The neuron of the chip whose step is a neuron's own, v' = v (1 - l) + l (i + v_leak) or
# v' = v + i, with the same effect of a spike. Anything else that a neuron does would be lost
# silently, so every supported class must be named here.
AS_ON_CHIP: Mapping[type[Neuron], type[ChipNeuron]] = {
    **dict.fromkeys((LIF, LIFBox, IAF, LI, LIBox, Integrator), CubaLIF),
    LIFRefrac: RefractoryLIF,
    LSNN: AdaptiveLIF,
    ALIF: ATRLIF,
}
SUMS: tuple[type[Neuron], ...] = (SigmaDeltaReLU, SigmaReadout)  # they add up without a leak
CHANGES: tuple[type[Neuron], ...] = (DeltaEncoder, *SUMS)  # neurons of a sigma-delta network


@dataclass(frozen=True, eq=False)
class Arrival:
    """One synapse that arrives at a neuron layer.

    Attributes:
        origin: Name of the neuron layer or input where it starts.
        link: Name of the synapse; None if currents enter the neurons directly.
        op: Synapse in float64, without its bias.
        in_shape, out_shape: Shapes before and after the synapse.
        delay: Delay of its spikes in steps of the network's own time.
        late: Further steps, as in `Synapse`: (n_target,), (1, n_source), or None.
        payload: Payload of the chip per unit that the float network sends; 1 for spikes.
    """

    origin: str
    link: str | None
    op: Weighted | None
    in_shape: Shape
    out_shape: Shape
    delay: int
    late: Array | None = None
    payload: float = 1.0

    @property
    def sources_differ(self) -> bool:
        """Whether the neurons that send have delays of their own."""
        return self.late is not None and self.late.ndim > 1

    @property
    def longest_delay(self) -> int:
        """Steps until every spike has arrived."""
        return self.delay + (0 if self.late is None else int(self.late.max()))


@dataclass(frozen=True, eq=False)
class Incoming:
    """A neuron layer and what arrives at it.

    Attributes:
        name: Name of the layer.
        neuron, shape: Its node, and its shape.
        dt: Length of a step, seconds.
        arrivals: Synapses before it.
        host: Real-valued input of this layer, which the host writes to biases; None without.
        bias: (n,) bias of the synapses for each neuron, or None; the neurons' own in a sigma-delta
            network.
        by_axon: Whether an axon, not the bias register, carries that bias; always before a
            synaptic current.
        numbers: Parameters of the step in float64.
        finer: () or shape, factor by which a neuron's unit is finer than the layer's scale; see
            `choices.finer`.
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
        """Potential that is 0 on the chip: the reset value, or where a readout starts."""
        return _or_zero(level_of(self.neuron, self.numbers))

    @property
    def start(self) -> Array:
        """Potential before the first step, relative to `level`, in each neuron's finer unit."""
        return self.finer * (_or_zero(start_of(self.neuron, self.numbers)) - self.level)

    @property
    def threshold(self) -> Array:
        """Threshold of a spiking layer, relative to `level`, in each neuron's finer unit."""
        return self.finer * (self.numbers.v_th - self.level)

    @property
    def on_chip(self) -> type[ChipNeuron]:
        """The neuron of the chip that it becomes."""
        return AS_ON_CHIP[type(self.neuron)]

    @property
    def rise(self) -> Array:
        """What a spike adds to the threshold, in each neuron's finer unit; 0 where nothing."""
        return self.finer * _or_zero(self.numbers.beta)

    @property
    def extra_delay(self) -> int:
        """Steps that what arrives needs more than in a LIF; each synapse waits for them."""
        return int(self.neuron.current_is_late)

    @property
    def gain(self) -> Array:
        """() or shape, factor from input to a change of v: the membrane leak, or 1 without leak."""
        leak = self.numbers.mem_leak
        return self.finer * (np.ones(()) if leak is None else np.asarray(leak))

    def register_bias(self) -> Array:
        """() or shape, what the bias register adds in each step, float membrane units."""
        rest = self.numbers.v_leak
        drift = np.zeros(()) if rest is None else np.asarray(rest - self.level)
        if self.bias is not None and not self.by_axon:
            drift = drift + self.bias.reshape(self.shape)
        return np.asarray(self.gain * drift)

    def gained(self, op: Weighted) -> Weighted:
        """A synapse with its weights multiplied by each target's gain.

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
            f"layer '{self.name}': a tau_mem per neuron after {a_or_an(type(op).__name__)}, "
            "whose weights "
            "are shared, is not supported in this version. Use one tau_mem per channel."
        )


def read_incoming(
    graph: Graph, name: str, shape: dict[str, Shape], by_axon: bool = False
) -> Incoming:
    """All parameters of a neuron layer in a simplified FLOAT graph.

    Args:
        graph: Simplified FLOAT graph.
        name: Name of the layer.
        shape: Shape after every node.
        by_axon: Whether an axon carries the bias although a register could hold it.

    Raises:
        Unsupported: If a chip has no such neuron, if real-valued input goes to another layer too
            or comes with a delay, or if a readout feeds the layer.
    """
    neuron = graph.nodes[name]
    if type(neuron) not in (*AS_ON_CHIP, *CHANGES):
        allowed = ", ".join(kind.__name__ for kind in (*AS_ON_CHIP, *CHANGES))
        raise Unsupported(
            f"layer '{name}' ({type(neuron).__name__}): a chip has no neuron of this kind. "
            f"Allowed kinds are {allowed}. Use one of them."
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
                f"layer '{name}': its input is the potential of readout '{branch.origin}', but on "
                "a chip neurons send only spikes. Feed it from a spiking layer."
            )
        if isinstance(origin, Input) and graph.settings.encoder.kind == "current":
            _check_host(graph, branch, name)
            host = arrival
        else:
            arrivals.append(arrival)
    numbers = StepParameters(**step_parameters(neuron, graph.settings.dt))
    if isinstance(neuron, CHANGES):
        _check_changes(name, neuron, bias, host)
        bias = _own_bias(neuron, numbers.bias, size(shape[name]))
    return Incoming(
        name=name,
        neuron=neuron,
        shape=shape[name],
        dt=graph.settings.dt,
        arrivals=tuple(arrivals),
        host=host,
        bias=bias,
        by_axon=by_axon or has_current(neuron),
        numbers=numbers,
    )


def order_of(graph: Graph) -> list[str]:
    """All names, each after those that lead to it; edges into a neuron that leaks are ignored.

    Raises:
        Unsupported: If a layer of a sigma-delta network is part of a loop.
    """
    for names, loop in components(graph):
        for name in names:
            node = graph.nodes[name]
            if loop and isinstance(node, CHANGES):
                raise Unsupported(
                    f"layer '{name}' ({type(node).__name__}) is part of a loop, in which it would "
                    "add up changes of its own. Use neurons that leak in loops."
                )
    return sources_first(graph, (Input, *AS_ON_CHIP))


def _arrival(graph: Graph, branch: Branch, shape: dict[str, Shape]) -> tuple[Arrival, Array | None]:
    """A branch's synapse, and its bias per neuron in float64."""
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
    late = branch.ends if branch.late is None else branch.late[None]
    return Arrival(branch.origin, link, op, in_shape, out_shape, branch.delay, late), bias


def _check_host(graph: Graph, branch: Branch, name: str) -> None:
    """Refuse real-valued input that is delayed or goes to several layers.

    The host writes it to the bias registers of one layer before the first step, where it stays.
    """
    targets = len(graph.after(branch.origin))
    steps = branch.longest
    if targets == 1 and not steps:
        return
    problem = f"is delayed by {steps} steps" if steps else f"goes to {targets} nodes"
    raise Unsupported(
        f"layer '{name}': real-valued input '{branch.origin}' {problem}, but the host can write it "
        "only to the bias registers of one layer, before the first step. Put one layer of "
        f"{WITHOUT_CURRENT} after the input, or {RANDOM_SPIKES}"
    )


def _check_changes(name: str, neuron: Neuron, bias: Array | None, host: Arrival | None) -> None:
    """Refuse what a layer of a sigma-delta network cannot take."""
    kind = type(neuron).__name__
    if host is not None:
        raise Unsupported(
            f"layer '{name}' ({kind}): a constant current reaches it, but it takes a value in each "
            "step, as payloads. Use Encoder('sequence') and samples (n, steps, ...)."
        )
    if bias is not None and np.any(bias):
        cure = (
            "Leave it out: a constant changes nothing that is sent later."
            if isinstance(neuron, DeltaEncoder)
            else "Make the layer before it without a bias, and give the bias to this one."
        )
        raise Unsupported(
            f"layer '{name}' ({kind}): the synapses before it have a bias, which would arrive, and "
            f"be added up, in every step. {cure}"
        )


def _own_bias(neuron: Neuron, held: Array | None, neurons: int) -> Array | None:
    """(n,) the bias that neurons of a sigma-delta network start their sum from; None without one.

    A readout's costs nothing, for the host adds it, so there it may be 0.
    """
    if held is None or (neuron.spiking and not np.any(held)):
        return None
    return np.full(neurons, held) if held.ndim == 0 else held.ravel()


def _or_zero(potential: Any) -> Array:
    return np.zeros(()) if potential is None else np.asarray(potential)
