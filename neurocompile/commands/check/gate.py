"""`neurocompile check`: hold an exported network against a baseline, or renew the baseline.

In:  the directory that `export` wrote, the file of the baseline.
Out: JSON-ready: what differs, layer and field, and what that did to every metric.
Mode "exact" fails on any digest and any metric, "tolerance" on metrics alone. Other data than
those of the baseline are no failed check but a wrong request.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from neurocompile import __version__
from neurocompile.commands.check.baseline import (
    TOLERANCES,
    beside,
    read_baseline,
    renew,
    write_baseline,
)
from neurocompile.commands.check.differences import Finding, differences
from neurocompile.commands.check.digests import describe
from neurocompile.commands.check.judge import Run, judge
from neurocompile.commands.check.measure import (
    Subject,
    energy_model,
    error_of,
    load_samples,
    measure,
    read_subject,
)
from neurocompile.commands.check.shares import populations, read_network, shares
from neurocompile.commands.export.run import Teller
from neurocompile.data.samples import Data
from neurocompile.errors import BadInput, NeurocompileError, NotInstalled
from neurocompile.formats.whole import write_file
from neurocompile.ir.settings import Settings

DEFAULT_ENGINE = "onnx"


def check_artifact(
    directory: Path,
    file: Path,
    *,
    screen: Teller,
    engine: str = DEFAULT_ENGINE,
    source: str | None = None,
    mode: str | None = None,
    update: bool = False,
    keep_data: Path | None = None,
    keep_network: Path | None = None,
) -> dict[str, Any]:
    """Check an exported network.

    Args:
        directory: What `export` wrote.
        file: The baseline.
        screen: Told how far the run is.
        engine: Which engine runs the samples.
        source: Where the samples are; the baseline's file of samples, or the source that the
            artifact declares, where None.
        mode: "exact", "tolerance", or None for the baseline's own.
        update: Whether to write the baseline instead of checking against it.
        keep_data: With update, an .npz file to write the samples to.
        keep_network: With update, an .onnx file to write the network to, so that a later
            check can say what each changed layer alone does to the error.

    Raises:
        BadInput: If directory, data or baseline are not as they should be.
    """
    _check_kept(keep_data, ".npz", update, file)
    _check_kept(keep_network, ".onnx", update, file)
    known = None if update and not file.exists() else read_baseline(file, directory)
    subject = read_subject(directory)
    if known is not None and not update:
        _same_request(subject, known, renew(directory, file))
    data = _samples(subject, directory, file, source, known, keep_data)
    if known is not None and not update and data.digest != known["data"]["sha256"]:
        raise BadInput(
            f"the data changed: {len(data)} samples of {data.name} have the SHA-256 "
            f"{data.digest[:12]}, those of the baseline {known['data']['sha256'][:12]}. Give the "
            f"baseline's samples with --data, or renew it: {renew(directory, file)}"
        )
    if update:
        run = Run(directory, file, engine, mode or (known or {"mode": "exact"})["mode"], data)
        return _update(run, subject, known, (keep_data, keep_network), screen)
    assert known is not None
    chosen = mode or known["mode"]
    found = _differences(known, subject) if chosen == "exact" else []
    model = _energy(subject, known, renew(directory, file))["model"]
    now, trouble = None, ""
    try:
        now = measure(subject, data, engine, model, screen)
    except NotInstalled:
        raise
    except NeurocompileError as error:
        if not found:
            raise
        trouble = str(error)  # the changed network does not run: say what changed
    alone = _shares(subject, known, file, found, data, engine) if now is not None else {}
    run = Run(directory, file, engine, chosen, data)
    return judge(run, known, found, now, trouble, alone)


def _energy(subject: Subject, known: dict[str, Any], command: str) -> dict[str, str]:
    try:
        return energy_model(subject, known["energy"])
    except BadInput as error:
        raise BadInput(f"{error}. Renew the baseline: {command}") from None


def _same_request(subject: Subject, known: Mapping[str, Any], command: str) -> None:
    """Refuse to compare runs of other data or another chip."""
    pairs = [
        (key, known["data"][key], subject.declared[key]) for key in ("samples", "steps", "seed")
    ]
    pairs.append(("target", known["target"], subject.chip.name))
    for key, old, now in pairs:
        if old != now:
            raise BadInput(
                f"the baseline is of {key} {old}, but the artifact declares {key} {now}. Export it "
                f"as the baseline was made, or renew the baseline: {command}"
            )


def _samples(
    subject: Subject,
    directory: Path,
    file: Path,
    source: str | None,
    known: Mapping[str, Any] | None,
    keep_data: Path | None,
) -> Data:
    """The samples: where the user says, else where the baseline does, else the artifact."""
    kept = known["data"]["file"] if known is not None and keep_data is None else None
    if source is None and kept is not None:
        source = str(file.parent / kept)
    command = renew(directory, file) + f" --keep-data {file.with_suffix('.npz')}"
    return load_samples(subject, source or subject.declared["source"], command)


def _check_kept(kept: Path | None, ending: str, update: bool, baseline: Path) -> None:
    """Refuse a file to keep something in where nothing is written, or of another kind or place."""
    option = {".npz": "--keep-data", ".onnx": "--keep-network"}[ending]
    if kept is not None and not update:
        raise BadInput(f"{option} writes a file beside a new baseline: add --update.")
    if kept is not None and not beside(_from(baseline, kept), ending):
        raise BadInput(
            f"{option} {kept}: name a file that ends in {ending}, in the folder of the baseline "
            "or below it."
        )


def _from(baseline: Path, kept: Path) -> str:
    """A file as its baseline names it."""
    return Path(os.path.relpath(kept.absolute(), baseline.absolute().parent)).as_posix()


def _shares(
    subject: Subject,
    known: Mapping[str, Any],
    file: Path,
    found: list[Finding],
    data: Data,
    engine: str,
) -> dict[str, float | None]:
    """Error of each changed population alone in the baseline's network, where that was kept."""
    if known["network"] is None or len(populations(subject.graph, (f.layer for f in found))) < 2:
        return {}
    old = read_network(file.parent / known["network"], known["digests"]["layers"])
    return shares(
        old,
        subject.graph,
        [f.layer for f in found],
        lambda graph: error_of(replace(subject, graph=graph), data, engine),
    )


