"""What else `neurocompile energy` answers: power at a rate, each step, where each neuron is.

In:  counts, placement and energy of a run; which answers and files are asked for.
Out: JSON-ready answers; files that are written whole or not at all.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurocompile.energy.by_step import FOLLOW, ByStep
from neurocompile.energy.counts import Counts
from neurocompile.energy.estimate import Energy
from neurocompile.energy.rate import at_rate
from neurocompile.energy.streaming import streaming
from neurocompile.errors import BadInput, DoesNotFit
from neurocompile.formats.artifact import check_file
from neurocompile.formats.columns import check_table_file, write_columns
from neurocompile.formats.json_files import json_bytes
from neurocompile.formats.whole import followed, write_file
from neurocompile.place.placed import Placed
from neurocompile.report.core_map import core_map


@dataclass(frozen=True)
class Asks:
    """What else is asked for.

    Attributes:
        rate: Samples per second for which to show the power; None for no rate.
        by_step: File of events, joules and time of every step; None for none.
        map: File of the map from neurons to cores; None for none.
        force: Whether existing files may be replaced.
        refuse: Whether a rate that no modelled time allows is refused; otherwise only marked.
    """

    rate: float | None = None
    by_step: Path | None = None
    map: Path | None = None
    force: bool = False
    refuse: bool = True

    def check(self) -> None:
        """Refuse files that cannot be written, before the network runs.

        Raises:
            BadInput: If the name of a file ends wrongly, both are one file, or as in `check_file`.
            NotInstalled: If a Parquet file is asked for and pyarrow is missing.
        """
        if self.by_step is not None and self.map is not None and _one_file(self.by_step, self.map):
            raise BadInput(
                f"--by-step {self.by_step} and --map {self.map} are one file. Give each its own."
            )
        if self.by_step is not None:
            check_table_file(self.by_step)
            check_file(self.by_step, "--by-step", self.force)
        if self.map is not None:
            if self.map.suffix != ".json":
                raise BadInput(f"{self.map}: a map of neurons is a .json file. Rename it.")
            check_file(self.map, "--map", self.force)


NOTHING = Asks()


def _one_file(a: Path, b: Path) -> bool:
    """Whether two paths lead to one file, by symbolic or hard links included."""
    there = os.path.exists(a) and os.path.exists(b)
    return followed(a) == followed(b) or (there and os.path.samefile(a, b))


def answers(
    asks: Asks,
    counts: Counts,
    placed: Placed,
    energy: Energy,
    cores: dict[str, Any] | None,
    steps: ByStep | None,
) -> dict[str, Any]:
    """The answers, by key of the document that `--json` prints; None for what was not asked.

    Args:
        asks: What is asked for.
        counts: Counts of the run.
        placed: Placed network that ran, on the chip whose prices count.
        energy: Energy of the run.
        cores: Result of `by_core`.
        steps: What happened step by step, if a file of steps is asked for.

    Raises:
        BadInput: If a file cannot be written.
        DoesNotFit: As in `refuse_rate`, if `asks` says so.
    """
    found: dict[str, Any] = {
        "streaming": streaming(counts, placed.graph.settings.dt),
        "rate": None if asks.rate is None else at_rate(asks.rate, counts, placed, placed.chip),
        "by_step": None,
        "map": None,
    }
    if asks.refuse and found["rate"] is not None:
        refuse_rate({placed.chip.name: found["rate"]})
    if asks.by_step is not None and steps is not None:
        table = steps.table(counts, energy)
        columns = table.columns()
        write_columns(asks.by_step, columns, replace=asks.force)
        found["by_step"] = {
            "file": str(asks.by_step),
            "samples_follow": FOLLOW,
            "rows": table.samples * table.steps,
            "columns": list(columns),
            "steps": table.summed(),
        }
    if asks.map is not None:
        found["map"] = core_map(placed, cores, counts.samples)
        write_file(asks.map, json_bytes(found["map"]), replace=asks.force)
    return found


def refuse_rate(by_design: dict[str, dict[str, Any]]) -> None:
    """Refuse a rate that no modelled time of any design allows.

    Args:
        by_design: By name for the message, the result of `at_rate` of one design at the same rate.

    Raises:
        DoesNotFit: If every row of every design is refused; names the most that each allows.
    """
    rows = [row for found in by_design.values() for row in found["rows"]]
    if not rows or any(row["keeps"] is not False for row in rows):
        return
    rate = next(iter(by_design.values()))["per_s"]
    listed = "; ".join(_most(name, f["rows"]) for name, f in by_design.items() if f["rows"])
    raise DoesNotFit(
        f"--rate {rate:g}/s: by its modelled times {listed}. Choose a lower rate, or fewer steps "
        "per sample."
    )


def _most(name: str, rows: list[dict[str, Any]]) -> str:
    """How many samples per second a design takes at most, as a whole and by each row."""
    most = max(row["most_per_s"] for row in rows)
    each = ", ".join(
        f"{row['samples_follow']}, {judged_by(row)}: {row['most_per_s']:.4g}" for row in rows
    )
    return f"{name} takes at most {most:.4g} samples per second of this network ({each})"


def judged_by(row: dict[str, Any]) -> str:
    """An energy model, with the latency models that judge it where these have other names."""
    model: str = row["model"]
    if row["times_of"] == [model]:
        return model
    return f"{model} by times of {' and '.join(row['times_of'])}"
