"""Every example runs, and does what its first lines say."""

import re
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


def test_paths_of_unequal_length_meet_on_lava(tmp_path):
    text = run(ROOT / "examples/skip_connection.py", "--samples", 1, cwd=tmp_path)
    assert (tmp_path / "build/skip.pt").is_file()
    assert "Norse and our float network: 0 of 400 output spikes differ" in text
    # conv1, conv2, conv3, linear: a step each; the block's input skips one layer, then two
    assert "  lif1: 1 behind the input; input waits 0\n" in text
    assert "  lif2: 2 behind the input; lif1 waits 0\n" in text
    assert "  lif3: 3 behind the input; lif2 waits 0, lif1 waits 1\n" in text
    assert "  lif4: 4 behind the input; lif1 waits 2, lif3 waits 0\n" in text
    # 40 steps of 64 inputs, 3 x 64 and 10 neurons
    assert "Lava and our fixed engine: 0 of 10640 spikes differ" in text
    shares = [line.split(": ")[1].split("%")[0] for line in text.splitlines() if "equal" in line]
    assert len(shares) == 4
    assert min(map(float, shares)) > 90


def test_a_norse_network_is_compiled_and_priced_term_by_term(tmp_path):
    text = run(ROOT / "examples/compile_norse_network.py", "--samples", 10, cwd=tmp_path)
    assert (tmp_path / "build/norse/report.json").is_file()
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


def test_a_faulty_sensor_is_found_by_what_the_chip_cannot_reconstruct(tmp_path):
    text = run(ROOT / "examples/find_faulty_sensor.py", "--samples", 40, cwd=tmp_path)
    numbers = re.findall(r"(?<![\w.])\d+\.\d+", text)
    good, bad, area, davies, boyle = map(float, numbers)
    assert 4 < good < 8  # 0.0068 a pixel on all test digits, 784 pixels
    assert bad > 3 * good
    assert area > 0.99
    assert 50 < davies < boyle < 90
