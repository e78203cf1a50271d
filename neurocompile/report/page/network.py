"""The network itself: its graph, its layers, and where it lies on the chip.

In:  report.json.
Out: sections.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, prod, sqrt
from typing import Any

from neurocompile.place.placed import RESOURCES
from neurocompile.report.page.blocks import (
    Chart,
    Facts,
    Section,
    Table,
    Text,
    percent,
    shape,
)
from neurocompile.report.page.values import is_synapse, nominal_model, quantity_words
from neurocompile.terminal.words import fewest, number_of, whole

MOST_NODES = 60  # that are drawn; all are in the table
MOST_CORES = 4096
WIDEST = 40  # characters of a name in a box


def graph(report: Mapping[str, Any]) -> Section | None:
    """Populations as boxes, synapses as arrows."""
    nodes, edges = _nodes(report), _edges(report)
    if not nodes:
        return None
    table = _nodes_table(report)
    shown = {row["name"] for row in nodes[:MOST_NODES]}
    left = len(nodes) - len(shown)
    caption = "Boxes are populations of neurons, arrows synapses, from top to bottom."
    if left:
        caption += f" {number_of(left, 'population')} more are only in the table."
    levels = _levels([row["name"] for row in nodes], edges)
    boxes = _placed_boxes(nodes[:MOST_NODES], levels)
    back = any(levels[a] >= levels[b] for a, b, _ in edges if a in shown and b in shown)
    names = " to ".join(row["name"] for row in nodes[:12])
    chart = Chart(
        "graph",
        f"The graph of the network: {names}.",
        {
            "nodes": boxes,
            "edges": [
                {"from": a, "to": b, "name": name, "back": levels[a] >= levels[b]}
                for a, b, name in edges
                if a in shown and b in shown
            ],
        },
        caption + (" Curved arrows lead back." if back else ""),
        table,
        height=60 + 74 * (max(box["level"] for box in boxes) + 1),
    )
    return Section("network", "The network", [chart])


def placement(report: Mapping[str, Any]) -> Section:
    """The map of the cores, the limits, and the traffic between cores."""
    fit = report["fit"]
    blocks: list[Any] = []
    word = "It fits." if fit["fits"] else "It does not fit."
    words = f"{word} {number_of(fit['cores_used'], 'core')} on {number_of(fit['chips'], 'chip')}"
    words += f", placed for {fewest(fit['fewest_of'])}." if "fewest_of" in fit else "."
    blocks.append(Text([words]))
    cores = fit.get("cores") or []
    if 0 < len(cores) <= MOST_CORES:
        blocks.append(_core_map(report, cores))
    elif cores:
        blocks.append(Text([f"{len(cores):,} cores are too many for a map; report.json has them."]))
    blocks.append(_limits(fit))
    if report["synapses"]:
        blocks.append(_traffic(report))
    return Section("cores", "On the chip", blocks)


def layers(report: Mapping[str, Any]) -> Section | None:
    """What each layer did, per sample."""
    if report["energy"] is None:
        return None
    samples = report["energy"]["samples"]
    rows = [
        (
            row["name"],
            whole(row["neurons"]),
            _mean(row["spikes"], samples),
            f"{row['rate']:.4f}",
            _mean(row["synops"], samples),
            _mean(row["updated"], samples),
            _mean(row["idle"], samples),
            whole(row["saturations"]),
            whole(row["wraps"]),
        )
        for row in report["layers"]
    ]
    titles = ("layer", "neurons", "spikes", "rate", "synaptic operations", "updated", "idle")
    caption = f"Means over {number_of(samples, 'sample')}; rate in spikes per neuron and step. "
    caption += "Cut and wrapped: how often a potential was cut to 24 bits and a current wrapped, "
    caption += "in all samples."
    return Section(
        "layers", "What each layer did", [Table((*titles, "cut", "wrapped"), rows, caption)]
    )


def _mean(count: int | None, samples: int) -> str:
    return "-" if count is None else f"{count / samples:,.0f}"


def _nodes(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The populations."""
    if "graph" in report:
        return [
            {
                "name": row["name"],
                "kind": row["kind"],
                "size": shape(row["shape"]),
            }
            for row in report["graph"]
            if not is_synapse(row)
        ]
    return [
        {"name": row["name"], "kind": row["kind"], "size": f"{row['neurons']:,}"}
        for row in report["layers"]
    ]


