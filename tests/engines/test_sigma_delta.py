"""Delta, sigma and sigma-delta neurons: their steps by hand, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest

from neurocompile.data.inputs import Encoded
from neurocompile.engines import fixed
from neurocompile.engines.fixed.torch_path import run_torch
from neurocompile.engines.lava.widths import refuse_wide_sums
from neurocompile.errors import BadInput, DoesNotFit, Unsupported
from neurocompile.formats.onnx.check import check
from neurocompile.ir.fixed import BiasInput, SpikeInput, Synapse
from neurocompile.ir.graph import chain
from neurocompile.ir.nodes import Linear
from neurocompile.ir.sigma_delta import Delta, Sigma, SigmaDelta
from neurocompile.ir.time import lead_in
from neurocompile.ir.verify import verify


def network(population, *weights, exponent=0):
    """Axons, one weight each, a population of one."""
    op = Linear(np.array([weights], np.int16))
    nodes = {"in": SpikeInput((len(weights),)), "s": Synapse(op, (len(weights),), (1,), exponent)}
    return verify(chain({**nodes, "pop": population}), "fixed")


def sent(graph, *train):
    run = fixed.run(graph, Encoded({"in": np.array(train, np.uint8)[None]}, len(train)))
    spikes, v = run.recording.spikes["pop"], run.recording.membrane["pop"]
    return spikes[0, :, 0].tolist(), v[0, :, 0].tolist()


def test_sigma_sends_its_sum_in_each_step():
    assert sent(network(Sigma((1,)), 6, -8), [1, 0], [0, 0], [1, 1], [0, 1]) == (
        [6, 6, 4, -4],
        [6, 6, 4, -4],
    )


def test_delta_sends_a_change_at_its_threshold_and_keeps_a_smaller_one():
    # input 4, 6, 6, 0: a change of 4 waits, 2 more make 6; then nothing, then -6
    train = [1, 0], [1, 1], [1, 1], [0, 0]
    assert sent(network(Delta((1,), 5), 4, 2), *train) == ([0, 6, 0, -6], [4, 6, 6, 0])
    # the same with state and threshold times 2 x 4: the payload is times 2
    graph = network(Delta((1,), 5, spike_exp=1, state_exp=2), 4, 2)
    assert sent(graph, *train) == ([0, 12, 0, -12], [32, 48, 48, 0])


def test_a_sigma_delta_neuron_shifts_its_threshold_and_payload_but_not_its_input():
    # 7 and -7 at a threshold of 2 x 2: 7 >> 1 = 3, -7 >> 1 = -4
    graph = network(SigmaDelta((1,), 2, state_exp=1, activation="unit"), 14, -14, exponent=-1)
    assert sent(graph, [1, 0], [0, 1], [0, 0]) == ([3, -4, 0], [7, 0, 0])


def test_an_activation_below_zero_is_sent_as_zero():
    # 8 - 3 = 5; 8 - 20 - 3 < 0, so the activation falls from 5 to 0
    graph = network(SigmaDelta((1,), 5, bias_mant=-3), 8, -20)
    assert sent(graph, [1, 0], [0, 1], [0, 1]) == ([5, -5, 0], [8, -12, -32])


def test_with_cumulated_errors_the_delta_is_sent_and_a_residue_counts_again():
    # deltas 2, 2, 2: errors 2, 4, 6 >= 5, of which 2 is sent; then a new error of 2
    graph = network(SigmaDelta((1,), 5, cum_error=True, activation="unit"), 2)
    assert sent(graph, [1], [0], [0], [1])[0] == [0, 0, 2, 0]


@pytest.mark.parametrize("engine", [fixed.run, run_torch])
def test_a_payload_beyond_24_bits_is_refused_by_layer_with_its_cure(engine):
    # 254 x 2^7 = 32,512 per step: 259 of them are 8,420,608
    graph = network(Sigma((1,)), 254, exponent=7)
    encoded = Encoded({"in": np.ones((1, 300, 1), np.uint8)}, 300)
    with pytest.raises(DoesNotFit, match=r"'pop', step 259: .* 8420608, .* 8388607. Lower the wei"):
        engine(graph, encoded)
    lower = replace(graph.nodes["s"], weight_exp=6)
    run = engine(graph.with_nodes(s=lower), encoded)
    assert int(run.recording.spikes["pop"].max()) == 254 * 64 * 300


@pytest.mark.parametrize("kind", [Delta, SigmaDelta])
@pytest.mark.parametrize(
    ("field", "value", "allowed"), [("vth", 0, "1..131071"), ("state_exp", 8, "0..7")]
)
def test_a_threshold_of_zero_and_an_exponent_of_more_bits_are_refused(kind, field, value, allowed):
    with pytest.raises(BadInput, match=rf"'pop' \({kind.__name__}\): its {field} .* {allowed}"):
        network(kind((1,), **{"vth": 1, field: value}), 2)


def test_the_host_writes_no_bias_where_there_is_none():
    def written(population):
        return verify(chain({"in": BiasInput((1,), (1,), 1.0), "pop": population}), "fixed")

    with pytest.raises(BadInput, match="it leads to 'pop', a Sigma, which has no bias"):
        written(Sigma((1,)))
    assert written(SigmaDelta((1,), 1))  # the cure


def test_a_deep_population_starts_early_only_if_its_bias_stays_unsent():
    assert lead_in(network(SigmaDelta((1,), 5, bias_mant=4), 2))["pop"].tolist() == [0]
    with pytest.raises(DoesNotFit, match="layer 'pop': before its first input arrives, its bias"):
        lead_in(network(SigmaDelta((1,), 5, bias_mant=5), 2))
    with pytest.raises(DoesNotFit, match=r"'pop', 1 steps deep .* Use cum_error = False"):
        lead_in(network(SigmaDelta((1,), 5, bias_mant=4, cum_error=True), 2))


def wide(sources):
    """Sigma neurons before a synapse whose sums may be large."""
    first = Synapse(Linear(np.full((sources, 1), 2, np.int16)), (1,), (sources,))
    second = Synapse(Linear(np.full((1, sources), -256, np.int16)), (sources,), (1,))
    nodes = {"in": SpikeInput((1,)), "s": first, "many": Sigma((sources,)), "t": second}
    return verify(chain({**nodes, "pop": Sigma((1,))}), "fixed")


def test_sums_that_a_file_or_lava_cannot_hold_are_refused_by_synapse():
    check(wide(1000))
    with pytest.raises(Unsupported, match=r"'t' .* times a byte of the payloads add up to 4295"):
        check(wide(65_800))
    refuse_wide_sums(wide(2), {"many": np.array([4_194_303], np.int32)})
    with pytest.raises(Unsupported, match=r"synapse 't': .* up to 4194304, may add up to 21474836"):
        refuse_wide_sums(wide(2), {"many": np.array([-4_194_304], np.int32)})
