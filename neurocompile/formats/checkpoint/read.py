"""Read a `.pt` checkpoint: the traced graph, the state dict and the settings.

In:  a file that neurocompile.save wrote, or one that only claims to be.
Out: a `Checkpoint`.
No code of the file runs, and nothing larger than the file is made.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from pickle import UnpicklingError
from typing import IO, Any

import torch
from torch import Tensor, nn

from neurocompile.errors import BadInput, a_or_an, first_line, refuse_pipe
from neurocompile.formats.checkpoint.archive import MAX_BYTES, canonical
from neurocompile.formats.checkpoint.foreign import GOOD_FILE
from neurocompile.formats.checkpoint.plain import from_plain
from neurocompile.formats.checkpoint.plain_fixed import fixed_from_plain
from neurocompile.ir.graph import Graph
from neurocompile.ir.settings import Settings
from neurocompile.ir.verify import verify

FORMAT = "neurocompile checkpoint"
VERSION = "1.2"  # MAJOR.MINOR; a new minor version only adds fields
MAX_VALUES = 1_000_000  # plain values in a file; a list inside itself many times has more
MAX_DEPTH = 32
MAX_AXES = 64  # of an array of numpy
MAX_REUSE = 256  # bytes of all tensors / bytes of the file: layers may share weights
PLAIN = (str, int, float, bool, type(None))


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What a `.pt` file holds.

    Attributes:
        graph: FLOAT graph, or FIXED graph of a network trained on the grid, with its settings.
        state_dict: Parameters and buffers of the module from which a FLOAT graph was traced;
            empty for a FIXED graph.
    """

    graph: Graph
    state_dict: Mapping[str, Tensor]

    @property
    def settings(self) -> Settings:
        """Time, input and output of the network."""
        return self.graph.settings


def load(path: str | Path) -> Checkpoint:
    """Read a checkpoint that `neurocompile.save` wrote.

    Raises:
        BadInput: If there is no such file, or it is not a sound checkpoint of this version.
    """
    what = f"'{path}'"
    with _opened(path) as file:
        content, length = _unpickled(file, what)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise _foreign(content, what)
    try:
        _check_plain(content, length)
        _check_version(content.get("version"))
        settings = _settings(content.get("settings"))
        graph = _graph(content, settings)
        return Checkpoint(graph, _state(content.get("state_dict")))
    except BadInput as error:
        raise BadInput(f"{what} is not a sound checkpoint: {error}") from None


def load_pickled(path: str | Path) -> tuple[nn.Module, Tensor]:
    """A pickled module and an example of its input. Runs whatever code the file holds.

    The file is torch.save({"model": model, "example_input": x}, path), because a module itself
    does not say which shape it takes.

    Raises:
        BadInput: If it is not such a file.
    """
    what = f"'{path}'"
    with _opened(path) as file:
        try:
            content = torch.load(file, map_location="cpu", weights_only=False)
        except Exception as error:  # a pickle can raise whatever its classes raise
            raise BadInput(
                f"{what} cannot be unpickled ({type(error).__name__}: {first_line(error)}). "
                "The classes of the model must be importable here under the same names."
            ) from None
    model, example = (
        (content.get("model"), content.get("example_input"))
        if isinstance(content, dict)
        else (None, None)
    )
    if not isinstance(model, nn.Module) or not isinstance(example, Tensor):
        raise BadInput(
            f"{what} does not say which input the model takes. A pickled model is read from\n"
            '    torch.save({"model": model, "example_input": x}, path)  # x: one batch\n'
            f"or, better, saved without pickled code. {GOOD_FILE}"
        )
    return model, example


def _opened(path: str | Path) -> IO[bytes]:
    try:
        refuse_pipe(Path(path))
        return Path(path).open("rb")
    except FileNotFoundError:
        raise BadInput(f"there is no file '{path}'.") from None
    except (OSError, ValueError) as error:
        raise BadInput(f"'{path}' cannot be read: {error}.") from None


def _unpickled(file: IO[bytes], what: str) -> tuple[Any, int]:
    """The content, read by PyTorch's reader that builds only tensors and plain values; its bytes.

    PyTorch reads a copy in memory, so that it sees what was checked and nothing that another
    process writes into the file meanwhile.
    """
    try:
        archive = canonical(file, what)
    except UnpicklingError as error:
        raise BadInput(
            f"{what} holds pickled Python objects, which could run code: {error}. {GOOD_FILE}"
        ) from None
    try:
        with warnings.catch_warnings():
            # PyTorch warns about kinds of storage in a damaged file; such files are refused.
            warnings.simplefilter("ignore")
            content = torch.load(archive, map_location="cpu", weights_only=True)
    except UnpicklingError:
        raise BadInput(
            f"{what} holds pickled Python objects, which could run code. {GOOD_FILE}"
        ) from None
    except Exception as error:  # torch.load raises many kinds of error for a foreign archive
        raise BadInput(
            f"{what} is not a checkpoint that PyTorch can read ({first_line(error)}). {GOOD_FILE}"
        ) from None
    return content, archive.getbuffer().nbytes


