"""What stands around a network: time, how values become spikes, how results are read.

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

MAX_STEPS = 1_000_000  # a run longer than this is a typing error, not a network


@dataclass(frozen=True)
class Encoder:
    """How a sample x becomes the input of a network.

    spikes:    x is already a spike train, (steps, ...) of 0 and 1.
    bernoulli: an axon a value; it spikes in a step with probability gain * x.
    current:   gain * x is a constant input current of the first neurons: of an input
               neuron a value where the graph starts with neurons, else of the neurons
               behind the first synapse, which the host then computes.

    Attributes:
        kind: One of the three above.
        gain: Factor on x; probability per unit of x, or current per unit of x.
    """

    kind: EncoderKind = "spikes"
    gain: float = 1.0


@dataclass(frozen=True)
class Decoder:
    """How the result of a sample is read from the last layer.

    last, max, mean: of the membrane potential of a non-spiking readout over the steps.
    rate:            spikes per step of a spiking last layer.
    result = gain * reading + offset.

    Attributes:
        kind: What is read; "none" where nothing is decoded.
        gain: Result units per unit of the reading.
        offset: Result units.
        task: What the result is compared with: the sample itself or its label.
    """

    kind: DecoderKind = "none"
    gain: float = 1.0
    offset: float = 0.0
    task: Task = "none"


@dataclass(frozen=True)
class Assumption:
    """Something that a file does not say and a reader took for granted.

    Attributes:
        key: What was assumed: "steps", "dt", or the field of a layer; "" where an older file
            does not say.
        sentence: What a user reads.
    """

    key: str
    sentence: str


@dataclass(frozen=True)
class Settings:
    """Time, input and output of a network.

        nc.Settings(steps=20, encoder=nc.Encoder("bernoulli"), decoder=nc.Decoder("last"))

    Raises:
        BadInput: If a value is none that a run could use.

    Attributes:
        dt: Length of a step, seconds.
        steps: Steps a sample is shown for.
        encoder: How a sample becomes input.
        decoder: How the result is read.
        data: Name of the data set that the network was trained on, or "".
        training: Summary of the training, for people; plain JSON values.
        assumed: What the file did not say and a reader took for granted.
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

        Two lists of equal length say what was assumed, where something was: the sentences in
        `assumed`, their keys in `assumed_keys`.
        """
        values = asdict(self)
        del values["assumed"]
        if self.assumed:
            values["assumed"] = [each.sentence for each in self.assumed]
            values["assumed_keys"] = [each.key for each in self.assumed]
        return values

    def given(self, steps: int | None) -> Settings:
        """The same with the steps that a user gave, where those of the file were assumed."""
        kept = tuple(each for each in self.assumed if each.key != "steps")
        if steps is None or kept == self.assumed:
            return self
        return replace(self, steps=steps, assumed=kept)

    @staticmethod
    def from_dict(values: dict[str, Any]) -> Settings:
        """Settings out of a file's metadata.

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
    """What a reader assumes where a file says nothing of the steps of a sample."""
    return Assumption(
        "steps",
        f"a sample takes {steps} steps: the file does not say how many. Give --steps where it "
        "takes others.",
    )


def _assumptions(values: dict[str, Any]) -> tuple[Assumption, ...]:
    """What a file's metadata says was assumed; an older file has the sentences only."""
    sentences = values.get("assumed", ())
    older = steps_assumed(values.get("steps", Settings().steps))
    keys = values.get("assumed_keys") or [
        older.key if sentence == older.sentence else "" for sentence in sentences
    ]
    if len(keys) != len(sentences):
        raise BadInput(
            f"the settings hold {len(sentences)} sentences of what was assumed and {len(keys)} "
            "keys, but each sentence has one."
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
    for what, found, choices in allowed:
        if found not in choices:
            raise BadInput(f"{what} {found!r} is unknown. Use one of: {', '.join(choices)}.")
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
        raise BadInput("the settings name their data by a text and their training by a table.")
    if not all(isinstance(text, str) for each in settings.assumed for text in vars(each).values()):
        raise BadInput("the settings hold something else than sentences of what was assumed.")
    if settings.dt <= 0:
        raise BadInput(f"dt = {settings.dt} s. A step must be longer than 0 s.")
    if not isinstance(settings.steps, int) or not 1 <= settings.steps <= MAX_STEPS:
        raise BadInput(f"steps = {settings.steps!r}. Use a whole number from 1 to {MAX_STEPS}.")
