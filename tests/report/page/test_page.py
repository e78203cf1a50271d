"""report.html, as far as no browser is needed: what it holds, what it never does."""

import base64
import copy
import hashlib
import html.parser
import json
import re
import subprocess
import sys
import time
from importlib.resources import files

import pytest

from neurocompile.report.page.page import report_page
from neurocompile.report.samples_file import read_samples

SCHEMA = json.loads(files("neurocompile.report").joinpath("schema.json").read_text())
HOSTILE = "<script>document.title='run'"


class Parsed(html.parser.HTMLParser):
    """The elements of a page with their attributes, and the text of each script."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.scripts, self.text, self.inside = [], [], [], None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self.inside = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, data):
        if self.inside == "script":
            self.scripts[-1] += data
        elif self.inside != "style":
            self.text.append(data)

    def of(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def page(directory):
    return Parsed((directory / "report.html").read_text())


def headings(parsed):
    return {a["id"] for a in parsed.of("section") if "id" in a}


def test_the_headline_says_what_a_reader_asks_first(pictures):
    text = " ".join(page(pictures).text)
    report = json.loads((pictures / "report.json").read_text())
    assert "on loihi-sim" in text
    assert "yes: fixed = onnx" in text
    nominal = report["energy"]["per_sample_j"]["nominal_j"]
    assert f"{1e6 * nominal:.4g} µJ" in text or f"{1e9 * nominal:.4g} nJ" in text
    assert f"{100 * (report['reconstruction']['ratio'] - 1):+.2f} % error" in text
    assert "± 12 % stated" in text
    for asked in ("Fits the chip?", "What costs most", "Where float and fixed part"):
        assert asked in text


def test_each_part_is_there_and_each_chart_has_words_and_numbers(pictures, classifier):
    for directory in (pictures, classifier):
        parsed = page(directory)
        assert headings(parsed) == {
            "results", "parting", "spikes", "rates", "energy", "trust", "cores", "time",
            "network", "layers", "provenance",
        }  # fmt: skip
        charts = [a for a in parsed.of("div") if a.get("class", "").startswith("chart ")]
        drawn = json.loads(parsed.scripts[0])
        assert [a["id"] for a in charts] == [*drawn]
        assert all(len(a["aria-label"]) > 20 for a in charts)
    kinds = {chart["kind"] for chart in drawn.values()}
    assert kinds >= {"confusion", "heat", "raster", "rates", "totals", "stacked", "cores", "lines",
                     "graph"}  # fmt: skip


def test_nothing_is_loaded_and_only_our_scripts_may_run(pictures):
    text = (pictures / "report.html").read_text()
    parsed = Parsed(text)
    assert not [a for a in parsed.of("script") if "src" in a]
    assert [a["href"] for a in parsed.of("link")] == ["data:,"]
    assert not parsed.of("img")
    assert not parsed.of("iframe")
    (policy,) = [a["content"] for a in parsed.of("meta") if "http-equiv" in a]
    assert "default-src 'none'" in policy
    allowed = set(re.findall(r"'sha256-([^']+)'", policy))
    ran = [s for s, a in zip(parsed.scripts, parsed.of("script"), strict=True) if "type" not in a]
    hashes = {base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in ran}
    assert hashes == allowed
    assert not re.search(r"\son\w+=", re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL))


def test_names_that_are_scripts_stay_text_everywhere(hostile):
    text = (hostile / "report.html").read_text()
    parsed = Parsed(text)
    assert HOSTILE not in text
    assert "<img" not in text
    assert len(parsed.of("script")) == 4  # the data, ECharts, the charts, the page
    drawn = json.loads(parsed.scripts[0])  # `<` in it is  < , and comes back
    assert any(HOSTILE in layer["name"] for layer in drawn["spikes-0"]["data"]["layers"])
    assert HOSTILE in "".join(parsed.text)


def test_a_report_in_which_every_text_ends_a_script_has_no_more_elements_than_before(classifier):
    evil = "</script></title></style>" + HOSTILE + "</script><b onclick=x>\u2028&amp;"
    report = json.loads((classifier / "report.json").read_text())
    samples = read_samples(classifier / "samples.npz")
    before = Parsed(report_page(report, samples))
    kept = {"schema_version", "quantity", "resource", "kind", "cause", "format", "fewest_of"}

    def spoiled(value, key=""):
        if isinstance(value, dict):
            return {k: spoiled(v, k) for k, v in value.items()}
        if isinstance(value, list):
            return [spoiled(v, key) for v in value]
        return value + evil if isinstance(value, str) and key not in kept else value

    samples.about["layers"][0]["name"] += evil
    text = report_page(spoiled(report), samples)
    assert evil not in text
    after = Parsed(text)
    assert len(after.scripts) == len(before.scripts)
    assert {tag for tag, _ in after.elements} <= {tag for tag, _ in before.elements}
    json.loads(after.scripts[0])


def test_marks_that_turn_the_direction_of_text_do_not_reach_the_page(pictures):
    text = (pictures / "report.json").read_text()
    layer = json.loads(text)["layers"][0]["name"]
    report = json.loads(text.replace(json.dumps(layer), json.dumps(f"a\u202e\u2067{layer}")))
    made = report_page(report, None)
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", made)
    assert f"a\ufffd\ufffd{layer}" in made


def test_the_figures_on_the_page_are_those_of_the_report(pictures):
    report = json.loads((pictures / "report.json").read_text())
    drawn = json.loads(page(pictures).scripts[0])
    stacked = next(c["data"] for c in drawn.values() if c["kind"] == "stacked")
    totals = {m["name"]: m["total_j"] / 6 for m in report["energy"]["models"]}
    for model in stacked["models"]:
        bars = sum(sum(term["values"]) for term in model["terms"])
        assert bars == pytest.approx(totals[model["name"]], rel=1e-9)
    raster = drawn["spikes-0"]["data"]
    spikes = {row["name"]: row["spikes"] for row in report["layers"]}
    for layer in raster["layers"]:
        assert sum(map(sum, layer["fixed_counts"])) == spikes[layer["name"]]
    cores = next(c["data"] for c in drawn.values() if c["kind"] == "cores")
    assert len(cores["places"]) == report["fit"]["cores_used"]


def test_the_flipped_samples_are_those_on_which_float_and_fixed_disagree(classifier):
    found = read_samples(classifier / "samples.npz")
    right = json.loads((classifier / "report.json").read_text())["classification"]
    fixed, ideal = (found.arrays[k].argmax(axis=1) for k in ("fixed_result", "float_result"))
    kept = [row for row in right["flipped"] if row["sample"] < found.about["samples"]]
    assert kept == [
        {"sample": k, "label": int(found.arrays["labels"][k]), "float": int(ideal[k]),
         "fixed": int(fixed[k])}
        for k in range(found.about["samples"])
        if fixed[k] != ideal[k]
    ]  # fmt: skip
    assert right["flipped"]
    for network in ("float", "fixed"):
        counts = right[f"confusion_{network}"]
        assert sum(map(sum, counts)) == 30
        hits = sum(counts[k][k] for k in range(len(counts)))
        assert hits == round(30 * right[f"accuracy_{network}"])


def test_without_a_run_the_page_says_so_and_shows_network_and_cores(not_run):
    parsed = page(not_run)
    assert headings(parsed) == {"cores", "network", "provenance"}
    assert "Nothing was run" in " ".join(parsed.text)
    assert not (not_run / "samples.npz").exists()


def test_without_recordings_the_rest_is_shown_and_their_absence_is_said(pictures):
    report = json.loads((pictures / "report.json").read_text())
    parsed = Parsed(report_page(report, None))
    assert headings(parsed) >= {"spikes", "energy", "cores"}
    assert "No samples were recorded" in " ".join(parsed.text)


def oldest(value, schema, drop=True):
    """A value without any field that its schema does not require, as the first release wrote it."""
    for one in schema.get("anyOf", [schema]):
        if value is None or not isinstance(value, dict | list):
            return value
        if isinstance(value, list) and "items" in one:
            return [oldest(v, one["items"], drop) for v in value]
        if isinstance(value, dict) and "properties" in one:
            kept = one["properties"].keys() if not drop else set(one.get("required", value))
            return {
                k: oldest(v, one["properties"].get(k, {}), drop)
                for k, v in value.items()
                if k in kept or k not in one["properties"]
            }
    return value


def test_a_report_with_only_the_fields_of_the_first_schema_is_shown(pictures, classifier):
    for directory in (pictures, classifier):
        report = json.loads((directory / "report.json").read_text())
        old = {**oldest(report, SCHEMA), "schema_version": "1.0"}
        assert "graph" not in old
        assert "sources" not in old
        parsed = Parsed(report_page(old, None))
        assert headings(parsed) >= {"energy", "cores", "provenance"}


def test_a_report_of_a_newer_minor_schema_is_shown(pictures):
    report = json.loads((pictures / "report.json").read_text())
    newer = copy.deepcopy(report)
    newer.update(schema_version="1.99", more=1)
    for row in newer["layers"]:
        row["mood"] = "calm"
    samples = read_samples(pictures / "samples.npz")
    assert headings(Parsed(report_page(newer, samples))) == headings(page(pictures))


def test_the_page_is_made_in_less_than_a_second_and_needs_neither_torch_nor_lava(pictures):
    program = (
        "import json, sys; from pathlib import Path; "
        "from neurocompile.report.page.page import report_page; "
        "from neurocompile.report.page_input import read_reported; "
        "found = read_reported(Path(sys.argv[1])); report_page(found.report, found.samples); "
        "print([m for m in ('torch', 'lava', 'norse', 'numba', 'onnx') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, pictures], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "[]", done.stderr
    report = json.loads((pictures / "report.json").read_text())
    samples = read_samples(pictures / "samples.npz")
    begun = time.perf_counter()
    report_page(report, samples)
    assert time.perf_counter() - begun < 1


def no_total(report):
    none = {"low_j": None, "nominal_j": None, "high_j": None}
    report["energy"].update(nominal_j=None, per_sample_j=none)
    for model in report["energy"]["models"]:
        model["total_j"] = None
        for term in model["terms"]:
            term.update(price_j=None, energy_j=None)


def no_models(report):
    no_total(report)
    report["energy"]["models"] = []


def all_of_it_free(report):
    for model in report["energy"]["models"]:
        for term in model["terms"]:
            term["energy_j"] = 0.0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (no_total, "no total"),
        (no_models, "The target has no prices, so there are no joules."),
        (all_of_it_free, "What it costs"),
        (lambda report: report["energy"].update(static=None), "What it costs"),
        (lambda report: report.update(latency=None), "On the chip"),
        (lambda report: report.update(comparison=None), "boyle2025 (nominal)"),
        (lambda report: report["fit"].update(cores=[], cores_used=0), "0 cores"),
        (lambda report: report["fit"].update(fits=False), "It does not fit."),
        (lambda report: report["fit"].update(mesh=None, tiles=None), "they are in order"),
        (lambda report: [r.update(limit=None) for r in report["fit"]["limits"]], "none"),
        (lambda report: [c.update(synapse_memory=None) for c in report["fit"]["cores"]], "cores"),
        (lambda report: report["exactness"].update(mismatches=3), "no: fixed ≠ onnx"),
        (lambda report: report.pop("graph"), "The network"),
        (lambda report: report.update(layers=[], synapses=[]), "The network"),
    ],
)
def test_a_report_that_lacks_something_is_shown_without_it(pictures, change, said):
    report = json.loads((pictures / "report.json").read_text())
    change(report)
    text = " ".join(Parsed(report_page(report, read_samples(pictures / "samples.npz"))).text)
    assert said in text


def test_a_target_without_prices_of_its_own_shows_what_a_proxy_says_as_a_rough_figure(pictures):
    from neurocompile.report.page.blocks import energy

    report = json.loads((pictures / "report.json").read_text())
    total = report["energy"]["models"][0]["total_j"] / report["energy"]["samples"]
    none = {"low_j": None, "nominal_j": None, "high_j": None}
    report["energy"].update(nominal_j=None, per_sample_j=none)
    report["energy"]["models"] = report["energy"]["models"][:1]
    name = report["energy"]["models"][0]["name"]
    text = " ".join(Parsed(report_page(report, None)).text)
    assert f"An order of magnitude, by {name}; no total." in text
    assert f"about {energy(float(f'{total:.1e}'))}" in text
    assert f"By {name}." in text  # what costs most
    assert "The whiskers are" not in text
    assert "No error of the prices is stated." in text


def test_tables_with_many_rows_say_what_is_left_out():
    from neurocompile.report.page.blocks import Section, Table
    from neurocompile.report.page.page import Page, page_html

    rows = [(f"n{k}", str(k)) for k in range(1000)]
    section = Section("many", "Many", [Table(("name", "number"), rows, "All.")])
    text = page_html(Page("A page", "", [], [section]))
    assert "600 more rows are left out; report.json has them." in text
    assert "n399" in text
    assert "n400" not in text
    assert "<script>" not in text  # no chart, so no script at all


@pytest.mark.parametrize(
    ("part", "words"),
    [(0, "0 %"), (1, "100 %"), (0.5, "50 %"), (0.12345, "12.35 %"), (None, "-"),
     (0.999999, "over 99.99 %"), (0.0000001, "under 0.01 %")],
)  # fmt: skip
def test_a_part_is_never_rounded_to_all_or_nothing(part, words):
    from neurocompile.report.page.blocks import percent

    assert percent(part) == words
