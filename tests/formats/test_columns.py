"""A file of columns comes back with the same numbers, whole or not at all."""

import csv
from importlib.metadata import PackageNotFoundError

import numpy as np
import pytest

from neurocompile import installed
from neurocompile.errors import BadInput, NotInstalled
from neurocompile.formats.columns import check_table_file, write_columns

COLUMNS = {
    "step": np.array([0, 1, 2]),
    "many": np.array([2**62 + 1, 0, -1]),
    "energy_j": np.array([0.1 + 0.2, 1e-12 / 3, 0.0]),
    "unknown": None,
}


def test_csv_keeps_every_digit_and_leaves_what_is_unknown_empty(tmp_path):
    file = tmp_path / "new" / "steps.csv"
    write_columns(file, COLUMNS)
    head, *rows = csv.reader(file.read_text().splitlines())
    assert head == list(COLUMNS)
    for at, (name, column) in enumerate(COLUMNS.items()):
        cells = [row[at] for row in rows]
        if column is None:
            assert cells == ["", "", ""]
        else:
            assert [type(column[0].item())(cell) for cell in cells] == column.tolist(), name
    assert file.read_bytes().count(b"\n") == 4
    assert b"\r" not in file.read_bytes()


def test_parquet_keeps_every_number_and_its_type(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    file = tmp_path / "new" / "steps.parquet"
    write_columns(file, COLUMNS)
    found = parquet.read_table(file).to_pydict()
    assert found == {
        name: [None] * 3 if column is None else column.tolist() for name, column in COLUMNS.items()
    }
    assert [str(t) for t in parquet.read_schema(file).types] == ["int64"] * 2 + ["double"] * 2


def test_another_suffix_is_refused_with_those_that_there_are(tmp_path):
    for name in ("steps.xlsx", "steps", "steps.CSV"):
        with pytest.raises(BadInput, match=r"\.csv or \.parquet"):
            write_columns(tmp_path / name, COLUMNS)


def test_a_missing_pyarrow_is_named_with_the_command_that_brings_it(tmp_path, monkeypatch):
    def version(package):
        raise PackageNotFoundError(package)

    monkeypatch.setattr(installed, "version", version)
    check_table_file(tmp_path / "steps.csv")
    with pytest.raises(NotInstalled, match=r"pyarrow, not installed.*doctor --install tables"):
        check_table_file(tmp_path / "steps.parquet")
    assert NotInstalled.exit_code == 4


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path):
    (tmp_path / "steps.csv").mkdir()
    with pytest.raises(BadInput, match="is a folder"):
        write_columns(tmp_path / "steps.csv", COLUMNS)
    assert [path.name for path in tmp_path.iterdir()] == ["steps.csv"]


@pytest.mark.parametrize("name", ["rows.csv", "rows.parquet"])
def test_a_name_that_is_no_utf_8_is_kept_as_its_codes(name, tmp_path):
    if name.endswith(".parquet"):
        pytest.importorskip("pyarrow")
    write_columns(tmp_path / name, {"model": ["a\udcff.pt", None], "step": [1, 2]})
    assert b"a\\xff.pt" in (tmp_path / name).read_bytes()