def _foreign(content: Any, what: str) -> BadInput:
    is_state = isinstance(content, dict) and any(isinstance(v, Tensor) for v in content.values())
    kind = "a bare state dict: weights without layers" if is_state else "not a checkpoint of ours"
    return BadInput(f"{what} is {kind}. {GOOD_FILE}")


def _check_version(version: Any) -> None:
    if not isinstance(version, str) or not re.fullmatch(r"\d{1,6}\.\d{1,6}", version):
        raise BadInput(f"its version is {str(version)[:40]!r}, not a version such as {VERSION}.")
    major, ours = (int(v.split(".")[0]) for v in (version, VERSION))
    if major > ours:
        raise BadInput(
            f"its version is {version}, but this neurocompile reads {ours}.x. "
            "Update it: pip install . in a newer checkout"
        )
    if major < ours:
        raise BadInput(
            f"its version is {version}, but this neurocompile reads {ours}.x. {GOOD_FILE}"
        )


def _settings(values: Any) -> Settings:
    if not isinstance(values, dict):
        raise BadInput("it has no settings.")
    for name, kind in (("data", str), ("training", dict)):
        if not isinstance(values.get(name, kind()), kind):
            raise BadInput(f"'{name}' in its settings is not {a_or_an(kind.__name__)}.")
    return Settings.from_dict(values)


def _graph(content: dict[str, Any], settings: Settings) -> Graph:
    """The network: floats under "graph", or, from version 1.1 on, integers under "fixed"."""
    if "fixed" not in content:
        return verify(from_plain(content.get("graph"), settings), "float")
    if "graph" in content:
        raise BadInput("it holds two networks, one of floats and one of integers.")
    return verify(fixed_from_plain(content["fixed"], settings), "fixed")


def _state(values: Any) -> dict[str, Tensor]:
    if not isinstance(values, dict) or not all(isinstance(v, Tensor) for v in values.values()):
        raise BadInput("its state dict holds other values than tensors.")
    return dict(values)


def _check_plain(content: Any, length: int) -> None:
    """Allow only plain values and whole tensors, not too many, too large or nested too deep."""
    pending = [(content, 0)]
    count = size = 0
    while pending:
        value, depth = pending.pop()
        count += 1
        if count > MAX_VALUES or depth > MAX_DEPTH:
            raise BadInput(
                f"it holds more than {MAX_VALUES} values, or lists more than {MAX_DEPTH} deep."
            )
        if type(value) is dict:
            if not all(type(key) is str for key in value):
                raise BadInput("a key in it is not a string.")
            pending.extend((v, depth + 1) for v in value.values())
        elif type(value) is list:
            pending.extend((v, depth + 1) for v in value)
        elif type(value) is Tensor:
            size += _bytes_of(value)
        elif type(value) not in PLAIN:
            raise BadInput(f"it holds {a_or_an(type(value).__name__)}, which is not a plain value.")
    if size > MAX_REUSE * length:
        raise BadInput(
            f"its tensors have {size} bytes, more than {MAX_REUSE} times the {length} of the file."
        )


def _bytes_of(tensor: Tensor) -> int:
    """Size in bytes of a tensor, which must hold all its values itself."""
    dense = tensor.layout is torch.strided and tensor.device.type == "cpu"
    if not dense or tensor.is_quantized or tensor.is_conj() or tensor.is_neg():
        raise BadInput("a tensor in it is not dense.")
    if tensor.dim() > MAX_AXES:
        raise BadInput(f"a tensor in it has {tensor.dim()} axes, allowed are up to {MAX_AXES}.")
    size = tensor.numel() * tensor.element_size()
    # One of no values may have any other axes, which numpy cannot count.
    if prod(max(1, n) for n in tensor.shape) * tensor.element_size() > MAX_BYTES:
        raise BadInput(
            f"a tensor in it has the shape {tuple(tensor.shape)[:8]}, which is too large."
        )
    if size > tensor.untyped_storage().nbytes():
        raise BadInput("a tensor in it has more values than it stores.")
    return size
