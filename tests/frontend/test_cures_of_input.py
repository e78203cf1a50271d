"""What a message offers where constant currents cannot enter is done, and compiles."""

import norse.torch as norse
import pytest
import torch
from torch import nn

import neurocompile as nc
from neurocompile.compiler import compile
from neurocompile.errors import Unsupported

LSNN = norse.LSNNParameters(tau_adapt_inv=torch.tensor(10.0))


class StillImage(nn.Module):
    """One layer of neurons, which sees the same values in every step."""

    def __init__(self, cell):
        super().__init__()
        self.fc, self.lif = nn.Linear(4, 3), cell

    def forward(self, x):
        state, spikes = None, []
        for _ in range(6):
            spike, state = self.lif(self.fc(x), state)
            spikes.append(spike)
        return torch.stack(spikes).sum(0)


@pytest.mark.parametrize("make", [norse.LIFCell, lambda: norse.LSNNCell(LSNN)])
def test_a_current_into_neurons_with_one_of_their_own_is_refused_with_cures_that_work(
    make, tmp_path
):
    path, example = tmp_path / "net.pt", torch.zeros(1, 4)
    model = StillImage(make())
    nc.save(model, path, example)
    with pytest.raises(Unsupported) as refused:
        compile(path, "loihi2-sim")
    for cure in (
        "neurons without a synaptic current (norse.torch.LIFBoxCell, snntorch.Leaky, ",
        "save the model again with Settings(encoder=Encoder('bernoulli'))",
    ):
        assert cure in str(refused.value)
    nc.save(model, path, example, settings=nc.Settings(encoder=nc.Encoder("bernoulli")))
    assert compile(path, "loihi2-sim").fixed_graph
    nc.save(StillImage(norse.LIFBoxCell()), path, example)
    assert compile(path, "loihi2-sim").fixed_graph
