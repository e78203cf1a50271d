"""A network as source for Lava: the bits of the engine where neurocompile cannot be imported."""

import ast
import hashlib
import json
import shutil
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from c_networks import input_of, networks
from lava_bundles import equal_values, put, run
from random_graphs import fixed_graph

import neurocompile as nc
from neurocompile.bundle.lava import run as program
from neurocompile.bundle.lava.folder import lava_bundle
from neurocompile.bundle.vectors import vectors_of
from neurocompile.compiler import compile_graph
from neurocompile.data.inputs import Encoded, encode
from neurocompile.data.samples import load_data
from neurocompile.engines import fixed
from neurocompile.engines.lava.plan import RESET_FRESH, RESET_LIFRESET
from neurocompile.errors import DoesNotFit, Unsupported
from neurocompile.ir.chip_neurons import CHIP_NEURONS, TernaryLIF
from neurocompile.ir.fixed import BiasInput, ChipNeuron, CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import Graph, chain
from neurocompile.ir.nodes import Linear

ROOT = Path(__file__).parents[2]
# Together they have all neurons of a chip, always-on axons that start early, delays of every form,
# written biases, loops, payloads and two sums of one neuron.
SEEDS = (2, 3, 6, 12, 20, 22, 52, 55)
SETTLED = (0, 1, 2, 8)  # seeds of chains whose samples follow each other in one network
STEPS = 12


def short(graph, encoded):
    """The first steps of two samples."""
    return Encoded(
        {
            name: value[:2] if isinstance(graph.nodes[name], BiasInput) else value[:2, :STEPS]
            for name, value in encoded.values.items()
        },
        STEPS,
    )


def settled(seed):
    """A network of `fixed_graph` that starts at 0 and waits nowhere."""
    graph = fixed_graph(seed)
    zero = {n: replace(v, v_init=0, readout=False) for n, v in graph.of(ChipNeuron)}
    return graph.with_nodes(**zero, **{n: replace(s, delay=0) for n, s in graph.of(Synapse)})


def plain(weight, **registers):
    """Input, a dense synapse and a population."""
    weight = np.array(weight, np.int16)
    values = {"du": 4095, "dv": 400, "vth": 60, "bias_mant": 0, "bias_exp": 0, "v_init": 0}
    n_out, n_in = weight.shape
    nodes = {
        "in": SpikeInput((n_in,)),
        "s": Synapse(Linear(weight), (n_in,), (n_out,)),
        "out": CubaLIF((n_out,), **{**values, **registers}),
    }
    return chain(nodes)


def spikes(*shape):
    return Encoded(
        {"in": (np.random.default_rng(4).random(shape) < 0.5).astype(np.uint8)}, shape[1]
    )


@pytest.fixture(scope="module")
def network():
    return plain(np.random.default_rng(9).integers(-64, 128, (3, 5)) * 2, v_init=7)


@pytest.fixture(scope="module")
def written(network, tmp_path_factory):
    """A bundle of a small network, and its input."""
    folder, encoded = tmp_path_factory.mktemp("lava") / "b", spikes(2, 6, 5)
    put(network, encoded, folder)
    return folder, encoded


# --- The same bits, without neurocompile ------------------------------------------------------


def test_every_neuron_of_a_chip_has_the_bits_of_the_engine_without_neurocompile(tmp_path):
    kinds, resets, expected = set(), set(), {}
    drawn = [(seed, graph, e) for _, seed, graph, e in map(first_of, SEEDS)]
    drawn += [(f"settled{seed}", settled(seed), input_of(settled(seed), seed)) for seed in SETTLED]
    for name, graph, encoded in drawn:
        made = put(graph, short(graph, encoded), tmp_path / str(name))
        kinds |= {population.kind for population in made.plan.populations}
        resets.add(made.plan.reset)
        neurons = sum(population.size for population in made.plan.populations)
        expected[str(tmp_path / str(name))] = neurons * 2 * 2 * STEPS
    assert kinds == {kind.__name__ for kind in CHIP_NEURONS}
    assert resets == {RESET_FRESH, RESET_LIFRESET}
    done = run(list(map(tmp_path.joinpath, (str(name) for name, _, _ in drawn))), "--check")
    assert equal_values(done) == expected, done.stderr
    assert done.returncode == 0


def first_of(seed):
    """A random network with its input."""
    (found,) = networks(seed, 1)
    return found


