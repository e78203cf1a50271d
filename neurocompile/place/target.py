"""What a network is compiled for: a chip, how many of them, and the objective of its placement.

In:  a user's words, from the command line or from Python; or the manifest of an export.
Out: Target; the manifest's `placement`.
An exported network is always placed as the export placed it: its counts belong to that placement.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, get_args

from neurocompile.chip.change import with_chips
from neurocompile.chip.digest import chip_digest
from neurocompile.chip.mesh import chips_allowed
from neurocompile.chip.read import chip_names, load_chip
from neurocompile.chip.record import Chip
from neurocompile.errors import BadInput, Doubtful
from neurocompile.formats.netx.layer import for_netx
from neurocompile.place.objective import Objective

OLD_PLACEMENT = {"fewest_of": "both", "chips": 1}  # meant by manifests that do not state one


@dataclass(frozen=True)
class Target:
    """A chip, and how a network is put on it.

        nc.compile(model, nc.Target("loihi-sim", chips=4, fewest_of="messages"))

    Attributes:
        chip: Name of a target, folder with a target.toml, or a chip from `load_chip`.
        chips: Largest number of chips that the network may use; None takes the target's own.
        fewest_of: What a placement should have fewest of: "cores", "messages" between cores,
            "both", the smallest product of the two, or "time", the modelled time of a step; or
            "halves", cut as Loihi 2's compiler cuts.
        netx: Whether scales are chosen among those that lava-dl's network.net can hold.
    """

    chip: str | Path | Chip
    chips: int | None = None
    fewest_of: Objective = "both"
    netx: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.chip, str | Path | Chip):
            raise BadInput(
                f"the chip is of the type {type(self.chip).__name__}. Give the name of a target, a "
                "folder with a target.toml, or a chip from load_chip."
            )
        if not isinstance(self.netx, bool):
            raise BadInput(f"netx is {self.netx!r}. Use True or False.")
        if self.fewest_of not in get_args(Objective):
            raise BadInput(
                f"fewest_of is {self.fewest_of!r}. Use one of {', '.join(get_args(Objective))}."
            )
        if self.chips is not None and (type(self.chips) is not int or self.chips < 1):
            raise BadInput(f"chips is {self.chips!r}. Use a whole number of at least 1.")

    @staticmethod
    def of(given: str | PathLike[str] | Chip | Target) -> Target:
        """The target given by a name, a folder or a chip, with the default placement.

        Raises:
            BadInput: If `given` is anything else.
        """
        if isinstance(given, Target):
            return given
        if isinstance(given, str | PathLike | Chip):
            return Target(Path(given) if isinstance(given, PathLike) else given)
        raise BadInput(
            f"the target is of the type {type(given).__name__}. Give the name of a target, a "
            "folder with a target.toml, a chip from load_chip, or a Target."
        )

    @property
    def name(self) -> str:
        """What an export stores to find the chip again: a name, or an absolute path."""
        if isinstance(self.chip, Chip):
            return self.chip.name
        given = str(self.chip)
        return given if given in chip_names() else os.path.abspath(given)

    @property
    def digest(self) -> str:
        """Digest of the numbers of the target itself, without the options of this class."""
        if isinstance(self.chip, Chip):
            return chip_digest(self.chip)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Doubtful)  # `load` has said so, or will
            return chip_digest(load_chip(self.chip))

    def load(self) -> Chip:
        """The chip, with the allowed number of chips and the wanted number formats.

        Raises:
            BadInput: If there is no such target, or its file breaks a rule.
        """
        chip = self.chip if isinstance(self.chip, Chip) else load_chip(self.chip)
        chip = with_chips(chip, self.chips)
        return for_netx(chip) if self.netx else chip


def remembered(fewest_of: str, chip: Chip) -> dict[str, Any]:
    """The `placement` of a manifest."""
    return {"fewest_of": fewest_of, "chips": chips_allowed(chip)}


def exported_target(manifest: Mapping[str, Any], file: Path | None = None) -> Target:
    """The target of an export; without a placement in the manifest, the default one on one chip.

    Args:
        manifest: Content of the manifest.
        file: The manifest, for the error message.

    Raises:
        BadInput: If the placement is not one that `remembered` writes.
    """
    placement = manifest.get("placement", OLD_PLACEMENT)
    objective: Any = placement.get("fewest_of") if isinstance(placement, dict) else None
    chips: Any = placement.get("chips") if isinstance(placement, dict) else None
    if objective not in get_args(Objective) or type(chips) is not int or chips < 1:
        raise BadInput(
            f"{file or 'the manifest'} is broken ('placement' is {str(placement)[:60]}, but needs "
            f"fewest_of: {', '.join(get_args(Objective))}, and chips: 1 or more). Export the model "
            "again."
        )
    return Target(manifest["target"], chips, objective)
