"""What decides between dying, bursting and learning: the rules of the paper's code, one by one.

In:  rules, penalties, seeds; few digits, few updates, T = 16.
Out: error and activity of every layer along each training; the search for the penalties.
A training is short, so its error is not that of a finished network. It is long enough to tell
which way the neurons go.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from neurocompile.formats.whole import write_file
from neurocompile.ir.arrays import Array
from neurocompile.nn import Regularization, TrainingPlan, train
from neurocompile.nn.network import SpikingNetwork
from neurocompile.nn.training import Running
from paper import learning
from paper.charts import STYLES, drawn, named, panels, save
from paper.intervals import mean_interval, with_interval
from paper.markdown import table
from paper.models import OUTPUT_SCALE, spiking_autoencoder
from paper.settings import BAND, potential_and_spikes
from paper.study import TRAINER, Job, Json
from paper.training import digits, hidden, shares, summary
from paper.weights import digest, fitted, kept_in

STEPS = 16
UPDATES, BATCH, EVERY = 300, 5, 30
WATCHED = 20  # digits of the curve, held out
TESTED = 200  # digits of the last figures
ALIVE = 64  # images among which a living latent neuron spikes once, as in the paper
OPTIMIZER = "optimizer"  # the rule of the training; the others are the network's
SCALE_20 = 20 / STEPS  # the divisor 20, as a multiple of T


@dataclass(frozen=True)
class Rules:
    """Which rules of the paper's code a training follows.

    Attributes:
        names: Those of `paper.models.RULES`, and `OPTIMIZER`.
        scale: The output is max U / (T scale), in the paper's architecture.
    """

    names: tuple[str, ...] = ()
    scale: float = OUTPUT_SCALE


FOUR = ("straight leak", "flip", "output spikes", OPTIMIZER)
AS_OURS, ALL_FOUR = "as ours", "all four"


def _named(rules: tuple[str, ...]) -> str:
    """What the rows call a combination of the four rules."""
    return {(): AS_OURS, FOUR: ALL_FOUR}.get(rules, " + ".join(rules))


# Every combination of the four, then the divisor 20.
FACTORIAL = tuple(
    tuple(rule for rule, on in zip(FOUR, switches, strict=True) if on)
    for switches in product((False, True), repeat=len(FOUR))
)
RULES = {_named(rules): Rules(rules) for rules in FACTORIAL} | {
    f"{_named(rules)}, divisor 20": Rules(rules, SCALE_20) for rules in ((), FOUR)
}
WITH_20 = tuple(name for name, rules in RULES.items() if rules.scale == SCALE_20)
# Without penalties, spikes of the output change nothing, so the others alone are combined there.
UNPENALIZED = tuple(_named(rules) for rules in FACTORIAL if "output spikes" not in rules)


NONE, SPARSE, DENSE, RATE_BAND = "none", "sparse", "dense", "rate band"
# Chosen among the points of SEARCH; the band is that of the shipped network.
PENALTIES = {
    NONE: {},
    SPARSE: potential_and_spikes(0.003, 0.06),
    DENSE: potential_and_spikes(0.02, 0.01),
    RATE_BAND: BAND,
}
# Weights of squared potentials and of squared spike counts, under all four rules.
SEARCH = [(0.003, 0.06), (0.02, 0.01), (0.02, 0.06)]

SEEDS, FEW = tuple(range(8)), tuple(range(3))  # a step of the paper's layers costs eight times more
# What was asked: architecture, penalties, rules, seeds.
ASKED: list[tuple[str, str, tuple[str, ...], tuple[int, ...]]] = [
    ("strided", NONE, (*UNPENALIZED, ALL_FOUR, *WITH_20), SEEDS),
    *(("strided", some, (AS_OURS, ALL_FOUR), SEEDS) for some in (SPARSE, DENSE, RATE_BAND)),
    ("chip", NONE, (AS_OURS, "flip", ALL_FOUR), SEEDS),
    *(("paper", some, (AS_OURS,), SEEDS) for some in (NONE, RATE_BAND)),
    *(("paper", some, (ALL_FOUR,), FEW) for some in (NONE, RATE_BAND)),
]


def jobs() -> list[Job]:
    """The points of the search, then the cells."""
    return [*(_point_of_search(*point) for point in SEARCH), *_cells().values()]


Cell = tuple[str, str, str, int]  # architecture, penalties, rules, seed


def _cells() -> dict[Cell, Job]:
    """The training of every cell that was asked for."""
    found = {}
    for architecture, penalties, several, seeds in ASKED:
        for seed in seeds:
            for rules in several:
                asked = question(architecture, RULES[rules], PENALTIES[penalties], seed, "train")
                name = f"{architecture}, {rules}, {penalties} {seed}"
                job = Job("replication", name, asked, answer, TRAINER)
                found[architecture, penalties, rules, seed] = job
    return found


def kept(architecture: str, penalties: str, rules: str, seed: int) -> Json | None:
    """The answer of a cell, if it is there."""
    job = _cells().get((architecture, penalties, rules, seed))
    return job.answer() if job is not None and job.done else None


def _point_of_search(potential: float, spikes: float) -> Job:
    """A training judged on digits that are held out."""
    weights = potential_and_spikes(potential, spikes)
    asked = question("strided", RULES["all four"], weights, 0, "search")
    name = f"search, potential {potential:g}, spikes {spikes:g}"
    return Job("replication", name, asked, answer, TRAINER)


def question(
    architecture: str, rules: Rules, penalties: dict[str, float], seed: int, part: str
) -> Json:
    """The question of one training; part "train" is tested on test digits, "search" is not."""
    return {
        "architecture": architecture,
        "rules": rules.names,
        "divisor": None if architecture == "chip" else STEPS * rules.scale,
        "regularization": penalties,
        "seed": seed,
        "steps": STEPS,
        "latent": 100,
        "part": part,
        "updates": UPDATES,
        "batch": BATCH,
        "every": EVERY,
        "learning_rate": 5e-4 if OPTIMIZER in rules.names else 1e-3,
    }


def answer(asked: Json) -> Json:
    """Train, and measure along the way.

    Returns:
        What `summary` returns, `alive` (share of the latent neurons that spike for any of the
        first 64 digits), and `curve`: by point its `updates`, `error`, and by layer the shares
        that are dead (of the reachable) and bursting.
    """
    network, curve = _trained({key: asked[key] for key in asked if key != "part"})
    tested = digits("test" if asked["part"] == "train" else "judge")[0][:TESTED]
    few = summary(network, tested[:ALIVE])["layers"]["latent"]
    alive = 1 - (few["dead"] + few["unreachable"]) / few["neurons"]
    return {**summary(network, tested), "alive": alive, "curve": curve}


def _trained(asked: Json) -> tuple[SpikingNetwork, list[Json]]:
    """The network of a question and its curve; trained now where it is not kept."""
    network = spiking_autoencoder(
        asked["architecture"],
        "membrane",
        latent=asked["latent"],
        steps=asked["steps"],
        seed=asked["seed"],
        rules=asked["rules"],
        divisor=asked["divisor"],
    )
    record = kept_in() / f"replication-{digest(asked)}.json"
    curve = []

    def fit(state: Path) -> None:
        papers = OPTIMIZER in asked["rules"]
        plan = TrainingPlan(
            1,
            asked["batch"],
            asked["learning_rate"],
            regularization=Regularization(**asked["regularization"]),
            seed=asked["seed"],
            schedule="constant" if papers else "one-cycle",
            clip_by="value" if papers else "norm",
        )
        curve.append(_point(network, 0))

        def watch(running: Running) -> None:
            updates, rest = divmod(running.done, asked["batch"])
            if rest == 0 and updates % asked["every"] == 0:
                curve.append(_point(network, updates))

        images = digits("search")[0][: asked["updates"] * asked["batch"]]
        train(network, images, plan, on_batch=watch)
        write_file(record, json.dumps(curve).encode())

    fitted("replication-", asked, network, fit)
    return network, json.loads(record.read_text())


def _point(network: SpikingNetwork, updates: int) -> Json:
    """One point of the curve, on digits that no training has seen."""
    found = summary(network, digits("judge")[0][-WATCHED:])
    return {
        "updates": updates,
        "error": round(found["error"], 3),
        "layers": {
            name: [round(s, 4) for s in shares(one)] for name, one in found["layers"].items()
        },
    }


DIED, BURST = 1 / 3, 0.1  # shares of the latent layer
LAST = 90  # updates over which the table says how much the error still falls


def verdict(found: Json) -> str:
    """Which way the latent neurons went, in words."""
    dead, bursting = shares(found["layers"]["latent"])
    words = {"dies": dead > DIED, "bursts": bursting > BURST}
    return ", ".join(word for word, holds in words.items() if holds) or "neither"


EFFECTS = (
    "Strided layers without penalties: mean difference between trainings with and without a rule, "
    "over all combinations of the others (for the divisor 20, over none of them), ± half of a 95 % "
    "interval, paired by seed. Differences of shares are in points."
)
CELLS = "Means over the seeds, ± half of a 95 % interval."


def text() -> str:
    """The section of the page."""
    prose = Path(__file__).with_suffix(".md").read_text()
    parts = [prose, "### What each rule changes", "", EFFECTS, "", _effects(), ""]
    parts += [
        "### The cells",
        "",
        CELLS,
        "",
        _table(),
        "",
        f"![{CAPTION}](results/replication.svg)",
        "",
        CAPTION + ".",
        "",
    ]
    parts += ["### Learning curves", "", LEARNING, "", learning.PICTURE, ""]
    return "\n".join([*parts, "### The search for these penalties", "", _searched(), ""])


LEARNING = f"""Lines: the {WATCHED} watched digits along these trainings (strided layers, all four
rules, mean over seeds). Single marks: the ends of the trainings of *The table* in our architecture,
each with a rate that has run down. Stars: published, after the first and the tenth epoch of 60,000
digits."""


HEAD = (
    "squared error an image",
    "latent alive",
    "latent dead %",
    "latent bursting %",
    "hidden dead %",
    "hidden bursting %",
    "latent spikes a step",
    "error still falls by",
)
DIGITS = (1, 2, 0, 0, 0, 0, 3, 1)
CHANGED = (0, 2, 3, 4, 5)  # the columns of HEAD that the effects are of


def _numbers(found: Json) -> list[float]:
    """The columns of one answer, HEAD's."""
    before, after = (found["curve"][place]["error"] for place in (-1 - LAST // EVERY, -1))
    latent = shares(found["layers"]["latent"])
    percent = [100 * share for share in (*latent, *hidden(found))]
    rate = found["layers"]["latent"]["rate"]
    return [found["error"], found["alive"], *percent, rate, before - after]


def answers(architecture: str, penalties: str, rules: str) -> list[Json]:
    """The answers of a cell that are there, by seed."""
    found = (kept(architecture, penalties, rules, seed) for seed in SEEDS)
    return [one for one in found if one is not None]


def _table() -> str:
    """A line a cell: means over its seeds."""
    lines = []
    for architecture, penalties, several, _ in ASKED:
        for rules in several:
            found = answers(architecture, penalties, rules)
            columns = zip(*map(_numbers, found), strict=True)
            shown = [with_interval(c, d) for c, d in zip(columns, DIGITS, strict=True)]
            lines.append([architecture, penalties, rules, *shown, _verdicts(found)])
    return table(("layers", "penalties", "rules", *HEAD, "latent neurons"), lines)


def _verdicts(found: Sequence[Json]) -> str:
    """How many seeds went which way."""
    counts = Counter(map(verdict, found)).most_common()
    return "; ".join(f"{words} ({count} of {len(found)})" for words, count in counts)


def _effects() -> str:
    """What each rule changes in the mean over all combinations of the others."""
    changes = {rule: effect(rule) for rule in FOUR if rule != "output spikes"}
    changes["divisor 20"] = _difference(WITH_20[0], AS_OURS)
    lines = [
        [rule, *(mean_interval(change[:, place], DIGITS[place]) for place in CHANGED)]
        for rule, change in changes.items()
    ]
    return table(("rule", *(HEAD[place] for place in CHANGED)), lines)


def effect(rule: str) -> Array:
    """(seeds, columns of HEAD) what a rule changes in strided layers without penalties.

    It is the mean over every two cells that differ in this rule alone.
    """
    without = [rules for rules in map(RULES.get, UNPENALIZED) if rule not in rules.names]
    pairs = [(tuple(r for r in FOUR if r in (*one.names, rule)), one.names) for one in without]
    return np.mean([_difference(_named(on), _named(off)) for on, off in pairs], axis=0)


def _difference(on: str, off: str) -> Array:
    """(seeds, columns of HEAD) of two cells, by seed."""
    cells = [[_numbers(one) for one in answers("strided", NONE, rules)] for rules in (on, off)]
    return np.subtract(*cells)


def _figures(found: Json) -> list[str]:
    """The columns of one answer, and which way its neurons went."""
    pairs = zip(_numbers(found), DIGITS, strict=True)
    return [*(f"{number:.{digits}f}" for number, digits in pairs), verdict(found)]


def _searched() -> str:
    """A line a point."""
    lines = [
        [f"{potential:g}", f"{spikes:g}", *_figures(_point_of_search(potential, spikes).answer())]
        for potential, spikes in SEARCH
    ]
    return table(("potential", "spikes", *HEAD, "latent neurons"), lines)


SHOWN: list[Cell] = [
    ("strided", NONE, "as ours, divisor 20", 0),
    ("strided", NONE, "as ours", 0),
    ("strided", NONE, "all four", 0),
    ("strided", DENSE, "all four", 0),
    ("paper", NONE, "as ours", 0),
]
CAPTION = (
    "Dead (lines) and bursting (dashed) neurons of every layer along training; the shares that end "
    "above 4 % are named"
)
NAMED = 4  # %


def draw(folder: Path) -> None:
    """Dead and bursting shares of every layer along the trainings of `SHOWN`."""
    figure, axes = panels(len(SHOWN), width=3.1)
    cells = _cells()
    for ax, cell in zip(axes, SHOWN, strict=True):
        curve, places = cells[cell].answer()["curve"], []
        updates = [point["updates"] for point in curve]
        for name in curve[0]["layers"]:
            dead, bursting = zip(*(point["layers"][name] for point in curve), strict=True)
            for share, line, words in ((dead, "-", name), (bursting, "--", f"{name}, bursting")):
                percent = [100 * each for each in share]
                ax.plot(updates, percent, linestyle=line, markersize=3, **drawn(name))
                if percent[-1] > NAMED:
                    places.append((updates[-1], percent[-1], words, STYLES[name][0]))
        ax.set(
            xlabel="updates", ylim=(-3, 103), title=f"{cell[0]}: {cell[2]}\npenalties: {cell[1]}"
        )
        named(ax, places)
    axes[0].set(ylabel="% of the layer")
    save(figure, folder / "replication.svg")
    learning.draw(folder, _curves)


def _curves(penalties: str) -> list[Json]:
    """Points of the strided layers under all four rules, one list a seed."""
    return [
        {"points": [{"seen": p["updates"] * BATCH, "error": p["error"]} for p in one["curve"]]}
        for one in answers("strided", penalties, "all four")
    ]
