"""Describe how full a chip is.

In:  Placed.
Out: plain JSON values for the report: each limit with its use, and every core.
"""

from __future__ import annotations

from typing import Any

from neurocompile.chip.mesh import chip_of, chips_allowed, chips_used
from neurocompile.place.bound import least_cores
from neurocompile.place.limits import limit_of
from neurocompile.place.placed import RESOURCES, Placed


def fit(placed: Placed) -> dict[str, Any]:
    """The `fit` of report.json: whether the network fits, and each limit.

    A row of `limits` has the resource, its unit, the use of the fullest core (`used`), the limit
    per core (null for none), the sum over all cores, and the fullest core with its layers. The
    row `cores` is about all chips that the network may use (`chips_limit`). `least_cores` is, by
    limited resource, the smallest number of cores that can hold the network (`bound.py`).
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
        "fewest_of": placed.objective,
        "limits": rows,
    }


def core_table(placed: Placed) -> list[dict[str, Any]]:
    """One row per core: its number, chip, layers and its use of each resource."""
    on = chip_of(placed.chip, len(placed.cores)).tolist()
    return [
        {"core": core.index, "chip": chip, "layer": core.layer}
        | {resource: core.use[resource] for resource in RESOURCES}
        for core, chip in zip(placed.cores, on, strict=True)
    ]
