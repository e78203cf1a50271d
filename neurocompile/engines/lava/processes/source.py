"""A Lava process that replays recorded spikes.

In:  a .npy file of spikes, one row per step of the source's own time.
Out: one row per chip step on s_out; zeros before the first row and after the last.
This folder contains only Lava processes and models, because Lava runs every file in it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol


class SpikeSource(AbstractProcess):
    """Spikes from a file.

    Args:
        path: Path of a .npy file, (rows, size) uint8 bits or int32 payloads.
        rows: (first, end), range of the rows to replay.
        depth: Number of chip steps before the first of them; -1 skips that row.
        size: Number of axons.
        name: Name of the process.
    """

    def __init__(
        self, *, path: str, rows: tuple[int, int], depth: int, size: int, name: str
    ) -> None:
        super().__init__(path=path, rows=rows, depth=depth, name=name)
        self.s_out = OutPort(shape=(size,))


@implements(proc=SpikeSource, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class SpikeSourceModel(PyLoihiProcessModel):
    """Reads the file in the worker itself, so that no spike passes through Lava's Vars."""

    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        first, end = proc_params["rows"]
        self.spikes = np.load(proc_params["path"], mmap_mode="r")[first:end]
        self.silence = np.zeros(self.spikes.shape[1], dtype=self.spikes.dtype)
        self.depth: int = proc_params["depth"]

    def run_spk(self) -> None:
        """Send the row of this step."""
        row = self.time_step - 1 - self.depth
        inside = 0 <= row < len(self.spikes)
        self.s_out.send(self.spikes[row] if inside else self.silence)
