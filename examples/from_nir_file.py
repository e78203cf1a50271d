"""Take a NIR file from any tool to spikes on Lava: read it, compile it, run it, compare.

In:  a .nir file, by default one that SpikingJelly exported; random input spikes.
Out: what the file leaves open, the layers, and how many spikes differ between engines.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click
import numpy as np

import neurocompile as nc
from neurocompile.errors import NeurocompileError
from neurocompile.ir.nodes import Input

DEFAULT = Path(__file__).parent / "models" / "spikingjelly.nir"


@click.command()
@click.argument("file", type=click.Path(path_type=Path), default=DEFAULT)
@click.option("--dt", type=float, help="Length of a step in seconds. [the file's own; else 1e-4]")
@click.option("--target", default="loihi-sim", show_default=True)
@click.option("--samples", default=3, show_default=True)
@click.option("--steps", default=50, show_default=True)
@click.option("--rate", default=0.3, show_default=True, help="Spikes per input and step.")
def main(file: Path, dt: float | None, target: str, samples: int, steps: int, rate: float) -> None:
    """Read FILE, compile it and run it on Lava with random spikes."""
    try:
        run(file, dt, target, samples, steps, rate)
    except NeurocompileError as error:
        click.echo(f"{type(error).__name__}: {error}", err=True)
        sys.exit(error.exit_code)


def run(file: Path, dt: float | None, target: str, samples: int, steps: int, rate: float) -> None:
    """The whole way."""
    graph = nc.load(file, dt=dt, steps=steps)
    for assumption in graph.settings.assumed:
        click.echo(f"assumed: {assumption.sentence}")
    (shape,) = [node.shape for _, node in graph.of(Input)]
    click.echo(
        f"{file}: input {shape}; {samples} samples of {steps} steps of random spikes follow, each "
        f"input in {rate:.0%} of its steps"
    )
    drawn = np.random.default_rng(0).random((samples, steps, *shape)) < rate
    data = nc.Data("random spikes", "spikes", drawn.astype(np.float32))

    compiled = nc.compile(graph, target)
    ran = compiled.run(nc.Sampling(data, steps=steps), engines=("lava", "fixed"))
    evaluation = ran.result.evaluation
    for name, layer in evaluation.agreement.items():
        click.echo(
            f"{name}: {layer.fixed_spikes} spikes on Lava, {layer.float_spikes} in float, "
            f"{layer.equal / layer.compared:.2%} of {layer.compared} values are equal"
        )
    exact = evaluation.exactness
    click.echo(
        f"Lava and our fixed engine: {exact.mismatches} of {exact.spikes_compared} spikes differ"
    )


if __name__ == "__main__":
    main()
