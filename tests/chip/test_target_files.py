"""What a chip's file must say, and what is refused."""

import ast
import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from neurocompile.chip.read import MAX_BYTES, chip_names, load_chip
from neurocompile.chip.record import KINDS, STEP_ALLOWS, Formats
from neurocompile.chip.usual import unusual
from neurocompile.energy.comparators import DEVICES, MACS, STORES
from neurocompile.errors import BadInput, Doubtful
from neurocompile.ir.chip_neurons import CHIP_NEURONS

TARGETS = Path(__file__).resolve().parents[2] / "targets"
PACKAGE = TARGETS.parent / "neurocompile"
LOIHI = (TARGETS / "loihi-sim" / "target.toml").read_text()

PRICE = next(line for line in LOIHI.splitlines() if line.startswith("synaptic_operation = "))


def folder_with(tmp_path, text):
    (tmp_path / "target.toml").write_text(text)
    return tmp_path


def test_every_folder_of_targets_is_a_chip_of_that_name():
    folders = sorted(path.parent.name for path in TARGETS.glob("*/target.toml"))
    assert list(chip_names()) == folders
    assert [load_chip(name).name for name in folders] == folders


@pytest.mark.parametrize("name", chip_names())
def test_every_number_names_unit_source_place_and_kind(name):
    chip = load_chip(name)
    numbers = list(chip.quantities())
    assert numbers
    for key, quantity in numbers:
        assert quantity.source in chip.sources, key
        assert quantity.where, key
        assert quantity.unit, key
        assert quantity.kind in KINDS, key


@pytest.mark.parametrize("name", chip_names())
def test_no_number_stands_in_a_file_outside_of_a_value(name):
    def bare(at, node):
        if isinstance(node, dict):
            return [b for k, v in node.items() if k != "value" for b in bare((*at, k), v)]
        names = isinstance(node, str) or all(isinstance(v, str) for v in node)
        return [] if names else [at]

    data = tomllib.loads((TARGETS / name / "target.toml").read_text())
    assert bare((), data) == []


@pytest.mark.parametrize(
    ("section", "key", "joules"),
    [
        # the tables of facts/energy.md, sections 1 and 2, in joules
        ("davies2018", "synaptic_operation", 23.6e-12),
        ("davies2018", "neuron_active", 81e-12),
        ("davies2018", "neuron_inactive", 52e-12),
        ("davies2018", "message_within_tile", 1.7e-12),
        ("davies2018", "hop_east_west", 3.0e-12),
        ("davies2018", "hop_north_south", 4.0e-12),
        ("boyle2025", "synaptic_operation_dense", 35.5e-12),
        ("boyle2025", "synaptic_operation_sparse", 33.6e-12),
        ("boyle2025", "synaptic_operation_conv", 24.0e-12),
        ("boyle2025", "neuron_access", 51.2e-12),
        ("boyle2025", "neuron_update", 21.6e-12),
        ("boyle2025", "spike_out", 69.3e-12),
        ("boyle2025", "message_out", 1.11e-10),
        ("boyle2025", "hop_north_south", 4.2e-12),
    ],
)
def test_loihi_1_has_the_published_prices(section, key, joules):
    assert load_chip("loihi-sim").energy[section][key].si == joules


def test_loihi_1_has_the_published_limits():
    limits = load_chip("loihi-sim").limits
    assert [
        limits.cores.value,
        limits.neurons_per_core.value,
        limits.input_axons_per_core.value,
        limits.output_axons_per_core.value,
        limits.synapse_memory_per_core.value,
        limits.threshold_configurations_per_core.value,
        limits.neuron_configurations_per_core.value,
        limits.synapse_configurations_per_core.value,
    ] == [128, 1024, 4096, 4096, 16384 * 64, 7, 31, 7]


