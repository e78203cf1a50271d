"""The penalty on synops counts what the compiled network's engine counts, for the same spikes."""

import copy
import gc
import weakref
from collections import OrderedDict

import numpy as np
import pytest
import torch
from norse.torch import LIFBoxParameters
from torch import nn

from neurocompile.compiler import compile_graph
from neurocompile.data.samples import Data
from neurocompile.errors import BadInput, Unsupported
from neurocompile.frontend.torch import trace
from neurocompile.ir.settings import Decoder, Encoder, Settings
from neurocompile.nn import (
    LIBox,
    LIFBox,
    Regularization,
    SpikingAutoencoder,
    SpikingNetwork,
    TrainingPlan,
    train,
)
from neurocompile.nn import regularization_loss as loss
from neurocompile.nn import synops as counted
from neurocompile.nn.layers import PassActivity
from neurocompile.nn.synops import synops, synops_share

STEPS = 8
IMAGE = (2, 6, 6)
CHAINS = {
    "conv with stride and padding": [nn.Conv2d(2, 3, 3, stride=2, padding=1)],
    "conv with groups and dilation": [nn.Conv2d(2, 4, 2, dilation=2, groups=2)],
    "transposed conv with stride and padding": [nn.ConvTranspose2d(2, 3, 4, stride=2, padding=1)],
    "transposed conv with an odd edge": [
        nn.ConvTranspose2d(2, 1, 3, stride=2, padding=2, output_padding=1)
    ],
    "linear": [nn.Flatten(), nn.Linear(72, 5)],
    "linear, then an image": [nn.Flatten(), nn.Linear(72, 8), nn.Unflatten(1, (2, 2, 2))],
    "pool": [nn.AvgPool2d(2)],
    "pool, then conv": [nn.AvgPool2d(2), nn.Conv2d(2, 3, 2)],
    "two convs without neurons between": [nn.Conv2d(2, 2, 3), nn.Conv2d(2, 3, 2, padding=1)],
    "upsampling, then conv": [nn.Upsample(scale_factor=2), nn.Conv2d(2, 1, 3, padding=1)],
}


def box(threshold=0.1):
    return LIFBox(LIFBoxParameters(v_th=torch.tensor(threshold)))


def network(chain, *, steps=STEPS, last=None):
    """Pixels that spike, the chain, hidden neurons, and a readout behind one dense layer."""
    layers = OrderedDict(pixels=box())
    layers.update({f"{number}": layer for number, layer in enumerate(chain)})
    size = int(np.prod(nn.Sequential(*chain)(torch.zeros(1, *IMAGE)).shape))
    layers.update(hidden=box(), flat=nn.Flatten(), out=nn.Linear(size, 3), output=last or LIBox())
    settings = Settings(steps=steps, encoder=Encoder("current", 5.0), decoder=Decoder("last"))
    return SpikingNetwork(layers, settings)


@pytest.mark.parametrize("name", CHAINS)
def test_it_is_what_the_fixed_engine_counts_for_the_same_spikes(name):
    model = network(copy.deepcopy(CHAINS[name]))
    random = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for weight in model.parameters():  # none is 0: the chip's count of a sparse map needs it
            weight.copy_(torch.rand(weight.shape, generator=random) * 0.3 + 0.05)
    x = torch.rand((4, *IMAGE), generator=random)
    compiled = compile_graph(trace(model, x[:1]), "loihi-sim")
    result = compiled.run(Data("random", "x", x.numpy())).result
    behind = {s.source: s.synops for s in result.counts.synapses.values()}
    assert min(behind[name] for name in ("pixels", "hidden")) > 0
    for layer in ("pixels", "hidden"):
        spikes = torch.tensor(result.evaluation.activity[layer].spikes, dtype=torch.float32)
        model.neurons()[layer].activity = PassActivity(spikes[None], STEPS, lambda: None)
    assert {layer: found.item() for layer, found in synops(model).items()} == behind


def test_the_shipped_architecture_has_the_fan_out_that_its_geometry_gives():
    """The engine's count of `from_latent` and `conv4`: 1,568 a spike; 16 inside, 9 at a corner."""
    model = SpikingAutoencoder(steps=2)
    model(torch.rand(1, 1, 28, 28))
    for layer in model.neurons().values():
        if isinstance(layer, LIFBox):
            layer.activity = layer.activity._replace(counts=torch.zeros_like(layer.activity.counts))
    model.layers.latent.activity.counts[0, 7] = 3
    model.layers.lif4.activity.counts[0, 5, 6, 6] = 1  # its 4 x 4 kernel lies inside
    model.layers.lif4.activity.counts[0, 5, 0, 0] = 1  # one row and one column fall outside
    found = {name: value.item() for name, value in synops(model).items() if value}
    assert found == {"latent": 3 * 1568, "lif4": 16 + 9}


