"""Run the network in this folder on Lava, and compare it with what neurocompile computed.

In:  vectors/ (--check), or whole numbers in a .npz file (--input).
Out: "all N values equal" or the first value that differs; spikes and potentials in a .npz file.
It needs lava-nc 0.10.0, with the numpy and scipy that lava-nc needs, and nothing of neurocompile.
Exit codes: 0 good; 1 a value or a file differs; 2 bad input; 4 something is not installed; 70 Lava
failed.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import traceback
import warnings
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

HERE = Path(__file__).resolve().parent
LAVA = "0.10.0"
DIFFERS, BAD_INPUT, NOT_INSTALLED, LAVA_FAILED = 1, 2, 4, 70
FILES = (  # without which nothing runs
    *("run.py", "network.py", "integers.npz", "modern.py"),
    *("processes/__init__.py", "processes/neurons.py", "processes/recorder.py"),
    *("processes/source.py", "vectors/inputs.npz", "vectors/expected.npz"),
)
LONGEST_NAME = 100  # characters; names of files here are shorter
NOT_WRITTEN = -(1 << 31)  # no neuron sends or holds it


def main() -> None:
    """Do what the command line says."""
    asked = _asked()
    _tell_changes(asked.check)
    _require_lava()
    import modern

    modern.modernize()
    import network
    import numpy as np
    from scipy.sparse import SparseEfficiencyWarning

    warnings.filterwarnings("ignore", category=SparseEfficiencyWarning)  # Lava's own delays
    config = _config(asked.hardware)
    given = _given(asked.input or HERE / "vectors" / "inputs.npz", network.INPUT)
    expected = _arrays(HERE / "vectors" / "expected.npz") if asked.check else {}
    steps = _steps(asked, given, network, expected)
    arrays = _arrays(HERE / "integers.npz")
    did = _run(network, arrays, given, steps, config, not asked.spikes_only)
    if asked.check:
        sys.exit(_compare(network, did, expected, asked.spikes_only))
    _print_rates(network, did)
    if asked.to is not None:
        try:
            with asked.to.open("wb") as out:
                np.savez_compressed(out, **did)
        except OSError as error:
            _stop(BAD_INPUT, f"{asked.to} was not written: {error.strerror or error}.")
        _say(f"written to {asked.to}")


class Run:
    """What network.build is given: the input of some samples, and what records a layer.

    Attributes:
        steps: Steps of a sample.
        rows: (first, end), rows of the files that this network fills: a row is a step of a sample.
        input: .npy file of spikes, (rows, size).
        biases: (size,) bias mantissas of the first of its samples.
    """

    def __init__(
        self, folder: Path, given: Any, steps: int, samples: tuple[int, int], potentials: bool
    ) -> None:
        self.folder, self.given, self.steps, self.potentials = folder, given, steps, potentials
        self.first, self.end = samples
        self.rows = (self.first * steps, self.end * steps)
        self.input = str(folder / "input.npy")

    @property
    def biases(self) -> Any:
        """Bias mantissas of the first sample."""
        return self.biases_of(self.first)

    def biases_of(self, sample: int) -> Any:
        """Bias mantissas of a sample, (size,) int32."""
        return self.given[sample].ravel().astype("int32")

    def always(self, size: int) -> str:
        """A .npy file of axons that spike in every step."""
        import numpy as np

        path = self.folder / f"always{size}.npy"
        if not path.exists():
            np.save(path, np.ones((len(self.given) * self.steps, size), np.uint8))
        return str(path)

    def record(self, layer: str, process: Any, potential: Any, *, depth: int) -> None:
        """Write down what a layer sends, and its potentials after each step.

        Args:
            layer: Its name here.
            process: Its process.
            potential: The Var of its potential.
            depth: Chip steps by which the layer lags the input.
        """
        from processes.recorder import Recorder

        recorder = Recorder(
            spikes=str(self.folder / f"{layer}.spikes.npy"),
            membrane=str(self.folder / f"{layer}.potentials.npy"),
            rows=self.rows,
            depth=depth,
            size=process.s_out.size,
            name=f"recorder of {layer}",
        )
        process.s_out.connect(recorder.s_in)
        if self.potentials:
            recorder.v_ref.connect_var(potential)


def _run(
    network: Any, arrays: Any, given: Any, steps: int, config: Any, potentials: bool
) -> dict[str, Any]:
    """Run all samples; `LAYER.spikes` and `LAYER.potentials`, (samples, steps, *shape) int32."""
    import numpy as np

    samples = len(given)
    folder = Path(tempfile.mkdtemp(prefix="network-on-lava-"))
    try:
        if network.INPUT["kind"] == "spikes":
            np.save(folder / "input.npy", given.reshape(samples * steps, -1))
        kinds = ("spikes", "potentials") if potentials else ("spikes",)
        for layer, (_, shape) in network.LAYERS.items():
            room = (samples * steps, int(np.prod(shape, dtype=int)))
            for kind in ("spikes", "potentials"):
                path = folder / f"{layer}.{kind}.npy"
                try:
                    _reserved(path, room)[:] = NOT_WRITTEN
                except (OSError, ValueError, OverflowError, MemoryError) as error:
                    _stop(BAD_INPUT, f"there is no room for {room[0]} steps ({error}).")
        try:
            _on_lava(network, arrays, folder, given, steps, config, potentials)
        except BaseException:
            traceback.print_exc()
            shutil.rmtree(folder, ignore_errors=True)
            _give_up()
        did = {}
        for layer, (name, shape) in network.LAYERS.items():
            for kind in kinds:
                rows = np.load(folder / f"{layer}.{kind}.npy")
                if (rows == NOT_WRITTEN).any():
                    _stop(LAVA_FAILED, f"layer {name!r}: Lava left {kind} unwritten.")
                did[f"{layer}.{kind}"] = rows.reshape(samples, steps, *shape)
        return did
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _reserved(path: Path, room: tuple[int, int]) -> Any:
    """A map of a new file whose room is taken: to fill a map on a full disk ends a process."""
    import numpy as np

    rows = np.lib.format.open_memmap(path, "w+", np.int32, room)
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return rows


def _on_lava(
    network: Any,
    arrays: Any,
    folder: Path,
    given: Any,
    steps: int,
    config: Any,
    potentials: bool,
) -> None:
    """Run all samples, in one network or in one network per sample."""
    from lava.magma.core.run_conditions import RunSteps

    _end_with_a_worker(folder)
    together = 1 if network.FRESH else len(given)
    for first in range(0, len(given), together):
        run = Run(folder, given, steps, (first, first + together), potentials)
        process, written = network.build(run, arrays)
        for sample in range(first, first + together):
            if sample > first:
                for layer in written:
                    layer.bias_mant.set(run.biases_of(sample))
            process.run(condition=RunSteps(num_steps=steps), run_cfg=config)
        if network.LAST_DEPTH:  # the last layers end later
            process.run(condition=RunSteps(num_steps=network.LAST_DEPTH), run_cfg=config)
        process.stop()


def _compare(network: Any, did: dict[str, Any], expected: Any, spikes_only: bool) -> int:
    """Say how many values are equal, or where the first one differs; the exit code."""
    import numpy as np

    values, differing, first = 0, 0, None
    for at, (layer, (name, _)) in enumerate(network.LAYERS.items()):
        for kind in ("spikes",) if spikes_only else ("spikes", "potentials"):
            found, right = did[f"{layer}.{kind}"], expected[f"{layer}.{kind}"]
            values += right.size
            differs = found != right
            differing += int(differs.sum())
            if differs.any():
                where = tuple(map(int, np.argwhere(differs)[0]))
                what = "potential" if kind == "potentials" else "spike"
                text = f"{what} {found[where]}, expected {right[where]}"
                # The cause comes before its effects: the earliest sample and step counts.
                place = (where[0], where[1], at, kind == "spikes")
                if first is None or place < first[0]:
                    first = (place, name, where, text)
    compared = f"spikes{'' if spikes_only else ' and potentials'} of {len(network.LAYERS)} layers"
    if first is None:
        _say(f"all {values} values equal: {compared}")
        return 0
    _, name, (sample, step, *neuron), text = first
    _say(
        f"DIFFERS: layer {name!r}, sample {sample}, step {step + 1}, neuron {tuple(neuron)}: {text}"
    )
    _say(f"{differing} of {values} values differ: {compared}")
    return DIFFERS


def _given(path: Path, wanted: dict[str, Any]) -> Any:
    """The input: (samples, steps, *shape) spikes or payloads, or (samples, *shape) mantissas."""
    import numpy as np

    kind, shape, (low, high) = wanted["kind"], tuple(wanted["shape"]), wanted["range"]
    arrays = _arrays(path)
    if kind not in arrays:
        found = ", ".join(arrays) or "no array"
        _stop(BAD_INPUT, f"{path} holds {found}. Give a .npz file with the key {kind}.")
    values = arrays[kind]
    axes = ("samples", "steps") if kind == "spikes" else ("samples",)
    described = f"({', '.join((*axes, *map(str, shape)))})"
    if values.shape[len(axes) :] != shape or values.ndim != len(axes) + len(shape):
        _stop(BAD_INPUT, f"{path}: {kind} has the shape {values.shape}, expected {described}.")
    if not values.size:
        _stop(BAD_INPUT, f"{path}: {kind} holds no sample, expected {described}.")
    if values.dtype.kind not in "biu":
        _stop(BAD_INPUT, f"{path}: {kind} holds {values.dtype}, expected whole numbers.")
    if values.min() < low or values.max() > high:
        found = f"{values.min()}..{values.max()}"
        _stop(BAD_INPUT, f"{path}: {kind} is within {found}, but an input is within {low}..{high}.")
    return values.astype(np.int32)


def _arrays(path: Path) -> dict[str, Any]:
    """All arrays of a .npz file."""
    import numpy as np

    try:
        with np.load(path) as file:
            return dict(file)
    except Exception as error:  # whatever zipfile, zlib and numpy raise at a damaged file
        why = str(error) or type(error).__name__
        _stop(BAD_INPUT, f"{path} cannot be read as a .npz file ({why}).")


def _steps(asked: argparse.Namespace, given: Any, network: Any, expected: Any) -> int:
    """Steps of a sample."""
    if network.INPUT["kind"] == "spikes":
        if asked.steps is not None:
            _stop(BAD_INPUT, "--steps is for biases; here the input says how many steps it has.")
        return int(given.shape[1])
    if asked.check:
        return int(next(iter(expected.values())).shape[1])
    return int(asked.steps or network.STEPS)


def _config(hardware: bool) -> Any:
    """Lava's run configuration: the simulator, or a board."""
    if not hardware:
        from lava.magma.core.run_configs import Loihi2SimCfg

        return Loihi2SimCfg(select_tag="fixed_pt")
    try:
        from lava.magma.core.run_configs import Loihi2HwCfg
        from lava.utils import loihi

        if loihi.is_installed():
            return Loihi2HwCfg()
        why = "Intel's extension of Lava for Loihi is not installed here"
    except ImportError as error:
        why = str(error)
    _stop(
        NOT_INSTALLED,
        f"Loihi2HwCfg cannot be used: {why}. Without --hardware the network runs on the simulator.",
    )


