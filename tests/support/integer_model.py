"""What a chip computes, written from docs/neurons.md, number-formats.md and delays.md.

In:  the bytes of fixed.onnx, read by onnx alone; what enters, by the name of its node.
Out: what each layer sent, and its potential after each step; or where the run stops.
Nothing here is neurocompile's: int64, one matrix per synapse, one loop over the steps of the
network's own time, in which only delays take steps. So what is wrong in the engine, in its early
start or in a file, and in this page too, would have to be wrong twice.
"""

import json
from dataclasses import dataclass
from itertools import product
from math import prod

import numpy as np
from onnx import ModelProto, numpy_helper

MOST = 2**23  # what a register of 24 bits with a sign does not hold


class StopError(Exception):
    """A number left its register, here in the layers of one step.

    Attributes:
        step: Counted from 1.
        layers: Names.
    """

    def __init__(self, step, layers):
        super().__init__(f"step {step}: {layers}")
        self.step, self.layers = step, layers


@dataclass
class Link:
    """A synapse: weights (n_target, n_source), the exponent of 2, the wait of each connection."""

    source: str
    target: str
    weights: np.ndarray
    exponent: int
    waits: np.ndarray
    into: str | None

    def __post_init__(self):
        waits = np.broadcast_to(self.waits, self.weights.shape)
        self.parts = [(n, np.where(waits == n, self.weights, 0)) for n in np.unique(waits).tolist()]

    def bring(self, sent, step):
        """What arrives in a step, from what was sent in each: sums of each delay, rounded down."""
        total = 0
        for wait, weights in self.parts:
            if wait <= step:
                sums = sent[step - wait] @ weights.T
                total = total + (
                    sums << self.exponent if self.exponent > 0 else sums >> -self.exponent
                )
        return total


def network(content):
    """Layers with their registers, and synapses, of a file."""
    model = ModelProto.FromString(content)
    held = {entry.key: entry.value for entry in model.metadata_props}
    graph, arrays = json.loads(held["neurocompile.graph"]), {}
    _collect(model.graph, arrays)
    nodes = {entry["name"]: _filled(entry, arrays) for entry in graph["nodes"]}
    layers = {name: node for name, node in nodes.items() if node["kind"] != "Synapse"}
    ends = {name: ["", ""] for name in nodes}
    for source, target in graph["edges"]:
        ends[target][0], ends[source][1] = source, target
    written = {target: source for source, target in graph["edges"] if source in layers}
    links = [
        Link(
            *ends[name],
            _matrix(node["op"], node["in_shape"], node["out_shape"]),
            node["weight_exp"],
            _waits(node),
            node.get("into"),
        )
        for name, node in nodes.items()
        if node["kind"] == "Synapse"
    ]
    return layers, {t: s for t, s in written.items() if t in layers}, links


def run(content, inputs, steps):
    """Run a batch.

    Args:
        content: Bytes of fixed.onnx.
        inputs: By name: what is sent (n, steps, *shape), or biases that are written (n, *shape).
        steps: Steps in the network's own time.

    Returns:
        What each layer sent and the potentials, by name, (n, steps, neurons).

    Raises:
        StopError: At the first step in which a number leaves its register, in any sample.
    """
    layers, written, links = network(content)
    count = len(next(iter(inputs.values())))
    neurons = {name: node for name, node in layers.items() if node["kind"] in STEPS}
    states = {}
    for name, node in neurons.items():
        registers = {k: v.reshape(-1) for k, v in node.items() if isinstance(v, np.ndarray)}
        if name in written:
            registers["bias_mant"] = inputs[written[name]].reshape(count, -1).astype(np.int64)
        states[name] = State(registers, node, np.zeros((count, prod(node["shape"])), np.int64))
    sent = {name: [] for name in layers}
    potentials = {name: [] for name in neurons}
    for step in range(steps):
        stopped = []
        for name in _in_order(layers, links):
            if name not in neurons:
                sent[name].append(_given(layers[name], inputs.get(name), step, count))
                continue
            arrive = dict.fromkeys(("real", "imag", None), 0)
            for link in links:
                if link.target == name:
                    arrive[link.into] = arrive[link.into] + link.bring(sent[link.source], step)
            state = states[name]
            sent[name].append(STEPS[neurons[name]["kind"]](state, arrive) + 0 * state.zero)
            potentials[name].append(state.shown)
            if state.left or (neurons[name]["readout"] and sent[name][-1].any()):
                stopped.append(name)
        if stopped:
            raise StopError(step + 1, stopped)
    outputs = {n: v for n, v in sent.items() if layers[n]["kind"] not in ("AlwaysOn", "BiasInput")}
    return tuple(
        {n: np.stack(v, axis=1) for n, v in each.items()} for each in (outputs, potentials)
    )


