"""From the layers of a `.net` file to a FIXED graph.

In:  layers, and for a file of ours the names and scales that stand beside them.
Out: a graph, not verified yet.
netx starts every neuron at 0 in chip step 1, so a bias acts before the first input arrives. A
reset clears each layer in the layer's own first step; without one, a population of a stranger's
file starts at what its bias alone has led to by then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from neurocompile.errors import BadInput, Refusals, Unsupported
from neurocompile.formats.netx import resonators
from neurocompile.formats.netx.entries import NetxFile
from neurocompile.formats.netx.layer import (
    BIAS_EXP,
    UNCLEARED,
    NetxLayer,
    is_odd,
    led_in,
    shifted,
)
from neurocompile.formats.netx.sigma_delta import INPUT_BITS, one_to_one, population
from neurocompile.ir.arrays import Array
from neurocompile.ir.early import started_at_rest
from neurocompile.ir.fixed import BiasInput, ChipNeuron, CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import Edge, Graph
from neurocompile.ir.nodes import Conv, Linear, Shape, size
from neurocompile.ir.registers import LARGEST_THRESHOLD
from neurocompile.ir.schema import fields_of
from neurocompile.ir.settings import DT, NOTED, Assumption, Encoder, Settings, dt_assumed
from neurocompile.ir.sigma_delta import Sigma, SigmaDelta

WRITTEN_KINDS: dict[str, type[ChipNeuron]] = {kind.__name__: kind for kind in UNCLEARED}
TYPES = tuple(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))


def foreign(file: NetxFile, dt: float | None = None, reset_interval: int | None = None) -> Graph:
    """The graph of a file that lava-dl wrote.

    Args:
        file: Its layers.
        dt: Length of a step, seconds; 1 ms where None, which `assumed` then says.
        reset_interval: Steps of a sample, after which netx clears every layer; 0 where it never
            does; None where nobody says, and it is taken to do so.

    Raises:
        Unsupported: Where a layer's bias makes it spike before its first input arrives, and no
            reset clears what those spikes do; for sigma-delta layers, where no register starts
            them as netx does.
    """
    refusals = Refusals()
    nodes, edges = _chain(file, refusals)
    assumed: list[Assumption] = []
    if any(isinstance(node, UNCLEARED) for node in nodes.values()):
        with refusals.gather():
            _check_family(file, reset_interval)
        refusals.answer()
        chain = Graph(nodes, edges, Settings(dt=DT, steps=1))
        nodes = dict(started_at_rest(chain, _places(nodes)).nodes)
        assumed += _never_cleared(nodes, file.transform)
    else:
        assumed += _cleared(file, nodes, reset_interval, refusals)
        refusals.answer()
    if file.passed:
        sentence = (
            f"{', '.join(file.passed)}: entries of training, read past as netx does; the registers "
            "beside them say what runs."
        )
        assumed.append(Assumption("entries", sentence))
    if dt is None:
        assumed.append(dt_assumed(DT, "a .net file does not hold it"))
    driven = isinstance(nodes["input"], BiasInput)
    plain = Settings(encoder=Encoder("current" if driven else "spikes"), assumed=tuple(assumed))
    return Graph(nodes, edges, plain.given(steps=reset_interval or None, dt=dt))


def _places(nodes: Mapping[str, Any]) -> dict[str, int]:
    """Chip steps by which netx's layers lag behind the input: each is one behind the last.

    It leads payloads into an input layer of Delta neurons without a synapse, which takes no step.
    """
    return {
        name: int(name.removeprefix("layer")) if isinstance(node, ChipNeuron) else 0
        for name, node in nodes.items()
    }


def _chain(file: NetxFile, refusals: Refusals) -> tuple[dict[str, Any], tuple[Edge, ...]]:
    """The nodes and edges of a file's layers, each population from 0."""
    source, *others = file.layers
    nodes: dict[str, Any] = {}
    edges: list[Edge] = []
    last = "input"
    if source.cells == "cuba":
        assert source.weight is not None
        nodes[last] = BiasInput(source.shape, source.shape, source.weight)
        nodes["layer0"] = _neurons(source)
        edges.append((last, "layer0"))
        last = "layer0"
    elif source.cells == "delta":
        nodes[last] = SpikeInput(source.shape, INPUT_BITS)
        nodes["layer0_synapse"] = one_to_one(source.shape)
        nodes["layer0"] = _neurons(source)
        edges += [(last, "layer0_synapse"), ("layer0_synapse", "layer0")]
        last = "layer0"
    else:
        nodes[last] = SpikeInput(source.shape)
    for number, layer in enumerate(others, start=1):
        name = f"layer{number}"
        with refusals.gather():
            _check_spiking(nodes, last)
        with refusals.gather():
            for end, synapse in _forward(layer, nodes[last].shape):
                nodes[f"{name}_{end}"] = synapse
                edges += [(last, f"{name}_{end}"), (f"{name}_{end}", name)]
        nodes[name] = _neurons(layer)
        if layer.recurrent is not None:
            loop = f"{name}_loop"
            nodes[loop] = replace(_dense(layer.recurrent), delay=1)
            edges += [(name, loop), (loop, name)]
        last = name
    return nodes, tuple(edges)


