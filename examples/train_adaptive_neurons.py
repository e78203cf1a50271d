"""Train spiking networks on spoken digits: neurons whose threshold adapts against plain ones.

In:  the folder `recordings` of the Free Spoken Digit Dataset, 3,000 files (CC BY-SA 4.0,
     https://github.com/Jakobovski/free-spoken-digit-dataset).
Out: a `.pt` file that `neurocompile export` reads, and the accuracy on the data set's own test
     recordings, 0 to 4 of each digit and speaker, looked at once, after the last epoch.
Two tasks: which digit is it; and with --recall, which digit was it before another one was spoken.
Both kinds of neurons get the same weights, input, epochs and rates of learning.
"""

from __future__ import annotations

import wave
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
import torch
from norse.torch import LIFParameters, LIParameters
from norse.torch.functional.lsnn import LSNNParameters
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from neurocompile.frontend.save import save
from neurocompile.ir.settings import Decoder, DecoderKind, Encoder, Settings
from neurocompile.nn import LI, LIF, LSNN, SpikingNetwork

RATE, WINDOW, HOP = 8000, 200, 80  # recordings: samples per second, per window, between windows
BANDS, STEPS, DT = 20, 60, 0.01  # of the mel scale; steps of a recording, each HOP / RATE seconds
LEVELS = (-0.3, 0.3, 0.9)  # a band has an axon per level, which spikes in each step above it
TESTED = 5  # the first recordings of each digit and speaker
GAIN = 10.0  # of the potentials before the softmax
LEARNING_RATE = 4e-3  # peak of the one-cycle rate
KINDS = click.Choice(["lif", "lsnn"])


class Task(NamedTuple):
    """What is asked, and what a network for it is like; found on recordings 5 to 9.

    Attributes:
        recordings: Number of recordings per sample; the first one's digit is asked for.
        decoder, tau_readout: What is read, and the time constant of the readout, seconds.
        hidden, epochs: Number of hidden neurons, and passes over the training set.
        tau_mem: Time constant of hidden neurons by kind, seconds.
        tau_adapt, beta: Time constant of a threshold, seconds, and its rise per spike.
        aim, price: Rate that neurons are kept near, spikes per step, and the price of leaving it.
    """

    recordings: int
    decoder: DecoderKind
    tau_readout: float
    hidden: int
    epochs: int
    tau_mem: dict[str, float]
    tau_adapt: float
    beta: float
    aim: float
    price: float


NAME = Task(1, "mean", 0.1, 96, 30, {"lif": 0.03, "lsnn": 0.03}, 1.5, 0.3, 0.02, 60.0)
RECALL = Task(2, "last", 0.05, 128, 60, {"lif": 0.3, "lsnn": 0.06}, 8.0, 0.03, 0.1, 20.0)


@click.command()
@click.option("--recordings", required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--neuron", type=KINDS, default="lsnn", show_default=True)
@click.option("--recall", is_flag=True, help="Ask for the digit before another one was spoken")
@click.option(
    "--tau-mem", type=float, help="Of the hidden neurons, in place of the task's, seconds"
)
@click.option("--epochs", type=int, help="Passes over the training set, in place of the task's")
@click.option("--hidden", type=int, help="Hidden neurons, in place of the task's")
@click.option("--seed", default=0, show_default=True, help="Seed of weights and order")
@click.option(
    "--validate", is_flag=True, help="Leave the test alone: judge by recordings 5 to 9 instead"
)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Checkpoint to write")
def main(
    recordings: Path,
    neuron: str,
    recall: bool,
    tau_mem: float | None,
    epochs: int | None,
    hidden: int | None,
    seed: int,
    validate: bool,
    out: Path | None,
) -> None:
    """Train a network on spoken digits, and say how many it knows."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    task = RECALL if recall else NAME
    task = task._replace(epochs=epochs or task.epochs, hidden=hidden or task.hidden)
    task = task._replace(tau_mem={neuron: tau_mem or task.tau_mem[neuron]})
    spikes, digits, number = load(recordings)
    tested = number < TESTED
    if validate:
        kept = ~tested
        spikes, digits, tested = spikes[kept], digits[kept], number[kept] < 2 * TESTED
    if recall:
        spikes = followed(spikes, tested)
    model = network(neuron, task)
    fit(model, spikes[~tested], digits[~tested], task, seed)
    right, rate = judge(model, spikes[tested], digits[tested])
    asked = f"{int(tested.sum())} recordings"
    click.echo(f"{neuron}, seed {seed}: {right:.2%} of {asked} right, ", nl=False)
    click.echo(f"a hidden neuron spikes {rate:.3f} times per step")
    if out is not None:
        told = {"example": Path(__file__).name, "recall": recall, "neuron": neuron, "seed": seed}
        figures = {"epochs": task.epochs, "right": round(right, 4), "rate": round(rate, 4)}
        model.settings = replace(model.settings, training=told | figures)
        save(model, out, spikes[:1].float())


def load(folder: Path) -> tuple[Tensor, Tensor, Tensor]:
    """Spikes (n, STEPS, axons) uint8, and digit and number of each recording, (n,)."""
    files = sorted(folder.glob("*.wav"))
    spikes = np.stack([encoded(file) for file in files])
    names = [file.stem.split("_") for file in files]
    digits = torch.tensor([int(digit) for digit, _, _ in names])
    return torch.from_numpy(spikes), digits, torch.tensor([int(number) for *_, number in names])


def encoded(file: Path) -> NDArray[np.uint8]:
    """Spikes of a recording: in each window, the levels that a band's log energy exceeds."""
    with wave.open(str(file)) as sound:
        samples = np.frombuffer(sound.readframes(sound.getnframes()), "<i2").astype(float)
    samples = np.pad(samples, (0, max(0, WINDOW + HOP * STEPS - len(samples))))
    windows = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP][:STEPS]
    power = np.square(np.abs(np.fft.rfft(windows * np.hanning(WINDOW))))
    energy = np.log(power @ filters().T + 1e3)
    energy = (energy - energy.mean()) / (energy.std() + 1e-9)
    return np.concatenate([energy > level for level in LEVELS], axis=1).astype(np.uint8)


