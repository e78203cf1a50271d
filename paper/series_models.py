"""A spiking autoencoder over windows, and the same layers without spikes.

In:  a question: recording, sizes, steps, number of epochs, seed.
Out: trained modules: windows (n, channels, length) in [0, 1] -> reconstructions; kept in
     build/paper under the digest of the question.
Both are dense, values -> hidden -> latent -> hidden -> values. The plain one has ReLU in place of
spikes, except in its latent layer, which is linear: with ReLU there it reconstructs worse.
"""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import torch
from norse.torch import LIBoxParameters, LIFBoxParameters
from torch import Tensor, nn

from neurocompile.ir.arrays import Array
from neurocompile.ir.settings import Decoder, Encoder, Settings
from neurocompile.nn import Regularization, TrainingPlan, train
from neurocompile.nn.layers import LIBox, LIFBox
from neurocompile.nn.network import SpikingNetwork
from paper import series_data
from paper.study import Json
from paper.weights import descend, fitted

DT, THRESHOLD = 0.001, 0.1
TAU_MEM, TAU_INPUT = 0.01, 0.05  # s; a long one makes the rate of an input neuron proportional
DRIVE = 0.9  # of the threshold, by a value of 1 in one step
BAND = {"band": 0.1, "low": 0.02, "high": 0.25}  # keeps neurons from dying and from bursting


def question(
    name: str,
    *,
    hidden: int,
    latent: int,
    seed: int,
    epochs: int,
    rates: dict[str, float],
    steps: int = 16,
    regularization: dict[str, float] | None = None,
    code: dict[str, float] | None = None,
    part: str | None = None,
) -> Json:
    """The question that the training of both networks answers.

    Args:
        name: Of the recording.
        hidden, latent: Neurons.
        seed: Of first weights and of the order of the windows.
        epochs: Passes over the training windows.
        rates: Peak of Adam's one-cycle rate, "spiking" and "plain".
        steps: Of a window, in the spiking network.
        regularization: Penalties of the spiking network beside the band of rates.
        code: What its input and readout have in place of `DRIVE` and `TAU_MEM`: "drive" and
            "tau_readout", seconds. The decoder's gain then makes a constant current read as itself.
        part: "search" leaves the last fifth of the training windows out, to judge on.
    """
    asked = {
        "recording": {name: vars(series_data.SOURCES[name])},
        "range": series_data.HALF_RANGE,
        "hidden": hidden,
        "latent": latent,
        "steps": steps,
        "epochs": epochs,
        "batch": 32,
        "learning_rates": rates,
        "regularization": {**BAND, **(regularization or {})},
        "seed": seed,
    }
    # Left out where not asked for: the questions that are answered stay the same.
    return asked | ({"code": code} if code else {}) | ({"part": part} if part else {})


def windows_of(asked: Json, test_stride: int | None = None) -> series_data.Windows:
    """The windows that a question names; its test is the held-out fifth in the search."""
    (name,) = asked["recording"]
    if asked.get("part") == "search":
        return series_data.held_out(name)
    return series_data.load(name, test_stride)


def spiking(asked: Json) -> SpikingNetwork:
    """The trained spiking autoencoder of a question."""
    return fit_spiking("series-spiking-", windows_of(asked).train, asked)


def plain(asked: Json) -> nn.Sequential:
    """The trained plain autoencoder of a question: layers "encoder" and "decoder"."""
    return fit_plain("series-plain-", windows_of(asked).train, asked)


def fit_spiking(kind: str, windows: Array, asked: Json) -> SpikingNetwork:
    """A spiking autoencoder that learned windows (n, channels, length).

    Args:
        kind: Start of the name of the file that keeps the weights.
        windows: In [0, 1].
        asked: Sizes, code, penalties, plan and seed, as `question` has them.
    """
    x = torch.tensor(windows)
    network = _spiking(tuple(x.shape[1:]), asked)
    weights = Regularization(**asked["regularization"])
    rate = asked["learning_rates"]["spiking"]
    plan = TrainingPlan(
        asked["epochs"], asked["batch"], rate, regularization=weights, seed=asked["seed"]
    )
    fitted(kind, asked, network, lambda state: train(network, x, plan, state=state))
    return network.eval()


