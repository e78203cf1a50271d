"""The FLOAT vocabulary, neurons: Norse's forward Euler steps, one class and one step each.

Further neurons are in `adapting.py`, which lists all of them.

Leaks are written as Norse holds them: dt * tau_inv, a product in the precision of tau_inv.
A step is written once, over `ops` (see `ops.py`); numpy, torch and the ONNX emitter run it.
Every parameter has the shape () for one value per layer, or the layer's for one per neuron.

Source: norse 1.1.0, norse/torch/functional/{lif,lif_box,iaf,leaky_integrator,
leaky_integrator_box}.py; the Integrator is NIR's I; sigma-delta neurons name theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from neurocompile.ir.arrays import LATER, Array, freeze_fields, frozen

Reset = Literal["zero", "subtract"]


class Step(NamedTuple):
    """Result of one step.

    Attributes:
        state: Registers after the step, in the order of `state_names`.
        out: Spikes of a spiking neuron, their payloads where they carry any, or the membrane
            potential of a readout.
    """

    state: tuple[Any, ...]
    out: Any


class Neuron:
    """Base of every neuron of the FLOAT vocabulary: registers, a start, and its own step.

    A subclass is a frozen dataclass whose arrays are its parameters.

    Attributes:
        state_names: Names of its registers; the first is the membrane potential, "v".
        spiking: Whether it sends spikes; a readout sends its potential.
        graded: Whether its spikes carry payloads, real numbers, of which 0 is no spike.
        start: Name of the parameter that v equals before the first step; None where v is 0.
            Every other state is 0 then, but for those in `rest`.
        rest: By further state, the parameter that it starts from; others start at 0.
        current_is_late: Whether v takes the synaptic current as it was before a step's input.
        reset: How a spike changes v; a field only of the classes that offer a choice.
    """

    state_names: ClassVar[tuple[str, ...]]
    spiking: ClassVar[bool]
    graded: ClassVar[bool] = False
    start: ClassVar[str | None]
    rest: ClassVar[Mapping[str, str]] = {}
    current_is_late: ClassVar[bool] = False
    reset: Reset = "zero"

    def step(self, ops: Any, state: tuple[Any, ...], x: Any, p: Any) -> Step:
        """One step; `p` holds this neuron's parameters in the number type of `ops`."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class LIF(Neuron):
    """Leaky integrate-and-fire neuron with synaptic current.

    tau_mem dv/dt = v_leak - v + i;  tau_syn di/dt = -i;  a step:
    i <- i + in;  v <- v + dt tau_mem_inv ((v_leak - v) + i);  z = v > v_th;  then where z,
    v <- v_reset (reset "zero") or v <- v - v_drop (reset "subtract");
    i <- i - dt tau_syn_inv i.  At the start v = v_leak and i = 0.

    Attributes:
        tau_syn_inv, tau_mem_inv: Inverse time constants, 1/s.
        v_leak, v_th, v_reset: Potentials, membrane units; "subtract" does not use v_reset.
        reset: How a spike changes the membrane; Norse's own step has "zero" only.
        v_drop: Amount that a spike subtracts, membrane units; None for v_th.
    """

    tau_syn_inv: Array
    tau_mem_inv: Array
    v_leak: Array
    v_th: Array
    v_reset: Array
    reset: Reset = field(default="zero", metadata=LATER)
    v_drop: Array | None = field(default=None, metadata=LATER)

    state_names: ClassVar[tuple[str, ...]] = ("v", "i")
    spiking: ClassVar[bool] = True
    start: ClassVar[str | None] = "v_leak"

    def __post_init__(self) -> None:
        freeze_fields(self, None, "tau_syn_inv", "tau_mem_inv", "v_leak", "v_th", "v_reset")
        freeze_fields(self, None, "v_drop")

    def step(self, ops: Any, state: tuple[Any, ...], x: Any, p: Any) -> Step:
        """One step; `p` holds this neuron's parameters in the number type of `ops`."""
        v, i = state
        i = i + x
        v = v + p.mem_leak * ((p.v_leak - v) + i)
        z = v > p.v_th
        return Step((ops.where(z, after_spike(self.reset, v, p), v), i - p.syn_leak * i), z)


