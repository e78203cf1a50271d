"""Delays that training moves: by hand, found again, exported as whole steps."""

import re
from collections import OrderedDict

import numpy as np
import pytest
import torch
from norse.torch import LIFBoxParameters
from torch import nn

import neurocompile as nc
from neurocompile.engines.floating import run_float
from neurocompile.errors import BadInput, Unsupported
from neurocompile.ir.fixed import Synapse
from neurocompile.ir.nodes import Delay, Identity
from neurocompile.ir.settings import Decoder, Encoder, Settings
from neurocompile.nn import (
    Delta,
    LearnedDelay,
    LIBox,
    LIFBox,
    Regularization,
    Sigma,
    SigmaDelta,
    SpikingNetwork,
    TrainingPlan,
    activity,
    narrow_delays,
    regularization_loss,
    train,
)

STEPS = 24


def delayed(*steps, most=15):
    """A layer of these delays, in evaluation."""
    layer = LearnedDelay(len(steps), most).eval()
    layer.delay.data = torch.tensor(steps)
    return layer


def network(delays, decoder="none"):
    """Delays between spikes and a spiking layer, and between that and a readout."""
    torch.manual_seed(0)
    threshold = LIFBoxParameters(v_th=torch.tensor(0.1))
    layers = OrderedDict(late=delays, dense=nn.Linear(4, 6), lif=LIFBox(threshold))
    layers |= {
        "later": LearnedDelay(6, 5),
        "out": nn.Linear(6, 2),
        "read": LIBox(),
    }
    settings = Settings(steps=STEPS, encoder=Encoder("spikes"), decoder=Decoder(decoder))
    return SpikingNetwork(layers, settings)


def spikes(samples, seed=0):
    random = torch.Generator().manual_seed(seed)
    return (torch.rand((samples, STEPS, 4), generator=random) < 0.3).float()


def test_in_evaluation_each_value_waits_its_delay_rounded_to_steps():
    x = torch.zeros(6, 1, 3)
    x[0, 0] = torch.tensor([1.0, 2.0, 4.0])
    x[1, 0] = 8
    found = delayed(0.4, 2.6, 99.0, most=4)(x)[:, 0]
    assert found.tolist() == [[1, 0, 0], [8, 0, 0], [0, 0, 0], [0, 2, 0], [0, 8, 4], [0, 0, 8]]


def test_in_training_a_value_is_spread_and_at_the_end_of_it_waits_whole_steps():
    layer, x = delayed(3.0, 7.0), torch.rand(12, 2, 2)
    expected = layer(x)
    layer.train()
    layer.width = 1.0
    one = torch.zeros(20, 1, 2)
    one[0] = 1
    spread = layer(one)[:, 0, 0]
    k = np.arange(16)
    kernel = np.exp(-((k - 3) ** 2) / 2)
    np.testing.assert_allclose(spread[:16].detach(), kernel / kernel.sum(), rtol=1e-5)
    narrow_delays(nn.Sequential(layer), 1.0)
    torch.testing.assert_close(layer(x), expected, atol=0.02, rtol=0)


def test_training_finds_the_delays_of_a_network_whose_weights_are_known():
    true = torch.tensor([1.0, 9.0, 4.0, 12.0])
    teacher, pupil = (nn.Sequential(LearnedDelay(4, 15), nn.Linear(4, 4), LIBox()) for _ in "ab")
    pupil.load_state_dict(teacher.state_dict())
    teacher[0].delay.data = true
    x = spikes(32).transpose(0, 1)
    with torch.no_grad():
        goal = teacher.eval()(x)
    pupil[1].requires_grad_(False)
    assert not torch.equal(pupil[0].whole(), true.long())
    optimizer = torch.optim.Adam(pupil[0].parameters(), lr=0.3)
    for step in range(120):
        narrow_delays(pupil, step / 119)
        loss = (pupil(x) - goal).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert torch.equal(pupil[0].whole(), true.long())
    torch.testing.assert_close(pupil.eval()(x), goal)


def test_it_is_exported_as_a_delay_of_each_value_and_comes_back(tmp_path, loihi):
    model = network(delayed(2.0, 0.0, 5.0, 1.0))
    model.layers.later.delay.data[:] = 2.0
    graph = nc.save(model, tmp_path / "net.pt", spikes(1))
    assert isinstance(graph.nodes["late"], Delay)
    assert (graph.nodes["late"].steps, graph.nodes["late"].late.tolist()) == (0, [2, 0, 5, 1])
    assert (graph.nodes["later"].steps, graph.nodes["later"].late) == (2, None)
    x = spikes(3)
    loaded = nc.load(tmp_path / "net.pt")
    ours = run_float(loaded, x.numpy(), STEPS, membranes=("read",)).membrane["read"]
    with torch.no_grad():
        theirs = model.eval()(x).transpose(0, 1).numpy()
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    model.layers.late.delay.data[:] = 0.0
    assert isinstance(nc.save(model, tmp_path / "n.pt", spikes(1)).nodes["late"], Identity)


