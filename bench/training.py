"""Measure how fast a training step is, compared with Norse, snnTorch and the bare layers.

In:  two architectures that this program makes: the shipped autoencoder's and the paper's.
Out: bench/training.json and a table in docs/benchmarks.md.
All contestants train copies of the same synapses on the same batches, in turns, in one process. A
figure is the ratio within a round, and its median over the rounds.
"""

from __future__ import annotations

import argparse
import copy
import json
import platform
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import norse.torch as norse
import snntorch
import table as tables
import torch
from snntorch import surrogate
from torch import Tensor, nn

from neurocompile.data.samples import load_data
from neurocompile.ir.settings import Decoder, Encoder, Settings
from neurocompile.nn import LIBox, LIFBox, SpikingAutoencoder, SpikingNetwork

HERE = Path(__file__).parent
DT, THRESHOLD, TAU, TAU_INPUT = 0.001, 0.1, 0.01, 0.05
DRIVE = 0.9 * THRESHOLD * TAU_INPUT / DT  # input current of a pixel of 1, as in the autoencoder
RATE = 3e-3
GOAL = 2.0  # Norse's and snnTorch's time over ours
NAMES = {"ours": "ours", "norse": "Norse", "snntorch": "snnTorch", "floor": "bare layers"}


@dataclass(frozen=True)
class Network:
    """An architecture: synapses between a population of pixels and a readout.

    Attributes:
        name: Name in the table.
        synapses: Synapses from each population to the next.
        steps, batch: Time steps and samples of a training step.
    """

    name: str
    synapses: list[nn.Module]
    steps: int
    batch: int


def main() -> None:
    """Measure, write and show."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15, help="turns of each contestant")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--dry", action="store_true", help="write no file of the repository")
    options = parser.parse_args()
    images = torch.tensor(load_data("mnist5k:train").values)
    races = [
        race(network, images, threads, options.rounds)
        for network in (shipped(), paper())
        for threads in options.threads
    ]
    results = {
        "machine": tables.machine(),
        "python": platform.python_version(),
        "packages": tables.versions("neurocompile", "torch", "numba", "norse", "snntorch"),
        "rounds": options.rounds,
        "goal": GOAL,
        "races": races,
    }
    shown = markdown(results)
    print(shown)  # noqa: T201
    if options.dry:
        return
    (HERE / "training.json").write_text(json.dumps(results, indent=2) + "\n")
    tables.put(shown, "training")


def shipped() -> Network:
    """The shipped autoencoder, T = 16, batch 32 as it was trained."""
    own = SpikingAutoencoder().layers
    synapses = [
        own.conv1,
        own.conv2,
        nn.Sequential(own.flatten, own.to_latent),
        nn.Sequential(own.from_latent, own.unflatten),
        own.conv3,
        own.conv4,
    ]
    return Network("shipped autoencoder, 16 steps, batch 32", synapses, 16, 32)


def paper() -> Network:
    """The paper's autoencoder (arXiv 2109.11045): kernels of five pixels, no stride, no bias."""
    torch.manual_seed(0)
    inner = (32, 20, 20)
    synapses = [
        nn.Conv2d(1, 16, 5, bias=False),
        nn.Conv2d(16, 32, 5, bias=False),
        nn.Sequential(nn.Flatten(), nn.Linear(12_800, 100, bias=False)),
        nn.Sequential(nn.Linear(100, 12_800, bias=False), nn.Unflatten(1, inner)),
        nn.ConvTranspose2d(32, 16, 5, bias=False),
        nn.ConvTranspose2d(16, 1, 5, bias=False),
    ]
    return Network("the paper's autoencoder, 8 steps, batch 8", synapses, 8, 8)


def ours(network: Network) -> nn.Module:
    """Our layers over all steps at once."""

    def neuron(tau: float) -> LIFBox:
        p = norse.LIFBoxParameters(torch.tensor(1 / tau), v_th=torch.tensor(THRESHOLD))
        return LIFBox(p, DT, surrogate_width=THRESHOLD / 2, surrogate_gain=0.5)

    layers: OrderedDict[str, nn.Module] = OrderedDict(pixels=neuron(TAU_INPUT))
    for k, synapse in enumerate(network.synapses):
        # Flat, for our network reads its last affine layers at the cost of one step.
        parts = synapse if isinstance(synapse, nn.Sequential) else [synapse]
        layers |= {f"synapse{k}_{j}": part for j, part in enumerate(parts)}
        layers[f"neuron{k}"] = neuron(TAU)
    layers[f"neuron{k}"] = LIBox(norse.LIBoxParameters(torch.tensor(1 / TAU)), DT)
    settings = Settings(
        dt=DT,
        steps=network.steps,
        encoder=Encoder("current", DRIVE),
        decoder=Decoder("last", task="reconstruction"),
    )
    return SpikingNetwork(layers, settings)


class Stepped(nn.Module):
    """Synapses and cells in a loop over steps, as the users of a library write it."""

    def __init__(self, synapses: list[nn.Module], cells: list[nn.Module], steps: int, drive: float):
        super().__init__()
        self.synapses = nn.ModuleList([nn.Identity(), *synapses])
        self.cells = nn.ModuleList(cells)
        self.steps, self.drive = steps, drive

    def start(self, cell: Any) -> Any:
        """State before the first step."""
        return None

    def read(self, out: Tensor, state: Any) -> Tensor:
        """Potential of the readout."""
        return out

    def forward(self, x: Tensor) -> Tensor:
        """Potential of the readout after the last step."""
        states = [self.start(cell) for cell in self.cells]
        current = self.drive * x
        for _ in range(self.steps):
            z = current
            for k, (synapse, cell) in enumerate(zip(self.synapses, self.cells, strict=True)):
                z, states[k] = cell(synapse(z), states[k])
        return self.read(z, states[-1])


