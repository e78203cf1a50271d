"""Synaptic operations of the last forward pass, differentiable in the spikes.

In:  a `SpikingNetwork` that has just run forward.
Out: operations a sample by layer, and their share of those if every neuron spiked in every step.
An operation is one spike through one stored synapse, whatever its weight, as `energy.counts` has
it. Spikes of the host and of axons for biases are left out: no weight changes them.
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
from neurocompile.nn.layers import Neuron, SpikingNeuron
from neurocompile.nn.network import AFFINE, SpikingNetwork

RESHAPING = (nn.Flatten, nn.Identity, nn.Unflatten)
BLOCK = 1 << 22  # values of the one-hot samples that run at a time

Behind = tuple[nn.Module, ...] | None  # the layers up to the next neurons; None: there are none


class Ran(NamedTuple):
    """A spiking layer after a forward pass.

    Attributes:
        name: Of the layer.
        steps: T.
        counts: (N, ...) spikes a sample and neuron.
        fan_out: (...) float64, connections behind each neuron.
    """

    name: str
    steps: int
    counts: Tensor
    fan_out: Tensor


def synops(model: SpikingNetwork) -> dict[str, Tensor]:
    """Per spiking layer, () float64: operations that its spikes cause, mean of a sample.

    Raises:
        Unsupported: If the connections of a layer are unknown.
    """
    return {layer.name: _synops(layer) for layer in _ran(model)}


def synops_share(model: SpikingNetwork) -> Tensor:
    """() in [0, 1]: operations of the last batch, of those if every neuron spiked in every step.

    Raises:
        BadInput: If no spiking layer has run, or none has a synapse behind it.
        Unsupported: If the connections of a layer are unknown.
    """
    layers = list(_ran(model))
    most = sum(layer.steps * float(layer.fan_out.sum()) for layer in layers)
    if not most:
        raise BadInput(
            "a penalty on synops needs a spiking layer that has run and has a synapse behind it."
        )
    total = torch.stack([_synops(layer) for layer in layers]).sum()
    return (total / most).to(layers[0].counts.dtype)


def _synops(layer: Ran) -> Tensor:
    return (layer.counts.sum(0).double() * layer.fan_out).sum() / len(layer.counts)


# Beside the layers, not in them: no copy and no checkpoint takes it along, and it ends with them.
_known: WeakKeyDictionary[nn.Module, tuple[Behind, Tensor]] = WeakKeyDictionary()


def _ran(model: SpikingNetwork) -> Iterator[Ran]:
    """The spiking layers that have run, in order; what is behind one is counted once."""
    children = list(model.layers.named_children())
    for at, (name, layer) in enumerate(children, 1):
        if not isinstance(layer, SpikingNeuron) or layer.activity is None:
            continue
        counts, later = layer.activity.counts, [module for _, module in children[at:]]
        assert counts is not None  # a spiking layer always has them
        until = tuple(takewhile(lambda module: not isinstance(module, Neuron), later))
        behind = until if len(until) < len(later) else None
        before, fan_out = _known.get(layer, (None, counts[:0]))
        same = fan_out.shape == counts.shape[1:] and fan_out.device == counts.device
        if not same or before != behind:
            with torch.inference_mode(False):  # what is kept must serve a training, too
                fan_out = _fan_out(behind, counts, name)
            _known[layer] = behind, fan_out
        yield Ran(name, layer.activity.steps, counts, fan_out)


def _fan_out(behind: Behind, counts: Tensor, name: str) -> Tensor:
    """How many outputs of the layers each value of a sample reaches, float64.

    Behind one weighted layer of ones it is the gradient of the sum of its outputs: a transposed
    convolution where that is a convolution. Several layers may reach an output by several ways,
    which is one connection on the chip: there every value runs by itself.
    """
    shape, device = counts.shape[1:], counts.device
    if behind is None:
        return torch.zeros(shape, dtype=torch.float64, device=device)
    for module in behind:
        if not isinstance(module, AFFINE):
            raise Unsupported(
                f"behind layer {name!r}: connections of {type(module).__name__} are unknown. "
                "Use linear, convolution, pooling, upsampling and flatten layers."
            )
    connecting = [module for module in behind if not isinstance(module, RESHAPING)]
    if not connecting or (len(connecting) == 1 and hasattr(connecting[0], "weight")):
        with torch.enable_grad():
            x = torch.ones((1, *shape), dtype=torch.float64, device=device, requires_grad=True)
            (reached,) = torch.autograd.grad(_ones(behind, x).sum(), x)
        return reached[0].round()
    each, many = torch.arange(shape.numel(), device=device), shape.numel()
    with torch.no_grad():
        alone = (one_hot(some, many).double() for some in each.split(max(1, BLOCK // many)))
        hits = [(_ones(behind, x.view(-1, *shape)) > 0).flatten(1).sum(1) for x in alone]
    return torch.cat(hits).double().view(shape)


def _ones(layers: tuple[nn.Module, ...], x: Tensor) -> Tensor:
    """What the layers give where every weight is 1 and every bias 0."""
    for layer in layers:
        values = {
            which: torch.full_like(p, 0.0 if which == "bias" else 1.0, dtype=x.dtype)
            for which, p in layer.named_parameters()
        }
        x = functional_call(layer, values, (x,))
    return x
