"""The spiking rows of the table as graphs of the compiler, and the recorded answers of each.

In:  training questions of paper/settings.py; digits.
Out: FLOAT graphs; recorded answers by row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping

import numpy as np
import torch

from neurocompile.chip.read import load_chip
from neurocompile.compiled import Result
from neurocompile.frontend.torch import trace
from neurocompile.ir.arrays import Array
from neurocompile.ir.graph import Graph
from paper.settings import spiking_rows
from paper.study import ON_CHIP, Job, Json
from paper.training import digits, trained

Key = tuple[str, str, int]  # setting, row of its table, seed


def spiking(setting: str, seeds: Collection[int] | None = None) -> dict[Key, Json]:
    """Training questions of one setting, of all seeds or of some."""
    return {
        key: asked
        for key, asked in spiking_rows().items()
        if key[0] == setting and (seeds is None or key[2] in seeds)
    }


def jobs(
    study: str,
    setting: str,
    seeds: Collection[int] | None,
    how: Json,
    compute: Callable[[Json], Json],
) -> dict[Key, Job]:
    """A job a network of a setting: its training, and how it is measured."""
    return {
        key: Job(study, " ".join(map(str, key)), {"training": asked, **how}, compute, ON_CHIP)
        for key, asked in spiking(setting, seeds).items()
    }


def kept(jobs: Mapping[Key, Job]) -> dict[str, list[Json]]:
    """By row, the answers that are on disk; rows without one are left out."""
    found: dict[str, list[Json]] = {}
    for (_, row, _), job in jobs.items():
        if job.done:
            found.setdefault(row, []).append(job.answer())
    return found


def baselines(setting: str) -> dict[str, str]:
    """By regularized row, the row without penalties that is trained with the same gradient."""
    asked = {row: training for (_, row, _), training in spiking(setting).items()}
    plain = {one["backprop"]: row for row, one in asked.items() if not one["regularization"]}
    return {
        row: plain[one["backprop"]]
        for row, one in asked.items()
        if one["regularization"] and one["backprop"] in plain
    }


def regularized(setting: str) -> set[str]:
    """Rows with a penalty."""
    return {row for (_, row, _), asked in spiking(setting).items() if asked["regularization"]}


def chip_digest(name: str) -> str:
    """Of the numbers of a chip that decide an answer: formats, limits, prices, times.

    Not what a chip allows by name or by a flag, its power and the errors of its models: no answer
    reads them.
    """
    decides = ("formats.", "limits.", "memory.", "mesh.", "energy.", "latency.", "barrier.")
    numbers = [
        (key, q.value, q.unit)
        for key, q in load_chip(name).quantities()
        if key.startswith(decides) and q.unit not in ("name", "flag")
    ]
    return hashlib.sha256(repr(numbers).encode()).hexdigest()[:16]


def float_graph(asked: Json) -> Graph:
    """The trained network of a question, as the compiler reads it."""
    return trace(trained(asked), torch.zeros_like(digits("test")[0][:1]))


def image_error(results: Array, images: Array) -> float:
    """Squared error an image: the sum over its pixels, the mean over images."""
    difference = results.reshape(len(images), -1) - images.reshape(len(images), -1)
    return float(np.square(difference).sum(axis=1).mean())


def figures(result: Result) -> Json:
    """What is kept of a run on the chip, a digit's each.

    Returns:
        `float_error` and `fixed_error` (squared error an image), `spikes`, `synops`, `joules` by
        energy model, `step_s` and `sample_s` by latency model, as fast as possible and reset
        between digits.
    """
    samples, counts, showed = len(result.stimulus), result.counts, result.evaluation
    times = [
        row
        for row in result.energy.latency
        if row["mode"] == "as fast as possible" and row["samples_follow"] == "reset"
    ]
    return {
        "float_error": showed.float_score.squares / samples,
        "fixed_error": showed.fixed_score.squares / samples,
        "spikes": sum(layer.spikes for layer in counts.layers.values()) / samples,
        "synops": sum(synapse.synops for synapse in counts.synapses.values()) / samples,
        "joules": {
            model.name: None if model.total_j is None else model.total_j / samples
            for model in result.energy.models
        },
        "step_s": {row["model"]: row["step_s"] for row in times},
        "sample_s": {row["model"]: row["sample_s"] for row in times},
    }
