"""Turn samples into what enters a network.

In:  samples x (n, ...), or spikes or payloads that are encoded already; the encoder in the
     settings.
Out: the input of a FLOAT graph (spikes or currents), and of the FIXED graph made from it
     (spikes or bias mantissas).
A sample's spikes depend only on the seed and its index, not on its batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from neurocompile.data.encoding import bernoulli
from neurocompile.data.samples import Data
from neurocompile.errors import BadInput, DoesNotFit
from neurocompile.ir.arrays import Array
from neurocompile.ir.entries import apply
from neurocompile.ir.fixed import BiasInput, SpikeInput
from neurocompile.ir.graph import Graph
from neurocompile.ir.nodes import Input, Shape, size
from neurocompile.ir.payloads import graded
from neurocompile.ir.registers import MANTISSA_BITS, MANTISSAS


@dataclass(frozen=True, eq=False)
class Encoded:
    """The input of a FIXED graph for some samples.

    Attributes:
        values: By input node: SpikeInput (n, steps, *shape) uint8 bits or int32 payloads; BiasInput
            (n, *shape) int16, the whole 13-bit mantissa that the host writes for a sample.
        steps: Time steps per sample.
    """

    values: Mapping[str, Array]
    steps: int

    @property
    def samples(self) -> int:
        """Number of samples."""
        return int(next(iter(self.values.values())).shape[0])


def float_input(graph: Graph, data: Data, first: int, last: int, steps: int, seed: int) -> Array:
    """Input of the float network: (n, steps, *shape) spikes, payloads or values, or currents.

    Args:
        graph: FLOAT graph or the FIXED graph made from it; only shape and encoder are read.
        data: Samples, spikes or payloads.
        first, last: Range of samples to take, [first, last).
        steps: Time steps per sample.
        seed: Seed of the random encoder.
    """
    check_data(graph, data, steps)
    values = data.values[first:last]
    encoder = graph.settings.encoder
    lead = 2 if _has_steps(graph, data) else 1
    values = values.reshape(*values.shape[:lead], *input_shape(graph))
    if data.has_steps:
        number = np.uint8 if data.kind == "spikes" else np.int32
        return np.asarray(values[:, :steps], dtype=number)
    if encoder.kind == "current":
        return np.asarray(values, dtype=np.float64) * encoder.gain
    if encoder.kind == "sequence":
        return np.asarray(values[:, :steps], dtype=np.float64) * encoder.gain
    try:
        return bernoulli(values, steps, gain=encoder.gain, seed=seed, first_index=first)
    except BadInput as error:
        raise error.within(f"data '{data.name}'") from None


def encode(graph: Graph, data: Data, first: int, last: int, steps: int, seed: int) -> Encoded:
    """The integer input of a FIXED graph for the samples [first, last).

    Raises:
        BadInput: If the data do not match the network's input.
        DoesNotFit: If a sample's current exceeds the 13 bits of a bias register.
    """
    name, node = next(graph.of(SpikeInput, BiasInput))
    if isinstance(node, SpikeInput):
        values = float_input(graph, data, first, last, steps, seed)
        return Encoded({name: carried(name, node, values)}, steps)
    check_data(graph, data, steps)
    return Encoded({name: mantissas(graph, name, data.values[first:last])}, steps)


def carried(name: str, node: SpikeInput, values: Array) -> Array:
    """What axons carry of the input: bits and payloads as they are, real values as payloads.

    Args:
        name, node: The input.
        values: (n, steps, *shape) spikes, payloads, or values times the gain, which is payload
            per unit.

    Raises:
        DoesNotFit: If a value exceeds the bits of a payload.
    """
    if values.dtype.kind != "f":
        return values
    whole, (low, high) = np.rint(values), node.payload
    if np.any(whole < low) or np.any(whole > high):
        worst = int(whole.flat[np.argmax(np.abs(whole))])
        raise DoesNotFit(
            f"input '{name}': a sample needs the payload {worst}, but one of {node.payload_bits} "
            f"bits is within {low}..{high}. Calibrate on data with the same range as these, or "
            "scale the data."
        )
    return np.asarray(whole, dtype=np.int32)


def mantissas(graph: Graph, name: str, values: Array) -> Array:
    """Mantissas that the host writes to bias registers, (n, *shape) int16.

    Args:
        graph: FIXED graph.
        name: Name of its BiasInput.
        values: (n, *in_shape) samples.

    Raises:
        DoesNotFit: If a mantissa exceeds the 13 bits of a bias register.
    """
    (target,) = graph.after(name)
    written = np.rint(currents(graph, name, values)) + graph.nodes[target].bias_mant
    if np.any(np.abs(written) > MANTISSAS[1]):
        worst = int(written.flat[np.argmax(np.abs(written))])
        raise DoesNotFit(
            f"layer '{target}': a sample needs the bias mantissa {worst}, but the register holds "
            f"{MANTISSAS[0]}..{MANTISSAS[1]}. Calibrate on data with the same range as these, "
            "or scale the data."
        )
    return written.astype(np.int16)


def currents(graph: Graph, name: str, values: Array) -> Array:
    """The host's currents in units of the mantissa, before rounding: (n, *shape) float64."""
    node = graph.nodes[name]
    x = np.asarray(values, dtype=np.float64).reshape(len(values), -1)
    if node.host is not None:
        x = apply(node.host, node.in_shape, x)
    return np.asarray(x.reshape(len(values), *node.shape) * node.scale)