def test_the_shipped_autoencoder_has_the_bits_of_the_engine_without_neurocompile(tmp_path):
    model = nc.load(ROOT / "examples/models/mnist_autoencoder.pt")
    graph = compile_graph(model, "loihi-sim").fixed_graph
    steps = graph.settings.steps
    data = load_data("mnist5k").first(2)
    encoded = encode(graph, data, 0, 2, steps, 0)
    put(graph, encoded, tmp_path / "b")
    assert all(
        sent.any() for sent in list(fixed.run(graph, encoded).recording.spikes.values())[:-1]
    )
    done = run(tmp_path / "b", "--check")
    assert equal_values(done) == {str(tmp_path / "b"): 11076 * 2 * 2 * steps}, done.stderr


def test_no_file_of_a_bundle_imports_neurocompile(written):
    sources = sorted(written[0].rglob("*.py"))
    assert len(sources) == 7
    for path in sources:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in getattr(node, "names", [])]
            assert not any("neurocompile" in name for name in names), path
            assert "neurocompile" not in (getattr(node, "module", None) or ""), path


def test_a_network_whose_names_are_no_python_at_all_is_built(tmp_path):
    graph = plain([[254, 2]])
    names = {"in": 'class"\n', "s": "import os; x", "out": "ö'''{a}"}
    nodes = {names[name]: node for name, node in graph.nodes.items()}
    graph = Graph(nodes, tuple((names[a], names[b]) for a, b in graph.edges))
    values = spikes(1, 4, 2).values["in"]
    put(graph, Encoded({names["in"]: values}, 4), tmp_path / "b")
    assert equal_values(run(tmp_path / "b", "--check")) == {str(tmp_path / "b"): 8}


# --- What was changed is noticed --------------------------------------------------------------


def changed(written, folder, name, change):
    """A copy of the folder with one file changed; what its check does."""
    shutil.copytree(written[0], folder)
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(change(content))
    assert (folder / name).read_bytes() != content
    return run(folder, "--check")


@pytest.mark.parametrize("name", ["integers.npz", "vectors/inputs.npz", "vectors/expected.npz"])
def test_a_changed_byte_of_the_numbers_is_noticed(name, written, tmp_path):
    done = changed(written, tmp_path / "b", name, lambda c: c[:-1] + bytes([c[-1] ^ 1]))
    assert done.returncode == 1
    assert f"{name} was changed since neurocompile wrote it" in done.stderr
    assert "equal" not in done.stdout


@pytest.mark.parametrize(
    "name", ["network.py", "modern.py", "processes/recorder.py", "integers.npz"]
)
def test_a_file_without_which_nothing_runs_is_missed_by_its_name(name, written, tmp_path):
    shutil.copytree(written[0], tmp_path / "b")
    (tmp_path / "b" / name).unlink()
    done = run(tmp_path / "b", "--check")
    assert (done.returncode, done.stderr) == (1, f"{name} is missing.\n")


def test_source_that_no_longer_compiles_is_named_before_it_is_imported(written, tmp_path):
    done = changed(written, tmp_path / "b", "network.py", lambda c: c[:60])
    assert done.returncode != 0
    assert done.stderr.startswith("network.py was changed since neurocompile wrote it")


@pytest.mark.parametrize("left", [b"", b"\xff\xfe\0", None])
def test_digests_that_leave_a_file_out_are_noticed(left, written, tmp_path):
    def cut(content):  # the line of the first file is left
        return content[: content.index(b"\n") + 1] if left is None else left

    done = changed(written, tmp_path / "b", "SHA256SUMS", cut)
    assert done.returncode == 1
    assert "SHA256SUMS was changed: it does not list " in done.stderr
    assert "vectors/expected.npz" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "name", ["../../x", "/etc/passwd", "9" * 5000, "a\x1b[2Jb", "\N{RIGHT-TO-LEFT OVERRIDE}x"]
)
def test_digests_of_what_is_no_file_of_a_bundle_are_not_looked_up(name, written, tmp_path):
    done = changed(written, tmp_path / "b", "SHA256SUMS", lambda c: c + f"0  {name}\n".encode())
    assert done.returncode == 1
    assert done.stderr == f"SHA256SUMS was changed: it lists {name[:100]!a}, no file here.\n"


