"""The spiking convolutional autoencoder of the paper, with strides that fit a Loihi's fan-in.

In:  sizes and constants.
Out: a `SpikingNetwork`: images (N, C, H, W) in [0, 1] -> reconstructions of the same shape.
Every hidden neuron spikes; the reconstruction is the membrane of a readout that never does.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Literal

import torch
from norse.torch import LIBoxParameters, LIFBoxParameters, LIFParameters
from torch import nn

from neurocompile.errors import BadInput
from neurocompile.ir.settings import Decoder, DecoderKind, Encoder, EncoderKind, Settings
from neurocompile.nn.layers import LIF, LIBox, LIFBox, SpikingNeuron
from neurocompile.nn.network import SpikingNetwork

PIXELS = {"low": 0.0, "high": 1.0}
INPUT_DRIVE = 0.9  # share of the threshold reached in one step by a pixel of 1, with a margin


class SpikingAutoencoder(SpikingNetwork):
    """conv, conv, dense -> latent -> dense, transposed conv, transposed conv.

    For a 28 x 28 image, channels (16, 32) and latent 100: 16 x 14 x 14, 32 x 7 x 7, 100,
    32 x 7 x 7, 16 x 14 x 14, 28 x 28 neurons. Largest fan-in: 1,568 (latent).

    Source:
        Huebotter, Lanillos, Tomczak, arXiv 2109.11045, has five-pixel kernels without stride.
    """

    def __init__(
        self,
        *,
        shape: tuple[int, int, int] = (1, 28, 28),
        channels: tuple[int, int] = (16, 32),
        latent: int = 100,
        neuron: Literal["lif", "lifbox"] = "lifbox",
        threshold: float = 0.1,
        tau_mem: float = 0.01,
        tau_syn: float = 0.005,
        dt: float = 0.001,
        steps: int = 16,
        encoder: EncoderKind = "current",
        encoder_gain: float | None = None,
        tau_input: float = 0.05,
        input_population: bool = True,
        decoder: DecoderKind = "last",
        limited: bool = False,
        seed: int = 0,
        **options: Any,
    ):
        """Build the layers; initial weights follow the seed.

        Args:
            shape: Channels, height and width of an image; height and width divisible by 4.
            channels: Numbers of feature maps of the two convolutions.
            latent: Number of neurons in the latent layer.
            neuron: Kind of all spiking neurons, "lif" (with a synaptic current) or "lifbox".
            threshold: Value of v_th of all spiking neurons, membrane units; rest and reset are 0.
            tau_mem: Membrane time constant, seconds.
            tau_syn: Synaptic time constant of "lif", seconds.
            dt: Length of a step, seconds.
            steps: Number of steps for which an image is shown.
            encoder: "current" or "bernoulli".
            encoder_gain: Current or spike probability of a pixel of 1. The default probability is
                1. The default current is 1 without input neurons; with them, it lets an input
                neuron reach 0.9 of its threshold in one step, so it spikes in every second one.
            tau_input: Membrane time constant of the input neurons, seconds. A long one makes
                their rate nearly proportional to the pixel and shows faint pixels.
            input_population: Whether, with "current", one neuron per pixel holds the current and
                spikes into the first convolution; otherwise the host computes that convolution.
            decoder: Which membrane potential of the readout is read: "last", "max" or "mean".
            limited: Whether a reconstruction is limited to [0, 1], as pixels are.
            seed: Seed of the initial weights and of random input spikes.
            options: Options of `LIF` and `LIFBox` about how gradients pass. By default the
                surrogate is 1 / (1 + 2 |v - th| / th)^2 / th: width th / 2, gain 1 / 2.
        """
        _, height, width = shape
        if height % 4 or width % 4:
            raise BadInput(f"image of {height} x {width}: height and width must be divisible by 4.")
        if neuron not in ("lif", "lifbox"):
            raise BadInput(f"neuron {neuron!r} is unknown. Use 'lif' or 'lifbox'.")
        gradients = {"surrogate_width": threshold / 2, "surrogate_gain": 0.5, **options}

        def spiking(tau: float = tau_mem) -> SpikingNeuron:
            mem, th = torch.tensor(1 / tau), torch.tensor(threshold)
            if neuron == "lifbox":
                return LIFBox(LIFBoxParameters(tau_mem_inv=mem, v_th=th), dt, **gradients)
            syn = torch.tensor(1 / tau_syn)
            return LIF(LIFParameters(tau_syn_inv=syn, tau_mem_inv=mem, v_th=th), dt, **gradients)

        layers: OrderedDict[str, nn.Module] = OrderedDict()
        has_input = encoder == "current" and input_population
        if has_input:
            layers["pixels"] = spiking(tau_input)
        if encoder_gain is None:
            encoder_gain = INPUT_DRIVE * threshold * tau_input / dt if has_input else 1.0
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            layers.update(_hourglass(shape, channels, latent, spiking))
        layers["output"] = LIBox(LIBoxParameters(tau_mem_inv=torch.tensor(1 / tau_mem)), dt)
        settings = Settings(
            dt=dt,
            steps=steps,
            encoder=Encoder(encoder, encoder_gain),
            decoder=Decoder(decoder, task="reconstruction", **(PIXELS if limited else {})),
        )
        super().__init__(layers, settings, seed=seed)


def _hourglass(
    shape: tuple[int, int, int],
    channels: tuple[int, int],
    latent: int,
    spiking: Callable[[], nn.Module],
) -> dict[str, nn.Module]:
    """Layers from the image to the latent layer and back; neurons spike after all maps but one."""
    maps, height, width = shape
    first, second = channels
    inner = (second, height // 4, width // 4)
    size = inner[0] * inner[1] * inner[2]
    return {
        "conv1": nn.Conv2d(maps, first, 3, stride=2, padding=1),
        "lif1": spiking(),
        "conv2": nn.Conv2d(first, second, 3, stride=2, padding=1),
        "lif2": spiking(),
        "flatten": nn.Flatten(),
        "to_latent": nn.Linear(size, latent),
        "latent": spiking(),
        "from_latent": nn.Linear(latent, size),
        "unflatten": nn.Unflatten(1, inner),
        "lif3": spiking(),
        "conv3": nn.ConvTranspose2d(second, first, 4, stride=2, padding=1),
        "lif4": spiking(),
        "conv4": nn.ConvTranspose2d(first, maps, 4, stride=2, padding=1),
    }
