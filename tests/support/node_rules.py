"""Every rule that a neuron or a linear map may need, looked for by doing what it is for.

A rule takes a node and gives whether it did its work; where there is none it fails in its own
way. `missing` runs a table of them and names what a node lacks.
"""

import re
from dataclasses import replace
from pathlib import Path
from typing import get_type_hints

import numpy as np
import torch
from onnx import AttributeProto
from random_parts import DRAWN
from support_chip import OF_NETX, around, spikes

from neurocompile.bundle.c.network import c_network
from neurocompile.bundle.lava import neurons as lava_bundle
from neurocompile.chip.read import chip_names, load_chip
from neurocompile.data.inputs import Encoded
from neurocompile.energy.effective import effective_fan_out
from neurocompile.engines import fixed
from neurocompile.engines import onnx as onnx_engine
from neurocompile.engines.activity import activity_of
from neurocompile.engines.fixed.torch_path import run_torch
from neurocompile.engines.floating import run_float
from neurocompile.engines.lava import plan as lava_plan
from neurocompile.engines.lava.plan import make_plan
from neurocompile.engines.torch_ops import apply
from neurocompile.formats.checkpoint.plain import from_plain, to_plain
from neurocompile.formats.checkpoint.plain_fixed import fixed_from_plain, fixed_to_plain
from neurocompile.formats.load_onnx import from_onnx
from neurocompile.formats.netx.hold import hold
from neurocompile.formats.nir.own import HELD
from neurocompile.formats.nir.read import from_nir
from neurocompile.formats.nir.write import to_nir
from neurocompile.formats.onnx.ops import DOMAIN
from neurocompile.formats.onnx.write import to_onnx
from neurocompile.frontend.rules import STEPS, node_of
from neurocompile.ir import reference
from neurocompile.ir.entries import entries
from neurocompile.ir.fixed import ChipNeuron, CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import Graph, chain, same
from neurocompile.ir.linear import connections, full_bias, matrix
from neurocompile.ir.neurons import LIBox, step_parameters
from neurocompile.ir.nodes import Add, BatchNorm, Delay, Input, Linear, Sparse, size
from neurocompile.ir.registers import REGISTERS
from neurocompile.ir.schema import arrays_of
from neurocompile.ir.settings import Settings
from neurocompile.ir.shapes import out_shape
from neurocompile.ir.verify import verify
from neurocompile.nn.grid_steps import through
from neurocompile.place.boxes import Box
from neurocompile.place.maps import map_of
from neurocompile.place.placement import place
from neurocompile.quantize.columns import from_kernels, kernels
from neurocompile.quantize.quantize import quantize
from neurocompile.quantize.ranges import bound
from neurocompile.simplify import simplify
from neurocompile.simplify.fold_batchnorm import folded

RUN = 6  # steps
DT = Settings().dt
NUMBERS = {"tau_syn_inv": 200.0, "tau_mem_inv": 100.0, "v_leak": 0.0, "v_th": 0.5, "v_reset": 0.0}
NUMBERS |= {"tau_adapt_inv": 20.0, "tau_refrac_inv": 100.0, "beta": 0.1}


def missing(node, rules):
    """Names of the rules that a node lacks."""
    lacking = []
    for name, rule in rules.items():
        try:
            done = rule(node)
        except Exception:  # whatever goes wrong, the rule does not do its work
            done = False
        if not done:
            lacking.append(name)
    return lacking


# --- What both stages and both kinds of node share --------------------------------------------


def values_for(graph):
    """Real input for a FLOAT graph."""
    ((_, node),) = graph.of(Input)
    return np.random.default_rng(3).random((RUN, *node.shape))


def output(graph):
    """What the last layer of a FLOAT graph gives, by the reference."""
    outs, _ = reference.run_float(graph, values_for(graph))
    return outs[graph.outputs()[-1]]


def runs_alike(graph):
    """Whether the float engine does what the reference does."""
    values = values_for(graph)
    found = run_float(graph, values[None], RUN, membranes=("x",))
    _, potentials = reference.run_float(graph, values)
    return np.allclose(found.membrane["x"][0], potentials["x"])


def every_call(nodes):
    """Names of the ops of our domain that nodes call, in their loops too."""
    called = set()
    for node in nodes:
        called |= {node.op_type} if node.domain == DOMAIN else set()
        for attribute in node.attribute:
            if attribute.type == AttributeProto.GRAPH:
                called |= every_call(attribute.g.node)
    return called


def defines_what_it_calls(graph):
    """Whether an ONNX file has a function for each of its neurons, which only a runtime checks."""
    model = to_onnx(graph)
    return every_call(model.graph.node) == {function.name for function in model.functions}


