"""Train a sigma-delta autoencoder on a walking person's sensors, for watch_gait.py.

In:  nine accelerometer channels at 64 Hz of the Daphnet data set, out of the package aeon
     (`neurocompile doctor --install paper`).
Out: a checkpoint, and a small recording to watch: rows that were not trained on, and the largest
     mean error of half a second of training rows, above which watch_gait.py marks a fault.
A row of input is the last 8 rows of the recording. Neurons send only what changed, so the network
may run for ever: nothing is reset.

Source of the recording: Bächlin et al., Wearable Assistant for Parkinson's Disease Patients With
the Freezing of Gait Symptom (2010); UCI Machine Learning Repository, CC BY 4.0; here subject 6,
run 2, as aeon 1.6 ships it.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, distribution
from itertools import pairwise
from pathlib import Path

import click
import numpy as np
import torch
from rich.console import Console
from torch import Tensor, nn

import neurocompile as nc
from neurocompile.nn import Delta, Sigma, SigmaDelta, SpikingNetwork

console = Console()

FILE = "aeon/datasets/data/Daphnet_S06R02E0/S06R02E0.csv"
TRAIN, WATCH = slice(1500, 5000), slice(5000, 6800)  # the person walks from row 1,500 to 6,800
CHANNELS, ROWS = 9, 8
HIDDEN, LATENT = 64, 20
HALF_RANGE = 4.0  # standard deviations each way that become 0..1
DT = 1 / 64  # s, of a row
MEMORY = 32  # rows over which watch_gait.py averages the error
STEPS = 64  # rows of a training sequence: one second
THRESHOLDS = (0.01, 0.02, 0.02, 0.02)
TARGET = "loihi2-sim"


def recording() -> np.ndarray:
    """(rows, 9) as the file has them."""
    try:
        path = Path(str(distribution("aeon").locate_file(FILE)))
    except PackageNotFoundError:
        raise click.ClickException(
            "the recording is inside the package aeon. Run: neurocompile doctor --install paper"
        ) from None
    return np.loadtxt(path, delimiter=",", skiprows=1, usecols=range(1, CHANNELS + 1))


def joined(rows: np.ndarray) -> np.ndarray:
    """(n - ROWS + 1, 72): each row with the ROWS - 1 before it, oldest first."""
    return (
        np.lib.stride_tricks.sliding_window_view(rows, ROWS, axis=0)
        .swapaxes(1, 2)
        .reshape(len(rows) - ROWS + 1, -1)
    )


SIZES = (CHANNELS * ROWS, HIDDEN, LATENT, HIDDEN, CHANNELS * ROWS)


def trained(x: Tensor, epochs: int, seed: int) -> list[nn.Linear]:
    """The four layers of an autoencoder with ReLU, which a sigma-delta network computes in steps.

    It is trained without time: the sums of a sigma-delta network are the values of its ReLU twin,
    up to what thresholds hold back.
    """
    torch.manual_seed(seed)
    layers = [nn.Linear(before, after) for before, after in pairwise(SIZES)]
    between = [part for layer in layers for part in (layer, nn.ReLU())][:-1]
    model, batch = nn.Sequential(*between), 128
    optimizer = torch.optim.Adam(model.parameters())
    total = epochs * -(-len(x) // batch)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=total)
    begin = time.perf_counter()
    for epoch in range(epochs):
        summed = 0.0
        for some in torch.randperm(len(x)).split(batch):
            error = (model(x[some]) - x[some]).square().mean()
            error.backward()
            optimizer.step()
            optimizer.zero_grad()
            rate.step()
            summed += float(error.detach()) * len(some)
        if epoch % 50 == 49:
            spent = time.perf_counter() - begin
            console.print(f"epoch {epoch + 1}/{epochs}: error {summed / len(x):.6f}, {spent:.0f} s")
    return layers


def network(layers: list[nn.Linear]) -> SpikingNetwork:
    """The same layers between neurons that send changes."""
    made: dict[str, nn.Module] = {"changes": Delta(THRESHOLDS[0], DT)}
    names = ("encoder", "code", "decoder", "output")
    for i, (name, layer) in enumerate(zip(names, layers, strict=True)):
        made[f"fc{i + 1}"] = weights = nn.Linear(SIZES[i], SIZES[i + 1], bias=False)
        weights.weight.data = layer.weight.detach().clone()
        bias = layer.bias.detach()
        last = name == "output"
        made[name] = Sigma(bias, DT) if last else SigmaDelta(THRESHOLDS[i + 1], bias, DT)
    settings = nc.Settings(
        steps=STEPS, dt=DT, encoder=nc.Encoder("sequence"), decoder=nc.Decoder("last")
    )
    return SpikingNetwork(OrderedDict(made), settings)


@click.command()
@click.option("--epochs", default=300, show_default=True, help="Passes over the training rows")
@click.option("--seed", default=0, show_default=True, help="Seed of the weights and the order")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(__file__).parent / "models",
    show_default="examples/models",
    help="Folder of the checkpoint and the recording",
)
def main(epochs: int, seed: int, out: Path) -> None:
    """Train, then say how the integers do on rows that were not trained on."""
    torch.set_num_threads(1)
    rows = recording()
    known = rows[TRAIN]
    low = known.mean(0) - HALF_RANGE * known.std(0)
    scaled = np.clip((rows - low) / (2 * HALF_RANGE * known.std(0)), 0, 1).astype(np.float32)
    seen = joined(scaled[TRAIN])
    starts = range(0, len(seen) - STEPS, STEPS // 4)
    x = torch.tensor(np.stack([seen[i : i + STEPS] for i in starts]))

    model = network(trained(torch.tensor(seen), epochs, seed)).eval()
    path, example = out / "gait_watch.pt", torch.zeros(1, *x.shape[1:])
    command = f"python examples/train_gait_watch.py --epochs {epochs} --seed {seed}"
    nc.save(model, path, example, settings=replace(model.settings, training={"command": command}))

    compiled = nc.compile(path, TARGET, calibration=nc.Data("training rows", "x", x.numpy()))
    errors = {}
    for name, part in (("trained on", TRAIN), ("not seen", WATCH)):
        stream, values = compiled.stream(), joined(scaled[part])
        piece = stream.push(values)
        errors[name] = np.square(piece.potentials - values).mean(axis=1)[ROWS:]
        sent = sum(int(layer.spikes.sum()) for layer in stream.activity.values()) / stream.done
        console.print(
            f"rows {name}: error {errors[name].mean():.6f}, at most {errors[name].max():.6f}, "
            f"{sent:.1f} messages a step"
        )
    np.savez_compressed(
        out / "gait_watch.npz",
        rows=np.round(scaled[WATCH] * 65535).astype(np.uint16),
        calibration=np.round(x.numpy()[::8] * 65535).astype(np.uint16),
        limit=np.convolve(errors["trained on"], np.full(MEMORY, 1 / MEMORY), "valid").max(),
    )


if __name__ == "__main__":
    main()
