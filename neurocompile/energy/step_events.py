"""The loop that turns spikes into events of cores: every spike adds its row of a table.

In:  spikes 0 and 1 by sample, step and neuron; for each neuron, which counters its spike adds to.
Out: the counters, by sample, step and counter.
Spikes are few, so walking over them costs less than a product with every neuron. It is a file of
its own, because numba is needed only where a network runs.
"""

from __future__ import annotations

from typing import Any

import numba

compiled = numba.njit(cache=True, nogil=True, boundscheck=False)


@compiled
def add_events(
    fired: Any, begin: int, first: Any, counter: Any, number: Any, counters: Any
) -> None:
    """Add the events of all spikes.

    Args:
        fired: (samples, steps, neurons) uint8 of 0 and 1.
        begin: Step of the counters that is the first of the spikes.
        first: (neurons + 1,) int64; entries first[i] to first[i + 1] are those of neuron i.
        counter: (entries,) int32, the counter that an entry adds to.
        number: (entries,) int64, what it adds.
        counters: (samples, steps, counters) int64; changed in place.
    """
    samples, steps, neurons = fired.shape
    for sample in range(samples):
        for step in range(steps):
            row, into = fired[sample, step], counters[sample, begin + step]
            for neuron in range(neurons):
                if row[neuron]:
                    for entry in range(first[neuron], first[neuron + 1]):
                        into[counter[entry]] += number[entry]
