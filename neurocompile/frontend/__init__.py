"""From files and models to graphs.

In:  a path, or a live module.
Out: a graph: FLOAT out of a `.pt` or a float ONNX file, FIXED out of a fixed one.
The suffix says which reader; no code of a file runs unless the caller allows it.
"""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from neurocompile.errors import BadInput, NotInstalled, path_of
from neurocompile.ir.fixed import SpikeInput
from neurocompile.ir.graph import Graph
from neurocompile.ir.neurons import Reset
from neurocompile.ir.nodes import Shape
from neurocompile.ir.payloads import graded
from neurocompile.ir.pools import MaxPool, check_choice, check_input, pools
from neurocompile.ir.resets import as_asked
from neurocompile.ir.settings import Encoder, Settings
from neurocompile.ir.step_length import with_dt

SUFFIXES = ".pt, .onnx, .nir, .net"


def load(
    path: str | Path,
    *,
    allow_pickle: bool = False,
    dt: float | None = None,
    reset: Reset | None = None,
    steps: int | None = None,
    input_shape: Shape | None = None,
    reset_interval: int | None = None,
    max_pool: MaxPool | None = None,
) -> Graph:
    """The graph out of a file.

    Args:
        path: A `.pt` file of neurocompile.save, an `.onnx` file (docs/onnx.md), a `.nir` file,
            or a `.net` file of lava-dl.
        allow_pickle: Run the code of a pickled `.pt` file,
            torch.save({"model": model, "example_input": x}, path), instead of reading a checkpoint.
        dt: Length of a step in seconds, which a `.nir`, plain `.onnx` or `.net` file may not say,
            and which a `.pt` file may have assumed.
        reset: What a spike does to v, which a `.nir` file of others does not say; see
            `formats.nir.read`. Where a file says another, the graph has the one given here, and
            `assumed` says so.
        steps: Steps of a sample, where the file does not say how many; not assumed then.
        input_shape: (n,) or (C, H, W), for a `.net` file without an input layer.
        reset_interval: Steps after which netx clears the layers of a `.net` file, 0 for never; see
            `formats.netx.read`.
        max_pool: "neurons" to read a maximum pool of spikes as neurons that fire at any spike of
            its window, in a plain `.onnx` file and a pickled `.pt` file.

    Raises:
        BadInput: If the file is missing, damaged or of another kind.
        Unsupported: If there is no rule for a layer.
        NotInstalled: If the reader's packages are absent.
    """
    check_choice(max_pool)
    path = path_of(path, "the model")
    if dt is not None and (isinstance(dt, bool) or not isinstance(dt, int | float)):
        raise BadInput(f"dt is {dt!r}. Use a number of seconds above 0, such as 1e-3.")
    if path.suffix.lower() == ".net":
        _check_pools(path, max_pool)
        graph = _read_net(path, dt, input_shape, reset_interval)
    elif input_shape is not None or reset_interval is not None:
        raise BadInput(
            f"'{path}' is no .net file, and input_shape= (--input-shape) and reset_interval= "
            "(--reset-interval) are for those only. Leave them out."
        )
    else:
        graph = _read(path, allow_pickle, max_pool, dt, reset)
    if reset is not None:
        if graph.fixed:
            raise BadInput(
                f"'{path}' holds a chip's integers, compiled for the resets that it has. Leave out "
                "reset= (--reset), or compile the trained network with it."
            )
        graph = as_asked(graph, reset)
    return replace(graph, settings=graph.settings.given(steps))


def with_encoder(graph: Graph, encoder: Encoder, path: str | Path) -> Graph:
    """The graph with the encoder that a user chose, where its file names none.

    Raises:
        BadInput: If the file names one itself, or its integers cannot take such an input.
    """
    own = graph.settings.encoder
    if own.kind != "spikes":
        raise BadInput(
            f"'{path}' names its encoder itself: {own.kind}, gain {own.gain:g}. Leave out "
            "the encoder (--encoder, --gain), or save the model again with another, "
            f"Settings(encoder=Encoder('{encoder.kind}'))."
        )
    if any(graded(node) for _, node in graph.of(SpikeInput)):
        raise BadInput(
            f"'{path}' takes whole numbers as payloads, which no encoder makes. Leave out the "
            "encoder (--encoder, --gain), and give data with the key 'payloads'."
        )
    if graph.fixed and encoder.kind in ("current", "sequence"):
        raise BadInput(
            f"'{path}' holds a chip's integers whose input are spikes, so no real value can enter. "
            "Use Encoder('bernoulli') (--encoder bernoulli), or compile the trained network with "
            f"Encoder('{encoder.kind}') (--encoder {encoder.kind})."
        )
    return check_input(replace(graph, settings=replace(graph.settings, encoder=encoder)))


