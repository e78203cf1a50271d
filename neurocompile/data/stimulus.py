"""What a network is shown: loaded samples, for how many steps, with which random numbers.

In:  what a user asked for, and what an export declares that it ran.
Out: one record that every run over samples takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from os import PathLike, fspath

from neurocompile.data.samples import Data, load_data, load_training_data
from neurocompile.data.sampling import DEFAULT_SAMPLES, Declared, Sampling
from neurocompile.errors import BadInput


@dataclass(frozen=True, eq=False)
class Stimulus:
    """What a network is shown.

    Attributes:
        data: Samples, or spikes that are encoded already.
        steps: Time steps per sample.
        seed: Seed of the random encoder.
        first, last: Range of samples to run, [first, last), by their numbers in the data; None is
            the end of the data.
    """

    data: Data
    steps: int
    seed: int = 0
    first: int = 0
    last: int | None = None

    def __len__(self) -> int:
        return self.end - self.first

    @property
    def end(self) -> int:
        """Number of the first sample that is not run any more."""
        return len(self.data) if self.last is None else self.last

    def part(self, first: int, last: int) -> Stimulus:
        """Only the samples [first, last), which are shown as in a run of all."""
        return replace(self, first=first, last=last)


def sampling_of(given: str | PathLike[str] | Data | Sampling | None) -> Sampling:
    """What to run, from the name of a data set, a path, loaded samples, or a full Sampling.

    Raises:
        BadInput: If `given` is anything else.
    """
    if isinstance(given, Sampling):
        return given
    if given is None or isinstance(given, str | Data):
        return Sampling(given)
    if isinstance(given, PathLike):
        return Sampling(fspath(given))
    raise BadInput(
        f"the data are of the type {type(given).__name__}. Give the name of a data set, the path "
        "of a .npy or .npz file, neurocompile.Data(name, kind, values), or a Sampling."
    )


def usual_samples(engines: Sequence[str]) -> int | None:
    """Number of samples to run if nobody says how many: all (None) if only `fixed` runs."""
    return None if tuple(engines) == ("fixed",) else DEFAULT_SAMPLES


def load_samples(asked: Sampling, own: str, samples: int | None = None) -> Data | None:
    """The samples to run, or None if neither the user nor the model names any.

    Args:
        asked: What the user asked for; samples that are loaded already are all taken.
        own: Source that the model names, "" for none.
        samples: Number of samples to take from a source if the user asked for none in particular;
            all if the source holds fewer. None takes all.

    Raises:
        BadInput: If there is no such source, its content is invalid or it has too few samples.
        NotInstalled: If the package that ships the data is missing.
    """
    source = asked.source or own
    if not source:
        return None
    if not isinstance(source, str | Data):
        raise BadInput(
            f"the source of the samples is of the type {type(source).__name__}. Give the name of a "
            "data set, the path of a data file as a text, or samples from load_data."
        )
    if isinstance(source, Data):
        return source if asked.samples is None else source.exactly(asked.samples)
    data = load_data(source, samples=asked.samples)
    return data if asked.samples or samples is None else data.first(samples)


def load_training(asked: Sampling, own: str) -> Data | None:
    """Training samples on which to choose scales, or None if no training part is known.

    They are from the source that the user named, otherwise from the one that the model names.
    """
    return load_training_data(asked.source if isinstance(asked.source, str) else own)


def load_stimulus(asked: Sampling, own: Declared, samples: int | None = None) -> Stimulus:
    """Load what is to be run.

    Args:
        asked: What the user asked for.
        own: What the export ran; used for everything that the user did not ask for.
        samples: Number of samples if the user asked for none in particular; all if the data hold
            fewer. None takes all.

    Raises:
        BadInput: If neither names a source, or the data are invalid.
    """
    data = load_samples(asked, own.source, samples)
    if data is None:
        raise BadInput(
            "this model names no data. Choose some, data= (--data): mnist5k, digits, idx:DIR or a "
            "file."
        )
    seed = own.seed if asked.seed is None else asked.seed
    return Stimulus(data, asked.steps or own.steps, seed)
