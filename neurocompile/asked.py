"""What a user asks of `export` that decides its result, as one record.

In:  the options of the command line, or of a point of a sweep.
Out: what `compiler.compile_asked` takes. It can be sent to another process.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from neurocompile.data.sampling import Sampling
from neurocompile.ir.settings import Encoder

if TYPE_CHECKING:  # not at run time, so that `--help` need not import numpy
    from neurocompile.place.target import Target


@dataclass(frozen=True)
class Asked:
    """What decides the result of an export, beside the model and the target.

    Attributes:
        sampling: Samples to run, steps and seed.
        calibration: Source of the samples on which scales are chosen; None takes the training
            part of the samples that run.
        bits: Width of the weights, bits, 2..8.
        max_error_increase: Largest increase of the error for the narrowest weights, as a part;
            None takes `bits`.
        fewest_of: What the placement minimizes; None is "both".
        chips: Largest number of chips; None is the target's own.
        netx: Whether scales are chosen that lava-dl's network.net can hold.
        engines: Engines that run; the first makes the figures.
        allow_pickle: Whether pickled models are read, which may run code.
        load_options: Options of `frontend.load` for what a file leaves open.
        encoder: Encoder of the samples, if the model names none.
    """

    sampling: Sampling = field(default_factory=Sampling)
    calibration: str | None = None
    bits: int = 8
    max_error_increase: float | None = None
    fewest_of: Any = None
    chips: int | None = None
    netx: bool = False
    engines: tuple[str, ...] = ("fixed",)
    allow_pickle: bool = False
    load_options: dict[str, Any] = field(default_factory=dict)
    encoder: Encoder | None = None

    def target(self, name: str) -> Target:
        """A target by name or folder, with the options that are about it."""
        from neurocompile.place.target import Target

        return Target(name, self.chips, self.fewest_of or "both", self.netx)
