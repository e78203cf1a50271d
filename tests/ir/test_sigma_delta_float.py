"""Sigma-delta neurons of the FLOAT vocabulary: by hand, in every engine and file."""

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

import neurocompile as nc
from neurocompile.data.inputs import check_data, float_input
from neurocompile.data.samples import Data
from neurocompile.engines.floating import run_float
from neurocompile.errors import BadInput, Unsupported
from neurocompile.formats.nir.write import to_nir
from neurocompile.formats.onnx.write import to_onnx
from neurocompile.ir import reference
from neurocompile.ir.graph import chain, same
from neurocompile.ir.neurons import DeltaEncoder, SigmaDeltaReLU, SigmaReadout
from neurocompile.ir.nodes import Input, Linear
from neurocompile.ir.verify import verify
from neurocompile.nn import Delta, Sigma, SigmaDelta
from neurocompile.simplify import simplify

STEPS = 12
SETTINGS = nc.Settings(
    steps=STEPS, dt=1e-3, encoder=nc.Encoder("sequence", 0.5), decoder=nc.Decoder("last")
)


def network(seed=0):
    """Values, a hidden layer with a bias, a readout with a bias."""
    rng = np.random.default_rng(seed)

    def some(*shape):
        return rng.normal(size=shape).astype(np.float32)

    nodes = {
        "in": Input((3,)),
        "changes": DeltaEncoder(np.float32(0.1)),
        "w1": Linear(some(5, 3)),
        "hidden": SigmaDeltaReLU(some(5), np.float32(0.2)),
        "w2": Linear(some(2, 5)),
        "out": SigmaReadout(some(2)),
    }
    return chain(nodes, SETTINGS)


def values(n=4, seed=1):
    """Slow values, (n, steps, 3)."""
    return np.random.default_rng(seed).normal(size=(n, STEPS, 3)).cumsum(axis=1) / 5


def alone(neuron, *xs):
    """What one neuron gives for a value in each step."""
    graph = chain({"in": Input((1,)), "x": neuron})
    outs, potentials = reference.run_float(graph, np.array(xs)[:, None])
    return outs["x"][:, 0].tolist(), potentials["x"][:, 0].tolist()


def test_a_delta_encoder_sends_a_change_that_reaches_its_threshold():
    # 0.25 is below 0.5; 0.5 reaches it; 0.75 is 0.25 more; -0.5 is 1 less than what was sent
    sent, held = alone(DeltaEncoder(0.5), 0.25, 0.5, 0.75, -0.5)
    assert sent == [0, 0.5, 0, -1]
    assert held == [0.25, 0.5, 0.75, -0.5]


def test_a_sigma_delta_neuron_starts_from_its_bias_and_sends_its_rectified_sum():
    # v = 1 + 0.5, less 2.5, plus 1.25: rectified 1.5, 0, 0.25, of which the last is too little
    sent, held = alone(SigmaDeltaReLU(1.0, 0.5), 0.5, -2.5, 1.25)
    assert sent == [1.5, -1.5, 0]
    assert held == [1.5, -1.0, 0.25]


def test_a_sigma_readout_holds_its_bias_and_all_that_arrived():
    sent, held = alone(SigmaReadout(0.25), 1.0, 0.0, -2.0)
    assert sent == held == [1.25, 1.25, -0.75]


def test_what_was_sent_is_never_a_threshold_away_from_the_activation():
    graph, x = network(), values(1)[0]
    sent, held = reference.run_float(graph, x)
    assert np.abs(sent["changes"].cumsum(axis=0) - held["changes"]).max() < 0.1
    activation = np.maximum(held["hidden"], 0)
    assert np.abs(sent["hidden"].cumsum(axis=0) - activation).max() < 0.2 + 1e-9
    assert 0 < np.count_nonzero(sent["hidden"]) < sent["hidden"].size


def test_the_float_engine_records_payloads_as_the_reference_sends_them():
    graph, x = network(), values()
    found = run_float(graph, x, STEPS, membranes=("hidden", "out"))
    for k, sample in enumerate(x):
        sent, held = reference.run_float(graph, sample)
        assert np.allclose(found.spikes["hidden"][k], sent["hidden"])
        assert np.allclose(found.membrane["out"][k], held["out"])


def test_onnxruntime_runs_the_float_file_to_rounding():
    graph, x = network(), values().astype(np.float32)
    session = onnxruntime.InferenceSession(to_onnx(graph).SerializeToString())
    names = [output.name for output in session.get_outputs()]
    found = dict(zip(names, session.run(None, {"in": x}), strict=True))
    ours = run_float(graph, x, STEPS, membranes=("out",))
    assert np.allclose(found["hidden.spikes"], ours.spikes["hidden"], atol=1e-5)
    assert np.allclose(found["out.membrane"], ours.membrane["out"], atol=1e-5)


def test_a_checkpoint_of_layers_is_the_same_graph(tmp_path):
    torch.manual_seed(0)
    model = nn.Sequential(
        Delta(0.1),
        nn.Linear(3, 5, bias=False),
        SigmaDelta(0.2, torch.randn(5)),
        nn.Linear(5, 2, bias=False),
        Sigma(torch.randn(2)),
    )
    saved = nc.save(model, tmp_path / "m.pt", torch.zeros(STEPS, 1, 3), settings=SETTINGS)
    read = nc.load(tmp_path / "m.pt")
    assert same(saved, read)
    x = values()
    found = run_float(read, x, STEPS, membranes=read.outputs()).membrane[read.outputs()[0]]
    with torch.no_grad():
        theirs = model(torch.tensor(x).float().swapaxes(0, 1)).swapaxes(0, 1)
    assert np.allclose(found, theirs, atol=1e-4)


def test_simplify_puts_one_synapse_before_the_first_layer():
    simple = verify(simplify(network()), "float")
    assert [type(simple.nodes[n]).__name__ for n in ("in_to_changes", "w1")] == ["Sparse", "Linear"]
    x = values(1)[0]
    ours, theirs = (reference.run_float(g, x)[1]["out"] for g in (simple, network()))
    assert np.array_equal(ours, theirs)


def test_nir_has_no_primitive_for_them():
    with pytest.raises(Unsupported, match=r"'changes'.*NIR has no primitive.*Save.*as ONNX"):
        to_nir(network())


def test_a_threshold_of_zero_is_refused_by_layer():
    graph = network()
    hidden = SigmaDeltaReLU(np.float32(0), np.float32(0))
    with pytest.raises(BadInput, match=r"'hidden'.*v_th is 0, allowed is a number above 0"):
        verify(graph.with_nodes(hidden=hidden), "float")


def test_a_sequence_enters_as_it_is_times_the_gain():
    data = Data("x", "x", values().astype(np.float32))
    entered = float_input(network(), data, 1, 3, STEPS - 2, seed=0)
    assert np.array_equal(entered, data.values[1:3, :-2].astype(np.float64) * 0.5)


@pytest.mark.parametrize(
    ("kind", "shape", "message"),
    [
        ("x", (4, STEPS - 1, 3), r"holds 11 steps, but 12 are needed"),
        ("x", (4, STEPS, 2), r"a sample has shape \(2,\), but the network takes \(3,\)"),
        ("spikes", (4, STEPS, 3), r"takes a real value in each step. Give values"),
    ],
)
def test_samples_that_are_no_sequence_are_refused(kind, shape, message):
    with pytest.raises(BadInput, match=message):
        check_data(network(), Data("d", kind, np.zeros(shape, np.float32)), STEPS)
