"""The integer step by hand, and the lead-in that hides a population's depth."""

import numpy as np
import pytest
import torch
from networks import float_network, spikes

from neurocompile.data.inputs import Encoded
from neurocompile.engines import fixed
from neurocompile.engines.torch_ops import TorchOps
from neurocompile.errors import DoesNotFit
from neurocompile.ir import reference
from neurocompile.ir.fixed import CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import Graph
from neurocompile.ir.nodes import Linear
from neurocompile.ir.ops import NumpyOps, shift
from neurocompile.ir.time import depths, lead_in
from neurocompile.quantize.quantize import quantize
from neurocompile.quantize.ranges import bound
from neurocompile.simplify import simplify


def population(**registers):
    """One neuron without memory of current and with a high threshold, unless told otherwise."""
    plain = {"du": 4095, "dv": 0, "vth": 1000, "bias_mant": 0, "bias_exp": 0, "v_init": 0}
    return CubaLIF((1,), **{**plain, **registers})


def one_step(node, u, v, a):
    arrays = (np.array([n], dtype=np.int64) for n in (u, v, a))
    u, v, a = arrays
    done = node.step(NumpyOps(), (u, v), a, node.constants())
    return int(done.state[0][0]), int(done.state[1][0]), bool(done.out[0])


@pytest.mark.parametrize(
    ("node", "before", "arriving", "after"),
    [
        # 3 units of weight are 3 * 64 of v
        (population(), (0, 0), 3, (192, 192, False)),
        # -5 * 2048 / 4096 = -2.5, cut toward zero
        (population(dv=2048), (0, -5), 0, (0, -2, False)),
        # the current keeps (4096 - 1025) / 4096 of 4096
        (population(du=1024), (4096, 0), 0, (3071, 3071, False)),
        # 64 * 10 is the threshold itself, which does not spike; one bias more does
        (population(vth=10), (0, 0), 10, (640, 640, False)),
        (population(vth=10, bias_mant=1), (0, 0), 10, (640, 0, True)),
        (population(vth=10, bias_mant=1, reset="subtract"), (0, 0), 10, (640, 1, True)),
        # bias 3 * 2^4 is not aligned by 6 bits
        (population(bias_mant=3, bias_exp=4), (0, 0), 0, (0, 48, False)),
        # u wraps once by 2^24, upper end kept, lower end not
        (population(), (0, 0), 131072, (8388608, 0, True)),
        (population(), (0, 0), 131073, (-8388544, -8388544, False)),
        (population(), (0, 0), -131072, (8388608, 0, True)),
        # v stops at 2^23 - 1
        (population(vth=131071), (0, 8388600), 1, (64, 0, True)),
        (population(), (0, -8388600), -1, (-64, -8388607, False)),
    ],
)
def test_an_integer_step_is_what_the_chip_does(node, before, arriving, after):
    assert one_step(node, *before, arriving) == after


EDGES = np.array(  # around the ends of 24 bits, of one wrap, and of a decay's cut
    [n + d for n in (0, 2**23, -(2**23), 3 * 2**23, -3 * 2**23, 4096, -4096) for d in (-1, 0, 1)]
)


@pytest.mark.parametrize("values", [EDGES, EDGES[abs(EDGES) < 2**23], EDGES[:0]])
def test_torch_wraps_a_current_as_numpy_does(values):
    wrapped = TorchOps().wrap(torch.from_numpy(values.astype(np.float64)))
    assert wrapped.numpy().tolist() == NumpyOps().wrap(values).tolist()


@pytest.mark.parametrize("keep", [0, 1, 2048, 3686, 4095, 4096])
@pytest.mark.parametrize("each", [False, True])
def test_torch_decays_a_state_as_numpy_does(keep, each):
    x = torch.from_numpy(EDGES.astype(np.float64))
    parts = torch.full(x.shape, keep, dtype=torch.float64) if each else float(keep)
    expected = NumpyOps().decay(EDGES, np.int64(keep))
    assert (TorchOps().decay(x, parts) + torch.zeros_like(x)).tolist() == expected.tolist()
    assert expected.tolist() == [int(n * keep / 4096) for n in EDGES.tolist()]


@pytest.mark.parametrize(
    ("total", "exponent", "arrives"),
    [
        (3, 0, 3),
        (3, 7, 384),
        (-3, 1, -6),
        (3, -1, 1),  # 1.5, rounded down
        (-3, -1, -2),  # -1.5, rounded down
        (-1, -8, -1),
    ],
)
def test_an_exponent_shifts_a_sum_and_drops_low_bits(total, exponent, arrives):
    assert shift(total, exponent) == arrives
    assert shift(np.array([total]), exponent).tolist() == [arrives]


def deep(bias, v_init=0, *, dv=410, vth=1000):
    """Input -> relay -> a population two synapses deep."""
    one = Synapse(Linear(np.array([[2]])), (1,), (1,))
    return Graph(
        {
            "in": SpikeInput((1,)),
            "s1": one,
            "relay": population(vth=1, dv=4096),
            "s2": one,
            "deep": population(bias_mant=bias, v_init=v_init, dv=dv, vth=vth),
        },
        (("in", "s1"), ("s1", "relay"), ("relay", "s2"), ("s2", "deep")),
    )


def test_depth_counts_the_synapses_before_a_population():
    assert depths(deep(0)) == {"in": 0, "relay": 1, "deep": 2}


def test_the_lead_in_starts_a_population_at_the_value_that_leads_to_its_start():
    # v must be 0 after two steps of v <- v * 3686 / 4096 + 100, so it is -100 before the last
    # one's bias: -ceil(100 * 4096 / 3686) = -112, and before that -ceil(212 * 4096 / 3686) = -236
    assert lead_in(deep(100))["deep"].tolist() == [-236]
    assert int(-236 * 3686 / 4096) + 100 == -112
    assert int(-112 * 3686 / 4096) + 100 == 0


def test_a_lead_in_that_would_spike_is_refused_by_layer():
    with pytest.raises(DoesNotFit, match=r"layer 'deep': before its first input arrives"):
        lead_in(deep(-3000, v_init=639, vth=10, dv=1))


def test_a_full_leak_cannot_lead_anywhere_but_to_its_bias():
    with pytest.raises(DoesNotFit, match=r"layer 'deep': a leak of 4096/4096 forgets its start"):
        lead_in(deep(100, dv=4096))


@pytest.mark.parametrize("seed", range(12))
def test_running_in_chip_time_with_lead_in_equals_the_networks_own_time(seed, ideal):
    graph = float_network(seed)
    network = quantize(simplify(graph), ideal, bound(simplify(graph)), bits=3 + seed % 6)
    x = spikes(seed, 2, graph.settings.steps, (2, 8, 8))
    ours = fixed.run(network, Encoded({"input": x}, graph.settings.steps)).recording
    for sample in range(2):
        fired, membrane = reference.run_fixed(network, {"input": x[sample]}, graph.settings.steps)
        for name in membrane:
            np.testing.assert_array_equal(ours.membrane[name][sample], membrane[name])
        for name in fired:
            np.testing.assert_array_equal(ours.spikes[name][sample], fired[name])
