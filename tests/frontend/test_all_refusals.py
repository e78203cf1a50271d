"""A network with several unsupported things gets one answer that lists them all."""

import norse.torch as norse
import pytest
import torch
from torch import nn

from neurocompile.errors import BadInput, Unsupported
from neurocompile.frontend.torch import trace

LAYERS = [
    "layer 'conv' (Conv2d): padding_mode 'circular' is not supported. Use padding_mode='zeros'.",
    "layer 'norm' is a GroupNorm, which is not supported. It normalizes by",
    "layer 'first' is a LIFAdExCell, which is not supported. Its dynamics",
    "layer 'pool' is a MaxPool2d, which is not supported. A maximum is not",
    "operation 'sigmoid' in the forward of ",
]


class OneStep(nn.Module):
    """Five things that no rule covers, in a forward of one step."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1, padding_mode="circular")
        self.norm = nn.GroupNorm(2, 4)
        self.first = norse.LIFAdExCell()
        self.pool = nn.MaxPool2d(2)
        self.fc = nn.Linear(36, 5)
        self.lif = norse.LIFCell()

    def forward(self, x, state=None):
        s1, s2 = state or (None, None)
        z, s1 = self.first(self.norm(self.conv(x)), s1)
        z = self.pool(z).flatten(1)
        z, s2 = self.lif(torch.sigmoid(self.fc(z)), s2)
        return z, (s1, s2)


class OverTime(OneStep):
    """The same in a loop over time."""

    def forward(self, x):
        state, outs = None, []
        for now in x:
            z, state = super().forward(now, state)
            outs.append(z)
        return torch.stack(outs)


@pytest.mark.parametrize(("model", "shape"), [(OneStep, (1,)), (OverTime, (5, 1))])
def test_five_unsupported_things_are_listed_at_once_with_layer_and_cure(model, shape):
    with pytest.raises(Unsupported) as caught:
        trace(model(), torch.zeros(*shape, 1, 6, 6))
    first, *listed = str(caught.value).splitlines()
    assert first == "5 things in this network are not supported:"
    assert len(listed) == 5
    for line, words in zip(listed, LAYERS, strict=True):
        assert line.startswith(f"- {words}")
        assert "se " in line  # Use or use: a cure


def test_a_thing_that_is_used_twice_is_listed_once():
    pool = nn.MaxPool1d(2)
    model = norse.SequentialState(nn.Conv1d(1, 1, 1), pool, pool, nn.ReLU6())
    with pytest.raises(Unsupported) as caught:
        trace(model, torch.zeros(1, 1, 8))
    assert str(caught.value).startswith("2 things in this network are not supported:\n- layer '1'")


def test_one_unsupported_thing_is_said_in_its_own_words():
    with pytest.raises(Unsupported, match=r"^layer '1' \(MaxPool1d\): it takes the maximum"):
        trace(norse.SequentialState(nn.Conv1d(1, 1, 1), nn.MaxPool1d(2)), torch.zeros(1, 1, 8))


def test_what_is_only_wrong_because_of_a_refusal_is_not_said():
    # the LSTM's output is a pair of another shape than the Linear behind it takes
    model = norse.SequentialState(nn.Conv1d(1, 1, 1), nn.LSTM(8, 3), nn.Linear(7, 2))
    with pytest.raises(Unsupported, match=r"^layer '1' is a LSTM"):
        trace(model, torch.zeros(1, 1, 8))


def test_bad_input_alone_stays_bad_input():
    with pytest.raises(BadInput, match="cannot take the shape"):
        trace(norse.SequentialState(nn.Linear(8, 3), nn.Linear(7, 2)), torch.zeros(1, 8))
