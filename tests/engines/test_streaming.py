"""A recording in pieces gives the bits of the same recording in one."""

import contextlib
import io
import json
import zipfile

import numpy as np
import pytest
from c_networks import networks
from random_graphs import MAKERS, fixed_input
from random_packs import pack

from neurocompile.compiler import compile_graph
from neurocompile.data.inputs import Encoded, encode
from neurocompile.data.rows import rows_of
from neurocompile.data.samples import Data
from neurocompile.engines import fixed, state_file
from neurocompile.engines.state_file import load_state, save_state
from neurocompile.engines.stream import Stream
from neurocompile.errors import BadInput, DoesNotFit
from neurocompile.ir.chip_neurons import CHIP_NEURONS
from neurocompile.ir.fixed import BiasInput, CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import Graph, chain
from neurocompile.ir.neurons import LIBox, LIFBox
from neurocompile.ir.nodes import Add, Delay, Input, Linear
from neurocompile.ir.settings import Decoder, Encoder, Settings
from neurocompile.ir.verify import verify

FIRES = CubaLIF((1,), 4095, 0, 100, 0, 0, 0)  # at every spike that arrives
FIXED_MAKERS = [make for make in MAKERS if "float" not in make.__name__]


def pieces_of(graph, encoded, ends):
    """The input of each piece, and where it ends; biases stay those of the sample."""
    for begin, end in zip((0, *ends), (*ends, encoded.steps), strict=True):
        values = {
            name: v if isinstance(graph.nodes[name], BiasInput) else v[:, begin:end]
            for name, v in encoded.values.items()
        }
        yield begin, end, Encoded(values, end - begin)


def assert_pieces_agree(graph, encoded, ends):
    """Run in one and in pieces; the number of spikes that were compared."""
    whole = fixed.run(graph, encoded, carry=True)
    state, sums = None, {}
    for begin, end, piece in pieces_of(graph, encoded, ends):
        part = fixed.run(graph, piece, state=state, carry=True)
        state = part.state
        for name, v in part.recording.membrane.items():
            np.testing.assert_array_equal(v, whole.recording.membrane[name][:, begin:end])
        for name, sent in part.recording.spikes.items():
            np.testing.assert_array_equal(sent, whole.recording.spikes[name][:, begin:end])
        for name, did in part.activity.items():
            sums[name] = sums.get(name, 0) + did.updated
    assert sums == {name: did.updated for name, did in whole.activity.items()}
    assert state.steps == whole.state.steps == encoded.steps
    for name, values in whole.state.values.items():
        np.testing.assert_array_equal(state.values[name], values)
    return sum(int(np.count_nonzero(sent)) for sent in whole.recording.spikes.values())


@pytest.mark.parametrize("make", FIXED_MAKERS, ids=lambda make: make.__name__)
def test_random_networks_go_on_where_they_stopped(make):
    compared = 0
    for seed in range(12):
        graph = verify(make(seed), "fixed")
        encoded = Encoded(*fixed_input(graph, seed))
        if encoded.steps < 3:
            continue
        rng = np.random.default_rng(seed)
        ends = sorted(rng.choice(np.arange(1, encoded.steps), 2, replace=False).tolist())
        try:
            compared += assert_pieces_agree(graph, encoded, ends)
        except DoesNotFit:
            continue
    assert compared > 500


@pytest.mark.parametrize("kind", CHIP_NEURONS)
def test_every_neuron_of_a_chip_goes_on_step_by_step(kind):
    graph, encoded = pack(kind, 1)
    assert assert_pieces_agree(graph, encoded, list(range(1, encoded.steps))) > 100


def test_the_state_of_another_network_is_refused():
    (graph, encoded), (other, _) = pack(CHIP_NEURONS[0], 1), pack(CHIP_NEURONS[0], 2)
    state = fixed.run(graph, encoded, carry=True).state
    with pytest.raises(BadInput, match="the state is one of another network"):
        fixed.run(other, encoded, state=state)


