"""Rules of snnTorch: its neurons as ours, spike for spike.

In:  a neuron of snnTorch, and where it is.
Out: the nodes that fire when it fires.

snnTorch resets at the start of the step after a spike: U' = beta U + x - S U_thr. That is a
neuron that subtracts U_thr / beta at the spike, for beta (U - U_thr / beta) = beta U - U_thr.
With `reset_delay=False` it subtracts U_thr at once, but counts a potential that is above the
threshold still as a spike that it has had: no neuron here does that.

Source: snntorch 1.0.0, snntorch/_neurons/{leaky,rleaky,synaptic,rsynaptic,lapicque,alpha}.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import snntorch as snn
import torch
from torch import Tensor, nn

from neurocompile.frontend.hints import instead_of, say_why
from neurocompile.frontend.numbers import constants, weights
from neurocompile.frontend.rules import node_of
from neurocompile.frontend.site import Site
from neurocompile.frontend.stateful import (
    Calling,
    Parts,
    at_rest,
    calling_rule,
    copy_of,
    prove,
)
from neurocompile.ir import neurons, nodes
from neurocompile.ir.arrays import Array
from neurocompile.ir.nodes import scaling

PACKAGE = "snntorch"
ZERO = np.zeros(())
SIGNS = (-2.0, -1e-3, 0.0, 1e-3, 2.0)  # of a potential above its threshold
STATES = ("spk", "syn", "mem")


@calling_rule.register(snn.Leaky)
@calling_rule.register(snn.Lapicque)
def _(module: Any) -> Calling:
    return _calling(module, 1)


@calling_rule.register(snn.Synaptic)
def _(module: Any) -> Calling:
    return _calling(module, 2)


@calling_rule.register(snn.RLeaky)
def _(module: Any) -> Calling:
    return _calling(module, 1, own_spikes=True)


@calling_rule.register(snn.RSynaptic)
def _(module: Any) -> Calling:
    return _calling(module, 2, own_spikes=True)


@at_rest.register
def _(module: snn.SpikingNeuron) -> None:
    own: Any = module
    own.__dict__.pop("spike_grad", None)
    own._modules.pop("spike_grad", None)
    own.spike_grad = lambda v: (v > 0).to(v)  # snnTorch's return float32, whatever they are given
    for name in STATES:
        if hasattr(own, name):
            setattr(own, name, torch.zeros(0))


def _calling(module: Any, states: int, own_spikes: bool = False) -> Calling:
    hidden = module.init_hidden and not module.output
    return Calling(0 if hidden else states, own_spikes, _never_resets(module))


@node_of.register(snn.Leaky)
@node_of.register(snn.RLeaky)
def _(module: Any, site: Site) -> Parts:
    return _without_current(module, site, 1 - _between(module, "beta", site), None)


@node_of.register(snn.Lapicque)
def _(module: Any, site: Site) -> Parts:
    resistance, capacity, step = (_constant(module, what, site) for what in ("R", "C", "time_step"))
    return _without_current(module, site, step / (resistance * capacity), resistance)


@node_of.register(snn.Synaptic)
@node_of.register(snn.RSynaptic)
def _(module: Any, site: Site) -> Parts:
    _check(module, site)
    mem, syn = (1 - _between(module, what, site) for what in ("beta", "alpha"))
    for what, leak in (("beta", mem), ("alpha", syn)):
        if np.any(leak == 0):
            raise site.refuse(
                module,
                f"{what} = 1 forgets nothing, which a neuron with synaptic current here cannot. "
                f"Use a {what} below 1, or Leaky(beta=1).",
            )
    leaks: dict[str, Any] = {
        "tau_syn_inv": neurons.rate_of(syn, site.dt),
        "tau_mem_inv": neurons.rate_of(mem, site.dt),
    }
    neuron: Any
    if _never_resets(module):
        neuron = neurons.LI(**leaks, v_leak=ZERO)
    else:
        neuron = neurons.LIF(**leaks, v_leak=ZERO, **_spiking(module, site, mem))
    return _proved(module, site, Parts(neuron, scaling(1 / mem, site.in_shape)))


NEURONS = "Use snntorch.Leaky, Lapicque, Synaptic, RLeaky or RSynaptic."
WHY: dict[tuple[str, ...], str] = {
    ("SpikingNeuron", "LIF"): f"No rule knows its step. {NEURONS}",
    ("AssociativeLeaky",): f"Its state is a product of signals, which no synapse makes. {NEURONS}",
    ("DeltaLeaky",): f"It fires where its potential changes, not above a threshold. {NEURONS}",
    ("LeakyParallel", "LinearLeaky", "StateLeaky"): (
        f"It makes all steps at once and never resets. {NEURONS}"
    ),
    ("SConv2dLSTM", "SLSTM"): f"Its gates multiply signals, which no synapse does. {NEURONS}",
    ("GradedSpikes",): "It scales spikes, and no rule reads it yet. Put its weights into the layer "
    "after it.",
}
say_why(WHY, snn)


@instead_of.register(snn.Alpha)
def _(module: nn.Module) -> str:
    return (
        "Its potential is the difference of two currents, and a spike clears all three, for which "
        "no chip here has a neuron. Use snntorch.Synaptic, and train it again."
    )


def _without_current(module: Any, site: Site, leak: Array, factor: Array | None) -> Parts:
    """A neuron without synaptic current; its input is multiplied by factor x leak, or by 1."""
    _check(module, site)
    if np.any(leak == 0) and not np.all(leak == 0):
        raise site.refuse(
            module,
            "beta is 1 in some of its neurons and not in others. Use 0.9999 there, or two layers.",
        )
    neuron: Any
    if np.all(leak == 0):
        gain = None
        silent = _never_resets(module)
        neuron = neurons.Integrator() if silent else neurons.IAF(**_spiking(module, site, leak))
    else:
        gain = scaling(1 / leak if factor is None else factor, site.in_shape)
        leaks: dict[str, Any] = {"tau_mem_inv": neurons.rate_of(leak, site.dt), "v_leak": ZERO}
        if _never_resets(module):
            neuron = neurons.LIBox(**leaks)
        else:
            neuron = neurons.LIFBox(**leaks, **_spiking(module, site, leak))
    return _proved(module, site, Parts(neuron, gain))


def _proved(module: Any, site: Site, parts: Parts) -> Parts:
    """The parts with what comes back to the neuron, after a run of snnTorch's own."""
    if hasattr(module, "recurrent"):
        if _never_resets(module):
            raise site.refuse(
                module,
                "reset_mechanism='none' makes it a readout, but its spikes come back to it. Use "
                "reset_mechanism='subtract', or Leaky without recurrence.",
            )
        parts = Parts(parts.neuron, parts.gain, _recurrent(module, site))
    return prove(module, parts, site, lambda x: _run(module, x), PACKAGE)


