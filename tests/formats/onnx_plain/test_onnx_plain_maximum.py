"""MaxPool in a plain ONNX file: of spikes, by option, neurons that fire at any; else refused."""

import numpy as np
import onnxruntime
import pytest
from plain_files import ONE_STEP, neurons, node, plain

from neurocompile.errors import BadInput, Unsupported
from neurocompile.formats.load_onnx import from_onnx
from neurocompile.formats.onnx.write import to_onnx
from neurocompile.ir.reference import run_float

SETTINGS = '{"steps": 20, "dt": 0.001}'
POOLS = {
    "plain": {"kernel_shape": [2, 2], "strides": [2, 2]},
    "pads": {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]},
    "dilations": {"kernel_shape": [2, 2], "dilations": [2, 3]},
}


def model(first=(), **pool):
    """A pool of the input, or of the node that is given."""
    source = first[0].output[0] if first else "x"
    nodes = [*first, node("MaxPool", [source], "pool", **pool), node("Flatten", ["pool"], "y")]
    return plain(nodes, [*ONE_STEP, 2, 6, 6], ["y"], settings=SETTINGS)


@pytest.mark.parametrize("pool", POOLS)
def test_a_maximum_of_spikes_is_onnxruntimes_in_the_same_step(pool):
    made = model(**POOLS[pool])
    x = np.random.default_rng(2).random((20, 2, 6, 6)) < 0.2
    session = onnxruntime.InferenceSession(made.SerializeToString())
    (theirs,) = session.run(None, {"x": x.astype(np.float32)})
    assert 0.1 < theirs.mean() < 0.9
    graph = from_onnx(made, max_pool="neurons")
    ours = run_float(graph, x.astype(float))[0]["pool"]
    assert np.array_equal(ours.reshape(theirs.shape), theirs > 0)
    (said,) = [each.sentence for each in graph.settings.assumed if each.key == "max_pool"]
    assert f"became {theirs.shape[1]} neurons" in said


def test_a_maximum_of_what_is_no_spike_is_refused_and_behind_neurons_it_is_read():
    average = [node("AveragePool", ["x"], "a", kernel_shape=[1, 1])]
    with pytest.raises(Unsupported, match=r"'a' gives, which is not spikes.*after the neurons"):
        from_onnx(model(average, **POOLS["plain"]), max_pool="neurons")
    graph = from_onnx(model([neurons("x", "a")], **POOLS["plain"]), max_pool="neurons")
    assert list(graph.nodes) == ["x", "a", "pool.sum", "pool", "y"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"ceil_mode": 1, "strides": [3, 3]}, "beyond the image.*False"),
        ({"storage_order": 1}, "storage_order"),
        ({"pads": [0, 0, 1, 1]}, "allowed are equal ones"),
        ({"pads": [1, 1, 1, 1], "dilations": [7, 7]}, "padding only"),
    ],
)
def test_options_that_no_neurons_hold_are_refused_by_name(more, words):
    with pytest.raises(Unsupported, match=words):
        from_onnx(model(**{**POOLS["plain"], **more}), max_pool="neurons")


def test_a_file_of_ours_has_no_maximum_pool():
    graph = from_onnx(model(**POOLS["plain"]), max_pool="neurons")
    with pytest.raises(BadInput, match=r"what it writes has no maximum pool. Leave out max_pool="):
        from_onnx(to_onnx(graph), max_pool="neurons")
