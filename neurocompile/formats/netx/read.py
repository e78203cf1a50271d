"""Read a `.net` file of lava-dl into a FIXED graph.

In:  a path; the file is read in a child process.
Out: a graph whose spikes are those that netx gives, step for step of the network's own time.
Whatever netx would cut, clamp or ignore is refused by layer, for it is not what was trained.
A file that we wrote carries names and scales beside its layers; both must tell the same.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from neurocompile.errors import BadInput
from neurocompile.formats.hdf5.read import read_hdf5
from neurocompile.formats.json_files import each_once
from neurocompile.formats.netx.entries import layers_in
from neurocompile.formats.netx.graph import described, foreign
from neurocompile.formats.netx.hold import hold
from neurocompile.formats.netx.layer import NetxLayer
from neurocompile.formats.netx.write import ABOUT, VERSION, describe
from neurocompile.ir.arrays import Array, pieces
from neurocompile.ir.graph import Graph
from neurocompile.ir.nodes import Shape
from neurocompile.ir.verify import verify

EACH = ("du", "dv", "vth", "bias")  # registers: a value for the layer, or for each neuron
AGAIN = f"Export it again, or delete the entry '{ABOUT}' to read only the layers"


def load_net(
    path: str | Path,
    dt: float | None = None,
    input_shape: Shape | None = None,
    reset_interval: int | None = None,
) -> Graph:
    """The FIXED graph of a `.net` file.

    Args:
        path: The file.
        dt: Length of a step, seconds, which a file of lava-dl does not say.
        input_shape: (n,) or (C, H, W), for a file without an input layer.
        reset_interval: Steps after which netx clears every layer, which are those of a sample; 0
            for a Network without a reset. None: a reset between samples, as the tests and
            tutorials of lava-dl run it.

    Raises:
        BadInput: If the file is damaged, or what we wrote beside its layers does not fit them.
        Unsupported: If a layer is of a kind, or has numbers, that netx or this reader lack.
    """
    tree = read_hdf5(path)
    try:
        file = layers_in(tree, input_shape)
        if ABOUT not in tree:
            return verify(foreign(file, dt, reset_interval), "fixed")
        if dt is not None or reset_interval is not None:
            raise BadInput(
                "it says the length of its step and its resets itself. Leave out dt= (--dt) "
                "and reset_interval= (--reset-interval)."
            )
        about = str(tree[ABOUT])
        tree.clear()
        return _ours(about, file.layers)
    except BadInput as error:
        raise error.within(f"'{path}'") from None


def _ours(text: str, layers: list[NetxLayer]) -> Graph:
    """A graph as we wrote it, if it writes the same layers again.

    The list is emptied on the way, so that the weights of the file and those that the graph
    writes are never both there: what is left of the former is a digest.
    """
    try:
        about = json.loads(text, object_pairs_hook=each_once)
        if about["version"] != VERSION:
            raise BadInput(
                f"the entry '{ABOUT}' has version {about['version']!r}, allowed is {VERSION}. "
                f"{AGAIN}."
            )
        graph = verify(described(about, layers), "fixed")
        told = [_told(layer) for layer in layers]
        layers.clear()
        held = hold(graph)
        again = json.loads(json.dumps(describe(graph, held)))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError):
        raise BadInput(f"the entry '{ABOUT}' is not as neurocompile writes it. {AGAIN}.") from None
    except RecursionError:
        raise BadInput(f"the entry '{ABOUT}' is nested too deeply. {AGAIN}.") from None
    if len(held.layers) != len(told) or again != about:
        raise BadInput(f"the entry '{ABOUT}' does not belong to these layers. {AGAIN}.")
    for number, (layer, expected) in enumerate(zip(held.layers, told, strict=True)):
        if _told(layer) != expected:
            raise BadInput(
                f"the entry '{ABOUT}' and layer {number} of the file do not tell the same. {AGAIN}."
            )
    return graph


def _told(layer: NetxLayer) -> dict[str, Any]:
    """What a layer tells, for comparison: of arrays the shape and the SHA-256.

    Weights count in their own type, registers as int64, a value for each neuron.
    """
    told = dict(vars(layer))
    for key, value in told.items():
        if key in EACH and value is not None:
            value = np.broadcast_to(value, layer.shape).astype(np.int64)
        if isinstance(value, np.ndarray):
            told[key] = value.shape, value.dtype, _digest(value)
    return told


def _digest(values: Array) -> bytes:
    digest = hashlib.sha256()
    for piece in pieces(values):
        digest.update(piece.tobytes())
    return digest.digest()
