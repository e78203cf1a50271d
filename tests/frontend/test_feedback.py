"""What a forward hands back through its state comes a step later, as in PyTorch."""

import norse.torch as norse
import numpy as np
import pytest
import torch
from norse_agrees import compare
from torch import nn

from neurocompile.frontend.torch import trace
from neurocompile.ir.nodes import Add, Delay, Identity, Linear

STEPS = 30
FAST = norse.LIFBoxParameters(tau_mem_inv=torch.tensor(400.0), v_th=torch.tensor(0.3))


class Own(nn.Module):
    """A network with a forward given as a function; its states are in a dict."""

    def __init__(self, step, **layers):
        super().__init__()
        self.step = step
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, x, state=None):
        return self.step(self, x, {} if state is None else dict(state))


def neurons(m, name, x, s):
    """The spikes of a neuron layer, whose state is kept under its name."""
    z, s[name] = getattr(m, name)(x, s.get(name))
    return z


def by_zeros(m, x, s):
    back = s.get("z", torch.zeros(x.shape[0], 4))
    s["z"] = neurons(m, "lif", m.fc(x) + m.back(back.to(x.dtype)), s)
    return neurons(m, "out", m.last(s["z"]), s), s


def by_new_zeros(m, x, s):
    back = s["z"] if "z" in s else x.new_zeros((x.shape[0], 4))
    s["z"] = neurons(m, "lif", sum([m.back(back), m.fc(x)]), s)
    return neurons(m, "out", m.last(s["z"]), s), s


def left_out(m, x, s):
    drive = m.fc(x)
    if "z" in s:
        drive = drive + m.back(s["z"])
    s["z"] = neurons(m, "lif", drive, s)
    return neurons(m, "out", m.last(s["z"]), s), s


def mapped_before_it_is_kept(m, x, s):
    drive = m.fc(x) + s.get("drive", torch.zeros(x.shape[0], 4, dtype=x.dtype))
    z = neurons(m, "lif", drive, s)
    s["drive"] = m.back(z)
    return neurons(m, "out", m.last(z), s), s


def of_a_later_layer(m, x, s):
    back = s.get("z", torch.zeros(x.shape[0], 4, dtype=x.dtype))
    first = neurons(m, "lif", m.fc(x) + back, s)
    s["z"] = neurons(m, "second", m.back(first), s)
    return neurons(m, "out", m.last(s["z"]), s), s


def forward_in_time(m, x, s):
    """The input of the step before goes around a layer: a skip, not a loop."""
    late = s.get("x", torch.zeros(x.shape[0], 3, dtype=x.dtype))
    s["x"] = x
    z = neurons(m, "lif", m.fc(x + late), s)
    return neurons(m, "out", m.last(z), s), s


def network(step, seed, *, bias=False):
    torch.manual_seed(seed)
    model = Own(
        step,
        fc=nn.Linear(3, 4),
        wide=nn.Linear(7, 4),
        back=nn.Linear(4, 4, bias=bias),
        lif=norse.LIFBoxCell(FAST),
        second=norse.LIFBoxCell(FAST),
        last=nn.Linear(4, 2),
        out=norse.LIBoxCell(),
    ).double()
    with torch.no_grad():
        for weight in model.parameters():  # multiples of 2^-6, so that every sum is exact
            weight.copy_(torch.round(weight * 3 * 64) / 64)
    rng = np.random.default_rng(seed)
    return model, (rng.random((STEPS, 3)) < 0.5).astype(np.float64)


@pytest.mark.parametrize(
    ("step", "bias"),
    [
        (by_zeros, True),
        (by_zeros, False),
        (by_new_zeros, True),
        (left_out, False),
        (mapped_before_it_is_kept, False),
        (of_a_later_layer, True),
        (forward_in_time, False),
    ],
)
def test_spikes_that_come_back_a_step_later_are_those_of_pytorch(step, bias):
    spikes = 0
    for seed in range(6):
        found = compare(*used(network(step, seed, bias=bias)))
        assert found.wrong == [], seed
        assert "Delay" in found.kinds
        spikes += found.spikes
    assert spikes > 150


def used(made):
    """The network without the layers that its step never calls: they have no trace."""
    model, x = made
    called = set(trace(model, torch.zeros(1, 3)).nodes)
    for name, _ in list(model.named_children()):
        if name not in called:
            delattr(model, name)
    return model, x


def test_what_comes_back_may_be_concatenated():
    def step(m, x, s):
        back = s.get("z", torch.zeros(x.shape[0], 4, dtype=x.dtype))
        s["z"] = neurons(m, "lif", m.wide(torch.cat([x, back], 1)), s)
        return neurons(m, "out", m.last(s["z"]), s), s

    found = compare(*used(network(step, 0)))
    assert found.wrong == []
    assert {"Concat", "Delay"} <= found.kinds


def test_a_layer_of_its_own_wiring_is_norses_recurrent_cell():
    # the graph of LIFRecurrentCell has the same nodes between the same places, under other names
    cell = norse.LIFRecurrentCell(3, 4, autapses=True)

    def step(m, x, s):
        back = s.get("z", torch.zeros(x.shape[0], 4))
        s["z"] = neurons(m, "lif", m.enter(x) + m.back(back), s)
        return s["z"], s

    model = Own(
        step,
        enter=nn.Linear(3, 4, bias=False),
        back=nn.Linear(4, 4, bias=False),
        lif=norse.LIFCell(),
    )
    with torch.no_grad():
        model.enter.weight.copy_(cell.input_weights)
        model.back.weight.copy_(cell.recurrent_weights)
    names = {
        "lifrecurrentcell.input_weights": "enter",
        "lifrecurrentcell.recurrent_weights": "back",
        "lifrecurrentcell.sum": "add",
        "lifrecurrentcell": "lif",
        "lifrecurrentcell.late": "lif.late",
    }
    ours, theirs = trace(model, torch.zeros(1, 3)), trace(cell, torch.zeros(1, 3))
    assert {(names.get(a, a), names.get(b, b)) for a, b in theirs.edges} == set(ours.edges)
    for name, node in theirs.nodes.items():
        other = ours.nodes[names.get(name, name)]
        assert type(other) is type(node)
        if isinstance(node, Linear):
            np.testing.assert_array_equal(other.weight, node.weight)


def test_recurrent_sequential_adds_its_output_to_its_next_input():
    torch.manual_seed(0)
    inner = norse.RecurrentSequential(nn.Linear(4, 4), norse.LIFCell(), nn.Identity())
    model = norse.SequentialState(nn.Linear(3, 4), inner, nn.Linear(4, 2), norse.LIBoxCell())
    graph = trace(model, torch.zeros(1, 3))
    kinds = {name: type(node) for name, node in graph.nodes.items()}
    assert kinds["sum"] is Add
    assert graph.before("sum") == ("0", "1.module.2.late")
    assert kinds["1.module.2"] is Identity
    assert kinds["1.module.2.late"] is Delay
    assert graph.before("1.module.2.late") == ("1.module.2",)
    assert graph.nodes["1.module.2.late"].steps == 1
