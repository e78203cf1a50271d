"""An answer outlives comments and names of the code that gave it, but no changed rule."""

import inspect
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from neurocompile.ir import registers
from neurocompile.nn import training
from neurocompile.quantize import quantize
from paper import behaviour, study
from paper.study import RESULTS, Job


@pytest.fixture
def code(tmp_path, monkeypatch):
    """Numbers of an imagined engine and trainer, which a test may change."""
    now = {"engine": {"spikes": [3.0, 4.0]}, "trainer": {"gradients": [-1.25]}}
    monkeypatch.setattr(behaviour, "numbers", now.__getitem__)
    monkeypatch.setattr(study, "_named", behaviour.digest)  # asked again after every change
    monkeypatch.setattr(study, "RESULTS", tmp_path)
    return now


def job(*kinds):
    return Job("sums", "double", {"number": 4}, lambda asked: {"twice": 8}, code=kinds)


def test_an_answer_is_open_again_when_its_code_does_something_else(code):
    asked = job("engine")
    asked.answer()
    assert asked.done
    code["engine"] = {"spikes": [3.0, 5.0]}
    assert not asked.done
    assert asked.outlived == ("engine",)
    asked.answer()
    assert asked.done


def test_an_answer_does_not_ask_for_code_that_it_does_not_rest_on(code):
    asked = job("trainer")
    asked.answer()
    code["engine"] = {"spikes": [0.0, 0.0]}
    assert asked.done


def test_another_processor_rounds_floats_differently_and_is_the_same_code(code):
    asked = job("trainer")
    asked.answer()
    code["trainer"] = {"gradients": [-1.25 + 1e-6]}
    assert asked.done
    code["trainer"] = {"gradients": [-1.25 + 2e-3]}
    assert not asked.done


def test_code_that_does_again_what_it_once_did_has_its_old_digest(code):
    before = study.stamp(["engine"])
    code["engine"], kept = {"spikes": [0.0, 1.0]}, code["engine"]
    assert study.stamp(["engine"]) != before
    code["engine"] = kept
    assert study.stamp(["engine"]) == before


def test_an_answer_without_a_digest_is_open(code):
    asked = job("engine")
    asked.answer()
    words = asked.path.read_text()
    asked.path.write_text(words.replace('"engine":', '"loader":'))
    assert asked.outlived == ("engine",)


def test_a_changed_rule_of_rounding_is_seen_and_a_comment_and_another_name_are_not(monkeypatch):
    known = behaviour.numbers("quantizer")
    source = textwrap.dedent(inspect.getsource(registers.Grid.nearest))
    words = source.replace("values", "parts").replace("    return", "    # why\n    return")
    assert words != source
    read = dict(vars(registers))
    exec(words, read)
    monkeypatch.setattr(registers.Grid, "nearest", read["nearest"])
    assert behaviour.PROBES["quantizer"]() == known

    def down(grid, values):
        return np.clip(np.floor(values / grid.step) * grid.step, *grid.used).astype(np.int16)

    monkeypatch.setattr(registers.Grid, "nearest", down)
    assert not behaviour.same(behaviour.PROBES["quantizer"](), known)


def test_a_rule_for_currents_of_the_host_is_a_kind_of_its_own(monkeypatch):
    spiking, currents = (behaviour.numbers(kind) for kind in ("quantizer", "currents"))
    real = quantize._host_peak

    def wider(incoming, ranges):
        of_synapses = incoming.host is not None and incoming.host.op is not None
        return real(incoming, ranges) * (8 if of_synapses else 1)

    monkeypatch.setattr(quantize, "_host_peak", wider)
    assert behaviour.PROBES["quantizer"]() == spiking
    assert not behaviour.same(behaviour.PROBES["currents"](), currents)


def test_a_changed_penalty_of_the_trainer_is_seen(monkeypatch):
    known, real = behaviour.numbers("trainer"), training.regularization_loss
    monkeypatch.setattr(training, "regularization_loss", lambda *asked: 1.05 * real(*asked))
    assert not behaviour.same(behaviour.PROBES["trainer"](), known)


@pytest.mark.slow
def test_a_processor_without_vector_units_is_the_same_code():
    words = "from paper import study; print(*map(study.code_of, study.KINDS))"
    plain = {"ATEN_CPU_CAPABILITY": "default", "DNNL_MAX_CPU_ISA": "SSE41"}
    done = subprocess.run(
        [sys.executable, "-c", words], capture_output=True, text=True, check=True,
        cwd=study.ROOT, env={**os.environ, **plain},
    )  # fmt: skip
    assert done.stdout.split() == [study.code_of(kind) for kind in study.KINDS]


def test_todays_code_is_that_of_the_kept_answers():
    kept = [path.stem for path in (RESULTS / "code").iterdir()]
    for kind in study.KINDS:
        assert f"{kind}-{study.code_of(kind)}" in kept
