"""Prices of other devices and of plain arithmetic: shown for comparison, never in a chip's total.

In:  Counts.
Out: joules by device, each a sum of count times price.
Every price is a Quantity that names its source, like those of targets/*/target.toml.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import fsum
from typing import Any

from neurocompile.chip.record import Quantity
from neurocompile.energy.counts import Counts
from neurocompile.energy.prices import priced

SOURCES: dict[str, dict[str, str]] = {
    "keras_spiking": {
        "title": "keras-spiking, ModelEnergy: keras_spiking/model_energy.py at 1384ec3; its "
        "numbers for cpu, gpu and arm are of Degnan et al. 2016, for loihi of Davies et al. 2018 "
        "(23.6 pJ, and 3.5 pJ of a mean hop charged for each synaptic operation), for spinnaker "
        "and spinnaker2 of Höppner et al. 2019",
        "link": "https://github.com/nengo/keras-spiking",
    },
    "horowitz2014": {
        "title": "Horowitz, Computing's energy problem, ISSCC 2014: arithmetic alone at 45 nm, "
        "without memory; as SpikingJelly quotes it, paper not read",
        "link": "https://doi.org/10.1109/ISSCC.2014.6757323",
    },
}


@dataclass(frozen=True)
class Device:
    """A device of keras-spiking.

    Attributes:
        spiking: Whether only synapses with spikes are charged; otherwise all, in every step.
        synop, neuron: Price of a synaptic operation, and of one step of a neuron.
    """

    spiking: bool
    synop: Quantity
    neuron: Quantity


def _pj(value: float, source: str, where: str, kind: str) -> Quantity:
    return Quantity(value, "pJ", source, where, kind, power=-12)


def _device(name: str, spiking: bool, synop: float, neuron: float) -> Device:
    """A device with its prices in pJ."""
    where = f"ModelEnergy.devices['{name}'], energy_per_"
    return Device(
        spiking,
        _pj(synop, "keras_spiking", where + "synop", "derived"),
        _pj(neuron, "keras_spiking", where + "neuron", "derived"),
    )


DEVICES: Mapping[str, Device] = {
    "loihi": _device("loihi", True, 27.1, 81),
    "spinnaker": _device("spinnaker", True, 13_300, 26_000),
    "spinnaker2": _device("spinnaker2", True, 450, 2_190),
    "cpu": _device("cpu", False, 8_600, 8_600),
    "gpu": _device("gpu", False, 300, 300),
    "arm": _device("arm", False, 900, 900),
}

# Price of one multiply-accumulate, by the width in bits that both factors must fit.
MACS: Mapping[int, Quantity] = {
    8: _pj(0.23, "horowitz2014", "int8 multiply and add", "derived"),
    16: _pj(1.5, "horowitz2014", "fp16 multiply and add", "derived"),
    32: _pj(4.6, "horowitz2014", "fp32 multiply and add", "derived"),
}


def keras_spiking(counts: Counts) -> list[dict[str, Any]]:
    """Joules of all samples of the same run by keras-spiking's rule, one row per device.

    A neuron's step is charged for every neuron on the chip and every step of the network's time.
    """
    steps = counts.samples * counts.steps
    neurons = sum(layer.neurons for layer in counts.layers.values() if layer.on_chip) * steps
    spiking = sum(synapse.synops for synapse in counts.synapses.values())
    dense = sum(synapse.synapses for synapse in counts.synapses.values()) * steps
    rows = []
    for name, device in DEVICES.items():
        terms = [
            priced("synaptic operation", spiking if device.spiking else dense, device.synop),
            priced("neuron step", neurons, device.neuron),
        ]
        total = fsum(term["energy_j"] for term in terms)
        rows.append({"device": name, "spiking": device.spiking, "terms": terms, "total_j": total})
    return rows