def test_the_state_of_another_number_of_samples_is_refused():
    graph, encoded = pack(CHIP_NEURONS[0], 1)
    state = fixed.run(graph, encoded, carry=True).state
    fewer = Encoded({name: v[:1] for name, v in encoded.values.items()}, encoded.steps)
    with pytest.raises(BadInput, match="holds 2 samples side by side, but 1 are given"):
        fixed.run(graph, fewer, state=state)


# --- Streams ----------------------------------------------------------------------------------


def network(encoder, decoder="last", steps=5):
    """A small network with delays in a loop, from a FLOAT graph."""
    rng = np.random.default_rng(5)
    cell = LIFBox(*(np.float64(x) for x in (100.0, 0.0, 0.3, 0.0)))
    readout = LIBox(np.float64(100.0), np.float64(0.0))
    nodes = {
        "in": Input((9,)),
        "w": Linear(rng.normal(size=(12, 9))),
        "back": Linear(rng.normal(size=(12, 12)) / 4),
        "sum": Add(),
        "lif": cell,
        "late": Delay(3),
        "v": Linear(rng.normal(size=(9, 12))),
        "out": readout,
    }
    edges = [("in", "w"), ("w", "sum"), ("back", "sum"), ("sum", "lif"), ("lif", "late")]
    edges += [("late", "back"), ("lif", "v"), ("v", "out")]
    settings = Settings(
        steps=steps, encoder=Encoder(encoder, 1.0), decoder=Decoder(decoder), data=""
    )
    return compile_graph(Graph(nodes, tuple(edges), settings), "ideal").fixed_graph


def rows_for(encoder, count=40):
    rng = np.random.default_rng(8)
    return (rng.random((count, 9)) < 0.4) if encoder == "spikes" else rng.random((count, 9))


@pytest.mark.parametrize("encoder", ["spikes", "bernoulli", "current"])
def test_a_stream_in_pieces_says_what_it_says_in_one(encoder):
    graph, rows = network(encoder), rows_for(encoder)
    whole, pieces = Stream(graph, seed=3), Stream(graph, seed=3)
    expected = whole.push(rows)
    found = [pieces.push(part) for part in np.split(rows, [1, 2, 17])]
    for name in ("spikes", "potentials", "rates"):
        np.testing.assert_array_equal(
            np.concatenate([getattr(piece, name) for piece in found]), getattr(expected, name)
        )
    if encoder != "spikes":
        results = np.concatenate([piece.results for piece in found])
        np.testing.assert_array_equal(results, expected.results)
    assert [piece.first for piece in found[:3]] == [0, pieces.sample_steps, 2 * pieces.sample_steps]
    assert pieces.done == whole.done == 40 * whole.sample_steps
    assert pieces.activity["lif"].updated == whole.activity["lif"].updated


def test_a_stream_of_spikes_is_one_long_sample():
    graph, rows = network("spikes"), rows_for("spikes")
    encoded = encode(graph, Data("", "spikes", rows[None].astype(np.float32)), 0, 1, len(rows), 0)
    expected = fixed.run(graph, encoded).recording
    found = Stream(graph).push(rows)
    np.testing.assert_array_equal(found.spikes, expected.spikes["out"][0])
    node = graph.nodes["out"]
    np.testing.assert_array_equal(
        found.potentials, expected.membrane["out"][0] * node.scale + node.offset
    )


def test_rates_are_counted_over_the_window_that_ends_in_a_step():
    graph = chain(
        {
            "in": SpikeInput((1,)),
            "s": Synapse(Linear(np.array([[200]], np.int16)), (1,), (1,)),
            "x": FIRES,
        }
    )
    stream = Stream(graph, window=3)
    sent = np.array([1, 0, 1, 1, 1, 0])[:, None]
    rates = np.concatenate([stream.push(sent[:2]).rates, stream.push(sent[2:]).rates])
    assert rates[:, 0].tolist() == [1, 1 / 2, 2 / 3, 2 / 3, 1, 2 / 3]
    assert Stream(graph).push(sent[1:]).first_spikes().tolist() == [1]
    assert Stream(graph).push(sent[1:2]).first_spikes().tolist() == [-1]


