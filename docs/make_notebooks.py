"""Run the notebooks of docs/notebooks, and keep what they print and draw.

In:  docs/notebooks/*.ipynb; the examples beside them.
Out: the same files with their outputs, which the site and a test read.
A notebook runs in a folder that holds nothing but `examples`, as the commands of the pages do.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

DOCS = Path(__file__).parent
FILES = sorted((DOCS / "notebooks").glob("*.ipynb"))
LONGEST = 120  # seconds for a cell; each takes a few


def main() -> int:
    """Run every notebook, and write it."""
    for path in FILES:
        nbformat.write(executed(path), path)
        sys.stdout.write(f"written: {path}\n")
    return 0


def executed(path: Path) -> nbformat.NotebookNode:
    """A notebook with fresh outputs; a cell that fails raises nbclient.CellExecutionError."""
    book = nbformat.read(path, as_version=4)
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "examples").symlink_to(DOCS.parent / "examples")
        client = NotebookClient(
            book,
            timeout=LONGEST,
            kernel_name="python3",
            record_timing=False,
            coalesce_streams=True,
            extra_arguments=["--IPKernelApp.log_level=ERROR"],  # a kernel of this machine, over TCP
            resources={"metadata": {"path": folder}},
        )
        client.execute(env={**os.environ, "PATH": tools, "COLUMNS": "80"})
    for cell in book.cells:
        cell.metadata = {}
        for output in cell.get("outputs", ()):
            if output.output_type == "stream":  # a kernel asks every program for colours
                output.text = re.sub(r"\x1b\[[\d;]*m", "", output.text)
    book.metadata = {"kernelspec": book.metadata.kernelspec, "language_info": {"name": "python"}}
    return book


def outputs(book: nbformat.NotebookNode) -> list[tuple[int, str]]:
    """What the cells print and return, by number of the cell; a picture counts as there."""
    kept = []
    for number, cell in enumerate(book.cells):
        for output in cell.get("outputs", ()):
            data = output.get("data", {"text/plain": output.get("text", "")})
            kept.append((number, "a picture" if "image/png" in data else data["text/plain"]))
    return kept


if __name__ == "__main__":
    sys.exit(main())
