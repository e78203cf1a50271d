"""Small networks of either stage and input spikes that many tests use."""

import numpy as np

from neurocompile.ir.fixed import CubaLIF, Synapse
from neurocompile.ir.graph import chain
from neurocompile.ir.neurons import LI, LIF, LIBox, LIFBox
from neurocompile.ir.nodes import AvgPool, Conv, ConvTranspose, Input, Linear, Reshape
from neurocompile.ir.settings import Decoder, Encoder, Settings


def neuron(kind, *, v_leak=0.0, v_reset=0.0, v_th=0.3, tau_mem_inv=200.0):
    """A float neuron layer of a kind: box, subtract, lif, li or libox; potentials in float32."""
    rate, leak, reset, threshold = map(np.float32, (tau_mem_inv, v_leak, v_reset, v_th))
    return {
        "box": lambda: LIFBox(rate, leak, threshold, reset),
        "subtract": lambda: LIFBox(rate, leak, threshold, reset, "subtract"),
        "lif": lambda: LIF(np.float32(300), rate, leak, threshold, reset),
        "li": lambda: LI(np.float32(300), rate, leak),
        "libox": lambda: LIBox(rate, leak),
    }[kind]()


def float_network(seed, *, kinds=None, steps=20, encoder=None):
    """A float conv network, 2 x 8 x 8 -> 4 -> 6 -> 16 -> 2 x 4 x 4, with biases at every depth."""
    rng = np.random.default_rng(seed)
    first, second, third, last = kinds or (
        *rng.choice(["box", "subtract", "lif"], 3),
        rng.choice(["li", "libox"]),
    )

    def weights(*shape, scale=1.0):
        return (rng.normal(size=shape) * scale).astype(np.float32)

    two = (2, 2)
    nodes = {
        "input": Input((2, 8, 8)),
        "conv1": Conv(weights(4, 2, 3, 3), weights(4, scale=0.1), two, (1, 1), (1, 1), 1),
        "lif1": neuron(first, v_leak=0.05, v_reset=-0.1),
        "pool": AvgPool(two, two, (0, 0)),
        "conv2": Conv(weights(6, 4, 2, 2), None, (1, 1), (0, 0), (1, 1), 1),
        "lif2": neuron(second, v_leak=-0.05),
        "flatten": Reshape((6,)),
        "linear": Linear(weights(16, 6), weights(16, scale=0.1)),
        "lif3": neuron(third, v_leak=0.02),
        "unflatten": Reshape((4, 2, 2)),
        "up": ConvTranspose(
            weights(4, 2, 4, 4), weights(2, scale=0.1), two, (1, 1), (0, 0), (1, 1), 1
        ),
        "output": neuron(last, v_leak=0.1),
    }
    return chain(
        nodes,
        Settings(
            steps=steps,
            encoder=encoder or Encoder("bernoulli"),
            decoder=Decoder("last", task="reconstruction"),
        ),
    )


def spikes(seed, samples, steps, shape, rate=0.3):
    """Random input spikes (samples, steps, *shape)."""
    return (np.random.default_rng(seed).random((samples, steps, *shape)) < rate).astype(np.uint8)


def lif(shape, du=4095, dv=300, vth=90, mant=0, exp=0, v=0, **more):
    """A population of integers."""
    return CubaLIF(shape, du, dv, vth, mant, exp, v, **more)


def dense(rng, before, after, exponent=0, bits=8, **more):
    """A dense synapse of random weights on the grid."""
    step = 1 << (9 - bits)
    weight = rng.integers(-256 // step, 256 // step, (after, before)) * step
    return Synapse(Linear(weight.astype(np.int16)), (before,), (after,), exponent, bits, **more)
