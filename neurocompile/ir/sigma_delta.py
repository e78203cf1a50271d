"""Delta, sigma and sigma-delta neurons of Loihi 2: what changes is sent, as a payload.

In:  integers that the chip stores.
Out: frozen nodes of a FIXED graph, with the steps of Lava's stock processes.

Source: lava-nc 0.10.0, lava/proc/sdn/models.py (PySigmaModelFixed, PyDeltaModelFixed,
PySigmaDeltaModelFixed) and process.py; what they do is in docs/neurons.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import ChipNeuron, FixedStep, shortest
from neurocompile.ir.nodes import Shape
from neurocompile.ir.registers import EXPONENTS, NONE, STATE_LIMIT, THRESHOLDS, Bounds

Activation = Literal["relu", "unit"]
SPIKE_EXPONENTS: Bounds = (-7, 7)
THRESHOLD_EXPONENTS: Bounds = (0, 14)
NO_BIAS: Mapping[str, Bounds] = {"bias_mant": NONE, "bias_exp": NONE}
ENCODES: Mapping[str, Bounds] = {
    "vth": THRESHOLDS,
    "spike_exp": SPIKE_EXPONENTS,
    "state_exp": EXPONENTS,
    "threshold_exp": THRESHOLD_EXPONENTS,
}


class DeltaConstants(NamedTuple):
    """Constants that a step of these neurons reads, in the number type of one `ops`."""

    bias: Any
    threshold: Any


class SigmaDeltaConstants(NamedTuple):
    """Constants that a step of `SigmaDelta` reads, in the number type of one `ops`."""

    bias: Any
    threshold: Any
    first_act: Any


def _zero() -> Array:
    return np.array(0)


@dataclass(frozen=True, eq=False)
class Sigma(ChipNeuron):
    """A population that adds up what arrives, and sends the sum in each step.

    In a step, a is the sum of weights times payloads: v <- v + a; then v is sent.
    Nothing clips or wraps v: beyond 24 bits it is refused here.

    Attributes:
        shape: Shape of the population.
        bias_mant, bias_exp: 0; Lava's process has none.
        v_init: Value of v before the network's step 1.
        readout: Whether this is a readout, in which a spike is an error.
        scale, offset: float value of a potential = integer * scale + offset.
    """

    shape: Shape
    bias_mant: Array = field(default_factory=_zero)
    bias_exp: Array = field(default_factory=_zero)
    v_init: Array = field(default_factory=_zero)
    readout: bool = False
    scale: Array = field(default_factory=lambda: np.array(1.0))
    offset: Array = field(default_factory=lambda: np.array(0.0))

    registers: ClassVar[tuple[str, ...]] = ("bias_mant", "bias_exp", "v_init")
    bounds: ClassVar[Mapping[str, Bounds]] = NO_BIAS
    state_names: ClassVar[tuple[str, ...]] = ("v",)
    parts: ClassVar[tuple[str, ...]] = ()
    payload: ClassVar[Bounds] = (1 - STATE_LIMIT, STATE_LIMIT - 1)
    wraps: ClassVar[bool] = False
    always_sends: ClassVar[bool] = True
    early_cure: ClassVar[str] = "Set v_init to 0, or lead nothing out of it."
    cure: ClassVar[str] = "Lower the weights before it."
    Constants: ClassVar[type[Any]] = DeltaConstants

    @property
    def threshold(self) -> Array:
        """It has none."""
        return np.zeros((), np.int64)

    @property
    def decays(self) -> Array:
        """It has none."""
        return np.zeros((), np.int64)

    @classmethod
    def constants_of(cls, registers: Mapping[str, Any], bias: Any) -> DeltaConstants:
        """The constants that a step reads."""
        return DeltaConstants(bias, bias)

    def step(self, ops: Any, state: tuple[Any, ...], a: Any, p: DeltaConstants) -> FixedStep:
        """One step; a is the sum of weights times payloads that arrive."""
        (v,) = state
        v = v + a
        return FixedStep((v,), v, unclipped=(v,))

    def stays_in_range(self, arriving: int, steps: int) -> bool:
        """Whether the sum of all steps cannot leave 24 bits."""
        return int(np.max(np.abs(self.v_init))) + steps * arriving < STATE_LIMIT

    def step_back(self, v: Array) -> Array | None:
        """The potential from which a step without input leads to v."""
        return v


@dataclass(frozen=True, eq=False)
class _Encoder(ChipNeuron):
    """What sends the changes of an activation: the common part of `Delta` and `SigmaDelta`.

    delta = activation - activation before + residue; it is sent where |delta| >= vth 2^(spike_exp
    + state_exp), shifted right by state_exp, and else remains as the residue.
    """

    shape: Shape
    vth: Array
    spike_exp: int = 0
    state_exp: int = 0
    cum_error: bool = False
    bias_mant: Array = field(default_factory=_zero)
    bias_exp: Array = field(default_factory=_zero)
    v_init: Array = field(default_factory=_zero)
    readout: bool = False
    scale: Array = field(default_factory=lambda: np.array(1.0))
    offset: Array = field(default_factory=lambda: np.array(0.0))

    registers: ClassVar[tuple[str, ...]] = ("vth", "bias_mant", "bias_exp", "v_init")
    parts: ClassVar[tuple[str, ...]] = ()
    payload: ClassVar[Bounds] = (-STATE_LIMIT, STATE_LIMIT - 1)
    wraps: ClassVar[bool] = False
    cure: ClassVar[str] = "Lower the weights before it, or its exponents."
    Constants: ClassVar[type[Any]] = DeltaConstants

    @property
    def threshold_exp(self) -> int:
        """Exponent of the threshold: with 0 and vth = 1, every change is sent."""
        return self.spike_exp + self.state_exp

    @property
    def function(self) -> str:
        """Name of the step for files: the class and all of its words."""
        errors = "Cumulative" if self.cum_error else ""
        exponent = f"{'Minus' if self.spike_exp < 0 else ''}{abs(self.spike_exp)}"
        return f"{type(self).__name__}{errors}Exp{exponent}State{self.state_exp}"

    @property
    def threshold(self) -> Array:
        """The threshold register."""
        return self.vth

    @property
    def decays(self) -> Array:
        """It has none."""
        return np.zeros((), np.int64)

    @classmethod
    def constants_of(cls, registers: Mapping[str, Any], bias: Any) -> Any:
        """The constants that a step reads."""
        return DeltaConstants(bias, registers["vth"])

    def _encode(
        self,
        ops: Any,
        change: Any,
        residue: Any,
        error: Any,
        p: DeltaConstants | SigmaDeltaConstants,
    ) -> tuple[Any, Any, Any, Any]:
        """Payload, residue, error, and the delta, of which the payload is a part."""
        delta = change + residue
        error = error + delta if self.cum_error else error
        seen = error if self.cum_error else delta
        seen = ops.where(seen > 0, seen, seen * -1)
        least = p.threshold * (1 << self.threshold_exp) - 1
        sent = ops.where(seen > least, delta, delta * 0)
        if self.cum_error:  # only a delta that is not 0 clears the error
            error = ops.where(sent > 0, 0, ops.where((sent * -1) > 0, 0, error))
        return self._shifted(ops, sent), delta - sent, error, delta

    def _shifted(self, ops: Any, sent: Any) -> Any:
        """What is sent, shifted right by state_exp: rounded down."""
        if not self.state_exp:
            return sent
        cut = ops.divide_toward_zero(sent, self.state_exp)
        return ops.where((cut * (1 << self.state_exp)) > sent, cut - 1, cut)


@dataclass(frozen=True, eq=False)
class Delta(_Encoder):
    """A population that sends by how much its input changes, in integers.

    In a step, a is the sum of weights times payloads, and >> rounds down:
    delta = a 2^(spike_exp + state_exp) - v + residue;  v <- a 2^(spike_exp + state_exp);
    where |delta| >= vth 2^(spike_exp + state_exp), delta >> state_exp is sent and residue <- 0,
    else residue <- delta. With cum_error, error <- error + delta, |error| is what reaches the
    threshold, and a delta that is sent clears it.

    Nothing clips or wraps v, delta and error: beyond 24 bits they are refused here.

    Attributes:
        shape: Shape of the population.
        vth: Threshold, 17 bits, not 0.
        spike_exp, state_exp: Exponents of payload and state, -7..7 and 0..7, their sum 0..14.
        cum_error: Whether the sum of all deltas reaches the threshold.
        bias_mant, bias_exp, v_init: 0; Lava's process has none.
        readout: Whether this is a readout, in which a spike is an error.
        scale, offset: float value of a potential = integer * scale + offset.
    """

    bounds: ClassVar[Mapping[str, Bounds]] = {**NO_BIAS, "v_init": NONE, **ENCODES}
    state_names: ClassVar[tuple[str, ...]] = ("v", "residue", "error")

    def step(self, ops: Any, state: tuple[Any, ...], a: Any, p: DeltaConstants) -> FixedStep:
        """One step; a is the sum of weights times payloads that arrive."""
        v, residue, error = state
        now = a * (1 << self.threshold_exp)
        sent, residue, error, delta = self._encode(ops, now - v, residue, error, p)
        return FixedStep((now, residue, error), sent, unclipped=(now, delta, error))

    def step_back(self, v: Array) -> Array | None:
        """The potential from which a step without input leads to v: only 0 is reached."""
        return None if np.any(v) else v


@dataclass(frozen=True, eq=False)
class SigmaDelta(_Encoder):
    """A population that adds up what arrives and sends the changes of its activation, in integers.

    In a step, a is the sum of weights times payloads, and >> rounds down:
    v <- v + a;  new = v + bias_mant 2^bias_exp, at least 0 with the activation "relu";
    delta = new - act + residue;  act <- new;
    where |delta| >= vth 2^(spike_exp + state_exp), delta >> state_exp is sent and residue <- 0,
    else residue <- delta. With cum_error, error <- error + delta, |error| is what reaches the
    threshold, and a delta that is sent clears it.

    Nothing clips or wraps v, act, delta and error: beyond 24 bits they are refused here.

    Attributes:
        shape: Shape of the population.
        vth: Threshold, 17 bits, not 0.
        spike_exp, state_exp: Exponents of payload and state, -7..7 and 0..7, their sum 0..14.
        cum_error: Whether the sum of all deltas reaches the threshold.
        bias_mant: Mantissa of the bias, 13 bits, signed.
        bias_exp: Exponent of the bias, 0..7.
        v_init: Value of v before the network's step 1.
        readout: Whether this is a readout, in which a spike is an error.
        scale, offset: float value of a potential = integer * scale + offset.
        activation: "relu", or "unit" for the sum as it is.
        act_init: Value of act before the network's step 1, all of it sent: what a bias made of it
            before the first input arrived.
    """

    activation: Activation = "relu"
    act_init: Array = field(default_factory=_zero)

    registers: ClassVar[tuple[str, ...]] = (*_Encoder.registers, "act_init")
    bounds: ClassVar[Mapping[str, Bounds]] = ENCODES
    state_names: ClassVar[tuple[str, ...]] = ("v", "act", "residue", "error")
    begins: ClassVar[Mapping[str, str]] = {"act": "first_act"}
    early_cure: ClassVar[str] = (
        "Set act_init to what its bias makes of v(0), max(0, v_init + bias) with the activation "
        '"relu": the bias then counts as sent.'
    )
    Constants: ClassVar[type[Any]] = SigmaDeltaConstants

    @classmethod
    def constants_of(cls, registers: Mapping[str, Any], bias: Any) -> SigmaDeltaConstants:
        """The constants that a step reads."""
        return SigmaDeltaConstants(bias, registers["vth"], registers["act_init"])

    @property
    def function(self) -> str:
        """Name of the step for files: the class and all of its words."""
        return super().function + self.activation.capitalize()

    def step(self, ops: Any, state: tuple[Any, ...], a: Any, p: SigmaDeltaConstants) -> FixedStep:
        """One step; a is the sum of weights times payloads that arrive."""
        v, act, residue, error = state
        v = v + a
        new = v + p.bias
        if self.activation == "relu":
            new = ops.where(new > 0, new, new * 0)
        sent, residue, error, delta = self._encode(ops, new - act, residue, error, p)
        return FixedStep((v, new, residue, error), sent, unclipped=(v, new, delta, error))

    def step_back(self, v: Array) -> Array | None:
        """The potential from which a step without input leads to v.

        A bias below the threshold leaves act = residue, whose difference is what the next step
        sees: the same as at the start.
        """
        return v

    def no_lead_in(self) -> str | None:
        """Why the neurons cannot start some steps early."""
        if self.cum_error and np.any(self._activated(self.v_init) != self.act_init):
            return (
                "its bias adds to its error in each step before its first input arrives "
                "(cum_error). Use cum_error = False, no bias, or act_init = max(0, v_init + bias)."
            )
        return None

    def starting_at(self, state: Mapping[str, Array]) -> Any:
        """These neurons with registers that start them in a state; None if none do.

        Of act and residue only the difference counts: what has been sent.
        """
        if np.any(state["error"]):
            return None
        sent = state["act"] - state["residue"]
        return replace(self, v_init=shortest(state["v"]), act_init=shortest(sent))

    def _activated(self, v: Array) -> Array:
        total = v + self.bias
        return np.maximum(total, 0) if self.activation == "relu" else total
