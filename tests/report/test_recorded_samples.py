"""samples.npz: the first samples of a run, recorded completely."""

import hashlib
import io
import json
import zipfile

import numpy as np
import pytest

from neurocompile.data.inputs import encode
from neurocompile.data.sampling import Declared, Sampling
from neurocompile.data.stimulus import load_stimulus
from neurocompile.engines import onnx
from neurocompile.errors import BadInput
from neurocompile.formats.load_onnx import load_onnx
from neurocompile.report import samples as recorder
from neurocompile.report.samples_file import Samples, read_samples, samples_bytes


def by_name(found):
    return {row["name"]: row for row in found.about["layers"]}


def witness(directory, count):
    """The same samples on onnxruntime, which shares no code with the engine that recorded them."""
    graph = load_onnx(directory / "fixed.onnx")
    stimulus = load_stimulus(Sampling(samples=count), Declared("digits", 0, 8, 0))
    entered = encode(graph, stimulus.data, 0, count, 8, 0)
    return entered, onnx.run(graph, entered)


def test_what_is_recorded_is_what_onnxruntime_computes(pictures):
    found = read_samples(pictures / "samples.npz")
    entered, theirs = witness(pictures, 6)
    assert (found.about["samples"], found.about["of"], found.about["left_out"]) == (6, 6, [])
    for row in found.about["inputs"]:
        assert np.array_equal(found.arrays[row["key"]], entered.values[row["name"]])
    for name, row in by_name(found).items():
        assert np.array_equal(found.arrays[row["fixed"]], theirs.spikes[name]), name
        assert np.array_equal(found.arrays[row["membrane"]], theirs.membrane[name]), name


def test_a_digest_is_of_little_endian_32_bit_integers_sample_by_sample(pictures):
    found = read_samples(pictures / "samples.npz")
    row = found.about["layers"][0]
    spikes, membrane = (found.arrays[row[key]] for key in ("fixed", "membrane"))
    for sample in range(6):
        for values, digests in ((spikes, "spike_digests"), (membrane, "membrane_digests")):
            text = b"".join(int(v).to_bytes(4, "little", signed=True) for v in values[sample].flat)
            assert hashlib.sha256(text).hexdigest() == row[digests][sample]


def test_the_first_spike_that_differs_is_the_one_that_compare_names(classifier, call):
    first = read_samples(classifier / "samples.npz").about["parting"]
    code, out, error = call("compare", classifier, "--json", "--samples", 20)
    assert code == 0, error
    assert json.loads(out)["first"] == first
    assert first["cause"]


def test_samples_read_back_are_those_that_were_written(pictures, tmp_path):
    found = read_samples(pictures / "samples.npz")
    content = samples_bytes(found)
    assert content == (pictures / "samples.npz").read_bytes()
    (tmp_path / "again.npz").write_bytes(content)
    again = read_samples(tmp_path / "again.npz")
    assert again.about == found.about
    assert {k: v.tolist() for k, v in again.arrays.items()} == {
        k: v.tolist() for k, v in found.arrays.items()
    }


def test_what_is_recorded_is_bounded_and_what_is_left_out_is_said(
    pictures, monkeypatch, tmp_path, call
):
    neurons = sum(
        np.prod(r["shape"]) for r in read_samples(pictures / "samples.npz").about["layers"]
    )
    monkeypatch.setattr(recorder, "NEURON_STEPS", int(3 * 8 * neurons))
    monkeypatch.setattr(recorder, "POTENTIALS", int(2 * 8 * neurons))
    model = pictures.parent / "network.pt"
    common = ("--target", "loihi-sim", "--engine", "fixed", "--samples", 6)
    assert call("export", model, *common, "--out", tmp_path / "few")[0] == 0
    found = read_samples(tmp_path / "few/samples.npz")
    assert found.about["samples"] == 3
    assert found.about["left_out"] == [
        "all samples but the first 3",
        "all potentials but those of 2 samples",
    ]
    row = found.about["layers"][0]
    assert [len(found.arrays[row[k]]) for k in ("fixed", "membrane")] == [3, 2]
    monkeypatch.setattr(recorder, "MOST_NEURON_STEPS", 1)
    assert call("export", model, *common, "--out", tmp_path / "none")[0] == 0
    found = read_samples(tmp_path / "none/samples.npz")
    assert (found.about["samples"], found.arrays) == (0, {})
    assert "neuron steps" in found.about["left_out"][0]
    assert "neuron steps" in (tmp_path / "none/report.html").read_text()


