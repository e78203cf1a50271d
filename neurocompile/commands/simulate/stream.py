"""`neurocompile simulate --stream`: a recording of any length, through a network that never stops.

In:  a directory that `export` wrote; samples, a .npy file of any size, or standard input.
Out: spikes by layer, joules and seconds of a step, speed; results and state in files on request.
Memory holds some rows at a time.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from neurocompile import installed
from neurocompile.commands.exported import read_exported
from neurocompile.commands.simulate.asked import STDIN, Asked
from neurocompile.commands.simulate.run import Totals
from neurocompile.data.rows import rows_of
from neurocompile.data.sampling import Sampling
from neurocompile.data.stimulus import load_stimulus
from neurocompile.energy.counts import count
from neurocompile.energy.estimate import estimate
from neurocompile.engines.decode import in_result_units, squared_error
from neurocompile.engines.progress import Progress, silent
from neurocompile.engines.recording import Recording
from neurocompile.engines.state_file import load_state, save_state
from neurocompile.engines.stream import Piece, Stream
from neurocompile.errors import BadInput, DoesNotFit
from neurocompile.formats.artifact import check_file as check_output
from neurocompile.formats.whole import check_file, followed, whole_file
from neurocompile.ir.arrays import Array
from neurocompile.place.placed import Placed
from neurocompile.place.placement import place
from neurocompile.report.notes import notes
from neurocompile.terminal.words import number_of

ROWS = 256  # at a time
SUFFIXES = (".npy", ".npz")  # of sources that are files
NPY_HEADER = 128  # bytes; the number of rows is written when it is known


def run_stream(
    directory: Path, sampling: Sampling, asked: Asked, *, progress: Progress = silent
) -> dict[str, Any]:
    """Run rows as one stream; JSON-ready figures.

    What was run before a stream breaks off is kept: its state and its results are written, both
    after the same row.

    Args:
        directory: What `export` wrote.
        sampling: What to run; `samples` limits the rows of a file or of standard input.
        asked: What to keep.
        progress: Called with the rows done, where their number is known.

    Raises:
        BadInput: If the directory, the rows or the state cannot be used.
        DoesNotFit: If a number leaves its register.
    """
    installed.require("engine fixed")
    exported = read_exported(directory)
    graph, declared = exported.graph, exported.declared
    seed = declared.seed if sampling.seed is None else sampling.seed
    _check_files(sampling.source, asked)
    stream = Stream(graph, steps=sampling.steps or declared.steps, window=asked.window, seed=seed)
    if asked.state is not None and os.path.exists(asked.state):
        state = load_state(asked.state, graph, sample_steps=stream.sample_steps, seed=seed)
        stream = Stream(
            graph, steps=stream.sample_steps, window=asked.window, seed=seed, state=state
        )
    began, seconds, error, rows_done = stream.steps, 0.0, _Error(graph), 0
    reached, written = stream.state, [asked.results is None]
    try:
        with (
            _source(sampling, declared, graph) as (name, rows, total),
            _results(asked, written) as keep,
        ):
            try:
                for some in rows:
                    if not stream.done:  # loads compiled code, which is no part of the speed
                        _pushed(Stream(graph, steps=stream.sample_steps, seed=seed), some[:1], name)
                    started = time.perf_counter()
                    piece = _pushed(stream, some, name)
                    seconds += time.perf_counter() - started
                    keep(_says(stream, piece))
                    rows_done, reached = rows_done + len(some), stream.state
                    error.add(piece, some)
                    if total:
                        progress("fixed", rows_done, total)
            except (BadInput, DoesNotFit) as found:
                raise type(found)(f"{found}{_ran(rows_done)}") from None
            except KeyboardInterrupt as interrupt:
                interrupt.add_note(f"{number_of(rows_done, 'row')} ran.")
                raise
            if not rows_done:
                raise BadInput(f"{name}: holds no rows. Give at least one.")
    finally:
        if asked.state is not None and rows_done and written[0]:  # never ahead of lost results
            stream.state = reached
            save_state(asked.state, stream)
    totals = Totals(graph)
    totals.add(Recording({}, {}, stream.activity))
    return {
        "data": name,
        "rows": rows_done,
        "steps": stream.done,
        "began_at_step": began,
        "sample_steps": stream.sample_steps,
        "window": stream.window,
        "seed": seed,
        "mse_fixed": error.mean,
        "layers": totals.rows(stream.done),
        **_costs(place(graph, exported.chip, exported.target.fewest_of), stream),
        "steps_per_second": stream.done / seconds,
        "times_real_time": stream.done * graph.settings.dt / seconds,
        "notes": [*notes(graph), *_notes(stream)],
        "state": None if asked.state is None else str(asked.state),
        "results": None if asked.results is None else str(asked.results),
    }


def _ran(rows: int) -> str:
    """How far a stream came before it broke off."""
    return f" {number_of(rows, 'row')} before it ran." if rows else ""


def _check_files(source: Any, asked: Asked) -> None:
    """Refuse files that cannot be written, would replace each other, or may not be replaced.

    Raises:
        BadInput: Names the file.
    """
    named = {"--state": asked.state, "--results": asked.results}
    given = {option: followed(path) for option, path in named.items() if path is not None}
    for path in given.values():
        check_file(path)
    if isinstance(source, str) and source.endswith(SUFFIXES):
        given["--data"] = followed(Path(source))
    by_path: dict[Path, str] = {}
    for option, path in given.items():
        if path in by_path:
            raise BadInput(
                f"{path} is the file of {by_path[path]} and of {option}. Give each its own."
            )
        by_path[path] = option
    if asked.results is not None:
        check_output(asked.results, "--results", asked.force)


def _notes(stream: Stream) -> Iterator[str]:
    """What is different from samples that each start anew."""
    if stream.sample_steps > 1:
        yield (
            "nothing is reset between samples: a network that was trained from rest for each "
            "sample errs more in a stream."
        )


def _costs(placed: Placed, stream: Stream) -> dict[str, Any]:
    """Modelled joules and seconds of a step, as means over the stream: one sample, never reset."""
    counts = count(placed, stream.activity, 1, stream.done)
    energy = estimate(counts, placed, placed.chip)
    dt = placed.graph.settings.dt
    each = vars(energy.total.over(stream.done))
    return {
        "dt_s": dt,
        "energy_per_step": each,
        "power_w": {name: None if j is None else j / dt for name, j in each.items()},
        "latency": [
            {name: row[name] for name in ("model", "step_s", "work_is")}
            for row in energy.latency
            if row["samples_follow"] == energy.mode and row["model"] is not None
        ],
    }


def _pushed(stream: Stream, rows: Array, name: str) -> Piece:
    """The results of some rows.

    Raises:
        BadInput, DoesNotFit: As `Stream.push`, with the name of the file.
    """
    try:
        return stream.push(rows)
    except (BadInput, DoesNotFit) as error:
        raise error.within(name) from None


@contextmanager
def _source(
    sampling: Sampling, declared: Any, graph: Any
) -> Iterator[tuple[str, Iterator[Array], int | None]]:
    """Name of the rows, the rows some at a time, and their number where it is known."""
    source, most = sampling.source, sampling.samples
    if source == STDIN:
        name = "standard input"
        if sys.stdin is None:  # closed by who started this
            raise BadInput(f"{name} is closed. Give rows through it, or a .npy file (--data FILE).")
        yield name, _first(rows_of(sys.stdin.buffer, name, ROWS), most), most
    elif isinstance(source, str) and source.endswith(".npy"):
        with ExitStack() as opened:
            try:
                file = opened.enter_context(Path(source).open("rb"))
            except OSError as error:
                raise BadInput(
                    f"{source}: cannot be read ({error.strerror}). Give the path of a .npy file."
                ) from None
            yield source, _first(rows_of(file, source, ROWS), most), most
    else:
        data = load_stimulus(sampling, declared).data.held()
        timed = graph.settings.encoder.timed
        values = data.values.reshape(-1, *data.values.shape[2:]) if timed else data.values
        parts = (values[i : i + ROWS] for i in range(0, len(values), ROWS))
        yield data.name, parts, len(values)


def _first(rows: Iterator[Array], most: int | None) -> Iterator[Array]:
    """Not more rows than this."""
    for some in rows:
        yield some if most is None else some[:most]
        if most is not None:
            most -= len(some)
            if most <= 0:
                return


def _says(stream: Stream, piece: Piece) -> Array:
    """A result for each sample; for each step, where the input has a value for each."""
    if piece.results is not None:
        return piece.results
    decoder = stream.graph.settings.decoder
    node = stream.graph.nodes[stream.graph.outputs()[-1]]
    counted = decoder.kind == "rate" or (decoder.kind == "none" and not node.readout)
    reading = piece.rates if counted else piece.potentials
    return in_result_units(decoder, reading)


class _Error:
    """The mean squared error of a reconstruction, where the samples are what it should be."""

    def __init__(self, graph: Any) -> None:
        self.wanted = graph.settings.decoder.task == "reconstruction"
        self.sum, self.values = 0.0, 0

    def add(self, piece: Piece, rows: Array) -> None:
        """Add the error of some rows."""
        if self.wanted and piece.results is not None:
            self.sum += squared_error(piece.results, rows.astype(np.float64))
            self.values += rows.size

    @property
    def mean(self) -> float | None:
        """Over all values; None if there is nothing to compare with."""
        return self.sum / self.values if self.values else None


@contextmanager
def _results(asked: Asked, written: list[bool]) -> Iterator[Callable[[Array], None]]:
    """A function that keeps results, in a .npy file whose header is written at the end.

    What a stream said before it breaks off is kept; an older file stays where it said nothing.
    `written` then holds True.
    """
    if asked.results is None:
        yield lambda values: None
        return
    whole = whole_file(asked.results, replace=asked.force)
    with whole as building, building.open("wb") as file:
        file.write(bytes(NPY_HEADER))
        rows, shape = 0, ()

        def keep(values: Array) -> None:
            nonlocal rows, shape
            file.write(np.ascontiguousarray(values, "<f8").tobytes())
            rows, shape = rows + len(values), values.shape[1:]

        broken: BaseException | None = None
        try:
            yield keep
        except BaseException as error:
            if isinstance(error, OSError) or not rows:
                raise
            broken = error
        words = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {(rows, *shape)}, }}"
        start = b"\x93NUMPY\x01\x00" + (NPY_HEADER - 10).to_bytes(2, "little")
        file.seek(0)
        file.write(start + words.ljust(NPY_HEADER - 11).encode() + b"\n")
    written[0] = True
    if broken is not None:
        raise broken
