"""A spiking network as the firing rates of its neurons, which trains many times as fast.

In:  a `SpikingNetwork` of LIF and LIFBox layers.
Out: a network with the very same synapses, in which a value stands for each neuron's rate. What
     it learns, the spiking network has learned: train this one first, then the spiking one.
A rate is that of a neuron whose input current is constant; noise on it stands for the error of a
number of spikes that is whole. A pass costs one step instead of T.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import softplus

from neurocompile.errors import Unsupported
from neurocompile.nn.layers import LIF, LIFBox, PassActivity, Readout, SpikingNeuron
from neurocompile.nn.network import SpikingNetwork, read_out
from neurocompile.nn.response import Reading

SHARPNESS = 20.0  # of the derivative at the weakest current that makes a neuron spike


class RateNetwork(SpikingNetwork):
    """A spiking network in which every neuron sends its rate; it shares the layers.

        train(RateNetwork(network), images, TrainingPlan(20, batch=100))
        train(network, images, TrainingPlan(10))

    Attributes:
        noise: Standard deviation of the noise on each rate in training, spikes per step. The
            number of spikes in T steps is whole, so a rate is off by up to 1 / 2T.
    """

    def __init__(self, network: SpikingNetwork, noise: float = 0.04):
        """Share the layers of a network.

        Raises:
            Unsupported: If a layer is none of LIF, LIFBox, LI, LIBox and synapses, or the input
                differs from step to step.
        """
        super().__init__(
            OrderedDict(network.layers.named_children()), network.settings, seed=network.seed
        )
        self.noise = noise
        for name, layer in self.neurons().items():
            if not isinstance(layer, LIF | LIFBox | Readout):
                raise Unsupported(
                    f"layer '{name}' ({type(layer).__name__}) has no rate here. Use LIF, LIFBox, "
                    "LI and LIBox, or train the spiking network from the start."
                )
        if network.settings.encoder.timed:
            raise Unsupported(
                f"the encoder '{network.settings.encoder.kind}' gives every step an input of its "
                "own, which no rate holds. Use 'current' or 'bernoulli', or train the spiking "
                "network from the start."
            )

    def forward(self, x: Tensor, first_index: int = 0) -> Tensor:
        """Results of a batch of samples, from rates; arguments as of the spiking network."""
        steps, decoder = self.settings.steps, self.settings.decoder
        draw = torch.Generator().manual_seed(self.seed + 1_000_003 * (self.draws + 1))
        self.draws += self.training
        values = self.settings.encoder.gain * x
        if self.settings.encoder.kind == "bernoulli":
            values = values.clamp(0, 1)
        for layer in self.layers:
            if isinstance(layer, SpikingNeuron):
                current, values = values, rate(layer, values)
                unreset = partial(layer._unreset, current, steps)
                layer.activity = PassActivity(values * steps, steps, unreset)
                if self.training and self.noise:
                    noise = torch.randn(values.shape, generator=draw) * self.noise
                    values = values + noise.to(values) * (values.detach() > 0)
            elif isinstance(layer, Readout):
                reading: Reading = "mean" if decoder.kind == "mean" else "last"
                values = values * layer.weights(steps, reading).sum(0).to(values) + layer.rest
                layer.activity = PassActivity(None, steps, partial(_same, values))
            else:
                values = layer(values)
        return values if decoder.kind in ("none", "rate") else read_out(decoder, values)


def rate(layer: SpikingNeuron, current: Tensor) -> Tensor:
    """Spikes per step of a neuron under a constant current, in about.

    With h the thresholds by which the potential rises in the first step and r the share that it
    loses per step, a neuron that loses nothing spikes every 1 / h steps, rounded up: half a step
    more on average. The leak costs it 0.7 r of h. The derivative is not 0 below the weakest
    current that makes it spike, so that silent neurons learn.

    Args:
        layer: LIF or LIFBox.
        current: Input current, membrane units, (N, ...).

    Returns:
        Rates, from 0 up, (N, ...).
    """
    p, (mem_rate, syn_rate) = layer.p, layer.rates
    settled = current if syn_rate is None else current / syn_rate
    start = getattr(p, "v_reset", p.v_leak)
    rise = mem_rate * (settled + p.v_leak - start) / (p.v_th - start) - 0.7 * mem_rate
    smooth = softplus(SHARPNESS * rise) / SHARPNESS
    above = smooth + (rise.relu() - smooth).detach()
    return above / (1 + above / 2)


def _same(values: Tensor) -> Tensor:
    return values
