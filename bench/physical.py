"""What this machine can do at most: bytes from memory and int8 operations per second.

In:  this machine, in the same run as what is compared with it.
Out: both limits, and the seconds that a network needs at them: its physical floor.
The floor has every multiply-add of the synapses at the peak of the int8 units, or every byte that
must come from memory or go there at the measured bandwidth, whichever takes longer. It has no
neurons, and knows no sparsity: a quiet layer, of which events read only a part, may stay below it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from scaling import best

from neurocompile.engines.fixed import int8
from neurocompile.engines.fixed.plan import plan_of
from neurocompile.ir.graph import Graph

ROUNDS = 5
COPIED = 1 << 26  # bytes of an array to copy: twice the largest caches here
THREADS = (1, 2)
SIDES = (512, 1024, 2048)  # of the matrices of which the fastest shows the peak


@dataclass(frozen=True)
class Limits:
    """Peaks of this machine.

    Attributes:
        bytes_a_second: Read and written together, by a copy that no cache holds.
        operations_a_second: Multiplications and additions of int8 products, or of float32 if the
            processor has no int8 units.
        float_operations_a_second: The same of float32 products.
        why_not_int8: Why there are no int8 products here, or "".
    """

    bytes_a_second: float
    operations_a_second: float
    float_operations_a_second: float
    why_not_int8: str

    def seconds(self, operations: float, moved: float) -> float:
        """Seconds of so many multiplications and additions, and of so many bytes moved."""
        return max(operations / self.operations_a_second, moved / self.bytes_a_second)

    def text(self) -> str:
        """The limits in a sentence."""
        giga = (self.bytes_a_second, self.operations_a_second, self.float_operations_a_second)
        memory, peak, floats = (f"{value / 1e9:,.0f}" for value in giga)
        of = f"float32, because {self.why_not_int8}" if self.why_not_int8 else "int8"
        return (
            f"Measured in the same run: a copy moves {memory} GB/s, products reach {peak} billion "
            f"operations per second in {of}, {floats} in float32."
        )


def limits(rounds: int = ROUNDS) -> Limits:
    """Measure this machine; the best of all rounds and numbers of threads."""
    source, target = torch.zeros(COPIED, dtype=torch.uint8), torch.ones(COPIED, dtype=torch.uint8)
    acts: dict[Any, Callable[[], Any]] = {}
    for threads in THREADS:
        acts["copy", 0, threads] = partial(_on, threads, partial(target.copy_, source))
        for side in SIDES:
            x, w = torch.rand(side, side), torch.rand(side, side)
            acts["float", side, threads] = partial(_on, threads, partial(torch.matmul, x, w))
            if not int8.why_not():
                small = x.mul(2).to(torch.int8)
                run = int8.matrix(np.ones((side, side), np.int8))
                acts["int8", side, threads] = partial(_on, threads, partial(run, small))
    seconds = best(acts, rounds)

    def peak(kind: str) -> float:
        rates = (2 * key[1] ** 3 / s for key, s in seconds.items() if key[0] == kind)
        return max(rates, default=0.0)

    copied = min(s for key, s in seconds.items() if key[0] == "copy")
    floats = peak("float")
    return Limits(2 * COPIED / copied, peak("int8") or floats, floats, int8.why_not())


def demands(graph: Graph, rows: int, moved: int = 0) -> tuple[float, float]:
    """Operations of a network's synapses, if every source spikes, and bytes that must be moved.

    Args:
        graph: FIXED graph.
        rows: Samples x steps.
        moved: Bytes of its input and of what is recorded.

    Returns:
        Multiplications and additions; bytes, with every weight read once.
    """
    links = [link for p in plan_of(graph).populations.values() for link in p.links]
    weights = sum(link.table.weights.nbytes for link in links if link.table is not None)
    return 2.0 * rows * sum(link.choice.operations for link in links), float(weights + moved)


def floor(measured: Limits, graph: Graph, rows: int, moved: int = 0) -> float:
    """Seconds that a network needs at the limits of the machine; see `demands`."""
    return measured.seconds(*demands(graph, rows, moved))


def _on(threads: int, act: Callable[[], Any]) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    act()
    torch.set_num_threads(before)
