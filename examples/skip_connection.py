"""Take a network with skip connections from Norse to Lava: residual add, concatenation, delays.

In:  a Norse module whose paths are of unequal length, here with random weights and input.
Out: build/skip.pt; how long each path waits on the chip, so that all spikes of a step still meet;
     how many spikes differ: Norse, our float network, the chip's integers, Lava.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import norse.torch as norse
import numpy as np
import torch
from torch import Tensor, nn

import neurocompile as nc
from neurocompile.engines.floating import run_float
from neurocompile.ir.fixed import CubaLIF
from neurocompile.ir.graph import Graph
from neurocompile.ir.time import chip_delay, depths

STEPS = 40


class Skip(nn.Module):
    """One time step, 1 x 8 x 8 -> 10: a residual block, whose input also skips to the end."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3, stride=2, padding=1)
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1)
        self.conv3 = nn.Conv2d(4, 4, 3, padding=1)
        self.linear = nn.Linear(2 * 64, 10)
        self.lif1, self.lif2, self.lif3, self.lif4 = (
            norse.LIFBoxCell(norse.LIFBoxParameters(v_th=torch.tensor(0.05))) for _ in range(4)
        )

    def forward(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Spikes of one step, and the state after it."""
        s1, s2, s3, s4 = state or (None,) * 4
        a, s1 = self.lif1(self.conv1(x), s1)
        b, s2 = self.lif2(self.conv2(a), s2)
        c, s3 = self.lif3(self.conv3(b) + a, s3)
        both = torch.cat((a, c), 1)
        d, s4 = self.lif4(self.linear(both.flatten(1)), s4)
        return d, (s1, s2, s3, s4)


def spikes_at_home(net: nn.Module, x: np.ndarray) -> np.ndarray:
    """Norse's own forward pass: (n, steps, 1, 8, 8) to (n, steps, 10)."""
    outputs, state = [], None
    with torch.no_grad():
        for now in torch.from_numpy(x).transpose(0, 1):
            spikes, state = net(now, state)
            outputs.append(spikes)
    return torch.stack(outputs, 1).numpy()


def waits(fixed: Graph) -> list[str]:
    """How late each layer runs on the chip, and how long its inputs wait."""
    depth = depths(fixed)
    lines = ["each synapse takes one step on the chip; a shorter path waits for the longer one:"]
    for name, _ in fixed.of(CubaLIF):
        ways = [
            f"{fixed.before(synapse)[0]} waits {chip_delay(fixed, depth, synapse)}"
            for synapse in fixed.before(name)
        ]
        lines.append(f"  {name}: {depth[name]} behind the input; {', '.join(ways)}")
    return lines


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default="build/skip.pt", show_default=True)
@click.option("--target", default="loihi-sim", show_default=True)
@click.option("--samples", default=3, show_default=True, help="Number of samples to run.")
def main(out: Path, target: str, samples: int) -> None:
    """Save, compile, run on Lava and compare."""
    torch.manual_seed(0)
    net = Skip().double()
    x = (np.random.default_rng(0).random((samples, STEPS, 1, 8, 8)) < 0.3).astype(np.float64)
    out.parent.mkdir(parents=True, exist_ok=True)
    nc.save(net, out, torch.from_numpy(x[:1, 0]), settings=nc.Settings(steps=STEPS))
    click.echo(f"{out}: written; {samples} samples of {STEPS} steps of random spikes follow")

    graph = nc.load(out)
    (last,) = graph.outputs()
    ours = run_float(graph, x, STEPS).spikes[last]
    differ = int((ours != spikes_at_home(net, x)).sum())
    click.echo(f"Norse and our float network: {differ} of {ours.size} output spikes differ")

    compiled = nc.compile(graph, target)
    for line in waits(compiled.fixed_graph):
        click.echo(line)
    data = nc.Data("random spikes", "spikes", x.astype(np.float32))
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
