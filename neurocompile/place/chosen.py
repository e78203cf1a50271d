"""How a user wants a network placed, and how an export remembers it.

In:  options of a command, or the manifest of an export.
Out: Chosen; the manifest's `placement`.
Whoever places an exported network places it as the export did: its counts are of that placement.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from neurocompile.chip.mesh import chips_allowed
from neurocompile.chip.record import Chip
from neurocompile.errors import BadInput
from neurocompile.place.pack import Objective


@dataclass(frozen=True)
class Chosen:
    """What was asked of a placement.

    Attributes:
        fewest_of: See `place`.
        chips: How many it may take at most; None is what the target says.
    """

    fewest_of: Objective = "both"
    chips: int | None = None


DEFAULT = Chosen()
BEFORE = {"fewest_of": "both", "chips": 1}  # what an older manifest means


def remembered(fewest_of: str, chip: Chip) -> dict[str, Any]:
    """The `placement` of a manifest."""
    return {"fewest_of": fewest_of, "chips": chips_allowed(chip)}


def chosen(manifest: Mapping[str, Any]) -> Chosen:
    """What a manifest says; one from before placements were remembered has the defaults.

    Raises:
        BadInput: If it says something else than `remembered` writes.
    """
    said = manifest.get("placement", BEFORE)
    few: Any = said.get("fewest_of") if isinstance(said, dict) else None
    chips: Any = said.get("chips") if isinstance(said, dict) else None
    if few not in get_args(Objective) or type(chips) is not int or chips < 1:
        raise BadInput(
            f"the manifest is broken ('placement' is {str(said)[:60]}, but has fewest_of: "
            f"{', '.join(get_args(Objective))}, and chips: 1 or more). Export the model again."
        )
    return Chosen(few, chips)
