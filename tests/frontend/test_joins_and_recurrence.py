"""Residuals, concatenations and recurrent layers spike as in Norse, in float64."""

import operator

import norse.torch as norse
import numpy as np
import pytest
import torch
from norse.torch.module.snn import SNNCell, SNNRecurrentCell
from test_norse_spikes import random_neuron
from torch import nn

from neurocompile.errors import BadInput
from neurocompile.formats.checkpoint.plain import from_plain, to_plain
from neurocompile.frontend import load
from neurocompile.frontend.save import save
from neurocompile.frontend.torch import trace
from neurocompile.ir import reference
from neurocompile.ir.graph import same
from neurocompile.ir.nodes import Add, Concat, Delay, Linear
from neurocompile.ir.verify import verify
from neurocompile.simplify import simplify

STEPS = 40


def run_in_norse(model, x):
    """Output of every cell, (steps, *shape), watched by hooks."""
    model = model.double().eval()
    out, hooks = {}, []
    for name, module in model.named_modules():
        if isinstance(module, SNNCell | SNNRecurrentCell):
            seen = out[name] = []
            hooks.append(
                module.register_forward_hook(
                    lambda m, i, o, seen=seen: seen.append(o[0][0].detach().numpy().copy())
                )
            )
    state = None
    with torch.no_grad():
        for step in torch.from_numpy(x):
            _, state = model(step[None], state)
    for hook in hooks:
        hook.remove()
    return {name: np.array(steps) for name, steps in out.items()}


def expect_the_same_spikes(model, x):
    """The traced and the simplified graph against Norse; gives the number of spikes."""
    theirs = run_in_norse(model, x)
    graph = verify(trace(model, torch.zeros(2, *x.shape[1:])), "float")
    for each in (graph, verify(simplify(graph), "float")):
        ours, _ = reference.run_float(each, x)
        assert set(ours) == set(theirs)
        for name, found in ours.items():
            if found.dtype == bool:
                assert np.array_equal(found, theirs[name] > 0), name
            else:
                np.testing.assert_allclose(found, theirs[name], rtol=1e-9, atol=1e-12)
    return sum(int(found.sum()) for found in ours.values() if found.dtype == bool)


def random_recurrent(rng, inputs, hidden):
    def constant(low, high, size=()):
        return torch.as_tensor(rng.uniform(low, high, size)).float()

    size = hidden if rng.random() < 0.3 else ()
    mem, syn = constant(20, 900, size), constant(20, 900, size)
    leak, reset, threshold = constant(-0.2, 0.1), constant(-0.3, 0.1), constant(0.15, 0.5)
    parameters = norse.LIFParameters(syn, mem, leak, threshold, reset)
    return norse.LIFRecurrentCell(inputs, hidden, parameters, autapses=bool(rng.integers(2)))


class Residual(nn.Module):
    """conv, neurons, then blocks that add or concatenate, a recurrent layer, and a readout."""

    def __init__(self, seed):
        super().__init__()
        rng = np.random.default_rng(seed)
        torch.manual_seed(seed)

        def spiking(*shape):
            return random_neuron(rng, ["lif", "lifbox"][rng.integers(2)], shape)

        self.add = [operator.add, torch.add, operator.iadd, lambda a, b: a.add(b)][rng.integers(4)]
        self.cat = [torch.cat, torch.concat, torch.concatenate][rng.integers(3)]
        self.axis = [1, -3][rng.integers(2)]
        self.stem, self.z0 = nn.Conv2d(2, 3, 3, padding=1), spiking(3, 4, 4)
        self.conv1, self.z1 = nn.Conv2d(3, 3, 3, padding=1), spiking(3, 4, 4)
        self.conv2, self.z2 = nn.Conv2d(3, 3, 3, padding=1, bias=False), spiking(3, 4, 4)
        self.conv3, self.z3 = nn.Conv2d(8, 4, 2, stride=2), spiking(4, 2, 2)
        self.fc = nn.Linear(16 + 48, 5)
        self.back = random_recurrent(rng, 5, 6)
        self.out, self.readout = nn.Linear(6, 2), random_neuron(rng, "li", (2,))
        with torch.no_grad():
            for weight in self.parameters():
                weight.mul_(2)

    def forward(self, x, state=None):
        s = dict.fromkeys(("z0", "z1", "z2", "z3", "back", "readout")) if state is None else state
        s = dict(s)
        z0, s["z0"] = self.z0(self.stem(x), s["z0"])
        z1, s["z1"] = self.z1(self.conv1(z0), s["z1"])
        y = self.conv2(z1)
        y = self.add(y, z0)
        z2, s["z2"] = self.z2(y, s["z2"])
        z3, s["z3"] = self.z3(self.conv3(self.cat([z0 + z2, z1, x], self.axis)), s["z3"])
        flat = torch.cat((z3.flatten(1), z2.flatten(1)), dim=1)
        z, s["back"] = self.back(self.fc(flat), s["back"])
        z, s["readout"] = self.readout(self.out(z), s["readout"])
        return z, s