def read_back(graph):
    """Whether an ONNX file of ours is read as the same graph."""
    return same(from_onnx(to_onnx(graph)), graph)


def plain_onnx(graph):
    """What is read of our ONNX file where another program has lost all that is only ours."""
    model = to_onnx(graph)
    del model.metadata_props[:], model.functions[:]
    return from_onnx(model, dt=DT)


def foreign_nir(graph):
    """What is read of our NIR file where another program has lost all that is only ours."""
    tree = to_nir(graph)
    tree["node"]["metadata"] = {}
    return from_nir(tree, dt=DT)


def is_made_of_a_module(node):
    """Whether some module of PyTorch or Norse becomes such a node."""
    return type(node) in {get_type_hints(rule).get("return") for rule in node_of.registry.values()}


def integers(graph):
    """The FIXED graph of a FLOAT one."""
    simple = simplify(graph)
    return quantize(simple, load_chip("ideal"), bound(simple))


# --- Neurons ----------------------------------------------------------------------------------


def neuron(kind):
    """Neurons of a kind; a parameter that is known nowhere else is 1."""
    return kind(**{name: np.float32(NUMBERS.get(name, 1.0)) for name in arrays_of(kind)})


def alone(cell):
    """Two neurons after the input."""
    weight = np.array([[1.0, -0.5], [0.25, 1.0]], np.float32)
    return chain({"in": Input((2,)), "w": Linear(weight), "x": cell})


def looped(cell):
    """Two neurons that lead back to themselves."""
    nodes = {"in": Input((2,)), "back": Linear(np.eye(2, dtype=np.float32)), "sum": Add()}
    nodes |= {"x": cell, "late": Delay(1)}
    edges = [("in", "sum"), ("back", "sum"), ("sum", "x"), ("x", "late"), ("late", "back")]
    return Graph(nodes, tuple(edges))


def reads_every_parameter(cell):
    """Whether each array of a neuron is a number of its step."""
    return sum(a is not None for a in step_parameters(cell, DT).values()) == len(
        arrays_of(type(cell))
    )


NEURON_RULES = {
    "verify": lambda cell: verify(alone(cell), "float"),
    "numbers of the step": reads_every_parameter,
    "reference": lambda cell: output(alone(cell)).shape == (RUN, 2),
    "float engine": lambda cell: runs_alike(alone(cell)),
    "float engine, in a loop": lambda cell: runs_alike(looped(cell)),
    "ONNX, writing": lambda cell: defines_what_it_calls(alone(cell)),
    "ONNX, writing in a loop": lambda cell: defines_what_it_calls(looped(cell)),
    "ONNX, reading": lambda cell: read_back(alone(cell)) and read_back(looped(cell)),
    "plain ONNX, reading": lambda cell: type(plain_onnx(alone(cell)).nodes["x"]) is type(cell),
    "checkpoint": lambda cell: same(from_plain(to_plain(alone(cell)), Settings()), alone(cell)),
    "NIR, writing": lambda cell: to_nir(alone(cell)),
    "NIR, kept beside": lambda cell: type(cell).__name__ in HELD,
    "NIR, reading": lambda cell: np.allclose(output(foreign_nir(alone(cell))), output(alone(cell))),
    "module": is_made_of_a_module,
    "module, its own step": lambda cell: type(cell) in STEPS,
    "quantize": lambda cell: isinstance(integers(alone(cell)).nodes["x"], ChipNeuron),
}


# --- Linear maps ------------------------------------------------------------------------------


def mapped(op, shape):
    """A map after the input."""
    return chain({"in": Input(shape), "m": op, "x": LIBox(np.float32(100), np.float32(0))})


def map_in_a_loop(op, shape):
    """A map on the way of spikes back to their neurons."""
    after = out_shape(op, shape)
    every = np.arange(size(shape) + 1)
    again = Sparse(np.ones(size(shape)), every[:-1] % size(after), every, after, shape)
    cells = LIBox(np.float32(100), np.float32(0))
    nodes = {
        "in": Input(shape),
        "m": op,
        "again": again,
        "sum": Add(),
        "x": cells,
        "late": Delay(1),
    }
    edges = [("in", "sum"), ("again", "sum"), ("sum", "x"), ("x", "late"), ("late", "m")]
    return Graph(nodes, (*edges, ("m", "again")))


def has_the_kernel_of_its_matrix(op, shape):
    """Whether torch's kernel is the matrix and the bias."""
    x = np.random.default_rng(5).normal(size=(3, size(shape)))
    bias = full_bias(op, shape)
    expected = (matrix(op, shape) @ x.T).T + (0 if bias is None else bias)
    found = apply(op, torch.from_numpy(x).reshape(3, *shape), shape)
    return np.allclose(found.reshape(3, -1).numpy(), expected)


