"""The CSV file has every number of the answers once, under the names that a reader looks for."""

import csv
import io
from types import SimpleNamespace

from paper import make, tidy
from paper.study import Job


def lines(*jobs):
    study = SimpleNamespace(jobs=lambda: list(jobs))
    return list(csv.DictReader(io.StringIO(tidy.text([study]))))


def answered(name, question, answer, monkeypatch, tmp_path):
    monkeypatch.setattr("paper.study.RESULTS", tmp_path)
    job = Job("sums", name, question, lambda asked: answer, code=())
    job.answer()
    return job


def test_a_line_names_setting_row_seed_and_layer(monkeypatch, tmp_path):
    answer = {"error": 2.5, "layers": {"lif1": {"dead": 3}}, "alive": None, "verdict": "fits"}
    training = {"training": {"seed": 4}}
    found = lines(answered("chip SAE, dense 4", training, answer, monkeypatch, tmp_path))
    shared = {"study": "sums", "setting": "chip", "row": "SAE, dense", "seed": "4"}
    assert found == [
        {**shared, "layer": "", "measure": "error", "value": "2.5"},
        {**shared, "layer": "lif1", "measure": "dead", "value": "3"},
    ]


def test_what_has_no_seed_and_no_setting_has_none_and_places_in_lists_are_counted(
    monkeypatch, tmp_path
):
    answer = {"errors": [1, {"far": 2}], "embedding": [[3.0]]}
    found = lines(answered("principal components", {}, answer, monkeypatch, tmp_path))
    assert [(one["row"], one["seed"], one["measure"], one["value"]) for one in found] == [
        ("principal components", "", "errors/0", "1"),
        ("principal components", "", "errors/1/far", "2"),
    ]


def test_the_file_beside_the_pictures_is_what_the_answers_give():
    assert (make.PICTURES / "answers.csv").read_text() == tidy.text(make.STUDIES)
