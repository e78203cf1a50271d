"""A network in which neurons reach a core by several synapses, replayed in SANA-FE.

In:  `shared_axons.py PYTHON`, the interpreter of build/peers/sanafe; `--update` to write.
Out: shared_axons.json: joules of SANA-FE's network, and the digest of the replay.
SANA-FE sends a core one message for each neuron that spikes; here each synapse has an axon and
a message of its own (docs/placement.md says why). `make crosscheck` runs this too.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import numpy as np
from crosscheck import charged
from crosscheck_networks import LOIHI, STEPS, plain_route
from replay import MODEL, Case, digest, replay

from neurocompile.data.inputs import Encoded
from neurocompile.energy import count, estimate
from neurocompile.engines import fixed
from neurocompile.ir.entries import entries
from neurocompile.ir.fixed import BiasInput, CubaLIF, Synapse
from neurocompile.ir.graph import Graph
from neurocompile.ir.nodes import Linear, Sparse
from neurocompile.place.placed import Core, Placed

KEPT = Path(__file__).parent / "shared_axons.json"
NETWORK = ("message_out", "message_in", "hop_east_west", "hop_north_south")


def case() -> Case:
    """Neurons with two synapses onto the same population, and a residual connection past it.

    `coded` lies on cores 0, 1 and 6, `hidden` on 3 and 21, `out` on 21 and 12: core 21 is reached
    by the two synapses into `hidden` and by the residual one into `out`.
    """
    rng = np.random.default_rng(11)

    def few(targets: int) -> Sparse:
        held = rng.random((targets, 24)) < 0.4
        starts = np.concatenate([[0], held.sum(axis=1).cumsum()])
        data = 2 * rng.integers(10, 90, held.sum())
        return Sparse(data, np.nonzero(held)[1], starts, (24,), (targets,))

    nodes = {
        "currents": BiasInput((24,), (24,), 1.0),
        "coded": CubaLIF((24,), 4095, 200, 40, 0, 0, 0),
        "straight": Synapse(Linear(2 * rng.integers(-20, 60, (20, 24))), (24,), (20,)),
        "skip": Synapse(few(20), (24,), (20,)),
        "hidden": CubaLIF((20,), 4095, 600, 700, 0, 0, 0),
        "onward": Synapse(Linear(2 * rng.integers(-20, 60, (10, 20))), (20,), (10,)),
        "residual": Synapse(few(10), (24,), (10,)),
        "out": CubaLIF((10,), 4095, 600, 700, 0, 0, 0),
    }
    edges = (
        ("currents", "coded"), ("coded", "straight"), ("straight", "hidden"), ("coded", "skip"),
        ("skip", "hidden"), ("hidden", "onward"), ("onward", "out"), ("coded", "residual"),
        ("residual", "out"),
    )  # fmt: skip
    core_of = {
        "coded": np.repeat([0, 1, 6], 8),
        "hidden": np.repeat([3, 21], 10),
        "out": np.repeat([21, 12], 5),
    }
    graph = Graph(nodes, edges)
    cores = [
        Core(i, {name: np.flatnonzero(of == i) for name, of in core_of.items() if i in of}, {})
        for i in range(22)
    ]
    routes = {name: plain_route(graph, name, core_of) for name, _ in graph.of(Synapse)}
    currents = rng.integers(0, 900, (1, 24)).astype(np.int16)
    encoded = Encoded({"currents": currents}, STEPS)
    found = fixed.run(graph, encoded)
    placed = Placed(graph, LOIHI, tuple(cores), core_of, routes)
    return Case(placed, encoded, found.recording, found.activity)


def network_joules(made: Case) -> float:
    """Messages and hops by our model."""
    counts = count(made.placed, made.activity, 1, STEPS)
    models = estimate(counts, made.placed, LOIHI, "pipelined").models
    terms = next(m.terms for m in models if m.name == MODEL)
    return sum(t.energy_j for t in terms if t.quantity in NETWORK)


def extra(made: Case) -> Counter[str]:
    """Events of those messages to a core that a neuron's other synapse has reached already.

    Connection by connection: no route, and nothing that counts for energy, is used.
    """
    graph, core_of = made.placed.graph, made.placed.core_of
    reached: dict[tuple[str, int, int], set[str]] = {}
    for name, synapse in graph.of(Synapse):
        (source,), (target,) = graph.before(name), graph.after(name)
        pairs = entries(synapse.op, synapse.in_shape)
        for neuron, onto in zip(pairs.columns.tolist(), pairs.rows.tolist(), strict=True):
            reached.setdefault((source, neuron, int(core_of[target][onto])), set()).add(name)
    found: Counter[str] = Counter()
    for (source, neuron, there), by in reached.items():
        spikes = int(made.found.spikes[source][0][:, neuron].sum())
        more = (len(by) - 1) * spikes
        here, tile = int(core_of[source][neuron]) // 4, there // 4
        found["message_out"] += more
        found["hop_east_west"] += more * abs(tile // 4 - here // 4)
        found["hop_north_south"] += more * abs(tile % 4 - here % 4)
    return found


def main(arguments: list[str]) -> int:
    """Replay it, show what was charged, keep it on request."""
    made = case()
    told = replay(made)
    sanafe = charged(arguments[0], told)
    kept = {"digest": digest(told), "version": sanafe["version"], "network": sanafe["network"]}
    sys.stdout.write(
        f"shared axons: network: SANA-FE {sum(kept['network']):.6g} J, ours "
        f"{network_joules(made):.6g} J, of it messages that SANA-FE has not: {dict(extra(made))}\n"
    )
    if "--update" in arguments:
        KEPT.write_text(json.dumps(kept, indent=1) + "\n")
    same = KEPT.exists() and json.loads(KEPT.read_text()) == kept
    if not same:
        sys.stdout.write(f"DIFFERS from {KEPT}: make crosscheck UPDATE=1 keeps it\n")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