def from_module(
    model: Any,
    example_input: Any,
    settings: Settings | None = None,
    max_pool: MaxPool | None = None,
) -> Graph:
    """The graph of a live torch module; see `frontend.module.graph_of`."""
    graph: Graph = _needs("neurocompile.frontend.module", "train").graph_of(
        model, example_input, settings, max_pool
    )
    return graph


def _read_net(
    path: Path, dt: float | None, input_shape: Shape | None, reset_interval: int | None
) -> Graph:
    """The graph out of a file of lava-dl."""
    _check_file(path)
    graph: Graph = _needs("neurocompile.formats.netx.read", "train").load_net(
        path, dt, input_shape, reset_interval
    )
    return graph


def _check_file(path: Path) -> None:
    if not path.exists():
        raise BadInput(f"there is no file '{path}'. Give a model: {SUFFIXES}.")
    if not path.is_file():
        raise BadInput(f"'{path}' is not a file. Give a model: {SUFFIXES}.")


def _check_pools(path: Path, max_pool: MaxPool | None, graph: Graph | None = None) -> None:
    """Refuse the option for a file whose networks have no maximum pools, or none any more."""
    if max_pool is None:
        return
    held = () if graph is None or graph.fixed else tuple(pools(graph))
    if held:
        layers = ", ".join(f"'{name}'" for name in held)
        raise BadInput(
            f"in '{path}' maximum pools are already read as neurons ({layers}). Leave out "
            "max_pool= (--max-pool)."
        )
    raise BadInput(
        f"'{path}' holds no maximum pool: a .nir or .net file and what neurocompile wrote have "
        "none. Leave out max_pool= (--max-pool), or give it to neurocompile.save, which reads "
        "the module."
    )


def _read(
    path: Path,
    allow_pickle: bool,
    max_pool: MaxPool | None,
    dt: float | None,
    reset: Reset | None,
) -> Graph:
    """The graph out of a file of another kind; reset is for one that does not say it."""
    suffix = path.suffix.lower()
    _check_file(path)
    if suffix == ".nir":
        _check_pools(path, max_pool)
        found: Graph = _needs("neurocompile.formats.nir.read", "train").read_nir(
            path, dt=dt, reset=reset
        )
        return found
    if suffix == ".onnx":
        graph: Graph = _needs("neurocompile.formats.load_onnx", "onnx").load_onnx(
            path, dt, max_pool
        )
        return graph
    if suffix != ".pt":
        raise BadInput(f"'{path}' has the suffix '{suffix}', but a model is one of {SUFFIXES}.")
    if allow_pickle and _is_pickled(path):
        found = _load_pickled(path, max_pool)
    else:
        found = _load_pt(path)
        _check_pools(path, max_pool, found)
    if dt is None:
        return found
    if not found.settings.assumes("dt"):
        raise BadInput(
            f"'{path}' says the length of its step itself, {found.settings.dt:g} s. Leave out dt= "
            "(--dt)."
        )
    return with_dt(found, dt)


def _load_pt(path: Path) -> Graph:
    graph: Graph = _needs("neurocompile.formats.checkpoint.read", "train").load(path).graph
    return graph


def _is_pickled(path: Path) -> bool:
    """Whether a file is no checkpoint of ours; those need no pickle, allowed or not."""
    try:
        _load_pt(path)
    except BadInput:
        return True
    return False


def _load_pickled(path: Path, max_pool: MaxPool | None) -> Graph:
    model, example = _needs("neurocompile.formats.checkpoint.read", "train").load_pickled(path)
    graph: Graph = _needs("neurocompile.frontend.torch", "train").trace(
        model, example, max_pool=max_pool
    )
    return graph


def _needs(module: str, group: str) -> Any:
    """A reader, imported when it is needed: this package imports no torch and no onnx."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("neurocompile"):
            raise
        raise NotInstalled(
            f"reading this model needs the package '{error.name}', which is not installed. "
            f"Run: neurocompile doctor{' --install train' if group == 'train' else ''}"
        ) from None
