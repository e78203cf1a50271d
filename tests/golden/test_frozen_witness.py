"""Every engine gives the bits that Lava's stock processes gave when they were recorded.

Traces: tests/golden/*.npz, one file per process, made by record.py. Lava is not imported here. Only
the last test needs it, which records again in a process of its own.
"""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from golden_cases import COARSE, FINE

from neurocompile.data.inputs import Encoded
from neurocompile.engines import fixed
from neurocompile.engines import onnx as onnx_engine
from neurocompile.engines.fixed.torch_path import run_torch
from neurocompile.engines.lava.repairs import LAVA_VERSION, require_lava
from neurocompile.engines.recording import Recording
from neurocompile.errors import NotInstalled
from neurocompile.ir import reference
from neurocompile.ir.after_spikes import AdaptiveLIF, RefractoryLIF
from neurocompile.ir.chip_neurons import ATRLIF, CHIP_NEURONS, TernaryLIF
from neurocompile.ir.fixed import CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import Graph
from neurocompile.ir.nodes import Linear, Sparse
from neurocompile.ir.ops import NumpyOps
from neurocompile.ir.registers import (
    ALIGN_BITS,
    BIAS_EXPONENTS,
    LARGEST_THRESHOLD,
    MOST_AXON_DELAY,
    REGISTERS,
    STATE_LIMIT,
    WEIGHT_EXPONENTS,
    WEIGHT_WIDTHS,
    Grid,
)
from neurocompile.ir.resonators import RF, RF_IZ
from neurocompile.ir.sigma_delta import Delta, Sigma, SigmaDelta
from neurocompile.ir.verify import verify

HERE = Path(__file__).parent
NEURONS = {"lif": CubaLIF, "lif_reset": CubaLIF, "atrlif": ATRLIF}
IN_FLOAT = {"lif_refractory": RefractoryLIF}  # Lava's process is float only
OUR_OWN = {AdaptiveLIF: "Lava has no such process: tests/engines/test_after_spikes.py"}
GRADED = {"ternary_lif": TernaryLIF, "sigma": Sigma, "delta": Delta, "sigma_delta": SigmaDelta}
RESONATORS = {"rf": RF, "rf_iz": RF_IZ}
WORDS = ("spike_exp", "state_exp", "cum_error", "activation", "decay_bits")  # beside registers
SYNAPSES = ("dense", "sparse", "delay_dense", "delay_sparse")
MOST_BYTES = 300_000


def read(file):
    """The cases of a file by name, each its arrays by name."""
    cases = {}
    with np.load(HERE / f"{file}.npz") as arrays:
        for name in set(arrays) - {"about"}:
            case, array = name.split("/")
            cases.setdefault(case, {})[array] = arrays[name]
    return cases


TRACES = {file: read(file) for file in (*NEURONS, *IN_FLOAT, *GRADED, *RESONATORS, *SYNAPSES)}
KINDS = NEURONS | IN_FLOAT | GRADED | RESONATORS
NEURON_TRACES = [(file, case) for file in KINDS for case in sorted(TRACES[file])]


@pytest.fixture(autouse=True)
def without_lava(monkeypatch):
    """An import of Lava fails, as it does where it is not installed."""
    monkeypatch.setitem(sys.modules, "lava", None)


# --- replays -------------------------------------------------------------------------------


def population(kind, trace):
    registers = {name: trace[name] for name in kind.registers if name in trace}
    words = {name: trace[name].item() for name in WORDS if name in trace}
    if "cum_error" in words:
        words["cum_error"] = bool(words["cum_error"])
    return kind(trace["s"].shape[1:], **registers, **words)


def weights_of(trace):
    """By synapse, weights (n, axons), exponent and part: what brings Lava's neurons their input."""
    if "to_real" in trace:
        return {part: (trace[f"to_{part}"], 0, part) for part in ("real", "imag")}
    axons, ends = len(trace["spikes"].T), len(trace["coarse"].T)
    brought = {}
    for name, exponent, first in (("coarse", COARSE, 0), ("fine", FINE, ends)):
        weights = np.zeros((len(trace[name]), axons), np.int16)
        weights[:, first : first + len(trace[name].T)] = trace[name]
        brought[name] = weights, exponent, None
    return brought