def _spiking(module: Any, site: Site, leak: Array) -> dict[str, Any]:
    """Threshold and reset."""
    threshold = constants(module.threshold, "threshold", site.in_shape, layer=site.name)
    if np.any(threshold < 0):
        raise site.refuse(
            module,
            f"its threshold is {float(threshold.min()):.4g}, and a potential of 0 would count as "
            "a spike that it has had. Use a threshold of 0 or more.",
        )
    levels: dict[str, Any] = {"v_th": threshold, "v_reset": ZERO}
    late = getattr(module, "reset_delay", True) or isinstance(module, snn.RSynaptic)
    if module.reset_mechanism == "zero":
        if late and not isinstance(module, snn.Leaky):
            cure = (
                "Use Leaky(beta=1 - time_step / (R C), reset_mechanism='zero'), and multiply the "
                "weights before it by time_step / C."
            )
            if hasattr(module, "reset_delay"):
                cure = "Use reset_delay=False, which resets in the step of the spike."
            if isinstance(module, snn.RSynaptic):
                cure = "Use reset_mechanism='subtract'."
            raise site.refuse(
                module,
                "reset_mechanism='zero' clears the potential in the step after a spike together "
                f"with that step's input, which no neuron here loses. {cure}",
            )
        return levels
    if not late:
        raise site.refuse(
            module,
            "reset_delay=False with reset_mechanism='subtract' holds the next spike back where a "
            "potential above twice the threshold is left above it, which no neuron here does. Use "
            "reset_delay=True, snnTorch's default, or reset_mechanism='zero'.",
        )
    keep = 1 - leak
    if np.any(keep == 0):
        raise site.refuse(
            module,
            "with beta = 0 it subtracts its threshold from a potential that holds nothing of the "
            "step of the spike. Use a beta above 0, or reset_mechanism='zero'.",
        )
    drop = np.asarray(threshold / keep, dtype=np.float64)
    return {**levels, "reset": "subtract", "v_drop": None if np.all(keep == 1) else drop}