def _cleared(
    file: NetxFile, nodes: dict[str, Any], reset_interval: int | None, refusals: Refusals
) -> list[Assumption]:
    """Start the layers of a file of LIF neurons, in place; what was assumed about resets."""
    starts = {f"layer{i}": led_in(nodes[f"layer{i}"], i) for i in range(1, len(file.layers))}
    for name, v in starts.items():
        with refusals.gather():
            if reset_interval == 0:
                nodes[name] = _started(name, nodes[name], v)
            elif not all(layer.simple for layer in file.layers):
                _started(name, nodes[name], v)  # else its early spikes are still on their way
    if reset_interval is not None or all(v is not None and not v.any() for v in starts.values()):
        return []
    sentence = (
        "a reset before each sample: the biases act before the first input arrives, and the "
        "tests and tutorials of lava-dl clear each layer then. Give reset_interval= "
        "(--reset-interval): 0 where netx runs without, the steps of a sample where it clears "
        "after each."
    )
    return [Assumption("reset_interval", sentence)]


def _check_family(file: NetxFile, reset_interval: int | None) -> None:
    """Refuse LIF layers beside those that netx never clears, and a reset, which it leaves out."""
    for number, layer in enumerate(file.layers):
        if layer.cells == "cuba":
            raise Unsupported(
                f"'layer{number}': its neurons are CUBA (those of a dense layer that says nothing "
                "about them), beside sigma-delta or resonating ones. netx clears the former "
                "between samples and not the latter. Use one kind of neurons in a file."
            )
    if reset_interval:
        raise Unsupported(
            "its layers are sigma-delta or resonate, and netx clears those in no step, whatever "
            "reset_interval (--reset-interval) says. Leave it out, or give 0; steps= (--steps) "
            "says how many steps a sample has."
        )


def _never_cleared(
    nodes: Mapping[str, Any], transform: tuple[int, int] | None
) -> Iterator[Assumption]:
    """What a reader knows of the start and the input of sigma-delta layers."""
    started = [
        name
        for name, node in nodes.items()
        if isinstance(node, Sigma | SigmaDelta)
        and (node.v_init.any() or np.any(getattr(node, "act_init", 0)))
    ]
    if started:
        yield Assumption(
            f"{NOTED}start",
            f"each sample starts where the biases have led {', '.join(started)} before its first "
            "input arrives, as in netx from the first chip step on; netx itself clears nothing "
            "between samples.",
        )
    if transform is not None:
        weight, bias = transform
        yield Assumption(
            f"{NOTED}input",
            f"the payloads enter as they are given. The input layer says x * {weight} + {bias}, "
            "which netx leaves to whoever feeds it.",
        )


def _check_spiking(nodes: dict[str, Any], last: str) -> None:
    if isinstance(nodes[last], ChipNeuron) and nodes[last].readout:
        raise Unsupported(
            f"'{last}' never spikes (its vThMant is above {LARGEST_THRESHOLD}), but a layer "
            "follows it. Remove that layer, or lower the threshold."
        )


