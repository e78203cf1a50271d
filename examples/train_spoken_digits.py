"""Train a spiking network with learned delays to name spoken digits.

In:  the Free Spoken Digit Dataset, 3,000 recordings of six speakers (CC BY-SA 4.0,
     https://github.com/Jakobovski/free-spoken-digit-dataset), in the folder that FSDD names.
Out: a `.pt` file that `neurocompile export` reads, and the spikes of 60 test recordings, the first
     of each speaker and digit.
Recordings 0 to 4 of each speaker and digit are the data set's own test. They are looked at once,
after the last epoch. cochlea.py turns sound into spikes.
"""

from __future__ import annotations

import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
import torch
from norse.torch import LIFParameters, LIParameters
from numpy.typing import NDArray
from rich.console import Console
from scipy.io import wavfile
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[1]))

from examples.cochlea import AXONS, DT, RATE, spikes_of
from neurocompile.errors import BadInput, NeurocompileError
from neurocompile.frontend.save import save
from neurocompile.ir.settings import Decoder, Encoder, Settings
from neurocompile.nn import (
    LI,
    LIF,
    LearnedDelay,
    Regularization,
    SpikingNetwork,
    TrainingPlan,
    accuracy,
    activity,
    train,
)
from neurocompile.nn.training import Epoch

console = Console()

SOURCE = "https://github.com/Jakobovski/free-spoken-digit-dataset"
FOLDER = Path("build/fsdd")  # where the variable FSDD names no other
TEST, HELD_OUT = range(5), range(5, 10)  # numbers of the test, and of what chooses between plans
STEPS = 60  # of a recording: nine of ten are shorter
HIDDEN, MOST_DELAY = 128, 12
# The band keeps neurons alive and spikes rare; the noise is half a step of 8-bit weights.
PLAN = TrainingPlan(
    epochs=30,
    batch=64,
    learning_rate=4e-3,
    weight_noise=0.004,
    regularization=Regularization(band=0.05, low=0.01, high=0.1),
)
SCORE = 10.0  # score per membrane unit
OUT = Path("examples/models/spoken_digits.pt")
SHOWN = Path("examples/data/spoken_digits.npz")


class Recording(NamedTuple):
    """A spoken digit.

    Attributes:
        samples: (n,) float in [-1, 1], 8,000 per second.
        spikes: (STEPS, AXONS) of its front end.
        digit, speaker, number: What is said, by whom, and which of their recordings of it.
    """

    samples: NDArray[np.float64]
    spikes: NDArray[np.uint8]
    digit: int
    speaker: str
    number: int


@click.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    envvar="FSDD",
    default=FOLDER,
    show_default=True,
    help="Folder of the data set, which has the folder recordings [the variable FSDD]",
)
@click.option("--epochs", default=PLAN.epochs, show_default=True, help="Passes over the training")
@click.option("--seed", default=0, show_default=True, help="Seed of weights and order")
@click.option(
    "--validate", is_flag=True, help="Leave the test alone: judge by recordings 5 to 9 instead"
)
@click.option("--resume", is_flag=True, help="Go on from the state that is kept beside OUT")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), default=OUT)
@click.option("--spikes", "shown", type=click.Path(path_type=Path, dir_okay=False), default=SHOWN)
def main(
    data: Path, epochs: int, seed: int, validate: bool, resume: bool, out: Path, shown: Path
) -> None:
    """Train a network on spoken digits, and say how many it knows."""
    torch.set_num_threads(1)
    every = load(data, TEST if validate else ())
    judging = HELD_OUT if validate else TEST
    seen = [one for one in every if one.number not in judging]
    judged = [one for one in every if one.number in judging]
    state = out.with_name(out.name + ".state")
    out.parent.mkdir(parents=True, exist_ok=True)
    if not resume:
        state.unlink(missing_ok=True)
    begin = time.perf_counter()
    model = network(seed)
    fit(model, seen, replace(PLAN, epochs=epochs, seed=seed), state, show)
    minutes = (time.perf_counter() - begin) / 60

    spikes, digits = encoded(judged), labels(judged)
    right = accuracy(model, spikes, digits)
    for name, layer in activity(model, spikes).items():
        console.print(f"{name}: {layer.rate:.3f} spikes a step, {layer.dead} dead")
    console.print(f"{right:.2%} of {len(judged)} right, trained in {minutes:.1f} minutes")
    command = f"python examples/{Path(__file__).name} --epochs {epochs} --seed {seed}"
    kept = {"command": command, "validate": validate, "right": right, "recordings": len(judged)}
    source = "" if validate else str(shown)
    model.settings = replace(model.settings, data=source, training=kept)
    save(model, out, spikes[:1].float())
    state.unlink(missing_ok=True)
    if not validate:
        shown.parent.mkdir(parents=True, exist_ok=True)
        keep(shown, [one for one in judged if one.number == TEST[0]])
    console.print(f"written: {out}")


