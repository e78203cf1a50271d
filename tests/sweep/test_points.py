"""The points of a grid, in grid order; the key of a point is about all that decides its result."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from neurocompile.asked import Asked
from neurocompile.data.sampling import Sampling
from neurocompile.errors import BadInput
from neurocompile.ir.settings import Encoder
from neurocompile.sweep import points
from neurocompile.sweep.points import Axis, Keys, Point, grid


def asked(values):
    return Asked(bits=values.get("bits", 8), sampling=Sampling(steps=values.get("steps")))


def test_the_last_axis_is_the_fastest_and_models_and_targets_come_before_all_axes():
    found = grid(["a", "b"], ["t"], [Axis("bits", (2, 3)), Axis("steps", (8, 16))], asked)
    assert [(p.model, p.target, p.values) for p in found] == [
        ("a", "t", (2, 8)), ("a", "t", (2, 16)), ("a", "t", (3, 8)), ("a", "t", (3, 16)),
        ("b", "t", (2, 8)), ("b", "t", (2, 16)), ("b", "t", (3, 8)), ("b", "t", (3, 16)),
    ]  # fmt: skip
    assert [(p.asked.bits, p.asked.sampling.steps) for p in found] == [p.values for p in found]
    assert len(grid(["a"], ["t"], [], asked)) == 1


@pytest.mark.parametrize(
    ("models", "targets", "axes", "words"),
    [
        ([], ["t"], [], "names no model"),
        (["a"], [], [], "names no target"),
        (["a"], ["t"], [Axis("bits", ())], "bits has no values, so the grid is empty"),
        (["a"], ["t"], [Axis("bits", (2,)), Axis("bits", (3,))], "bits is given twice"),
        (["a"], ["t"], [Axis(n, tuple(range(1001))) for n in ("bits", "seed")], "1,002,001 points"),
    ],
)  # fmt: skip
def test_a_grid_that_is_empty_or_too_large_is_refused(models, targets, axes, words):
    with pytest.raises(BadInput, match=words):
        grid(models, targets, axes, asked)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A point: two neurons, data in a file of its own."""
    import norse.torch as norse
    import torch

    from neurocompile.frontend.save import save
    from neurocompile.ir.settings import Settings

    folder = tmp_path_factory.mktemp("points")
    np.savez(folder / "x.npz", x=np.ones((3, 4), np.float32))
    torch.manual_seed(0)
    network = norse.SequentialState(torch.nn.Linear(4, 2, bias=False), norse.LIFBoxCell())
    settings = Settings(steps=5, encoder=Encoder("bernoulli"), data=str(folder / "x.npz"))
    save(network, folder / "small.pt", torch.zeros(1, 4), settings=settings)
    return Point(str(folder / "small.pt"), "loihi-sim", (), Asked())


def key(point):
    return Keys().of(point).key


def test_the_same_content_has_the_same_key_wherever_it_lies(small, tmp_path):
    moved = tmp_path / "moved.pt"
    moved.write_bytes(Path(small.model).read_bytes())
    assert key(replace(small, model=str(moved), values=(1,))) == key(small)


@pytest.mark.parametrize(
    "change",
    [
        {"bits": 4},
        {"sampling": Sampling(samples=2)},
        {"sampling": Sampling(steps=4)},
        {"sampling": Sampling(seed=1)},
        {"fewest_of": "cores"},
        {"chips": 2},
        {"netx": True},
        {"engines": ("onnx",)},
        {"max_error_increase": 0.02},
        {"load_options": {"reset": "subtract"}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_option_that_decides_the_result_changes_the_key(small, change):
    assert key(replace(small, asked=replace(small.asked, **change))) != key(small)


def test_other_code_other_packages_another_target_and_other_data_change_the_key(
    small, monkeypatch, tmp_path
):
    first = key(small)
    assert key(replace(small, target="loihi2-sim")) != first
    other = tmp_path / "y.npz"
    np.savez(other, x=np.zeros((3, 4), np.float32))
    sampling = Sampling(str(other))
    before = key(replace(small, asked=Asked(sampling=sampling)))
    np.savez(other, x=np.ones((3, 4), np.float32))
    assert key(replace(small, asked=Asked(sampling=sampling))) != before
    with monkeypatch.context() as patch:
        patch.setattr(points, "code", lambda: "another")
        assert key(small) != first
    monkeypatch.setattr(points, "installed", lambda name: "0.0")
    assert key(small) != first


def test_code_that_only_shows_or_spreads_results_is_not_in_the_digest(tmp_path, monkeypatch):
    for name, text in (("compiler.py", "1"), ("commands/x.py", "2"), ("report/page/y.py", "3")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(points.compiler, "__file__", str(tmp_path / "compiler.py"))
    points.code.cache_clear()
    first = points.code()
    for name, changes in (
        ("commands/x.py", False),
        ("report/page/y.py", False),
        ("compiler.py", True),
    ):
        (tmp_path / name).write_text("other")
        points.code.cache_clear()
        assert (points.code() != first) is changes, name
    monkeypatch.undo()
    points.code.cache_clear()
