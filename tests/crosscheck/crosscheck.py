"""`make crosscheck`: replay recorded spikes in SANA-FE, compare, keep what it charged.

In:  `crosscheck.py PYTHON`, the interpreter of build/peers/sanafe; `--update` to write.
Out: a table; sanafe.json and the generated parts of docs/crosschecks.md; exit 1 where a term
     differs by more than the tolerances of this file, known misses apart.
SANA-FE (GPL) runs in its own process and environment: nothing here imports it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from crosscheck_networks import ALL
from measured import measured_table
from replay import digest, ours, replay

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
KEPT = HERE / "sanafe.json"
DOCS = ROOT / "docs" / "crosschecks.md"
PEER = ROOT / "bench" / "peers" / "sanafe_replay.py"
BLOCKS = ("synapse", "soma", "network")
WAITING = "time, where messages wait"
EXACT_TOLERANCE, WAITING_TOLERANCE = 1e-9, 0.05  # relative
# docs/crosschecks.md says why
KNOWN_MISSES = {("conv and dense", WAITING), ("shipped autoencoder", WAITING)}


def main(arguments: list[str]) -> int:
    """Replay every network; 0 where all agree, but for what is known to miss."""
    python, update = arguments[0], "--update" in arguments
    kept: dict[str, Any] = {}
    for name, make in ALL.items():
        case = make()
        told = replay(case)
        kept[name] = {"digest": digest(told), "sanafe": charged(python, told), "ours": ours(case)}
    sys.stdout.write(table(kept) + "\n")
    if update:
        KEPT.write_text(json.dumps(kept, indent=1) + "\n")
        DOCS.write_text(with_tables(DOCS.read_text(), kept))
        sys.stdout.write(f"written: {KEPT}, {DOCS}\n")
    bad = {at: line for name, row in kept.items() for at, line in disagreements(name, row).items()}
    for at, line in bad.items():
        sys.stdout.write(f"{'KNOWN MISS' if at in KNOWN_MISSES else 'DIFFERS'}: {line}\n")
    return 1 if bad.keys() - KNOWN_MISSES else 0


def charged(python: str, told: dict[str, Any]) -> dict[str, Any]:
    """What SANA-FE charges, step by step, joules by block and seconds."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "replay.npz"
        np.savez(file, **told)
        done = subprocess.run(
            [python, str(PEER), str(file)], check=True, capture_output=True, text=True, timeout=600
        )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def pairs(sanafe: dict[str, Any], our: dict[str, float]) -> dict[str, tuple[float, float]]:
    """SANA-FE's total and ours, by term."""
    total = {key: sum(values) for key, values in sanafe.items() if key != "version"}
    return {
        "synapse": (total["synapse"], our["synapse"]),
        "soma": (total["soma"], our["soma"]),
        "network": (total["network"], our["network"] + our["host_hops"]),
        "time": (total["simple"], our["time"]),
        WAITING: (total["detailed"], our["time"]),
    }


def disagreements(name: str, row: dict[str, Any]) -> dict[tuple[str, str], str]:
    """Terms that differ by more than is allowed."""
    found = {}
    for term, (theirs, mine) in pairs(row["sanafe"], row["ours"]).items():
        allowed = WAITING_TOLERANCE if term == WAITING else EXACT_TOLERANCE
        if not abs(mine - theirs) <= allowed * theirs:
            found[name, term] = f"{name}: {term}: SANA-FE {theirs:.12g}, ours {mine:.12g}"
    return found


def table(kept: dict[str, Any]) -> str:
    """The figures in Markdown."""
    lines = ["| network | term | SANA-FE | neurocompile | difference |", "|---|---|--:|--:|--:|"]
    for name, row in kept.items():
        for term, (theirs, mine) in pairs(row["sanafe"], row["ours"]).items():
            energy = term in BLOCKS
            unit, scale = ("nJ", 1e9) if energy else ("us", 1e6)
            waits = term == WAITING
            apart = f"{mine / theirs - 1:+.1%}" if waits else _apart(mine / theirs - 1)
            apart += " (missed)" if (name, term) in disagreements(name, row) else ""
            digits = f"{theirs * scale:,.3f} {unit} | {mine * scale:,.3f} {unit}"
            lines.append(f"| {name} | {term} | {digits} | {apart} |")
    return "\n".join(lines)


def _apart(relative: float) -> str:
    """A difference of rounding is no figure: its last digits are those of the machine."""
    return "below 1e-12" if abs(relative) < 1e-12 else f"{relative:+.1e}"


def with_tables(text: str, kept: dict[str, Any]) -> str:
    """The page with its generated parts made anew."""
    for name, made in (("sanafe", table(kept)), ("measured", measured_table())):
        begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
        before, rest = text.split(begin)
        text = before + begin + made + "\n" + end + rest.split(end)[1]
    return text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