def fit_plain(kind: str, windows: Array, asked: Json) -> nn.Sequential:
    """As `fit_spiking`, without spikes."""
    x = torch.tensor(windows)
    network = _plain(tuple(x.shape[1:]), asked)
    fitted(kind, asked, network, lambda _: _train_plain(network, x, asked))
    return network.eval()


def results(network: nn.Module, windows: Array) -> Array:
    """Reconstructions of windows (n, channels, length)."""
    with torch.no_grad():
        return np.asarray(network(torch.tensor(windows)).numpy())


def _spiking(shape: tuple[int, ...], asked: Json) -> SpikingNetwork:
    """Untrained; one input neuron a value, which spikes into the first dense layer."""
    values, hidden, latent = shape[0] * shape[1], asked["hidden"], asked["latent"]
    code = {"drive": DRIVE, "tau_readout": TAU_MEM, **asked.get("code", {})}
    reached = 1 - (1 - DT / code["tau_readout"]) ** asked["steps"]  # of a constant current
    gain = 1 / reached if "code" in asked else 1.0

    def neurons(tau: float = TAU_MEM) -> LIFBox:
        p = LIFBoxParameters(tau_mem_inv=torch.tensor(1 / tau), v_th=torch.tensor(THRESHOLD))
        return LIFBox(p, DT, surrogate_width=THRESHOLD / 2, surrogate_gain=0.5)

    layers: OrderedDict[str, nn.Module] = OrderedDict()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(asked["seed"])
        layers["pixels"] = neurons(TAU_INPUT)  # by this name no penalty counts it as hidden
        layers["flatten"] = nn.Flatten()
        layers["to_hidden"] = nn.Linear(values, hidden)
        layers["lif1"] = neurons()
        layers["to_latent"] = nn.Linear(hidden, latent)
        layers["latent"] = neurons()
        layers["from_latent"] = nn.Linear(latent, hidden)
        layers["lif2"] = neurons()
        layers["to_values"] = nn.Linear(hidden, values)
        layers["unflatten"] = nn.Unflatten(1, shape)
        layers["output"] = LIBox(
            LIBoxParameters(tau_mem_inv=torch.tensor(1 / code["tau_readout"])), DT
        )
    settings = Settings(
        dt=DT,
        steps=asked["steps"],
        encoder=Encoder("current", code["drive"] * THRESHOLD * TAU_INPUT / DT),
        decoder=Decoder("last", gain, task="reconstruction"),
    )
    return SpikingNetwork(layers, settings, seed=asked["seed"])


def _plain(shape: tuple[int, ...], asked: Json) -> nn.Sequential:
    """Untrained."""
    values, hidden, latent = shape[0] * shape[1], asked["hidden"], asked["latent"]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(asked["seed"])
        encoder = nn.Sequential(
            nn.Flatten(), nn.Linear(values, hidden), nn.ReLU(), nn.Linear(hidden, latent)
        )
        decoder = nn.Sequential(
            nn.Linear(latent, hidden), nn.ReLU(), nn.Linear(hidden, values), nn.Unflatten(1, shape)
        )
    return nn.Sequential(OrderedDict(encoder=encoder, decoder=decoder))


def _train_plain(network: nn.Module, x: Tensor, asked: Json) -> None:
    """As `nn.train` does, without penalties."""
    descend(
        network,
        x,
        lambda batch, _: (network(batch) - batch).square().sum() / len(batch),
        epochs=asked["epochs"],
        batch=asked["batch"],
        learning_rate=asked["learning_rates"]["plain"],
        seed=asked["seed"],
    )
