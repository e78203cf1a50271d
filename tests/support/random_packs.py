"""Many small random networks of one kind of neuron, side by side in one graph.

In:  a kind of neuron and a seed.
Out: a sound graph whose populations hold all networks one after the other, and its input.
Weights lead only within a network, and each neuron has registers of its own, over the whole range
of each and often at its ends. So one run of an engine compares all of them. What Lava has once per
population, words and exponents are the same for all networks of a pack.
"""

from dataclasses import replace

import numpy as np
from random_graphs import halved

from neurocompile.data.inputs import Encoded
from neurocompile.engines import fixed
from neurocompile.engines.lava.plan import ONE_VALUE
from neurocompile.errors import DoesNotFit
from neurocompile.ir.chip_neurons import ATRLIF
from neurocompile.ir.fixed import CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import Graph
from neurocompile.ir.linear import sparse_op
from neurocompile.ir.nodes import Linear
from neurocompile.ir.registers import REGISTERS, STATE_LIMIT, WEIGHT_EXPONENTS
from neurocompile.ir.schema import fields_of
from neurocompile.ir.sigma_delta import Sigma, SigmaDelta
from neurocompile.ir.time import without_lead_in
from neurocompile.ir.verify import verify

NETWORKS, AXONS, FIRST, SECOND = 100, 3, 3, 2  # networks of a pack; axons and neurons of each
STEPS, SAMPLES = 25, 2
WORDS = 4  # different words of a kind that packs draw: each is a loop to compile
BIASED = 0.4  # part of the neurons with a bias and a potential to start from
LOWER = 60  # times that a layer is made quieter until a pack runs


def pack(kind, seed):
    """A graph of NETWORKS networks that every engine takes, and its input; None if none is found.

    Where a number would leave its register, that layer is made quieter step by step: the largest
    numbers of a pack are near what the register holds.
    """
    rng = np.random.default_rng([seed, sum(map(ord, kind.__name__))])
    graph = _drawn(kind, seed, rng)
    train = rng.random((SAMPLES, STEPS, NETWORKS * AXONS)) < rng.choice([0.1, 0.5, 0.9])
    encoded = Encoded({"in": train.astype(np.uint8)}, STEPS)
    for _ in range(LOWER):
        try:
            fixed.run(graph, encoded, spikes=(), membrane=())
        except DoesNotFit as error:
            graph = _quieter(graph, str(error).split("'")[1])
            continue
        return graph, encoded
    return None


