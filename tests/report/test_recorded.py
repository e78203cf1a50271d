"""Counts read back out of a report are those of the run, or are refused."""

import copy
import json

import pytest
from hand_counted import GRAPH, SMALL, counted

from neurocompile.energy.estimate import estimate
from neurocompile.errors import BadInput
from neurocompile.place.fit import core_table
from neurocompile.report.read import recorded


def report(samples=1):
    """What report.json keeps of a run, read back from JSON."""
    placed, counts = counted(samples=samples)
    kept = {
        **counts.to_dict(),
        "energy": estimate(counts, placed, SMALL).to_dict(),
        "fit": {"cores": core_table(placed)},
    }
    return placed, counts, json.loads(json.dumps(kept))


def test_counts_come_back_whole():
    placed, counts, kept = report(samples=3)
    found = recorded(kept, placed, steps=100)
    assert found.to_dict() == counts.to_dict()


@pytest.mark.parametrize("mode", ["reset", "pipelined"])
def test_joules_and_times_of_recorded_counts_are_those_of_the_run(mode):
    placed, counts, kept = report()
    ran = estimate(counts, placed, SMALL, mode)
    again = estimate(recorded(kept, placed, steps=100), placed, SMALL, mode)
    assert again.to_dict() == ran.to_dict()
    assert again.latency == ran.latency


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
    "row",
    [
        "none",
        [None],
        slowest(samples_follow="somehow"),
        slowest(model=1),
        slowest(steps=[100]),
        slowest(steps=[60, -1]),
        slowest(times_s=[1e-9]),
        slowest(times_s={"message_in": -1e-9}),
        slowest(times_s={"message_in": float("nan")}),
        slowest(times_s={"message_in": float("inf")}),
        slowest(events={"message_in": "7"}),
        slowest(events={"message_in": True}),
    ],
)
def test_slowest_cores_that_are_no_numbers_by_event_and_core_are_refused(row):
    placed, _, kept = report()
    assert len(placed.cores) == 2
    recorded(kept | {"slowest_cores": slowest()}, placed, steps=100)
    with pytest.raises(BadInput, match="'slowest_cores' is no list of numbers"):
        recorded(kept | {"slowest_cores": row}, placed, steps=100)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda r: put(r, None, "energy"), "no counts"),
        (lambda r: lose(r, "core_events"), "'core_events' is missing"),
        (lambda r: put(r, [1], "core_events", "message_in"), "'core_events'"),
        (lambda r: lose(r, "synapses", 0, "effective_synops"),
         "'effective_synops' of SynapseCounts is missing"),
        (lambda r: put(r, -1, "synapses", 0, "synops"), "'synops' of SynapseCounts is -1"),
        (lambda r: put(r, "3", "layers", 0, "spikes"), "'spikes' of LayerCounts is '3'"),
        (lambda r: put(r, True, "host", "reads"), "'reads' of HostCounts is True"),
        (lambda r: put(r, 0, "energy", "samples"), "0 samples"),
        (lambda r: lose(r, "host"), "'spikes_sent' of HostCounts is missing"),
        (lambda r: lose(r, "energy", "modes"), "charges"),
        (lambda r: put(r, 7, "energy", "modes", 1, "steps_charged"), r"charges \[7\] steps"),
        (lambda r: put(r, "other", "layers", 0, "name"), "of another network"),
        (lambda r: r["synapses"].reverse(), "of another network"),
        (lambda r: r["fit"]["cores"].pop(), "of another placement"),
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