def _tell_changes(check: bool) -> None:
    """Name the files that are not as they were written, before any of them is read or imported.

    Sources may be edited, and are then compared; a check ends at numbers that were changed, and
    without a file nothing runs.
    """
    sums = HERE / "SHA256SUMS"
    if not sums.is_file():
        _stop(BAD_INPUT, f"{HERE} holds no SHA256SUMS, so it is no whole bundle.")
    lines = (line.partition("  ") for line in sums.read_text(errors="replace").splitlines())
    listed = {name: digest for digest, _, name in lines}
    for name in listed:
        if not name.isprintable() or len(name) > LONGEST_NAME or not _inside(name):
            _stop(
                DIFFERS, f"SHA256SUMS was changed: it lists {name[:LONGEST_NAME]!a}, no file here."
            )
    unlisted = [name for name in FILES if name not in listed]
    missing = [name for name in dict.fromkeys((*FILES, *listed)) if not (HERE / name).is_file()]
    changed = [
        name
        for name, digest in listed.items()
        if name not in missing and _sha256(HERE / name) != digest
    ]
    for name in changed:
        _tell(f"{name} was changed since neurocompile wrote it: its SHA-256 is another.")
    for name in missing:
        _tell(f"{name} is missing.")
    if unlisted:
        _tell(f"SHA256SUMS was changed: it does not list {', '.join(unlisted)}.")
    if unlisted or any(name in FILES for name in missing):
        sys.exit(DIFFERS)
    if check and any(name.endswith(".npz") for name in changed):
        sys.exit(DIFFERS)


