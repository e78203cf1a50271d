"""A network from samples to results: encode, run the layers, read out.

In:  layers in order (synapses and neuron layers), the settings of time, input and output.
Out: a module: samples (N, ...) -> results (N, ...).
Synapses hold no state, so they run on all steps at once; neuron layers step through time, and
learned delays take all of it.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from neurocompile.data import encoding
from neurocompile.errors import BadInput
from neurocompile.ir.settings import Decoder, Settings
from neurocompile.nn.delays import WAITING
from neurocompile.nn.layers import Neuron, PassActivity, Readout, SpikingNeuron, SpikingOutput
from neurocompile.nn.response import Reading, weighted_sum

# Modules with out = A x + b for one sample: a weighted mean over time may pass through them.
AFFINE = (
    nn.AvgPool2d,
    nn.Conv1d,
    nn.Conv2d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.Flatten,
    nn.Identity,
    nn.Linear,
    nn.Unflatten,
    nn.Upsample,
)
SMALLEST_WEIGHT = 1e-6  # dividing by a smaller sum of time weights loses the result


class Signal(NamedTuple):
    """Values that travel between layers.

    Attributes:
        values: Values of every step, (T, N, ...), or (N, ...) where every step is the same.
        steps: Number of steps T where every step is the same, else None.
    """

    values: Tensor
    steps: int | None = None

    def sequence(self) -> Tensor:
        """Values of every step, (T, N, ...); a constant is repeated without a copy."""
        return (
            self.values
            if self.steps is None
            else self.values.expand(self.steps, *self.values.shape)
        )


class SpikingNetwork(nn.Module):
    """Layers with an encoder before and a decoder after them.

    Attributes:
        layers: Named layers, in order.
        settings: Time, input and output.
        seed: Seed of random input spikes. In eval mode sample k of a data set gets the spikes of
            `encoding.bernoulli`; in training mode every forward pass draws new ones.
        draws: Number of forward passes in training mode so far; set it to resume a training.
    """

    def __init__(self, layers: OrderedDict[str, nn.Module], settings: Settings, *, seed: int = 0):
        super().__init__()
        if not layers:
            raise BadInput("a network needs at least one layer.")
        self.layers = nn.Sequential(OrderedDict(layers))
        self.settings = settings
        self.seed = seed
        self.draws = 0
        _check_layers(self.layers, settings)

    def layer_names(self) -> list[str]:
        """Names of the layers in order."""
        return [name for name, _ in self.layers.named_children()]

    def neurons(self) -> dict[str, Neuron]:
        """The neuron layers by name, in order."""
        return {n: m for n, m in self.layers.named_children() if isinstance(m, Neuron)}

    def forward(self, x: Tensor, first_index: int = 0) -> Tensor:
        """Results of a batch of samples.

        Args:
            x: Samples, (N, ...); where the encoder is "spikes" or "sequence", (N, T, ...).
            first_index: Index of x[0] in its data set; random input spikes in eval mode depend
                on it.

        Returns:
            Results gain * reading + offset within the decoder's limits, (N, ...); where the decoder
            is "none", the last layer's own output, (T, N, ...).
        """
        signal = self.encode(x, first_index)
        layers = list(self.layers)
        decoder = self.settings.decoder
        head = self._folded_from() if decoder.kind in ("last", "mean") else len(layers)
        for layer in layers[:head]:
            signal = _advance(layer, signal)
        if decoder.kind == "none":
            return signal.sequence()
        if decoder.kind == "last" or decoder.kind == "mean":
            reading = self._read(signal.sequence(), layers[head:-1], decoder.kind)
        elif decoder.kind == "max":
            reading = signal.sequence().amax(0)
        else:
            reading = signal.sequence().mean(0)
        return read_out(decoder, reading)

    def encode(self, x: Tensor, first_index: int = 0) -> Signal:
        """Samples as input of the first layer; arguments as in `forward`."""
        encoder, steps = self.settings.encoder, self.settings.steps
        if encoder.kind == "current":
            return Signal(encoder.gain * x, steps)
        if encoder.timed:
            if x.dim() < 2 or x.shape[1] != steps:
                what = "spikes" if encoder.kind == "spikes" else "values"
                raise BadInput(
                    f"input has shape {list(x.shape)}; expected (n, {steps}, ...) {what}."
                )
            return Signal(encoder.gain * x.transpose(0, 1))
        if self.training:
            draw = torch.Generator().manual_seed(self.seed + 1_000_003 * (self.draws + 1))
            self.draws += 1
            uniform = torch.rand((steps, *x.shape), generator=draw).to(x)
            return Signal((uniform < encoder.gain * x).to(x.dtype))
        spikes = encoding.bernoulli(
            x.detach().cpu().numpy(),
            steps,
            gain=encoder.gain,
            seed=self.seed,
            first_index=first_index,
        )
        return Signal(torch.from_numpy(spikes).transpose(0, 1).to(x))

    def _folded_from(self) -> int:
        """Index of the first of the affine layers before the readout."""
        layers = list(self.layers)
        index = len(layers) - 1
        readout = self._readout()
        own = readout.straight_leak or isinstance(readout, SpikingOutput)
        if own or readout.weights(1, "last").dim() > 1:  # it needs the current of every step
            return index
        while index > 0 and isinstance(layers[index - 1], AFFINE):
            index -= 1
        return index

    def _readout(self) -> Readout:
        """The last layer, which the decoder reads."""
        readout = self.layers[-1]
        assert isinstance(readout, Readout)  # _check_layers refused everything else
        return readout

    def _read(self, sequence: Tensor, affine: list[nn.Module], kind: Reading) -> Tensor:
        """Potential of the readout after affine layers, at the cost of one step.

        v = v_leak + sum_t k_t (A z_t + b) = v_leak + K (A sum_t (k_t / K) z_t + b), K = sum_t k_t.
        """
        readout = self._readout()
        if not affine:
            return readout.read(sequence, kind)
        through = nn.Sequential(*affine)

        def potential(reading: Reading) -> Tensor:
            weights = readout.weights(len(sequence), reading)
            total = weights.sum(0)
            if weights.dim() > 1 or float(total.abs()) < SMALLEST_WEIGHT:
                folded = _advance(through, Signal(sequence)).values
                return weighted_sum(folded, weights) + readout.rest
            mean = weighted_sum(sequence, weights / total)
            return through(mean) * total.to(mean) + readout.rest

        result = potential(kind)
        unreset = (lambda: result) if kind == "last" else partial(potential, "last")
        readout.activity = PassActivity(None, len(sequence), unreset)
        return result


def read_out(decoder: Decoder, reading: Tensor) -> Tensor:
    """A reading as a result: gain * reading + offset, within the decoder's limits.

    The gradient passes the limits as if they were not there: a pixel that is below 0 still
    learns that it should be brighter.
    """
    result = decoder.gain * reading + decoder.offset
    if not decoder.limits:
        return result
    within = result.detach().clamp(decoder.low, decoder.high)
    return within + (result - result.detach())


def _advance(layer: nn.Module, signal: Signal) -> Signal:
    """The output of one layer, over all steps."""
    if isinstance(layer, SpikingNeuron):
        return Signal(layer(signal.values, signal.steps))
    if isinstance(layer, (Neuron, *WAITING)):
        return Signal(layer(signal.sequence()))
    if signal.steps is not None:
        return Signal(layer(signal.values), signal.steps)
    steps, samples = signal.values.shape[:2]
    return Signal(layer(signal.values.flatten(0, 1)).unflatten(0, (steps, samples)))


def _check_layers(layers: nn.Sequential, settings: Settings) -> None:
    """Refuse a decoder that does not suit the last layer, and steps of different lengths."""
    last, kind = layers[-1], settings.decoder.kind
    if kind in ("last", "max", "mean") and not isinstance(last, Readout):
        raise BadInput(f"decoder {kind!r} reads a membrane: end the network with LI or LIBox.")
    if kind == "rate" and not isinstance(last, SpikingNeuron):
        raise BadInput("decoder 'rate' counts spikes: end the network with LIF or LIFBox.")
    for name, layer in layers.named_children():
        if isinstance(layer, Neuron) and layer.dt != settings.dt:
            raise BadInput(
                f"layer {name!r} has dt = {layer.dt} s, the settings {settings.dt} s. Use one dt."
            )