def _edges(report: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(source, target, name of the synapse, or "" where there is none)."""
    if "graph" not in report:
        return [(row["source"], row["target"], row["name"]) for row in report["synapses"]]
    synapse = {row["name"]: row for row in report["graph"] if is_synapse(row)}
    edges = []
    for row in report["graph"]:
        if row["name"] in synapse:
            continue
        for before in row["before"]:
            sources = synapse[before]["before"] if before in synapse else [before]
            edges += [(s, row["name"], before if before in synapse else "") for s in sources]
    return edges


def _levels(names: Sequence[str], edges: Sequence[tuple[str, str, str]]) -> dict[str, int]:
    """How deep each population lies; a synapse that leads back makes none deeper."""
    at = {name: number for number, name in enumerate(names)}
    level = dict.fromkeys(names, 0)
    for name in names:  # they are in an order of execution
        before = [a for a, b, _ in edges if b == name and a in at and at[a] < at[name]]
        level[name] = 1 + max(level[a] for a in before) if before else 0
    return level


def _placed_boxes(
    nodes: Sequence[Mapping[str, Any]], levels: Mapping[str, int]
) -> list[dict[str, Any]]:
    """The boxes with their level and their place in it, -1 to 1."""
    rows: dict[int, list[str]] = {}
    for row in nodes:
        rows.setdefault(levels[row["name"]], []).append(row["name"])
    order = {level: number for number, level in enumerate(sorted(rows))}
    boxes = []
    for row in nodes:
        beside = rows[levels[row["name"]]]
        across = (2 * beside.index(row["name"]) + 1) / len(beside) - 1
        boxes.append({**row, "level": order[levels[row["name"]]], "across": across,
                      "beside": len(beside), "short": _short(row["name"])})  # fmt: skip
    return boxes


def _short(name: str) -> str:
    return name if len(name) <= WIDEST else f"{name[: WIDEST - 1]}…"


def _nodes_table(report: Mapping[str, Any]) -> Table:
    if "graph" not in report:
        few = [(r["name"], r["kind"], f"{r['neurons']:,}") for r in report["layers"]]
        return Table(("layer", "kind", "neurons"), few, "The populations.", texts=(1,))
    rows = [
        (
            row["name"],
            row["kind"],
            shape(row["shape"]),
            f"{prod(row['shape']):,}",
            ", ".join(row["before"]) or "-",
            _parameters(row["parameters"]),
        )
        for row in report["graph"]
    ]
    titles = ("node", "kind", "shape", "values", "after", "parameters")
    return Table(titles, rows, "Every node of the integers' graph.", texts=(1, 2, 4, 5))


def _parameters(values: Mapping[str, Any]) -> str:
    """Parameters in short, without those that say what the other columns say."""
    hidden = ("in_shape", "shape")
    return ", ".join(f"{k} {_value(v)}" for k, v in values.items() if k not in hidden and v != 0)


def _value(value: Any) -> str:
    if isinstance(value, list):
        return shape(value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _core_map(report: Mapping[str, Any], cores: Sequence[Mapping[str, Any]]) -> Chart:
    """The cores as squares at their places, coloured by what a reader chooses."""
    fit = report["fit"]
    limits = {row["resource"]: row["limit"] for row in fit["limits"]}
    used = [r for r in RESOURCES if r in cores[0] and limits.get(r)]
    fullest = [
        max(((row[r] / limits[r], r) for r in used if row[r] is not None), default=(0.0, ""))
        for row in cores
    ]
    layers = report.get("cores") or {"rows": []}
    held = {row["core"]: row["layers"] for row in layers["rows"]}
    values: list[dict[str, Any]] = [
        _measure("fullest limit", "%", [100 * part for part, _ in fullest])
    ]
    values += [
        _measure(_resource(r), "", [row[r] for row in cores])
        for r in used
        if all(row[r] is not None for row in cores)
    ]
    events = report.get("core_events") or {}
    for event in ("message_out", "message_in", "spike_out"):
        if event in events:
            values.append(_measure(f"{quantity_words(event)}, all samples", "", events[event]))
    model = None if report["energy"] is None else nominal_model(report["energy"])
    if model is not None and layers["rows"]:
        spent = {row["core"]: row["energy_j"].get(model["name"]) for row in layers["rows"]}
        samples = report["energy"]["samples"]
        if all(value is not None for value in spent.values()) and len(spent) == len(cores):
            each = [1e6 * spent[row["core"]] / samples for row in cores]
            values.append(_measure("energy per sample", "µJ", each))
    places, wide, high = _places(fit, len(cores))
    rows = [
        (
            str(row["core"]),
            str(row["chip"]),
            _layers_of(held.get(row["core"]), row["layer"]),
            f"{percent(part)} of {_resource(name)}" if name else "-",
            *(whole(events[e][at]) if e in events else "-" for e in ("message_out", "message_in")),
        )
        for at, (row, (part, name)) in enumerate(zip(cores, fullest, strict=True))
    ]
    titles = ("core", "chip", "layers", "fullest limit", "messages sent", "messages received")
    table = Table(titles, rows, "Every core; messages of all samples.", texts=(2, 3))
    placed = "" if fit.get("tiles") else " No source tells where cores are: they are in order."
    return Chart(
        "cores",
        f"A map of {number_of(len(cores), 'core')}, coloured by how full each is. The fullest, "
        f"core {cores[_largest(fullest)]['core']}, takes {percent(max(fullest)[0])} of a limit.",
        {
            "places": places,
            "wide": wide,
            "high": high,
            "cores": [row["core"] for row in cores],
            "chips": [row["chip"] for row in cores],
            "layers": [row[2] for row in rows],
            "measures": values,
        },
        "One square per core; grey squares are free cores of the chip." + placed,
        table,
        height=max(220, min(520, 60 + 34 * high)),
        controls=True,
    )


def _largest(parts: Sequence[tuple[float, str]]) -> int:
    return max(range(len(parts)), key=lambda at: parts[at][0])


def _measure(name: str, unit: str, values: Sequence[float]) -> dict[str, Any]:
    return {"name": name, "unit": unit, "values": [round(float(v), 6) for v in values]}


def _resource(name: str) -> str:
    return name.replace("_", " ")


def _layers_of(held: Mapping[str, int] | None, layer: str) -> str:
    if not held:
        return layer
    return ", ".join(f"{name} {count:,}" for name, count in held.items())


def _places(fit: Mapping[str, Any], cores: int) -> tuple[list[list[int]], int, int]:
    """(column, row) of each core in its chip, and how many of each there are."""
    mesh, tiles = fit.get("mesh"), fit.get("tiles")
    if not mesh or not tiles:
        wide = ceil(sqrt(cores))
        return [[at % wide, at // wide] for at in range(cores)], wide, ceil(cores / wide)
    inside = mesh["cores_per_tile"]
    across = ceil(sqrt(inside))
    down = ceil(inside / across)
    places, there = [], dict[tuple[int, int, int], int]()
    for at, (x, y) in enumerate(tiles):
        key = (fit["cores"][at]["chip"], x, y)
        number = there.get(key, 0)
        there[key] = number + 1
        places.append([x * across + number % across, y * down + number // across])
    return places, mesh["tiles_east_west"] * across, mesh["tiles_north_south"] * down


def _limits(fit: Mapping[str, Any]) -> Table:
    rows = [
        (
            _resource(row["resource"]),
            whole(row["used"]),
            "none" if row["limit"] is None else whole(row["limit"]),
            percent(row["used"] / row["limit"])
            if row["used"] is not None and row["limit"]
            else "-",
            "-" if row["core"] is None else f"core {row['core']}: {row['layer']}",
            whole((fit.get("least_cores") or {}).get(row["resource"])),
        )
        for row in fit["limits"]
    ]
    titles = ("limit", "fullest core", "allowed", "part", "which core", "cores it takes")
    caption = "Every limit of a core, and of the chips together (cores)."
    return Table(titles, rows, caption, texts=(4,))


def _traffic(report: Mapping[str, Any]) -> Table:
    samples = report["energy"]["samples"]
    rows = [
        (
            row["name"],
            f"{row['source']} → {row['target']}",
            row["format"] + (", from the host" if row["host"] else ""),
            whole(row["synapses"]),
            *(_mean(row[k], samples) for k in ("synops", "messages", "hops_east_west",
                                               "hops_north_south")),
            _mean(row.get("off_chip_messages"), samples),
        )
        for row in report["synapses"]
    ]  # fmt: skip
    titles = ("synapse", "from and to", "format", "synapses", "operations", "messages")
    more = ("hops east-west", "hops north-south", "to another chip")
    caption = f"Traffic per sample, mean of {number_of(samples, 'sample')}."
    return Table((*titles, *more), rows, caption, texts=(1, 2))


def provenance(report: Mapping[str, Any]) -> Section:
    """Where everything comes from: versions, seed, digests, assumptions, notes."""
    about = report["provenance"]
    rows = [
        ("neurocompile", about["neurocompile"]),
        ("Python", about["python"]),
        ("target", about["target"]),
        ("engines", ", ".join(about["engines"]) or "none ran"),
        ("seed", str(about["seed"])),
        ("scales", about["calibration"]),
        ("packages", ", ".join(f"{k} {v or 'missing'}" for k, v in about["packages"].items())),
        *((f"SHA-256 of {k.replace('_', ' ')}", v or "-") for k, v in about["digests"].items()),
        ("report schema", report["schema_version"]),
        ("network.net", _net(report)),
    ]
    rows += [("assumed", sentence) for sentence in about.get("assumed", ())]
    rows += [("note", sentence) for sentence in report.get("notes", ())]
    rows += [
        ("own process", f"{row['layer']}: {row['why']}, which is not one of Lava's stock processes")
        for row in report.get("not_stock", ())
    ]
    blocks: list[Any] = [Facts(rows)]
    if report.get("quantization"):
        blocks.append(_widths(report["quantization"]))
    return Section("provenance", "Where this comes from", blocks)


def _net(report: Mapping[str, Any]) -> str:
    text = report.get("network_net", "-")
    return text if report.get("network_net_written") else f"not written: {text}"


def _widths(quantization: Mapping[str, Any]) -> Table:
    rows = [
        (row["layer"], str(row["bits"]), str(row["objective"]),
         "yes" if row["correct_bias"] else "no", "yes" if row["per_channel"] else "no")
        for row in quantization["layers"]
    ]  # fmt: skip
    titles = ("layer", "bits", "grid fitted to", "bias corrected", "by channel")
    return Table(titles, rows, "How the weights were quantized.", texts=(2, 3, 4))
