"""Neurons that Lava does not have: a LIF whose spike subtracts the threshold.

In:  the registers of Lava's LIF and LIFReset.
Out: Lava's own arithmetic, except for the effect of a spike on v.
This folder contains only Lava processes and models, because Lava runs every file in it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.ports import PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.lif.models import AbstractPyLifModelFixed
from lava.proc.lif.process import LIFReset


class SubtractLIF(LIFReset):
    """A LIF whose spike subtracts the threshold; NOT a stock Loihi 1 neuron.

    As in LIFReset, u and v are cleared before the update if
    time_step % reset_interval == reset_offset % reset_interval. With an interval longer than the
    run and an offset of 0 they are never cleared.
    """


@implements(proc=SubtractLIF, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class SubtractLIFModel(AbstractPyLifModelFixed):
    """Lava's fixed-point step with another reset_voltage.

    Threshold, comparison and clearing are repeated here because Lava has them only in concrete
    models, and Lava does not find a model that subclasses one of those.
    """

    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    vth: int = LavaPyType(int, np.int32, precision=17)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.effective_vth: Any = 0
        self.reset_interval: int = proc_params["reset_interval"]
        self.reset_offset: int = proc_params["reset_offset"] % self.reset_interval

    def scale_threshold(self) -> None:
        """Align the threshold with v."""
        self.effective_vth = np.left_shift(self.vth, self.vth_shift)
        self.isthrscaled = True

    def spiking_activation(self) -> Any:
        """Spike where v exceeds the threshold."""
        return self.v > self.effective_vth

    def reset_voltage(self, spike_vector: Any) -> None:
        """Subtract the threshold from v where there is a spike."""
        self.v[:] = np.where(spike_vector, self.v - self.effective_vth, self.v)

    def run_spk(self) -> None:
        """Clear u and v when a sample begins, then take Lava's step."""
        if self.time_step % self.reset_interval == self.reset_offset:
            self.u[:] = 0
            self.v[:] = 0
        super().run_spk()
