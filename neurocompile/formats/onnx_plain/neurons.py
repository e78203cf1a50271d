"""Neurons in a plain ONNX file: nodes of our own domain, which name every parameter.

In:  LIF(x, dt, tau_syn_inv, tau_mem_inv, ...), as `formats.onnx.neurons` writes it.
Out: the neuron; its first output is the signal, the membrane potential after spikes is recorded.
A function of our domain that the file carries must be ours, or the file would run another neuron.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from onnx import ModelProto

from neurocompile.errors import BadInput
from neurocompile.formats.onnx.neurons import float_function, float_op, parameter_names
from neurocompile.formats.onnx.ops import DOMAIN
from neurocompile.formats.onnx_plain.call import BATCH, STEPS, Call, PlainSignal
from neurocompile.formats.onnx_plain.graph import Building
from neurocompile.ir.adapting import NEURONS
from neurocompile.ir.arrays import Array
from neurocompile.ir.schema import arrays_of, fields_of


def _examples() -> dict[str, Any]:
    """A neuron of every kind and reset, by its operator; of no use but for its fields."""
    examples: dict[str, Any] = {}
    for kind in NEURONS:
        zero = np.float32(0)
        arrays: dict[str, Any] = dict.fromkeys(arrays_of(kind), zero)
        resets = next((f.words for f in fields_of(kind) if f.name == "reset"), ())
        told: list[dict[str, Any]] = [{"reset": reset} for reset in resets]
        told += [{"reset": "subtract", "v_drop": zero}] if "subtract" in resets else []
        for each in told or [{}]:
            example = kind(**arrays, **each)
            examples[float_op(example)] = example
    return examples


EXAMPLES = _examples()


def neuron(call: Call, graph: Building) -> PlainSignal:
    """A node of our domain as the neuron that it names."""
    example = EXAMPLES.get(call.node.op_type)
    if example is None:
        call.refuse(
            f"there is no neuron of this name in {DOMAIN}. Use one of {', '.join(EXAMPLES)}; a "
            "network of a chip's integers is read only from a file that export wrote."
        )
    names = parameter_names(example)
    if len(call.inputs) != 2 + len(names):
        call.refuse(
            f"it has {len(call.inputs)} inputs, allowed are {2 + len(names)}: "
            f"{', '.join(('x', 'dt', *names))}."
        )
    x = call.signal()
    if graph.timed and x.lead != (BATCH, STEPS):
        call.refuse(
            f"its input has the axes {list(x.dims)}. Unfold batch and steps with a Reshape before "
            "it, as docs/onnx.md shows."
        )
    dt = call.optional(1, "dt")
    if dt is not None:
        if dt.size != 1 or dt.dtype.kind != "f":
            call.refuse(f"its dt is {dt.dtype} of shape {dt.shape}, allowed is one real number.")
        graph.dts[call.name] = float(str(dt.ravel()[0]))  # 1e-3, not the float32 next to it
    arrays = {n: _one_or_each(call, i, n, x) for i, n in enumerate(names, start=2)}
    return graph.add(call, replace(example, **arrays), x)


def _one_or_each(call: Call, index: int, name: str, x: PlainSignal) -> Array:
    """A parameter as () or the layer's shape."""
    value = call.constant(index, name)
    if value.size == 1:
        return value.reshape(())
    try:
        return np.broadcast_to(value, x.shape)
    except ValueError:
        call.refuse(
            f"its {name} has shape {value.shape}, allowed is one value, or one for each of the "
            f"neurons {x.shape}."
        )


def check_functions(model: ModelProto, timed: bool) -> None:
    """Refuse functions of our domain that are not ours.

    Raises:
        BadInput: If one has another body, or runs over an axis that is not the time.
    """
    for function in model.functions:
        if function.domain != DOMAIN:
            continue
        example = EXAMPLES.get(function.name)
        if example is None or function != float_function(example):
            raise BadInput(
                f"its function '{function.name[:60]}' of {DOMAIN} is not the one that neurocompile "
                "writes. Remove it, and add ours with onnx_plain.with_functions."
            )
        if not timed:
            raise BadInput(
                f"its function '{function.name}' runs over the second axis, but the input has no "
                "axis of steps. Give it the axes (batch, steps, ...), or remove the functions."
            )
