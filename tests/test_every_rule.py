"""Every neuron and every linear map has a rule wherever one is needed, and each gap a reason.

The rules stand in `node_rules`. What a new class of node needs is what they find missing.
"""

import json
import os
import pkgutil
import subprocess
import sys
from functools import partial, singledispatch
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from node_rules import (
    CHIP_RULES,
    MAP_RULES,
    NEURON_RULES,
    SYNAPSE_RULES,
    alone,
    integers,
    missing,
    neuron,
)
from support_chip import two_of

import neurocompile.ir
from neurocompile.errors import Unsupported
from neurocompile.formats.onnx import loops
from neurocompile.formats.onnx.layers import write_layer
from neurocompile.ir.adapting import ALIF, LSNN, NEURONS, LIFRefrac
from neurocompile.ir.after_spikes import AdaptiveLIF, RefractoryLIF
from neurocompile.ir.chip_neurons import ATRLIF, CHIP_NEURONS, TernaryLIF
from neurocompile.ir.fixed import ChipNeuron, Synapse
from neurocompile.ir.graph import FIXED_NODES
from neurocompile.ir.neurons import (
    LIF,
    DeltaEncoder,
    Integrator,
    LIFBox,
    Neuron,
    SigmaDeltaReLU,
    SigmaReadout,
)
from neurocompile.ir.nodes import (
    LINEAR_OPS,
    WEIGHTED,
    AvgPool,
    BatchNorm,
    Conv,
    ConvTranspose,
    Identity,
    Linear,
    LinearMap,
    Reshape,
    Sparse,
    SumPool,
    Upsample,
    Weighted,
)
from neurocompile.ir.shapes import out_shape
from neurocompile.ir.sigma_delta import Delta
from neurocompile.ir.verify import FLOAT_NODES

SUPPORT, DOCS = Path(__file__).parent / "support", Path(__file__).parents[1] / "docs"
IMAGE = (2, 4, 4)


# --- The vocabulary ---------------------------------------------------------------------------


def subclasses(base):
    """Every class of ours below this one that has none below itself."""
    for module in pkgutil.iter_modules(neurocompile.ir.__path__):
        import_module(f"neurocompile.ir.{module.name}")
    found = {k for k in base.__subclasses__() if k.__module__.startswith("neurocompile.")}
    return {leaf for k in found for leaf in subclasses(k) or {k}}


@pytest.mark.parametrize(
    ("listed", "base"),
    [
        (NEURONS, Neuron),
        (CHIP_NEURONS, ChipNeuron),
        (LINEAR_OPS, LinearMap),
        (WEIGHTED, Weighted),
    ],
)
def test_the_vocabulary_is_every_class_of_its_kind(listed, base):
    assert set(listed) == subclasses(base)
    assert set(listed) <= {*FLOAT_NODES, *FIXED_NODES}
    assert len(set(listed)) == len(listed)


@pytest.mark.parametrize("kind", [*FLOAT_NODES, *FIXED_NODES])
def test_a_node_cannot_be_changed_and_is_compared_by_identity(kind):
    assert kind.__dataclass_params__.frozen
    assert not kind.__dataclass_params__.eq


@pytest.mark.parametrize("kind", [*FLOAT_NODES, *FIXED_NODES])
def test_every_node_can_stand_in_an_onnx_file(kind):
    assert write_layer.dispatch(kind) is not write_layer.dispatch(object)


@pytest.mark.parametrize("kind", [*NEURONS, *CHIP_NEURONS])
def test_a_neuron_states_its_equation_and_takes_its_own_step(kind):
    assert "<-" in kind.__doc__
    assert "step" in vars(kind)


# --- Neurons ----------------------------------------------------------------------------------

