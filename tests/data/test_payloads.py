"""Whole numbers that enter a network as payloads: files, checks, and what reaches the engines."""

from dataclasses import replace

import numpy as np
import pytest

from neurocompile.chip.read import load_chip
from neurocompile.compiler import compile_graph
from neurocompile.data.inputs import encode
from neurocompile.data.samples import Data, load_data
from neurocompile.engines import fixed
from neurocompile.errors import BadInput, DoesNotFit
from neurocompile.ir.fixed import SpikeInput, Synapse
from neurocompile.ir.graph import chain
from neurocompile.ir.nodes import Linear
from neurocompile.ir.sigma_delta import Delta, Sigma
from neurocompile.ir.verify import verify

WEIGHTS = Synapse(Linear(np.array([[4, -2]], np.int16)), (2,), (1,))


def adder(bits=5):
    nodes = {"in": SpikeInput((2,), payload_bits=bits), "s": WEIGHTS, "sum": Sigma((1,))}
    return verify(chain(nodes), "fixed")


def test_payloads_of_a_file_enter_a_network_as_they_are(tmp_path):
    path = tmp_path / "frames.npz"
    np.savez(path, payloads=np.array([[[3, -16], [0, 0], [-1, 15]]]), labels=np.array([1]))
    data = load_data(str(path))
    encoded = encode(adder(), data, 0, 1, 3, seed=0)
    assert encoded.values["in"].dtype == np.int32
    run = fixed.run(adder(), encoded)
    # 3 x 4 + 16 x 2 = 44; -4 - 30 = -34 more
    assert run.recording.spikes["sum"].ravel().tolist() == [44, 44, 10]
    assert run.recording.spikes["in"].ravel().tolist() == [3, -16, 0, 0, -1, 15]
    assert run.activity["in"].spikes.tolist() == [2, 2]  # messages, whatever they carry


@pytest.mark.parametrize(
    ("values", "said"),
    [([[[0.5, 1.0]]], "payloads holds 0.5, but a payload is a whole number in -8388608..8388607"),
     ([[[1 << 23, 0]]], "payloads holds 8.38861e+06, but")],
)  # fmt: skip
def test_a_payload_that_is_not_whole_or_has_more_than_24_bits_is_refused(values, said, tmp_path):
    np.savez(tmp_path / "f.npz", payloads=np.array(values))
    for load in (
        lambda: load_data(str(tmp_path / "f.npz")),
        lambda: Data("mine", "payloads", np.array(values)),
    ):
        with pytest.raises(BadInput) as refused:
            load()
        assert said in str(refused.value)


def test_a_payload_beyond_the_bits_of_its_input_is_refused_by_layer():
    def run(bits):
        data = Data("mine", "payloads", np.array([[[16, 0]]], np.float32))
        return fixed.run(adder(bits), encode(adder(bits), data, 0, 1, 1, seed=0))

    with pytest.raises(BadInput, match=r"'in' holds 0..16, but only -16..15 .* has 5 bits. Scale"):
        run(5)
    assert run(6).recording.spikes["sum"].ravel().tolist() == [64]
    with pytest.raises(BadInput, match=r"'in' .* its payload_bits is 25, allowed are 2..24"):
        adder(25)


@pytest.mark.parametrize("kind", ["x", "spikes"])
def test_a_network_of_payloads_takes_no_other_data_and_others_take_no_payloads(kind):
    values = np.ones((1, 2) if kind == "x" else (1, 1, 2), np.float32)
    with pytest.raises(BadInput, match=f"are of the kind '{kind}', but this .* key 'payloads'"):
        encode(adder(), Data("mine", kind, values), 0, 1, 1, seed=0)
    data = Data("mine", "payloads", np.ones((1, 1, 2), np.float32))
    with pytest.raises(
        BadInput, match=r"'payloads', but this network takes no payloads. Give samp"
    ):
        encode(adder(0), data, 0, 1, 1, seed=0)


def test_real_values_of_each_step_are_told_to_become_payloads_and_not_another_shape():
    x = np.array([[[0.5, -0.25], [0.0, 1.0]]], np.float32)  # (n, steps, ...) of a network of (2,)
    with pytest.raises(
        BadInput, match=r"key 'payloads'\. For a .net file .* numpy.rint\(64 \* x\)"
    ):
        encode(adder(8), Data("mine", "x", x), 0, 1, 2, seed=0)
    data = Data("mine", "payloads", np.rint(64 * x))
    run = fixed.run(adder(8), encode(adder(8), data, 0, 1, 2, seed=0))
    assert run.recording.spikes["sum"].ravel().tolist() == [160, 32]  # 4 32 + 2 16; less 2 64


def test_a_chip_without_payloads_refuses_an_input_of_them_by_layer():
    graph = adder()
    assert compile_graph(graph, load_chip("loihi2-sim"))
    with pytest.raises(DoesNotFit, match="layer 'sum': the neurons are Sigma"):
        compile_graph(graph, load_chip("loihi-sim"))
    chip = load_chip("loihi2-sim")
    flag = replace(chip.formats.graded_spikes, value=False)
    bare = replace(chip, formats=replace(chip.formats, graded_spikes=flag))
    with pytest.raises(DoesNotFit, match="layers 'in', 'sum': the spikes carry payloads, but thos"):
        compile_graph(graph, bare)


def test_each_kind_of_neuron_that_a_chip_lacks_is_named_with_its_layers():
    first = adder().nodes
    more = {"t": Synapse(Linear(np.array([[2]], np.int16)), (1,), (1,)), "changes": Delta((1,), 1)}
    with pytest.raises(DoesNotFit) as refused:
        compile_graph(verify(chain({**first, **more}), "fixed"), load_chip("loihi-sim"))
    assert "layer 'sum': the neurons are Sigma" in str(refused.value)
    assert "layer 'changes': the neurons are Delta" in str(refused.value)