def damaged(pictures, change):
    with np.load(pictures / "samples.npz") as file:
        held = dict(file)
    about = json.loads(held["about"].tobytes())
    change(held, about)
    held["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    file = io.BytesIO()
    np.savez(file, **held)
    return file.getvalue()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda held, about: about.update(version="2.0"), "its version is 2.0, and this reads 1.0"),
        (lambda held, about: about.update(format="other"), "'format' is 'other'"),
        (lambda held, about: about.pop("layers"), "'layers' is missing"),
        (lambda held, about: held.pop("fixed.0"), "'fixed.0' is nothing, expected uint8"),
        (lambda held, about: held.update({"fixed.0": held["fixed.0"][:1]}), "'fixed.0' is uint8"),
        (lambda held, about: about["layers"][0].update(shape=[9, 9]), "expected uint8 (6, 8, 11)"),
        (  # eight times what they take packed, before any is unpacked
            lambda held, about: about["layers"][0].update(shape=[1 << 24]),
            "its spikes unpack to 1,610,621,",
        ),
        (  # a product of over 4,300 digits, which Python does not write
            lambda held, about: about.update(samples=10**4000, steps=10**4000),
            "it does not say what it holds ('about')",
        ),
        (lambda held, about: held.update({"membrane.0": np.zeros(3)}), "'membrane.0' is (3,)"),
        (lambda held, about: held.update(values=np.full((6, 1), np.nan)), "what is no number"),
        (lambda held, about: held.update(labels=np.zeros(5)), "'labels' is (5,), expected 6"),
        (
            lambda held, about: held.update(fixed_result=np.zeros((6, 0))),
            "'fixed_result' is (6, 0)",
        ),
        (lambda held, about: held.update({"time_s.x": np.zeros(6)}), "expected 2 dimensions"),
        (lambda held, about: held.update({"time_s.x": np.zeros((6, 0))}), "'time_s.x' is (6, 0)"),
        (lambda held, about: held.update(labels=np.zeros((6, 2))), "expected 1 dimensions"),
        (lambda held, about: held.update(x=np.array(["a"])), "of the type <U1, expected numbers"),
    ],
)
def test_a_damaged_file_is_refused_in_one_sentence(pictures, tmp_path, change, said):
    path = tmp_path / "samples.npz"
    path.write_bytes(damaged(pictures, change))
    with pytest.raises(BadInput, match="is broken: ") as refused:
        read_samples(path)
    assert said in str(refused.value)
    assert "Export the model again" in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive", b"\x00" * 100])
def test_what_is_no_archive_is_refused(content, tmp_path):
    (tmp_path / "samples.npz").write_bytes(content)
    with pytest.raises(BadInput, match="is broken"):
        read_samples(tmp_path / "samples.npz")


def test_an_archive_that_unpacks_to_too_much_is_not_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "samples.npz", "w", zipfile.ZIP_DEFLATED) as packed:
        for at in range(6):
            packed.writestr(f"{at}.npy", b"\0" * (100 << 20))
    with pytest.raises(BadInput, match="unpacks to 629,145,600 bytes"):
        read_samples(tmp_path / "samples.npz")


def header(shape, kind="'<i4'"):
    """The beginning of an array as numpy writes it, whatever it declares."""
    text = f"{{'descr': {kind}, 'fortran_order': False, 'shape': {shape}}}"
    text += " " * (-(len(text) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((10**15,), "declares 4000000000000000 bytes, and the file has 40"),
        ((2**70,), "describes no array"),
        ((-5, -2), "describes no array"),
        ((1,) * 100, "describes no array"),
        ("10**15", "is broken"),  # no whole number as numpy reads it
        ("(" * 3000, "is broken"),
    ],
)
def test_an_array_that_declares_more_than_there_is_takes_no_memory(tmp_path, shape, said):
    with zipfile.ZipFile(tmp_path / "samples.npz", "w") as packed:
        packed.writestr("about.npy", header(shape) + b"\0" * 40)
    with pytest.raises(BadInput, match="is broken") as refused:
        read_samples(tmp_path / "samples.npz")
    assert said in str(refused.value)


@pytest.mark.parametrize(("offset", "value"), [(6, 1), (8, 99)])
def test_an_archive_that_is_encrypted_or_packed_in_a_new_way_is_refused(
    pictures, tmp_path, offset, value
):
    content = bytearray((pictures / "samples.npz").read_bytes())
    for mark, more in ((b"PK\x03\x04", 0), (b"PK\x01\x02", 2)):
        at = content.find(mark)
        while at >= 0:
            content[at + offset + more] |= value
            at = content.find(mark, at + 4)
    (tmp_path / "samples.npz").write_bytes(content)
    with pytest.raises(BadInput, match="is broken"):
        read_samples(tmp_path / "samples.npz")


def test_pickles_are_never_loaded(tmp_path):
    file = io.BytesIO()
    np.save(file, np.array([{}], dtype=object), allow_pickle=True)
    with zipfile.ZipFile(tmp_path / "samples.npz", "w") as packed:
        packed.writestr("about.npy", file.getvalue())
    with pytest.raises(BadInput, match="is broken"):
        read_samples(tmp_path / "samples.npz")


def test_bits_are_packed_along_the_neurons_the_first_one_highest():
    row = {"name": "a", "kind": "SpikeInput", "shape": [3], "graded": False, "silent": False}
    keys = {"fixed": "fixed.0", "float": None, "membrane": None}
    about = {"layers": [{**row, **keys}]}
    arrays = {"fixed.0": np.array([[[1, 0, 1], [0, 1, 0]]], np.uint8)}
    with np.load(io.BytesIO(samples_bytes(Samples(about, arrays)))) as file:
        assert file["fixed.0"].tolist() == [[[0b10100000], [0b01000000]]]
