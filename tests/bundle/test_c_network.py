"""A network as C: what is written for it, what it refuses, and what it notices."""

import os
import re
import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
from c_networks import (
    compilers,
    delayed_fixed_graph,
    delayed_graded_graph,
    equal_values,
    graded_graph,
    input_of,
    make,
    put,
    unread,
)

from neurocompile.bundle.c.expressions import COps
from neurocompile.bundle.c.names import check_prefix, literal, prefixed
from neurocompile.bundle.c.network import c_network
from neurocompile.bundle.c.tables import Tables
from neurocompile.bundle.c.weights import packed
from neurocompile.bundle.expressions import Body
from neurocompile.bundle.names import identifiers
from neurocompile.data.inputs import Encoded
from neurocompile.engines import fixed
from neurocompile.errors import BadInput, DoesNotFit
from neurocompile.ir.chip_neurons import CHIP_NEURONS
from neurocompile.ir.fixed import CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import Graph, chain
from neurocompile.ir.nodes import Conv, Linear
from neurocompile.ir.ops import NumpyOps, decayed

PLAIN = {"du": 4095, "dv": 0, "vth": 100, "bias_mant": 0, "bias_exp": 0, "v_init": 0}


def one_synapse(weight, **registers):
    """Input, a dense synapse and a population."""
    weight = np.array(weight, np.int16)
    n_out, n_in = weight.shape
    nodes = {
        "in": SpikeInput((n_in,)),
        "s": Synapse(Linear(weight), (n_in,), (n_out,)),
        "out": CubaLIF((n_out,), **{**PLAIN, **registers}),
    }
    return chain(nodes)


def rows(values):
    """Spikes of one sample."""
    x = np.array(values, np.uint8)[None]
    return Encoded({"in": x}, x.shape[1])


def some_spikes(graph, rate=0.3, steps=6, samples=2):
    shape = (samples, steps, *graph.nodes["in"].shape)
    drawn = np.random.default_rng(5).random(shape) < rate
    return Encoded({"in": drawn.astype(np.uint8)}, steps)


@pytest.fixture(scope="module")
def network():
    """A convolution and a dense layer, with channels last between them."""
    rng = np.random.default_rng(3)

    def weights(*shape):
        return (rng.integers(-128, 128, shape) * 2).astype(np.int16)

    one = (1, 1)
    nodes = {
        "in": SpikeInput((2, 5, 4)),
        "conv": Synapse(Conv(weights(3, 2, 3, 3), None, one, one, one, 1), (2, 5, 4), (3, 5, 4)),
        "hidden": CubaLIF((3, 5, 4), **{**PLAIN, "dv": 400}),
        "dense": Synapse(Linear(weights(7, 60)), (60,), (7,)),
        "last": CubaLIF((7,), **{**PLAIN, "dv": 100, "vth": 2000}),
    }
    return chain(nodes)


@pytest.fixture(scope="module")
def built(network, tmp_path_factory):
    """The folder of a program that is built, and the samples of its vectors."""
    folder, encoded = tmp_path_factory.mktemp("c"), some_spikes(network)
    put(network, encoded, folder)
    done = make(folder, "run", compilers()[0])
    assert done.returncode == 0, done.stderr
    return folder, encoded


def run(folder, *words, given=b""):
    """What the program does."""
    done = subprocess.run([folder / "run", *words], cwd=folder, input=given, capture_output=True)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


# --- Proof ------------------------------------------------------------------------------------


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("make_graph", [delayed_fixed_graph, delayed_graded_graph, graded_graph])
def test_no_sanitizer_finds_anything_in_a_program(make_graph, compiler, tmp_path):
    if compiler not in compilers():
        pytest.skip(f"{compiler} is not installed; the other compiler is tested")
    for seed in range(20):
        graph = unread(make_graph(seed))
        try:
            put(graph, input_of(graph, seed), tmp_path)
        except DoesNotFit:
            continue
        break
    assert equal_values(make(tmp_path, "sanitize CFLAGS=-Wconversion", compiler)) > 1000


def test_every_value_of_every_layer_is_compared(built):
    folder, encoded = built
    values = encoded.samples * encoded.steps * (60 + 7) * 2
    code, said, _ = run(folder, "--check")
    assert code == 0
    assert f"all {values} values equal: spikes and potentials of 2 layers" in said


