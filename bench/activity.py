"""Time of the fixed engine at any activity, relative to the bare dense products.

In:  a wide dense layer; the shipped network's shapes, with every neuron spiking at a set rate.
Out: seconds by activity, relative to the dense floor and to the physical one.
The dense floor is only the convolutions and matrix products, in float32 and torch's fastest way;
`physical` has the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import physical
import torch
from scaling import Act, best, layer, ours, spikes
from torch.nn import functional

from neurocompile.data.inputs import Encoded
from neurocompile.engines import fixed
from neurocompile.formats.load_onnx import load_onnx
from neurocompile.ir.fixed import BiasInput, CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import Graph
from neurocompile.ir.nodes import Conv, Linear

ROUNDS = 3
ACTIVITIES = (0.02, 0.05, 0.10, 0.20, 0.50, 1.00)
WIDE, STEPS, WIDE_SAMPLES = 4096, 16, 64
SAMPLES = 100  # of the shipped network
PERIOD = 5000  # a membrane's way to its threshold
BATCHES = (80, 256)  # rows of a product: larger ones gain nothing


def wide_layer(limits: physical.Limits, rounds: int = ROUNDS) -> dict[str, Any]:
    """A dense layer of 4,096 x 4,096."""
    graph = layer(WIDE, WIDE)
    runs = {
        rate: _by_threads([ours(graph, spikes(WIDE, STEPS, WIDE_SAMPLES, rate))])
        for rate in ACTIVITIES
    }
    weight = torch.rand(WIDE, WIDE)
    rows = (torch.rand(STEPS * WIDE_SAMPLES, WIDE) < 0.1).float()
    floors = _by_threads([lambda: functional.linear(rows, weight)])
    least = physical.floor(limits, graph, len(rows), moved=rows.numel())
    return _sweep(runs, floors, least, rounds)


def shipped_network(limits: physical.Limits, file: Path, rounds: int = ROUNDS) -> dict[str, Any]:
    """A network of the same shapes whose weights are all 0, so that they cannot move a neuron."""
    graph = load_onnx(file)
    steps = graph.settings.steps
    runs = {
        rate: _by_threads([ours(spiking(graph, rate), _input(graph, rate, steps))])
        for rate in ACTIVITIES
    }
    floors = products(graph, SAMPLES * steps)
    least = physical.floor(limits, graph, SAMPLES * steps)
    return _sweep(runs, floors, least, rounds)


def digits(
    limits: physical.Limits, file: Path, arrays: Path, rounds: int = ROUNDS
) -> dict[str, Any]:
    """The shipped network on the test digits; what it puts out is kept."""
    graph = load_onnx(file)
    steps = graph.settings.steps
    ((name, _),) = graph.of(BiasInput)
    with np.load(arrays) as kept:
        encoded = Encoded({name: kept["mantissas"][:SAMPLES]}, steps)
    counts = fixed.run(graph, encoded, spikes=(), membrane=()).activity.values()
    rate = sum(int(c.spikes.sum()) for c in counts) / sum(c.spikes.size for c in counts)
    rate /= SAMPLES * steps

    def run() -> None:
        fixed.run(graph, encoded, spikes=(), membrane=("output",))

    least = physical.floor(limits, graph, SAMPLES * steps)
    floors = products(graph, SAMPLES * steps)
    return {"samples": SAMPLES, **_sweep({rate: _by_threads([run])}, floors, least, rounds)}


def spiking(graph: Graph, rate: float) -> Graph:
    """The same network, in which every neuron counts to its threshold from a random start."""
    draw = np.random.default_rng(0)
    changed: dict[str, Any] = {}
    for name, node in graph.of(CubaLIF):
        threshold = PERIOD if rate < 1 else 1
        changed[name] = replace(
            node, du=4095, dv=0, vth=threshold // 64, bias_mant=_bias(rate), bias_exp=0,
            v_init=draw.integers(0, threshold, node.shape), readout=False,
        )  # fmt: skip
    for name, synapse in graph.of(Synapse):
        silent = replace(synapse.op, weight=np.zeros_like(synapse.op.weight))
        changed[name] = replace(synapse, op=silent)
    return graph.with_nodes(**changed)


def _bias(rate: float) -> int:
    return min(round(PERIOD * rate), 4095)


def _input(graph: Graph, rate: float, steps: int) -> Encoded:
    """Random spikes, or the same bias for all neurons if the host writes it."""
    ((name, node),) = graph.of(SpikeInput, BiasInput)
    if isinstance(node, BiasInput):
        return Encoded({name: np.full((SAMPLES, *node.shape), _bias(rate), np.int16)}, steps)
    values = np.random.default_rng(1).random((SAMPLES, steps, *node.shape)) < rate
    return Encoded({name: values.astype(np.uint8)}, steps)


def products(graph: Graph, rows: int) -> dict[str, Act]:
    """Every synapse of a network as bare products: by batch, order of channels and threads."""
    ways: dict[str, Act] = {}
    for batch, last in product(BATCHES, (False, True)):
        calls: list[Callable[[], Any]] = []
        for _, synapse in graph.of(Synapse):
            values = (torch.rand(batch, *synapse.in_shape) < 0.1).float()
            if last and values.dim() == 4:
                values = values.to(memory_format=torch.channels_last)
            run = _product(synapse.op)
            for first in range(0, rows, batch):
                calls.append(partial(run, values[: rows - first]))
        order = ", channels last" if last else ""
        for how, act in _by_threads(calls).items():
            ways[f"batches of {batch} rows{order}, {how}"] = act
    return ways


def _product(op: Any) -> Callable[[torch.Tensor], Any]:
    weight = torch.from_numpy(op.weight.astype(np.float32))
    if isinstance(op, Linear):
        return lambda x: functional.linear(x, weight)
    run = functional.conv2d if isinstance(op, Conv) else functional.conv_transpose2d
    return lambda x: run(x, weight, None, op.stride, op.padding)


def _by_threads(work: list[Callable[[], Any]]) -> dict[str, Act]:
    """The products on one thread, and on two."""

    def run(threads: int) -> None:
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        with torch.inference_mode():
            for each in work:
                each()
        torch.set_num_threads(before)

    return {f"threads: {n}": lambda n=n: run(n) for n in (1, 2)}


def _sweep(
    runs: dict[float, dict[str, Act]], floors: dict[str, Act], least: float, rounds: int
) -> dict[str, Any]:
    """Best seconds of each run and of the floors, whatever the number of threads."""
    acts = {(rate, how): act for rate, ways in runs.items() for how, act in ways.items()}
    seconds = best({**acts, **floors}, rounds)
    fastest = min(floors, key=lambda name: seconds[name])
    rows = []
    for rate, ways in runs.items():
        taken = min(seconds[rate, how] for how in ways)
        rows.append(
            {
                "activity": rate,
                "seconds": taken,
                "of_floor": taken / seconds[fastest],
                "of_physical": taken / least,
            }
        )
    return {
        "rows": rows,
        "floor": fastest,
        "floor_seconds": seconds[fastest],
        "physical_seconds": least,
    }
