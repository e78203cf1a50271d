"""The files that `check --update` writes beside a baseline, and what it never replaces.

In:  the paths that a user gave, and the earlier baseline.
Out: nothing, or a refusal before anything runs; names as a baseline holds them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurocompile.commands.check.baseline import beside
from neurocompile.errors import BadInput
from neurocompile.formats.artifact import refuse_exported
from neurocompile.formats.whole import followed


@dataclass(frozen=True)
class Keep:
    """Files to write beside a new baseline; None writes no such file.

    Attributes:
        data: File for the samples, .npz.
        network: File for the network, .onnx, so that a later check can say what each changed
            layer does to the error by itself.
    """

    data: Path | None = None
    network: Path | None = None

    def check(self, file: Path) -> None:
        """Refuse files whose ending or folder a baseline cannot name, or that an export wrote.

        Args:
            file: The file of the baseline.

        Raises:
            BadInput: Names the option.
        """
        for option, path, ending in self._given():
            if not beside(named_by(file, path), ending):
                raise BadInput(
                    f"{option} {path}: name a file that ends in {ending}, in the folder of the "
                    "baseline or below it."
                )
            if followed(path) == followed(file):
                raise BadInput(f"{option} {path} is the baseline itself. Choose another {option}.")
            refuse_exported(path, option)

    def new(self, file: Path, baseline: Mapping[str, Any] | None) -> list[Path]:
        """Those that replace nothing; others must be files that the baseline names as its own.

        Raises:
            BadInput: If anything else is there.
        """
        names = () if baseline is None else (baseline["data"]["file"], baseline["network"])
        own = {followed(file.parent / name) for name in names if name is not None}
        new = [(option, path) for option, path, _ in self._given() if followed(path) not in own]
        for option, path in new:
            if os.path.lexists(path):
                raise BadInput(
                    f"{path} exists, and the baseline {file} does not name it as its own. Choose "
                    f"another {option}, or move that file away."
                )
        return [path for _, path in new]

    def check_source(self, source: str) -> None:
        """Refuse to replace the file that the samples are read from.

        Raises:
            BadInput: If that is where they are to be kept.
        """
        if self.data is not None and same_file(source, self.data):
            raise BadInput(
                f"--keep-data {self.data} is the file that the samples are read from. Choose "
                "another --keep-data, or leave it out."
            )

    def _given(self) -> Iterator[tuple[str, Path, str]]:
        """Option, path and ending of each."""
        for option, path, ending in (
            ("--keep-data", self.data, ".npz"),
            ("--keep-network", self.network, ".onnx"),
        ):
            if path is not None:
                yield option, path, ending


def named_by(baseline: Path, kept: Path) -> str:
    """Path of a file as its baseline names it."""
    return Path(os.path.relpath(kept.absolute(), baseline.absolute().parent)).as_posix()


def same_file(source: str, path: Path) -> bool:
    """Whether a source of samples is this file, by whatever path."""
    try:
        return os.path.samefile(source, path)
    except OSError:  # one of them is not there, or is the name of a data set
        return False