def _quieter(graph, layer):
    """The graph with half of what arrives at a layer, and of thresholds that rise without limit."""
    changed = {}
    for name in graph.before(layer):
        link = graph.nodes[name]
        if link.weight_exp > WEIGHT_EXPONENTS[0]:
            changed[name] = replace(link, weight_exp=link.weight_exp - 1)
        else:
            changed[name] = halved(link)
    node = graph.nodes[layer]
    if isinstance(node, ATRLIF):
        less = {name: getattr(node, name) // 2 for name in ("theta_step", "bias_mant")}
        less["theta_0"] = node.theta_0 // 2 + 1
        changed[layer] = _startable(replace(node, **less), 2)
    return graph.with_nodes(**changed)


def _drawn(kind, seed, rng):
    """Axons, a population that may lead to itself, and a second one."""
    nodes, edges = {"in": SpikeInput((NETWORKS * AXONS,))}, []
    links = [("in", AXONS, "first", FIRST, 0), ("first", FIRST, "second", SECOND, 0)]
    if rng.random() < 0.3:
        links.append(("first", FIRST, "first", FIRST, 1))
    sizes = {"first": FIRST, "second": SECOND}
    for depth, (name, count) in enumerate(sizes.items(), start=1):
        population = _neurons(kind, seed, rng, count)
        population = _startable(population, depth)
        for source, before, target, after, delay in links:
            for part in population.inputs if target == name else ():
                link = f"{source}_{target}_{part}"
                if delay == 0:
                    nodes[link] = _blocks(rng, before, after, delay, part)
                    edges += [(source, link), (link, name)]
        nodes[name] = population
    for source, before, target, after, delay in links:
        for part in nodes[target].inputs if delay else ():
            link = f"{source}_{target}_{part}"
            nodes[link] = _blocks(rng, before, after, delay, part)
            edges += [(source, link), (link, target)]
    return verify(Graph(nodes, tuple(edges)), "fixed")


def _blocks(rng, before, after, delay, part):
    """Weights within each network, dense or sparse."""
    weights = np.zeros((NETWORKS, after, NETWORKS, before), np.int16)
    each = np.arange(NETWORKS)
    size = rng.choice([2, 30, 128], (NETWORKS, 1, 1))  # and both ends of the grid
    drawn = rng.integers(-size, size + 1, (NETWORKS, after, before)) * 2
    weights[each, :, each, :] = np.clip(drawn, -256, 254)
    shape = (NETWORKS * after, NETWORKS * before)
    weights = weights.reshape(shape)
    wide, narrow = shape[1:], shape[:1]
    op = Linear(weights)
    if rng.random() < 0.5:
        op = sparse_op(weights, wide, narrow, None)
    return Synapse(op, wide, narrow, int(rng.integers(-3, 8)), delay=delay, into=part)


def _neurons(kind, seed, rng, count):
    """Registers of every neuron, over their ranges; those that Lava has once the same for all."""
    size = NETWORKS * count
    registers = {}
    for name in kind.registers:
        low, high = kind.bounds.get(name, REGISTERS[name])
        low += name == "theta_0"  # at 0 a neuron at rest spikes, so it cannot start early
        one = name in ONE_VALUE.get(kind.__name__, ())
        values = _within(rng, low, high, 1 if one else size)
        registers[name] = values[0] if one else values
    idle = rng.random(size) > BIASED
    for name in ("bias_mant", "v_init"):
        registers[name][idle] = 0
    if kind is Sigma:  # it would send what it starts with before its first step
        registers["v_init"] = np.zeros(size, np.int64)
    words = _words(kind, np.random.default_rng(seed % WORDS)) if seed % WORDS else {}
    population = kind((size,), **registers, **words)
    return _sent(population, rng) if kind is SigmaDelta else population


def _sent(population, rng):
    """The population whose biases and starts count as sent, up to what its threshold holds back."""
    v, bias = (values // 4 for values in (population.v_init, population.bias_mant))
    bias_exp = population.bias_exp
    act = v + (bias << bias_exp)
    act = np.maximum(act, 0) if population.activation == "relu" else act
    least = population.vth << (population.spike_exp + population.state_exp)
    unsent = rng.integers(1 - least, least, len(v))
    unsent = np.where(population.cum_error | (rng.random(len(v)) < 0.3), 0, unsent)
    held = np.clip(act - unsent, 1 - STATE_LIMIT, STATE_LIMIT - 1)
    held = np.where(np.abs(held - act) < least, held, act)
    return replace(population, v_init=v, bias_mant=bias, act_init=held)


def _within(rng, low, high, size):
    """Whole numbers of every size in a range, and often its ends."""
    largest = max(abs(low), abs(high), 1)
    values = np.rint(np.exp(rng.uniform(0, np.log(largest + 1), size)) - 1).astype(np.int64)
    values = np.clip(values * rng.choice([-1, 1], size), low, high)
    values = np.where(values < low, low, values)
    return np.where(rng.random(size) < 0.15, rng.choice([low, high], size), values)


def _words(kind, rng):
    """What a step reads beside registers."""
    words = {}
    for field in fields_of(kind):
        if field.holds == "whole":
            low, high = kind.bounds[field.name]
            words[field.name] = int(rng.integers(low, high + 1))
        elif field.holds == "flag" and field.name != "readout":
            words[field.name] = bool(rng.random() < 0.5)
        elif field.holds == "word":
            words[field.name] = str(rng.choice(field.words))
    if "spike_exp" in words:  # together they shift a threshold, which has no places after the point
        words["spike_exp"] = max(words["spike_exp"], -words["state_exp"])
    return words


def _startable(population, depth):
    """The population without bias and start in neurons that cannot start `depth` steps early."""
    kind, registers = type(population), population.registers
    moving = np.flatnonzero((population.bias_mant != 0) | (population.v_init != 0))
    nodes, edges, last = {"in": SpikeInput((1,))}, [], "in"
    one = Linear(np.array([[2]], np.int16))
    for step in range(1, depth):
        relay = CubaLIF((1,), 4095, 0, 1, 0, 0, 0)
        nodes |= {f"s{step}": Synapse(one, (1,), (1,)), f"relay{step}": relay}
        edges += [(last, f"s{step}"), (f"s{step}", f"relay{step}")]
        last = f"relay{step}"
    words = {
        field.name: getattr(population, field.name)
        for field in fields_of(kind)
        if field.holds in ("whole", "flag", "word")
    }
    for neuron in moving:
        own = {name: getattr(population, name) for name in registers}
        own = {name: values[neuron] if values.ndim else values for name, values in own.items()}
        link = Synapse(one, (1,), (1,), into=kind.inputs[0])
        nodes |= {f"to{neuron}": link, f"n{neuron}": kind((1,), **own, **words)}
        edges += [(last, f"to{neuron}"), (f"to{neuron}", f"n{neuron}")]
    stuck = without_lead_in(Graph(nodes, tuple(edges)))
    at_rest = [neuron for neuron in moving if f"n{neuron}" in stuck]
    changed = {name: np.array(getattr(population, name)) for name in ("bias_mant", "v_init")}
    for values in changed.values():
        values[at_rest] = 0
    return replace(population, **changed)
