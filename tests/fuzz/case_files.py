"""Failing networks as files: a directory that `neurocompile simulate` runs, a case to keep.

In:  a case.
Out: fixed.onnx with manifest.json and input.npz; kept cases are NAME.onnx and NAME.npz.
"""

import shutil
from pathlib import Path

import numpy as np
from fuzz.strategies import Case

from neurocompile.data.inputs import Encoded
from neurocompile.formats.artifact import write_artifact
from neurocompile.formats.load_onnx import load_onnx
from neurocompile.formats.onnx.write import to_bytes
from neurocompile.ir.fixed import BiasInput

CASES = Path(__file__).parent / "cases"


def write_case(case: Case, directory: Path) -> str:
    """Write a directory; the arguments with which `neurocompile simulate` runs it."""
    shutil.rmtree(directory, ignore_errors=True)
    (name, values), *_ = case.encoded.values.items()
    if isinstance(case.graph.nodes[name], BiasInput):
        (target,) = case.graph.after(name)
        content = {"x": (values - case.graph.nodes[target].bias_mant).astype(np.float64)}
    else:
        content = {"spikes": values}
    data = directory.with_name("input.npz")
    data.parent.mkdir(parents=True, exist_ok=True)
    np.savez(data, **content)
    run = {"source": str(data), "samples": len(values), "steps": case.encoded.steps, "seed": 0}
    write_artifact(
        directory, {"fixed.onnx": to_bytes(case.graph)}, {"target": "ideal", "data": run}
    )
    return f"{directory} --data {data} --engine fixed --engine lava"


def keep_case(case: Case, name: str) -> None:
    """Add a case to those that every test run repeats."""
    CASES.mkdir(exist_ok=True)
    (CASES / f"{name}.onnx").write_bytes(to_bytes(case.graph))
    ((entry, values),) = case.encoded.values.items()
    np.savez_compressed(CASES / f"{name}.npz", entry=entry, values=values, steps=case.encoded.steps)


def read_case(path: Path) -> Case:
    """A kept case."""
    with np.load(path.with_suffix(".npz")) as content:
        entry, values, steps = str(content["entry"]), content["values"], int(content["steps"])
    return Case(load_onnx(path), Encoded({entry: values}, steps))
