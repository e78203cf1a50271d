"""What neurocompile writes and reads again: exports, reports, baselines, sweeps, bundles.

In:  nothing.
Out: kinds.
Commands that continue from an export are run on it, so that what a file says also meets the code
that believes it.
"""

import contextlib
import importlib.util
import io
import json
import os
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import gate_networks
import numpy as np
from fuzz.kinds.kind import Files, Kind, files_of

import neurocompile as nc
from neurocompile.bundle.folder import check_folder
from neurocompile.commands.bundle import BUILT, bundle_artifact
from neurocompile.commands.check.gate import check_artifact, update_baseline
from neurocompile.commands.energy.reprice import reprice
from neurocompile.commands.exported import read_exported
from neurocompile.commands.sweep.asked import wanted
from neurocompile.commands.sweep.command import sweep
from neurocompile.data.sampling import Sampling
from neurocompile.errors import BadInput
from neurocompile.formats.artifact import MANIFEST, digest, sealed
from neurocompile.formats.json_files import json_bytes
from neurocompile.report.changes import changes
from neurocompile.report.page.changes import changes_page
from neurocompile.report.page.page import report_page
from neurocompile.report.page_input import consistent, read_reported
from neurocompile.report.show import summary
from neurocompile.sweep import store as sweep_store
from neurocompile.sweep.points import Known
from neurocompile.terminal.screen import Screen

OUT = f"out/{MANIFEST}"


@cache
def export() -> Files:
    """out/, exported with samples and a page; x.npz, which it ran; base.json, its baseline."""
    with tempfile.TemporaryDirectory() as name, _inside(Path(name)) as folder:
        np.savez(folder / "x.npz", x=gate_networks.samples())
        run = nc.Sampling("x.npz", samples=3, steps=gate_networks.STEPS)
        compiled = nc.compile(gate_networks.network(), "loihi-sim", data=run)
        compiled.run(engines=["fixed"])
        compiled.export("out", html=False)
        update_baseline(Path("out"), Path("base.json"))
        return files_of(folder)


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[Path]:
    """A block in which a folder is the working one, as exports name their data from there."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield folder
    finally:
        os.chdir(before)


def _exports() -> tuple[Files, ...]:
    return (export(),)


def _sealed(files: Files) -> Files:
    """An export whose manifest has the digests of what is there, and its own."""
    try:
        manifest = json.loads(files[OUT])
        inside = {name.removeprefix("out/") for name in files if name.startswith("out/")}
        for name in inside & manifest["files"].keys():
            manifest["files"][name] = digest(files[f"out/{name}"])
        return {**files, OUT: json_bytes(sealed(manifest))}
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return files  # no manifest that any digest belongs to


def _read_export(folder: Path) -> Any:
    with _inside(folder):
        exported = read_exported(folder / "out")
        artifact = exported.artifact
        rest = {
            name: artifact.file(name).read_bytes() for name in sorted(artifact.manifest["files"])
        }
        manifest = json.dumps(artifact.manifest, sort_keys=True)  # their order says nothing
        return manifest, exported.graph, exported.declared, exported.chip, rest


def _page(folder: Path) -> Any:
    """The page of an export, and what changed from itself."""
    found = read_reported(folder / "out")
    with consistent(found):
        page = report_page(found.report, found.samples)
        document = changes(found, found)
        told = [*summary(found.report)], changes_page(document, found, found)
    return page, told


def _priced(folder: Path) -> Any:
    with _inside(folder):
        priced = reprice(folder / "out", Sampling(), teller=Screen(quiet=True))
    return {name: value for name, value in priced.items() if name not in ("artifact", "counts")}


def _checked(folder: Path) -> Any:
    with _inside(folder):
        return check_artifact(folder / "out", folder / "base.json")


# --- Sweeps --------------------------------------------------------------------------------

GOOD = {"exit_code": 0, "reason": "", "metrics": {"mse": 0.5}, "report": {}, "warnings": []}
FILE = b"""models = ["net.pt"]
targets = ["ideal", "loihi-sim"]
metrics = ["mse", "energy"]

[options]
steps = 16
samples = 20

