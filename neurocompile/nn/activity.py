"""The activity of a network's neurons: rates, and unreachable, dead and bursting ones by layer.

In:  a `SpikingNetwork` and an evaluation set (n, ...).
Out: one `LayerActivity` per spiking layer.
A silent neuron is dead only if input could have reached it.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from neurocompile.errors import Unsupported
from neurocompile.nn.delays import WAITING
from neurocompile.nn.layers import Neuron, SpikingNeuron, SpikingOutput
from neurocompile.nn.network import AFFINE, SpikingNetwork

BURSTING_RATE = 0.5  # spikes per step; above it a neuron says little more than "on"


@dataclass(frozen=True)
class LayerActivity:
    """Activity of one spiking layer on an evaluation set.

    Attributes:
        neurons: Number of neurons in the layer.
        rate: Spikes per step, mean over samples and all neurons.
        unreachable: Number of neurons whose receptive field never saw a spike: none of the
            neurons with a non-zero weight into them spiked once. A bias does not make a neuron
            reachable, because it carries nothing of the input. A neuron that spikes only because
            of its bias is still not dead. In a layer driven by the samples themselves, these are
            the neurons whose current was always 0.
        dead: Number of neurons that are reachable and silent on the whole set.
        bursting: Number of neurons with a mean rate above `BURSTING_RATE`.
    """

    neurons: int
    rate: float
    unreachable: int
    dead: int
    bursting: int

    @property
    def dead_fraction(self) -> float:
        """Dead neurons per reachable neuron; 0 where none is reachable."""
        reachable = self.neurons - self.unreachable
        return self.dead / reachable if reachable else 0.0

    @property
    def bursting_fraction(self) -> float:
        """Bursting neurons per neuron."""
        return self.bursting / self.neurons


def activity(model: SpikingNetwork, x: Tensor, *, batch: int = 100) -> dict[str, LayerActivity]:
    """Measure every spiking layer, in eval mode and without gradient.

    Args:
        model: Network to measure; its mode is restored.
        x: Evaluation set, (n, ...).
        batch: Number of samples at a time.

    Returns:
        Activity by layer name, in the order of the network.
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
    """Activity by layer, from spikes per neuron.

    Args:
        totals: By layer, spikes per step of every neuron, summed over the samples, (...).
        reach: By layer, whether each neuron is reachable, (...).
        samples: Number of samples.
    """
    layers = {}
    for name, total in totals.items():
        rate, is_reachable = total / samples, reach[name]
        layers[name] = LayerActivity(
            neurons=rate.numel(),
            rate=float(rate.mean()),
            unreachable=int((~is_reachable).sum()),
            dead=int((is_reachable & (rate == 0)).sum()),
            bursting=int((rate > BURSTING_RATE).sum()),
        )
    return layers


def spike_counts(model: SpikingNetwork) -> dict[str, Tensor]:
    """By spiking layer, spikes per step of every neuron, summed over the last batch, (...)."""
    totals = {}
    for name, layer in model.neurons().items():
        if layer.activity is not None and layer.activity.counts is not None:
            totals[name] = layer.activity.counts.detach().sum(0) / layer.activity.steps
    return totals


def driven(model: SpikingNetwork, x: Tensor) -> Tensor:
    """Whether each value of the input is ever other than 0 in the set x (n, ...), (...)."""
    in_any = (x != 0).any(0)
    return in_any.any(0) if model.settings.encoder.timed else in_any


def reachable(
    model: SpikingNetwork, totals: Mapping[str, Tensor], inputs: Tensor
) -> dict[str, Tensor]:
    """By spiking layer, whether any neuron with a connection into each neuron ever spiked, (...).

    Args:
        model: Network whose connections are followed.
        totals: By spiking layer, spikes of every neuron, (...); above 0 where it ever spiked.
        inputs: Whether each input value was ever other than 0, (...).
    """
    active: Tensor = inputs.unsqueeze(0).float()
    reach = {}
    with torch.no_grad():
        for name, layer in model.layers.named_children():
            if isinstance(layer, SpikingNeuron | SpikingOutput):
                reach[name] = active[0] > 0
                active = (totals[name] > 0).unsqueeze(0).float()
            elif not isinstance(layer, (Neuron, *WAITING)):
                active = _connected(layer, name)(active)
    return reach


def _connected(layer: nn.Module, name: str) -> nn.Module:
    """A synapse with weight 1 where it has one, and no bias: its output counts the connections."""
    if not isinstance(layer, AFFINE):
        raise Unsupported(
            f"layer {name!r}: connections of {type(layer).__name__} are unknown. "
            "Use linear, convolution, pooling, upsampling and flatten layers."
        )
    connections = copy.deepcopy(layer)
    for which, weight in connections.named_parameters():
        weight.data = torch.zeros_like(weight) if which == "bias" else (weight != 0).to(weight)
    return connections
