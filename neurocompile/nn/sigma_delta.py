"""Layers of a sigma-delta network that take a whole sequence: Delta, SigmaDelta and Sigma.

In:  values, or weighted messages, of every step, (T, N, ...), time first.
Out: messages, signed payloads of which 0 is none; or the potential of the readout.
The synapses before SigmaDelta and Sigma carry changes and must have no bias, which would be added
up in every step: the layer has it. Thresholds are not learned, biases are.

Gradients: a message is taken for the change of the activation, as if the threshold were 0 (as
lava-dl 0.6.0 does, slayer/axon/delta.py), and the number of messages for a smooth step at the
threshold, whose last crossing moves what a later change is measured against.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from neurocompile.errors import BadInput
from neurocompile.nn.changes import MessageSequence
from neurocompile.nn.layers import Neuron, PassActivity, Readout, SpikingNeuron
from neurocompile.nn.response import Reading
from neurocompile.nn.step import Coding


class ChangeParameters(NamedTuple):
    """Constants of a delta neuron.

    Attributes:
        v_th: Smallest change that is sent, units of the activation; a scalar or one per neuron.
    """

    v_th: Tensor | float


class SumParameters(NamedTuple):
    """Constants of a neuron that only adds up: none."""


def _learned(bias: Tensor | float) -> nn.Parameter:
    """A bias to begin with as a parameter: what is learned is a float32 tensor of its own."""
    return nn.Parameter(torch.as_tensor(bias).detach().clone().float())


class _Sender(SpikingNeuron):
    """What `Delta` and `SigmaDelta` have in common: messages are counted as spikes are."""

    adds_up: bool

    def __init__(
        self,
        threshold: Tensor | float,
        dt: float,
        surrogate_width: float,
        surrogate_gain: float,
    ):
        Neuron.__init__(self, ChangeParameters(threshold), dt)
        each = torch.as_tensor(threshold)
        if not each.numel():
            raise BadInput(
                f"{type(self).__name__}: threshold has no values. Give one number, or one per "
                "neuron."
            )
        least = float(each.min())
        if not least > 0:
            raise BadInput(
                f"{type(self).__name__}: threshold = {least:g}. Use a number above 0: with 0 every "
                "step sends a message."
            )
        if not surrogate_width > 0:
            raise BadInput(f"surrogate_width = {surrogate_width}. Use a number above 0.")
        self.surrogate_width, self.surrogate_gain = surrogate_width, surrogate_gain
        self.bias: Tensor | None = None

    def forward(self, current: Tensor, steps: int | None = None) -> Tensor:
        """Messages of a whole sequence.

        Args:
            current: Input of each step, (T, N, ...); or, with `steps`, one for all steps, (N, ...).
            steps: Number of steps T where the input is constant.

        Returns:
            Payloads, (T, N, ...); 0 is no message.
        """
        values = current if steps is None else current.expand(steps, *current.shape)
        coding = Coding(self.p.v_th, self.adds_up, self.surrogate_width, self.surrogate_gain)
        sent, counts = MessageSequence.apply(values, self.bias, coding)
        self.activity = PassActivity(counts, len(sent), self.unreset_potential)
        return sent

    def unreset_potential(self) -> Tensor:
        """Refused: these neurons have no reset that could be left out."""
        raise BadInput(
            f"{type(self).__name__}: a penalty on potentials has no meaning for a neuron that "
            "sends changes. Use spikes_l1, spikes_l2, band or synops, which count its messages."
        )


class Delta(_Sender):
    """Input of a sigma-delta network: sends by how much a value changed since it last sent.

    delta = x - sent;  where |delta| >= threshold: delta is sent, sent <- x.  At first sent = 0.
    """

    adds_up = False

    def __init__(
        self,
        threshold: Tensor | float,
        dt: float = 0.001,
        *,
        surrogate_width: float = 1.0,
        surrogate_gain: float = 1.0,
    ):
        """Hold the constants.

        Args:
            threshold: Smallest change that is sent, above 0; a scalar or one per neuron.
            dt: Length of a step, seconds.
            surrogate_width: Thresholds that count as 1 in the derivative of a message.
            surrogate_gain: Factor on that derivative.
        """
        super().__init__(threshold, dt, surrogate_width, surrogate_gain)


class SigmaDelta(_Sender):
    """Sigma-delta neuron with a ReLU: adds up messages, sends the changes of its activation.

    v <- v + x;  act = max(v, 0);  delta = act - sent;
    where |delta| >= threshold: delta is sent, sent <- act.  At first v = bias, sent = 0.
    """

    adds_up = True

    def __init__(
        self,
        threshold: Tensor | float,
        bias: Tensor | float | None = None,
        dt: float = 0.001,
        *,
        surrogate_width: float = 1.0,
        surrogate_gain: float = 1.0,
    ):
        """Hold the constants.

        Args:
            threshold: Smallest change that is sent, above 0; a scalar or one per neuron.
            bias: Bias to begin with, a scalar or of the shape of a sample (such as (C, 1, 1)); it
                is learned. None: there is none.
            dt: Length of a step, seconds.
            surrogate_width: Thresholds that count as 1 in the derivative of a message.
            surrogate_gain: Factor on that derivative.
        """
        super().__init__(threshold, dt, surrogate_width, surrogate_gain)
        self.bias = None if bias is None else _learned(bias)


class Sigma(Readout):
    """Readout of a sigma-delta network: v <- v + x; at first v = bias. Its potential is read."""

    def __init__(self, bias: Tensor | float | None = None, dt: float = 0.001):
        """Hold the constants.

        Args:
            bias: Bias to begin with, a scalar or of the shape of a sample; it is learned. None:
                there is none.
            dt: Length of a step, seconds.
        """
        Neuron.__init__(self, SumParameters(), dt)
        self.bias = None if bias is None else _learned(bias)

    @property
    def rest(self) -> Tensor:
        """The potential without input: the bias."""
        return torch.zeros(()) if self.bias is None else self.bias

    def weights(self, steps: int, reading: Reading) -> Tensor:
        """Weight of each step's input in the potential that is read, (T,)."""
        if reading == "last":
            return torch.ones(steps, dtype=torch.float64)
        return torch.arange(steps, 0, -1, dtype=torch.float64) / steps

    def forward(self, current: Tensor) -> Tensor:
        """Potentials of a whole sequence, (T, N, ...) -> (T, N, ...)."""
        trace = current.cumsum(0) + self.rest
        self.activity = PassActivity(None, len(trace), partial(trace.__getitem__, -1))
        return trace

    def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Add the input of one step; the state is the potential."""
        v = (self.rest if state is None else state) + x
        return v, v
