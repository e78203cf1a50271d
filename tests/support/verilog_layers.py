"""Random layers as modules of Verilog, and a folder in which one is simulated.

In:  seeds; a network, what it did and a layer.
Out: layers that can be modules; what a simulator prints.
"""

import re
import subprocess

from c_networks import networks

from neurocompile.bundle.folder import write_folder
from neurocompile.bundle.vectors import vectors_of
from neurocompile.bundle.verilog.folder import verilog_bundle
from neurocompile.errors import BadInput, DoesNotFit
from neurocompile.ir.fixed import ChipNeuron

EQUAL = re.compile(r"^all (\d+) values equal", re.MULTILINE)
CLOCKS = re.compile(r"^clocks of the longest step: (\d+)$", re.MULTILINE)


def layers(first, count):
    """The layers of random networks: kind, seed, name, and the bundle or why there is none."""
    for network in networks(first, count):
        if network is None:
            continue
        kind, seed, graph, encoded = network
        try:
            vectors = vectors_of(graph, encoded)
        except DoesNotFit:  # refused by the engine by design
            continue
        for name, _ in graph.of(ChipNeuron):
            try:
                yield kind, seed, name, verilog_bundle(vectors, name)
            except BadInput as refusal:
                yield kind, seed, name, str(refusal)


def simulated(made, folder, simulator):
    """Write a bundle and check it in a simulator; what make did, with its output as text."""
    write_folder(folder, made.files, {})
    words = ["make", "-s", "check", f"SIM={simulator}"]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True)


def equal_values(done):
    """How many values a check found equal; 0 if it failed."""
    found = EQUAL.search(done.stdout) if done.returncode == 0 else None
    return int(found[1]) if found else 0
