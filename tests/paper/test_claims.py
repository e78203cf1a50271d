"""The table of claims is made of kept answers and leads to the tables that it names."""

import re

import pytest

from paper import claims, make, replication, table


def lines():
    return [line for line in claims.text().splitlines() if line.startswith("| ")]


def test_every_claim_has_a_number_a_verdict_and_a_link_to_its_tables():
    page = make.TABLES.read_text()
    headings = re.findall(r"^## (.+)$", page, re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", each.lower()).replace(" ", "-") for each in headings}
    claimed = lines()[2:]
    assert len(claimed) == 10
    for line in claimed:
        claim, here, published, verdict, more = (cell.strip() for cell in line[1:-1].split("|"))
        assert re.search(r"\d", here), claim
        assert published
        assert verdict
        anchor = re.search(r"\(results-tables\.md#(.+)\)", more)
        assert anchor is None or anchor[1] in anchors, claim


def test_the_claims_are_the_first_section_of_the_page():
    page = make.PAGE.read_text()
    assert page.split("\n## ")[1].startswith("Claims\n")
    assert "\n".join(lines()) in page


def test_a_share_of_dead_neurons_leaves_out_the_pixels_and_what_no_spike_reaches():
    layer = {"neurons": 10, "unreachable": 2, "dead": 2, "bursting": 1}
    found = {"layers": {"pixels": {**layer, "dead": 8}, "lif1": layer}}
    assert claims._share(found, "dead") == 25.0
    assert claims._share(found, "bursting") == 10.0


def test_a_claim_without_answers_is_left_out(monkeypatch):
    monkeypatch.setattr(replication, "kept", lambda *_: None)
    monkeypatch.setattr(table, "answers", lambda *_: [])
    said = claims.text()
    assert "the network dies" not in said
    assert "a band of rates" not in said


@pytest.mark.parametrize(
    ("values", "place"),
    [
        # Half of the interval of two values is 12.706 times half of their distance: 0.6353 here.
        ([1.7, 1.8], 1),  # 1.11 to 2.39
        ([1.5, 1.6], 0),  # 0.91 to 2.19
        ([0.2, 0.3], -1),  # -0.39 to 0.89
        ([1.1], 1),  # one seed has no interval
        ([1.0], 0),
    ],
)
def test_an_interval_is_above_a_bound_below_it_or_holds_it(values, place):
    assert claims.beside(values, 1.0) == place


def test_a_verdict_needs_an_interval_on_one_side():
    pairs = [(place, wanted) for place in (-1, 0, 1) for wanted in (-1, 1)]
    assert {pair: claims.judged(*pair) for pair in pairs} == {
        (-1, -1): "**holds**", (1, 1): "**holds**",
        (-1, 1): "**fails**", (1, -1): "**fails**",
        (0, -1): "**undecided**", (0, 1): "**undecided**",
    }  # fmt: skip


def test_errors_are_placed_among_the_published_ones():
    # 6.75 is the paper's; FSVAE has 0.031 / 4 a pixel, 6.076 an image; ESVAE 0.013 / 4, 2.548.
    assert claims._among([5.0]) == "lower than the paper's and FSVAE's, higher than ESVAE's"
    assert (
        claims._among([6.0, 6.06])
        == "lower than the paper's, not told from FSVAE's, higher than ESVAE's"
    )
    assert claims._among([1.0]) == "lower than the paper's and FSVAE's and ESVAE's"