@pytest.mark.parametrize("encoder", ["spikes", "bernoulli", "current"])
def test_a_state_in_a_file_goes_on(encoder, tmp_path):
    graph, rows = network(encoder), rows_for(encoder)
    begun = Stream(graph)
    begun.push(rows[:15])
    save_state(tmp_path / "s.npz", begun)
    state = load_state(tmp_path / "s.npz", graph, sample_steps=begun.sample_steps, seed=0)
    gone_on = Stream(graph, state=state)
    np.testing.assert_array_equal(gone_on.push(rows[15:]).spikes, begun.push(rows[15:]).spikes)
    assert gone_on.steps == begun.steps


def test_a_damaged_state_is_refused_in_one_sentence(tmp_path):
    graph, path = network("spikes"), tmp_path / "s.npz"
    stream = Stream(graph)
    stream.push(rows_for("spikes"))
    save_state(path, stream)
    whole, rng = path.read_bytes(), np.random.default_rng(1)
    for _ in range(150):
        damaged = bytearray(whole)
        damaged[int(rng.integers(len(whole)))] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        with contextlib.suppress(BadInput):  # nothing else, such as numpy's own errors
            state = load_state(path, graph, sample_steps=1, seed=0)
            for name, values in stream.state.values.items():  # a byte that says nothing: a date
                np.testing.assert_array_equal(state.values[name], values)
    path.write_bytes(whole[:100])
    with pytest.raises(BadInput, match=r"is no state of a stream, or damaged"):
        load_state(path, graph, sample_steps=1, seed=0)


def test_a_state_that_declares_more_than_it_holds_takes_no_memory(tmp_path):
    graph, path = network("spikes"), tmp_path / "s.npz"
    stream = Stream(graph)
    stream.push(rows_for("spikes"))
    save_state(path, stream)
    with zipfile.ZipFile(path) as archive:
        kept = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    name = next(name for name in kept if name.startswith("state/"))
    huge = io.BytesIO()
    words = {"descr": "<i8", "fortran_order": False, "shape": (1, 1 << 50)}
    np.lib.format.write_array_header_1_0(huge, words)
    for compression in (zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA):
        with zipfile.ZipFile(path, "w", compression) as archive:
            for each, content in {**kept, name: huge.getvalue()}.items():
                archive.writestr(each, content)
        with pytest.raises(BadInput, match=r"declares 9007199254740992 bytes, and the file has 0"):
            load_state(path, graph, sample_steps=1, seed=0)


def relays():
    """Three neurons that each pass one input on, and inputs."""
    weights = Linear((np.eye(3) * 200).astype(np.int16))
    last = CubaLIF((3,), 4095, 0, 100, 0, 0, 0)
    graph = chain({"in": SpikeInput((3,)), "s": Synapse(weights, (3,), (3,)), "x": last})
    return graph, np.random.default_rng(8).random((40, 3)) < 0.4


def test_rates_go_on_over_a_state_in_a_file(tmp_path):
    (graph, rows), path = relays(), tmp_path / "s.npz"
    whole = Stream(graph, window=7).push(rows)
    assert len(np.unique(whole.rates)) > 3
    state, found = None, []
    for part in np.split(rows, [1, 2, 17]):
        stream = Stream(graph, window=7, state=state)
        found.append(stream.push(part).rates)
        save_state(path, stream)
        state = load_state(path, graph, sample_steps=stream.sample_steps, seed=0)
    np.testing.assert_array_equal(np.concatenate(found), whole.rates)


