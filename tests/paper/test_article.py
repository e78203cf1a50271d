"""The paper is short, and what it says in words holds of the kept answers as its numbers do."""

import re
from pathlib import Path

import numpy as np
import pytest

from paper import (
    affinity,
    article,
    draws,
    latent,
    make,
    robustness,
    series,
    sparsity,
    table,
    training,
    twin,
)
from paper.article import cell, of_latent
from paper.intervals import lowest, ratio, signs
from paper.settings import SETTINGS, UNREGULARIZED

WORDS = Path(article.__file__).with_suffix(".md").read_text()
MOST_WORDS = 4_000
MULTIPLICATIONS = 938_064  # of one pass of the same layers without spikes, docs/energy.md
# What is no result: names, definitions and the published protocol.
CONSTANTS = {
    "2109.11045", "1 / threshold", "T / 5", "12,800", "60,000", "10,000", "1,000", "100", "95 %",
    "20", "15,000", "5,000", "F1", "10 % more", "2 bits", "int8", "45 nm", "分の 1", "1 枚",
}  # fmt: skip


def all_rows():
    """Setting and row of every spiking row of the table."""
    return [(name, row) for name in SETTINGS for row in SETTINGS[name].rows]


def bursting(setting, row):
    return [of_latent(one)[1] for one in table.answers(setting, row)]


def dense_in_the_first_layer():
    found = table.answers("longer", "SAE, dense")
    layers = [
        {n: one["bursting"] for n, one in f["layers"].items() if n != "pixels"} for f in found
    ]
    return all(of["lif1"] > sum(of.values()) / 2 for of in layers)


def ends_of(name, place=-1):
    """By row, the errors of its seeds at a level; 0 is without the fault."""
    return {row: [robustness.curve_of(one, name)[place] for one in each]
            for row, each in robustness.kept().items()}  # fmt: skip


def told_apart(milder, worse):
    """Whether a fault of a level costs the spiking network less than another one."""
    ours = draws.kept()[twin.SPIKING]
    errors = {each: draws.drawn_errors(ours, *each) for each in (milder, worse)}
    return lowest(errors) == [milder]


def healthy(row):
    found = table.answers("chip", row)
    return max(training.hidden(one)[0] for one in found) < 0.005 and not any(
        training.hidden(one)[1] for one in found
    )


def share_of_the_hidden(architecture, penalties, rules, place):
    found = cell(architecture, penalties, rules)
    return np.mean([training.hidden(one)[place] for one in found])


