"""Error against joules: networks that differ in one lever each, beside their layers without spikes.

In:  kept answers of paper/frontier_questions.py.
Out: who is on the front, what an equal error costs, which lever pays; a table and a picture.
All networks have the same short recipe, so what counts is how they differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from paper import twin
from paper.charts import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    Place,
    named,
    panels,
    save,
)
from paper.front import Point, Step, front, joules_at
from paper.frontier_questions import (
    BASE,
    BITS,
    CHOSEN,
    IMAGES,
    LAYERS,
    NETWORKS,
    RATES,
    SEEDS,
    SPIKES,
    TARGET,
    TESTED,
    Answers,
    jobs,
    kept,
)
from paper.intervals import half_width, mean_interval, ratio, ratio_words, with_interval
from paper.markdown import table
from paper.study import Json

__all__ = ["draw", "jobs", "text"]

BUDGET_UJ = 100.0
COLOURS = {BASE: BLACK, "T": BLUE, "width": GREEN, "latent": ORANGE, "pruning": VERMILION,
           "price": PURPLE, "several": SKY}  # fmt: skip


def joules(answer: Json) -> float:
    """Of a digit on the chip."""
    return float(answer["joules"][twin.NOMINAL])


def without(answers: Answers) -> dict[str, float]:
    """Joules of a pass without spikes, which no seed changes: arithmetic and memory."""
    found: dict[str, float] = answers.spiking[0]["without"]
    return found


def means(points: Sequence[list[Point]]) -> list[Point]:
    """Mean error and joules over seeds, by network."""
    return [
        Point(each[0].name, float(np.mean([p.error for p in each])),
              float(np.mean([p.joules for p in each])))
        for each in zip(*points, strict=True)
    ]  # fmt: skip


class Compared(NamedTuple):
    """All points of all seeds, and their means.

    Attributes:
        spiking, plain: By seed.
        best: The front of the mean spiking networks.
        best_plain: The front of the mean networks without spikes.
    """

    spiking: list[list[Point]]
    plain: list[list[Point]]
    best: list[Point]
    best_plain: list[Point]

    def of(self, name: str) -> list[Point]:
        """A spiking network, by seed."""
        return [one for each in self.spiking for one in each if one.name == name]

    def times(self, name: str) -> tuple[list[float], list[float]] | None:
        """Joules of a network, and those without spikes at its error, by seed; None if none has it.

        The second are on the front of the same seed.
        """
        ours = self.of(name)
        theirs = [joules_at(plain, one.error) for one, plain in zip(ours, self.plain, strict=True)]
        there = [each for each in theirs if each is not None]
        return ([one.joules for one in ours], there) if len(there) == len(ours) else None

    def step(self, name: str) -> Step:
        """What a network's lever does, seed by seed."""
        pairs = list(zip(self.of(name), self.of(BASE), strict=True))
        return Step([a.error - b.error for a, b in pairs], [a.joules - b.joules for a, b in pairs])


def compared(found: Mapping[str, Answers]) -> Compared | None:
    """All networks; None without the base and another network."""
    if BASE not in found or len(found) < 2:
        return None
    seeds = range(len(SEEDS))
    spiking = [
        [Point(name, one.spiking[seed]["fixed_error"], joules(one.spiking[seed]))
         for name, one in found.items()]
        for seed in seeds
    ]  # fmt: skip
    plain = [
        [Point(name, one.plain[seed]["error"], sum(without(one).values()))
         for name, one in found.items() if one.plain]
        for seed in seeds
    ]  # fmt: skip
    return Compared(spiking, plain, front(means(spiking)), front(means(plain)))


def known() -> Compared:
    """All networks that are answered, for pages that need some.

    Raises:
        ValueError: If there are too few.
    """
    found = compared(kept())
    if found is None:
        raise ValueError("too few answers of the study frontier. Run: make paper ONLY=frontier")
    return found


def times_range(found: Compared) -> tuple[float, float]:
    """The smallest and largest ratio of joules at equal error, of the spiking front."""
    pairs = [found.times(one.name) for one in found.best]
    ratios = [ratio(*pair)[0] for pair in pairs if pair is not None]
    return min(ratios), max(ratios)


def levers(found: Compared) -> dict[str, Step]:
    """What each network changes against the base."""
    names = [one.name for one in found.spiking[0]]
    return {name: found.step(name) for name in names if name != BASE}


def best_buy(found: Compared) -> tuple[str, Step] | None:
    """The change that lowers the error most per joule that it takes."""
    buying = {name: step for name, step in levers(found).items() if step.buys}
    return max(buying.items(), key=lambda pair: pair[1].rate) if buying else None


def best_saving(found: Compared) -> tuple[str, Step] | None:
    """The change that gives up least error per joule that it saves."""
    saving = {name: step for name, step in levers(found).items() if step.saves}
    return min(saving.items(), key=lambda pair: pair[1].rate) if saving else None


