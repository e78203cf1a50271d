"""The FIXED vocabulary: what a chip has. Populations of neurons, and synapses between them.

In:  integers that the chip stores, and the shapes of its populations.
Out: the frozen nodes of a FIXED graph, and the step of `CubaLIF`; further neurons are in
     `chip_neurons.py`.
A neuron's step is the only definition of its arithmetic; Lava's own process confirms it.

Source of the rules: lava-nc 0.10.0, lava/proc/lif/models.py (AbstractPyLifModelFixed),
lava/proc/dense/models.py; checked bit by bit against them in tests/engines.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from neurocompile.ir.arrays import LATER, Array, freeze_fields, pieces, plain_numbers
from neurocompile.ir.neurons import Reset
from neurocompile.ir.nodes import Shape, Sparse, Weighted, size
from neurocompile.ir.registers import (
    ALIGN_BITS,
    BIAS_EXPONENTS,
    BIT,
    CURRENT_WRAP_LIMIT,
    STATE_LIMIT,
    UNITY,
    Bounds,
)

Part = Literal["real", "imag"]  # of a sum that arrives at neurons whose potential is complex


@dataclass(frozen=True, eq=False)
class SpikeInput:
    """Axons whose spikes come from outside: 0 or 1 each step, or a payload.

    Attributes:
        shape: Shape of one sample in one step.
        payload_bits: Bits of a payload, sign included, 2..24; 0 where a spike carries none.
    """

    shape: Shape
    payload_bits: int = field(default=0, metadata=LATER)

    def __post_init__(self) -> None:
        plain_numbers(self)

    @property
    def payload(self) -> Bounds:
        """Smallest and largest number that a spike carries; BIT where it is only a spike."""
        most = 1 << (self.payload_bits - 1) if self.payload_bits else 0
        return (-most, most - 1) if most else BIT


@dataclass(frozen=True, eq=False)
class AlwaysOn:
    """One axon that spikes in every step of the network's own time: a bias through a synapse."""

    shape: Shape = (1,)

    def __post_init__(self) -> None:
        plain_numbers(self)


@dataclass(frozen=True, eq=False)
class BiasInput:
    """Currents that the host writes into the bias registers of the next population.

    For a sample x, the host writes round(scale * host(x)) + the population's own bias mantissa
    into the register. This is one register write per neuron and sample.

    Attributes:
        in_shape: Shape that the host's map takes.
        shape: Shape of the population that it leads to.
        scale: () or shape, float64; mantissa steps per unit of current (the encoder's gain
            included).
        host: Linear map in float64 that the host computes first, or None for one current per value.
        sample_shape: Shape of one sample, if the network reshapes it to in_shape; else None.
    """

    in_shape: Shape
    shape: Shape
    scale: Array
    host: Weighted | None = None
    sample_shape: Shape | None = field(default=None, metadata=LATER)

    def __post_init__(self) -> None:
        freeze_fields(self, np.float64, "scale")


class FixedStep(NamedTuple):
    """Result of one integer step.

    Attributes:
        state: States after the step, in the order of `state_names`, after the reset.
        out: Spikes of the step: whether each neuron spikes, or its payload, 0 without a spike.
        current: Current before it wraps; None if none does.
        potential: v before it saturates; None if it does not.
        unclipped: Further numbers that nothing clips or wraps; beyond 24 bits they are an error.
        clipped: Further states before they saturate.
    """

    state: tuple[Any, ...]
    out: Any
    current: Any = None
    potential: Any = None
    unclipped: tuple[Any, ...] = ()
    clipped: tuple[Any, ...] = ()


