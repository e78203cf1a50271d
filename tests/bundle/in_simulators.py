"""Layers in a simulator of Verilog: `make test-verilog`, where Icarus Verilog is installed."""

import shutil
import subprocess

import pytest
from verilog_layers import CLOCKS, equal_values, layers, simulated

SIMULATORS = [name for name in ("iverilog", "verilator") if shutil.which(name)]


def modules(count):
    """The first layers of random networks that can be modules."""
    found = (each for each in layers(0, 100) if not isinstance(each[3], str))
    return [made for (*_, made), _ in zip(found, range(count), strict=False)]


def test_layers_of_random_networks_have_every_bit_and_take_the_clocks_that_are_promised(tmp_path):
    kinds = set()
    for k, made in enumerate(modules(16)):
        done = simulated(made, tmp_path / str(k), "iverilog")
        assert equal_values(done) > 0, done.stdout + done.stderr
        assert int(CLOCKS.search(done.stdout)[1]) == made.sizes["clocks_most"]
        assert done.stderr == ""  # no warning of -Wall
        kinds.add((type(made.layer.node).__name__, made.layer.dense))
    assert {kind for kind, _ in kinds} >= {"CubaLIF", "ATRLIF", "AdaptiveLIF", "RefractoryLIF"}
    assert {dense for _, dense in kinds} == {True, False}


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_a_changed_weight_constant_or_step_is_noticed(simulator, tmp_path):
    made = max(modules(16), key=lambda made: made.layer.neurons)
    assert equal_values(simulated(made, tmp_path / "whole", simulator)) > 0
    for name in ("weights.hex", "layer.v"):
        text = made.files[name].decode()
        if name == "layer.v":
            changed = text.replace("sum + weight", "sum - weight")
        else:
            changed = "".join(f"{0:0{len(line)}x}\n" for line in text.split())
        other = {**made.files, name: changed.encode()}
        done = simulated(type(made)(other, made.layer, made.sizes), tmp_path / name, simulator)
        assert done.returncode != 0
        assert "but the vectors have" in done.stdout
        (tmp_path / "whole" / name).write_text(changed)  # and by its digest alone
    done = simulated_again(tmp_path / "whole", simulator)
    assert done.returncode != 0
    assert "weights.hex: FAILED" in done.stdout


def simulated_again(folder, simulator):
    """Check a folder that was changed after it was written."""
    words = ["make", "-s", "check", f"SIM={simulator}"]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True)
