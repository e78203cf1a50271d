"""Stock onnxruntime, given our file alone, computes what the chip and Norse compute.

The integer yardstick is written here from Lava's rules, one neuron step in plain numpy and
one matrix a synapse; it shares no code with the step that the file was made from.
"""

import subprocess
import sys
import textwrap
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import random_graphs

from neurocompile.data.inputs import Encoded
from neurocompile.engines import onnx as engine
from neurocompile.errors import BadInput, NotInstalled
from neurocompile.formats.onnx.write import save_onnx, to_bytes, to_onnx
from neurocompile.ir.fixed import AlwaysOn, BiasInput, CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import chain
from neurocompile.ir.linear import connections
from neurocompile.ir.nodes import ConvTranspose, Identity, Input, Linear, Sparse


def lif(shape, **registers):
    usual = {"du": 4095, "dv": 0, "vth": 90, "bias_mant": 0, "bias_exp": 0, "v_init": 0}
    return CubaLIF(shape, **(usual | registers))


def one_synapse(op, in_shape=(1,), out_shape=(1,), population=None, **more):
    synapse = Synapse(op, in_shape, out_shape, **more)
    nodes = {"in": SpikeInput(in_shape), "syn": synapse, "pop": population or lif(out_shape)}
    return chain(nodes)


def spikes_in(*rows):
    return Encoded({"in": np.array(rows, dtype=np.uint8)}, len(rows[0]))


# --- the second simulation, from facts about Lava -------------------------------------------