def test_random_residual_networks_spike_as_in_norse():
    total = 0
    for seed in range(12):
        x = (np.random.default_rng(seed).random((STEPS, 2, 4, 4)) < 0.4).astype(np.float64)
        total += expect_the_same_spikes(Residual(seed), x)
    assert total > 5000


def test_random_recurrent_networks_spike_as_in_norse():
    total = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        torch.manual_seed(seed)
        model = norse.SequentialState(
            random_recurrent(rng, 4, 6),
            nn.Linear(6, 5),
            random_recurrent(rng, 5, 7),
            nn.Linear(7, 2),
            random_neuron(rng, "libox", (2,)),
        )
        x = (rng.random((STEPS, 4)) < 0.5).astype(np.float64)
        total += expect_the_same_spikes(model, x)
    assert total > 2000


def test_a_recurrent_layer_is_two_linear_maps_a_delay_and_neurons():
    model = norse.SequentialState(norse.LIFRecurrentCell(3, 4), nn.Linear(4, 2), norse.LICell())
    graph = trace(model, torch.zeros(1, 3))
    assert graph.before("0.sum") == ("0.input_weights", "0.recurrent_weights")
    assert graph.before("0.recurrent_weights") == ("0.late",)
    assert graph.before("0.late") == graph.after("0.sum") == ("0",)
    assert graph.nodes["0.late"].steps == 1
    weight = graph.nodes["0.recurrent_weights"].weight
    assert np.array_equal(weight, model[0].recurrent_weights.detach().numpy())
    assert not weight.diagonal().any()


def test_a_recurrent_layer_over_time_is_the_same_graph_as_its_cell():
    torch.manual_seed(0)
    cell = norse.LIFRecurrentCell(3, 4)
    over_time = norse.LIFRecurrent(
        3, 4, input_weights=cell.input_weights, recurrent_weights=cell.recurrent_weights
    )
    ours = trace(norse.SequentialState(over_time, norse.LI()), torch.zeros(5, 1, 3))
    by_step = norse.SequentialState(cell, norse.LICell())
    assert same(ours, trace(by_step, torch.zeros(1, 3), settings=ours.settings))
    assert same(ours, trace(norse.Lift(by_step), torch.zeros(5, 1, 3)))


def test_the_same_signal_may_be_added_and_joined_twice():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc, self.lif = nn.Linear(6, 3, bias=False), norse.LIFBoxCell()

        def forward(self, x, state=None):
            y = x + x
            return self.lif(self.fc(torch.cat([y, y], 1)), state)

    model = Twice()
    graph = verify(trace(model, torch.zeros(1, 3)), "float")
    (kept,) = (n for n in simplify(graph).nodes.values() if isinstance(n, Linear))
    weight = model.fc.weight.detach().double().numpy()
    expected = 2 * (weight[:, :3] + weight[:, 3:])
    np.testing.assert_allclose(kept.weight, expected, atol=1e-12)


def test_a_checkpoint_holds_joins_and_loops_bit_for_bit(tmp_path):
    model, x = Residual(3), torch.zeros(1, 2, 4, 4)
    graph = trace(model, x)
    assert {Add, Concat, Delay, Linear} <= {type(node) for node in graph.nodes.values()}
    assert same(from_plain(to_plain(graph), graph.settings), graph)
    save(model, tmp_path / "net.pt", x)
    assert same(load(tmp_path / "net.pt"), graph)


def test_what_a_recurrent_layer_cannot_take_is_refused_by_name():
    model = norse.SequentialState(nn.Linear(3, 3), norse.LIFRecurrentCell(4, 4))
    with pytest.raises(BadInput, match=r"layer '1' \(LIFRecurrentCell\): it was given the shape"):
        trace(model, torch.zeros(1, 3))


def test_signals_of_unequal_shapes_are_refused_by_both_names():
    class Broadcast(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(3, 3), nn.Linear(3, 1)

        def forward(self, x):
            return self.a(x) + self.b(x)

    with pytest.raises(BadInput, match=r"adds the outputs of layers 'a' and 'b', of shapes"):
        trace(Broadcast(), torch.zeros(1, 3))