def show(epoch: Epoch) -> None:
    """Print a line for the epoch."""
    console.print(f"epoch {epoch.number:3d}: {epoch.error:.2%} wrong")


def load(folder: Path, left_out: Sequence[int] = ()) -> list[Recording]:
    """The recordings but those of some numbers, in the order of their names.

    Raises:
        BadInput: If the data set is not there, or a file is not one of its recordings.
    """
    files = sorted((folder / "recordings").glob("*.wav"))
    if not files:
        raise BadInput(
            f"{folder / 'recordings'}: there is no recording (.wav). Clone {SOURCE} and set the "
            "variable FSDD to its folder."
        )
    numbers = {str(number) for number in left_out}
    return [_read(file) for file in files if file.stem.split("_")[-1] not in numbers]


def _read(file: Path) -> Recording:
    parts = file.stem.split("_")
    rate, samples = wavfile.read(file)
    named = len(parts) == 3 and parts[0].isdecimal() and parts[2].isdecimal()
    if not named or rate != RATE or samples.dtype != np.int16 or samples.ndim != 1:
        raise BadInput(
            f"{file}: {rate} samples per second of {samples.dtype} in {samples.ndim} dimension(s), "
            f"but a recording is named digit_speaker_number.wav and has {RATE} of int16 in one. "
            f"Use the files of {SOURCE}."
        )
    return recording(samples / 2**15, int(parts[0]), parts[1], int(parts[2]))


def recording(samples: NDArray[np.float64], digit: int, speaker: str, number: int) -> Recording:
    """A recording with its spikes; arguments as the attributes."""
    return Recording(samples, spikes_of(samples, STEPS), digit, speaker, number)


def encoded(recordings: Sequence[Recording]) -> Tensor:
    """Spikes, (n, STEPS, AXONS) uint8."""
    return torch.from_numpy(np.stack([one.spikes for one in recordings]))


def labels(recordings: Sequence[Recording]) -> Tensor:
    """What is said, (n,) int64."""
    return torch.tensor([one.digit for one in recordings])


def network(seed: int) -> SpikingNetwork:
    """One hidden layer between the axons, each with a delay of its own, and a leaky readout."""
    synapse = {"tau_syn_inv": torch.tensor(1 / 0.02)}
    hidden = LIFParameters(tau_mem_inv=torch.tensor(1 / 0.03), **synapse)
    output = LIParameters(tau_mem_inv=torch.tensor(1 / 0.1), **synapse)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            late=LearnedDelay(AXONS, MOST_DELAY, seed=seed),
            dense=nn.Linear(AXONS, HIDDEN, bias=False),
            hidden=LIF(hidden, DT, surrogate_width=0.5),
            scores=nn.Linear(HIDDEN, 10, bias=False),
            readout=LI(output, DT),
        )
    with torch.no_grad():  # strong enough for neurons that spike from the first epoch on
        layers["dense"].weight.mul_(2)
    decoder = Decoder("mean", gain=SCORE, task="classification")
    settings = Settings(dt=DT, steps=STEPS, encoder=Encoder("spikes"), decoder=decoder)
    return SpikingNetwork(layers, settings, seed=seed)


def fit(
    model: SpikingNetwork,
    recordings: Sequence[Recording],
    plan: TrainingPlan,
    state: Path | None = None,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
) -> None:
    """Train in place.

    Args:
        model: Of `network`.
        recordings: Training recordings.
        plan: Of `neurocompile.nn.train`.
        state: File from which an interrupted training goes on.
        on_epoch: Called after every epoch.
    """
    spikes = encoded(recordings)
    train(model, spikes, plan, labels=labels(recordings), state=state, on_epoch=on_epoch)


def keep(path: Path, recordings: Sequence[Recording]) -> None:
    """Write spikes and labels as `neurocompile export --data FILE` takes them."""
    np.savez_compressed(path, spikes=encoded(recordings).numpy(), labels=labels(recordings).numpy())


if __name__ == "__main__":
    try:
        main()
    except NeurocompileError as error:
        console.print(f"[red]{type(error).__name__}[/red]: {error}")
        raise SystemExit(error.exit_code) from None
