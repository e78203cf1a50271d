"""What to run: which samples, how many, for how many steps, with which random numbers.

In:  what a user asked for; None where a default is meant; what an export declares.
Out: records that commands and pipeline hand on.
"""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_SAMPLES = 20  # with Lava; the first 20 test digits hold every class twice


@dataclass(frozen=True)
class Sampling:
    """What to run a network on.

    Attributes:
        source: Name of a data set or path of a data file (see `data.samples.load_data`); None is
            the model's or the export's own.
        samples: Number of samples, the first ones; None is the default of whatever runs them.
        steps: Time steps per sample; None is the model's or the export's own.
        seed: Seed of the random encoder, 0 or larger; None is the export's own, else 0.
    """

    source: str | None = None
    samples: int | None = None
    steps: int | None = None
    seed: int | None = None


@dataclass(frozen=True)
class Declared:
    """What an export ran, as its manifest declares it.

    Attributes:
        source: Name of the data set or path of the data file; "" where nothing was run.
        samples: Number of samples; 0 where nothing was run.
        steps: Time steps per sample, 1 or more.
        seed: Seed of the random encoder.
    """

    source: str
    samples: int
    steps: int
    seed: int
