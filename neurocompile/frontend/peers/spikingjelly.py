"""Rules of SpikingJelly (activation_based): its neurons, layers and containers as ours.

In:  a module of SpikingJelly in single-step or multi-step mode, and where it is.
Out: the nodes that fire when it fires.

It fires where v >= v_threshold, ours where v > v_th: v_th is the float64 just below. With
v_reset=None a spike subtracts v_threshold, and the potential rests at 0.

Source: spikingjelly 2.0.0, spikingjelly/activation_based/{neuron,layer,functional}/.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from spikingjelly.activation_based import base, layer, neuron
from torch import Tensor, nn

from neurocompile.errors import a_or_an
from neurocompile.frontend.hints import MAXIMUM, NEURONS_BY_OPTION, instead_of, say_why
from neurocompile.frontend.maxima import FORWARDS
from neurocompile.frontend.numbers import constants, weights
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

PACKAGE = "spikingjelly"
OWN_STEP = (
    *("single_step_functional_forward", "multi_step_functional_forward", "neuronal_charge"),
    *("neuronal_fire", "neuronal_reset", "materialize_states"),
)
# Layers that are PyTorch's, over all steps at once in mode "m".
WRAPPED = (
    *(layer.Conv1d, layer.Conv2d, layer.ConvTranspose1d, layer.ConvTranspose2d),
    *(layer.BatchNorm1d, layer.BatchNorm2d, layer.AvgPool1d, layer.AvgPool2d),
    *(layer.AdaptiveAvgPool1d, layer.AdaptiveAvgPool2d, layer.Upsample, layer.Flatten),
)
NEURONS = (neuron.IFNode, neuron.LIFNode, neuron.ParametricLIFNode, neuron.CUBALIFNode)
CONTAINERS = (layer.LinearRecurrentContainer, layer.ElementWiseRecurrentContainer)

FORWARDS.update((layer.MaxPool1d.forward, layer.MaxPool2d.forward))

for wrapped in WRAPPED:
    node_of.register(wrapped, node_of.dispatch(wrapped.__mro__[1]))


@node_of.register(layer.Dropout)
@node_of.register(layer.Dropout2d)
def _(_: nn.Module, site: Site) -> nodes.Identity:
    return nodes.Identity()


@node_of.register(layer.VotingLayer)
def _(module: Any, site: Site) -> nodes.Linear:
    """The mean of every few features in a row: votes for one class."""
    (votes,), each = site.in_shape, module.voting_size
    return nodes.Linear(np.kron(np.eye(votes // each), np.full(each, 1 / each)))


@expansion_of.register(layer.SeqToANNContainer)
@expansion_of.register(layer.MultiStepContainer)
def _(module: nn.Module) -> str:
    return "over time"


@expansion_of.register(layer.StepModeContainer)
def _(module: Any) -> str:
    return "over time" if module.step_mode == "m" else "a step"


NODES = "Use IFNode, LIFNode, ParametricLIFNode or CUBALIFNode of spikingjelly."
PRODUCT = "It multiplies signals with each other, which no synapse does. Use layers with neurons."
TRAINING = "It is part of the training, not of the network: leave it out of the forward."
WHY: dict[tuple[str, ...], str] = {
    ("BaseNode", "MPBNBaseNode"): f"No rule knows its step. {NODES}",
    ("AdaptBaseNode", "IzhikevichNode"): f"A second state adapts it. {NODES}",
    ("ComplementaryLIFNode",): f"Its reset depends on a second state. {NODES}",
    ("EIFNode", "QIFNode"): f"Its leak is not linear. {NODES}",
    ("GatedLIFNode",): f"Gates mix two kinds of leak, of input and of reset. {NODES}",
    ("HalfThresholdIFNode",): f"It starts at half of its threshold, not at rest. {NODES}",
    ("KLIFNode",): f"It scales and rectifies its potential before it fires. {NODES}",
    ("MPBNLIFNode",): f"It normalizes its potential in every step. {NODES}",
    ("PSN", "MaskedPSN", "SlidingPSN"): f"It mixes steps by weights over time. {NODES}",
    ("RAFNode",): f"It resonates: two states turn into each other. {NODES}",
    (
        "SimpleBaseNode",
        "SimpleIFNode",
        "SimpleLIFNode",
    ): f"It is a short form to learn from. {NODES}",
    ("TernaryIFNode", "TernaryLIFNode"): f"It also sends -1, and no rule reads it yet. {NODES}",
    (
        *("NonSpikingBaseNode", "NonSpikingIFNode", "NonSpikingLIFNode"),
        *("NoisyNonSpikingBaseNode", "NoisyNonSpikingIFNode"),
    ): f"It sends its potential, and an axon carries spikes. {NODES}",
    ("NoisyBaseNode", "NoisyCUBALIFNode"): f"It adds noise to its step. {NODES}",
    (
        *("ChannelQKAttention", "MultiDimensionalAttention", "QKAttention", "TokenQKAttention"),
        *("SpikeDrivenSelfAttention", "SpikingSelfAttention", "TemporalWiseAttention"),
    ): PRODUCT,
    ("DropConnectLinear", "GradwithTrace", "OTTTSequential", "SpikeTraceOp"): TRAINING,
    ("PrintShapeModule",): "It only prints: leave it out.",
    ("SynapseFilter",): f"It sends a real number that decays, and an axon carries spikes. {NODES}",
}
say_why(WHY, neuron, layer)


@instead_of.register(layer.MaxPool1d)
@instead_of.register(layer.MaxPool2d)
def _(module: nn.Module) -> str:
    axes = "2d" if isinstance(module, layer.MaxPool2d) else "1d"
    return (
        f"{MAXIMUM} {NEURONS_BY_OPTION} Written by hand, without padding, it is "
        f"layer.AvgPool{axes}(kernel, stride) and then neuron.IFNode(v_threshold=0.5 / n), where n "
        "is the number of inputs of a window."
    )


@instead_of.register(layer.WSConv2d)
@instead_of.register(layer.WSLinear)
def _(module: nn.Module) -> str:
    return "It makes its weights anew in every call: copy get_weight() into a Conv2d or Linear."


def _calling(module: Any) -> Calling:
    return Calling(over_time=module.step_mode == "m")


for stateful in (*NEURONS, *CONTAINERS):
    calling_rule.register(stateful, _calling)


@at_rest.register
def _(module: base.MemoryModule) -> None:
    module.reset()


@node_of.register(neuron.IFNode)
def _(module: Any, site: Site) -> Parts:
    return _proved(module, site, neuron.IFNode, neurons.IAF(**_levels(module, site)))


@node_of.register(neuron.LIFNode)
def _(module: Any, site: Site) -> Parts:
    leak = 1 / np.asarray(constants(module.tau, "tau", site.in_shape, layer=site.name), np.float64)
    return _leaky(module, site, neuron.LIFNode, leak)


@node_of.register(neuron.ParametricLIFNode)
def _(module: Any, site: Site) -> Parts:
    leak = weights(module.w.double().sigmoid(), "the sigmoid of w", layer=site.name)
    return _leaky(module, site, neuron.ParametricLIFNode, leak)


@node_of.register(neuron.CUBALIFNode)
def _(module: Any, site: Site) -> Parts:
    if module.v_reset not in (None, 0):
        raise site.refuse(
            module,
            f"it resets to v_reset = {module.v_reset}, but decays to 0. Use v_reset=0.0 or None.",
        )
    leaks = {}
    for what in ("c_decay", "v_decay"):
        kept = constants(getattr(module, what), what, site.in_shape, layer=site.name)
        if np.any(kept >= 1):
            raise site.refuse(
                module, f"{what} = {float(kept.max()):.4g} forgets nothing. Use one below 1."
            )
        leaks[what] = 1 - np.asarray(kept, dtype=np.float64)
    made = neurons.LIF(
        neurons.rate_of(leaks["c_decay"], site.dt),
        neurons.rate_of(leaks["v_decay"], site.dt),
        np.zeros(()),
        **_levels(module, site),
    )
    gain = scaling(1 / leaks["v_decay"], site.in_shape)
    return _proved(module, site, neuron.CUBALIFNode, made, gain)


@node_of.register(layer.LinearRecurrentContainer)
def _(module: Any, site: Site) -> Parts:
    """y' = neuron(W [x, y] + b)."""
    inner = _inner(module, site)
    (entering,) = site.in_shape
    weight = weights(module.rc.weight, "weight", layer=site.name)
    bias = module.rc.bias
    if bias is not None:
        bias = weights(bias, "bias", layer=site.name)
    return prove(
        module,
        Parts(
            inner.neuron,
            inner.gain,
            recurrent=nodes.Linear(weight[:, entering:]),
            entering=nodes.Linear(weight[:, :entering], bias),
        ),
        site,
        lambda x: _run(module, x),
        PACKAGE,
    )


