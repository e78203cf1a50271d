"""pareto.html: what a reader finds on it that the rows do not say by themselves."""

from neurocompile.sweep.metrics import METRICS
from neurocompile.sweep.page import pareto_page


def row(model, mse, energy):
    found = dict.fromkeys(metric.column for metric in METRICS.values())
    place = {"model": model, "target": "t", "pareto": True, "exit_code": 0, "reason": "", "key": ""}
    return found | place | {"mse": mse, "energy_j": energy}


def page(rows, options=()):
    return pareto_page(rows, [], [METRICS["mse"], METRICS["energy"]], [], options)


def test_the_best_of_several_models_is_named_on_its_card():
    rows = [row("a.pt", 1.0, 1e-6), row("b.pt", 2.0, 5e-7)]
    text = page(rows).split('id="front"')[0]
    cards = text[text.index("Least mse") : text.index("On the front")]
    mse, energy = cards.split("Least energy")
    assert "a.pt" in mse
    assert "b.pt" in energy
    assert "b.pt" not in mse


def test_options_that_all_points_share_are_on_the_page():
    text = page([row("a.pt", 1.0, 1e-6)], [("samples", "5")])
    assert "samples, for all points" in text
    assert "samples, for all points" not in page([row("a.pt", 1.0, 1e-6)])