def test_without_checks_of_registers_a_program_has_the_same_bits(network, tmp_path):
    put(network, some_spikes(network), tmp_path)
    done = make(tmp_path, "check CFLAGS=-DNC_CHECKED=0", compilers()[0])
    assert equal_values(done) > 1000, done.stderr


def test_a_program_allocates_nothing_and_has_no_floating_point(built):
    folder, _ = built
    for name in ("network.c", "network.h", "weights.c", "weights.h", "main.c"):
        text = re.sub(r"/\*.*?\*/|\"[^\"\n]*\"", "", (folder / name).read_text(), flags=re.DOTALL)
        assert not re.search(r"\b(malloc|calloc|realloc|float|double)\b", text), name
    assert set(re.findall(r"#include <(.*)>", (folder / "network.c").read_text())) == {
        *("stdbool.h", "stddef.h", "string.h"),
    }


def test_a_program_in_another_language_calls_the_network(network, tmp_path):
    compiler = next((name for name in ("g++", "clang++") if shutil.which(name)), None)
    if compiler is None:
        pytest.skip("there is no compiler of C++")
    put(network, some_spikes(network), tmp_path)
    main = '#include "network.h"\nstatic nc_state s;\n'
    main += "int main() { nc_init(&s); return nc_layer_size(1) != 7; }\n"
    (tmp_path / "main.cpp").write_text(main)
    for name in ("network", "weights"):
        subprocess.run([compilers()[0], "-c", f"{name}.c"], cwd=tmp_path, check=True)
    words = [compiler, "-Wall", "-Wpedantic", "-Werror", "main.cpp", "network.o", "weights.o"]
    subprocess.run([*words, "-o", "own"], cwd=tmp_path, check=True)
    assert subprocess.run([tmp_path / "own"]).returncode == 0


def test_two_networks_run_in_one_program(network, tmp_path):
    encoded = some_spikes(network)
    found = one_synapse([[200]]).nodes
    other = chain({"in": found["in"], "nc_s": found["s"], "nc_out": found["out"]})
    for name, graph, given in (("big", network, encoded), ("small", other, rows([[1], [0]]))):
        put(graph, given, tmp_path / name, prefix=name)
        done = make(tmp_path / name, "check", compilers()[0])
        assert equal_values(done), done.stderr
    assert '"nc_out"' in (tmp_path / "small" / "network.c").read_text()  # a layer's own name
    for path in tmp_path.rglob("*.[ch]"):
        text = re.sub(r'"[^"]*"|/\*.*?\*/', "", path.read_text(), flags=re.DOTALL)
        assert not re.search(r"\b(nc|NC)_", text), path
    assert "nc_" not in (tmp_path / "big" / "README.md").read_text()
    (tmp_path / "own.c").write_text(
        '#include "big/network.h"\n#include "small/network.h"\n'
        "static big_state big; static small_state small;\n"
        "int main(void)\n{\n    static const small_input one[SMALL_INPUTS] = {1};\n"
        "    big_init(&big);\n    small_init(&small);\n"
        "    (void)small_step(&small, one, NULL);\n"
        "    return small_spike(&small, 0, 0) * 10 + BIG_LAYERS;\n}\n"
    )
    parts = [f"{name}/{part}.c" for name in ("big", "small") for part in ("network", "weights")]
    words = [compilers()[0], "-std=c99", "-Wall", "-Werror", "-include", "stddef.h", "own.c"]
    subprocess.run([*words, *parts, "-o", "own"], cwd=tmp_path, check=True)
    assert subprocess.run([tmp_path / "own"]).returncode == 12


@pytest.mark.parametrize("prefix", ["", "Gait", "2d", "a_b", "step", "a" * 21, "x;", "nc\n"])
def test_a_prefix_that_no_name_begins_with_is_refused(prefix):
    with pytest.raises(BadInput, match=r"cannot begin with .* such as --prefix gait; not step"):
        check_prefix(prefix)