def test_a_check_reads_no_file_but_numbers_and_source(written, tmp_path):
    done = changed(written, tmp_path / "b", "bundle.json", lambda c: c[:40])
    assert done.returncode == 0, done.stderr
    assert "bundle.json was changed" in done.stderr
    assert "values equal" in done.stdout


def test_a_changed_register_is_named_by_its_first_difference(network, written, tmp_path):
    done = changed(
        written, tmp_path / "b", "network.py", lambda c: c.replace(b"dv=400", b"dv=1400")
    )
    assert done.returncode == 1
    assert "network.py was changed since neurocompile wrote it" in done.stderr
    ours = fixed.run(network.with_nodes(out=replace(network.nodes["out"], dv=1400)), written[1])
    right = fixed.run(network, written[1]).recording
    differs = {
        "spike": ours.recording.spikes["out"] != right.spikes["out"],
        "potential": ours.recording.membrane["out"] != right.membrane["out"],
    }
    sample, step, _ = map(int, np.argwhere(differs["spike"] | differs["potential"])[0])
    first = f"DIFFERS: layer 'out', sample {sample}, step {step + 1}, neuron "
    assert first in done.stdout
    count = sum(int(each.sum()) for each in differs.values())
    assert f"{count} of {right.membrane['out'].size * 2} values differ" in done.stdout


def test_a_comment_in_the_network_changes_no_value(written, tmp_path):
    done = changed(written, tmp_path / "b", "network.py", lambda c: c + b"# mine\n")
    assert done.returncode == 0
    assert "network.py was changed" in done.stderr
    assert "values equal" in done.stdout


# --- Inputs from outside, and boards ----------------------------------------------------------


def test_samples_from_outside_give_what_the_engine_gives(network, written, tmp_path):
    encoded = spikes(3, 9, 5)
    np.savez(tmp_path / "in.npz", spikes=encoded.values["in"])
    done = run(written[0], "--input", tmp_path / "in.npz", "--to", tmp_path / "out.npz")
    assert done.returncode == 0, done.stderr
    right = fixed.run(network, encoded).recording
    with np.load(tmp_path / "out.npz") as found:
        assert np.array_equal(found["out.spikes"], right.spikes["out"])
        assert np.array_equal(found["out.potentials"], right.membrane["out"])
    assert f"layer 'out': {int(right.spikes['out'].sum())} messages" in done.stdout


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"x": np.zeros((1, 2, 5))}, "holds x. Give a .npz file with the key spikes"),
        ({"spikes": np.zeros((1, 2, 4), int)}, "expected (samples, steps, 5)"),
        ({"spikes": np.zeros((0, 2, 5), int)}, "holds no sample"),
        ({"spikes": np.zeros((1, 2, 5))}, "expected whole numbers"),
        ({"spikes": np.full((1, 2, 5), 2)}, "is within 2..2, but an input is within 0..1"),
    ],
)
def test_an_input_that_does_not_fit_is_refused_in_a_sentence(arrays, said, written, tmp_path):
    np.savez(tmp_path / "in.npz", **arrays)
    done = run(written[0], "--input", tmp_path / "in.npz")
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: b"",
        lambda whole: b"1 0 1\n",
        lambda whole: whole[:-30],
        lambda whole: whole[:90] + bytes([255 - whole[90]]) + whole[91:],
        lambda whole: b"\x93NUMPY" + whole,
    ],
)
def test_a_damaged_input_is_refused_in_a_sentence(damage, written, tmp_path):
    np.savez_compressed(tmp_path / "in.npz", spikes=spikes(3, 9, 5).values["in"])
    whole = (tmp_path / "in.npz").read_bytes()
    (tmp_path / "in.npz").write_bytes(damage(whole))
    done = run(written[0], "--input", tmp_path / "in.npz")
    assert done.returncode == 2
    assert "cannot be read as a .npz file (" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_digest_needs_no_memory_for_a_large_file(tmp_path):
    with (tmp_path / "large").open("wb") as file:
        file.truncate(64 << 20)
    tracemalloc.start()
    found = program._sha256(tmp_path / "large")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found == hashlib.sha256(bytes(64 << 20)).hexdigest()
    assert most < 8 << 20