class ChipNeuron:
    """Base of every neuron of the FIXED vocabulary: registers, states, and its own integer step.

    A subclass is a frozen dataclass with the fields below and one for each register. Engines, files
    and checks read its class variables and its step, so that none of them knows a neuron by name.

    Attributes:
        shape: Shape of the population.
        bias_mant, bias_exp, v_init: Registers that every neuron has.
        readout: Whether this is a readout, in which a spike is an error.
        scale, offset: float value of a potential = integer * scale + offset.
        registers: Names of the registers; their ranges are in `registers.REGISTERS`.
        state_names: Names of the states; "v" is the potential, which is recorded.
        rest: By state, the constant that it rests at; others rest at 0. A neuron is updated if a
            spike arrives, its bias is not 0 or a state is not at rest.
        begins: By state, the constant that it starts from; others, but v, start where they rest.
        parts: Names of the constants that are parts in 4096 of a state.
        inputs: Sums that arrive in a step, one for each; a synapse leads `into` one of them.
        payload: Smallest and largest number that a spike carries; BIT where it is only a spike.
        bounds: Bounds of fields that are not those of `registers.REGISTERS`.
        wraps: Whether it has a current that wraps, and of which `keep_u` remains.
        always_sends: Whether it sends its potential in each step, also before its first input.
        early_cure: What to do where it would spike before its first input arrives.
        cure: What to do where a state that nothing clips leaves 24 bits.
        Constants: NamedTuple of the numbers that a step reads; `bias` is one of them.
    """

    shape: Shape
    bias_mant: Array
    bias_exp: Array
    v_init: Array
    readout: bool
    scale: Array
    offset: Array

    registers: ClassVar[tuple[str, ...]]
    state_names: ClassVar[tuple[str, ...]]
    rest: ClassVar[Mapping[str, str]] = {}
    begins: ClassVar[Mapping[str, str]] = {}
    parts: ClassVar[tuple[str, ...]]
    inputs: ClassVar[tuple[Part | None, ...]] = (None,)
    payload: ClassVar[Bounds] = BIT
    bounds: ClassVar[Mapping[str, Bounds]] = {}
    wraps: ClassVar[bool] = True
    always_sends: ClassVar[bool] = False
    cure: ClassVar[str] = ""
    early_cure: ClassVar[str] = (
        "Train with v_leak and bias below the threshold: changed after training, they make "
        "another network."
    )
    Constants: ClassVar[type[Any]]

    def __post_init__(self) -> None:
        freeze_fields(self, np.int64, *self.registers)
        freeze_fields(self, np.float64, "scale", "offset")

    @property
    def bias(self) -> Array:
        """Amount that the bias adds to v per step, () or shape."""
        return np.left_shift(self.bias_mant, self.bias_exp)

    @property
    def function(self) -> str:
        """Name of the step for files: the class, and what of its words is not the default."""
        return type(self).__name__

    @property
    def threshold(self) -> Array:
        """The threshold register, () or shape; different ones take a configuration each."""
        raise NotImplementedError

    @property
    def decays(self) -> Array:
        """All decay registers as one number, () or shape; different ones take a configuration."""
        raise NotImplementedError

    def constants(self) -> Any:
        """The constants that a step reads, as int64 arrays of shape () or shape."""
        values = {name: getattr(self, name) for name in self.registers}
        constants = self.constants_of(values, self.bias)
        return self.Constants(*(np.asarray(number) for number in constants))

    @classmethod
    def constants_of(cls, registers: Mapping[str, Any], bias: Any) -> Any:
        """The constants that a step reads, from registers of anything that has + - and *."""
        raise NotImplementedError

    @classmethod
    def start(cls, constants: Any, v: Any, zero: Any) -> tuple[Any, ...]:
        """The states before the first step, in the order of `state_names`.

        Args:
            constants: Constants of the population.
            v: The potential.
            zero: What every other state is that neither `begins` nor `rest` names.
        """
        fixed = {name: getattr(constants, at) for name, at in {**cls.rest, **cls.begins}.items()}
        return tuple(v if name == "v" else fixed.get(name, zero) for name in cls.state_names)

    @classmethod
    def resting(cls, constants: Any, zero: Any) -> tuple[Any, ...]:
        """The states at rest, in the order of `state_names`; `zero` is what has no `rest`."""
        fixed = {name: getattr(constants, at) for name, at in cls.rest.items()}
        return tuple(fixed.get(name, zero) for name in cls.state_names)

    @classmethod
    def arriving(cls, sums: Sequence[Any]) -> Any:
        """What a step takes of the sums of its `inputs`: the only one, or a tuple of all."""
        return sums[0] if len(sums) == 1 else tuple(sums)

    def step(self, ops: Any, state: tuple[Any, ...], a: Any, p: Any) -> FixedStep:
        """One step; a is what arrives, sums of weights times payloads, p the constants."""
        raise NotImplementedError

    def fits_32_bits(self) -> bool:
        """Whether no number of a step leaves 32 bits if the current does not; False if unproved."""
        return False

    def stays_in_range(self, arriving: int, steps: int) -> bool:
        """Whether no number of a run can leave its register; False if unproved.

        Args:
            arriving: Largest |sum| that arrives in a step.
            steps: Number of steps of the run.
        """
        return False

    def step_back(self, v: Array) -> Array | None:
        """The potential from which a step without input leads to v; None if nothing does.

        Args:
            v: (shape) int64 potentials; the other states are at rest.
        """
        return None

    def no_lead_in(self) -> str | None:
        """Why the neurons cannot start some steps early, for a message; None if they can."""
        return None

    def starting_at(self, state: Mapping[str, Array]) -> Any:
        """These neurons with registers that start them in a state; None if none do.

        Args:
            state: (shape) int64 by name of the state.
        """
        rest = dict(zip(self.state_names, self.resting(self.constants(), 0), strict=True))
        if any(np.any(value != rest[name]) for name, value in state.items() if name != "v"):
            return None
        return replace(self, v_init=shortest(state["v"]))  # type: ignore[type-var]


