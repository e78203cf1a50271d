"""Measure how fast the shipped autoencoder is trained, compared with the recipe before it.

In:  the recipe of examples/train_mnist_autoencoder.py, and the one that it replaced.
Out: bench/recipe.json and a table in docs/benchmarks.md.
Passes over the same digits take turns in one process. A figure is the ratio within a round, and its
median over the rounds, so that what else the machine does slows both sides down.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import table as tables
import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

from examples import train_mnist_autoencoder as recipe
from neurocompile.data.samples import load_data
from neurocompile.nn import RateNetwork, SpikingAutoencoder, SpikingNetwork, TrainingPlan, train

HERE = Path(__file__).parent
GOAL = 1.3  # the time before over today's
# Before: a neuron for each pixel, and spikes from the first pass on. Its other numbers are today's.
BEFORE = {"epochs": 60, "learning_rate": 3e-3}
BATCHES = 8  # of every pass that is timed
TODAY = {option.name: option.default for option in recipe.main.params}


def main() -> None:
    """Measure, write and show."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15, help="turns of each pass")
    parser.add_argument("--dry", action="store_true", help="write no file of the repository")
    options = parser.parse_args()
    torch.set_num_threads(TODAY["threads"])
    images = torch.tensor(load_data("mnist5k:train").values)
    results = {
        "machine": tables.machine(),
        "python": platform.python_version(),
        "packages": tables.versions("neurocompile", "torch", "numba", "norse"),
        "rounds": options.rounds,
        "threads": TODAY["threads"],
        "goal": GOAL,
        "digits": len(images),
        "passes": {"before": BEFORE["epochs"], "rates": TODAY["rate_epochs"],
                   "today": TODAY["epochs"]},
        **compared(race(images, options.rounds), len(images)),
    }  # fmt: skip
    shown = markdown(results)
    print(shown)  # noqa: T201
    if options.dry:
        return
    (HERE / "recipe.json").write_text(json.dumps(results, indent=2) + "\n")
    tables.put(shown, "recipe")


def passes() -> dict[str, tuple[SpikingNetwork, TrainingPlan]]:
    """The three kinds of pass: before, today in spikes, and today in rates."""
    sizes = {name: TODAY[name] for name in ("latent", "steps", "encoder", "seed")}
    today = SpikingAutoencoder(**sizes, input_population=False, limited=True)
    spikes = TrainingPlan(
        1,
        TODAY["batch"],
        TODAY["lr"],
        shift=TODAY["shift"],
        weight_noise=recipe.WEIGHT_NOISE,
        regularization=recipe.REGULARIZATION,
    )
    before = replace(spikes, learning_rate=BEFORE["learning_rate"])
    rates = replace(recipe.RATES, epochs=1, regularization=recipe.REGULARIZATION)
    return {
        "before": (SpikingAutoencoder(**sizes), before),
        "today": (today, spikes),
        "rates": (RateNetwork(today), rates),
    }


def race(images: torch.Tensor, rounds: int) -> dict[str, list[float]]:
    """Seconds of processor time per digit of each kind of pass, a number for each round."""
    turns = {kind: _turn(images, *how) for kind, how in passes().items()}
    seconds: dict[str, list[float]] = {kind: [] for kind in turns}
    for number in range(-1, rounds):  # round -1 warms up
        for kind, turn in turns.items():
            found = turn()
            if number >= 0:
                seconds[kind].append(found)
    return seconds


def _turn(images: torch.Tensor, network: SpikingNetwork, plan: TrainingPlan) -> Callable[[], float]:
    """A function that trains on some batches and returns seconds of processor time per digit."""
    some = images[: BATCHES * plan.batch]

    def turn() -> float:
        begun = time.process_time()
        train(network, some, plan)
        return (time.process_time() - begun) / len(some)

    return turn


def compared(seconds: dict[str, list[float]], digits: int) -> dict[str, Any]:
    """Medians per digit, minutes of all passes, and how many times as fast today is.

    Args:
        seconds: By kind of pass, seconds per digit of each round.
        digits: Digits of a pass.
    """
    rounds = list(zip(seconds["before"], seconds["today"], seconds["rates"], strict=True))
    whole = [
        (
            BEFORE["epochs"] * before * digits / 60,
            (TODAY["epochs"] * today + TODAY["rate_epochs"] * rates) * digits / 60,
        )
        for before, today, rates in rounds
    ]
    return {
        "milliseconds": {kind: 1e3 * median(each) for kind, each in seconds.items()},
        "minutes": {
            "before": median(before for before, _ in whole),
            "today": median(today for _, today in whole),
        },
        "pass_times": median(before / today for before, today, _ in rounds),
        "recipe_times": median(before / today for before, today in whole),
    }


def markdown(results: dict[str, Any]) -> str:
    """The table of the page."""
    spent, minutes, passes = (results[key] for key in ("milliseconds", "minutes", "passes"))
    pass_, whole = (
        tables.Figure(name, results[key], results["goal"], at_least=True).texts()
        for name, key in (("a pass in spikes, per digit", "pass_times"),
                          ("the whole recipe", "recipe_times"))
    )  # fmt: skip
    rows = [
        [pass_[0], f"{spent['before']:.2f} ms", f"{spent['today']:.2f} ms", *pass_[1:]],
        [whole[0], f"{minutes['before']:.1f} min", f"{minutes['today']:.1f} min", *whole[1:]],
    ]
    note = (
        f"{results['machine']}, Python {results['python']}, "
        f"{tables.listed(results['packages'])}, {results['threads']} thread, processor time. "
        f"Medians of {results['rounds']} rounds in turns. Before: a neuron for each pixel, "
        f"{passes['before']} passes in spikes. Today: the host writes the currents of the first "
        f"maps, {passes['rates']} passes in rates ({spent['rates']:.2f} ms per digit) and "
        f"{passes['today']} in spikes. Minutes are those of all passes over {results['digits']:,} "
        "digits at these speeds. Layers, steps, penalties, shifts and noise are the same; so are "
        "the batches of the passes in spikes."
    )
    head = ["training of the shipped autoencoder", "before", "today", "times as fast", "goal"]
    return "\n".join([*tables.markdown(head, rows), "", note])


if __name__ == "__main__":
    main()