NO_MODULE = "Norse has no module for NIR's I"
NO_STEP = "Norse has no such neuron; neurocompile.nn has it"
NOT_IN_NIR = "NIR's neurons keep nothing of their spikes but v: it is refused by name"
NO_PAYLOADS = "NIR 1.0.8 has no neuron that sends payloads or sums of them"
CHANGES = (DeltaEncoder, SigmaDeltaReLU, SigmaReadout)
NEURON_GAPS = {
    (Integrator, "module"): NO_MODULE,
    (Integrator, "module, its own step"): NO_MODULE,
    **{
        (kind, rule): NOT_IN_NIR
        for kind in (LIFRefrac, LSNN, ALIF)
        for rule in ("NIR, writing", "NIR, reading")
    },
    (ALIF, "module, its own step"): NO_STEP,
    **{(k, rule): NO_PAYLOADS for k in CHANGES for rule in ("NIR, writing", "NIR, reading")},
    **{(k, "module, its own step"): NO_STEP for k in CHANGES},
}


def gaps_of(kind, gaps):
    """Rules that a kind may lack."""
    assert all(gaps.values())
    return [rule for gap, rule in gaps if gap is kind]


@pytest.mark.parametrize("kind", NEURONS)
def test_every_neuron_has_every_rule_but_those_with_a_reason(kind):
    assert missing(neuron(kind), NEURON_RULES) == gaps_of(kind, NEURON_GAPS)


def test_a_loop_writer_that_forgets_neurons_is_found_without_a_runtime(monkeypatch):
    @singledispatch
    def step_layer(node, name, loop):
        write_layer(node, name, loop)

    monkeypatch.setattr(loops, "step_layer", step_layer)
    assert missing(neuron(LIF), NEURON_RULES) == ["ONNX, writing in a loop", "ONNX, reading"]


NEW_NEURON = '''
import json
from dataclasses import dataclass
from typing import ClassVar
from neurocompile.ir import adapting, neurons
from neurocompile.ir.arrays import Array, freeze_fields

@dataclass(frozen=True, eq=False)
class New(neurons.Neuron):
    """v <- v + dt tau_mem_inv (PARAMETER + in - v); the potential is the output."""

    tau_mem_inv: Array
    PARAMETER: Array
    state_names: ClassVar[tuple[str, ...]] = ("v",)
    spiking: ClassVar[bool] = False
    start: ClassVar[str | None] = None

    def __post_init__(self) -> None:
        freeze_fields(self, None, "tau_mem_inv", "PARAMETER")

    def step(self, ops, state, x, p):
        (v,) = state
        v = v + p.mem_leak * (p.PARAMETER + x - v)
        return neurons.Step((v,), v)

adapting.NEURONS += (New,)  # as if it stood in ir/neurons.py
from node_rules import NEURON_RULES, missing, neuron
print(json.dumps(missing(neuron(New), NEURON_RULES)))
'''


