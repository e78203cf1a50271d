"""Which FIXED graphs a lava-dl `.net` file holds, as the layers it holds them in.

In:  a FIXED graph.
Out: its layers in order, and how netx has to start them; or Unsupported, which names the layers
     that the file cannot hold and why. Nothing is rounded, cut or left out to make it fit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import singledispatch
from typing import Any, Literal

import numpy as np

from neurocompile.errors import Unsupported
from neurocompile.formats.netx import resonators, sigma_delta
from neurocompile.formats.netx.layer import (
    BIAS_EXP,
    MOST_NETX_DELAY,
    NETX_WEIGHTS,
    UNCLEARED,
    Geometry,
    NetxLayer,
    check_weights,
    led_in,
    shifted,
)
from neurocompile.formats.netx.stages import NetxStage, stages_of
from neurocompile.ir.arrays import Array, pieces
from neurocompile.ir.early import started_at_rest
from neurocompile.ir.fixed import BiasInput, ChipNeuron, CubaLIF, Synapse
from neurocompile.ir.graph import Graph
from neurocompile.ir.nodes import Conv, ConvTranspose, Linear, Shape, Sparse, size
from neurocompile.ir.registers import LARGEST_THRESHOLD, MANTISSAS

Start = Literal["reset", "plain"]
MOST_NAMED = 6  # things in the way, in one answer
NARROW = "Export with Target(netx=True) (--netx), which chooses scales that the file can hold."
NO_LAYER: dict[type, str] = {  # synapses that no layer of netx has
    Sparse: "a map of single connections: a pool or convolution joined with what stands next to it",
    ConvTranspose: "a transposed convolution",
}


class Wide(Unsupported):
    """Numbers that the file cannot hold, and that scales chosen for it (`NARROW`) would avoid."""


@dataclass(frozen=True, eq=False)
class Held:
    """A graph as netx holds it.

    Attributes:
        layers: In order, the input first.
        start: "reset" where netx has to clear u and v at each layer's first step
            (`reset_interval` and `reset_offset` of its Network); "plain" where every neuron
            must instead run from chip step 1 on.
    """

    layers: tuple[NetxLayer, ...]
    start: Start


def hold(graph: Graph) -> Held:
    """The layers of a graph.

    Args:
        graph: A verified FIXED graph.

    Raises:
        Unsupported: Naming every layer that netx cannot hold exactly, and the reasons.
    """
    name, stages = stages_of(graph)
    source = graph.nodes[name]
    layers = [NetxLayer("input", _kept(source.shape))]
    wrong: list[Unsupported] = []
    for stage in stages:
        node = graph.nodes[stage.name]
        try:
            layer = _with_neurons(_layer(graph, stage, layers[-1]), node)
            if isinstance(source, BiasInput) and not stage.forward:
                layer = _driven(source, node, layer)
        except Unsupported as error:
            wrong += [e.within(f"layer '{stage.name}'") for e in _each(error, node)]
            layer = NetxLayer("dense", _kept(node.shape))  # to go on with, of what stands behind it
        layers = [*layers, layer] if stage.forward else [layer]
    if wrong:
        raise _all_of(wrong)
    return Held(tuple(layers), _start(graph, stages, isinstance(source, BiasInput)))


def _each(error: Unsupported, node: ChipNeuron) -> list[Unsupported]:
    """An error of a layer, and what its neurons would be refused for as well."""
    try:
        _with_neurons(NetxLayer("dense", _kept(node.shape)), node)
    except Unsupported as other:
        return list({str(e): e for e in (error, other)}.values())
    return [error]


def _all_of(wrong: list[Unsupported]) -> Unsupported:
    """One error of all; other scales are offered only where nothing else is in the way."""
    sentences = [str(error) for error in wrong[:MOST_NAMED]]
    if len(wrong) > MOST_NAMED:
        sentences.append(f"{len(wrong) - MOST_NAMED} more things are in the way.")
    if all(isinstance(error, Wide) for error in wrong):
        sentences.append(NARROW)
    return Unsupported(" ".join(sentences))


def _kept(shape: Shape) -> Shape:
    """netx has layers of one axis and of three."""
    return shape if len(shape) == 3 else (size(shape),)


def _layer(graph: Graph, stage: NetxStage, before: NetxLayer) -> NetxLayer:
    """One layer, its synapses first: they say how its neurons lie."""
    node = graph.nodes[stage.name]
    if not stage.forward:
        if stage.back:
            raise Unsupported("its neurons are driven by currents and lead to themselves as well.")
        return NetxLayer("input", _kept(node.shape))
    synapses = [graph.nodes[s] for s in stage.forward]
    if len(node.inputs) > 1:
        return _complex(synapses, stage, before)
    layer = _synapses(synapses[0].op, synapses, before)
    if stage.back:
        layer = _recurrent(layer, [graph.nodes[s] for s in stage.back])
    if layer.kind != "conv":
        assert layer.weight is not None
        check_weights(layer.weight, layer.recurrent)
    return layer


def _complex(synapses: list[Synapse], stage: NetxStage, before: NetxLayer) -> NetxLayer:
    """One layer with complex weights: a dense matrix into each part, without delays."""
    parts = {synapse.into: synapse for synapse in synapses}
    dense = all(isinstance(s.op, Linear) and not s.longest_delay for s in synapses)
    if stage.back or not dense or len(synapses) != 2 or len(parts) != 2:
        raise Unsupported(
            "its neurons resonate, and netx has for those one dense matrix into the real part and "
            "one into the imaginary one, without delays and loops."
        )
    layer, imag = (_synapses(parts[p].op, [parts[p]], before) for p in ("real", "imag"))
    for each in (layer, imag):
        assert each.weight is not None
        check_weights(each.weight)
    return replace(layer, imag=imag.weight)


@singledispatch
def _synapses(op: Any, synapses: list[Synapse], before: NetxLayer) -> NetxLayer:
    raise Unsupported(
        f"its synapses are {NO_LAYER[type(op)]}, and a .net file has only dense and conv layers."
    )


@_synapses.register
def _(op: Linear, synapses: list[Synapse], before: NetxLayer) -> NetxLayer:
    if any(not isinstance(s.op, Linear) for s in synapses):
        raise Unsupported("several kinds of synapses lead to it, and a .net layer has one.")
    weight, delay = _delayed(synapses)
    flat = len(before.shape) > 1
    return NetxLayer("dense", (weight.shape[0],), flat, weight=weight, delay=delay)


@_synapses.register
def _(op: Conv, synapses: list[Synapse], before: NetxLayer) -> NetxLayer:
    (synapse, *others) = synapses
    if others:
        raise Unsupported("several synapses lead to it, and a .net conv layer has one.")
    if synapse.longest_delay:
        raise Unsupported(
            f"its convolution has a delay of {synapse.delay} steps, which netx ignores. Use none."
        )
    if len(synapse.in_shape) != 3:
        raise Unsupported("it is a convolution over one axis, and netx has only those over two.")
    if synapse.in_shape != before.shape:
        raise Unsupported(
            f"its convolution takes the shape {synapse.in_shape} out of {before.shape}, and netx "
            "reshapes only before dense layers."
        )
    geometry = Geometry(op.stride, op.padding, op.dilation, op.groups)
    return NetxLayer("conv", synapse.out_shape, weight=_integers(synapse), geometry=geometry)


def _delayed(synapses: list[Synapse]) -> tuple[Array, Array | None]:
    """One matrix, and the delay of each of its entries where there are any."""
    matrices = [_integers(s) for s in synapses]
    delays = [s.delay for s in synapses]
    if any(matrix.shape != matrices[0].shape for matrix in matrices):
        raise Unsupported("synapses on different shapes lead to it, and a .net layer has one.")
    if len(set(delays)) < len(delays) or _overlap(matrices):
        raise Unsupported(
            "two synapses join the same two neurons, or have one delay, and a .net layer has one "
            "weight and one delay for two neurons."
        )
    if not any(s.longest_delay for s in synapses):
        return matrices[0], None
    if len(synapses) > 1 and any(s.late is not None for s in synapses):
        raise Unsupported(
            "several synapses lead to it, and the delays of one differ between its neurons or "
            "weights, so that nobody could tell the two apart in one matrix."
        )
    weight, delay = (np.zeros(matrices[0].shape, dtype=np.int16) for _ in range(2))
    for synapse, matrix in zip(synapses, matrices, strict=True):
        late = np.zeros(1, np.int64) if synapse.late is None else synapse.late
        late = late[:, None] if late.ndim == 1 else late
        weight += matrix
        delay += np.where(matrix != 0, synapse.delay + late, 0).astype(np.int16)
    return weight, delay


def _overlap(matrices: list[Array]) -> bool:
    """Whether two matrices join the same two neurons."""
    if len(matrices) == 1:
        return False
    taken = np.zeros(matrices[0].shape, dtype=bool)
    for matrix in matrices:
        if np.any(taken & (matrix != 0)):
            return True
        taken |= matrix != 0
    return False


def _recurrent(layer: NetxLayer, synapses: list[Synapse]) -> NetxLayer:
    """A layer that its own spikes reach one step later."""
    (synapse, *others) = synapses
    one_step = synapse.delay == synapse.longest_delay == 1
    if others or not one_step or not isinstance(synapse.op, Linear):
        raise Unsupported(
            "its spikes lead back to it, and netx has one dense matrix with a delay of one step "
            "for that."
        )
    if layer.kind != "dense":
        raise Unsupported("its spikes lead back to it, which netx has only for dense layers.")
    if layer.delay is not None:
        raise Unsupported("it has loops and delays, and netx then loses the scale of the weights.")
    return replace(layer, kind="dense_rec", recurrent=_integers(synapse))


def _integers(synapse: Synapse) -> Array:
    """The weights with their exponent: what netx, which has none, holds."""
    assert isinstance(synapse.op, Linear | Conv)
    weight, exponent = synapse.op.weight, synapse.weight_exp
    if isinstance(synapse.op, Linear) and size(synapse.in_shape[:-1]) != 1:
        raise Unsupported("its matrix works along one axis of several, and a .net layer has one.")
    if synapse.longest_delay > MOST_NETX_DELAY:
        raise Unsupported(
            f"it has a delay of {synapse.longest_delay} steps; netx has 0..{MOST_NETX_DELAY}."
        )
    if exponent < 0:
        if any(np.any(piece.astype(np.int64) % (1 << -exponent)) for piece in pieces(weight)):
            raise Wide(
                f"its weights are rounded after their sum (weight exponent {exponent}), and a "
                ".net file has no weight exponent."
            )
        return shifted(weight, exponent)
    low, high = int(weight.min()) << exponent, int(weight.max()) << exponent
    if low < NETX_WEIGHTS[0] or high > NETX_WEIGHTS[1]:
        raise Wide(
            f"its weights have the exponent {exponent} and reach {max(low, high, key=abs)}; a .net "
            f"file has no weight exponent and holds {NETX_WEIGHTS[0]}..{NETX_WEIGHTS[1]}."
        )
    return shifted(weight, exponent)


def _with_neurons(layer: NetxLayer, node: ChipNeuron) -> NetxLayer:
    """The registers of a layer."""
    if isinstance(node, sigma_delta.KINDS):
        return sigma_delta.held(layer, node)
    if isinstance(node, resonators.RESONATORS):
        return resonators.held(layer, node)
    if not isinstance(node, CubaLIF):
        raise Unsupported(
            f"its neurons are {type(node).__name__}, and netx reads those of a .net file as CUBA, "
            "sigma-delta or resonate-and-fire ones."
        )
    if node.reset != "zero":
        raise Unsupported("its neurons reset by subtraction, and those of a .net file to 0.")
    unit = 1 << BIAS_EXP
    bias = np.asarray(node.bias)
    if np.any(bias % unit):
        raise Wide(
            f"its bias {int(bias[bias % unit != 0].flat[0])} is no multiple of {unit}, the unit "
            f"of a .net file (bias_exp = {BIAS_EXP})."
        )
    bias = bias >> BIAS_EXP
    if np.any(bias < MANTISSAS[0]) or np.any(bias > MANTISSAS[1]):
        raise Unsupported(
            f"its bias is {int(bias.flat[np.argmax(np.abs(bias))])} units of {unit}, and the "
            f"register of a .net file holds {MANTISSAS[0]}..{MANTISSAS[1]}."
        )
    never = node.readout and bool(np.all(node.vth == LARGEST_THRESHOLD))
    du, dv, vth = (a.reshape(layer.shape) if a.ndim else a for a in (node.du, node.dv, node.vth))
    return replace(
        layer,
        cells="cuba",
        du=du,
        dv=dv,
        vth=None if never else vth,
        bias=bias.reshape(layer.shape) if bias.ndim else bias,
    )


def _driven(source: BiasInput, node: CubaLIF, layer: NetxLayer) -> NetxLayer:
    """An input layer with neurons: what is written is weight * x + bias, both whole numbers."""
    if source.host is not None:
        raise Unsupported(
            "the host computes its first synapse, which a .net file cannot say. "
            "Start with neurons, or encode the input as spikes."
        )
    scale = source.scale
    if scale.ndim or scale != np.rint(scale) or abs(scale) > -NETX_WEIGHTS[0] or not scale:
        raise Unsupported(
            f"its input currents are scaled by {float(scale.flat[0]):g}, and a "
            f".net file holds one whole number in {NETX_WEIGHTS[0]}..{-NETX_WEIGHTS[0]} for that."
        )
    if np.any(node.bias_exp != BIAS_EXP):
        raise Wide(
            "the host writes its biases with the exponent "
            f"{int(node.bias_exp.flat[0])}, and those of a .net file have {BIAS_EXP}."
        )
    assert layer.bias is not None
    if np.any(layer.bias != layer.bias.flat[0]):
        raise Unsupported("a .net input layer has one bias for all its neurons.")
    bias = layer.bias.ravel()[:1].reshape(())
    return replace(layer, weight=np.asarray(scale.astype(np.int64)), bias=bias)


def _start(graph: Graph, stages: list[NetxStage], driven: bool) -> Start:
    """How the first step of each layer comes out as the graph has it.

    netx starts every neuron at u = v = 0 in chip step 1, depth steps before its first input,
    and a bias is added from then on; or it clears u and v in the layer's first step.
    """
    nodes = [graph.nodes[stage.name] for stage in stages]
    if any(isinstance(node, UNCLEARED) for node in nodes):
        _check_from_rest(graph, stages)
        return "plain"
    early = [led_in(node, i if driven else i + 1) for i, node in enumerate(nodes)]
    from_zero = all(not node.v_init.any() for node in nodes)
    waits = any(
        graph.nodes[s].longest_delay for stage in stages for s in (*stage.forward, *stage.back)
    )
    if from_zero and not (waits and any(v is None for v in early)):
        return "reset"
    for stage, node, v in zip(stages, nodes, early, strict=True):
        if v is None:
            raise Unsupported(
                f"layer '{stage.name}': its bias alone makes it spike while netx waits for the "
                "first input to arrive. Use no delays and loops, or a smaller bias."
            )
        if np.any(v != node.v_init):
            raise Unsupported(
                f"layer '{stage.name}': its v(0) is {int(node.v_init.flat[0])}, but netx starts "
                "every neuron at 0. Use v_leak = v_reset."
            )
    return "plain"


def _check_from_rest(graph: Graph, stages: list[NetxStage]) -> None:
    """Refuse populations that do not start where netx leads them, which clears none of them."""
    for stage in stages:
        if isinstance(graph.nodes[stage.name], CubaLIF):
            raise Unsupported(
                f"layer '{stage.name}': its neurons are CubaLIF, and others are sigma-delta or "
                "resonate; netx clears only the former between samples. Use one kind."
            )
    # Its own depths differ where there are delays, of which netx's layers know nothing.
    first = 1 if stages[0].forward else 0
    places = {stage.name: first + i for i, stage in enumerate(stages)}
    started = started_at_rest(graph, {**dict.fromkeys(graph.nodes, 0), **places})
    for stage in stages:
        node, theirs = graph.nodes[stage.name], started.nodes[stage.name]
        if any(
            np.any(getattr(node, register) != getattr(theirs, register))
            for register in node.registers
        ):
            raise Unsupported(
                f"layer '{stage.name}': it does not start where its biases lead it in netx, which "
                "starts every neuron at rest, some steps early. Without delays, "
                "neurocompile.ir.early.started_at_rest(graph) gives it those registers."
            )