@dataclass(frozen=True, eq=False)
class LIFBox(Neuron):
    """Leaky integrate-and-fire neuron without synaptic current.

    tau_mem dv/dt = v_leak - v + in;  a step:
    v <- v + dt tau_mem_inv (in + v_leak - v);  z = v > v_th;  then where z,
    v <- v_reset (reset "zero") or v <- v - v_drop (reset "subtract").  At the start v = v_leak.

    Attributes:
        tau_mem_inv: Inverse time constant, 1/s.
        v_leak, v_th, v_reset: Potentials, membrane units; "subtract" does not use v_reset.
        reset: How a spike changes the membrane.
        v_drop: Amount that a spike subtracts, membrane units; None for v_th.
    """

    tau_mem_inv: Array
    v_leak: Array
    v_th: Array
    v_reset: Array
    reset: Reset = "zero"
    v_drop: Array | None = field(default=None, metadata=LATER)

    state_names: ClassVar[tuple[str, ...]] = ("v",)
    spiking: ClassVar[bool] = True
    start: ClassVar[str | None] = "v_leak"

    def __post_init__(self) -> None:
        freeze_fields(self, None, "tau_mem_inv", "v_leak", "v_th", "v_reset", "v_drop")

    def step(self, ops: Any, state: tuple[Any, ...], x: Any, p: Any) -> Step:
        """One step; `p` holds this neuron's parameters in the number type of `ops`."""
        (v,) = state
        v = v + p.mem_leak * (x + p.v_leak - v)
        z = v > p.v_th
        return Step((ops.where(z, after_spike(self.reset, v, p), v),), z)


@dataclass(frozen=True, eq=False)
class IAF(Neuron):
    """Integrate-and-fire neuron: it adds up its input and forgets nothing.

    v <- v + in;  z = v > v_th;  then where z, v <- v_reset (reset "zero") or v <- v - v_drop
    (reset "subtract").  At the start v = v_reset, as in Norse.

    Attributes:
        v_th, v_reset: Potentials, membrane units; with "subtract", v_reset is only the start.
        reset: How a spike changes the membrane; Norse's own step has "zero" only.
        v_drop: Amount that a spike subtracts, membrane units; None for v_th.
    """

    v_th: Array
    v_reset: Array
    reset: Reset = "zero"
    v_drop: Array | None = field(default=None, metadata=LATER)

    state_names: ClassVar[tuple[str, ...]] = ("v",)
    spiking: ClassVar[bool] = True
    start: ClassVar[str | None] = "v_reset"

    def __post_init__(self) -> None:
        freeze_fields(self, None, "v_th", "v_reset", "v_drop")

    def step(self, ops: Any, state: tuple[Any, ...], x: Any, p: Any) -> Step:
        """One step; `p` holds this neuron's parameters in the number type of `ops`."""
        (v,) = state
        v = v + x
        z = v > p.v_th
        return Step((ops.where(z, after_spike(self.reset, v, p), v),), z)


@dataclass(frozen=True, eq=False)
class LI(Neuron):
    """Leaky integrator with synaptic current: a readout that never spikes.

    Its step is that of LIF without the threshold:
    i <- i + in;  v <- v + dt tau_mem_inv ((v_leak - v) + i);  i <- i - dt tau_syn_inv i.
    The membrane potential is the output.

    Attributes:
        tau_syn_inv, tau_mem_inv: Inverse time constants, 1/s.
        v_leak: Resting potential, membrane units.
    """

    tau_syn_inv: Array
    tau_mem_inv: Array
    v_leak: Array

    state_names: ClassVar[tuple[str, ...]] = ("v", "i")
    spiking: ClassVar[bool] = False
    start: ClassVar[str | None] = "v_leak"

    def __post_init__(self) -> None:
        freeze_fields(self, None, "tau_syn_inv", "tau_mem_inv", "v_leak")

    def step(self, ops: Any, state: tuple[Any, ...], x: Any, p: Any) -> Step:
        """One step; `p` holds this neuron's parameters in the number type of `ops`."""
        v, i = state
        i = i + x
        v = v + p.mem_leak * ((p.v_leak - v) + i)
        return Step((v, i - p.syn_leak * i), v)


