"""Train spiking networks on spoken digits: neurons whose threshold adapts against plain ones.

In:  the folder `recordings` of the Free Spoken Digit Dataset, 3,000 files (CC BY-SA 4.0,
     https://github.com/Jakobovski/free-spoken-digit-dataset).
Out: a `.pt` file that `neurocompile export` reads, and the accuracy on the data set's own test
     recordings, 0 to 4 of each digit and speaker, looked at once, after the last epoch.
Both kinds get the same weights, input, epochs and rates of learning; only the neurons differ.
"""

from __future__ import annotations

import wave
from collections import OrderedDict
from pathlib import Path

import click
import numpy as np
import torch
from norse.torch import LIFParameters, LIParameters
from norse.torch.functional.lsnn import LSNNParameters
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from neurocompile.frontend.save import save
from neurocompile.ir.settings import Decoder, Encoder, Settings
from neurocompile.nn import LI, LIF, LSNN, SpikingNetwork

RATE, WINDOW, HOP = 8000, 200, 80  # recordings: samples per second, per window, between windows
BANDS, STEPS, DT = 20, 60, 0.01  # of the mel scale; steps of a recording, each HOP / RATE seconds
LEVELS = (-0.3, 0.3, 0.9)  # a band has an axon per level, which spikes in each step above it
TESTED = 5  # the first recordings of each digit and speaker
GAIN = 10.0  # of the potentials before the softmax
RATE_PRICE, AIM = 60.0, 0.02  # keeps the mean rate of neurons near AIM spikes per step


@click.command()
@click.option("--recordings", required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--neuron", type=click.Choice(["lif", "lsnn"]), default="lsnn", show_default=True)
@click.option("--hidden", default=96, show_default=True, help="Number of hidden neurons")
@click.option("--tau-mem", default=0.03, show_default=True, help="Of the hidden neurons, seconds")
@click.option("--tau-adapt", default=1.5, show_default=True, help="Of their threshold, seconds")
@click.option("--beta", default=0.3, show_default=True, help="Rise of their threshold per spike")
@click.option("--epochs", default=30, show_default=True, help="Passes over the training set")
@click.option("--lr", default=4e-3, show_default=True, help="Peak of the one-cycle learning rate")
@click.option("--seed", default=0, show_default=True, help="Seed of weights and order")
@click.option(
    "--validate", is_flag=True, help="Leave the test alone: judge by recordings 5 to 9 instead"
)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Checkpoint to write")
def main(
    recordings: Path,
    neuron: str,
    hidden: int,
    tau_mem: float,
    tau_adapt: float,
    beta: float,
    epochs: int,
    lr: float,
    seed: int,
    validate: bool,
    out: Path | None,
) -> None:
    """Train a network on spoken digits, and say how many it knows."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    spikes, digits, number = load(recordings)
    tested = number < TESTED
    if validate:
        kept = ~tested
        spikes, digits, tested = spikes[kept], digits[kept], number[kept] < 2 * TESTED
    model = network(neuron, hidden, tau_mem, tau_adapt, beta)
    fit(model, spikes[~tested], digits[~tested], epochs, lr, seed)
    right, rate = judge(model, spikes[tested], digits[tested])
    click.echo(
        f"{neuron}, seed {seed}: {right:.2%} of {int(tested.sum())} recordings right, ", nl=False
    )
    click.echo(f"a hidden neuron spikes {rate:.3f} times per step")
    if out is not None:
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


def network(
    neuron: str, hidden: int, tau_mem: float, tau_adapt: float, beta: float
) -> SpikingNetwork:
    """One hidden layer between the axons and a readout."""
    times = {"tau_syn_inv": torch.tensor(1 / 0.02), "tau_mem_inv": torch.tensor(1 / tau_mem)}
    if neuron == "lsnn":
        adapts = {"tau_adapt_inv": torch.tensor(1 / tau_adapt), "beta": torch.tensor(beta)}
        cells: nn.Module = LSNN(LSNNParameters(**times, **adapts), DT, surrogate_width=0.5)
    else:
        cells = LIF(LIFParameters(**times), DT, surrogate_width=0.5)
    axons = BANDS * len(LEVELS)
    readout = LIParameters(tau_syn_inv=torch.tensor(1 / 0.02), tau_mem_inv=torch.tensor(1 / 0.1))
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        input=nn.Linear(axons, hidden), hidden=cells, output=nn.Linear(hidden, 10, bias=False)
    )
    layers["readout"] = LI(readout, DT)
    settings = Settings(dt=DT, steps=STEPS, encoder=Encoder("spikes"), decoder=Decoder("mean"))
    return SpikingNetwork(layers, settings)


def fit(
    model: SpikingNetwork, spikes: Tensor, digits: Tensor, epochs: int, lr: float, seed: int
) -> None:
    """Train in place."""
    batch, order = 64, torch.Generator().manual_seed(seed)
    updates = epochs * -(-len(spikes) // batch)
    optimizer = torch.optim.Adam(model.parameters(), lr)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=updates)
    for epoch in range(1, epochs + 1):
        total = 0.0
        for chosen in torch.randperm(len(spikes), generator=order).split(batch):
            result = GAIN * model(spikes[chosen].float())
            counts = model.layers.hidden.activity.counts
            price = RATE_PRICE * (counts.mean(0) / STEPS - AIM).square().mean()
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
    rate = float(model.layers.hidden.activity.counts.mean()) / STEPS
    return float((found == digits).float().mean()), rate


if __name__ == "__main__":
    main()
