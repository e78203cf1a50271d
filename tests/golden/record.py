"""`make golden`: record what Lava's stock processes compute, or compare it with the files.

In:  `record.py [PROCESS ...]`, names of files without their ending, all of them by default;
     `--check all` or `--check one` (the first case of each file) to compare and write nothing.
Out: tests/golden/PROCESS.npz where an array differs from what the file holds; exit 1 where one
     does in a check.
Needs lava-nc 0.10.0. Lava's own ring buffers play and record; no process of ours is involved.

A file holds, by `<case>/<array>`, what golden_cases.py gives and what Lava made of it: `s`, `u`,
`v`, `theta`, `r`, `act`, `residue`, `error`, `real`, `imag` of neurons after each step, (steps, n),
and `a`, what leaves a synapse at the end of each step, (steps, n). `about` is JSON: the process,
its source and versions.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import golden_cases
import numpy as np

from neurocompile.engines.lava import repairs

repairs.apply()  # before Lava is imported

from lava.magma.core.run_conditions import RunSteps  # noqa: E402
from lava.magma.core.run_configs import Loihi2SimCfg  # noqa: E402
from lava.proc.atrlif.process import ATRLIF  # noqa: E402
from lava.proc.dense.process import DelayDense, Dense  # noqa: E402
from lava.proc.io.sink import RingBuffer as Sink  # noqa: E402
from lava.proc.io.source import RingBuffer as Source  # noqa: E402
from lava.proc.lif.process import LIF, LIFRefractory, LIFReset, TernaryLIF  # noqa: E402
from lava.proc.rf.process import RF  # noqa: E402
from lava.proc.rf_iz.process import RF_IZ  # noqa: E402
from lava.proc.sdn.process import ActivationMode, Delta, Sigma, SigmaDelta  # noqa: E402
from lava.proc.sparse.process import DelaySparse, Sparse  # noqa: E402
from lava.utils.weightutils import SignMode  # noqa: E402
from scipy.sparse import SparseEfficiencyWarning, csr_matrix  # noqa: E402

warnings.simplefilter("ignore", SparseEfficiencyWarning)  # DelaySparse's own, once per delay
HERE = Path(__file__).parent
Case = dict[str, Any]
ALIGN = 1 << 6  # of weights and thresholds, relative to v
PICK_COLUMNS, MULTIPLY = 0, 1  # num_message_bits, as engines/lava/lower.py gives them
LIF_REGISTERS = ("du", "dv", "vth", "bias_mant", "bias_exp")


def main(arguments: list[str]) -> int:
    """Record some processes; 0 unless a check finds a difference."""
    parser = argparse.ArgumentParser()
    parser.add_argument("processes", nargs="*", default=[*RECORDED])
    parser.add_argument("--check", choices=("all", "one"))
    options = parser.parse_args(arguments)
    one, differing = options.check == "one", 0
    for name in options.processes:
        cases, record, *_ = RECORDED[name]
        given = cases()
        taken = list(given)[:1] if one else list(given)
        arrays = {
            f"{case}/{key}": values for case in taken for key, values in record(given[case]).items()
        }
        bad = differences(HERE / f"{name}.npz", arrays, whole=not one)
        differing += bool(bad)
        found = f"differs in {', '.join(bad)}" if bad else f"{len(arrays)} arrays, all as recorded"
        sys.stdout.write(f"{name}: {found}\n")
        if bad and not options.check:
            named: dict[str, Any] = {"about": np.array(about(name)), **arrays}
            np.savez_compressed(HERE / f"{name}.npz", **named)
    return int(options.check is not None and differing > 0)


def differences(file: Path, arrays: Case, whole: bool) -> list[str]:
    """Names of arrays that a file lacks, has beside these, or holds with other values."""
    if not file.exists():
        return sorted(arrays)
    with np.load(file) as kept:
        bad = [
            name
            for name, values in arrays.items()
            if name not in kept or not np.array_equal(kept[name], values)
        ]
        return bad + (sorted(set(kept) - {"about", *arrays}) if whole else [])


def about(name: str) -> str:
    """The process, the file of its model and the versions that ran, as JSON."""
    _, _, process, source = RECORDED[name]
    versions = {package: version(package) for package in ("lava-nc", "numpy", "scipy")}
    versions["python"] = platform.python_version()
    return json.dumps({"process": process, "source": source, "versions": versions})


# --- neurons -------------------------------------------------------------------------------


def record_lif(case: Case) -> Case:
    """A LIF, or the LIFReset that clears u and v every so many steps."""
    n = len(case["du"])
    registers = {name: case[name].astype(np.int32) for name in LIF_REGISTERS}
    if "reset" in case:
        interval, offset = case["reset"].tolist()
        neuron = LIFReset(
            shape=(n,), reset_interval=interval, reset_offset=offset, v=case["v_init"], **registers
        )
    else:
        neuron = LIF(shape=(n,), v=case["v_init"], **registers)
    return case | _stepped(neuron, case, ("u", "v"))


def record_atrlif(case: Case) -> Case:
    """An ATRLIF; neurons whose theta or r left the 24 bits of a register are taken out.

    Lava goes on with them in 32 bits, but our engines stop: there is nothing to compare.
    """
    decays = {"delta_i": "du", "delta_v": "dv", "delta_theta": "dtheta", "delta_r": "dr"}
    neuron = ATRLIF(
        shape=case["du"].shape,
        v=case["v_init"],
        theta_0=case["theta_0"].astype(np.int32),
        theta_step=int(case["theta_step"]),
        bias_mant=case["bias_mant"],
        bias_exp=case["bias_exp"],
        **{theirs: case[ours] / 4096 for theirs, ours in decays.items()},
    )
    found = _stepped(neuron, case, ("i", "v", "theta", "r"))
    found["u"] = found.pop("i")  # its name elsewhere
    return _inside(case, found, "theta", "r")


def record_ternary(case: Case) -> Case:
    """A TernaryLIF."""
    registers = {name: case[name].astype(np.int32) for name in LIF_REGISTERS if name != "vth"}
    thresholds = {name: int(case[name]) for name in ("vth_hi", "vth_lo")}
    neuron = TernaryLIF(shape=case["du"].shape, v=case["v_init"], **thresholds, **registers)
    return case | _stepped(neuron, case, ("u", "v"), np.int32)


def record_refractory(case: Case) -> Case:
    """A LIFRefractory per group of neurons, in float: see `golden_cases.refractory_cases`."""
    shared = np.stack([case[name] for name in ("refractory", "du", "dv", "vth")], axis=1)
    groups = []
    for period, du, dv, vth in dict.fromkeys(map(tuple, shared.tolist())):
        here = (shared == (period, du, dv, vth)).all(axis=1)
        own = {k: v[here] if v.shape[:1] == here.shape else v for k, v in case.items()}
        neuron = LIFRefractory(
            shape=own["v_init"].shape,
            du=(du + 1) / 4096,
            dv=dv / 4096,
            vth=float(vth * ALIGN),
            bias_mant=np.left_shift(own["bias_mant"], own["bias_exp"]).astype(float),
            v=own["v_init"].astype(float),
            refractory_period=period - 1,
        )
        states = ("u", "v", "refractory_period_end")
        groups.append(_stepped(neuron, own, states, unit=ALIGN, tag="floating_pt"))
    found = {name: np.hstack([group[name] for group in groups]) for name in groups[0]}
    steps = 1 + np.arange(len(found["u"]))[:, None]
    found["wait"] = np.maximum(found.pop("refractory_period_end") - steps, 0).astype(np.int32)
    return _inside(case, found, "u", "v")


def _inside(case: Case, found: Case, *states: str) -> Case:
    """A case and what was found without the neurons of which a state left 24 bits."""
    inside = np.max([np.abs(found[name]).max(axis=0) for name in states], axis=0) < (1 << 23) - 1
    kept = {
        key: values[inside] if values.shape[:1] == inside.shape else values
        for key, values in case.items()
    }
    return kept | {key: values[:, inside] for key, values in found.items()}


def record_sigma(case: Case) -> Case:
    """A Sigma."""
    found = _stepped(Sigma(shape=case["v_init"].shape), case, ("sigma",), np.int32)
    return case | {"v": found["sigma"], "s": found["s"]}


def record_delta(case: Case) -> Case:
    """A Delta."""
    neuron = Delta(shape=case["v_init"].shape, **_encoding(case))
    found = _stepped(neuron, case, ("act", "residue", "error"), np.int32)
    found["v"] = found.pop("act")
    return case | found


def record_sigma_delta(case: Case) -> Case:
    """A SigmaDelta; the bias is given as it is used, because Lava would shift it again."""
    mode = ActivationMode[str(case["activation"]).upper()]
    neuron = SigmaDelta(shape=case["v_init"].shape, act_mode=mode, **_encoding(case))
    neuron.bias.init = np.left_shift(case["bias_mant"], case["bias_exp"])
    found = _stepped(neuron, case, ("sigma", "act", "residue", "error"), np.int32)
    found["v"] = found.pop("sigma")
    return case | found


def record_rf(case: Case) -> Case:
    """An RF."""
    found = _stepped(_turning(RF, case), case, ("real", "imag"))
    found["v"] = found.pop("real")  # the part that reaches the threshold
    return case | found


def record_rf_iz(case: Case) -> Case:
    """An RF_IZ."""
    found = _stepped(_turning(RF_IZ, case), case, ("real", "imag"))
    found["v"] = found.pop("imag")
    return case | found


def _turning(kind: Any, case: Case) -> Any:
    """A resonator, whose decays are given as they are used."""
    words = {name: int(case[name]) for name in ("vth", "state_exp", "decay_bits")}
    neuron = kind(shape=case["v_init"].shape, period=4, alpha=0.0, **words)
    for decay in ("sin_decay", "cos_decay"):
        getattr(neuron, decay).init = np.int32(case[decay])
    return neuron


def _encoding(case: Case) -> dict[str, Any]:
    exponents = {name: int(case[name]) for name in ("vth", "spike_exp", "state_exp")}
    return exponents | {"cum_error": bool(case["cum_error"])}


def _stepped(
    neuron: Any,
    case: Case,
    states: tuple[str, ...],
    sent: type[np.generic] = np.uint8,
    unit: int = 1,
    tag: str = "fixed_pt",
) -> Case:
    """Run a neuron on what its spikes bring, and read its states after every step.

    Args:
        neuron: A process of Lava.
        case: Its spikes and weights.
        states: Names of its states.
        sent: Type of what it sends.
        unit: Factor on what arrives: a model in float does not align it.
        tag: Which of its models runs.
    """
    if "to_real" in case:
        ports = {f"a_{part}_in": case[f"to_{part}"].astype(np.int64) for part in ("real", "imag")}
    else:
        coarse = case["coarse"].astype(np.int64) << golden_cases.COARSE
        fine = case["fine"].astype(np.int64) << golden_cases.FINE
        ports = {"a_in": np.hstack([coarse, fine])}
    steps = len(case["spikes"])
    for port, weights in ports.items():
        arriving = weights @ case["spikes"].T  # (n, steps)
        Source(data=(arriving * unit).astype(np.int32)).s_out.connect(getattr(neuron, port))
    sink = Sink(shape=neuron.s_out.shape, buffer=steps)
    neuron.s_out.connect(sink.a_in)
    found: dict[str, list[Any]] = {name: [] for name in states}
    for _ in range(steps):
        neuron.run(condition=RunSteps(1), run_cfg=Loihi2SimCfg(select_tag=tag))
        for name in states:
            found[name].append(getattr(neuron, name).get())
    spikes = sink.data.get()
    neuron.stop()
    rows = {name: np.array(values).astype(np.int32) for name, values in found.items()}
    return rows | {"s": spikes.T.astype(sent)}


# --- synapses ------------------------------------------------------------------------------


def record_dense(case: Case) -> Case:
    """A Dense that sums the columns of the axons that spike."""
    return _synapse(Dense, case, case["weights"].astype(np.int32), PICK_COLUMNS)


def record_sparse(case: Case) -> Case:
    """A Sparse that multiplies."""
    return _synapse(Sparse, case, csr_matrix(case["weights"].astype(np.int32)), MULTIPLY)


def record_delay_dense(case: Case) -> Case:
    """A DelayDense with one delay, or with one per target."""
    weights, delays = case["weights"].astype(np.int32), case["delay"]
    each = np.repeat(delays[:, None], weights.shape[1], axis=1) if delays.ndim else int(delays)
    return _synapse(DelayDense, case, weights, MULTIPLY, delays=each)


def record_delay_sparse(case: Case) -> Case:
    """A DelaySparse with one delay."""
    weights = csr_matrix(case["weights"].astype(np.int32))
    return _synapse(DelaySparse, case, weights, MULTIPLY, delays=int(case["delay"]))


def _synapse(kind: Any, case: Case, weights: Any, message_bits: int, **more: Any) -> Case:
    """Play spikes into a synapse and keep what leaves it, one step earlier than Lava sends it."""
    steps = len(case["spikes"])
    process = kind(
        weights=weights,
        weight_exp=int(case["exponent"]),
        num_weight_bits=int(case["bits"]),
        sign_mode=SignMode.MIXED,
        num_message_bits=message_bits,
        **more,
    )
    silent = np.zeros_like(case["spikes"][:1])  # the last sum leaves in the step after its spikes
    source = Source(data=np.concatenate([case["spikes"], silent]).T.astype(np.int32))
    sink = Sink(shape=process.a_out.shape, buffer=steps + 1)
    source.s_out.connect(process.s_in)
    process.a_out.connect(sink.a_in)
    process.run(condition=RunSteps(steps + 1), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
    sent = sink.data.get().T.astype(np.int32)
    process.stop()
    assert not sent[0].any(), "a synapse sends nothing in its first step"
    return case | {"a": sent[1:], "num_message_bits": np.array(message_bits)}


# By file: its cases, what records one of them, the process and the file of its model.
RECORDED: dict[str, tuple[Callable[[], dict[str, Case]], Callable[[Case], Case], str, str]] = {
    "lif": (golden_cases.lif_cases, record_lif, "LIF", "lava/proc/lif/models.py"),
    "lif_reset": (golden_cases.reset_cases, record_lif, "LIFReset", "lava/proc/lif/models.py"),
    "atrlif": (golden_cases.atrlif_cases, record_atrlif, "ATRLIF", "lava/proc/atrlif/models.py"),
    "lif_refractory": (
        golden_cases.refractory_cases,
        record_refractory,
        "LIFRefractory",
        "lava/proc/lif/models.py",
    ),
    "ternary_lif": (
        golden_cases.ternary_cases,
        record_ternary,
        "TernaryLIF",
        "lava/proc/lif/models.py",
    ),
    "sigma": (golden_cases.sigma_cases, record_sigma, "Sigma", "lava/proc/sdn/models.py"),
    "delta": (golden_cases.delta_cases, record_delta, "Delta", "lava/proc/sdn/models.py"),
    "sigma_delta": (
        golden_cases.sigma_delta_cases,
        record_sigma_delta,
        "SigmaDelta",
        "lava/proc/sdn/models.py",
    ),
    "rf": (golden_cases.resonator_cases, record_rf, "RF", "lava/proc/rf/models.py"),
    "rf_iz": (golden_cases.resonator_cases, record_rf_iz, "RF_IZ", "lava/proc/rf_iz/models.py"),
    "dense": (golden_cases.dense_cases, record_dense, "Dense", "lava/proc/dense/models.py"),
    "sparse": (golden_cases.sparse_cases, record_sparse, "Sparse", "lava/proc/sparse/models.py"),
    "delay_dense": (
        golden_cases.delay_dense_cases,
        record_delay_dense,
        "DelayDense",
        "lava/proc/dense/models.py",
    ),
    "delay_sparse": (
        golden_cases.delay_sparse_cases,
        record_delay_sparse,
        "DelaySparse",
        "lava/proc/sparse/models.py",
    ),
}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
