"""Write what every layer did to an HDF5 file, batch by batch.

In:  recordings of consecutive samples.
Out: one group per layer with `spikes` (n, steps, ...), uint8 bits or int32 payloads, and
     `membrane` (n, steps, ...) int32 after the reset, and the attributes scale and offset:
     float value = integer * scale + offset; from the fixed engine also how often potentials
     saturated and currents wrapped.
The file appears under its name only when it is complete.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from neurocompile.engines.recording import Recording
from neurocompile.formats.scratch import uninterrupted
from neurocompile.formats.whole import whole_file
from neurocompile.ir.fixed import ChipNeuron, SpikeInput
from neurocompile.ir.graph import Graph
from neurocompile.ir.payloads import payload_type

RECORDED = ("spikes", "membrane")
KeepBatch = Callable[[int, Recording], None]


@contextmanager
def no_recording() -> Iterator[KeepBatch]:
    """A recording that stores nothing."""
    yield lambda first, recording: None


@contextmanager
def recording_file(
    path: Path,
    what: tuple[str, ...],
    graph: Graph,
    samples: int,
    steps: int,
    *,
    replace: bool = True,
) -> Iterator[KeepBatch]:
    """Open a recording; yields a function to call with the first sample's number and a batch.

    Args:
        path: The file.
        what: Kinds of values, out of `RECORDED`.
        graph: FIXED graph of the recordings.
        samples, steps: How many there will be.
        replace: Whether a file that is there by the end may be replaced.

    Raises:
        BadInput: If the file cannot be written; an older file of that name is then kept.
    """
    with (
        whole_file(path, replace=replace) as building,
        _Disk(building) as disk,
        _filled(disk) as file,
    ):
        with uninterrupted():
            _layout(file, what, graph, samples, steps)

        def keep(first: int, recording: Recording) -> None:
            with uninterrupted():
                _keep(file, first, recording)
            disk.require()

        yield keep


@contextmanager
def _filled(disk: _Disk) -> Iterator[Any]:
    """The file as HDF5 sees it.

    HDF5 calls the disk, which is Python: a signal that acted there would end the process. So every
    call of HDF5 is one that no signal parts.
    """
    import h5py

    opened = []
    try:
        with uninterrupted():
            opened.append(h5py.File(disk, "w"))
        yield opened[0]
    finally:
        try:
            with uninterrupted():
                _close(opened)
        except KeyboardInterrupt:  # before that, or after it
            with uninterrupted():
                _close(opened)
            raise


def _close(opened: list[Any]) -> None:
    while opened:
        opened.pop().close()


def _layout(file: Any, what: tuple[str, ...], graph: Graph, samples: int, steps: int) -> None:
    """Make the group of every layer."""
    file.attrs["format"] = "neurocompile-recording"
    file.attrs["version"] = "1.0"
    for name, node in graph.of(SpikeInput, ChipNeuron):
        group = file.create_group(name)
        shape = (samples, steps, *node.shape)
        if "spikes" in what:
            _dataset(group, "spikes", shape, payload_type(node))
        if "membrane" in what and isinstance(node, ChipNeuron):
            _dataset(group, "membrane", shape, np.int32)
            group.attrs["scale"] = node.scale
            group.attrs["offset"] = node.offset


def _keep(file: Any, first: int, recording: Recording) -> None:
    """Write a batch."""
    for kind, values in (("spikes", recording.spikes), ("membrane", recording.membrane)):
        for name, batch in values.items():
            if kind in file[name]:
                file[name][kind][first : first + len(batch)] = batch
    for name, counted in (recording.activity or {}).items():
        for count in ("saturations", "wraps"):
            earlier = file[name].attrs.get(count, 0)
            file[name].attrs[count] = earlier + getattr(counted, count)


class _Disk(io.FileIO):
    """A file that HDF5 fills: what the disk refuses is raised here, never in HDF5.

    HDF5 keeps what it could not write, tries again at every close, and ends the process.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "r+")
        self.refused: OSError | None = None

    def write(self, content: Any) -> int:
        """Write all of it, or nothing after the first refusal; HDF5 hears of neither."""
        left = memoryview(content).cast("B")
        whole = len(left)
        try:
            while left and self.refused is None:
                left = left[super().write(left) :]
        except OSError as error:
            self.refused = error
        return whole

    def truncate(self, size: int | None = None) -> int:
        """Set the length."""
        try:
            return super().truncate(size)
        except OSError as error:
            self.refused = self.refused or error
            return size or 0

    def require(self) -> None:
        """Raise what the disk refused."""
        if self.refused is not None:
            raise self.refused

    def __exit__(self, kind: Any, *rest: Any) -> None:
        super().__exit__(kind, *rest)
        if kind is None:
            self.require()


def _dataset(group: Any, name: str, shape: tuple[int, ...], kind: Any) -> None:
    """A data set with one chunk per sample: written once, read sample by sample."""
    chunks = (1, *shape[1:])
    group.create_dataset(name, shape, kind, chunks=chunks, compression="gzip", compression_opts=1)