[grid]
bits = "2..8"
engine = ["fixed", "onnx"]
"""


def _sweeps() -> tuple[Files, ...]:
    with tempfile.TemporaryDirectory() as name:
        with sweep_store.store(Path(name)) as kept:
            kept.write(Known("ab" * 32, {"code": "c", "bits": 3}), GOOD)
            kept.write(Known("cd" * 32, {"code": "c"}), {**GOOD, "exit_code": 3, "reason": "no"})
        return (files_of(Path(name)),)


def _points(folder: Path) -> Any:
    with sweep_store.store(folder) as kept:
        found = [kept.read(key * 32) for key in ("ab", "cd")]
    if None in found:
        raise BadInput(f"{folder}: a point is broken, and computed again")
    return found


def _points_renewed(files: Files) -> Files:
    renewed = dict(files)
    for name, content in files.items():
        with contextlib.suppress(ValueError, KeyError, TypeError, RecursionError):
            point = json.loads(content)
            point["digest"] = sweep_store._digest(point)
            renewed[name] = json.dumps(point).encode()
    return renewed


def _wanted(folder: Path) -> Any:
    """The points of a file of a sweep."""
    arguments = ["--file", str(folder / "sweep.toml")]
    with _inside(folder):
        context = sweep.make_context("sweep", arguments)
        return wanted((), (), (), (), folder / "sweep.toml", context).points()


# --- Bundles -------------------------------------------------------------------------------


def _bundles() -> tuple[Files, ...]:
    with tempfile.TemporaryDirectory() as name:
        for path, content in export().items():
            (Path(name) / path).parent.mkdir(exist_ok=True)
            (Path(name) / path).write_bytes(content)
        with _inside(Path(name)) as folder:
            bundle_artifact(folder / "out", Sampling(), language="lava", out=folder / "bundle")
        return (files_of(Path(name) / "bundle"),)


@cache
def _program(content: bytes) -> Any:
    """run.py of a bundle as a module, from its sound file: who runs another runs other code."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.py"
        path.write_bytes(content)
        spec = importlib.util.spec_from_file_location("fuzzed_bundle", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module


def _bundle(folder: Path) -> Any:
    """What `run.py --check` reads, and whether `bundle --force` would replace the folder."""
    check_folder(folder, force=True, built=BUILT)
    program = _program(_bundles_once()[0]["run.py"])
    program.HERE = folder
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            program._tell_changes(True)
            names = ("integers.npz", "vectors/inputs.npz", "vectors/expected.npz")
            return [program._arrays(folder / name) for name in names]
    except SystemExit:
        raise BadInput(f"{folder}: {said.getvalue()[:200].strip()}") from None


_bundles_once = cache(_bundles)

EXPORTS = (
    Kind(
        "export",
        _exports,
        _read_export,
        lambda folder: ["inspect", str(folder / "out/fixed.onnx"), "--target", "ideal"],
        damaged=("out/*",),
        guarded="digest",
        weight=0.3,
    ),
    Kind(
        "manifest",
        _exports,
        _read_export,
        lambda folder: ["simulate", str(folder / "out"), "--engine", "fixed"],
        damaged=(OUT,),
        renewed=_sealed,
        guarded="digest",
        weight=0.5,
    ),
    Kind(
        "report and samples",
        _exports,
        _page,
        lambda folder: ["report", str(folder / "out"), "--out", str(folder / "page.html")],
        damaged=("out/report.json", "out/samples.npz"),
        renewed=_sealed,
        guarded="digest",
        weight=0.5,
    ),
    Kind(
        "counts of a report",
        _exports,
        _priced,
        lambda folder: ["energy", str(folder / "out")],
        damaged=("out/report.json",),
        renewed=_sealed,
        guarded="digest",
        weight=0.15,
    ),
    Kind(
        "baseline",
        _exports,
        _checked,
        lambda folder: ["check", str(folder / "out"), "--baseline", str(folder / "base.json")],
        damaged=("base.json",),
        weight=0.15,
    ),
    Kind(
        "points of a sweep",
        cache(_sweeps),
        _points,
        lambda folder: ["sweep", "none.pt", "--target", "ideal", "--out", str(folder)],
        renewed=_points_renewed,
        guarded="digest",
    ),
    Kind(
        "file of a sweep",
        lambda: ({"sweep.toml": FILE, "net.pt": b""},),
        _wanted,
        lambda folder: ["sweep", "--file", str(folder / "sweep.toml"), "--plan"],
        damaged=("sweep.toml",),
    ),
    Kind(
        "bundle for lava",
        _bundles_once,
        _bundle,
        lambda folder: ["bundle", str(folder.parent / "export/out"), "--to", "lava",
                        "--out", str(folder), "--force"],
        guarded="digest",
        weight=0.5,
        within=".",
    ),
)  # fmt: skip