def _neurons(layer: NetxLayer) -> ChipNeuron:
    """The population of a layer, from 0."""
    if layer.imag is not None:
        return resonators.population(layer)
    if layer.cells != "cuba":
        return population(layer)
    assert layer.du is not None
    assert layer.dv is not None
    assert layer.bias is not None
    return CubaLIF(
        shape=layer.shape,
        du=layer.du,
        dv=layer.dv,
        vth=_threshold(layer),
        bias_mant=layer.bias,
        bias_exp=np.array(BIAS_EXP),
        v_init=np.array(0),
        readout=layer.vth is None,
    )


def _started(name: str, node: CubaLIF, start: Array | None) -> CubaLIF:
    """A population that starts where its bias alone has led to."""
    if start is None:
        raise Unsupported(
            f"'{name}': its bias alone makes it spike while netx waits for the first input to "
            "arrive, which is outside the network's own time. Use a smaller bias, or run it with "
            "a reset, reset_interval= (--reset-interval STEPS), and without delays and loops."
        )
    return replace(node, v_init=start) if start.any() else node


def _forward(layer: NetxLayer, before: Shape) -> list[tuple[str, Synapse]]:
    """The synapses into a layer, by the end of their names: one, or a real and an imaginary one."""
    assert layer.weight is not None
    if layer.geometry is not None:
        g = layer.geometry
        weight, exponent = _on_grid(layer.weight)
        op = Conv(weight, None, g.stride, g.padding, g.dilation, g.groups)
        return [("synapse", Synapse(op, before, layer.shape, exponent))]
    if layer.imag is not None:
        return [
            ("real", replace(_dense(layer.weight), into="real")),
            ("imag", replace(_dense(layer.imag), into="imag")),
        ]
    synapse = _dense(layer.weight)
    if layer.delay is None:
        return [("synapse", synapse)]
    least, late = _waits(layer.weight, layer.delay)
    return [("synapse", replace(synapse, delay=least, late=late if late.any() else None))]


def _waits(weight: Array, delay: Array) -> tuple[int, Array]:
    """Steps of all weights, and the further ones of each neuron, each source or each weight.

    A weight of 0 brings nothing, so that no wait of its own is told apart.
    """
    joins = weight != 0
    most = delay.max(axis=1), delay.max(axis=0, keepdims=True)
    by_target, by_source = most[0].astype(np.int64), most[1]
    for late, each in ((by_target, by_target[:, None]), (by_source, by_source)):
        if np.all((delay == each) | ~joins):
            return int(late.min()), late - late.min()
    least = int(delay[joins].min())
    return least, np.where(joins, delay - least, 0)


def _dense(weight: Array) -> Synapse:
    rows, columns = weight.shape
    on_grid, exponent = _on_grid(weight)
    return Synapse(Linear(on_grid), (columns,), (rows,), exponent)


def _on_grid(weight: Array) -> tuple[Array, int]:
    """Weights as the chip holds them: even, or twice as large with the exponent -1."""
    exponent = -1 if is_odd(weight) else 0
    return shifted(weight, -exponent), exponent


def described(about: dict[str, Any], layers: list[NetxLayer]) -> Graph:
    """The graph of a file of ours; a wrong description raises whatever Python raises."""
    nodes: dict[str, Any] = {}
    for entry in about["nodes"]:
        name, kind = entry["name"], entry["kind"]
        if not isinstance(name, str) or name in nodes:
            raise BadInput(f"the node name {name!r} is no text, or stands twice.")
        nodes[name] = {
            "SpikeInput": _spike_input,
            "BiasInput": _bias_input,
            "CubaLIF": _population,
            **dict.fromkeys(WRITTEN_KINDS, _whole_population),
            "Synapse": _synapse,
        }[kind](entry, layers)
    edges = tuple((str(a), str(b)) for a, b in about["edges"])
    if not {name for edge in edges for name in edge} <= nodes.keys():
        raise BadInput("an edge leads to a node that is not there.")
    return Graph(nodes, edges, Settings.from_dict(about["settings"]))


def _spike_input(entry: dict[str, Any], layers: list[NetxLayer]) -> SpikeInput:
    return SpikeInput(_shape(entry["shape"]), _whole(entry.get("payload_bits", 0)))


def _bias_input(entry: dict[str, Any], layers: list[NetxLayer]) -> BiasInput:
    scale = layers[0].weight
    if scale is None:
        raise BadInput("its first layer has no neurons.")
    return BiasInput(_shape(entry["in_shape"]), _shape(entry["shape"]), scale)


