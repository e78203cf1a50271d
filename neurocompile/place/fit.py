"""Tell how full a chip is.

In:  Placed.
Out: plain JSON values for the report: limits with what is used of them, and every core.
"""

from __future__ import annotations

from typing import Any

from neurocompile.chip.mesh import chip_of, chips_allowed, chips_used
from neurocompile.place.bound import least_cores
from neurocompile.place.load import limit_of
from neurocompile.place.placed import RESOURCES, Placed


def fit(placed: Placed) -> dict[str, Any]:
    """The `fit` of report.json: whether the network fits, and each limit.

    A row of `limits` has the resource, its unit, what the fullest core takes (`used`), the
    limit of a core (null is none), the sum over all cores, and the core that takes most, with
    its layers. The row `cores` speaks of all chips that the network may take (`chips_limit`).
    `least_cores` has, by resource with a limit, how many cores hold what the network needs of it
    (`bound.py`).
    """
    cores, allowed = placed.chip.limits.cores, chips_allowed(placed.chip)
    rows: list[dict[str, Any]] = [
        {
            "resource": "cores",
            "unit": "core",
            "used": len(placed.cores),
            "limit": None if cores is None else cores.value * allowed,
            "total": len(placed.cores),
            "core": None,
            "layer": None,
        }
    ]
    for resource, limit in RESOURCES.items():
        used = placed.used(resource)
        quantity = getattr(placed.chip.limits, limit)
        unit = "bit" if resource == "synapse_memory" else resource.split("_")[-1].rstrip("s")
        fullest = None if used is None or used.size == 0 else placed.cores[int(used.argmax())]
        rows.append(
            {
                "resource": resource,
                "unit": unit if quantity is None else quantity.unit,
                "used": None if used is None else int(used.max(initial=0)),
                "limit": limit_of(placed.chip, resource),
                "total": None if used is None else int(used.sum()),
                "core": None if fullest is None else fullest.index,
                "layer": None if fullest is None else fullest.layer,
            }
        )
    return {
        "fits": placed.fits,
        "cores_used": len(placed.cores),
        "least_cores": least_cores(placed.graph, placed.chip),
        "chips": chips_used(placed.chip, len(placed.cores)),
        "chips_limit": allowed,
        "fewest_of": placed.fewest_of,
        "limits": rows,
    }


def core_table(placed: Placed) -> list[dict[str, Any]]:
    """A row a core: its number, chip, layers and what it takes of each resource."""
    on = chip_of(placed.chip, len(placed.cores)).tolist()
    return [
        {"core": core.index, "chip": chip, "layer": core.layer}
        | {resource: core.use[resource] for resource in RESOURCES}
        for core, chip in zip(placed.cores, on, strict=True)
    ]
