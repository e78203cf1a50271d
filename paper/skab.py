"""Faults of a water pump, found by a spiking autoencoder on the chip and by others.

In:  34 runs of the Skoltech Anomaly Benchmark; sensor faults that are inserted with a recorded
     seed.
Out: F1, false and missed alarms, the NAB score, joules and seconds of a window, for several seeds.
Scaler, detector and threshold of a run come from its first 400 rows; what is common to all runs was
chosen on every fourth of them (`skab_search`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill

import numpy as np

from neurocompile.ir.arrays import Array
from paper import rows, series_chip, skab_measure, skab_models, skab_scores
from paper.charts import GREY, STYLES, panels, save
from paper.intervals import half_width, mean_interval, resampled
from paper.markdown import mean_sd, table
from paper.skab_data import DEVELOPMENT, FAULTS, RUNS, TRAIN_ROWS
from paper.study import ON_CHIP, Job, Json

SEEDS = tuple(range(8))
BITS = (8, 4)
CHIP = tuple(f"chip {bits}" for bits in BITS)
METHODS = {
    "chip 8": "spiking autoencoder, loihi-sim, 8 bits",
    "chip 4": "spiking autoencoder, loihi-sim, 4 bits",
    "spiking": "spiking autoencoder, float",
    "plain": "plain autoencoder",
    "raw": "covariance of the raw windows, no network",
    "t2q": "T2 + Q of principal components, no network",
}
# By method, the rows of its window and its threshold in units of the quantile of its training
# scores: the best of `skab_search`. Both networks have the window that is best for the spiking one.
CHOSEN: dict[str, dict[str, tuple[int, float]]] = {
    "six sensors": {
        **dict.fromkeys((*CHIP, "spiking"), (16, 1.2)),
        "plain": (16, 1.1),
        "raw": (16, 1.2),
        "t2q": (8, 1.3),
    },
    # Here networks are behind in the search, and only what needs none is measured.
    "eight sensors": {"raw": (32, 2.5), "t2q": (8, 1.75)},
}
HELD_OUT = tuple(run for run in RUNS if run not in DEVELOPMENT)
GOAL = 0.78
MODELS = ("davies2018", "boyle2025")
DIFFERENCES = (
    ("8 bits less the covariance", "chip 8", "raw"),
    ("8 bits less T2 + Q", "chip 8", "t2q"),
    ("8 bits less the plain autoencoder", "chip 8", "plain"),
    ("4 bits less 8 bits", "chip 4", "chip 8"),
)
# The leaderboard of waico/SKAB b2c0d46: F1, false and missed alarms in %, NAB in its three
# profiles; and the F1 on our held-out runs, counted by `skab_scores` in the predictions that the
# repository keeps, which give its F1 too.
PUBLISHED = {
    "Conv-AE": (0.784, 13.55, 28.02, 0.790, 23.61, 21.54, 27.55),
    "MSET": (0.780, 39.73, 14.13, 0.785, 13.84, 10.22, 17.37),
    "T2 + Q": (0.758, 26.62, 24.92, 0.765, 25.35, 14.51, 31.33),
    "LSTM-AE": (0.741, 29.96, 25.92, 0.753, 23.51, 20.11, 25.91),
    "T2": (0.660, 19.21, 42.60, 0.662, 19.54, 10.20, 24.31),
    "vanilla AE": (0.391, 2.59, 75.15, 0.389, 11.41, 6.53, 13.91),
    "isolation forest": (0.287, 2.56, 82.89, 0.261, 26.16, 19.50, 30.82),
}


def jobs() -> list[Job]:
    """A job a set of sensors and seed, and one for the row's number."""
    return [*(job for each in _jobs().values() for job in each), _number_job()]


