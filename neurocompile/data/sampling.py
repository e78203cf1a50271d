"""What to run: which samples, how many, for how many steps, with which random numbers.

In:  what a user asked for, None for a default; what an export declares.
Out: records that commands and pipeline pass on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from neurocompile.errors import BadInput
from neurocompile.ir.settings import MAX_STEPS

if TYPE_CHECKING:  # not at run time, so that `--help` need not import numpy
    from neurocompile.data.samples import Data

MOST = 2**63 - 1  # largest number that a manifest can hold
DEFAULT_SAMPLES = 20  # if Lava runs; the first 20 test digits hold every class twice


@dataclass(frozen=True)
class Sampling:
    """What to run a network on.

        compiled.run(nc.Sampling("digits", samples=20, seed=1))

    Attributes:
        source: Name of a data set or path of a data file (see `load_data`), or samples that are
            loaded already; None takes the source of the model or the export.
        samples: Number of samples, the first ones; None takes the default of whatever runs them.
        steps: Time steps per sample, 1 .. 1,000,000; None takes those of the model or the export.
        seed: Seed of the random encoder, 0 .. 2**63 - 1; None takes the export's, otherwise 0.
    """

    source: str | Data | None = None
    samples: int | None = None
    steps: int | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        for name, least, most in (("samples", 1, MOST), ("steps", 1, MAX_STEPS), ("seed", 0, MOST)):
            number = getattr(self, name)
            if number is not None and (type(number) is not int or not least <= number <= most):
                raise BadInput(f"{name} is {number!r}. Use a whole number from {least} to {most}.")


@dataclass(frozen=True)
class Declared:
    """What an export ran, as its manifest declares it.

    Attributes:
        source: Name of the data set or path of the data file; "" if nothing was run.
        samples: Number of samples; 0 if nothing was run.
        steps: Time steps per sample, 1 or more.
        seed: Seed of the random encoder.
    """

    source: str
    samples: int
    steps: int
    seed: int
