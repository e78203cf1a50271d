"""What a graph looks like after tracing."""

from itertools import pairwise

import norse.torch as norse
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from neurocompile.frontend.torch import trace
from neurocompile.ir import nodes
from neurocompile.ir.graph import same
from neurocompile.ir.neurons import LIF, LIBox, LIFBox
from neurocompile.ir.settings import Decoder, Encoder, Settings
from neurocompile.nn.layers import LIBox as OurLIBox
from neurocompile.nn.layers import LIFBox as OurLIFBox
from neurocompile.nn.network import SpikingNetwork


class Net(nn.Module):
    """An ordinary module of a user, a step at a time."""

    def __init__(self):
        super().__init__()
        self.encoder = norse.SequentialState(nn.Conv2d(1, 2, 3), norse.LIFCell())
        self.fc = nn.Linear(8, 3)
        self.out = norse.LIFBoxCell()

    def forward(self, x, state=None):
        s0, s1 = (None, None) if state is None else state
        z, s0 = self.encoder(x, s0)
        z = F.dropout(F.avg_pool2d(z, 2, padding=1), training=self.training)
        z = torch.flatten(z, 1).reshape(x.size(0), x.shape[1] * -1)
        z, s1 = self.out(self.fc(z), s1)
        return z, (s0, s1)


def kinds(graph):
    return {name: type(node) for name, node in graph.nodes.items()}


def test_nodes_have_the_paths_of_the_modules_and_stand_in_order_of_execution():
    graph = trace(Net(), torch.zeros(2, 1, 5, 5))
    assert kinds(graph) == {
        "input": nodes.Input,
        "encoder.0": nodes.Conv,
        "encoder.1": LIF,
        "avg_pool2d": nodes.AvgPool,
        "dropout": nodes.Identity,
        "flatten": nodes.Reshape,
        "reshape": nodes.Reshape,
        "fc": nodes.Linear,
        "out": LIFBox,
    }
    names = list(graph.nodes)
    assert graph.edges == tuple(pairwise(names))
    assert graph.nodes["input"].shape == (1, 5, 5)
    assert graph.nodes["flatten"].shape == (8,)


def test_the_size_of_the_batch_does_not_matter():
    torch.manual_seed(0)
    net = Net()
    assert same(trace(net, torch.zeros(1, 1, 5, 5)), trace(net, torch.rand(7, 1, 5, 5)))


def test_tracing_leaves_the_module_as_it_was():
    net = norse.SequentialState(nn.Linear(3, 2), nn.Dropout(), norse.LIFCell()).train()
    net[1].eval()
    net[2].note = "mine"
    before = {name: dict(m.__dict__) for name, m in net.named_modules()}
    trace(net, torch.zeros(1, 3))
    assert {name: dict(m.__dict__) for name, m in net.named_modules()} == before


def test_a_regularization_cell_is_an_identity_and_counts_nothing():
    class Regularized(nn.Module):
        def __init__(self):
            super().__init__()
            self.lif, self.reg = norse.LIFCell(), norse.RegularizationCell()

        def forward(self, x, state=None):
            z, state = self.lif(x, state)
            z, _ = self.reg(z, state)
            return z, state

    net = Regularized()
    assert kinds(trace(net, torch.ones(1, 3)))["reg"] is nodes.Identity
    assert net.reg.state is None


def test_a_single_layer_is_a_network():
    assert list(trace(nn.Linear(3, 2), torch.zeros(1, 3)).nodes) == ["input", "linear"]
    assert list(trace(norse.LIFCell(), torch.zeros(1, 3)).nodes) == ["input", "lifcell"]


def test_an_input_may_be_given_by_name():
    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc, self.lif = nn.Linear(3, 2), norse.LIFCell()

        def forward(self, x, state=None):
            return self.lif(input_tensor=self.fc(input=x), state=state)

    assert list(trace(Named(), torch.zeros(1, 3)).nodes) == ["input", "fc", "lif"]


def test_a_shared_layer_without_state_is_two_nodes():
    fc = nn.Linear(3, 3)
    net = norse.SequentialState(fc, norse.LIFCell(), fc, norse.LIFCell())
    assert list(trace(net, torch.zeros(1, 3)).nodes) == ["input", "0", "1", "0_2", "3"]


def test_a_layer_called_input_makes_way_for_the_input_and_odd_letters_for_files():
    net = norse.SequentialState(nn.Linear(3, 3))
    net.add_module("input", nn.Linear(3, 3))
    net.add_module("a/b c", nn.Linear(3, 3))
    net.stateful_layers += [False, False]
    assert list(trace(net, torch.zeros(1, 3)).nodes) == ["input", "0", "input_2", "a_b_c"]