def becomes_one_synapse(op, shape):
    """Whether what leads to the neurons becomes one synapse with the connections of the map."""
    made = integers(mapped(op, shape))
    ((_, synapse),) = made.of(Synapse)
    return connections(synapse).shape == matrix(op, shape).shape


MAP_RULES = {
    "verify": lambda op, shape: verify(mapped(op, shape), "float"),
    "matrix": lambda op, shape: (
        matrix(op, shape).shape == (size(out_shape(op, shape)), size(shape))
    ),
    "reference": lambda op, shape: output(mapped(op, shape)).shape == (RUN, *out_shape(op, shape)),
    "torch kernel": has_the_kernel_of_its_matrix,
    "float engine": lambda op, shape: runs_alike(mapped(op, shape)),
    "ONNX": lambda op, shape: read_back(mapped(op, shape)),
    "ONNX, in a loop": lambda op, shape: read_back(map_in_a_loop(op, shape)),
    "plain ONNX, reading": lambda op, shape: np.allclose(
        output(plain_onnx(mapped(op, shape))), output(mapped(op, shape))
    ),
    "checkpoint": lambda op, shape: same(
        from_plain(to_plain(mapped(op, shape)), Settings()), mapped(op, shape)
    ),
    "NIR, writing": lambda op, shape: to_nir(mapped(op, shape)),
    "NIR, kept beside": lambda op, shape: type(op).__name__ in HELD,
    "NIR, reading": lambda op, shape: np.allclose(
        output(foreign_nir(mapped(op, shape))), output(mapped(op, shape))
    ),
    "module": lambda op, shape: is_made_of_a_module(op),
    "quantize": becomes_one_synapse,
}


# --- Maps of a synapse ------------------------------------------------------------------------


def joined(synapse):
    """Spikes, a synapse, a population that records what arrives."""
    after = CubaLIF(synapse.out_shape, 4095, 0, 1000, 0, 0, 0)
    return chain({"in": SpikeInput(synapse.in_shape), "s": synapse, "x": after})


def spikes_for(synapse):
    """A sample of spikes."""
    shape = (1, RUN, *synapse.in_shape)
    return Encoded({"in": np.random.default_rng(7).integers(0, 2, shape).astype(np.uint8)}, RUN)


def reference_potentials(synapse):
    """What the reference says."""
    inputs = {"in": spikes_for(synapse).values["in"][0]}
    return reference.run_fixed(joined(synapse), inputs, RUN)[1]["x"]


def engine_is_exact(run):
    """A rule: an engine has the reference's bits."""

    def rule(synapse):
        done = run(joined(synapse), spikes_for(synapse))
        return np.array_equal(done.recording.membrane["x"][0], reference_potentials(synapse))

    return rule


def replays(synapse):
    """Whether what the chip did is counted alike by the engine and from its recording."""
    done = fixed.run(joined(synapse), spikes_for(synapse))
    found = activity_of(joined(synapse), spikes_for(synapse), done.recording)
    return found["x"].updated == done.activity["x"].updated


def lists_its_connections(synapse):
    """Whether only numpy finds the matrix."""
    found = entries(synapse.op, synapse.in_shape)
    dense = np.zeros((size(synapse.out_shape), size(synapse.in_shape)), np.int64)
    dense[found.rows, found.columns] = found.values
    return np.array_equal(dense, connections(synapse).toarray())


def trains(synapse):
    """Whether the map can be trained on the grid."""
    x = torch.from_numpy(np.random.default_rng(9).normal(size=(2, *synapse.in_shape)))
    weights = torch.from_numpy(synapse.op.weights.astype(np.float64))
    expected = connections(synapse) @ x.reshape(2, -1).numpy().T
    return np.allclose(through(synapse.op, weights, x).reshape(2, -1).numpy().T, expected)


def counts_effective(synapse):
    """Whether connections of a weight that is not 0 are counted by their source."""
    found = effective_fan_out(synapse.op, synapse.in_shape, synapse.out_shape)
    return np.array_equal(found, (connections(synapse) != 0).sum(axis=0))


def is_placed(synapse):
    """Whether a block of all neurons takes every connection."""
    shape = synapse.out_shape
    found = map_of(synapse, shape).reach(Box(shape, tuple((0, n) for n in shape)))
    return np.array_equal(found, np.bincount(connections(synapse).indices, minlength=found.size))