def test_an_output_that_cannot_be_written_is_said_in_a_sentence(written, tmp_path):
    np.savez(tmp_path / "in.npz", spikes=spikes(1, 2, 5).values["in"])
    done = run(written[0], "--input", tmp_path / "in.npz", "--to", "/dev/full")
    assert done.returncode == 2
    assert done.stderr == "/dev/full was not written: No space left on device.\n"
    done = run(written[0], "--input", tmp_path / "in.npz", "--to", tmp_path / "in.npz")
    assert done.returncode == 2
    assert "is the file of --input" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "Give either --check or --input"),
        (("--check", "--to", "x.npz"), "belong to --input"),
        (("--input", "x.npz", "--to", "no/such/folder.npz"), "cannot be written"),
        (("--input", "x.npz"), "cannot be read"),
    ],
)
def test_words_without_an_effect_are_refused(words, said, written):
    done = run(written[0], *words)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert said in done.stderr


def test_biases_from_outside_run_for_as_many_steps_as_asked_for(tmp_path):
    graph = chain(
        {
            "in": BiasInput((4,), (4,), scale=1.0),
            "out": CubaLIF((4,), 4095, 300, 90, 0, 3, 0),
        }
    )
    values = np.random.default_rng(1).integers(-900, 900, (2, 4)).astype(np.int16)
    put(graph, Encoded({"in": values}, 6), tmp_path / "b")
    np.savez(tmp_path / "in.npz", biases=values[::-1])
    words = ("--input", tmp_path / "in.npz", "--to", tmp_path / "out.npz")
    assert run(tmp_path / "b", *words, "--steps", "11").returncode == 0
    right = fixed.run(graph, Encoded({"in": values[::-1]}, 11)).recording
    with np.load(tmp_path / "out.npz") as found:
        assert np.array_equal(found["out.spikes"], right.spikes["out"])
        assert np.array_equal(found["out.potentials"], right.membrane["out"])
    assert right.spikes["out"].any()


def test_potentials_may_be_left_out_as_a_board_needs_it(written):
    done = run(written[0], "--check", "--spikes-only")
    assert equal_values(done) == {str(written[0]): 2 * 6 * 3}
    assert "values equal: spikes of 1 layers" in done.stdout


def test_without_a_board_hardware_is_refused_in_a_sentence(written):
    done = run(written[0], "--check", "--hardware")
    assert done.returncode == 4
    assert done.stderr.startswith("Loihi2HwCfg cannot be used: ")
    assert len(done.stderr.splitlines()) == 1


def test_a_worker_that_fails_ends_the_run_with_its_reason(written, tmp_path):
    done = changed(
        written,
        tmp_path / "b",
        "processes/source.py",
        lambda c: c.replace(b"row = self.time_step", b"row = self.no_such_thing"),
    )
    assert done.returncode == 70
    assert "no_such_thing" in done.stderr


# --- What is written --------------------------------------------------------------------------


def test_the_readme_says_what_was_never_tried(written):
    text = (written[0] / "README.md").read_text()
    assert "**Never tried: silicon.**" in text
    assert "prints `all 72 values equal`" in text


def test_neurons_of_our_own_are_named(network):
    ours = network.with_nodes(out=replace(network.nodes["out"], reset="subtract"))
    made = lava_bundle(vectors_of(ours, spikes(1, 4, 5)))
    assert made.network.ours == ("SubtractLIF",)
    assert "Not stock: SubtractLIF" in made.files["README.md"].decode()
    assert (
        "Not stock"
        not in lava_bundle(vectors_of(network, spikes(1, 4, 5))).files["README.md"].decode()
    )


def test_the_same_network_gives_the_same_bytes(network, written):
    again = lava_bundle(vectors_of(network, written[1])).files
    assert {name: (written[0] / name).read_bytes() for name in again} == again
    listed = json.loads((written[0] / "bundle.json").read_text())["files"]
    assert set(listed) == set(again)


def test_what_lava_has_no_process_for_is_refused_by_name():
    graph = plain([[254], [254]])
    node = TernaryLIF((2,), 4095, 0, np.array([5, 6]), -5, 0, 0, 0)
    with pytest.raises(Unsupported, match=r"layer 'out': its vth_hi differs between neurons"):
        lava_bundle(vectors_of(graph.with_nodes(out=node), spikes(1, 4, 1)))


def test_vectors_in_which_a_readout_spikes_are_refused():
    with pytest.raises(DoesNotFit):
        lava_bundle(vectors_of(plain([[254]], readout=True, vth=1), spikes(1, 6, 1)))
