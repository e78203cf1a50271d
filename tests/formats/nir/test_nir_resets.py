"""The reset of a NIR file, which NIR does not hold: given, of the program named, or said."""

import nir
import numpy as np
import pytest
from test_nir_read import between, cuba, lif, vector

from neurocompile.formats.nir.read import from_nir, read_nir
from neurocompile.formats.nir.write import write_nir
from neurocompile.ir.reference import run_float

DT = 1e-3
IF = nir.IF(vector(1.0), vector(1.0))


def resets_assumed(graph):
    return [each.sentence for each in graph.settings.assumed if each.key == "reset"]


def with_metadata(node, metadata):
    tree = between(node, (2,))
    tree["node"]["metadata"] = metadata
    return tree


@pytest.mark.parametrize("node", [lif(), cuba(), IF])
def test_a_reset_that_nobody_says_is_zero_and_said(node):
    graph = from_nir(between(node, (2,)), dt=DT)
    assert graph.nodes["x"].reset == "zero"
    (sentence,) = resets_assumed(graph)
    assert sentence.startswith(
        "reset zero: at a spike of layer 'x' v goes to v_reset: the file does not say it"
    )
    assert sentence.endswith(
        "reset='zero' or reset='subtract' (--reset), as the network was trained."
    )


@pytest.mark.parametrize("reset", ["zero", "subtract"])
@pytest.mark.parametrize("node", [lif(), cuba(), IF])
def test_a_reset_that_is_given_is_taken_by_every_neuron_and_not_assumed(node, reset):
    graph = from_nir(between(node, (2,)), dt=DT, reset=reset)
    assert graph.nodes["x"].reset == reset
    assert resets_assumed(graph) == []


@pytest.mark.parametrize(
    ("metadata", "reset", "program"),
    [
        ({"framework": "snnTorch 0.9"}, "subtract", "snnTorch"),
        ({"sinabs": "2.0"}, "subtract", "Sinabs"),
        ({"model": "rockpool"}, "subtract", "Rockpool"),
        ({"exporter": "norse"}, "zero", "Norse"),
        ({"exporter": "SpikingJelly"}, "zero", "SpikingJelly"),
    ],
)
def test_where_the_metadata_name_the_program_its_default_is_taken_and_said(
    metadata, reset, program
):
    graph = from_nir(with_metadata(cuba(), metadata), dt=DT)
    assert graph.nodes["x"].reset == reset
    (sentence,) = resets_assumed(graph)
    assert f"reset {reset}: at a spike of layer 'x' v " in sentence
    assert f"the default of {program}, which the file's metadata name" in sentence


def test_metadata_of_a_node_name_the_program_too():
    tree = between(lif(), (2,))
    tree["node"]["nodes"]["x"]["metadata"] = {"from": "snnTorch"}
    assert from_nir(tree, dt=DT).nodes["x"].reset == "subtract"


def test_a_file_that_names_a_level_to_reset_to_says_its_reset():
    graph = from_nir(between(lif(v_reset=-0.5), (2,)), dt=DT)
    assert graph.nodes["x"].reset == "zero"
    assert resets_assumed(graph) == []
    assert from_nir(with_metadata(lif(v_reset=-0.5), {"framework": "snntorch"}), dt=DT).nodes[
        "x"
    ].reset == ("zero")


def test_nothing_is_assumed_where_no_reset_is_to_be_seen():
    """tau = dt: v is v_leak + R I in every step, whatever was left of it."""
    assert resets_assumed(from_nir(between(lif(tau=DT), (2,)), dt=DT)) == []
    readout = nir.LI(vector(0.01), vector(1.0), vector(0.0))
    assert resets_assumed(from_nir(between(readout, (2,)), dt=DT)) == []


def test_a_reset_that_was_assumed_stands_in_every_file_written_from_it(tmp_path):
    import onnx

    from neurocompile.formats.load_onnx import from_onnx
    from neurocompile.formats.onnx.write import to_onnx

    graph = from_nir(with_metadata(cuba(), {"by": "snntorch"}), dt=DT)
    (sentence,) = resets_assumed(graph)
    write_nir(graph, tmp_path / "again.nir", keep_subtract=True)
    again = read_nir(tmp_path / "again.nir")
    assert resets_assumed(again) == [sentence]
    onnx.save(to_onnx(graph), tmp_path / "again.onnx")
    assert resets_assumed(from_onnx(onnx.load(tmp_path / "again.onnx"))) == [sentence]


def test_a_current_based_neuron_subtracts_its_threshold_by_hand():
    """i and v keep half: 3 arrives; v = 1.5 > 1 leaves 0.5; i = 1.5: v = 1; i = 0.75: v = 0.875."""
    node = cuba(tau_syn=2 * DT, tau_mem=2 * DT, w_in=2.0)
    graph = from_nir(between(node, (2,)), dt=DT, reset="subtract")
    x = np.zeros((3, 2))
    x[0] = 3.0
    fired, potentials = run_float(graph, x)
    assert fired["x"][:, 0].tolist() == [True, False, False]
    assert potentials["x"][:, 0].tolist() == [0.5, 1.0, 0.875]


def test_sinabs_integrate_and_fire_neurons_come_back_with_its_spikes():
    """As its source has them: v + x, a spike at v >= th, v - th; R = 1 for each neuron."""
    rng = np.random.default_rng(4)
    x = rng.uniform(-0.4, 0.9, (60, 2))
    v, spikes = np.zeros(2), []
    for now in x:
        v = v + now
        z = v >= 1.0
        v = v - z
        spikes.append(z)
    graph = from_nir(between(IF, (2,)), dt=DT, reset="subtract")
    fired, _ = run_float(graph, x)
    np.testing.assert_array_equal(fired["x"], spikes)
    assert np.sum(spikes) > 20
