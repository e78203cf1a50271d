"""Sigma-delta layers: messages by hand and as slayer sends them, gradients, checkpoints."""

import copy
import sys
import types
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from neurocompile.errors import BadInput
from neurocompile.ir import reference
from neurocompile.ir.graph import chain
from neurocompile.ir.neurons import DeltaEncoder, SigmaDeltaReLU
from neurocompile.ir.nodes import Input
from neurocompile.nn import Delta, Sigma, SigmaDelta, changes
from neurocompile.nn.bptt import can_compile
from neurocompile.nn.step import Coding

DT = 1e-3


def slayer_sigma_delta():
    """slayer's sigma-delta neuron; it imports OpenCV for a part that no neuron uses."""
    name = "lava.lib.dl.slayer.object_detection"
    sys.modules.setdefault(name, types.ModuleType("not_installed"))
    return pytest.importorskip("lava.lib.dl.slayer.neuron.sigma_delta")


def column(*values):
    """One neuron over time, (T, 1, 1)."""
    return torch.tensor(values).reshape(-1, 1, 1)


def noise(*shape, seed=0, dtype=torch.float32):
    """Values with some changes below and some above a threshold of 0.5."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def test_a_delta_sends_what_changed_since_it_last_sent():
    # 0.2 is below 0.5; 0.6 less 0; 0.6 to 1.0 is 0.4, below; 1.2 less 0.6; back to 0: -1.2
    sent = Delta(0.5)(column(0.2, 0.6, 1.0, 1.2, 0.0))
    assert torch.allclose(sent, column(0.0, 0.6, 0.0, 0.6, -1.2))


def test_a_sigma_delta_adds_up_rectifies_and_starts_from_its_bias():
    # v = -0.5 + 1 = 0.5, then 1.25, 0.25 and -0.25, rectified to 0
    layer = SigmaDelta(0.5, bias=torch.tensor(-0.5))
    sent = layer(column(1.0, 0.75, -1.0, -0.5))
    assert torch.equal(sent, column(0.5, 0.75, -1.0, 0.0))
    assert layer.activity.counts.tolist() == [[3.0]]


def test_a_change_as_large_as_the_threshold_is_sent():
    assert torch.equal(Delta(0.5)(column(0.5, 0.0)), column(0.5, -0.5))


def test_a_sigma_adds_up_from_its_bias_and_reads_the_last_or_mean_potential():
    layer = Sigma(bias=torch.tensor(0.5))
    x = column(1.0, 0.0, 2.0)
    assert torch.equal(layer(x), column(1.5, 1.5, 3.5))
    assert layer.read(x, "last").item() == 3.5
    assert layer.read(x, "mean").item() == pytest.approx(6.5 / 3)


def test_a_constant_input_is_that_input_in_every_step():
    layer, x = SigmaDelta(0.5, torch.tensor(0.1)), noise(3, 4)
    assert torch.equal(layer(x, 6), layer(x.expand(6, 3, 4)))


@pytest.mark.parametrize("layer", [Delta, SigmaDelta])
def test_a_threshold_of_zero_is_refused(layer):
    with pytest.raises(BadInput, match=r"threshold = 0\. Use a number above 0"):
        layer(0.0)


@pytest.mark.parametrize("layer", [Delta, SigmaDelta])
def test_a_threshold_without_values_is_refused(layer):
    with pytest.raises(BadInput, match=f"{layer.__name__}: threshold has no values. Give one"):
        layer(torch.tensor([]))


@pytest.mark.parametrize("make", [partial(SigmaDelta, 0.5), Sigma])
@pytest.mark.parametrize("bias", [0.5, 1, np.float64(0.5)])
def test_a_bias_may_be_a_number_of_python(make, bias):
    ours, theirs = make(bias=bias), make(bias=torch.tensor(float(bias)))
    assert isinstance(ours.bias, nn.Parameter)
    assert ours.bias.dtype == torch.float32
    x = noise(5, 2, 3)
    assert torch.equal(ours(x), theirs(x))
    assert make().bias is None


def test_a_penalty_on_potentials_is_refused_with_those_that_count_messages():
    layer = SigmaDelta(0.5)
    layer(noise(3, 1, 2))
    with pytest.raises(BadInput, match="Use spikes_l1, spikes_l2, band or synops"):
        layer.unreset_potential()


@pytest.fixture
def in_torch(monkeypatch):
    """The loops in torch: compiled for another type of numbers they would take seconds."""
    monkeypatch.setattr(changes, "_compiled", lambda *_: None)


@pytest.mark.parametrize("adds_up", [False, True])
def test_the_compiled_loops_have_the_bits_of_those_in_torch(adds_up, monkeypatch):
    x, bias = noise(9, 3, 4, 2), noise(4, 1, seed=1)
    c = Coding(torch.tensor(0.5), adds_up, 1.5, 0.7)
    assert can_compile(x[0], [c.threshold, bias])
    to_sent, to_counts = noise(*x.shape, seed=2), noise(3, 4, 2, seed=3)
    fast = changes.run(x, bias, c)
    fast_back = changes._compiled(x, None, c).backward(to_sent, to_counts, fast[1], fast[2], c)
    monkeypatch.setattr(changes, "_compiled", lambda *_: None)
    slow = changes.run(x, bias, c)
    slow_back = changes.backward(to_sent, to_counts, slow[1], slow[2], c)
    assert all(map(torch.equal, (*fast, *fast_back), (*slow, *slow_back)))


def test_messages_are_those_of_the_float_vocabulary(in_torch):
    x, bias = noise(20, 1, 5, dtype=torch.float64), noise(5, seed=1)
    for layer, node in (
        (Delta(0.7), DeltaEncoder(np.float64(np.float32(0.7)))),
        (SigmaDelta(0.7, bias), SigmaDeltaReLU(bias.numpy(), np.float64(np.float32(0.7)))),
    ):
        outs, _ = reference.run_float(chain({"in": Input((5,)), "x": node}), x[:, 0].numpy())
        assert np.array_equal(outs["x"], layer(x)[:, 0].detach().numpy())


def test_values_pass_their_gradient_as_if_every_change_were_sent(in_torch):
    """Against autograd on differences of the activation, the straight-through form."""
    x = noise(7, 2, 3, dtype=torch.float64).requires_grad_()
    layer = SigmaDelta(0.5, noise(3, seed=1)).double()
    weights = noise(7, 2, 3, seed=2, dtype=torch.float64)
    got = torch.autograd.grad((layer(x) * weights).sum(), [x, layer.bias])
    act = torch.relu(x.cumsum(0) + layer.bias)
    through = torch.diff(act, dim=0, prepend=torch.zeros_like(act[:1]))
    want = torch.autograd.grad((through * weights).sum(), [x, layer.bias])
    assert all(map(torch.allclose, got, want))


def test_counts_pass_a_smooth_step_through_the_time_since_the_last_message(in_torch):
    """Against autograd through the recursion, in which whether a message goes out is fixed."""
    x = noise(7, 2, 3, dtype=torch.float64).requires_grad_()
    layer = Delta(torch.tensor(0.5, dtype=torch.float64), surrogate_width=2.0, surrogate_gain=0.3)
    layer(x)
    (got,) = torch.autograd.grad(layer.activity.counts.sum(), x)
    known, total = torch.zeros_like(x[0]), 0.0
    for now in x:
        change = now - known
        u = (change.abs() - 0.5) / 1.0  # a width of 2 thresholds
        total = total + (0.3 * u / (1 + u.abs())).sum()  # its derivative is 0.3 / (1 + |u|)^2
        known = torch.where(change.abs() >= 0.5, now, known)
    (want,) = torch.autograd.grad(total, x)
    assert torch.allclose(got, want)


def test_slayer_sends_the_same_messages_up_to_rounding(in_torch):
    slayer = slayer_sigma_delta()
    x = noise(30, 2, 6, dtype=torch.float64) / 4
    theirs = slayer.Neuron(threshold=0.25, activation=torch.relu, scale=1 << 24)
    theirs.set_bias(noise(6, seed=1))
    ours = SigmaDelta(0.25, noise(6, seed=1))
    found = theirs(x.permute(1, 2, 0)).permute(2, 0, 1)
    mine = ours(x).detach()
    assert torch.equal(found != 0, mine != 0)
    assert torch.allclose(found, mine, atol=1e-7)


def test_a_layer_is_copied_and_restored_with_its_bias():
    layer = nn.Sequential(Delta(0.1), nn.Linear(3, 2, bias=False), SigmaDelta(0.1, noise(2)))
    layer(noise(4, 1, 3))
    other = copy.deepcopy(layer)
    other[2].bias.data.zero_()
    other.load_state_dict(layer.state_dict())
    assert torch.equal(other[2].bias, layer[2].bias)
