"""Seeded random parts of networks of both vocabularies: maps, synapses, neurons, settings.

In:  a generator of random numbers, and the shape that a part takes.
Out: a sound part; over some tens of draws every parameter occurs.
"""

import os
from itertools import product
from math import cos, pi, sin

import numpy as np

from neurocompile.ir.adapting import ALIF, LSNN, LIFRefrac
from neurocompile.ir.after_spikes import AdaptiveLIF, RefractoryLIF
from neurocompile.ir.chip_neurons import ATRLIF, TernaryLIF
from neurocompile.ir.fixed import CubaLIF, Synapse
from neurocompile.ir.linear import matrix, out_shape, sparse_op
from neurocompile.ir.neurons import (
    IAF,
    LI,
    LIF,
    DeltaEncoder,
    Integrator,
    LIBox,
    LIFBox,
    SigmaDeltaReLU,
)
from neurocompile.ir.nodes import (
    AvgPool,
    BatchNorm,
    Conv,
    ConvTranspose,
    Identity,
    Linear,
    Reshape,
    SumPool,
    Upsample,
    size,
)
from neurocompile.ir.resonators import RF, RF_IZ
from neurocompile.ir.settings import Decoder, Encoder, Settings
from neurocompile.ir.sigma_delta import Delta, Sigma, SigmaDelta

SMALLEST = 3  # pixels along an axis that maps still shrink


def settings(rng):
    return Settings(
        dt=float(rng.choice([1e-3, 5e-4, 1 / 3000])),
        steps=int(rng.integers(1, 50)),
        encoder=Encoder("bernoulli", float(rng.random())),
        decoder=Decoder("rate", 0.1 + float(rng.random()), -1e-17, "reconstruction"),
        data=str(rng.choice(["", "mnist5k", "Ziffern ä"])),
        training={
            "epochs": 3,
            "loss": [0.1, float(rng.random())],
            "who": {"seed": None, "on": True},
        },
    )


