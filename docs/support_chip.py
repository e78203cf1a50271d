"""Two neurons of a chip, of any kind, in the smallest network: for docs/support.md and the tests.

In:  a class of neurons.
Out: the network, and a sample of spikes with which its neurons send something.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from neurocompile.data.inputs import Encoded
from neurocompile.ir.fixed import ChipNeuron, SpikeInput, Synapse
from neurocompile.ir.graph import Graph
from neurocompile.ir.nodes import Linear
from neurocompile.ir.resonators import RF, RF_IZ
from neurocompile.ir.sigma_delta import SigmaDelta
from neurocompile.ir.verify import verify

STEPS = 18
# Registers with which two neurons spike; one that is known nowhere else is 1.
REGISTERS = {"du": 2048, "dv": 512, "dtheta": 512, "dr": 512, "refractory": 3}
REGISTERS |= {"vth": 40, "vth_hi": 40, "vth_lo": -40, "theta_0": 40, "theta_step": 2}
REGISTERS |= {"sin_decay": 2896, "cos_decay": 2896, "act_init": 0}
REGISTERS |= {"bias_mant": 0, "bias_exp": 0, "v_init": 0}
OF_NETX: Mapping[type, dict[str, Any]] = {  # exponents that netx gives the layers of every file
    SigmaDelta: {"vth": np.array(1), "spike_exp": 6, "state_exp": 6},
    RF: {"state_exp": 6},
    RF_IZ: {"state_exp": 6},
}


def two_of(kind: type[ChipNeuron]) -> ChipNeuron:
    """Two neurons of a kind."""
    make: Any = kind
    registers = {name: np.array(REGISTERS.get(name, 1)) for name in kind.registers}
    return make((2,), **registers)


def around(cell: ChipNeuron) -> Graph:
    """Two axons, a synapse into each sum of the neurons, and they themselves."""
    weight = np.array([[60, -20], [40, 50]], np.int16)
    parts = {f"s_{part}": Synapse(Linear(weight), (2,), (2,), into=part) for part in cell.inputs}
    edges = [edge for name in parts for edge in (("in", name), (name, "x"))]
    return verify(Graph({"in": SpikeInput((2,)), **parts, "x": cell}, tuple(edges)), "fixed")


def spikes() -> Encoded:
    """One sample on both axons."""
    sent = np.random.default_rng(3).random((1, STEPS, 2)) < 0.7
    return Encoded({"in": sent.astype(np.uint8)}, STEPS)
