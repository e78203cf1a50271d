"""The settings of a network: time, how values become spikes, how results are read.

In:  plain numbers and names, from a model's author or from a file's metadata.
Out: frozen settings that travel with a graph through every stage and every file.
A setting is data: nothing here computes, and nothing here is code from a file.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from math import isfinite
from typing import Any, Literal, cast, get_args

from neurocompile.errors import BadInput, did_you_mean

EncoderKind = Literal["spikes", "bernoulli", "current", "sequence"]
DecoderKind = Literal["none", "last", "max", "mean", "rate"]
Task = Literal["none", "reconstruction", "classification"]

MAX_STEPS = 1_000_000  # a longer run is a typing error
MIN_DT, MAX_DT = 1e-15, 1e9  # seconds; beyond them a rate or a time is no number
DT, STEPS = 1e-3, 100  # assumed where nobody gives them: seconds, and steps of a sample
OVERRIDDEN = "overridden "  # before the key of what a user gave in the place of the model's own
NOTED = "noted "  # before the key of what a reader knows, and a user would not expect


def _check_word(what: str, word: Any, choices: tuple[str, ...]) -> None:
    """Refuse a word that is none of a few."""
    if word not in choices:
        near = did_you_mean(word, choices)
        raise BadInput(f"{what} {word!r} is unknown.{near} Use one of: {', '.join(choices)}.")


@dataclass(frozen=True)
class Encoder:
    """How a sample x becomes the input of a network.

    spikes:    x is already a spike train, (steps, ...) of 0 and 1, or of payloads where the
               network takes them.
    bernoulli: one axon per value; it spikes in a step with probability gain * x.
    current:   gain * x is a constant input current of the first neurons. Where the graph
               starts with neurons, there is one input neuron per value. Otherwise the host
               computes the first synapse, and the neurons after it get the current.
    sequence:  x has a value for each step, (steps, ...), such as the frames of a video: gain * x
               enters as it is. On the chip it is rounded to the payload of a graded spike, and
               gain is the payload per unit of x.

    Attributes:
        kind: One of the four above.
        gain: Factor on x: probability per unit of x, above 0; or current per unit of x, not 0;
            1 where x are spikes.

    Raises:
        BadInput: If a word is unknown.
    """

    kind: EncoderKind = "spikes"
    gain: float = 1.0

    def __post_init__(self) -> None:
        _check_word("encoder kind", self.kind, get_args(EncoderKind))

    @property
    def timed(self) -> bool:
        """Whether a sample x has a value for each step, (steps, ...)."""
        return self.kind in ("spikes", "sequence")


@dataclass(frozen=True)
class Decoder:
    """How the result of a sample is read from the last layer.

    last, max, mean: the last, largest or mean membrane potential of a non-spiking readout. Of a
                     layer that spikes it is the potential after the reset, and the report says so.
    rate:            spikes per step of a spiking last layer.
    result = gain * reading + offset, limited to [low, high] where these are given.

    Attributes:
        kind: Quantity that is read; "none" where nothing is decoded.
        gain: Result units per unit of the reading; not 0. Below 0 it turns a regression around;
            a classification takes the largest result, so its gain is above 0.
        offset: Offset of the result, in result units.
        task: Target of the result: the sample itself or its label; "none" without one.
        low, high: Limits of the result, in result units, such as 0 and 1 for pixels; None sets
            none. A classification has none, for its largest result could then not be told.

    Raises:
        BadInput: If a word is unknown.
    """

    kind: DecoderKind = "none"
    gain: float = 1.0
    offset: float = 0.0
    task: Task = "none"
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        _check_word("decoder kind", self.kind, get_args(DecoderKind))
        _check_word("task", self.task, get_args(Task))

    @property
    def limits(self) -> dict[str, float]:
        """Limits that are given, by name: "low", "high"."""
        given = {"low": self.low, "high": self.high}
        return {name: limit for name, limit in given.items() if limit is not None}

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; a limit that is not given is left out."""
        values = asdict(self)
        return {k: v for k, v in values.items() if k not in ("low", "high") or v is not None}


