"""A network that ends in a synapse or a pool gets a readout that adds nothing of its own."""

import json

import norse.torch as norse
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

import neurocompile as nc
from neurocompile.cli import main
from neurocompile.frontend.torch import trace
from neurocompile.ir.neurons import LIBox
from neurocompile.ir.reference import run_float

STEPS = 25


def spiking(**constants):
    given = {k: torch.tensor(v) for k, v in constants.items()}
    return norse.LIFBoxCell(norse.LIFBoxParameters(tau_mem_inv=torch.tensor(300.0), **given))


def ends_in(kind, dt=0.001):
    torch.manual_seed(0)
    cell = spiking(v_th=0.1)
    cell.dt = dt
    if kind == "linear":
        return norse.SequentialState(nn.Linear(12, 9), cell, nn.Linear(9, 4)), (12,)
    if kind == "pool":
        return norse.SequentialState(nn.Conv2d(1, 3, 3), cell, nn.AvgPool2d(2)), (1, 6, 6)
    last = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return norse.SequentialState(nn.Conv2d(1, 3, 3), cell, *last), (1, 6, 6)


def outputs(model, x):
    """What the module gives out in each step, (steps, ...)."""
    model, state, outs = model.double(), None, []
    with torch.no_grad():
        for now in torch.from_numpy(x)[:, None]:
            out, state = model(now, state)
            outs.append(out[0].numpy())
    return np.stack(outs)


@pytest.mark.parametrize("kind", ["linear", "pool", "pool and flatten"])
@pytest.mark.parametrize("dt", [0.001, 0.0007])
def test_its_potential_is_what_the_module_gives_out(kind, dt):
    model, shape = ends_in(kind, dt)
    graph = trace(model, torch.zeros(1, *shape))
    assert isinstance(graph.nodes["readout"], LIBox)
    x = (np.random.default_rng(0).random((STEPS, *shape)) < 0.4).astype(np.float64)
    found = run_float(graph, x)[0]["readout"]
    wanted = outputs(model, x)
    assert np.abs(wanted).max() > 0.1
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-12)


def test_it_is_said():
    model, shape = ends_in("linear")
    said = trace(model, torch.zeros(1, *shape)).settings.assumed[-1]
    assert said.key == "readout"
    assert said.sentence.startswith("the network ends in layer '2' (Linear), and only neurons")


def test_a_network_that_ends_in_neurons_gets_none():
    model = norse.SequentialState(nn.Linear(12, 9), spiking(v_th=0.1))
    graph = trace(model, torch.zeros(1, 12))
    assert list(graph.nodes) == ["input", "0", "1"]
    assert [a.key for a in graph.settings.assumed] == ["steps"]


def test_neurons_that_are_only_flattened_at_the_end_are_flattened_before():
    model = norse.SequentialState(nn.Conv2d(1, 3, 3), spiking(v_th=0.1), nn.Flatten())
    graph = trace(model, torch.zeros(1, 1, 6, 6))
    assert list(graph.nodes) == ["input", "0", "2", "1"]
    x = (np.random.default_rng(0).random((STEPS, 1, 6, 6)) < 0.4).astype(np.float64)
    found = run_float(graph, x)[0]["1"]
    assert found.sum() > 40
    np.testing.assert_array_equal(found, outputs(model, x) > 0)


@pytest.mark.parametrize("kind", ["linear", "pool"])
def test_the_integers_of_all_engines_agree_on_it(kind, tmp_path):
    model, shape = ends_in(kind)
    spikes = (np.random.default_rng(0).random((2, 12, *shape)) < 0.4).astype(np.uint8)
    np.savez(tmp_path / "x.npz", spikes=spikes)
    nc.save(model, tmp_path / "m.pt", torch.zeros(1, *shape))
    given = ["--data", tmp_path / "x.npz", "--steps", 12, "--out", tmp_path / "out"]
    engines = ["--engine", "fixed", "--engine", "onnx", "--engine", "lava"]
    command = ["export", tmp_path / "m.pt", "--target", "loihi-sim", *given, *engines]
    done = CliRunner().invoke(main, [str(word) for word in command])
    assert done.exit_code == 0, done.output
    exactness = json.loads((tmp_path / "out" / "report.json").read_text())["exactness"]
    assert exactness["mismatches"] == 0
    assert exactness["membrane_values_compared"] > 2 * 12 * 4