def _jobs() -> dict[str, list[Job]]:
    how = {
        "runs": list(RUNS),
        "variance": skab_models.VARIANCE,
        "quantile": skab_models.QUANTILE,
        "smooth": skab_models.SMOOTH,
        "chip": {series_chip.CHIP: rows.chip_digest(series_chip.CHIP)},
        "calibration": series_chip.CALIBRATION,
        "nab_window_s": skab_scores.WINDOW_S,
        "faults": FAULTS,
    }
    return {
        sensors: [
            Job(
                "skab",
                f"{sensors} {seed}",
                {
                    "training": skab_models.question(sensors, _length(chosen), seed),
                    "methods": {m: {"length": n, "factor": f} for m, (n, f) in chosen.items()},
                    **how,
                },
                skab_measure.answer,
                ON_CHIP,
            )
            for seed in (SEEDS if "spiking" in chosen else SEEDS[:1])
        ]
        for sensors, chosen in CHOSEN.items()
    }


def _length(chosen: dict[str, tuple[int, float]]) -> int:
    """Rows of a network's window; where there is no network, of the first method's."""
    return (chosen.get("spiking") or next(iter(chosen.values())))[0]


def _number_job() -> Job:
    """An alarm between two rows of every run: the medians of the development runs' labels."""
    question = {"runs": list(RUNS), "from": list(DEVELOPMENT), "train_rows": TRAIN_ROWS}
    return Job("skab", "number of the row", question, skab_measure.by_number, code=())


def text() -> str:
    """The section of the page."""
    found = {sensors: [j.answer() for j in each if j.done] for sensors, each in _jobs().items()}
    found = {sensors: answers for sensors, answers in found.items() if answers}
    parts = [_HEAD]
    if "six sensors" in found:
        six = found["six sensors"]
        lines = [*_scores(found), *_published(), _always(six), *_by_number()]
        parts += [table(_TABLE, lines), _verdict(found), PICTURE]
        parts += [_FAULTS, table(_FAULT_TABLE, _by_fault(six))]
        parts += [_cost_head(six), table(_COST_TABLE, _costs(six))]
    return "\n\n".join(parts) + "\n"


PICTURE = "![false and missed alarms of every method](results/skab.svg)"

_HEAD = f"""## Faults of a water pump

The Skoltech Anomaly Benchmark (github.com/waico/SKAB 0.9, GPL-3, not part of this project; the
variable `SKAB` names its folder `data`): 34 runs of a water pump, about one row per second and
1,100 rows each, with one labelled fault per run: valves at the inlet or outlet, rotor imbalance,
leaks, water added or drained, cavitation, hot water. Protocol and metrics are those of its
leaderboard: the first {TRAIN_ROWS} rows of a run train scaler, detector and threshold (in one run,
other/2, 296 of them are labelled); F1, false alarm rate (FAR) and missed alarm rate (MAR) count the
other rows of all runs together; the NAB score counts begins and ends of alarms within
{skab_scores.WINDOW_S:.0f} s after the 127 change points. Our counting gives the leaderboard's
figures from the predictions that the repository keeps, but for the NAB scores of the isolation
forest.

A row is judged by the window that ends in it. A network sees the window cut to the range of its
sensors, and its score is the Mahalanobis distance of what the reconstruction leaves, as above. *No
network* has the same distance of the window itself, or Hotelling's T2 and Q as the benchmark
combines them. A row raises an alarm if the median of the last {skab_models.SMOOTH} scores is above
a factor of the {skab_models.QUANTILE:.0%} quantile of the training scores. Sensors, length of the
window and factor were chosen on every fourth run, by the search above. *25 runs* are the others,
whose tests chose nothing. Mean ± sd of {len(SEEDS)} seeds."""

_TABLE = [
    "", "F1, 34 runs", "FAR, %", "MAR, %", "F1, 25 runs", "NAB", "NAB, low FP", "NAB, low FN",
]  # fmt: skip

_FAULTS = f"""Sensor faults, put into the later half of the normal rows before the labelled fault of
33 runs, in a sensor drawn by the seed: stuck at its last value; drifting, {FAULTS["drift"]:g}
standard deviations of the training rows at the end; white noise of {FAULTS["noise"]:g} standard
deviations. Share of these rows with an alarm, %, and of the same rows without the fault:"""

