"""Take the pictures of the report and of the terminal that README.md and docs/ show.

In:  commands of README.md and docs/report.md, run on the shipped autoencoder; a headless Chromium.
Out: docs/pictures/report*.png, in light colours, and docs/pictures/terminal-*.svg, 80 columns wide.
Only this program makes them: fonts differ from machine to machine, so no test compares the bytes.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from make_demo import PAGE, command
from PIL import Image
from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).parents[1]
OUT = Path(__file__).parent / "pictures"
sys.path.insert(0, str(ROOT / "tests" / "page"))

from browser import browser, height_of, picture, scroll_through, wait  # noqa: E402

COLUMNS, WIDE, PHONE = 80, 1200, 400  # characters; pixels
MOST_BYTES = 150_000
# As rich's own, but without fonts that are fetched from elsewhere: the file loads nothing.
TERMINAL = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">
<title>{unique_id}</title>
<style>
.{unique_id}-matrix {{
  font: {char_height}px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  line-height: {line_height}px;
}}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" /></clipPath>
{lines}
</defs>
<rect fill="#292929" width="{width}" height="{height}" rx="8" />
<g transform="translate({terminal_x}, 16)" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def main() -> int:
    """Take every picture."""
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        (here / "examples").symlink_to(ROOT / "examples")
        demo = command(PAGE.read_text())
        terminal("terminal-export", run(here, *demo))
        terminal("terminal-compare", run(here, "compare", "build/mnist"))
        narrow = [*demo[:-1], "build/narrow", "--bits", "4"]
        run(here, *narrow)
        run(here, "report", "build/mnist", "build/narrow", "--out", "build/changes.html")
        report = here / "build/mnist/report.html"
        page("report", report, WIDE, last="results")
        page("report-spikes", report, WIDE, first="parting", last="spikes")
        page("report-energy", report, WIDE, first="energy", height=1000)
        page("report-phone", report, PHONE, height=1150)
        page("report-changes", here / "build/changes.html", WIDE, height=1150)
    return 0


def run(folder: Path, *words: str) -> Text:
    """A command and what it prints for a terminal, with its bold type."""
    done = subprocess.run(
        [sys.executable, "-m", "neurocompile.cli", *words],
        cwd=folder, env={**os.environ, "COLUMNS": str(COLUMNS), "FORCE_COLOR": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stderr)
    return Text.from_ansi("\n".join([*asked(words), done.stdout.strip("\n")]))


def asked(words: tuple[str, ...]) -> Iterator[str]:
    """A command as a person types it, in as many lines as it takes."""
    line = "$ neurocompile"
    for word in words:
        if len(line) + len(word) + 3 > COLUMNS:  # a space before the word, and " \\" after it
            yield f"{line} \\"
            line = "   "
        line += f" {word}"
    yield line


def terminal(name: str, text: Text) -> None:
    """Draw what a terminal shows."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    console.print(text, "", sep="\n")  # the line below leaves room for the last one's descenders
    drawn = console.export_svg(code_format=TERMINAL, unique_id=name)
    keep(OUT / f"{name}.svg", "\n".join(map(str.rstrip, drawn.splitlines())).encode() + b"\n")


def page(
    name: str, path: Path, width: int, *, first: str = "", last: str = "", height: int = 0
) -> None:
    """Take a picture of a part of a page: sections by their names, or so many pixels."""
    driver = browser(width=width)
    try:
        driver.get(path.as_uri())
        scroll_through(driver)
        wait(driver)
        top = edge(driver, first, "top") - 20 if first else 0
        bottom = top + height if height else edge(driver, last, "bottom") + 20
        bottom = min(bottom, height_of(driver))
        whole = Image.open(io.BytesIO(picture(driver, width)))
    finally:
        driver.quit()
    part = whole.convert("RGB").crop((0, top, width, bottom))
    small = part.quantize(colors=128, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    kept = io.BytesIO()
    small.save(kept, "PNG", optimize=True)
    keep(OUT / f"{name}.png", kept.getvalue())


def edge(driver: Any, section: str, side: str) -> int:
    """Where a section begins or ends, pixels from the top of the page."""
    asked_for = "return document.getElementById(arguments[0]).getBoundingClientRect()[arguments[1]]"
    return round(driver.execute_script(asked_for, section, side))


def keep(path: Path, content: bytes) -> None:
    """Write a picture, if it is as small as a page should load."""
    assert len(content) < MOST_BYTES, f"{path.name}: {len(content):,} bytes"
    path.write_bytes(content)
    sys.stdout.write(f"written: {path}, {len(content):,} bytes\n")


if __name__ == "__main__":
    sys.exit(main())
