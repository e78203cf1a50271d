"""The networks of the frontier: trained by a short recipe, pruned, and measured in integers.

In:  questions of paper/frontier_questions.py; MNIST in the folder that the variable MNIST names.
Out: spiking networks on the chip: errors, joules and those of the layers without spikes; networks
     without spikes, with their error in int8.
Both kinds are trained in two stages of the same passes; the weights are pruned between the stages.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import replace

import scipy.sparse as sp
import torch
from torch import Tensor, nn

from neurocompile.compiler import compile_graph
from neurocompile.energy.ann import baseline
from neurocompile.frontend.torch import trace
from neurocompile.ir.graph import Graph
from neurocompile.ir.linear import sparse_op
from neurocompile.ir.nodes import Linear
from neurocompile.nn import RateNetwork, SpikingAutoencoder, activity, train
from neurocompile.nn.network import SpikingNetwork
from paper import twin
from paper.plain import PlainAutoencoder
from paper.rows import figures
from paper.study import Json
from paper.weights import fitted

DATA = "MNIST"
INT8_STEPS = 255  # a network without spikes has activations of 8 bits, as if it counted to 255
KEYS = ("dead", "bursting")


def measured(asked: Json) -> Json:
    """What a spiking network does on the chip, and what its layers take without spikes.

    Returns:
        `rows.figures`; `cores`; `dead` and `bursting`, neurons of all layers; `without`, joules of
        one pass of the same layers in int8: `arithmetic` and `memory`.
    """
    training, how = asked["training"], asked["measuring"]
    network = spiking(training)
    test = twin.images(DATA, "test", how["images"])
    graph = thinned(trace(network, torch.zeros(1, *test.values.shape[1:])))
    chosen = twin.images(DATA, "train", how["chosen"])
    ran = compile_graph(graph, how["target"], calibration=chosen, bits=how["bits"]).run(test)
    layers = activity(network, torch.tensor(test.values)).values()
    ann = baseline(ran.fixed_graph, replace(ran.result.counts, steps=INT8_STEPS), {})
    return {
        **figures(ran.result),
        "cores": len(ran.placed.cores),
        **{key: sum(getattr(layer, key) for layer in layers) for key in KEYS},
        "without": {"arithmetic": ann["arithmetic_j"], "memory": ann["memory_j"]},
    }


def spiking(asked: Json) -> SpikingNetwork:
    """The spiking network of a question, trained as its rates and then as it spikes."""
    network = SpikingAutoencoder(
        input_population=False, limited=True, seed=asked["seed"], **asked["layers"]
    )
    values = torch.tensor(twin.images(DATA, "train", asked["images"]).values)
    plans = {s: replace(twin.plan_of(asked[s]), seed=asked["seed"]) for s in ("rates", "spikes")}
    # Networks that differ in the second stage only share the first one.
    before = {key: asked[key] for key in ("seed", "images", "layers", "rates")}
    rates = RateNetwork(network)
    fitted(
        "frontier-rates-", before, network,
        lambda state: train(rates, values, plans["rates"], state=state),
    )  # fmt: skip
    prune(_dense(network), asked["pruned"])
    return fitted(
        "frontier-", asked, network,
        lambda state: train(network, values, plans["spikes"], state=state),
    )  # fmt: skip


def int8_error(asked: Json) -> Json:
    """Error of the layers without spikes, as floats and in int8.

    Returns:
        `float_error` and `error`, squared error an image.
    """
    training, how = asked["training"], asked["measuring"]
    model = plain(training)
    chosen = torch.tensor(twin.images(DATA, "train", how["chosen"]).values)
    return {
        "float_error": twin.plain_error(model, DATA, how["images"]),
        "error": twin.plain_error(in_int8(model, chosen), DATA, how["images"]),
    }


def plain(asked: Json) -> PlainAutoencoder:
    """The layers without spikes of a question, trained in the same two stages."""
    model = PlainAutoencoder("chip", variational=False, seed=asked["seed"], **asked["layers"])
    values = torch.tensor(twin.images(DATA, "train", asked["images"]).values)
    before = {key: asked[key] for key in ("seed", "images", "layers", "first")}
    fitted("frontier-plain-first-", before, model,
           lambda _: twin.descend_shifted(model, values, asked["first"]))  # fmt: skip
    prune(_dense(model), asked["pruned"])
    return fitted("frontier-plain-", asked, model,
                  lambda _: twin.descend_shifted(model, values, asked["second"]))  # fmt: skip


def _dense(network: nn.Module) -> list[nn.Linear]:
    return [module for module in network.modules() if isinstance(module, nn.Linear)]


def prune(layers: Iterable[nn.Linear], share: float) -> None:
    """Set the smallest weights of each layer to 0; further training leaves them there.

    Args:
        layers: Changed in place.
        share: Of the weights of a layer.
    """
    for layer in layers:
        weight = layer.weight
        number = round(share * weight.numel())
        if not number:
            continue
        kept = torch.ones(weight.numel(), dtype=weight.dtype)
        kept[weight.detach().abs().flatten().argsort(stable=True)[:number]] = 0
        kept = kept.view_as(weight)
        with torch.no_grad():
            weight.mul_(kept)
        # Adam does not move a weight whose gradient has always been 0.
        weight.register_hook(lambda gradient, kept=kept: gradient * kept)


def thinned(graph: Graph) -> Graph:
    """The graph with lists of the weights that are not 0, for every dense layer that is pruned."""
    thin = {
        name: sparse_op(sp.csr_array(op.weight), op.weight.shape[1:], op.weight.shape[:1], op.bias)
        for name, op in graph.of(Linear)
        if not op.weight.all()
    }
    return graph.with_nodes(**thin)


class Levels(nn.Module):
    """Values of 0 to 255 steps: what eight bits hold of an activation."""

    def __init__(self, step: float):
        super().__init__()
        self.step = step

    def forward(self, x: Tensor) -> Tensor:
        """The nearest level of each value."""
        return (x / self.step).round().clamp(0, 255) * self.step


def in_int8(model: PlainAutoencoder, chosen: Tensor) -> nn.Sequential:
    """The network with weights and activations of eight bits.

    A weight is a whole multiple, from -127 to 127, of a step per layer; a bias one of the step of
    the products. The largest activation of a layer on the chosen images is 255 steps. Pixels and
    reconstructions are multiples of 1 / 255. Products and sums are exact.

    Args:
        model: Left as it is.
        chosen: Images on which the steps of the activations are chosen, (n, 1, 28, 28).
    """
    layers: list[nn.Module] = [Levels(1 / 255)]
    with torch.no_grad():
        x, step = layers[0](chosen), 1 / 255
        for layer in (*model.encoder, nn.ReLU(), *model.decoder):
            if hasattr(layer, "weight"):
                layer = deepcopy(layer)
                of_weights = float(layer.weight.abs().max()) / 127
                layer.weight.copy_((layer.weight / of_weights).round() * of_weights)
                layer.bias.copy_((layer.bias / (step * of_weights)).round() * step * of_weights)
            x = layer(x)
            layers.append(layer)
            if isinstance(layer, nn.ReLU):
                step = float(x.max()) / 255
                layers.append(Levels(step))
                x = layers[-1](x)
    return nn.Sequential(*layers, Levels(1 / 255))
