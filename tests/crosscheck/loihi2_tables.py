"""What Intel's compiler printed of five networks on Loihi 2, and those networks without weights.

In:  the tables in lava-nc/lava-dl at d825ac5, tutorials/lava/lib/dl/netx; weights' ranges as they
     stand in the network.net beside each.
Out: rows to compare with `place/words.py` and `place/halves.py`.
A figure of the tables is a mean over the cores of a layer, without its fraction.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from neurocompile.ir.fixed import BiasInput, CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import Graph, chain
from neurocompile.ir.nodes import Conv, Linear, size
from neurocompile.place.placed import Placed


class Row(NamedTuple):
    """One layer of a table.

    Attributes:
        layer: Shape as columns x rows x channels.
        block: Shape of a block; "" for a dense layer.
        axon_in, neurons, words, axon_map, axon_mem, cores: As printed.
    """

    layer: str
    block: str
    axon_in: int
    neurons: int
    words: int
    axon_map: int
    axon_mem: int
    cores: int


PILOTNET = (  # pilotnet_snn/benchmark.ipynb, from the input on
    Row("200x66x3", "16x66x3", 1, 3168, 0, 1015, 731, 13),
    Row("99x32x24", "4x32x24", 2, 3072, 81, 253, 93, 25),
    Row("49x15x36", "4x15x36", 2, 2160, 864, 113, 32, 13),
    Row("24x7x48", "8x7x48", 2, 2688, 1620, 112, 46, 3),
    Row("22x4x64", "8x4x64", 1, 2048, 2160, 29, 9, 3),
    Row("20x2x64", "16x2x64", 1, 2048, 2880, 1280, 0, 2),
    Row("100", "", 2560, 8, 7253, 8, 0, 12),
    Row("50", "", 100, 50, 1300, 50, 0, 1),
    Row("10", "", 50, 10, 150, 10, 0, 1),
    Row("1", "", 10, 1, 10, 1, 0, 1),
)

CONVS = (  # in and out channels, stride and padding by rows and columns; 3 x 3 taps
    (3, 24, (2, 2), (0, 0)),
    (24, 36, (2, 2), (0, 0)),
    (36, 48, (2, 2), (0, 0)),
    (48, 64, (2, 1), (1, 0)),
    (64, 64, (1, 1), (0, 0)),
)
DENSE = ((2560, 100), (100, 50), (50, 10), (10, 1))

# Lowest and highest weight of each layer; all are even.
PILOTNET_RANGES = (
    (-20, 18), (-12, 10), (-10, 8), (-8, 8), (-8, 8), (-6, 6), (-14, 10), (-24, 20), (-24, 42),
)  # fmt: skip

# Words that a core stores per axon of a dense layer: network, lowest and highest weight, neurons
# on the core, words. Neurons that no table states follow from the core's part of the layer.
DENSE_LISTS = (
    ("pilotnet_snn", -6, 6, 100, 24),  # SynMem allocation=61440 for 2,560 axons, before cutting
    ("pilotnet_snn", -6, 6, 17, 5),  # 12800, a sixth of the layer
    ("pilotnet_snn", -6, 6, 9, 3),
    ("pilotnet_snn", -14, 10, 50, 13),
    ("pilotnet_snn", -24, 20, 10, 3),
    ("pilotnet_snn", -24, 42, 1, 1),
    ("pilotnet_sdnn", -10, 12, 100, 26),  # 66560 for 2,560 axons
    ("pilotnet_sdnn", -10, 12, 17, 5),
    ("pilotnet_sdnn", -36, 14, 50, 15),
    ("oxford", -178, 192, 256, 81),  # 16200 for 200 axons
    ("oxford", -178, 192, 86, 27),
    ("oxford", -98, 124, 200, 63),  # 16128 for 256 axons
    ("mnist", -98, 130, 50, 16),  # 78.40 % of 16,000 for 784 axons: a later compiler
    ("mnist", -166, 254, 64, 21),
    ("mnist", -88, 254, 10, 4),
)

# Words per input channel and tap of a convolution: network, bits of a weight, channels, words.
# The weights of YOLO-KP are not public as plain numbers; those widths are the ones that fit.
KERNEL_LISTS = (
    ("pilotnet_snn", 5, 24, 3),
    ("pilotnet_snn", 4, 36, 4),
    ("pilotnet_snn", 4, 48, 5),
    ("pilotnet_snn", 4, 64, 5),
    ("pilotnet_sdnn", 6, 24, 3),
    ("pilotnet_sdnn", 5, 36, 4),
    ("pilotnet_sdnn", 4, 48, 5),
    ("pilotnet_sdnn", 5, 64, 6),
    ("pilotnet_sdnn", 4, 64, 5),
    ("yolo_kp", 6, 16, 2),
    ("yolo_kp", 6, 32, 4),
    ("yolo_kp", 5, 64, 6),
    ("yolo_kp", 5, 128, 11),
    ("yolo_kp", 4, 64, 5),
    ("yolo_kp", 5, 256, 21),
    ("yolo_kp", 6, 48, 6),
)

# Cores of dense networks: lowest and highest weight, sources, neurons, cores as printed. Ours are
# equal but for the first layer of oxford, which takes 2.
DENSE_CORES = {
    "oxford": ((-178, 192, 200, 256, 3), (-98, 124, 256, 200, 2)),
    "mnist": ((-98, 130, 784, 128, 3), (-166, 254, 128, 64, 1), (-88, 254, 64, 10, 1)),
}


def dense_network(name: str) -> Graph:
    """One of DENSE_CORES, without its weights."""
    rows = DENSE_CORES[name]
    nodes: dict[str, object] = {"in": SpikeInput((rows[0][2],))}
    for k, (low, high, sources, neurons, _) in enumerate(rows):
        weight = weights_between((neurons, sources), low, high)
        nodes[f"synapse{k}"] = Synapse(Linear(weight), (sources,), (neurons,))
        nodes[f"layer{k}"] = _neurons((neurons,))
    return chain(nodes)


def pilotnet_without_weights() -> Graph:
    """PilotNet LIF with a layer's lowest and highest weight, a 2, and 0 everywhere else."""
    shape: tuple[int, ...] = (3, 66, 200)
    nodes: dict[str, object] = {
        "input": BiasInput(shape, shape, np.array(40.0)), "layer0": _neurons(shape)
    }  # fmt: skip
    for k, ((low, high), layer) in enumerate(zip(PILOTNET_RANGES, CONVS + DENSE, strict=True), 1):
        if len(layer) == 4:
            ins, outs, stride, padding = layer
            op = Conv(
                weights_between((outs, ins, 3, 3), low, high), None, stride, padding, (1, 1), 1
            )
            sides = [
                (n + 2 * p - 3) // s + 1 for n, p, s in zip(shape[1:], padding, stride, strict=True)
            ]
            after: tuple[int, ...] = (outs, *sides)
            nodes[f"synapse{k}"] = Synapse(op, shape, after)
        else:
            ins, outs = layer
            after = (outs,)
            nodes[f"synapse{k}"] = Synapse(
                Linear(weights_between((outs, ins), low, high)), (ins,), after
            )
        nodes[f"layer{k}"], shape = _neurons(after), after
    return chain(nodes)