@node_of.register(layer.ElementWiseRecurrentContainer)
def _(module: Any, site: Site) -> Parts:
    """y' = neuron(x + y)."""
    x, y = torch.rand(2, *site.in_shape)
    if not torch.equal(module.element_wise_function(y, x), x + y):
        raise site.refuse(
            module,
            "its element_wise_function is no addition, and all that several signals into a neuron "
            "of a chip do is add. Use lambda x, y: x + y.",
        )
    inner = _inner(module, site)
    parts = Parts(inner.neuron, inner.gain, recurrent=nodes.Identity())
    return prove(module, parts, site, lambda x: _run(module, x), PACKAGE)


def _inner(module: Any, site: Site) -> Parts:
    """The neurons that a recurrent container is around."""
    inner = module.sub_module
    if not isinstance(inner, NEURONS) or not has_rule(inner):
        raise site.refuse(
            module,
            f"its sub_module is {a_or_an(type(inner).__name__)}, allowed is one of "
            f"{', '.join(kind.__name__ for kind in NEURONS)}. Put the other layers before it.",
        )
    found: Parts = node_of(inner, Site(f"{site.name}.sub_module", *(site.in_shape,) * 2, site.dt))
    return found


def _leaky(module: Any, site: Site, kind: type, leak: Array) -> Parts:
    """A neuron with a leak towards v_reset, whose input is multiplied by the leak or is not."""
    levels = _levels(module, site)
    made = neurons.LIFBox(neurons.rate_of(leak, site.dt), levels["v_reset"], **levels)
    gain = None if module.decay_input else scaling(1 / leak, site.in_shape)
    return _proved(module, site, kind, made, gain)


