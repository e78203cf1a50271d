"""What a page is made from, read from an exported directory and checked.

In:  a directory that `export` wrote, by this release or an older one.
Out: report.json, and samples.npz where there is one; or one sentence that says what is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurocompile.errors import BadInput, NeurocompileError
from neurocompile.formats.artifact import AGAIN, Artifact, read_artifact
from neurocompile.formats.json_files import fault_in, open_to_more, schema
from neurocompile.report.read import SCHEMA_VERSION, read_report
from neurocompile.report.samples_file import NAME, Samples, read_samples

# What Python raises where numbers, names and lists of a file do not go together
CONTRADICTIONS = (
    ArithmeticError, AttributeError, LookupError, TypeError, ValueError, StopIteration,
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Reported:
    """An export as a page shows it.

    Attributes:
        artifact: The directory and its manifest.
        report: Content of report.json.
        samples: Content of samples.npz; None if nothing was recorded, or it was not asked for.
    """

    artifact: Artifact
    report: Mapping[str, Any]
    samples: Samples | None


def read_reported(directory: Path, with_samples: bool = True) -> Reported:
    """Read what a page is made from.

    Args:
        directory: What `export` wrote.
        with_samples: Whether the page shows recorded samples. Without, they may be missing.

    Raises:
        BadInput: If the directory is no export, or a file of it is missing, changed, damaged or
            of another major version.
    """
    artifact = read_artifact(directory)
    file = artifact.path / "report.json"
    report = artifact.read(file.name, read_report)
    version = report["schema_version"]
    if str(version).split(".")[0] != SCHEMA_VERSION.split(".")[0]:
        raise BadInput(
            f"{file} has the schema {version}, but this neurocompile reads {SCHEMA_VERSION}. "
            f"{AGAIN}"
        )
    fault = fault_in(open_to_more(schema("neurocompile.report", "schema.json")), report)
    if fault:
        raise BadInput(f"{file} is broken: {fault}. {AGAIN}")
    recorded = with_samples and NAME in artifact.manifest["files"]
    samples = artifact.read(NAME, read_samples) if recorded else None
    if samples is not None and samples.about["fixed_graph"] != _digest(report):
        raise BadInput(f"{directory / NAME} is of another network than report.json. {AGAIN}")
    return Reported(artifact, report, samples)


@contextmanager
def consistent(*shown: Reported) -> Iterator[None]:
    """Show files that their schemas allow, but of which one may not go with another.

    The schema knows types, not that a layer of the energy is one of the network's. Who edits a file
    and its digest gets a sentence; a file that we wrote and that ends here is our fault.

    Raises:
        BadInput: If something in the files contradicts something else.
    """
    try:
        yield
    except NeurocompileError:
        raise  # it says already what is wrong
    except CONTRADICTIONS as error:
        files = " or ".join(str(one.artifact.path / "report.json") for one in shown)
        raise BadInput(
            f"{files} does not hold together ({type(error).__name__}: {str(error)[:120]}). {AGAIN} "
            "If that does not help, it is a fault of neurocompile: report it, please."
        ) from error


def _digest(report: Mapping[str, Any]) -> Any:
    return report["provenance"]["digests"]["fixed_graph"]
