"""The first part of docs/results.md: what of the paper holds, claim by claim.

In:  kept answers of the studies.
Out: a table of claims: our number with its interval, the published one, a verdict, a link.
A verdict is drawn from an interval where there are several seeds: of the mean, paired by seed where
two rows of the same seeds are compared. Where there is one seed, the cell says so.
"""

from __future__ import annotations

import numpy as np

from paper import codes, replication, skab, spoken, table, twin
from paper.intervals import mean_interval
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
    return [
        "without regularization the network dies",
        f"{_interval(dead, 0)} of 100 latent neurons dead, {_interval(alive, 2)} alive "
        f"({len(found)} seeds, {replication.UPDATES} updates)",
        "0.17 ± 0.20 alive",
        f"**holds** in {died} of {len(found)} seeds; with another output scale, or the code's "
        "flip, it bursts",
        _link("What decides between dying, bursting and learning"),
    ]


def _penalties() -> list[str]:
    """Penalties on potentials and spikes lower the error and revive neurons."""
    plain, dense = (_errors("longer", row) for row in (UNREGULARIZED, "SAE, dense"))
    if not plain:
        return []
    ratios = [a / b for a, b in zip(plain, dense, strict=True)]
    latent_dead = [one["layers"]["latent"]["dead"] for one in table.answers("longer", "SAE, dense")]
    return [
        "penalties on potentials and spikes end it, and lower the error",
        f"error {_interval(ratios, 2)} times lower, {sum(latent_dead)} latent neurons dead in "
        f"{len(ratios)} seeds (our layers, 48 epochs)",
        f"{38.09 / 6.75:.1f} times lower",
        "**holds** for the latent layer; hidden ones still die and burst",
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
        f"{_interval(ratios, 1)} times the autoencoder's error (equal layers and epochs)",
        f"{6.75 / 7.89:.2f} times, of an autoencoder that is not trained to its end",
        "**fails**",
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
        f"{_interval(dead, 2)} % of all hidden neurons dead, {_interval(bursting, 2)} % bursting",
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
        f"share right by a linear probe, at equal error: {more[codes.SAMPLED]} against the VAE's "
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
    error = np.mean([one["fixed_error"] for one in found])
    joules = np.mean([one["joules"][twin.NOMINAL] for one in found]) * 1e6
    return [
        "*ours*: squared error an image on the official test digits, in the chip's integers",
        f"{error:.2f} at {joules:.0f} µJ, {dead} neurons dead, {bursting} bursting "
        f"({len(found)} seed)",
        "6.75 (SAE, dense), 6.08 (FSVAE), 2.55 (ESVAE), in floats",
        "below the paper's and FSVAE's, above ESVAE's",
        _link("As good as the same layers without spikes?"),
    ]


def _gap() -> list[str]:
    """Ours: how far it is from the same layers without spikes."""
    spiking, plain = twin.answers("MNIST", "spiking"), twin.answers("MNIST", "plain")
    if not spiking or not plain:
        return []
    ratio = spiking[0]["bits"]["8"]["fixed_error"] / plain[0]["error"]
    return [
        "*ours*: as good as the same layers without spikes, trained as long",
        f"{ratio:.2f} times their error (1 seed); 1.3 was the goal",
        "-",
        "**fails**",
        _link("As good as the same layers without spikes?"),
    ]


def _joules() -> list[str]:
    """Ours: whether spikes are cheaper."""
    found = [one["bits"]["8"] for one in twin.answers("MNIST", "spiking")]
    if not found:
        return []
    ratio = np.mean([one["joules"][twin.NOMINAL] for one in found]) / WITHOUT_J
    return [
        "*ours*: spikes take fewer joules than the same layers in int8",
        f"{ratio:.0f} times as many, memory included on both sides (modelled)",
        "-",
        "**fails** at this size and T",
        "[energy](energy.md#the-same-layers-without-spikes)",
    ]


WITHOUT_J = 4.317e-6  # docs/energy.md: one pass of the same layers in int8, with memory, at 45 nm


def _industry() -> list[str]:
    """Ours: faults of a pump, against the benchmark and against a covariance matrix."""
    found = {method: skab.f1_of_runs(method) for method in ("chip 8", "raw")}
    if not found["raw"]:
        return []
    return [
        "*ours*: faults of a real pump (SKAB) are found by spikes in 8-bit integers",
        f"F1 {_interval(found['chip 8'], 3)}; a covariance matrix without a network "
        f"{np.mean(found['raw']):.3f}",
        "0.784 (Conv-AE, all eight sensors; six here)",
        "above the leaderboard; the network adds nothing to the covariance",
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
    joules = 1e6 * one["joules"][spoken.NOMINAL[spoken.CHIPS[0]]]
    return [
        "*ours*: spoken digits (FSDD, official split) are known in 8-bit integers",
        f"{one['fixed']:.1%} (float {one['float']:.1%}) at {joules:.1f} µJ a word (1 seed){better}",
        "-",
        f"{'**holds**' if all(spoken.met(one).values()) else '**fails**'}: {spoken.GOAL:.0%}, "
        f"within a point of float, below {spoken.GOAL_UJ:.0f} µJ",
        _link("Spoken digits"),
    ]


def _errors(setting: str, row: str) -> list[float]:
    return [one["error"] for one in table.answers(setting, row)]


def _link(heading: str) -> str:
    """A link to a section of the page of tables."""
    kept = "".join(c for c in heading.lower() if c.isalnum() or c in " -")
    return f"[tables](results-tables.md#{kept.replace(' ', '-')})"
