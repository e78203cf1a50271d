"""Tell how full a chip is.

In:  Placed.
Out: plain JSON values for the report: limits with what is used of them, and every core.
"""

from __future__ import annotations

from typing import Any

from neurocompile.place.load import limit_of
from neurocompile.place.mesh import chips_used
from neurocompile.place.placed import RESOURCES, Placed


def fit(placed: Placed) -> dict[str, Any]:
    """The `fit` of report.json: whether the network fits, and each limit.

    A row of `limits` has the resource, its unit, what the fullest core takes (`used`), the
    limit of a core (null is none), the sum over all cores, and the core that takes most, with
    its layers. The row `cores` speaks of the chip.
    """
    cores = placed.chip.limits.cores
    rows: list[dict[str, Any]] = [
        {
            "resource": "cores",
            "unit": "core",
            "used": len(placed.cores),
            "limit": None if cores is None else cores.value,
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
        "chips": chips_used(placed.chip, len(placed.cores)),
        "limits": rows,
    }


def core_table(placed: Placed) -> list[dict[str, Any]]:
    """A row a core: its number, layers and what it takes of each resource."""
    return [
        {"core": core.index, "layer": core.layer, **{r: core.use[r] for r in RESOURCES}}
        for core in placed.cores
    ]
