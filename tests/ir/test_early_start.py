"""A chip whose populations all start at rest: by hand, and what no register holds."""

from dataclasses import replace

import numpy as np
import pytest

from neurocompile.errors import DoesNotFit, Unsupported
from neurocompile.ir import reference
from neurocompile.ir.early import started_at_rest
from neurocompile.ir.fixed import CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import Graph, chain
from neurocompile.ir.nodes import Linear
from neurocompile.ir.sigma_delta import Sigma, SigmaDelta
from neurocompile.ir.time import lead_in
from neurocompile.ir.verify import verify


def one(weight, **synapse):
    return Synapse(Linear(np.array([[weight]], np.int16)), (1,), (1,), **synapse)


def unit(bias=0, vth=5, **fields):
    return SigmaDelta((1,), vth, bias_mant=bias, activation="unit", **fields)


TWO = chain({"in": SpikeInput((1,)), "s": one(2), "a": unit(10), "t": one(4), "b": unit()})


def test_a_bias_has_been_sent_where_a_chip_starts_from_rest():
    graph = verify(started_at_rest(TWO), "fixed")
    # a sends 10 in its first chip step; 40 arrive at b in its second and last one before step 1
    assert int(graph.nodes["a"].act_init) == 10
    assert (int(graph.nodes["b"].v_init), int(graph.nodes["b"].act_init)) == (40, 40)
    assert {name: v.tolist() for name, v in lead_in(graph).items()} == {"a": [0], "b": [40]}
    sent, v = reference.run_fixed(graph, {"in": np.array([[1], [0], [1], [1]])}, 4)
    # 2 and 4 wait below the threshold of 5; the third makes 6, and 24 for b
    assert sent["a"].ravel().tolist() == [0, 0, 0, 6]
    assert sent["b"].ravel().tolist() == [0, 0, 0, 24]
    assert v["b"].ravel().tolist() == [40, 40, 40, 64]


def test_a_state_that_no_register_starts_is_refused_by_layer():
    # 40 x 64 arrive as a current, which stays
    lif = CubaLIF((1,), 0, 0, 1000, 0, 0, 0)
    with pytest.raises(Unsupported, match=r"layer 'b': .* no register starts it. Use no biases."):
        started_at_rest(TWO.with_nodes(b=lif))
    silent = TWO.with_nodes(a=unit(), b=lif)  # the cure
    assert int(started_at_rest(silent).nodes["b"].v_init) == 0
    kept = TWO.with_nodes(a=unit(10, vth=6, cum_error=True), b=unit(2, cum_error=True))
    with pytest.raises(Unsupported, match="layer 'b'"):  # an error of 2 in each early step
        started_at_rest(kept.with_nodes(t=one(-2), a=unit()))


def test_what_is_on_its_way_in_step_1_is_refused_by_layer():
    with pytest.raises(Unsupported, match=r"layer 'a': .* through a delay or a loop"):
        started_at_rest(TWO.with_nodes(t=one(4, delay=1)))
    looped = Graph(
        {**TWO.nodes, "back": one(2, delay=1)}, (*TWO.edges, ("a", "back"), ("back", "a"))
    )
    with pytest.raises(Unsupported, match=r"layer 'a': .* Use no delays and loops, or no biases"):
        started_at_rest(looped)
    assert started_at_rest(looped.with_nodes(a=unit()))  # the cure


def test_a_delay_of_one_step_is_one_too_many_for_what_a_bias_sends():
    # in its own time a sends the 10 in step 1, so they arrive in step 2; the chip's first synapse
    # hides the delay, and they would be there in step 1
    for late in (None, [1], [[1]]):
        delayed = one(4, **({"delay": 1} if late is None else {"late": np.array(late)}))
        with pytest.raises(Unsupported, match=r"layer 'a': .* through a delay or a loop"):
            started_at_rest(TWO.with_nodes(t=delayed))
    # a delay before the bias holds nothing back
    assert started_at_rest(TWO.with_nodes(s=one(2, delay=1)))


@pytest.mark.parametrize("form", ["target", "source", "weight"])
def test_every_form_of_delay_carries_what_biases_send(form):
    # 10, 20 and 30 through weights of 2, 4 and 6 to one neuron, 8, 2 and 4 to the other
    weight = np.array([[2, 4, 6], [8, 2, 4]], np.int16)
    late = {"target": [1, 0], "source": [[0, 1, 0]], "weight": [[0, 1, 0], [1, 0, 0]]}[form]
    first = Synapse(Linear(np.full((3, 1), 2, np.int16)), (1,), (3,))
    second = Synapse(Linear(weight), (3,), (2,), late=np.array(late))
    sends = SigmaDelta((3,), 5, bias_mant=[10, 20, 30], activation="unit")
    takes = SigmaDelta((2,), 5, activation="unit")
    graph = chain({"in": SpikeInput((1,)), "s": first, "a": sends, "t": second, "b": takes})
    depth = {"in": 0, "a": 3, "b": 4}  # a sends in its own step -2, so nothing waits in step 1
    started = started_at_rest(graph, depth).nodes
    assert started["a"].act_init.tolist() == [10, 20, 30]
    assert started["b"].v_init.tolist() == [2 * 10 + 4 * 20 + 6 * 30, 8 * 10 + 2 * 20 + 4 * 30]
    with pytest.raises(Unsupported, match="still on its way in step 1"):
        started_at_rest(graph, {"in": 0, "a": 1, "b": 2})


def test_a_state_beyond_24_bits_before_step_1_is_refused_by_layer():
    wide = unit(4095, bias_exp=7)
    with pytest.raises(Unsupported, match=r"layer 'b': .* beyond 24 bits. Use smaller biases"):
        started_at_rest(TWO.with_nodes(a=wide, t=one(254)))


def test_a_bias_that_counts_as_sent_lets_a_deep_population_start_early():
    with pytest.raises(DoesNotFit, match=r"'a': .* its bias .* Set act_init to what its bias"):
        lead_in(TWO)
    assert lead_in(TWO.with_nodes(a=unit(10, act_init=10)))  # the cure
    errors = TWO.with_nodes(a=unit(4, cum_error=True))
    with pytest.raises(DoesNotFit, match=r"cum_error\). .* or act_init = "):
        lead_in(errors)
    assert lead_in(errors.with_nodes(a=unit(4, cum_error=True, act_init=4)))


def test_a_sum_is_sent_early_only_where_nothing_listens():
    last = chain({"in": SpikeInput((1,)), "s": one(2), "sum": Sigma((1,), v_init=-7)})
    assert lead_in(last)["sum"].tolist() == [-7]
    sent, _ = reference.run_fixed(last, {"in": np.array([[1], [0]])}, 2)
    assert sent["sum"].ravel().tolist() == [-5, -5]
    heard = chain({**last.nodes, "t": one(2), "b": unit()})
    with pytest.raises(DoesNotFit, match=r"'sum': .* Set v_init to 0, or lead nothing out of it"):
        lead_in(heard)
    silent = replace(heard.nodes["sum"], v_init=np.array(0))
    assert lead_in(heard.with_nodes(sum=silent))  # the cure
