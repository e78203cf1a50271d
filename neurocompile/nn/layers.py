"""Neuron layers that take a whole sequence: LIF, LIFBox (spiking), LI, LIBox (readouts).

In:  input current of every step, (T, N, ...), time first.
Out: spikes or membrane potentials, (T, N, ...), equal to Norse's own functional step.
A layer holds its constants as Norse's modules do (`p`, `dt`) and starts at v = v_leak, i = 0.
The constants are not learned: they are what the chip's registers will hold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, NamedTuple

import torch
from norse.torch import (
    LIBoxParameters,
    LIBoxState,
    LIFBoxParameters,
    LIFParameters,
    LIParameters,
    LIState,
    li_box_feed_forward_step,
    li_feed_forward_step,
    reset_subtract,
    reset_value,
)
from torch import Tensor, nn

from neurocompile.errors import BadInput, Unsupported
from neurocompile.nn.bptt import SpikeSequence, run
from neurocompile.nn.response import (
    Reading,
    StraightThrough,
    constant_sum,
    response,
    straight_response,
    weighted_sum,
)
from neurocompile.nn.step import Backprop, Constants, Surrogate, Trace


class PassActivity(NamedTuple):
    """Activity of a layer in its last forward pass; differentiable.

    Attributes:
        counts: Number of spikes per sample and neuron, (N, ...); None for a layer without spikes.
        steps: Number of steps, T.
        unreset: Function that computes v_leak + the response to the input without resets after
            step T, (N, ...); called only for a regularizer that needs it.
    """

    counts: Tensor | None
    steps: int
    unreset: Callable[[], Tensor]


class Neuron(nn.Module):
    """Base of the four layers: Norse's parameters, the length of a step, the last activity."""

    p: Any
    dt: float

    def __init__(self, p: Any, dt: float, *, straight_leak: bool = False):
        super().__init__()
        self.straight_leak = straight_leak
        self.p = _checked(p, type(self).__name__)
        if not dt > 0:
            raise BadInput(f"{type(self).__name__}: dt = {dt} s. A step must be longer than 0 s.")
        self.dt = dt
        self.activity: PassActivity | None = None

    def __getstate__(self) -> dict[str, Any]:
        """The state without the last activity, which belongs to a graph of gradients."""
        return {**self.__dict__, "activity": None}

    @property
    def rates(self) -> tuple[Tensor, Tensor | None]:
        """dt * tau_mem_inv and dt * tau_syn_inv (None without a current), as Norse rounds them."""
        syn_inv = getattr(self.p, "tau_syn_inv", None)
        return self.dt * self.p.tau_mem_inv, None if syn_inv is None else self.dt * syn_inv

    def weights(self, steps: int, reading: Reading) -> Tensor:
        """Weight of each step's current in the unreset potential, (T, ...); see `response`."""
        mem_rate, syn_rate = self.rates
        return response(mem_rate, syn_rate, steps, reading)

    def unreset_potential(self) -> Tensor:
        """The paper's U[T] of the last forward pass: the leaky potential without resets.

        U[t] = U[t-1] + dt tau_mem_inv (v_leak - U[t-1] + i[t]), given as the deviation
        U[T] - v_leak. For a spiking layer it is in units of |v_th - v_leak| (the paper's threshold
        is 1 and its rest 0), for a readout in membrane units.

        Returns:
            U[T], (N, ...), differentiable; it has a gradient even where the neuron is silent.
        """
        if self.activity is None:
            raise BadInput(f"{type(self).__name__}: run a forward pass before asking for activity.")
        return (self.activity.unreset() - self.rest) / self.distance

    def _unreset(self, current: Tensor, steps: int | None) -> Tensor:
        """Potential after the last step without resets; arguments as in `SpikingNeuron.forward`."""
        weights = self.weights(len(current) if steps is None else steps, "last")
        total = weighted_sum if steps is None else constant_sum
        if self.straight_leak:
            straight = straight_response(self.rates[0], len(weights), "last")
            return (
                StraightThrough.apply(total(current, weights), total(current, straight)) + self.rest
            )
        return total(current, weights) + self.rest

    @property
    def rest(self) -> Tensor:
        """The potential without input, membrane units."""
        rest: Tensor = self.p.v_leak
        return rest

    @property
    def distance(self) -> Tensor:
        """Distance |v_th - v_leak| in membrane units, 1 where that is 0; 1 for a readout."""
        if not hasattr(self.p, "v_th"):
            return torch.ones(())
        distance = (self.p.v_th - self.p.v_leak).abs()
        return torch.where(distance > 0, distance, torch.ones_like(distance))

    def extra_repr(self) -> str:
        """Text that `print(model)` shows for the layer."""
        return f"{self.p}, dt={self.dt}"