def check_data(graph: Graph, data: Data, steps: int) -> None:
    """Refuse data that do not match the network's input.

    Raises:
        BadInput: Names the shape or kind of the data and what the network takes.
    """
    _check_payloads(graph, data)
    shape = input_shape(graph)
    lead = 2 if _has_steps(graph, data) else 1
    found = data.values.shape[lead:]
    # A network that takes a row of values flattened its samples first, in this order.
    flattened = len(shape) == 1 and size(found) == size(shape)
    if found != shape and not flattened:
        flat = f" or any shape of {size(shape)} values" if len(shape) == 1 else ""
        raise BadInput(
            f"data '{data.name}': a sample has shape {found}, but the network takes {shape}{flat}. "
            "Reshape the data, or choose a model trained on them. The first axis of a model's "
            "example is its batch, (N, ...); where the layers take all steps at once, the first "
            "two are its steps and its batch, (T, N, ...)."
        )
    _check_kind(graph, data)
    if lead == 2 and data.values.shape[1] < steps:
        raise BadInput(
            f"data '{data.name}' holds {data.values.shape[1]} steps, but {steps} are needed. "
            f"Use steps={data.values.shape[1]} or less (--steps)."
        )


def _has_steps(graph: Graph, data: Data) -> bool:
    """Whether samples hold something for each step."""
    return data.has_steps or graph.settings.encoder.kind == "sequence"


def _check_kind(graph: Graph, data: Data) -> None:
    """Refuse data of another kind than enters a network."""
    encoder = graph.settings.encoder
    if encoder.kind == "sequence":
        if data.kind != "x":
            raise BadInput(
                f"data '{data.name}' are of the kind '{data.kind}', but this network takes a real "
                "value in each step. Give values (n, steps, ...) under the key 'x'."
            )
        return
    if data.kind == "spikes" and encoder.kind == "current":
        raise BadInput(
            f"data '{data.name}' holds spikes, but this network takes real values as input "
            "currents. Give samples under the key 'x'."
        )
    if data.kind == "x" and encoder.kind == "spikes":
        raise BadInput(
            f"data '{data.name}' holds real values, but this network takes spikes and has no "
            "encoder. Compile it with Settings(encoder=Encoder('bernoulli', gain)) (--encoder "
            "bernoulli --gain G), where gain times a value is the probability of a spike, or with "
            "Encoder('current', gain) (--encoder current --gain G), a constant current; or give "
            "spikes (n, steps, ...) under the key 'spikes'."
        )


def _check_payloads(graph: Graph, data: Data) -> None:
    """Refuse data without payloads for a network that takes some, and the reverse."""
    if graph.settings.encoder.kind == "sequence":
        return
    takes_payloads = any(graded(node) for _, node in graph.of(SpikeInput))
    if takes_payloads != (data.kind == "payloads"):
        raise BadInput(
            f"data '{data.name}' are of the kind '{data.kind}', but this network takes "
            + (
                "whole numbers as payloads. Give them as (n, steps, ...) under the key 'payloads'. "
                "For a .net file they are numpy.rint(64 * x) of the values x that it was trained "
                "on, for its spike_exp is 6."
                if takes_payloads
                else "no payloads. Give samples under the key 'x' or spikes under 'spikes'."
            )
        )


def input_shape(graph: Graph) -> Shape:
    """Shape of one sample at the input of a graph of either stage."""
    _, node = next(graph.of(Input, SpikeInput, BiasInput))
    if not isinstance(node, BiasInput):
        return node.shape
    return node.sample_shape or node.in_shape


def check_encoded(graph: Graph, encoded: Encoded) -> None:
    """Refuse input that does not fit a FIXED graph, before any engine starts.

    Raises:
        BadInput: Names the input, its values and what is allowed.
    """
    if encoded.steps < 1:
        raise BadInput(f"the number of steps is {encoded.steps}. Use 1 or more.")
    for name, node in graph.of(SpikeInput, BiasInput):
        if name not in encoded.values:
            given = ", ".join(encoded.values) or "nothing"
            raise BadInput(f"the input '{name}' is missing. Given: {given}. Add it by its name.")
        spikes = isinstance(node, SpikeInput)
        low, high = node.payload if isinstance(node, SpikeInput) else MANTISSAS
        values = np.asarray(encoded.values[name])
        lead = (encoded.samples, encoded.steps) if spikes else (encoded.samples,)
        if values.shape != (*lead, *node.shape):
            raise BadInput(
                f"the input '{name}' has shape {values.shape}, but must have {(*lead, *node.shape)}"
                f": {'samples, steps' if spikes else 'samples'}, then the shape of the layer."
            )
        if values.dtype.kind not in "biu":
            raise BadInput(f"the input '{name}' holds {values.dtype}. Use whole numbers.")
        least, most = int(values.min(initial=high)), int(values.max(initial=low))
        if least < low or most > high:
            if graded(node):
                why = f"a payload has {node.payload_bits} bits. Scale the samples first"
            else:
                mantissa = f"a mantissa has {MANTISSA_BITS} bits"
                why = "an axon carries one spike or none" if spikes else mantissa
            raise BadInput(
                f"the input '{name}' holds {least}..{most}, but only {low}..{high} is allowed: "
                f"{why}."
            )
