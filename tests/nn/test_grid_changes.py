"""Sigma-delta networks on the chip's grid: the engine's bits forward, the layers' slopes back."""

from collections import OrderedDict
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import neurocompile as nc
from neurocompile.compiler import compile_graph
from neurocompile.data.inputs import encode
from neurocompile.data.samples import Data
from neurocompile.engines import fixed
from neurocompile.errors import DoesNotFit, Unsupported
from neurocompile.frontend.torch import trace
from neurocompile.ir.fixed import ChipNeuron
from neurocompile.ir.verify import verify
from neurocompile.nn import Delta, Sigma, SigmaDelta, SpikingNetwork
from neurocompile.nn.grid import GridNetwork
from neurocompile.nn.grid_formats import coarser

STEPS = 15
SETTINGS = nc.Settings(
    steps=STEPS, dt=1e-3, encoder=nc.Encoder("sequence"), decoder=nc.Decoder("mean")
)
WALKS = np.random.default_rng(0).normal(size=(6, STEPS, 1, 6, 6)).cumsum(axis=1) / 10
DATA = Data("walks", "x", WALKS.astype(np.float32))


def network(bias=0.03):
    torch.manual_seed(0)
    layers = OrderedDict(
        pixels=Delta(0.05),
        conv=nn.Conv2d(1, 3, 3, stride=2, padding=1, bias=False),
        hidden=SigmaDelta(0.1, bias * torch.randn(3, 1, 1)),
        flat=nn.Flatten(),
        fc=nn.Linear(27, 4, bias=False),
        out=Sigma(torch.randn(4)),
    )
    return SpikingNetwork(layers, SETTINGS)


def integers(model, bits=8):
    graph = trace(model, torch.tensor(DATA.values[:1]))
    return compile_graph(graph, "loihi2-sim", calibration=DATA, bits=bits).fixed_graph


@pytest.fixture(scope="module")
def grid():
    return GridNetwork(integers(network()))


def test_the_forward_pass_has_the_bits_of_the_fixed_engine(grid):
    graph = grid.graph()
    done = fixed.run(graph, encode(graph, DATA, 0, len(DATA), STEPS, 0)).recording
    traces = grid.traces(torch.tensor(DATA.values))
    for name, _ in graph.of(ChipNeuron):
        sent, v = (x.detach().transpose(0, 1).numpy() for x in traces[name])
        assert np.array_equal(sent, done.spikes[name]), name
        assert np.array_equal(v, done.membrane[name]), name
    assert np.any(done.spikes["hidden"])


def test_the_result_is_that_of_the_deployed_network(grid):
    result = grid(torch.tensor(DATA.values)).detach().numpy()
    assert np.allclose(result, nc.results(grid.graph(), DATA), atol=1e-9)


def test_the_gradients_are_those_of_the_float_layers_up_to_what_is_rounded():
    model = network()
    grid, x = GridNetwork(integers(model)), torch.tensor(DATA.values)
    for module in (model, grid):
        module(x).square().sum().backward()
    parts = grid.named()
    units = {"conv": 1.0, "fc": 1.0}
    for name in units:
        theirs = getattr(model.layers, name).weight.grad.flatten().double()
        ours = parts[name].weight.grad.flatten().double()
        assert torch.corrcoef(torch.stack([ours, theirs]))[0, 1] > 0.99, name
    ours, theirs = parts["out"].bias.grad.double(), model.layers.out.bias.grad.double()
    assert torch.allclose(ours, theirs, rtol=0.05, atol=0.01)
    per_channel = parts["hidden"].bias.grad.sum((1, 2)).double()
    theirs = model.layers.hidden.bias.grad.flatten().double()
    assert torch.allclose(per_channel, theirs, rtol=0.05, atol=0.01 * float(theirs.abs().max()))


@pytest.mark.parametrize(("price", "what"), [(0.0, "error"), (10.0, "messages")])
def test_training_lowers_the_error_or_the_messages_of_the_integers(price, what):
    grid, x = GridNetwork(integers(network(), bits=4)), torch.tensor(DATA.values)
    some = torch.randn(len(x), 4, generator=torch.Generator().manual_seed(1)).double()
    wanted = network()(x).detach().double() + some / 10

    def measured():
        error = (grid(x) - wanted).square().mean()
        return {"error": error, "messages": grid.rates()["hidden"].mean()}

    before = {name: float(value.detach()) for name, value in measured().items()}
    optimizer = torch.optim.Adam([p for p in grid.parameters() if p.requires_grad], lr=3e-3)
    for _ in range(40):
        optimizer.zero_grad()
        now = measured()
        (now["error"] + price * now["messages"]).backward()
        optimizer.step()
        grid.keep_in_range()
    after = float(measured()[what].detach())
    assert after < before[what] / 2
    deployed = verify(grid.graph(), "fixed")
    assert np.allclose(nc.results(deployed, DATA), grid(x).detach().numpy(), atol=1e-9)


def test_a_bias_is_kept_below_what_would_be_sent_before_the_first_step(grid):
    other = GridNetwork(grid.graph())
    hidden = other.named()["hidden"]
    with torch.no_grad():
        hidden.bias.fill_(10.0)
    other.keep_in_range()
    node = verify(other.graph(), "fixed").nodes["hidden"]
    least = int(node.vth) << (node.spike_exp + node.state_exp)
    assert 0 < int(node.bias.max()) < least


def test_a_network_is_saved_and_read_as_its_integers(grid, tmp_path):
    nc.save(grid, tmp_path / "grid.pt", torch.tensor(DATA.values[:1]))
    read = nc.load(tmp_path / "grid.pt")
    assert np.array_equal(nc.results(read, DATA), nc.results(grid.graph(), DATA))


def test_messages_that_count_as_sent_are_refused():
    with pytest.raises(Unsupported, match=r"'hidden': messages of a bias count as sent"):
        GridNetwork(integers(network(bias=2.0)))


def test_cumulated_errors_are_refused(grid):
    graph = grid.graph()
    hidden = replace(graph.nodes["hidden"], cum_error=True, bias_mant=np.array(0))
    with pytest.raises(Unsupported, match=r"'hidden' cumulates errors"):
        GridNetwork(graph.with_nodes(hidden=hidden))


def test_a_coarser_grid_is_refused_with_the_bits_to_compile_with(grid):
    with pytest.raises(Unsupported, match=r"'pixels' .* Compile the float network with bits=4"):
        coarser(grid.graph(), 4)


def test_a_state_beyond_24_bits_is_refused_by_layer_and_step(grid):
    with pytest.raises(DoesNotFit, match=r"layer '\w+', step 1: a state reaches|needs the payload"):
        grid(torch.full((1, STEPS, 1, 6, 6), 4 * float(np.abs(WALKS).max())))