def rounds_together(synapse):
    """Whether its weights stand in the columns that meet the same spikes."""
    return np.array_equal(from_kernels(synapse.op, kernels(synapse.op)), synapse.op.weights)


def takes_a_batch_norm(synapse):
    """Whether it keeps its kind with a batch norm after it."""
    channels = synapse.out_shape[0]
    return type(folded(synapse.op, BatchNorm(np.ones(channels)), synapse.out_shape)) is type(
        synapse.op
    )


SYNAPSE_RULES = {
    "verify": lambda synapse: verify(joined(synapse), "fixed"),
    "connections in numpy": lists_its_connections,
    "fixed engine": engine_is_exact(fixed.run),
    "fixed engine on torch": engine_is_exact(run_torch),
    "replayed activity": replays,
    "ONNX": lambda synapse: read_back(joined(synapse)),
    "checkpoint": lambda synapse: same(
        fixed_from_plain(fixed_to_plain(joined(synapse)), Settings()), joined(synapse)
    ),
    ".net file": lambda synapse: hold(joined(synapse)),
    "C program": lambda synapse: c_network(joined(synapse), {}).synapses == ("s",),
    "Lava's plan": lambda synapse: make_plan(joined(synapse), spikes_for(synapse)),
    "training on the grid": trains,
    "effective operations": counts_effective,
    "placement": is_placed,
    "rounding together": rounds_together,
    "batch norm folded": takes_a_batch_norm,
}


# --- Neurons of a chip ------------------------------------------------------------------------

TESTS, DOCS = Path(__file__).parents[1], Path(__file__).parents[2] / "docs"


def has_the_bits_of_the_reference(run):
    """A rule: an engine computes what the reference does, and something is sent."""

    def rule(cell):
        graph, encoded = around(cell), spikes()
        sent, potentials = reference.run_fixed(
            graph, {"in": encoded.values["in"][0]}, encoded.steps
        )
        found = run(graph, encoded)
        same_bits = np.array_equal(found.membrane["x"][0], potentials["x"])
        return same_bits and np.array_equal(found.spikes["x"][0], sent["x"]) and sent["x"].any()

    return rule


def counts_alike(cell):
    """Whether the engine and its recording count the same updates."""
    graph, encoded = around(cell), spikes()
    done = fixed.run(graph, encoded)
    return done.activity["x"].updated == activity_of(graph, encoded, done.recording)["x"].updated


def has_a_recorded_trace(kind):
    """Whether what Lava's process computed is kept."""
    files = {path.stem.replace("_", "") for path in (TESTS / "golden").glob("*.npz")}
    return {"cubalif": "lif", "refractorylif": "lifrefractory"}.get(
        name := kind.__name__.lower().replace("_", ""), name
    ) in files


CHIP_RULES = {
    "verify": around,
    "fixed engine": has_the_bits_of_the_reference(lambda g, e: fixed.run(g, e).recording),
    "fixed engine on torch": has_the_bits_of_the_reference(lambda g, e: run_torch(g, e).recording),
    "onnxruntime": has_the_bits_of_the_reference(onnx_engine.run),
    "ONNX, reading": lambda cell: read_back(around(cell)),
    "checkpoint": lambda cell: same(
        fixed_from_plain(fixed_to_plain(around(cell)), Settings()), around(cell)
    ),
    "counting": counts_alike,
    "placement": lambda cell: place(around(cell), load_chip("ideal")),
    "Lava's plan": lambda cell: make_plan(around(cell), spikes()),
    "Lava's process": lambda cell: type(cell).__name__ in lava_rules(),
    "Lava's process, written": lambda cell: type(cell).__name__ in lava_bundle.PROCESSES,
    "ranges of its registers": lambda cell: {*REGISTERS, *cell.bounds}.issuperset(cell.registers),
    "a target that has it": lambda cell: any(
        type(cell).__name__ in load_chip(name).formats.neurons.value for name in chip_names()
    ),
    ".net file": lambda cell: hold(around(replace(cell, **OF_NETX.get(type(cell), {})))),
    "random networks": lambda cell: type(cell) in DRAWN,
    "docs/neurons.md": lambda cell: (
        type(cell).__name__ in (DOCS / "neurons.md").read_text().partition("## Payloads")[0]
    ),
    "recorded trace": lambda cell: has_a_recorded_trace(type(cell)),
}


def lava_rules():
    """Names of the neurons that Lava has a process for, found without importing Lava."""
    source = (Path(lava_plan.__file__).parent / "lower.py").read_text()
    table = source.partition("\nPROCESSES: ")[2]
    return set(re.findall(r'^    "(\w+)": ', table, re.MULTILINE))