@dataclass(frozen=True)
class Assumption:
    """Something that a file does not specify and its reader assumed.

    Attributes:
        key: Name of what was assumed: "steps", "dt", or the field of a layer; "" where an
            older file does not say. "overridden decoder" is no assumption, but what a user gave
            in the place of the model's own; "noted late" is what the reader knows.
        sentence: Sentence for the user.
    """

    key: str
    sentence: str

    @property
    def is_note(self) -> bool:
        """Whether this is no assumption, but something that was given or is known."""
        return self.key.startswith((OVERRIDDEN, NOTED))

    def line(self) -> str:
        """The sentence as a command prints it."""
        return f"{'note' if self.is_note else 'assumed'}: {self.sentence}"


@dataclass(frozen=True)
class Settings:
    """Time, input and output of a network.

        nc.Settings(steps=20, encoder=nc.Encoder("bernoulli"), decoder=nc.Decoder("last"))

    Raises:
        BadInput: If no run could use a value.

    Attributes:
        dt: Length of a step, seconds. Not given, it is 1 ms, and `assumed` says so.
        steps: Number of steps for which a sample is shown. Not given, it is 100, and `assumed`
            says so.
        encoder: How a sample becomes input.
        decoder: How the result is read.
        data: Name of the data set that the network was trained on, or "".
        training: Summary of the training, for people, in plain JSON values.
        assumed: What the file did not specify and its reader assumed.
        packages: Versions of the neighbours' packages of which the model was made, by name.
    """

    dt: float = cast("float", None)  # to the constructor only, which puts what is assumed
    steps: int = cast("int", None)
    encoder: Encoder = Encoder()
    decoder: Decoder = Decoder()
    data: str = ""
    training: dict[str, Any] = field(default_factory=dict)
    assumed: tuple[Assumption, ...] = ()
    packages: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.dt is None:
            self._assume("dt", DT, dt_assumed(DT, "it was not given"))
        if self.steps is None:
            self._assume("steps", STEPS, steps_assumed(STEPS))
        _check(self)

    def _assume(self, name: str, number: float, said: Assumption) -> None:
        """Take a number that was not given, and note it, while this is being made."""
        object.__setattr__(self, name, number)
        if isinstance(self.assumed, tuple) and not self.assumes(name):
            object.__setattr__(self, "assumed", (*self.assumed, said))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; `from_dict` is the inverse.

        Where something was assumed, two lists of equal length hold it: the sentences are in
        `assumed`, their keys in `assumed_keys`.
        """
        values = {**asdict(self), "decoder": self.decoder.to_dict()}
        del values["assumed"]
        if not self.packages:
            del values["packages"]
        if self.assumed:
            values["assumed"] = [assumption.sentence for assumption in self.assumed]
            values["assumed_keys"] = [assumption.key for assumption in self.assumed]
        return values

    def assumes(self, key: str) -> bool:
        """Whether something was assumed, by its key."""
        return any(a.key == key for a in self.assumed if isinstance(a, Assumption))

    def without(self, *keys: str) -> tuple[Assumption, ...]:
        """What was assumed, but for some keys."""
        return tuple(assumption for assumption in self.assumed if assumption.key not in keys)

    def given(self, steps: int | None = None, dt: float | None = None) -> Settings:
        """These settings with the steps or dt that a user gave, where they were assumed."""
        numbers: dict[str, Any] = {"steps": steps, "dt": dt}
        taken = {k: n for k, n in numbers.items() if n is not None and self.assumes(k)}
        return replace(self, **taken, assumed=self.without(*taken)) if taken else self

    def over(self, own: Settings) -> Settings:
        """These settings of a user, with the dt and steps of a model's own where none was given.

        What was assumed of the model stays, but for what is given here.
        """
        left = [key for key in ("dt", "steps") if self.assumes(key)]
        said = own.without(*({"dt", "steps"} - set(left)))
        numbers: dict[str, Any] = {key: getattr(own, key) for key in left}
        return replace(self, **numbers, assumed=(*said, *self.without(*left)))

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
        f"a sample takes {steps} steps: their number was not given. Give steps= (--steps) where it "
        "takes others.",
    )


def dt_assumed(dt: float, why: str) -> Assumption:
    """The assumption of a reader that was not given the length of a step."""
    return Assumption(
        "dt", f"a step takes {dt:g} s: {why}. Give dt= (--dt) where it takes another time."
    )


def _assumptions(values: dict[str, Any]) -> tuple[Assumption, ...]:
    """The assumptions in a file's metadata; an older file has the sentences only."""
    sentences = values.get("assumed", ())
    older = f"a sample takes {values.get('steps', STEPS)} steps: the file does not say how many."
    keys = values.get("assumed_keys") or [
        "steps" if str(sentence).startswith(older) else "" for sentence in sentences
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
    numbers = {
        "dt": settings.dt,
        "encoder gain": encoder.gain,
        "decoder gain": decoder.gain,
        "decoder offset": decoder.offset,
        **{f"decoder {name}": limit for name, limit in decoder.limits.items()},
    }
    for what, number in numbers.items():
        if isinstance(number, bool) or not isinstance(number, int | float) or not isfinite(number):
            raise BadInput(f"{what} is {number!r}. Use a finite number.")
    if not isinstance(settings.data, str) or not isinstance(settings.training, dict):
        raise BadInput("data in the settings must be a text, and training a table.")
    packages = settings.packages
    if not isinstance(packages, dict) or not all(
        isinstance(text, str) for pair in packages.items() for text in pair
    ):
        raise BadInput("packages in the settings must be a table of names and versions.")
    assumed = settings.assumed
    if not isinstance(assumed, tuple) or not all(isinstance(a, Assumption) for a in assumed):
        raise BadInput("what the settings say was assumed must be a tuple of Assumption.")
    if not all(isinstance(text, str) for a in assumed for text in vars(a).values()):
        raise BadInput("what the settings say was assumed must be a list of sentences.")
    _check_gains(encoder, decoder)
    _check_limits(decoder)
    if settings.dt <= 0:
        raise BadInput(f"dt = {settings.dt} s. A step must be longer than 0 s.")
    if not MIN_DT <= settings.dt <= MAX_DT:
        raise BadInput(f"dt = {settings.dt} s. Use {MIN_DT:g} s to {MAX_DT:g} s.")
    if type(settings.steps) is not int or not 1 <= settings.steps <= MAX_STEPS:
        raise BadInput(f"steps = {settings.steps!r}. Use a whole number from 1 to {MAX_STEPS}.")


def _check_gains(encoder: Encoder, decoder: Decoder) -> None:
    """Refuse factors with which no input enters, or no result can be read."""
    gain = encoder.gain
    allowed: dict[EncoderKind, tuple[bool, str]] = {
        "bernoulli": (gain > 0, "a probability per unit of x: use a number above 0"),
        "current": (gain != 0, "a current per unit of x: use any number but 0"),
        "sequence": (gain != 0, "a factor on x: use any number but 0"),
        "spikes": (gain == 1, "no factor, for spikes enter as they are: leave it out"),
    }
    fine, words = allowed[encoder.kind]
    if not fine:
        raise BadInput(f"the gain of the encoder '{encoder.kind}' is {gain:g}. It is {words}.")
    gain = decoder.gain
    if gain == 0:
        raise BadInput(
            "the gain of the decoder is 0, so every result is its offset. Use any number but 0."
        )
    if gain < 0 and decoder.task == "classification":
        raise BadInput(
            f"the gain of the decoder is {gain:g}, but the class is the largest result, which is "
            "then that of the smallest reading. Use a gain above 0."
        )


def _check_limits(decoder: Decoder) -> None:
    """Refuse limits between which no result is left, and those of a class."""
    if decoder.limits and decoder.task == "classification":
        raise BadInput(
            "the decoder limits its results, but the class is the largest one, and limits make "
            "several equal. Leave out low and high."
        )
    if decoder.limits and decoder.kind == "none":
        raise BadInput(
            "the decoder 'none' reads nothing that low and high could limit. Leave them out, or "
            "use 'last', 'max', 'mean' or 'rate'."
        )
    if decoder.low is not None and decoder.high is not None and decoder.low >= decoder.high:
        raise BadInput(
            f"the decoder limits its results to {decoder.low:g} to {decoder.high:g}. Use a low "
            "below high."
        )
