"""One neuron with a leak of 1/2, whose float and fixed numbers differ where a test wants them to.

Chip units of v are worth 2^-12 float units. In each of 4 steps an axon spikes and the chip's
neuron takes v <- v / 2 + 64 w + b, so that exact arithmetic leads to 1.875 (64 w + b) in step 4.
"""

from dataclasses import dataclass

import numpy as np

from neurocompile.commands.compare.compare import compare
from neurocompile.data.samples import Data
from neurocompile.data.stimulus import Stimulus
from neurocompile.ir.fixed import CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import chain
from neurocompile.ir.neurons import LIBox, LIFBox
from neurocompile.ir.nodes import Input, Linear
from neurocompile.ir.settings import Settings

SCALE = 2.0**-12
STEPS = 4
ONE = np.ones((1, STEPS, 1), dtype=np.uint8)  # a spike in every step


@dataclass
class Numbers:
    """What a neuron has; weight and bias in their own steps, the decay in parts of 4096."""

    weight: float = 100
    threshold: float = 188  # 64 chip units each
    bias: float = 0
    decay: float = 2048


def network(floating, fixed):
    """The FLOAT and the FIXED graph of one neuron."""
    settings = Settings(dt=2.0**-10, steps=STEPS)
    leak = floating.decay / 4096
    weight = np.array([[floating.weight * 64 * SCALE / leak]])
    bias = np.array([floating.bias * SCALE / leak])
    zero = np.zeros(())
    neuron = LIFBox(
        np.array(leak / settings.dt), zero, np.array(floating.threshold * 64 * SCALE), zero
    )
    trained = chain(
        {"input": Input((1,)), "synapse": Linear(weight, bias), "neuron": neuron}, settings
    )
    registers = {"du": 4095, "dv": fixed.decay, "vth": fixed.threshold, "bias_mant": fixed.bias}
    population = CubaLIF(
        (1,), **{k: np.array(n) for k, n in registers.items()}, bias_exp=np.array(0),
        v_init=np.array(0), scale=np.array(SCALE),
    )  # fmt: skip
    synapse = Synapse(Linear(np.array([[fixed.weight]], dtype=np.int16)), (1,), (1,))
    chip = chain({"input": SpikeInput((1,)), "synapse": synapse, "neuron": population}, settings)
    return trained, chip


def compared(trained, chip, spikes=ONE):
    """What `compare` says of them."""
    data = Data("planted", "spikes", spikes.astype(np.float32), None)
    return compare(trained, chip, Stimulus(data, spikes.shape[1]))


def integrators(weights, chip_weights, exponent, threshold, *, spikes, scale=1.0):
    """A neuron that forgets nothing, in float and on the chip, and what `compare` says."""
    from neurocompile.ir.neurons import IAF

    settings = Settings(steps=spikes.shape[1])
    neuron = IAF(np.array(threshold * 64 * scale), np.zeros(()))
    trained = chain(
        {"input": Input((len(weights),)), "synapse": Linear(np.array([weights])), "neuron": neuron},
        settings,
    )
    registers = {"du": 4095, "dv": 0, "vth": threshold, "bias_mant": 0, "bias_exp": 0, "v_init": 0}
    population = CubaLIF(
        (1,), **{k: np.array(n) for k, n in registers.items()}, scale=np.array(scale)
    )
    op = Linear(np.array([chip_weights], dtype=np.int16))
    synapse = Synapse(op, (len(weights),), (1,), exponent)
    chip = chain(
        {"input": SpikeInput((len(weights),)), "synapse": synapse, "neuron": population}, settings
    )
    return compared(trained, chip, spikes)


def readout():
    """A FLOAT and a FIXED graph that end in potentials and never spike; the weight is rounded."""
    settings = Settings(dt=2.0**-10, steps=STEPS)
    zero = np.zeros(())
    weight = np.array([[100.5 * 64 * SCALE / 0.5]])
    nodes = {"input": Input((1,)), "synapse": Linear(weight), "out": LIBox(np.array(512.0), zero)}
    registers = {"du": 4095, "dv": 2048, "vth": 131071, "bias_mant": 0, "bias_exp": 0, "v_init": 0}
    population = CubaLIF(
        (1,), **{k: np.array(n) for k, n in registers.items()}, readout=True, scale=np.array(SCALE)
    )
    synapse = Synapse(Linear(np.array([[100]], dtype=np.int16)), (1,), (1,))
    chip = {"input": SpikeInput((1,)), "synapse": synapse, "out": population}
    return chain(nodes, settings), chain(chip, settings)