def test_the_ideal_chip_has_the_formats_of_loihi_and_no_limits():
    ideal, loihi = load_chip("ideal"), load_chip("loihi-sim")
    assert set(vars(ideal.limits).values()) == {None}
    formats = {k: q.value for k, q in vars(loihi.formats).items()}
    assert {k: q.value for k, q in vars(ideal.formats).items()} == {
        **formats,
        "resets": ("zero", "subtract"),
        "graded_spikes": True,
        "neurons": tuple(kind.__name__ for kind in CHIP_NEURONS),
    }


def strings(node):
    """Every string in code that can decide something: no docstring, and no help for people."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    for child in ast.iter_child_nodes(node):
        documents = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
        if not documents and not (isinstance(child, ast.keyword) and child.arg == "help"):
            yield from strings(child)


def test_the_name_of_an_energy_model_decides_nothing_in_code():
    chips = [load_chip(name) for name in chip_names()]
    names = {model for chip in chips for section in (chip.energy, chip.latency, chip.barrier)
             for model in section}  # fmt: skip
    assert {"davies2018", "boyle2025", "loihi1-proxy"} <= names
    files = sorted(PACKAGE.rglob("*.py"))
    found = [
        f"{file.name}: {text}"
        for file in files
        for text in strings(ast.parse(file.read_text()))
        if any(name in text for name in names)
    ]
    assert len(files) > 200
    assert found == []


@pytest.mark.parametrize("given", [".", "target.toml"])
def test_a_folder_or_its_file_given_by_path_is_read_like_a_shipped_chip(given, tmp_path):
    chip = load_chip(folder_with(tmp_path, LOIHI.replace('"loihi-sim"', '"mine"')) / given)
    assert chip.name == "mine"
    assert chip.energy["davies2018"]["synaptic_operation"].si == 23.6e-12


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('value = 23.6, unit = "pJ"', 'value = -1, unit = "pJ"', ["-1", "from 0"]),
        (PRICE, "synaptic_operation = 23.6", ["line ", "23.6 without unit and source", "unit ="]),
        (PRICE, 'synaptic_operation = "23.6 pJ"', ["'23.6 pJ' without unit", "source ="]),
        ('value = 23.6, unit = "pJ"', 'value = 23.6, unit = ""', ["''", "non-empty"]),
        ("idle_after = { value", "idle_later = { value",
         ["power.idle_later", "unknown key", "idle_before, idle_after, leakage"]),
        ("[errors.boyle2025]", "[errors.boyle]", ["errors.boyle", "not a model", "boyle2025"]),
        ('value = 12, unit = "%"', 'value = 120, unit = "%"', ["energy.value: 120", "below 100"]),
        ('value = 5.9, unit = "uJ"', 'value = 5.9, unit = "mW"', ["reset.chip.unit: 'mW'", "uJ"]),
        ('{ value = 23.6, unit = "pJ"', '{ unit = "pJ"', ["synaptic_operation: is missing: value"]),
        ('value = 23.6, unit = "pJ"', 'value = nan, unit = "pJ"', ["nan", "from 0"]),
        ('value = 23.6, unit = "pJ"', 'value = true, unit = "pJ"', ["True", "from 0"]),
        ('value = 23.6, unit = "pJ"', f'value = 1{"0" * 400}, unit = "pJ"',
         ["synaptic_operation.value has a whole number of 1330 bits, allowed are up to 64"]),
        ('value = 23.6, unit = "pJ", source = "davies2018", ', 'value = 23.6, unit = "pJ", ',
         ["synaptic_operation", "is missing: source"]),
        ('value = 23.6, unit = "pJ", ', "value = 23.6, ", ["is missing: unit"]),
        ('value = 23.6, unit = "pJ"', 'value = 23.6, unit = "ns"', ["'ns'", "fJ, pJ, nJ"]),
        ('value = 23.6, unit = "pJ"', 'value = 23.6, unit = "cal"', ["'cal'", "fJ, pJ, nJ"]),
        ("synaptic_operation = { value = 23.6", "synaptic_op = { value = 23.6",
         ["synaptic_op", "unknown key", "synaptic_operation"]),
        ('[energy.davies2018]', '[energy.davies2018]\nneuron_access = { value = 1, unit = "pJ", '
         'source = "boyle2025", where = "x", kind = "assumed" }', ["priced twice"]),
        ('nominal = "boyle2025" ', 'nominal = "none" ', ["'none'", "davies2018, boyle2025"]),
        ("[power]", "[powers]", ["powers", "unknown key", "power"]),
        ('between = "below"', 'between = "above"', ["boyle2025.between", "'above'", "below, line"]),
        ('between = "below"', "", ["barrier.boyle2025", "is missing: between"]),
        ('29 = { value = 1.8', 'many = { value = 1.8', ["boyle2025.many", "not a number of tiles"]),
    ],
)  # fmt: skip
def test_a_bad_price_is_refused_with_what_was_found_and_what_is_allowed(tmp_path, old, new, words):
    assert LOIHI.count(old) >= 1
    with pytest.raises(BadInput) as error:
        load_chip(folder_with(tmp_path, LOIHI.replace(old, new, 1)))
    for word in [str(tmp_path / "target.toml"), *words]:
        assert word in str(error.value)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("value = 1024", "value = 0", ["limits.neurons_per_core.value", "0", "above 0"]),
        ("value = 1024", "value = 1024.5", ["1024.5", "whole number"]),
        ("value = 1024", "value = -1024", ["limits.neurons_per_core.value", "-1024", "above 0"]),
        ("value = 1024", f"value = 1{'0' * 40}", ["neurons_per_core", "up to 64"]),
        ("value = 1024", f"value = 1{'0' * 15}", ["neurons_per_core", "at most"]),
        ('value = 1024, unit = "neuron"', 'value = 1024, unit = "core2"', ["'core2'", "neuron"]),
        ('value = 1024, unit = "neuron"', "value = 1024", ["neurons_per_core", "is missing: unit"]),
        ("value = [1, 2, 3, 4, 5, 6, 8]", "value = [8, 1]", ["[8, 1]", "ascending"]),
        ("value = [1, 2, 3, 4, 5, 6, 8]", "value = []", ["weight_widths", "at least one"]),
        ('value = ["zero"]', "value = []", ["formats.resets.value", "zero, subtract"]),
        ('value = ["zero"]', 'value = ["half"]', ["formats.resets.value", "half"]),
        ("value = 24, unit", "value = 16, unit", ["state_bits.value: 16", "Allowed: 24"]),
        ("value = 17, unit", "value = 20, unit", ["threshold_bits.value: 20", "1 to 17"]),
        (
            'value = ["CubaLIF", "RefractoryLIF"]',
            'value = ["Izhi"]',
            ["formats.neurons.value", "CubaLIF, RefractoryLIF, AdaptiveLIF, ATRLIF"],
        ),
        ('value = ["zero"]', "value = 3", ["formats.resets.value", "list of names"]),
        ("value = false", "value = 0", ["true or false"]),
        ('kind = "simulated"', 'kind = "guessed"', ["'guessed'", "measured, simulated"]),
        ('source = "abr"', 'source = "abc"', ["'abc'", "davies2018"]),
        ('where = "block.py, MAX_COMPARTMENTS"', 'where = " "', ["non-empty"]),
    ],
)
def test_a_bad_limit_format_or_provenance_is_refused(tmp_path, old, new, words):
    assert LOIHI.count(old) >= 1
    with pytest.raises(BadInput) as error:
        load_chip(folder_with(tmp_path, LOIHI.replace(old, new, 1)))
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize(
    ("starts", "old", "new"),
    [
        ("synaptic_operation", "value = 23.6", "value = -23.6"),
        ("synaptic_operation", 'unit = "pJ"', 'unit = "cal"'),
        ("synaptic_operation", 'unit = "pJ", ', ""),
        ("synaptic_operation", 'source = "davies2018", ', ""),
        ("cores", "value = 128", "value = 0"),
        ("synapse_memory_per_core", "value = 1048576", "value = 0"),
        ("tiles_east_west", "value = 8", "value = 0"),
        ("idle_after", "value = 99.6", "value = -99.6"),
    ],
)
def test_whatever_is_wrong_the_message_names_the_line(tmp_path, starts, old, new):
    lines = LOIHI.splitlines()
    row = next(i for i, line in enumerate(lines) if line.startswith(f"{starts} = "))
    assert old in lines[row]
    lines[row] = lines[row].replace(old, new)
    with pytest.raises(BadInput, match=rf"target\.toml, line {row + 1}: \w+\.[\w.]*{starts}"):
        load_chip(folder_with(tmp_path, "\n".join(lines)))


def test_the_formats_that_a_file_may_state_are_those_of_the_integer_step():
    one = {"weight_bits": 8, "weight_min": -256, "weight_max": 254, "weight_step": 2}
    one |= {"align_bits": 6, "decay_bits": 12, "state_bits": 24}
    exponents = {"weight_exp_min": (-8, 7), "weight_exp_max": (-8, 7)}
    # of delays: the step that every synapse takes, and up to 62 of an axon
    exponents |= {"delay_max": (1, 63), "bias_exp_min": (0, 7), "bias_exp_max": (0, 7)}
    widths = {"threshold_bits": (1, 17), "bias_mant_bits": (2, 13)}
    assert {k: (n, n) for k, n in one.items()} | exponents | widths == STEP_ALLOWS


@pytest.mark.parametrize("name", STEP_ALLOWS)
def test_a_format_that_the_compiler_does_not_have_is_refused_and_never_compiled_for(name, tmp_path):
    line = next(x for x in LOIHI.splitlines() if x.startswith(f"{name} = "))
    for value in (STEP_ALLOWS[name][0] - 1, STEP_ALLOWS[name][1] + 1):
        other = re.sub(r"value = -?\d+", f"value = {value}", line)
        with pytest.raises(BadInput, match=rf"formats\.{name}\.value: {value}\. Allowed: "):
            load_chip(folder_with(tmp_path, LOIHI.replace(line, other)))


def test_no_number_of_the_formats_is_read_and_then_neither_obeyed_nor_refused():
    # spikes that carry integers are a chip's ability that this compiler leaves unused
    assert {field.name for field in fields(Formats)} == {
        *STEP_ALLOWS,
        "resets",
        "neurons",
        "graded_spikes",
    }
    wide = {name for name, (low, high) in STEP_ALLOWS.items() if low != high}
    obey = [path for folder in ("quantize", "place") for path in (PACKAGE / folder).glob("*.py")]
    source = "".join(path.read_text() for path in obey)
    assert all(f"formats.{name}.value" in source for name in [*wide, "resets", "neurons"])


def test_a_message_names_the_line(tmp_path):
    lines = LOIHI.splitlines()
    row = next(i for i, line in enumerate(lines) if line.startswith("hop_east_west"))
    lines[row] = lines[row].replace("3.0", "-3.0")
    with pytest.raises(BadInput, match=rf"line {row + 1}: energy\.davies2018\.hop_east_west"):
        load_chip(folder_with(tmp_path, "\n".join(lines)))


def test_memory_without_the_layout_of_lists_is_refused(tmp_path):
    start, stop = LOIHI.index("[memory]"), LOIHI.index("[mesh]")
    with pytest.raises(BadInput, match="synapse_memory_per_core"):
        load_chip(folder_with(tmp_path, LOIHI[:start] + LOIHI[stop:]))


@pytest.mark.parametrize(
    "text", ["", "chip = 3", "[chip", "a" * (MAX_BYTES + 1), "x = 1" + "0" * 5000]
)
def test_a_file_that_is_no_chip_is_refused(tmp_path, text):
    with pytest.raises(BadInput, match=r"target\.toml"):
        load_chip(folder_with(tmp_path, text))


def test_a_file_that_is_not_text_is_refused(tmp_path):
    (tmp_path / "target.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInput, match="not valid TOML"):
        load_chip(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[chip]", "[chip]\ntitle" + ".a" * 3000 + " = 1\n[x]", "line 9 has 64 dots in a row"),
        ("[chip]", "[chip]\nx = " + "[" * 20 + "]" * 20, "nested more than 16 deep"),
        ("[chip]", "[chip]\nx = " + "[" * 9000, "nested too deep"),
        (
            "[barrier.davies2018]",
            "[barrier.davies2018]\n" + "9" * 5000 + " = 1",
            "of at most 9 digits",
        ),
    ],
    ids=["key", "lists", "open", "digits"],
)
def test_what_is_too_deep_or_too_long_is_one_short_sentence(tmp_path, old, new, said):
    assert old in LOIHI
    with pytest.raises(BadInput, match=said) as refusal:
        load_chip(folder_with(tmp_path, LOIHI.replace(old, new, 1)))
    assert len(str(refusal.value)) < 700


def test_many_unusual_prices_are_counted_after_the_first_twenty(tmp_path):
    price = '{ value = 5.0, unit = "J", source = "davies2018", where = "x", kind = "measured" }'
    models = "".join(f"[energy.m{n}]\nspike_out = {price}\n" for n in range(50))
    with pytest.warns(Doubtful) as warned:
        load_chip(folder_with(tmp_path, LOIHI + models))
    assert [str(one.message).split(": ", 1)[1] for one in warned][19:] == [
        "energy.m19.spike_out: 5.0 J is unusual. For an event, 10 fJ to 1 uJ is usual. It is used "
        "as it is; if it is a slip, correct the number or its unit.",
        "30 more numbers are unusual.",
    ]


def test_an_unknown_chip_is_refused_with_the_names_there_are(tmp_path):
    with pytest.raises(BadInput, match="ideal, loihi-sim"):
        load_chip("loihi3")
    for nothing in (tmp_path, tmp_path / "target.toml", tmp_path / "mine.toml"):
        with pytest.raises(BadInput, match="no target"):
            load_chip(nothing)


def test_a_power_section_without_a_chip_that_has_run_is_refused(tmp_path):
    lines = [row for row in LOIHI.splitlines() if not row.startswith(("idle_after", "leakage"))]
    with pytest.raises(BadInput, match="power: no power of a chip that has run a network"):
        load_chip(folder_with(tmp_path, "\n".join(lines)))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('value = 23.6, unit = "pJ"', 'value = 5, unit = "J"',
         ["energy.davies2018.synaptic_operation: 5 J is unusual", "10 fJ to 1 uJ is usual"]),
        ('idle_after = { value = 99.6, unit = "mW"', 'idle_after = { value = 99.6, unit = "W"',
         ["power.idle_after: 99.6 W is unusual", "0.1 mW to 10 W"]),
        ('value = 3.5, unit = "ns"', 'value = 3.5, unit = "ms"',
         ["latency.davies2018.synaptic_operation: 3.5 ms", "10 ps to 10 us"]),
        ('value = 113, unit = "ns"', 'value = 113, unit = "ms"', ["barrier.davies2018.1: 113 ms"]),
        ('value = 5.9, unit = "uJ"', 'value = 5.9, unit = "J"', ["reset.chip: 5.9 J is unusual"]),
    ],
)  # fmt: skip
def test_a_number_far_from_the_usual_is_used_with_a_warning_that_names_its_line(
    tmp_path, old, new, words
):
    text = LOIHI.replace(old, new, 1)
    line = next(i for i, row in enumerate(text.splitlines(), 1) if new in row)
    with pytest.warns(Doubtful) as warned:
        load_chip(folder_with(tmp_path, text))
    (message,) = (str(one.message) for one in warned)
    for word in [f"target.toml, line {line}: ", *words]:
        assert word in message


@pytest.mark.parametrize("name", chip_names())
def test_nothing_that_ships_is_far_from_the_usual(name):
    assert [key for key, number in load_chip(name).quantities() if unusual(key, number)] == []
    others = [*(s.bit for s in STORES), *MACS.values(), *(d.synop for d in DEVICES.values())]
    assert not any(unusual("energy.beside", price) for price in others)


def test_what_is_fitted_to_measurements_is_derived_and_not_measured():
    chip, model = load_chip("loihi-sim"), "boyle2025"
    numbers = [*chip.energy[model].items(), *chip.latency[model].items()]
    kinds = {key: (q.source, q.kind) for key, q in numbers if key != "hop_north_south"}
    assert kinds.pop("hop_east_west") == ("davies2018", "simulated")
    assert set(kinds.values()) == {(model, "derived")}
    hop = {s: getattr(chip, s)[model]["hop_north_south"] for s in ("energy", "latency")}
    assert (hop["energy"].source, hop["energy"].kind) == (model, "assumed")
    assert (hop["latency"].source, hop["latency"].kind) == ("davies2018", "simulated")
    assert {time.kind for time in chip.barrier[model].times.values()} == {"derived"}


def test_the_times_that_were_changed_after_the_paper_say_when_and_what_they_were():
    times = load_chip("loihi-sim")
    for key, before in (("message_in", "20 ns"), ("synaptic_operation_dense", "4.0 ns")):
        where = times.latency["boyle2025"][key].where
        assert "2025-06-03" in where
        assert "c1a091e" in where
        assert before in where
    for entry in times.barrier["boyle2025"].times.values():
        assert "2025-06-04" in entry.where
        assert "housekeeping" in entry.where


@pytest.mark.parametrize("layout", ["'pages'", "['words']", "2"])
def test_a_layout_of_memory_that_no_rule_knows_is_refused(tmp_path, layout):
    text = LOIHI.replace("[memory]", f"[memory]\nlayout = {layout}", 1)
    words = rf"memory\.layout: {re.escape(layout)}\. Allowed: lists, words\."
    with pytest.raises(BadInput, match=words):
        load_chip(folder_with(tmp_path, text))


def test_each_layout_of_memory_has_keys_of_its_own(tmp_path):
    text = LOIHI.replace("[memory]", '[memory]\nlayout = "words"', 1)
    with pytest.raises(
        BadInput, match=r"memory: is missing: header_bits\. Allowed: word_bits, header_bits"
    ):
        load_chip(folder_with(tmp_path, text))
    assert load_chip(folder_with(tmp_path, LOIHI)).memory.entry_synapses.value == 64


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ('["message_out", "hop"]', r"'hop' is not charged"),
        ('["message_out", "neuron_active"]', r"neuron_active has one of its own"),
    ],
)
def test_what_a_model_folds_into_its_prices_is_an_event_without_a_price(tmp_path, events, words):
    stated = '["message_in", "message_out", "spike_out"]'
    assert stated in LOIHI
    with pytest.raises(BadInput, match=rf"folded\.davies2018\.events: {words}"):
        load_chip(folder_with(tmp_path, LOIHI.replace(stated, events)))


@pytest.mark.parametrize(
    ("line", "old", "new", "words"),
    [
        ("weight_bits = ", "value = 8", "value = 9",
         r"weight_bits\.value: 9\. Allowed: 8; the compiler computes .* with no other value"),
        ("neurons = ", '["CubaLIF", "RefractoryLIF"]', "[]",
         r"neurons\.value: an empty list\. Allowed: CubaLIF"),
        ("spike_out = ", "69.3", '"69.3"', r"'69\.3'. Allowed: a number \(without quotes\).* pJ"),
        ("state_bits = ", "", None, r"formats: is missing: state_bits\. Allowed: "),
    ],
)  # fmt: skip
def test_a_refusal_says_what_was_found_and_in_which_unit(tmp_path, line, old, new, words):
    whole = next(x for x in LOIHI.splitlines() if x.startswith(line))
    text = LOIHI.replace(whole, "" if new is None else whole.replace(old, new))
    with pytest.raises(BadInput, match=words):
        load_chip(folder_with(tmp_path, text))
