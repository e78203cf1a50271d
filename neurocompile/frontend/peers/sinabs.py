"""Rules of Sinabs: its layers of neurons as ours.

In:  a layer of Sinabs, over time or squeezed, and where it is.
Out: the nodes that fire when it fires.

It fires where v >= threshold, ours where v > v_th: v_th is the float64 just below. Its current
decays before it is used, i' = alpha (i + x), ours after: the input is multiplied by alpha.

Source: sinabs 3.1.3, sinabs/layers/{lif,iaf,exp_leak,reshape}.py, sinabs/activation/.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sinabs.layers as sl
import torch
from sinabs.activation import MembraneReset, MembraneSubtract
from sinabs.network import Network
from torch import Tensor, nn

from neurocompile.errors import a_or_an
from neurocompile.frontend.hints import MAXIMUM, say_why
from neurocompile.frontend.numbers import constants
from neurocompile.frontend.rules import has_rule, node_of
from neurocompile.frontend.site import Site
from neurocompile.frontend.stateful import (
    Calling,
    Parts,
    at_rest,
    calling_rule,
    copy_of,
    expansion_of,
    just_below,
    prove,
)
from neurocompile.ir import neurons, nodes
from neurocompile.ir.arrays import Array
from neurocompile.ir.nodes import scaling

PACKAGE = "sinabs"
ZERO = np.zeros(())
POTENTIALS = (-1.0, 0.5, 1.0, 1.5, 2.0, 7.0)  # at a threshold of 1
SPIKING = (sl.LIF, sl.LIFSqueeze, sl.IAF, sl.IAFSqueeze, sl.LIFRecurrent, sl.IAFRecurrent)
SQUEEZED = (sl.LIFSqueeze, sl.IAFSqueeze, sl.ExpLeakSqueeze)
WITHOUT_LEAK = (sl.IAF, sl.IAFRecurrent)


def _calling(module: nn.Module) -> Calling:
    return Calling(over_time=not isinstance(module, SQUEEZED), batch_first=True)


for stateful in (*SPIKING, sl.ExpLeak, sl.ExpLeakSqueeze):
    calling_rule.register(stateful, _calling)


CURE = (
    "Use sinabs.layers.LIF, IAF or ExpLeak, or their Squeeze or Recurrent forms, with "
    "spike_fn=SingleSpike."
)
WHY: dict[tuple[str, ...], str] = {
    ("StatefulLayer",): f"No rule knows its step. {CURE}",
    ("ALIF", "ALIFRecurrent"): f"Its threshold adapts. {CURE}",
    (
        "NeuromorphicReLU",
        "QuantizeLayer",
    ): f"It sends whole numbers, and no rule reads it yet. {CURE}",
    ("Img2SpikeLayer", "Sig2SpikeLayer"): (
        "It makes spikes of samples: use it outside of the network, and give the spikes as data."
    ),
    ("SpikingMaxPooling2dLayer",): MAXIMUM,
    ("Merge",): "It adds two signals: write their sum, x + y, in the forward.",
}
say_why(WHY, sl)


@expansion_of.register(sl.Repeat)
def _(module: nn.Module) -> str:
    return "over time"


@expansion_of.register(Network)
def _(module: nn.Module) -> str:
    return "traced"


@node_of.register(sl.ExpLeak)
@node_of.register(sl.ExpLeakSqueeze)
def _(module: Any, site: Site) -> Parts:
    _check_minimum(module, site)
    leak = _leak(module, site, "mem")
    gain = None if module.norm_input else scaling(1 / leak, site.in_shape)
    return _proved(module, site, Parts(neurons.LIBox(neurons.rate_of(leak, site.dt), ZERO), gain))


def _spiking_layer(module: Any, site: Site) -> Parts:
    """A layer that spikes, with or without leak, synaptic current and recurrence."""
    _check_minimum(module, site)
    levels = _levels(module, site)
    has_current = module.alpha_syn_calculated is not None
    if isinstance(module, WITHOUT_LEAK):
        if has_current:
            raise site.refuse(
                module,
                "tau_syn gives it a current that its potential adds up without a leak, which no "
                "neuron here does. Use LIF with a long tau_mem, or IAF without tau_syn.",
            )
        return _proved(module, site, Parts(neurons.IAF(**levels), None, _recurrent(module, site)))
    leak = _leak(module, site, "mem")
    factor = np.ones(()) if module.norm_input else 1 / leak
    neuron: Any
    if has_current:
        current = _leak(module, site, "syn")
        factor = factor * (1 - current)
        rates = neurons.rate_of(current, site.dt), neurons.rate_of(leak, site.dt)
        neuron = neurons.LIF(*rates, ZERO, **levels)
    else:
        neuron = neurons.LIFBox(neurons.rate_of(leak, site.dt), ZERO, **levels)
    gain = scaling(factor, site.in_shape)
    return _proved(module, site, Parts(neuron, gain, _recurrent(module, site)))


for spiking in SPIKING:
    node_of.register(spiking, _spiking_layer)


def _leak(module: Any, site: Site, which: str) -> Array:
    """The part of a state that is lost each step: 1 - exp(-1 / tau)."""
    kept = getattr(copy_of(module).double(), f"alpha_{which}_calculated")
    leak = 1 - np.asarray(
        constants(kept, f"alpha_{which}", site.in_shape, layer=site.name), np.float64
    )
    if np.any(leak <= 0) or np.any(leak >= 1):
        raise site.refuse(
            module,
            f"its tau_{which} lets it keep {1 - float(leak.min()):.6g} of its state in a step, "
            "allowed is a part between 0 and 1. Use IAF where nothing is lost.",
        )
    return leak


def _levels(module: Any, site: Site) -> dict[str, Any]:
    """Threshold and reset."""
    found = _spikes(module.spike_fn)
    if not torch.equal(found, torch.tensor([float(v >= 1) for v in POTENTIALS])):
        name = getattr(module.spike_fn, "__name__", type(module.spike_fn).__name__)
        raise site.refuse(
            module,
            f"its spike_fn {name} gives {float(found.max()):.4g} spikes in a step at 7 times its "
            "threshold, but an axon carries one. Use spike_fn=SingleSpike, and train or fine-tune "
            "with it.",
        )
    threshold = constants(module.spike_threshold, "spike_threshold", site.in_shape, layer=site.name)
    levels: dict[str, Any] = {"v_th": just_below(threshold), "v_reset": ZERO}
    reset = module.reset_fn
    if isinstance(reset, MembraneSubtract):
        drop = threshold
        if reset.subtract_value is not None:
            value = reset.subtract_value
            drop = constants(value, "subtract_value", site.in_shape, layer=site.name)
        return {**levels, "reset": "subtract", "v_drop": drop}
    if isinstance(reset, MembraneReset) and reset.reset_value == 0:
        return levels
    raise site.refuse(
        module,
        f"its reset_fn is {reset!r}, allowed are MembraneSubtract() and MembraneReset(). Sinabs "
        "adds another reset_value in every step, whether a neuron has spiked or not.",
    )


def _spikes(spike: Any) -> Tensor:
    """What a spike_fn gives at POTENTIALS and a threshold of 1."""
    with torch.no_grad():
        found: Tensor = spike.apply(torch.tensor(POTENTIALS), torch.tensor(1.0), None)
    return found.float()


def _check_minimum(module: Any, site: Site) -> None:
    if module.min_v_mem is not None:
        raise site.refuse(
            module,
            f"min_v_mem = {float(module.min_v_mem.min()):.4g} stops its potential there, which no "
            "neuron here does. Use min_v_mem=None, and train or fine-tune with it.",
        )


def _recurrent(module: Any, site: Site) -> Any:
    """What the spikes go through on their way back; None without recurrence."""
    back = getattr(module, "rec_connect", None)
    if back is None:
        return None
    if not has_rule(back) or not isinstance(back, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Identity):
        raise site.refuse(
            module,
            f"its rec_connect is {a_or_an(type(back).__name__)}, allowed are Linear, Conv1d, "
            "Conv2d and "
            "Identity.",
        )
    node = node_of(back, Site(f"{site.name}.rec_connect", site.in_shape, site.in_shape))
    bias = nodes.bias_of(node)
    if bias is not None and np.any(bias != 0):
        raise site.refuse(
            module,
            "the bias of its rec_connect is missing in the first step, where nothing has come "
            "back yet. Use bias=False there, and a bias in the layer before.",
        )
    return node


def _proved(module: Any, site: Site, parts: Parts) -> Parts:
    return prove(module, parts, site, lambda x: _run(module, x), PACKAGE)


class _Step:
    """SingleSpike in the type that it is given: Sinabs' own returns float32."""

    required_states = ("v_mem",)

    @staticmethod
    def apply(v: Tensor, threshold: Tensor, surrogate: Any) -> Tensor:
        """1 where v is at the threshold or above."""
        return (v - threshold >= 0).to(v)


@at_rest.register
def _(module: sl.StatefulLayer) -> None:
    for name in module._buffers:
        module._buffers[name] = torch.zeros(0)
    if getattr(module, "spike_fn", None) is not None:
        module.spike_fn = _Step


def _run(module: Any, x: Array) -> Array:
    """The layer's own spikes or potentials in float64, from zeros."""
    own = copy_of(module).double()
    at_rest(own)
    steps = torch.from_numpy(x)
    with torch.no_grad():
        if isinstance(module, SQUEEZED):
            own.batch_size, own.num_timesteps = 1, -1
            out: Tensor = own(steps)
        else:
            out = own(steps[None])[0]
    return out.double().numpy()
