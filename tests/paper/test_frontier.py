"""The frontier's section, verdicts and picture come only from answers on disk: by hand."""

from dataclasses import replace

import pytest

from paper import frontier, frontier_questions, study
from paper.frontier_questions import NETWORKS, SEEDS, WITHOUT, plain_job, spiking_job

# Error and uJ of spiking networks; then error and uJ of arithmetic and memory without spikes.
SPIKING = {
    "base": (6.0, 60.0),
    "T = 8": (7.5, 40.0),
    "half the maps": (7.0, 50.0),
    "latent 32": (9.0, 55.0),  # half the maps beat it
    "latent 200": (5.0, 80.0),
}
PLAIN = {
    "base": (4.0, 0.2, 3.8),
    "half the maps": (5.0, 0.1, 1.9),
    "latent 32": (9.0, 0.1, 0.9),
    "latent 200": (3.0, 0.3, 7.7),
}


def spiking(name):
    error, microjoules = SPIKING[name]
    _, arithmetic, memory = PLAIN.get(name, (0, 0.2, 3.8))
    return {
        "float_error": error - 0.5,
        "fixed_error": error,
        "joules": {"boyle2025": microjoules * 1e-6},
        "cores": 11,
        "dead": 2,
        "bursting": 0,
        "without": {"arithmetic": arithmetic * 1e-6, "memory": memory * 1e-6},
    }


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setattr(study, "RESULTS", tmp_path / "results")
    return tmp_path


@pytest.fixture
def answered(results):
    for seed in SEEDS:
        for name in SPIKING:
            replace(spiking_job(name, seed), compute=lambda _, n=name: spiking(n)).answer()
        for name, (error, *_) in PLAIN.items():
            found = {"float_error": error - 0.1, "error": error}
            replace(plain_job(name, seed), compute=lambda _, f=found: f).answer()
    return results


def test_the_front_leaves_out_what_another_network_beats(answered):
    found = frontier.known()
    assert [one.name for one in found.best] == ["latent 200", "base", "half the maps", "T = 8"]
    assert [one.error for one in found.best_plain] == [3.0, 4.0, 5.0, 9.0]


def test_an_error_costs_what_the_front_without_spikes_has_there(answered):
    """At 5 it has 2 uJ; at 6, 7 and 7.5 it is on the way from 2 to 1 uJ at 9.

    80 / 2 = 40; 60 x 2^(1/4) / 2 = 35.68; 50 / 2^(1/2) = 35.36; 40 x 2^(5/8) / 2 = 30.84.
    """
    assert frontier.times_range(frontier.known()) == pytest.approx((30.844, 40.0), abs=1e-3)
    text = frontier.text()
    assert (
        "| base | 5.50 ± 0.00 | 6.00 ± 0.00 | 60.0 ± 0.0 | 6, 0 | 11 | yes, 3 of 3 "
        "| 35.7 (35.7 to 35.7) | 4.00 ± 0.00 | 0.20 | 3.80 |" in text
    )
    assert "| T = 8 |" in text
    assert "| no, 0 of 3 | 55.0 (55.0 to 55.0) | 9.00 ± 0.00 | 0.10 | 0.90 |" in text
    assert "**Spikes lose everywhere on the front**" in text
    assert "take 30.8 to 40.0 times the joules" in text
    assert "5.00 at 80 µJ, is 1.67 times the best without spikes, 3.00 at 8.0 µJ" in text


def test_levers_are_compared_by_what_they_buy_and_give_up_per_joule(answered):
    """200 latent neurons buy 1 of error for 20 uJ.

    T = 8 gives up 1.5 for 20 uJ, half of the maps 1 for 10, 32 latent neurons 3 for 5.
    """
    text = frontier.text()
    assert "| latent 200 | -1.00 ± 0.00 | +20.0 ± 0.0 | 0.050 bought |" in text
    assert "| T = 8 | +1.50 ± 0.00 | -20.0 ± 0.0 | 0.075 given up |" in text
    assert "*latent 200* buys most error per joule, 0.050 per µJ" in text
    assert "*T = 8* gives up least per joule saved, 0.075 per µJ (33 % of the joules)" in text


def test_the_best_within_the_budget_is_the_one_of_least_error_that_takes_no_more(
    answered, monkeypatch
):
    assert "Within 100 µJ *latent 200* is best: 5.00 ± 0.00 at 80 µJ." in frontier.text()
    monkeypatch.setattr(frontier, "BUDGET_UJ", 60.0)
    assert "Within 60 µJ *base* is best" in frontier.text()
    monkeypatch.setattr(frontier, "BUDGET_UJ", 30.0)
    assert "No network takes at most 30 µJ." in frontier.text()


def test_a_network_that_a_seed_has_not_answered_is_left_out_and_named(answered):
    spiking_job("half the maps", SEEDS[-1]).path.unlink()
    text = frontier.text()
    assert "| half the maps |" not in text
    assert "half the maps" in text.split("Not answered yet: ")[1]


def test_the_picture_is_the_same_twice(answered):
    for folder in ("one", "two"):
        frontier.draw(answered / folder)
    one, two = ((answered / folder / "frontier.svg").read_text() for folder in ("one", "two"))
    assert one == two
    assert "latent 200" in one


def test_without_answers_there_is_no_table_and_no_picture(results):
    assert "| base |" not in frontier.text()
    frontier.draw(results / "pictures")
    assert not (results / "pictures").exists()
    with pytest.raises(ValueError, match="make paper ONLY=frontier"):
        frontier.known()


def test_a_network_differs_from_the_base_in_its_lever_only():
    base = spiking_job("base", 0).question
    for name, change in NETWORKS.items():
        asked = spiking_job(name, 0).question
        assert asked["measuring"] == base["measuring"]
        training = asked["training"]
        differs = {key for key, part in training.items() if part != base["training"][key]}
        expected = {
            *(["layers"] if change.layers else []),
            *(["pruned"] if change.pruned else []),
            *(["spikes"] if change.synops else []),
        }
        assert differs == expected, name
        if name in WITHOUT:
            plain = plain_job(name, 0).question["training"]
            assert plain["images"] == training["images"]
            assert plain["first"]["batch"] == training["rates"]["batch"]
            assert plain["second"]["epochs"] == training["spikes"]["epochs"]


def test_seeds_of_the_first_networks_are_answered_before_any_of_the_last():
    names = [job.name for job in frontier_questions.jobs()]
    assert names.index("base 2") < names.index("T = 8 2") < names.index(f"{list(NETWORKS)[-1]} 0")
    assert len(names) == len(set(names)) == len(SEEDS) * (len(NETWORKS) + len(WITHOUT))
