"""Against lava-dl's own netx on Lava: the same spikes, from our files and from others."""

import h5py
import numpy as np
import pytest
from networks import neuron, spikes
from netx_networks import given, network
from netx_run import netx_spikes

from neurocompile.compiler import compile_graph
from neurocompile.data.inputs import Encoded
from neurocompile.engines import fixed
from neurocompile.formats.netx.hold import hold
from neurocompile.formats.netx.read import load_net
from neurocompile.formats.netx.write import loaded_by, to_bytes
from neurocompile.ir.fixed import BiasInput, CubaLIF
from neurocompile.ir.graph import Graph, chain
from neurocompile.ir.nodes import Conv, Input, Linear, Reshape
from neurocompile.ir.settings import Encoder, Settings
from neurocompile.ir.verify import verify
from neurocompile.place.target import Target

STEPS = 20
# Seeds whose last layer spikes, so that a comparison says something.
HELD = [
    (0, ("conv", "bias")),
    (1, ("conv", "bias", "driven")),
    (1, ("bias", "loop")),
    (1, ("delays", "bias", "plain")),
    (1, ("bias", "plain", "conv")),
    (1, ("driven", "loop")),  # an input of two axes, which is one axis in the file
]


def ours(graph, values):
    """Spikes of the last population, (steps, n)."""
    (name, *_) = graph.nodes
    run = fixed.run(graph, Encoded({name: values[None]}, STEPS))
    last = [n for n, _ in graph.of(CubaLIF)][-1]
    return getattr(run, "recording", run).spikes[last][0].reshape(STEPS, -1)


def netxs(path, graph, values, tmp_path, reset):
    driven = isinstance(next(iter(graph.nodes.values())), BiasInput)
    source = {"mantissas": values, "steps": STEPS} if driven else {"spikes": values}
    depth = len(hold(graph).layers) - 1
    return netx_spikes(
        path, source, depth=depth, tmp_path=tmp_path, reset=reset, offset=0 if driven else 1
    )


@pytest.mark.parametrize(("seed", "features"), HELD)
def test_netx_gives_the_spikes_of_the_graph_that_was_written(seed, features, tmp_path):
    graph = verify(network(seed, *features), "fixed")
    path = tmp_path / "network.net"
    path.write_bytes(to_bytes(graph))
    values = given(seed, graph)
    expected = ours(graph, values)
    assert expected.any()
    found = netxs(path, graph, values, tmp_path, hold(graph).start == "reset")
    assert np.array_equal(found, expected)


def test_a_network_of_norse_fits_when_its_scales_are_chosen_for_netx(tmp_path):
    """Two samples in one run, by the call that the report names."""
    rng = np.random.default_rng(2)

    def weights(*shape):
        return rng.normal(0.2, 0.5, shape).astype(np.float32)

    box = neuron("box", v_th=0.3)
    nodes = {
        "input": Input((1, 6, 6)),
        "conv": Conv(weights(3, 1, 3, 3), weights(3) / 10, (2, 2), (1, 1), (1, 1), 1),
        "lif1": box,
        "flatten": Reshape((27,)),
        "linear": Linear(weights(5, 27) / 2, weights(5) / 10),
        "lif2": box,
    }
    settings = Settings(steps=STEPS, encoder=Encoder("spikes"))
    compiled = compile_graph(chain(nodes, settings), Target("loihi-sim", netx=True))
    graph = compiled.fixed_graph
    path = tmp_path / "network.net"
    path.write_bytes(to_bytes(graph))
    assert loaded_by(graph, STEPS).endswith("reset_interval=20, reset_offset=1)")
    samples = spikes(4, 2, STEPS, (1, 6, 6), rate=0.5)
    expected = [ours(graph, sample) for sample in samples]
    found = netx_spikes(
        path, {"spikes": samples.reshape(-1, 1, 6, 6)}, depth=2, tmp_path=tmp_path, interval=STEPS
    )
    assert np.array_equal(found, np.concatenate(expected))
    assert found.any()


@pytest.mark.parametrize("reset", [False, True])
def test_a_file_of_others_gives_the_spikes_that_netx_gives_of_it(reset, tmp_path):
    """Odd weights, a bias per channel, a delay per neuron, float weights: as slayer writes."""
    rng = np.random.default_rng(5)
    path = tmp_path / "slayer.net"
    with h5py.File(path, "w") as file:
        write_layer(file, 0, "input", [2, 5, 4])
        write_layer(
            file, 1, "conv", [4, 3, 4], vth=40,
            weight=rng.integers(-40, 90, (4, 1, 3, 3)).astype(np.float32), bias=[3, 0, -2, 5],
            stride=[2, 1], padding=[1, 1], dilation=[1, 1], groups=2, delay=np.zeros(1),
        )  # fmt: skip
        file["layer/2/type"] = np.array([b"flatten"])
        write_layer(
            file, 3, "dense", [5], vth=30,
            weight=rng.integers(-60, 120, (5, 48)), delay=np.array([0, 1, 5, 0, 2.0]),
        )  # fmt: skip
    graph = load_net(path, reset_interval=STEPS if reset else 0)
    values = given(3, _named(graph))
    expected = ours(graph, values)
    assert expected.any()
    found = netx_spikes(path, {"spikes": values}, depth=2, tmp_path=tmp_path, reset=reset)
    assert np.array_equal(found, expected)


def _named(graph):
    """The graph with its input under the name that `given` looks for."""
    return Graph({"in": graph.nodes["input"]}, (), graph.settings)


def write_layer(file, number, kind, shape, vth=None, **entries):
    """A layer as lava-dl's exporters write it."""
    group = file.create_group(f"layer/{number}")
    group["type"] = np.array([kind.encode()])
    group["shape"] = np.array(shape)
    for key, value in entries.items():
        group[key] = value
    if vth is not None:
        neuron = {"type": b"CUBA", "iDecay": 1024, "vDecay": 128, "vThMant": vth}
        for key, value in {**neuron, "refDelay": 1, "gradedSpike": False}.items():
            group[f"neuron/{key}"] = value
