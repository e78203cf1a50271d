"""A network is encoder, layers and decoder; its shortcuts change nothing but the time it takes."""

from collections import OrderedDict

import numpy as np
import pytest
import torch
from norse.torch import LIBoxParameters, LIFBoxParameters, LIFParameters, LIParameters
from torch import nn

from neurocompile.data.encoding import bernoulli
from neurocompile.errors import BadInput
from neurocompile.ir.settings import Decoder, Encoder, Settings
from neurocompile.nn import LI, LIF, LIBox, LIFBox, SpikingNetwork

STEPS = 12


CURRENT = Encoder("current", 2.0)


def network(readout, decoder, encoder=CURRENT, **options):
    """Every kind of synapse between one image and a readout."""
    torch.manual_seed(0)
    p = LIFBoxParameters(v_th=torch.tensor(0.05))
    layers = OrderedDict(
        conv=nn.Conv2d(1, 4, 3, padding=1),
        lif1=LIFBox(p),
        pool=nn.AvgPool2d(2),
        flatten=nn.Flatten(),
        dense=nn.Linear(4 * 4 * 4, 24),
        lif2=LIF(LIFParameters(v_th=torch.tensor(0.05))),
        unflatten=nn.Unflatten(1, (6, 2, 2)),
        upsample=nn.Upsample(scale_factor=2),
        deconv=nn.ConvTranspose2d(6, 1, 4, stride=2, padding=1),
        output=readout,
    )
    return SpikingNetwork(
        layers, Settings(steps=STEPS, encoder=encoder, decoder=decoder), **options
    )


READOUTS = {
    "box": LIBox(LIBoxParameters(v_leak=torch.tensor(0.3))),
    "li": LI(LIParameters(tau_syn_inv=torch.tensor(400.0))),
    "per neuron": LIBox(LIBoxParameters(tau_mem_inv=torch.linspace(50, 300, 64).reshape(1, 8, 8))),
}


def images(n=3):
    return torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(1))


def step_by_step(model, x):
    """The second method: every layer on the whole sequence, no shortcut; potentials (T, N, ...)."""
    sequence = (model.settings.encoder.gain * x).repeat(STEPS, 1, 1, 1, 1)
    for layer in model.layers:
        if isinstance(layer, LIF | LIFBox | LI | LIBox):
            sequence = layer(sequence)
        else:
            sequence = torch.stack([layer(step) for step in sequence])
    return sequence


