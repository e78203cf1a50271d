"""The one loop over batches: every sample once, in order, whatever the size of a batch."""

from dataclasses import replace

import numpy as np
import pytest
from planted import Numbers, network

from neurocompile.data.inputs import encode, float_input
from neurocompile.data.samples import Data
from neurocompile.data.stimulus import Stimulus
from neurocompile.engines import agree, batches
from neurocompile.engines.agree import Engine, Exactness, compare_engines
from neurocompile.engines.recording import Recording
from neurocompile.errors import BadInput, CheckFailed


@pytest.fixture
def shown(monkeypatch):
    """Seven samples of four steps, in batches of three."""
    monkeypatch.setattr(batches, "BATCH", 3)
    spikes = (np.random.default_rng(0).random((7, 4, 1)) < 0.5).astype(np.float32)
    return Stimulus(Data("random", "spikes", spikes, None), 4)


@pytest.mark.parametrize(("stage", "enter"), [(0, float_input), (1, encode)])
def test_each_sample_is_run_once_in_order_on_what_the_stage_takes(stage, enter, shown):
    graph = network(Numbers(), Numbers())[stage]
    found = list(batches.batches(graph, shown, lambda entered: ("did", entered)))
    assert [(batch.first, batch.last) for batch in found] == [(0, 3), (3, 6), (6, 7)]
    for batch in found:
        expected = enter(graph, shown.data, batch.first, batch.last, 4, 0)
        if stage == 1:
            assert batch.entered.values.keys() == expected.values.keys() == {"input"}
            np.testing.assert_array_equal(batch.entered.values["input"], expected.values["input"])
        else:
            np.testing.assert_array_equal(batch.entered, expected)
        assert batch.did == ("did", batch.entered)
        assert batch.seconds >= 0


def test_an_engine_says_how_far_it_is_in_samples_of_the_whole_run(shown, monkeypatch):
    """Lava tells of samples within a batch: they are counted on from those before it."""

    def slowly(engine, graph, encoded, progress, **kept):
        progress(engine, 1, encoded.samples)
        return Recording({}, {})

    monkeypatch.setattr(agree, "run_engine", slowly)
    told = []
    _, graph = network(Numbers(), Numbers())
    engine = Engine("lava", graph, len(shown), lambda *what: told.append(what))
    for _ in batches.batches(graph, shown, engine):
        pass
    assert told == [("lava", done, 7) for done in (1, 3, 4, 6, 7, 7)]


def test_engines_that_agree_are_counted_and_one_that_does_not_is_named_by_place(shown, monkeypatch):
    _, graph = network(Numbers(), Numbers())
    first, other = (Engine(name, graph, len(shown)) for name in ("fixed", "onnx"))
    exactness = Exactness(("fixed", "onnx"))
    for batch in batches.batches(graph, shown, first):
        compare_engines("fixed", [other], batch, exactness)
    assert (exactness.samples, exactness.mismatches, exactness.first) == (7, 0, "")
    assert exactness.membrane_values_compared == 7 * 4
    exactness.require()

    def off_by_one(encoded):
        ours = Engine("fixed", graph, 7)(encoded)
        membrane = {name: v.copy() for name, v in ours.membrane.items()}
        membrane["neuron"][-1, 2] += 1
        return Recording(ours.spikes, membrane)

    off_by_one.name = "onnx"
    for batch in batches.batches(graph, shown, Engine("fixed", graph, 7)):
        compare_engines("fixed", [off_by_one], batch, exactness)
    assert exactness.mismatches == 3  # in the last sample of each batch
    with pytest.raises(CheckFailed, match=r"differ in 3 values.*'neuron', sample 2, step 3"):
        exactness.require()


@pytest.mark.parametrize("stage", [0, 1])
def test_what_no_memory_holds_is_refused_before_any_of_it_is_asked_for(stage, shown):
    graph = network(Numbers(), Numbers())[stage]
    with pytest.raises(BadInput, match=r"neurons for 100,000,000,000 steps in 3 samples at a time"):
        next(batches.batches(graph, replace(shown, steps=10**11), lambda entered: None))