def test_the_chip_takes_it_as_one_synapse():
    model = network(delayed(2.0, 0.0, 5.0, 1.0), "last")
    done = nc.compile(model, "loihi-sim", example_input=spikes(1))
    synapses = dict(done.fixed_graph.of(Synapse))
    assert len([s for s in synapses.values() if s.late is not None]) == 2
    assert synapses["dense"].late.tolist() == [[2, 0, 5, 1]]


def test_penalties_and_activity_see_the_neurons_as_without_delays():
    late = network(delayed(0.0, 0.0, 0.0, 0.0), "last")
    late.layers.later.delay.data[:] = 0.0
    kept = {n: m for n, m in late.layers.named_children() if not isinstance(m, LearnedDelay)}
    plain = SpikingNetwork(OrderedDict(kept), late.settings)
    x, figures = spikes(5), []
    for model in (late.eval(), plain.eval()):
        model(x)
        penalty = regularization_loss(model, Regularization(synops=1.0))
        figures.append((float(penalty.detach()), activity(model, x)))
    assert figures[0] == figures[1]
    assert figures[0][0] > 0


def test_train_narrows_the_delays():
    model = network(LearnedDelay(4, 6), "last")
    settings = Settings(steps=STEPS, encoder=Encoder("current"), decoder=Decoder("last"))
    layers = OrderedDict(late=LearnedDelay((1, 2, 2), 6), flat=nn.Flatten(), a=nn.Linear(4, 4))
    layers |= {"lif": LIFBox(), "b": nn.Linear(4, 4), "back": nn.Unflatten(1, (1, 2, 2))}
    model = SpikingNetwork(OrderedDict(layers, read=LIBox()), settings)
    before = model.layers.late.delay.detach().clone()
    train(model, torch.rand(8, 1, 2, 2), TrainingPlan(epochs=2, batch=4))
    assert model.layers.late.width == pytest.approx(0.3)
    assert not torch.equal(model.layers.late.delay, before)


@pytest.mark.parametrize("most", [0, 63, 1.5, "3", None, True])
def test_more_than_an_axon_holds_is_refused(most):
    sentence = f"most = {most!r} steps, but an axon delays by a whole number of steps, 1..62"
    with pytest.raises(BadInput, match=re.escape(sentence)):
        LearnedDelay(4, most)


@pytest.mark.parametrize("shape", [0, -1, (3, 0), (2, -2), 1.5, "3", (), None, True])
def test_a_shape_without_values_is_refused(shape):
    with pytest.raises(BadInput, match=re.escape(f"LearnedDelay: shape = {shape!r}, allowed are")):
        LearnedDelay(shape)


def test_numbers_of_numpy_give_a_shape_and_a_longest_delay():
    layer = LearnedDelay((np.int64(2), 3), np.int64(5))
    assert (layer.shape, layer.most, layer.delay.shape) == ((2, 3), 5, (2, 3))
    assert LearnedDelay(np.int64(2))(torch.ones(3, 1, 2)).shape == (3, 1, 2)


def test_delays_of_another_shape_than_what_arrives_are_refused(tmp_path):
    model = nn.Sequential(nn.Linear(4, 1), LearnedDelay(3), nn.Linear(1, 2), LIFBox())
    sentence = "it has delays for (3,), but (1,) arrives. Give it that shape."
    with pytest.raises(Unsupported, match=re.escape(sentence)):
        nc.save(model, tmp_path / "net.pt", torch.zeros(3, 1, 4))


def test_delays_that_training_lost_are_refused_as_nan(tmp_path):
    layer = delayed(0.0, torch.nan, torch.inf, 1.0)  # infinity counts as the longest
    with pytest.raises(BadInput, match="LearnedDelay: its delay is NaN in 1 of 4 places"):
        layer(torch.ones(3, 1, 4))
    with pytest.raises(BadInput, match="its delay is NaN in 1 of 4 places"):
        nc.save(network(layer), tmp_path / "net.pt", spikes(1))


@pytest.mark.parametrize("seed", range(5))
def test_sigma_delta_layers_take_it_between_them(seed):
    torch.manual_seed(seed)
    layers = OrderedDict(
        changes=Delta(0.1),
        first=nn.Linear(4, 5, bias=False),
        hidden=SigmaDelta(0.1),
        late=LearnedDelay(5, 10),
        last=nn.Linear(5, 2, bias=False),
        read=Sigma(),
    )
    settings = Settings(steps=STEPS, encoder=Encoder("sequence"), decoder=Decoder("last"))
    model = SpikingNetwork(layers, settings).eval()
    x = torch.rand(3, STEPS, 4)
    data = nc.Data("values", "x", x.numpy())
    done = nc.compile(model, "loihi2-sim", example_input=x, calibration=data)
    assert done.fixed_graph.nodes["last"].late is not None
    assert done.fixed_graph.nodes["last"].weight_exp >= 0
    with torch.no_grad():
        ideal = model(x).numpy()
    found = np.stack([nc.results(done.fixed_graph, data)[i] for i in range(3)])
    assert np.abs(found - ideal).max() < 0.1 * 0.1  # a tenth of a threshold
