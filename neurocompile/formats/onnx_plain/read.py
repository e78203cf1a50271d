"""Read a plain feed-forward ONNX file: standard operators, and neurons that are nodes of ours.

In:  an ONNX model without our metadata, made by anyone with any tool.
Out: a FLOAT graph, or a sentence for each node that no rule reads: its operator, and what to use
     instead.
Axis 0 is the batch; axis 1 is the time where the input leaves its size open, else there is none
and the file says what happens in one step. docs/onnx.md says what a file may hold.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NoReturn

from onnx import ModelProto, TensorProto, ValueInfoProto, defs, helper

from neurocompile.errors import BadInput, Refusals, Unsupported
from neurocompile.formats.json_files import each_once
from neurocompile.formats.onnx.neurons import float_function
from neurocompile.formats.onnx.ops import DOMAIN, DOMAIN_VERSION
from neurocompile.formats.onnx.tensors import MAX_AXES, ByteRange, stored
from neurocompile.formats.onnx_plain import joins, rules, shapes
from neurocompile.formats.onnx_plain.call import BATCH, STEPS, Call, PlainSignal, Value
from neurocompile.formats.onnx_plain.constants import BUDGET, FOLDS, Budget, folded
from neurocompile.formats.onnx_plain.graph import Building
from neurocompile.formats.onnx_plain.maxima import check_asked
from neurocompile.formats.onnx_plain.maxima import max_pool as max_pool_rule
from neurocompile.formats.onnx_plain.neurons import EXAMPLES, check_functions, neuron
from neurocompile.ir.graph import Graph
from neurocompile.ir.nodes import Input
from neurocompile.ir.pools import MaxPool, check_input
from neurocompile.ir.settings import Settings
from neurocompile.ir.verify import MAX_NODES, verify

OPSETS = (9, defs.onnx_opset_version())  # of standard ONNX; rules know how each changed
MAX_REUSE = 16  # numbers of all layers / numbers of the file: layers may share their weights
SETTINGS_KEY = "neurocompile.settings"

RULES: dict[str, Callable[[Call, Building], PlainSignal]] = {
    "Add": joins.add,
    "AveragePool": rules.average_pool,
    "BatchNormalization": rules.batch_normalization,
    "Cast": rules.unchanged,
    "Concat": joins.concat,
    "Conv": rules.conv,
    "ConvTranspose": rules.conv_transpose,
    "Div": joins.scaled,
    "Dropout": rules.unchanged,
    "Flatten": shapes.flatten,
    "Gemm": rules.gemm,
    "GlobalAveragePool": rules.global_average_pool,
    "Identity": rules.unchanged,
    "MatMul": rules.matmul,
    "MaxPool": max_pool_rule,
    "Mul": joins.scaled,
    "Reshape": shapes.reshape,
    "Resize": rules.resize,
    "Squeeze": shapes.squeeze,
    "Sub": joins.subtract,
    "Sum": joins.add,
    "Unsqueeze": shapes.squeeze,
    "Upsample": rules.resize,
}
INSTEAD = {
    "Pad": "Give the pads to the Conv or AveragePool after it.",
    "Transpose": "Keep the order (batch, steps, channels, ...), or permute the weights.",
    "Scan": f"Use a neuron of {DOMAIN}; a loop over time is its own.",
    "Loop": f"Use a neuron of {DOMAIN}; a loop over time is its own.",
}


def read_plain(
    model: ModelProto,
    dt: float | None = None,
    places: Mapping[int, ByteRange] | None = None,
    max_pool: MaxPool | None = None,
) -> Graph:
    """The FLOAT graph that a plain ONNX model describes.

    Args:
        model: Read, never executed.
        dt: Length of a step in seconds, for a file in which neither neurons nor metadata say it.
        places: Where the bytes of an initializer stand in the file, by its number.
        max_pool: "neurons" to read a MaxPool of spikes; None refuses it.

    Raises:
        BadInput: If the file is damaged or contradicts itself.
        Unsupported: If it holds an operator, attribute or shape that no rule reads.
    """
    _check_texts(model)
    opset = _opset(model)
    values = _initializers(model, places or {})
    name, graph = _started(model, values)
    graph.max_pool = max_pool
    check_functions(model, graph.timed)
    uses = Counter(name for node in model.graph.node for name in node.input)
    uses.update(output.name for output in model.graph.output)
    budget = Budget(BUDGET + sum(array.size for array in values.values()))
    known: dict[str, Value] = {**values, name: _entry(graph)}
    refusals = Refusals()
    unread: set[str] = set()  # what refused nodes make, and those after them
    for node in model.graph.node:
        inputs = [known.get(i) if i else None for i in node.input]
        call = Call(node, graph.unique(node.name or "".join(node.output[:1])), inputs, opset)
        with refusals.gather():
            _check_domain(call)
            if unread.intersection(node.input):
                _check_operator(call, graph)
            else:
                known |= _made(call, known, graph, budget, uses)
        unread.update(output for output in node.output if output not in known)
    refusals.answer()
    _check_outputs(model, known, graph)
    network = Graph(graph.nodes, tuple(graph.edges), _settings(model, graph, dt))
    return check_input(verify(network, "float"))


def _made(
    call: Call, known: Mapping[str, Value], graph: Building, budget: Budget, uses: Counter[str]
) -> dict[str, Value]:
    """What a node adds to the values that are known, by name."""
    node = call.node
    unknown = [i for i in node.input if i and i not in known]
    if unknown:
        call.refuse(f"it takes '{unknown[0][:60]}', but no node before it makes that.")
    if not node.output or not node.output[0] or any(o in known for o in node.output if o):
        call.refuse("it has no output, or one of the name of another value. Rename it.")
    made = _value(call, graph, budget)
    if not isinstance(made, PlainSignal):
        return {node.output[0]: made}
    through = made.layer == call.name or all(
        value.alone for value in call.inputs if isinstance(value, PlainSignal)
    )
    made = replace(made, alone=through and uses[node.output[0]] == 1)
    potentials = {name: replace(made, recorded=True) for name in node.output[1:] if name}
    return {**potentials, node.output[0]: made}


def with_functions(model: ModelProto) -> ModelProto:
    """A copy of a plain model that onnxruntime runs: it holds the functions of its neurons.

    Args:
        model: Its input has the axes (batch, steps, ...).
    """
    whole = ModelProto()
    whole.CopyFrom(model)
    for node in whole.graph.node:
        example = EXAMPLES.get(node.op_type) if node.domain == DOMAIN else None
        if example is not None and example.spiking and len(node.output) == 1:
            node.output.append(f"{node.output[0]}.membrane")  # onnxruntime wants all outputs named
    have = {function.name for function in whole.functions if function.domain == DOMAIN}
    used = {node.op_type for node in whole.graph.node if node.domain == DOMAIN}
    for op in sorted((used & EXAMPLES.keys()) - have):
        whole.functions.append(float_function(EXAMPLES[op]))
    if all(entry.domain != DOMAIN for entry in whole.opset_import):
        whole.opset_import.append(helper.make_opsetid(DOMAIN, DOMAIN_VERSION))
    return whole


def _check_texts(model: ModelProto) -> None:
    """Protobuf gives bytes where a damaged file holds no text."""
    graph = model.graph
    texts: list[Any] = [entry.domain for entry in model.opset_import]
    texts += [each.name for each in (*graph.input, *graph.output, *graph.initializer)]
    for node in graph.node:
        texts += [node.name, node.op_type, node.domain, *node.input, *node.output]
        texts += [text for a in node.attribute for text in (a.name, a.ref_attr_name)]
    if not all(isinstance(text, str) for text in texts):
        raise BadInput("a name in it is not text, so it is damaged. Write it again.")


def _opset(model: ModelProto) -> int:
    """The version of standard ONNX, after a look at what no rule can read."""
    if len(model.graph.node) > 10 * MAX_NODES:
        raise BadInput(f"it has {len(model.graph.node)} nodes, at most {10 * MAX_NODES} are read.")
    if len(model.graph.sparse_initializer):
        raise Unsupported("it holds sparse initializers. Store them as dense ones.")
    for function in model.functions:
        if function.domain in ("", "ai.onnx"):
            raise Unsupported(
                f"it has a function of its own in place of the standard operator "
                f"'{function.name[:60]}'. Inline it, or give it another domain."
            )
    versions = {entry.domain: entry.version for entry in model.opset_import}
    version = versions.get("", versions.get("ai.onnx", 0))
    if not OPSETS[0] <= version <= OPSETS[1]:
        raise Unsupported(
            f"it is written for version {version} of ONNX's operators, allowed are {OPSETS[0]} to "
            f"{OPSETS[1]}. Convert it with onnx.version_converter."
        )
    return int(version)


def _initializers(model: ModelProto, places: Mapping[int, ByteRange]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for number, tensor in enumerate(model.graph.initializer):
        if tensor.name in values:
            raise BadInput(f"two initializers are called '{tensor.name[:80]}'. Rename one.")
        values[tensor.name] = stored(tensor, tensor.name, places.get(number)).array()
    return values


def _started(model: ModelProto, values: dict[str, Any]) -> tuple[str, Building]:
    """The input of the file as the first layer of a graph."""
    inputs = [entry for entry in model.graph.input if entry.name not in values]
    if len(inputs) != 1:
        names = ", ".join(entry.name[:40] for entry in inputs[:4]) or "none"
        raise Unsupported(f"it has {len(inputs)} inputs ({names}), allowed is one.")
    (entry,) = inputs
    dims = _dims(entry)
    timed = len(dims) > 2 and dims[1] is None
    shape = dims[2:] if timed else dims[1:]
    if not shape or None in shape:
        raise Unsupported(
            f"its input '{entry.name[:80]}' has the axes {['?' if n is None else n for n in dims]}"
            ", allowed are (batch, steps, ...) with open steps, or (batch, ...). After those, "
            "every axis needs a number."
        )
    held = sum(array.size for array in values.values())
    graph = Building(timed, dims[0], BUDGET + MAX_REUSE * held)
    graph.nodes[graph.unique(entry.name)] = Input(tuple(n for n in shape if n is not None))
    return entry.name, graph


def _dims(entry: ValueInfoProto) -> list[int | None]:
    """The axes of an input; None where the file leaves one open."""
    tensor = entry.type.tensor_type
    if tensor.elem_type not in (TensorProto.FLOAT, TensorProto.DOUBLE):
        raise Unsupported(f"its input '{entry.name[:80]}' is not of real numbers. Make it float.")
    if len(tensor.shape.dim) > MAX_AXES:
        raise Unsupported(
            f"its input '{entry.name[:80]}' has {len(tensor.shape.dim)} axes, allowed are up to "
            f"{MAX_AXES}."
        )
    return [d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim]


def _entry(graph: Building) -> PlainSignal:
    ((name, node),) = graph.nodes.items()
    return PlainSignal(name, node.shape, (BATCH, STEPS) if graph.timed else (BATCH,))


def _value(call: Call, graph: Building, budget: Budget) -> PlainSignal | Any:
    """What a node makes: a constant, or the signal after a layer."""
    op = call.node.op_type
    signals = any(isinstance(value, PlainSignal) for value in call.inputs)
    if call.node.domain == DOMAIN:
        made = neuron(call, graph)
        call.done()
        spiking = graph.nodes[call.name].spiking
        if any(call.node.output[2 if spiking else 1 :]):
            call.refuse(f"it has {len(call.node.output)} outputs, allowed are spikes and membrane.")
        return made
    call.one_output()
    if op == "Shape" or not signals:
        return folded(call, budget)
    if op not in RULES:
        _refuse_operator(call)
    made = RULES[op](call, graph)
    call.done()
    return made


def _check_domain(call: Call) -> None:
    """Refuse an operator of other programs."""
    if call.node.domain not in ("", "ai.onnx", DOMAIN):
        call.refuse(
            f"it is of the domain '{call.node.domain[:60]}', allowed are standard ONNX and "
            f"{DOMAIN}. Inline functions of other domains."
        )


def _check_operator(call: Call, graph: Building) -> None:
    """All that can be said of a node whose input was refused: whether any rule reads it."""
    op = call.node.op_type
    if call.node.domain != DOMAIN and op not in RULES and op not in FOLDS:
        _refuse_operator(call)
    if op == "MaxPool":
        check_asked(call, graph)


def _refuse_operator(call: Call) -> NoReturn:
    """Refuse an operator between layers that no rule reads."""
    instead = INSTEAD.get(
        call.node.op_type, f"Between layers, use {', '.join(RULES)}, or neurons of {DOMAIN}"
    )
    call.refuse(f"no rule reads this operator. {instead.rstrip('.')}.")


def _check_outputs(model: ModelProto, known: dict[str, Value], graph: Building) -> None:
    """Every output is a layer's, and every layer leads to one."""
    seen = {before for before, _ in graph.edges}
    for output in model.graph.output:
        value = known.get(output.name)
        if not isinstance(value, PlainSignal):
            raise BadInput(f"its output '{output.name[:80]}' is not made by a layer.")
        seen.add(value.layer)
    for name in graph.nodes:
        if name not in seen:
            raise BadInput(
                f"the layer '{name[:80]}' leads to no output of the file. Make it an output, or "
                "remove it."
            )