def driven(kind, trace):
    """The recorded neurons behind the two synapses that bring them what Lava's were given."""
    axons = len(trace["spikes"].T)
    nodes, edges = {"in": SpikeInput((axons,))}, []
    for name, (weights, exponent, part) in weights_of(trace).items():
        shapes = (axons,), trace["s"].shape[1:]
        nodes[name] = Synapse(Linear(weights), *shapes, exponent, into=part)
        edges += [("in", name), (name, "pop")]
    return verify(Graph(nodes | {"pop": population(kind, trace)}, tuple(edges)), "fixed")


def samples_of(trace):
    """Where each sample of a trace begins, and its steps: a sample starts where Lava clears."""
    steps = len(trace["s"])
    if "reset" not in trace:
        return [0], steps
    interval, offset = trace["reset"].tolist()
    return list(range(offset - 1, steps - interval + 1, interval)), interval


def cut(rows, trace):
    """(samples, steps, n) of the rows of a trace."""
    starts, steps = samples_of(trace)
    return np.stack([rows[start : start + steps] for start in starts])


ENGINES = {
    "fixed": lambda graph, encoded: fixed.run(graph, encoded).recording,
    "torch": lambda graph, encoded: run_torch(graph, encoded).recording,
    "onnx": onnx_engine.run,
}


@pytest.mark.parametrize(("file", "case"), NEURON_TRACES)
def test_the_step_gives_every_state_of_the_recorded_neuron(file, case):
    kind, trace = KINDS[file], TRACES[file][case]
    pop = population(kind, trace)
    p, zero = pop.constants(), np.zeros(pop.shape, np.int64)
    brought = weights_of(trace).values()
    starts, _ = samples_of(trace)
    state = pop.start(p, pop.v_init + zero, zero)
    for t, spikes in enumerate(trace["spikes"].astype(np.int64)):
        if "reset" in trace and t in starts:
            state = pop.start(p, zero, zero)
        sums = dict.fromkeys(kind.inputs, 0)
        for weights, exponent, part in brought:
            sums[part] = sums[part] + (weights @ spikes << exponent)
        after = pop.step(NumpyOps(), state, kind.arriving([*sums.values()]), p)
        state = after.state
        np.testing.assert_array_equal(after.out, trace["s"][t], err_msg=f"spikes, step {t}")
        for name, values in zip(kind.state_names, state, strict=True):
            np.testing.assert_array_equal(values, trace[name][t], err_msg=f"{name}, step {t}")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("file", "case"), NEURON_TRACES)
def test_every_engine_gives_the_recorded_spikes_and_potentials(file, case, engine):
    trace = TRACES[file][case]
    spikes = cut(trace["spikes"], trace)
    encoded = Encoded({"in": spikes}, spikes.shape[1])
    found = ENGINES[engine](driven(KINDS[file], trace), encoded)
    np.testing.assert_array_equal(found.spikes["pop"], cut(trace["s"], trace))
    np.testing.assert_array_equal(found.membrane["pop"], cut(trace["v"], trace))


def synapse(file, trace):
    """The recorded synapse; one that Lava delays by target is late by target here."""
    weights, delay = trace["weights"], trace["delay"]
    op = Linear(weights)
    if "sparse" in file:
        rows, columns = np.nonzero(weights)
        ends = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(weights)))])
        op = Sparse(weights[rows, columns], columns, ends, (len(weights.T),), (len(weights),))
    late = {"late": delay} if delay.ndim else {"delay": int(delay)}
    exponent, bits = int(trace["exponent"]), int(trace["bits"])
    return Synapse(op, (len(weights.T),), (len(weights),), exponent, bits, **late)