def _neurons(shape: tuple[int, ...]) -> CubaLIF:
    return CubaLIF(shape, 4095, 1024, 25, 0, 0, 0)


def weights_between(shape: tuple[int, ...], low: int, high: int) -> np.ndarray:
    weight = np.zeros(shape, np.int64)
    weight.ravel()[:3] = low, high, 2  # 2: no larger power of two divides all of them
    return weight


def rows_of(placed: Placed) -> list[Row]:
    """What a placement of PilotNet says in the columns of the table; -1 where nothing is known.

    AxonIn is the columns' stride of a convolution, and the number of sources of a dense layer.
    AxonMap is, before a convolution, positions times AxonIn; before a dense layer, neurons.
    """
    graph, rows = placed.graph, []
    layers = dict(graph.of(CubaLIF))
    for name, population in layers.items():
        cores = [core for core in placed.cores if name in core.held]
        before, after = graph.before(name)[0], graph.after(name)
        synapse, next_ = graph.nodes[before], graph.nodes[after[0]] if after else None
        dense = isinstance(synapse, Synapse) and isinstance(synapse.op, Linear)
        axons = 1
        if isinstance(synapse, Synapse):
            axons = size(synapse.in_shape) if dense else synapse.op.stride[-1]
        mapped = size(population.shape)
        if isinstance(next_, Synapse) and isinstance(next_.op, Conv):
            mapped = size(population.shape[1:]) * axons
        held = [core.held[name] for core in cores]
        words = sum(core.use["synapse_memory"] or 0 for core in cores) // 64
        rows.append(
            Row(
                "x".join(str(n) for n in reversed(population.shape)),
                "" if dense else _block(population.shape, max(held, key=len)),
                axons,
                sum(map(len, held)) // len(held) if dense else max(map(len, held)),
                words // len(cores),
                mapped // len(cores),
                -1,
                len(cores),
            )
        )
    return rows


def _block(shape: tuple[int, ...], neurons: np.ndarray) -> str:
    """Columns x rows x channels of a block."""
    sides = [np.unique(axis).size for axis in np.unravel_index(neurons, shape)]
    return "x".join(str(n) for n in reversed(sides))
