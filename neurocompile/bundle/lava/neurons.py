"""The Lava process of each neuron of a chip, as a line of Python.

In:  a population of a plan, and what names its registers in integers.npz.
Out: the class, its arguments as text, and lines that follow it.
They are the rules of `engines/lava/lower.py`, written instead of called; a test holds every neuron
of them to the engine `fixed`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from neurocompile.engines.lava.plan import PopulationPlan
from neurocompile.ir.arrays import Array
from neurocompile.ir.registers import UNITY

BIASES = "run.biases"  # bias mantissas that the host writes for a sample


@dataclass(frozen=True)
class Line:
    """A process.

    Attributes:
        kind: Its class.
        words: Its arguments, by name.
        after: What is assigned to it then, by the place in it.
        potential: Lava's name of v.
    """

    kind: str
    words: Mapping[str, str]
    after: Mapping[str, str] = field(default_factory=dict)
    potential: str = "v"


@dataclass(frozen=True, eq=False)
class Registers:
    """The registers of a population, as text.

    Attributes:
        plan: The population.
        arrays: All registers, by `<index>/<field>`.
        fresh: Whether each sample gets a network of its own.
        held: Function that keeps an array in integers.npz; it returns the text that reads it.
    """

    plan: PopulationPlan
    arrays: Mapping[str, Array]
    fresh: bool
    held: Callable[[str, Array], str]

    def text(self, name: str) -> str:
        """A register: a number, or where it stands in integers.npz."""
        if name == "bias_mant" and self.plan.biases is not None:
            return BIASES
        array = self.arrays[f"{self.plan.index}/{name}"]
        return self.held(name, array) if array.ndim else str(int(array))

    def texts(self, *names: str) -> dict[str, str]:
        """Registers by their names."""
        return {name: self.text(name) for name in names}

    def one(self, name: str) -> str:
        """A register that Lava's process has once per population."""
        return str(int(self.arrays[f"{self.plan.index}/{name}"].max()))

    def start(self) -> str:
        """The potential at which the chip starts."""
        array = self.arrays[f"{self.plan.index}/v"]
        return self.held("v", array) if array.any() else "0"

    def common(self) -> dict[str, str]:
        """What most processes take."""
        return {"shape": self.shape, "v": self.start(), **self.texts("bias_mant", "bias_exp")}

    @property
    def shape(self) -> str:
        """The shape, flat."""
        return f"({self.plan.size},)"

    def words(self) -> dict[str, str]:
        """What the step reads beside registers."""
        return {name: repr(word) for name, word in self.plan.words.items()}


def _cuba_lif(r: Registers) -> Line:
    words = {**r.common(), **r.texts("du", "dv", "vth")}
    subtract = r.plan.words["reset"] == "subtract"
    if r.fresh and not subtract:
        return Line("LIF", words)
    kind = "SubtractLIF" if subtract else "LIFReset"
    if r.fresh:  # an interval beyond the end: never
        interval, offset = "run.steps + LAST_DEPTH + 1", "0"
    else:  # sample b of a population at depth d begins at chip step b T + d + 1
        interval, offset = "run.steps", f"{r.plan.depth + 1} % run.steps"
    return Line(kind, {**words, "reset_interval": interval, "reset_offset": offset})


def _refractory_lif(r: Registers) -> Line:
    return Line("RefractoryLIF", {**r.common(), **r.texts("du", "dv", "vth", "refractory")})


def _adaptive_lif(r: Registers) -> Line:
    words = {**r.common(), **r.texts("du", "dv", "dtheta", "theta_step")}
    return Line("AdaptiveLIF", {**words, "vth": r.text("theta_0")})


def _atrlif(r: Registers) -> Line:
    decays = {"delta_i": "du", "delta_v": "dv", "delta_theta": "dtheta", "delta_r": "dr"}
    words = {theirs: f"{r.text(ours)} / {UNITY}" for theirs, ours in decays.items()}
    words |= {"theta_0": r.text("theta_0"), "theta_step": r.one("theta_step")}
    return Line("ATRLIF", {**r.common(), **words})


def _ternary_lif(r: Registers) -> Line:
    thresholds = {name: r.one(name) for name in ("vth_hi", "vth_lo")}
    return Line("TernaryLIF", {**r.common(), **r.texts("du", "dv"), **thresholds})


def _sigma(r: Registers) -> Line:
    return Line("Sigma", {"shape": r.shape}, {"sigma.init": r.start()}, "sigma")


def _delta(r: Registers) -> Line:
    return Line("Delta", {"shape": r.shape, "vth": r.one("vth"), **r.words()}, {}, "act")


def _sigma_delta(r: Registers) -> Line:
    words = r.words()
    mode = words.pop("activation").strip("'").upper()
    given = {"shape": r.shape, "vth": r.one("vth"), "act_mode": f"ActivationMode.{mode}", **words}
    after = {
        "bias.init": f"np.left_shift({r.text('bias_mant')}, {r.text('bias_exp')})",
        "sigma.init": r.start(),
        "act.init": r.text("act_init"),
    }
    return Line("SigmaDelta", given, after, "sigma")


def _resonator(kind: str, potential: str) -> Callable[[Registers], Line]:
    def line(r: Registers) -> Line:
        words = {"shape": r.shape, "period": "4", "alpha": "0.0", "vth": r.one("vth")}
        decays = {f"{name}.init": f"np.int32({r.one(name)})" for name in ("sin_decay", "cos_decay")}
        return Line(kind, {**words, **r.words()}, decays, potential)

    return line


# By the class of a population, what writes its process.
PROCESSES: Mapping[str, Callable[[Registers], Line]] = {
    "CubaLIF": _cuba_lif,
    "RefractoryLIF": _refractory_lif,
    "AdaptiveLIF": _adaptive_lif,
    "ATRLIF": _atrlif,
    "TernaryLIF": _ternary_lif,
    "Sigma": _sigma,
    "Delta": _delta,
    "SigmaDelta": _sigma_delta,
    "RF": _resonator("RF", "real"),
    "RF_IZ": _resonator("RF_IZ", "imag"),
}

# Where Lava's own processes stand; those that are not here are ours, in processes/neurons.py.
STOCK: Mapping[str, Any] = {
    "LIF": "lava.proc.lif.process",
    "LIFReset": "lava.proc.lif.process",
    "TernaryLIF": "lava.proc.lif.process",
    "ATRLIF": "lava.proc.atrlif.process",
    "RF": "lava.proc.rf.process",
    "RF_IZ": "lava.proc.rf_iz.process",
    "Sigma": "lava.proc.sdn.process",
    "Delta": "lava.proc.sdn.process",
    "SigmaDelta": "lava.proc.sdn.process",
    "ActivationMode": "lava.proc.sdn.process",
    "Dense": "lava.proc.dense.process",
    "DelayDense": "lava.proc.dense.process",
    "Sparse": "lava.proc.sparse.process",
    "DelaySparse": "lava.proc.sparse.process",
}
