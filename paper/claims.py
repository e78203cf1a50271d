"""The first part of docs/results.md: what of the paper holds, claim by claim.

In:  kept answers of the studies.
Out: a table of claims: our number with its interval, the published one, a verdict, a link.
A verdict follows from an interval where there are several seeds: of the mean, paired by seed where
two rows of the same seeds are compared (`beside`). Where there is one seed, the cell says so.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from paper import codes, frontier, replication, skab, spoken, table, training, twin
from paper.intervals import half_width, mean_interval, or_mean, ratio_words
from paper.intervals import with_interval as _interval
from paper.settings import UNREGULARIZED
from paper.study import Json

BAND_ROW = "surrogate SAE, rate band"


def text() -> str:
    """The section of the page, out of the answers that are there."""
    claims = [_dying(), _penalties(), _as_good(), _whole(), _structure(), _error(), _gap(),
              _joules(), _industry(), _words()]  # fmt: skip
    head = ["claim", "here", "published", "verdict", "more"]
    lines = [head, ["---"] * len(head), *[claim for claim in claims if claim]]
    cells = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return (
        "## Claims\n\nOf the paper unless it says *ours*. ± is half of a 95 % interval of the mean "
        f"over seeds, paired by seed where two rows are compared.\n\n{cells}\n"
    )


def beside(values: Sequence[float], bound: float) -> int:
    """Where the 95 % interval of a mean lies: 1 above a bound, -1 below it, 0 if it holds it."""
    distance = float(np.mean(values)) - bound
    return int(np.sign(distance)) if abs(distance) > half_width(values) else 0


def judged(place: int, wanted: int) -> str:
    """The verdict on a claim whose interval has to lie on one side of a bound, as of `beside`."""
    return "**undecided**" if not place else "**holds**" if place == wanted else "**fails**"


def seeds(count: int) -> str:
    """A number of seeds in words."""
    return f"{count} seed{'s' * (count > 1)}"


def _dying() -> list[str]:
    """Without penalties the paper's network dies."""
    found = replication.answers("paper", replication.NONE, replication.AS_OURS)
    if not found:
        return []
    dead, alive = (
        [one["layers"]["latent"]["dead"] for one in found],
        [one["alive"] for one in found],
    )
    died = sum("dies" in replication.verdict(one) for one in found)
    verdict, whole = "holds" if died else "fails", f"in {died} of {len(found)} seeds"
    if every := replication.answers("paper", replication.NONE, replication.ALL_FOUR):
        still = sum("dies" in replication.verdict(one) for one in every)
        if died and still < len(every):
            verdict = "holds in part"
        gone = _interval([one["layers"]["latent"]["dead"] for one in every], 0)
        whole += (
            f" with our optimizer and leak; with all rules of the authors' code {gone} are dead "
            f"after as many updates ({seeds(len(every))})"
        )
    return [
        "without regularization the network dies",
        f"{_interval(dead, 0)} of 100 latent neurons dead, {_interval(alive, 2)} alive "
        f"({len(found)} seeds, the paper's layers, {replication.UPDATES} updates)",
        "0.17 ± 0.20 alive",
        f"**{verdict}**: {whole}. With another output scale it bursts",
        _link("What decides between dying, bursting and learning"),
    ]


def _penalties() -> list[str]:
    """Penalties on potentials and spikes lower the error and revive neurons."""
    plain, dense = (_errors("longer", row) for row in (UNREGULARIZED, "SAE, dense"))
    if not plain:
        return []
    ratios = [a / b for a, b in zip(plain, dense, strict=True)]
    before, answers = (table.answers("longer", row) for row in (UNREGULARIZED, "SAE, dense"))
    latent_dead = [one["layers"]["latent"]["dead"] for one in answers]
    burst = [np.mean([one["layers"]["latent"]["bursting"] for one in found])
             for found in (before, answers)]  # fmt: skip
    ends = beside(ratios, 1) if not any(latent_dead) else -1
    hidden = any(sum(training.hidden(one)) for one in answers)
    return [
        "penalties on potentials and spikes end both, and lower the error",
        f"error {ratio_words(plain, dense, 1)} times lower, {burst[1]:.0f} % of the latent neurons "
        f"burst in place of {burst[0]:.0f} %, {sum(latent_dead)} are dead ({len(ratios)} seeds, "
        "our layers, 48 epochs)",
        f"{38.09 / 6.75:.1f} times lower",
        f"{judged(ends, 1)} against bursting, for the latent layer"
        f"{'; hidden ones still die and burst' * hidden}. **Not tested** where the paper's layers "
        "die",
        _link("The table"),
    ]


