"""Draws of faults: what is compared, what has no fault, what left the registers."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from neurocompile.compiler import compile_graph
from neurocompile.data.samples import Data
from neurocompile.data.stimulus import Stimulus
from neurocompile.faults.draw import faulty
from neurocompile.faults.measure import measured
from neurocompile.frontend.torch import trace
from neurocompile.nn import SpikingAutoencoder
from paper import draws, rows, study, twin
from paper.draws import best, drawn_errors
from paper.plain import PlainAutoencoder

SPIKING, PLAIN = twin.SPIKING, twin.WITHOUT


@pytest.fixture
def small(monkeypatch, tmp_path):
    """Small untrained networks on six digits of noise; two draws of the mildest level."""
    random = np.random.default_rng(0)
    digits = random.random((6, 1, 28, 28), np.float32)
    network = SpikingAutoencoder(
        channels=(2, 2), latent=4, steps=4, input_population=False, limited=True
    )
    monkeypatch.setattr(study, "RESULTS", tmp_path)
    monkeypatch.setattr(twin, "images", lambda name, part, n: Data("noise", "x", digits[:n]))
    monkeypatch.setattr(twin, "trained", lambda asked: network)
    monkeypatch.setattr(rows, "trained", lambda asked: network)
    monkeypatch.setattr(twin, "plain", plain)
    monkeypatch.setattr("paper.plain.trained", plain)
    monkeypatch.setattr(draws, "DIGITS", 6)
    monkeypatch.setattr(draws, "DRAWS", 2)
    monkeypatch.setattr(draws, "LEVELS", {name: each[:1] for name, each in draws.LEVELS.items()})
    return SimpleNamespace(digits=digits, network=network)


def plain(asked):
    return PlainAutoencoder("chip", 4, variational=asked.get("kl", 0) > 0, seed=0)


def test_every_row_has_its_faults_and_the_page_is_made_of_them(small, tmp_path):
    assert draws.text().count("|") == 0
    answers = {job.name: job.answer() for job in draws.jobs()}
    assert list(answers) == [SPIKING, PLAIN, draws.BAND_ROW, "AE", "VAE"]
    for row, answer in answers.items():
        kinds = draws.WITHOUT_CHIP if row in draws.WITHOUT_SPIKES else tuple(draws.LEVELS)
        assert tuple(answer["faults"]) == kinds
        assert all(len(level) == 2 for each in answer["faults"].values() for level in each)
    said = draws.text()
    assert said.count(f"| {PLAIN} | ") == 8
    assert said.count(f"| {PLAIN} | {answers[PLAIN]['none']:.2f} | - |") == 4
    for folder in ("once", "again"):
        draws.draw(tmp_path / folder)
    pictures = [(tmp_path / folder / "draws.svg").read_bytes() for folder in ("once", "again")]
    assert pictures[0] == pictures[1]


def test_errors_without_spikes_are_those_of_limited_results_of_rounded_weights(small):
    job = draws._jobs()[PLAIN]
    model = draws.faults.flipped_words_of(plain({}), 0.0, 8, np.random.default_rng(0))
    with torch.no_grad():
        made = model(torch.tensor(small.digits)).clamp(0, 1).numpy()
    assert job.answer()["none"] == pytest.approx(np.square(made - small.digits).sum() / 6)


def test_disturbed_potentials_are_run_as_the_command_runs_them(small):
    data = Data("noise", "x", small.digits)
    graph = trace(small.network, torch.zeros(1, 1, 28, 28))
    compiled = compile_graph(graph, "loihi-sim", calibration=data)
    for kind in ("membrane-flips", "threshold-drift"):
        found = faulty(compiled.placed, kind, 0.5, draw=1)
        _, wanted = measured(compiled.placed, found, Stimulus(data, 4))
        broken = draws._broken(compiled, kind, 0.5, 1, 1.25)
        assert (draws._results(broken, data) == wanted).all()


def test_a_number_of_cores_is_a_share_of_them(small):
    graph = trace(small.network, torch.zeros(1, 1, 28, 28))
    compiled = compile_graph(graph, "loihi-sim", calibration=Data("noise", "x", small.digits))
    cores = len(compiled.placed.cores)
    assert cores > 1
    for count in range(1, cores + 1):
        assert draws._broken(compiled, draws.CORES, count, 0, 1.25).hit == count


def test_all_networks_see_the_digits_of_a_draw_and_draws_differ():
    data = Data("ones", "x", np.ones((2, 1, 28, 28), np.float32))
    one, again, other = (draws._seen(data, "dead", 0.1, draw).values for draw in (0, 0, 1))
    assert (one == again).all()
    assert (one != other).any()
    assert (draws._seen(data, "stuck", 0.1, 0).values == 1).all()  # white pixels stay white


def test_only_draws_that_ran_count_and_those_that_did_not_are_named():
    answer = {"none": 3.0, "faults": {"noise": [[4.0, None], [None, None], [5.0, 6.0]]}}
    assert [drawn_errors(answer, "noise", level) for level in range(4)] == [
        [3.0], [4.0], [], [5.0, 6.0],
    ]  # fmt: skip
    assert drawn_errors(answer, "membrane-flips", 1) == []
    found = {"AE": answer, "VAE": {"none": 1.0, "faults": {}}}
    assert draws._left(found, "noise") == ["1 of AE at 0.1", "2 of AE at 0.3"]


def test_a_network_that_cannot_have_a_fault_is_not_the_best_with_it():
    def answer(error, *kinds):
        return {"none": error, "faults": {kind: [[error, error]] * 3 for kind in kinds}}

    found = {"AE": answer(1.0, "noise"), SPIKING: answer(2.0, "noise", "threshold-flips")}
    assert best(found, "noise", 1) == ["AE"]
    assert best(found, "threshold-flips", 1) == [SPIKING]
