"""How Sphinx builds the documentation site: furo, MyST, and docstrings that are plain text.

In:  the folder that docs/make_site.py lays out.
Out: settings that Sphinx reads by name, and one hook on docstrings.
Our docstrings are plain text: `plain_words` turns their code and equations into literal blocks and
escapes what reStructuredText would take for markup.
"""

from __future__ import annotations

import re
from itertools import groupby
from typing import Any

from docutils import nodes

from neurocompile import __version__

project = "neurocompile"
version = release = __version__
html_title = f"neurocompile {release}"
html_theme = "furo"
html_theme_options = {
    "navigation_with_keys": True,
    "light_css_variables": {"color-brand-primary": "#1f5f8b", "color-brand-content": "#1f5f8b"},
    "dark_css_variables": {"color-brand-primary": "#7db8e0", "color-brand-content": "#7db8e0"},
}
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_heading_anchors = 4
source_suffix = {".md": "markdown"}
highlight_language = "none"
pygments_style = "friendly"
pygments_dark_style = "monokai"
smartquotes = False  # they would turn the options `--json` of a sentence into dashes

napoleon_numpy_docstring = False
napoleon_use_ivar = True
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
maximum_signature_line_length = 88
add_module_names = False
toc_object_entries = False  # each name is a heading already

SECTION = re.compile(r"(Args|Attributes|Raises|Warns):$")  # which napoleon reads
FIELD = re.compile(
    r"(Returns|Yields|Source):$"
)  # whose text may hold colons that it would split at
LAID_OUT = re.compile(r"^    |\S  +\S|\n +", flags=re.MULTILINE)  # code, an equation or a table
MARKUP = re.compile(r"[*|\\]|_(?!\w)")


def setup(app: Any) -> None:
    """Let `plain_words` read every docstring before napoleon does."""
    app.connect("autodoc-process-docstring", plain_words, priority=400)
    app.connect("doctree-read", field_names)


def plain_words(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Turn a docstring of plain text into reStructuredText that says the same, in place."""
    paragraphs = [list(rows) for there, rows in groupby(lines, bool) if there]
    made: list[str] = []
    for rows in paragraphs:
        begins = FIELD.match(rows[0])
        if begins:
            made += [f":{begins[1].lower()}:", *map(escaped, rows[1:])]
        elif SECTION.match(rows[0]):
            made += [rows[0], *map(escaped, rows[1:])]
        elif LAID_OUT.search("\n".join(rows)):
            made += ["::", "", *(f"    {row}" for row in rows)]
        else:
            made += map(escaped, rows)
        made.append("")
    lines[:] = made


def field_names(app: Any, doctree: Any) -> None:
    """Say "Attributes" as the docstrings do, and put a colon where Sphinx sets two hyphens."""
    for text in list(doctree.findall(nodes.Text)):
        if text == "Variables" and isinstance(text.parent, nodes.field_name):
            text.parent.replace(text, nodes.Text("Attributes"))
        elif text == " -- ":
            text.parent.replace(text, nodes.Text(": "))


def escaped(line: str) -> str:
    """A line in which only `code` is markup, and docs/energy.md a link to that page."""
    words = re.split(r"`([^`]+)`", line)
    for number, word in enumerate(words):
        if number % 2:
            glued = re.match(r"\w", words[number + 1])  # as in `name`s, which needs a mark between
            words[number] = f"``{word}``" + ("\\ " if glued else "")
        else:
            plain = MARKUP.sub(r"\\\g<0>", word)
            words[number] = re.sub(r"\bdocs/([\w-]+)\.md\b", r":doc:`\1`", plain)
    return "".join(words)
