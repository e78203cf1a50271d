"""Random float networks with additions, concatenations, delays and loops over several layers."""

import numpy as np
from networks import neuron

from neurocompile.ir.graph import Graph
from neurocompile.ir.nodes import Add, Concat, Delay, Input, Linear
from neurocompile.ir.settings import Decoder, Encoder, Settings

KINDS = ("box", "subtract", "lif")


def looped_network(seed, *, layers=5, kinds=KINDS, slow=False, steps=20):
    """An input of 6, spiking layers fed by random sums of earlier and, late, of later ones.

    Args:
        seed: Draws everything.
        layers: Spiking layers.
        kinds: Of neurons.
        slow: Every delay is long enough for any loop to be kept up with on a chip.
        steps: For the settings.
    """
    rng = np.random.default_rng(seed)
    nodes, edges = {"input": Input((6,))}, []
    width = {"input": 6}
    unbiased = ["input"]  # what may be delayed: no bias has joined it since its neurons
    signals = ["input"]
    late = []

    def put(name, node, size, *before):
        nodes[name], width[name] = node, size
        edges.extend((b, name) for b in before)
        return name

    def weights(*shape):
        return (0.7 * rng.normal(size=shape)).astype(np.float32)

    def linear(name, size, source, bias):
        drawn = 0.1 * weights(size) if bias else None
        return put(name, Linear(weights(size, width[source]), drawn), size, source)

    def any_of(names):
        return names[rng.integers(len(names))]

    def delayed(name, source):
        count = layers if slow else int(rng.integers(1, 4))
        return put(name, Delay(count), width[source], source)

    for n in range(layers):
        size = int(rng.integers(2, 7))
        terms = []
        for k in range(int(rng.integers(1, 4))):
            name, source = f"l{n}_{k}", any_of(signals)
            match rng.integers(5):
                case 0:
                    source = delayed(f"{name}_late", any_of(unbiased))
                case 1:
                    a, b = rng.choice(len(signals), 2)
                    if a != b:
                        a, b = signals[a], signals[b]
                        source = put(f"{name}_cat", Concat(), width[a] + width[b], a, b)
                case 2:
                    same = [s for s in signals if width[s] == width[source] and s != source]
                    if same:
                        other = any_of(same)
                        source = put(f"{name}_add", Add(), width[source], source, other)
                case 3:
                    source = linear(f"{name}_first", width[source], source, False)
                    unbiased.append(source)
                    signals.append(source)
            terms.append(linear(name, size, source, bool(rng.integers(2))))
        if rng.random() < 0.7:
            back = f"back{n}"
            late.append((back, size))
            terms.append(put(back, None, size))
        if len(terms) > 1:
            terms = [put(f"sum{n}", Add(), size, *terms)]
        leak, reset = rng.uniform(-0.05, 0.05, 2)
        found = put(
            f"lif{n}", neuron(any_of(kinds), v_leak=leak, v_reset=reset, v_th=0.2), size, *terms
        )
        signals.append(found)
        unbiased.append(found)
    for n, (back, size) in enumerate(late):  # from any layer, a layer itself included
        source = delayed(f"late{n}", f"lif{rng.integers(layers)}")
        nodes[back] = Linear(weights(size, width[source]))
        edges.append((source, back))
    linear("last", 3, f"lif{layers - 1}", True)
    put("readout", neuron("libox", v_leak=0.1), 3, "last")
    graph = Graph(
        nodes, tuple(edges), Settings(steps=steps, encoder=Encoder("bernoulli"), decoder=Decoder())
    )
    return without_dead_ends(graph)


def without_dead_ends(graph):
    """The graph without linear nodes that lead to nothing."""
    while True:
        dead = [n for n in graph.outputs() if n != "readout" and not n.startswith("lif")]
        if not dead:
            return graph
        nodes = {n: node for n, node in graph.nodes.items() if n not in dead}
        edges = tuple(e for e in graph.edges if e[1] not in dead)
        graph = Graph(nodes, edges, graph.settings)
