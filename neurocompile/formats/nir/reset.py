"""What a spike does to v in a NIR file that does not say it, which is every file of others.

In:  the tree of a NIRGraph and its flat network.
Out: the reset that is taken, and an assumption where another one would give other spikes.
NIR's neurons go to v_reset, but programs that train with subtraction write the same fields.

Source: snnTorch 1.0.0, snntorch/_neurons/neurons.py (reset_mechanism="subtract"); Sinabs at
cfc51d7, sinabs/layers/iaf.py (reset_fn=MembraneSubtract()); Rockpool at 0126d31,
rockpool/nn/modules/torch/lif_torch.py (v - spikes * threshold); SpikingJelly 2.0.0,
spikingjelly/activation_based/neuron/base_node.py (v_reset=0.0); Norse 1.1.0,
norse/torch/functional/lif_box.py (reset_value); lava-dl 0.6.0, lava/lib/dl/slayer/neuron/cuba.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from neurocompile.formats.nir.flat import Flat, Tree
from neurocompile.ir.neurons import Reset
from neurocompile.ir.settings import Assumption

DEFAULTS: dict[str, tuple[str, Reset]] = {
    "snntorch": ("snnTorch", "subtract"),
    "sinabs": ("Sinabs", "subtract"),
    "rockpool": ("Rockpool", "subtract"),
    "spikingjelly": ("SpikingJelly", "zero"),
    "norse": ("Norse", "zero"),
    "lava": ("lava-dl", "zero"),
}
TIME_CONSTANTS = {"LIF": "tau", "CubaLIF": "tau_mem", "IF": ""}  # of v, in what spikes
WORDS = {"zero": "v goes to v_reset", "subtract": "v loses the threshold"}


def reset_of(graph: Tree, flat: Flat, dt: float, assumed: list[Assumption]) -> Reset:
    """The reset of a file's neurons; `assumed` is added to where it had to be taken."""
    spiking = {name: node for name, node in flat.nodes.items() if node["type"] in TIME_CONSTANTS}
    layers = [name for name, node in spiking.items() if not _forgets(node, dt)]
    if not layers or any(_has_level(node) for node in spiking.values()):
        return "zero"
    program, reset = next(
        (DEFAULTS[key] for text in _texts(graph) for key in DEFAULTS if key in text.lower()),
        ("", "zero"),
    )
    why = (
        f"the default of {program}, which the file's metadata name, as NIR does not hold the reset"
        if program
        else "the file does not say it, and snnTorch, Sinabs and Rockpool subtract the threshold "
        "by default"
    )
    named = f"layer '{layers[0]}'" + (f" and {len(layers) - 1} more" if len(layers) > 1 else "")
    sentence = (
        f"reset {reset}: at a spike of {named} {WORDS[reset]}: {why}. The other reset gives other "
        "spikes: give reset='zero' or reset='subtract' (--reset), as the network was trained."
    )
    assumed.append(Assumption("reset", sentence))
    return reset


def _forgets(node: Tree, dt: float) -> bool:
    """Whether v keeps nothing from one step to the next, so that no reset is to be seen."""
    tau = node.get(TIME_CONSTANTS[node["type"]])
    return isinstance(tau, np.ndarray) and tau.dtype.kind == "f" and bool(np.all(tau == dt))


def _has_level(node: Tree) -> bool:
    """Whether a primitive names a v_reset other than 0, which only a reset to it needs."""
    level = node.get("v_reset")
    return isinstance(level, np.ndarray) and level.dtype.kind in "fiu" and bool(level.any())


def _texts(graph: Tree) -> Iterator[str]:
    """Names and texts in the metadata of a graph and of its nodes, which other programs write."""
    nodes = graph.get("nodes")
    for holder in (graph, *(nodes.values() if isinstance(nodes, dict) else ())):
        metadata: Any = holder.get("metadata") if isinstance(holder, dict) else None
        for key, value in metadata.items() if isinstance(metadata, dict) else ():
            yield from (key, *([value] if isinstance(value, str) else []))