@dataclass(frozen=True, eq=False)
class LIBox(Neuron):
    """Leaky integrator without synaptic current: a readout that never spikes.

    v <- v + dt tau_mem_inv ((v_leak - v) + in); the membrane potential is the output.

    Attributes:
        tau_mem_inv: Inverse time constant, 1/s.
        v_leak: Resting potential, membrane units.
    """

    tau_mem_inv: Array
    v_leak: Array

    state_names: ClassVar[tuple[str, ...]] = ("v",)
    spiking: ClassVar[bool] = False
    start: ClassVar[str | None] = "v_leak"

    def __post_init__(self) -> None:
        freeze_fields(self, None, "tau_mem_inv", "v_leak")

    def step(self, ops: Any, state: tuple[Any, ...], x: Any, p: Any) -> Step:
        """One step; `p` holds this neuron's parameters in the number type of `ops`."""
        (v,) = state
        v = v + p.mem_leak * ((p.v_leak - v) + x)
        return Step((v,), v)


@dataclass(frozen=True, eq=False)
class Integrator(Neuron):
    """Integrator: a readout that adds up its input, forgets nothing and never spikes.

    v <- v + in; the membrane potential is the output.  At the start v = 0.
    """

    state_names: ClassVar[tuple[str, ...]] = ("v",)
    spiking: ClassVar[bool] = False
    start: ClassVar[str | None] = None

    def step(self, ops: Any, state: tuple[Any, ...], x: Any, p: Any) -> Step:
        """One step; it has no parameters."""
        (v,) = state
        v = v + x
        return Step((v,), v)


@dataclass(frozen=True, eq=False)
class DeltaEncoder(Neuron):
    """What sends by how much its input has changed since it last sent: the input of an SDNN.

    v <- in;  delta = v - sent;  where |delta| >= v_th: delta is sent, sent <- v.
    At the start sent = 0. What is sent so far adds up to `sent`, which is less than v_th from v.

    Attributes:
        v_th: Smallest change that is sent, units of the input, above 0.
    """

    v_th: Array

    state_names: ClassVar[tuple[str, ...]] = ("v", "sent")
    spiking: ClassVar[bool] = True
    graded: ClassVar[bool] = True
    start: ClassVar[str | None] = None

    def __post_init__(self) -> None:
        freeze_fields(self, None, "v_th")

    def step(self, ops: Any, state: tuple[Any, ...], x: Any, p: Any) -> Step:
        """One step; `p` holds this neuron's parameters in the number type of `ops`."""
        payload, sent = changes(ops, x, state[1], p.v_th)
        return Step((x, sent), payload)


@dataclass(frozen=True, eq=False)
class SigmaDeltaReLU(Neuron):
    """Sigma-delta neuron: it adds up what arrives, and sends the changes of its activation.

    v <- v + in;  act = max(v, 0);  delta = act - sent;
    where |delta| >= v_th: delta is sent, sent <- act.  At the start v = bias and sent = 0, so the
    bias is part of the sum from the first step on and is not added again.

    Attributes:
        bias: What the sum starts from, units of the activation.
        v_th: Smallest change that is sent, same units, above 0.

    Source:
        lava-dl 0.6.0, slayer/neuron/sigma_delta.py with slayer/axon/delta.py, torch's relu and
        without cum_error, equal up to rounding: slayer keeps the residue act - sent.
    """

    bias: Array
    v_th: Array

    state_names: ClassVar[tuple[str, ...]] = ("v", "sent")
    spiking: ClassVar[bool] = True
    graded: ClassVar[bool] = True
    start: ClassVar[str | None] = "bias"

    def __post_init__(self) -> None:
        freeze_fields(self, None, "bias", "v_th")

    def step(self, ops: Any, state: tuple[Any, ...], x: Any, p: Any) -> Step:
        """One step; `p` holds this neuron's parameters in the number type of `ops`."""
        v, sent = state
        v = v + x
        payload, sent = changes(ops, ops.where(v > 0, v, v * 0), sent, p.v_th)
        return Step((v, sent), payload)


@dataclass(frozen=True, eq=False)
class SigmaReadout(Neuron):
    """Readout of a sigma-delta network: the sum of what arrived, and a bias.

    v <- v + in; the membrane potential is the output.  At the start v = bias.

    Attributes:
        bias: What the sum starts from, units of the output.
    """

    bias: Array

    state_names: ClassVar[tuple[str, ...]] = ("v",)
    spiking: ClassVar[bool] = False
    start: ClassVar[str | None] = "bias"

    def __post_init__(self) -> None:
        freeze_fields(self, None, "bias")

    def step(self, ops: Any, state: tuple[Any, ...], x: Any, p: Any) -> Step:
        """One step; `p` holds this neuron's parameters in the number type of `ops`."""
        (v,) = state
        v = v + x
        return Step((v,), v)


