"""What a user sees in a terminal: progress on stderr, short tables on stdout.

In:  the JSON-ready values that `--json` prints.
Out: tables for people, made from them and from nothing else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from neurocompile.report.points import points_table
from neurocompile.report.targets import target_lines
from neurocompile.report.words import fewest, joules, prefixed, right


class Screen:
    """Stages as lines and runs as bars, on stderr; silent where JSON is asked for."""

    def __init__(self, quiet: bool = False) -> None:
        self._console = Console(stderr=True, quiet=quiet, highlight=False)
        self._progress = Progress(
            TextColumn("  {task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("samples"),
            TimeElapsedColumn(),
            console=self._console,
        )
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> Screen:
        return self

    def __exit__(self, *_: object) -> None:
        if self._tasks:
            self._progress.stop()

    def tell(self, what: str) -> None:
        """A new stage begins."""
        self._console.print(what)

    def progress(self, what: str, done: int, total: int) -> None:
        """How far a run is."""
        if not self._tasks:
            self._progress.start()
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(what, total=total)
        self._progress.update(self._tasks[what], completed=done)


def print_report(report: dict[str, Any], out: Path) -> None:
    """The end of `export`: errors, spikes, operations, energy by layer, fit."""
    console = _console()
    if report["energy"] is None:
        console.print("no data: nothing was run (--data SOURCE).")
    else:
        console.print(_layers(report))
    points = (report["quantization"] or {}).get("points")
    if points:
        console.print(points_table(points))
    summary = _plain()
    for name, value in _summary(report):
        summary.add_row(name, value)
    console.print(summary)
    console.print(f"written to {out}; every count, price and source: {out / 'report.json'}")


def print_simulation(found: dict[str, Any]) -> None:
    """The end of `simulate`."""
    console = _console()
    columns = map(right, ("neurons", "spikes", "rate"))
    table = Table("layer", *columns, box=SIMPLE_HEAD)
    for row in found["layers"]:
        table.add_row(row["name"], _int(row["neurons"]), _int(row["spikes"]), f"{row['rate']:.4f}")
    console.print(table)
    summary = _plain()
    summary.add_row("engines", ", ".join(found["engines"]))
    summary.add_row(
        "data", f"{found['samples']} samples of {found['data']}, {found['steps']} steps"
    )
    if found["mse_fixed"] is not None:
        error = f"{found['mse_fixed']:.6f} (mean squared, fixed)"
        summary.add_row("reconstruction error", error)
    if found["accuracy_fixed"] is not None:
        summary.add_row("accuracy", f"{found['accuracy_fixed']:.2%} (fixed)")
    if len(found["engines"]) > 1:
        summary.add_row("exactness", _exactness(found))
    summary.add_row(
        "speed", f"{found['samples_per_second']:.1f} samples/s on {found['engines'][0]}"
    )
    if found["recording"]:
        summary.add_row("recording", found["recording"])
    console.print(summary)


def print_inspection(found: dict[str, Any]) -> None:
    """The layers of a model."""
    console = _console()
    table = Table("layer", "kind", "shape", "parameters", box=SIMPLE_HEAD)
    for row in found["layers"]:
        details = ", ".join(f"{k} {_short(v)}" for k, v in row["parameters"].items())
        table.add_row(row["name"], row["kind"], _shape(row["shape"]), details)
    console.print(table)
    settings = found["settings"]
    summary = _plain()
    summary.add_row("stage", found["stage"])
    summary.add_row("time", f"{settings['steps']} steps of {settings['dt']:g} s")
    summary.add_row("encoder", _named(settings["encoder"]))
    summary.add_row("decoder", _named(settings["decoder"]))
    summary.add_row("data", settings["data"] or "not stated")
    for name, value in settings["training"].items():
        summary.add_row(f"training: {name}", str(value))
    for sentence in settings.get("assumed", ()):
        summary.add_row("assumed", sentence)
    console.print(summary)


def print_targets(rows: list[dict[str, Any]]) -> None:
    """One line a target."""
    table = Table("target", "what it is", right("cores"), "energy models", box=SIMPLE_HEAD)
    for row in rows:
        cores = "no limit" if row["cores"] is None else str(row["cores"])
        table.add_row(row["name"], row["title"], cores, ", ".join(row["energy_models"]) or "none")
    _console().print(table)


def print_target(found: dict[str, Any]) -> None:
    """Every number of a target with its source."""
    console = _console()
    for line in target_lines(found, console.width):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def print_doctor(found: dict[str, Any]) -> None:
    """Packages, and what works."""
    console = _console()
    table = Table("package", "installed", "pinned", box=SIMPLE_HEAD)
    for row in found["packages"]:
        table.add_row(row["name"], row["installed"] or "-", row["pinned"] or "-")
    console.print(table)
    works = Table("what", "works", "how to get it", box=SIMPLE_HEAD)
    for row in found["works"]:
        missing = f"missing: {', '.join(row['missing'])}" if row["missing"] else ""
        hint = f"{missing}\n{row['install']}" if missing else ""
        works.add_row(row["name"], "yes" if row["works"] else "no", hint)
    console.print(works)


def _summary(report: dict[str, Any]) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    errors = report["reconstruction"]
    if errors is not None:
        floating = "-" if errors["mse_float"] is None else f"{errors['mse_float']:.6f}"
        ratio = "" if errors["ratio"] is None else f", ratio {errors['ratio']:.4f}"
        rows.append(
            ("reconstruction error", f"float {floating}, fixed {errors['mse_fixed']:.6f}{ratio}")
        )
    accuracy = report["classification"]
    if accuracy is not None:
        floating = accuracy["accuracy_float"]
        text = "-" if floating is None else f"{floating:.2%}"
        rows.append(("accuracy", f"float {text}, fixed {accuracy['accuracy_fixed']:.2%}"))
    if report["exactness"] is not None:
        rows.append(("exactness", _exactness(report["exactness"])))
    energy = report["energy"]
    if energy is not None:
        rows.append(("energy a sample", _totals(energy)))
        rows.append(("", f"({energy['name']}, model {energy['model_version']})"))
        rows += _static(energy, report["latency"])
    fit = report["fit"]
    rows.append(("fits the chip", _fit(fit)))
    rows.append(("scales", report["provenance"]["calibration"]))
    if report.get("network_net"):
        written = not report["network_net"].startswith("layer ")
        rows.append(
            (
                "network.net",
                report["network_net"] if written else "not written: " + report["network_net"],
            )
        )
    rows += [("assumed", sentence) for sentence in report["provenance"]["assumed"]]
    return rows


def _totals(energy: dict[str, Any]) -> str:
    """The totals of a chip whose file names models for them; else why there is none."""
    each = energy["per_sample_j"]
    if set(each.values()) != {None}:
        low, nominal, high = (joules(each[key]) for key in ("low_j", "nominal_j", "high_j"))
        return f"low {low}, nominal {nominal}, high {high}"
    models = [
        f"{model['name']} {joules(None if total is None else total / energy['samples'])}"
        for model in energy["models"]
        for total in [model["total_j"]]
    ]
    if not models:
        return "no total: the target has no prices"
    unpriced = {t["quantity"] for m in energy["models"] for t in m["terms"] if t["price_j"] is None}
    if unpriced:
        which = " and ".join(f"'{quantity}'" for quantity in sorted(unpriced))
        return f"no total: {which} has no price; energy.not_modelled in report.json says more"
    return f"no total: the target has no prices of its own; {', '.join(models)}"


def _static(energy: dict[str, Any], latency: dict[str, Any] | None) -> list[tuple[str, str]]:
    """Static power stands beside the energy of events, never inside."""
    if energy["static"] is None or latency is None:
        return []
    rows = []
    for now, row in zip(latency["per_sample"], energy["static"]["times"], strict=True):
        if now["time_s"] is None:
            continue
        model = f", {row['model']}" if row["model"] else ""
        low, high = (joules(row[key] / energy["samples"]) for key in ("low_j", "high_j"))
        time = prefixed(now["time_s"], "s")
        rows.append(("static, beside it", f"{low} to {high} in {time} ({row['mode']}{model})"))
    return rows


def _layers(report: dict[str, Any]) -> Table:
    """Spikes, operations and nominal joules of each layer, as means over the samples."""
    nominal = _nominal(report["energy"])
    samples = report["energy"]["samples"]
    spent: dict[str, float] = {}
    into = {s["name"]: s["target"] for s in report["synapses"]}
    for term in nominal["terms"]:
        layer = into.get(term["layer"], term["layer"])
        spent[layer] = spent.get(layer, 0.0) + (term["energy_j"] or 0.0)
    table = Table(
        "layer", *map(right, ("neurons", "spikes", "rate", "synops", "updated", "idle", "energy")),
        box=SIMPLE_HEAD,
    )  # fmt: skip
    for row in report["layers"]:
        counts = (row[key] for key in ("spikes", "synops", "updated", "idle"))
        spikes, synops, updated, idle = (_mean(count, samples) for count in counts)
        energy = joules(spent[row["name"]] / samples) if row["name"] in spent else "-"
        neurons, rate = f"{row['neurons']:,}", f"{row['rate']:.4f}"
        table.add_row(row["name"], neurons, spikes, rate, synops, updated, idle, energy)
    by = f"energy by {nominal['name']}" if nominal["terms"] else "no nominal energy model"
    table.caption = (
        f"Means over {samples} samples; {by}, synapses at their target; "
        "rate in spikes a neuron and step."
    )
    return table


def _mean(count: int | None, samples: int) -> str:
    return "-" if count is None else f"{count / samples:,.0f}"


def _nominal(energy: dict[str, Any]) -> dict[str, Any]:
    """The model whose total is the nominal one."""
    for model in energy["models"]:
        if model["total_j"] == energy["nominal_j"] is not None:
            return dict(model)
    return {"name": "none", "terms": []}


def _exactness(found: dict[str, Any]) -> str:
    compared = found["spikes_compared"] + found["membrane_values_compared"]
    engines = " = ".join(found["engines"])
    if not compared:
        return f"{engines} alone; give --engine twice to compare"
    return f"{engines}: {compared:,} spikes and potentials compared, {found['mismatches']} differ"


def _fit(fit: dict[str, Any]) -> str:
    cores = next(row for row in fit["limits"] if row["resource"] == "cores")
    limit = "without limit" if cores["limit"] is None else f"of {cores['limit']}"
    if fit["chips_limit"] > 1:
        limit += f" (on {fit['chips']} of {fit['chips_limit']} chips)"
    word = "yes" if fit["fits"] else "NO"
    least = max(fit["least_cores"].values(), default=None)
    bound = "" if least is None else f", at least {least} by counting"
    asked = f"placed for {fewest(fit['fewest_of'])}"
    return f"{word}: {fit['cores_used']} cores {limit}{bound}; {asked}"


def _named(settings: dict[str, Any]) -> str:
    rest = ", ".join(f"{k} {v:g}" for k, v in settings.items() if isinstance(v, int | float))
    return f"{settings['kind']}, {rest}"


def _short(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _shape(shape: list[int]) -> str:
    return " x ".join(map(str, shape))


def _int(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _plain() -> Table:
    return Table(show_header=False, box=None, pad_edge=False)


def _console() -> Console:
    return Console(highlight=False)