def _as_good() -> list[str]:
    """The regularized network is as good as an autoencoder."""
    without, dense = _errors("longer", "AE"), _errors("longer", "SAE, dense")
    if not without:
        return []
    ratios = [a / b for a, b in zip(dense, without, strict=True)]
    return [
        "it reconstructs as well as an autoencoder without spikes",
        f"{ratio_words(dense, without, 1)} times the autoencoder's error (our layers, equal "
        f"epochs, {len(ratios)} seeds)",
        f"{6.75 / 7.89:.2f} times an AE of 7.89 ± 4.83, {6.75 / 4.67:.2f} times its AE with weight "
        "decay",
        f"{judged(beside(ratios, 1), -1)} at T = 16; T = 100 was not run",
        _link("The table"),
    ]


def _whole() -> list[str]:
    """Ours: the band keeps the whole network alive."""
    found = table.answers("chip", BAND_ROW)
    if not found:
        return []
    dead = [_share(one, "dead") for one in found]
    bursting = [_share(one, "bursting") for one in found]
    return [
        "*ours*: a band of rates keeps the whole network between dying and bursting",
        f"{_interval(dead, 2)} % of all hidden neurons dead, {_interval(bursting, 2)} % bursting "
        f"({len(found)} seeds, our layers, a surrogate gradient)",
        "-",
        "**holds**, in every seed" if max(dead) < 0.5 and not max(bursting) else "**fails**",
        _link("The table"),
    ]


def _share(found: Json, key: str) -> float:
    """Percent of the hidden neurons that can be reached, or of all that burst."""
    layers = [layer for name, layer in found["layers"].items() if name != "pixels"]
    of = sum(layer["neurons"] - (layer["unreachable"] if key == "dead" else 0) for layer in layers)
    return 100 * sum(layer[key] for layer in layers) / of


def _structure() -> list[str]:
    """Codes follow the class more than a VAE's."""
    found = {way: codes.differences(way, "probe") for way in (codes.MEAN, codes.SAMPLED)}
    if not found[codes.MEAN]:
        return []
    words = {way: codes.words(differences) for way, differences in found.items()}
    more = {way: mean_interval(differences, 3) for way, differences in found.items()}
    return [
        "latent codes follow the class more than a VAE's",
        f"accuracy of a linear probe, at equal error: {more[codes.SAMPLED]} against the VAE's "
        f"sampled code, {more[codes.MEAN]} against its mean ({len(found[codes.MEAN])} seeds)",
        "distances only, of a *sampled* code",
        f"**{words[codes.SAMPLED]}** against a sample, as the authors measure; "
        f"**{words[codes.MEAN]}** against the mean, which has no noise",
        _link("Codes of spikes and of a VAE, both ways"),
    ]


def _error() -> list[str]:
    """Ours: the error on the chip's integers."""
    answers = twin.answers("MNIST", "spiking")
    found = [one["bits"]["8"] for one in answers]
    if not found:
        return []
    dead, bursting = (
        sum(layer[key] for one in answers for layer in one["layers"].values())
        for key in ("dead", "bursting")
    )
    errors = [one["fixed_error"] for one in found]
    joules = [one["joules"][twin.NOMINAL] * 1e6 for one in found]
    return [
        "*ours*: squared error an image on the official test digits, in the chip's integers",
        f"{or_mean(errors, 2)} at {or_mean(joules, 1)} µJ, {dead} neurons dead, {bursting} "
        f"bursting ({seeds(len(found))})",
        f"{', '.join(f'{error:.2f} ({name})' for name, error in PUBLISHED.items())}, in floats",
        f"{_among(errors)}; not the same task: currents as input, limited output, other layers",
        _link("As good as the same layers without spikes?"),
    ]


# Squared errors an image of other networks, in floats; the first one is the paper's.
PUBLISHED = {
    "SAE, dense": float(table.PUBLISHED["SAE, dense"][0].split()[0]),
    **{name: pixel * twin.PIXELS for name, pixel in twin.PUBLISHED["MNIST"][:2]},
}


def _among(errors: Sequence[float]) -> str:
    """Where errors lie among the published ones, in words."""
    names = {name: "the paper's" if name in table.PUBLISHED else f"{name}'s" for name in PUBLISHED}
    said = []
    for words, place in (("lower than", -1), ("not told from", 0), ("higher than", 1)):
        found = [names[n] for n, error in PUBLISHED.items() if beside(errors, error) == place]
        said += [f"{words} {' and '.join(found)}"] * bool(found)
    return ", ".join(said)


def _gap() -> list[str]:
    """Ours: how far it is from the same layers without spikes."""
    spiking, plain = twin.answers("MNIST", "spiking"), twin.answers("MNIST", "plain")
    if not spiking or len(spiking) != len(plain):
        return []
    pairs = zip(spiking, plain, strict=True)
    ratios = [ours["bits"]["8"]["fixed_error"] / theirs["error"] for ours, theirs in pairs]
    return [
        "*ours*: as good as the same layers without spikes, trained as long",
        f"{_times(spiking, plain)} times their error ({seeds(len(ratios))}); 1.3 was the goal",
        "-",
        judged(beside(ratios, 1.3), -1),
        _link("As good as the same layers without spikes?"),
    ]


