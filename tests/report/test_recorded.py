"""Counts read back out of a report are those of the run, or are refused."""

import copy
import json

import pytest
from hand_counted import GRAPH, SMALL, counted

from neurocompile.energy.estimate import estimate
from neurocompile.errors import BadInput
from neurocompile.ir.digest import graph_digest
from neurocompile.place.utilisation import core_table
from neurocompile.report.build import SCHEMA_VERSION
from neurocompile.report.build import counted as counts_of
from neurocompile.report.read import read_report, recorded


def report(samples=1):
    """What report.json keeps of a run, read back from JSON."""
    placed, counts = counted(samples=samples)
    kept = {
        "schema_version": SCHEMA_VERSION,
        "provenance": {"digests": {"fixed_graph": graph_digest(placed.graph)}},
        **counts_of(counts, "reset"),
        "energy": estimate(counts, placed, SMALL).to_dict(),
        "fit": {"cores": core_table(placed)},
    }
    return placed, counts, json.loads(json.dumps(kept))


def test_counts_come_back_whole():
    placed, counts, kept = report(samples=3)
    found = recorded(kept, placed, steps=100)
    assert counts_of(found, "reset") == counts_of(counts, "reset")
    assert (found.samples, found.steps, found.depth) == (3, 100, counts.depth)


@pytest.mark.parametrize("mode", ["reset", "pipelined"])
def test_joules_and_times_of_recorded_counts_are_those_of_the_run(mode):
    placed, counts, kept = report()
    ran = estimate(counts, placed, SMALL, mode)
    again = estimate(recorded(kept, placed, steps=100), placed, SMALL, mode)
    assert again.to_dict() == ran.to_dict()
    assert again.latency == ran.latency


def test_counts_of_other_integers_are_refused():
    placed, _, kept = report()
    put(kept, "0" * 64, "provenance", "digests", "fixed_graph")
    with pytest.raises(BadInput, match=r"report\.json is of other integers"):
        recorded(kept, placed, steps=100)


def lose(kept, *path):
    for key in path[:-1]:
        kept = kept[key]
    del kept[path[-1]]


def put(kept, value, *path):
    for key in path[:-1]:
        kept = kept[key]
    kept[path[-1]] = value


def slowest(**changed):
    """A row of the report's slowest cores, for the two cores of the small network."""
    row = {"samples_follow": "reset", "model": "boyle2025", "steps": [60, 40]}
    row |= {"times_s": {"message_in": 1e-9}, "events": {"message_in": 7}}
    return [row | changed]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("none", "'slowest_cores' is 'none', expected a list"),
        ([None], r"'slowest_cores\[0\]' is None, expected a table"),
        (slowest(samples_follow="somehow"), "samples_follow' is 'somehow', expected reset or"),
        (slowest(model=1), "model' is 1, expected a text"),
        (slowest(steps=[100]), r"'slowest_cores\[0\].steps' has 1 counts, expected .* of 2 cores"),
        (slowest(steps=[60, -1]), r"steps\[1\]' is -1, expected 0 or more"),
        (slowest(steps=[60, 1 << 62]), r"steps\[1\]' is 4611686018427387904, expected .* or less"),
        (slowest(steps=[60, 1.0]), r"steps\[1\]' is 1.0, expected a whole number"),
        (slowest(times_s=[1e-9]), r"times_s' is \[1e-09\], expected a table"),
        (slowest(times_s={"message_in": -1e-9}), "times_s.message_in' is -1e-09, expected 0 or"),
        (slowest(events={"message_in": "7"}), "events.message_in' is '7', expected a number"),
        (slowest(events={"message_in": True}), "events.message_in' is True, expected a number"),
    ],
)
def test_slowest_cores_that_are_no_numbers_by_event_and_core_are_refused(row, words):
    placed, _, kept = report()
    assert len(placed.cores) == 2
    recorded(kept | {"slowest_cores": slowest()}, placed, steps=100)
    with pytest.raises(BadInput, match=words):
        recorded(kept | {"slowest_cores": row}, placed, steps=100)


def test_a_report_of_an_earlier_or_a_later_minor_version_is_read():
    placed, counts, kept = report()
    earlier = {key: value for key, value in kept.items() if key != "slowest_cores"}
    later = {**kept, "new": 1, "schema_version": "1.99"}
    later["layers"] = [{**row, "new": 1} for row in kept["layers"]]
    for version in (earlier, later):
        assert recorded(version, placed, steps=100).layers == counts.layers
    with pytest.raises(BadInput, match=r"'schema_version' is '2\.0'"):
        recorded({**kept, "schema_version": "2.0"}, placed, steps=100)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is broken: Expecting"),
        ("[]", "is not a report of neurocompile"),
        ('{"schema_version": NaN}', "is broken: it holds NaN, which is no number"),
        ('{"schema_version": -Infinity}', "it holds -Infinity"),
        ('{"schema_version": 1e999}', "it holds 1e999, which is too large for a number"),
        ("[" * 100_000, "nested too deep"),
    ],
)
def test_a_file_that_is_no_report_is_refused_by_name(text, words, tmp_path):
    file = tmp_path / "report.json"
    file.write_text(text)
    with pytest.raises(BadInput, match=rf"report\.json.*{words}"):
        read_report(file)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda r: put(r, None, "energy"), "no counts"),
        (lambda r: lose(r, "core_events"), "'core_events' is missing"),
        (lambda r: put(r, [1], "core_events", "message_in"), "'core_events.message_in' has 1 co"),
        (lambda r: lose(r, "synapses", 0, "effective_synops"),
         r"'synapses\[0\].effective_synops' is missing"),
        (lambda r: put(r, -1, "synapses", 0, "synops"), r"'synapses\[0\].synops' is -1, expe"),
        (lambda r: put(r, "3", "layers", 0, "spikes"), r"'layers\[0\].spikes' is '3', expec"),
        (lambda r: put(r, True, "host", "reads"), "'host.reads' is True, expected a whole number"),
        (lambda r: put(r, 0, "energy", "samples"), "0 samples"),
        (lambda r: lose(r, "host"), "'host' is missing"),
        (lambda r: lose(r, "energy", "modes"), "'energy.modes' is missing"),
        (lambda r: put(r, None, "host"), "'host' is None, expected a table"),
        (lambda r: put(r, 7, "energy", "modes", 1, "steps_charged"), r"charges \[7\] steps"),
        (lambda r: put(r, "other", "layers", 0, "name"), "of another network"),
        (lambda r: r["synapses"].reverse(), "of another network"),
        (lambda r: r["fit"]["cores"].pop(), "of another placement"),
        (lambda r: put(r, r["core_events"]["spike_out"][0] + 1000, "core_events", "spike_out", 0),
         "is damaged: 'core_events.spike_out' adds up to"),
        (lambda r: lose(r, "core_events", "message_in"), "'core_events.message_in' adds up to 0"),
    ],
)  # fmt: skip
def test_a_report_that_lacks_a_count_or_is_of_another_network_is_refused(spoil, words):
    placed, _, kept = report()
    spoil(kept)
    with pytest.raises(BadInput, match=words):
        recorded(kept, placed, steps=100)


def test_a_time_needs_the_events_of_each_core_and_joules_do_not():
    placed, counts, kept = report()
    spoiled = copy.deepcopy(kept)
    spoiled["core_events"] = {}
    found = estimate(recorded(spoiled, placed, steps=100), placed, SMALL)
    assert found.ranges == estimate(counts, placed, SMALL).ranges
    assert {row["step_s"] for row in found.latency} == {None, GRAPH.settings.dt}
