"""Neurons that remember their spikes, trained on the grid: its bits and its gradients."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from networks import dense, lif, spikes
from test_grid_gradients import StraightOps, Through

from neurocompile.data.inputs import Encoded
from neurocompile.engines import fixed
from neurocompile.errors import DoesNotFit, Unsupported
from neurocompile.ir.after_spikes import AdaptiveLIF, RefractoryLIF
from neurocompile.ir.chip_neurons import ATRLIF, TernaryLIF
from neurocompile.ir.fixed import SpikeInput
from neurocompile.ir.graph import chain, same
from neurocompile.ir.settings import Decoder, Encoder, Settings
from neurocompile.nn.grid import GridNetwork
from neurocompile.nn.grid_formats import coarser
from neurocompile.nn.grid_remember import RememberingPopulation
from neurocompile.nn.grid_steps import Slope

SPIKES = Settings(steps=20, encoder=Encoder("spikes"), decoder=Decoder("mean"))
BIAS = {"bias_mant": 3, "bias_exp": 2, "v_init": 0}
KINDS = {
    "refractory": lambda: RefractoryLIF((5,), 900, 300, 60, 3, **BIAS),
    "adaptive": lambda: AdaptiveLIF((5,), 900, 300, 200, 60, 20, **BIAS),
    "both": lambda: ATRLIF((5,), 900, 300, 200, 700, 60, 20, **BIAS),
}
kinds = pytest.mark.parametrize("make", KINDS.values(), ids=KINDS.keys())


def network(make):
    rng = np.random.default_rng(3)
    nodes = {
        "in": SpikeInput((6,)),
        "w": dense(rng, 6, 5, -1),
        "a": make(),
        "w2": dense(rng, 5, 3, -1),
        "out": lif((3,), vth=131071, readout=True, scale=1e-4),
    }
    return chain(nodes, SPIKES)


def assert_same_bits(model, train):
    graph = model.graph()
    with torch.no_grad():
        ours = model.eval().traces(torch.from_numpy(train), membrane=True)
    chip = fixed.run(graph, Encoded({"in": train}, 20)).recording
    for name in ("a", "out"):
        spiked, v = (each.transpose(0, 1).numpy() for each in ours[name])
        np.testing.assert_array_equal(spiked, chip.spikes[name])
        np.testing.assert_array_equal(v, chip.membrane[name])
    return chip.spikes["a"]


@kinds
def test_the_forward_pass_is_the_chip_before_and_after_training(make):
    train = spikes(1, 4, 20, (6,), rate=0.5)
    model = GridNetwork(network(make))
    assert 0.02 < assert_same_bits(model, train).mean() < 0.9
    named = model.named()["a"]
    before, shadow = model.graph(), named.threshold.detach().clone()
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 0.05)
    for _ in range(3):
        optimizer.zero_grad()
        (model.train()(torch.from_numpy(train)) - 1).square().sum().backward()
        optimizer.step()
        model.keep_in_range()
    assert_same_bits(model, train)
    assert not torch.equal(named.threshold, shadow)
    assert not same(model.graph(), before)


@kinds
def test_the_backward_pass_is_autograd_through_the_step_with_straight_roundings(make):
    rng = torch.Generator().manual_seed(9)
    node = make()
    arriving = torch.randint(-90, 120, (9, 3, 5), generator=rng).double()
    bias = torch.randint(-500, 900, (5,), generator=rng).double()
    threshold = torch.randint(40, 90, (), generator=rng).double()
    pull = torch.rand((9, 3, 5), generator=rng)
    how = Slope("a", 1500.0, 0.5)

    def leaves():
        return [t.clone().requires_grad_() for t in (arriving, bias, threshold)]

    ours = leaves()
    out, _ = RememberingPopulation.apply(*ours, 9, node, how, False)
    (out * pull).sum().backward()

    theirs = leaves()
    named = "vth" if isinstance(node, RefractoryLIF) else "theta_0"
    registers = {name: float(getattr(node, name)) for name in node.registers}
    p = node.constants_of({**registers, named: theirs[2]}, theirs[1])
    zero = torch.zeros(3, 5, dtype=torch.float64)
    state, total, ops = [s + zero for s in node.start(p, zero, zero)], 0, StraightOps()
    for t in range(9):
        held = state[2] > 0 if named == "vth" else torch.zeros_like(zero, dtype=torch.bool)
        done = node.step(ops, tuple(state), theirs[0][t], p)
        margin = done.potential - (p.threshold if named == "vth" else 0)
        fired = done.out.double()
        if named == "theta_0":
            theta = ops.decay(state[2] - p.base, p.keep_theta) + p.base
            margin = margin - theta
        if len(state) == 4:
            r = ops.decay(state[3], p.keep_r)
            margin = margin - r + 1  # a spike at >=, in whole numbers
        distance = margin / how.width
        slope = how.gain / how.width / (1 + distance.detach().abs()) ** 2
        z = Through.apply(distance * how.width, fired, torch.where(held, 0.0, slope))
        total = total + (z * pull[t]).sum()
        state = list(done.state)
        if named == "theta_0":
            state[2] = theta + p.rise * z
        if len(state) == 4:
            state[3] = r + 2 * theta * fired
        else:
            state[1] = torch.where(held, 0.0, done.potential) * (1 - fired)
    total.backward()
    assert 0 < out.mean() < 1
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a.grad.double(), b.grad, rtol=1e-3, atol=1e-5)


@kinds
def test_fewer_bits_scale_threshold_and_rise_together(make):
    graph = network(make)
    found, _ = coarser(graph, 3)
    node, made = graph.nodes["a"], found.nodes["a"]
    share = float(node.scale / made.scale)
    assert share < 1
    assert made.threshold == pytest.approx(node.threshold * share, abs=0.5)
    if "theta_step" in node.registers:
        assert made.theta_step == pytest.approx(node.theta_step * share, abs=0.5)
    assert_same_bits(GridNetwork(found), spikes(1, 2, 20, (6,), rate=0.5))


def test_a_threshold_beyond_24_bits_stops_the_training_with_layer_and_step():
    grows = AdaptiveLIF((5,), 900, 0, 0, 1, 4095, 4095, 7, 0)
    graph = network(lambda: grows)
    model = GridNetwork(replace(graph, settings=replace(SPIKES, steps=400)))
    with pytest.raises(DoesNotFit, match=r"layer 'a', step \d+: a state "):
        model(torch.ones(1, 400, 6))


def test_other_neurons_of_the_chip_are_refused_by_layer():
    with pytest.raises(
        Unsupported, match=r"layer 'a' \(TernaryLIF\) cannot be trained on the grid"
    ):
        GridNetwork(network(lambda: TernaryLIF((5,), 900, 300, 60, -60, **BIAS)))
