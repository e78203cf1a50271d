"""Every example runs, and does what its first lines say."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*arguments, cwd):
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_norse_network_is_compiled_and_priced_term_by_term(tmp_path):
    text = run(ROOT / "examples/compile_norse_network.py", "--samples", 10, cwd=tmp_path)
    assert (tmp_path / "build/norse.pt").is_file()
    models: dict[str, float] = {}
    total: dict[str, float] = {}
    name = ""
    for line in text.splitlines():
        if line.startswith("  "):
            models[name] += float(line.split("=")[1].split()[0])
        else:
            name = line.split(":")[0]
            models[name] = 0.0
            total[name] = float(line.split()[1])
    assert set(models) == {"davies2018", "boyle2025"}
    for name, joules in models.items():
        assert joules / 10 == pytest.approx(total[name], rel=1e-3)
