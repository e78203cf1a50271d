"""report.html: one file that shows a report, opens from disk, and needs no network.

In:  report.json and samples.npz, read or just made.
Out: HTML. The same values give the same bytes.
What comes from files is text: Jinja escapes it in the page, JSON has no `<` in it, and the page's
policy runs only the scripts that are written here, by their SHA-256.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

from neurocompile import __version__
from neurocompile.report.page import activity, costs, headline, network
from neurocompile.report.page.blocks import Card, Chart, Section
from neurocompile.report.page.results import results
from neurocompile.report.samples_file import Samples

HERE = "neurocompile.report.page"
# Marks of direction reach beyond the name they stand in, and turn our own numbers around
TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")
TURNED = "\ufffd"
SCRIPTS = ("echarts.min.js", "charts.js", "page.js")


@dataclass(frozen=True)
class Page:
    """A whole page.

    Attributes:
        title: Its heading.
        lead: What it is about, in a sentence or two.
        cards: What to know first.
        sections: The rest, in order.
        left_out: What is not on the page, one sentence each.
    """

    title: str
    lead: str
    cards: Sequence[Card]
    sections: Sequence[Section]
    left_out: Sequence[str] = ()


def report_page(report: Mapping[str, Any], samples: Samples | None) -> str:
    """The page of a report.

    Args:
        report: Content of report.json, as `read_page_report` checks it.
        samples: Content of samples.npz; None if there is none.
    """
    sections = [
        results(report, samples),
        *activity.activity(report, samples),
        costs.joules(report),
        costs.trust(report),
        network.placement(report),
        costs.time(report, samples),
        network.graph(report),
        network.layers(report),
        network.provenance(report),
    ]
    left = [] if samples is None else samples.about["left_out"]
    return page_html(
        Page(
            headline.title(report),
            headline.lead(report, samples),
            headline.cards(report, samples),
            [section for section in sections if section is not None],
            [f"samples.npz leaves out {what}." for what in left],
        )
    )


def page_html(page: Page) -> str:
    """A page as HTML."""
    charts = {
        f"{section.key}-{at}": {"kind": block.kind, "data": block.data}
        for section in page.sections
        for at, block in enumerate(section.blocks)
        if isinstance(block, Chart)
    }
    scripts = [_file(name) for name in SCRIPTS] if charts else []
    return str(
        _template().render(
            page=page,
            charts=_json(charts),
            scripts=[_markup(text) for text in scripts],
            style=_markup(_file("page.css")),
            policy=_policy(scripts),
            version=__version__,
        )
    )


def _policy(scripts: Sequence[str]) -> str:
    """What a browser may run and load: these scripts, and nothing from anywhere."""
    hashes = (b64encode(sha256(text.encode()).digest()).decode() for text in scripts)
    allowed = " ".join(f"'sha256-{each}'" for each in hashes) or "'none'"
    rest = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'"
    return f"{rest}; form-action 'none'; script-src {allowed}"


def _json(values: Any) -> Any:
    """JSON inside a script element: `<` never ends it."""
    text = json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    text = TURNING.sub(TURNED, text)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return _markup(text)


def _markup(text: str) -> Any:
    """Our own text, which is not escaped."""
    from markupsafe import Markup

    return Markup(text)


@cache
def _file(name: str) -> str:
    return files(HERE).joinpath(name).read_text(encoding="utf-8").strip()


def _shown(value: Any) -> Any:
    """A text as it is shown; what is ours stays as it is."""
    return TURNING.sub(TURNED, value) if type(value) is str else value


@cache
def _template() -> Any:
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined,
        finalize=_shown,
    )  # fmt: skip
    return environment.from_string(_file("page.html"))
