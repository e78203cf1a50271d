"""Build the documentation site, with warnings as errors.

In:  docs/*.md and their pictures, docs/notebooks/*.ipynb, CHANGELOG.md, CONTRIBUTING.md, and the
     docstrings of the public names.
Out: build/site/index.html, which opens from disk and whose search needs no server.
The pages are laid out in build/site-source first: there a sentence that names docs/energy.md links
to that page, a notebook is a page, and the lists of docs/index.md are the navigation.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from base64 import b64decode
from importlib import import_module
from pathlib import Path

from sphinx.cmd.build import build_main

DOCS = Path(__file__).parent
ROOT = DOCS.parent
BUILT = ROOT / "build" / "site"
BESIDE = ("CHANGELOG.md", "CONTRIBUTING.md")  # pages that lie beside docs/
PUBLIC = {"api": "neurocompile", "api-nn": "neurocompile.nn"}
SHELL = "%%bash\n"  # first line of a cell of commands
FENCE = re.compile(r"^(```.*?^```|(?: {4}[^\n]*\n)+)", flags=re.MULTILINE | re.DOTALL)


def main() -> int:
    """Build the site."""
    failed = build(BUILT)
    if not failed:
        sys.stdout.write(f"written: {BUILT / 'index.html'}\n")
    return failed


def build(out: Path) -> int:
    """Build the site into a folder.

    Returns:
        0, or 1 after a warning; every warning is printed.
    """
    source = out.with_name(f"{out.name}-source")
    for folder in (out, source):
        shutil.rmtree(folder, ignore_errors=True)
    lay_out(source)
    options = ("--quiet", "--fail-on-warning", "--fresh-env", "--conf-dir", DOCS)
    folders = ("--doctree-dir", out.with_name(f"{out.name}-cache"), source, out)
    return build_main([str(word) for word in (*options, *folders)])


def lay_out(source: Path) -> None:
    """Write everything that Sphinx reads."""
    pictures = shutil.ignore_patterns("*.py", "*.md", "*.ipynb", "__pycache__")
    shutil.copytree(DOCS, source, ignore=pictures)
    pages = [*sorted(DOCS.glob("*.md")), *(ROOT / name for name in BESIDE)]
    titles = {page.name: page.read_text().partition("\n")[0].lstrip("# ") for page in pages}
    for page in pages:
        text = linked(page.read_text(), titles)
        if page.name == "index.md":
            text += navigation(text)
        (source / page.name).write_text(text)
    for path in sorted((DOCS / "notebooks").glob("*.ipynb")):
        page = source / path.relative_to(DOCS).with_suffix(".md")
        page.write_text(linked(notebook(path, page.parent), titles, up="../"))
    for page_name, module in PUBLIC.items():
        (source / f"{page_name}.md").write_text(reference(module))


def linked(text: str, titles: dict[str, str], up: str = "") -> str:
    """A page whose sentences link to the pages that they name, wherever the page now lies."""

    def link(found: re.Match[str]) -> str:
        return f"[{titles[found[1]]}]({up}{found[1]})" if found[1] in titles else found[0]

    text = re.sub(r"\]\((?:\.\./|docs/)(?=[\w-]+\.md)", "](", text)
    text = re.sub(r"(\]\([\w/-]+)\.ipynb\)", r"\1.md)", text)
    parts = FENCE.split(text)
    for number in range(0, len(parts), 2):
        parts[number] = re.sub(
            r"(?<!\]\()(?<![\w/`])(?:docs/)?([\w-]+\.md)\b(?!`)", link, parts[number]
        )
    return "".join(parts)


def navigation(index: str) -> str:
    """The lists of the index as hidden tables of contents, and one of the reference."""
    groups = re.findall(r"^(\S.*):\n\n((?:(?:- |  ).*\n)+)", index, flags=re.MULTILINE)
    made = [(title, re.findall(r"^- \[([^]]*)\]\(([^)#]+)\.md\)", rows, flags=re.MULTILINE))
            for title, rows in groups]  # fmt: skip
    made.append(("Python reference", [(module, page) for page, module in PUBLIC.items()]))
    return "".join(
        "\n".join(["", "```{toctree}", ":hidden:", f":caption: {title}", "", *entries, "```", ""])
        for title, pages in made
        for entries in [[f"{words.replace('`', '')} <{page}>" for words, page in pages]]
    )


def notebook(path: Path, pictures: Path) -> str:
    """A notebook as a page: its cells, and the outputs that are kept in it."""
    made = []
    for number, cell in enumerate(json.loads(path.read_text())["cells"]):
        text = "".join(cell["source"])
        if cell["cell_type"] == "code":
            shell = text.startswith(SHELL)
            text = fenced("bash" if shell else "python", text.removeprefix(SHELL))
        made.append(text)
        for output in cell.get("outputs", ()):
            data = output.get("data", {"text/plain": output.get("text", "")})
            if "image/png" in data:
                name = f"{path.stem}-{number}.png"
                (pictures / name).write_bytes(b64decode(data["image/png"]))
                made.append(f"![what the cell above draws]({name})")
            else:
                made.append(fenced("text", "".join(data["text/plain"])))
    return "\n\n".join(made) + "\n"


def fenced(language: str, text: str) -> str:
    """A block of code."""
    return f"```{language}\n{text.rstrip()}\n```"


def reference(module: str) -> str:
    """The page of a module: every public name with its docstring."""
    package = import_module(module)
    lines = [f"# {module}", "", "```{eval-rst}", f".. automodule:: {module}", "   :no-members:"]
    lines += ["```", ""]
    public_names = {name: getattr(package, name) for name in package.__all__}
    for name, public in sorted(public_names.items(), key=lambda item: isinstance(item[1], type)):
        if not callable(public):
            continue  # the version, and nn, which has a page of its own
        kind = "function"
        if isinstance(public, type):
            kind = "exception" if issubclass(public, Exception) else "class"
        lines += [f"## {name}", "", "```{eval-rst}", f".. auto{kind}:: {module}.{name}"]
        if kind == "class":
            lines.append("   :members:")
        lines += ["```", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
