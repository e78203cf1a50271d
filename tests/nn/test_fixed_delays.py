"""A fixed delay of whole steps: in torch, in the graph, and in the messages that offer it."""

import numpy as np
import pytest
import torch
from norse import torch as norse
from torch import nn

import neurocompile as nc
from neurocompile.engines.floating import run_float
from neurocompile.errors import BadInput, Unsupported
from neurocompile.frontend.torch import trace
from neurocompile.ir.fixed import Synapse
from neurocompile.ir.nodes import Delay as DelayNode
from neurocompile.ir.nodes import Identity
from neurocompile.nn import Delay, LearnedDelay

EACH = torch.tensor([0, 3, 5, 1, 1])


def network(delay):
    torch.manual_seed(1)
    model = norse.SequentialState(
        *(nn.Linear(6, 5), norse.LIF(), delay, nn.Linear(5, 4, bias=False), norse.LIF())
    )
    for weight in (model[0].weight, model[3].weight):
        weight.data = weight.data.abs() * 8
    return model


def test_values_leave_whole_steps_later_and_zeros_come_before():
    x = torch.arange(1.0, 9.0).reshape(4, 1, 2)
    assert Delay(2)(x)[:, 0].tolist() == [[0, 0], [0, 0], [1, 2], [3, 4]]
    assert Delay(torch.tensor([0, 3]))(x)[:, 0].tolist() == [[1, 0], [3, 0], [5, 0], [7, 2]]
    assert not Delay(9)(x).any()


@pytest.mark.parametrize("steps", [-1, 63, 1.5, True, torch.tensor([1, 70]), torch.tensor([])])
def test_what_no_axon_holds_is_refused(steps):
    with pytest.raises(BadInput, match=r"Delay: steps = .* an axon delays by 0\.\.62 whole steps"):
        Delay(steps)


@pytest.mark.parametrize("steps", [4, 0, EACH])
def test_norses_network_with_it_has_norses_spikes_and_compiles(steps):
    model, x = network(Delay(steps)), (torch.rand(30, 2, 6) < 0.4).float()
    theirs = model(x)[0].detach().numpy()
    graph = trace(model, x)
    assert type(graph.nodes["2"]) is (DelayNode if np.any(np.asarray(steps)) else Identity)
    ours = run_float(graph, x.transpose(0, 1).numpy(), 30).spikes["4"]
    assert np.array_equal(ours, theirs.swapaxes(0, 1))
    assert theirs.sum() > 20
    (later,) = (s for n, s in nc.compile(graph, "loihi-sim").fixed_graph.of(Synapse) if n == "3")
    assert later.longest_delay == int(np.max(np.asarray(steps)))


class ByHand(nn.Module):
    """A delay that a user writes into one step: spikes wait in the state."""

    def __init__(self, added):
        super().__init__()
        self.f, self.g, self.added = nn.Linear(6, 5), nn.Linear(5, 4), added
        self.a, self.b = norse.LIFCell(), norse.LIFCell()

    def forward(self, x, state=None):
        a, b, kept = state or (None, None, (torch.zeros(x.shape[0], 5),) * 3)
        h, a = self.a(self.f(x), a)
        y, b = self.b(self.g(h + kept[-1] if self.added else kept[-1]), b)
        return y, (a, b, (h, *kept[:-1]))


class InALoop(ByHand):
    """The same in a loop over the steps."""

    def forward(self, x):
        a = b = None
        kept, out = [], []
        for t in range(x.shape[0]):
            h, a = self.a(self.f(x[t]), a)
            kept.append(h)
            y, b = self.b(self.g(kept[t - 3] if t >= 3 else torch.zeros(1, 5)), b)
            out.append(y)
        return torch.stack(out)


@pytest.mark.parametrize(
    ("model", "shape"), [(ByHand(False), (1, 6)), (ByHand(True), (1, 6)), (InALoop(0), (8, 1, 6))]
)
def test_a_delay_of_several_steps_by_hand_is_refused_with_the_layer_that_does_it(model, shape):
    with pytest.raises(Unsupported, match=r"delay of several steps is neurocompile\.nn\.Delay\("):
        trace(model, torch.zeros(shape))


@pytest.mark.parametrize("delay", [Delay(4), LearnedDelay(5, 4)])
@pytest.mark.parametrize("shape", [(1, 6), (8, 1, 6)])
def test_cells_around_a_delay_are_refused_in_one_message_with_the_layer_over_time(delay, shape):
    cells = (nn.Linear(6, 5), norse.LIFCell(), delay, nn.Linear(5, 4), norse.LIFCell())
    with pytest.raises(Unsupported, match=r"^layer '2' \(\w+\) takes all .* Use norse\.torch\.LIF"):
        trace(norse.SequentialState(*cells), torch.zeros(shape))


def test_delays_of_another_shape_than_arrives_are_refused():
    with pytest.raises(Unsupported, match=r"it has delays for \(1, 5\), but \(5,\) arrives"):
        trace(network(Delay(EACH[None])), torch.zeros(3, 1, 6))
