"""What the commands share: options, exit codes for errors, and one way to print.

In:  arguments.
Out: decorators for click commands; one JSON document, or tables.
Every command uses these decorators, so that one option has one meaning.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from functools import wraps
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click
from click.shell_completion import CompletionItem

from neurocompile.asked import Asked
from neurocompile.data.sampling import Sampling
from neurocompile.engines import ENGINES
from neurocompile.errors import BadInput, check_path, did_you_mean, printable
from neurocompile.ir.settings import Encoder, EncoderKind

if TYPE_CHECKING:
    from neurocompile.terminal.screen import Screen

# What commands of one run tell each other, in click's `Context.meta`.
FORM, ANSWERED = "neurocompile.form", "neurocompile.answered"
NAMED_SOURCES = ("mnist5k", "mnist5k:train", "digits", "digits:train", "idx:", "shards:")
SOURCES = "mnist5k[:train], digits[:train], idx:DIR[:train], a .npy or .npz file, shards:DIR"
RATE = re.compile(r"(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(?:/\s*s|Hz)", re.ASCII)


class AnyPath(click.Path):
    """A path, there or not, of which the system can say whether it is there."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return the path, or refuse it."""
        check_path(Path(value))
        return super().convert(value, param, ctx)


PATH = AnyPath()
MOST = 1_000_000
COUNT = click.IntRange(1, MOST)  # of cores, chips or steps: a larger number is a typing error


class Choice(click.Choice[str]):
    """One of a few words; a mistyped one is answered with the nearest."""

    def get_invalid_choice_message(self, value: Any, ctx: Any) -> str:
        """What click says, and the nearest word."""
        said = super().get_invalid_choice_message(value, ctx)
        return said + did_you_mean(value, self.choices)


ENGINE = Choice(ENGINES)


class TargetName(click.ParamType):
    """A target, by name or by the path of its file or folder; `find_target` reads it."""

    name = "target"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return it, or refuse a path that no system can look for."""
        check_path(Path(value))
        return value

    def shell_complete(self, ctx: Any, param: Any, incomplete: str) -> list[CompletionItem]:
        """The names of targets, then folders."""
        from neurocompile.chip.find import chip_names

        names = [CompletionItem(n) for n in chip_names() if n.startswith(incomplete)]
        return [*names, CompletionItem(incomplete, type="dir")]


class Source(click.ParamType):
    """A source of samples; `load_data` reads it."""

    name = "source"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return it, or refuse a path that no system can look for."""
        check_path(Path(value.removeprefix("idx:").removeprefix("shards:")))
        return value

    def shell_complete(self, ctx: Any, param: Any, incomplete: str) -> list[CompletionItem]:
        """The named sources, then files."""
        names = [CompletionItem(n) for n in NAMED_SOURCES if n.startswith(incomplete)]
        return [*names, CompletionItem(incomplete, type="file")]


class Percent(click.ParamType):
    """A percentage of 0 or more, such as 2% or 0.5%; converted to a part such as 0.02."""

    name = "percent"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        """Return the part, or fail with a usage error."""
        if isinstance(value, float):
            return value
        text = str(value).strip()
        number = text.removesuffix("%").strip()
        try:
            part = float(number) / 100
        except ValueError:
            part = -1.0
        if not text.endswith("%") or not 0 <= part < float("inf"):
            self.fail(f"{text!r} is not a percentage. Write it as 2% or 0.5%.", param, ctx)
        return part


class Rate(click.ParamType):
    """A number of samples per second, such as 100/s or 100 Hz; converted to 100.0."""

    name = "rate"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        """Return samples per second, or fail with a usage error."""
        if isinstance(value, float):
            return value
        text = str(value).strip()
        if RATE.fullmatch(f"{text}/s") and 0 < float(text) < float("inf"):
            self.fail(f"{text} has no unit. Write {text}/s or {text} Hz.", param, ctx)
        match = RATE.fullmatch(text)
        rate = float(match["number"]) if match else 0.0
        if not 0 < rate < float("inf"):
            self.fail(f"{text!r} is not a rate above 0. Write it as 100/s or 100 Hz.", param, ctx)
        return rate


class ShapeOf(click.ParamType):
    """A shape such as 3,32,32; converted to (3, 32, 32)."""

    name = "shape"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, ...]:
        """Return the shape, or fail with a usage error."""
        if isinstance(value, tuple):
            return value
        parts = [part.strip() for part in str(value).split(",")]
        if len(parts) not in (1, 3) or not all(p.isascii() and p.isdigit() for p in parts):
            self.fail(f"{str(value)!r} is not a shape. Write it as C,H,W or as N.", param, ctx)
        return tuple(map(int, parts))


