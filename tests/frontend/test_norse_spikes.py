"""A traced graph spikes as Norse does: float64 against an independent run in numpy."""

import norse.torch as norse
import numpy as np
import pytest
import torch
from norse.torch.functional.reset import reset_subtract, reset_value
from torch import nn

from neurocompile.frontend.torch import trace
from neurocompile.ir.linear import full_bias, matrix
from neurocompile.ir.neurons import Neuron, StepParameters, step_parameters
from neurocompile.ir.nodes import Input, LinearMap
from neurocompile.ir.ops import NumpyOps
from neurocompile.ir.shapes import shapes

STEPS = 40


def run_in_numpy(graph, spikes):
    """Output of every neuron layer, (steps, *shape), one step of one sample at a time."""
    shape = shapes(graph)
    maps = {
        name: (
            matrix(node, shape[graph.before(name)[0]]).astype(np.float64),
            full_bias(node, shape[graph.before(name)[0]]),
        )
        for name, node in graph.of(LinearMap)
    }
    state = {
        name: tuple(
            np.broadcast_to(np.float64(node.v_leak), shape[name]) if s == "v" else 0.0
            for s in node.state_names
        )
        for name, node in graph.of(Neuron)
    }
    out = {name: [] for name in state}
    for x in spikes:
        flow = {}
        for name, node in graph.nodes.items():
            if isinstance(node, Input):
                flow[name] = x
                continue
            (before,) = graph.before(name)
            if name in state:
                parameters = StepParameters(**step_parameters(node, graph.settings.dt))
                done = node.step(NumpyOps(), state[name], flow[before], parameters)
                state[name], flow[name] = done.state, done.out * 1.0
                out[name].append(flow[name])
            else:
                weights, bias = maps[name]
                y = weights @ flow[before].ravel()
                flow[name] = (y if bias is None else y + bias).reshape(shape[name])
    return {name: np.array(steps) for name, steps in out.items()}


def run_in_norse(model, spikes):
    """Output of every cell, (steps, *shape), watched by hooks."""
    model = model.double().eval()
    out = {}
    for name, module in model.named_modules():
        if isinstance(module, norse.module.snn.SNNCell):
            seen = out[name] = []
            module.register_forward_hook(lambda m, i, o, seen=seen: seen.append(o[0][0].numpy()))
    state = None
    with torch.no_grad():
        for x in torch.from_numpy(spikes):
            _, state = model(x[None], state)
    return {name: np.array(steps) for name, steps in out.items()}


def random_neuron(rng, kind, shape):
    """A cell with constants of the layer or of each neuron, float32 or float64."""
    dtype = rng.choice([torch.float32, torch.float64])

    def constant(low, high):
        size = shape if rng.random() < 0.3 else ()
        return torch.as_tensor(rng.uniform(low, high, size)).to(dtype)

    # Norse cells start at v_leak as they hold it, and broadcast over the batch
    mem, syn = constant(20, 900), constant(20, 900)
    leak, reset, threshold = constant(-0.2, 0.1), constant(-0.3, 0.1), constant(0.15, 0.5)
    if kind == "lif":
        return norse.LIFCell(norse.LIFParameters(syn, mem, leak, threshold, reset))
    if kind == "lifbox":
        method = [reset_value, reset_subtract][rng.integers(2)]
        return norse.LIFBoxCell(
            norse.LIFBoxParameters(mem, leak, threshold, reset, reset_method=method)
        )
    if kind == "li":
        return norse.LICell(norse.LIParameters(syn, mem, leak))
    return norse.LIBoxCell(norse.LIBoxParameters(mem, leak))