def test_a_window_reaches_no_further_back_than_its_state():
    graph, rows = relays()
    begun = Stream(graph, window=7)
    begun.push(rows[:20])
    with pytest.raises(BadInput, match=r"the window is 8, .* of a window of 7 only"):
        Stream(graph, window=8, state=begun.state)
    short = Stream(graph, window=3, state=begun.state).push(rows[20:])
    np.testing.assert_array_equal(short.rates, Stream(graph, window=3).push(rows).rates[20:])
    started = Stream(graph, window=7)
    started.push(rows[:3])  # fewer steps than both windows: nothing is missing
    longer = Stream(graph, window=9, state=started.state).push(rows[3:])
    np.testing.assert_array_equal(longer.rates, Stream(graph, window=9).push(rows).rates[3:])


def edited(path, values, words=None):
    """Write a state anew with other words or arrays, under a digest that fits them."""
    with np.load(path) as file:
        about = json.loads(str(file["about"])) | (words or {})
    about["sha256"] = state_file._digest(about, values)
    np.savez(path, about=np.array(json.dumps(about)), **values)


@pytest.mark.parametrize(
    ("name", "beyond", "says"),
    [  # a spike of 255 would take the engine beyond its memory
        ("sent/lif", 255, r"sent/lif holds 255\.\.255, but can only hold 0\.\.1"),
        ("recent", 2, r"recent holds 2\.\.2, but can only hold 0\.\.1"),
        ("state/lif/v", 1 << 40, "but can only hold -8388608..8388608"),
        ("state/out/u", -(1 << 23) - 1, "but can only hold -8388608..8388608"),
    ],
)
def test_a_state_with_numbers_that_no_run_leaves_is_refused(name, beyond, says, tmp_path):
    graph, path = network("spikes"), tmp_path / "s.npz"
    stream = Stream(graph)
    stream.push(rows_for("spikes"))
    save_state(path, stream)
    held = {**stream.state.values, "recent": stream.state.recent}
    edited(path, held)
    assert load_state(path, graph, sample_steps=1, seed=0).steps == 40
    edited(path, {**held, name: np.full_like(held[name], beyond)})
    with pytest.raises(BadInput, match=says):
        load_state(path, graph, sample_steps=1, seed=0)


def test_a_word_of_a_state_that_was_changed_is_noticed(tmp_path):
    graph, path = network("bernoulli"), tmp_path / "s.npz"
    stream = Stream(graph)
    stream.push(rows_for("bernoulli"))
    save_state(path, stream)
    with np.load(path) as file:
        held = dict(file)
    about = json.loads(str(held["about"]))
    assert about["steps"] == 200
    for steps in (100, -5, 0, 7, 10**30):  # the seed's next draw follows from the steps
        held["about"] = np.array(json.dumps({**about, "steps": steps}))
        np.savez(path, **held)
        with pytest.raises(BadInput, match="is no state of a stream, or damaged"):
            load_state(path, graph, sample_steps=5, seed=0)
    values = {**stream.state.values, "recent": stream.state.recent}
    for words, says in (
        ({"steps": 7}, "steps is 7 where a sample has 5"),
        ({"recent": 10**12, "window": 10**13}, "it holds 1000000000000 steps of a window"),
        ({"recent": 4, "window": 2}, "it holds 4 steps of a window of 2"),
        ({"window": 0}, "it holds 4 steps of a window of 0"),
    ):
        save_state(path, stream)
        edited(path, values, words)
        with pytest.raises(BadInput, match=says):
            load_state(path, graph, sample_steps=5, seed=0)


def reloaded(state, graph, path):
    """A state through a file."""
    stream = Stream(graph)
    stream.state, stream.sample_steps = state, 1
    save_state(path, stream)
    return load_state(path, graph, sample_steps=1, seed=0)


