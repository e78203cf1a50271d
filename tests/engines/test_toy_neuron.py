"""A neuron of a chip that the package does not have takes one class and one rule of Lava.

Everything runs in a process of its own, because the toy joins the family as it is imported.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SUPPORT = ROOT / "tests" / "support"
PATHS = (SUPPORT, SUPPORT / "lava_child", ROOT / "docs")
NETWORKS = 12
ON_LAVA = 2

ENGINES = f"""
import json
import toy_neuron
import numpy as np
import random_parts
from random_graphs import fixed_input, member_graph
from neurocompile.data.inputs import Encoded
from neurocompile.engines.agree import run_engine
from neurocompile.engines.fixed.torch_path import run_torch
from neurocompile.errors import DoesNotFit
from neurocompile.ir import reference
from neurocompile.ir.time import lead_in
from neurocompile.ir.verify import verify

def toy(rng, shape):
    size = shape if rng.random() < 0.5 else ()
    return toy_neuron.Toy(shape, rng.integers(1, 3000, size), rng.integers(-4, 5, size), 2, 0)

counts = {{"values": 0, "sent": 0, "differ": 0, "on lava": 0}}
for seed in range({NETWORKS}):
    graph = verify(member_graph(seed, (toy,)), "fixed")
    encoded = Encoded(*fixed_input(graph, seed, n=1))
    try:
        lead_in(graph)
        found = [run_engine("fixed", graph, encoded)]
    except DoesNotFit:
        continue
    engines = ["onnx"]
    if counts["on lava"] < {ON_LAVA} and any(graph.of(toy_neuron.Toy)):
        counts["on lava"] += 1
        engines.append("lava")
    found += [run_torch(graph, encoded).recording]
    found += [run_engine(engine, graph, encoded) for engine in engines]
    values = {{name: v[0] for name, v in encoded.values.items()}}
    fired, membrane = reference.run_fixed(graph, values, encoded.steps)
    for name, _ in graph.of(toy_neuron.Toy):
        counts["sent"] += int(np.count_nonzero(fired[name]))
        for each in found:
            counts["values"] += 2 * fired[name].size
            counts["differ"] += int((each.spikes[name][0] != fired[name]).sum())
            counts["differ"] += int((each.membrane[name][0] != membrane[name]).sum())
print(json.dumps(counts))
"""

RULES = """
import json
import toy_neuron
from node_rules import CHIP_RULES, missing
from support_chip import two_of
print(json.dumps(missing(two_of(toy_neuron.Toy), CHIP_RULES)))
"""


def told(script):
    """What a script prints, in a process that has the toy, as Lava's child has it."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, PATHS))},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_engine_and_lava_run_a_new_neuron_with_the_same_bits():
    counts = told(ENGINES)
    assert counts["on lava"] == ON_LAVA
    assert counts["sent"] > 100
    assert counts["values"] > 10_000
    assert counts["differ"] == 0


def test_what_else_a_new_neuron_takes_is_named():
    # Lava's rule stands in a table that this test does not change on disk
    assert told(RULES) == [
        *("Lava's process", "Lava's process, written", "a target that has it", ".net file"),
        *("random networks", "docs/neurons.md", "recorded trace"),
    ]
