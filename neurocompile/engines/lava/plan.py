"""Plan a run: a graph as flat populations and synapses, in chip time.

In:  a FIXED graph and its encoded input.
Out: a plan of plain numbers and names; arrays are stored separately in the workspace.
Anything that Lava cannot run is refused here, by name, before a process is started.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurocompile.data.inputs import Encoded, check_encoded
from neurocompile.errors import BadInput, Unsupported
from neurocompile.ir.fixed import AlwaysOn, BiasInput, ChipNeuron, CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import Graph
from neurocompile.ir.nodes import Linear, size
from neurocompile.ir.payloads import graded
from neurocompile.ir.schema import step_words
from neurocompile.ir.time import chip_delay, depths

RESET_FRESH = "fresh build"
RESET_LIFRESET = "LIFReset"
# Registers that Lava's process has once per population.
ONE_VALUE = {
    "ATRLIF": ("theta_step",),
    "TernaryLIF": ("vth_hi", "vth_lo"),
    **dict.fromkeys(("Delta", "SigmaDelta"), ("vth",)),
    **dict.fromkeys(("RF", "RF_IZ"), ("sin_decay", "cos_decay", "vth")),
}
MOST_PROCESS_DELAY = 63  # longest delay of Lava's DelayDense and DelaySparse, chip steps: 6 bits


@dataclass(frozen=True)
class SourcePlan:
    """Spikes that are replayed: a SpikeInput or an AlwaysOn.

    Attributes:
        index: Number of the node; its spikes are in a file of the workspace.
        name: Name of the node.
        size: Number of its neurons.
        depth: Chip steps by which it lags the input.
    """

    index: int
    name: str
    size: int
    depth: int


@dataclass(frozen=True)
class PopulationPlan:
    """A population of neurons; its registers are in the workspace.

    Attributes:
        index, name, size, depth: See SourcePlan.
        kind: Name of its class, which decides on Lava's process.
        words: What else its step reads beside registers, by name of the field.
        graded: Whether its spikes carry payloads.
        biases: Number of the BiasInput that writes the bias register, or None.
    """

    index: int
    name: str
    size: int
    depth: int
    kind: str
    words: dict[str, Any]
    graded: bool
    biases: int | None


@dataclass(frozen=True)
class SynapsePlan:
    """A Synapse; its matrix is in the workspace.

    Attributes:
        index, name: Number and name of the node.
        source, target: Numbers of the populations.
        dense: Whether the matrix is stored as a dense one.
        shape: Shape of the matrix, (n_target, n_source).
        weight_exp, bits: Exponent and width of the weights.
        delay: Delay in chip steps, in addition to the one that each synapse takes.
        late: Whether delays differ; the further steps of each weight are in the workspace.
        longest: Chip steps until a spike has arrived everywhere, in addition to the one.
        early: Whether the source's first spike is due one step before the chip starts.
        graded: Whether the source's spikes carry payloads.
        into: Which of the sums of the target it adds to; None where there is only one.
    """

    index: int
    name: str
    source: int
    target: int
    dense: bool
    shape: tuple[int, int]
    weight_exp: int
    bits: int
    delay: int
    late: bool
    longest: int
    early: bool
    graded: bool
    into: str | None


@dataclass(frozen=True)
class LavaPlan:
    """A run of a network.

    Attributes:
        steps, samples: Number of steps per sample, and of samples.
        reset: RESET_FRESH or RESET_LIFRESET.
        sources, populations, synapses: Parts of the network.
    """

    steps: int
    samples: int
    reset: str
    sources: tuple[SourcePlan, ...]
    populations: tuple[PopulationPlan, ...]
    synapses: tuple[SynapsePlan, ...]

    @property
    def last_depth(self) -> int:
        """Chip steps by which the last population lags the input."""
        return max(p.depth for p in self.populations)

    @property
    def processes(self) -> int:
        """Number of processes that Lava starts, including one recorder per population."""
        return len(self.sources) + 2 * len(self.populations) + len(self.synapses) + 1


def reset_mode(graph: Graph) -> str:
    """How the state is reset between samples: the word for the report.

    LIFReset clears u and v in the first step of each sample. That is exact if every v_init is 0
    and no synapse has a delay, through which the last spikes of a sample would reach the next.
    Otherwise, and for neurons that Lava clears in no step, each sample gets its own network.
    """
    starts_at_zero = all(
        isinstance(node, CubaLIF) and not node.v_init.any() for _, node in graph.of(ChipNeuron)
    )
    in_step = all(node.longest_delay == 0 for _, node in graph.of(Synapse))
    return RESET_LIFRESET if starts_at_zero and in_step else RESET_FRESH


def make_plan(graph: Graph, encoded: Encoded) -> LavaPlan:
    """Describe a run of a FIXED graph.

    Raises:
        Unsupported: If a synapse or a neuron needs what Lava's process does not have.
        BadInput: If the input does not fit the graph.
    """
    index = {name: i for i, name in enumerate(graph.nodes)}
    depth = depths(graph)
    check_encoded(graph, encoded)
    for name, node in graph.of(ChipNeuron):
        _check_one_value(name, node)
    if not encoded.samples:
        raise BadInput("no samples were given, but a run of Lava needs 1 or more.")
    return LavaPlan(
        steps=encoded.steps,
        samples=encoded.samples,
        reset=reset_mode(graph),
        sources=tuple(
            SourcePlan(index[name], name, size(node.shape), depth[name])
            for name, node in graph.of(SpikeInput, AlwaysOn)
        ),
        populations=tuple(
            PopulationPlan(
                index[name],
                name,
                size(node.shape),
                depth[name],
                type(node).__name__,
                step_words(node),
                graded(node),
                next((index[b] for b, _ in _bias_inputs(graph, name)), None),
            )
            for name, node in graph.of(ChipNeuron)
        ),
        synapses=tuple(
            _synapse_plan(graph, index, depth, name, node) for name, node in graph.of(Synapse)
        ),
    )


def _check_one_value(name: str, node: ChipNeuron) -> None:
    kind = type(node).__name__
    for register in ONE_VALUE.get(kind, ()):
        if np.ptp(getattr(node, register)):
            raise Unsupported(
                f"layer '{name}': its {register} differs between neurons, but Lava's {kind} has "
                "one per population. Use one value, or the engines fixed and onnx, which take one "
                "per neuron."
            )


def _bias_inputs(graph: Graph, name: str) -> list[tuple[str, BiasInput]]:
    nodes = [(before, graph.nodes[before]) for before in graph.before(name)]
    return [(before, node) for before, node in nodes if isinstance(node, BiasInput)]


def _synapse_plan(
    graph: Graph, index: Mapping[str, int], depth: Mapping[str, int], name: str, node: Synapse
) -> SynapsePlan:
    (source,), (target,) = graph.before(name), graph.after(name)
    wait = chip_delay(graph, depth, name)
    longest = wait + node.longest_delay - node.delay
    if wait < 0 or longest > MOST_PROCESS_DELAY:
        raise Unsupported(
            f"synapse '{name}' waits {wait if wait < 0 else longest} chip steps, but this engine "
            f"has 0..{MOST_PROCESS_DELAY}. Use a delay, or paths whose lengths differ, in that "
            "range."
        )
    return SynapsePlan(
        index=index[name],
        name=name,
        source=index[source],
        target=index[target],
        dense=is_dense(node),
        shape=(size(node.out_shape), size(node.in_shape)),
        weight_exp=node.weight_exp,
        bits=node.bits,
        delay=wait,
        late=node.late is not None,
        longest=longest,
        early=depth[source] < 0,
        graded=graded(graph.nodes[source]),
        into=node.into,
    )


def is_dense(node: Synapse) -> bool:
    """Whether Lava stores the matrix of a synapse as a dense one."""
    return isinstance(node.op, Linear) and size(node.in_shape[:-1]) == 1