@pytest.mark.parametrize("seed", range(24))
def test_states_of_random_networks_come_back_from_a_file(seed, tmp_path):
    ((_, _, graph, encoded),) = networks(seed, 1)
    ((name, values),) = encoded.values.items()
    first = Encoded({name: values[:1]}, encoded.steps)
    try:
        state = fixed.run(graph, first, carry=True).state
    except DoesNotFit:
        pytest.skip("refused by the engine by design")
    back = reloaded(state, graph, tmp_path / "s.npz")
    assert back.values.keys() == state.values.keys()
    for part, values in state.values.items():
        np.testing.assert_array_equal(back.values[part], values)


def test_the_state_of_another_network_or_seed_is_refused(tmp_path):
    graph, path = network("bernoulli"), tmp_path / "s.npz"
    stream = Stream(graph)
    stream.push(rows_for("bernoulli"))
    save_state(path, stream)
    with pytest.raises(BadInput, match="one of another network"):
        load_state(path, network("spikes"), sample_steps=1, seed=0)
    with pytest.raises(BadInput, match="began with seed 0, but now it is 1"):
        load_state(path, graph, sample_steps=5, seed=1)
    with pytest.raises(BadInput, match="began with steps 5, but now it is 6"):
        load_state(path, graph, sample_steps=6, seed=0)


def test_rows_are_read_from_a_pipe_some_at_a_time():
    values = np.arange(60, dtype=np.float32).reshape(20, 3)
    file = io.BytesIO()
    np.save(file, values)
    found = list(rows_of(io.BytesIO(file.getvalue()), "-", 8))
    assert [len(part) for part in found] == [8, 8, 4]
    np.testing.assert_array_equal(np.concatenate(found), values)


def test_a_stream_that_stops_in_the_middle_of_a_row_says_where():
    file = io.BytesIO()
    np.save(file, np.zeros((20, 3), np.float32))
    parts = rows_of(io.BytesIO(file.getvalue()[:-17]), "-", 8)
    assert [len(next(parts)) for _ in range(3)] == [8, 8, 2]
    with pytest.raises(BadInput, match=r"-: stops in the middle of row 18, .* 7 of 12 bytes"):
        next(parts)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "does not begin as a .npy file"),
        (b"1,2,3\n4,5,6\n", "does not begin as a .npy file"),
        (np.zeros(3), r"of shape \[3\], but must be \(rows, \.\.\.\)"),
        (np.zeros((2, 3), "U3"), "holds <U3 of shape"),
        (np.asfortranarray(np.zeros((2, 3))), "in Fortran order"),
    ],
)
def test_what_is_no_stream_of_rows_is_refused(content, says):
    if not isinstance(content, bytes):
        file = io.BytesIO()
        np.save(file, content)
        content = file.getvalue()
    with pytest.raises(BadInput, match=says):
        next(rows_of(io.BytesIO(content), "-", 8))


def test_a_piece_that_fails_leaves_the_stream_where_it_was():
    graph, rows = network("bernoulli"), rows_for("bernoulli", 2000)  # runs of 819 rows
    stream, other = Stream(graph), Stream(graph)
    stream.push(rows[:10])
    other.push(rows[:10])
    wrong = rows.copy()
    wrong[1500, 3] = 1.5
    with pytest.raises(BadInput, match=r"rows 829\.\.1647, counted from 0: bernoulli: value 1.5 "):
        stream.push(wrong)
    assert (stream.steps, stream.done) == (50, 50)
    np.testing.assert_array_equal(stream.push(rows).spikes, other.push(rows).spikes)
    assert stream.activity["lif"].updated == other.activity["lif"].updated


def test_a_header_that_declares_gigabytes_takes_none():
    class Endless(io.RawIOBase):
        def read(self, size=-1):
            assert size <= 65536
            return bytes(size)

    begin = io.BytesIO(b"\x93NUMPY\x02\x00\xff\xff\xff\xff")
    stream = Endless()
    stream.read = lambda size: begin.read(size) or Endless.read(stream, size)
    with pytest.raises(BadInput, match="its header has 4294967295 bytes, but at most 10000"):
        next(rows_of(stream, "-", 8))
