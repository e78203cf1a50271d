"""Watch a walking person's sensors as they come, and mark what the network has not seen.

In:  the recording beside the shipped checkpoint (train_gait_watch.py), replayed at 64 rows a second
     or faster, with a fault in one sensor.
Out: a line for each quarter of a second: the reconstruction error, a bar, and "fault?" where it is
     above all that was met in training; at the end how soon the fault was marked, and the messages
     of a step.
Each row goes through the network as one step on loihi2-sim's integers, and nothing is ever reset.
`--program FOLDER` writes the network there as a C program, builds it, and sends the rows through a
pipe to it and back: the same numbers. `--rows FILE` writes what enters.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
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


def with_fault(
    rows: np.ndarray, kind: str, begin: int, end: int, seed: int
) -> tuple[np.ndarray, int]:
    """The recording with one channel at fault in the rows [begin, end), and which one it is.

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
    return found, channel


def joined(rows: np.ndarray) -> np.ndarray:
    """Each row with those before it, as the network takes them: (n - 7, 72)."""
    windows = np.lib.stride_tricks.sliding_window_view(rows, TOGETHER, axis=0)
    return windows.swapaxes(1, 2).reshape(len(rows) - TOGETHER + 1, -1)


class Program:
    """The compiled network as a C program, behind a pipe."""

    def __init__(self, compiled: nc.Compiled, rows: np.ndarray, folder: Path) -> None:
        """Write it with the first rows as vectors, build it, check it, and start it."""
        exported, bundle = str(folder / "export"), folder / "c"
        vectors = nc.Data("rows to watch", "x", rows[None])
        compiled.run(vectors, engines=("fixed",)).export(exported, force=True)
        words = [sys.executable, "-m", "neurocompile.cli", "bundle", exported, "--to", "c"]
        words += ["--out", str(bundle), "--force", "--quiet", "--json"]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["make", "-s", "-C", bundle, "check"], check=True)
        # from here on the folder is all that is needed
        self.gain = json.loads((bundle / "bundle.json").read_text())["encoder"]["gain"]
        with (bundle / "outputs.csv").open() as file:
            units = [(float(row["scale"]), float(row["offset"])) for row in csv.DictReader(file)]
        self.scale, self.offset = np.array(units).T
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([bundle / "run", "--binary"], stdin=pipe, stdout=pipe)

    def push(self, rows: np.ndarray) -> np.ndarray:
        """Potentials of the readout after each row, in the units of the trained network."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        payloads = np.rint(self.gain * rows.astype(np.float64))
        self.process.stdin.write(payloads.astype("<i4").tobytes())
        self.process.stdin.flush()
        lines = [self.process.stdout.readline().split() for _ in rows]
        return np.array(lines, dtype=np.int64) * self.scale + self.offset


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
@click.option(
    "--program", type=click.Path(path_type=Path), metavar="FOLDER",
    help="Run the network as a C program, which is built here with make and a compiler.",
)  # fmt: skip
def main(
    seconds: int,
    fault: str,
    at: float,
    lasting: float,
    speed: float,
    seed: int,
    rows: Path | None,
    program: Path | None,
) -> None:
    """Replay the recording, and watch it."""
    with np.load(MODELS / "gait_watch.npz") as kept:
        recording = kept["rows"][: seconds * RATE + TOGETHER - 1] / np.float32(65535)
        calibration = nc.Data("training rows", "x", kept["calibration"] / np.float32(65535))
        limit = float(kept["limit"])
    begin, end = (int(second * RATE) for second in (at, at + lasting))
    faulty, channel = with_fault(recording, fault, begin, end, seed)
    values = joined(faulty)
    if rows is not None:
        np.save(rows, values)
    compiled = nc.compile(MODELS / "gait_watch.pt", "loihi2-sim", calibration=calibration)
    stream = compiled.stream()
    running = None if program is None else Program(compiled, values, program)
    recent: list[float] = []
    marked: list[float] = []
    click.echo(f"{'time':>8}  error    {'limit':>{WIDTH // 2}}")
    started = time.monotonic()
    for first in range(0, len(values), PIECE):
        piece = values[first : first + PIECE]
        said = stream.push(piece).potentials if running is None else running.push(piece)
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
        soon = f"marked {inside[0] - at:.2f} s after it began" if inside else "not marked"
        which = f"sensor {channel + 1} of {recording.shape[1]}"
        beside = f"{len(marked) - len(inside)} marks beside it"
        click.echo(f"the fault of {which} was {soon}; {beside}")
    else:
        click.echo(f"no fault; {len(marked)} marks")
    if running is not None:
        running.process.communicate()  # the end of the rows, at which it ends too
    else:  # the engine counts; no source prices payloads, so not joules
        sent = sum(int(layer.spikes.sum()) for layer in stream.activity.values())
        cores = len(compiled.placed.cores)
        click.echo(f"a step: {sent / stream.done:.0f} messages, {cores} core{'s' * (cores != 1)}")


if __name__ == "__main__":
    main()
