"""The settings of a network: time, how values become spikes, how results are read.

In:  plain numbers and names, from a model's author or from a file's metadata.
Out: frozen settings that travel with a graph through every stage and every file.
A setting is data: nothing here computes, and nothing here is code from a file.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from math import isfinite
from typing import Any, Literal, get_args

from neurocompile.errors import BadInput

EncoderKind = Literal["spikes", "bernoulli", "current"]
DecoderKind = Literal["none", "last", "max", "mean", "rate"]
Task = Literal["none", "reconstruction", "classification"]

MAX_STEPS = 1_000_000  # a longer run is a typing error


@dataclass(frozen=True)
class Encoder:
    """How a sample x becomes the input of a network.

    spikes:    x is already a spike train, (steps, ...) of 0 and 1.
    bernoulli: one axon per value; it spikes in a step with probability gain * x.
    current:   gain * x is a constant input current of the first neurons. Where the graph
               starts with neurons, there is one input neuron per value. Otherwise the host
               computes the first synapse, and the neurons after it get the current.

    Attributes:
        kind: One of the three above.
        gain: Factor on x: probability per unit of x, or current per unit of x.
    """

    kind: EncoderKind = "spikes"
    gain: float = 1.0


@dataclass(frozen=True)
class Decoder:
    """How the result of a sample is read from the last layer.

    last, max, mean: the last, largest or mean membrane potential of a non-spiking readout.
    rate:            spikes per step of a spiking last layer.
    result = gain * reading + offset.

    Attributes:
        kind: Quantity that is read; "none" where nothing is decoded.
        gain: Result units per unit of the reading.
        offset: Offset of the result, in result units.
        task: Target of the result: the sample itself or its label; "none" without one.
    """

    kind: DecoderKind = "none"
    gain: float = 1.0
    offset: float = 0.0
    task: Task = "none"


@dataclass(frozen=True)
class Assumption:
    """Something that a file does not specify and its reader assumed.

    Attributes:
        key: Name of what was assumed: "steps", "dt", or the field of a layer; "" where an
            older file does not say.
        sentence: Sentence for the user.
    """

    key: str
    sentence: str


@dataclass(frozen=True)
class Settings:
    """Time, input and output of a network.

        nc.Settings(steps=20, encoder=nc.Encoder("bernoulli"), decoder=nc.Decoder("last"))

    Raises:
        BadInput: If no run could use a value.

    Attributes:
        dt: Length of a step, seconds.
        steps: Number of steps for which a sample is shown.
        encoder: How a sample becomes input.
        decoder: How the result is read.
        data: Name of the data set that the network was trained on, or "".
        training: Summary of the training, for people, in plain JSON values.
        assumed: What the file did not specify and its reader assumed.
    """

    dt: float = 1e-3
    steps: int = 100
    encoder: Encoder = Encoder()
    decoder: Decoder = Decoder()
    data: str = ""
    training: dict[str, Any] = field(default_factory=dict)
    assumed: tuple[Assumption, ...] = ()

    def __post_init__(self) -> None:
        _check(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; `from_dict` is the inverse.

        Where something was assumed, two lists of equal length hold it: the sentences are in
        `assumed`, their keys in `assumed_keys`.
        """
        values = asdict(self)
        del values["assumed"]
        if self.assumed:
            values["assumed"] = [assumption.sentence for assumption in self.assumed]
            values["assumed_keys"] = [assumption.key for assumption in self.assumed]
        return values

    def given(self, steps: int | None) -> Settings:
        """These settings with the steps that a user gave, where those of the file were assumed."""
        others = tuple(assumption for assumption in self.assumed if assumption.key != "steps")
        if steps is None or others == self.assumed:
            return self
        return replace(self, steps=steps, assumed=others)

    @staticmethod
    def from_dict(values: dict[str, Any]) -> Settings:
        """Settings from a file's metadata.

        Raises:
            BadInput: If a field is unknown, missing a sub-field or of the wrong kind.
        """
        try:
            plain = {k: v for k, v in values.items() if k not in ("assumed", "assumed_keys")}
            return Settings(
                **{
                    **plain,
                    "encoder": Encoder(**values.get("encoder", {})),
                    "decoder": Decoder(**values.get("decoder", {})),
                    "assumed": _assumptions(values),
                }
            )
        except (TypeError, AttributeError, OverflowError) as error:
            raise BadInput(f"the settings in this file are not valid: {error}.") from None


def steps_assumed(steps: int) -> Assumption:
    """The assumption of a reader whose file does not specify the steps of a sample."""
    return Assumption(
        "steps",
        f"a sample takes {steps} steps: the file does not say how many. Give --steps where it "
        "takes others.",
    )


def _assumptions(values: dict[str, Any]) -> tuple[Assumption, ...]:
    """The assumptions in a file's metadata; an older file has the sentences only."""
    sentences = values.get("assumed", ())
    older = steps_assumed(values.get("steps", Settings().steps))
    keys = values.get("assumed_keys") or [
        older.key if sentence == older.sentence else "" for sentence in sentences
    ]
    if len(keys) != len(sentences):
        raise BadInput(
            f"the settings hold {len(sentences)} sentences about what was assumed and {len(keys)} "
            "keys, but each sentence needs one."
        )
    return tuple(map(Assumption, keys, sentences))


def _check(settings: Settings) -> None:
    """Refuse values that no run could use."""
    encoder, decoder = settings.encoder, settings.decoder
    if not isinstance(encoder, Encoder) or not isinstance(decoder, Decoder):
        raise BadInput(
            f"encoder is {encoder!r} and decoder is {decoder!r}. Use an Encoder, such as "
            "Encoder('bernoulli', gain=0.5), and a Decoder, such as Decoder('last')."
        )
    allowed: tuple[tuple[str, Any, tuple[str, ...]], ...] = (
        ("encoder kind", encoder.kind, get_args(EncoderKind)),
        ("decoder kind", decoder.kind, get_args(DecoderKind)),
        ("task", decoder.task, get_args(Task)),
    )
    for what, word, choices in allowed:
        if word not in choices:
            raise BadInput(f"{what} {word!r} is unknown. Use one of: {', '.join(choices)}.")
    numbers = {
        "dt": settings.dt,
        "encoder gain": encoder.gain,
        "decoder gain": decoder.gain,
        "decoder offset": decoder.offset,
    }
    for what, number in numbers.items():
        if isinstance(number, bool) or not isinstance(number, int | float) or not isfinite(number):
            raise BadInput(f"{what} is {number!r}. Use a finite number.")
    if not isinstance(settings.data, str) or not isinstance(settings.training, dict):
        raise BadInput("data in the settings must be a text, and training a table.")
    assumed = settings.assumed
    if not isinstance(assumed, tuple) or not all(isinstance(a, Assumption) for a in assumed):
        raise BadInput("what the settings say was assumed must be a tuple of Assumption.")
    if not all(isinstance(text, str) for a in assumed for text in vars(a).values()):
        raise BadInput("what the settings say was assumed must be a list of sentences.")
    if settings.dt <= 0:
        raise BadInput(f"dt = {settings.dt} s. A step must be longer than 0 s.")
    if type(settings.steps) is not int or not 1 <= settings.steps <= MAX_STEPS:
        raise BadInput(f"steps = {settings.steps!r}. Use a whole number from 1 to {MAX_STEPS}.")
