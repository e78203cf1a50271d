"""Neurons that Lava does not have in fixed point: reset by subtraction, and memory of spikes.

In:  the registers of Lava's LIF, and those that each process adds.
Out: Lava's own arithmetic, except for what a spike does to a neuron.
This folder contains only Lava processes and models, because Lava runs every file in it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.ports import PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.lif.models import AbstractPyLifModelFixed
from lava.proc.lif.process import LIF, LIFReset


class SubtractLIF(LIFReset):
    """A LIF whose spike subtracts the threshold; NOT a stock Loihi 1 neuron.

    As in LIFReset, u and v are cleared before the update if
    time_step % reset_interval == reset_offset % reset_interval. With an interval longer than the
    run and an offset of 0 they are never cleared.
    """


class RefractoryLIF(LIF):
    """A LIF that is held at 0 in the refractory - 1 steps after a spike; no stock process of Lava.

    Lava's LIFRefractory is float only. `refractory` is one number, or one per neuron.
    """

    def __init__(self, *, refractory: Any, **lif: Any) -> None:
        super().__init__(**lif)
        self.refractory = Var(shape=lif["shape"], init=refractory)
        self.wait = Var(shape=lif["shape"], init=0)


class AdaptiveLIF(LIF):
    """A LIF whose spike raises its threshold; no stock process of Lava.

    `vth` is the threshold at rest; the numbers beside it are one, or one per neuron.
    """

    def __init__(self, *, dtheta: Any, theta_step: Any, **lif: Any) -> None:
        super().__init__(**lif)
        shape = lif["shape"]
        self.dtheta = Var(shape=shape, init=dtheta)
        self.theta_step = Var(shape=shape, init=theta_step)
        self.theta = Var(shape=shape, init=np.left_shift(lif["vth"], 6))


class _Thresholded:
    """Threshold and comparison of a LIF.

    They are repeated here because Lava has them only in concrete models, and Lava does not find a
    model that subclasses one of those.
    """

    vth: Any
    vth_shift: int
    v: Any
    isthrscaled: bool
    effective_vth: Any = 0

    def scale_threshold(self) -> None:
        """Align the threshold with v."""
        self.effective_vth = np.left_shift(self.vth, self.vth_shift)
        self.isthrscaled = True

    def spiking_activation(self) -> Any:
        """Spike where v exceeds the threshold."""
        return self.v > self.effective_vth


@implements(proc=SubtractLIF, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class SubtractLIFModel(_Thresholded, AbstractPyLifModelFixed):
    """Lava's fixed-point step with another reset_voltage."""

    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    vth: int = LavaPyType(int, np.int32, precision=17)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.reset_interval: int = proc_params["reset_interval"]
        self.reset_offset: int = proc_params["reset_offset"] % self.reset_interval

    def reset_voltage(self, spike_vector: Any) -> None:
        """Subtract the threshold from v where there is a spike."""
        self.v[:] = np.where(spike_vector, self.v - self.effective_vth, self.v)

    def run_spk(self) -> None:
        """Clear u and v when a sample begins, then take Lava's step."""
        if self.time_step % self.reset_interval == self.reset_offset:
            self.u[:] = 0
            self.v[:] = 0
        super().run_spk()


@implements(proc=RefractoryLIF, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class RefractoryLIFModel(_Thresholded, AbstractPyLifModelFixed):
    """Lava's fixed-point step, with v at 0 while a neuron waits."""

    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    vth: int = LavaPyType(int, np.int32, precision=17)
    refractory: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=6)
    wait: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=6)

    def subthr_dynamics(self, activation_in: Any) -> None:
        """Lava's dynamics, of which a waiting neuron keeps only the current."""
        super().subthr_dynamics(activation_in)
        self.v[self.wait > 0] = 0

    def reset_voltage(self, spike_vector: Any) -> None:
        """Clear v where there is a spike, and count the steps that are left to wait."""
        super().reset_voltage(spike_vector)
        left = np.maximum(self.wait - 1, 0)
        self.wait[:] = np.where(spike_vector, self.refractory - 1, left)


@implements(proc=AdaptiveLIF, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class AdaptiveLIFModel(_Thresholded, AbstractPyLifModelFixed):
    """Lava's fixed-point step with a threshold that decays toward its rest."""

    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    vth: int = LavaPyType(int, np.int32, precision=17)
    dtheta: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=13)
    theta_step: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=12)
    theta: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=24)

    def spiking_activation(self) -> Any:
        """Let the threshold decay, then spike where v exceeds it."""
        excess = np.int64(self.theta - self.effective_vth) * (self.decay_unity - self.dtheta)
        excess = np.sign(excess) * np.right_shift(np.abs(excess), self.decay_shift)
        self.theta[:] = self.effective_vth + excess
        return self.v > self.theta

    def reset_voltage(self, spike_vector: Any) -> None:
        """Clear v and raise the threshold where there is a spike."""
        super().reset_voltage(spike_vector)
        risen = self.theta + np.left_shift(self.theta_step, self.vth_shift)
        self.theta[:] = np.where(spike_vector, risen, self.theta)