def test_what_does_not_lead_to_the_output_is_left_out():
    class TwoHeads(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.lif = nn.Linear(3, 2), norse.LIFCell()
            self.b, self.aux = nn.Linear(3, 1), norse.LIFCell()

        def forward(self, x, state=None):
            s, t = state or (None, None)
            z, s = self.lif(self.a(x), s)
            _, t = self.aux(self.b(x), t)
            return z, (s, t)

    assert list(trace(TwoHeads(), torch.zeros(1, 3)).nodes) == ["input", "a", "lif"]


def test_layers_over_time_take_all_steps_at_once():
    torch.manual_seed(0)
    conv, fc = nn.Conv2d(1, 2, 3), nn.Linear(32, 3)
    over_time = norse.SequentialState(norse.Lift(conv), norse.LIF(), nn.Flatten(2), fc, norse.LI())
    by_step = norse.SequentialState(conv, norse.LIFCell(), nn.Flatten(), fc, norse.LICell())
    four = Settings(dt=1e-3, steps=4)  # those of the example
    expected = trace(by_step, torch.zeros(2, 1, 6, 6), settings=four)
    assert same(trace(over_time, torch.zeros(4, 2, 1, 6, 6)), expected)
    assert same(trace(norse.Lift(by_step), torch.zeros(4, 2, 1, 6, 6)), expected)


def test_our_layers_in_a_module_of_the_user_take_all_steps_at_once():
    net = nn.Sequential(nn.Linear(3, 2), OurLIFBox(), OurLIBox())
    assert list(kinds(trace(net, torch.zeros(5, 1, 3))).values())[2:] == [LIFBox, LIBox]


@pytest.mark.parametrize(("kind", "example"), [("current", (2, 3)), ("spikes", (2, 8, 3))])
def test_a_spiking_network_brings_its_settings(kind, example):
    settings = Settings(dt=0.002, steps=8, encoder=Encoder(kind), decoder=Decoder("last"))
    layers = {"fc": nn.Linear(3, 2), "lif": OurLIFBox(dt=0.002), "out": OurLIBox(dt=0.002)}
    graph = trace(SpikingNetwork(layers, settings), torch.zeros(example))
    assert graph.settings == settings
    assert list(graph.nodes) == ["input", "fc", "lif", "out"]
    assert graph.nodes["input"].shape == (3,)


def test_dt_is_that_of_the_layers():
    net = norse.SequentialState(nn.Linear(3, 2), norse.LIFCell(dt=0.0005))
    settings = trace(net, torch.zeros(1, 3)).settings
    assert (settings.dt, settings.steps) == (0.0005, 100)


def test_constants_keep_the_precision_in_which_norse_holds_them():
    tau, leak = torch.tensor(123.4), torch.tensor([0.1, 0.2], dtype=torch.float64)
    net = norse.SequentialState(norse.LIFBoxCell(norse.LIFBoxParameters(tau, v_leak=leak)))
    node = trace(net, torch.zeros(1, 2)).nodes["0"]
    assert (node.tau_mem_inv.dtype, node.tau_mem_inv.shape) == (np.float32, ())
    assert (node.v_leak.dtype, node.v_leak.shape) == (np.float64, (2,))
    assert node.tau_mem_inv == np.float32(123.4)


def test_constants_of_a_channel_are_one_for_each_neuron():
    threshold = torch.tensor([1.0, 2.0]).reshape(1, 2, 1, 1)
    net = norse.SequentialState(norse.LIFCell(norse.LIFParameters(v_th=threshold)))
    node = trace(net, torch.zeros(3, 2, 2, 1)).nodes["0"]
    assert node.v_th.tolist() == [[[1.0], [1.0]], [[2.0], [2.0]]]


def test_half_precision_weights_become_float32():
    net = nn.Sequential(nn.Linear(2, 2)).to(torch.bfloat16)
    weight = trace(net, torch.zeros(1, 2)).nodes["0"].weight
    assert weight.dtype == np.float32
    assert np.array_equal(weight, net[0].weight.detach().float().numpy())


def test_parametrized_weights_are_those_that_the_layer_uses():
    torch.manual_seed(0)
    fc = nn.utils.parametrizations.weight_norm(nn.Linear(3, 2))
    with torch.no_grad():
        fc.parametrizations.weight.original0.mul_(2)
    weight = trace(nn.Sequential(fc), torch.zeros(1, 3)).nodes["0"].weight
    assert np.array_equal(weight, fc.weight.detach().numpy())


def test_a_hook_that_watches_is_harmless():
    seen = []
    net = nn.Sequential(nn.Linear(3, 2))
    net[0].register_forward_hook(lambda m, i, o: seen.append(o))
    assert "0" in trace(net, torch.zeros(1, 3)).nodes


def test_functions_are_the_modules_of_the_same_name():
    class Functional(nn.Module):
        def forward(self, x):
            x = F.interpolate(x, scale_factor=2)
            x = F.dropout2d(F.lp_pool2d(x, 1, 2), training=self.training)
            x = F.adaptive_avg_pool2d(x, (2, 4))
            return x.unflatten(1, (1, 2)).flatten(1, 2).contiguous()

    graph = trace(Functional(), torch.zeros(1, 2, 4, 4))
    assert graph.nodes["interpolate"].scale == (2, 2)
    assert graph.nodes["lp_pool2d"].kernel == graph.nodes["lp_pool2d"].stride == (2, 2)
    assert graph.nodes["adaptive_avg_pool2d"].kernel == (2, 1)
    assert graph.nodes["unflatten"].shape == (1, 2, 2, 4)
    assert graph.nodes["flatten"].shape == (2, 2, 4)


def test_a_layer_whose_name_no_file_can_hold_is_said_to_have_another():
    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.add_module("a[red]b", nn.Linear(4, 3))
            self.lif = norse.LIFBoxCell()

        def forward(self, x, state=None):
            return self.lif(self.get_submodule("a[red]b")(x), state)

    graph = trace(Named(), torch.zeros(1, 4))
    assert list(graph.nodes) == ["input", "a_red_b", "lif"]
    (said,) = [a.sentence for a in graph.settings.assumed if a.key == "names"]
    assert said == "layers are named in letters, digits, '_', '.' and '-': 'a[red]b' is 'a_red_b'."
