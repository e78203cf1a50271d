"""A network of rates is the spiking network in the mean, and what it learns is the other's."""

from collections import OrderedDict

import pytest
import torch
from norse.torch import LIBoxParameters, LIFBoxParameters, LIFParameters
from torch import nn

from neurocompile.errors import Unsupported
from neurocompile.ir.settings import Decoder, Encoder, Settings
from neurocompile.nn import (
    LIF,
    LSNN,
    LIBox,
    LIFBox,
    RateNetwork,
    Regularization,
    SpikingAutoencoder,
    SpikingNetwork,
    TrainingPlan,
    reconstruction_error,
    regularization_loss,
    train,
)
from neurocompile.nn.rates import rate

THRESHOLD = torch.tensor(0.1)


def box(rate_per_s=100.0):
    return LIFBox(LIFBoxParameters(tau_mem_inv=torch.tensor(rate_per_s), v_th=THRESHOLD))


def small(seed=0, **options):
    return SpikingAutoencoder(
        shape=(1, 8, 8), channels=(4, 8), latent=12, steps=12, seed=seed, **options
    )


def digits(n=64):
    """Bars, which eight pixels by eight can show."""
    random = torch.Generator().manual_seed(3)
    images = torch.zeros(n, 1, 8, 8)
    for image in images:
        at = torch.randint(0, 8, (2,), generator=random)
        image[0, at[0]], image[0, :, at[1]] = 1.0, 0.7
    return images


@pytest.mark.parametrize("per_s", [50.0, 100.0, 200.0])
def test_a_rate_is_about_that_of_a_long_run(per_s):
    layer = box(per_s)
    current = torch.linspace(0, 5, 41) * THRESHOLD
    counted = layer(current[None], 2000).mean(0)[0]
    assert (rate(layer, current) - counted).abs().max() < 0.16
    assert (rate(layer, current) - counted).abs().mean() < 0.05


def test_a_synaptic_current_settles_at_its_input_over_the_rate_at_which_it_is_lost():
    # i <- i + x - 0.2 i settles at 5 x, so a fifth of the input gives the same rate
    slow = LIF(LIFParameters(torch.tensor(200.0), torch.tensor(100.0), v_th=THRESHOLD))
    current = torch.linspace(0, 0.5, 11)
    torch.testing.assert_close(rate(slow, current / 5), rate(box(), current))


def test_a_neuron_below_its_weakest_current_sends_nothing_and_still_learns():
    current = torch.tensor([0.05], requires_grad=True)
    sent = rate(box(), current)
    sent.sum().backward()
    assert sent.item() == 0
    assert current.grad.item() > 0


@pytest.mark.parametrize("kind", ["last", "mean"])
def test_without_neurons_that_spike_it_is_the_network_itself(kind):
    layers = OrderedDict(dense=nn.Linear(6, 4), output=LIBox(LIBoxParameters(torch.tensor(80.0))))
    decoder = Decoder(kind, gain=3.0, offset=0.2, low=0.0, high=1.0)
    network = SpikingNetwork(
        layers, Settings(steps=9, encoder=Encoder("current", 2.0), decoder=decoder)
    )
    x = torch.rand(5, 6)
    torch.testing.assert_close(RateNetwork(network).eval()(x), network.eval()(x))


def test_what_it_learns_the_spiking_network_has_learned():
    network, images = small(input_population=False), digits()
    before = reconstruction_error(network, images)
    train(RateNetwork(network), images, TrainingPlan(60, batch=16, learning_rate=1e-2))
    assert reconstruction_error(network, images) < before / 2
    counts = [layer.activity.counts for layer in network.neurons().values()]
    assert all(count.remainder(1).eq(0).all() for count in counts if count is not None)


def test_penalties_see_rates_as_they_see_spikes():
    network = small()
    rates, x = RateNetwork(network, noise=0.0), digits(8)
    rates(x)
    total = sum(
        layer.activity.counts.sum() / layer.activity.steps
        for layer in network.neurons().values()
        if layer.activity.counts is not None
    )
    priced = regularization_loss(rates, Regularization(spikes_l1=0.5))
    torch.testing.assert_close(priced, 0.5 * total / len(x))


def test_noise_is_drawn_anew_in_each_pass_of_training_and_repeats_with_the_seed():
    x = digits(4)
    one, two = RateNetwork(small()), RateNetwork(small())
    first, second = one(x), one(x)
    assert not torch.equal(first, second)
    torch.testing.assert_close(two(x), first, rtol=0, atol=0)
    one.eval()
    torch.testing.assert_close(one(x), one(x), rtol=0, atol=0)


def test_a_training_of_rates_that_was_interrupted_goes_on_as_if_it_were_not(tmp_path):
    images, plan = digits(20), TrainingPlan(3, batch=10)
    whole = small()
    train(RateNetwork(whole), images, plan)
    network, state = small(), tmp_path / "state"

    class Stop(Exception):
        """Stands for a kill."""

    def stop(epoch):
        if epoch.number == 2:
            raise Stop

    with pytest.raises(Stop):
        train(RateNetwork(network), images, plan, state=state, on_epoch=stop)
    network = small()  # from the start, but for the state
    train(RateNetwork(network), images, plan, state=state)
    for a, b in zip(whole.parameters(), network.parameters(), strict=True):
        assert torch.equal(a, b)


def test_neurons_and_inputs_that_no_rate_describes_are_refused_by_name():
    adaptive = OrderedDict(dense=nn.Linear(6, 4), cell=LSNN(), out=nn.Linear(4, 2), read=LIBox())
    network = SpikingNetwork(
        adaptive, Settings(encoder=Encoder("current"), decoder=Decoder("last"))
    )
    with pytest.raises(Unsupported, match=r"layer 'cell' \(LSNN\) has no rate"):
        RateNetwork(network)
    timed = SpikingNetwork(
        OrderedDict(dense=nn.Linear(6, 4), lif=box()), Settings(encoder=Encoder("spikes"))
    )
    with pytest.raises(Unsupported, match="the encoder 'spikes' gives every step"):
        RateNetwork(timed)