class FixedConstants(NamedTuple):
    """Constants that a step of `CubaLIF` reads, in the number type of one `ops`."""

    keep_u: Any
    keep_v: Any
    bias: Any
    threshold: Any


class Membrane(ChipNeuron):
    """A neuron with a current u and a potential v that both decay: what a LIF has before it spikes.

    Attributes:
        du: -1..4095; 4095 keeps no current, -1 keeps all of it.
        dv: 0..4096; parts in 4096 of v that are lost per step.
    """

    du: Array
    dv: Array

    @property
    def decays(self) -> Array:
        """Both decay registers as one number."""
        return joined(self.du + 1, self.dv)

    def step_back(self, v: Array) -> Array | None:
        """The potential from which a step without input leads to v; None if nothing does."""
        return undecay(v - self.bias, UNITY - self.dv)


class Charged(NamedTuple):
    """A membrane after its input, before any spike: u wrapped, v clipped, and both before that."""

    u: Any
    v: Any
    current: Any
    potential: Any


def charged(ops: Any, u: Any, v: Any, a: Any, p: Any) -> Charged:
    """Decay u and v and add what arrives; p has keep_u, keep_v and bias."""
    current = ops.decay(u, p.keep_u) + a * (1 << ALIGN_BITS)
    u = ops.wrap(current)
    potential = ops.decay(v, p.keep_v) + u + p.bias
    return Charged(u, ops.clip(potential, -(STATE_LIMIT - 1), STATE_LIMIT - 1), current, potential)


