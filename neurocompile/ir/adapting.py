"""The FLOAT vocabulary, neurons that remember their spikes; and the list of all its neurons.

In:  parameters as in `neurons.py`.
Out: one class and one step each; each has a neuron of the chip with the same step in integers.

Source: norse 1.1.0, norse/torch/functional/{lif_refrac,lsnn}.py. ALIF is lava-dl's, as
lava-nc 0.10.0 computes it, lava/proc/atrlif/models.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from neurocompile.ir.arrays import Array, freeze_fields
from neurocompile.ir.neurons import Neuron, Step


@dataclass(frozen=True, eq=False)
class LIFRefrac(Neuron):
    """LIF with synaptic current and an absolute refractory period.

    i <- i + in;  where rho > 0, v stays and rho <- rho - 1;  elsewhere
    v <- v + dt tau_mem_inv ((v_leak - v) + i);  z = v > v_th;  then where z, v <- v_reset and
    rho <- rho_reset;  i <- i - dt tau_syn_inv i.  At the start v = v_leak, i = rho = 0.

    Attributes:
        tau_syn_inv, tau_mem_inv: Inverse time constants, 1/s.
        v_leak, v_th, v_reset: Potentials, membrane units.
        rho_reset: Steps in which a neuron is held after a spike; a fraction counts as one more.
    """

    tau_syn_inv: Array
    tau_mem_inv: Array
    v_leak: Array
    v_th: Array
    v_reset: Array
    rho_reset: Array

    state_names: ClassVar[tuple[str, ...]] = ("v", "i", "rho")
    spiking: ClassVar[bool] = True
    start: ClassVar[str | None] = "v_leak"

    def __post_init__(self) -> None:
        freeze_fields(self, None, "tau_syn_inv", "tau_mem_inv", "v_leak", "v_th", "v_reset")
        freeze_fields(self, None, "rho_reset")

    def step(self, ops: Any, state: tuple[Any, ...], x: Any, p: Any) -> Step:
        """One step; `p` holds this neuron's parameters in the number type of `ops`."""
        v, i, rho = state
        i = i + x
        held = rho > 0
        u = ops.where(held, v, v + p.mem_leak * ((p.v_leak - v) + i))
        z = ops.where(held, p.v_th, u) > p.v_th
        rho = ops.where(z, p.rho_reset, ops.where(held, rho - 1, rho))
        return Step((ops.where(z, p.v_reset, u), i - p.syn_leak * i, rho), z)


@dataclass(frozen=True, eq=False)
class LSNN(Neuron):
    """LIF with synaptic current whose threshold b rises with every spike.

    v <- v + dt tau_mem_inv ((v_leak - v) + i);  i <- i - dt tau_syn_inv i + in;
    b <- b + dt tau_adapt_inv (v_th - b);  z = v > b;  then where z, v <- v_reset and
    b <- b + beta.  At the start v = v_leak, i = 0, b = v_th.
    The current reaches v a step later than in `LIF`.

    Attributes:
        tau_syn_inv, tau_mem_inv: Inverse time constants, 1/s.
        tau_adapt_inv: Inverse time constant of the threshold, 1/s; with 0 it never falls.
        v_leak, v_th, v_reset: Potentials, membrane units; v_th is the threshold at rest.
        beta: Amount that a spike adds to the threshold, membrane units.
    """

    tau_syn_inv: Array
    tau_mem_inv: Array
    tau_adapt_inv: Array
    v_leak: Array
    v_th: Array
    v_reset: Array
    beta: Array

    state_names: ClassVar[tuple[str, ...]] = ("v", "i", "b")
    spiking: ClassVar[bool] = True
    start: ClassVar[str | None] = "v_leak"
    rest: ClassVar[Mapping[str, str]] = {"b": "v_th"}
    current_is_late: ClassVar[bool] = True

    def __post_init__(self) -> None:
        freeze_fields(self, None, "tau_syn_inv", "tau_mem_inv", "tau_adapt_inv")
        freeze_fields(self, None, "v_leak", "v_th", "v_reset", "beta")

    def step(self, ops: Any, state: tuple[Any, ...], x: Any, p: Any) -> Step:
        """One step; `p` holds this neuron's parameters in the number type of `ops`."""
        v, i, b = state
        v = v + p.mem_leak * ((p.v_leak - v) + i)
        b = b + p.adapt_leak * (p.v_th - b)
        z = v > b
        after = ops.where(z, p.v_reset, v), i - p.syn_leak * i + x, ops.where(z, b + p.beta, b)
        return Step(after, z)


@dataclass(frozen=True, eq=False)
class ALIF(Neuron):
    """LIF with synaptic current, a threshold theta that rises, and a refractory state r.

    i <- i + in;  v <- v + dt tau_mem_inv ((v_leak - v) + i);
    theta <- theta + dt tau_adapt_inv (v_th - theta);  r <- r - dt tau_refrac_inv r;
    z = v - r >= theta;  then where z, r <- r + 2 theta and theta <- theta + beta;
    i <- i - dt tau_syn_inv i.  At the start v = v_leak, i = r = 0, theta = v_th.
    A spike leaves v as it is. theta in the first of these is the one before it rises.

    Attributes:
        tau_syn_inv, tau_mem_inv: Inverse time constants, 1/s.
        tau_adapt_inv, tau_refrac_inv: Those of theta and r, 1/s; with 0 they never decay.
        v_leak, v_th: Potentials, membrane units; v_th is the threshold at rest.
        beta: Amount that a spike adds to the threshold, membrane units.
    """

    tau_syn_inv: Array
    tau_mem_inv: Array
    tau_adapt_inv: Array
    tau_refrac_inv: Array
    v_leak: Array
    v_th: Array
    beta: Array

    state_names: ClassVar[tuple[str, ...]] = ("v", "i", "theta", "r")
    spiking: ClassVar[bool] = True
    start: ClassVar[str | None] = "v_leak"
    rest: ClassVar[Mapping[str, str]] = {"theta": "v_th"}

    def __post_init__(self) -> None:
        freeze_fields(self, None, "tau_syn_inv", "tau_mem_inv", "tau_adapt_inv", "tau_refrac_inv")
        freeze_fields(self, None, "v_leak", "v_th", "beta")

    def step(self, ops: Any, state: tuple[Any, ...], x: Any, p: Any) -> Step:
        """One step; `p` holds this neuron's parameters in the number type of `ops`."""
        v, i, theta, r = state
        i = i + x
        v = v + p.mem_leak * ((p.v_leak - v) + i)
        theta = theta + p.adapt_leak * (p.v_th - theta)
        r = r - p.refrac_leak * r
        above = v - r
        z = ops.where(theta > above, v * 0, v * 0 + 1) > 0  # >=, of which `ops` has no other form
        after = ops.where(z, theta + p.beta, theta), ops.where(z, r + 2 * theta, r)
        return Step((v, i - p.syn_leak * i, *after), z)


NEURONS: tuple[type[Neuron], ...] = tuple(Neuron.__subclasses__())  # these and `neurons.py`'s
