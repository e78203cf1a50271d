"""What must hold of a FIXED graph: populations and synapses that a chip's registers can hold.

In:  a graph of FIXED nodes with sound fields, in which only delayed synapses lead backwards.
Out: nothing, or a BadInput that names the node.
The tighter limits of a particular chip are checked by `place`.
"""

from __future__ import annotations

import numpy as np

from neurocompile.errors import BadInput, a_or_an
from neurocompile.ir.arrays import Array
from neurocompile.ir.checks import (
    check_floats,
    check_one_or_each,
    check_shape,
    expect,
    naming_layer,
)
from neurocompile.ir.fixed import (
    POPULATIONS,
    AlwaysOn,
    BiasInput,
    ChipNeuron,
    SpikeInput,
    Synapse,
    rounds,
)
from neurocompile.ir.graph import Graph
from neurocompile.ir.nodes import Linear, bias_of, size
from neurocompile.ir.registers import (
    MOST_AXON_DELAY,
    NONE,
    PAYLOAD_WIDTHS,
    REGISTERS,
    WEIGHT_EXPONENTS,
    WEIGHT_WIDTHS,
    Bounds,
    Grid,
)
from neurocompile.ir.shapes import out_shape
from neurocompile.ir.verify_fields import arrays

AT_ONCE = 1 << 16  # weights that are copied at a time to be checked


def one_input(graph: Graph) -> None:
    """A network has one SpikeInput or BiasInput, and a population after it."""
    names = [name for name, _ in graph.of(SpikeInput, BiasInput)]
    if len(names) != 1:
        raise BadInput(
            f"the graph has {len(names)} inputs ({', '.join(names[:3]) or 'none'}), allowed is one "
            "SpikeInput or BiasInput."
        )
    has_population = any(True for _ in graph.of(ChipNeuron))
    expect(has_population, "the graph has no population (CubaLIF) after its input. Add one.")


def inputs_have_no_source(graph: Graph) -> None:
    """Nothing leads to a node through which something enters from outside."""
    for name, node in graph.of(SpikeInput, AlwaysOn, BiasInput):
        with naming_layer(name, node):
            before = graph.before(name)
            expect(not before, f"'{next(iter(before), '')}' leads to it, allowed is nothing.")


def populations_are_fed_by_synapses(graph: Graph) -> None:
    """Only weighted spikes and written biases reach a neuron."""
    for name, node in graph.of(ChipNeuron):
        with naming_layer(name, node):
            for before in graph.before(name):
                source = graph.nodes[before]
                expect(
                    isinstance(source, Synapse | BiasInput),
                    f"'{before}', {a_or_an(type(source).__name__)}, leads to it, allowed are "
                    "Synapse and "
                    "BiasInput. Put a synapse between the two.",
                )


def synapses_join_two_populations(graph: Graph) -> None:
    """A synapse has one population on either side; the one after it holds neurons."""
    for name, node in graph.of(Synapse):
        with naming_layer(name, node):
            before, after = graph.before(name), graph.after(name)
            expect(
                len(before) == len(after) == 1,
                f"it joins {len(before)} nodes to {len(after)}, allowed is one to one.",
            )
            source, target = graph.nodes[before[0]], graph.nodes[after[0]]
            expect(
                isinstance(source, POPULATIONS) and isinstance(target, ChipNeuron),
                f"it joins {a_or_an(type(source).__name__)} to {a_or_an(type(target).__name__)}, "
                "allowed is SpikeInput, AlwaysOn or a neuron to a neuron.",
            )


def synapses_lead_into_a_sum_of_their_target(graph: Graph) -> None:
    """A synapse names the part of a complex sum that it adds to, and no part of another."""
    for name, node in graph.of(Synapse):
        with naming_layer(name, node):
            (after,) = graph.after(name)
            target = graph.nodes[after]
            allowed = " or ".join(map(repr, target.inputs))
            expect(
                node.into in target.inputs,
                f"it leads into {node.into!r} of '{after}', {a_or_an(type(target).__name__)}, "
                f"allowed is {allowed}. Give into={target.inputs[0]!r}.",
            )


def bias_inputs_and_axons_lead_to_one(graph: Graph) -> None:
    """The host writes the registers of one population; an always-on axon biases one."""
    for kind, allowed in ((BiasInput, ChipNeuron), (AlwaysOn, Synapse)):
        for name, node in graph.of(kind):
            with naming_layer(name, node):
                after = [graph.nodes[n] for n in graph.after(name)]
                expect(
                    len(after) == 1 and isinstance(after[0], allowed),
                    f"it leads to {', '.join(type(n).__name__ for n in after[:3]) or 'nothing'}, "
                    f"allowed is one {'population' if allowed is ChipNeuron else 'Synapse'}.",
                )


def populations_have_shapes(graph: Graph) -> None:
    """A population holds neurons, and not too many; an input's payloads have 2 to 24 bits."""
    for name, node in graph.of(*POPULATIONS, BiasInput):
        with naming_layer(name, node):
            check_shape(node.shape)
            if isinstance(node, SpikeInput) and node.payload_bits:
                _check_between("payload_bits", node.payload_bits, PAYLOAD_WIDTHS)