def cut(x):
    """x / 4096 without its fraction, whatever the sign."""
    return np.where(x < 0, -(-x // 4096), x // 4096)


def arriving(graph, name, spikes, n, steps):
    """(n, steps, n_target) of one synapse: exponent floored, delay shifted."""
    node = graph.nodes[name]
    (source,) = graph.before(name)
    fired = spikes[source].reshape(n, steps, -1).astype(np.int64)
    total = (fired.reshape(n * steps, -1) @ connections(node).T.toarray()).reshape(n, steps, -1)
    total = np.floor(total * 2.0**node.weight_exp).astype(np.int64)  # below 2^53: exact
    late = np.zeros_like(total)
    late[:, node.delay :] = total[:, : max(steps - node.delay, 0)]
    return late


def simulate(graph, encoded):
    """Spikes and potentials by population, and how often the registers overflowed."""
    n, steps = encoded.samples, encoded.steps
    spikes, membrane, seen = {}, {}, Counter()
    for name, node in graph.nodes.items():
        if isinstance(node, SpikeInput):
            spikes[name] = encoded.values[name]
        elif isinstance(node, AlwaysOn):
            spikes[name] = np.ones((n, steps, *node.shape), dtype=np.uint8)
        if not isinstance(node, CubaLIF):
            continue
        a = np.zeros((n, steps, *node.shape), dtype=np.int64)
        bias = np.zeros((n, *node.shape), dtype=np.int64) + node.bias_mant * 2**node.bias_exp
        for before in graph.before(name):
            if isinstance(graph.nodes[before], BiasInput):
                bias = encoded.values[before].astype(np.int64) * 2**node.bias_exp
            else:
                a += arriving(graph, before, spikes, n, steps).reshape(a.shape)
        u = np.zeros((n, *node.shape), dtype=np.int64)
        v = np.zeros_like(u) + node.v_init
        spikes[name] = np.zeros(a.shape, dtype=np.uint8)
        membrane[name] = np.zeros(a.shape, dtype=np.int32)
        for t in range(steps):
            u = cut(u * (4096 - (node.du + 1))) + a[:, t] * 64
            high, low = u > 2**23, u <= -(2**23)
            u = u - high * 2**24 + low * 2**24
            v = cut(v * (4096 - node.dv)) + u + bias
            seen["wraps"] += int((high | low).sum())
            seen["saturations"] += int((np.abs(v) >= 2**23).sum())
            v = np.minimum(np.maximum(v, -(2**23 - 1)), 2**23 - 1)
            fired = v > node.vth * 64
            v = np.where(fired, v - node.vth * 64 if node.reset == "subtract" else 0, v)
            spikes[name][:, t], membrane[name][:, t] = fired, v
        seen["spikes"] += int(spikes[name].sum())
        seen["negative"] += int((membrane[name] < 0).sum())
        seen["values"] += membrane[name].size
    return spikes, membrane, seen


def assert_exact(graph, encoded):
    """Compare every value; returns how often the registers overflowed."""
    found = engine.run(graph, encoded)
    spikes, membrane, seen = simulate(graph, encoded)
    assert found.spikes.keys() == {n for n, _ in graph.of(SpikeInput, CubaLIF)}
    assert found.membrane.keys() == membrane.keys()
    for name in found.spikes:
        assert found.spikes[name].dtype == np.uint8
        np.testing.assert_array_equal(found.spikes[name], spikes[name], err_msg=name)
    for name in membrane:
        assert found.membrane[name].dtype == np.int32
        np.testing.assert_array_equal(found.membrane[name], membrane[name], err_msg=name)
    return seen


def test_every_spike_and_membrane_value_of_random_networks_is_exact():
    seen = Counter()
    for seed in range(80):
        graph = random_graphs.fixed_graph(seed)
        # random weights drive readouts to their threshold, which is refused
        spiking = {n: replace(node, readout=False) for n, node in graph.of(CubaLIF)}
        graph = graph.with_nodes(**spiking)
        seen += assert_exact(graph, Encoded(*random_graphs.fixed_input(graph, seed)))
    assert seen["values"] > 100_000
    for event in ("wraps", "saturations", "spikes", "negative"):
        assert seen[event] > 100, f"the networks must show enough {event}"


def test_a_large_dense_layer_does_not_saturate_inside_the_kernel():
    rng = np.random.default_rng(0)
    graph = one_synapse(Linear(np.full((40, 700), -256)), (700,), (40,))
    graph = graph.with_nodes(syn=Synapse(Linear(rng.choice([-256, 254], (40, 700))), (700,), (40,)))
    assert_exact(graph, Encoded({"in": np.ones((2, 5, 700), np.uint8)}, 5))


@pytest.mark.parametrize(
    ("weight", "weight_exp", "arrives"),
    [
        (-2, -1, -1),
        (-6, -2, -2),  # -1.5 rounds down, not toward zero
        (6, -2, 1),
        (-2, -8, -1),
        (254, -8, 0),
        (-256, 2, -1024),
        (6, 3, 48),
    ],
)
def test_a_negative_exponent_rounds_down(weight, weight_exp, arrives):
    graph = one_synapse(Linear(np.array([[weight]])), weight_exp=weight_exp)
    found = engine.run(graph, spikes_in([[1]]))
    assert found.membrane["pop"].ravel().tolist() == [arrives * 64]


def test_a_delay_shifts_spikes_and_loses_those_beyond_the_end():
    graph = one_synapse(Linear(np.array([[2]])), delay=2)
    found = engine.run(graph, spikes_in([[1], [0], [1], [1], [0]]))
    assert found.membrane["pop"].ravel().tolist() == [0, 0, 128, 128, 256]


def test_a_delay_longer_than_the_run_is_silence():
    found = engine.run(one_synapse(Linear(np.array([[2]])), delay=9), spikes_in([[1], [1]]))
    assert found.membrane["pop"].ravel().tolist() == [0, 0]


def test_a_current_wraps_once_and_a_potential_saturates():
    # 8 x 254 x 64 x 64 = 8,323,072 a step; without decay u = 16,646,144 wraps to -131,072
    op = Linear(np.full((1, 8), 254))
    graph = one_synapse(op, (8,), (1,), lif((1,), du=-1, vth=131071), weight_exp=6)
    found = engine.run(graph, Encoded({"in": np.ones((1, 3, 8), np.uint8)}, 3))
    v1 = 8_323_072
    v2 = v1 + (2 * v1 - 2**24)
    v3 = v2 + (3 * v1 - 2**24)
    assert v3 > 2**23  # saturates at 2^23 - 1, which is above the threshold 131071 * 64
    assert found.membrane["pop"].ravel().tolist() == [v1, v2, 0]
    assert found.spikes["pop"].ravel().tolist() == [0, 0, 1]


def test_the_threshold_is_strict_and_a_spike_subtracts_it():
    population = lif((1,), vth=2, reset="subtract")
    graph = one_synapse(Linear(np.array([[2]])), population=population)
    found = engine.run(graph, spikes_in([[1], [1], [0], [0]]))
    assert found.spikes["pop"].ravel().tolist() == [0, 1, 0, 0]
    assert found.membrane["pop"].ravel().tolist() == [128, 128, 128, 128]


def test_written_biases_replace_the_populations_own():
    population = lif((2,), vth=1000, bias_mant=77, bias_exp=[0, 3])
    graph = chain({"in": BiasInput((2,), (2,), 1.0), "pop": population})
    found = engine.run(graph, Encoded({"in": np.array([[5, -4]], dtype=np.int16)}, 2))
    assert found.membrane["pop"].tolist() == [[[5, -32], [10, -64]]]
    assert found.spikes.keys() == {"pop"}


def test_a_sample_of_a_batch_equals_the_sample_alone(monkeypatch):
    graph = random_graphs.fixed_graph(9)
    values, steps = random_graphs.fixed_input(graph, 9, n=5)
    whole = engine.run(graph, Encoded(values, steps))
    monkeypatch.setattr(engine, "VALUES_AT_ONCE", 1)  # one sample a call
    alone = engine.run(graph, Encoded(values, steps))
    for name in whole.membrane:
        np.testing.assert_array_equal(whole.membrane[name], alone.membrane[name])
        np.testing.assert_array_equal(whole.spikes[name], alone.spikes[name])


def test_no_samples_give_an_empty_recording():
    found = engine.run(
        one_synapse(Linear(np.array([[2]]))), Encoded({"in": np.zeros((0, 4, 1), np.uint8)}, 4)
    )
    assert found.membrane["pop"].shape == (0, 4, 1)


def test_a_file_runs_by_path_and_as_bytes(tmp_path):
    graph = random_graphs.fixed_graph(6)
    encoded = Encoded(*random_graphs.fixed_input(graph, 6))
    save_onnx(graph, tmp_path / "fixed.onnx")
    expected = engine.run(graph, encoded).membrane
    for file in (tmp_path / "fixed.onnx", str(tmp_path / "fixed.onnx"), to_bytes(graph)):
        for name, membrane in engine.run_file(file, encoded).membrane.items():
            np.testing.assert_array_equal(membrane, expected[name])


def test_the_constants_in_the_file_are_those_of_the_population():
    pop = lif((2,), du=[-1, 4095], dv=[0, 4096], vth=7, bias_mant=[-4096, 3], bias_exp=[7, 2])
    p = pop.constants()
    assert p.keep_u.tolist() == [4096, 0]
    assert p.keep_v.tolist() == [4096, 0]
    assert p.bias.tolist() == [-524288, 12]
    assert p.threshold.tolist() == 448
    graph = one_synapse(Linear(np.array([[2], [2]])), (1,), (2,), pop)
    assert_exact(graph, spikes_in([[1], [0], [1]]))


def test_a_sparse_map_without_entries_gives_zeros():
    op = Sparse(np.zeros(0, np.int64), np.zeros(0), np.zeros(3), (4,), (2,))
    graph = one_synapse(op, (4,), (2,), lif((2,), bias_mant=3, vth=1000))
    assert_exact(graph, Encoded({"in": np.ones((2, 3, 4), np.uint8)}, 3))


def test_output_padding_beyond_the_stride_is_exact():
    rng = np.random.default_rng(5)
    weight = rng.integers(-128, 128, (2, 3, 2)) * 2
    op = ConvTranspose(weight, None, (1,), (1,), (1,), (2,), 1)
    graph = one_synapse(op, (2, 5), (3, 6))
    assert_exact(graph, Encoded({"in": (rng.random((2, 9, 2, 5)) < 0.5).astype(np.uint8)}, 9))


def test_the_model_has_one_output_pair_a_population():
    graph = random_graphs.fixed_graph(3)
    names = {output.name for output in to_onnx(graph).graph.output}
    populations = {name for name, node in graph.nodes.items() if isinstance(node, CubaLIF)}
    assert names == {f"{p}.{what}" for p in populations for what in ("spikes", "membrane")}


# --- what is refused -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "'in' is missing"),
        ({"in": np.zeros((1, 2, 3), np.uint8)}, r"shape \(1, 2, 3\), but must have \(1, 2, 1\)"),
        ({"in": np.full((1, 2, 1), 2)}, r"holds 1\.\.2, but only 0\.\.1 is"),
        ({"in": np.zeros((1, 2, 1))}, "holds float64"),
    ],
)
def test_input_that_does_not_fit_is_refused(values, message):
    graph = one_synapse(Linear(np.array([[2]])))
    encoded = Encoded(values or {"other": np.zeros((1, 2, 1))}, 2)
    with pytest.raises(BadInput, match=message):
        engine.run(graph, encoded)


