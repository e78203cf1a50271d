"""A report for people: names as they are, numbers whole."""

import io
import json
import re
from html import escape

import pytest
from rich.console import Console

from neurocompile.report.show import parts, to_html, to_text

HOSTILE = ("[red]a", "[/]", "<script>alert(1)</script>", 'a" onclick="b')


def report(*names):
    """A report with these layers, each with a million spikes per sample."""
    counts = {"neurons": 1_000_000, "spikes": 3_000_000, "rate": 0.1, "synops": 3_000_000_000}
    rows = [
        {"name": name, "kind": "neurons", "updated": 6_000_000, "idle": None, **counts}
        for name in names
    ]
    cores = {"resource": "cores", "limit": 128}
    fit = {"fits": True, "cores_used": 2, "chips": 1, "chips_limit": 1, "least_cores": {}}
    prices = {"low_j": None, "nominal_j": None, "high_j": None}
    energy = {"name": "modelled", "model_version": "1.0", "samples": 3, "models": [], **prices}
    return {
        "reconstruction": None,
        "classification": None,
        "exactness": None,
        "layers": rows,
        "synapses": [],
        "energy": {**energy, "per_sample_j": prices, "static": None},
        "latency": None,
        "fit": {**fit, "fewest_of": "both", "limits": [cores]},
        "quantization": None,
        "network_net": f"layer '{names[0]}': it is too large.",
        "network_net_written": False,
        "not_stock": [],
        "provenance": {"calibration": "the weights", "assumed": [names[0]]},
    }


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_shown_as_it_is_and_never_read_as_markup(name):
    text = "".join(to_text(report(name)).split())
    assert text.count("".join(name.split())) == 3  # the table, network.net, what was assumed
    html = to_html(report(name))
    assert html.count(escape(name)) == 3
    tags = re.findall(r"<[^>]*>", html)
    assert not [tag for tag in tags if "script" in tag or "onclick" in tag]


def test_neither_a_long_name_nor_a_number_is_cut_in_a_narrow_terminal():
    name = "encoder.block1.residual.conv1.lif"
    for width in (40, 80):
        out = io.StringIO()
        Console(file=out, width=width).print(*parts(report(name)))
        text = out.getvalue()
        assert max(map(len, text.splitlines())) <= width
        assert "…" not in text
        for whole in ("1,000,000", "0.1000", "1,000,000,000", "2,000,000", name):
            assert whole in text


def test_a_file_that_was_written_is_said_by_its_field_not_by_its_words():
    written = report("a") | {"network_net": "layer on layer", "network_net_written": True}
    assert "not written" in to_text(report("a"))
    assert "not written" not in to_text(written)


def test_the_same_values_are_shown_after_json():
    values = report("a", "b")
    assert to_text(json.loads(json.dumps(values))) == to_text(values)


def priced(nominal, low=None, high=None, ann=None):
    """A report of three samples with a nominal model and another, in joules per sample."""
    of = report("a")
    per_sample = {"low_j": low, "nominal_j": nominal, "high_j": high}
    models = [
        {"name": name, "total_j": 3 * joules, "terms": []}
        for name, joules in (("mine", nominal), ("other", 2e-6))
    ]
    totals = {key: None if joules is None else 3 * joules for key, joules in per_sample.items()}
    of["energy"] |= {"models": models, "per_sample_j": per_sample, **totals}
    return of | {"comparison": {"ann": ann}}


def said(values):
    return " ".join(to_text(values).split())


def test_a_total_stands_with_the_error_of_its_authors_and_other_models_by_their_names():
    text = said(priced(4e-6, 3e-6, 5e-6))
    assert "4 uJ by mine; 3 uJ to 5 uJ with the error that its authors state" in text
    assert "2 uJ by other, another complete model" in text
    assert "4 uJ by mine, whose error is not known" in said(priced(4e-6))


ANN = {
    "per_sample_j": 2e-6, "arithmetic_j": 5e-7, "memory_j": 1.5e-6,
    "terms": [{"quantity": "multiply_accumulate", "count": 1234}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("nominal", "words"),
    [
        (8e-6, "With spikes it is 4 times as much: "),
        (5e-7, "With spikes it is 1/4 as much: "),
    ],
)
def test_what_the_layers_take_without_spikes_stands_beside_whoever_wins(nominal, words):
    text = said(priced(nominal, ann=ANN))
    assert "2 uJ per sample in one pass: 500 nJ of arithmetic, 1.5 uJ of memory (45 nm)." in text
    assert words in text
    # 6 million updates of 3 samples, and the terms of the network without spikes
    assert "2,000,000 neuron steps" in text
    assert "1,234 multiply-accumulates" in text


def test_a_report_of_an_earlier_version_shows_no_memory_that_it_does_not_have():
    earlier = {key: ANN[key] for key in ("per_sample_j", "terms")}
    assert "without spikes" not in said(priced(8e-6, ann=earlier))


def test_static_power_of_a_chip_that_has_not_run_is_named_and_not_taken():
    of = priced(4e-6)
    time = {"mode": "real time", "model": None, "time_s": 3.0, "low_j": 6.0, "high_j": 9.0}
    powers = [{"name": n, "chip_w": w} for n, w in (("idle_before", 1), ("rest", 2), ("leak", 3))]
    of["energy"]["static"] = {
        "times": [time], "powers": powers, "low_is": "rest", "high_is": "leak",
    }  # fmt: skip
    of["latency"] = {"per_sample": [{"mode": "real time", "model": None, "time_s": 1.0}]}
    text = said(of)
    assert "2 J to 3 J in 1 s (real time)" in text
    assert "per chip rest 2 W to leak 3 W; not taken: idle_before 1 W" in text
    for later in ("powers", "low_is", "high_is"):
        del of["energy"]["static"][later]
    assert "not taken" not in said(of)