def some_map(rng, shape, values):
    """A linear map that takes this shape; `values(*shape)` draws its weights."""
    if len(shape) == 1:
        return Linear(values(int(rng.integers(1, 9)), *shape))
    axes = len(shape) - 1
    groups = int(rng.choice([g for g in (1, 2, 3) if shape[0] % g == 0]))
    kernel = [int(k) for k in rng.integers(1, min(4, min(shape[1:]) + 1), axes)]

    def each(low, high):
        return tuple(int(n) for n in rng.integers(low, high, axes))

    padding = tuple(int(rng.integers(0, k)) for k in kernel)
    per_group = int(rng.integers(1, 3))
    if rng.random() < 0.5 and min(shape[1:]) >= SMALLEST:
        weight = values(per_group * groups, shape[0] // groups, *kernel)
        return Conv(weight, None, each(1, 3), padding, (1,) * axes, groups)
    stride, dilation = each(1, 3), each(1, 3)
    padding = tuple(min(p, 1) if min(shape[1:]) > 1 else 0 for p in padding)
    extra = tuple(  # what PyTorch allows and ONNX can say
        int(rng.integers(0, max(s, min(p + 1, d))))
        for s, p, d in zip(stride, padding, dilation, strict=True)
    )
    weight = values(shape[0], per_group, *kernel)
    return ConvTranspose(weight, None, stride, padding, extra, dilation, groups)


def dilated_conv(rng, shape, values):
    """A convolution with a dilation above 1."""
    axes = len(shape) - 1
    weight = values(2, shape[0], *(2,) * axes)
    return Conv(weight, None, (1,) * axes, (2,) * axes, (2,) * axes, 1)


# --- FIXED ---------------------------------------------------------------------------------


def integer_weights(rng):
    """A drawer of weights on the grid, and its bits."""
    dtype = rng.choice(["int16", "int32", "int64"])
    bits = int(rng.choice([8, 8, 5]))
    step = 2 ** (9 - bits)

    def values(*shape):
        return (rng.integers(-256 // step, 256 // step, shape) * step).astype(dtype)

    return values, bits


def population(rng, shape):
    """Registers over their whole ranges, a value a layer or a value a neuron each."""

    def register(low, high):
        return rng.integers(low, high, shape if rng.random() < 0.4 else ())

    extreme = rng.random() < 0.3  # bias that drives v into saturation
    return CubaLIF(
        shape,
        du=register(-1, 4096) if rng.random() < 0.7 else -1 + 4096 * rng.integers(0, 2),
        dv=register(0, 1200) if rng.random() < 0.8 else register(0, 4097),
        vth=register(1, 3000) if not extreme else 131071,
        bias_mant=register(-4096, 4096) if extreme else register(-300, 300),
        bias_exp=7 if extreme else register(0, 8),
        v_init=register(-8388607, 8388608) if extreme else register(-5000, 5000),
        reset=str(rng.choice(["zero", "subtract"])),
        readout=bool(rng.random() < 0.2),
        scale=rng.normal(size=() if rng.random() < 0.5 else shape),
        offset=rng.normal(),
    )


def adaptive(rng, shape):
    """An adaptive population that starts at 0, with a value per layer or per neuron each."""

    def register(low, high):
        return rng.integers(low, high, shape if rng.random() < 0.4 else ())

    def decay():
        return rng.choice([0, 4096]) if rng.random() < 0.2 else register(0, 1500)

    return ATRLIF(
        shape,
        du=decay() - 1,
        dv=decay(),
        dtheta=decay(),
        dr=decay(),
        theta_0=register(0, 400),
        theta_step=rng.integers(0, 100),  # Lava's process has one per population
        bias_mant=register(-20, 60),
        bias_exp=register(0, 5),
        v_init=0,
    )


def refractory(rng, shape):
    """A population with a refractory period, over its whole range in some draws."""
    few = rng.random() < 0.7
    period = rng.integers(1, 6 if few else 64, shape if rng.random() < 0.5 else ())
    start = rng.integers(-5000, 5000, shape) if rng.random() < 0.3 else 0
    extreme = {"bias_mant": 4095, "bias_exp": 7} if rng.random() < 0.2 else {}
    drawn = _decays(rng, shape, "du", "dv") | _biases(rng, shape) | extreme
    vth = 131071 if extreme else rng.integers(1, 1000, shape)
    return RefractoryLIF(shape, **drawn, refractory=period, vth=vth, v_init=start)


def rising(rng, shape):
    """A population whose threshold rises with its spikes."""
    start = rng.integers(-3000, 3000, shape) if rng.random() < 0.3 else 0
    drawn = _decays(rng, shape, "du", "dv", "dtheta") | _biases(rng, shape)
    steps = {"theta_0": rng.integers(0, 400, shape), "theta_step": rng.integers(0, 300, shape)}
    return AdaptiveLIF(shape, **drawn, **steps, v_init=start)


def _decays(rng, shape, *names):
    """Decays per neuron with both ends among them: one compiled loop takes all draws."""
    decays = {name: rng.integers(0, 1500, shape) for name in names}
    for values in decays.values():
        values[rng.random(shape) < 0.15] = 4096
        values[rng.random(shape) < 0.15] = 0
    return decays | {"du": decays["du"] - 1}


def _biases(rng, shape):
    return {"bias_mant": rng.integers(-20, 60, shape), "bias_exp": rng.integers(0, 5)}


def ternary(rng, shape):
    """A population that sends 1, 0 and -1, with a value per layer or per neuron each."""

    def register(low, high):
        return rng.integers(low, high, shape if rng.random() < 0.4 else ())

    extreme = rng.random() < 0.2  # biases that drive v into saturation
    return TernaryLIF(
        shape,
        du=register(-1, 4096) if rng.random() < 0.7 else -1 + 4096 * rng.integers(0, 2),
        dv=register(0, 1200) if rng.random() < 0.8 else register(0, 4097),
        vth_hi=rng.integers(0, 2000),  # Lava's process has one per population
        vth_lo=-rng.integers(0, 2000),
        bias_mant=register(-4096, 4096) if extreme else register(-50, 50),
        bias_exp=7 if extreme else register(0, 6),
        v_init=register(-5000, 5000) if rng.random() < 0.4 else 0,
    )


def sigma(rng, shape):
    """A population that adds up what arrives."""
    return Sigma(shape)


def delta(rng, shape):
    """A population that sends changes of its input."""
    return Delta(shape, **_encoding(rng))


def sigma_delta(rng, shape):
    """A population that sends changes of what it added up; biases below its threshold, or sent."""
    words = _encoding(rng)
    words["activation"] = str(rng.choice(["relu", "unit"]))
    least = int(words["vth"]) << (words["spike_exp"] + words["state_exp"])
    if rng.random() < 0.4:
        bias = {"bias_mant": rng.integers(-4096, 4096, shape), "bias_exp": 2}
        v = rng.integers(-20_000, 20_000, shape)
        act = v + (bias["bias_mant"] << 2)
        act = np.maximum(act, 0) if words["activation"] == "relu" else act
        unsent = 0 if words["cum_error"] else rng.integers(1 - least, least, shape)
        return SigmaDelta(shape, **words, **bias, v_init=v, act_init=act - unsent)
    bias = {}
    if not words["cum_error"] and rng.random() < 0.7:
        bias["bias_mant"] = rng.integers(max(-4096, 1 - least), min(4096, least), shape)
    return SigmaDelta(shape, **words, **bias)


# spike_exp, state_exp, cum_error: each combination is a loop to compile, so tests draw few of them
ENCODINGS = [(0, 0, False), (1, 3, True)]
if "FUZZ_N" in os.environ:
    ENCODINGS = list(product((0, 1, 3), (0, 1, 3), (False, True)))


def _encoding(rng):
    low, high, summed = ENCODINGS[int(rng.integers(len(ENCODINGS)))]
    return {
        "vth": rng.integers(1, 3000),  # Lava's process has one per population
        **{"spike_exp": low, "state_exp": high, "cum_error": summed},
    }


def resonator(rng, shape):
    """A population that resonates, most often at a period of 2 to 40 steps."""
    return _turning(rng, shape, RF)


def izhikevich_resonator(rng, shape):
    """A population that resonates, and is reset."""
    return _turning(rng, shape, RF_IZ)


TURNS = [(0, 12), (3, 7)]  # state_exp, decay_bits: each pair is a loop to compile
if "FUZZ_N" in os.environ:
    TURNS = list(product((0, 2, 5), (4, 9, 12)))


def _turning(rng, shape, kind):
    state_exp, decay_bits = TURNS[int(rng.integers(len(TURNS)))]
    if rng.random() < 0.2:  # anything, growth included; Lava's process has one per population
        decays = [int(rng.choice([-4096, 0, 4096, rng.integers(-4096, 4097)])) for _ in range(2)]
    else:
        kept, turn = rng.uniform(0.6, 1) * (1 << decay_bits), 2 * pi / rng.uniform(2, 40)
        decays = [int(kept * sin(turn)), int(kept * cos(turn))]
    vth = 131071 if rng.random() < 0.1 else int(rng.integers(1, 2000))
    return kind(shape, *decays, vth, state_exp, decay_bits)


GRADED = (ternary, sigma, delta, sigma_delta)  # populations whose spikes carry payloads
WRITTEN = (population, adaptive, ternary, sigma_delta)  # those whose biases a host may write
DRAWN = {  # what draws each kind of neuron of a chip
    **{CubaLIF: population, ATRLIF: adaptive, TernaryLIF: ternary},
    **{Sigma: sigma, Delta: delta, SigmaDelta: sigma_delta},
    **{RefractoryLIF: refractory, AdaptiveLIF: rising},
    **{RF: resonator, RF_IZ: izhikevich_resonator},
}


def synapse(rng, shape):
    """A synapse that takes this shape; sometimes flattened, sparse, shifted or delayed."""
    values, bits = integer_weights(rng)
    if len(shape) > 1 and rng.random() < 0.3:
        in_shape, op = (size(shape),), Linear(values(5, size(shape)))
    elif len(shape) > 1 and rng.random() < 0.2 and max(shape[1:]) < 12:
        in_shape, op = shape, dilated_conv(rng, shape, values)
    else:
        in_shape, op = shape, some_map(rng, shape, values)
    after = out_shape(op, in_shape)
    if rng.random() < 0.3:
        op = sparse_op(matrix(op, in_shape), in_shape, after, None)
    return Synapse(
        op,
        in_shape,
        after,
        weight_exp=int(rng.integers(-8, 8)),
        bits=bits,
        delay=int(rng.choice([0, 0, 1, 3, 62])),
    )


# --- FLOAT ---------------------------------------------------------------------------------


def delta_encoder(rng, shape):
    """Neurons of the FLOAT vocabulary that send changes of what arrives."""
    return DeltaEncoder(_each(rng, shape, 0.05, 0.5))


def sigma_delta(rng, shape):
    """Neurons of the FLOAT vocabulary that add up changes and send their own."""
    return SigmaDeltaReLU(_each(rng, shape, -0.3, 0.3), _each(rng, shape, 0.05, 0.5))


def _each(rng, shape, low, high):
    values = rng.uniform(low, high, shape if rng.random() < 0.3 else ())
    return np.asarray(values).astype(rng.choice(["float32", "float64"]))


LEAKING = (LIF, LIFBox, IAF, LI, LIBox, Integrator, LIFRefrac, LSNN, ALIF)
WITHOUT_MEMORY = (LIF, LIFBox, IAF, LI, LIBox, Integrator)


def neuron(rng, shape, kinds=LEAKING):
    """A neuron of one of these kinds."""

    def number(low, high):
        values = rng.uniform(low, high, shape if rng.random() < 0.3 else ())
        return values.astype(rng.choice(["float32", "float64"]))

    kind = kinds[int(rng.integers(len(kinds)))]
    if kind is Integrator:
        return Integrator()
    leaks = {"tau_mem_inv": number(50, 300), "v_leak": number(-0.1, 0.1)}
    if kind in (LIF, LI, LIFRefrac, LSNN, ALIF):
        leaks["tau_syn_inv"] = number(50, 400)
    if kind in (LI, LIBox):
        return kind(**leaks)
    leaks |= {"v_th": number(0.1, 0.5), "v_reset": number(-0.2, 0.05)}
    if kind is LIFRefrac:
        leaks["rho_reset"] = number(0, 4)
    if kind in (LSNN, ALIF):
        leaks |= {"tau_adapt_inv": number(5, 100), "beta": number(0.0, 0.3)}
    if kind is ALIF:
        leaks |= {"tau_refrac_inv": number(50, 400)}
        del leaks["v_reset"]
    if kind is IAF:
        leaks = {name: leaks[name] for name in ("v_th", "v_reset")}
    if kind in (LIF, LIFBox, IAF):
        leaks["reset"] = str(rng.choice(["zero", "subtract"]))
        if leaks["reset"] == "subtract" and rng.random() < 0.5:
            leaks["v_drop"] = number(0.1, 0.5)
    return kind(**leaks)


def float_map(rng, shape):
    """A linear map that takes this shape, with or without bias."""
    dtype = rng.choice(["float32", "float64"])

    def values(*s):
        return rng.normal(size=s).astype(dtype)

    if rng.random() < 0.1:
        return Identity()
    if rng.random() < 0.1:
        return BatchNorm(values(shape[0]), values(shape[0]) if rng.random() < 0.5 else None)
    if len(shape) == 1:
        weight = values(int(rng.integers(2, 9)), *shape)
        return Linear(weight, values(weight.shape[0]) if rng.random() < 0.5 else None)
    axes = len(shape) - 1
    draw = rng.random()
    if draw < 0.4 and min(shape[1:]) >= SMALLEST:
        kernel, stride = (2, 3)[:axes], (2, 1)[:axes]
        padding = (int(rng.integers(2)), 1)[:axes]
        if draw < 0.2:
            return SumPool(kernel, stride, padding)
        return AvgPool(kernel, stride, padding, count_include_pad=bool(rng.random() < 0.5))
    if draw < 0.5 and size(shape) < 300:
        return Upsample((2, 3)[:axes])
    if draw < 0.6:
        return Reshape((size(shape),))
    if draw < 0.7:
        return Linear(values(3, shape[-1]), values(3))
    op = some_map(rng, shape, values)
    if rng.random() < 0.5:
        channels = out_shape(op, shape)[0]
        op = type(op)(**{**vars(op), "bias": values(channels)})
    if rng.random() < 0.3:
        after = out_shape(op, shape)
        bias = values(size(after)) if rng.random() < 0.5 else None
        return sparse_op(matrix(op, shape), shape, after, bias)
    return op
