"""The documentation site builds without a warning, holds every page, and finds every name."""

import re
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path

import pytest

import neurocompile as nc

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
# Sphinx's own napoleon and myst-parser use what Sphinx 11 will drop; pins.txt keeps them together
DROPPED_LATER = "ignore::sphinx.deprecation.RemovedInSphinx11Warning"


@pytest.fixture
def make_site(monkeypatch):
    """The program that builds the site."""
    monkeypatch.syspath_prepend(DOCS)
    return import_module("make_site")


class Links(HTMLParser):
    """The pages that a page links to, without anchors and addresses of the web."""

    def __init__(self, page):
        super().__init__()
        self.pages = set()
        self.feed(page.read_text())

    def handle_starttag(self, tag, attrs):
        href = dict(attrs).get("href") or ""
        if tag == "a" and ":" not in href and href.partition("#")[0]:
            self.pages.add(href.partition("#")[0])


@pytest.mark.filterwarnings(DROPPED_LATER)
def test_the_site_builds_without_a_warning_and_everything_is_reached_from_its_first_page(
    make_site, tmp_path
):
    out = tmp_path / "site"
    assert make_site.build(out) == 0
    pages = {path.with_suffix("").name for path in [*DOCS.glob("*.md"), *DOCS.rglob("*.ipynb")]}
    made = {path.stem: path for path in out.rglob("*.html")}
    assert pages | {"CHANGELOG", "CONTRIBUTING", "api", "api-nn"} <= set(made)
    reached = {Path(name).stem for name in Links(out / "index.html").pages}
    assert pages - {"index"} <= reached
    for path in made.values():
        links = {path.parent / name for name in Links(path).pages}
        assert [link for link in links if not link.exists()] == []
    # A sentence that names a page links to it.
    assert "docs/energy.md" in (DOCS / "quick-start.md").read_text()
    assert "energy.html" in Links(out / "quick-start.html").pages
    code = re.compile(r"<(pre|code|script|title)\b.*?</\1>", flags=re.DOTALL)
    for path in made.values():
        assert not re.findall(r"docs/[\w-]+\.md", code.sub("", path.read_text())), path.name
    # The search knows the names of the reference, and opens from disk.
    index = (out / "searchindex.js").read_text()
    for name in (*nc.__all__, *nc.nn.__all__):
        assert name.startswith("__") or re.search(rf'"{name}"|\b{name}:', index), name
    assert not re.findall(r"(?:src|href)=\"https?://[^\"]+\.(?:js|css)", made["index"].read_text())


@pytest.mark.filterwarnings(DROPPED_LATER)
def test_a_link_to_a_page_that_is_not_there_fails_the_build(
    make_site, tmp_path, monkeypatch, capfd
):
    def one_page(source):
        source.mkdir()
        (source / "static").mkdir()
        (source / "index.md").write_text("# Page\n\nSee [another](nowhere.md).\n")

    monkeypatch.setattr(make_site, "lay_out", one_page)
    assert make_site.build(tmp_path / "site") == 1
    assert "nowhere.md" in capfd.readouterr().err


def test_a_docstring_of_plain_text_reads_the_same_on_the_site(monkeypatch):
    monkeypatch.syspath_prepend(DOCS)
    lines = [
        "Step of a neuron, with a trailing_ underscore and *no* emphasis.", "",
        "v <- v + dt * i;  z = v > v_th.", "",
        "    code(*here)", "",
        "Args:", "    x: (n, *shape) of `name`s, from `load` or `save` (docs/ci.md).", "",
        "Returns:", "    Two things: one | other.", "",
    ]  # fmt: skip
    import_module("conf").plain_words(None, "function", "f", None, None, lines)
    assert lines == [
        r"Step of a neuron, with a trailing\_ underscore and \*no\* emphasis.", "",
        "::", "", "    v <- v + dt * i;  z = v > v_th.", "",
        "::", "", "        code(*here)", "",
        "Args:", r"    x: (n, \*shape) of ``name``\ s, from ``load`` or ``save`` (:doc:`ci`).", "",
        ":returns:", r"    Two things: one \| other.", "",
    ]  # fmt: skip