def has_current(neuron: Neuron) -> bool:
    """Whether a neuron keeps a synaptic current between steps."""
    return "i" in neuron.state_names


def leak(tau_inv: Array, dt: float) -> Array:
    """The part of a state that is lost per step: dt * tau_inv as Norse computes it.

    Args:
        tau_inv: Inverse time constant, float32 or float64, 1/s.
        dt: Length of a step, seconds.

    Returns:
        The product in the precision of tau_inv, widened to float64.
    """
    return frozen((dt * tau_inv).astype(np.float64) if tau_inv.ndim else np.float64(dt * tau_inv))


def rate_of(leak: Array, dt: float) -> Array:
    """The 1/tau whose product with dt is a leak, to the last bit where there is one.

    Args:
        leak: float64, the part of a state that is lost each step.
        dt: Length of a step, seconds.

    Returns:
        float64, 1/s.
    """
    near = np.asarray(leak, dtype=np.float64) / dt
    for other in (np.nextafter(near, -np.inf), np.nextafter(near, np.inf)):
        near = np.where((near * dt != leak) & (other * dt == leak), other, near)
    return near


# By inverse time constant, the part of a state that it takes in each step.
LEAKS = {
    "tau_mem_inv": "mem_leak",
    "tau_syn_inv": "syn_leak",
    "tau_adapt_inv": "adapt_leak",
    "tau_refrac_inv": "refrac_leak",
}
MAY_LAST = ("tau_adapt_inv", "tau_refrac_inv")  # 0 where what a spike leaves never decays
POTENTIALS = ("v_leak", "v_th", "v_reset", "v_drop", "beta")


@dataclass(frozen=True)
class StepParameters:
    """A neuron's parameters as its step reads them, in the number type of one `ops`."""

    mem_leak: Any = None
    syn_leak: Any = None
    v_leak: Any = None
    v_th: Any = None
    v_reset: Any = None
    v_drop: Any = None
    adapt_leak: Any = None
    refrac_leak: Any = None
    beta: Any = None
    rho_reset: Any = None
    bias: Any = None


def step_parameters(neuron: Neuron, dt: float) -> dict[str, Array | None]:
    """The parameters of a step in float64: leaks and potentials; None where it has none."""
    given = {
        name: getattr(neuron, name, None) for name in (*LEAKS, *POTENTIALS, "rho_reset", "bias")
    }
    return {
        LEAKS.get(name, name): leak(values, dt)
        if name in LEAKS and values is not None
        else _wide(values)
        for name, values in given.items()
    }


def after_spike(reset: Reset, v: Any, p: Any) -> Any:
    """The potential after a spike."""
    if reset == "zero":
        return p.v_reset
    return v - (p.v_th if p.v_drop is None else p.v_drop)


def changes(ops: Any, act: Any, sent: Any, threshold: Any) -> tuple[Any, Any]:
    """What a delta neuron sends of its activation, and the sum of all that it sent."""
    delta = act - sent
    small = threshold > ops.where(delta > 0, delta, delta * -1)
    return ops.where(small, delta * 0, delta), ops.where(small, sent, act)


def start_of(neuron: Neuron, p: StepParameters) -> Any:
    """The potential before the first step, in the number type of `p`; None where it is 0."""
    return None if neuron.start is None else getattr(p, neuron.start)


def states_of(neuron: Neuron, p: StepParameters, v: Any, zero: Any) -> tuple[Any, ...]:
    """The states before the first step, in the order of `state_names`.

    Args:
        neuron: A neuron of the vocabulary.
        p: Its parameters, in the number type of the states.
        v: The potential.
        zero: What every other state without a `rest` is; a rest is added to it.
    """
    rest = {name: zero + getattr(p, at) for name, at in neuron.rest.items()}
    return tuple(v if name == "v" else rest.get(name, zero) for name in neuron.state_names)


def level_of(neuron: Neuron, p: StepParameters) -> Any:
    """The potential that is 0 on the chip: that after a reset, or the start of what has none.

    None where it is 0.
    """
    if not neuron.spiking or neuron.graded:
        return start_of(neuron, p)
    return p.v_reset if neuron.reset == "zero" else None


def _wide(values: Array | None) -> Array | None:
    return None if values is None else frozen(values, np.float64)
