"""The data of a training step of a neuron layer: constants, state over time, surrogate.

In:  nothing.
Out: the types that the loop over time (`bptt`) and its compiled form (`fused`) share.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from torch import Tensor

Backprop = Literal["surrogate", "membrane"]


@dataclass(frozen=True, eq=False)
class Surrogate:
    """Replacement for the derivative of a spike.

    surrogate: dz/dv = gain * H'((v - v_th) / width) / width, with H' of Norse's `threshold`.
    membrane:  dz/dv = 1 / |v_th - v_leak| where the neuron spiked, else 0 (the paper's
               membrane-potential backpropagation).

    Attributes:
        backprop: Rule for the derivative, one of the two above.
        width: Membrane units that count as 1 in Norse's surrogate; 1 is Norse's own.
        gain: Factor on the derivative; 1 is Norse's own.
        through_reset: Whether the gradient also passes through the reset, as in Norse's step.
        straight_leak: Whether the leak is left out of the gradient: dv[t] / dv[t-1] is 1 between
            spikes, in place of 1 - r.
    """

    backprop: Backprop = "surrogate"
    width: float = 1.0
    gain: float = 1.0
    through_reset: bool = False
    straight_leak: bool = False


class Constants(NamedTuple):
    """A neuron's constants as its step uses them, each a scalar or one value per neuron.

    Attributes:
        mem_rate: Share of the distance to rest that a step covers, dt * tau_mem_inv.
        syn_rate: Share of the current lost per step, dt * tau_syn_inv; None without current.
        v_leak: Resting potential, membrane units.
        v_th: Threshold, membrane units.
        v_reset: Potential after a spike, membrane units.
        subtract: Whether a spike subtracts v_th from v instead.
        method: Name of Norse's surrogate.
        alpha: Parameter of the surrogate (Norse 1.1.0 ignores it in "super").
        distance: Distance |v_th - v_leak|, 1 where that is 0.
        flips: Whether a potential below -v_th becomes v_th before it is compared with it.
    """

    mem_rate: Tensor
    syn_rate: Tensor | None
    v_leak: Tensor
    v_th: Tensor
    v_reset: Tensor
    subtract: bool
    method: str
    alpha: Tensor
    distance: Tensor
    flips: bool = False


class Trace(NamedTuple):
    """State of a layer over time.

    Attributes:
        spikes: Spikes of every step, (T, N, ...) 0 or 1, in the input's type.
        before: Membrane potential before the flip and the reset, (T, N, ...); where not kept,
            (1, N, ...) of the last step.
        after: Membrane potential after the last step, (N, ...).
        counts: Number of spikes over all steps, (N, ...), in the input's type.
    """

    spikes: Tensor
    before: Tensor
    after: Tensor
    counts: Tensor


class Coding(NamedTuple):
    """How a layer turns values into messages.

    Attributes:
        threshold: Smallest change that is sent, a scalar or one per neuron.
        adds_up: Whether its input is added up and rectified (SigmaDelta), or is the value (Delta).
        width: Thresholds that count as 1 in the derivative of the number of messages.
        gain: Factor on that derivative.
    """

    threshold: Tensor
    adds_up: bool
    width: float
    gain: float