def synapses_fit_their_populations(graph: Graph) -> None:
    """A synapse has as many inputs as its source and as many outputs as its target."""
    for name, node in graph.of(Synapse):
        with naming_layer(name, node):
            check_shape(node.in_shape, "its in_shape")
            check_shape(node.out_shape, "its out_shape")
            (before,), (after,) = graph.before(name), graph.after(name)
            source, target = graph.nodes[before].shape, graph.nodes[after].shape
            expect(
                size(node.in_shape) == size(source) and size(node.out_shape) == size(target),
                f"its shapes are {node.in_shape} -> {node.out_shape}, but it joins {source} to "
                f"{target}. Give shapes of as many neurons.",
            )
            expect(
                bias_of(node.op) is None,
                "it has a bias. Put it into bias_mant of its target, or after an AlwaysOn.",
            )
            shape = out_shape(node.op, node.in_shape)
            expect(
                shape == node.out_shape,
                f"its weights give the shape {shape}, but its out_shape is {node.out_shape}.",
            )


def weights_are_on_the_grid(graph: Graph) -> None:
    """A weight is in -256..254 in steps of 2^(9 - bits)."""
    for name, node in graph.of(Synapse):
        with naming_layer(name, node):
            _check_between("bits", node.bits, WEIGHT_WIDTHS)
            weights = node.op.weights
            expect(
                weights.dtype.kind in "iu",
                f"its weights are {weights.dtype}, allowed are integers. Quantize the network.",
            )
            _check_grid(weights, Grid(node.bits))


def exponents_and_delays_are_a_chips(graph: Graph) -> None:
    """Weight exponent and axon delay fit their fields; a constant axon has no delay."""
    for name, node in graph.of(Synapse):
        with naming_layer(name, node):
            _check_between("weight_exp", node.weight_exp, WEIGHT_EXPONENTS)
            (before,) = graph.before(name)
            on = isinstance(graph.nodes[before], AlwaysOn)
            _check_between("delay", node.delay, (0, MOST_AXON_DELAY))
            if node.late is not None:
                _check_late(node, on)


def registers_are_in_range(graph: Graph) -> None:
    """Every register of a population has one value or one per neuron, and holds it."""
    for name, node in graph.of(ChipNeuron):
        with naming_layer(name, node):
            for what, values in arrays(node):
                check_one_or_each(values, what, node.shape)
                if what in node.registers:
                    low, high = node.bounds.get(what, REGISTERS[what])
                    least, most = int(values.min()), int(values.max())
                    expect(
                        low <= least and most <= high,
                        f"its {what} is {least if least < low else most}, allowed are "
                        f"{low}..{high}, the range of the register.",
                    )
            for what, allowed in node.bounds.items():
                if what not in node.registers:
                    _check_between(what, getattr(node, what), allowed)


def what_the_host_writes_fits(graph: Graph) -> None:
    """A BiasInput makes one mantissa per neuron of the population after it."""
    for name, node in graph.of(BiasInput):
        with naming_layer(name, node):
            (after,) = graph.after(name)
            target = graph.nodes[after].shape
            expect(
                graph.nodes[after].bounds.get("bias_mant") != NONE,
                f"it leads to '{after}', a {type(graph.nodes[after]).__name__}, which has no bias "
                "that the host could write. Use a SpikeInput, or a SigmaDelta.",
            )
            expect(
                target == node.shape,
                f"its shape is {node.shape}, but it leads to a population of {target}.",
            )
            check_shape(node.in_shape, "its in_shape")
            sample = node.sample_shape or node.in_shape
            check_shape(sample, "its sample_shape")
            expect(
                size(sample) == size(node.in_shape),
                f"a sample of {sample} has another size than {node.in_shape}, which the host maps.",
            )
            check_one_or_each(node.scale, "scale", node.shape)
            currents = node.in_shape
            if node.host is not None:
                for what, values in arrays(node.host):
                    if what not in ("indices", "indptr"):
                        check_floats(values, f"host.{what}")
                currents = out_shape(node.host, node.in_shape)
            expect(
                size(currents) == size(node.shape),
                f"it makes {size(currents)} values per sample, but its population has "
                f"{size(node.shape)} neurons.",
            )


def _check_late(node: Synapse, on: bool) -> None:
    """Check the further steps of each target, source or weight of a synapse."""
    late = node.late
    assert late is not None
    expect(not on, "its delays differ, but its axon is always on and sends at all times. Use none.")
    targets, sources = size(node.out_shape), size(node.in_shape)
    dense = isinstance(node.op, Linear) and sources == node.op.weight.shape[1]
    forms = [(targets,), (1, sources)] + ([(targets, sources)] if dense else [])
    each = ", ".join(map(str, forms))
    expect(
        late.shape in forms,
        f"its late has shape {late.shape}, allowed is one number per target neuron, per source "
        f"neuron or per weight of a Linear on one axis: here {each}.",
    )
    _check_between("late", int(late.min()), (0, MOST_AXON_DELAY))
    _check_between("longest delay", node.longest_delay, (0, MOST_AXON_DELAY))
    expect(
        node.late_of == "target" or not rounds(node),
        f"its weight exponent {node.weight_exp} rounds sums, and its delays differ between "
        "sources. A chip would round the spikes of each delay apart. Use an exponent of 0 or more.",
    )


def _check_between(what: str, value: int, allowed: Bounds) -> None:
    low, high = allowed
    expect(low <= value <= high, f"its {what} is {value}, allowed are {low}..{high}.")


def _check_grid(weights: Array, grid: Grid) -> None:
    """Check that weights are on the grid, in their own type: 64 bits may not fit another."""
    if not weights.size:
        return
    (low, high), step = grid.stored, grid.step
    least, most = int(weights.min()), int(weights.max())
    good = low <= least and most <= high
    flat = weights.reshape(-1)
    for start in range(0, flat.size if good else 0, AT_ONCE):
        good &= not np.any(flat[start : start + AT_ONCE].astype(np.int64) % step)
    expect(
        good,
        f"its weights go from {least} to {most}, but weights of {grid.bits} bits are "
        f"{low}..{high} in steps of {step}. Quantize the network again.",
    )
