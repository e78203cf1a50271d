"""Compile a network of plain Norse modules in Python: place it, run it, estimate its energy.

In:  a Norse SequentialState, here with random weights, and the 8 x 8 digits of scikit-learn.
Out: the joules of each layer on the Loihi 1 simulator's integers, term by term; and what
     `neurocompile export` writes.
"""

from __future__ import annotations

from pathlib import Path

import click
import norse.torch as norse
import torch
from torch import nn

import neurocompile as nc


def network() -> nn.Module:
    """One time step of the network, as Norse users write it: 1 x 8 x 8 -> 16 -> 10 classes."""
    torch.manual_seed(0)
    return norse.SequentialState(
        nn.Conv2d(1, 8, 3, stride=2, padding=1),
        norse.LIFBoxCell(norse.LIFBoxParameters(v_th=torch.as_tensor(0.1))),
        nn.Flatten(),
        nn.Linear(128, 16),
        norse.LIFBoxCell(norse.LIFBoxParameters(v_th=torch.as_tensor(0.1))),
        nn.Linear(16, 10),
        norse.LIBoxCell(),
    )


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default="build/norse", show_default=True)
@click.option("--samples", default=50, show_default=True, help="Number of digits to run.")
def main(out: Path, samples: int) -> None:
    """Compile and run the network, print its energy, and export it."""
    settings = nc.Settings(
        steps=20,
        encoder=nc.Encoder("bernoulli", gain=0.5),
        decoder=nc.Decoder("last", task="classification"),
    )
    compiled = nc.compile(
        network(),
        target="loihi-sim",
        example_input=torch.zeros(1, 1, 8, 8),
        settings=settings,
        data=nc.Sampling("digits", samples=samples),
    )
    for model in compiled.energy.models:
        click.echo(f"{model.name}: {model.total_j / samples * 1e9:.1f} nJ per sample")
        for term in model.terms:
            click.echo(
                f"  {term.layer:>6} {term.quantity:<26} {term.count:>8,} x "
                f"{term.price_j * 1e12:6.1f} pJ = {term.energy_j * 1e9:10.2f} nJ"
            )
    compiled.export(out, force=True)


if __name__ == "__main__":
    main()