def _sha256(path: Path) -> str:
    """The digest of a file, which may be larger than the memory."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()


def _inside(name: str) -> bool:
    """Whether a path stays in this folder."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts


def _print_rates(network: Any, did: dict[str, Any]) -> None:
    for layer, (name, _) in network.LAYERS.items():
        sent = did[f"{layer}.spikes"]
        count = int((sent != 0).sum())
        _say(f"layer {name!r}: {count} messages, {count / sent.size:.4f} per neuron and step")


def _require_lava() -> None:
    try:
        found = version("lava-nc")
    except PackageNotFoundError:
        found = "none"
    if found != LAVA:
        _stop(
            NOT_INSTALLED,
            f"this needs lava-nc {LAVA}; installed: {found}. README.md says how to install it.",
        )


def _end_with_a_worker(folder: Path) -> None:
    """Make a worker that fails say why and end the run; Lava itself would wait for ever."""
    import lava.magma.runtime.runtime as runtime

    parent = os.getpid()

    def run_worker(*, builder: Any, exception_q: Any) -> None:
        try:
            actor = builder.build()
            exception_q.put(None)
            actor.start()
        except BaseException:
            traceback.print_exc()
            os.kill(parent, signal.SIGTERM)

    def end(number: int, frame: Any) -> None:
        if os.getpid() == parent:
            shutil.rmtree(folder, ignore_errors=True)
            _give_up()
        os._exit(LAVA_FAILED)

    signal.signal(signal.SIGTERM, end)
    runtime.target_fn = run_worker


