"""Find images of a faulty sensor by the error of the shipped autoencoder on the chip.

In:  the shipped checkpoint, MNIST test digits, and as many digits with pixels stuck at full.
Out: the area under the ROC curve of the reconstruction error, and what one decision costs.
The long form, on recordings of real sensors, is paper/series.py.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click
import numpy as np
from sklearn.metrics import roc_auc_score

import neurocompile as nc

MODEL = Path(__file__).parent / "models" / "mnist_autoencoder.pt"


@click.command()
@click.option(
    "--samples", default=100, show_default=True, help="Number of digits, half of them faulty."
)
@click.option("--stuck", default=0.05, show_default=True, help="Share of the pixels stuck at full.")
@click.option("--seed", default=0, show_default=True, help="Seed of the stuck pixels.")
def main(samples: int, stuck: float, seed: int) -> None:
    """Tell faulty images from good ones, and say what it costs."""
    compiled = nc.compile(MODEL, "loihi-sim")

    data = nc.load_data("mnist5k", samples=samples)
    faulty = np.arange(samples) >= samples // 2
    values = data.values.copy()
    pixels = np.random.default_rng(seed).random(values.shape[1:]) < stuck
    values[faulty] = np.where(pixels, 1, values[faulty])
    data = replace(data, values=values)

    reconstructed = nc.results(compiled.fixed_graph, data).reshape(values.shape)
    errors = np.square(reconstructed - values).sum(axis=(1, 2, 3))
    click.echo(f"squared error an image: good {errors[~faulty].mean():.2f}, ", nl=False)
    click.echo(f"{pixels.sum()} pixels stuck {errors[faulty].mean():.2f}")
    click.echo(f"area under the ROC curve: {roc_auc_score(faulty, errors):.3f}")

    for model in compiled.run(data).energy.models:
        click.echo(f"{model.name}: {model.total_j / samples * 1e6:.1f} uJ a decision")


if __name__ == "__main__":
    main()
