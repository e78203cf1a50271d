"""What every detector does on every run of the pump: the answer of the pump study.

In:  a question: training, methods with their windows and thresholds, runs, faults.
Out: counted rows by method and run; by method the score of change points, rows with an alarm under
     sensor faults, reconstruction errors, and the cost of a window.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from neurocompile.ir.arrays import Array
from paper import series_chip, skab_data, skab_models, skab_scores
from paper.series_scores import Score
from paper.skab_data import DEVELOPMENT, TRAIN_ROWS, Rig
from paper.skab_models import SMOOTH, Networks, in_range
from paper.skab_scores import Found, Rows
from paper.study import Json


@dataclass(frozen=True, eq=False)
class Watch:
    """A detector of one run with its threshold.

    Attributes:
        score: Of windows.
        threshold: Above it a row raises an alarm.
        training: The question of its training, with the length of its own windows.
    """

    score: Score
    threshold: float
    training: Json

    def alarms(self, rig: Rig, first: int, last: int) -> Array:
        """(last - first,) bool, which rows [first, last) of the test raise an alarm."""
        test = skab_models.split(rig, self.training)[1]
        seen = test[first - TRAIN_ROWS : last - TRAIN_ROWS + SMOOTH - 1]
        return skab_models.alarms(self.score(seen), self.threshold)


@dataclass(frozen=True, eq=False)
class Done:
    """What one method did on one run.

    Attributes:
        rows: Of the test, counted.
        found: Its change points.
        faults: By fault, rows with a sensor at fault, those of them with an alarm, and the same
            rows with an alarm where no sensor is at fault.
    """

    rows: Rows
    found: Found
    faults: dict[str, tuple[int, int, int]]


def answer(asked: Json) -> Json:
    """Every method on every run."""
    random = np.random.default_rng(asked["training"]["seed"])
    done: dict[str, dict[str, Done]] = {method: {} for method in asked["methods"]}
    errors: list[Json] = []
    costs: dict[str, list[Json]] = {m: [] for m in asked["methods"] if m.startswith("chip")}
    for run in asked["runs"]:
        rig = skab_data.load(run)
        train, test = skab_models.split(rig, asked["training"])
        networks = Networks(run, train, asked["training"])
        faulty = put_in(rig, asked, random)
        for method in done:
            done[method][run] = watched(rig, faulty, watch(rig, method, networks, asked))
        errors.append(_errors(networks, train, asked["methods"]))
        for method, each in costs.items():
            compiled = networks.on_chip(skab_models.bits_of(method))
            each.append(series_chip.figures(compiled, series_chip.run(compiled, in_range(test))))
    return {
        "rows": {m: {run: list(vars(d.rows).values()) for run, d in of.items()}
                 for m, of in done.items()},
        "changes": {m: {"all": changes(of), "held out": changes(of, DEVELOPMENT)}
                    for m, of in done.items()},
        "faults": {m: {fault: np.sum([d.faults[fault] for d in of.values() if d.faults],
                                     axis=0).tolist()
                       for fault in asked["faults"]}
                   for m, of in done.items()},
        "error": mean_of(errors),
        "chip": {method: mean_of(each) for method, each in costs.items()},
    }  # fmt: skip


def by_number(asked: Json) -> Json:
    """Rows of every run, counted, where an alarm lasts from one row number to another.

    They are the medians of the first and of the last labelled rows of the runs "from".
    """
    labelled = {run: np.flatnonzero(skab_data.load(run).anomaly) for run in asked["from"]}
    first = int(np.median([rows[0] for rows in labelled.values()]))
    last = int(np.median([rows[-1] + 1 for rows in labelled.values()]))
    counted = {}
    for run in asked["runs"]:
        anomaly = skab_data.load(run).anomaly
        number = np.arange(len(anomaly))
        alarms = (number >= first) & (number < last)
        counted[run] = skab_scores.rows(anomaly[TRAIN_ROWS:], alarms[TRAIN_ROWS:])
    return {
        "between": [first, last],
        "rows": {run: list(vars(rows).values()) for run, rows in counted.items()},
    }


def watch(rig: Rig, method: str, networks: Networks, asked: Json) -> Watch:
    """The detector of a run, fitted on its training windows alone."""
    how = asked["methods"][method]
    training = {**asked["training"], "length": how["length"]}
    train = skab_models.split(rig, training)[0]
    score = skab_models.fit(method, networks, train)
    return Watch(score, how["factor"] * skab_models.unit(score, train), training)


def watched(rig: Rig, faulty: dict[str, tuple[Rig, tuple[int, int]]], by: Watch) -> Done:
    """The test of a run, and the rows with a sensor at fault, watched by a detector."""
    alarms = by.alarms(rig, TRAIN_ROWS, len(rig.values))
    test = slice(TRAIN_ROWS, None)
    faults = {}
    for fault, (other, (first, last)) in faulty.items():
        without = alarms[first - TRAIN_ROWS : last - TRAIN_ROWS]
        found = by.alarms(other, first, last)
        faults[fault] = len(found), int(found.sum()), int(without.sum())
    return Done(
        skab_scores.rows(rig.anomaly[test], alarms),
        skab_scores.found(rig.seconds[test], rig.changepoint[test], skab_scores.turns(alarms)),
        faults,
    )


def put_in(
    rig: Rig, asked: Json, random: np.random.Generator
) -> dict[str, tuple[Rig, tuple[int, int]]]:
    """By fault, the run with a sensor at fault that is drawn at random, and the rows of the fault.

    Empty where the test begins with a labelled row.
    """
    rows = skab_data.before_the_fault(rig)
    if rows is None:
        return {}
    return {
        fault: (
            skab_data.faulty(
                rig, fault, str(random.choice(asked["training"]["sensors"])), rows, random
            ),
            rows,
        )
        for fault in asked["faults"]
    }


def changes(done: dict[str, Done], without: Iterable[str] = ()) -> Json:
    """The NAB score by profile, change points that were missed, and turns outside all windows."""
    every = [d.found for run, d in done.items() if run not in without]
    return {
        **skab_scores.nab(every),
        "missed": sum(found.missed for found in every),
        "false": sum(found.false for found in every),
    }


def mean_of(each: list[Json]) -> Json:
    """The mean of every figure, by its name; dictionaries within are entered."""
    return {
        name: mean_of([one[name] for one in each])
        if isinstance(first, dict)
        else float(np.mean([one[name] for one in each]))
        for name, first in each[0].items()
    }


def _errors(networks: Networks, train: Array, methods: Iterable[str]) -> Json:
    """Squared error of training windows over their variance, by network."""
    x = in_range(train)
    found = {
        method: skab_models.reconstructed(method, networks, x)
        for method in methods
        if method not in skab_models.NO_NETWORK
    }
    variance = x.var(axis=0).mean()
    return {method: float(np.square(of - x).mean() / variance) for method, of in found.items()}