def _population(entry: dict[str, Any], layers: list[NetxLayer]) -> CubaLIF:
    layer, shape = layers[_whole(entry["layer"])], _shape(entry["shape"])
    if layer.du is None or layer.dv is None or layer.bias is None:
        raise BadInput("a layer of the file has no neurons.")
    exponent = np.array(entry["bias_exp"], dtype=np.int64)
    if exponent.size and (exponent.min() < 0 or exponent.max() > 7):
        raise BadInput("a bias_exp is outside 0..7.")
    full = np.broadcast_to(layer.bias, layer.shape).reshape(shape)
    mantissa = (full << BIAS_EXP) >> exponent
    return CubaLIF(
        shape=shape,
        du=_as(layer.du, shape),
        dv=_as(layer.dv, shape),
        vth=_as(_threshold(layer), shape),
        bias_mant=mantissa if entry["bias_each"] else mantissa.ravel()[:1].reshape(()),
        bias_exp=exponent,
        v_init=np.array(entry["v_init"], dtype=np.int64),
        readout=bool(entry["readout"]),
        scale=np.array(entry["scale"], dtype=np.float64),
        offset=np.array(entry["offset"], dtype=np.float64),
    )


def _whole_population(entry: dict[str, Any], layers: list[NetxLayer]) -> ChipNeuron:
    """A population that the description holds whole."""
    kind = WRITTEN_KINDS[entry["kind"]]
    fields = {field.name: entry[field.name] for field in fields_of(kind)}
    for field in fields_of(kind):
        if field.holds == "array":
            real = field.name in ("scale", "offset")
            fields[field.name] = np.array(fields[field.name], np.float64 if real else np.int64)
    return kind(**{**fields, "shape": _shape(entry["shape"])})


def _synapse(entry: dict[str, Any], layers: list[NetxLayer]) -> Synapse:
    layer = layers[_whole(entry["layer"])]
    if layer.kind == "input":
        return one_to_one(layer.shape)
    matrix = layer.recurrent if entry["back"] else layer.weight
    into = entry.get("into")
    if into == "imag":
        matrix = layer.imag
    exponent, delay, kind = _whole(entry["weight_exp"]), _whole(entry["delay"]), entry["type"]
    if matrix is None or kind not in TYPES or not -8 <= exponent <= 8:
        raise BadInput("a synapse has no weights, or a type or exponent that no weight has.")
    told = entry.get("late")
    if layer.delay is not None and not entry["back"] and told is None:
        matrix = np.where(layer.delay == delay, matrix, 0)
    late = None if told is None else _late(told, layer, matrix, delay)
    matrix = shifted(matrix, -exponent, kind)
    op: Linear | Conv = Linear(matrix)
    if layer.geometry is not None:
        g = layer.geometry
        op = Conv(matrix, None, g.stride, g.padding, g.dilation, g.groups)
    shapes = _shape(entry["in_shape"]), _shape(entry["out_shape"])
    return Synapse(op, *shapes, exponent, _whole(entry["bits"]), delay, late, into)


def _late(told: Any, layer: NetxLayer, weight: Array, delay: int) -> Array:
    """Further steps: of each target, of each source, or of each weight, as `write` puts them."""
    if not isinstance(told, dict):
        by_source = bool(told) and isinstance(told[0], list)
        steps = np.array([_whole(n) for n in (told[0] if by_source else told)], np.int64)
        return steps[None] if by_source else steps
    if layer.delay is None:
        raise BadInput("a layer of the file has no delays.")
    late = layer.delay.astype(np.int64) - delay
    late[weight == 0] = [_whole(n) for n in told["of_zeros"]]
    return late


def _threshold(layer: NetxLayer) -> Array:
    return np.array(LARGEST_THRESHOLD) if layer.vth is None else layer.vth


def _as(values: Array, shape: Shape) -> Array:
    return values.reshape(shape) if values.ndim else values


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not -(1 << 40) < value < 1 << 40:
        raise BadInput(f"{value!r} is no whole number that fits.")
    return value


def _shape(values: Any) -> Shape:
    shape = tuple(_whole(value) for value in values)
    if not shape or min(shape) < 1 or size(shape) > 1 << 40:
        raise BadInput(f"{shape} is no shape.")
    return shape