def test_only_names_get_another_prefix():
    source = 'nc_init(NC_OK, v_nc_1, "nc_1 \\"NC_2"); /* NC_STEPS */'
    assert prefixed(source, "kws") == 'kws_init(KWS_OK, v_nc_1, "nc_1 \\"NC_2"); /* KWS_STEPS */'
    assert prefixed(source, "nc") == source


def test_a_check_runs_in_an_emulator_if_asked(built):
    done = make(built[0], "check RUN=echo", compilers()[0])
    assert done.stdout == "./run --check\n"


# --- What was changed is noticed --------------------------------------------------------------


def changed(built, tmp_path, name, old, new):
    """A copy of the folder with some text of a file replaced; what its check says."""
    folder, _ = built
    for path in folder.rglob("*"):
        if path.is_file() and path.name != "run":
            (tmp_path / path.relative_to(folder)).parent.mkdir(exist_ok=True, parents=True)
            (tmp_path / path.relative_to(folder)).write_bytes(path.read_bytes())
    content = (tmp_path / name).read_bytes()
    content = new(content) if callable(new) else content.replace(old, new, 1)
    assert content != (folder / name).read_bytes()
    (tmp_path / name).write_bytes(content)
    done = make(tmp_path, "check OPTIMIZE=-O1", compilers()[0])
    assert done.returncode != 0
    return done.stdout + done.stderr


def test_a_weight_that_was_changed_is_noticed(built, tmp_path):
    first = re.search(rb"nc_w_dense\[\d+\] = \{\s*(-?\d+)", (built[0] / "weights.c").read_bytes())
    said = changed(built, tmp_path, "weights.c", first[0], first[0][: -len(first[1])] + b"3")
    assert "weights.c was changed: the CRC-32 of its tables is " in said


@pytest.mark.parametrize("name", ["inputs", "spikes", "potentials"])
def test_a_vector_that_was_changed_is_noticed(name, built, tmp_path):
    def flip(content):
        return content[:-1] + bytes([content[-1] ^ 1])

    said = changed(built, tmp_path, f"vectors/{name}.bin", None, flip)
    assert f"vectors/{name}.bin was changed: its CRC-32 is " in said


@pytest.mark.parametrize(
    ("old", "new"), [(rb"SAMPLES \d+U", b"SAMPLES 1U"), (rb"STEPS \d+U", b"STEPS 1U")]
)
def test_vectors_of_which_fewer_would_be_compared_are_refused(old, new, built, tmp_path):
    (found,) = re.findall(old, (built[0] / "vectors.h").read_bytes())
    said = changed(built, tmp_path, "vectors.h", found, new)
    assert "vectors.h was changed: vectors/inputs.bin holds other samples or steps" in said


def test_a_layer_that_vectors_h_makes_smaller_takes_no_memory_of_others(built, tmp_path):
    (found,) = re.findall(rb"NC_MOST_NEURONS \d+", (built[0] / "vectors.h").read_bytes())
    said = changed(built, tmp_path, "vectors.h", found, b"NC_MOST_NEURONS 2")
    assert "The vectors end early" in said


@pytest.mark.parametrize("goal", ["check", "sanitize", "digests"])
def test_a_goal_whose_rule_was_changed_does_not_pass_in_silence(goal, built, tmp_path):
    content = (built[0] / "Makefile").read_bytes()
    shutil.copytree(built[0], tmp_path / "c")
    assert content.count(f"\n{goal}:".encode()) == 1
    (tmp_path / "c" / "Makefile").write_bytes(content.replace(f"\n{goal}:".encode(), b"\nx:"))
    assert make(tmp_path / "c", goal, compilers()[0]).returncode != 0


