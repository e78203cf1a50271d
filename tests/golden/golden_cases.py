"""What the stock Lava processes are given when their traces are recorded.

In:  nothing; random numbers come from fixed seeds.
Out: cases by name, each a dict of arrays: the given half of a trace. Nothing here imports Lava.
Neurons are driven so that every register is at both of its ends, u wraps and v saturates in both
directions; tests/golden/test_frozen_witness.py holds the recorded files to that.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

Case = dict[str, Any]
Row = dict[str, int]

COARSE, FINE = 7, 0  # weight exponents of the two synapses in front of every neuron
COARSE_AXONS, FINE_AXONS = 6, 8  # at most 6 x 256 x 2^7 x 2^6 < 2^24 arrives: u wraps only once
LARGEST_V = (1 << 23) - 1
STEPS = 36
DECAYS = (0, 1, 2048, 4095, 4096)
CURRENT_DECAYS = (-1, 0, 2047, 4094, 4095)
ARRIVING = 100  # what the first fine axon brings: the threshold of the neurons at an edge
NO_BIAS = {"bias_mant": 0, "bias_exp": 0, "v_init": 0}
LIF_EDGE = {"du": 4095, "dv": 4096, "vth": ARRIVING, **NO_BIAS}  # forgets all in every step
ATRLIF_EDGE = {"du": 4095, "dv": 4096, "dtheta": 4096, "dr": 4096, "theta_0": ARRIVING, **NO_BIAS}
# Sign of 2^17, which times 2^6 is where u wraps, and what is added: inside, at and beyond it.
WRAPS = ((1, -2), (1, 0), (1, 2), (-1, 2), (-1, 0), (-1, -2))
RESETS = {"depth 0": (18, 1), "depth 2": (17, 3)}  # interval and offset, chip steps


# --- neurons -------------------------------------------------------------------------------


def lif_cases() -> dict[str, Case]:
    """One population, in which every neuron has registers of its own."""
    return {"registers": _driven(LIF_EDGE, _lif_rows(start=True), np.random.default_rng(1))}


def reset_cases() -> dict[str, Case]:
    """Every second of these neurons, starting at 0, cleared as populations at depth 0 and 2 are."""
    rows = _lif_rows(start=False)[::2]
    return {
        name: _driven(LIF_EDGE, rows, np.random.default_rng(2)) | {"reset": np.array(reset)}
        for name, reset in RESETS.items()
    }


def atrlif_cases() -> dict[str, Case]:
    """One population per theta_step, of which Lava has one number per population."""
    cases = {}
    for rise in (0, 300, 4095):
        rng = np.random.default_rng(3 + rise)
        case = _driven(ATRLIF_EDGE, _atrlif_rows(rng), rng)
        cases[f"theta_step {rise}"] = case | {"theta_step": np.array(rise)}
    return cases


def ternary_cases() -> dict[str, Case]:
    """One population per pair of thresholds, of which Lava has one per population."""
    cases = {}
    for high, low in ((0, 0), (900, -20), (131071, -131071)):
        rng = np.random.default_rng(4 + high)
        rows = [{k: v for k, v in row.items() if k != "vth"} for row in _lif_rows(start=True)[::4]]
        edge = {k: v for k, v in LIF_EDGE.items() if k != "vth"}
        case = _driven(edge, rows, rng)
        cases[f"{high} and {low}"] = case | {"vth_hi": np.array(high), "vth_lo": np.array(low)}
    return cases


def refractory_cases() -> dict[str, Case]:
    """Groups of neurons that share period, decays and threshold, of which Lava has one each.

    Lava computes these in float. With decays of none and all every number is whole, so that its
    results are those of integers where nothing wraps or saturates; others are taken out.
    """
    rng = np.random.default_rng(30)
    groups = ((2, 4095, 0, 40), (5, 4095, 4096, 40), (63, 4095, 0, 900), (3, -1, 4096, 300))
    groups, n = (*groups, (4, -1, 0, 900)), 9
    fine = _on_grid(rng.integers(-100, 200, (n * len(groups), FINE_AXONS)))
    coarse = np.zeros((len(fine), COARSE_AXONS), np.int64)
    registers = {
        name: np.repeat([group[at] for group in groups], n)
        for at, name in enumerate(("refractory", "du", "dv", "vth"))
    }
    registers |= {"bias_mant": np.resize([0, 30, -30], len(fine)), "bias_exp": np.array(3)}
    starts = {"v_init": np.resize([0, -700, 0, 100_000], len(fine))}
    weights = {"coarse": coarse.astype(np.int16), "fine": fine.astype(np.int16)}
    return {"periods": {"spikes": _train(rng), **weights, **registers, **starts}}


def sigma_cases() -> dict[str, Case]:
    """One population without registers."""
    return {"sums": _messaging(np.random.default_rng(5), {})}


def delta_cases() -> dict[str, Case]:
    """Without exponents, and with exponents and cumulated errors."""
    return {
        f"{low} {high} {cum}": _messaging(np.random.default_rng(6 + high), _words(low, high, cum))
        for low, high, cum in ((0, 0, 0), (3, 2, 1))
    }


def sigma_delta_cases() -> dict[str, Case]:
    """Both activations, and biases of both signs."""
    cases = {}
    for low, high, cum, activation in ((2, 3, 0, "relu"), (0, 1, 1, "unit")):
        rng = np.random.default_rng(20 + high)
        biases = {"bias_mant": rng.integers(-300, 300, 16), "bias_exp": np.arange(16) % 8}
        words = _words(low, high, cum) | {"activation": np.array(activation)}
        cases[f"{low} {high} {cum} {activation}"] = _messaging(rng, words) | biases
    return cases


def resonator_cases() -> dict[str, Case]:
    """Turns of a quarter and of a tenth, growth, both ends of every register."""
    low, high = -4096, 4096  # each pair of exponents is a loop to compile: there are three
    turns = {  # sine, cosine, threshold, state_exp, decay_bits
        "quarter": (4096, 0, 200, 0, 12),
        "tenth": (2287, 3148, 150, 0, 12),
        "growth": (0, high, 131071, 7, 11),  # a threshold beyond what the potential holds
        "growth and back": (high, low, 1, 7, 11),
        "coarse": (low, 1, 1, 7, 1),
    }
    cases = {}
    for number, (name, (sin, cos, vth, state_exp, decay_bits)) in enumerate(turns.items()):
        words = {"sin_decay": sin, "cos_decay": cos, "vth": vth}
        words |= {"state_exp": state_exp, "decay_bits": decay_bits}
        cases[name] = _turning(np.random.default_rng(30 + number)) | {
            word: np.array(value) for word, value in words.items()
        }
    return cases


def _turning(rng: np.random.Generator) -> Case:
    """Sixteen neurons with complex weights, of which the first five meet their thresholds.

    In a quarter turn the first fine axon, alone in two steps, brings them to (200, 0), (198, -2)
    and (198, 2), and the others to an imaginary part of 200 and 198.
    """
    axons = COARSE_AXONS + FINE_AXONS
    size = np.resize([1, 1, 8], 16)[:, None]
    parts = {}
    for part, first in (("real", (100, 98, 100, 0, 0)), ("imag", (-100, -100, -98, 200, 198))):
        weights = _on_grid(rng.integers(-256, 256, (16, axons)) // size)
        weights[: len(first), :] = 0
        weights[: len(first), COARSE_AXONS] = first
        weights[-1] = 254  # both parts saturate where they grow
        weights[-2] = -256
        parts[f"to_{part}"] = weights.astype(np.int16)
    registers = {name: np.zeros(16, np.int64) for name in NO_BIAS}
    return {"spikes": _train(rng), **parts, **registers}


def _words(low: int, high: int, cum: int) -> Case:
    words = {"spike_exp": low, "state_exp": high, "cum_error": cum, "vth": 60}
    return {name: np.array(value) for name, value in words.items()}


def _messaging(rng: np.random.Generator, words: Case) -> Case:
    """Sixteen neurons that little and much arrives at, of which the first meets its threshold."""
    size = np.resize([1, 8], 16)[:, None]
    fine = _on_grid(rng.integers(-256, 256, (16, FINE_AXONS)) // size)
    fine[0] = 0
    fine[0, 0] = 60
    coarse = np.zeros((16, COARSE_AXONS), np.int64)
    registers = {name: np.zeros(16, np.int64) for name in NO_BIAS}
    weights = {"coarse": coarse.astype(np.int16), "fine": fine.astype(np.int16)}
    return {"spikes": _train(rng), **weights, **registers, **words}


def _lif_rows(start: bool) -> list[Row]:
    """Registers of each neuron: ends, pairs of ends, and random ones."""
    usual = {"du": 2047, "dv": 512, "vth": 3000, **NO_BIAS}
    ends = {
        "du": CURRENT_DECAYS,
        "dv": DECAYS,
        "vth": (0, 1, 131071),
        "bias_mant": (-4096, -1, 1, 4095),
        "bias_exp": tuple(range(8)),
        "v_init": (-LARGEST_V, -1, 1, LARGEST_V) if start else (0,),
    }
    rows = [usual | {"du": du, "dv": dv} for du, dv in product(CURRENT_DECAYS, DECAYS)]
    rows += [
        usual | {"dv": 0, "vth": 131071, "bias_mant": mant, "bias_exp": exponent}
        for exponent, mant in product(range(8), (-4096, 4095))
    ]
    rows += [
        usual | {"dv": dv, "vth": 131071, "v_init": v} for dv, v in product(DECAYS, ends["v_init"])
    ]
    rng = np.random.default_rng(0)
    rows += [{name: int(rng.choice(of)) for name, of in ends.items()} for _ in range(24)]
    return rows


def _atrlif_rows(rng: np.random.Generator) -> list[Row]:
    usual = {"du": 2047, "dv": 512, "dtheta": 200, "dr": 300, "theta_0": 400, **NO_BIAS}
    ends = {
        **dict.fromkeys(("dv", "dtheta", "dr"), DECAYS),
        "du": CURRENT_DECAYS,
        "theta_0": (0, 1, 4095),
        "bias_mant": (-4096, -1, 1, 4095),
        "bias_exp": tuple(range(8)),
        "v_init": (-LARGEST_V, LARGEST_V),
    }
    rows = [usual | {name: value} for name, of in ends.items() for value in of]
    rows += [usual | {"dtheta": dtheta, "dr": dr} for dtheta, dr in product(DECAYS[::2], repeat=2)]
    rows += [{name: int(rng.choice(of)) for name, of in ends.items()} for _ in range(12)]
    return rows


def _driven(edge: Row, rows: Sequence[Row], rng: np.random.Generator) -> Case:
    """Registers as arrays, and spikes through weights of very different sizes in front of them.

    Before the rows come neurons at an edge: three at their threshold, of which two have a bias of
    1 and -1, and six whose current is brought to where u wraps.
    """
    edges = [edge, edge | {"bias_mant": 1}, edge | {"bias_mant": -1}, *([edge] * len(WRAPS))]
    rows = [*edges, *rows]
    registers = {name: np.array([row[name] for row in rows], np.int32) for name in rows[0]}
    n = len(rows)
    size = np.resize([0, 2, 12, 256], n)[:, None]  # nothing coarse, little, some, everything
    coarse = rng.integers(-size, size + 1, (n, COARSE_AXONS))
    coarse[3::8] = np.abs(coarse[3::8])  # every second large one pushes in one direction
    coarse[7::16] = -np.abs(coarse[7::16])
    fine = rng.integers(-256, 256, (n, FINE_AXONS))
    coarse[: len(edges)] = fine[: len(edges)] = 0
    fine[:3, 0] = ARRIVING
    for at, (sign, more) in enumerate(WRAPS, start=3):
        coarse[at, :5] = sign * 204, sign * 204, sign * 204, sign * 204, sign * 208
        fine[at, 0] = more
    return {
        "spikes": _train(rng),
        "coarse": _on_grid(coarse).astype(np.int16),
        "fine": _on_grid(fine).astype(np.int16),
        **registers,
    }


def _train(rng: np.random.Generator) -> np.ndarray:
    """Silence, every axon alone, all at once, and random spikes; (STEPS, axons)."""
    axons = COARSE_AXONS + FINE_AXONS
    train = rng.random((STEPS, axons)) < 0.35
    train[0] = False
    train[1:3] = np.arange(axons) == COARSE_AXONS  # the first fine axon alone
    train[4:8] = True
    train[20:24] = False
    train[24:27] = np.arange(axons) < COARSE_AXONS + 1
    return train.astype(np.uint8)


def _on_grid(weights: np.ndarray, bits: int = 8) -> np.ndarray:
    """Whole numbers at or below some weights that a chip holds at a width."""
    step = 1 << (9 - bits)
    return np.clip(weights // step * step, -256, 256 - step)


# --- synapses ------------------------------------------------------------------------------


def dense_cases() -> dict[str, Case]:
    """Every exponent and every width."""
    return _matrices(np.random.default_rng(10), axons=9, targets=6, filled=1.0)


def sparse_cases() -> dict[str, Case]:
    """Every exponent and every width, with a row and a column without a weight."""
    return _matrices(np.random.default_rng(11), axons=14, targets=7, filled=0.4)


def delay_dense_cases() -> dict[str, Case]:
    """One delay per synapse up to the longest, and one per target."""
    rng = np.random.default_rng(12)
    cases = _delayed(rng, filled=1.0)
    for exponent, delays in ((-3, [0, 62, 1, 30]), (4, [7, 7, 0, 8])):
        case = _matrix(rng, (4, 6), exponent, 8, 1.0)
        cases[f"by target, exponent {exponent}"] = case | {"delay": np.array(delays)}
    return _with_spikes(cases, _sparse_train(rng))


def delay_sparse_cases() -> dict[str, Case]:
    """One delay per synapse up to the longest."""
    rng = np.random.default_rng(13)
    return _with_spikes(_delayed(rng, filled=0.5), _sparse_train(rng))


def _matrices(rng: np.random.Generator, axons: int, targets: int, filled: float) -> dict[str, Case]:
    exponents = range(-8, 8)
    spikes = (rng.random((20, axons)) < 0.3).astype(np.uint8)
    spikes[spikes.sum(axis=1) > 3] = 0  # 3 x 256 x 2^7 stays below the wrap of the neuron after it
    cases = {
        f"exponent {e}, {2 + i % 7} bits": _matrix(rng, (targets, axons), e, 2 + i % 7, filled)
        for i, e in enumerate(exponents)
    }
    return _with_spikes(cases, spikes)


def _delayed(rng: np.random.Generator, filled: float) -> dict[str, Case]:
    cases = {}
    for delay, exponent, bits in ((1, -8, 8), (2, 7, 2), (5, -1, 3), (17, 0, 5), (62, -4, 8)):
        case = _matrix(rng, (4, 6), exponent, bits, filled)
        cases[f"delay {delay}, exponent {exponent}, {bits} bits"] = case | {
            "delay": np.array(delay)
        }
    return cases


def _matrix(
    rng: np.random.Generator, shape: tuple[int, int], exponent: int, bits: int, filled: float
) -> Case:
    """Weights with both ends of their grid; the delay is 0."""
    weights = _on_grid(rng.integers(-256, 256, shape), bits)
    if filled < 1:
        weights[rng.random(shape) > filled] = 0
        weights[0] = weights[:, 0] = 0
    weights[-1, -2:] = -256, 256 - (1 << (9 - bits))
    numbers = {"exponent": np.array(exponent), "bits": np.array(bits), "delay": np.array(0)}
    return {"weights": weights.astype(np.int16), **numbers}


def _with_spikes(cases: dict[str, Case], spikes: np.ndarray) -> dict[str, Case]:
    return {name: {"spikes": spikes, **case} for name, case in cases.items()}


def _sparse_train(rng: np.random.Generator) -> np.ndarray:
    """Some spikes, in time for the longest delay; (80, 6)."""
    spikes = rng.random((80, 6)) < 0.15
    spikes[16:72] = False
    spikes[spikes.sum(axis=1) > 3] = False
    return spikes.astype(np.uint8)
