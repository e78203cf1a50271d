"""The command `neurocompile report`, and the pages of other commands (--html).

In:  arguments.
Out: a page; a short summary, or one JSON document and nothing else, on stdout.
The page is made only from report.json and samples.npz: nothing is run.
"""

from __future__ import annotations

import webbrowser
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neurocompile.commands.options import PATH, Output, output_options, say

if TYPE_CHECKING:
    from neurocompile.report.page_input import Reported

PAGE = "report.html"
FIRST = ("reconstruction error", "accuracy", "exactness", "energy per sample", "fits the chip")


@click.command()
@click.argument("directory", metavar="DIR", type=PATH)
@click.argument("other", metavar="[DIR2]", type=PATH, required=False)
@click.option(
    "--out", type=PATH, metavar="FILE",
    help="Write the page to this file. [the page in DIR; if there is none, DIR.html beside it]",
)  # fmt: skip
@click.option("--open", "show", is_flag=True, help="Open the page in a browser.")
@click.option("--force", is_flag=True, help="Replace an existing file.")
@output_options
def report(
    directory: Path, other: Path | None, out: Path | None, show: bool, force: bool, output: Output
) -> None:
    """Show an export as a page: what it is, where it errs, what it costs.

    With a second export, show what changed between them. Nothing is run.

    Example: neurocompile report build/mnist --open
    """
    from neurocompile.report.changes import changes
    from neurocompile.report.page.changes import changes_page, lines
    from neurocompile.report.page_input import consistent, read_reported

    first, beside = read_reported(directory), directory.resolve()
    if other is None:
        page = _its_own(first, directory) if out is None else None
        document: dict[str, Any] = {"report": first.report}
        with consistent(first):  # nothing is written of what could not be told
            said = _summary(first.report)
            if page is None:
                page = out or beside.with_name(f"{beside.name}.html")
                check_page(page, "--out", force)
                write_page(_page_of(first), page, force)
    else:
        second = read_reported(other)
        page = out or beside.with_name(f"{beside.name}-{other.resolve().name}.html")
        check_page(page, "--out", force)
        with consistent(first, second):
            document = {"changes": changes(first, second)}
            said = lines(document["changes"])
            write_page(changes_page(document["changes"], first, second), page, force)

    def print_it() -> None:
        from neurocompile.terminal.tables import Facts, Page

        Page().show(Facts([*said, ("page", str(page))]))

    output.show({"page": str(page), **document}, print_it)
    if show and not webbrowser.open(page.resolve().as_uri()):
        say(f"no browser was found here; open {page} in one.", err=True)


def check_page(page: Path, option: str, force: bool) -> None:
    """Refuse a file for a page before any work is done for it.

    Raises:
        BadInput: If it exists and must not be replaced, or cannot be written.
    """
    from neurocompile.formats.artifact import check_file

    check_file(page, option, force)


def write_page(content: str, page: Path, force: bool) -> None:
    """Write a page, whole or not at all; one that has appeared meanwhile is not replaced."""
    from neurocompile.formats.whole import encoded, write_file

    write_file(page, encoded(content), replace=force)


def _its_own(found: Reported, directory: Path) -> Path | None:
    """The page that export wrote, if it did and nobody changed it."""
    if PAGE not in found.artifact.manifest["files"]:
        return None
    found.artifact.file(PAGE)
    return directory / PAGE


def _page_of(found: Reported) -> str:
    from neurocompile.report.page.page import report_page

    return report_page(found.report, found.samples)


def _summary(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the page of one export says first."""
    from neurocompile.report.show import summary

    shown, said = False, []
    for name, text in summary(report):
        shown = name in FIRST or (shown and not name)
        said += [(name, text)] * shown
    return said
