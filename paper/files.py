"""JSON files that are written whole or not at all.

In:  a path and a document of plain JSON.
Out: the file, in the place of an older one.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from neurocompile.formats.whole import write_file


def write_json(path: Path, document: Any) -> None:
    """Write a document; who reads at the same time sees the old file or the new one."""
    write_file(path, (json.dumps(document, indent=1, allow_nan=False) + "\n").encode())
