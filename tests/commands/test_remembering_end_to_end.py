"""A network of neurons that remember their spikes through inspect, export and compare."""

import json
from collections import OrderedDict

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from norse.torch import LIFParameters, LIParameters
from norse.torch.functional.lif_refrac import LIFRefracParameters
from norse.torch.functional.lsnn import LSNNParameters
from torch import nn

from neurocompile.cli import main
from neurocompile.engines.torch_ops import TorchOps
from neurocompile.frontend.save import save
from neurocompile.ir.settings import Decoder, Encoder, Settings
from neurocompile.nn import ALIF, LI, LSNN, ALIFParameters, LIFRefrac, SpikingNetwork
from neurocompile.report.parting.rerun import Neurons
from neurocompile.report.parting.words import CAUSES

STEPS = 40


def network():
    """Three layers, one of each kind, and a readout."""
    torch.manual_seed(2)
    times = {"tau_syn_inv": torch.tensor(400.0), "tau_mem_inv": torch.tensor(150.0)}
    low = {**times, "v_th": torch.tensor(0.2)}
    falls = {"tau_adapt_inv": torch.tensor(20.0), "beta": torch.tensor(0.1)}
    layers = OrderedDict(
        first=nn.Linear(8, 12),
        held=LIFRefrac(LIFRefracParameters(LIFParameters(**low), torch.tensor(2.0))),
        second=nn.Linear(12, 12),
        rising=LSNN(LSNNParameters(**low, **falls)),
        third=nn.Linear(12, 12, bias=False),
        both=ALIF(ALIFParameters(**low, **falls)),
        last=nn.Linear(12, 3, bias=False),
        readout=LI(LIParameters(**times)),
    )
    for layer in layers.values():
        if isinstance(layer, nn.Linear):
            with torch.no_grad():
                layer.weight.normal_(0.25, 0.5)
    settings = Settings(steps=STEPS, encoder=Encoder("spikes"), decoder=Decoder("mean"))
    return SpikingNetwork(layers, settings)


def call(*arguments):
    done = CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("remembering")
    spikes = (np.random.default_rng(4).random((6, STEPS, 8)) < 0.4).astype(np.uint8)
    np.savez(folder / "data.npz", spikes=spikes)
    save(network(), folder / "net.pt", torch.zeros(1, STEPS, 8))
    out = folder / "out"
    report = call(
        "export", folder / "net.pt", "--target", "loihi2-sim", "--out", out, "--bits", 6,
        "--data", folder / "data.npz", "--engine", "fixed", "--engine", "onnx", "--json",
    )  # fmt: skip
    return folder, out, report


def test_both_engines_agree_in_every_bit_and_the_report_has_the_layers(exported):
    _, out, report = exported
    report = json.loads((out / "report.json").read_text())
    assert report["exactness"]["mismatches"] == 0
    layers = {row["name"]: row for row in report["layers"]}
    assert all(layers[name]["spikes"] > 20 for name in ("held", "rising", "both"))
    assert not (out / "network.net").exists()


def test_inspect_names_the_neurons(exported):
    folder, _, _ = exported
    told = json.dumps(call("inspect", folder / "net.pt", "--json"))
    assert all(kind in told for kind in ("LIFRefrac", "LSNN", "ALIF"))


def test_energy_says_why_there_is_no_pass_without_spikes_though_nobody_wrote_a_delay(exported):
    _, out, _ = exported
    done = CliRunner().invoke(main, ["energy", str(out)], catch_exceptions=False)
    told = " ".join(done.stdout.replace("│", " ").split())
    assert "or LSNN neurons, whose current acts a step later" in told


def test_compare_finds_the_first_departure_and_what_made_it(exported):
    _, out, _ = exported
    found = call("compare", out, "--json")
    assert found["float64_ties"] == 0  # without rounding it is the float network again
    assert [row["kind"] for row in found["layers"]] == ["LIFRefrac", "LSNN", "ALIF", "LI"]
    first = found["first"]
    assert first["cause"] in CAUSES
    assert first["cause"] != "tie"
    assert (first["of_threshold"]["float"] > 1) == first["float_spike"]
    assert (first["of_threshold"]["fixed"] > 1) == first["fixed_spike"]
    assert 0.8 < found["agreement"] < 1


class Layer:
    """One neuron that is held for two steps, as `rounding` gives it."""

    def __init__(self):
        from neurocompile.ir.after_spikes import RefractoryLIF

        self.node = RefractoryLIF((1,), 4095, 4096, 9, 3, 0, 0, 0)
        self.constants, self.start = self.node.constants(), np.zeros(1)


def test_given_spikes_hold_a_neuron_whatever_it_would_have_done():
    run = Neurons(Layer(), np.zeros(()), TorchOps())
    arriving = torch.full((1, 1), 640.0, dtype=torch.float64)
    given = torch.tensor([[[False]], [[True]], [[False]], [[False]], [[False]]])
    own, levels = [], []
    for spikes in given:
        own.append(bool(run.step(arriving, spikes)))
        levels.append(float(run.level))
    assert own == [True, True, False, False, True]
    assert levels == [576, 576, 2**24, 2**24, 576]
