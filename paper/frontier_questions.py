"""The questions of the frontier: which networks are trained, how, and how they are measured.

In:  nothing; this file states the choices of the study.
Out: jobs, and the kept answers of networks that all seeds have answered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

from neurocompile.nn import TrainingPlan
from paper import twin
from paper.frontier_networks import int8_error, measured
from paper.rows import chip_digest
from paper.study import TRAINER, Job, Json

SEEDS = (0, 1, 2)
IMAGES, TESTED, CHOSEN = 3_000, 500, 100
TARGET, BITS = "loihi-sim", 8
RATES = replace(twin.RATES, epochs=8, batch=50)
SPIKES = replace(twin.SPIKES, epochs=2, batch=25)
BASE = "base"
BUDGET_UJ = 100.0
LAYERS: Json = {"steps": 16, "channels": (16, 32), "latent": 100}


class Change(NamedTuple):
    """How a network differs from the base.

    Attributes:
        lever: What is changed.
        layers: Other sizes of the layers, or another number of steps.
        pruned: Share of the weights of the dense layers that are set to 0.
        synops: Price on operations.
    """

    lever: str
    layers: Mapping[str, Any] = {}
    pruned: float = 0.0
    synops: float = 0.0


NETWORKS = {
    BASE: Change(BASE),
    "T = 8": Change("T", {"steps": 8}),
    "half the maps": Change("width", {"channels": (8, 16)}),
    "latent 32": Change("latent", {"latent": 32}),
    "pruned by three quarters": Change("pruning", pruned=0.75),
    "price 100": Change("price", synops=100.0),
    "T = 4": Change("T", {"steps": 4}),
    "latent 200": Change("latent", {"latent": 200}),
    "T = 8, pruned, price": Change("several", {"steps": 8}, 0.75, 100.0),
    "T = 24": Change("T", {"steps": 24}),
    "price 30": Change("price", synops=30.0),
    "pruned by half": Change("pruning", pruned=0.5),
    "twice the maps": Change("width", {"channels": (32, 64)}),
}
FIRST = (6, 9)  # networks after which all seeds are answered before the next one
# Time steps and prices change nothing where nothing spikes.
WITHOUT = [name for name, one in NETWORKS.items() if not one.synops and "steps" not in one.layers]


def jobs() -> list[Job]:
    """A seed after the other of the first networks, then of further ones."""
    names = list(NETWORKS)
    return [
        job
        for first, last in pairwise((0, *FIRST, len(names)))
        for some in [names[first:last]]
        for seed in SEEDS
        for job in (
            *(spiking_job(name, seed) for name in some),
            *(plain_job(name, seed) for name in some if name in WITHOUT),
        )
    ]


def spiking_job(name: str, seed: int) -> Job:
    """A spiking network."""
    change = NETWORKS[name]
    penalties = replace(SPIKES.regularization, synops=change.synops)
    training = {
        "seed": seed,
        "images": IMAGES,
        "layers": {**LAYERS, **change.layers},
        "pruned": change.pruned,
        "rates": twin.asked_of(RATES),
        "spikes": twin.asked_of(replace(SPIKES, regularization=penalties)),
    }
    how = {"target": TARGET, "chip": chip_digest(TARGET), "bits": BITS,
           "chosen": CHOSEN, "images": TESTED}  # fmt: skip
    return Job("frontier", f"{name} {seed}", {"training": training, "measuring": how}, measured)


def plain_job(name: str, seed: int) -> Job:
    """The same layers without spikes."""
    change = NETWORKS[name]
    layers = {**LAYERS, **change.layers}
    training = {
        "seed": seed,
        "images": IMAGES,
        "layers": {key: layers[key] for key in ("channels", "latent")},
        "pruned": change.pruned,
        "first": _stage(RATES, seed),
        "second": _stage(SPIKES, seed),
    }
    how = {"chosen": CHOSEN, "images": TESTED}
    asked = {"training": training, "measuring": how}
    return Job("frontier", f"{name}, without spikes {seed}", asked, int8_error, TRAINER)


def _stage(plan: TrainingPlan, seed: int) -> Json:
    """A stage of the spiking network, for one without spikes."""
    return {
        "epochs": plan.epochs,
        "shifted": plan.epochs,
        "shift": plan.shift,
        "batch": plan.batch,
        "learning_rate": plan.learning_rate,
        "seed": seed,
    }


class Answers(NamedTuple):
    """What is known of a network, by seed.

    Attributes:
        spiking: Of the chip's integers.
        plain: Of the same layers without spikes; empty where they are those of the base.
    """

    spiking: list[Json]
    plain: list[Json]


def kept() -> dict[str, Answers]:
    """The networks that all seeds have answered, with spikes and without."""
    found = {}
    for name in NETWORKS:
        spiking = _kept(spiking_job(name, seed) for seed in SEEDS)
        plain = _kept(plain_job(name, seed) for seed in SEEDS) if name in WITHOUT else []
        if len(spiking) == len(SEEDS) and (name not in WITHOUT or len(plain) == len(SEEDS)):
            found[name] = Answers(spiking, plain)
    return found


def _kept(asked: Iterable[Job]) -> list[Json]:
    return [job.answer() for job in asked if job.done]
