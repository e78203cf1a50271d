"""Take a network from snnTorch to Lava: export it as NIR, compile it, run it, compare spikes.

In:  a small recurrent network of snnTorch's own cells, here with random weights and input.
Out: build/snntorch.nir, and how many spikes differ: snnTorch, our float network, Lava's integers.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import click
import nir
import numpy as np
import torch
from torch import nn

import neurocompile as nc
from neurocompile.engines.floating import run_float
from neurocompile.errors import NotInstalled

try:
    import snntorch
    from snntorch.export_nir import export_to_nir
except ModuleNotFoundError:
    click.echo("snnTorch is not here. Run: neurocompile doctor --install neighbours", err=True)
    sys.exit(NotInstalled.exit_code)

STEPS = 50


def network() -> nn.Sequential:
    """16 -> 24 -> 8 neurons; like a chip, each resets in the step of its spike."""
    torch.manual_seed(0)
    how = {"reset_mechanism": "zero", "reset_delay": False, "init_hidden": True}
    return nn.Sequential(
        nn.Linear(16, 24),
        # snnTorch exports a layer whose parameters have a value for each neuron
        snntorch.Leaky(torch.full((24,), 0.9), threshold=torch.full((24,), 0.5), **how),
        nn.Linear(24, 8),
        snntorch.RLeaky(0.8, threshold=0.2, linear_features=8, **how),
    )


def spikes_at_home(net: nn.Sequential, x: np.ndarray) -> np.ndarray:
    """snnTorch's own forward pass: (n, steps, 16) to (n, steps, 8)."""
    for cell in (net[1], net[3]):
        cell.mem = torch.zeros(0)
    net[3].spk = torch.zeros(0)
    with torch.no_grad():
        outputs = [net(now) for now in torch.from_numpy(x).transpose(0, 1)]
    return torch.stack(outputs, 1).numpy()


@click.command()
@click.option(
    "--out", type=click.Path(path_type=Path), default="build/snntorch.nir", show_default=True
)
@click.option("--samples", default=3, show_default=True, help="Number of samples to run.")
def main(out: Path, samples: int) -> None:
    """Export, compile, run on Lava and compare."""
    net = network()
    x = (np.random.default_rng(0).random((samples, STEPS, 16)) < 0.4).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # nirtorch's, of what snnTorch calls
        exported = export_to_nir(net, torch.from_numpy(x[:1, 0]), ignore_dims=[0])
    out.parent.mkdir(parents=True, exist_ok=True)
    nir.write(out, exported)
    click.echo(f"{out}: written; {samples} samples of {STEPS} steps of random spikes follow")

    graph = nc.load(out, dt=1e-4, steps=STEPS)  # the step with which snnTorch writes time constants
    (last,) = graph.outputs()
    ours = run_float(graph, x, STEPS).spikes[last]
    differ = int((ours != spikes_at_home(net, x)).sum())
    click.echo(f"snnTorch and our float network: {differ} of {ours.size} output spikes differ")

    compiled = nc.compile(graph, "loihi-sim")
    data = nc.Data("random spikes", "spikes", x)
    evaluation = compiled.run(data, engines=("lava", "fixed")).result.evaluation
    exact = evaluation.exactness
    click.echo(
        f"Lava and our fixed engine: {exact.mismatches} of {exact.spikes_compared} spikes differ"
    )
    for name, layer in evaluation.agreement.items():
        click.echo(
            f"float and Lava's integers, layer {name}: {layer.equal / layer.compared:.2%} of "
            f"{layer.compared} values are equal, {layer.float_spikes} and {layer.fixed_spikes} "
            "spikes"
        )


if __name__ == "__main__":
    main()
