"""Turn a plan into connected Lava processes with flat shapes.

In:  a plan with its arrays, in the child process, where Lava may be imported.
Out: a network of processes that is ready to run.
Stock Lava processes compute everything, except for what `processes.neurons` adds.

Which process a synapse becomes was measured on the autoencoder 1x28x28 -k3s2-> 16x14x14
-k3s2-> 32x7x7 -> 64 -> 1568 -convT k4s2-> 16x14x14 -convT-> 1x28x28 at 5 % and 30 % spikes,
as the time of a step without anything else. Sparse compared with Conv: 1/35 on its first
convolution, 1/50 on its second (Conv loops over channel pairs in scipy, and ignores weight_exp),
and there is no ConvTranspose. Sparse as a product (num_message_bits 1) compared with picking
columns (0): 1/4 to 1/8. Dense picking columns (0) compared with the product (1): 1/4 to 1/10 at
5 %, equal at 30 %. All are exact on spikes of 0 and 1, products on payloads too: matrix entries
are already on the chip's grid.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from lava.magma.compiler.compiler_graphs import ProcGroupDiGraphs
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.atrlif.process import ATRLIF
from lava.proc.dense.process import DelayDense, Dense
from lava.proc.lif.process import LIF, LIFReset, TernaryLIF
from lava.proc.rf.process import RF
from lava.proc.rf_iz.process import RF_IZ
from lava.proc.sdn.process import ActivationMode, Delta, Sigma, SigmaDelta
from lava.proc.sparse.process import DelaySparse, Sparse
from lava.utils.weightutils import SignMode
from scipy.sparse import csr_matrix

from neurocompile.engines.lava.guard import LAYER
from neurocompile.engines.lava.plan import (
    RESET_FRESH,
    LavaPlan,
    PopulationPlan,
    SourcePlan,
    SynapsePlan,
)
from neurocompile.engines.lava.processes.neurons import AdaptiveLIF, RefractoryLIF, SubtractLIF
from neurocompile.engines.lava.processes.recorder import Recorder
from neurocompile.engines.lava.processes.source import SpikeSource
from neurocompile.engines.lava.workspace import Workspace
from neurocompile.ir.arrays import Array
from neurocompile.ir.ops import shift
from neurocompile.ir.registers import UNITY

PICK_COLUMNS = 0  # num_message_bits: sum the columns of the sources that spike
MULTIPLY = 1  # num_message_bits: multiply by the spikes as numbers
POTENTIALS = {  # Lava's names of v
    **{"Sigma": "sigma", "Delta": "act", "SigmaDelta": "sigma"},
    **{"RF": "real", "RF_IZ": "imag"},
}
MODELS: dict[type, Any] = {}  # the model that Lava chose, by class of process


def _model_of(process: Any) -> Any:
    """The model that Lava itself chooses for a process.

    For each process Lava searches it by running every file in the folder of the process. Asking
    only once per class halves the work of a build in this process.
    """
    kind = type(process)
    if kind not in MODELS:
        candidates = ProcGroupDiGraphs._find_proc_models(proc=process)
        MODELS[kind] = Loihi2SimCfg(select_tag="fixed_pt").select(process, candidates)
    return MODELS[kind]


class Network:
    """Lava processes that run some consecutive samples.

    Args:
        plan: Plan of the network.
        workspace: Workspace with its files.
        arrays: Registers and matrices.
        samples: (first, end), range of the samples to run one after the other.
    """

    def __init__(
        self,
        plan: LavaPlan,
        workspace: Workspace,
        arrays: Mapping[str, Array],
        samples: tuple[int, int],
    ) -> None:
        self.plan = plan
        self.workspace = workspace
        self.arrays = arrays
        self.first, self.end = samples
        self.rows = (self.first * plan.steps, self.end * plan.steps)
        self.processes: list[Any] = []
        self.nodes: dict[int, Any] = {}
        for source in plan.sources:
            self._add(source, self._source(source))
        for population in plan.populations:
            self._add(population, self._population(population))
        for synapse in plan.synapses:
            self._connect(synapse)
        for population in plan.populations:
            self._record(population)
        models = {process: _model_of(process) for process in self.processes}
        self.config = Loihi2SimCfg(select_tag="fixed_pt", exception_proc_model_map=models)

    def run(self, steps: int) -> None:
        """Run some chip steps and wait until they are done."""
        anchor = self.nodes[self.plan.populations[0].index]
        anchor.run(condition=RunSteps(num_steps=steps), run_cfg=self.config)

    def write_biases(self, sample: int) -> None:
        """Write the bias registers of a sample, between two runs."""
        for population in self.plan.populations:
            if population.biases is not None:
                self.nodes[population.index].bias_mant.set(self._biases(population, sample))

    def stop(self) -> None:
        """End the workers; only after successful runs, because otherwise it hangs."""
        self.nodes[self.plan.populations[0].index].stop()

    def _add(self, plan: SourcePlan | PopulationPlan, process: Any) -> None:
        self._name(process, f"layer '{plan.name}'")
        self.nodes[plan.index] = process

    def _name(self, process: Any, what: str) -> None:
        process.proc_params.overwrite(LAYER, what)
        self.processes.append(process)

    def _source(self, source: SourcePlan) -> Any:
        return SpikeSource(
            path=str(self.workspace.file("input", source.index)),
            rows=self.rows,
            depth=source.depth,
            size=source.size,
            name=f"source{source.index}",
        )

    def _population(self, population: PopulationPlan) -> Any:
        common = {
            "shape": (population.size,),
            "v": self.arrays[f"{population.index}/v"],
            "name": f"population{population.index}",
            **self._registers(population, "bias_mant", "bias_exp"),
        }
        if population.biases is not None:
            common["bias_mant"] = self._biases(population, self.first)
        return PROCESSES[population.kind](self, population, common)

    def _cuba_lif(self, population: PopulationPlan, common: dict[str, Any]) -> Any:
        """Lava's LIF, or the one that it clears between samples."""
        common |= self._registers(population, "du", "dv", "vth")
        subtract = population.words["reset"] == "subtract"
        fresh = self.plan.reset == RESET_FRESH
        if fresh and not subtract:
            return LIF(**common)
        # Sample b of a population at depth d begins at chip step b T + d + 1.
        interval, offset = self.plan.steps, (population.depth + 1) % self.plan.steps
        if fresh:  # an interval beyond the end: never
            interval, offset = self.plan.steps + self.plan.last_depth + 1, 0
        kind = SubtractLIF if subtract else LIFReset
        return kind(reset_interval=interval, reset_offset=offset, **common)

    def _refractory_lif(self, population: PopulationPlan, common: dict[str, Any]) -> Any:
        """A process of our own: Lava's with a refractory period is float only."""
        names = ("du", "dv", "vth", "refractory")
        return RefractoryLIF(**self._registers(population, *names), **common)

    def _adaptive_lif(self, population: PopulationPlan, common: dict[str, Any]) -> Any:
        """A process of our own: Lava has no neuron that resets and raises its threshold."""
        registers = self._registers(population, "du", "dv", "dtheta", "theta_step", "theta_0")
        return AdaptiveLIF(vth=registers.pop("theta_0"), **registers, **common)

    def _atrlif(self, population: PopulationPlan, common: dict[str, Any]) -> Any:
        """Lava's neuron with adaptive threshold: it multiplies its decays by 4096."""
        decays = {"delta_i": "du", "delta_v": "dv", "delta_theta": "dtheta", "delta_r": "dr"}
        registers = self._registers(population, *decays.values())
        fractions = {theirs: registers[ours] / UNITY for theirs, ours in decays.items()}
        theta_0 = self._registers(population, "theta_0")
        theta_step = int(self.arrays[f"{population.index}/theta_step"].max())  # all are equal
        return ATRLIF(**fractions, **theta_0, theta_step=theta_step, **common)

    def _ternary_lif(self, population: PopulationPlan, common: dict[str, Any]) -> Any:
        """Lava's neuron with two thresholds, one of each per population."""
        thresholds = {
            name: int(self.arrays[f"{population.index}/{name}"].max())  # all are equal
            for name in ("vth_hi", "vth_lo")
        }
        return TernaryLIF(**thresholds, **self._registers(population, "du", "dv"), **common)

    def _sigma(self, population: PopulationPlan, common: dict[str, Any]) -> Any:
        """Lava's accumulator."""
        process = Sigma(shape=common["shape"])
        process.sigma.init = common["v"]
        return process

    def _delta(self, population: PopulationPlan, common: dict[str, Any]) -> Any:
        """Lava's encoder of changes; it shifts its threshold itself."""
        vth = int(self.arrays[f"{population.index}/vth"].max())  # all are equal
        return Delta(shape=common["shape"], vth=vth, **population.words)

    def _sigma_delta(self, population: PopulationPlan, common: dict[str, Any]) -> Any:
        """Lava's accumulator and encoder; its bias is written as it is used, already shifted."""
        words = dict(population.words)
        mode = ActivationMode[words.pop("activation").upper()]
        vth = int(self.arrays[f"{population.index}/vth"].max())  # all are equal
        process = SigmaDelta(shape=common["shape"], vth=vth, act_mode=mode, **words)
        process.bias.init = np.left_shift(common["bias_mant"], common["bias_exp"])
        process.sigma.init = common["v"]
        process.act.init = self._registers(population, "act_init")["act_init"]
        return process

    def _resonator(self, population: PopulationPlan, common: dict[str, Any]) -> Any:
        """Lava's resonators; their decays are written as they are used, as whole numbers."""
        kind = {"RF": RF, "RF_IZ": RF_IZ}[population.kind]
        at = population.index
        vth = int(self.arrays[f"{at}/vth"].max())  # all are equal
        process = kind(shape=common["shape"], period=4, alpha=0.0, vth=vth, **population.words)
        for decay in ("sin_decay", "cos_decay"):
            getattr(process, decay).init = np.int32(self.arrays[f"{at}/{decay}"].max())
        return process

    def _registers(self, population: PopulationPlan, *names: str) -> dict[str, Any]:
        """Registers by name, as Lava takes them."""
        arrays = {name: self.arrays[f"{population.index}/{name}"] for name in names}
        return {n: a.astype(np.int32) if a.ndim else int(a) for n, a in arrays.items()}

    def _biases(self, population: PopulationPlan, sample: int) -> Array:
        assert population.biases is not None
        mantissas = np.load(self.workspace.file("input", population.biases), mmap_mode="r")
        return np.array(mantissas[sample], dtype=np.int32)

    def _connect(self, synapse: SynapsePlan) -> None:
        process = self._synapse(synapse)
        self._name(process, f"synapse '{synapse.name}'")
        self.nodes[synapse.source].s_out.connect(process.s_in)
        into = "a_in" if synapse.into is None else f"a_{synapse.into}_in"
        process.a_out.connect(getattr(self.nodes[synapse.target], into))

    def _synapse(self, synapse: SynapsePlan) -> Any:
        weights = self._weights(synapse)
        waits = synapse.longest
        picks = synapse.dense and not waits and not synapse.graded
        common = {
            "weights": weights,
            "weight_exp": synapse.weight_exp,
            "num_weight_bits": synapse.bits,
            "sign_mode": SignMode.MIXED,  # otherwise Lava derives it from the matrix
            "num_message_bits": PICK_COLUMNS if picks else MULTIPLY,
            "name": f"synapse{synapse.index}",
        }
        if waits:
            kind = DelayDense if synapse.dense else DelaySparse
            return kind(delays=self._delays(synapse), **common)
        process = (Dense if synapse.dense else Sparse)(**common)
        if synapse.early:
            # An always-on axon whose target is reached already in the first chip step: the spike
            # that it would have sent one step earlier is put into the synapse's buffer.
            sums = np.asarray(weights.sum(axis=1)).ravel()
            process.a_buff.init = shift(sums, synapse.weight_exp)
        return process

    def _weights(self, synapse: SynapsePlan) -> Any:
        i = synapse.index
        return self.arrays[f"{i}/weight"] if synapse.dense else self._sparse(synapse, "data")

    def _delays(self, synapse: SynapsePlan) -> Any:
        """Steps of all weights, or of each one where they differ."""
        if not synapse.late:
            return synapse.delay
        if synapse.dense:
            return synapse.delay + self.arrays[f"{synapse.index}/late"]
        delays = self._sparse(synapse, "late")
        delays.data += synapse.delay
        return delays

    def _sparse(self, synapse: SynapsePlan, what: str) -> csr_matrix:
        """Numbers of a synapse's connections as a sparse matrix."""
        parts = (self.arrays[f"{synapse.index}/{part}"] for part in (what, "indices", "indptr"))
        return csr_matrix(tuple(parts), shape=tuple(synapse.shape), copy=True)

    def _record(self, population: PopulationPlan) -> None:
        recorder = Recorder(
            spikes=str(self.workspace.file("spikes", population.index)),
            membrane=str(self.workspace.file("membrane", population.index)),
            rows=self.rows,
            depth=population.depth,
            size=population.size,
            name=f"recorder{population.index}",
        )
        self._name(recorder, f"recorder of layer '{population.name}'")
        self.nodes[population.index].s_out.connect(recorder.s_in)
        recorder.v_ref.connect_var(
            getattr(self.nodes[population.index], POTENTIALS.get(population.kind, "v"))
        )


# By the class of a population, what builds its process: Lava's rule for each neuron.
PROCESSES: Mapping[str, Callable[[Network, PopulationPlan, dict[str, Any]], Any]] = {
    "CubaLIF": Network._cuba_lif,
    "RefractoryLIF": Network._refractory_lif,
    "AdaptiveLIF": Network._adaptive_lif,
    "ATRLIF": Network._atrlif,
    "TernaryLIF": Network._ternary_lif,
    "Sigma": Network._sigma,
    "Delta": Network._delta,
    "SigmaDelta": Network._sigma_delta,
    "RF": Network._resonator,
    "RF_IZ": Network._resonator,
}
