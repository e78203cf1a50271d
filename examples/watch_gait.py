"""Watch a walking person's sensors as they come, and mark what the network has not seen.

In:  the recording beside the shipped checkpoint (train_gait_watch.py), replayed at 64 rows a second
     or faster, with a fault in one sensor; or rows from a pipe.
Out: a line for each quarter of a second: the reconstruction error, a bar, and "fault?" where it is
     above all that was met in training; at the end how soon each fault was marked, and the modelled
     joules of a step.
Each row goes through the network as one step on loihi2-sim's integers, and nothing is ever reset.
`--rows FILE` writes what enters, for the same network as a C program (docs/take-away.md).
"""

from __future__ import annotations

import time
from pathlib import Path

import click
import numpy as np

import neurocompile as nc

MODELS = Path(__file__).parent / "models"
RATE, TOGETHER = 64, 8  # rows a second; rows of the recording that enter as one
PIECE = 16  # rows at a time: a quarter of a second
MEMORY = 32  # rows over which the error is averaged
FAULTS = ("none", "stuck", "dropout", "noise")
WIDTH = 40  # characters of the longest bar


def with_fault(rows: np.ndarray, kind: str, begin: int, end: int, seed: int) -> np.ndarray:
    """The recording with one channel at fault in the rows [begin, end).

    stuck: it keeps its value. dropout: it reads 0. noise: it is white noise in 0..1.
    """
    rng = np.random.default_rng(seed)
    found, channel = rows.copy(), int(rng.integers(rows.shape[1]))
    part = found[begin:end, channel]
    if kind == "stuck":
        part[:] = part[:1]
    elif kind == "dropout":
        part[:] = 0
    elif kind == "noise":
        part[:] = rng.random(len(part))
    return found


def joined(rows: np.ndarray) -> np.ndarray:
    """Each row with those before it, as the network takes them: (n - 7, 72)."""
    windows = np.lib.stride_tricks.sliding_window_view(rows, TOGETHER, axis=0)
    return windows.swapaxes(1, 2).reshape(len(rows) - TOGETHER + 1, -1)


@click.command()
@click.option(
    "--seconds", default=20, show_default=True, help="Length of the recording, at most 28."
)
@click.option("--fault", type=click.Choice(FAULTS), default="stuck", show_default=True)
@click.option("--at", default=10.0, show_default=True, help="Second at which the fault begins.")
@click.option("--lasting", default=4.0, show_default=True, help="Seconds that it lasts.")
@click.option("--speed", default=1.0, show_default=True, help="Times real time; 0 does not wait.")
@click.option("--seed", default=0, show_default=True, help="Seed of the channel at fault.")
@click.option("--rows", type=click.Path(path_type=Path), help="Write the rows that enter (.npy).")
def main(
    seconds: int, fault: str, at: float, lasting: float, speed: float, seed: int, rows: Path | None
) -> None:
    """Replay the recording, and watch it."""
    with np.load(MODELS / "gait_watch.npz") as kept:
        recording = kept["rows"][: seconds * RATE + TOGETHER - 1] / np.float32(65535)
        calibration = nc.Data("training rows", "x", kept["calibration"] / np.float32(65535))
        limit = float(kept["limit"])
    begin, end = (int(second * RATE) for second in (at, at + lasting))
    values = joined(with_fault(recording, fault, begin, end, seed))
    if rows is not None:
        np.save(rows, values)
    compiled = nc.compile(MODELS / "gait_watch.pt", "loihi2-sim", calibration=calibration)
    stream = compiled.stream()
    recent: list[float] = []
    marked: list[float] = []
    started = time.monotonic()
    for first in range(0, len(values), PIECE):
        piece = values[first : first + PIECE]
        said = stream.push(piece).potentials
        recent = [*recent, *np.square(said - piece).mean(axis=1)][-MEMORY:]
        now = (first + len(piece)) / RATE
        error = float(np.mean(recent))
        over = len(recent) == MEMORY and error > limit
        marked += [now] if over else []
        bar = "#" * min(WIDTH, round(error / limit * WIDTH / 2))
        click.echo(f"{now:6.2f} s  {error:.5f}  {bar:{WIDTH}}{'  fault?' if over else ''}".rstrip())
        if speed:
            time.sleep(max(0.0, started + now / speed - time.monotonic()))
    inside = [second for second in marked if at <= second <= at + lasting + MEMORY / RATE]
    if fault != "none":
        soon = f"{inside[0] - at:.2f} s after it began" if inside else "not"
        click.echo(f"the fault was marked {soon}; {len(marked) - len(inside)} marks beside it")
    else:
        click.echo(f"no fault; {len(marked)} marks")
    step = compiled.energy_of(stream).total.over(stream.done)
    click.echo(f"a step: {step.in_words()}" if step.nominal_j else _proxy(compiled, stream))


def _proxy(compiled: nc.Compiled, stream: nc.Stream) -> str:
    """What a step costs where no source prices payloads: its events."""
    sent = sum(int(layer.spikes.sum()) for layer in stream.activity.values())
    return f"a step: {sent / stream.done:.0f} messages on {len(compiled.placed.cores)} cores"


if __name__ == "__main__":
    main()