def within_budget(found: Compared) -> Point | None:
    """The spiking network of least mean error whose mean joules are within the budget."""
    return next((one for one in found.best if one.joules * 1e6 <= BUDGET_UJ), None)


def text() -> str:
    """The section of the page, out of the answers that are there."""
    answers = kept()
    found = compared(answers)
    parts = [
        "## Error against joules",
        "",
        f"A base (T = {LAYERS['steps']}, {LAYERS['channels'][0]} and {LAYERS['channels'][1]} maps, "
        f"{LAYERS['latent']} latent neurons) and {len(NETWORKS) - 1} networks that differ from it "
        f"in one lever, one of them in three; {len(SEEDS)} seeds. Currents as input, pixels "
        "limited to [0, 1] and the rate band, as of the network of all digits "
        "([above](#as-good-as-the-same-layers-without-spikes)), but with **a short recipe, the "
        f"same for all**: {IMAGES:,} training digits, {RATES.epochs} passes as rates and "
        f"{SPIKES.epochs} as spikes. So differences between networks are what counts; the long "
        "recipe is the star in the picture, its form without spikes in floats. *Pruned*: after the "
        "passes as rates the smallest weights of the two dense layers are set to 0 and stay "
        "there, and the chip stores lists of what is left. Kernels are shared, so pruning them "
        "would save nothing. *Price*: the weight of `synops` in the passes as spikes.",
        "",
        f"Measured in {BITS}-bit integers on `{TARGET}`, scales chosen on {CHOSEN} training "
        f"digits, on the first {TESTED:,} official test digits (not all 10,000, for the time it "
        f"takes). Joules are modelled ({twin.NOMINAL}), the state is reset between digits. ± is "
        "half of a 95 % interval over seeds, which says nothing of other digits.",
        "",
        "*Without spikes*: the same layers with ReLU, trained on the same digits in the same "
        "passes, batches and rates, with weights and activations rounded to 8 bits. Their joules "
        "are those of [energy](energy.md#the-same-layers-without-spikes): one pass, arithmetic and "
        "memory of 45 nm by Horowitz 2014. The positions of pruned weights are not charged there. "
        "T and a price change nothing without spikes.",
        "",
    ]
    if found is not None:
        parts += [_table(found, answers), "", _levers_table(found), "", verdict(found), ""]
        parts += ["![error against joules](results/frontier.svg)", ""]
    missing = [name for name in NETWORKS if name not in answers]
    if missing:
        parts += [f"Not answered yet: {', '.join(missing)}.", ""]
    return "\n".join(parts)


def _table(found: Compared, answers: Mapping[str, Answers]) -> str:
    """A line a network: errors, joules, and those without spikes."""
    on = {one.name for one in found.best}
    lines = []
    for name, one in answers.items():
        pair, errors = found.times(name), [each["error"] for each in one.plain]
        fronts = sum(name in {p.name for p in front(each)} for each in found.spiking)
        parts = [f"{1e6 * without(one)[part]:.2f}" for part in ("arithmetic", "memory")]
        lines.append([
            name,
            with_interval([each["float_error"] for each in one.spiking], 2),
            with_interval([each["fixed_error"] for each in one.spiking], 2),
            with_interval([1e6 * joules(each) for each in one.spiking], 1),
            ", ".join(str(sum(e[key] for e in one.spiking)) for key in ("dead", "bursting")),
            str(max(each["cores"] for each in one.spiking)),
            f"{'yes' if name in on else 'no'}, {fronts} of {len(SEEDS)}",
            "-" if pair is None else ratio_words(*pair, 1),
            with_interval(errors, 2) if errors else "-",
            *(parts if errors else ("-", "-")),
        ])  # fmt: skip
    head = ["network", "float error", "fixed error", "µJ", "dead, bursting (all seeds)", "cores",
            "on the front, seeds", "times the joules without spikes at equal error",
            "error without spikes, int8", "µJ of its arithmetic", "of its memory"]  # fmt: skip
    return table(head, lines)


def _levers_table(found: Compared) -> str:
    """What each change does to error and joules, seed by seed."""
    lines = [
        [name, mean_interval(step.error, 2), mean_interval([1e6 * j for j in step.joules], 1),
         _exchange(step)]
        for name, step in levers(found).items()
    ]  # fmt: skip
    return table(["against the base", "error", "µJ", "error per µJ"], lines)


def _exchange(step: Step) -> str:
    """What a change buys or gives up per microjoule, in words."""
    if step.buys:
        return f"{step.rate * 1e-6:.3f} bought"
    if step.saves:
        return f"{step.rate * 1e-6:.3f} given up"
    return "better in both" if np.mean(step.error) < 0 else "worse in both"


