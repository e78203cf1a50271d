"""Pictures of the report and of the terminal: every one is shown, said in words, and small."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "docs/pictures"
SHOWN = re.compile(r"!\[([^\]]*)\]\(((?:docs/)?pictures/[\w.-]+)\)")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
MOST_BYTES, MOST_BYTES_OF_ALL = 150_000, 700_000


def shown():
    """Every picture that a page shows: its words, and its file."""
    for page in PAGES:
        for words, name in SHOWN.findall(page.read_text()):
            yield words, page.parent / name


def test_every_picture_that_a_page_shows_exists_and_every_picture_is_shown():
    files = {path.resolve() for _, path in shown()}
    assert files == {path.resolve() for path in PICTURES.iterdir()}


def test_every_picture_has_words_for_those_who_do_not_see_it():
    assert [path.name for words, path in shown() if len(words.split()) < 4] == []


def test_the_screenshots_are_small_and_load_nothing():
    taken = [*PICTURES.glob("report*.png"), *PICTURES.glob("terminal-*.svg")]
    sizes = {path.name: path.stat().st_size for path in taken}
    assert len(sizes) >= 5
    assert max(sizes.values()) < MOST_BYTES
    assert sum(sizes.values()) < MOST_BYTES_OF_ALL
    for path in PICTURES.glob("terminal-*.svg"):
        text = path.read_text().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?:|@import|<script", text), path.name


def test_the_terminals_of_the_pictures_have_eighty_columns():
    for path in PICTURES.glob("terminal-*.svg"):
        rows: dict[str, int] = {}
        texts = re.findall(r'<text [^>]*\by="([\d.]+)"[^>]*>([^<]*)</text>', path.read_text())
        for y, text in texts:
            plain = re.sub(r"&#?\w+;", "x", text).rstrip("\n")
            rows[y] = rows.get(y, 0) + len(plain)
        assert len(rows) > 20, path.name
        assert max(rows.values()) <= 80, path.name
