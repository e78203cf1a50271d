"""A sweep reads what is there, computes what is missing, and ends with what it has."""

import pytest
from full_disk import files_of_at_most

from neurocompile.asked import Asked
from neurocompile.cluster.tasks import Failed
from neurocompile.errors import BadInput
from neurocompile.sweep import compute as computing
from neurocompile.sweep import run as running
from neurocompile.sweep.points import Axis, Known, Point
from neurocompile.sweep.results import rows, write_results
from neurocompile.sweep.run import Sweep, run
from neurocompile.sweep.store import store

POINTS = [Point(f"m{n}", "t", (n,), Asked()) for n in range(5)]
KNOWN = Known("ab" * 32, {"code": computing.code()})
METRICS = dict.fromkeys(
    ("mse_ratio", "accuracy", "output_difference", "energy_low_j", "energy_high_j", "latency_s",
     "cores", "spikes", "synops")
)  # fmt: skip


def outcome(n, **more):
    metrics = {**METRICS, "mse": float(n), "energy_j": float(-n)}
    good = {"exit_code": 0, "reason": "", "metrics": metrics, "report": {}, "warnings": []}
    return good | more


class Quiet:
    def __init__(self):
        self.said, self.came = [], []

    def tell(self, what):
        self.said.append(what)

    def begin(self, sweep):
        pass

    def finished(self, sweep, at):
        self.came.append(at)


@pytest.fixture
def here(monkeypatch):
    """Points have their model as key; results are what this function gives, in reverse order."""

    class Keys:
        def of(self, point):
            if point.model == "unreadable":
                raise BadInput("unreadable: no model")
            return Known(f"{point.model:0>64}", {"code": ""})

    monkeypatch.setattr(running, "Keys", Keys)
    asked = []

    def set_results(results):
        def each(opened, function, tasks, tell):
            tasks = list(tasks)
            asked.append(len(tasks))
            for name, (point, *_) in reversed(tasks):
                result = results(point.values[0])
                if isinstance(result, Exception):
                    raise result
                yield name, result

        monkeypatch.setattr(running, "each", each)
        return asked

    return set_results


def swept(folder, points=POINTS):
    sweep, watch = Sweep(points), Quiet()
    with store(folder) as kept:
        run(sweep, kept, None, watch)
    return sweep, watch


def test_outcomes_stand_in_grid_order_and_a_rerun_asks_for_nothing(here, tmp_path):
    asked = here(outcome)
    sweep, watch = swept(tmp_path)
    assert [o["metrics"]["mse"] for o in sweep.outcomes] == [0, 1, 2, 3, 4]
    assert watch.came == [4, 3, 2, 1, 0]
    again, _ = swept(tmp_path)
    assert again.outcomes == sweep.outcomes
    assert again.reused == 5
    assert asked == [5, 0]


def test_two_points_with_one_key_are_computed_once(here, tmp_path):
    asked = here(outcome)
    sweep, _ = swept(tmp_path, [*POINTS, POINTS[2]])
    assert asked == [5]
    assert sweep.outcomes[5] == sweep.outcomes[2]


def test_a_point_whose_files_cannot_be_read_is_a_row_and_the_others_are_computed(here, tmp_path):
    here(outcome)
    points = [POINTS[0], Point("unreadable", "t", (9,), Asked()), POINTS[1]]
    sweep, _ = swept(tmp_path, points)
    assert [o["exit_code"] for o in sweep.outcomes] == [0, 2, 0]
    assert sweep.outcomes[1]["reason"] == "unreadable: no model"
    assert sweep.known[1] is None
    (row,) = (row for row in rows(sweep, [Axis("n", ())], []) if row["n"] == 9)
    assert (row["key"], row["mse"]) == ("", None)


def test_a_point_that_failed_is_tried_again_by_the_next_run_and_one_that_does_not_fit_is_not(
    here, tmp_path
):
    others = {1: Failed("4 workers died", RuntimeError()), 2: outcome(2, exit_code=3)}
    asked = here(lambda n: others.get(n, outcome(n)))
    sweep, _ = swept(tmp_path)
    assert sweep.without_result == [1]
    assert sweep.outcomes[1]["reason"] == "4 workers died"
    here(outcome)
    again, _ = swept(tmp_path)
    assert asked == [5, 1]
    assert again.without_result == []
    assert again.outcomes[2]["exit_code"] == 3


