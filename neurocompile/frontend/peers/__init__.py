"""The rules of the neighbours: snnTorch, SpikingJelly, Sinabs, lava-dl's slayer.

In:  which of them this process has imported.
Out: their rules beside Norse's, one file for each; of slayer, a reader of whole networks.
None of them is imported for its rules: a model can be made of one only where it is imported.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from typing import Any

from neurocompile.ir.graph import Graph

RULES = {
    package: f"neurocompile.frontend.peers.{package}"
    for package in ("snntorch", "spikingjelly", "sinabs")
}


PACKAGES = tuple(f"{name}." for name in RULES)  # whose modules are one call each
BLOCKS = "lava.lib.dl.slayer.block."  # of lava-dl, which simulate a chip's integers themselves


def integers_of(model: Any) -> Callable[..., Graph] | None:
    """What reads a network of lava-dl's blocks, given it, an example and settings; or None."""
    if any(type(m).__module__.startswith(BLOCKS) for m in model.modules()):
        reader: Callable[..., Graph] = import_module("neurocompile.frontend.peers.slayer").integers
        return reader
    return None


def packages_of(model: Any) -> dict[str, str]:
    """Versions of the neighbours' packages that a model has layers of, by name."""
    names = {type(m).__module__.partition(".")[0] for m in model.modules()}
    return {name: version(name) for name in RULES if name in names}


def meet_peers() -> None:
    """Learn the rules of every neighbour that is imported."""
    for package, rules in RULES.items():
        if package in sys.modules:
            import_module(rules)
