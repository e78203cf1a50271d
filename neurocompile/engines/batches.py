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
from neurocompile.errors import BadInput
from neurocompile.ir.fixed import BiasInput, ChipNeuron, SpikeInput
from neurocompile.ir.graph import Graph
from neurocompile.ir.neurons import Neuron
from neurocompile.ir.nodes import Input, size
from neurocompile.ir.shapes import shapes

BATCH = 50  # samples at a time; limits memory, changes no result
MAX_SPIKES = 1 << 32  # places for a spike in a batch: neurons x steps x samples, at a byte or more

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
        BadInput: If the data do not match the network's input, or a batch is too large.
        DoesNotFit: If a sample's current exceeds the 13 bits of a bias register.
    """
    check_size(graph, len(stimulus), stimulus.steps)
    enter: Any = encode if graph.fixed else float_input
    for first, last in spans(stimulus.end, stimulus.first):
        entered = enter(graph, stimulus.data, first, last, stimulus.steps, stimulus.seed)
        begun = time.perf_counter()
        did = run(entered)
        yield Batch(first, last, entered, did, time.perf_counter() - begun)


def check_size(graph: Graph, samples: int, steps: int) -> None:
    """Refuse what no memory holds, before any of it is asked for.

    Raises:
        BadInput: If a batch of samples has more than MAX_SPIKES places for a spike.
    """
    if graph.fixed:
        neurons = sum(size(n.shape) for _, n in graph.of(SpikeInput, BiasInput, ChipNeuron))
    else:
        found = shapes(graph)
        neurons = sum(size(found[name]) for name, _ in graph.of(Input, Neuron))
    samples = min(samples, BATCH)
    if neurons * steps * samples > MAX_SPIKES:
        raise BadInput(
            f"{neurons:,} neurons for {steps:,} steps in {samples} samples at a time are "
            f"{neurons * steps * samples:,} places for a spike; the largest number is "
            f"{MAX_SPIKES:,}. Use fewer samples or steps (--samples, --steps), or run a long "
            "recording as a stream (--stream)."
        )


def spans(end: int, begin: int = 0) -> Iterator[tuple[int, int]]:
    """Consecutive ranges [first, last) of at most BATCH samples, from `begin` to `end`."""
    for first in range(begin, end, BATCH):
        yield first, min(first + BATCH, end)