def test_a_bias_beyond_thirteen_bits_is_refused():
    graph = chain({"in": BiasInput((1,), (1,), 1.0), "pop": lif((1,))})
    with pytest.raises(BadInput, match=r"only -4096\.\.4095 is allowed"):
        engine.run(graph, Encoded({"in": np.array([[4096]])}, 2))


def test_a_float_network_is_refused_by_the_integer_engine():
    with pytest.raises(BadInput, match="FLOAT graph"):
        engine.run(chain({"x": Input((1,)), "same": Identity()}), spikes_in([[1]]))


def test_without_onnxruntime_the_message_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(NotInstalled, match="pip install onnxruntime"):
        engine.run(one_synapse(Linear(np.array([[2]]))), spikes_in([[1]]))


@pytest.mark.parametrize(
    ("make_fixed", "make_float"),
    [
        (random_graphs.fixed_graph, random_graphs.float_graph),
        (random_graphs.looped_fixed_graph, random_graphs.joined_float_graph),
    ],
)
def test_numpy_onnx_and_onnxruntime_are_all_that_running_a_file_needs(
    make_fixed, make_float, tmp_path
):
    graph = make_fixed(6)
    encoded = Encoded(*random_graphs.fixed_input(graph, 6))
    save_onnx(graph, tmp_path / "fixed.onnx")
    save_onnx(make_float(6), tmp_path / "float.onnx")
    np.savez(tmp_path / "input.npz", **encoded.values)
    total = sum(int(m.sum(dtype=np.int64)) for m in engine.run(graph, encoded).membrane.values())
    script = f"""
        import sys

        class Blocker:
            def find_spec(self, name, path=None, target=None):
                if name.split(".")[0] in ("scipy", "torch", "lava", "norse", "h5py", "sklearn"):
                    raise ImportError("blocked: " + name)

        sys.meta_path.insert(0, Blocker())
        import numpy as np
        from neurocompile.engines import onnx as engine
        from neurocompile.data.inputs import Encoded
        from neurocompile.formats.load_onnx import load_onnx
        from neurocompile.ir.nodes import Input

        encoded = Encoded(dict(np.load("input.npz")), {encoded.steps})
        found = engine.run_file("fixed.onnx", encoded)
        again = engine.run(load_onnx("fixed.onnx"), encoded)
        float_graph = load_onnx("float.onnx")
        ((_, first),) = float_graph.of(Input)
        engine.run_float(float_graph, np.ones((2, 3, *first.shape)))
        for recording in (found, again):
            print(sum(int(m.sum(dtype=np.int64)) for m in recording.membrane.values()))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        env={"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": ""},
    )
    assert done.stderr == ""  # no warning of onnxruntime either
    assert done.stdout.split() == [str(total)] * 2


@pytest.mark.parametrize("make", random_graphs.MAKERS)
def test_stock_onnxruntime_loads_the_files_without_a_warning(make, capfd):
    for seed in range(15):
        onnxruntime.InferenceSession(to_bytes(make(seed)))
    assert capfd.readouterr().err == ""
