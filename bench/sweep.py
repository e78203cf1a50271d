"""Sweeps: what they cost beside their points, two workers against one, 50 kills, 200 points.

In:  this machine; `--only overhead|kills|shipped` measures one part and keeps the others.
Out: bench/sweep.json, and a table in docs/benchmarks.md.
Points are real ones: integers of the shipped autoencoder, as many samples as make about a second.
Times begin when the first point has come, so that a worker's imports are counted by themselves.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import table as tables

from neurocompile.asked import Asked
from neurocompile.cluster.workers import workers
from neurocompile.data.sampling import Sampling
from neurocompile.engines.torch_ops import one_thread
from neurocompile.sweep.compute import compute
from neurocompile.sweep.metrics import metrics
from neurocompile.sweep.points import Axis, Keys, Point, grid
from neurocompile.sweep.results import rows, write_results
from neurocompile.sweep.run import Sweep, run
from neurocompile.sweep.store import Store, store

HERE = Path(__file__).parent
MODELS = HERE.parent / "examples/models"
FIXED, FLOAT = (str(MODELS / f"mnist_autoencoder{end}.pt") for end in ("_4bit", ""))
POINT_S, COUNT, ROUNDS, KILLS = 1.0, 16, 5, 50
POINTS_PER_KILL = 25  # a worker that follows another needs the time of about ten
MOST_OVERHEAD, LEAST_SPEEDUP, MOST_MINUTES = 0.10, 1.7, 15
PLACES = ("cores", "messages", "both", "time", "halves")
LOG = "NEUROCOMPILE_BENCH_LOG"


class Clock:
    """A `Watch` that notes when each point came."""

    def __init__(self, each: Callable[[], None] = lambda: None) -> None:
        self.begun, self.times, self.each = time.perf_counter(), list[float](), each

    def tell(self, what: str) -> None:
        """Nothing to tell."""

    def begin(self, sweep: Sweep) -> None:
        """The workers are started now."""
        self.begun = time.perf_counter()

    def finished(self, sweep: Sweep, at: int) -> None:
        """A point has come."""
        self.times.append(time.perf_counter())
        self.each()

    @property
    def per_point_s(self) -> float:
        """Seconds between two points, without the start."""
        return (self.times[-1] - self.times[0]) / (len(self.times) - 1)


def logged(*arguments: Any) -> Any:
    """`compute`, after a line that says which point this process begins, if it is not finished."""
    _, _, known, out = arguments
    if Store(Path(out)).path(known.key).is_file():
        return compute(*arguments)
    with open(os.environ[LOG], "a") as log:
        log.write(f"{known.key} {os.getpid()}\n")
    return compute(*arguments)


def points(count: int, samples: int) -> list[Point]:
    """Points of one cost, which differ in their seed."""
    axis = Axis("seed", tuple(range(count)))

    def asked(values: Any) -> Asked:
        return Asked(sampling=Sampling(samples=samples, seed=values["seed"]))

    return grid([FIXED], ["loihi-sim"], [axis], asked)


def swept(
    found: Sequence[Point], count: int, out: Path, watch: Clock, function: Any = compute
) -> Sweep:
    """A sweep with so many workers; writes its table."""
    sweep = Sweep(found)
    with store(out) as kept:
        run(sweep, kept, partial(workers, None, count), watch, function)
    axes = [Axis("seed", tuple(range(len(found))))]
    write_results(out / "results.parquet", rows(sweep, axes, metrics(["mse", "energy"])))
    return sweep


def of_a_second() -> int:
    """Samples with which a point takes about `POINT_S`."""
    took = {}
    with one_thread(), tempfile.TemporaryDirectory() as out:
        for again in range(3):  # the first one loads machine code
            for samples in (50, 250):
                (point,) = points(1, samples)
                began = time.perf_counter()
                compute(point, os.getcwd(), Keys().of(point), f"{out}/{again}-{samples}")
                took[samples] = time.perf_counter() - began
    of_a_sample = (took[250] - took[50]) / 200
    return max(10, min(1000, round(50 + (POINT_S - took[50]) / of_a_sample)))


def overhead(samples: int) -> dict[str, Any]:
    """The same points in a loop, with one worker and with two, in turns; the medians."""
    found = points(COUNT, samples)
    known = [Keys().of(point) for point in found]
    took: dict[str, list[float]] = {"loop": [], "one": [], "two": [], "start": []}
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            with one_thread():
                compute(found[0], os.getcwd(), known[0], str(folder / "loop"))
                began = time.perf_counter()
                for point, one in zip(found[1:], known[1:], strict=True):
                    compute(point, os.getcwd(), one, str(folder / "loop"))
            took["loop"].append((time.perf_counter() - began) / (COUNT - 1))
            clocks = {"one": Clock(), "two": Clock()}
            for count, (workers_there, clock) in enumerate(clocks.items(), 1):
                swept(found, count, folder / workers_there, clock)
                took[workers_there].append(clock.per_point_s)
            first = clocks["one"]
            took["start"].append(first.times[0] - first.begun - first.per_point_s)
    middle = {name: median(times) for name, times in took.items()}
    return {
        "points": COUNT, "samples": samples, "rounds": ROUNDS,
        **{f"{name}_s": time_s for name, time_s in middle.items()},
        "overhead": middle["one"] / middle["loop"] - 1, "speedup": middle["one"] / middle["two"],
        "load": os.getloadavg()[0],
    }  # fmt: skip


def kills(samples: int, times: int) -> dict[str, Any]:
    """A worker is killed so many times at random moments; another sweep is left alone."""
    found = points(POINTS_PER_KILL * times, samples // 4)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ[LOG] = str(folder / "log")
        stop, killed = threading.Event(), list[int]()
        killer = threading.Thread(target=_kill, args=(stop, killed, folder / "log", times))
        killer.start()
        try:
            sweep = swept(found, 2, folder / "killed", Clock(), logged)
        finally:
            stop.set()
            killer.join()
        begun = (folder / "log").read_text().splitlines()
        swept(found, 2, folder / "alone", Clock())
        tables_of = [(folder / n / "results.parquet").read_bytes() for n in ("killed", "alone")]
        files = len(list((folder / "killed/points").rglob("*.json")))
    return {
        "points": len(found), "kills": len(killed), "lost": len(found) - files,
        "failed": len(sweep.without_result), "repeated": len(begun) - len(found),
        "same_table": tables_of[0] == tables_of[1],
    }  # fmt: skip


def _kill(stop: threading.Event, killed: list[int], log: Path, times: int) -> None:
    """Kill one of the workers that have begun points, and wait until its successor has begun."""
    rng = random.Random(0)
    while len(killed) < times and not stop.wait(rng.uniform(0.2, 2.5)):
        begun = (
            [int(line.split()[1]) for line in log.read_text().splitlines()] if log.is_file() else []
        )
        alive = [
            pid for pid in dict.fromkeys(begun) if psutil.pid_exists(pid) and pid not in killed
        ]
        if len(alive) == 2:  # both are there again
            killed.append(rng.choice(alive))
            os.kill(killed[-1], signal.SIGKILL)


def shipped() -> dict[str, Any]:
    """210 points of the shipped autoencoder: bits, steps and placement, 1,000 samples each."""
    axes = [Axis("bits", tuple(range(2, 9))), Axis("steps", (4, 6, 8, 10, 12, 16)),
            Axis("place", PLACES)]  # fmt: skip

    def asked(values: Any) -> Asked:
        sampling = Sampling(samples=1000, steps=values["steps"])
        return Asked(sampling=sampling, bits=values["bits"], fewest_of=values["place"])

    sweep, clock = Sweep(grid([FLOAT], ["loihi-sim"], axes, asked)), Clock()
    with tempfile.TemporaryDirectory() as folder, store(Path(folder)) as kept:
        began = time.perf_counter()
        run(sweep, kept, partial(workers, None, 2), clock)
        minutes = (time.perf_counter() - began) / 60
    return {
        "points": len(sweep.points), "minutes": minutes, "load": os.getloadavg()[0],
        "failed": len(sweep.without_result),
    }  # fmt: skip


def markdown(results: dict[str, Any]) -> str:
    """The table of docs/benchmarks.md, of the parts that were measured."""
    lines = []
    if "overhead" in results:
        found = results["overhead"]
        share, faster = found["overhead"], found["speedup"]
        long = tables.number(found["loop_s"])
        lines += [
            (f"overhead of a sweep, points of {long} s, one worker",
             f"{share:.1%}{_missed(share <= MOST_OVERHEAD)}", f"at most {MOST_OVERHEAD:.0%}"),
            ("two workers against one",
             f"{faster:.2f} times as fast{_missed(faster >= LEAST_SPEEDUP)}",
             f"at least {LEAST_SPEEDUP}"),
            ("until the first worker computes", f"{tables.number(found['start_s'])} s", "-"),
        ]  # fmt: skip
    if "kills" in results:
        found = results["kills"]
        same = "the same table" if found["same_table"] else "another table"
        lost = found["lost"] + found["failed"]
        kept = found["same_table"] and not lost and found["repeated"] <= found["kills"]
        lines.append(
            (f"{found['points']} points, a worker killed {found['kills']} times",
             f"{lost} lost, {found['repeated']} begun again, {same}{_missed(kept)}",
             "0 lost, at most one again per kill")
        )  # fmt: skip
    if "shipped" in results:
        found = results["shipped"]
        took = f"{found['minutes']:.1f} min{_missed(found['minutes'] <= MOST_MINUTES)}"
        lines.append(
            (f"{found['points']} points of the shipped autoencoder, 1,000 samples, 2 to 8 bits",
             took, f"at most {MOST_MINUTES} min")
        )  # fmt: skip
    table = tables.markdown(("", "measured", "goal"), lines)
    loads = [
        found["load"] for found in results.values() if isinstance(found, dict) and "load" in found
    ]
    busy = f" Load of the machine while it was measured: {max(loads):.1f}." if loads else ""
    return "\n".join([*table, "", f"{results['machine']}.{busy}"])


def _missed(reached: bool) -> str:
    return "" if reached else " (missed)"


def main() -> None:
    """Measure, and write both files."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", choices=("overhead", "kills", "shipped"))
    parser.add_argument("--kills", type=int, default=KILLS)
    asked = parser.parse_args()
    only = asked.only
    file = HERE / "sweep.json"
    results = json.loads(file.read_text()) if file.is_file() else {}
    results["machine"] = tables.machine()
    samples = of_a_second() if only != "shipped" else 0
    for name, part in (
        ("overhead", lambda: overhead(samples)), ("kills", lambda: kills(samples, asked.kills)),
        ("shipped", shipped),
    ):  # fmt: skip
        if only in (None, name):
            results[name] = part()
    file.write_text(json.dumps(results, indent=2) + "\n")
    tables.put(markdown(results), "sweep")
    sys.stdout.write(markdown(results) + "\n")


if __name__ == "__main__":
    main()
