"""A train-to-hardware compiler for spiking neural networks.

    import neurocompile as nc
    nc.save(model, "model.pt", example_input)

`import neurocompile` alone imports neither torch nor onnx nor lava.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# Public name -> module that holds it; loaded on first use, to keep `import neurocompile` light.
_LAZY = {
    "save": "neurocompile.frontend.save",
    "load": "neurocompile.frontend",
    "load_data": "neurocompile.data.samples",
    "load_chip": "neurocompile.chip.read",
    "compile": "neurocompile.compiler",
    "export": "neurocompile.compiler",
    "results": "neurocompile.engines.results",
}

__all__ = ["__version__", *sorted(_LAZY)]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    if name == "nn":
        return import_module("neurocompile.nn")
    raise AttributeError(f"module 'neurocompile' has no attribute '{name}'")
