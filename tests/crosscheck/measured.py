"""What was measured on chips, beside what our models give for the same network.

In:  rows of publications, with where each was read; Loihi 1's prices.
Out: a table in Markdown.
No publication gives spikes by layer: the model is computed at assumed rates, and compared only
in what follows from both.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from neurocompile.chip.read import load_chip
from neurocompile.energy import count, estimate
from neurocompile.engines.recording import Activity
from neurocompile.ir.fixed import CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import chain
from neurocompile.ir.nodes import Linear, size
from neurocompile.place import place

LOIHI = load_chip("loihi-sim")
RATES = (0.02, 0.1)  # spikes per neuron and step
MODELS = ("davies2018", "boyle2025")
SAMPLES = 100  # so that rates are whole spikes

BLOUW = "Blouw et al. 2019, keyword spotting on Loihi 1"
LOGS = "power logs of the same experiment (Applied Brain Research)"
RENNER = "Renner et al. 2024, Nature Communications, Table 1"

# Dynamic microjoules per inference by extra copies of 10 x 256 neurons: LOGS.
COPIES = {0: 619, 1: 681, 2: 704, 4: 733, 6: 768, 8: 802, 10: 836}


class Row(NamedTuple):
    """One network, its measurement, and the model's words on it."""

    network: str
    measured: str
    source: str
    model: str


@cache
def joules(layers: tuple[int, ...], steps: int, rate: float) -> dict[str, float]:
    """Joules of a sample of a dense network, by model; every neuron is updated in every step.

    Args:
        layers: Neurons; the first are spikes of the host.
        steps: A sample.
        rate: Spikes per neuron and step, inputs as well.
    """
    nodes: dict = {"in": SpikeInput((layers[0],))}
    for i, (before, after) in enumerate(pairwise(layers)):
        weight = np.full((after, before), 2)
        nodes[f"synapse{i}"] = Synapse(Linear(weight), (before,), (after,))
        nodes[f"layer{i}"] = CubaLIF((after,), 4095, 400, 1000, 0, 0, 0)
    spikes = round(rate * steps * SAMPLES)
    activities = {
        name: Activity(np.full(node.shape, spikes), size(node.shape) * steps * SAMPLES)
        for name, node in nodes.items()
        if not isinstance(node, Synapse)
    }
    placed = place(chain(nodes), LOIHI)
    counts = count(placed, activities, SAMPLES, steps)
    found = estimate(counts, placed, LOIHI, "pipelined")
    return {m.name: m.total_j / SAMPLES for m in found.models if m.name in MODELS}


def slope() -> float:
    """Measured joules that a copy of 10 x 256 adds: least squares from the first copy on."""
    copies = [n for n in COPIES if n]
    return float(np.polyfit(copies, [COPIES[n] for n in copies], 1)[0]) * 1e-6


def rate_of_slope(model: str) -> float:
    """Spikes per neuron and step at which the model's copy costs the measured slope.

    The model is linear in the rate, because every neuron is charged as updated in every step.
    """
    copy = (256,) * 11
    at = {rate: joules(copy, 10, rate)[model] for rate in (0.0, 0.1)}
    return (slope() - at[0.0]) / (at[0.1] - at[0.0]) * 0.1


def rows() -> list[Row]:
    """Every measured row."""
    keyword = (390, 256, 256)
    rates = ", ".join(f"{rate_of_slope(m):.1%} ({m})" for m in MODELS)
    return [
        Row(
            "keyword spotting 390-256-256, Loihi 1",
            f"{COPIES[0]} uJ dynamic (10 steps), 270 uJ (steps not stated)",
            f"{LOGS}; {BLOUW}",
            f"{_at_rates(keyword, 10)} in 10 steps: the measured energy is mostly not that of "
            "neurocore events",
        ),
        Row(
            "one more copy of 10 x 256, 10 steps, taken as ten dense layers",
            f"{slope() * 1e6:.1f} uJ dynamic per copy (slope of N = 1..10)",
            LOGS,
            f"{_at_rates((256,) * 11, 10)}; equal to the slope at {rates} spikes per neuron and "
            "step. The rates were not published",
        ),
        Row(
            "MNIST 400-400-10, Loihi 1",
            "2.5 uJ, 0.17 ms per inference",
            RENNER,
            f"{_at_rates((400, 400, 10), 1)}, for one step. Steps and spikes were not published: "
            "no comparison",
        ),
        Row(
            "MNIST CNN (Shrestha 2021), Loihi 1",
            "2470 uJ, 10 ms per inference",
            RENNER,
            "none: the layers were not read",
        ),
        Row(
            "PilotNet LIF, Loihi 2, 74 cores",
            "1661 uJ, of which 1094 uJ dynamic",
            "lava-dl at d825ac5, benchmark.ipynb of netx/pilotnet_snn",
            "its own section above, with prices of Loihi 1: none of Loihi 2 is published",
        ),
    ]


def _at_rates(layers: tuple[int, ...], steps: int) -> str:
    low = min(joules(layers, steps, RATES[0]).values())
    high = max(joules(layers, steps, RATES[-1]).values())
    rates = f"{RATES[0]:.0%} to {RATES[-1]:.0%}"
    return f"{low * 1e6:.2g} to {high * 1e6:.2g} uJ at {rates} spikes per neuron and step"


def measured_table() -> str:
    """The rows in Markdown."""
    lines = ["| network | measured | read in | our model |", "|---|---|---|---|"]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows()])
