"""What README.md of a bundle says of inputs and results, done by a host that has only it."""

import csv
import io
import re
import subprocess

import numpy as np
import pytest
from c_networks import compilers, make, put

from neurocompile.bundle.c.folder import c_bundle
from neurocompile.bundle.lava.folder import lava_bundle
from neurocompile.bundle.units import entering, result, tables
from neurocompile.bundle.vectors import vectors_of
from neurocompile.data.inputs import Encoded, encode, mantissas
from neurocompile.data.samples import Data
from neurocompile.engines import fixed
from neurocompile.engines.decode import potentials, result_of
from neurocompile.ir.fixed import BiasInput, CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import chain
from neurocompile.ir.nodes import Linear
from neurocompile.ir.settings import Decoder, Encoder, Settings

PLAIN = {"du": 4095, "dv": 400, "vth": 900, "bias_mant": 0, "bias_exp": 6, "v_init": 0}
N = 4
WEIGHT = (np.random.default_rng(2).integers(-60, 127, (3, N)) * 2).astype(np.int16)
SYNAPSE = Synapse(Linear(WEIGHT), (N,), (3,))


def network(scale=1000.0, bias=0, offset=0.0, decoder=None):
    """Written biases, neurons and three outputs, which spike where their rate is read."""
    decoder = decoder or Decoder("last")
    rate = decoder.kind == "rate"
    out = {"readout": not rate, "vth": 200 if rate else 131071}
    first = CubaLIF((N,), **{**PLAIN, "bias_mant": np.asarray(bias)})
    nodes = {
        "in": BiasInput((N,), (N,), np.asarray(scale, np.float64)),
        "first": first,
        "s": SYNAPSE,
        'o"ut': CubaLIF((3,), **{**PLAIN, **out}, scale=np.array(0.5), offset=np.asarray(offset)),
    }
    return chain(nodes, Settings(steps=6, encoder=Encoder("current"), decoder=decoder, data=""))


def samples(count=3):
    return np.random.default_rng(4).random((count, N)).round(4)


def bundles(graph):
    """Files of the bundle in C, and of that for Lava."""
    values = mantissas(graph, "in", samples())
    vectors = vectors_of(graph, Encoded({"in": values}, 6))
    return c_bundle(vectors).files, lava_bundle(vectors).files


def table(content):
    """Rows of a .csv file."""
    return list(csv.DictReader(io.StringIO(content.decode())))


def test_what_differs_from_neuron_to_neuron_is_in_tables_that_a_host_reads():
    scale, bias, offset = [10.0, 20.1, 0.3, 40.0], [0, 1, -2, 3], [0.1, 0.2, 0.3]
    graph = network(scale, bias, offset)
    for files in bundles(graph):
        rows, x = table(files["inputs.csv"]), samples()
        held = {key: np.array([float(row[key]) for row in rows]) for key in ("scale", "bias")}
        made = np.rint(held["scale"] * x) + held["bias"]
        np.testing.assert_array_equal(made, mantissas(graph, "in", x))
        rows, whole = table(files["outputs.csv"]), np.arange(3).reshape(1, 1, 3)
        assert {row["layer"] for row in rows} == {'o"ut'}
        held = {key: np.array([float(row[key]) for row in rows]) for key in ("scale", "offset")}
        floats = whole * held["scale"] + held["offset"]
        np.testing.assert_array_equal(floats, potentials(graph, 'o"ut', whole))
        text = files["README.md"].decode()
        assert "A mantissa is round(scale * x) + bias for a value x," in text
        assert "| 3 | 0.5 | in outputs.csv |" in text


def test_what_is_the_same_for_all_neurons_is_on_the_page_alone():
    for files in bundles(network(1000.0, 7, 0.25)):
        assert not [name for name in files if name.endswith(".csv")]
        text = files["README.md"].decode()
        assert "A mantissa is round(1000 * x) + 7 for a value x," in text
        assert "| 3 | 0.5 | 0.25 |" in text
    assert "round(1000 * x) for a value x" in entering(network())


def test_a_payload_is_made_of_a_value_as_the_page_says():
    settings = Settings(steps=5, encoder=Encoder("sequence", 100.7), data="")
    nodes = {"in": SpikeInput((N,), payload_bits=12), "s": SYNAPSE, "out": CubaLIF((3,), **PLAIN)}
    graph, x = chain(nodes, settings), np.random.default_rng(1).normal(size=(2, 5, N))
    said = re.search(
        r"A payload is (\S+) \* x in floats of 64 bits, .* even, .* lies in -2048..2047",
        " ".join(entering(graph).split()),
    )
    made = encode(graph, Data("x", "x", x), 0, 2, 5, 0).values["in"]
    np.testing.assert_array_equal(np.rint(float(said[1]) * x), made)
    assert tables(graph, ["out"]) == {}


def test_spikes_that_a_host_draws_or_holds_are_told_apart():
    nodes = {"in": SpikeInput((N,)), "s": SYNAPSE, "out": CubaLIF((3,), **PLAIN)}
    drawn = chain(nodes, Settings(encoder=Encoder("bernoulli", 0.25), data=""))
    assert "spikes with the probability 0.25 * x, drawn anew in each step" in entering(drawn)
    assert entering(chain(nodes)) == "Samples hold them already (encoder `spikes`)."
    assert result(chain(nodes)) == "No result is defined: the network has no decoder."


UNITS = ", in the units of the trained network"


@pytest.mark.parametrize(
    ("kind", "says", "read"),
    [
        ("rate", "what it sends in a step, as the mean over the steps", lambda p: p.mean(axis=1)),
        ("last", f"its potential after the last step{UNITS}", lambda p: p[:, -1] * 0.5),
        ("max", f"its largest potential after any step{UNITS}", lambda p: (p * 0.5).max(axis=1)),
        ("mean", f"its mean potential over the steps{UNITS}", lambda p: (p * 0.5).mean(axis=1)),
    ],
)
def test_a_host_reads_the_result_as_the_page_says(kind, says, read, tmp_path):
    graph = network(decoder=Decoder(kind, 2.0, 1.0, "classification"))
    encoded = Encoded({"in": mantissas(graph, "in", samples())}, 6)
    put(graph, encoded, tmp_path)
    page = " ".join((tmp_path / "README.md").read_text().split())
    assert f"is for each neuron {says}, times 2, plus 1. The class is the neuron with" in page
    assert make(tmp_path, "run", compilers()[0]).returncode == 0
    given = np.repeat(encoded.values["in"], 6, axis=0).astype("<i2").tobytes()
    words = [str(tmp_path / "run"), "--binary", "--steps", "6"]
    done = subprocess.run(words, input=given, capture_output=True)
    printed = np.array([line.split() for line in done.stdout.splitlines()], int).reshape(3, 6, 3)
    assert len(np.unique(read(printed))) > 3
    expected = result_of(graph, fixed.run(graph, encoded).recording)
    np.testing.assert_array_equal(2 * read(printed) + 1, expected)