def _give_up() -> NoReturn:
    """End after a failure inside Lava, whose own clean-up at exit would wait for ever."""
    for process in multiprocessing.active_children():
        process.kill()
    sys.stderr.flush()
    os._exit(LAVA_FAILED)


def _asked() -> argparse.Namespace:
    """What the command line says; what would have no effect is refused."""
    asked = _parser().parse_args()
    if asked.check == (asked.input is not None):
        _stop(BAD_INPUT, "Give either --check or --input FILE.npz.")
    if asked.check and (asked.to is not None or asked.steps is not None):
        _stop(BAD_INPUT, "--to and --steps belong to --input: --check runs vectors/ as they are.")
    if asked.to is not None and asked.to.resolve() == asked.input.resolve():
        _stop(BAD_INPUT, f"--to {asked.to} is the file of --input. Give another.")
    if asked.steps is not None and asked.steps < 1:
        _stop(BAD_INPUT, f"--steps is {asked.steps}. Use a whole number from 1.")
    if asked.to is not None and (asked.to.is_dir() or not asked.to.absolute().parent.is_dir()):
        _stop(BAD_INPUT, f"--to {asked.to} cannot be written: give a file in a folder that exists.")
    return asked


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="Run vectors/ and compare.")
    parser.add_argument("--input", type=Path, metavar="FILE.npz", help="Whole numbers to run.")
    parser.add_argument("--to", type=Path, metavar="FILE.npz", help="Where to write what it did.")
    parser.add_argument("--steps", type=int, help="Steps of a sample, where biases are the input.")
    parser.add_argument("--hardware", action="store_true", help="Loihi2HwCfg: never tried.")
    parser.add_argument("--spikes-only", action="store_true", help="Leave potentials out.")
    return parser


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _tell(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _stop(code: int, text: str) -> NoReturn:
    _tell(text)
    sys.exit(code)


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))  # `python -I` leaves it out
    sys.dont_write_bytecode = True  # the folder stays as it was written
    main()
