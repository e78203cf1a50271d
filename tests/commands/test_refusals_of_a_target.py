"""What refuses a network in several layers is one answer, of `export` as of `inspect --target`."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from neurocompile.formats.checkpoint.write import write_checkpoint
from neurocompile.ir.graph import chain
from neurocompile.ir.neurons import LIF, LIFBox
from neurocompile.ir.nodes import Delay, Input, Linear
from neurocompile.ir.settings import Settings

ROOT = Path(__file__).parents[2]


def box(rate, reset="zero"):
    """LIFBox of this inverse time constant, 1/s, with a threshold of 1."""
    return LIFBox(np.array(rate), np.array(0.0), np.array(1.0), np.array(0.0), reset)


@pytest.fixture
def write(tmp_path):
    """Save layers that follow each other."""

    def run(nodes):
        path = tmp_path / "m.pt"
        write_checkpoint(chain(nodes, Settings(steps=4)), path, {})
        return path

    return run


@pytest.fixture
def ask(call, tmp_path):
    """The exit code and the reasons of `inspect`, held against what `export` says."""

    def run(path, target="loihi-sim"):
        code, text, _ = call("inspect", path, "--target", target, "--json")
        reasons = json.loads(text)["target"]["reasons"]
        out = tmp_path / "out"
        again, _, said = call("export", path, "--target", target, "--out", out)
        assert again == code
        assert not out.exists()
        assert all(" ".join(reason.split()) in " ".join(said.split()) for reason in reasons)
        return code, reasons, said

    return run


def test_registers_and_resets_of_all_layers_are_one_answer(write, ask):
    """At dt = 1 ms, 0.01 / s loses 0.04 parts in 4096 per step and 2000 / s more than there is."""
    ones = Linear(np.ones((3, 3)))
    zero, one = np.array(0.0), np.array(1.0)
    code, reasons, said = ask(
        write(
            {
                "in": Input((3,)),
                "fc1": ones,
                "slow": box(0.01),
                "fc2": ones,
                "other": box(100.0, "subtract"),
                "fc3": ones,
                "fast": LIF(np.array(2000.0), np.array(0.01), zero, one, zero),
                "fc4": ones,
                "good": box(100.0),
            }
        )
    )
    assert code == 3
    other, slow, synaptic, membrane = reasons
    assert "layer 'other': a spike resets it by 'subtract', but loihi-sim has zero." in other
    assert "layer 'slow': tau_mem = 100 s at dt = 0.001 s gives a decay of 0.04096 parts" in slow
    assert (
        "layer 'fast': tau_syn = 0.0005 s at dt = 0.001 s gives a decay of 8192 parts" in synaptic
    )
    assert "layer 'fast': tau_mem = 100 s at dt = 0.001 s" in membrane
    assert "Keep tau_mem between 0.001 s and 4.096 s" in membrane
    assert "good" not in said
    assert "DoesNotFit: 4 things in this network do not fit the target:" in said


def test_a_reset_and_layers_that_fit_on_no_core_are_one_answer(write, ask, tmp_path):
    text = (ROOT / "targets/loihi-sim/target.toml").read_text().replace('"loihi-sim"', '"narrow"')
    axons = re.sub(r"(?m)^(input_axons_per_core = {) value = \d+", r"\1 value = 4", text)
    (tmp_path / "narrow").mkdir()
    (tmp_path / "narrow/target.toml").write_text(axons)
    layers = {
        "in": Input((5,)),
        "fc1": Linear(np.ones((6, 5))),
        "a": box(100.0, "subtract"),
        "fc2": Linear(np.ones((2, 6))),
        "b": box(100.0, "subtract"),
    }
    code, reasons, _ = ask(write(layers), tmp_path / "narrow")
    assert code == 3
    reset, first, second = reasons
    assert "layers 'a', 'b': a spike resets them by 'subtract', but narrow has zero." in reset
    assert "layer 'a': neuron 0 needs 5 input axons, but a core of narrow has only 4." in first
    assert "layer 'b': neuron 0 needs 6 input axons, but a core of narrow has only 4." in second


def test_the_cures_of_such_an_answer_make_the_network_compile(write, call):
    ones = Linear(np.ones((3, 3)))
    nodes = {"in": Input((3,)), "fc1": ones, "slow": box(1 / 4.0), "fc2": ones}
    path = write({**nodes, "other": box(100.0, "subtract")})
    code, *_ = call("inspect", path, "--reset", "zero", "--target", "loihi-sim")
    assert code == 0


def test_where_a_part_fits_no_target_the_code_is_that_of_bad_input(write, ask):
    """A bias that a delay would hold back is supported nowhere; the reset only not here."""
    biased = Linear(np.ones((3, 3)), np.ones(3))
    code, reasons, said = ask(
        write(
            {
                "in": Input((3,)),
                "fc1": biased,
                "late1": Delay(1),
                "a": box(100.0, "subtract"),
                "fc2": biased,
                "late2": Delay(2),
                "b": box(100.0, "subtract"),
            }
        )
    )
    assert code == 2
    reset, first, second = reasons
    assert "layers 'a', 'b': a spike resets them by 'subtract'" in reset
    assert "layer 'late1' (Delay): the bias of layer 'fc1' passes this delay" in first
    assert "layer 'late2' (Delay): the bias of layer 'fc2' passes this delay" in second
    assert "3 things in this network do not fit the target or are not supported:" in said
