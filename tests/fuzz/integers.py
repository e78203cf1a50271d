"""`make fuzz-integers N=10000`: the engine `fixed` against an independent model of its integers.

In:  `integers.py [--networks N] [--first SEED]`.
Out: a table by kind of network: networks, values compared, networks that stopped in both, that
     differ, and that are refused before they run; exit 1 where one differs, with its seed. Ctrl-C
     ends with the table so far.
The model (tests/support/integer_model.py) is written from the pages on neurons, numbers and delays,
and reads the bytes of fixed.onnx. Networks come from every FIXED maker of `random_graphs`, also
with delays that differ inside their synapses; every fifth has most of one kind of neuron, all in
turns, and every tenth a pack of 100 whose registers lie over their ranges and at their ends.
"""

import argparse
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1] / "support")]

import integer_model  # noqa: E402
import random_parts  # noqa: E402
from c_networks import delayed, input_of, networks  # noqa: E402
from random_graphs import member_graph  # noqa: E402

from neurocompile.engines import fixed  # noqa: E402
from neurocompile.errors import DoesNotFit  # noqa: E402
from neurocompile.formats.onnx.write import to_bytes  # noqa: E402
from neurocompile.ir.chip_neurons import CHIP_NEURONS  # noqa: E402
from neurocompile.ir.time import lead_in  # noqa: E402
from neurocompile.ir.verify import verify  # noqa: E402

HEADS = ("networks", "values", "stopped", "differ", "refused")
OWN = 5  # one network of so many has most of one kind of neuron


def main(arguments):
    """Compare; 1 if a network differs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--networks", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args(arguments)
    rows, begun, done = {}, time.perf_counter(), options.first
    try:
        for network in drawn(options.first, options.networks):
            count(network, rows)
            done += 1
    except KeyboardInterrupt:
        pass
    report(rows, time.perf_counter() - begun)
    sys.stdout.write(f"--first {done} goes on\n")
    return int(any(row["differ"] for row in rows.values()))


def count(network, rows):
    """Compare a network, and count what came of it."""
    if network is None:
        rows.setdefault("(no pack drawn)", Counter())["refused"] += 1
        return
    kind, seed, graph, encoded = network
    row = rows.setdefault(kind, Counter())
    try:
        lead_in(graph)
    except DoesNotFit:  # refused by design: it cannot start early
        row["refused"] += 1
        return
    row["networks"] += 1
    wrong = compared(graph, encoded, row)
    if wrong:
        row["differ"] += 1
        sys.stdout.write(f"{kind} {seed}: {wrong}\n")


def drawn(first, count):
    """Networks with their kind, seed and input; None where a pack cannot be drawn."""
    for seed, network in enumerate(networks(first, count), start=first):
        if seed % OWN or (network is not None and network[0].startswith("100 ")):
            yield network
            continue
        kind = CHIP_NEURONS[seed // OWN % len(CHIP_NEURONS)]
        graph = verify(member_graph(seed, (random_parts.DRAWN[kind],)), "fixed")
        graph = delayed(graph, seed) if seed // OWN // len(CHIP_NEURONS) % 2 else graph
        yield f"{kind.__name__} first", seed, graph, input_of(graph, seed)


def compared(graph, encoded, row, content=None):
    """What differs between engine and model, which reads the graph's file, or ""."""
    try:
        content = content or to_bytes(graph)
        sent, potentials = integer_model.run(content, encoded.values, encoded.steps)
        told = None
    except integer_model.StopError as stop:
        told = stop
    try:
        found = fixed.run(graph, encoded)
    except DoesNotFit as error:
        row["stopped"] += 1
        return _other_stop(str(error), told)
    if told is not None:
        return f"the model stops at {told}, the engine does not"
    found = found.recording
    for what, theirs, ours in (
        ("spikes", sent, found.spikes),
        ("potentials", potentials, found.membrane),
    ):
        if theirs.keys() != ours.keys():
            return f"{what}: {sorted(theirs)} and {sorted(ours)}"
        for name, values in ours.items():
            row["values"] += values.size
            differing = np.argwhere(theirs[name] != values.reshape(theirs[name].shape))
            if len(differing):
                sample, step, neuron = differing[0].tolist()
                return f"{what} of {name}, sample {sample}, step {step + 1}, neuron {neuron}"
    return ""


def _other_stop(message, told):
    """What differs where the engine refuses to go on, or ""."""
    if told is None:
        return f"the engine stops, the model does not: {message}"
    if not any(f"'{name}'" in message for name in told.layers):
        return f"the model stops in {told}, the engine otherwise: {message}"
    return ""


def report(rows, seconds):
    """Print the table."""
    total = Counter()
    for row in rows.values():
        total.update(row)
    sys.stdout.write(f"{'kind':<22}" + "".join(f"{head:>12}" for head in HEADS) + "\n")
    for kind, row in [*sorted(rows.items()), ("all", total)]:
        sys.stdout.write(f"{kind:<22}" + "".join(f"{row[head]:>12,}" for head in HEADS) + "\n")
    sys.stdout.write(f"{seconds:.0f} s\n")


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):  # a job in the background has SIGINT ignored
        signal.signal(number, signal.default_int_handler)
    sys.exit(main(sys.argv[1:]))