class SpikingNeuron(Neuron):
    """A layer that spikes. The options set how gradients pass and do not change the spikes.

    Attributes:
        sequence: Autograd function of all steps, which takes what `constants` returns.
    """

    sequence: ClassVar[Any] = SpikeSequence

    def __init__(
        self,
        p: Any,
        dt: float = 0.001,
        *,
        backprop: Backprop = "surrogate",
        reset_gradient: bool = False,
        surrogate_width: float = 1.0,
        surrogate_gain: float = 1.0,
    ):
        """Hold the constants.

        Args:
            p: Norse's parameter tuple; each constant is a scalar or has the shape of a sample.
            dt: Length of a step, seconds.
            backprop: Rule for the derivative, "surrogate" or "membrane"; see `step.Surrogate`.
            reset_gradient: Whether gradients pass through the reset, as in Norse's step.
            surrogate_width: Membrane units that count as 1 in the surrogate.
            surrogate_gain: Factor on the surrogate.
        """
        super().__init__(p, dt)
        if backprop not in ("surrogate", "membrane"):
            raise BadInput(f"backprop {backprop!r} is unknown. Use 'surrogate' or 'membrane'.")
        if not surrogate_width > 0:
            raise BadInput(f"surrogate_width = {surrogate_width}. Use a number above 0.")
        for name, value in zip(p._fields, p, strict=True):
            if isinstance(value, Tensor) and value.requires_grad:
                raise BadInput(
                    f"{type(self).__name__}: {name} asks for a gradient (requires_grad), but the "
                    f"constants of these neurons get none. Give {name}.detach(); or train it in "
                    "norse.torch's cell of that kind, which neurocompile.save reads too."
                )
        self.surrogate = Surrogate(backprop, surrogate_width, surrogate_gain, reset_gradient)
        self.constants()  # refuses constants that no step can use

    def constants(self) -> Any:
        """The constants as the step uses them."""
        mem_rate, syn_rate = self.rates
        reset_method = getattr(self.p, "reset_method", reset_value)
        if reset_method not in (reset_value, reset_subtract):
            name = getattr(reset_method, "__name__", repr(reset_method))
            raise Unsupported(
                f"{type(self).__name__}: reset method {name} is unknown. "
                "Use norse.torch.reset_value or norse.torch.reset_subtract."
            )
        p = self.p
        return Constants(
            mem_rate,
            syn_rate,
            p.v_leak,
            p.v_th,
            p.v_reset,
            reset_method is reset_subtract,
            p.method,
            p.alpha,
            self.distance,
        )

    def forward(self, current: Tensor, steps: int | None = None) -> Tensor:
        """Spikes of a whole sequence.

        Args:
            current: Input current of each step, (T, N, ...); or, with `steps`, one current for all
                steps, (N, ...).
            steps: Number of steps T where the current is constant.

        Returns:
            Spikes, (T, N, ...) 0 or 1.
        """
        spikes, counts = self.sequence.apply(current, steps, self.constants(), self.surrogate)
        self.activity = PassActivity(counts, len(spikes), partial(self._unreset, current, steps))
        return spikes

    def trace(self, current: Tensor, steps: int | None = None) -> Trace:
        """Spikes and potentials without gradient; arguments as in `forward`."""
        with torch.no_grad():
            return run(current, steps, self.constants(), keep=True)


class LIF(SpikingNeuron):
    """Leaky integrate-and-fire with a synaptic current; Norse's `lif_feed_forward_step`.

    i <- i + x;  v <- v + dt tau_mem_inv (v_leak - v + i);  i <- i - dt tau_syn_inv i;
    z = v > v_th;  v <- v_reset where z.
    """

    def __init__(self, p: LIFParameters | None = None, dt: float = 0.001, **options: Any):
        super().__init__(LIFParameters() if p is None else p, dt, **options)


class LIFBox(SpikingNeuron):
    """Leaky integrate-and-fire without a synaptic current; Norse's `lif_box_feed_forward_step`.

    v <- v + dt tau_mem_inv (v_leak - v + x);  z = v > v_th;
    where z: v <- v_reset (reset_value) or v <- v - v_th (reset_subtract).

    Attributes:
        flips: Whether v < -v_th becomes v_th before the comparison. Strong inhibition then leaves
            a neuron at its threshold. It is a slip in the code of arXiv 2109.11045, kept here to
            repeat that paper's dynamics; no chip has it, so such a network is not compiled.
    """

    def __init__(
        self,
        p: LIFBoxParameters | None = None,
        dt: float = 0.001,
        *,
        straight_leak: bool = False,
        flips: bool = False,
        **options: Any,
    ):
        """Hold the constants; `options` are those of `SpikingNeuron`.

        Args:
            p: Norse's parameter tuple.
            dt: Length of a step, seconds.
            straight_leak: Whether gradients pass through time as if nothing leaked; spikes and
                potentials stay as they are.
            flips: As the attribute.
        """
        self.flips = flips
        super().__init__(LIFBoxParameters() if p is None else p, dt, **options)
        self.straight_leak = straight_leak
        self.surrogate = replace(self.surrogate, straight_leak=straight_leak)
        if flips and not (bool((self.p.v_th > 0).all()) and not bool(self.p.v_leak.any())):
            raise BadInput(
                f"{type(self).__name__}: flips=True mirrors v at 0, but v_leak = "
                f"{_span(self.p.v_leak)} and v_th = {_span(self.p.v_th)}. "
                "Use v_leak = 0 and v_th above 0, or flips=False."
            )

    def constants(self) -> Constants:
        """The constants as the step uses them."""
        constants: Constants = super().constants()
        return constants._replace(flips=self.flips)


