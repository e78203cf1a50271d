"""`neurocompile check`: compare an exported network with a baseline, or renew the baseline.

In:  the directory that `export` wrote, with its recorded samples, and the file of the baseline.
Out: JSON-ready: what differs by layer and field, and what that did to every metric.
Mode "exact" fails on any digest and any metric, "tolerance" only on metrics. Data other than the
baseline's are not a failed check but bad input.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from neurocompile import __version__
from neurocompile.commands.check.baseline import (
    TOLERANCES,
    read_baseline,
    renew,
    write_baseline,
)
from neurocompile.commands.check.differences import Finding, differences
from neurocompile.commands.check.digests import BLOCK, describe
from neurocompile.commands.check.judge import CheckRequest, judge
from neurocompile.commands.check.kept import Keep, named_by
from neurocompile.commands.check.measure import (
    IN_THIS_PROCESS,
    Runner,
    energy_model,
    error_of,
    measure,
    read_subject,
)
from neurocompile.commands.check.shares import populations, read_network, shares
from neurocompile.commands.check.sources import renewal, said_of, source_of, stimulus_of
from neurocompile.commands.exported import Exported, recorded
from neurocompile.data.samples import Data
from neurocompile.data.stimulus import Stimulus
from neurocompile.errors import BadInput, NeurocompileError, NotInstalled
from neurocompile.formats.artifact import refuse_exported
from neurocompile.ir.settings import Settings
from neurocompile.report.golden import compare_golden
from neurocompile.report.samples_file import NAME
from neurocompile.spread import Spread

NOTHING = Keep()


def check_artifact(
    directory: Path,
    file: Path,
    *,
    source: str | None = None,
    mode: str | None = None,
    runner: Runner = IN_THIS_PROCESS,
) -> dict[str, Any]:
    """Compare an exported network with its baseline, and with the samples that it recorded.

    Args:
        directory: What `export` wrote.
        file: File of the baseline.
        source: Source of the samples. None is the baseline's file of samples or, without one,
            what --data named when it was made, else the source that the export declares; the
            samples that the export recorded run too.
        mode: "exact", "tolerance", or None for the baseline's own mode.
        runner: Engine that runs the samples, and who runs it.

    Raises:
        BadInput: If the directory, the data or the baseline cannot be used.
    """
    baseline = read_baseline(file, directory, source)
    subject = read_subject(directory)
    again = renewal(directory, file, source, baseline)
    _same_request(subject, baseline, again)
    stimulus = stimulus_of(subject, file, source, baseline, NOTHING)
    runner.spread.check(stimulus.data)
    _check_blocks(runner.spread, baseline, renew(directory, file, source or "shards:DIR"))
    data = stimulus.data.digested(runner.progress)
    if data.digest != baseline["data"]["sha256"]:
        raise BadInput(
            f"the data changed: {len(data)} samples of {data.name} have the SHA-256 "
            f"{data.digest[:12]}, those of the baseline {baseline['data']['sha256'][:12]}. Give "
            f"the baseline's samples with --data, or renew it: {again}"
        )
    chosen = mode or baseline["mode"]
    findings = _differences(baseline, subject) if chosen == "exact" else []
    model = _energy(subject, baseline, again)["model"]
    now, trouble = None, ""
    try:
        now = measure(subject, stimulus, runner, model, baseline["digests"].get("block"))
    except NotInstalled:
        raise
    except NeurocompileError as error:
        if not findings:
            raise
        trouble = str(error)  # the changed network does not run: report what changed
    request = CheckRequest(directory, file, runner.engine, chosen, data, again)
    alone = _shares(request, subject, baseline, findings, stimulus) if now is not None else {}
    judged = judge(request, baseline, findings, now, trouble, alone)
    if source is not None or now is None:
        return judged
    kept = recorded(subject.artifact)
    if kept is None:
        return {**judged, "golden_missing": NAME in subject.artifact.manifest["files"]}
    golden = compare_golden(subject.graph, kept, runner.engine, progress=runner.progress)
    return {**judged, "golden": golden.to_dict(), "passed": judged["passed"] and not golden.first}


def update_baseline(
    directory: Path,
    file: Path,
    *,
    source: str | None = None,
    mode: str | None = None,
    keep: Keep = NOTHING,
    runner: Runner = IN_THIS_PROCESS,
) -> dict[str, Any]:
    """Write the baseline of an exported network, or renew it.

    The mode and tolerances of an earlier baseline are kept. The network that it names is rewritten.

    Args:
        directory, file, source, runner: As for `check_artifact`.
        mode: "exact", "tolerance", or None for the earlier baseline's mode, else "exact".
        keep: Files to write beside the baseline.

    Raises:
        BadInput: If the directory, the data, the baseline or a file to keep cannot be used.
    """
    keep.check(file)
    baseline = read_baseline(file, directory, source) if file.exists() else None
    new = keep.new(file, baseline) + [file] * (baseline is None)
    subject = read_subject(directory)
    keep.check_source(source_of(subject, file, source, baseline, keep))
    stimulus = stimulus_of(subject, file, source, baseline, keep)
    runner.spread.check(stimulus.data)
    stimulus.data.digested(runner.progress)
    energy = energy_model(subject, None)
    now = measure(
        subject, stimulus, runner, energy["model"], BLOCK if stimulus.data.in_shards else None
    )
    old = baseline or {"mode": "exact", "tolerances": TOLERANCES, "network": None}
    request = CheckRequest(
        directory, file, runner.engine, mode or old["mode"], stimulus.data, renew(directory, file)
    )
    network = old["network"] if keep.network is None else named_by(file, keep.network)
    named: dict[Path, bytes] = {}
    if keep.data is not None:
        named[keep.data] = _npz(stimulus.data)
    if network is not None:
        content = subject.artifact.read("fixed.onnx", Path.read_bytes)
        place = keep.network or file.parent / network
        refuse_exported(place, "--keep-network")
        named[place] = content
    digest = stimulus.data.digest
    fresh = {
        "neurocompile": __version__,
        "target": subject.chip.name,
        "mode": request.mode,
        "network": network,
        "data": {
            **asdict(subject.declared),
            **said_of(subject, file, source, baseline, keep),
            "sha256": digest,
        },
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
    findings = [] if baseline is None else _differences(baseline, subject)
    write_baseline(file, fresh, named, new)
    before = fresh if baseline is None else baseline
    return {**judge(request, before, findings, now, "", {}), "passed": True, "updated": True}


def _energy(subject: Exported, baseline: dict[str, Any], command: str) -> dict[str, str]:
    try:
        return energy_model(subject, baseline["energy"])
    except BadInput as error:
        raise BadInput(f"{error}. Renew the baseline: {command}") from None


def _same_request(subject: Exported, baseline: Mapping[str, Any], command: str) -> None:
    """Refuse to compare runs on different data or different chips."""
    pairs = [
        (key, baseline["data"][key], getattr(subject.declared, key))
        for key in ("samples", "steps", "seed")
    ]
    pairs.append(("target", baseline["target"], subject.chip.name))
    for key, old, now in pairs:
        if old != now:
            raise BadInput(
                f"the baseline has {key} {old}, but the artifact declares {key} {now}. Export it "
                f"as the baseline was made, or renew the baseline: {command}"
            )


def _check_blocks(spread: Spread, baseline: Mapping[str, Any], command: str) -> None:
    """Refuse to share out samples that the baseline digests as one sequence."""
    if not spread.here and "block" not in baseline["digests"]:
        raise BadInput(
            "this baseline has digests of all samples in one sequence, so one process must run "
            "them. Leave out --workers and --scheduler, or renew the baseline on shards: "
            f"{command}"
        )


def _shares(
    request: CheckRequest,
    subject: Exported,
    baseline: Mapping[str, Any],
    findings: list[Finding],
    stimulus: Stimulus,
) -> dict[str, float | None]:
    """Error of the baseline's network, if it was kept, with only one changed population."""
    changed = [finding.layer for finding in findings]
    if baseline["network"] is None or len(populations(subject.graph, changed)) < 2:
        return {}
    old = read_network(request.file.parent / baseline["network"], baseline["digests"]["layers"])
    return shares(
        old, subject.graph, changed, lambda graph: error_of(graph, stimulus, request.engine)
    )


def _npz(data: Data) -> bytes:
    """Samples and labels in the format of numpy.load."""
    content = io.BytesIO()
    arrays: dict[str, Any] = {data.kind: data.values}
    if data.labels is not None:
        arrays["labels"] = data.labels
    np.savez_compressed(content, **arrays)
    return content.getvalue()


def _settings(settings: Settings) -> dict[str, Any]:
    """The settings that a result depends on, flat."""
    deciding = {}
    for key, value in settings.to_dict().items():
        if isinstance(value, dict) and key != "training":
            deciding.update({f"{key}.{k}": v for k, v in value.items()})
        elif key in ("dt", "steps"):
            deciding[key] = value
    return deciding


def _differences(baseline: Mapping[str, Any], subject: Exported) -> list[Finding]:
    """Integers, structure and settings that differ from the baseline."""
    old, now = baseline["digests"]["settings"], _settings(subject.graph.settings)
    findings = [
        Finding("settings", key, f"{old.get(key)} -> {now.get(key)}")
        for key in {**old, **now}
        if old.get(key) != now.get(key)
    ]
    digests = baseline["digests"]
    return differences(digests["layers"], digests["edges"], subject.graph) + findings