@pytest.mark.parametrize("word", ["--check", "--time"])
def test_vectors_that_are_not_there_are_bad_input(word, built, tmp_path):
    done = subprocess.run([built[0] / "run", word], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("vectors/inputs.bin cannot be read. Start in the folder of")


def test_a_step_that_was_changed_differs_and_the_first_difference_is_named(built, tmp_path):
    _, encoded = built  # the potential of the second layer decays by 100 / 4096: 3996 remain
    said = changed(built, tmp_path, "network.c", b"* 3996", b"* 3995")
    match = re.search(
        r"DIFFERS: layer 'last', sample (\d+), step (\d+), neuron (\d+): potential (-?\d+), "
        r"expected (-?\d+)",
        said,
    )
    assert match, said
    sample, step, neuron, found, expected = map(int, match.groups())
    assert found != expected
    assert 1 <= sample <= encoded.samples
    assert 1 <= step <= encoded.steps
    assert 1 <= neuron <= 7


# --- Inputs from outside ----------------------------------------------------------------------


def outputs_of(network, encoded):
    """Potentials and spikes of the last layer, by the engine, (steps, n) of the first sample."""
    did = fixed.run(network, encoded).recording
    return did.membrane["last"][0], did.spikes["last"][0]


@pytest.mark.parametrize("binary", [False, True])
def test_inputs_from_outside_give_the_outputs_of_the_engine(binary, network, built):
    folder, encoded = built
    spikes = encoded.values["in"][0].reshape(encoded.steps, -1)
    given = (
        spikes.tobytes() if binary else "\n".join(" ".join(map(str, r)) for r in spikes).encode()
    )
    potentials, sent = outputs_of(network, encoded)
    for word, expected in (("--potentials", potentials), ("--spikes", sent)):
        code, said, _ = run(folder, word, *["--binary"] * binary, given=given)
        assert code == 0
        found = [[int(number) for number in line.split()] for line in said.splitlines()]
        assert np.array_equal(found, expected)


def test_a_new_sample_starts_after_as_many_steps_as_asked_for(network, built):
    folder, encoded = built
    spikes = encoded.values["in"][0].reshape(encoded.steps, -1)
    potentials, _ = outputs_of(network, encoded)
    words = ("--potentials", "--binary", "--steps", str(encoded.steps))
    code, said, _ = run(folder, *words, given=spikes.tobytes() * 2)
    found = [[int(number) for number in line.split()] for line in said.splitlines()]
    assert code == 0
    assert np.array_equal(found, np.concatenate([potentials, potentials]))


@pytest.mark.parametrize("binary", [False, True])
def test_a_stream_that_stops_in_the_middle_of_a_step_says_where(binary, built):
    folder, _ = built
    given = bytes(40 + 13) if binary else b"0 " * (40 + 13)
    code, said, error = run(folder, *["--binary"] * binary, given=given)
    assert code == 2
    assert len(said.splitlines()) == 1
    assert error == "The input stops in step 2, after 13 of 40 values.\n"


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ("0 " * 40 + "0 2", "Step 2, value 2 is 2, but an input is within 0..1.\n"),
        ("0 x", "Step 1, value 2 is 'x', which is no whole number.\n"),
        ("-1", "Step 1, value 1 is -1, but an input is within 0..1.\n"),
        ("0 \0 1", "Step 1, value 2 is '', which is no whole number.\n"),
        ("1\0000", "Step 1, value 1 is '1', which is no whole number.\n"),
        ("\x1b[2J", "Step 1, value 1 is '?[2J', which is no whole number.\n"),
        ("0" * 15 + "12", "Step 1, value 1 is 12, but an input is within 0..1.\n"),
        ("0" * 99, f"Step 1, value 1 is '{'0' * 31}', which is no whole number.\n"),
        ("1" * 30, f"Step 1, value 1 is {(1 << 63) - 1}, but an input is within 0..1.\n"),
    ],
)
def test_an_input_that_no_axon_carries_is_refused_by_its_place(given, error, built):
    code, _, said = run(built[0], given=given.encode())
    assert (code, said) == (2, error)


def test_a_number_of_many_digits_is_one_number(built):
    code, said, _ = run(built[0], given=b"0000000000000001 " * 40)
    assert (code, said) == run(built[0], given=b"1 " * 40)[:2]
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("words", [[], ["--binary"]])
def test_an_input_that_cannot_be_read_is_no_empty_input(words, built, tmp_path):
    folder = os.open(tmp_path, os.O_RDONLY)
    done = subprocess.run([built[0] / "run", *words], stdin=folder, capture_output=True, text=True)
    os.close(folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "The input cannot be read in step 1. Give a file or a pipe.\n"


@pytest.mark.parametrize("words", [[], ["--check"], ["--size"]])
def test_an_output_that_nobody_takes_is_no_success(words, built):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [built[0] / "run", *words], cwd=built[0], input=b"0 " * 40, stdout=full,
            stderr=subprocess.PIPE,
        )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == b"The output cannot be written. Give it another place.\n"


