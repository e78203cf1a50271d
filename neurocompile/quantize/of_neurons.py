"""The registers that only some neurons of a chip have, from the numbers of a FLOAT neuron.

In:  a layer and what arrives at it; the chip's formats; chip units of v per float unit.
Out: registers by name, rounded to nearest. What does not fit is refused with layer and range.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from neurocompile.chip.record import Chip
from neurocompile.errors import DoesNotFit, Refusals
from neurocompile.ir.fixed import ChipNeuron, CubaLIF
from neurocompile.ir.neurons import has_current
from neurocompile.ir.registers import KEEPS_NO_CURRENT, REGISTERS
from neurocompile.quantize.incoming import Incoming
from neurocompile.quantize.registers import decay_register, lasting_register, threshold_register


def threshold_bits(kind: type[ChipNeuron], chip: Chip) -> int:
    """Width of the threshold register of a neuron on a chip."""
    name = "vth" if "vth" in kind.registers else "theta_0"
    return min(chip.formats.threshold_bits.value, REGISTERS[name][1].bit_length())


def decays(incoming: Incoming) -> dict[str, Any]:
    """The decay registers of a layer, those of what its spikes leave included."""
    numbers, refusals = incoming.numbers, Refusals()
    found: dict[str, Any] = {"du": KEEPS_NO_CURRENT, "dv": 0}
    given: dict[str, Any] = {"node": incoming.name}
    if has_current(incoming.neuron):
        with refusals.gather():
            du = decay_register(numbers.syn_leak, incoming.dt, tau="tau_syn", **given)
            found["du"] = du - 1
    if numbers.mem_leak is not None:
        with refusals.gather():
            found["dv"] = decay_register(numbers.mem_leak, incoming.dt, tau="tau_mem", **given)
    for name, leak, tau in (
        ("dtheta", numbers.adapt_leak, "tau_adapt"),
        ("dr", numbers.refrac_leak, "tau_refrac"),
    ):
        if leak is not None:
            with refusals.gather():
                found[name] = lasting_register(leak, incoming.dt, tau=tau, **given)
    refusals.answer()
    return found


def own_registers(incoming: Incoming, chip: Chip, unit: float) -> dict[str, Any]:
    """Threshold, its rise, refractory period and reset, as far as the layer's neuron has them.

    Args:
        incoming: The layer.
        chip: Target chip.
        unit: Chip units of v per float unit.
    """
    name, kind = incoming.name, incoming.on_chip
    bits = threshold_bits(kind, chip)
    threshold: Any = (1 << bits) - 1
    refusals = Refusals()
    if incoming.neuron.spiking:
        with refusals.gather():
            threshold = threshold_register(incoming.threshold * unit, bits, node=name)
    found: dict[str, Any] = {"vth" if "vth" in kind.registers else "theta_0": threshold}
    if "theta_step" in kind.registers:
        with refusals.gather():
            risen = incoming.rise * unit
            found["theta_step"] = threshold_register(
                risen, bits, node=name, what="rise of the threshold"
            )
    if "refractory" in kind.registers:
        with refusals.gather():
            found["refractory"] = refractory_register(incoming)
    refusals.answer()
    if kind is CubaLIF:
        found["reset"] = incoming.neuron.reset
    return found


def refractory_register(incoming: Incoming) -> Any:
    """Steps from a spike to the first that may spike again; int64 in 1..63.

    Raises:
        DoesNotFit: If a neuron is held longer than the register can say.
    """
    held = np.ceil(np.maximum(incoming.numbers.rho_reset, 0)).astype(np.int64)
    _, most = REGISTERS["refractory"]
    if np.any(held >= most):
        raise DoesNotFit(
            f"layer '{incoming.name}': rho_reset = {int(held.max())} steps, but a chip holds a "
            f"neuron for at most {most - 1}. Use a shorter refractory period, or a longer dt."
        )
    return held + 1
