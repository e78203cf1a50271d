"""Prices of other devices, arithmetic and memory: shown for comparison, never in a chip's total.

In:  Counts.
Out: joules by device, each a sum of count times price; operations per second by a proxy.
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
        "title": "Horowitz, Computing's energy problem, ISSCC 2014: 45 nm. Arithmetic as "
        "SpikingJelly quotes it; SRAM as LEAT-EDGE/qualia-plugin-snn quotes it at 03c6353 "
        "(EnergyEstimationMetric._e_ram), and its width of 64 bits as Table 3 of PMC8934428 does; "
        "DRAM as a public gist does (V0XNIHILI/2b6fa61e). Paper not read",
        "link": "https://doi.org/10.1109/ISSCC.2014.6757323",
    },
    "timcheck2023": {
        "title": "Timcheck et al., The Intel neuromorphic DNS challenge, Neuromorph. Comput. Eng. "
        "3, 2023, arXiv 2303.09503: power proxy of track 1, SynOPS + 10 x NeuronOPS. As a copy of "
        "the challenge's evaluate_network.ipynb states and computes it; paper not read",
        "link": "https://doi.org/10.1088/2634-4386/ace737",
    },
}

# timcheck2023: Intel's measurements of Loihi and Loihi 2 gave about ten times the energy.
NEURON_OPERATION = 10  # synaptic operations


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


@dataclass(frozen=True)
class Store:
    """A memory whose access has a published price.

    Attributes:
        name: Its name for people.
        holds: Its size in bytes; None has no limit.
        bit: Price of reading or writing one bit, a 64th of that of a word of 64 bits.
    """

    name: str
    holds: int | None
    bit: Quantity


def _sram(name: str, holds: int, word_pj: float) -> Store:
    """A memory with the price of a word of 64 bits in pJ."""
    where = f"cache of {name}, {word_pj:g} pJ per 64 bits, a 64th of it per bit"
    return Store(f"SRAM of {name}", holds, _pj(word_pj / 64, "horowitz2014", where, "derived"))


DRAM = "DRAM, 1.3 to 2.6 nJ: the lower, taken to be per 64 bits as of the caches"
STORES = (
    _sram("8 KB", 8 << 10, 10),
    _sram("32 KB", 32 << 10, 20),
    _sram("1 MB", 1 << 20, 100),
    Store("DRAM", None, _pj(1300 / 64, "horowitz2014", DRAM, "assumed")),
)  # the smallest first


def store_for(bits: int) -> Store:
    """The smallest memory that holds so many bits."""
    return next(s for s in STORES if s.holds is None or bits <= 8 * s.holds)


SPIKING = "synapses reached by spikes, and every neuron in every step"
DENSE = "every synapse and every neuron in every step, whether anything spikes or not"


def keras_spiking(counts: Counts) -> list[dict[str, Any]]:
    """Joules of all samples of the same run by keras-spiking's rule, one row per device.

    A neuron's step is charged for every neuron on the chip and every step of the network's time.
    `counted` says in words what a device is charged for. None is charged for memory by itself.
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
        counted = {"counted": SPIKING if device.spiking else DENSE, "steps": counts.steps}
        row = {"device": name, "spiking": device.spiking, **counted}
        rows.append({**row, "terms": terms, "total_j": total})
    return rows


def n_dns(counts: Counts, dt: float) -> dict[str, Any]:
    """The power proxy of Intel's N-DNS challenge: no joules, but operations per second.

    A neuron operation is one step of one neuron, whether anything arrives or not. A readout counts
    as well: here it is a population of the chip, while the challenge's last layer was not counted.

    Args:
        counts: Counts of a run.
        dt: Length of a step, seconds.
    """
    steps = counts.samples * counts.steps
    synaptic = sum(synapse.synops for synapse in counts.synapses.values())
    neuron = steps * sum(layer.neurons for layer in counts.layers.values() if layer.on_chip)
    operations = synaptic + NEURON_OPERATION * neuron
    return {
        "synaptic_operations": synaptic,
        "neuron_operations": neuron,
        "neuron_operation_is": NEURON_OPERATION,
        "operations": operations,
        "per_sample": operations / counts.samples,
        "per_second": operations / (steps * dt),
        "source": "timcheck2023",
    }