@pytest.mark.parametrize(
    "words",
    [
        ["--nothing"], ["--steps"], ["--steps", "0"], ["--time", "x"], ["--check", "a", "b"],
        ["--time", "9" * 30],
    ],
)  # fmt: skip
def test_words_that_it_does_not_know_are_answered_with_its_usage(words, built):
    code, _, said = run(built[0], *words)
    assert code == 2
    assert said.startswith("usage: run --check")


def test_it_tells_its_size_and_its_time(built):
    code, said, _ = run(built[0], "--size")
    table = sum(map(int, re.findall(r"flash +(\d+)", said)))
    assert code == 0
    assert table >= 3 * 2 * 3 * 3 + 7 * 60
    assert run(built[0], "--time", "2")[1].endswith(" steps per second\n")


# --- Numbers beyond their registers -----------------------------------------------------------


def test_a_current_beyond_one_wrap_stops_with_the_layer_and_step_of_the_engine(tmp_path):
    graph = one_synapse(np.full((1, 1600), 254))
    quiet, loud = np.zeros((2, 1600)), np.zeros((2, 1600))
    loud[1] = 1
    with pytest.raises(DoesNotFit, match=r"layer 'out', step 2"):
        fixed.run(graph, rows(loud))
    put(graph, rows(quiet), tmp_path)
    assert make(tmp_path, "run", compilers()[0]).returncode == 0
    code, _, said = run(tmp_path, "--binary", given=loud.astype(np.uint8).tobytes())
    assert code == 3
    assert said == "layer 'out', step 2: a synaptic current is beyond one wrap.\n"


def test_a_readout_that_spikes_stops(tmp_path):
    graph = one_synapse([[254]], readout=True, vth=1)
    put(graph, rows([[0], [0]]), tmp_path)
    assert make(tmp_path, "run", compilers()[0]).returncode == 0
    code, _, said = run(tmp_path, given=b"0 0 1")
    assert code == 3
    assert said == "layer 'out', step 3: the readout reached its threshold.\n"


