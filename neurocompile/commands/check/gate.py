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
from dataclasses import asdict, dataclass
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
    energy_model,
    error_of,
    load_declared,
    measure,
    read_subject,
)
from neurocompile.commands.check.shares import populations, read_network, shares
from neurocompile.commands.exported import Exported
from neurocompile.data.samples import Data
from neurocompile.data.stimulus import Stimulus
from neurocompile.engines.progress import Progress, silent
from neurocompile.errors import BadInput, NeurocompileError, NotInstalled
from neurocompile.formats.whole import write_file
from neurocompile.ir.settings import Settings

DEFAULT_ENGINE = "onnx"


@dataclass(frozen=True)
class Keep:
    """Files to write beside a new baseline; None keeps nothing of the kind.

    Attributes:
        data: An .npz file for the samples.
        network: An .onnx file for the network, so that a later check can say what each changed
            layer alone does to the error.
    """

    data: Path | None = None
    network: Path | None = None


NOTHING = Keep()


def check_artifact(
    directory: Path,
    file: Path,
    *,
    engine: str = DEFAULT_ENGINE,
    source: str | None = None,
    mode: str | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Check an exported network against its baseline.

    Args:
        directory: What `export` wrote.
        file: The baseline.
        engine: Which engine runs the samples.
        source: Where the samples are; the baseline's file of samples, or the source that the
            artifact declares, where None.
        mode: "exact", "tolerance", or None for the baseline's own.
        progress: Told how far the run is.

    Raises:
        BadInput: If directory, data or baseline are not as they should be.
    """
    known = read_baseline(file, directory)
    subject = read_subject(directory)
    _same_request(subject, known, renew(directory, file))
    stimulus = _stimulus(subject, file, source, known)
    data = stimulus.data
    if data.digest != known["data"]["sha256"]:
        raise BadInput(
            f"the data changed: {len(data)} samples of {data.name} have the SHA-256 "
            f"{data.digest[:12]}, those of the baseline {known['data']['sha256'][:12]}. Give the "
            f"baseline's samples with --data, or renew it: {renew(directory, file)}"
        )
    chosen = mode or known["mode"]
    found = _differences(known, subject) if chosen == "exact" else []
    model = _energy(subject, known, renew(directory, file))["model"]
    now, trouble = None, ""
    try:
        now = measure(subject, stimulus, engine, model, progress)
    except NotInstalled:
        raise
    except NeurocompileError as error:
        if not found:
            raise
        trouble = str(error)  # the changed network does not run: say what changed
    run = Run(directory, file, engine, chosen, data)
    alone = _shares(run, subject, known, found, stimulus) if now is not None else {}
    return judge(run, known, found, now, trouble, alone)


def update_baseline(
    directory: Path,
    file: Path,
    *,
    engine: str = DEFAULT_ENGINE,
    source: str | None = None,
    mode: str | None = None,
    keep: Keep = NOTHING,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Write the baseline of an exported network, or renew it.

    Mode and tolerances of an earlier baseline stay, and the files that it names are written anew.

    Args:
        directory, file, engine, source, progress: As of `check_artifact`.
        mode: "exact", "tolerance", or None for that of the earlier baseline, else "exact".
        keep: Files to write beside it.

    Raises:
        BadInput: If directory, data, baseline or files to keep are not as they should be.
    """
    for kept_file, option in ((keep.data, "--keep-data"), (keep.network, "--keep-network")):
        _check_kept(kept_file, option, file)
    known = read_baseline(file, directory) if file.exists() else None
    subject = read_subject(directory)
    stimulus = _stimulus(subject, file, source, known if keep.data is None else None)
    energy = energy_model(subject, None)
    now = measure(subject, stimulus, engine, energy["model"], progress)
    old = known or {
        "mode": "exact", "tolerances": TOLERANCES, "data": {"file": None}, "network": None,
    }  # fmt: skip
    run = Run(directory, file, engine, mode or old["mode"], stimulus.data)
    kept = {"data": old["data"]["file"], "network": old["network"]}
    if keep.data is not None:
        kept["data"] = _from(file, keep.data)
        write_file(keep.data, _npz(stimulus.data))
    if keep.network is not None:
        kept["network"] = _from(file, keep.network)
    if kept["network"] is not None:
        content = subject.artifact.file("fixed.onnx").read_bytes()
        write_file(keep.network or file.parent / kept["network"], content)
    digest = stimulus.data.digest
    fresh = {
        "neurocompile": __version__,
        "target": subject.chip.name,
        "mode": run.mode,
        "network": kept["network"],
        "data": {**asdict(subject.declared), "file": kept["data"], "sha256": digest},
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
    write_baseline(file, fresh)
    before = fresh if known is None else known
    return {**judge(run, before, found, now, "", {}), "passed": True, "updated": True}


def _energy(subject: Exported, known: dict[str, Any], command: str) -> dict[str, str]:
    try:
        return energy_model(subject, known["energy"])
    except BadInput as error:
        raise BadInput(f"{error}. Renew the baseline: {command}") from None


def _same_request(subject: Exported, known: Mapping[str, Any], command: str) -> None:
    """Refuse to compare runs of other data or another chip."""
    pairs = [
        (key, known["data"][key], getattr(subject.declared, key))
        for key in ("samples", "steps", "seed")
    ]
    pairs.append(("target", known["target"], subject.chip.name))
    for key, old, now in pairs:
        if old != now:
            raise BadInput(
                f"the baseline is of {key} {old}, but the artifact declares {key} {now}. Export it "
                f"as the baseline was made, or renew the baseline: {command}"
            )


def _stimulus(
    subject: Exported, file: Path, source: str | None, known: Mapping[str, Any] | None
) -> Stimulus:
    """What to run: samples from where the user says, else the baseline does, else the artifact."""
    kept = known["data"]["file"] if known is not None else None
    if source is None and kept is not None:
        source = str(file.parent / kept)
    command = renew(subject.artifact.path, file) + f" --keep-data {file.with_suffix('.npz')}"
    return load_declared(subject, source or subject.declared.source, command)


def _check_kept(kept: Path | None, option: str, baseline: Path) -> None:
    """Refuse a file of another kind or place than a baseline can name."""
    ending = {"--keep-data": ".npz", "--keep-network": ".onnx"}[option]
    if kept is not None and not beside(_from(baseline, kept), ending):
        raise BadInput(
            f"{option} {kept}: name a file that ends in {ending}, in the folder of the baseline "
            "or below it."
        )


def _from(baseline: Path, kept: Path) -> str:
    """A file as its baseline names it."""
    return Path(os.path.relpath(kept.absolute(), baseline.absolute().parent)).as_posix()


def _shares(
    run: Run,
    subject: Exported,
    known: Mapping[str, Any],
    found: list[Finding],
    stimulus: Stimulus,
) -> dict[str, float | None]:
    """Error of each changed population alone in the baseline's network, where that was kept."""
    changed = [finding.layer for finding in found]
    if known["network"] is None or len(populations(subject.graph, changed)) < 2:
        return {}
    old = read_network(run.file.parent / known["network"], known["digests"]["layers"])
    return shares(old, subject.graph, changed, lambda graph: error_of(graph, stimulus, run.engine))


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


def _differences(known: Mapping[str, Any], subject: Exported) -> list[Finding]:
    """Integers, structure and settings that are not those of the baseline."""
    old, now = known["digests"]["settings"], _settings(subject.graph.settings)
    found = [
        Finding("settings", key, f"{old.get(key)} -> {now.get(key)}")
        for key in {**old, **now}
        if old.get(key) != now.get(key)
    ]
    digests = known["digests"]
    return differences(digests["layers"], digests["edges"], subject.graph) + found
