"""Fine-tune the spiking autoencoder with the chip's own integers, and write the result.

In:  a float checkpoint (examples/train_mnist_autoencoder.py), the width of the weights in bits.
Out: a `.pt` file of integers that `neurocompile export` takes as they are, and its error on the
     test digits beside that of the float checkpoint.
The test digits are looked at once, after the last epoch.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import click
import torch
from rich.console import Console

from neurocompile import frontend
from neurocompile.compiler import compile_graph
from neurocompile.data.samples import load_data, load_training_data
from neurocompile.data.stimulus import Stimulus
from neurocompile.engines.evaluate import evaluate
from neurocompile.errors import BadInput, NeurocompileError
from neurocompile.frontend.save import save
from neurocompile.ir.graph import Graph
from neurocompile.nn.grid import GridNetwork
from neurocompile.nn.grid_formats import coarser
from neurocompile.nn.grid_training import GridPlan, fine_tune
from neurocompile.simplify import simplify

console = Console()

# Set by hand, by the error on training digits. A ternary weight that flips moves its neuron far:
# at rates from 7e-4 up the flips of all weights together keep the error high.
EPOCHS = {2: 14}  # and 10 at more bits
RATES = {2: 4e-4}  # and 1e-3
SHIFT = 1  # pixels, as in the float training


@click.command()
@click.option(
    "--from",
    "start",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    default=Path("examples/models/mnist_autoencoder.pt"),
    show_default=True,
    help="Float checkpoint to start from",
)
@click.option(
    "--bits",
    type=click.IntRange(2, 8),
    default=4,
    show_default=True,
    help="Width of the weights in bits",
)
@click.option(
    "--target", default="loihi-sim", show_default=True, help="Chip whose number formats are used"
)
@click.option("--data", help="mnist5k, or a DIR of IDX files; the checkpoint's own by default")
@click.option(
    "--epochs", type=int, help="Passes over the training digits; the default depends on --bits"
)
@click.option("--batch", default=32, show_default=True, help="Digits per training step")
@click.option("--lr", type=float, help="Peak of the learning rate; the default depends on --bits")
@click.option("--seed", default=0, show_default=True, help="Seed of order and shifts")
@click.option("--threads", default=1, show_default=True, help="Processor threads")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Checkpoint to write; by default FROM_<bits>bit.pt",
)
def main(
    start: Path,
    bits: int,
    target: str,
    data: str | None,
    epochs: int | None,
    batch: int,
    lr: float | None,
    seed: int,
    threads: int,
    out: Path | None,
) -> None:
    """Fine-tune the spiking autoencoder on the chip's grid."""
    torch.set_num_threads(threads)
    trained = frontend.load(start)
    if trained.fixed:
        raise BadInput(f"'{start}' holds integers already. Start from a float checkpoint.")
    source = data or trained.settings.data
    source = f"idx:{source}" if Path(source).is_dir() else source
    out = out or start.with_name(f"{start.stem}_{bits}bit.pt")
    plan = GridPlan(
        epochs if epochs is not None else EPOCHS.get(bits, 10),
        batch,
        lr if lr is not None else RATES.get(bits, 1e-3),
        shift=SHIFT,
        seed=seed,
    )
    calibration = load_training_data(source)
    fine = compile_graph(trained, target, calibration=calibration).fixed_graph
    model = GridNetwork(*coarser(fine, bits), seed=seed)
    images = torch.tensor(load_data(source + ":train").values)
    before = model.graph()
    begin = time.perf_counter()

    def tell(epoch: int, error: float) -> None:
        minutes = (time.perf_counter() - begin) / 60
        console.print(f"epoch {epoch}/{plan.epochs}: error {error:.5f}, {minutes:.1f} minutes")

    fine_tune(model, images, plan, on_epoch=tell)
    after = model.graph()

    summary = {
        "command": f"python examples/train_on_the_grid.py --bits {bits} --target {target} "
        f"--data {data or source} --epochs {plan.epochs} --batch {batch} "
        f"--lr {plan.learning_rate} --seed {seed} --threads {threads}",
        "weight_bits": bits,
        **measured(trained, before, after, source),
    }
    model.source = replace(model.source, settings=replace(after.settings, training=summary))
    save(model, out, images[:1])
    console.print(f"written: {out}, {out.stat().st_size / 1000:.0f} kB")


def measured(trained: Graph, before: Graph, after: Graph, source: str) -> dict[str, float]:
    """Errors on the test digits, and each as a multiple of the float network's."""
    test = load_data(source)
    steps, simple = trained.settings.steps, simplify(trained)
    errors = {}
    for name, graph in (("before", before), ("after", after)):
        showed = evaluate(simple, graph, Stimulus(test, steps), engines=("fixed",))
        ours, ideal = showed.fixed_score, showed.float_score
        errors["test_error_float"] = ideal.mse
        errors[f"test_error_{name}"] = ours.mse
        ratio = ours.squares / ideal.squares
        console.print(f"{name}: {errors[f'test_error_{name}']:.6f} per pixel, {ratio:.3f} of float")
    return {**errors, "ratio": ratio, "test_samples": len(test)}


if __name__ == "__main__":
    try:
        main()
    except NeurocompileError as error:
        console.print(f"[red]{type(error).__name__}[/red]: {error}")
        raise SystemExit(error.exit_code) from None
