"""A train-to-hardware compiler for spiking neural networks.

    import neurocompile as nc
    compiled = nc.compile("model.pt", target="loihi-sim", data="digits")
    print(compiled)

Every public name is an attribute of this package and is loaded when it is first used:
`import neurocompile` imports neither torch nor onnx nor lava.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from neurocompile.errors import NotInstalled

__version__ = "0.2.0"

# Public name -> module that holds it.
_LAZY = {
    "compile": "neurocompile.compiler",
    "Compiled": "neurocompile.compiled",
    "Target": "neurocompile.place.target",
    "Narrowest": "neurocompile.quantize.narrow",
    "load": "neurocompile.frontend",
    "save": "neurocompile.frontend.save",
    "write_nir": "neurocompile.formats.nir.write",
    "Settings": "neurocompile.ir.settings",
    "Encoder": "neurocompile.ir.settings",
    "Decoder": "neurocompile.ir.settings",
    "load_data": "neurocompile.data.samples",
    "Data": "neurocompile.data.samples",
    "Sampling": "neurocompile.data.sampling",
    "Spread": "neurocompile.spread",
    "load_chip": "neurocompile.chip.read",
    "results": "neurocompile.engines.results",
    "Stream": "neurocompile.engines.stream",
    "save_state": "neurocompile.engines.state_file",
    "load_state": "neurocompile.engines.state_file",
    "choose_exit": "neurocompile.engines.early_exit",
    "decide_early": "neurocompile.engines.early_exit",
    "run_float": "neurocompile.engines.floating",
    "read_core_map": "neurocompile.report.core_map",
    "NeurocompileError": "neurocompile.errors",
    "nn": "neurocompile",  # what models are trained with, a module
}

__all__ = ["__version__", *sorted(_LAZY)]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'neurocompile' has no attribute '{name}'")
    try:
        if name == "nn":
            return import_module("neurocompile.nn")
        return getattr(import_module(_LAZY[name]), name)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("neurocompile"):
            raise
        raise NotInstalled(
            f"neurocompile.{name} needs the package '{error.name}', which is not installed. "
            "Run: neurocompile doctor --install train"
        ) from None


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
