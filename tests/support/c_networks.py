"""Random FIXED networks for C programs, and a folder in which one is built and run.

In:  seeds; a network and its input.
Out: networks with their input; what a compiler and a program print.
"""

import re
import shutil
import subprocess
from dataclasses import replace

import numpy as np
from random_graphs import (
    adaptive_graph,
    after_spikes_graph,
    fixed_graph,
    fixed_input,
    graded_graph,
    looped_fixed_graph,
)
from random_packs import pack

from neurocompile.bundle.c.folder import c_bundle
from neurocompile.bundle.vectors import vectors_of
from neurocompile.data.inputs import Encoded
from neurocompile.ir.chip_neurons import CHIP_NEURONS
from neurocompile.ir.fixed import AlwaysOn, ChipNeuron, Synapse, rounds
from neurocompile.ir.nodes import Linear, size
from neurocompile.ir.registers import MOST_AXON_DELAY
from neurocompile.ir.verify import verify

EQUAL = re.compile(r"all (\d+) values equal")
RATES = (0.02, 0.2, 0.5, 1.0)
PACKS = 10  # one network of so many is a pack of 100
LATE = 4  # further steps of a delay


def compilers():
    """The compilers that are here; a test that finds none fails."""
    found = [name for name in ("gcc", "clang") if shutil.which(name)]
    assert found, "C programs are tested with a compiler. Install one: apt-get install gcc"
    return found


def put(graph, encoded, folder, **options):
    """Write the program of a network and its vectors into a folder; returns the bundle."""
    made = c_bundle(vectors_of(graph, encoded), **options)
    for name, content in made.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return made


def make(folder, goal, compiler):
    """Run make; what it did, with its output as text.

    A compiler for another machine has the emulator of its programs after an @:
    arm-linux-gnueabihf-gcc@qemu-arm.
    """
    compiler, _, emulator = compiler.partition("@")
    words = ["make", "-s", *goal.split(), f"CC={compiler}"]
    words += [f"RUN={emulator}", "CFLAGS=-static"] if emulator else []
    return subprocess.run(words, cwd=folder, capture_output=True, text=True)


def equal_values(done):
    """How many values a check found equal; 0 if it failed."""
    found = EQUAL.search(done.stdout) if done.returncode == 0 else None
    return int(found[1]) if found else 0


def networks(first, count):
    """Networks with their kind, seed and input; None where a pack cannot be drawn."""
    makers = (
        *(fixed_graph, looped_fixed_graph, adaptive_graph, after_spikes_graph, graded_graph),
        *(delayed_fixed_graph, delayed_looped_graph, delayed_graded_graph),
    )
    for seed in range(first, first + count):
        if seed % PACKS == PACKS - 1:
            kind = CHIP_NEURONS[seed // PACKS % len(CHIP_NEURONS)]
            found = pack(kind, seed)
            yield None if found is None else (f"100 {kind.__name__}", seed, *found)
            continue
        make = makers[seed % len(makers)]
        graph = unread(verify(make(seed), "fixed"))
        yield make.__name__, seed, graph, input_of(graph, seed)


def input_of(graph, seed):
    """Input with few or many spikes, so that layers go by events or as products."""
    values, steps = fixed_input(graph, seed)
    rng = np.random.default_rng([seed, 7])
    kept = rng.choice(RATES)
    drawn = {n: (v * (rng.random(v.shape) < kept)).astype(v.dtype) for n, v in values.items()}
    return Encoded(drawn, steps)


def unread(graph):
    """The same graph without readouts, in which a random spike is an error."""
    return graph.with_nodes(**{n: replace(v, readout=False) for n, v in graph.of(ChipNeuron)})


def delayed_fixed_graph(seed):
    """A network of `fixed_graph` with delays that differ inside synapses."""
    return delayed(fixed_graph(seed), seed)


def delayed_looped_graph(seed):
    """A network of `looped_fixed_graph` with delays that differ inside synapses."""
    return delayed(looped_fixed_graph(seed), seed)


def delayed_graded_graph(seed):
    """A network of `graded_graph` with delays that differ inside synapses."""
    return delayed(graded_graph(seed), seed)


def delayed(graph, seed):
    """The same graph; about half of its synapses have a delay of each target, source or weight."""
    rng = np.random.default_rng([seed, 11])
    for name, link in graph.of(Synapse):
        (before,) = graph.before(name)
        full = link.delay + LATE > MOST_AXON_DELAY
        if full or isinstance(graph.nodes[before], AlwaysOn) or rng.random() < 0.5:
            continue
        sources, targets = size(link.in_shape), size(link.out_shape)
        forms = [(targets,)]
        if not rounds(link):
            forms.append((1, sources))
            if isinstance(link.op, Linear) and link.op.weight.shape[1] == sources:
                forms.append((targets, sources))
        late = rng.integers(0, LATE, forms[int(rng.integers(len(forms)))])
        graph = graph.with_nodes(**{name: replace(link, late=late)})
    return verify(graph, "fixed")
