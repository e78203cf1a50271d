"""One tiny network of each FLOAT node, for the matrix in docs/support.md.

In:  nothing.
Out: rows: a label, and a network with a node of that kind; a kind without one is an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, get_args

import numpy as np

from neurocompile.formats.checkpoint.plain import KINDS
from neurocompile.ir.adapting import NEURONS
from neurocompile.ir.fixed import AlwaysOn, BiasInput, ChipNeuron, CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import Graph, chain
from neurocompile.ir.neurons import LIFBox, Reset
from neurocompile.ir.nodes import (
    Add,
    AvgPool,
    BatchNorm,
    Concat,
    Conv,
    ConvTranspose,
    Delay,
    Identity,
    Input,
    Linear,
    Reshape,
    Sparse,
    SumPool,
    Upsample,
)
from neurocompile.ir.settings import Encoder, EncoderKind, Settings

NUMBERS = {"tau_syn_inv": 200.0, "tau_mem_inv": 100.0, "v_leak": 0.0, "v_th": 1.0, "v_reset": 0.0}
NUMBERS |= {"tau_adapt_inv": 20.0, "tau_refrac_inv": 100.0, "beta": 0.25, "rho_reset": 3.0}
NUMBERS |= {"bias": 0.25}
IMAGE, LINE = (2, 4, 4), (2, 4)


@dataclass(frozen=True)
class Row:
    """A line of the matrix.

    Attributes:
        label: What it shows.
        kind: The FLOAT node that it is about.
        graph: The network, in which that node is called "x".
    """

    label: str
    kind: type
    graph: Graph

    def fixed_words(self, fixed: Graph) -> str:
        """What the node became: inputs, neurons or synapses of a FIXED graph."""
        shown: tuple[type, ...] = (Synapse, AlwaysOn)
        if self.kind is Input:
            shown = (SpikeInput, BiasInput)
        elif self.kind in NEURONS:
            shown = (ChipNeuron, AlwaysOn)
        words = {_words(node) for _, node in fixed.of(*shown)}
        if Synapse in shown and any(node.bias.any() for _, node in fixed.of(CubaLIF)):
            words.add("bias register")
        return ", ".join(sorted(words))


def rows() -> list[Row]:
    """All networks, in the order of the vocabulary."""
    made = [*_inputs(), *_maps(), *_joins(), *_neurons()]
    missing = set(KINDS.values()) - {row.kind for row in made}
    assert not missing, f"docs/support_networks.py lacks a network of {missing}"
    order = list(KINDS.values())
    return sorted(made, key=lambda row: order.index(row.kind))


def neuron(kind: Any, **told: Any) -> Any:
    """Neurons of a kind, with numbers that any chip can hold."""
    arrays = {f.name: np.array(NUMBERS[f.name]) for f in fields(kind) if f.name in NUMBERS}
    return kind(**arrays, **told)


def ones(*shape: int) -> Any:
    """Weights."""
    return np.full(shape, 0.25)


def dense(shape: tuple[int, ...] = (4, 4), *, bias: bool = False) -> Linear:
    """A matrix."""
    return Linear(ones(*shape), ones(shape[0]) / 10 if bias else None)


def _words(node: Any) -> str:
    name = type(node).__name__
    if isinstance(node, Synapse):
        more = [type(node.op).__name__, *([f"delay {node.delay}"] if node.delay else [])]
    elif isinstance(node, CubaLIF):
        more = ["readout"] if node.readout else [f"reset {node.reset}"]
        more += ["bias register"] if node.bias.any() else []
    elif isinstance(node, SpikeInput):
        more = ["payloads"] if node.payload_bits else []
    elif isinstance(node, ChipNeuron):
        more = ["bias register"] if node.bias.any() else []
    elif isinstance(node, BiasInput):
        more = ["host computes"] if node.host is not None else []
    else:
        more = []
    return name + (f" ({', '.join(more)})" if more else "")


def _inputs() -> Iterator[Row]:
    for kind in get_args(EncoderKind):
        settings = Settings(encoder=Encoder(kind))
        nodes = {"x": Input((4,)), "linear": dense(), "out": neuron(LIFBox)}
        yield Row(f"Input, encoder {kind}", Input, chain(nodes, settings))
        if kind == "current":
            nodes.pop("linear")
            label = "Input, encoder current, neurons first"
            yield Row(label, Input, chain(nodes, settings))


def _maps() -> Iterator[Row]:
    def row(label: str, shape: tuple[int, ...], node: Any, *before: Any) -> Row:
        nodes = {f"before{i}": each for i, each in enumerate(before)}
        ends = {"input": Input(shape), **nodes, "x": node, "out": neuron(LIFBox)}
        return Row(label, type(node), chain(ends))

    each = np.arange(5)
    yield row("Linear", (4,), dense())
    yield row("Linear with bias", (4,), dense(bias=True))
    for axes, shape in (("", IMAGE), (", one axis", LINE)):
        n = len(shape) - 1
        geometry = ((1,) * n, (1,) * n, (1,) * n, 1)
        kernel = ones(2, 2, *(3,) * n)
        yield row(f"Conv{axes}", shape, Conv(kernel, None, *geometry))
        pads = ((2,) * n, (1,) * n, (1,) * n, (1,) * n, 1)
        yield row(f"ConvTranspose{axes}", shape, ConvTranspose(kernel, None, *pads))
        yield row(f"SumPool{axes}", shape, SumPool((2,) * n, (2,) * n, (0,) * n))
        yield row(f"AvgPool{axes}", shape, AvgPool((2,) * n, (2,) * n, (0,) * n))
        yield row(f"Upsample{axes}", shape, Upsample((2,) * n))
        if n == 2:
            conv = Conv(kernel, None, *geometry)
            yield row("BatchNorm after Conv", shape, BatchNorm(ones(2), ones(2) / 10), conv)
            yield row("BatchNorm without bias", shape, BatchNorm(ones(2)), conv)
    yield row("Sparse", (4,), Sparse(ones(4), each[:-1], each, (4,), (4,)))
    yield row("Reshape, flattening", IMAGE, Reshape((32,)))
    yield row("Reshape, other", (32,), Reshape(IMAGE))
    yield row("Identity", (4,), Identity())
    yield row("Delay", (4,), Delay(2), dense())
    yield row("Delay of each value", (4,), Delay(0, np.array([0, 2, 1, 3])), dense())


def _joins() -> Iterator[Row]:
    two = {"input": Input((4,)), "a": dense(), "first": neuron(LIFBox), "b": dense()}
    edges = [("input", "a"), ("a", "first"), ("first", "b"), ("b", "x"), ("input", "x")]
    for kind, wide in ((Add, 4), (Concat, 8)):
        nodes = {**two, "x": kind(), "c": dense((4, wide)), "out": neuron(LIFBox)}
        more = [("x", "c"), ("c", "out")]
        label = f"{kind.__name__}, paths of unequal length"
        yield Row(label, kind, Graph(nodes, (*edges, *more)))
    loop = {"input": Input((4,)), "a": dense(), "sum": Add(), "out": neuron(LIFBox)}
    loop |= {"x": Delay(1), "back": dense()}
    ways = [("input", "a"), ("a", "sum"), ("sum", "out"), ("out", "x"), ("x", "back")]
    loop = {k: loop[k] for k in ("input", "a", "back", "sum", "out", "x")}
    yield Row("Delay in a loop", Delay, Graph(loop, (*ways, ("back", "sum"))))


def _neurons() -> Iterator[Row]:
    for kind in NEURONS:
        has_reset = "reset" in {f.name for f in fields(kind)}
        for reset in get_args(Reset) if has_reset else (None,):
            told = {} if reset is None else {"reset": reset}
            label = kind.__name__ + (f", reset {reset}" if reset else "")
            own = "bias" in {f.name for f in fields(kind)} or kind.graded  # allows none before it
            for bias in (False,) if own else (False, True):
                nodes = {
                    "input": Input((4,)),
                    "linear": dense(bias=bias),
                    "x": neuron(kind, **told),
                }
                settings = Settings(encoder=Encoder("sequence" if kind.graded else "spikes"))
                words = label + (", bias before it" if bias else "")
                yield Row(words, kind, chain(nodes, settings))