def _given(layer, values, step, count):
    """What an input sends in a step."""
    if layer["kind"] == "SpikeInput":
        return values[:, step].reshape(count, -1).astype(np.int64)
    return np.ones((count, 1), np.int64)  # an axon that is always on


def _in_order(layers, links):
    """Layers, each after those from which it hears in the same step."""
    order, left = [], dict.fromkeys(layers)
    while left:
        for name in left:
            now = [k.source for k in links if k.target == name and k.waits.min() == 0]
            if not any(source in left for source in now):
                break
        else:
            raise ValueError(f"a loop without a delay: {list(left)}")
        order.append(name)
        del left[name]
    return order


# --- Neurons: docs/neurons.md --------------------------------------------------------------


class State:
    """Registers of a layer as attributes, and what a step changes, (n, neurons)."""

    def __init__(self, registers, words, zero):
        self.__dict__.update(registers)
        self.words, self.zero = words, zero
        self.u = self.r = self.wait = self.residue = self.error = self.real = self.imag = zero
        self.v = registers["v_init"] + zero
        self.bias = (registers["bias_mant"] << registers["bias_exp"]) + zero
        self.theta = (self.theta_0 << 6) + zero if hasattr(self, "theta_0") else zero
        self.act = self.act_init + zero if hasattr(self, "act_init") else zero
        self.left = False

    def keep(self, *numbers):
        """Remember whether numbers that nothing clips have left 24 bits."""
        self.left = self.left or any(bool((np.abs(n) >= MOST).any()) for n in numbers)

    @property
    def shown(self):
        """The potential that is recorded."""
        return {"RF": self.real, "RF_IZ": self.imag}.get(self.words["kind"], self.v)


def cut(product, bits=12):
    """A product divided by a power of 2, its fraction cut off."""
    return np.sign(product) * (np.abs(product) >> bits)


def clip(number):
    return np.clip(number, 1 - MOST, MOST - 1)


def membrane(s, arrive):
    """u and v before a spike."""
    current = cut(s.u * (4096 - (s.du + 1))) + (arrive[None] << 6)
    s.left = s.left or bool((np.abs(current) >= 3 * MOST).any())
    s.u = np.where(current > MOST, current - 2 * MOST, current)
    s.u = np.where(current <= -MOST, current + 2 * MOST, s.u)
    s.v = clip(cut(s.v * (4096 - s.dv)) + s.u + s.bias)


def cuba(s, arrive):
    membrane(s, arrive)
    spike = s.v > s.vth << 6
    after = s.v - (s.vth << 6) if s.words["reset"] == "subtract" else 0
    s.v = np.where(spike, after, s.v)
    return spike


def refractory(s, arrive):
    waiting = s.wait > 0
    membrane(s, arrive)
    s.v = np.where(waiting, 0, s.v)
    spike = s.v > s.vth << 6
    s.v = np.where(spike, 0, s.v)
    s.wait = np.where(spike, s.refractory - 1, np.where(waiting, s.wait - 1, s.wait))
    return spike


def theta_falls(s):
    rest = s.theta_0 << 6
    s.theta = cut((s.theta - rest) * (4096 - s.dtheta)) + rest


def adaptive(s, arrive):
    membrane(s, arrive)
    theta_falls(s)
    spike = s.v > s.theta
    s.v = np.where(spike, 0, s.v)
    s.theta = s.theta + spike * (s.theta_step << 6)
    s.keep(s.theta)
    return spike


def atrlif(s, arrive):
    membrane(s, arrive)
    theta_falls(s)
    s.r = cut(s.r * (4096 - s.dr))
    spike = s.v - s.r >= s.theta
    s.r = s.r + spike * 2 * s.theta
    s.theta = s.theta + spike * (s.theta_step << 6)
    s.keep(s.r, s.theta)
    return spike


def ternary(s, arrive):
    membrane(s, arrive)
    sent = (s.v > s.vth_hi << 6).astype(np.int64) - (s.v < s.vth_lo << 6)
    s.v = np.where(sent != 0, 0, s.v)
    return sent


def sigma(s, arrive):
    s.v = s.v + arrive[None]
    s.keep(s.v)
    return s.v


def changed(s, delta):
    """What is sent of a change, and what of it stays."""
    state_exp, least = s.words["state_exp"], s.vth << (s.words["spike_exp"] + s.words["state_exp"])
    s.error = s.error + delta
    measure = s.error if s.words["cum_error"] else delta
    send = np.abs(measure) >= least
    s.residue = np.where(send, 0, delta)
    s.error = np.where(send & (delta != 0), 0, s.error)
    sent = np.where(send, delta >> state_exp, 0)
    s.keep(s.v, s.act, s.residue, sent)
    if s.words["cum_error"]:
        s.keep(s.error)
    return sent