@dataclass(frozen=True, eq=False)
class CubaLIF(Membrane):
    """A population of Loihi's current-based LIF neurons, in integers.

    In a step, a is the weighted sum of spikes and / cuts the fraction off:
    u <- u (4096 - (du + 1)) / 4096 + a 2^6, brought once by 2^24 into (-2^23, 2^23];
    v <- v (4096 - dv) / 4096 + u + bias_mant 2^bias_exp, saturating at +-(2^23 - 1);
    a spike where v > vth 2^6; then v <- 0 (reset "zero") or v - vth 2^6 ("subtract").

    Every array has the shape () for one value per population, or `shape` for one per neuron.

    Attributes:
        shape: Shape of the population.
        du: -1..4095; 4095 keeps no current, -1 keeps all of it.
        dv: 0..4096; parts in 4096 of v that are lost per step.
        vth: Threshold, 17 bits.
        bias_mant: Mantissa of the bias, 13 bits, signed.
        bias_exp: Exponent of the bias, 0..7.
        v_init: Value of v before the network's step 1.
        reset: How a spike changes v.
        readout: Whether this is a readout, in which a spike is an error.
        scale, offset: float value of a potential = integer * scale + offset.
    """

    shape: Shape
    du: Array
    dv: Array
    vth: Array
    bias_mant: Array
    bias_exp: Array
    v_init: Array
    reset: Reset = "zero"
    readout: bool = False
    scale: Array = field(default_factory=lambda: np.array(1.0))
    offset: Array = field(default_factory=lambda: np.array(0.0))

    registers: ClassVar[tuple[str, ...]] = ("du", "dv", "vth", "bias_mant", "bias_exp", "v_init")
    state_names: ClassVar[tuple[str, ...]] = ("u", "v")
    parts: ClassVar[tuple[str, ...]] = ("keep_u", "keep_v")
    Constants: ClassVar[type[Any]] = FixedConstants

    @property
    def function(self) -> str:
        """Name of the step for files: the class, and its reset if not "zero"."""
        return type(self).__name__ + ("" if self.reset == "zero" else self.reset.capitalize())

    @property
    def threshold(self) -> Array:
        """The threshold register."""
        return self.vth

    @classmethod
    def constants_of(cls, registers: Mapping[str, Any], bias: Any) -> FixedConstants:
        """The constants that a step reads."""
        return FixedConstants(
            keep_u=UNITY - (registers["du"] + 1),
            keep_v=UNITY - registers["dv"],
            bias=bias,
            threshold=registers["vth"] * (1 << ALIGN_BITS),
        )

    def step(self, ops: Any, state: tuple[Any, ...], a: Any, p: FixedConstants) -> FixedStep:
        """One step; a is the weighted sum of the spikes that arrive."""
        u, v = state
        u, v, current, potential = charged(ops, u, v, a, p)
        spikes = v > p.threshold
        after = 0 if self.reset == "zero" else v - p.threshold
        return FixedStep((u, ops.where(spikes, after, v)), spikes, current, potential)

    def level(self, ops: Any, before: tuple[Any, ...], after: FixedStep, p: FixedConstants) -> Any:
        """The potential above which a neuron spiked in a step."""
        return p.threshold

    def fits_32_bits(self) -> bool:
        """Whether no number of a step leaves 32 bits if the current does not."""
        return integrates_in_32_bits(self, self.constants().threshold)

    def stays_in_range(self, arriving: int, steps: int) -> bool:
        """Whether no current can reach where one wrap is not enough."""
        return wraps_at_most_once(self, arriving)


LateOf = Literal["nothing", "target", "source", "weight"]


@dataclass(frozen=True, eq=False)
class Synapse:
    """One integer linear map from a population to another: the only kind of edge on a chip.

    A spike of the source in a step arrives at the target in the same step of the network's
    own time, or `delay` steps later. Each entry of the map is a weight on the chip's grid
    (`registers.Grid`); what arrives is their sum times 2^weight_exp, rounded down
    (`step.shift`). A loop has at least as many steps of delay as synapses (see `time.depths`).

    Attributes:
        op: Integer weights without bias. Its kind is the format in synapse memory: Linear is
            dense, Conv and ConvTranspose share kernels, Sparse is sparse.
        in_shape, out_shape: Shapes that the map works on; their sizes are the populations'.
        weight_exp: Exponent of the weights, -8..7.
        bits: Width of a weight on the grid above, sign included.
        delay: Steps of the network's own time; only a delayed synapse may lead backwards.
        late: Further steps until spikes arrive; None where the delay is the same for all.
            (n_target,) int64: one number for each target neuron; (1, n_source) int8: one for each
            source neuron; (n_target, n_source) int8: one for each weight, only for a Linear. What
            arrives at a neuron in one step is then the sum of spikes of several steps. A chip
            rounds each step's sum before they meet, so the last two forms exclude rounding:
            weight_exp is 0 or more, or every weight is a multiple of 2^-weight_exp.
        into: Which of the sums of its target it adds to; None where there is only one.
    """

    op: Weighted
    in_shape: Shape
    out_shape: Shape
    weight_exp: int = 0
    bits: int = 8
    delay: int = 0
    late: Array | None = field(default=None, metadata=LATER)
    into: Part | None = field(default=None, metadata=LATER)

    def __post_init__(self) -> None:
        if not isinstance(self.late, np.ndarray):  # a list of anything
            freeze_fields(self, np.int64, "late")
        freeze_fields(self, _late_type(self.late), "late")

    @property
    def longest_delay(self) -> int:
        """Steps until a spike has arrived at every target neuron."""
        return self.delay + (0 if self.late is None else int(self.late.max()))

    @property
    def late_of(self) -> LateOf:
        """What has delays of its own: nothing, each target, each source or each weight."""
        if self.late is None or self.late.ndim == 1:
            return "nothing" if self.late is None else "target"
        return "source" if len(self.late) == 1 else "weight"