_FAULT_TABLE = ["", *FAULTS, "no fault"]

_COST_TABLE = [
    "", "error", "cores", "spikes", "operations", "nJ, davies2018", "nJ, boyle2025",
    "µs, davies2018", "µs, boyle2025",
]  # fmt: skip


def counts(answers: list[Json], method: str, runs: tuple[str, ...]) -> Array:
    """(seeds, runs, 4) hits, false, missed and quiet rows."""
    return np.array([[a["rows"][method][run] for run in runs] for a in answers])


def f1(rows_of: Array) -> Array:
    """F1 of counted rows (..., 4)."""
    hits, false, missed, _ = np.moveaxis(rows_of, -1, 0)
    return np.asarray(hits / (hits + (false + missed) / 2))


def f1_of_runs(method: str) -> list[float]:
    """F1 of a method on all runs, by six sensors, one a seed; empty without answers."""
    answers = [job.answer() for job in _jobs()["six sensors"] if job.done]
    return f1(counts(answers, method, RUNS).sum(axis=1)).tolist() if answers else []


def _rates(rows_of: Array) -> tuple[Array, Array]:
    """FAR and MAR, %, of counted rows (..., 4)."""
    hits, false, missed, quiet = np.moveaxis(rows_of, -1, 0)
    return 100 * false / (false + quiet), 100 * missed / (missed + hits)


def _scores(found: dict[str, list[Json]]) -> list[list[str]]:
    """A line a set of sensors and method; what no seed changes has no spread."""
    lines = []
    for sensors, answers in found.items():
        for method in CHOSEN[sensors]:
            every = counts(answers, method, RUNS).sum(axis=1)
            others = counts(answers, method, HELD_OUT).sum(axis=1)
            nab = [[a["changes"][method]["all"][p] for a in answers] for p in skab_scores.PROFILES]
            far, mar = _rates(every)
            lines.append([
                f"{sensors}: {METHODS[method]}",
                _cell(f1(every), 3), _cell(far, 1), _cell(mar, 1), _cell(f1(others), 3),
                *(_cell(each, 1) for each in nab),
            ])  # fmt: skip
    return lines


def _cell(values: Sequence[float] | Array, digits: int) -> str:
    same = np.ptp(values) == 0
    return f"{values[0]:.{digits}f}" if same else mean_sd(values, digits)


def _published() -> list[list[str]]:
    """The leaderboard, and a detector that never stops."""
    lines = [
        [f"published: {title}", f"{one:.3f}", f"{far:.1f}", f"{mar:.1f}", f"{other:.3f}",
         *(f"{score:.1f}" for score in nab)]
        for title, (one, far, mar, other, *nab) in PUBLISHED.items()
    ]  # fmt: skip
    return lines


def _always(answers: list[Json]) -> list[str]:
    """A detector that never stops: what F1 is worth on runs that are half labelled."""
    label = "an alarm in every row"
    one, other = (
        f1(np.array([labelled, normal, 0, 0]))
        for labelled, normal in (_labelled(answers, RUNS), _labelled(answers, HELD_OUT))
    )
    return [label, f"{one:.3f}", "100.0", "0.0", f"{other:.3f}", "", "", ""]


def _by_number() -> list[list[str]]:
    """A detector that knows only the number of the row."""
    job = _number_job()
    if not job.done:
        return []
    answer = job.answer()
    first, last = answer["between"]
    every, others = (
        counts([{"rows": {"": answer["rows"]}}], "", runs)[0].sum(axis=0)
        for runs in (RUNS, HELD_OUT)
    )
    far, mar = _rates(every)
    name = f"an alarm in rows {first:,} to {last - 1:,}"
    return [[name, f"{f1(every):.3f}", f"{far:.1f}", f"{mar:.1f}", f"{f1(others):.3f}", "", "", ""]]


