"""What is kept of a compilation is what would be made anew, and is taken for nothing else."""

import pytest
from networks import float_network, spikes

from neurocompile.compiler import compile_graph
from neurocompile.data.samples import Data
from neurocompile.data.sampling import Sampling
from neurocompile.ir.digest import graph_digest
from neurocompile.place.target import Target
from neurocompile.quantize import kept
from neurocompile.quantize.kept import Kept, keeping


@pytest.fixture
def made(monkeypatch):
    """How often something was calibrated and quantized."""
    times = {"calibrate": 0, "best": 0}

    def counted(module, name):
        real = getattr(module, name)

        def call(*arguments):
            times[name] += 1
            return real(*arguments)

        monkeypatch.setattr(module, name, call)

    counted(kept, "calibrate")
    counted(kept.search, "best")
    return times


def compiled(bits=8, fewest_of="both", seed=0, samples=4):
    graph = float_network(seed, kinds=("box", "box", "lif", "li"), steps=8)
    shape = next(iter(graph.nodes.values())).shape
    data = Data("random", "spikes", spikes(seed, samples, 8, shape))
    target = Target("loihi-sim", fewest_of=fewest_of)
    return compile_graph(graph, target, sampling=Sampling(data), calibration=data, bits=bits)


def test_what_differs_later_shares_the_integers_and_what_differs_in_bits_the_calibration(made):
    alone = [graph_digest(compiled(bits).fixed_graph) for bits in (8, 4, 8)]
    assert made == {"calibrate": 3, "best": 3}
    with keeping(Kept()):
        found = [compiled(8), compiled(4), compiled(8, "messages")]
    assert made == {"calibrate": 4, "best": 5}
    assert [graph_digest(each.fixed_graph) for each in found] == alone
    compiled(8)  # outside of the block nothing is kept
    assert made == {"calibrate": 5, "best": 6}


def test_other_weights_or_other_samples_are_made_anew(made):
    with keeping(Kept()):
        for seed, samples in ((0, 4), (1, 4), (0, 3)):
            compiled(seed=seed, samples=samples)
    assert made == {"calibrate": 3, "best": 3}


def test_no_more_is_kept_than_was_asked(made):
    with keeping(Kept(calibrations=1, networks=2)):
        for bits in (8, 4, 8, 2, 8, 4):  # 4 is gone when 8 and 2 were used after it
            compiled(bits)
    assert made == {"calibrate": 1, "best": 4}
