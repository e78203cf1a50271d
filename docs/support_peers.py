"""One tiny layer of each kind of the neighbours, for the columns of docs/support.md.

In:  nothing; the neighbours are imported.
Out: their layers that have a rule with a state, and where each stands.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Any

import sinabs.layers as sl
import snntorch as snn
import spikingjelly.activation_based as sj
from sinabs.activation import SingleSpike
from spikingjelly.activation_based import layer, neuron
from torch import nn

from neurocompile.frontend.peers import meet_peers
from neurocompile.frontend.site import Site

meet_peers()
# slayer imports OpenCV and torchvision for a part of it that no block uses.
sys.modules.setdefault("lava.lib.dl.slayer.object_detection", ModuleType("not_installed"))
SLAYER = import_module("neurocompile.frontend.peers.slayer")
layer_of, why_no_block = SLAYER.layer_of, SLAYER.why_not
BLOCKS = import_module("lava.lib.dl.slayer.block")

FEATURES = 2
LIBRARIES: dict[str, tuple[Any, ...]] = {
    "snntorch": (snn,),
    "spikingjelly": (sj.neuron, sj.layer),
    "sinabs": (sl,),
}


def examples() -> dict[str, list[nn.Module]]:
    """Layers with a state, by neighbour: every kind, and the options that make another node."""
    here, back = {"linear_features": FEATURES}, nn.Linear(FEATURES, FEATURES, bias=False)
    spiking: dict[str, Any] = {"spike_fn": SingleSpike}
    squeezed = {"batch_size": 1}
    return {
        "snntorch": [
            *(snn.Leaky(0.9), snn.Leaky(1.0), snn.Leaky(0.9, reset_mechanism="none")),
            *(snn.Leaky(1.0, reset_mechanism="none"), snn.Lapicque(0.9)),
            *(snn.Synaptic(0.9, 0.8), snn.Synaptic(0.9, 0.8, reset_mechanism="none")),
            *(snn.RLeaky(0.9, **here), snn.RSynaptic(0.9, 0.8, **here)),
        ],
        "spikingjelly": [
            *(neuron.IFNode(), neuron.LIFNode(), neuron.ParametricLIFNode(), neuron.CUBALIFNode()),
            layer.LinearRecurrentContainer(neuron.IFNode(), FEATURES, FEATURES),
            layer.ElementWiseRecurrentContainer(neuron.IFNode(), lambda x, y: x + y),
        ],
        "sinabs": [
            *(sl.LIF(5.0, **spiking), sl.LIF(5.0, tau_syn=5.0, **spiking), sl.IAF(**spiking)),
            *(sl.ExpLeak(5.0), sl.ExpLeakSqueeze(tau_mem=5.0, **squeezed)),
            *(sl.LIFSqueeze(tau_mem=5.0, **spiking, **squeezed),),
            *(sl.IAFSqueeze(**spiking, **squeezed),),
            *(sl.LIFRecurrent(5.0, back, **spiking), sl.IAFRecurrent(back, **spiking)),
        ],
    }


def sites() -> Iterator[tuple[str, nn.Module, Site]]:
    """Neighbour, layer, and where it stands."""
    for name, modules in examples().items():
        for module in modules:
            yield name, module, Site("x", (FEATURES,), (FEATURES,))


def slayer_blocks() -> dict[str, type]:
    """Every block of slayer by the name of its neurons and its own, as `cuba.Dense`."""
    families = {info.name for info in iter_modules(BLOCKS.__path__)} - {"base"}
    modules = {name: import_module(f"{BLOCKS.__name__}.{name}") for name in sorted(families)}
    return {
        f"{family}.{name}": kind
        for family, module in modules.items()
        for name, kind in vars(module).items()
        if isinstance(kind, type)
        and kind.__module__ == module.__name__
        and not name.startswith("Abstract")
    }
