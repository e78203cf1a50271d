"""Run a graph on many samples, one batch at a time: the only loop over batches.

In:  a graph of either stage, a stimulus, a function that runs a batch.
Out: batch after batch: which samples, what entered the network, what the network did.
Batches limit the memory; a sample's input and result depend on no other sample.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from neurocompile.data.inputs import encode, float_input
from neurocompile.data.stimulus import Stimulus
from neurocompile.ir.graph import Graph

BATCH = 50  # samples at a time; limits memory, changes no result

Entered = TypeVar("Entered")
Did = TypeVar("Did")


@dataclass(frozen=True, eq=False)
class Batch(Generic[Entered, Did]):
    """Some consecutive samples and what a network did with them.

    Attributes:
        first, last: Range of samples of the data, [first, last).
        entered: Input of the network: `Encoded` for a FIXED graph, an array for a FLOAT graph.
        did: Return value of the function that ran the batch, usually a recording.
        seconds: Wall time of the run, without the encoding.
    """

    first: int
    last: int
    entered: Entered
    did: Did
    seconds: float


def batches(
    graph: Graph, stimulus: Stimulus, run: Callable[[Entered], Did]
) -> Iterator[Batch[Entered, Did]]:
    """Run a graph on all samples of a stimulus.

    Args:
        graph: FIXED or FLOAT graph; its stage decides the kind of input.
        stimulus: Samples, steps per sample and seed.
        run: Function that runs the graph on the input of one batch.

    Raises:
        BadInput: If the data do not match the network's input.
        DoesNotFit: If a sample's current exceeds the 13 bits of a bias register.
    """
    enter: Any = encode if graph.fixed else float_input
    for first, last in spans(len(stimulus)):
        entered = enter(graph, stimulus.data, first, last, stimulus.steps, stimulus.seed)
        begun = time.perf_counter()
        did = run(entered)
        yield Batch(first, last, entered, did, time.perf_counter() - begun)


def spans(total: int) -> Iterator[tuple[int, int]]:
    """Consecutive ranges [first, last) of at most BATCH samples."""
    for first in range(0, total, BATCH):
        yield first, min(first + BATCH, total)