def always_f1() -> float:
    """F1 of a detector that never stops, on all runs."""
    return float(_always([job.answer() for job in _jobs()["six sensors"] if job.done])[1])


def raw_of_eight() -> float:
    """F1 of the covariance of the raw windows of all eight sensors, on all runs."""
    answers = [job.answer() for job in _jobs()["eight sensors"] if job.done]
    return float(f1(counts(answers, "raw", RUNS).sum(axis=1)).mean())


def _labelled(answers: list[Json], runs: tuple[str, ...]) -> tuple[int, int]:
    """Rows that are labelled, and rows that are not."""
    hits, false, missed, quiet = counts(answers, "raw", runs)[0].sum(axis=0)
    return int(hits + missed), int(false + quiet)


def _verdict(found: dict[str, list[Json]]) -> str:
    """The paragraph to cite, and how to read it."""
    six = found["six sensors"]
    chip, raw = (f1(counts(six, method, RUNS).sum(axis=1)) for method in ("chip 8", "raw"))
    low, high = chip.mean() - half_width(chip), chip.mean() + half_width(chip)
    reached = "reached" if low >= GOAL else "missed" if high < GOAL else "undecided"
    differences = "; ".join(
        f"{words} {_against(six, one, other)}" for words, one, other in DIFFERENCES
    )
    came_out = f"""**What came out.** In 8-bit integers the spiking autoencoder has an F1 of
        {chip.mean():.3f} ± {half_width(chip):.3f} (95 % interval of the mean of {len(six)} seeds)
        on the 34 runs. The goal was {GOAL} ({reached}); the best of the leaderboard is Conv-AE with
        {PUBLISHED["Conv-AE"][0]}. It is not the network that earns this: the same distance of the
        raw windows, a covariance matrix with no network and no joule on the chip, has
        {raw.mean():.3f}. {_all_sensors(found)} Differences in F1 on the 25 runs, paired by seed,
        with the 95 % interval of the mean, and in brackets the interval if these runs are drawn
        anew (bootstrap): {differences}."""
    how_to_read = """**How to read F1 here.** More than half of the rows are labelled, so an alarm
        in every row comes close to the leaderboard. Nearly every fault begins and ends at the same
        row, so an alarm between two row numbers, the medians of the development runs, is far above
        all methods. No method here is given the number of the row."""
    return "\n\n".join(fill(" ".join(each.split()), 100) for each in (came_out, how_to_read))


def _all_sensors(found: dict[str, list[Json]]) -> str:
    """What the choice of sensors does."""
    if "eight sensors" not in found:
        return ""
    eight = found["eight sensors"]
    raw, t2q = (f1(counts(eight, m, RUNS).sum(axis=1)).mean() for m in ("raw", "t2q"))
    return (
        "What lifts it over the leaderboard, whose methods have all eight sensors, is leaving two "
        "out, a choice that used the labels of nine runs: with all eight the covariance has "
        f"{raw:.3f} and T2 + Q {t2q:.3f}, at thresholds that gave 0.80 and 0.81 on those nine. "
        "The networks were left out there, since on the nine they are behind both."
    )


def _against(answers: list[Json], one: str, other: str) -> str:
    """How much more F1 a method has on the 25 runs than another, with both intervals."""
    a, b = (counts(answers, method, HELD_OUT) for method in (one, other))
    gaps = f1(a.sum(axis=1)) - f1(b.sum(axis=1))
    both = np.stack([a.sum(axis=0), b.sum(axis=0)], axis=1)  # (runs, 2, 4), all seeds together
    low, high = resampled(lambda sums: f1(sums[:, 0]) - f1(sums[:, 1]), both)
    return f"{mean_interval(gaps.tolist(), 3)} ({low:+.3f} to {high:+.3f})"