def _recurrent(module: Any, site: Site) -> Any:
    """What the spikes go through on their way back."""
    back = module.recurrent
    if isinstance(back, nn.Linear | nn.Conv2d):
        return node_of(back, Site(f"{site.name}.recurrent", site.in_shape, site.in_shape))
    factor = weights(torch.as_tensor(back.V), "V", layer=site.name)
    return scaling(constants(factor, "V", site.in_shape, layer=site.name), site.in_shape) or (
        nodes.Identity()
    )


def _check(module: Any, site: Site) -> None:
    """Refuse the options that no node has."""
    factor = module.graded_spikes_factor
    options = (
        (
            module.inhibition,
            "inhibition=True silences all neurons but one, which no synapse does. Use "
            "inhibition=False.",
        ),
        (
            module.state_quant,
            "state_quant rounds its state while it runs. Leave it out: the compiler rounds to the "
            "chip's integers itself.",
        ),
        (
            bool((torch.as_tensor(factor) != 1).any()),
            "graded_spikes_factor is not 1. Use 1, and multiply the next layer's weights.",
        ),
        (
            not _is_step(module.spike_grad),
            "its spike_grad returns something else than 1 where the potential is above the "
            "threshold and 0 elsewhere. Use one of snntorch.surrogate.",
        ),
        (
            _never_resets(module) and module.init_hidden and not module.output,
            "reset_mechanism='none' makes it a readout, whose potential it does not return. Use "
            "output=True, or init_hidden=False, and return the potential.",
        ),
    )
    for refused, why in options:
        if refused:
            raise site.refuse(module, why)


def _is_step(spike: Any) -> bool:
    """Whether a surrogate is a step from 0 to 1 right above 0 when it runs forward."""
    above = torch.tensor(SIGNS)
    with torch.no_grad():
        return torch.equal(spike(above).to(above.dtype), (above > 0).to(above.dtype))


def _never_resets(module: Any) -> bool:
    return bool(module.reset_mechanism == "none")


def _constant(module: Any, what: str, site: Site) -> Array:
    found = constants(getattr(module, what), what, site.in_shape, layer=site.name)
    return np.asarray(found, dtype=np.float64)


def _between(module: Any, what: str, site: Site) -> Array:
    """A part that is kept each step: snnTorch clips it to 0..1 as it runs."""
    return np.clip(_constant(module, what, site), 0.0, 1.0)


def _run(module: Any, x: Array) -> Array:
    """The module's own spikes, or potentials where it never resets, in float64."""
    own = copy_of(module).double()
    at_rest(own)
    out = []
    with torch.no_grad():
        for now in torch.from_numpy(x):
            result = own.forward(now[None])
            values: tuple[Tensor, ...] = result if isinstance(result, tuple) else (result,)
            out.append(values[-1 if _never_resets(module) else 0][0].numpy())
    return np.stack(out)
