"""The paper of docs/results.md: its words are in article.md, its numbers come from kept answers.

In:  kept answers of the studies; article.md, whose braces name numbers and say how to write them.
Out: the page.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np

from paper import (
    affinity,
    claims,
    codes,
    draws,
    frontier,
    hardware,
    latent,
    learning,
    pareto,
    replication,
    robustness,
    search,
    series,
    skab,
    sparsity,
    table,
    training,
    transmission,
    twin,
)
from paper.intervals import (
    change_words,
    half_width,
    lowest,
    mean_interval,
    or_mean,
    ratio,
    ratio_words,
    smallest,
    with_interval,
)
from paper.markdown import table as markdown
from paper.replication import answers as cell
from paper.settings import BAND, BOTH, SEEDS, SETTINGS, UNREGULARIZED
from paper.study import Json

Values = dict[str, Any]

SURROGATE = "surrogate SAE, no regularization"
BAND_ROW = claims.BAND_ROW


def text() -> str:
    """The page, out of the answers."""
    page = Path(__file__).with_suffix(".md").read_text().format(**values())
    return "\n\n".join(map(_filled, page.split("\n\n")))


def _filled(paragraph: str) -> str:
    """Prose in lines of one length; tables, lists, and Japanese, which has no blanks, as is."""
    if paragraph.startswith(("|", "-", "#", "!")) or re.search("[\u3040-\u30ff]", paragraph):
        return paragraph
    return fill(" ".join(paragraph.split()), 100, break_long_words=False, break_on_hyphens=False)


def values() -> Values:
    """Every number and half-sentence that article.md asks for."""
    found: Values = {"claims": claims.text()}
    for part in (_methods, _dying, _penalties, _curves, _twins, _sparse, _codes, _on_chip, _energy,
                 _frontier, _faulty, _sensors, _sent):  # fmt: skip
        found |= part()
    return found


def _methods() -> Values:
    return {
        "latent": 100,
        "steps": replication.STEPS,
        "divisor": replication.STEPS * replication.OUTPUT_SCALE,
        "band_low": BAND["low"],
        "band_high": BAND["high"],
        "digits": table.digits_seen(),
        "seeds": len(SEEDS),
        "smallest_p": smallest(len(SEEDS), len(SEEDS), 1),
        "search_points": len(search.jobs()),
        "wide": twin.BITS[0],
        "narrow": twin.BITS[1],
    }


def _share(found: list[Json], of: Callable[[Json], tuple[float, float]], place: int) -> float:
    """Percent of dead (0) or bursting (1) neurons, mean over seeds."""
    return float(np.mean([100 * of(one)[place] for one in found]))


def of_latent(found: Json) -> tuple[float, float]:
    """Dead and bursting shares of the latent layer."""
    return training.shares(found["layers"]["latent"])


def _dying() -> Values:
    def of(key: str) -> Callable[[list[Json]], float]:
        return lambda found: float(np.mean([one[key] for one in found]))

    error, alive = of("error"), of("alive")
    none, ours = "none", "as ours"
    died, undivided = cell("paper", none, ours), cell("strided", none, ours)
    flipped, four = cell("strided", none, "flip"), cell("strided", none, "all four")
    four_dense, whole = cell("strided", "dense", "all four"), cell("paper", none, "all four")
    counts = [len(cell(*place, rules)) for *place, several, _ in replication.ASKED
              for rules in several]  # fmt: skip
    return {
        "rep_updates": replication.UPDATES,
        "rep_batch": replication.BATCH,
        "rep_seeds": _seeds(counts),
        "died_dead": _share(died, of_latent, 0),
        "died_burst": _share(died, of_latent, 1),
        "died_hidden": _share(died, training.hidden, 0),
        "died_alive": alive(died),
        "whole_dead": _share(whole, of_latent, 0),
        "whole_error": error(whole),
        "whole_seeds": _seeds([len(whole)]),
        "paper_none_alive": table.PUBLISHED[UNREGULARIZED][1],
        "scale_burst": _share(cell("strided", none, "as ours, divisor 20"), of_latent, 1),
        "ours_burst": _share(undivided, of_latent, 1),
        "ours_error": error(undivided),
        "ours_hidden_dead": _share(undivided, training.hidden, 0),
        "flip_burst": _share(flipped, of_latent, 1),
        "flip_error": error(flipped),
        "flip_hidden_dead": _share(flipped, training.hidden, 0),
        "four_none_burst": _share(four, of_latent, 1),
        "four_none_hidden": _share(four, training.hidden, 0),
        "four_dense_burst": _share(four_dense, of_latent, 1),
        "four_dense_hidden": _share(four_dense, training.hidden, 0),
        "ours_dense_error": error(cell("strided", "dense", ours)),
        "leak_error": error(cell("strided", none, "straight leak")),
        "adam_error": error(cell("strided", none, "optimizer")),
    }


def _seeds(counts: Sequence[int]) -> str:
    """Numbers of seeds in words: "1 seed", "1 to 8 seeds"."""
    low, high = min(counts), max(counts)
    return f"{low} seed{'s' * (low > 1)}" if low == high else f"{low} to {high} seeds"


def _penalties() -> Values:
    none, dense = (table.errors("longer", row) for row in (UNREGULARIZED, "SAE, dense"))
    plain = table.errors("longer", "AE")
    long_dense = table.answers("longer", "SAE, dense")
    band, surrogate = (table.answers("chip", row) for row in (BAND_ROW, SURROGATE))
    silent = [one["layers"]["latent"]["dead"] for one in long_dense]
    return {
        "dense_lower": ratio(none, dense)[0],
        "dense_lower_words": ratio_words(none, dense, 1),
        "dense_ae": ratio_words(dense, plain, 1),
        "dense_ae_mean": ratio(dense, plain)[0],
        "paper_decay": table.PUBLISHED["AE, weight decay"][0],
        "dense_hidden_dead": _share(long_dense, training.hidden, 0),
        "dense_hidden_burst": _share(long_dense, training.hidden, 1),
        "long_latent": "no latent neuron is dead in any seed" if not any(silent)
        else f"{sum(silent)} latent neurons are dead in {sum(map(bool, silent))} seeds",
        "band_dead": _share(band, training.hidden, 0),
        "band_dead_half": half_width([100 * training.hidden(one)[0] for one in band]),
        "band_burst": _share(band, training.hidden, 1),
        "band_cost": change_words(*(table.errors("chip", row) for row in (BAND_ROW, SURROGATE))),
        "surr_dead": _share(surrogate, training.hidden, 0),
        "surr_burst": _share(surrogate, training.hidden, 1),
        "paper_ae": table.PUBLISHED["AE"][0],
        "paper_dense": float(table.PUBLISHED["SAE, dense"][0].split()[0]),
        "mean_image": table.mean_image(),
        "long_epochs": SETTINGS["longer"].epochs,
        "short_epochs": SETTINGS["chip"].epochs,
        "small_table": _small_table(),
    }  # fmt: skip


def _small_table() -> str:
    """Errors and neurons of the rows in our layers, with intervals."""
    lines = []
    for name in ("chip", "longer"):
        plain = table.errors(name, "AE")
        for row in SETTINGS[name].rows:
            found, errors = table.answers(name, row), table.errors(name, row)
            latent_bursting = _share(found, of_latent, 1)
            lines.append([
                f"{row}, {SETTINGS[name].epochs} epochs",
                f"{np.mean(errors):.2f} ± {half_width(errors):.2f}",
                ratio_words(errors, plain, 1),
                f"{_share(found, of_latent, 0):.1f}", f"{latent_bursting:.1f}",
                f"{_share(found, training.hidden, 0):.1f}",
                f"{_share(found, training.hidden, 1):.1f}",
            ])  # fmt: skip
    head = ("row", "error, with its interval", "times AE", "latent dead %", "latent bursting %",
            "hidden dead %", "hidden bursting %")  # fmt: skip
    return markdown(head, lines)


def _curves() -> Values:
    def last(penalties: str) -> float:
        found = cell("strided", penalties, "all four")
        return float(np.mean([one["curve"][-1]["error"] for one in found]))

    return {
        "curve_seen": replication.UPDATES * replication.BATCH,
        "curve_none": last("none"),
        "curve_dense": last("dense"),
        "curve_band": last("rate band"),
        "paper_first": learning.PUBLISHED["SAE, dense"][0],
        "paper_beta_first": learning.PUBLISHED["beta-VAE"][0],
        "ae_short": np.mean(table.errors("chip", "AE")),
        "ae_long": np.mean(table.errors("longer", "AE")),
    }


def fixed(name: str, bits: int) -> list[Json]:
    """What the integers of a data set do, a seed each."""
    return [one["bits"][str(bits)] for one in twin.answers(name, "spiking")]


def _twins() -> Values:
    found: Values = {}
    gaps, neurons = [], []
    for name, key in (("MNIST", "twin"), ("FASHION", "fashion")):
        errors = [one["fixed_error"] for one in fixed(name, twin.BITS[0])]
        plain = [one["error"] for one in twin.answers(name, "plain")]
        gaps.append(ratio(errors, plain)[0])
        found |= {f"{key}_error": np.mean(errors), f"{key}_plain": np.mean(plain)}
        found[f"{key}_gap"] = gaps[-1]
        layers = [
            layer for one in twin.answers(name, "spiking") for layer in one["layers"].values()
        ]
        neurons += [sum(layer[what] for layer in layers) for what in ("dead", "bursting")]
    published = {name: dict(twin.PUBLISHED[name]) for name in twin.FOLDERS}
    dead, burst, dead_too, burst_too = neurons
    return found | {
        "twin_error_4": np.mean([one["fixed_error"] for one in fixed("MNIST", twin.BITS[1])]),
        "twin_uj": 1e6 * np.mean([one["joules"][twin.NOMINAL] for one in fixed("MNIST", 8)]),
        "twin_errors": or_mean([one["fixed_error"] for one in fixed("MNIST", 8)], 2),
        "twin_seeds": _seeds([len(twin.answers("MNIST", "spiking"))]),
        "fashion_seeds": _seeds([len(twin.answers("FASHION", "spiking"))]),
        "twin_health": f"Dead neurons: {dead} on digits, {dead_too} on clothes; bursting: {burst} "
        f"and {burst_too}.",
        "twin_goal": "missed" if max(gaps) > GOAL else "reached",
        "goal": GOAL,
        "fsvae": published["MNIST"]["FSVAE"] * twin.PIXELS,
        "esvae": published["MNIST"]["ESVAE"] * twin.PIXELS,
        "fashion_bound": found["fashion_plain"] / twin.PIXELS,
        "fashion_goal": published["FASHION"]["ESVAE"],
        "fsvae_fashion": published["FASHION"]["FSVAE"] * twin.PIXELS,
        "esvae_fashion": published["FASHION"]["ESVAE"] * twin.PIXELS,
    }  # fmt: skip


GOAL = 1.3  # times the error of the same layers without spikes


def _sparse() -> Values:
    one = sparsity.kept("MNIST") or {}
    active = [100 * layer["active"] for layer in one["layers"].values()]
    rates = {name: layer["by_step"] for name, layer in one["layers"].items()}
    spent = [float(np.mean(rate)) for rate in rates.values()]
    return {
        "sparse_low": min(active),
        "sparse_high": max(active),
        "sparse_rate_low": min(spent),
        "sparse_rate_high": max(spent),
        "sparse_latent": 100 * one["spiking"]["active"],
        "sparse_plain": 100 * one["plain"]["active"],
        "wave_low": min(rates["latent"][1:]),
        "wave_high": max(rates["latent"][1:]),
        "corr_spiking": one["spiking"]["correlation"],
        "corr_plain": one["plain"]["correlation"],
    }


def _codes() -> Values:
    found = latent.kept("chip")
    told = latent.compared(found)
    more = sum(structure > 0 for _, structure in told.values())
    best = {row: np.mean([one["neighbours_1"] for one in found[row]]) for row in found}
    probe = {way: codes.differences(way, "probe") for way in (codes.MEAN, codes.SAMPLED)}
    return {
        "codes_seeds": len(probe[codes.MEAN]),
        "beta_low": min(codes.BETAS),
        "beta_high": max(codes.BETAS),
        "probe_sampled": _points(probe[codes.SAMPLED]),
        "probe_mean": _points(probe[codes.MEAN]),
        "sampled_words": codes.words(probe[codes.SAMPLED]),
        "mean_words": codes.words(probe[codes.MEAN]),
        "code_words": "no spiking row has more structure by any" if not more
        else f"a spiking row has more structure in {more} comparisons by some",
        "measures": len(latent.MEASURES),
        "latent_tests": len(told),
        "band_row": BAND_ROW,
        "nn_band": best[BAND_ROW],
        "nn_vae": best[latent.VAE],
        "nn_pixels": latent.of_pixels()["neighbours_1"],
        "nn_percent": 100 * latent.of_pixels()["neighbours_1"],
    }  # fmt: skip


def _points(differences: Sequence[float]) -> str:
    """Differences of shares in words: "+4.9 ± 1.6 points"."""
    return f"{mean_interval([100 * one for one in differences], 1)} points"


def _on_chip() -> Values:
    ratios = [hardware.ratio(one) for each in hardware.MEASURED
              for found in hardware.kept(each).values() for one in found]  # fmt: skip
    found = affinity.kept()
    widths = {row: affinity.narrowest(each) or 0 for row, each in found.items()}
    working = [row for row in found if row != UNREGULARIZED]
    two = [float(np.mean(affinity.ratios(found[row], 2))) for row in working]
    surrogate = {widths[row] for row in working if row.startswith("surrogate")}
    kept = sum(one <= hardware.GOAL for one in ratios)
    return {
        "kept_words": f"{kept} of {len(ratios)} networks keep within {hardware.GOAL} times their "
        f"float error in {hardware.BITS} bits; the worst has {max(ratios):.4f}.",
        "narrow_words": f"Of the rows that reconstruct, the mean error grows by less than "
        f"{100 * (affinity.SMALL - 1):.0f} % down to {_range(map(widths.get, working))} bits; "
        f"those with a surrogate need {_range(surrogate)}, with penalties or without.",
        "two_low": min(two),
        "two_high": max(two),
    }


def _range(numbers: Any) -> str:
    low, high = min(found := list(numbers)), max(found)
    return f"{low}" if low == high else f"{low} to {high}"


def _energy() -> Values:
    found = hardware.kept("chip")

    def change(row: str, plain: str, of: Callable[[Json], float]) -> str:
        return change_words(*([of(one) for one in found[r]] for r in (row, plain)))

    def joules(one: Json) -> float:
        return float(one["joules"][hardware.MODELS[1]])

    def error(one: Json) -> float:
        return float(one["fixed_error"])

    digits = fixed("MNIST", twin.BITS[0])
    models = [np.mean([one["joules"][m] for one in digits]) for m in hardware.MODELS]
    return {
        "sparse_uj": change("SAE, sparse", UNREGULARIZED, joules),
        "both_uj": change(BOTH, SURROGATE, joules),
        "both_error": change(BOTH, SURROGATE, error),
        "price_saves": 100 * pareto.saved(0.1),
        "without_uj": 1e6 * claims.WITHOUT_J,
        "joules_gap": models[1] / claims.WITHOUT_J,
        "models_gap": 100 * abs(models[1] / models[0] - 1),
    }


def _frontier() -> Values:
    found = frontier.known()
    low, high = frontier.times_range(found)
    spiking = [1e6 * one.joules for one in frontier.means(found.spiking)]
    return {
        "front_networks": len(spiking),
        "front_seeds": len(found.spiking),
        "front_cheap": min(spiking),
        "front_dear": max(spiking),
        "front_times_low": low,
        "front_times_high": high,
        "front_levers": f"{frontier.lever_words(found)} {frontier.budget_words(found)}",
    }


def _faulty() -> Values:
    found = robustness.kept()

    def at(name: str, level: int) -> dict[str, float]:
        curves = {row: [robustness.curve_of(one, name) for one in each]
                  for row, each in found.items()}  # fmt: skip
        return {row: float(np.mean(each, axis=0)[level]) for row, each in curves.items()}

    flips, cores = at("flips", -1), at("cores", 1)
    return {
        "fault_seeds": len(robustness.SEEDS),
        "flip_best": min(flips.values()),
        "flip_worst": flips[UNREGULARIZED],
        "core_low": min(cores.values()),
        "core_high": max(cores.values()),
        "cores": max(one["cores"] for each in found.values() for one in each),
        "fault_draws": draws.DRAWS,
        "draw_digits": draws.DIGITS,
    } | _drawn()


FAULTS = {"noise": "noise", "dead": "black pixels", "stuck": "white pixels",
          "weight-flips": "flipped weights"}  # fmt: skip


def _drawn() -> Values:
    """What the strongest faults do to the network on the chip, and to the same layers."""
    kept = draws.kept()
    ours, theirs = kept[twin.SPIKING], kept[twin.WITHOUT]

    def at(answer: Json, name: str, level: int = len(draws.LEVELS["noise"])) -> list[float]:
        return draws.drawn_errors(answer, name, level)

    said: dict[tuple[str, ...], list[str]] = {}
    for name, words in FAULTS.items():
        better = lowest({"spiking": at(ours, name), "plain": at(theirs, name)})
        numbers = f"{with_interval(at(ours, name), 1)} against {with_interval(at(theirs, name), 1)}"
        said.setdefault(tuple(sorted(better)), []).append(f"{words} ({numbers})")
    starts = {
        ("spiking",): "it errs less than these with",
        ("plain",): "more with",
        ("plain", "spiking"): "and cannot be told from them with",
    }
    chip = {name: with_interval(at(ours, name, 2), 1) for name in draws.LEVELS}
    return {
        "drawn_ours": ours["none"],
        "drawn_plain": theirs["none"],
        "drawn_words": ", ".join(
            f"{start} {' and '.join(said[which])}" for which, start in starts.items()
            if which in said
        ),
        "ae_flips": with_interval(at(kept["AE"], "weight-flips"), 1),
        "potential_share": 100 * draws.LEVELS["membrane-flips"][1],
        "potential_error": chip["membrane-flips"],
        "threshold_share": 100 * draws.LEVELS["threshold-flips"][1],
        "threshold_error": chip["threshold-flips"],
        "drift_error": with_interval(at(ours, "threshold-drift"), 1),
        "drawn_core": with_interval(at(ours, draws.CORES, 1), 0),
    }  # fmt: skip


CALLED = {"gait": "gait", "ecg": "ECG", "pressure": "pressure"}


def _sensors() -> Values:
    found = series.kept()
    areas = {
        (name, method): np.mean([np.mean(list(one["auc"][method].values())) for one in each])
        for name, each in found.items()
        for method in ("chip", "raw")
    }
    gaps = [f"{mean_interval(series.gaps(each, 'auc', 'plain')[0], 3)} ({CALLED[name]})"
            for name, each in found.items()]  # fmt: skip
    pump, raw = skab.f1_of_runs("chip 8"), skab.f1_of_runs("raw")
    return {
        "gap_words": ", ".join(gaps),
        **{f"{method}_{name}": area for (name, method), area in areas.items()},
        "pump_f1": np.mean(pump),
        "pump_words": f"{np.mean(pump):.3f} ± {half_width(pump):.3f}",
        "raw_f1": np.mean(raw),
        "pump_best": skab.PUBLISHED["Conv-AE"][0],
        "pump_runs": len(skab.RUNS),
        "always_f1": skab.always_f1(),
        "eight_f1": skab.raw_of_eight(),
    }


def _sent() -> Values:
    found = transmission.kept()
    means = [
        (float(np.mean([one["error"] for one in each])),
         float(np.mean([one["sent"]["by silence"]["bits"] for one in each])))
        for each in found.values()
    ]  # fmt: skip
    error, bits = min(means)
    return {
        "send_error": error,
        "send_bits": bits,
        "send_pca": float(transmission.best_within(transmission.principal_points(), bits)),
    }
