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
