"""NIR files to FLOAT graphs: our own with every bit, others' by NIR's equations.

In:  a `.nir` file, or its tree; dt and the reset where the caller knows them.
Out: a FLOAT graph; what was taken for granted stands in `settings.assumed`.
HDF5 is read in a limited child process (`formats.hdf5.read`); nothing of a file is run.
"""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from typing import get_args

from neurocompile.errors import BadInput
from neurocompile.formats.hdf5.read import read_hdf5
from neurocompile.formats.nir import own
from neurocompile.formats.nir.flat import Tree
from neurocompile.formats.nir.foreign import foreign_graph
from neurocompile.formats.nir.write import to_nir
from neurocompile.ir.graph import Graph
from neurocompile.ir.neurons import Reset
from neurocompile.ir.resets import as_asked


def read_nir(path: str | Path, *, dt: float | None = None, reset: Reset | None = None) -> Graph:
    """The network in a `.nir` file; see `from_nir`.

    Raises:
        BadInput: If the file cannot be read.
    """
    tree = read_hdf5(path)
    try:
        return from_nir(tree, dt=dt, reset=reset)
    except BadInput as error:
        raise error.within(f"'{path}'") from None


def from_nir(tree: Tree, *, dt: float | None = None, reset: Reset | None = None) -> Graph:
    """The network in the tree of a NIR file.

    Args:
        tree: {"version": ..., "node": a NIRGraph} of dicts, arrays and texts.
        dt: Length of a step, seconds. None: the file's own, which our files hold; 1e-4 in
            others, and `assumed` says so.
        reset: What a spike does to v in a file of others, which NIR does not hold: "zero" sets it
            to v_reset, "subtract" takes the threshold off. None: the default of the program that
            the metadata name, else v_reset, and `assumed` says so. Our files hold it; where it is
            another, `assumed` says that as well.

    Raises:
        BadInput: If the tree is no sound NIR graph, or contradicts dt.
        Unsupported: If a primitive has no equal here; the message names its layer.
    """
    if dt is not None and not (isfinite(dt) and dt > 0):
        raise BadInput(f"dt = {dt} s. A step must be longer than 0 s.")
    if reset not in (None, *get_args(Reset)):
        raise BadInput(f"the reset is {reset!r}. Use one of: {', '.join(get_args(Reset))}.")
    graph = tree.get("node")
    kind = graph.get("type") if isinstance(graph, dict) else None
    if not isinstance(graph, dict) or not isinstance(kind, str) or kind != "NIRGraph":
        raise BadInput("it holds no NIRGraph. Is it a NIR file? nir.write makes one.")
    if not own.is_own(graph):
        return foreign_graph(graph, dt, reset)
    network = own.restore(graph)
    own.check_equal(to_nir(network, keep_subtract=True)["node"], graph)
    if dt not in (None, network.settings.dt):
        raise BadInput(
            f"dt = {dt:g} s was asked for, but the file itself says {network.settings.dt:g} s. "
            "Leave out dt= (--dt)."
        )
    return network if reset is None else as_asked(network, reset)
