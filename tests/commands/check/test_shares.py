"""The effect of each changed layer on the error, by itself."""

import json
from dataclasses import replace

import gate_networks as gate
import numpy as np
import pytest

from neurocompile.commands.check.shares import shares
from neurocompile.ir.fixed import AlwaysOn, Synapse
from neurocompile.ir.graph import Graph
from neurocompile.ir.nodes import Linear


@pytest.fixture(scope="module")
def kept(small):
    """A baseline that kept its network."""
    from click.testing import CliRunner

    from neurocompile.cli import main

    file = small / "kept" / "base.json"
    arguments = ["check", small / "small", "--baseline", file, "--update", "--keep-network"]
    done = CliRunner().invoke(main, [*map(str, arguments), str(small / "kept" / "network.onnx")])
    assert done.exit_code == 0, done.output
    return file


def two_faults(graph):
    return gate.transposed(gate.more("conv3", "weight_exp", -1)(graph))


def error(call, folder):
    return json.loads(call("simulate", folder, "--engine", "fixed", "--json")[1])["mse_fixed"]


def test_each_changed_layer_is_judged_by_itself_the_worst_first(kept, small, tmp_path, call):
    make = {"lif2": gate.transposed, "lif3": gate.more("conv3", "weight_exp", -1)}
    by_hand = {
        name: error(call, gate.write(tmp_path / name, one(gate.network()), small / "x.npz"))
        for name, one in make.items()
    }
    bad = gate.write(tmp_path / "bad", two_faults(gate.network()), small / "x.npz")
    code, text, _ = call("check", bad, "--baseline", kept, "--json")
    alone = {row["layer"]: row["now"] for row in json.loads(text)["alone"]}
    assert code == 1
    assert alone == by_hand
    assert list(alone) == sorted(by_hand, key=lambda name: -by_hand[name])
    text = call("check", bad, "--baseline", kept, "--format", "github")[1]
    assert text.startswith("::error title=lif2.error::only lif2 changed: reconstruction error 0.4")


def test_without_the_kept_network_the_error_is_that_of_all_together(small, tmp_path, call):
    bad = gate.write(tmp_path / "bad", two_faults(gate.network()), small / "x.npz")
    code, text, stderr = call("check", bad, "--baseline", small / "base.json", "--json")
    assert (code, json.loads(text)["alone"]) == (1, [])
    assert "together with the other differences: reconstruction error" in stderr


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda file: file.unlink(), "which is not there"),
        (lambda file: file.write_bytes(b"no onnx"), "network.onnx"),
        (lambda file: other(file), "is not the network of its baseline"),
    ],
)
def test_a_kept_network_that_is_not_the_one_of_the_baseline_is_refused(
    make, said, kept, small, tmp_path, call
):
    file = tmp_path / "base.json"
    file.write_bytes(kept.read_bytes())
    network = tmp_path / "network.onnx"
    network.write_bytes((kept.parent / "network.onnx").read_bytes())
    make(network)
    bad = gate.write(tmp_path / "bad", two_faults(gate.network()), small / "x.npz")
    code, _, stderr = call("check", bad, "--baseline", file)
    assert code == 2
    assert said in stderr


def other(file):
    from neurocompile.formats.onnx.write import save_onnx

    save_onnx(gate.one_weight(gate.network()), file)


def test_a_bias_that_becomes_an_axon_belongs_to_its_layer():
    old = gate.network()
    synapse = Synapse(Linear(np.full((64, 1), 2)), (1,), (64,))
    nodes = {"axon": AlwaysOn(), "bias": synapse, **old.nodes}
    nodes["lif2"] = replace(old.nodes["lif2"], bias_mant=0)
    nodes["lif3"] = replace(old.nodes["lif3"], vth=400)
    now = Graph(nodes, (*old.edges, ("axon", "bias"), ("bias", "lif2")), old.settings)
    seen = []
    shares(old, now, ["lif2", "bias", "axon", "lif3"], lambda graph: seen.append(graph))
    with_axon, without = seen
    assert set(with_axon.nodes) == set(now.nodes)
    assert with_axon.nodes["lif2"] is nodes["lif2"]
    assert with_axon.nodes["lif3"] is old.nodes["lif3"]
    assert set(without.nodes) == set(old.nodes)
    assert without.nodes["lif3"] is nodes["lif3"]
    back = []
    shares(now, old, ["lif2"], lambda graph: back.append(graph))
    assert set(back[0].nodes) == set(old.nodes)
