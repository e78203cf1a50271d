"""A Lava process that records one population: spikes, and v after the reset.

In:  the population's s_out and, through a RefPort after each step like Lava's Monitor, its v.
Out: rows of two memory-mapped .npy files, in the population's own time.
This folder contains only Lava processes and models, because Lava runs every file in it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyRefPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, RefPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol


class Recorder(AbstractProcess):
    """Writes the spikes and potentials of a population to files.

    Args:
        spikes: Path of a .npy file, (rows, size) uint8 bits or int32 payloads.
        membrane: Path of a .npy file, (rows, size) int32.
        rows: (first, end), range of the rows to fill.
        depth: Number of chip steps before the first of them.
        size: Number of neurons.
        name: Name of the process.
    """

    def __init__(
        self,
        *,
        spikes: str,
        membrane: str,
        rows: tuple[int, int],
        depth: int,
        size: int,
        name: str,
    ) -> None:
        super().__init__(spikes=spikes, membrane=membrane, rows=rows, depth=depth, name=name)
        self.s_in = InPort(shape=(size,))
        self.v_ref = RefPort(shape=(size,))


@implements(proc=Recorder, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class RecorderModel(PyLoihiProcessModel):
    """Writes to files in the worker itself, because Lava's Vars move one element per message."""

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    v_ref: PyRefPort = LavaPyType(PyRefPort.VEC_DENSE, np.int32)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        first, end = proc_params["rows"]
        self.spikes = np.load(proc_params["spikes"], mmap_mode="r+")[first:end]
        self.membrane = np.load(proc_params["membrane"], mmap_mode="r+")[first:end]
        self.depth: int = proc_params["depth"]

    def run_spk(self) -> None:
        """Record the spikes of this step."""
        spikes = self.s_in.recv()
        if self.post_guard():
            self.spikes[self._row()] = spikes

    def post_guard(self) -> bool:
        """Whether this step belongs to the population's own time."""
        return 0 <= self._row() < len(self.spikes)

    def run_post_mgmt(self) -> None:
        """Record v after every process has finished this step."""
        self.membrane[self._row()] = self.v_ref.read()

    def _row(self) -> int:
        return self.time_step - 1 - self.depth
