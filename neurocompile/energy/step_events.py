"""Turn spikes into events of cores: every spike adds its row of a table.

In:  spikes by sample, step and neuron; for each neuron, which counters its spike adds to.
Out: the counters, by sample, step and counter.
Spikes are few, so walking over them costs less than a product with every neuron. With numba a
compiled loop does it; without numba, numpy does, with the same counts.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np

from neurocompile.ir.arrays import Array


def add_events(
    fired: Array, begin: int, first: Array, counter: Array, number: Array, counters: Array
) -> None:
    """Add the events of all spikes.

    Args:
        fired: (samples, steps, neurons) uint8 bits or int32 payloads; one that is not 0 is a spike.
        begin: Step of the counters that is the first of the spikes.
        first: (neurons + 1,) int64; entries first[i] to first[i + 1] are those of neuron i.
        counter: (entries,) int32, the counter that an entry adds to.
        number: (entries,) int64, what it adds.
        counters: (samples, steps, counters) int64; changed in place.
    """
    add = compiled() if find_spec("numba") else by_numpy  # the engine onnx runs without numba
    add(fired, begin, first, counter, number, counters)


def by_numpy(
    fired: Array, begin: int, first: Array, counter: Array, number: Array, counters: Array
) -> None:
    """Add the events with every spike expanded to its entries, a sample at a time."""
    for spikes, into in zip(fired, counters, strict=True):
        step, neuron = np.nonzero(spikes)
        lengths = first[neuron + 1] - first[neuron]
        before = np.cumsum(lengths) - lengths
        entry = np.arange(lengths.sum()) + np.repeat(first[neuron] - before, lengths)
        np.add.at(into, (np.repeat(step + begin, lengths), counter[entry]), number[entry])


@cache
def compiled() -> Any:
    """The same as a loop of machine code."""
    from neurocompile.engines import machine_code

    def loop(fired: Any, begin: int, first: Any, counter: Any, number: Any, counters: Any) -> None:
        samples, steps, neurons = fired.shape
        for sample in range(samples):
            for step in range(steps):
                row, into = fired[sample, step], counters[sample, begin + step]
                for neuron in range(neurons):
                    if row[neuron]:
                        for entry in range(first[neuron], first[neuron + 1]):
                            into[counter[entry]] += number[entry]

    return machine_code.compiled(loop, nogil=True, boundscheck=False)