def verdict(found: Compared) -> str:
    """Where spikes lose and by how much, which lever pays, and the best within the budget."""
    return " ".join([equal_error_words(found), lever_words(found), budget_words(found)])


def equal_error_words(found: Compared) -> str:
    """Joules at equal error."""
    low, high = times_range(found)
    best, plain = found.best[0], found.best_plain[0]
    lose = "**Spikes lose everywhere on the front**" if low > 1 else "**Spikes do not always lose**"
    return (
        f"{lose}: at equal error its networks take {low:.1f} to {high:.1f} times the joules of the "
        "layers without spikes in int8, memory included (an error above all of theirs is compared "
        f"with their cheapest, which has less). The best spiking error, {best.error:.2f} at "
        f"{1e6 * best.joules:.0f} µJ, is {best.error / plain.error:.2f} times the best without "
        f"spikes, {plain.error:.2f} at {1e6 * plain.joules:.1f} µJ."
    )


def lever_words(found: Compared) -> str:
    """Which change buys most, and which saves at the least price."""
    said = []
    if buy := best_buy(found):
        name, step = buy
        said.append(f"*{name}* buys most error per joule, {step.rate * 1e-6:.3f} per µJ")
    if saving := best_saving(found):
        name, step = saving
        said.append(
            f"*{name}* gives up least per joule saved, {step.rate * 1e-6:.3f} per µJ "
            f"({-100 * np.mean(step.joules) / np.mean([p.joules for p in found.of(BASE)]):.0f} % "
            "of the joules)"
        )
    both = [name for name, step in levers(found).items() if _exchange(step) == "better in both"]
    if both:
        said.append(f"better than the base in both: {', '.join(f'*{name}*' for name in both)}")
    return f"Of the changes to the base, {'; '.join(said)}." if said else ""


def budget_words(found: Compared) -> str:
    """The best network within the budget."""
    best = within_budget(found)
    if best is None:
        return f"No network takes at most {BUDGET_UJ:.0f} µJ."
    errors = [one.error for one in found.of(best.name)]
    return (
        f"Within {BUDGET_UJ:.0f} µJ *{best.name}* is best: {with_interval(errors, 2)} at "
        f"{1e6 * best.joules:.0f} µJ."
    )


def draw(folder: Path) -> None:
    """Error against joules: a colour a lever, filled with spikes and hollow without."""
    found = compared(kept())
    if found is None:
        return
    figure, ax = panels(1, width=8.5, height=4.6)
    ax.set_xscale("log")
    ax.set_xlim(0.8, 200)
    ax.xaxis.set_major_formatter("{x:g}")
    groups = (
        (found.spiking, found.best, "full", 1.02),
        (found.plain, found.best_plain, "none", 0.46),
    )
    places = [(_marks(ax, points, fill), at) for points, _, fill, at in groups]
    for _, best, fill, _ in groups:
        ax.plot([1e6 * one.joules for one in best], [one.error for one in best],
                "-" if fill == "full" else "--", color=GREY, linewidth=1, zorder=0)  # fmt: skip
    for (x, y, words), (each, _) in zip(_stars(found), places, strict=False):
        ax.plot(x, y, "*", color=GREY, markersize=10)
        each.append((x, y, words, GREY))
    ax.set_ylim(bottom=0)
    ax.set(xlabel=f"µJ per digit (with spikes: {twin.NOMINAL}; without: 45 nm, memory included)",
           ylabel="squared error per image, in 8-bit integers")  # fmt: skip
    for each, at in places:
        named(ax, each, 0.052, at)
    save(figure, folder / "frontier.svg")


def _marks(ax: Any, points: list[list[Point]], fill: str) -> list[Place]:
    """The means with their intervals; where each is and what it is called."""
    places = []
    for each, mean in zip(zip(*points, strict=True), means(points), strict=True):
        colour = COLOURS[NETWORKS[mean.name].lever]
        ax.errorbar(
            1e6 * mean.joules, mean.error, half_width([one.error for one in each]),
            half_width([1e6 * one.joules for one in each]), marker="o", color=colour,
            fillstyle=fill, markersize=5, linewidth=1,
        )  # fmt: skip
        places.append((1e6 * mean.joules, mean.error, mean.name, colour))
    return places


def _stars(found: Compared) -> list[tuple[float, float, str]]:
    """The networks of the long recipe: with spikes, and without; none where one is not answered."""
    spiking = [one["bits"][str(BITS)] for one in twin.answers("MNIST", "spiking")]
    plain = [one["error"] for one in twin.answers("MNIST", "plain")]
    if not spiking or not plain:
        return []
    (base,) = [one for one in found.plain[0] if one.name == BASE]
    error = float(np.mean([one["fixed_error"] for one in spiking]))
    return [
        (1e6 * float(np.mean([joules(one) for one in spiking])), error, "long recipe"),
        (1e6 * base.joules, float(np.mean(plain)), "long recipe, floats"),
    ]
