"""The exact form of a maximum pool of spikes, which the refusal of MaxPool names."""

import norse.torch as norse
import pytest
import torch
from torch import nn

import neurocompile as nc
from neurocompile.data.inputs import Encoded
from neurocompile.engines import fixed
from neurocompile.errors import Unsupported
from neurocompile.frontend.torch import trace
from neurocompile.ir.fixed import CubaLIF
from neurocompile.ir.neurons import Neuron
from neurocompile.ir.shapes import shapes

STEPS = 12
POOLS = {
    "two axes": (nn.MaxPool2d(2), nn.LPPool2d(1, 2), (2, 6, 6)),
    "windows that overlap": (nn.MaxPool2d(3, 2), nn.LPPool2d(1, 3, 2), (2, 7, 7)),
    "one axis": (nn.MaxPool1d(4), nn.LPPool1d(1, 4), (3, 8)),
}


@pytest.fixture(params=POOLS)
def case(request):
    """The maximum pool, the form that the refusal names, and spikes of 20 % of the inputs."""
    pool, total, shape = POOLS[request.param]
    fires_at_any = norse.IAFCell(norse.IAFParameters(v_th=0.5))
    spikes = torch.rand(STEPS, 5, *shape, generator=torch.Generator().manual_seed(3)) < 0.2
    return pool, norse.SequentialState(total, fires_at_any), spikes.float()


def maxima(pool, spikes):
    """(n, steps, ...) maxima, which are neither all 0 nor all 1."""
    expected = torch.stack([pool(now) for now in spikes]).transpose(0, 1)
    assert 0.1 < expected.mean() < 0.9
    return expected


def test_the_module_gives_the_maximum_spike_by_spike_in_the_same_step(case):
    pool, form, spikes = case
    state, fired = None, []
    for now in spikes:
        out, state = form(now, state)
        fired.append(out)
    assert torch.equal(torch.stack(fired).transpose(0, 1), maxima(pool, spikes))


def test_the_chips_integers_give_the_same_spikes_in_the_same_step(case):
    pool, form, spikes = case
    compiled = nc.compile(
        form, "loihi-sim", example_input=spikes[0], settings=nc.Settings(steps=STEPS)
    )
    graph = compiled.fixed_graph
    (name,) = (name for name, _ in graph.of(CubaLIF))
    encoded = Encoded({"input": spikes.transpose(0, 1).numpy().astype("uint8")}, STEPS)
    fired = fixed.run(graph, encoded).recording.spikes[name]
    assert torch.equal(torch.from_numpy(fired).float(), maxima(pool, spikes))


def test_it_costs_one_more_neuron_per_output_of_the_pool(case):
    pool, form, spikes = case
    graph = trace(form, spikes[0])
    (neurons,) = (shape for name, shape in shapes(graph).items() if name in dict(graph.of(Neuron)))
    assert neurons == pool(spikes[0]).shape[1:]


class Functional(nn.Module):
    def forward(self, x):
        return nn.functional.max_pool2d(x, 2)


@pytest.mark.parametrize(
    ("pool", "shape", "form"),
    [
        (nn.MaxPool1d(2), (1, 8), "LPPool1d"),
        (nn.MaxPool2d(2), (1, 8, 8), "LPPool2d"),
        (Functional(), (1, 8, 8), "LPPool2d"),
    ],
)
def test_the_refusal_names_the_exact_form_and_its_cost(pool, shape, form):
    with pytest.raises(Unsupported) as caught:
        trace(norse.SequentialState(norse.IAFCell(), pool, norse.IAFCell()), torch.zeros(1, *shape))
    said = str(caught.value)
    assert f"torch.nn.{form}(1, kernel, stride)" in said
    assert "norse.torch.IAFCell(norse.torch.IAFParameters(v_th=0.5))" in said
    assert "one more neuron per output of the pool" in said