class Readout(Neuron):
    """A layer that never spikes; its result is a potential."""

    def read(self, current: Tensor, reading: Reading) -> Tensor:
        """The last or mean potential, without storing any step.

        Args:
            current: Input current, (T, N, ...).
            reading: Which potential is read, "last" or "mean".

        Returns:
            Potential in membrane units, (N, ...); equals that from `forward` up to rounding.
        """
        deviation = weighted_sum(current, self.weights(len(current), reading))
        if self.straight_leak:
            straight = straight_response(self.rates[0], len(current), reading)
            deviation = StraightThrough.apply(deviation, weighted_sum(current, straight))
        self.activity = self._activity(current, partial(self._unreset, current, None))
        return deviation + self.rest

    def _activity(self, current: Tensor, unreset: Callable[[], Tensor]) -> PassActivity:
        """The activity that a pass leaves."""
        return PassActivity(None, len(current), unreset)

    def forward(self, current: Tensor) -> Tensor:
        """Potentials of a whole sequence, (T, N, ...) -> (T, N, ...)."""
        state, trace = None, []
        for x in current.detach() if self.straight_leak else current:
            v, state = self.step(x, state)
            trace.append(v)
        potentials = torch.stack(trace)
        if self.straight_leak:
            straight = (self.rates[0] * current).cumsum(0)
            potentials = StraightThrough.apply(potentials, straight)
        self.activity = self._activity(current, partial(potentials.__getitem__, -1))
        return potentials

    def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Take one step with Norse's own function."""
        raise NotImplementedError


class LI(Readout):
    """Leaky integrator with a synaptic current; Norse's `li_feed_forward_step`.

    i <- i + x;  v <- v + dt tau_mem_inv (v_leak - v + i);  i <- i - dt tau_syn_inv i.
    """

    def __init__(self, p: LIParameters | None = None, dt: float = 0.001):
        super().__init__(LIParameters() if p is None else p, dt)

    def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Take one step with Norse's own function."""
        if state is None:
            state = LIState(v=torch.zeros_like(x) + self.p.v_leak, i=torch.zeros_like(x))
        return li_feed_forward_step(x, state, self.p, self.dt)


class LIBox(Readout):
    """Leaky integrator without a synaptic current; Norse's `li_box_feed_forward_step`.

    v <- v + dt tau_mem_inv (v_leak - v + x).
    """

    def __init__(
        self, p: LIBoxParameters | None = None, dt: float = 0.001, *, straight_leak: bool = False
    ):
        """Hold the constants; `straight_leak` is that of `LIFBox`."""
        super().__init__(LIBoxParameters() if p is None else p, dt, straight_leak=straight_leak)

    def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Take one step with Norse's own function."""
        if state is None:
            state = LIBoxState(v=torch.zeros_like(x) + self.p.v_leak)
        return li_box_feed_forward_step(x, state, self.p, self.dt)


class SpikingOutput(LIBox):
    """A readout whose neurons also spike, for penalties only.

    The result is the potential without resets, as of `LIBox`. A `LIFBox` with the same constants
    gets the same current, and its spikes count in penalties and activity. They go nowhere, so the
    chip gets an LIBox.
    """

    def __init__(
        self,
        p: LIFBoxParameters | None = None,
        dt: float = 0.001,
        *,
        straight_leak: bool = False,
        **options: Any,
    ):
        """Hold the constants; the options are those of `LIFBox`."""
        spiking = LIFBox(p, dt, straight_leak=straight_leak, **options)
        super().__init__(spiking.p, dt, straight_leak=straight_leak)
        self.constants, self.surrogate = spiking.constants(), spiking.surrogate

    def _activity(self, current: Tensor, unreset: Callable[[], Tensor]) -> PassActivity:
        """The activity with the spikes."""
        _, counts = SpikeSequence.apply(current, None, self.constants, self.surrogate)
        return PassActivity(counts, len(current), unreset)


def _span(constant: Tensor) -> str:
    """A constant in words: its value, or its smallest and largest."""
    low, high = float(constant.min()), float(constant.max())
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _checked(p: Any, layer: str) -> Any:
    """Norse's tuple with every number as a tensor; numbers that are not finite are refused."""
    numbers = {}
    for name, value in p._asdict().items():
        if isinstance(value, int | float):
            value = torch.as_tensor(float(value))
            numbers[name] = value
        if isinstance(value, Tensor) and not bool(torch.isfinite(value).all()):
            raise BadInput(f"{layer}: {name} holds NaN or infinity. Use finite numbers.")
    return p._replace(**numbers)
