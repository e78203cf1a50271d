"""Spiking layers that remember their spikes: LIFRefrac, LSNN, ALIF.

In:  input current of every step, (T, N, ...), time first.
Out: spikes, (T, N, ...). LIFRefrac and LSNN equal Norse's feed-forward steps; ALIF is lava-dl's
     neuron, whose integers are those of Lava's ATRLIF.
The options of `SpikingNeuron` set how gradients pass. Those through an adapting threshold always
pass; `reset_gradient` also lets them through the reset and the refractory state.
"""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import torch
from norse.torch.functional.lif_refrac import LIFRefracParameters
from norse.torch.functional.lsnn import LSNNParameters
from torch import Tensor

from neurocompile.nn.layers import SpikingNeuron
from neurocompile.nn.remember import Remembering, RememberingSequence, trace
from neurocompile.nn.response import Reading
from neurocompile.nn.step import Trace

NONE = torch.zeros(())


class RefractoryParameters(NamedTuple):
    """Norse's LIFRefracParameters without their nesting.

    Attributes:
        tau_syn_inv, tau_mem_inv: Inverse time constants, 1/s.
        v_leak, v_th, v_reset: Potentials, membrane units.
        rho_reset: Steps in which a neuron is held after a spike.
        method, alpha: Norse's surrogate and its parameter.
    """

    tau_syn_inv: Tensor
    tau_mem_inv: Tensor
    v_leak: Tensor
    v_th: Tensor
    v_reset: Tensor
    rho_reset: Tensor
    method: str
    alpha: Tensor


class ALIFParameters(NamedTuple):
    """Constants of an ALIF; each is a scalar or has the shape of a sample.

    Attributes:
        tau_syn_inv, tau_mem_inv: Inverse time constants of current and potential, 1/s.
        tau_adapt_inv, tau_refrac_inv: Those of threshold and refractory state, 1/s.
        v_leak, v_th: Potentials, membrane units; v_th is the threshold at rest.
        beta: Amount that a spike adds to the threshold, membrane units.
        method, alpha: Norse's surrogate and its parameter.
    """

    tau_syn_inv: Tensor = torch.tensor(200.0)
    tau_mem_inv: Tensor = torch.tensor(100.0)
    tau_adapt_inv: Tensor = torch.tensor(10.0)
    tau_refrac_inv: Tensor = torch.tensor(100.0)
    v_leak: Tensor = torch.tensor(0.0)
    v_th: Tensor = torch.tensor(1.0)
    beta: Tensor = torch.tensor(0.5)
    method: str = "super"
    alpha: float = 100.0


class RememberingNeuron(SpikingNeuron):
    """A layer whose spikes leave more than a reset."""

    sequence: ClassVar[Any] = RememberingSequence

    def constants(self) -> Any:
        """The constants as the step uses them; what a neuron does not have is 0."""
        p, dt = self.p, self.dt
        refractory = hasattr(p, "tau_refrac_inv")
        return Remembering(
            mem_rate=dt * p.tau_mem_inv,
            syn_rate=dt * p.tau_syn_inv,
            v_leak=p.v_leak,
            v_th=p.v_th,
            v_reset=getattr(p, "v_reset", NONE),
            adapt_rate=dt * getattr(p, "tau_adapt_inv", NONE),
            refrac_rate=dt * getattr(p, "tau_refrac_inv", NONE),
            beta=getattr(p, "beta", NONE),
            twice=torch.tensor(2.0) if refractory else NONE,
            hold=getattr(p, "rho_reset", NONE),
            resets=not refractory,
            late=self.late,
            method=p.method,
            alpha=p.alpha,
            distance=self.distance,
        )

    late: ClassVar[bool] = False

    def trace(self, current: Tensor, steps: int | None = None) -> Trace:
        """Spikes and potentials without gradient; arguments as in `forward`."""
        with torch.no_grad():
            return trace(current, steps, self.constants())


class LIFRefrac(RememberingNeuron):
    """Leaky integrate-and-fire with a refractory period; Norse's `lif_refrac_feed_forward_step`.

    A gradient goes through v, and none through rho, where Norse's surrogate lets one pass.

    i <- i + x;  where rho > 0, v stays and rho <- rho - 1; elsewhere
    v <- v + dt tau_mem_inv (v_leak - v + i);  i <- i - dt tau_syn_inv i;
    z = v > v_th;  then v <- v_reset, rho <- rho_reset where z.
    """

    def __init__(self, p: LIFRefracParameters | None = None, dt: float = 0.001, **options: Any):
        given = LIFRefracParameters() if p is None else p
        own = {**given.lif._asdict(), "rho_reset": given.rho_reset}
        fields = RefractoryParameters._fields
        super().__init__(RefractoryParameters(**{n: own[n] for n in fields}), dt, **options)


class LSNN(RememberingNeuron):
    """Leaky integrate-and-fire with an adapting threshold b; Norse's `lsnn_feed_forward_step`.

    v <- v + dt tau_mem_inv (v_leak - v + i);  i <- i - dt tau_syn_inv i + x;
    b <- b + dt tau_adapt_inv (v_th - b);  z = v > b;  then v <- v_reset, b <- b + beta where z.
    The current reaches v a step later than in `LIF`.
    """

    late: ClassVar[bool] = True

    def __init__(self, p: LSNNParameters | None = None, dt: float = 0.001, **options: Any):
        super().__init__(LSNNParameters() if p is None else p, dt, **options)

    def weights(self, steps: int, reading: Reading) -> Tensor:
        """Weight of each step's current in the unreset potential, which takes it a step later."""
        at_once = super().weights(steps, reading)
        return torch.cat([at_once[1:], torch.zeros_like(at_once[:1])])


class ALIF(RememberingNeuron):
    """Leaky integrate-and-fire with an adapting threshold and a refractory state; lava-dl's ALIF.

    i <- i + x;  v <- v + dt tau_mem_inv (v_leak - v + i);  i <- i - dt tau_syn_inv i;
    theta <- theta + dt tau_adapt_inv (v_th - theta);  r <- r - dt tau_refrac_inv r;
    z = v - r >= theta;  then r <- r + 2 theta, theta <- theta + beta where z.
    """

    def __init__(self, p: ALIFParameters | None = None, dt: float = 0.001, **options: Any):
        super().__init__(ALIFParameters() if p is None else p, dt, **options)
