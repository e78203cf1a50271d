"""Make lava-nc 0.10.0 run on today's Python and numpy, without touching its files.

In:  an installed lava-nc 0.10.0 that nothing has imported yet.
Out: the same package, importable and exact.
Each repair is independent, is made only if it is needed, and may be made twice. This file needs
numpy only: `bundle --to lava` hands it on as source.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import sys
from typing import Any

import numpy as np

VAR_MODEL = "lava.magma.compiler.var_model"


def modernize() -> None:
    """Make every repair that this Python and this numpy need."""
    _make_byte_encoder_hashable()
    if not _reshape_takes_newshape():
        _give_reshape_ports_a_shape()
    if np.lib.NumpyVersion(np.__version__) >= "2.0.0":
        _give_convolution_plain_ints()


def _make_byte_encoder_hashable() -> None:
    """Make `lava.magma.compiler.var_model` importable.

    Its dataclasses have a ByteEncoder as a default, but since Python 3.11 a default must be
    hashable. Only that class gets a hash, and only while that module is imported.
    """
    if VAR_MODEL in sys.modules:
        return
    original: Any = dataclasses.dataclass

    @functools.wraps(original)
    def dataclass(cls: Any = None, /, **options: Any) -> Any:
        if cls is None:
            return functools.partial(dataclass, **options)
        if cls.__module__ == VAR_MODEL and cls.__name__ == "ByteEncoder":
            options["unsafe_hash"] = True
        return original(cls, **options)

    dataclasses.dataclass = dataclass
    try:
        importlib.import_module(VAR_MODEL)
    finally:
        dataclasses.dataclass = original


def _reshape_takes_newshape() -> bool:
    try:
        np.reshape(np.zeros(1), newshape=(1,))  # type: ignore[call-overload]
    except TypeError:
        return False
    except DeprecationWarning:  # numpy 2.1 to 2.3, where warnings are errors
        return True
    return True


def _give_reshape_ports_a_shape() -> None:
    """Make ports reshapable: since numpy 2.4 the argument `newshape` of np.reshape is `shape`."""
    ports: Any = importlib.import_module("lava.magma.core.process.ports.ports")
    port = ports.ReshapePort
    port.get_transform_func_fwd = lambda self: functools.partial(np.reshape, shape=self.shape)
    port.get_transform_func_bwd = lambda self: functools.partial(np.reshape, shape=self.old_shape)


def _give_convolution_plain_ints() -> None:
    """Make Conv work with more than 127 channels or pixels.

    Its parameters are np.int8. Since numpy 2 sums with Python's ints keep that type and overflow.
    The engine lowers to Sparse and does not need this, but scripts may.
    """
    utils: Any = importlib.import_module("lava.proc.conv.utils")
    original = utils.conv
    if hasattr(original, "__wrapped__"):
        return

    @functools.wraps(original)
    def conv(input_: Any, weight: Any, *geometry: Any) -> Any:
        pairs = [tuple(int(n) for n in pair) for pair in geometry[:-1]]
        return original(input_, weight, *pairs, int(geometry[-1]))

    utils.conv = conv
