"""Synaptic operations of the last forward pass, differentiable in the spikes.

In:  a `SpikingNetwork` after a forward pass.
Out: operations per sample by layer, and their share of those if every neuron spiked in every step.
An operation is one spike through one stored synapse, whatever its weight, as in `energy.counts`.
Spikes of the host and of axons for biases are not counted: no weight changes them.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile
from typing import NamedTuple
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import one_hot

from neurocompile.errors import BadInput, Unsupported
from neurocompile.nn.delays import WAITING
from neurocompile.nn.layers import Neuron, SpikingNeuron
from neurocompile.nn.network import AFFINE, SpikingNetwork

RESHAPING = (nn.Flatten, nn.Identity, nn.Unflatten)
BLOCK = 1 << 22  # values of the one-hot samples that run at a time

LayersAfter = tuple[nn.Module, ...] | None  # layers up to the next neurons; None: no neurons


class LayerSpikes(NamedTuple):
    """A spiking layer after a forward pass.

    Attributes:
        name: Name of the layer.
        steps: Number of steps, T.
        counts: Number of spikes per sample and neuron, (N, ...).
        fan_out: Number of connections that leave each neuron, (...) float64.
    """

    name: str
    steps: int
    counts: Tensor
    fan_out: Tensor


def synops(model: SpikingNetwork) -> dict[str, Tensor]:
    """By spiking layer, operations that its spikes cause, mean per sample, () float64.

    Raises:
        Unsupported: If the connections of a layer are unknown.
    """
    return {layer.name: _synops(layer) for layer in _layer_spikes(model)}


def synops_share(model: SpikingNetwork) -> Tensor:
    """Operations of the last batch per operation if every neuron spiked in every step, in [0, 1].

    Raises:
        BadInput: If no spiking layer has run, or none has a synapse after it.
        Unsupported: If the connections of a layer are unknown.
    """
    layers = list(_layer_spikes(model))
    most = sum(layer.steps * float(layer.fan_out.sum()) for layer in layers)
    if not most:
        raise BadInput(
            "a penalty on synops needs a spiking layer that has run and has a synapse after it."
        )
    total = torch.stack([_synops(layer) for layer in layers]).sum()
    return (total / most).to(layers[0].counts.dtype)


def _synops(layer: LayerSpikes) -> Tensor:
    return (layer.counts.sum(0).double() * layer.fan_out).sum() / len(layer.counts)


# Outside of the layers, so that copies and checkpoints do not contain it; it ends with them.
_fan_outs: WeakKeyDictionary[nn.Module, tuple[LayersAfter, Tensor]] = WeakKeyDictionary()


def _layer_spikes(model: SpikingNetwork) -> Iterator[LayerSpikes]:
    """The spiking layers that have run, in order; the fan-out of each is computed once."""
    children = list(model.layers.named_children())
    for at, (name, layer) in enumerate(children, 1):
        if not isinstance(layer, SpikingNeuron) or layer.activity is None:
            continue
        counts, later = layer.activity.counts, [m for _, m in children[at:] if not _waits(m)]
        assert counts is not None  # a spiking layer always has them
        until = tuple(takewhile(lambda module: not isinstance(module, Neuron), later))
        after = until if len(until) < len(later) else None
        before, fan_out = _fan_outs.get(layer, (None, counts[:0]))
        same = fan_out.shape == counts.shape[1:] and fan_out.device == counts.device
        if not same or before != after:
            with torch.inference_mode(False):  # the kept tensor must be usable in training, too
                fan_out = _fan_out(after, counts, name)
            _fan_outs[layer] = after, fan_out
        yield LayerSpikes(name, layer.activity.steps, counts, fan_out)


def _waits(module: nn.Module) -> bool:
    """Whether a layer only moves spikes in time: each still reaches what follows once."""
    return isinstance(module, WAITING)


def _fan_out(after: LayersAfter, counts: Tensor, name: str) -> Tensor:
    """Number of outputs of the next layers that each value of a sample reaches, float64.

    For one weighted layer, filled with ones, it is the gradient of the sum of its outputs: a
    transposed convolution where the layer is a convolution. Several layers may reach an output
    by several paths, which is one connection on the chip, so every value runs by itself there.
    """
    shape, device = counts.shape[1:], counts.device
    if after is None:
        return torch.zeros(shape, dtype=torch.float64, device=device)
    for module in after:
        if not isinstance(module, AFFINE):
            raise Unsupported(
                f"after layer {name!r}: connections of {type(module).__name__} are unknown. "
                "Use linear, convolution, pooling, upsampling and flatten layers."
            )
    connecting = [module for module in after if not isinstance(module, RESHAPING)]
    if not connecting or (len(connecting) == 1 and hasattr(connecting[0], "weight")):
        with torch.enable_grad():
            x = torch.ones((1, *shape), dtype=torch.float64, device=device, requires_grad=True)
            (reached,) = torch.autograd.grad(_ones(after, x).sum(), x)
        return reached[0].round()
    indices, many = torch.arange(shape.numel(), device=device), shape.numel()
    with torch.no_grad():
        alone = (one_hot(some, many).double() for some in indices.split(max(1, BLOCK // many)))
        hits = [(_ones(after, x.view(-1, *shape)) > 0).flatten(1).sum(1) for x in alone]
    return torch.cat(hits).double().view(shape)


def _ones(layers: tuple[nn.Module, ...], x: Tensor) -> Tensor:
    """Output of the layers if every weight is 1 and every bias 0."""
    for layer in layers:
        values = {
            which: torch.full_like(p, 0.0 if which == "bias" else 1.0, dtype=x.dtype)
            for which, p in layer.named_parameters()
        }
        x = functional_call(layer, values, (x,))
    return x
