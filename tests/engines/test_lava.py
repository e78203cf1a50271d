"""The lava engine equals a second simulation, written here in chip time, bit for bit.

The second simulation follows the rules of Lava's source, not neurocompile.ir.fixed: a
population sleeps until its depth, a spike reaches its target in the step of the target's own
time that its synapse's delay says, and own time is cut out afterwards. Matrices are built here
by loops over pixels.
"""

import numpy as np
import pytest

from neurocompile.data.inputs import Encoded
from neurocompile.engines import lava
from neurocompile.errors import BadInput, NotInstalled
from neurocompile.ir.fixed import AlwaysOn, BiasInput, CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import Graph, chain
from neurocompile.ir.nodes import Conv, ConvTranspose, Linear, Sparse, size
from neurocompile.ir.time import depths


def rng_of(seed):
    return np.random.default_rng(seed)


def weights(rng, *shape, bits=8, low=-256):
    step = 2 ** (9 - bits)
    return (rng.integers(low // step, 256 // step, shape) * step).astype(np.int64)


def spikes(rng, n, steps, *shape, rate=0.4):
    return (rng.random((n, steps, *shape)) < rate).astype(np.uint8)


def lif(shape, du=4095, dv=300, vth=90, mant=0, exp=0, v=0, **more):
    return CubaLIF(shape, du, dv, vth, mant, exp, v, **more)


# --- the second simulation -----------------------------------------------------------------


def matrix_of(synapse):
    """(n_target, n_source) int64, one loop a pixel."""
    op = synapse.op
    whole = np.zeros((size(synapse.out_shape), size(synapse.in_shape)), dtype=np.int64)
    if isinstance(op, Linear):
        return op.weight.astype(np.int64)
    if isinstance(op, Sparse):
        for row in range(len(whole)):
            for k in range(op.indptr[row], op.indptr[row + 1]):
                whole[row, op.indices[k]] = op.data[k]
        return whole
    transposed = isinstance(op, ConvTranspose)
    wide, narrow = synapse.in_shape, synapse.out_shape
    if transposed:  # the transpose of the convolution from its output to its input
        wide, narrow = narrow, wide
    index_wide = np.arange(size(wide)).reshape(wide)
    index_narrow = np.arange(size(narrow)).reshape(narrow)
    for (o, y, x), j in np.ndenumerate(index_narrow):
        for c in range(wide[0]):
            for ky, kx in np.ndindex(op.weight.shape[2:]):
                at_y = y * op.stride[0] - op.padding[0] + ky
                at_x = x * op.stride[1] - op.padding[1] + kx
                if 0 <= at_y < wide[1] and 0 <= at_x < wide[2]:
                    i = index_wide[c, at_y, at_x]
                    where = (i, j) if transposed else (j, i)
                    whole[where] += op.weight[o, c, ky, kx]
    return whole


def toward_zero(x, shift):
    return np.where(x < 0, -((-x) >> shift), x >> shift)


def step_of_lif(node, u, v, a, mantissa):
    """One step of lava/proc/lif/models.py, in int64: u, v after the reset, spikes."""
    flat = {name: np.asarray(getattr(node, name)).reshape(-1) for name in node.registers}
    u = toward_zero(u * (4096 - flat["du"] - 1), 12) + (a << 6)
    u = np.where(u > 2**23, u - 2**24, np.where(u <= -(2**23), u + 2**24, u))
    v = toward_zero(v * (4096 - flat["dv"]), 12) + u + (mantissa << flat["bias_exp"])
    v = np.clip(v, -(2**23) + 1, 2**23 - 1)
    fired = v > (flat["vth"] << 6)
    return u, np.where(fired, v - (flat["vth"] << 6) if node.reset == "subtract" else 0, v), fired


def in_chip_time(graph, encoded, sample):
    """Spikes and membrane of one sample, by layer, (steps, n), in the network's own time."""
    depth, steps = depths(graph), encoded.steps
    last = steps + max(depth.values())
    node_of = dict(graph.nodes)
    matrices = {name: matrix_of(node) for name, node in graph.of(Synapse)}
    arriving = {n: np.zeros((last + 99, size(p.shape)), np.int64) for n, p in graph.of(CubaLIF)}
    state = {
        n: (np.zeros(size(p.shape), np.int64), np.broadcast_to(p.v_init.ravel(), size(p.shape)))
        for n, p in graph.of(CubaLIF)
    }
    rows = {n: [] for n in state}
    for chip_step in range(min(0, min(depth.values())), last):
        fired = {}
        for name, node in node_of.items():
            own = chip_step - depth.get(name, 0)
            if isinstance(node, SpikeInput):
                inside = 0 <= own < steps
                fired[name] = encoded.values[name][sample, own].ravel() if inside else None
            elif isinstance(node, AlwaysOn):
                fired[name] = np.ones(size(node.shape), np.int64) if own >= 0 else None
            elif isinstance(node, CubaLIF) and own >= 0:
                written = [b for b in graph.before(name) if isinstance(node_of[b], BiasInput)]
                mantissa = (
                    encoded.values[written[0]][sample].ravel().astype(np.int64)
                    if written
                    else node.bias_mant.ravel()
                )
                u, v, out = step_of_lif(node, *state[name], arriving[name][chip_step], mantissa)
                state[name], fired[name] = (u, v), out
                if own < steps:
                    rows[name].append((out, v))
        for name, node in graph.of(Synapse):
            (source,), (target,) = graph.before(name), graph.after(name)
            if fired.get(source) is not None:
                a = matrices[name] @ fired[source].astype(np.int64)
                exp = node.weight_exp
                a = a << exp if exp > 0 else a >> -exp
                own = chip_step - depth[source] + node.delay
                arriving[target][depth[target] + own] += a
    return {n: tuple(np.array(column) for column in zip(*r, strict=True)) for n, r in rows.items()}


def assert_exact(graph, encoded, *, quiet=()):
    """Run Lava once and compare every spike and membrane value; layers must also be alive."""
    done = []
    recording = lava.run(graph, encoded, progress=lambda d, n: done.append((d, n)))
    assert done[-1] == (encoded.samples, encoded.samples)
    for name, _ in graph.of(SpikeInput):
        assert (recording.spikes[name] == encoded.values[name]).all()
    for name, node in graph.of(CubaLIF):
        found, membrane = recording.spikes[name], recording.membrane[name]
        shape = (encoded.samples, encoded.steps, *node.shape)
        assert (found.shape, found.dtype) == (shape, np.uint8)
        assert (membrane.shape, membrane.dtype) == (shape, np.int32)
        if name not in quiet:
            assert 0 < found.mean() < 1, f"'{name}' shows nothing: rate {found.mean()}"
    for sample in range(encoded.samples):
        for name, (fired, v) in in_chip_time(graph, encoded, sample).items():
            got = recording.spikes[name][sample].reshape(fired.shape)
            got_v = recording.membrane[name][sample].reshape(v.shape)
            assert (got == fired).all(), f"'{name}', sample {sample}: spikes"
            assert (got_v == v).all(), f"'{name}', sample {sample}: membrane"
    return recording


# --- networks ------------------------------------------------------------------------------


def every_kind(rng, v=0):
    """Convolution, transposed convolution, sparse and dense, a bias at each depth."""
    pick = rng.random((6, 72)) < 0.3
    indptr = np.concatenate([[0], np.cumsum(pick.sum(axis=1))])
    sparse = Sparse(
        weights(rng, int(pick.sum())), np.nonzero(pick)[1], indptr, (2, 6, 6), (6,), None
    )
    two, one = (2, 2), (1, 1)
    conv = Conv(weights(rng, 3, 2, 3, 3), None, two, one, one, 1)
    up = ConvTranspose(weights(rng, 3, 2, 4, 4), None, two, one, (0, 0), one, 1)

    def population(shape, exp):
        return lif(
            shape,
            dv=rng.integers(1, 2000, shape),
            vth=rng.integers(40, 200, shape),
            mant=rng.integers(-20, 20, shape),
            exp=exp,
            v=v,
        )

    return chain(
        {
            "in": SpikeInput((2, 6, 6)),
            "conv": Synapse(conv, (2, 6, 6), (3, 3, 3)),
            "a": population((3, 3, 3), 0),
            "up": Synapse(up, (3, 3, 3), (2, 6, 6)),
            "b": population((2, 6, 6), rng.integers(0, 8, (2, 6, 6))),
            "sparse": Synapse(sparse, (2, 6, 6), (6,)),
            "c": population((6,), 3),
            "dense": Synapse(Linear(weights(rng, 12, 6)), (6,), (12,)),
            "d": population((3, 4), 5),
        }
    )


def test_every_kind_of_synapse_and_many_samples_in_one_run_are_exact():
    rng = rng_of(1)
    graph = every_kind(rng)
    assert lava.reset_mode(graph) == lava.RESET_LIFRESET
    encoded = Encoded({"in": spikes(rng, 3, 9, 2, 6, 6)}, 9)
    together = assert_exact(graph, encoded)
    alone = lava.run(graph, Encoded({"in": encoded.values["in"][1:2]}, 9))
    for name in together.membrane:
        assert (alone.spikes[name][0] == together.spikes[name][1]).all()
        assert (alone.membrane[name][0] == together.membrane[name][1]).all()


def test_a_start_other_than_zero_is_exact_at_every_depth():
    rng = rng_of(2)
    graph = every_kind(rng, v=-1234)
    assert lava.reset_mode(graph) == lava.RESET_FRESH
    assert_exact(graph, Encoded({"in": spikes(rng, 2, 7, 2, 6, 6)}, 7))


@pytest.mark.parametrize("steps", [1, 2])
def test_samples_shorter_than_the_network_is_deep_are_exact(steps):
    rng = rng_of(3)
    graph = every_kind(rng)
    encoded = Encoded({"in": spikes(rng, 5, steps, 2, 6, 6, rate=0.6)}, steps)
    assert_exact(graph, encoded, quiet="abcd")


def fan(branches, n_in):
    """One input in front of many synapses, each with a population of its own."""
    nodes, edges = {"in": SpikeInput((n_in,))}, []
    for name, (synapse, population) in branches.items():
        nodes |= {f"to {name}": synapse, name: population}
        edges += [("in", f"to {name}"), (f"to {name}", name)]
    return Graph(nodes, tuple(edges))


def test_every_weight_width_and_exponent_is_exact():
    rng = rng_of(4)
    branches = {}
    for exp in range(-8, 8):
        bits = 2 + exp % 7
        op = Linear(weights(rng, 3, 8, bits=bits))
        threshold = max(1, int(150 * 2.0**exp))
        branches[f"{exp}"] = (
            Synapse(op, (8,), (3,), weight_exp=exp, bits=bits),
            lif((3,), vth=threshold, dv=200),
        )
    assert_exact(fan(branches, 8), Encoded({"in": spikes(rng, 1, 12, 8)}, 12), quiet=list(branches))


def test_delays_are_exact():
    rng = rng_of(5)
    sparse = Conv(weights(rng, 2, 1, 3, 3), None, (1, 1), (1, 1), (1, 1), 1)
    graph = chain(
        {
            "in": SpikeInput((1, 3, 3)),
            "late": Synapse(sparse, (1, 3, 3), (2, 3, 3), weight_exp=-1, delay=3),
            "a": lif((2, 3, 3), mant=40, exp=2),
            "later": Synapse(Linear(weights(rng, 4, 18)), (18,), (4,), delay=2),
            "b": lif((4,), mant=30, exp=1),
        }
    )
    assert_exact(graph, Encoded({"in": spikes(rng, 2, 8, 1, 3, 3)}, 8))


def test_currents_and_registers_of_each_neuron_are_exact():
    rng = rng_of(6)
    du = np.array([-1, 0, 1, 400, 2048, 4000, 4094, 4095])
    dv = np.array([0, 4096, 1, 4095, 100, 300, 2000, 0])
    population = lif((8,), du=du, dv=dv, vth=rng.integers(1, 900, 8), mant=-9, exp=4)
    scalar = lif((8,), du=700, dv=500, vth=200)
    graph = chain(
        {
            "in": SpikeInput((10,)),
            "s": Synapse(Linear(weights(rng, 8, 10)), (10,), (8,)),
            "a": population,
            "t": Synapse(Linear(weights(rng, 8, 8)), (8,), (8,)),
            "b": scalar,
        }
    )
    assert_exact(graph, Encoded({"in": spikes(rng, 2, 20, 10)}, 20))


def test_currents_that_wrap_and_potentials_that_saturate_are_exact():
    # 800 spikes of 254 are 203,200 << 6 = 13,004,800: past 2^23, short of 3 x 2^23
    ones = np.ones((1, 800), dtype=np.int64)
    rows = np.concatenate([254 * ones, -256 * ones, 160 * ones, -160 * ones])
    graph = fan(
        {
            "wraps": (Synapse(Linear(rows), (800,), (4,)), lif((4,), vth=100, dv=0)),
            # v saturates at 8,388,607, above the largest threshold 131071 << 6 = 8,388,544
            "top": (Synapse(Linear(rows), (800,), (4,)), lif((4,), vth=131071, dv=0)),
        },
        800,
    )
    recording = assert_exact(graph, Encoded({"in": np.ones((1, 6, 800), np.uint8)}, 6))
    assert recording.membrane["top"].min() == -(2**23) + 1
    assert recording.spikes["top"].any()


def test_weights_that_are_all_negative_silence_and_all_ones_are_exact():
    rng = rng_of(7)
    negative = lif((5,), vth=100, mant=200, exp=6)
    dense = Linear(np.full((5, 6), -256))
    sparse = Conv(np.full((1, 1, 1, 2), -256), None, (1, 1), (0, 0), (1, 1), 1)
    graph = fan(
        {
            "dense": (Synapse(dense, (6,), (5,)), negative),
            "sparse": (Synapse(sparse, (1, 1, 6), (1, 1, 5)), negative),
        },
        6,
    )
    given = np.concatenate(
        [np.zeros((1, 8, 6), np.uint8), np.ones((1, 8, 6), np.uint8), spikes(rng, 1, 8, 6)]
    )
    assert_exact(graph, Encoded({"in": given}, 8))


def with_always_on(v=0, reset="zero"):
    """Currents into depth 0, an always-on axon into neurons with a current at each depth."""
    rng = rng_of(8)
    nodes = {
        "x": BiasInput((6,), (6,), 1.0),
        "on0": AlwaysOn(),
        "b0": Synapse(Linear(weights(rng, 6, 1, low=0)), (1,), (6,), weight_exp=-2),
        "a": lif((6,), du=900, exp=3, v=v, reset=reset),
        "s": Synapse(Linear(weights(rng, 4, 6)), (6,), (4,)),
        "on1": AlwaysOn(),
        "b1": Synapse(Linear(weights(rng, 4, 1, low=0)), (1,), (4,)),
        "b": lif((4,), du=1500, v=v, reset=reset),
    }
    edges = [("x", "a"), ("on0", "b0"), ("b0", "a"), ("a", "s"), ("s", "b")]
    graph = Graph(nodes, (*edges, ("on1", "b1"), ("b1", "b")))
    return graph, Encoded({"x": rng.integers(-200, 800, (3, 6)).astype(np.int16)}, 10)


@pytest.mark.parametrize("v", [0, 500])
@pytest.mark.parametrize("reset", ["zero", "subtract"])
def test_biases_written_per_sample_and_always_on_axons_are_exact(v, reset):
    graph, encoded = with_always_on(v, reset)
    assert lava.reset_mode(graph) == (lava.RESET_FRESH if v else lava.RESET_LIFRESET)
    assert_exact(graph, encoded)


def test_the_host_starts_an_always_on_axon_as_late_as_its_synapse_says():
    graph, encoded = with_always_on()
    late = {
        name: Synapse(graph.nodes[name].op, (1,), graph.nodes[name].out_shape, delay=delay)
        for name, delay in (("b0", 2), ("b1", 1))
    }
    assert_exact(graph.with_nodes(**late), encoded)


# --- what is refused -----------------------------------------------------------------------


def test_input_of_another_shape_is_refused_by_name():
    graph, _ = with_always_on()
    with pytest.raises(BadInput, match=r"input 'x' has shape \(3, 5\), but must have \(3, 6\)"):
        lava.run(graph, Encoded({"x": np.zeros((3, 5), np.int16)}, 10))


def test_another_lava_is_refused_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr("neurocompile.engines.lava.repairs.version", lambda name: "0.9.0")
    graph, encoded = with_always_on()
    with pytest.raises(NotInstalled, match=r"installed: 0\.9\.0\. Run: neurocompile doctor"):
        lava.run(graph, encoded)
