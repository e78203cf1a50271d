"""`neurocompile faults` as a user calls it, and the same from Python."""

import json

import numpy as np
import pytest
from gate_networks import network, samples, write

import neurocompile as nc
from neurocompile.errors import BadInput
from neurocompile.faults import KINDS
from neurocompile.formats.json_files import fault_in, schema

ON_ONE_CORE = [kind for kind in KINDS if kind != "silent-cores"]
FEW = ("--draws", 3, "--share", 0.05, "--quiet")


@pytest.fixture(scope="module")
def gate(tmp_path_factory):
    """An export of a small network, with its samples in a file."""
    folder = tmp_path_factory.mktemp("faults")
    np.savez(folder / "images.npz", x=samples())
    return write(folder / "gate", network(), folder / "images.npz")


def test_the_first_line_of_a_kind_is_the_network_as_export_ran_it(exported, call):
    directory, report = exported
    code, text, _ = call("faults", directory, "--kind", "weight-flips", *FEW, "--json")
    assert code == 0
    found = json.loads(text)
    assert fault_in(schema("neurocompile.faults", "schema.json"), found) == ""
    assert found["sound"]["mse"] == report["reconstruction"]["mse_fixed"]
    assert found["sound"]["joules"] == report["energy"]["per_sample_j"]["nominal_j"]
    assert (found["samples"], found["steps"], found["seed"]) == (12, 8, 0)
    assert found["fixed_graph"] == report["provenance"]["digests"]["fixed_graph"]


def test_the_tables_fit_80_columns_and_have_a_line_for_each_share(gate, call, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    kinds = [word for kind in ON_ONE_CORE for word in ("--kind", kind)]
    shares = ["--share", 0, "--share", 0.5]
    code, text, stderr = call("faults", gate, *kinds, *shares, "--draws", 3, "--quiet")
    assert (code, stderr) == (0, "")
    assert max(map(len, text.splitlines())) <= 80
    for kind in ON_ONE_CORE:
        assert f"\n{kind}, of " in f"\n{text}"
        assert KINDS[kind] in " ".join(text.split())
    rows = [line.split() for line in text.splitlines() if line.startswith(("none ", "0 ", "0.5 "))]
    assert [row[0] for row in rows] == ["none", "0", "0.5"] * len(ON_ONE_CORE)
    # Without a hit, the error, spikes and joules are those of the network without faults.
    for sound, zero in zip(rows[::3], rows[1::3], strict=True):
        assert zero[1:3] == sound[1:3]
        assert zero[6:9] == sound[4:7]
    assert "The factor is 1.25." in text


def test_every_draw_is_written_to_a_file_which_is_the_document(gate, call, tmp_path):
    out = tmp_path / "draws.json"
    arguments = ("faults", gate, "--kind", "dead-neurons", *FEW, "--out", out)
    code, text, _ = call(*arguments)
    assert code == 0
    assert text.endswith(f"every draw: {out}\n")
    written = out.read_bytes()
    code, _, stderr = call(*arguments)
    assert (code, out.read_bytes()) == (2, written)
    assert "replace it (--force)" in stderr
    code, text, _ = call(*arguments, "--force", "--json")
    assert (code, text.encode(), out.read_bytes()) == (0, written, written)
    code, text, _ = call(*arguments[:-2], "--fault-seed", 1, "--json")
    assert json.loads(text)["faults"] != json.loads(written)["faults"]


def test_a_wider_drift_is_worse(gate, call):
    errors = []
    for factor in (1.01, 4):
        drift = ("--kind", "threshold-drift", "--share", 0.5, "--draws", 3, "--factor", factor)
        code, text, _ = call("faults", gate, *drift, "--json")
        (row,) = json.loads(text)["faults"]
        assert (code, row["factor"]) == (0, factor)
        errors.append(row["difference"]["mean"])
    assert errors[0] < errors[1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Missing option '--kind'"),
        (("--kind", "weight-flip"), "Did you mean 'weight-flips'?"),
        (("--kind", "weight-flips", "--share", 1.5), "1.5 is not in the range 0<=x<=1"),
        (("--kind", "weight-flips", "--share", "nan"), "the share is nan, allowed are numbers"),
        (("--kind", "weight-flips", "--draws", 0), "0 is not in the range"),
        (("--kind", "weight-flips", "--factor", 2), "Add --kind threshold-drift"),
        (("--kind", "threshold-drift", "--factor", "nan"), "finite numbers above 0"),
        (("--kind", "silent-cores"), "silent-cores: this network is on 1 core"),
        (("--kind", "membrane-flips", "--steps", 1), "a sample has 1 step"),
    ],
)
def test_what_cannot_be_done_is_refused_with_what_to_do(gate, call, arguments, said):
    code, text, stderr = call("faults", gate, *arguments)
    assert (code, text) == (2, "")
    assert said in " ".join(stderr.split())


def test_an_export_without_data_needs_some(gate, call, tmp_path):
    bare = write(tmp_path / "bare", network(), "", samples=0)
    code, _, stderr = call("faults", bare, "--kind", "weight-flips", *FEW)
    assert code == 2
    assert "this model names no data. Choose some, data= (--data)" in stderr
    given = ("--data", gate.parent / "images.npz", "--samples", 2)
    code, text, _ = call("faults", bare, "--kind", "weight-flips", *FEW, *given, "--json")
    assert (code, json.loads(text)["samples"]) == (0, 2)


def test_python_gives_the_document_of_the_command(gate, call):
    graph = nc.load(gate / "fixed.onnx")
    compiled = nc.compile(graph, "loihi-sim", data=gate.parent / "images.npz")
    found = compiled.faults("weight-flips", "membrane-flips", share=(0.01, 0.05), draws=2, seed=4)
    code, text, _ = call(
        "faults", gate, "--kind", "weight-flips", "--kind", "membrane-flips",
        "--share", 0.05, "--share", 0.01, "--draws", 2, "--fault-seed", 4, "--json",
    )  # fmt: skip
    assert (code, json.loads(text)) == (0, found)
    with pytest.raises(BadInput, match="no kind of faults"):
        compiled.faults()
    other = compiled.faults("weight-flips", draws=1, data=nc.Data("zeros", "x", 0 * samples()[:2]))
    assert (other["data"], other["samples"], other["faults"][0]["share"]) == ("zeros", 2, 0.01)