def _times(spiking: Sequence[Json], plain: Sequence[Json]) -> str:
    """How many times the error without spikes, with an interval where there are several seeds."""
    ours, theirs = (
        [one["bits"]["8"]["fixed_error"] for one in spiking],
        [one["error"] for one in plain],
    )
    return ratio_words(ours, theirs) if len(ours) > 1 else f"{ours[0] / theirs[0]:.2f}"


def _joules() -> list[str]:
    """Ours: whether spikes are cheaper."""
    found = [one["bits"]["8"] for one in twin.answers("MNIST", "spiking")]
    if not found:
        return []
    ratios = [one["joules"][twin.NOMINAL] / WITHOUT_J for one in found]
    here = f"{np.mean(ratios):.0f} times as many, memory included on both sides (modelled)"
    verdict, where = judged(beside(ratios, 1), -1), "at this size and T"
    if front := frontier.compared(frontier.kept()):
        low, high = frontier.times_range(front)
        here += (
            f"; {low:.0f} to {high:.0f} times on the front of a short recipe, where those without "
            f"spikes err no more ({len(front.spiking)} seeds, {frontier.TESTED} digits)"
        )
        if low > 1 and beside(ratios, 1) == 1:
            where = "at every size, T and price tried"
    return [
        "*ours*: spikes take fewer joules than the same layers in int8",
        here,
        "-",
        f"{verdict} {where}",
        _link("Error against joules"),
    ]


WITHOUT_J = 4.317e-6  # docs/energy.md: one pass of the same layers in int8, with memory, at 45 nm


def _industry() -> list[str]:
    """Ours: faults of a pump, against the benchmark and against a covariance matrix."""
    found = {method: skab.f1_of_runs(method) for method in ("chip 8", "raw")}
    if not found["raw"]:
        return []
    gaps = [ours - without for ours, without in zip(found["chip 8"], found["raw"], strict=True)]
    best = skab.PUBLISHED["Conv-AE"][0]
    where = {1: "above the leaderboard", 0: "not told from the leaderboard's best",
             -1: "below the leaderboard's best"}[beside(found["chip 8"], best)]  # fmt: skip
    adds = {1: "adds to", 0: "adds nothing to", -1: "is behind"}[beside(gaps, 0)]
    return [
        "*ours*: faults of a real pump (SKAB) are found by spikes in 8-bit integers",
        f"F1 {_interval(found['chip 8'], 3)}; a covariance matrix without a network "
        f"{np.mean(found['raw']):.3f}, an alarm in every row {skab.always_f1():.3f} "
        f"({len(found['chip 8'])} seeds)",
        f"{best:.3f} (Conv-AE, all eight sensors; six here)",
        f"{where}, with two sensors left out that labels of nine runs chose; the network {adds} "
        "the covariance",
        _link("Faults of a water pump"),
    ]


def _words() -> list[str]:
    """Ours: spoken digits in integers."""
    found = spoken.answers()
    if "official split" not in found:
        return []
    one, better = found["official split"]["on"][f"{spoken.CHIPS[0]} {spoken.BITS[0]}"], ""
    if plain := found.get("official split, plain"):
        better = f"; an SVM {plain['svm']:.1%}, a GRU of equal size {plain['gru']:.1%}"
    if unseen := spoken.unseen():
        better += ". Of a speaker left out {:.0%}, an SVM {:.0%}".format(*unseen)
    low, high = spoken.of_words(one["fixed"])
    joules = 1e6 * one["joules"][spoken.NOMINAL[spoken.CHIPS[0]]]
    return [
        "*ours*: spoken digits (FSDD, official split) are known in 8-bit integers",
        f"{one['fixed']:.1%} (float {one['float']:.1%}) at {joules:.1f} µJ a word (1 seed){better}",
        "-",
        f"goals {'met' if all(spoken.met(one).values()) else 'missed'}: {spoken.GOAL:.0%} "
        f"(interval over words {low:.1%} to {high:.1%}), within a point of float, below "
        f"{spoken.GOAL_UJ:.0f} µJ without static power",
        _link("Spoken digits"),
    ]


def _errors(setting: str, row: str) -> list[float]:
    return [one["error"] for one in table.answers(setting, row)]


def _link(heading: str) -> str:
    """A link to a section of the page of tables."""
    kept = "".join(c for c in heading.lower() if c.isalnum() or c in " -")
    return f"[tables](results-tables.md#{kept.replace(' ', '-')})"