def delta(s, arrive):
    new = arrive[None] << (s.words["spike_exp"] + s.words["state_exp"])
    change = new - s.v + s.residue
    s.v = new + s.zero
    return changed(s, change)


def sigma_delta(s, arrive):
    s.v = s.v + arrive[None]
    new = s.v + s.bias
    if s.words["activation"] == "relu":
        new = np.maximum(new, 0)
    change = new - s.act + s.residue
    s.act = new
    return changed(s, change)


def turned(s, arrive):
    """Both parts after a turn, and the imaginary one before it."""
    n, up, before = s.words["decay_bits"], s.words["state_exp"], s.imag
    real, imag = (arrive[part] << up for part in ("real", "imag"))
    s.keep(real, imag)
    s.real, s.imag = (
        clip(cut(s.real * s.cos_decay, n) - cut(s.imag * s.sin_decay, n) + real),
        clip(cut(s.real * s.sin_decay, n) + cut(s.imag * s.cos_decay, n) + imag),
    )
    return before


def rf(s, arrive):
    before = turned(s, arrive)
    return (s.real >= s.vth << s.words["state_exp"]) & (s.imag >= 0) & (before < 0)


def rf_iz(s, arrive):
    turned(s, arrive)
    least = s.vth << s.words["state_exp"]
    spike = s.imag >= least
    s.real, s.imag = np.where(spike, 0, s.real), np.where(spike, least - 1, s.imag)
    return spike


STEPS = {
    "CubaLIF": cuba, "RefractoryLIF": refractory, "AdaptiveLIF": adaptive, "ATRLIF": atrlif,
    "TernaryLIF": ternary, "Sigma": sigma, "Delta": delta, "SigmaDelta": sigma_delta,
    "RF": rf, "RF_IZ": rf_iz,
}  # fmt: skip


# --- The file ------------------------------------------------------------------------------


def _collect(graph, arrays):
    """All tensors of a graph by name; those that only a reader needs are attributes of nodes."""
    for tensor in graph.initializer:
        arrays[tensor.name] = numpy_helper.to_array(tensor)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                arrays.setdefault(
                    f"{node.name}.{attribute.name}", numpy_helper.to_array(attribute.t)
                )
            if attribute.HasField("g"):
                _collect(attribute.g, arrays)


def _filled(entry, arrays):
    """An entry of the JSON with its arrays; weights are stored as their halves."""
    filled = {}
    for key, value in entry.items():
        if isinstance(value, dict) and "array" in value:
            stored = arrays[value["array"]]
            filled[key] = stored.astype(np.int64) if stored.dtype.kind in "iu" else stored
            if "dtype" in value:
                filled[key] *= 2
        else:
            filled[key] = _filled(value, arrays) if isinstance(value, dict) else value
    return filled


def _waits(node):
    """Steps that each connection waits, in a shape that spreads over (n_target, n_source)."""
    late = node.get("late")
    late = np.zeros((1, 1), np.int64) if late is None else late
    return node["delay"] + (late[:, None] if late.ndim == 1 else late)


def _matrix(op, wide, narrow):
    """The dense weights (n_target, n_source) of a map, neurons in C order."""
    found = np.zeros((prod(narrow), prod(wide)), np.int64)
    match op["kind"]:
        case "Linear":
            return np.kron(np.eye(prod(wide[:-1]), dtype=np.int64), op["weight"])
        case "Sparse":
            for row, (a, b) in enumerate(zip(op["indptr"][:-1], op["indptr"][1:], strict=True)):
                np.add.at(found[row], op["indices"][a:b], op["data"][a:b])
        case "Conv":
            for one, other, weight in _kernel(op, wide, narrow):
                found[other, one] += weight
        case "ConvTranspose":
            for one, other, weight in _kernel(op, narrow, wide):
                found[one, other] += weight
    return found


def _kernel(op, large, small):
    """Positions of a kernel: flat neurons on its large side and its small side, and the weight.

    A convolution leads from the large side to the small one, a transposed one back.
    """
    weight, groups = op["weight"], op["groups"]
    axes, large_each = large[1:], large[0] // groups
    small_each = small[0] // groups
    for at in product(*map(range, small[1:])):
        for tap in product(*map(range, weight.shape[2:])):
            place = [
                a * s - p + k * d
                for a, s, p, k, d in zip(
                    at, op["stride"], op["padding"], tap, op["dilation"], strict=True
                )
            ]
            if not all(0 <= x < n for x, n in zip(place, axes, strict=True)):
                continue
            for group, i, o in product(range(groups), range(large_each), range(small_each)):
                inner, outer = group * large_each + i, group * small_each + o
                yield (
                    int(np.ravel_multi_index((inner, *place), large)),
                    int(np.ravel_multi_index((outer, *at), small)),
                    weight[(outer, i, *tap)],
                )
