"""`neurocompile faults`: run an exported directory with faults.

In:  a directory that `export` wrote, what is drawn, data.
Out: the document of `faults.study`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from neurocompile import installed
from neurocompile.commands.exported import read_exported
from neurocompile.data.sampling import Sampling
from neurocompile.data.stimulus import load_stimulus
from neurocompile.engines.progress import Progress, silent
from neurocompile.faults.study import Asked, study
from neurocompile.place.placement import place


def faults_of(
    directory: Path, sampling: Sampling, asked: Asked, *, progress: Progress = silent
) -> dict[str, Any]:
    """Run an exported network with faults and without; JSON-ready figures.

    Args:
        directory: What `export` wrote.
        sampling: What to run; by default what the export ran.
        asked: What is drawn.
        progress: Called as draws are done.

    Raises:
        BadInput: If the directory or the data cannot be used, or as in `study`.
        NotInstalled: If the engine `fixed` cannot run here.
    """
    installed.require("engine fixed")
    asked.check()
    exported = read_exported(directory)
    own = exported.declared
    placed = place(exported.graph, exported.chip, exported.target.fewest_of)
    usual = None if sampling.source else own.samples or None
    return study(placed, load_stimulus(sampling, own, usual), asked, progress=progress)