def _settings(model: ModelProto, graph: Building, dt: float | None) -> Settings:
    """Settings out of the metadata; dt from there, the neurons or the caller, who must agree."""
    text = next((e.value for e in model.metadata_props if e.key == SETTINGS_KEY), "{}")
    try:
        given = json.loads(text, object_pairs_hook=each_once)
    except (ValueError, RecursionError) as error:
        why = str(error)[:80]
        raise BadInput(f"its metadata entry '{SETTINGS_KEY}' cannot be used: {why}.") from None
    if not isinstance(given, dict):
        raise BadInput(f"its metadata entry '{SETTINGS_KEY}' is not a JSON object.")
    said = dict(graph.dts)
    settings = Settings.from_dict(given)
    settings = replace(settings, assumed=(*settings.assumed, *graph.said))
    if "dt" in given:
        said["the metadata"] = settings.dt
    if dt is not None:
        said["the caller"] = dt
    if len(set(said.values())) > 1:
        each = ", ".join(f"{who}: {number}" for who, number in list(said.items())[:6])
        raise BadInput(f"it is not clear how long a step is, in seconds: {each}. Give one dt.")
    if not said and any(hasattr(node, "spiking") for node in graph.nodes.values()):
        raise BadInput(
            "nothing says how long a step is. Give the neurons their input dt in seconds, the file "
            f'a metadata entry {SETTINGS_KEY} = {{"dt": 0.001}}, or give dt= (--dt SECONDS).'
        )
    return settings.given(dt=next(iter(said.values()))) if said else settings
