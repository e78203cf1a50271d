"""Compute one point, in whatever process it is to be.

In:  a point, the folder in which the command runs, what decides its result, the sweep's folder.
Out: its outcome as JSON-ready values: metrics and the small part of report.json, or the exit code
     and the reason of its refusal. It is in the sweep's folder before it is returned.
It is what `export` does, without its directory: the same options, the same steps. What is finished
is never computed again, also where the outcome is lost with a worker on its way to the command.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from contextlib import chdir
from pathlib import Path
from threading import Lock
from typing import Any

from neurocompile.errors import BadInput, CheckFailed, DoesNotFit, Doubtful, NeurocompileError
from neurocompile.quantize.kept import Kept, keeping
from neurocompile.sweep.metrics import measured
from neurocompile.sweep.points import Keys, Known, Point, code
from neurocompile.sweep.store import Store

KEPT = Kept()  # of this process: calibrations and networks that its points share
ONE = Lock()  # a worker of several threads computes one point at a time
Outcome = dict[str, Any]


def compute(point: Point, folder: str, known: Known, out: str) -> Outcome:
    """The outcome of a point.

    Args:
        point: The point.
        folder: Folder in which the command was started: paths are meant from there.
        known: What decides its result.
        out: Folder of the sweep, from there.

    Raises:
        BadInput: If this process has other code or other files than the command, or the outcome
            cannot be written.
    """
    if code() != known.inputs["code"]:
        raise BadInput(
            "the workers run another version of neurocompile than this command. Start them from "
            "the same environment."
        )
    if not os.path.isdir(folder):
        raise BadInput(
            f"the workers do not see the folder {folder}, in which this command runs. Start them "
            "where they see the same files."
        )
    with ONE, chdir(folder):
        store = Store(Path(out))
        found = store.read(known.key)
        if found is None:
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always", Doubtful)
                found = _outcome(point, known)
            doubts = [str(each.message) for each in said if issubclass(each.category, Doubtful)]
            found["warnings"] = list(dict.fromkeys(doubts))
            store.write(known, found)
        return found


def _outcome(point: Point, known: Known) -> Outcome:
    from neurocompile.compiler import compile_asked
    from neurocompile.engines.torch_ops import one_thread

    try:
        with keeping(KEPT), one_thread():
            compiled = compile_asked(Path(point.model), point.target, point.asked)
            report = compiled.report
    except CheckFailed as error:
        return refused(error)
    except NeurocompileError as error:
        if not Path(point.model).is_file():
            raise BadInput(f"the workers do not see {point.model}. Keep it in place.") from None
        if not isinstance(error, DoesNotFit):
            _check_unchanged(point, known, error)
        return refused(error)
    ran = report["provenance"]["digests"]
    for what, is_now, was in (
        (point.model, ran["model"], known.inputs["model"]),
        ("the data", ran["data"], known.inputs["samples"]),
    ):
        if is_now != was:
            raise BadInput(f"{what} changed while the sweep ran. Start it again.")
    return {"exit_code": 0, "reason": "", "metrics": measured(report), "report": small(report)}


def _check_unchanged(point: Point, known: Known, error: NeurocompileError) -> None:
    """Stop where a point is refused for files that were others when its key was found.

    Such a refusal is not the point's: it would be kept under the key of the files as they were.

    Raises:
        BadInput: With what the point was refused for.
    """
    try:
        same = Keys().of(point).key == known.key
    except NeurocompileError:
        same = False
    if not same:
        raise BadInput(
            f"a file of the sweep changed while it ran, or the workers do not see it: {error}"
        ) from None


def refused(error: NeurocompileError) -> Outcome:
    """The outcome of a point that cannot be computed."""
    return {"exit_code": error.exit_code, "reason": str(error), "metrics": None, "report": None}


def small(report: Mapping[str, Any]) -> dict[str, Any]:
    """What a point keeps of its report: results and totals, no rows per core, node or sample."""
    energy, fit = report["energy"], report["fit"]
    classes = report["classification"]
    agreement, exactness = report["agreement"], report["exactness"]
    return {
        "schema_version": report["schema_version"],
        "reconstruction": report["reconstruction"],
        "classification": classes
        and {key: classes[key] for key in ("accuracy_float", "accuracy_fixed", "samples")},
        "agreement": agreement,
        "exactness": exactness,
        "layers": report["layers"],
        "energy": energy
        and {
            "samples": energy["samples"],
            "per_sample_j": energy["per_sample_j"],
            "mode": energy["mode"],
            "model_version": energy["model_version"],
            "models": [{"name": m["name"], "total_j": m["total_j"]} for m in energy["models"]],
        },
        "latency": report["latency"],
        "fit": {"fits": fit["fits"], "cores_used": fit["cores_used"]},
        "notes": report["notes"],
        "provenance": report["provenance"],
    }