def rules_to_write(parameter):
    """What a new class of neurons lacks, whose step has a parameter of this name."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", NEW_NEURON.replace("PARAMETER", parameter)],
        env={**os.environ, "PYTHONPATH": f"{SUPPORT}{os.pathsep}{DOCS}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# What it takes beside its class with its step.
OF_A_NEW_NEURON = ["NIR, writing", "NIR, reading", "module", "module, its own step", "quantize"]


def test_a_new_neuron_takes_a_rule_in_each_front_end_and_in_quantize():
    assert rules_to_write("v_leak") == OF_A_NEW_NEURON


def test_a_new_parameter_takes_its_place_among_the_numbers_of_a_step_as_well():
    numbers = ["numbers of the step", "reference", "float engine", "float engine, in a loop"]
    files = ["ONNX, writing", "ONNX, writing in a loop", "ONNX, reading", "plain ONNX, reading"]
    assert rules_to_write("v_rest") == [*numbers, *files, *OF_A_NEW_NEURON]


def test_a_neuron_that_no_chip_has_is_refused_by_its_layer():
    class Odd(LIFBox):
        """Does something else than its base."""

    with pytest.raises(Unsupported, match=r"layer 'x' \(Odd\): a chip has no .* are LIF, LIFBox, "):
        integers(alone(neuron(Odd)))


# --- Neurons of a chip ------------------------------------------------------------------------

CUBA_SDNN_RF = "netx reads neurons of a .net file as CUBA, sigma-delta or resonate-and-fire ones"
CHIP_GAPS = {
    **{
        (kind, ".net file"): CUBA_SDNN_RF
        for kind in (RefractoryLIF, AdaptiveLIF, ATRLIF, TernaryLIF)
    },
    (Delta, ".net file"): "netx has it in an input layer only",
    (AdaptiveLIF, "recorded trace"): "Lava has no such process, so there is nothing to record",
}


@pytest.mark.parametrize("kind", CHIP_NEURONS)
def test_every_neuron_of_a_chip_has_every_rule_but_those_with_a_reason(kind):
    assert missing(two_of(kind), CHIP_RULES) == gaps_of(kind, CHIP_GAPS)


# --- Linear maps ------------------------------------------------------------------------------


def some(*shape):
    """Weights in float32."""
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


EVERY = np.arange(5)
MAPS = {
    Linear: (Linear(some(3, 4), some(3)), (4,)),
    Conv: (Conv(some(4, 2, 3, 3), some(4), (1, 1), (1, 1), (1, 1), 1), IMAGE),
    ConvTranspose: (
        ConvTranspose(some(2, 3, 2, 2), None, (2, 2), (0, 0), (0, 0), (1, 1), 1),
        IMAGE,
    ),
    Sparse: (Sparse(some(4), EVERY[:-1], EVERY, (4,), (4,)), (4,)),
    BatchNorm: (BatchNorm(some(2)), IMAGE),
    SumPool: (SumPool((2, 2), (2, 2), (0, 0)), IMAGE),
    AvgPool: (AvgPool((2, 2), (2, 2), (0, 0)), IMAGE),
    Upsample: (Upsample((2, 2)), IMAGE),
    Reshape: (Reshape((32,)), IMAGE),
    Identity: (Identity(), (4,)),
}
NO_PRIMITIVE = "NIR 1.0.8 has no primitive for it"
MAP_GAPS = {
    (
        Sparse,
        "plain ONNX, reading",
    ): "it is written as a scatter into a matrix, which is no layer",
    (Sparse, "module"): "PyTorch has no layer of this kind: simplify makes it",
    **{
        (kind, rule): NO_PRIMITIVE
        for kind in (ConvTranspose, Upsample)
        for rule in ("NIR, writing", "NIR, kept beside", "NIR, reading")
    },
}


@pytest.mark.parametrize("kind", LINEAR_OPS)
def test_every_linear_map_has_every_rule_but_those_with_a_reason(kind):
    op, shape = MAPS[kind]
    rules = {name: partial(rule, shape=shape) for name, rule in MAP_RULES.items()}
    assert missing(op, rules) == gaps_of(kind, MAP_GAPS)


NO_LAYER = "lava-dl's netx has dense and conv layers only"
SYNAPSE_GAPS = {
    (ConvTranspose, ".net file"): NO_LAYER,
    (Sparse, ".net file"): NO_LAYER,
    (
        Sparse,
        "rounding together",
    ): "targets share no columns: each weight goes to the nearest",
}


@pytest.mark.parametrize("kind", WEIGHTED)
def test_every_map_of_a_synapse_has_every_rule_but_those_with_a_reason(kind):
    op, shape = MAPS[kind]
    weights = (np.random.default_rng(2).integers(-128, 128, op.weights.shape) * 2).astype(np.int16)
    op = type(op)(**{**vars(op), op.weight_field: weights, "bias": None})
    synapse = Synapse(op, shape, out_shape(op, shape))
    assert missing(synapse, SYNAPSE_RULES) == gaps_of(kind, SYNAPSE_GAPS)


def test_what_is_not_in_the_vocabulary_has_no_rule_at_all():
    class Unknown:
        """No node of ours."""

    rules = {name: partial(rule, shape=(4,)) for name, rule in MAP_RULES.items()}
    assert missing(Unknown(), rules) == list(MAP_RULES)