def _update(
    run: Run,
    subject: Subject,
    known: Mapping[str, Any] | None,
    keep: tuple[Path | None, Path | None],
    screen: Teller,
) -> dict[str, Any]:
    """Write the baseline; mode and tolerances of an earlier one stay, and the files it names."""
    energy = energy_model(subject, None)
    now = measure(subject, run.data, run.engine, energy["model"], screen)
    old = known or {"tolerances": TOLERANCES, "data": {"file": None}, "network": None}
    kept = {"data": old["data"]["file"], "network": old["network"]}
    for what, path in zip(kept, keep, strict=True):
        if path is not None:
            kept[what] = _from(run.file, path)
    if keep[0] is not None:
        write_file(keep[0], _npz(run.data))
    if kept["network"] is not None:
        content = subject.artifact.file("fixed.onnx").read_bytes()
        write_file(keep[1] or run.file.parent / kept["network"], content)
    fresh = {
        "neurocompile": __version__,
        "target": subject.chip.name,
        "mode": run.mode,
        "network": kept["network"],
        "data": {**subject.declared, "file": kept["data"], "sha256": run.data.digest},
        "energy": energy,
        "tolerances": old["tolerances"],
        "metrics": now.metrics,
        "spikes": now.spikes,
        "digests": {
            "settings": _settings(subject.graph.settings),
            **now.digests,
            "edges": [list(edge) for edge in subject.graph.edges],
            "layers": describe(subject.graph),
        },
    }
    found = [] if known is None else _differences(known, subject)
    write_baseline(run.file, fresh)
    before = fresh if known is None else known
    return {**judge(run, before, found, now, "", {}), "passed": True, "updated": True}


def _npz(data: Data) -> bytes:
    """Samples as numpy.load reads them, labels with them."""
    content = io.BytesIO()
    arrays: dict[str, Any] = {data.kind: data.values}
    if data.labels is not None:
        arrays["labels"] = data.labels
    np.savez_compressed(content, **arrays)
    return content.getvalue()


def _settings(settings: Settings) -> dict[str, Any]:
    """What of the settings decides a result, flat."""
    found = {}
    for key, value in settings.to_dict().items():
        if isinstance(value, dict) and key != "training":
            found.update({f"{key}.{k}": v for k, v in value.items()})
        elif key in ("dt", "steps"):
            found[key] = value
    return found


def _differences(known: Mapping[str, Any], subject: Subject) -> list[Finding]:
    """Integers, structure and settings that are not those of the baseline."""
    old, now = known["digests"]["settings"], _settings(subject.graph.settings)
    found = [
        Finding("settings", key, f"{old.get(key)} -> {now.get(key)}")
        for key in {**old, **now}
        if old.get(key) != now.get(key)
    ]
    digests = known["digests"]
    return differences(digests["layers"], digests["edges"], subject.graph) + found
