"""Which neurons of a network do their work: rates, unreachable, dead and bursting by layer.

In:  a `SpikingNetwork` and an evaluation set (n, ...).
Out: one `LayerActivity` a spiking layer.
A silent neuron is dead only if input could have reached it; else nobody could have heard it.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from neurocompile.errors import Unsupported
from neurocompile.nn.layers import Neuron, SpikingNeuron
from neurocompile.nn.network import AFFINE, SpikingNetwork

BURSTING_RATE = 0.5  # spikes per step; above it a neuron says little more than "on"


@dataclass(frozen=True)
class LayerActivity:
    """What one spiking layer did on an evaluation set.

    Attributes:
        neurons: Size of the layer.
        rate: Spikes per step, mean over samples and all neurons.
        unreachable: Neurons whose receptive field never saw a spike: none of the neurons with a
            non-zero weight into them spiked once. A bias does not make a neuron reachable, as it
            carries nothing of the input; one that spikes by its bias alone is still not dead. In
            a layer driven by the samples themselves: neurons whose current was always 0.
        dead: Neurons that are reachable and silent on the whole set.
        bursting: Neurons with a mean rate above `BURSTING_RATE`.
    """

    neurons: int
    rate: float
    unreachable: int
    dead: int
    bursting: int

    @property
    def dead_fraction(self) -> float:
        """Dead per reachable neuron; 0 where nothing is reachable."""
        reachable = self.neurons - self.unreachable
        return self.dead / reachable if reachable else 0.0

    @property
    def bursting_fraction(self) -> float:
        """Bursting per neuron."""
        return self.bursting / self.neurons


def activity(model: SpikingNetwork, x: Tensor, *, batch: int = 100) -> dict[str, LayerActivity]:
    """Measure every spiking layer, in eval mode and without gradient.

    Args:
        model: The network; its mode is restored.
        x: (n, ...) evaluation set.
        batch: Samples at a time.

    Returns:
        By layer name, in the order of the network.
    """
    totals: dict[str, Tensor] = {}
    mode = model.training
    model.eval()
    try:
        with torch.no_grad():
            for start in range(0, len(x), batch):
                model(x[start : start + batch], start)
                for name, counts in spike_counts(model).items():
                    totals[name] = totals.get(name, 0) + counts
    finally:
        model.train(mode)
    return summarize(totals, reachable(model, totals, driven(model, x)), len(x))


def summarize(
    totals: Mapping[str, Tensor], reach: Mapping[str, Tensor], samples: int
) -> dict[str, LayerActivity]:
    """Figures out of spikes per neuron.

    Args:
        totals: Per layer, (...) spikes per step of every neuron, summed over the samples.
        reach: Per layer, (...) whether a neuron is reachable.
        samples: n.
    """
    found = {}
    for name, total in totals.items():
        rate, seen = total / samples, reach[name]
        found[name] = LayerActivity(
            neurons=rate.numel(),
            rate=float(rate.mean()),
            unreachable=int((~seen).sum()),
            dead=int((seen & (rate == 0)).sum()),
            bursting=int((rate > BURSTING_RATE).sum()),
        )
    return found


def spike_counts(model: SpikingNetwork) -> dict[str, Tensor]:
    """Per spiking layer, (...) spikes per step of every neuron, summed over the last batch."""
    found = {}
    for name, layer in model.neurons().items():
        if isinstance(layer, SpikingNeuron) and layer.activity is not None:
            counts = layer.activity.counts
            assert counts is not None  # a spiking layer always has them
            found[name] = counts.detach().sum(0) / layer.activity.steps
    return found


def driven(model: SpikingNetwork, x: Tensor) -> Tensor:
    """(...) which values of the input are ever other than 0 in the set x (n, ...)."""
    seen = (x != 0).any(0)
    return seen.any(0) if model.settings.encoder.kind == "spikes" else seen


def reachable(
    model: SpikingNetwork, totals: Mapping[str, Tensor], inputs: Tensor
) -> dict[str, Tensor]:
    """Per spiking layer, (...) whether any neuron with a connection into it ever spiked.

    Args:
        model: The network.
        totals: Per spiking layer, (...) spikes of every neuron; above 0 where it ever spiked.
        inputs: (...) which input values were ever other than 0.
    """
    seen: Tensor = inputs.unsqueeze(0).float()
    found = {}
    with torch.no_grad():
        for name, layer in model.layers.named_children():
            if isinstance(layer, SpikingNeuron):
                found[name] = seen[0] > 0
                seen = (totals[name] > 0).unsqueeze(0).float()
            elif not isinstance(layer, Neuron):
                seen = _connected(layer, name)(seen)
    return found


def _connected(layer: nn.Module, name: str) -> nn.Module:
    """A synapse with 1 where it has a weight and no bias: its output counts the connections."""
    if not isinstance(layer, AFFINE):
        raise Unsupported(
            f"layer {name!r}: connections of {type(layer).__name__} are unknown. "
            "Use linear, convolution, pooling, upsampling and flatten layers."
        )
    connections = copy.deepcopy(layer)
    for which, weight in connections.named_parameters():
        weight.data = torch.zeros_like(weight) if which == "bias" else (weight != 0).to(weight)
    return connections
