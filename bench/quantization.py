"""The error of fixed-point weights by width: rounded after training, and trained on the grid.

In:  the shipped checkpoints; calibration on training digits only.
Out: bench/quantization.json and a table in docs/benchmarks.md: reconstruction error on the 1,000
     test digits, absolute and relative to the shipped float network.
"""

from __future__ import annotations

import json
import platform
import time
from pathlib import Path
from typing import Any

import table as tables
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from neurocompile import frontend
from neurocompile.compiler import compile_graph
from neurocompile.data.samples import load_data, load_training_data

HERE = Path(__file__).parent
MODELS = HERE.parent / "examples" / "models"
FLOAT = MODELS / "mnist_autoencoder.pt"
AFTER = {8: 1.005, 7: None, 6: 1.05, 5: None, 4: 1.30, 3: None, 2: None}  # bits: goal
GRID = {4: 1.05, 2: 1.50}


def main() -> None:
    """Measure every width."""
    test = load_data("mnist5k")
    shipped = frontend.load(FLOAT)
    calibration = load_training_data(shipped.settings.data)
    rows: list[dict[str, Any]] = []
    floating = 0.0
    for bits, goal in AFTER.items():
        begun = time.perf_counter()
        compiled = compile_graph(shipped, "loihi-sim", calibration=calibration, bits=bits)
        seconds = time.perf_counter() - begun
        showed = compiled.run(test).result.evaluation
        floating = showed.float_score.mse
        assert compiled.quantized is not None
        choice = next(iter(compiled.quantized.choices.values()))
        also = {"biases corrected": choice.correct_bias, "by channel": choice.per_channel}
        how = ", ".join([choice.objective, *(what for what, done in also.items() if done)])
        rows.append(row(bits, "after training", showed.fixed_score.mse, goal, how))
        rows[-1]["compile_s"] = seconds
    for bits, goal in GRID.items():
        file = MODELS / f"mnist_autoencoder_{bits}bit.pt"
        showed = compile_graph(frontend.load(file), "loihi-sim").run(test).result.evaluation
        error = showed.fixed_score.mse
        rows.append(row(bits, "trained on the grid", error, goal, file.name))
    for each in rows:
        each["ratio"] = each["error"] / floating
        each["met"] = None if each["goal"] is None else each["ratio"] <= each["goal"]
    results = {
        "machine": tables.machine(),
        "python": platform.python_version(),
        "packages": tables.versions("neurocompile", "torch", "numpy", "scipy"),
        "float_error": floating,
        "rows": rows,
    }
    (HERE / "quantization.json").write_text(json.dumps(results, indent=2) + "\n")
    tables.put(markdown(results), "quantization")
    shown = Table("weights", "how", "error", "fixed / float", "goal", box=SIMPLE_HEAD)
    for each in rows:
        shown.add_row(*cells(each))
    Console().print(shown)


def row(bits: int, when: str, error: float, goal: float | None, how: str) -> dict[str, Any]:
    """The figures of a network; the ratio is filled in once the float error is known."""
    return {"bits": bits, "when": when, "error": error, "goal": goal, "how": how}


def cells(each: dict[str, Any]) -> tuple[str, ...]:
    """A row of the table."""
    goal = "" if each["goal"] is None else f"at most {each['goal']:g}"
    missed = " (missed)" if each["met"] is False else ""
    return (
        f"{each['bits']} bit, {each['when']}",
        each["how"],
        f"{each['error']:.6f}",
        f"{each['ratio']:.3f}{missed}",
        goal,
    )


def markdown(results: dict[str, Any]) -> str:
    """The table of the page."""
    head = ("weights", "how", "error per pixel", "fixed / float", "goal")
    lines = tables.markdown(head, [cells(each) for each in results["rows"]])
    lines += [
        "",
        f"Float error {results['float_error']:.6f}. {results['machine']}, Python "
        f"{results['python']}, {tables.listed(results['packages'])}; `make bench-quantization`.",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
