"""The power of a chip that works on so many samples per second.

In:  counts, a chip with its prices and times; the rate.
Out: JSON-ready rows: dynamic watts by energy model and by how samples follow each other, each
     judged by modelled time; each static power by its name.
An energy model is judged by the latency model of its name. Without one it is judged by all latency
models of the chip, and a rate is kept if one of them allows it.
Dynamic watts are joules per sample times the rate. Static watts do not depend on the rate, and are
listed separately: they are in no sum.
"""

from __future__ import annotations

from typing import Any

from neurocompile.chip.mesh import chips_used
from neurocompile.chip.record import Chip
from neurocompile.energy.counts import Counts
from neurocompile.energy.estimate import Energy, ModelEnergy, estimate
from neurocompile.energy.steps import MODES
from neurocompile.place.placed import Placed


def at_rate(rate: float, counts: Counts, placed: Placed, chip: Chip) -> dict[str, Any]:
    """Power at a rate of samples.

    Args:
        rate: Samples per second, above 0.
        counts: Counts of a run.
        placed: Placed network that ran.
        chip: Chip with the prices and times.

    Returns:
        per_s; rows: samples_follow, model, per_sample_j, dynamic_w (None without a total, or if
        the rate is not kept), times_of (latency models it is judged by), most_per_s (by the
        fastest of them; None if no time is known), keeps (None likewise); static: name, chips,
        power_w, source, where and kind of each static power.
    """
    rows = [
        _row(rate, energy, model)
        for mode in MODES
        for energy in (estimate(counts, placed, chip, mode),)
        for model in energy.models
    ]
    return {"per_s": rate, "rows": rows, "static": _static(placed, chip)}


def _row(rate: float, energy: Energy, model: ModelEnergy) -> dict[str, Any]:
    """One energy model, and how many samples per second its modelled times allow."""
    spent = None if model.total_j is None else model.total_j / energy.samples
    allowed = {
        row["model"]: row["samples_per_s"]
        for row in energy.latency
        if row["samples_follow"] == energy.mode and row["model"] is not None
    }
    times_of = [model.name] if model.name in allowed else list(allowed)
    most = max((allowed[n] for n in times_of if allowed[n] is not None), default=None)
    keeps = None if most is None else rate <= most
    return {
        "samples_follow": energy.mode,
        "model": model.name,
        "per_sample_j": spent,
        "dynamic_w": None if spent is None or keeps is False else spent * rate,
        "times_of": times_of,
        "most_per_s": most,
        "keeps": keeps,
    }


def _static(placed: Placed, chip: Chip) -> list[dict[str, Any]]:
    """Each static power that the chip's file names, of all chips in use."""
    if chip.power is None:
        return []
    chips = chips_used(chip, len(placed.cores))
    return [
        {
            "name": name,
            "chips": chips,
            "power_w": chips * power.si,
            "source": power.source,
            "where": power.where,
            "kind": power.kind,
        }
        for name, power in chip.power.stated.items()
    ]
