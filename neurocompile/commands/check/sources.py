"""Where the samples of a check are from: what a baseline says of them, and how it is renewed.

In:  what a user gave with --data, the baseline, what the export declares.
Out: the samples; what a new baseline says of them; the command that renews it on the same ones.
A user's source goes before the baseline's file, that before the source that --data named when the
baseline was made, and that before the export's.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from neurocompile.commands.check.baseline import renew
from neurocompile.commands.check.kept import Keep, named_by, same_file
from neurocompile.commands.check.measure import load_declared
from neurocompile.commands.exported import Exported
from neurocompile.data.stimulus import Stimulus
from neurocompile.errors import BadInput

Baseline = Mapping[str, Any]


def source_of(
    subject: Exported, file: Path, source: str | None, baseline: Baseline | None, keep: Keep
) -> str:
    """The source to read.

    Args:
        subject: The exported directory.
        file: The file of the baseline.
        source: What a user gave, or None.
        baseline: Content of the baseline, or None if there is none so far.
        keep: Files to write; a baseline's own samples are not read to be written.
    """
    if source is not None:
        return source
    kept = _kept(file, baseline)
    if kept is not None and keep.data is None:
        return str(kept)
    return _given(baseline) or subject.declared.source


def stimulus_of(
    subject: Exported, file: Path, source: str | None, baseline: Baseline | None, keep: Keep
) -> Stimulus:
    """The samples of `source_of`, as many as the export ran.

    Raises:
        BadInput: If they cannot be read, or are too few; names the baseline if that names them.
        NotInstalled: If they are in a package that is missing.
    """
    found, kept = source_of(subject, file, source, baseline, keep), _kept(file, baseline)
    to = keep.data or kept or file.with_suffix(".npz")
    command = renew(subject.artifact.path, file, source) + f" --keep-data {shlex.quote(str(to))}"
    if source is None and found == str(kept):
        return _from_kept(subject, file, Path(found), command)
    try:
        return load_declared(subject, found, command)
    except BadInput as error:
        if source is None and found == _given(baseline):
            raise error.within(f"the baseline {file} was made with --data {found}") from None
        raise


def _from_kept(subject: Exported, file: Path, kept: Path, command: str) -> Stimulus:
    """The samples in the file that a baseline names."""
    if os.path.isfile(kept):
        try:
            return load_declared(subject, str(kept), command)
        except BadInput as error:
            # What follows the reason is for whoever made the file: here it is brought back.
            wrong = f"is damaged ({str(error).removeprefix(f'{kept}: ').split('. ')[0]})"
    else:
        wrong = "is not there"
    raise BadInput(
        f"the baseline {file} names {kept} as the file of its samples, which {wrong}. Bring it "
        "back from version control, or give the same samples with --data SOURCE."
    )


def said_of(
    subject: Exported, file: Path, source: str | None, baseline: Baseline | None, keep: Keep
) -> dict[str, str | None]:
    """What a new baseline says of its samples: their file, and what --data named.

    Without --data it says what the earlier one did. With it, an earlier file of other samples is
    not named any more, and stays where it is.
    """
    kept, given = _kept(file, baseline), _given(baseline)
    name = None if baseline is None else baseline["data"]["file"]
    if source is not None and not (kept is not None and same_file(source, kept)):
        own = subject.declared.source
        name = None
        given = None if source == own or same_file(source, Path(own)) else source
    if keep.data is not None:
        name = named_by(file, keep.data)
    return {"file": name, **({} if given is None else {"given": given})}


def renewal(directory: Path, file: Path, source: str | None, baseline: Baseline) -> str:
    """The command that renews a baseline on the samples of this check."""
    kept = _kept(file, baseline)
    if source is None or (kept is not None and same_file(source, kept)):
        return renew(directory, file)
    also = "" if kept is None else f" --keep-data {shlex.quote(str(kept))}"
    return renew(directory, file, source) + also


def _kept(file: Path, baseline: Baseline | None) -> Path | None:
    """The file of samples that a baseline names."""
    name = None if baseline is None else baseline["data"]["file"]
    return None if name is None else file.parent / name


def _given(baseline: Baseline | None) -> str | None:
    """What --data named when the baseline was made, if the export has other samples."""
    given: str | None = None if baseline is None else baseline["data"].get("given")
    return given