# --- What is written --------------------------------------------------------------------------


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("count", [1, 2, 7, 8, 33])
def test_packed_weights_take_their_bits_and_are_read_back(bits, count):
    rng = np.random.default_rng(bits)
    weights = rng.integers(-(1 << bits - 1), 1 << bits - 1, count)
    weights[0] = -(1 << bits - 1)  # as wide as they may be, and odd where that can be
    weights[-1] = weights[0] if count == 1 else weights[-1] | (bits > 1)
    unit = 1 << 3
    tables = Tables()
    found = packed(tables, "s", weights * unit)
    total = np.zeros(count, np.int64)
    for plane in found.planes:
        stored = tables.held[plane.table].astype(np.int64)
        if plane.bits < 8:
            place, part = np.arange(count) % plane.fold, np.arange(count) // plane.fold
            stored = (stored[place] >> part * plane.bits) & ((1 << plane.bits) - 1)
        total += stored * plane.up - plane.less
    assert np.array_equal(total << found.unit, weights * unit)
    assert found.packed_bytes <= -(-count * bits // 8)
    assert tables.bytes <= -(-count * (8 if bits == 7 else bits) // 8) + len(found.planes) - 1


@pytest.mark.parametrize("kind", CHIP_NEURONS)
def test_every_neuron_of_a_chip_becomes_c_without_a_rule_of_its_own(kind):
    node = kind((3,), **{name: np.ones((), np.int64) for name in kind.registers})
    names = [f"s{part}" for part in node.inputs]
    links = {
        name: Synapse(Linear(np.full((3, 2), 2, np.int16)), (2,), (3,), into=part)
        for name, part in zip(names, node.inputs, strict=True)
    }
    edges = [edge for name in names for edge in (("in", name), (name, "x"))]
    text = c_network(Graph({"in": SpikeInput((2,)), **links, "x": node}, tuple(edges)), {}).files
    assert "static uint32_t step_x(nc_state *s, const nc_input *input)" in text["network.c"]
    assert kind.__name__ in text["network.c"]


@pytest.mark.parametrize("x", [-8388607, -4097, -4096, -1, 0, 1, 4095, 8388607])
@pytest.mark.parametrize("keep", [0, 1, 2047, 4095, 4096])
def test_a_decay_in_32_bits_is_the_decay_of_the_step(x, keep):
    body = Body("int32_t")
    value = COps(wraps=False).decay(body.define("START"), body.define(str(keep)))
    known = {}
    for name, _, text in body.lines:  # C's division cuts the fraction off, and % has its sign
        text = re.sub(r"\bx\d+\b", lambda found: f"({known[found[0]]})", text)
        known[name] = c_value(text.replace("START", str(x)))
        assert abs(known[name]) < 1 << 31
    assert known[value.name] == decayed(NumpyOps(), np.int64(x), np.int64(keep))


def c_value(text):
    """A chain of + or of * / % from left to right, as C computes it."""
    if " + " in text:
        return sum(int(part.strip("()")) for part in text.split(" + "))
    first, *others = text.split(" ")
    found = int(first.strip("()"))
    for operator, word in zip(others[::2], others[1::2], strict=True):
        number = int(word.strip("()"))
        whole = abs(found) // number * (1 if found >= 0 else -1) if operator != "*" else 0
        found = {"*": found * number, "/": whole, "%": found - whole * number}[operator]
    return found


def test_names_of_layers_become_different_identifiers():
    found = identifiers(["a.b", "a b", "A_b", "for", "3", "ä", "ö"])
    assert len({name.lower() for name in found.values()}) == len(found)
    assert all(re.fullmatch(r"[A-Za-z0-9_]+", name) for name in found.values())
    assert found["for"] == "for"  # only used after a prefix


def test_a_name_is_written_so_that_no_text_of_c_ends_in_it():
    assert literal('a"b\\??/') == r'"a\042b\134\077\077/"'


def test_a_network_whose_names_are_no_c_at_all_is_built(tmp_path):
    graph = one_synapse([[254]])
    names = {"in": "*/ in", "s": 'a"b', "out": "ö\\n??/"}
    nodes = {names[name]: node for name, node in graph.nodes.items()}
    edges = tuple((names[a], names[b]) for a, b in graph.edges)
    encoded = rows([[0], [1]])
    put(Graph(nodes, edges), Encoded({names["in"]: encoded.values["in"]}, 2), tmp_path)
    assert equal_values(make(tmp_path, "check", compilers()[0])) == 4


def test_a_layer_whose_source_sends_often_is_a_product_and_others_go_by_events(network):
    often = c_network(network, {"in": 0.9, "hidden": 0.5})
    assert often.products == ("dense",)  # a convolution always goes by events
    assert c_network(network, {"in": 0.9, "hidden": 0.49}).products == ()


def test_numbers_have_32_bits_where_the_engine_proves_that_they_fit(network):
    assert c_network(network, {}).widths == {"hidden": 32, "last": 32}
    wide = one_synapse([[254]], v_init=0, du=0)
    wide = wide.with_nodes(s=Synapse(Linear(np.full((1, 600000), 254, np.int16)), (600000,), (1,)))
    wide = wide.with_nodes(**{"in": SpikeInput((600000,))})
    assert c_network(wide, {}).widths == {"out": 64}


def test_a_kernel_is_stored_once(network):
    made = c_network(network, {})
    assert made.tables.held["nc_w_conv"].size == 3 * 2 * 3 * 3


def test_a_network_whose_tables_no_compiler_takes_is_refused_by_its_synapse(monkeypatch, network):
    monkeypatch.setattr("neurocompile.bundle.c.tables.MOST_BYTES", 400)
    with pytest.raises(DoesNotFit, match=r"synapse 'dense': with it the tables .* at most 0 MiB"):
        c_network(network, {})


def test_a_file_of_vectors_has_the_header_that_its_readme_describes(built):
    folder, encoded = built
    content = (folder / "vectors" / "potentials.bin").read_bytes()
    head = struct.unpack("<8s6I", content[:32])
    assert head == (b"NCVECTOR", 1, encoded.samples, encoded.steps, 2, 67, 0)
    assert len(content) == 32 + 4 * 67 * encoded.samples * encoded.steps