@pytest.mark.parametrize(
    ("layer", "length", "fan_out"),
    [
        # outputs 0 and 1 see inputs -1..1 and 1..3, in two channels
        (nn.Conv1d(1, 2, 3, stride=2, padding=1), 4, [2, 4, 2, 2]),
        # input i writes to 2 i - 1 .. 2 i + 1, of which 0 .. 2 are there
        (nn.ConvTranspose1d(1, 1, 3, stride=2, padding=1), 2, [2, 2]),
    ],
)
def test_neurons_at_a_border_have_fewer_connections(layer, length, fan_out):
    settings = Settings(steps=2, encoder=Encoder("current", 5.0), decoder=Decoder("last"))
    model = SpikingNetwork(OrderedDict(first=box(), layer=layer, output=LIBox()), settings)
    for number, connections in enumerate(fan_out):
        x = torch.zeros(1, 1, length)
        x[0, 0, number] = 1.0
        model(x)
        assert synops(model)["first"].item() == 2 * connections  # v = 0.5 > 0.1 in both steps


def test_the_penalty_is_its_weight_times_the_share_of_a_network_that_always_spikes():
    model = network(CHAINS["linear"])  # pixels: 72 x 5, hidden: 5 x 3 connections
    with torch.no_grad():
        model.layers.get_submodule("1").weight.zero_()
        model.layers.get_submodule("1").bias.fill_(5.0)
    model(torch.ones(2, *IMAGE))
    assert loss(model, Regularization(synops=7.0)).item() == pytest.approx(7.0)
    model(torch.zeros(2, *IMAGE))  # now only the hidden neurons spike, by their bias
    assert loss(model, Regularization(synops=7.0)).item() == pytest.approx(7 * 15 / 375)


def test_a_spike_with_twice_the_connections_has_twice_the_gradient():
    settings = Settings(steps=1, encoder=Encoder("current"), decoder=Decoder("last"))
    layer = nn.Conv1d(1, 2, 3, stride=2, padding=1)
    layers = OrderedDict(scale=nn.Identity(), first=box(), layer=layer, output=LIBox())
    model = SpikingNetwork(layers, settings)
    x = torch.zeros(1, 1, 4, requires_grad=True)
    model(x)
    loss(model, Regularization(synops=1.0)).backward()
    assert x.grad[0, 0, 0] > 0
    assert (x.grad[0, 0] / x.grad[0, 0, 0]).tolist() == [1, 2, 1, 1]


def test_training_with_it_leaves_fewer_operations():
    def operations(weight):
        """Behind the hidden layers; no weight changes what the pixels do."""
        model = SpikingAutoencoder(shape=(1, 8, 8), channels=(4, 4), latent=6, steps=6)
        plan = TrainingPlan(3, 8, 1e-2, regularization=Regularization(synops=weight))
        images = torch.rand((32, 1, 8, 8), generator=torch.Generator().manual_seed(0))
        train(model, images, plan)
        return sum(done.item() for name, done in synops(model).items() if name != "pixels")

    assert operations(30.0) < operations(0.0) / 2


def test_connections_are_counted_once_a_layer_and_anew_when_they_change():
    model, calls = network(CHAINS["linear"]), []
    dense = model.layers.get_submodule("1")
    dense.register_forward_hook(lambda *_: calls.append(1))
    for ran in (1, 2, 3):
        model(torch.ones(2, *IMAGE))
        synops_share(model)
        assert len(calls) == ran + 1  # a forward pass each, and one to count
    model.layers.out = nn.Linear(5, 11)
    model(torch.ones(1, *IMAGE))
    with torch.no_grad():
        model.layers.hidden.activity.counts.fill_(1.0)
    assert synops(model)["hidden"].item() == 5 * 11


def test_a_copy_counts_for_itself_and_nothing_outlives_the_model():
    gc.collect()  # networks of other tests
    before = len(counted._fan_outs)
    model = network(CHAINS["linear"])
    model(torch.ones(2, *IMAGE))
    names, first = list(model.state_dict()), synops_share(model).item()
    assert list(model.state_dict()) == names
    twin = copy.deepcopy(model)
    twin(torch.ones(2, *IMAGE))
    assert synops_share(twin).item() == first
    assert len(counted._fan_outs) == before + 4
    gone = weakref.ref(model.layers.hidden)
    del model, twin
    gc.collect()
    assert gone() is None
    assert len(counted._fan_outs) == before


def test_it_works_without_gradients_too():
    model = network(CHAINS["pool, then conv"])
    with torch.inference_mode():
        model(torch.ones(1, *IMAGE))
        inside = synops_share(model).item()
    model(torch.ones(1, *IMAGE))
    assert synops_share(model).item() == inside


def test_a_model_without_an_order_of_layers_is_refused():
    layer = LIFBox()
    layer(torch.ones(4, 2, 3))
    with pytest.raises(BadInput, match="order of the layers, which LIFBox does not say"):
        loss(layer, Regularization(synops=1.0))


def test_a_layer_whose_connections_are_unknown_is_refused_by_name():
    model = network([nn.MaxPool2d(2)])
    model(torch.ones(1, *IMAGE))
    with pytest.raises(Unsupported, match="after layer 'pixels': connections of MaxPool2d"):
        loss(model, Regularization(synops=1.0))


def test_a_network_without_a_synapse_behind_a_spike_is_refused():
    settings = Settings(steps=2, encoder=Encoder("current"), decoder=Decoder("rate"))
    model = SpikingNetwork(OrderedDict(dense=nn.Linear(3, 2), output=box()), settings)
    model(torch.ones(1, 3))
    with pytest.raises(BadInput, match="has a synapse after it"):
        loss(model, Regularization(synops=1.0))
