"""What a network is shown: samples that are loaded, for how many steps, by which random numbers.

In:  what a user asked for, and what an export says it ran itself.
Out: one record that every run over samples takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
    """

    data: Data
    steps: int
    seed: int = 0

    def __len__(self) -> int:
        return len(self.data)


def sampling_of(given: str | PathLike[str] | Data | Sampling | None) -> Sampling:
    """What to run, given by the name of a data set, a path, loaded samples, or in full.

    Raises:
        BadInput: If it is something else.
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
    """How many samples are run where nobody says how many: all (None) on `fixed` only."""
    return None if tuple(engines) == ("fixed",) else DEFAULT_SAMPLES


def load_samples(asked: Sampling, own: str, samples: int | None = None) -> Data | None:
    """The samples to run, or None where neither the user nor the model names any.

    Args:
        asked: What the user asked for; samples that are loaded already are all taken.
        own: Source that the model names, "" for none.
        samples: Number of samples of a source where none was asked for, or all where it holds
            fewer; None takes all.

    Raises:
        BadInput: If there is no such source, its content is unfit or it has too few samples.
        NotInstalled: If the package that ships the data is missing.
    """
    source = asked.source or own
    if not source:
        return None
    if isinstance(source, Data):
        return source if asked.samples is None else source.exactly(asked.samples)
    data = load_data(source, samples=asked.samples)
    return data if asked.samples or samples is None else data.first(samples)


def load_training(asked: Sampling, own: str) -> Data | None:
    """Training samples to choose scales on, or None where no training part is known.

    They are those of the source that the user named, else of the one that the model names.
    """
    return load_training_data(asked.source if isinstance(asked.source, str) else own)


def load_stimulus(asked: Sampling, own: Declared, samples: int | None = None) -> Stimulus:
    """Load what is to be run.

    Args:
        asked: What the user asked for.
        own: What the export ran, for what was not asked for.
        samples: Number of samples where none was asked for, or all where the data hold fewer;
            None takes all.

    Raises:
        BadInput: If neither names a source, or the data are not as they should be.
    """
    data = load_samples(asked, own.source, samples)
    if data is None:
        raise BadInput(
            "this model names no data. Say what to run: --data mnist5k, digits, idx:DIR or a file."
        )
    seed = own.seed if asked.seed is None else asked.seed
    return Stimulus(data, asked.steps or own.steps, seed)