def image_layers(rng, channels):
    """One layer of every kind that takes an image of 2 axes, with random geometry."""
    k, s, d = int(rng.integers(1, 4)), int(rng.integers(1, 3)), int(rng.integers(1, 3))
    bias = bool(rng.integers(2))
    return {
        "conv": nn.Conv2d(channels, 4, k, s, padding=int(rng.integers(3)), dilation=d, bias=bias),
        "same": nn.Conv2d(channels, 4, 3, padding="same", dilation=d, bias=bias),
        "grouped": nn.Conv2d(channels, 4, (2, 3), padding="valid", groups=2, bias=bias),
        "transposed": nn.ConvTranspose2d(
            channels, 4, (3, 2), stride=2, padding=(1, 0), output_padding=(1, 0), groups=2
        ),
        "average": nn.AvgPool2d(2, padding=1, count_include_pad=bias),
        "average, cut off": nn.AvgPool2d((2, 3), stride=(2, 1)),
        "sum": nn.LPPool2d(1, (2, 1)),
        "upsample": nn.Upsample(scale_factor=2, mode="nearest"),
        "upsample by axis": nn.Upsample(scale_factor=(1, 3)),
        "nothing": nn.Sequential(nn.Identity(), nn.Dropout(0.5)),
    }


def line_layers(rng, channels):
    """One layer of every kind that takes a line of 1 axis."""
    d, bias = int(rng.integers(1, 3)), bool(rng.integers(2))
    return {
        "conv": nn.Conv1d(channels, 4, 3, stride=2, padding=1, dilation=d, groups=2, bias=bias),
        "same": nn.Conv1d(channels, 4, 5, padding="same"),
        "transposed": nn.ConvTranspose1d(
            channels, 4, 3, stride=2, padding=1, output_padding=1, dilation=d, bias=bias
        ),
        "average": nn.AvgPool1d(3, stride=2, padding=1, count_include_pad=bias),
        "sum": nn.LPPool1d(1, 2, stride=1),
        "upsample": nn.Upsample(scale_factor=3),
        "nothing": nn.Dropout1d(),
    }


def random_network(kind, layers, sample, seed):
    """layer, neurons, Flatten, Linear, neurons, Unflatten, neurons, Flatten, Linear, readout."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    layer = layers(rng, sample[0])[kind]
    with torch.no_grad():
        shape = tuple(layer(torch.zeros(1, *sample)).shape[1:])
        size = int(np.prod(shape))
        spiking = [["lif", "lifbox"][i] for i in rng.integers(2, size=3)]
        model = norse.SequentialState(
            layer,
            random_neuron(rng, spiking[0], shape),
            nn.Flatten(),
            nn.Linear(size, 6),
            random_neuron(rng, spiking[1], (6,)),
            nn.Unflatten(1, (2, 3)),
            nn.Linear(3, 4, bias=False),
            random_neuron(rng, spiking[2], (2, 4)),
            nn.Flatten(),
            nn.Linear(8, 3),
            random_neuron(rng, ["li", "libox"][rng.integers(2)], (3,)),
        )
        for weight in model.parameters():  # as large as makes every layer spike
            weight.mul_(3)
    return model, (rng.random((STEPS, *sample)) < 0.4).astype(np.float64)


def kinds_of(layers):
    return sorted(layers(np.random.default_rng(0), 4))


def expect_the_same_spikes(model, spikes):
    graph = trace(model, torch.zeros(2, *spikes.shape[1:]))
    ours, theirs = run_in_numpy(graph, spikes), run_in_norse(model, spikes)
    assert list(ours) == list(theirs)
    *spiking, readout = ours
    for name in spiking:
        assert np.array_equal(ours[name], theirs[name]), name
    np.testing.assert_allclose(ours[readout], theirs[readout], rtol=1e-9, atol=1e-12)
    return sum(int(ours[name].sum()) for name in spiking)


@pytest.mark.parametrize("kind", kinds_of(image_layers))
def test_networks_over_images_spike_as_in_norse(kind):
    total = 0
    for seed in range(5):
        total += expect_the_same_spikes(*random_network(kind, image_layers, (4, 5, 6), seed))
    assert total > 1000


@pytest.mark.parametrize("kind", kinds_of(line_layers))
def test_networks_over_lines_spike_as_in_norse(kind):
    total = 0
    for seed in range(5):
        total += expect_the_same_spikes(*random_network(kind, line_layers, (4, 7), seed))
    assert total > 1000
