"""A small exported network, its baseline, and ten faults to plant into it."""

from dataclasses import replace
from functools import cache

import numpy as np

from neurocompile.formats.artifact import write_artifact
from neurocompile.formats.onnx.write import to_bytes
from neurocompile.ir.fixed import BiasInput, CubaLIF, Synapse
from neurocompile.ir.graph import chain
from neurocompile.ir.nodes import Conv, ConvTranspose
from neurocompile.ir.settings import Decoder, Encoder, Settings

STEPS, SAMPLES = 8, 6


@cache
def network():
    """1 x 8 x 8 -> 4 x 4 x 4 three times over -> 1 x 8 x 8, in the chip's integers."""
    rng = np.random.default_rng(5)
    two, one = (2, 2), (1, 1)

    def weights(*shape, most=120):
        return (2 * rng.integers(-most // 2, most // 2 + 1, shape)).astype(np.int16)

    def joined(op, in_shape, out_shape, exponent):
        return Synapse(op, in_shape, out_shape, weight_exp=exponent)

    def neurons(vth, shape=(4, 4, 4), **more):
        bias = np.repeat(rng.integers(-300, 300, shape[0]), shape[1] * shape[2]).reshape(shape)
        return CubaLIF(shape, 4095, 1229, vth, bias, 4, 0, **more)

    image, hidden = (1, 8, 8), (4, 4, 4)
    first = Conv(weights(4, 1, 3, 3), None, two, one, one, 1)
    second, third = (Conv(weights(4, 4, 3, 3), None, one, one, one, 1) for _ in range(2))
    up = ConvTranspose(weights(4, 1, 4, 4, most=60), None, two, one, (0, 0), one, 1)
    nodes = {
        "input": BiasInput(image, image, 4000.0),
        "pixels": CubaLIF(image, 4095, 1229, 2000, 0, 7, 0),
        "conv1": joined(first, image, hidden, 3),
        "lif1": neurons(600),
        "conv2": joined(second, hidden, hidden, 2),
        "lif2": neurons(500),
        "conv3": joined(third, hidden, hidden, 2),
        "lif3": neurons(450),
        "up": joined(up, hidden, image, 2),
        "output": neurons(131071, image, readout=True, scale=2e-5, offset=0.2),
    }
    settings = Settings(
        steps=STEPS, encoder=Encoder("current", 1.0), decoder=Decoder("last", task="reconstruction")
    )
    return chain(nodes, settings)


def samples(changed=False):
    """(SAMPLES, 1, 8, 8) smooth images in [0, 1]; one pixel of one is another where changed."""
    at = np.linspace(0, 3, 8)
    x = [np.outer(np.sin(at + k), np.cos(at * k)) ** 2 for k in range(1, SAMPLES + 1)]
    x = np.float32(x)[:, None]
    x[2, 0, 3, 3] += 0.25 if changed else 0
    return x


def write(out, graph, source, **declared):
    """An export of a graph, as `export` would have written it."""
    data = {"source": str(source), "samples": SAMPLES, "steps": STEPS, "seed": 0, **declared}
    about = {"target": "loihi-sim", "data": data}
    write_artifact(out, {"fixed.onnx": to_bytes(graph)}, about)
    return out


def edit(graph, name, **fields):
    """The graph with other fields in a node; weight is the weight of a synapse's kernel."""
    node = graph.nodes[name]
    if "weight" in fields:
        fields = {"op": replace(node.op, weight=fields["weight"])}
    return graph.with_nodes(**{name: replace(node, **fields)})


def one_weight(graph, place=(1, 2, 0, 1)):
    weight = graph.nodes["conv2"].op.weight.copy()
    weight[place] = 100 if weight[place] != 100 else 50
    return edit(graph, "conv2", weight=weight)


def no_channel(graph):
    weight = graph.nodes["conv1"].op.weight.copy()
    weight[2] = 0
    return edit(graph, "conv1", weight=weight)


def swapped(graph):
    return graph.with_nodes(lif2=graph.nodes["lif3"], lif3=graph.nodes["lif2"])


def more(name, field, by):
    return lambda graph: edit(graph, name, **{field: getattr(graph.nodes[name], field) + by})


def transposed(graph):
    return edit(graph, "conv2", weight=graph.nodes["conv2"].op.weight.swapaxes(2, 3))


# Fault: where the gate must say it is. The tenth, stale data, is no edit of the graph.
FAULTS = {
    "one weight flipped": (one_weight, "conv2.weight"),
    "a threshold off by one mantissa step": (more("lif2", "vth", 1), "lif2.threshold"),
    "a decay off by one": (more("lif1", "dv", 1), "lif1.membrane_decay"),
    "a transposed kernel": (transposed, "conv2.weight"),
    "a lost bias": (lambda g: edit(g, "lif2", bias_mant=0), "lif2.bias"),
    "a wrong exponent": (more("conv3", "weight_exp", -1), "conv3.weight_exp"),
    "a shifted delay": (more("conv2", "delay", 1), "conv2.delay"),
    "a dropped channel": (no_channel, "conv1.weight"),
    "a swapped layer": (swapped, "lif2.layer"),
}
