"""Networks whose spikes subtract the threshold, at the command line: run, refused, overruled."""

import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from neurocompile.cli import main
from neurocompile.formats.checkpoint.write import write_checkpoint
from neurocompile.ir.graph import chain
from neurocompile.ir.neurons import IAF, LIF, LIFBox
from neurocompile.ir.nodes import Input, Linear
from neurocompile.ir.settings import Decoder, Settings

STEPS = 12


def call(*arguments):
    done = CliRunner().invoke(main, list(map(str, arguments)))
    return done.exit_code, done.stdout, " ".join(done.stderr.split())


@pytest.fixture
def model(tmp_path):
    """Spikes (6) -> LIF -> LIFBox -> IAF (4), which all subtract, and spikes for it."""
    rng = np.random.default_rng(3)

    def weights(n, m):
        return Linear(rng.uniform(0.0, 0.6, (n, m)))

    rate, zero, one = np.array(200.0), np.array(0.0), np.array(0.4)
    nodes = {
        "in": Input((6,)),
        "fc1": weights(8, 6),
        "lif": LIF(np.array(300.0), rate, zero, one, zero, "subtract"),
        "fc2": weights(8, 8),
        "box": LIFBox(rate, zero, one, zero, "subtract"),
        "fc3": weights(4, 8),
        "iaf": IAF(one, zero, "subtract"),
    }
    write_checkpoint(chain(nodes, Settings(steps=STEPS)), tmp_path / "m.pt", {})
    drawn = rng.random((3, STEPS, 6)) < 0.5
    np.savez(tmp_path / "x.npz", spikes=drawn.astype(np.uint8))
    return tmp_path / "m.pt", ("--data", tmp_path / "x.npz", "--samples", 3)


def test_loihi2_runs_it_exactly_and_says_that_it_is_no_stock_process(model, tmp_path):
    path, data = model
    engines = ("--engine", "lava", "--engine", "fixed", "--engine", "onnx")
    out = tmp_path / "out"
    code, text, said = call("export", path, "--target", "loihi2-sim", *data, *engines, "--out", out)
    assert code == 0, said
    report = json.loads((out / "report.json").read_text())
    assert report["exactness"]["mismatches"] == 0
    assert report["exactness"]["spikes_compared"] == 2 * 3 * STEPS * (6 + 8 + 8 + 4)
    assert [row["layer"] for row in report["not_stock"]] == ["lif", "box", "iaf"]
    assert "not one of Lava's stock processes" in " ".join(text.split())


def test_loihi1_refuses_it_with_the_loss_that_the_other_reset_would_bring(model, tmp_path):
    path, data = model
    code, _, said = call("export", path, "--target", "loihi-sim", *data, "--out", tmp_path / "out")
    assert code == 3
    words = "layers 'lif', 'box', 'iaf': a spike resets them by 'subtract', but loihi-sim has zero."
    assert words in said
    assert "Measured: on 3 samples the reset zero gives " in said
    assert not (tmp_path / "out").exists()


def test_the_loss_is_what_the_two_float_networks_differ_in(model):
    """The other network written out by hand, layer by layer."""
    from neurocompile import load
    from neurocompile.data.samples import load_data
    from neurocompile.engines.resets import compare_resets
    from neurocompile.ir.reference import run_float

    path, (_, source, *_) = model
    graph, data = load(path), load_data(str(source))
    other = chain(
        {
            name: type(node)(**{**vars(node), "reset": "zero"}) if hasattr(node, "reset") else node
            for name, node in graph.nodes.items()
        },
        graph.settings,
    )
    counted = np.zeros(3, dtype=int)
    for sample in data.values:
        ours, theirs = (run_float(each, sample.astype(float))[0] for each in (graph, other))
        for name in ("lif", "box", "iaf"):
            a, b = np.asarray(ours[name]), np.asarray(theirs[name])
            counted += a.sum(), b.sum(), (a != b).sum()
    loss = compare_resets(graph, "zero", data, STEPS, 0)
    assert (loss.spikes, loss.other_spikes, loss.different) == tuple(counted)
    assert counted[2] > 0
    assert (loss.error, loss.other_error) == (loss.accuracy, loss.other_accuracy) == (None, None)
    labels = np.array([0, 3, 1])
    rates = [
        np.stack([run_float(each, x.astype(float))[0]["iaf"] for x in data.values]).mean(1)
        for each in (graph, other)
    ]
    right = [(rate.reshape(3, -1).argmax(1) == labels).mean() for rate in rates]
    decoder = Decoder("rate", task="classification")
    classifies = replace(graph, settings=replace(graph.settings, decoder=decoder))
    loss = compare_resets(classifies, "zero", replace(data, labels=labels), STEPS, 0)
    assert (loss.accuracy, loss.other_accuracy) == pytest.approx(tuple(right))
    assert loss.sentence().endswith(f"; accuracy {right[1]:.1%} instead of {right[0]:.1%}")


def test_without_data_the_refusal_has_no_measurement(model, tmp_path):
    path, _ = model
    code, _, said = call("export", path, "--target", "loihi-sim", "--out", tmp_path / "out")
    assert code == 3
    assert "Measured" not in said
    assert "run it with the other one anyway: load(..., reset='zero') (--reset zero)" in said


def test_a_reset_against_the_file_runs_and_is_said_wherever_the_network_goes(model, tmp_path):
    path, data = model
    out = tmp_path / "out"
    code, text, said = call(
        "export", path, "--target", "loihi-sim", *data, "--out", out, "--engine", "fixed",
        "--reset", "zero",
    )  # fmt: skip
    assert code == 0, said
    words = (
        "the reset zero was asked for, but by the file the neurons of layer 'lif' and 2 more "
        "subtract"
    )
    assert words in said
    assert words in " ".join(text.split())
    report = json.loads((out / "report.json").read_text())
    assert any(words in sentence for sentence in report["provenance"]["assumed"])
    assert report["not_stock"] == []


def test_integers_take_no_reset(model, tmp_path):
    path, data = model
    out = tmp_path / "out"
    code, *_ = call("export", path, "--target", "ideal", *data, "--out", out, "--engine", "fixed")
    assert code == 0
    code, _, said = call("inspect", out / "fixed.onnx", "--reset", "zero")
    assert code == 2
    assert "holds a chip's integers, compiled for the resets that it has." in said


def test_integers_of_a_chip_with_another_reset_are_refused_until_compiled_again(model, tmp_path):
    path, data = model
    there, here = tmp_path / "ideal", tmp_path / "here"
    fast = ("--engine", "fixed")
    code, *_ = call("export", path, "--target", "ideal", *data, "--out", there, *fast)
    assert code == 0
    again = ("--target", "loihi-sim", *data, "--out", here, *fast)
    code, _, said = call("export", there / "fixed.onnx", *again)
    assert code == 3
    words = "layers 'lif', 'box', 'iaf': a spike resets them by 'subtract', but loihi-sim has zero."
    assert words in said
    assert "or compile the trained network with the other one: load(..., reset='zero')" in said
    assert call("export", path, "--reset", "zero", *again)[0] == 0