SAID = {
    "**The scale of the output makes networks burst.**": lambda: np.mean(
        [of_latent(one)[1] for one in cell("strided", "none", "as ours, divisor 20")]
    ) > 0.5 > 0.1 > np.mean([of_latent(one)[1] for one in cell("strided", "none", "as ours")]),
    "so strong inhibition excites": lambda: np.mean(
        [of_latent(one)[1] for one in cell("strided", "none", "flip")]
    ) > 0.3,
    "keeps neurons alive": lambda: share_of_the_hidden("strided", "none", "flip", 0)
    < share_of_the_hidden("strided", "none", "as ours", 0),
    "**The layers make it die.**": lambda: np.mean(
        [of_latent(one)[0] for one in cell("paper", "none", "as ours")]
    ) > 1 / 3,
    "Where nothing bursts they only cost error": lambda: np.mean(
        [one["error"] for one in cell("strided", "dense", "as ours")]
    ) > np.mean([one["error"] for one in cell("strided", "none", "as ours")]),
    "every seed bursts": lambda: min(
        bursting("chip", UNREGULARIZED) + bursting("longer", UNREGULARIZED)
    ) > 0.5,
    "about as much as the mean digit": lambda: all(
        abs(error / table.mean_image() - 1) < 0.1
        for name in ("chip", "longer")
        for error in table.errors(name, UNREGULARIZED)
    ),
    "most of them in the first layer": dense_in_the_first_layer,
    "the latent layer is healthy even without penalties": lambda: not any(
        sum(of_latent(one)) for one in table.answers("chip", article.SURROGATE)
    ),
    "it alone keeps the whole network": lambda: [r for r in SETTINGS["chip"].rows if healthy(r)]
    == [article.BAND_ROW],
    "**No spiking row reaches the autoencoder**": lambda: all(
        ratio(table.errors(name, row), table.errors(name, "AE"))[1] > 1 for name, row in all_rows()
    ),
    "penalized networks still fall": lambda: all(
        np.mean([one["curve"][-3]["error"] - one["curve"][-1]["error"]
                 for one in cell("strided", penalties, "all four")]) > 1
        for penalties in ("dense", "rate band")
    ),
    "stands still": lambda: abs(np.mean(
        [one["curve"][-3]["error"] - one["curve"][-1]["error"]
         for one in cell("strided", "none", "all four")]
    )) < 1,
    "Hardly a neuron after the first layer spikes in the first step": lambda: not any(
        layer["by_step"][0] > 0.001
        for name, layer in sparsity.kept("MNIST")["layers"].items() if name != "lif1"
    ),
    "less sparse than that sounds": lambda: min(
        layer["active"] for layer in sparsity.kept("MNIST")["layers"].values()
    ) > 0.5,
    "none of these codes adds much": lambda: max(
        np.mean([one["neighbours_1"] for one in each]) for each in latent.kept("chip").values()
    ) < latent.of_pixels()["neighbours_1"] + 0.03,
    "outnumber the multiplications": lambda: min(
        one["synops"] for one in article.fixed("MNIST", 8)
    ) > MULTIPLICATIONS,
    "with the weaker ones the surrogate rows err least": lambda: all(
        row.startswith("surrogate")
        for name in robustness.LEVELS for place in (0, 1) if name != "cores"
        for row in lowest(ends_of(name, place))
    ),
    "flipped bit they still do": lambda: all(
        row.startswith("surrogate") for row in lowest(ends_of("flips"))
    ),
    "cost more": lambda: told_apart(("threshold-flips", 2), ("threshold-drift", 3)),
    "and one silent core most": lambda: told_apart(("threshold-drift", 3), (draws.CORES, 1)),
    "cannot be told from the plain autoencoder": lambda: not any(
        signs([series.gaps(each, "auc", "plain")[0] for each in series.kept().values()])
    ),
    "Only on the ECG does the network add to it": lambda: dict(zip(
        series.kept(),
        signs([series.gaps(each, "auc", "raw")[0] for each in series.kept().values()]),
        strict=True,
    )) == {"gait": 0, "ecg": 1, "pressure": 0},
    "as a code these spikes lose": lambda: article._sent()["send_pca"]
    < article._sent()["send_error"],
    "above the best of the leaderboard": lambda: article._sensors()["pump_f1"]
    > article._sensors()["pump_best"],
    "**Penalties do what the paper says where networks burst.**": lambda: np.mean(
        [of_latent(one)[1] for one in cell("strided", "dense", "all four")]
    ) < np.mean([of_latent(one)[1] for one in cell("strided", "none", "all four")]) / 2,
    "those with a surrogate need": lambda: len({
        affinity.narrowest(each) for row, each in affinity.kept().items()
        if row.startswith("surrogate")
    }) == 1,
}  # fmt: skip


@pytest.mark.parametrize("sentence", SAID)
def test_what_the_paper_says_in_words_holds_of_the_answers(sentence):
    assert sentence.lower() in " ".join(make.PAGE.read_text().split()).lower()
    assert SAID[sentence]()


def test_the_paper_has_at_most_four_thousand_words_beside_its_tables():
    prose = [line for line in make.PAGE.read_text().splitlines() if not line.startswith("|")]
    assert len(" ".join(prose).split()) <= MOST_WORDS


def test_no_result_is_typed_into_the_words():
    bare = re.sub(r"\{[^}]*\}|\]\([^)]*\)|`[^`]*`", "", WORDS)
    for constant in sorted(CONSTANTS, key=len, reverse=True):
        bare = bare.replace(constant, "")
    assert re.findall(r"[^\n]*\d[^\n]*", bare) == []


def test_every_section_is_in_the_contents_and_links_lead_to_headings():
    page, tables = make.PAGE.read_text(), make.TABLES.read_text()

    def anchors(text):
        headings = re.findall(r"^#{2,3} (.+)$", text, re.MULTILINE)
        return {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}

    assert set(re.findall(r"\(#([^)]+)\)", page)) == anchors(page) - {
        "claims", "abstract", "要旨-abstract-in-japanese", "contents",
    }  # fmt: skip
    assert set(re.findall(r"results-tables\.md#([^)]+)\)", page)) <= anchors(tables)
