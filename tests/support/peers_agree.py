"""A model of a neighbour against the graph that is traced from it, spike for spike.

In:  a model in float64, how it is run, and which of its modules are neurons.
Out: what differs, layer by layer, and how much there was to compare.
"""

from typing import NamedTuple

import numpy as np
import torch

from neurocompile.frontend.torch import trace
from neurocompile.ir import reference
from neurocompile.ir.verify import verify
from neurocompile.simplify import simplify


class Agreement(NamedTuple):
    """What a model and its graph did.

    Attributes:
        wrong: Layers that differ, and in which of our runs.
        spikes: Spikes of the neighbour.
        compared: Places compared, in one of our runs.
        kinds: Names of the modules of the model, and of the nodes of its graph.
    """

    wrong: list[str]
    spikes: int
    compared: int
    kinds: set[str]


def watched(model, run, neuron, steps_of):
    """What every neuron layer gave, (steps, *shape) by name, while `run` ran the model.

    Args:
        model: The model.
        run: Runs it over time.
        neuron: Whether a module is a layer of neurons.
        steps_of: Turns the outputs of all calls of a layer into (steps, *shape).
    """
    seen, hooks = {}, []
    for name, module in model.named_modules():
        if neuron(module):
            outs = seen[name] = []

            def keep(module, given, out, outs=outs):
                outs.append(out[0] if isinstance(out, tuple) else out)

            hooks.append(module.register_forward_hook(keep))
    with torch.no_grad():
        run()
        found = {name: steps_of(outs).detach().numpy().copy() for name, outs in seen.items()}
    for hook in hooks:
        hook.remove()
    return found


def one_sample(outs):
    """(steps, *shape) of a batch of one, from a call a step."""
    return torch.stack([out[0] for out in outs])


def compare(model, x, theirs, example, settings=None):
    """The neighbour's spikes against our reference, on the traced and on the simplified graph.

    Args:
        model: The model.
        x: (steps, *shape), what it was given.
        theirs: What its neuron layers gave, by name.
        example: Example of its input, for the trace.
        settings: Settings of the trace.
    """
    graph = verify(trace(model, example, settings, max_pool="neurons"), "float")
    simple = verify(simplify(graph), "float")
    runs = {
        "traced": reference.run_float(graph, x)[0],
        "simplified": reference.run_float(simple, x)[0],
    }
    wrong, compared, spikes = [], 0, 0
    for run, ours in runs.items():
        for name, found in theirs.items():
            name = name or type(model).__name__.lower()
            differ = int(np.sum(ours[name] != (found > 0)))
            wrong += [f"{run}: {differ} spikes of {name}"] if differ else []
            compared += found.size if run == "traced" else 0
            spikes += int((found > 0).sum()) if run == "traced" else 0
    kinds = {type(m).__name__ for m in model.modules()}
    return Agreement(
        wrong, spikes, compared, kinds | {type(n).__name__ for n in graph.nodes.values()}
    )