def test_a_sweep_that_cannot_go_on_says_what_is_done_and_what_is_missing(here, tmp_path):
    asked = here(lambda n: BadInput("there is no Dask scheduler") if n == 2 else outcome(n))
    words = "no Dask scheduler\n2 of 5 points are done and kept; the same command does the other 3"
    with pytest.raises(BadInput, match=words):
        swept(tmp_path)
    here(outcome)
    swept(tmp_path)
    assert asked == [5, 3]


def test_a_disk_that_is_full_ends_the_sweep_with_whole_files_only(here, tmp_path):
    asked = here(lambda n: outcome(n, reason="x" * (9000 if n == 2 else 1)))
    with files_of_at_most(8192), pytest.raises(BadInput, match=r"not written(.|\n)*2 of 5 points"):
        swept(tmp_path)
    assert sorted(path.name[-6] for path in tmp_path.rglob("points/*/*.json")) == ["3", "4"]
    assert not [path for path in tmp_path.rglob(".*") if path.name != ".lock"]
    here(outcome)
    sweep, _ = swept(tmp_path)
    assert (asked, sweep.missing) == ([5, 3], 0)


def test_the_table_has_the_same_bytes_whatever_came_first_and_types_that_do_not_depend_on_values(
    here, tmp_path
):
    from pyarrow import parquet

    here(outcome)
    sweep, _ = swept(tmp_path / "a")
    one = rows(sweep, [Axis("n", tuple(range(5)))], [])
    write_results(tmp_path / "one.parquet", one)
    again, _ = swept(tmp_path / "a")
    write_results(tmp_path / "two.parquet", rows(again, [Axis("n", tuple(range(5)))], []))
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    types = {field.name: str(field.type) for field in parquet.read_schema(tmp_path / "one.parquet")}
    assert types["n"] == "int64"
    assert types["mse"] == types["accuracy"] == "double"
    assert types["reason"] == types["key"] == "string"
    assert types["pareto"] == "bool"


@pytest.mark.parametrize(
    ("code", "folder", "words"),
    [
        ("other", ".", "another version of neurocompile"),
        (None, "/no/such/folder", "do not see the folder /no/such/folder"),
        (None, ".", "do not see m0"),
    ],
)
def test_a_worker_with_other_code_or_other_files_ends_the_sweep(code, folder, words):
    known = Known("", {"code": code or computing.code()})
    with pytest.raises(BadInput, match=words):
        computing.compute(POINTS[0], folder, known, "out")


def test_a_refusal_for_a_file_that_changed_meanwhile_is_not_kept_as_the_point_s(
    tmp_path, monkeypatch
):
    def refuse(*_):
        raise BadInput("x.npz: cannot be read")

    monkeypatch.setattr("neurocompile.compiler.compile_asked", refuse)
    (tmp_path / "m0").touch()
    keys = iter([KNOWN, Known("cd" * 32, {})])
    monkeypatch.setattr(computing.Keys, "of", lambda self, point: next(keys))
    found = computing.compute(POINTS[0], str(tmp_path), KNOWN, "out")
    assert (found["exit_code"], found["reason"]) == (2, "x.npz: cannot be read")
    with pytest.raises(BadInput, match=r"changed while it ran.*x\.npz: cannot be read"):
        computing.compute(POINTS[0], str(tmp_path), KNOWN, "other")
    assert not list(tmp_path.glob("other/points/*/*"))


def test_a_folder_that_was_deleted_ends_the_sweep_with_a_sentence(here, tmp_path, monkeypatch):
    here(outcome)
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(BadInput, match="the current folder was deleted"):
        swept(tmp_path / "out")


def test_a_point_that_was_finished_is_taken_from_the_folder_also_by_a_worker(tmp_path, monkeypatch):
    known = Known("ab" * 32, {"code": computing.code()})
    computed = []
    monkeypatch.setattr(
        computing, "_outcome", lambda point, known: computed.append(1) or outcome(0)
    )
    first = computing.compute(POINTS[0], str(tmp_path), known, "out")
    assert computing.compute(POINTS[0], str(tmp_path), known, "out") == first
    assert computed == [1]
