"""What a training step of a neuron layer works with: constants, state over time, surrogate.

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
    """What stands for the derivative of a spike.

    surrogate: dz/dv = gain * H'((v - v_th) / width) / width, with H' of Norse's `threshold`.
    membrane:  dz/dv = 1 / |v_th - v_leak| where the neuron spiked, else 0 (the paper's
               membrane-potential backpropagation).

    Attributes:
        backprop: One of the two above.
        width: Membrane units that count as 1 in Norse's surrogate; 1 is Norse's own.
        gain: Factor on the derivative; 1 is Norse's own.
        through_reset: Whether the gradient also passes through the reset, as in Norse's step.
    """

    backprop: Backprop = "surrogate"
    width: float = 1.0
    gain: float = 1.0
    through_reset: bool = False


class Constants(NamedTuple):
    """A neuron's constants as its step uses them, each a scalar or one value a neuron.

    Attributes:
        mem_rate: dt * tau_mem_inv, share of the distance to rest covered in a step.
        syn_rate: dt * tau_syn_inv, share of the current lost in a step; None without current.
        v_leak: Resting potential, membrane units.
        v_th: Threshold, membrane units.
        v_reset: Potential after a spike, membrane units.
        subtract: Whether a spike takes v_th off v instead.
        method: Name of Norse's surrogate.
        alpha: Its parameter (Norse 1.1.0 ignores it in "super").
        distance: |v_th - v_leak|, 1 where that is 0.
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


class Trace(NamedTuple):
    """State of a layer over time.

    Attributes:
        spikes: (T, N, ...) 0 or 1, in the input's type.
        before: (T, N, ...) membrane potential before the reset; where not kept, (1, N, ...) of
            the last step.
        after: (N, ...) membrane potential after the last step.
        counts: (N, ...) spikes over all steps, in the input's type.
    """

    spikes: Tensor
    before: Tensor
    after: Tensor
    counts: Tensor