@pytest.mark.parametrize("readout", READOUTS.values(), ids=READOUTS.keys())
@pytest.mark.parametrize("kind", ["last", "mean", "max"])
def test_a_folded_readout_equals_all_steps_forward_and_backward(readout, kind):
    model = network(readout, Decoder(kind, gain=3.0, offset=-1.0)).double()
    x = images().double()
    trace = step_by_step(model, x)
    reading = {"last": trace[-1], "mean": trace.mean(0), "max": trace.amax(0)}[kind]
    expected = 3.0 * reading - 1.0
    found = model(x)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-9)
    parameters = list(model.parameters())
    for one, other in zip(
        torch.autograd.grad(expected.square().sum(), parameters),
        torch.autograd.grad(found.square().sum(), parameters),
        strict=True,
    ):
        torch.testing.assert_close(other, one, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("kind", ["last", "mean"])
def test_the_unreset_potential_of_a_folded_readout_is_its_last_one(kind):
    model = network(READOUTS["box"], Decoder(kind)).double()
    x = images().double()
    expected = step_by_step(model, x)[-1] - 0.3
    model(x)
    torch.testing.assert_close(
        model.layers.output.unreset_potential(), expected, rtol=1e-6, atol=1e-7
    )


def test_spike_rate_is_read_from_a_spiking_layer():
    """Current 1.5, 0.9, 0: 0.15 > 0.1 every step; 0.09, 0.171 > 0.1 every second; never."""
    lif = LIFBox(LIFBoxParameters(v_th=torch.tensor(0.1)))
    settings = Settings(steps=10, encoder=Encoder("current", 3.0), decoder=Decoder("rate"))
    model = SpikingNetwork(OrderedDict(input=lif), settings)
    torch.testing.assert_close(model(torch.tensor([[0.5, 0.3, 0.0]])), torch.tensor([[1, 0.5, 0]]))


def test_without_a_decoder_the_result_is_the_last_layers_sequence():
    lif = LIFBox(LIFBoxParameters(v_th=torch.tensor(0.1)))
    model = SpikingNetwork(OrderedDict(input=lif), Settings(steps=3, encoder=Encoder("current")))
    assert model(torch.tensor([[1.5], [0.0]])).tolist() == [[[1], [0]]] * 3


def test_spikes_go_in_as_they_are():
    lif = LIFBox(LIFBoxParameters(v_th=torch.tensor(0.05)))  # one spike adds 0.1
    model = SpikingNetwork(OrderedDict(lif=lif), Settings(steps=4))
    spikes = torch.tensor([[[1.0, 0.0], [0.0, 0.0], [1.0, 1.0], [0.0, 0.0]]])
    assert torch.equal(model(spikes), spikes.transpose(0, 1))


def test_spikes_of_another_length_than_the_settings_are_refused():
    model = SpikingNetwork(OrderedDict(lif=LIFBox()), Settings(steps=4))
    with pytest.raises(BadInput, match=r"\[2, 5, 3\]; expected \(n, 4, ...\) spikes"):
        model(torch.zeros(2, 5, 3))


def bernoulli_network(**options):
    return network(READOUTS["box"], Decoder("last"), Encoder("bernoulli", 0.5), **options)


def test_random_spikes_in_eval_mode_are_those_of_the_encoder_for_any_batch():
    model = bernoulli_network(seed=6).eval()
    x = images(5)
    expected = bernoulli(x.numpy(), STEPS, gain=0.5, seed=6)
    assert np.array_equal(model.encode(x).values.transpose(0, 1).numpy(), expected)
    whole = model(x)
    parts = torch.cat([model(x[:2]), model(x[2:], first_index=2)])
    torch.testing.assert_close(whole, parts)


def test_random_spikes_in_training_follow_the_seed_and_differ_from_pass_to_pass():
    first, second = bernoulli_network(seed=6), bernoulli_network(seed=6)
    other = bernoulli_network(seed=7)
    x = images()
    draws = [first.encode(x).values for _ in range(2)]
    assert torch.equal(draws[0], second.encode(x).values)
    assert not torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], other.encode(x).values)
    second.draws = 1  # go on as after one pass
    assert torch.equal(draws[1], second.encode(x).values)
    assert abs(draws[0].mean() - 0.5 * x.mean()) < 0.05


def test_the_names_of_the_layers_are_kept_in_order():
    model = network(READOUTS["box"], Decoder("last"))
    assert model.layer_names()[:3] == ["conv", "lif1", "pool"]
    assert list(model.neurons()) == ["lif1", "lif2", "output"]


@pytest.mark.parametrize(
    ("last", "kind", "message"),
    [(LIFBox(), "last", "LI or LIBox"), (LIBox(), "rate", "LIF or LIFBox")],
)
def test_a_decoder_that_the_last_layer_cannot_serve_is_refused(last, kind, message):
    with pytest.raises(BadInput, match=message):
        SpikingNetwork(OrderedDict(last=last), Settings(decoder=Decoder(kind)))


def test_layers_with_another_step_than_the_settings_are_refused_by_name():
    with pytest.raises(BadInput, match=r"'lif' has dt = 0\.002 s, the settings 0\.001 s"):
        SpikingNetwork(OrderedDict(lif=LIFBox(dt=0.002)), Settings())


def test_a_network_without_layers_is_refused():
    with pytest.raises(BadInput, match="at least one layer"):
        SpikingNetwork(OrderedDict(), Settings())