def norses(network: Network) -> nn.Module:
    """Norse's cells, with its own surrogate."""

    def cell(tau: float) -> nn.Module:
        p = norse.LIFBoxParameters(torch.tensor(1 / tau), v_th=torch.tensor(THRESHOLD))
        return norse.LIFBoxCell(p, dt=DT)

    readout = norse.LIBoxCell(norse.LIBoxParameters(torch.tensor(1 / TAU)), dt=DT)
    cells = [cell(TAU_INPUT), *(cell(TAU) for _ in network.synapses[1:]), readout]
    return Stepped(network.synapses, cells, network.steps, DRIVE)


class OfSnnTorch(Stepped):
    """snnTorch's cells: they make their own start state, and return spikes and potentials."""

    def start(self, cell: Any) -> Any:
        """State before the first step."""
        return cell.reset_mem()

    def read(self, out: Tensor, state: Any) -> Tensor:
        """Potential of the readout."""
        return state


def snntorchs(network: Network) -> nn.Module:
    """snnTorch's Leaky, v <- beta v + x: inputs take the factor 1 - beta with them."""

    def cell(tau: float, reset: str = "zero") -> nn.Module:
        grad = surrogate.fast_sigmoid(slope=2 / THRESHOLD)
        return snntorch.Leaky(
            beta=1 - DT / tau, threshold=THRESHOLD, spike_grad=grad, reset_mechanism=reset
        )

    with torch.no_grad():
        for weight in nn.ModuleList(network.synapses).parameters():
            weight.mul_(DT / TAU)
    cells = [cell(TAU_INPUT), *(cell(TAU) for _ in network.synapses[1:]), cell(TAU, "none")]
    return OfSnnTorch(network.synapses, cells, network.steps, DRIVE * DT / TAU_INPUT)


class Bare(nn.Module):
    """The same layers with ReLU in place of neurons; the last one runs on one step, as in ours."""

    def __init__(self, network: Network):
        super().__init__()
        self.synapses = nn.ModuleList(network.synapses)
        self.steps = network.steps

    def forward(self, x: Tensor) -> Tensor:
        """Result of the last layer."""
        z = x.expand(self.steps, *x.shape).flatten(0, 1)
        for synapse in self.synapses[:-1]:
            z = synapse(z).relu()
        return self.synapses[-1](z.unflatten(0, (self.steps, -1)).mean(0))


CONTESTANTS: dict[str, Callable[[Network], nn.Module]] = {
    "ours": ours,
    "norse": norses,
    "snntorch": snntorchs,
    "floor": Bare,
}


def race(network: Network, images: Tensor, threads: int, rounds: int) -> dict[str, Any]:
    """All contestants in turns."""
    torch.set_num_threads(threads)
    models = {}
    for key, make in CONTESTANTS.items():
        own = Network(network.name, copy.deepcopy(network.synapses), network.steps, network.batch)
        models[key] = make(own)
    x = images[: network.batch]
    with torch.no_grad():
        results = {key: model(x) for key, model in models.items()}
    apart = (results["ours"] - results["norse"]).norm() / results["norse"].norm()
    turns = {key: stepper(model) for key, model in models.items()}
    seconds: dict[str, list[float]] = {key: [] for key in models}
    for number in range(-1, rounds):  # round -1 warms up
        batch = images.roll(-network.batch * (number + 1), 0)[: network.batch]
        for key, turn in turns.items():
            begun = time.perf_counter()
            turn(batch)
            if number >= 0:
                seconds[key].append(time.perf_counter() - begun)
    ratios = {
        key: median(a / b for a, b in zip(seconds[key], seconds["ours"], strict=True))
        for key in seconds
    }
    return {
        "network": network.name,
        "threads": threads,
        "median_seconds": {key: median(times) for key, times in seconds.items()},
        "times_ours": ratios,
        "results_apart_from_norse": float(apart),
        "met": min(ratios["norse"], ratios["snntorch"]) >= GOAL,
    }


def stepper(model: nn.Module) -> Callable[[Tensor], None]:
    """A function that does one training step: forward, backward, Adam."""
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE, fused=True)
    model.train()

    def step(x: Tensor) -> None:
        loss = (model(x) - x).square().sum() / len(x)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def markdown(results: dict[str, Any]) -> str:
    """The table of the page."""
    head = ["network", "threads", "Norse / ours", "snnTorch / ours", "ours / bare layers"]
    rows = []
    for one in results["races"]:
        times = one["times_ours"]
        against = [
            f"{times[key]:.2f}" + ("" if times[key] >= GOAL else " (missed)")
            for key in ("norse", "snntorch")
        ]
        rows.append([one["network"], str(one["threads"]), *against, f"{1 / times['floor']:.2f}"])
    where = f"{results['machine']}, Python {results['python']}"
    note = (
        f"Goal: at least {GOAL:g} times as fast as Norse and snnTorch. {where}, "
        f"{tables.listed(results['packages'])}. Medians of {results['rounds']} rounds in turns. "
        "Every contestant trains the same synapses, batch and steps, on the last potential of the "
        "readout, with torch's fused Adam. Ours and Norse's networks give the same results up to "
        "rounding; gradients differ, because each uses its own surrogate. snnTorch resets one "
        "step later. The bare layers run on all steps at once, with ReLU for neurons; as in ours, "
        "the last one runs on the mean over time."
    )
    return "\n".join([*tables.markdown(head, rows), "", note])


if __name__ == "__main__":
    main()
