"""Each layer of a neighbour that docs/support.md refuses is built, tried, and refused by name."""

import inspect
import re
from pathlib import Path

import pytest
import torch
from torch import nn

snn = pytest.importorskip("snntorch")
sl = pytest.importorskip("sinabs.layers")
neuron = pytest.importorskip("spikingjelly.activation_based.neuron")
layer = pytest.importorskip("spikingjelly.activation_based.layer")

from neurocompile.errors import Unsupported  # noqa: E402  (only where they are installed)
from neurocompile.frontend.torch import trace  # noqa: E402

PAGE = (Path(__file__).parents[2] / "docs" / "support.md").read_text()
LIBRARIES = {"snntorch": (snn,), "spikingjelly": (neuron, layer), "sinabs": (sl,)}
ROWS = PAGE.split("## Refused by name")[1].split("A call in")[0].splitlines()
REFUSED = sorted(
    name
    for row in ROWS
    if row.startswith("|")
    for name in row.split("|")[1].strip().split(", ")
    if name.partition(".")[0] in LIBRARIES
)

TABLE = neuron.few_spike.FewSpikeTable([1.0], [1.0], [1.0])
GIVEN = {  # what a parameter without a default is given, by its name; 2 for all others
    **{"alpha": 0.9, "beta": 0.8, "tau": 2.0, "tau_mem": 5.0, "tau_adapt": 5.0, "dim": 8},
    **{"image_shape": (1, 2, 2), "state_names": ["v_mem"], "T": 16, "C": 16},
    **{"module": nn.Linear(2, 2), "rec_connect": nn.Linear(2, 2), "core": lambda x, v: (x, v)},
    **{"table": TABLE, "outlier_table": TABLE, "tables": [TABLE], "gate_thresholds": []},
}
OWN = {  # of kinds whose signature does not say what they need
    "AssociativeLeaky": {"num_spiking_neurons": 4},
    "DeltaLeaky": {"beta": 0.9},
    "FlexSN": {"num_states": 1},
    "OutlierAwareThresholdNode": {"split_threshold": 1.0},
    **{f"MPBN{kind}Node": {"out_features": 2} for kind in ("Base", "LIF")},
    **{
        f"{kind}BatchNorm{axes}d": {"num_features": 2}
        for kind in ("TemporalEffective", "ThresholdDependent")
        for axes in (1, 2, 3)
    },
}


@pytest.fixture(autouse=True)
def no_instances_left():
    """snnTorch's utils.reset asks each instance that was ever made, those of other tests too."""
    before = list(snn.SpikingNeuron.instances)
    yield
    snn.SpikingNeuron.instances[:] = before


def built(name, **options):
    """A layer of a kind, with as little as its kind asks for."""
    package, kind = name.split(".")
    found = next(getattr(lib, kind) for lib in LIBRARIES[package] if hasattr(lib, kind))
    asked = {
        each.name: GIVEN.get(each.name, 2)
        for each in inspect.signature(found).parameters.values()
        if each.default is each.empty and each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
    }
    return found(**asked | OWN.get(kind, {}) | options)


def shape_for(kind):
    """The shape of an example that has the axes which a kind asks for."""
    if kind.startswith("MaxPool"):
        return (1, 2, 4, 4)[: 4 if "2d" in kind else 3]
    return (4, 2, 8) if "Attention" in kind else (2, 2)


@pytest.mark.parametrize("name", REFUSED)
def test_a_layer_that_the_page_refuses_is_refused_by_its_name_where_it_is_tried(name):
    kind = name.split(".")[1]
    with pytest.raises(Unsupported) as caught:
        trace(nn.Sequential(built(name)), torch.zeros(shape_for(kind)))
    assert re.match(rf"layer '0' (is an? {kind}, which is not|\({kind}\): )", str(caught.value))


class InALoop(nn.Module):
    """A layer of snnTorch whose state its user hands on."""

    def __init__(self, lif, states):
        super().__init__()
        self.fc, self.lif, self.states = nn.Linear(4, 2), lif, states

    def forward(self, x):
        (*state,), spikes = [None] * self.states, []
        for now in x:
            spike, *state = self.lif(self.fc(now), *state)
            spikes.append(spike)
        return torch.stack(spikes)


class DoublesItsInput(snn.Leaky):
    """A user's own kind: no rule can know what its forward does."""

    def forward(self, x, mem=None):
        return super().forward(2 * x, mem)


@pytest.mark.parametrize(
    ("kind", "options", "states"),
    [
        (snn.DeltaLeaky, {}, 1),
        (snn.DeltaLeaky, {"init_hidden": True}, 1),
        (DoublesItsInput, {}, 1),
        (snn.Alpha, {"alpha": 0.95}, 3),
    ],
)
def test_a_layer_with_a_forward_of_its_own_is_refused_by_its_name_in_a_loop_too(
    kind, options, states
):
    refused = rf"^layer 'lif' is an? {kind.__name__}, which is not supported"
    with pytest.raises(Unsupported, match=refused):
        trace(InALoop(kind(beta=0.9, **options), states), torch.zeros(5, 1, 4))


def test_a_subclass_whose_inherited_forward_fails_in_the_proof_is_refused_by_name():
    class Broken(snn.Leaky):
        def _base_state_function(self, input_):
            raise ValueError("a step of my own")

    with pytest.raises(Unsupported, match=r"^layer '0' \(Broken\): .*a step of my own"):
        trace(nn.Sequential(Broken(beta=0.9, init_hidden=True)), torch.zeros(1, 2))


@pytest.mark.parametrize("name", ["ILIFNode", "OTTTLIFNode", "SLTTLIFNode", "LIAFNode"])
def test_a_subclass_with_a_step_of_its_own_is_refused_by_name(name):
    own = {"act": torch.relu, "threshold_related": True} if name == "LIAFNode" else {}
    made = getattr(neuron, name)(**own)
    with pytest.raises(Unsupported, match=rf"^layer '0' \({name}\): it is a LIFNode with a "):
        trace(nn.Sequential(made), torch.zeros(1, 2))
