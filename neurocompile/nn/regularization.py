"""Penalties on the activity of a network's layers, computed from the network itself.

In:  a model of our layers after a forward pass; the weights of the penalties.
Out: one differentiable number, to be added to the loss.
A penalty whose weight is 0 costs no computation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields
from math import isfinite

import torch
from torch import Tensor, nn

from neurocompile.errors import BadInput
from neurocompile.nn.layers import Neuron
from neurocompile.nn.network import SpikingNetwork
from neurocompile.nn.synops import synops_share


@dataclass(frozen=True)
class Regularization:
    """Weights of the penalties; all 0 by default.

    B samples, T steps, sums over all neurons n and samples b of a layer, then over layers.
    S is a neuron's spike count over T, U its unreset leaky potential after step T
    (`Neuron.unreset_potential`). The paper's terms, each divided by B, have these weights:

    Attributes:
        potential_l1: Weight beta1 of sum |U / T|, all layers with the readout.
        potential_l2: Weight beta2 of sum (U / T)^2, all layers with the readout.
        spikes_l1: Weight lambda1 of sum S / T, all spiking layers.
        spikes_l2: Weight lambda2 of sum (S / T)^2, all spiking layers.
        latent_per_sample: Weight of sum_b (sum_n S_bn / T)^2, latent layer only.
        latent_per_neuron: Weight of sum_n (sum_b S_bn / T)^2, latent layer only.
        band: Weight of sum_n max(0, low - r_n) + max(0, r_n - high), all spiking layers but an
            input population, where r_n is the neuron's mean rate over the batch; not divided by B.
        low: Lower end of the band, spikes per step.
        high: Upper end of the band, spikes per step.
        synops: Weight of the synaptic operations of the batch, as a share of those if every
            neuron spiked in every step (`synops.synops_share`). It is a share and not a count,
            so that a weight means the same in a larger network.

    Source:
        Huebotter, Lanillos, Tomczak, arXiv 2109.11045; the band is ours, after stork and sinabs.
        Operations as a term of the loss: Sorbaro, Liu, Bortone, Sheik, arXiv 1912.01268, and
        sinabs, whose counter also finds the connections at a border by a transposed convolution.
        sinabs asks for a target count; this is a price. stork prices spikes, not operations.
    """

    potential_l1: float = 0.0
    potential_l2: float = 0.0
    spikes_l1: float = 0.0
    spikes_l2: float = 0.0
    latent_per_sample: float = 0.0
    latent_per_neuron: float = 0.0
    band: float = 0.0
    low: float = 0.0
    high: float = 1.0
    synops: float = 0.0

    def __post_init__(self) -> None:
        for field, weight in zip(fields(self), astuple(self), strict=True):
            if not isfinite(weight) or weight < 0:
                raise BadInput(f"Regularization: {field.name} = {weight}. Use a number from 0 up.")
        if self.low > self.high:
            raise BadInput(f"Regularization: low = {self.low} is above high = {self.high}.")


def regularization_loss(
    model: nn.Module,
    weights: Regularization,
    reachable: Mapping[str, Tensor] | None = None,
) -> Tensor:
    """The penalties of the last forward pass.

    The latent layer is the layer of that name, the input population the one named "pixels".

    Args:
        model: Any module that holds our layers and has run forward.
        weights: Weight of each penalty.
        reachable: By layer, neurons to which the lower end of the band applies, (...), as
            `activity.reachable` returns them; in a layer that is not named, all neurons.

    Returns:
        Sum of the penalties, a scalar.

    Raises:
        BadInput: If no layer of ours has run, there is a latent penalty but no layer named
            "latent", or a penalty on synops but the model is not a `SpikingNetwork`.
    """
    layers = {name: m for name, m in model.named_modules() if isinstance(m, Neuron) and m.activity}
    if not layers:
        raise BadInput("the model has no neuron layer that has run. Run a forward pass first.")
    total = torch.zeros(())
    for name, layer in layers.items():
        if weights.potential_l1 or weights.potential_l2:
            total = total + _potential(layer, weights)
        if layer.activity is not None and layer.activity.counts is not None:
            short = name.split(".")[-1]
            total = total + _spikes(layer, weights, short, (reachable or {}).get(short))
    latent_asked = weights.latent_per_sample or weights.latent_per_neuron
    if latent_asked and "latent" not in {name.split(".")[-1] for name in layers}:
        raise BadInput("a latent penalty needs a layer named 'latent'; the model has none.")
    if weights.synops:
        if not isinstance(model, SpikingNetwork):
            raise BadInput(
                f"a penalty on synops needs the order of the layers, which {type(model).__name__} "
                "does not say. Use a SpikingNetwork."
            )
        total = total + weights.synops * synops_share(model)
    return total


def rates(layer: Neuron) -> Tensor:
    """Spikes per step of every sample and neuron in the last forward pass, (N, n)."""
    if layer.activity is None or layer.activity.counts is None:
        raise BadInput(f"{type(layer).__name__}: run a forward pass before asking for rates.")
    return layer.activity.counts.flatten(1) / layer.activity.steps


def _potential(layer: Neuron, weights: Regularization) -> Tensor:
    """The membrane terms of one layer."""
    assert layer.activity is not None  # regularization_loss takes only such layers
    u = layer.unreset_potential() / layer.activity.steps
    total = torch.zeros(())
    if weights.potential_l1:
        total = total + weights.potential_l1 * u.abs().sum() / len(u)
    if weights.potential_l2:
        total = total + weights.potential_l2 * u.square().sum() / len(u)
    return total


def _spikes(layer: Neuron, weights: Regularization, name: str, reachable: Tensor | None) -> Tensor:
    """The spike terms of one layer."""
    rate = rates(layer)
    samples = len(rate)
    total = torch.zeros(())
    if weights.spikes_l1:
        total = total + weights.spikes_l1 * rate.sum() / samples
    if weights.spikes_l2:
        total = total + weights.spikes_l2 * rate.square().sum() / samples
    if name == "latent" and weights.latent_per_sample:
        total = total + weights.latent_per_sample * rate.sum(1).square().sum() / samples
    if name == "latent" and weights.latent_per_neuron:
        total = total + weights.latent_per_neuron * rate.sum(0).square().sum() / samples
    if weights.band and name != "pixels":
        mean = rate.mean(0)
        below = (weights.low - mean).relu()
        if reachable is not None:
            below = below * reachable.flatten()
        total = total + weights.band * (below + (mean - weights.high).relu()).sum()
    return total