def filters() -> NDArray[np.float64]:
    """Triangles over the spectrum, evenly spaced on the mel scale, (BANDS, WINDOW / 2 + 1)."""
    top = 2595 * np.log10(1 + RATE / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, BANDS + 2) / 2595) - 1)
    at = np.linspace(0, RATE / 2, WINDOW // 2 + 1)
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    return np.clip(np.minimum((at - low) / (middle - low), (high - at) / (high - middle)), 0, None)


def followed(spikes: Tensor, tested: Tensor) -> Tensor:
    """Each recording with another of its part of the data set after it, (n, 2 STEPS, axons)."""
    order, after = torch.Generator().manual_seed(0), torch.empty_like(spikes)
    for part in (tested, ~tested):
        (own,) = torch.where(part)
        after[own] = spikes[own[torch.randperm(len(own), generator=order)]]
    return torch.cat([spikes, after], dim=1)


def network(neuron: str, task: Task) -> SpikingNetwork:
    """One hidden layer between the axons and a readout."""
    syn = {"tau_syn_inv": torch.tensor(1 / 0.02)}
    times = {**syn, "tau_mem_inv": torch.tensor(1 / task.tau_mem[neuron])}
    if neuron == "lsnn":
        adapts = {
            "tau_adapt_inv": torch.tensor(1 / task.tau_adapt),
            "beta": torch.tensor(task.beta),
        }
        cells: nn.Module = LSNN(LSNNParameters(**times, **adapts), DT, surrogate_width=0.5)
    else:
        cells = LIF(LIFParameters(**times), DT, surrogate_width=0.5)
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        input=nn.Linear(BANDS * len(LEVELS), task.hidden),
        hidden=cells,
        output=nn.Linear(task.hidden, 10, bias=False),
        readout=LI(LIParameters(**syn, tau_mem_inv=torch.tensor(1 / task.tau_readout)), DT),
    )
    steps = STEPS * task.recordings
    settings = Settings(
        dt=DT, steps=steps, encoder=Encoder("spikes"), decoder=Decoder(task.decoder)
    )
    return SpikingNetwork(layers, settings)


def fit(model: SpikingNetwork, spikes: Tensor, digits: Tensor, task: Task, seed: int) -> None:
    """Train in place."""
    batch, order = 64, torch.Generator().manual_seed(seed)
    updates = task.epochs * -(-len(spikes) // batch)
    optimizer = torch.optim.Adam(model.parameters(), LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=updates)
    for epoch in range(1, task.epochs + 1):
        total = 0.0
        for chosen in torch.randperm(len(spikes), generator=order).split(batch):
            result = GAIN * model(spikes[chosen].float())
            rates = model.layers.hidden.activity.counts.mean(0) / spikes.shape[1]
            price = task.price * (rates - task.aim).square().mean()
            loss = cross_entropy(result, digits[chosen]) + price
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += float(loss.detach()) * len(chosen)
        if epoch % 5 == 0:
            click.echo(f"epoch {epoch}: loss {total / len(spikes):.3f}", err=True)


@torch.no_grad()
def judge(model: SpikingNetwork, spikes: Tensor, digits: Tensor) -> tuple[float, float]:
    """Share of the recordings that are known, and spikes per hidden neuron and step."""
    model.eval()
    found = model(spikes.float()).argmax(1)
    rate = float(model.layers.hidden.activity.counts.mean()) / spikes.shape[1]
    return float((found == digits).float().mean()), rate


if __name__ == "__main__":
    main()
