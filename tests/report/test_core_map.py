"""The map from neurons to cores comes back as it was placed, or the file is refused."""

import copy
import json
from dataclasses import replace

import jsonschema
import numpy as np
import pytest
from hand_counted import SMALL, counted

import neurocompile as nc
from neurocompile.energy import estimate
from neurocompile.energy.by_core import by_core
from neurocompile.errors import BadInput
from neurocompile.formats.json_files import schema
from neurocompile.place.utilisation import core_table
from neurocompile.report.core_map import core_map


def made(cut=None):
    """A map, and its placement; `cut` says on which core each of the 128 hidden neurons is."""
    placed, counts = counted(SMALL)
    if cut is not None:
        core_of = {**placed.core_of, "hid": cut}
        cores = tuple(
            replace(core, held={
                name: at for name, of in core_of.items() if (at := np.flatnonzero(of == i)).size
            }) for i, core in enumerate(placed.cores)
        )  # fmt: skip
        placed = replace(placed, core_of=core_of, cores=cores)
    models = estimate(counts, placed, SMALL).models
    return core_map(placed, by_core(counts, placed, SMALL, models, "reset"), 1), placed


def written(tmp_path, content):
    file = tmp_path / "map.json"
    file.write_text(json.dumps(content))
    return file


@pytest.mark.parametrize(
    "cut", [None, np.arange(128) // 4 % 2, np.r_[np.zeros(60), np.ones(68)].astype(np.int64)]
)
def test_every_neuron_is_on_the_core_where_it_was_placed(cut, tmp_path):
    content, placed = made(cut)
    found = nc.read_core_map(written(tmp_path, content))
    assert list(found) == list(placed.core_of)
    for name, cores in placed.core_of.items():
        assert found[name].tolist() == cores.tolist()


def test_neighbours_on_one_core_are_one_range():
    (hid,) = (one for one in made()[0]["layers"] if one["name"] == "hid")
    assert [row["neurons"] for row in hid["cores"]] == [[[0, 127]]]
    (hid,) = (one for one in made(np.arange(128) // 64)[0]["layers"] if one["name"] == "hid")
    assert hid["cores"] == [
        {"core": 0, "neurons": [[0, 63]]}, {"core": 1, "neurons": [[64, 127]]},
    ]  # fmt: skip


def test_the_table_of_cores_has_what_each_holds_uses_and_costs():
    content, placed = made()
    jsonschema.validate(content, schema("neurocompile.report", "core_map.schema.json"))
    for row, core, used in zip(content["cores"], placed.cores, core_table(placed), strict=True):
        assert (row["core"], row["chip"]) == (used["core"], used["chip"])
        assert row["layers"] == {name: len(held) for name, held in core.held.items()}
        assert row["use"]["neurons"] == used["neurons"] == sum(row["layers"].values())
    spent = sum(row["energy_j"]["boyle2025"] for row in content["cores"])
    _, counts = counted(SMALL)
    (total,) = (m.total_j for m in estimate(counts, placed, SMALL).models if m.name == "boyle2025")
    assert spent == pytest.approx(total, rel=1e-12)  # nothing hops here


def hidden(content):
    return next(one for one in content["layers"] if one["name"] == "hid")


def spoil(content, what):
    ranges = hidden(content)["cores"][0]["neurons"]
    if what == "gap":
        ranges[0][1] = 126
    elif what == "twice":
        ranges.append([5, 5])
    elif what == "beyond":
        ranges[0][1] = 128
    elif what == "backwards":
        ranges[0] = [4, 3]
    elif what == "table":
        for row in content["cores"]:
            row["layers"]["hid"] = 7
    elif what == "shape":
        hidden(content)["shape"] = [2, 65]
    elif what == "axes":
        hidden(content)["shape"] = [2**62] * 100_000
    elif what == "version":
        content["version"] = "2.0"
    elif what == "size":
        hidden(content)["neurons"] = 10**12
    else:
        del content["layers"]
    return content


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("gap", "neuron 127 of 'hid' has no core"),
        ("twice", "neurons 5..5 of 'hid' have two cores"),
        ("beyond", "'hid' has 128 neurons, but a range 0..128"),
        ("backwards", "a range 4..3"),
        ("table", "table of cores does not hold the same neurons of 'hid'"),
        ("shape", r"'hid' has 128 neurons, but the shape \[2, 65\]"),
        ("axes", r"expected a list of at most 8"),
        ("version", "its version is 2.0, and this reads 1.0"),
        ("size", "expected 268435456 or less"),
        ("layers", "'layers' is missing"),
    ],
)
def test_a_map_that_contradicts_itself_is_refused(what, words, tmp_path):
    file = written(tmp_path, spoil(copy.deepcopy(made()[0]), what))
    with pytest.raises(BadInput, match=words):
        nc.read_core_map(file)


def test_a_later_minor_version_is_read(tmp_path):
    content = {**made()[0], "version": "1.7", "more": 1}
    assert set(nc.read_core_map(written(tmp_path, content))) == {"in", "hid", "out"}


def test_a_file_that_is_no_map_is_refused(tmp_path):
    (tmp_path / "map.json").write_text("{}")
    with pytest.raises(BadInput, match=r"map\.json is broken: 'format' is missing.*--map FILE"):
        nc.read_core_map(tmp_path / "map.json")
    with pytest.raises(BadInput, match="No such file"):
        nc.read_core_map(tmp_path / "none.json")
