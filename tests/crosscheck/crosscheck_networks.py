"""Networks whose spikes SANA-FE replays: two small ones, and the shipped autoencoder.

Cores of a few neurons spread the small ones over tiles in both directions of the mesh.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
from replay import Case

from neurocompile.chip.read import load_chip
from neurocompile.data.inputs import Encoded
from neurocompile.engines import fixed
from neurocompile.ir.entries import entries
from neurocompile.ir.fixed import AlwaysOn, BiasInput, CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import Graph, chain
from neurocompile.ir.nodes import Conv, ConvTranspose, Linear, Sparse, size
from neurocompile.place.placed import Core, Fan, Placed, Route

LOIHI = load_chip("loihi-sim")
STEPS = 40


def recorded(graph: Graph, encoded: Encoded, neurons: int) -> Case:
    """Run a network, on cores of so few neurons."""
    found = fixed.run(graph, encoded)
    return Case(placed_by_hand(graph, neurons), encoded, found.recording, found.activity)


def placed_by_hand(graph: Graph, neurons: int) -> Placed:
    """Populations in runs of so many neurons on one core after the other, out of order.

    Not what `place` does: numbers that were kept of SANA-FE outlive a better placement.
    """
    runs = {
        name: [range(a, min(a + neurons, size(node.shape)))
               for a in range(0, size(node.shape), neurons)]
        for name, node in graph.of(CubaLIF)
    }  # fmt: skip
    cores = sum(map(len, runs.values()))
    number = iter(np.random.default_rng(0).permutation(cores).tolist())
    core_of = {
        name: np.concatenate([np.full(len(run), next(number)) for run in each])
        for name, each in runs.items()
    }
    held = [
        Core(i, {name: np.flatnonzero(of == i) for name, of in core_of.items() if i in of}, {})
        for i in range(cores)
    ]
    routes = {name: plain_route(graph, name, core_of) for name, _ in graph.of(Synapse)}
    return Placed(graph, LOIHI, tuple(held), core_of, routes)


def plain_route(graph: Graph, name: str, core_of: dict[str, np.ndarray]) -> Route:
    """A route connection by connection: tiles of four cores, four tiles north to south."""
    synapse: Synapse = graph.nodes[name]
    (source,), (target,) = graph.before(name), graph.after(name)
    sources, host = size(synapse.in_shape), source not in core_of
    reached: Counter[tuple[int, int]] = Counter()
    found = entries(synapse.op, synapse.in_shape)
    for neuron, onto in zip(found.columns.tolist(), found.rows.tolist(), strict=True):
        reached[int(core_of[target][onto]), neuron] += 1
    hops = np.zeros((2, sources), np.int64)
    for core, neuron in () if host else reached:
        here, there = int(core_of[source][neuron]) // 4, core // 4
        hops[:, neuron] += abs(there // 4 - here // 4), abs(there % 4 - here % 4)
    core, neuron = np.array(sorted(reached)).T
    fan = Fan(core, neuron, np.array([reached[pair] for pair in sorted(reached)]))
    way = (None, None, None) if host else (*hops, np.zeros(sources, np.int64))
    kinds = {Linear: "dense", Sparse: "sparse", Conv: "conv", ConvTranspose: "conv"}
    return Route(source, target, kinds[type(synapse.op)], host, sources, fan, *way)


def conv_and_dense() -> Case:
    """Spikes of the host -> a strided convolution with bias -> dense."""
    rng = np.random.default_rng(6)
    shape = (4, 4, 4)
    kernel = 2 * rng.integers(-40, 90, (4, 2, 3, 3))
    dense = 2 * rng.integers(-60, 90, (10, 64))
    nodes = {
        "pixels": SpikeInput((2, 8, 8)),
        "one": AlwaysOn(),
        "conv": Synapse(Conv(kernel, None, (2, 2), (1, 1), (1, 1), 1), (2, 8, 8), shape),
        "bias": Synapse(Linear(2 * rng.integers(-20, 21, (64, 1))), (1,), shape),
        "features": CubaLIF(shape, 2048, 400, 500, 0, 0, 0),
        "dense": Synapse(Linear(dense), (64,), (10,)),
        "classes": CubaLIF((10,), 4095, 300, 900, 0, 0, 0),
    }
    edges = (
        ("pixels", "conv"), ("one", "bias"), ("conv", "features"), ("bias", "features"),
        ("features", "dense"), ("dense", "classes"),
    )  # fmt: skip
    spikes = (rng.random((1, STEPS, 2, 8, 8)) < 0.15).astype(np.uint8)
    return recorded(Graph(nodes, edges), Encoded({"pixels": spikes}, STEPS), 7)


def current_and_transposed() -> Case:
    """Currents of the host -> pooling -> a transposed convolution."""
    rng = np.random.default_rng(7)
    weight = 2 * rng.integers(-50, 100, (2, 3, 4, 4))
    index = np.arange(128).reshape(2, 4, 2, 4, 2).transpose(0, 1, 3, 2, 4).ravel()
    pool = Sparse(np.full(128, 60), index, np.arange(0, 129, 4), (2, 8, 8), (2, 4, 4))
    nodes = {
        "currents": BiasInput((2, 8, 8), (2, 8, 8), 1.0),
        "coded": CubaLIF((2, 8, 8), 4095, 200, 40, 0, 0, 0),
        "pool": Synapse(pool, (2, 8, 8), (2, 4, 4)),
        "pooled": CubaLIF((2, 4, 4), 4095, 600, 110, 0, 0, 0),
        "up": Synapse(
            ConvTranspose(weight, None, (2, 2), (1, 1), (0, 0), (1, 1), 1), (2, 4, 4), (3, 8, 8)
        ),
        "output": CubaLIF((3, 8, 8), 1024, 500, 260, 0, 0, 0),
    }
    mantissas = rng.integers(0, 900, (1, 2, 8, 8)).astype(np.int16)
    return recorded(chain(nodes), Encoded({"currents": mantissas}, STEPS), 13)


def shipped_autoencoder() -> Case:
    """The shipped autoencoder on Loihi 1, compiled as `export` does, and its first test digit."""
    from neurocompile.compiler import compile_graph
    from neurocompile.data.inputs import encode
    from neurocompile.data.samples import load_data, load_training_data
    from neurocompile.frontend import load

    graph = load(Path(__file__).parents[2] / "examples" / "models" / "mnist_autoencoder.pt")
    compiled = compile_graph(graph, LOIHI, calibration=load_training_data(graph.settings.data))
    data = load_data(graph.settings.data, samples=1)
    steps = compiled.fixed_graph.settings.steps
    encoded = encode(compiled.fixed_graph, data, 0, 1, steps, 0)
    found = fixed.run(compiled.fixed_graph, encoded)
    return Case(compiled.placed, encoded, found.recording, found.activity)


SMALL = {"conv and dense": conv_and_dense, "pool and transposed conv": current_and_transposed}
ALL = {**SMALL, "shipped autoencoder": shipped_autoencoder}
