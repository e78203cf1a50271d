"""The networks of the study: two spiking autoencoders, and the same layers without spikes.

In:  an architecture ("paper": the paper's; "chip": ours, whose fan-in fits a Loihi), sizes, a seed.
Out: modules from images (N, 1, 28, 28) in [0, 1] to reconstructions of the same shape.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

import torch
from norse.torch import LIBoxParameters, LIFBoxParameters
from torch import nn

from neurocompile.ir.settings import Decoder, Encoder, Settings
from neurocompile.nn import SpikingAutoencoder
from neurocompile.nn.layers import LIBox, LIFBox
from neurocompile.nn.network import SpikingNetwork

Architecture = Literal["paper", "chip"]
Backprop = Literal["membrane", "surrogate"]

DECAY = 0.95  # of the paper's membrane a step; it names 0.95 and 0.99
INPUT_GAIN = 0.2  # spike probability of a pixel of 1
DT = 0.001  # s; the paper counts steps


def spiking_autoencoder(
    architecture: Architecture,
    backprop: Backprop,
    *,
    latent: int = 100,
    steps: int = 16,
    seed: int = 0,
) -> SpikingNetwork:
    """The spiking autoencoder of one row of the table."""
    if architecture == "chip":
        network: SpikingNetwork = SpikingAutoencoder(
            latent=latent, steps=steps, seed=seed, backprop=backprop
        )
    else:
        network = _papers(backprop, latent, steps, seed)
    _initialise(network, seed)
    return network


def _initialise(network: SpikingNetwork, seed: int) -> None:
    """Give the weights their first values, wide enough that spikes reach every layer.

    Source:
        jhuebotter/SpikingVAE, src/models/spiking_layers.py: normal, sd sqrt(2 / fan-in), twice
        that in the dense layers.
    """
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for layer in network.layers:
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                fan_in = layer.in_channels * layer.weight[0, 0].numel()
                layer.weight.normal_(0.0, (2 / fan_in) ** 0.5, generator=random)
            elif isinstance(layer, nn.Linear):
                layer.weight.normal_(0.0, 2 * (2 / layer.in_features) ** 0.5, generator=random)


def _papers(backprop: Backprop, latent: int, steps: int, seed: int) -> SpikingNetwork:
    """The paper's network.

    Its v <- 0.95 v + W s with threshold 1 is Norse's v <- v + r (W s - v) with r = 0.05 and
    threshold r: all potentials are r times the paper's, the weights are the same. Its output,
    max U / 20 with U <- d (U + W s), is 0.95 times the largest potential of the readout.
    """
    rate = 1 - DECAY
    tau_mem_inv = torch.tensor(rate / DT)

    def spiking() -> LIFBox:
        p = LIFBoxParameters(tau_mem_inv=tau_mem_inv, v_th=torch.tensor(rate))
        return LIFBox(p, DT, backprop=backprop, surrogate_width=rate / 2, surrogate_gain=0.5)

    layers: OrderedDict[str, nn.Module] = OrderedDict()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers["conv1"] = nn.Conv2d(1, 16, 5, bias=False)
        layers["lif1"] = spiking()
        layers["conv2"] = nn.Conv2d(16, 32, 5, bias=False)
        layers["lif2"] = spiking()
        layers["flatten"] = nn.Flatten()
        layers["to_latent"] = nn.Linear(12_800, latent, bias=False)
        layers["latent"] = spiking()
        layers["from_latent"] = nn.Linear(latent, 12_800, bias=False)
        layers["unflatten"] = nn.Unflatten(1, (32, 20, 20))
        layers["lif3"] = spiking()
        layers["conv3"] = nn.ConvTranspose2d(32, 16, 5, bias=False)
        layers["lif4"] = spiking()
        layers["conv4"] = nn.ConvTranspose2d(16, 1, 5, bias=False)
        layers["output"] = LIBox(LIBoxParameters(tau_mem_inv=tau_mem_inv), DT)
    settings = Settings(
        dt=DT,
        steps=steps,
        encoder=Encoder("bernoulli", INPUT_GAIN),
        decoder=Decoder("max", gain=DECAY, task="reconstruction"),
    )
    return SpikingNetwork(layers, settings, seed=seed)
