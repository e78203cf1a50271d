"""The networks of the study: two spiking autoencoders, and the same layers without spikes.

In:  an architecture ("paper": the paper's; "chip": ours, whose fan-in fits a Loihi; "strided": the
     paper's neurons, input and output in layers of the chip's sizes), sizes, a seed.
Out: modules from images (N, 1, 28, 28) in [0, 1] to reconstructions of the same shape.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import Literal

import torch
from norse.torch import LIBoxParameters, LIFBoxParameters
from torch import nn

from neurocompile.ir.settings import Decoder, Encoder, Settings
from neurocompile.nn import SpikingAutoencoder
from neurocompile.nn.layers import LIBox, LIFBox, SpikingOutput
from neurocompile.nn.network import SpikingNetwork

Architecture = Literal["paper", "strided", "chip"]
Backprop = Literal["membrane", "surrogate"]

DECAY = 0.95  # of the paper's membrane a step, in its code at the time of the paper
INPUT_GAIN = 0.2  # spike probability of a pixel of 1
# The paper's output is max U / (T x scale); 20 is that divisor at T = 100, and 3.2 at T = 16.
OUTPUT_SCALE = 0.2
RULES = ("straight leak", "flip", "output spikes")  # of the paper's code, beside its optimizer
DT = 0.001  # s; the paper counts steps


def spiking_autoencoder(
    architecture: Architecture,
    backprop: Backprop,
    *,
    latent: int = 100,
    steps: int = 16,
    seed: int = 0,
    rules: Collection[str] = (),
    divisor: float | None = None,
) -> SpikingNetwork:
    """The spiking autoencoder of one row of a table.

    Args:
        architecture, backprop, latent, steps, seed: As of a training question.
        rules: Those of `RULES` that the network follows.
        divisor: Of the paper's output; T x `OUTPUT_SCALE` where it is not given.
    """
    options = {"straight_leak": "straight leak" in rules, "flips": "flip" in rules}
    if architecture == "chip":
        network: SpikingNetwork = SpikingAutoencoder(
            latent=latent, steps=steps, seed=seed, backprop=backprop, **options
        )
    else:
        synapses = _five_pixels if architecture == "paper" else _strided
        divisor = divisor or steps * OUTPUT_SCALE
        network = _papers(synapses, backprop, latent, steps, seed, divisor, options)
    if "output spikes" in rules:
        network.layers.output = SpikingOutput(
            network.layers.latent.p, DT, backprop=backprop, **options
        )
    elif "straight leak" in rules:
        network.layers.output = LIBox(network.layers.output.p, DT, straight_leak=True)
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


def _five_pixels(latent: int) -> dict[str, nn.Module]:
    """The paper's layers without their neurons."""
    return {
        "conv1": nn.Conv2d(1, 16, 5, bias=False),
        "conv2": nn.Conv2d(16, 32, 5, bias=False),
        "flatten": nn.Flatten(),
        "to_latent": nn.Linear(12_800, latent, bias=False),
        "from_latent": nn.Linear(latent, 12_800, bias=False),
        "unflatten": nn.Unflatten(1, (32, 20, 20)),
        "conv3": nn.ConvTranspose2d(32, 16, 5, bias=False),
        "conv4": nn.ConvTranspose2d(16, 1, 5, bias=False),
    }


def _strided(latent: int) -> dict[str, nn.Module]:
    """Layers of the sizes of `SpikingAutoencoder`, without bias: an eighth of the paper's work."""
    return {
        "conv1": nn.Conv2d(1, 16, 3, stride=2, padding=1, bias=False),
        "conv2": nn.Conv2d(16, 32, 3, stride=2, padding=1, bias=False),
        "flatten": nn.Flatten(),
        "to_latent": nn.Linear(1_568, latent, bias=False),
        "from_latent": nn.Linear(latent, 1_568, bias=False),
        "unflatten": nn.Unflatten(1, (32, 7, 7)),
        "conv3": nn.ConvTranspose2d(32, 16, 4, stride=2, padding=1, bias=False),
        "conv4": nn.ConvTranspose2d(16, 1, 4, stride=2, padding=1, bias=False),
    }


# The spiking layer after each of the layers above
SPIKES_AFTER = {
    "conv1": "lif1",
    "conv2": "lif2",
    "to_latent": "latent",
    "unflatten": "lif3",
    "conv3": "lif4",
}


def _papers(
    synapses: Callable[[int], dict[str, nn.Module]],
    backprop: Backprop,
    latent: int,
    steps: int,
    seed: int,
    divisor: float,
    options: dict[str, bool],
) -> SpikingNetwork:
    """The paper's network, or one of its neurons.

    Its v <- 0.95 v + W s with threshold 1 is Norse's v <- v + r (W s - v) with r = 0.05 and
    threshold r: all potentials are r times the paper's, the weights are the same. Its output,
    max U / divisor with U <- d (U + W s), is d / (r divisor) times the largest potential of the
    readout, which holds r (U + W s).
    """
    rate = 1 - DECAY
    tau_mem_inv = torch.tensor(rate / DT)

    def spiking() -> LIFBox:
        p = LIFBoxParameters(tau_mem_inv=tau_mem_inv, v_th=torch.tensor(rate))
        shape = {"surrogate_width": rate / 2, "surrogate_gain": 0.5}
        return LIFBox(p, DT, backprop=backprop, **shape, **options)

    layers: OrderedDict[str, nn.Module] = OrderedDict()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for name, layer in synapses(latent).items():
            layers[name] = layer
            if name in SPIKES_AFTER:
                layers[SPIKES_AFTER[name]] = spiking()
        layers["output"] = LIBox(LIBoxParameters(tau_mem_inv=tau_mem_inv), DT)
    settings = Settings(
        dt=DT,
        steps=steps,
        encoder=Encoder("bernoulli", INPUT_GAIN),
        decoder=Decoder("max", gain=DECAY * round(1 / rate) / divisor, task="reconstruction"),
    )
    return SpikingNetwork(layers, settings, seed=seed)