def observed(file):
    """Every synapse of a file behind the same axons, each with neurons whose v is 2^6 a."""
    nodes, edges = {}, []
    for case, trace in TRACES[file].items():
        node = synapse(file, trace)
        nodes.setdefault("in", SpikeInput(node.in_shape))
        reader = CubaLIF(node.out_shape, 4095, 4096, LARGEST_THRESHOLD, 0, 0, 0)
        nodes |= {f"synapse {case}": node, case: reader}
        edges += [("in", f"synapse {case}"), (f"synapse {case}", case)]
    return verify(Graph(nodes, tuple(edges)), "fixed")


def by_reference(graph, encoded):
    """The numpy reference on the only sample, as a recording."""
    (values,) = encoded.values["in"]
    spikes, membrane = reference.run_fixed(graph, {"in": values}, encoded.steps)
    return Recording(
        {name: rows[None].astype(np.uint8) for name, rows in spikes.items()},
        {name: rows[None] for name, rows in membrane.items()},
    )


@pytest.mark.parametrize("engine", ["numpy", *ENGINES])
@pytest.mark.parametrize("file", SYNAPSES)
def test_every_engine_gives_the_recorded_sums_of_a_synapse(file, engine):
    spikes = next(iter(TRACES[file].values()))["spikes"]
    run = {"numpy": by_reference, **ENGINES}[engine]
    found = run(observed(file), Encoded({"in": spikes[None]}, len(spikes)))
    for case, trace in TRACES[file].items():
        assert np.abs(trace["a"]).max() << ALIGN_BITS < STATE_LIMIT  # what the reader can show
        expected = trace["a"].astype(np.int64) << ALIGN_BITS
        np.testing.assert_array_equal(found.membrane[case][0], expected, err_msg=case)


# --- what the files hold -------------------------------------------------------------------


def everything(file, array):
    return np.concatenate([trace[array].ravel() for trace in TRACES[file].values()])


@pytest.mark.parametrize("file", NEURONS)
def test_every_register_is_recorded_at_both_of_its_ends(file):
    started = set() if file == "lif_reset" else {"v_init"}  # Lava clears it, so it is 0
    for name in {*NEURONS[file].registers} - {"bias_exp", "v_init"} | started:
        values = everything(file, name)
        assert (values.min(), values.max()) == REGISTERS[name], name
    biased = everything(file, "bias_exp")[everything(file, "bias_mant") != 0]
    low, high = BIAS_EXPONENTS
    assert set(biased) == set(range(low, high + 1))


@pytest.mark.parametrize("file", NEURONS)
def test_the_traces_wrap_and_saturate_in_both_directions(file):
    wrapped = set()
    for trace in TRACES[file].values():
        weights = np.hstack([trace["coarse"] * np.int64(1 << COARSE), trace["fine"]])
        # a neuron without memory of its current: what arrives is u, but for the wrap
        forgets = trace["du"] == 4095
        arriving = (trace["spikes"] @ weights.T << ALIGN_BITS)[:, forgets]
        wrapped |= set(np.unique(trace["u"][:, forgets] - arriving).tolist())
    assert wrapped == {-2 * STATE_LIMIT, 0, 2 * STATE_LIMIT}
    assert everything(file, "u").max() == STATE_LIMIT  # the one value that only one end has
    assert everything(file, "v").min() == 1 - STATE_LIMIT
    if file == "atrlif":  # a spike leaves the potential
        assert everything(file, "v").max() == STATE_LIMIT - 1
    else:  # only a saturated potential is above the largest threshold
        fired = [t["s"][:, t["vth"] == LARGEST_THRESHOLD].sum() for t in TRACES[file].values()]
        assert sum(fired) > 5


@pytest.mark.parametrize("file", NEURONS)
def test_a_potential_at_the_threshold_is_recorded_as_lava_decides_it(file):
    # 100 x 2^6 arrives from the first fine axon alone in step 2; biases 0, 1 and -1
    for trace in TRACES[file].values():
        assert trace["v"][1, :3].tolist() == [6400, 6401 * (file == "atrlif"), 6399]
        assert trace["s"][1, :3].tolist() == ([1, 1, 0] if file == "atrlif" else [0, 1, 0])