def _levels(module: Any, site: Site) -> dict[str, Any]:
    """Threshold and reset."""
    threshold = constants(module.v_threshold, "v_threshold", site.in_shape, layer=site.name)
    levels: dict[str, Any] = {"v_th": just_below(threshold), "v_reset": np.zeros(())}
    if module.v_reset is None:
        return {**levels, "reset": "subtract", "v_drop": threshold}
    at = constants(module.v_reset, "v_reset", site.in_shape, layer=site.name)
    return {**levels, "v_reset": at}


def _proved(module: Any, site: Site, kind: type, made: Any, gain: Any = None) -> Parts:
    """The parts, if the module's step is that of its kind."""
    for name in OWN_STEP:
        if getattr(type(module), name, None) is not getattr(kind, name, None):
            raise site.refuse(
                module,
                f"it is {a_or_an(kind.__name__)} with a {name} of its own, which no rule knows. "
                "Use "
                f"neuron.{kind.__name__}.",
            )
    return prove(module, Parts(made, gain), site, lambda x: _run(module, x), PACKAGE)


def _run(module: Any, x: Array) -> Array:
    """The module's own spikes in float64, from its reset."""
    own = copy_of(module).double()
    for part in own.modules():
        at_rest(part)
    own.step_mode = "s"
    with torch.no_grad():
        out: list[Tensor] = [own(now[None])[0] for now in torch.from_numpy(x)]
    return torch.stack(out).numpy()
