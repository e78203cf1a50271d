"""Resonate-and-fire layers of a `.net` file: what netx makes of their entries, and back.

In:  the entries of a layer's neuron, or a population of a FIXED graph.
Out: the layer with its cells, or the population.
netx turns the two decays of the file into a period and a loss, and Lava those into decays again,
cut toward 0. So a decay may come out one smaller than the file says, and so it does here.

Source: lava-dl 0.6.0, lava/lib/dl/netx/hdf5.py (get_neuron_params) and slayer/neuron/rf.py
(neuron_params); lava-nc 0.10.0, lava/proc/rf/process.py; checked against them in
tests/formats/netx/test_netx_resonators.py.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np

from neurocompile.errors import BadInput, Unsupported
from neurocompile.formats.hdf5.read import Tree
from neurocompile.formats.netx.layer import Cells, NetxLayer
from neurocompile.formats.netx.numbers import check_range, one
from neurocompile.ir.registers import DECAY_BITS, THRESHOLDS, UNITY
from neurocompile.ir.resonators import RF, RF_IZ

RESONATORS = (RF, RF_IZ)
NAMES: dict[str, Cells] = {"RF_PHASE": "rf", "RF_IZHIKEVICH": "rf_iz"}  # as slayer writes them
RESONATOR_ENTRIES = {"type", "sinDecay", "cosDecay", "vThMant", "gradedSpike"}
STATE_EXP = 6
LACKS = {
    "vThMant": "the threshold, in units of 1/64",
    "sinDecay": "the sine of a step's turn times what it keeps, in parts of 4096",
    "cosDecay": "the cosine of a step's turn times what it keeps, in parts of 4096",
}


def with_resonator(layer: NetxLayer, neuron: Tree, name: str) -> NetxLayer:
    """A layer with the cells that netx makes of its neuron's entries.

    Args:
        layer: The layer so far, with the imaginary part of its weights.
        neuron: The group `neuron` of its entries.
        name: Its type, one of `NAMES`.
    """
    if layer.imag is None:
        raise Unsupported(
            f"its neurons are '{name}', and netx has them only in dense layers with complex "
            "weights (weight/real, weight/imag). Use slayer's rf or rf_iz Dense blocks."
        )
    for entry, what in LACKS.items():
        if entry not in neuron:
            raise BadInput(
                f"its neurons lack the entry '{entry}', {what}. Write it with h5py, where layer is "
                f"the group of this layer: layer['neuron/{entry}'] = NUMBER."
            )
    if np.any(neuron.get("gradedSpike", False)):
        raise Unsupported("its spikes are graded (gradedSpike), and netx sends 0 or 1.")
    threshold = np.array(one(neuron, "vThMant"))
    check_range(threshold, "vThMant", THRESHOLDS)
    sin, cos = (np.array(one(neuron, key)) for key in ("sinDecay", "cosDecay"))
    for key, decay in (("sinDecay", sin), ("cosDecay", cos)):
        check_range(decay, key, (-UNITY, UNITY))
    return replace(
        layer, cells=NAMES[name], vth=threshold, bias=np.array(0), sin_decay=sin, cos_decay=cos
    )


def population(layer: NetxLayer) -> RF | RF_IZ:
    """The population of a layer with such cells."""
    assert layer.sin_decay is not None
    assert layer.cos_decay is not None
    assert layer.vth is not None
    sin, cos = as_netx_runs(int(layer.sin_decay), int(layer.cos_decay))
    kind = RF if layer.cells == "rf" else RF_IZ
    return kind(layer.shape, np.array(sin), np.array(cos), layer.vth, STATE_EXP, DECAY_BITS)


def as_netx_runs(sin: int, cos: int) -> tuple[int, int]:
    """The decays that Lava's process gets of those of a file, both in parts of 4096."""
    parts = np.float64(sin) / UNITY, np.float64(cos) / UNITY
    loss = 1 - np.sqrt(parts[0] ** 2 + parts[1] ** 2)
    with np.errstate(divide="ignore"):  # no turn is an endless period
        period = 1 / (np.arctan2(*parts) / 2 / np.pi)
    turn = np.pi * 2 * 1 / period
    made = (1 - loss) * np.sin(turn), (1 - loss) * np.cos(turn)
    return int(np.int32(made[0] * UNITY)), int(np.int32(made[1] * UNITY))


def held(layer: NetxLayer, node: RF | RF_IZ) -> NetxLayer:
    """A layer with the entries from which netx makes a population.

    Raises:
        Unsupported: With a sentence that goes on after the layer's name.
    """
    registers = (node.sin_decay, node.cos_decay, node.vth)
    if any(np.ptp(register) for register in registers):
        raise Unsupported("its registers differ between neurons, and a .net layer has one of each.")
    sin, cos, vth = (int(register.flat[0]) for register in registers)
    if (node.state_exp, node.decay_bits) != (STATE_EXP, DECAY_BITS):
        raise Unsupported(
            f"its state_exp is {node.state_exp} and its decay_bits {node.decay_bits}, but netx "
            f"runs those of a .net file with {STATE_EXP} and {DECAY_BITS}."
        )
    found = _decays_of_file(sin, cos)
    if found is None:
        raise Unsupported(
            f"its decays are {sin} and {cos}, of {UNITY}. netx computes the decays anew from those "
            "of a file and rounds them down, and there are none in a file of which it makes these."
        )
    cells: Cells = "rf" if isinstance(node, RF) else "rf_iz"
    return replace(
        layer,
        cells=cells,
        vth=np.array(vth),
        bias=np.array(0),
        sin_decay=np.array(found[0]),
        cos_decay=np.array(found[1]),
    )


def _decays_of_file(sin: int, cos: int) -> tuple[int, int] | None:
    """The decays, the same or one larger in size, of which netx makes these; None without any."""
    for more in product((0, 1), repeat=2):
        tried = tuple(d + (m if d >= 0 else -m) for d, m in zip((sin, cos), more, strict=True))
        if max(map(abs, tried)) <= UNITY and as_netx_runs(*tried) == (sin, cos):
            return tried[0], tried[1]
    return None
