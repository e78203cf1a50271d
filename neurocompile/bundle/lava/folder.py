"""The files of a Lava bundle.

In:  a FIXED graph, encoded samples, and what the engine `fixed` made of them.
Out: the content of each file, by its path in the folder.
Lava is neither needed nor imported here.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files as package_files
from typing import Any

import numpy as np

from neurocompile.bundle.lava.network import LavaNetwork, lava_network
from neurocompile.bundle.lava.readme import outputs, readme
from neurocompile.bundle.units import tables
from neurocompile.bundle.vectors import Vectors
from neurocompile.engines.in_range import require_in_range
from neurocompile.engines.lava.plan import LavaPlan, make_plan
from neurocompile.engines.lava.widths import refuse_wide_sums
from neurocompile.formats.whole import encoded
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import BiasInput, SpikeInput

PROCESSES = ("__init__.py", "neurons.py", "recorder.py", "source.py")


@dataclass(frozen=True, eq=False)
class LavaBundle:
    """A Lava bundle.

    Attributes:
        files: Content of each file, by its path in the folder.
        network: The network in Python.
        plan: How Lava runs the vectors.
    """

    files: dict[str, bytes]
    network: LavaNetwork
    plan: LavaPlan


def lava_bundle(vectors: Vectors, steps: int | None = None) -> LavaBundle:
    """The network as source for Lava, with its vectors.

    Args:
        vectors: The network, its input and what it did.
        steps: Steps of a sample; None takes those of the vectors.

    Raises:
        Unsupported: If Lava has no process for a neuron or synapse, by name.
        DoesNotFit: If the vectors leave a register.
    """
    graph, did = vectors.graph, vectors.did
    plan = make_plan(graph, vectors.encoded)
    require_in_range(graph, vectors.encoded, did)
    refuse_wide_sums(graph, did.spikes)
    network = lava_network(graph, plan, steps or vectors.steps)
    ((name, node),) = graph.of(SpikeInput, BiasInput)
    key = "spikes" if isinstance(node, SpikeInput) else "biases"
    expected = {}
    for population in plan.populations:
        short = network.names[population.name]
        expected[f"{short}.spikes"] = np.asarray(did.spikes[population.name])
        expected[f"{short}.potentials"] = np.asarray(did.membrane[population.name], np.int32)
    engine = package_files("neurocompile.engines.lava")
    own = package_files("neurocompile.bundle.lava")
    made = {
        "run.py": own.joinpath("run.py").read_bytes(),
        "network.py": network.source.encode(),
        "integers.npz": _npz(network.arrays),
        "modern.py": engine.joinpath("modern.py").read_bytes(),
        **{
            f"processes/{file}": engine.joinpath("processes", file).read_bytes()
            for file in PROCESSES
        },
        "vectors/inputs.npz": _npz({key: np.asarray(vectors.encoded.values[name])}),
        "vectors/expected.npz": _npz(expected),
    }
    made["README.md"] = encoded(readme(vectors, network, plan, key))
    made |= tables(graph, outputs(graph, plan))
    return LavaBundle(made, network, plan)


def _npz(arrays: Mapping[str, Array]) -> bytes:
    """A file of numpy's, compressed; the same arrays give the same bytes."""
    content = io.BytesIO()
    named: dict[str, Any] = dict(arrays)
    np.savez_compressed(content, allow_pickle=False, **named)
    return content.getvalue()
