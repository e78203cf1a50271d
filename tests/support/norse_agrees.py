"""A model in Norse against the graph that is traced from it, spike for spike.

In:  a model in float64, and spikes (steps, *shape).
Out: what differs, layer by layer, and how much there was to compare.
"""

from typing import NamedTuple

import norse.torch as norse
import numpy as np
import torch
from norse.torch.module.snn import SNN, SNNCell, SNNRecurrent, SNNRecurrentCell

from neurocompile.engines import floating
from neurocompile.frontend.torch import trace
from neurocompile.ir import reference
from neurocompile.ir.verify import verify
from neurocompile.simplify import simplify

OVER_TIME = (SNN, SNNRecurrent)


class Comparison(NamedTuple):
    """What a model and its graph did.

    Attributes:
        wrong: Layers that differ, and in which of our runs.
        spikes: Spikes of Norse.
        compared: Spike places compared, in one of our runs.
        kinds: Names of the modules of the model, and of the nodes of its graph.
    """

    wrong: list[str]
    spikes: int
    compared: int
    kinds: set[str]


def takes_all_steps(model):
    """Whether a model is called once, with all steps."""
    return any(isinstance(m, (*OVER_TIME, norse.Lift)) for m in model.modules())


def run_in_norse(model, x):
    """Output of every neuron layer, (steps, *shape), watched by hooks."""
    over_time = takes_all_steps(model)
    seen, hooks = {}, []
    for name, module in model.named_modules():
        if isinstance(module, (SNNCell, SNNRecurrentCell, *OVER_TIME)):
            outs = seen[name.removeprefix("lifted_module.")] = []

            def keep(module, given, out, outs=outs):
                outs.append(out[0].detach().numpy().copy())

            hooks.append(module.register_forward_hook(keep))
    steps = torch.from_numpy(x)[:, None]
    with torch.no_grad():
        if over_time:
            model(steps)
        else:
            state = None
            for now in steps:
                _, state = model(now, state)
    for hook in hooks:
        hook.remove()
    if any(isinstance(m, OVER_TIME) for m in model.modules()):
        return {name: outs[0][:, 0] for name, outs in seen.items()}
    return {name: np.stack(outs)[:, 0] for name, outs in seen.items()}


def compare(model, x):
    """Norse against our reference, on the traced and the simplified graph, and our engine."""
    theirs = run_in_norse(model, x)
    over_time = takes_all_steps(model)
    example = torch.zeros(2, 1, *x.shape[1:]) if over_time else torch.zeros(1, *x.shape[1:])
    graph = verify(trace(model, example), "float")
    simple = verify(simplify(graph), "float")
    seen = floating.run_float(graph, x[None], len(x), membranes=tuple(graph.outputs()))
    runs = {
        "traced": reference.run_float(graph, x)[0],
        "simplified": reference.run_float(simple, x)[0],
        "floating": {name: spikes[0].astype(bool) for name, spikes in seen.spikes.items()},
    }
    wrong, compared = [], 0
    for run, ours in runs.items():
        for name, found in theirs.items():
            if name not in ours:
                wrong += [f"{run}: {name} is missing"] if run != "floating" else []
            elif ours[name].dtype != bool:
                good = np.allclose(ours[name], found, rtol=1e-9, atol=1e-12)
                wrong += [] if good else [f"{run}: {name}"]
            else:
                differ = int(np.sum(ours[name] != (found > 0)))
                wrong += [f"{run}: {differ} spikes of {name}"] if differ else []
                compared += found.size if run == "traced" else 0
    spikes = sum(int((out > 0).sum()) for name, out in theirs.items() if name in seen.spikes)
    kinds = {type(m).__name__ for m in model.modules()}
    return Comparison(
        wrong, spikes, compared, kinds | {type(n).__name__ for n in graph.nodes.values()}
    )
