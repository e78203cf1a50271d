"""The table of claims is made of kept answers and leads to the tables that it names."""

import re

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
