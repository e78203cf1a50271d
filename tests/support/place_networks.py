"""Small networks and small chips to place."""

from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from neurocompile.chip.read import load_chip
from neurocompile.ir.fixed import CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import Graph
from neurocompile.ir.linear import out_shape, sparse_op
from neurocompile.ir.nodes import Conv, ConvTranspose, Linear, size


def neurons(*shape, **registers):
    """A population with plain registers."""
    plain = {"du": 4095, "dv": 410, "vth": 1000, "bias_mant": 0, "bias_exp": 0, "v_init": 0}
    readout = registers.pop("readout", False)
    return CubaLIF(shape, readout=readout, **{**plain, **registers})


def weights(rng, *shape):
    """Random integers of the 8-bit grid."""
    return 2 * rng.integers(-128, 128, shape)


def limited(**limits):
    """Loihi 1 with other limits of a core, or of the chip."""
    chip = load_chip("loihi-sim")
    changed = {
        key: replace(getattr(chip.limits, key), value=value) for key, value in limits.items()
    }
    return replace(chip, limits=replace(chip.limits, **changed))


def dense(rng, sources, targets):
    """Random dense synapses."""
    return Synapse(Linear(weights(rng, targets, sources)), (sources,), (targets,))


def random_network(seed):
    """A convolution, a transposed one, a dense layer; sparse, a skip and a loop; random sizes."""
    rng = np.random.default_rng(seed)
    channels, middle, side = rng.integers(1, 4), rng.integers(1, 5), rng.integers(4, 8)
    shape = (int(channels), int(side), int(side))
    conv = Conv(weights(rng, middle, channels, 3, 3), None, (2, 2), (1, 1), (1, 1), 1)
    inner = out_shape(conv, shape)
    back = ConvTranspose(weights(rng, middle, 2, 4, 4), None, (2, 2), (1, 1), (0, 0), (1, 1), 1)
    outer = out_shape(back, inner)
    few = weights(rng, 10, size(inner)) * (rng.random((10, size(inner))) < 0.3)
    nodes = {
        "in": SpikeInput(shape),
        "s1": Synapse(conv, shape, inner),
        "conv": neurons(*inner, vth=rng.integers(100, 104, inner)),
        "s2": Synapse(back, inner, outer),
        "back": neurons(*outer, dv=rng.integers(0, 3, outer)),
        "s3": dense(rng, size(outer), 10),
        "skip": dense(rng, size(inner), size(outer)),
        "few": Synapse(sparse_op(sp.csr_array(few), inner, (10,), None), inner, (10,), 1),
        "loop": replace(dense(rng, 10, 10), delay=1),
        "out": neurons(10, readout=True),
    }
    edges = [("in", "s1"), ("s1", "conv"), ("conv", "s2"), ("s2", "back"), ("conv", "skip")]
    edges += [("skip", "back"), ("back", "s3"), ("s3", "out"), ("conv", "few"), ("few", "out")]
    return Graph(nodes, (*edges, ("out", "loop"), ("loop", "out")))
