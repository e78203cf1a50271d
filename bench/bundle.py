"""Speed and size of C programs beside the fixed engine, in one run.

In:  the shipped autoencoder of 8 bits and those trained on the grid with 4 and 2; gcc and clang.
Out: steps per second over those of one thread of the engine, flash over the packed weights, seconds
     of a core to bundle, build and check; bench/bundle.json and a table in docs/benchmarks.md.
Each program first shows that every bit is equal. Engine and programs take turns on one core, and
the best turn of each counts. Flash is the tables and the code of nc_init and nc_step, made by -Os.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import table as tables
import torch

import neurocompile as nc
from neurocompile.bundle.c.folder import c_bundle
from neurocompile.bundle.vectors import vectors_of
from neurocompile.data.inputs import encode
from neurocompile.data.samples import load_data
from neurocompile.engines import fixed

HERE = Path(__file__).parent
FILE = HERE / "bundle.json"
MODELS = {
    "8 bits": "mnist_autoencoder.pt",
    "4 bits": "mnist_autoencoder_4bit.pt",
    "2 bits": "mnist_autoencoder_2bit.pt",
}
COMPILERS = ("gcc", "clang")
SAMPLES, VECTORS, ROUNDS, TURNS = 100, 10, 5, 3  # of the engine, of a program, in turns, of --time
NEEDED = re.compile(r"^\.(?:text|rodata)\.(\w+)\S* +(\d+)", re.MULTILINE)
UNNEEDED = ("nc_layer_", "nc_spike", "nc_potential", "nc_tables_", "crc", "names", "sizes", "str")
GOALS = {"speed": 0.5, "flash": 1.3, "seconds": 10.0}


def main() -> None:
    """Measure, print, and write file and page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dry", action="store_true", help="write no file of the repository")
    options = parser.parse_args()
    torch.set_num_threads(1)
    compilers = [c for c in COMPILERS if shutil.which(c)]
    with tempfile.TemporaryDirectory() as folder:
        rows = [measured(name, Path(folder) / name, compilers) for name in MODELS]
    results = {"machine": tables.machine(), "compilers": versions(compilers), "rows": rows}
    sys.stdout.write(markdown(results) + "\n")
    if options.dry:
        return
    FILE.write_text(json.dumps(results, indent=2) + "\n")
    tables.put(markdown(results), "bundle")


def measured(name: str, folder: Path, compilers: list[str]) -> dict[str, Any]:
    """The figures of a network."""
    model = HERE.parent / "examples" / "models" / MODELS[name]
    graph = nc.compile(model, target="loihi-sim").fixed_graph
    data = load_data("mnist5k", samples=SAMPLES)
    steps = graph.settings.steps
    encoded = encode(graph, data, 0, SAMPLES, steps, 0)
    begun = core_seconds()
    made = c_bundle(vectors_of(graph, encode(graph, data, 0, VECTORS, steps, 0)))
    for path, content in made.files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    bundled, seconds = core_seconds() - begun, {}
    for compiler in compilers:
        begun = core_seconds()
        checked = run(folder, "make", "-s", "-B", "check", f"CC={compiler}")
        seconds[compiler] = bundled + core_seconds() - begun
        assert " values equal" in checked, checked
        (folder / "run").rename(folder / f"run-{compiler}")
    engine, programs = np.inf, dict.fromkeys(compilers, 0.0)
    for number in range(ROUNDS + 1):  # the first one warms up
        begun = time.thread_time()
        fixed.run(graph, encoded, spikes=(), membrane=())
        engine = min(engine, time.thread_time() - begun) if number else engine
        for compiler in compilers:
            said = run(folder, f"./run-{compiler}", "--time", str(TURNS))
            programs[compiler] = max(programs[compiler], float(said.split()[0]))
    of_engine = SAMPLES * steps / engine
    code = code_bytes(folder, compilers[0])
    return {
        "network": name,
        "engine_steps_per_second": of_engine,
        "steps_per_second": programs,
        "of_engine": {c: rate / of_engine for c, rate in programs.items()},
        "bundled_and_checked_seconds": seconds,
        "code_bytes": code,
        **made.sizes,
        "flash_of_packed": (made.sizes["table_bytes"] + code) / made.sizes["packed_bytes"],
        "state_bytes": int(re.findall(r"RAM +(\d+)", checked)[0]),
    }


def core_seconds() -> float:
    """Seconds of a core that this process and its children have taken: others do not count."""
    taken = os.times()
    return taken.user + taken.system + taken.children_user + taken.children_system


def code_bytes(folder: Path, compiler: str) -> int:
    """Bytes of the code that a step needs, without checks of registers."""
    options = ("-std=c99", "-Os", "-DNC_CHECKED=0", "-ffunction-sections", "-fdata-sections")
    run(folder, compiler, *options, "-c", "network.c", "-o", "network.o")
    found = NEEDED.findall(run(folder, "size", "-A", "network.o"))
    return sum(int(n) for name, n in found if not name.startswith(UNNEEDED))


def run(folder: Path, *words: str) -> str:
    """What a program prints."""
    return subprocess.run(words, cwd=folder, check=True, capture_output=True, text=True).stdout


def versions(compilers: list[str]) -> dict[str, str]:
    """The first line that each compiler says of itself."""
    return {c: run(HERE, c, "--version").splitlines()[0] for c in compilers}


def markdown(results: dict[str, Any]) -> str:
    """The table, and what it was measured on."""
    compilers = list(results["compilers"])
    head = [
        "weights",
        *(f"speed of {c} / engine" for c in compilers),
        "flash / packed weights",
        "RAM",
        *(f"bundled, built by {c} and checked" for c in compilers),
    ]
    rows = []
    for row in results["rows"]:
        speeds = [row["of_engine"][c] for c in compilers]
        seconds = [row["bundled_and_checked_seconds"][c] for c in compilers]
        rows.append(
            [
                row["network"],
                *(f"{v:.2f}{_missed(v >= GOALS['speed'])}" for v in speeds),
                f"{row['flash_of_packed']:.2f}{_missed(row['flash_of_packed'] <= GOALS['flash'])}",
                f"{row['state_bytes']:,} bytes",
                *(f"{v:.1f} s{_missed(v <= GOALS['seconds'])}" for v in seconds),
            ]
        )
    goal = ["goal", *["at least 0.5"] * len(compilers), "at most 1.3", ""]
    rows.append([*goal, *["at most 10 s"] * len(compilers)])
    made = ", ".join(results["compilers"].values())
    return "\n".join(
        [
            *tables.markdown(head, rows),
            "",
            f"The shipped autoencoder, {results['machine']}, {made}, -O3, one core; the engine on "
            f"one thread. Best of {ROUNDS} rounds in turns. Seconds are of one core. Flash: tables "
            "and code of a step, -Os.",
        ]
    )


def _missed(met: bool) -> str:
    return "" if met else " (missed)"


if __name__ == "__main__":
    main()