def integrates_in_32_bits(node: ChipNeuron, *thresholds: Array) -> bool:
    """Whether no number of a step with u, v and these thresholds leaves 32 bits."""
    p, (lowest, highest) = node.constants(), BIAS_EXPONENTS
    return bool(
        np.all((p.keep_u >= 0) & (p.keep_u <= UNITY))
        and np.all((p.keep_v >= 0) & (p.keep_v <= UNITY))
        and np.all(np.abs(p.bias) <= STATE_LIMIT)
        and np.all((node.bias_exp >= lowest) & (node.bias_exp <= highest))
        and all(np.all(np.abs(threshold) <= 2 * STATE_LIMIT) for threshold in thresholds)
        and np.all(np.abs(node.v_init) <= STATE_LIMIT)
    )


def wraps_at_most_once(node: ChipNeuron, arriving: int) -> bool:
    """Whether sums of this size at most keep a current where one wrap brings it back."""
    kept = STATE_LIMIT if np.any(node.constants().keep_u) else 0
    return (arriving << ALIGN_BITS) + kept < CURRENT_WRAP_LIMIT


def most_after(rise: Array, keep: Array, steps: int) -> int:
    """The largest number that `steps` additions make, before each of which keep / 4096 remains.

    Args:
        rise: What is added, 0 or more.
        keep: Parts in 4096 that remain, 0..4096.
        steps: Number of additions.
    """
    # x <- x keep / 4096 + rise ends at rise 4096 / (4096 - keep)
    lost = np.maximum(UNITY - keep, 1)
    times = np.where(keep < UNITY, np.minimum(-(-UNITY // lost), steps), steps)
    return int(np.max(rise * times, initial=0))


def shortest(values: Array) -> Array:
    """A register of one value where all are equal."""
    return values.ravel()[0] if values.size and not np.ptp(values) else values


def joined(*decays: Array) -> Array:
    """Decays of 0..4096 each as one number, to tell different combinations apart."""
    total = np.zeros((), np.int64)
    for decay in decays:
        total = total * (UNITY << 1) + decay
    return total


def undecay(v: Array, keep: Array) -> Array | None:
    """The number nearest to 0 of which a decay leaves v; None if it leaves v of none.

    Args:
        v: int64 potentials.
        keep: Parts in 4096 that remain.
    """
    if np.any((keep == 0) & (v != 0)):
        return None
    return np.asarray(np.sign(v) * -(-np.abs(v) * UNITY // np.maximum(keep, 1)))


def rounds(synapse: Synapse) -> bool:
    """Whether some sum loses bits as it is shifted: a weight is no multiple of 2^-weight_exp."""
    if synapse.weight_exp >= 0:
        return False
    weights, unit = synapse.op.weights, 1 << -synapse.weight_exp
    return any(bool(np.any(piece.astype(np.int64) % unit)) for piece in pieces(weights))


def _late_type(late: Any) -> Any:
    """int8 for steps of each source or weight, unless `verify` has to refuse them."""
    steps = np.asarray(0 if late is None else late)
    numbers = steps.size and steps.dtype.kind in "iuf"
    fits = numbers and steps.min() >= 0 and steps.max() <= np.iinfo(np.int8).max  # no NaN does
    return np.int8 if steps.ndim > 1 and fits else np.int64


def by_delay(synapse: Synapse) -> Iterator[tuple[int, Synapse]]:
    """A synapse with a delay for each weight, cut into sparse ones, each with one further delay.

    No weight is in two of them, so that together they are as large as the whole.

    Yields:
        Further steps, and the connections that wait so long; `late` of the part is None.
    """
    assert synapse.late is not None
    weight, columns = synapse.op.weights, np.arange(size(synapse.in_shape))
    for steps in np.unique(synapse.late).tolist():
        these = synapse.late == steps
        starts = np.concatenate([[0], np.cumsum(these.sum(axis=1))])
        indices = np.broadcast_to(columns, these.shape)[these]
        shapes = synapse.in_shape, synapse.out_shape
        yield steps, replace(synapse, op=Sparse(weight[these], indices, starts, *shapes), late=None)


POPULATIONS = (SpikeInput, AlwaysOn, ChipNeuron)
