"""Compile a network of plain Norse modules, from Python: save it, place it, run it, price it.

In:  a Norse SequentialState, here with random weights, and the 8 x 8 digits of scikit-learn.
Out: a checkpoint, and the joules of each layer on the Loihi 1 simulator's integers.
"""

from __future__ import annotations

from pathlib import Path

import click
import norse.torch as norse
import torch
from torch import nn

import neurocompile as nc
from neurocompile.compiler import calibration_for, compile, measure
from neurocompile.ir.settings import Decoder, Encoder, Settings


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
@click.option("--out", type=click.Path(path_type=Path), default="build/norse.pt", show_default=True)
@click.option("--samples", default=50, show_default=True, help="Digits to run.")
def main(out: Path, samples: int) -> None:
    """Save, compile, run and price the network."""
    out.parent.mkdir(parents=True, exist_ok=True)
    settings = Settings(
        steps=20,
        encoder=Encoder("bernoulli", gain=0.5),
        decoder=Decoder("last", task="classification"),
        data="digits",
    )
    nc.save(network(), out, torch.zeros(1, 1, 8, 8), settings=settings)

    chip = nc.load_chip("loihi-sim")
    compiled = compile(out, chip, calibration=calibration_for("digits"))
    result = measure(compiled, chip, nc.load_data("digits", samples=samples))

    energy = result.energy.to_dict()
    for model in energy["models"]:
        click.echo(f"{model['name']}: {model['total_j'] / samples * 1e9:.1f} nJ a sample")
        for term in model["terms"]:
            click.echo(
                f"  {term['layer']:>6} {term['quantity']:<26} {term['count']:>8,} x "
                f"{term['price_j'] * 1e12:6.1f} pJ = {term['energy_j'] * 1e9:10.2f} nJ"
            )


if __name__ == "__main__":
    main()
