"""Many draws of faults: what a network loses, with an interval.

In:  a placed network, a stimulus, kinds and shares.
Out: one JSON-ready document, as schema.json beside this module describes it: the sound network,
     and of each kind and share every draw, means and intervals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from neurocompile.data.stimulus import Stimulus
from neurocompile.engines.decode import require_integers
from neurocompile.engines.progress import Progress, silent
from neurocompile.engines.score import require_labels
from neurocompile.errors import BadInput, DoesNotFit
from neurocompile.faults import DRAWS, DRIFTS, FACTOR, KINDS, SHARE
from neurocompile.faults.draw import Faulty, check_factor, check_share, faulty, places_of
from neurocompile.faults.interval import mean_and_interval
from neurocompile.faults.measure import Outcome, measured
from neurocompile.ir.arrays import Array
from neurocompile.ir.digest import graph_digest
from neurocompile.place.placed import Placed

FORMAT = "neurocompile-faults"
VERSION = "1.0"  # MAJOR.MINOR; a minor step only adds fields
MOST_DRAWS = 10_000
METRICS = ("accuracy", "mse", "difference")  # the first that the sound network has is the result
MEASURED = tuple(field.name for field in fields(Outcome))


@dataclass(frozen=True)
class Asked:
    """What is drawn.

    Attributes:
        kinds: Names of `KINDS`.
        shares: Parts of all places that are hit, 0..1.
        draws: Number of draws of each kind and share.
        seed: Seed of all draws.
        factor: Of thresholds that drift.
    """

    kinds: Sequence[str]
    shares: Sequence[float] = (SHARE,)
    draws: int = DRAWS
    seed: int = 0
    factor: float = FACTOR

    def check(self) -> None:
        """Refuse what nobody can draw.

        Raises:
            BadInput: Says what is allowed.
        """
        if not self.kinds or not self.shares:
            what, known = ("kind", ", ".join(KINDS)) if not self.kinds else ("share", "0.01")
            raise BadInput(f"no {what} of faults is given. Give one or more, such as {known}.")
        for share in self.shares:
            check_share(share)
        check_factor(self.factor)
        for name, number, most in (("draws", self.draws, MOST_DRAWS), ("seed", self.seed, None)):
            least = 0 if most is None else 1
            good = isinstance(number, int) and not isinstance(number, bool) and number >= least
            if not good or (most is not None and number > most):
                allowed = f"{least} or more" if most is None else f"{least} to {most:,}"
                raise BadInput(f"{name} is {number!r}, allowed are whole numbers, {allowed}.")


def study(
    placed: Placed, stimulus: Stimulus, asked: Asked, *, progress: Progress = silent
) -> dict[str, Any]:
    """Run a network with every fault that is asked for, and without.

    Args:
        placed: The network on its cores.
        stimulus: Samples, steps per sample and seed of the encoder; the same in every draw.
        asked: What is drawn.
        progress: Called as draws are done.

    Raises:
        BadInput: If an argument cannot be used, the network has no place for a kind, no result to
            be wrong, or the data do not fit it.
        DoesNotFit: If the sound network leaves its registers on these data.
    """
    asked.check()
    graph = placed.graph
    require_integers(graph)
    if graph.settings.decoder.kind == "none":
        raise BadInput(
            "the network has no decoder: it has spikes, but no result that a fault could change. "
            "Save the model with a decoder."
        )
    require_labels(graph, stimulus.data)
    kinds, shares = dict.fromkeys(asked.kinds), sorted(set(map(float, asked.shares)))
    places = {kind: places_of(placed, kind, stimulus.steps) for kind in kinds}
    samples = len(stimulus)
    total = samples * (1 + len(kinds) * len(shares) * asked.draws)
    sound, results = measured(placed, Faulty(graph, None, 0, 0), stimulus)
    progress("faults", samples, total)
    drawn = _Draws(placed, stimulus, asked, sound, results)
    rows: list[dict[str, Any]] = []
    for kind, (number, of) in places.items():
        for share in shares:
            done = []
            for draw in range(asked.draws):
                done.append(drawn.of(kind, share, draw))
                runs = 1 + len(rows) * asked.draws + len(done)
                progress("faults", runs * samples, total)
            rows.append({
                "kind": kind,
                "what": KINDS[kind],
                "of": of,
                "places": number,
                "share": share,
                "hit": round(share * number),
                "factor": asked.factor if kind == DRIFTS else None,
                **_summed(done),
                "draws": done,
            })  # fmt: skip
    return {
        "format": FORMAT,
        "version": VERSION,
        "target": placed.chip.name,
        "fixed_graph": graph_digest(graph),
        "data": stimulus.data.name,
        "samples": samples,
        "steps": stimulus.steps,
        "seed": stimulus.seed,
        "fault_seed": asked.seed,
        "draws": asked.draws,
        "metric": next(name for name in METRICS if getattr(sound, name) is not None),
        "sound": asdict(sound),
        "faults": rows,
    }


@dataclass(frozen=True, eq=False)
class _Draws:
    """Draws of one network on one stimulus.

    Attributes:
        placed, stimulus, asked: See `study`.
        sound: What the sound network did.
        results: Its results.
    """

    placed: Placed
    stimulus: Stimulus
    asked: Asked
    sound: Outcome
    results: Array

    def of(self, kind: str, share: float, draw: int) -> dict[str, Any]:
        """One draw, JSON-ready; without figures if no chip could hold it or its numbers."""
        asked, steps = self.asked, self.stimulus.steps
        about: dict[str, Any] = {"draw": draw, "after_step": None, "refused": None}
        try:
            found = faulty(
                self.placed, kind, share,
                draw=draw, seed=asked.seed, factor=asked.factor, steps=steps,
            )  # fmt: skip
            if found.upset is not None:
                about["after_step"] = found.upset.step
            outcome = self.sound
            if found.hit:
                outcome, _ = measured(self.placed, found, self.stimulus, self.results)
        except DoesNotFit as error:
            return {**about, "refused": str(error), **dict.fromkeys(MEASURED)}
        return {**about, **asdict(outcome)}


def _summed(draws: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Means and intervals of the draws that ran."""
    ran = [draw for draw in draws if draw["refused"] is None]
    figures = {
        name: mean_and_interval([draw[name] for draw in ran if draw[name] is not None])
        for name in MEASURED
    }
    return {"ran": len(ran), **figures}
