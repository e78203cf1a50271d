"""A question of the study is answered once, and its answer belongs only to that question."""

import json

import pytest

from paper import study
from paper.study import Job, open_jobs, slug


@pytest.fixture(autouse=True)
def _results_elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(study, "RESULTS", tmp_path)


def job(question, calls):
    def compute(asked):
        calls.append(asked)
        return {"twice": 2 * asked["number"]}

    return Job("sums", "double", question, compute, code=())


def test_an_answer_is_computed_once_and_read_from_then_on():
    calls = []
    assert job({"number": 4}, calls).answer() == {"twice": 8}
    assert job({"number": 4}, calls).answer() == {"twice": 8}
    assert calls == [{"number": 4}]


def test_a_file_is_named_by_a_slug_that_any_shell_and_file_system_can_take():
    assert slug("paper VAE 3") == "paper-vae-3"
    assert slug("latent 24, T = 16, sparse 0") == "latent-24-t-16-sparse-0"


def test_a_changed_question_is_asked_anew():
    calls = []
    job({"number": 4}, calls).answer()
    changed = job({"number": 5}, calls)
    assert open_jobs([changed]) == [changed]
    assert changed.answer() == {"twice": 10}


def test_a_tuple_in_a_question_is_the_list_that_json_keeps():
    asked = job({"number": 4, "grid": (1, 2)}, [])
    asked.answer()
    assert asked.done


def test_an_interrupted_computation_leaves_no_answer():
    def broken(asked):
        raise KeyboardInterrupt

    interrupted = Job("sums", "double", {"number": 4}, broken, code=())
    with pytest.raises(KeyboardInterrupt):
        interrupted.answer()
    assert not interrupted.done


def test_an_answer_names_its_question_and_the_versions_that_gave_it():
    asked = job({"number": 4}, [])
    asked.answer()
    kept = json.loads(asked.path.read_text())
    assert kept["question"] == {"number": 4}
    assert set(kept["versions"]) == set(study.PACKAGES)


def test_an_answer_that_is_no_number_is_refused_and_not_kept():
    asked = Job("sums", "double", {}, lambda _: {"error": float("nan")}, code=())
    with pytest.raises(ValueError, match="Out of range"):
        asked.answer()
    assert not asked.done