def test_refractory_periods_are_recorded_up_to_the_longest_with_neurons_that_wait():
    (trace,) = TRACES["lif_refractory"].values()
    periods = np.unique(trace["refractory"])
    assert (periods[0], periods[-1]) == (2, REGISTERS["refractory"][1])  # Lava's own is 1 or more
    for period in periods.tolist():
        here = trace["refractory"] == period
        assert trace["s"][:, here].sum() >= here.sum()
        waiting = trace["wait"][:-1, here] > 0
        assert waiting.any()
        assert not trace["v"][1:, here][waiting].any()


@pytest.mark.parametrize("file", GRADED)
def test_payloads_of_both_signs_and_a_change_at_its_threshold_are_recorded(file):
    sent = everything(file, "s")
    assert sent.min() < 0 < sent.max()
    if file == "delta":  # 60 arrives from the first fine axon alone
        assert TRACES[file]["0 0 0"]["s"][1, 0] == 60 == TRACES[file]["0 0 0"]["vth"]


@pytest.mark.parametrize("file", RESONATORS)
def test_resonators_are_recorded_at_their_thresholds_and_at_both_ends_of_what_they_hold(file):
    case = TRACES[file]["quarter"]
    # at 200 and in the step in which imag comes to 0 from -100; an imaginary part of 200
    found = {"rf": (2, [1, 0, 0, 0, 0]), "rf_iz": (1, [0, 0, 0, 1, 0])}[file]
    assert case["s"][found[0], :5].tolist() == found[1]
    for name in ("sin_decay", "cos_decay"):
        values = everything(file, name)
        assert (values.min(), values.max()) == REGISTERS[name]
    for state in RESONATORS[file].state_names:
        values = everything(file, state)
        assert (values.min(), values.max()) == (1 - STATE_LIMIT, STATE_LIMIT - 1)


@pytest.mark.parametrize("file", ["dense", "sparse"])
def test_every_exponent_and_width_of_a_weight_is_recorded(file):
    low, high = WEIGHT_EXPONENTS
    assert sorted(everything(file, "exponent")) == list(range(low, high + 1))
    low, high = WEIGHT_WIDTHS
    assert set(everything(file, "bits")) == set(range(low, high + 1))


@pytest.mark.parametrize("file", SYNAPSES)
def test_weights_are_recorded_at_both_ends_of_their_grid(file):
    for trace in TRACES[file].values():
        assert (trace["weights"].min(), trace["weights"].max()) == Grid(int(trace["bits"])).stored


@pytest.mark.parametrize("file", ["delay_dense", "delay_sparse"])
def test_delays_are_recorded_up_to_the_longest_of_an_axon(file):
    delays = everything(file, "delay")
    assert {1, MOST_AXON_DELAY} <= set(delays)
    assert max(delays) == MOST_AXON_DELAY
    longest = [t for t in TRACES[file].values() if t["delay"].max() == MOST_AXON_DELAY]
    assert all(trace["a"][MOST_AXON_DELAY:].any() for trace in longest)


def test_every_file_names_its_process_and_the_versions_that_ran():
    for file in TRACES:
        with np.load(HERE / f"{file}.npz") as arrays:
            about = json.loads(str(arrays["about"]))
        assert about["process"].lower().replace("_", "") == file.replace("_", "")
        assert about["versions"]["lava-nc"] == LAVA_VERSION
        assert {"numpy", "scipy", "python"} < set(about["versions"])


def test_the_traces_are_small():
    assert sum(path.stat().st_size for path in HERE.glob("*.npz")) < MOST_BYTES


def test_every_neuron_of_a_chip_has_a_recorded_trace():
    # missing: add its cases to golden_cases.py and its process to record.py, then make golden
    assert set(CHIP_NEURONS) - set(KINDS.values()) == set(OUR_OWN)


# --- Lava itself ---------------------------------------------------------------------------


def test_lava_records_the_same_again():
    try:
        require_lava()
    except NotInstalled as error:
        pytest.skip(str(error))
    command = [sys.executable, str(HERE / "record.py"), "lif", "dense", "--check", "one"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        told, _ = child.communicate(timeout=120)
    finally:  # a worker of Lava may outlive the script
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
    assert child.returncode == 0, told
    assert told.count("all as recorded") == 2