def say(text: object, *, err: bool = False, newline: bool = True) -> None:
    """Print a text on stdout or stderr; what a terminal would obey in it is shown as its code."""
    click.echo(printable(str(text)), err=err, nl=newline)


def data_options(
    *,
    data: str = "the model's own",
    samples: str | None = None,
    steps: str | None = None,
    seed: str | None = None,
    what: str = "What to run:",
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """--data, --samples, --steps and --seed, which reach the command as one argument `sampling`.

    Args:
        data, samples, steps, seed: Default of each option, in words for the help text. If None,
            the command has no such option.
        what: First words of the help text of --data.
    """
    options = [
        click.option("--data", type=Source(), metavar="SOURCE", help=f"{what} {SOURCES}. [{data}]")
    ]
    if samples is not None:
        help = f"Run only the first N samples. [{samples}]"
        options.append(click.option("--samples", type=click.IntRange(1), metavar="N", help=help))
    if steps is not None:
        help = f"Time steps per sample. [{steps}]"
        options.append(click.option("--steps", type=COUNT, metavar="T", help=help))
    if seed is not None:
        help = f"Seed of the random encoder. [{seed}]"
        largest = click.IntRange(0, 2**63 - 1)
        options.append(click.option("--seed", type=largest, metavar="S", help=help))

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(command)
        def collect(*args: Any, data: str | None, **kwargs: Any) -> Any:
            asked = {name: kwargs.pop(name, None) for name in ("samples", "steps", "seed")}
            return command(*args, sampling=Sampling(data, **asked), **kwargs)

        for option in reversed(options):
            collect = option(collect)
        return collect

    return decorate


def spread_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--workers and --scheduler, which reach the command as one argument `spread`."""

    @click.option(
        "--workers", type=COUNT, metavar="N",
        help="Share the samples of shards:DIR out among N processes. [this process]",
    )  # fmt: skip
    @click.option(
        "--scheduler", metavar="ADDRESS|FILE",
        help="Share them out on a running scheduler of Dask.",
    )  # fmt: skip
    @wraps(command)
    def collect(*args: Any, workers: int | None, scheduler: str | None, **kwargs: Any) -> Any:
        from neurocompile.spread import Spread

        if workers is not None and scheduler is not None:
            raise click.UsageError(
                "a running scheduler has workers of its own: leave out --workers or --scheduler."
            )
        return command(*args, spread=Spread(workers, scheduler), **kwargs)

    return collect


def model_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What other tools' files leave open: options of `load` as `load_options`, and an `encoder`."""

    @wraps(command)
    def collect(*args: Any, encoder: EncoderKind | None, gain: float | None, **kwargs: Any) -> Any:
        if gain is not None and encoder is None:
            raise click.UsageError("--gain needs --encoder, whose factor it is. Give both.")
        plain = ("dt", "reset", "input_shape", "reset_interval", "max_pool")
        load_options = {name: kwargs.pop(name) for name in plain}
        chosen = None if encoder is None else Encoder(encoder, 1.0 if gain is None else gain)
        return command(*args, load_options=load_options, encoder=chosen, **kwargs)

    for option in (
        click.option(
            "--max-pool", type=Choice(["neurons"]),
            help="Read a maximum pool of spikes as neurons that fire at any spike of their window: "
            "exact, one neuron per output of the pool. [refuse it]",
        ),
        click.option(
            "--reset-interval", type=click.IntRange(0), metavar="STEPS",
            help=".net only: steps after which netx resets its layers; 0 is never. "
            "[the steps of a sample]",
        ),
        click.option(
            "--input-shape", type=ShapeOf(), metavar="C,H,W",
            help=".net only: shape of the input of a file that has no input layer.",
        ),
        click.option(
            "--gain", type=float, metavar="G", help="Factor on the samples, for --encoder. [1]"
        ),
        click.option(
            "--encoder", type=Choice(["current", "bernoulli", "sequence"]),
            help="Encoder of the samples, if the model names none. [they are spikes already]",
        ),
        click.option(
            "--reset", type=Choice(["zero", "subtract"]),
            help="What a spike does to v: it goes to v_reset, or loses the threshold. "
            "[the file's own; else zero]",
        ),
        click.option(
            "--dt", type=click.FloatRange(0, min_open=True), metavar="SECONDS",
            help="Length of a step. [the file's own; else 1e-4 for NIR, 1e-3]",
        ),
    ):  # fmt: skip
        collect = option(collect)
    return collect


def place_option(default: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """--place: what the placement minimizes."""
    return click.option(
        "--place", "fewest_of",
        type=Choice(["cores", "messages", "both", "time", "halves"]),
        help="Minimize the cores, the messages between cores, the product of both, or the "
        "modelled time of a step; or cut layers in halves, as the compiler of Loihi 2 does. "
        f"[{default}]",
    )  # fmt: skip


engine_option = click.option(
    "--engine", "engines", type=ENGINE, multiple=True,
    help="Engine to run. May be given more than once: the first makes the figures, the others must "
    "agree with it.",
)  # fmt: skip


def compile_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What decides the result of `export`; it reaches the command as one argument `asked`.

    The engines are empty if the user named none.
    """
    own = {f.name for f in fields(Asked)}

    @wraps(command)
    def collect(*args: Any, **kwargs: Any) -> Any:
        asked = Asked(**{name: kwargs.pop(name) for name in own})
        return command(*args, asked=asked, **kwargs)

    decorated: Callable[..., Any] = collect
    for decorate in (
        model_options,
        click.option(
            "--netx", is_flag=True, help="Choose scales that lava-dl's network.net can hold."
        ),
        click.option(
            "--allow-pickle", is_flag=True, help="Read pickled models, which may run code."
        ),
        engine_option,
        click.option(
            "--chips", type=COUNT, metavar="N",
            help="Largest number of chips, for a network that is too large for one. [the target's, "
            "else 1]",
        ),
        place_option("both"),
        click.option(
            "--max-error-increase", type=Percent(), metavar="P",
            help="Choose the narrowest weights by layer for which the error exceeds the float "
            "network's by at most P, such as 2%.",
        ),
        click.option(
            "--bits", type=click.IntRange(2, 8), default=8, show_default=True,
            help="Width of the weights in bits.",
        ),
        click.option(
            "--calibration", type=Source(), metavar="SOURCE",
            help="Choose scales on the first 200 samples of SOURCE, as for --data; take samples "
            "that are not measured. [the training part of the data, if it has one]",
        ),
        data_options(
            samples="20; all with --engine fixed only", steps="the model's own", seed="0"
        ),
    ):  # fmt: skip
        decorated = decorate(decorated)
    return decorated


@dataclass(frozen=True)
class Output:
    """How a command prints.

    Attributes:
        as_json: Print one JSON document on stdout instead of tables; no progress.
        quiet: No progress on stderr; warnings and errors are printed.
    """

    as_json: bool = False
    quiet: bool = False

    def screen(self) -> Screen:
        """Where the command tells its progress."""
        from neurocompile.terminal.screen import Screen

        return Screen(quiet=self.quiet or self.as_json)

    def show(self, document: dict[str, Any], print_it: Callable[[], None]) -> None:
        """Print the result on stdout: the document as JSON, or tables for people.

        Raises:
            BadInput: If stdout cannot be written, as on a full disk.
        """
        if self.as_json:
            show_document(document)
            return
        with _on_stdout():
            print_it()


def show_document(document: dict[str, Any]) -> None:
    """Print a JSON document on stdout, the one that a command with --json prints.

    Raises:
        BadInput: If stdout cannot be written.
    """
    from neurocompile.formats.json_files import json_bytes

    with _on_stdout():
        if sys.stdout is not None:
            sys.stdout.buffer.write(json_bytes(_in_json(document)))


def _in_json(value: Any) -> Any:
    """A value with what is not finite, of which a note in a model file may be, as a text."""
    if isinstance(value, Mapping):
        return {key: _in_json(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_in_json(each) for each in value]
    return str(value) if isinstance(value, float) and not isfinite(value) else value


def show_text(text: str) -> None:
    """Print a text on stdout, whole lines that a program reads.

    Raises:
        BadInput: If stdout cannot be written.
    """
    with _on_stdout():
        click.echo(text, nl=False)


def has_answered(ctx: click.Context) -> bool:
    """Whether a command has printed its result."""
    return bool(ctx.meta.get(ANSWERED))


@contextmanager
def _on_stdout() -> Iterator[None]:
    """A block that prints a result.

    Raises:
        BadInput: If stdout cannot be written, as on a full disk.
    """
    click.get_current_context().meta[ANSWERED] = True
    try:
        yield
        if sys.stdout is not None:  # closed by whoever called; there is nobody to tell
            sys.stdout.flush()
    except BrokenPipeError:
        raise  # whoever reads has had enough
    except OSError as error:
        drop_unwritten(sys.stdout)
        raise BadInput(
            f"the result cannot be printed: {error.strerror or error}. Give standard output "
            "another place."
        ) from None


def drop_unwritten(stream: TextIO) -> None:
    """Let what a stream could not write go nowhere, or it is tried again when Python ends."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def output_options(command: Callable[..., None]) -> Callable[..., None]:
    """--json and --quiet, which reach the command as one argument `output`."""

    @click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
    @click.option("-q", "--quiet", is_flag=True, help="Show no progress.")
    @wraps(command)
    def collect(*args: Any, as_json: bool, quiet: bool, **kwargs: Any) -> None:
        command(*args, output=Output(as_json, quiet), **kwargs)

    return collect
