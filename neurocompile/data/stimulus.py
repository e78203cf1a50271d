"""What a network is shown: samples that are loaded, for how many steps, by which random numbers.

In:  what a user asked for, and what an export says it ran itself.
Out: one record that every run over samples takes.
"""

from __future__ import annotations

from dataclasses import dataclass

from neurocompile.data.samples import Data, load_data
from neurocompile.data.sampling import Declared, Sampling
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
    source = asked.source or own.source
    if not source:
        raise BadInput(
            "this model names no data. Say what to run: --data mnist5k, digits, idx:DIR or a file."
        )
    data = load_data(source, samples=asked.samples)
    if asked.samples is None and samples is not None:
        data = data.first(samples)
    seed = own.seed if asked.seed is None else asked.seed
    return Stimulus(data, asked.steps or own.steps, seed)