def _by_fault(answers: list[Json]) -> list[list[str]]:
    """Of the rows with a sensor at fault, those with an alarm; and without the fault."""
    lines = []
    for method, title in METHODS.items():
        shares = np.array(
            [
                [
                    [100 * part / rows for part in parts]
                    for rows, *parts in a["faults"][method].values()
                ]
                for a in answers
            ]
        )  # (seeds, faults, with and without)
        lines.append([
            title,
            *(mean_sd(shares[:, i, 0], 1) for i in range(len(FAULTS))),
            _cell(shares[:, 0, 1], 1),
        ])  # fmt: skip
    return lines


def _cost_head(answers: list[Json]) -> str:
    plain = mean_sd([a["error"]["plain"] for a in answers], 3)
    return f"""A window on loihi-sim, six sensors. Error: squared error of training windows over
their variance; the plain network's is {plain}. Most of what these sensors say is noise, which
nothing reconstructs. The distance itself, 96 x 96 products, is computed beside the chip and is not
in these joules; without a network it is all there is to compute. Time: modelled, until the result
is there; a row comes once a second."""


def _costs(answers: list[Json]) -> list[list[str]]:
    """A line for each width of the weights."""
    lines = []
    for method in CHIP:
        costs = [a["chip"][method] for a in answers]
        joules, seconds = ({m: [c[what][m] for c in costs] for m in MODELS}
                           for what in ("joules", "seconds"))  # fmt: skip
        lines.append([
            METHODS[method],
            mean_sd([a["error"][method] for a in answers], 3),
            f"{np.mean([c['cores'] for c in costs]):.1f}",
            *(f"{np.mean([c[what] for c in costs]):,.0f}" for what in ("spikes", "synops")),
            *(f"{np.mean(joules[m]) * 1e9:,.0f}" for m in MODELS),
            *(f"{np.mean(seconds[m]) * 1e6:,.0f}" for m in MODELS),
        ])  # fmt: skip
    return lines


def draw(folder: Path) -> None:
    """False against missed alarms of every method, with lines of equal F1."""
    found = {s: [j.answer() for j in each if j.done] for s, each in _jobs().items()}
    found = {sensors: answers for sensors, answers in found.items() if answers}
    if not found:
        return
    figure, axes = panels(1, width=7, height=4.6)
    labelled, normal = _labelled(next(iter(found.values())), RUNS)
    far, mar = np.meshgrid(np.linspace(0, 60, 200), np.linspace(0, 80, 200))
    hits = labelled * (1 - mar / 100)
    level = hits / (hits + (normal * far + labelled * mar) / 200)
    lines = axes.contour(far, mar, level, [0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85],
                         colors="0.75", linewidths=0.8)  # fmt: skip
    axes.clabel(lines, fmt="F1 %.2f", fontsize=7)
    for answers, filled in zip(found.values(), (True, False), strict=False):
        for method, title in METHODS.items():
            colour, mark = STYLES[title]
            if method not in answers[0]["rows"]:
                continue
            x, y = (r.mean() for r in _rates(counts(answers, method, RUNS).sum(axis=1)))
            axes.plot(x, y, mark, color=colour, markersize=8, linestyle="none",
                      markerfacecolor=colour if filled else "none",
                      label=title if filled else None)  # fmt: skip
    for name, (_, x, y, *_) in PUBLISHED.items():
        axes.plot(x, y, "x", color="black", markersize=5)
        place = (-5, -9) if name == "T2 + Q" else (5, 3)
        side = "right" if name == "T2 + Q" else "left"
        axes.annotate(name, (x, y), textcoords="offset points", xytext=place, ha=side, fontsize=7)
    axes.plot([0, 100], [100, 0], color=GREY, linestyle=":", linewidth=1.2)
    axes.annotate("chance", (55.5, 46.5), color=GREY, fontsize=7)
    axes.set(
        xlabel="false alarm rate, %", ylabel="missed alarm rate, %", xlim=(0, 60), ylim=(0, 85)
    )
    axes.legend(fontsize=7, framealpha=1, title="filled: six sensors; open: eight; x: published",
                title_fontsize=7, loc="upper right")  # fmt: skip
    save(figure, folder / "skab.svg")
