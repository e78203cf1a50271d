"""The pages of results and their pictures are made of the answers that are kept, bit for bit."""

from pathlib import Path

import pytest

from paper import make

DOCS = Path(__file__).parents[2] / "docs"


def test_every_question_of_the_page_has_its_answer():
    open_ones = [
        f"{job.study}/{job.name}" for s in make.STUDIES for job in s.jobs() if not job.done
    ]
    assert open_ones == []


def test_no_two_questions_share_a_file():
    paths = [job.path for study in make.STUDIES for job in study.jobs()]
    assert len(set(paths)) == len(paths)


def test_the_pages_are_what_the_answers_give():
    assert make.page() == (DOCS / "results.md").read_text()
    assert make.tables() == (DOCS / "results-tables.md").read_text()


@pytest.mark.parametrize("study", make.STUDIES, ids=lambda study: study.__name__)
def test_the_pictures_are_what_the_answers_give(study, tmp_path):
    study.draw(tmp_path)
    drawn = sorted(tmp_path.iterdir())
    assert drawn
    for picture in drawn:
        assert picture.read_bytes() == (DOCS / "results" / picture.name).read_bytes()
        assert f"](results/{picture.name})" in (DOCS / "results-tables.md").read_text()
