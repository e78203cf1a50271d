"""`.net` files: what comes back, what is refused both ways, and why."""

import tracemalloc
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from netx_networks import held_network

from neurocompile.errors import BadInput, Unsupported
from neurocompile.formats.netx.layer import check_weights
from neurocompile.formats.netx.read import load_net
from neurocompile.formats.netx.write import ABOUT, loaded_by, to_bytes
from neurocompile.ir.fixed import AlwaysOn, BiasInput, CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import Graph, chain, same
from neurocompile.ir.nodes import ConvTranspose, Linear, Sparse
from neurocompile.ir.verify import verify


def population(n, **registers):
    plain = {"du": 4095, "dv": 128, "vth": 10, "bias_mant": 0, "bias_exp": 0, "v_init": 0}
    return CubaLIF((n,), **{**plain, **registers})


def line(weight=((2, -4),), target=None, **synapse):
    """Two axons, a dense synapse, one population."""
    weight = np.array(weight, dtype=np.int16)
    node = Synapse(Linear(weight), (weight.shape[1],), (weight.shape[0],), **synapse)
    neurons = population(len(weight)) if target is None else target
    return chain({"in": SpikeInput((weight.shape[1],)), "dense": node, "lif": neurons})


def written(graph, tmp_path):
    path = tmp_path / "network.net"
    path.write_bytes(to_bytes(graph))
    return path


@pytest.mark.parametrize("seed", range(25))
def test_a_graph_comes_back_as_it_was_and_is_written_alike_each_time(seed, tmp_path):
    graph = verify(held_network(seed), "fixed")
    assert to_bytes(graph) == to_bytes(graph)
    assert same(load_net(written(graph, tmp_path)), graph)


@pytest.mark.parametrize(
    ("graph", "sentence"),
    [
        (line(weight_exp=7), "layer 'lif': its weights have the exponent 7 and reach -512"),
        (line(weight_exp=-2), "rounded after their sum (weight exponent -2)"),
        (line([[0, 0]]), "all its weights are 0"),
        (line([[-64, -2]]), "cuts to -255"),
        (line(target=population(1, reset="subtract")), "reset by subtraction"),
        (line(target=population(1, bias_mant=3)), "its bias 3 is no multiple of 64"),
        (line(target=population(1, v_init=5)), "its v(0) is 5"),
        (
            chain({"in": BiasInput((1,), (1,), 0.3), "lif": population(1, bias_exp=6)}),
            "scaled by 0.3",
        ),
        (
            chain({"in": BiasInput((1,), (1,), 3.0), "lif": population(1, bias_exp=2)}),
            "with the exponent 2",
        ),
    ],
)
def test_what_netx_cannot_hold_is_refused_by_layer(graph, sentence):
    with pytest.raises(Unsupported, match="layer 'lif'") as refused:
        to_bytes(verify(graph, "fixed"))
    assert sentence in str(refused.value)


def test_a_transposed_convolution_is_refused_by_layer():
    op = ConvTranspose(np.full((1, 1, 2, 2), 2), None, (2, 2), (0, 0), (0, 0), (1, 1), 1)
    up = Synapse(op, (1, 2, 2), (1, 4, 4))
    target = CubaLIF(**{**vars(population(16)), "shape": (1, 4, 4)})
    graph = chain({"in": SpikeInput((1, 2, 2)), "up": up, "lif": target})
    with pytest.raises(Unsupported, match="layer 'lif': its synapses are a transposed conv"):
        to_bytes(verify(graph, "fixed"))


def pooled(**synapse):
    """A dense layer, and neurons behind a map of single connections."""
    single = Sparse(*map(np.array, ([2, 2], [0, 1], [0, 1, 2])), (2,), (2,), None)
    first = line([[2, 4], [6, 8]], **synapse)
    nodes = {**first.nodes, "pool": Synapse(single, (2,), (2,)), "next": population(2)}
    return Graph(nodes, (*first.edges, ("lif", "pool"), ("pool", "next")))


def test_all_that_is_in_the_way_of_the_file_is_named_at_once():
    with pytest.raises(Unsupported) as refused:
        to_bytes(verify(pooled(weight_exp=7), "fixed"))
    said = str(refused.value)
    assert "layer 'lif': its weights have the exponent 7" in said
    assert "layer 'next': its synapses are a map of single connections" in said
    assert "--netx" not in said  # other scales would not help
    with pytest.raises(Unsupported, match=r"exponent 7.*Export with Target\(netx=True\)"):
        to_bytes(verify(line(weight_exp=7), "fixed"))
    both = line(weight_exp=7, target=population(1, reset="subtract"))
    with pytest.raises(Unsupported, match=r"exponent 7.*reset by subtraction") as refused:
        to_bytes(verify(both, "fixed"))
    assert "--netx" not in str(refused.value)


def test_a_bias_through_an_axon_and_a_skip_are_refused_by_layer():
    plain = line()
    axon = {"on": AlwaysOn(), "bias": Synapse(Linear(np.array([[2]])), (1,), (1,))}
    nodes = {**plain.nodes, **axon}
    nodes["lif"] = nodes.pop("lif")
    biased = Graph(nodes, (*plain.edges, ("on", "bias"), ("bias", "lif")))
    with pytest.raises(Unsupported, match="layer 'lif': its bias comes through 'on'"):
        to_bytes(verify(biased, "fixed"))
    second = {"next": Synapse(Linear(np.array([[2]])), (1,), (1,)), "out": population(1)}
    skip = {"skip": Synapse(Linear(np.array([[2, 4]])), (2,), (1,))}
    edges = (("lif", "next"), ("next", "out"), ("in", "skip"), ("skip", "out"))
    order = {**plain.nodes, "next": second["next"], **skip, "out": second["out"]}
    with pytest.raises(Unsupported, match="layer 'in': it leads to 2 layers"):
        to_bytes(verify(Graph(order, (*plain.edges, *edges)), "fixed"))


def test_the_sentence_says_how_netx_has_to_start():
    """A bias acts in netx from chip step 1 on, so that each layer is cleared at its own step 1."""
    biased = line(target=population(1, bias_mant=64))
    call = "load with netx.hdf5.Network('network.net', reset_interval=7, reset_offset=1)"
    assert loaded_by(biased, 7) == call
    # One step of bias alone, 64 x 1: v = 64 where the first spikes arrive.
    led = line(target=population(1, bias_mant=64, v_init=64))
    assert loaded_by(led, 7).startswith("load with netx.hdf5.Network('network.net');")


@pytest.mark.parametrize(
    ("weights", "changed"),
    [
        ([[126, -128]], False),
        ([[254, -256]], False),
        ([[-254, -2]], False),
        ([[-256, -2]], True),  # -256 is cut to -255
        ([[-1, 0]], True),  # scaled by 2^8 to -256
        ([[-3, 0]], False),
    ],
)
def test_weights_of_one_sign_that_lava_would_cut_are_known(weights, changed):
    if changed:
        with pytest.raises(Unsupported, match="-255"):
            check_weights(np.array(weights))
    else:
        check_weights(np.array(weights))


@pytest.fixture
def plain(tmp_path):
    """A file of others: one dense layer."""
    path = tmp_path / "plain.net"
    path.write_bytes(to_bytes(line([[2, -4], [6, 8]], target=population(2))))
    with h5py.File(path, "a") as file:
        del file[ABOUT]
    return path


def put(path, key, value):
    with h5py.File(path, "a") as file:
        if key in file:
            del file[key]
        file[key] = value


def test_a_file_of_others_has_its_time_assumed_and_said(plain):
    graph = load_net(plain)
    assert list(graph.nodes) == ["input", "layer1_synapse", "layer1"]
    assert [each.key for each in graph.settings.assumed] == ["dt", "steps"]
    assert load_net(plain, dt=5e-4).settings.dt == 5e-4


def test_without_a_reset_a_bias_has_acted_once_when_the_first_spike_arrives(plain):
    put(plain, "layer/1/bias", np.array([2, -3]))
    graph = load_net(plain, reset_interval=0)
    assert graph.nodes["layer1"].v_init.tolist() == [2 * 64, -3 * 64]
    assert [each.key for each in graph.settings.assumed] == ["dt", "steps"]


def test_with_a_reset_a_layer_starts_at_zero_which_is_assumed_and_said_where_a_bias_shows_it(plain):
    assert "reset_interval" not in [each.key for each in load_net(plain).settings.assumed]
    put(plain, "layer/1/bias", np.array([500, 0]))  # over its threshold of 10 in every step
    graph = load_net(plain)
    assert not graph.nodes["layer1"].v_init.any()
    (said,) = [a.sentence for a in graph.settings.assumed if a.key == "reset_interval"]
    assert "the tests and tutorials of lava-dl clear each layer then" in said
    graph = load_net(plain, reset_interval=16)
    assert not graph.nodes["layer1"].v_init.any()
    assert graph.settings.steps == 16  # the steps of a sample, which are said so
    assert [each.key for each in graph.settings.assumed] == ["dt"]
    with pytest.raises(Unsupported, match="'layer1': its bias alone makes it spike"):
        load_net(plain, reset_interval=0)


def test_spikes_of_a_bias_that_a_reset_leaves_on_their_way_are_refused(plain):
    put(plain, "layer/1/bias", np.array([500, 0]))
    put(plain, "layer/1/delay", np.array([3, 0]))
    with pytest.raises(Unsupported, match="without delays and loops"):
        load_net(plain)


def test_entries_of_training_are_read_past_and_said(plain):
    expected = load_net(plain)
    for key, value in {"theta": 640, "tauRho": 0.5, "scaleRho": 10.0, "wgtExp": 0}.items():
        put(plain, f"layer/1/neuron/{key}", value)
    graph = load_net(plain)
    assert same(replace(graph, settings=expected.settings), expected)
    (said,) = [a.sentence for a in graph.settings.assumed if a.key == "entries"]
    assert said.startswith("scaleRho, tauRho, theta: entries of training, read past as netx does")


def convolution(tmp_path):
    """A file that begins with a convolution and says nothing of its input."""
    path = tmp_path / "conv.net"
    entries = {"stride": [1, 1], "padding": [1, 1], "dilation": [1, 1], "groups": 1}
    neuron = {"type": b"CUBA", "iDecay": 4096, "vDecay": 128, "vThMant": 9, "refDelay": 1}
    with h5py.File(path, "w") as file:
        layer = file.create_group("layer/0")
        layer["type"], layer["shape"] = np.array([b"conv"]), np.array([2, 4, 5])
        layer["weight"] = np.full((2, 3, 3, 3), 4)
        for key, value in entries.items():
            layer[key] = value
        for key, value in neuron.items():
            layer[f"neuron/{key}"] = value
    return path


def test_a_convolution_without_an_input_layer_takes_the_shape_that_a_user_gives(tmp_path):
    path = convolution(tmp_path)
    with pytest.raises(Unsupported, match=r"layer 0: .*Give input_shape= \(--input-shape C,H,W\)"):
        load_net(path)
    graph = load_net(path, input_shape=(3, 4, 5))
    assert graph.nodes["input"].shape == (3, 4, 5)
    with pytest.raises(BadInput, match=r"layer 0: .*its weights make \(2, 5, 5\) out of"):
        load_net(path, input_shape=(3, 5, 5))


def test_a_shape_against_that_of_the_file_is_refused(plain):
    with pytest.raises(BadInput, match=r"has the shape \(2,\), but input_shape= .* says \(3,\)"):
        load_net(plain, input_shape=(3,))


def test_resonate_and_fire_neurons_are_refused_by_their_name_not_by_their_weights(plain):
    put(plain, "layer/1/neuron/type", b"ADRF_PHASE")
    with h5py.File(plain, "a") as file:
        del file["layer/1/weight"]
    put(plain, "layer/1/weight/real", np.ones((2, 2)))
    put(plain, "layer/1/weight/imag", np.ones((2, 2)))
    with pytest.raises(Unsupported, match=r"layer 1: its neurons are 'ADRF_PHASE', resonate-and-"):
        load_net(plain)


def test_every_layer_that_cannot_be_read_is_listed_with_the_file_before_the_list(tmp_path):
    """A refused layer still has the shape that it declares, so those after it are read on."""
    path = convolution(tmp_path)
    put(path, "layer/0/neuron/type", b"RF")
    with h5py.File(path, "a") as file:
        file.copy("layer/0", file, "layer/1")
        file.copy("layer/0", file, "layer/2")
    put(path, "layer/1/neuron/type", b"CUBA")
    put(path, "layer/2/neuron/type", b"CUBA")
    put(path, "layer/2/delay", np.array([3, 0]))
    with pytest.raises(Unsupported) as refused:
        load_net(path, input_shape=(3, 4, 5))
    first, second, third = refused.value.reasons
    assert first.startswith("layer 0: its neurons are 'RF', resonate-and-fire neurons")
    assert second == "layer 1: it was given the shape (2, 4, 5), but takes (3, ...) with 3 axes."
    assert third == "layer 2: its convolution has a delay, which netx ignores."
    assert str(refused.value).startswith(f"'{path}': 3 things in this network ")


def test_early_spikes_of_every_layer_are_one_answer(plain):
    with h5py.File(plain, "a") as file:
        file.copy("layer/1", file, "layer/2")
    for number in (1, 2):
        put(plain, f"layer/{number}/bias", np.array([500, 0]))
    with pytest.raises(Unsupported) as refused:
        load_net(plain, reset_interval=0)
    assert [reason[:8] for reason in refused.value.reasons] == ["'layer1'", "'layer2'"]


def test_options_of_net_files_are_for_net_files_only(tmp_path):
    from click.testing import CliRunner

    from neurocompile.cli import main

    model = Path(__file__).parents[3] / "examples/models/mnist_autoencoder.pt"
    done = CliRunner().invoke(main, ["inspect", str(model), "--reset-interval", "16"])
    assert done.exit_code == 2
    assert "is no .net file, and input_shape= (--input-shape) and reset_interval=" in done.stderr
    path = convolution(tmp_path)
    done = CliRunner().invoke(main, ["inspect", str(path), "--input-shape", "3,4,5", "--json"])
    assert done.exit_code == 0
    done = CliRunner().invoke(main, ["inspect", str(path), "--input-shape", "3x4", "--json"])
    assert "is not a shape. Write it as C,H,W or as N." in done.stderr


def test_odd_weights_become_twice_as_large_with_the_exponent_minus_one(plain):
    put(plain, "layer/1/weight", np.array([[1.0, -3.0], [127.0, -128.0]], dtype=np.float32))
    synapse = load_net(plain).nodes["layer1_synapse"]
    assert synapse.op.weight.tolist() == [[2, -6], [254, -256]]
    assert synapse.weight_exp == -1


def test_numbers_of_half_precision_are_read_as_what_they_are(plain):
    put(plain, "layer/1/weight", np.array([[2, -4], [6, 8]], dtype=np.float16))
    assert load_net(plain).nodes["layer1_synapse"].op.weight.tolist() == [[2, -4], [6, 8]]


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("layer/1/type", b"pool", "layer 1: its type is 'pool'"),
        ("layer/1/neuron/type", b"RF", "its neurons are 'RF'"),
        ("layer/1/neuron/refDelay", 2, "its refDelay is 2"),
        ("layer/1/neuron/gradedSpike", True, "graded"),
        ("layer/1/neuron/messageBits", 8, "on which netx fails"),
        ("layer/1/neuron/vThMant", -1, "its vThMant reaches -1"),
        ("layer/1/neuron/tauFoo", 0.1, "'tauFoo', which netx ignores"),
        ("layer/1/weight", np.array([[2.5, 0], [0, 0]]), "holds 2.5, which netx cuts"),
        ("layer/1/weight", np.array([[300, 0], [0, 0]]), "its weight reaches 300"),
        ("layer/1/weight", np.array([[131, 0], [0, -2]]), "is odd in places"),
        ("layer/1/weight", np.array([[np.nan, 0], [0, 0]]), "or none at all"),
        ("layer/1/weight", np.zeros((2, 2)), "all its weights are 0"),
        ("layer/1/delay", np.array([63, 0]), "its delay reaches 63"),
        ("layer/1/delay", np.array([1, 0, 0]), "its delay has 3 entries"),
        ("layer/1/bias", np.array([5000, 0]), "its bias reaches 5000"),
        ("layer/3", 1, "layers 0, 1"),
    ],
)
def test_what_netx_would_change_or_ignore_is_refused_by_layer(plain, key, value, sentence):
    put(plain, key, value)
    with pytest.raises(BadInput) as refused:
        load_net(plain)
    assert sentence in str(refused.value)
    assert str(plain) in str(refused.value)


def test_a_description_that_stands_against_the_layers_is_refused_by_layer(tmp_path):
    """The bias of 1 x 2^6 is half a unit of 2^7, and would be lost."""
    path = written(line(target=population(1, bias_mant=64)), tmp_path)
    with h5py.File(path, "r") as file:
        about = file[ABOUT][()].replace(b'"bias_exp":0', b'"bias_exp":7')
    put(path, ABOUT, about)
    with pytest.raises(BadInput, match="layer 1 of the file do not tell the same"):
        load_net(path)


@pytest.mark.parametrize("about", [b"{}", b"[1", b'{"version":2}', b"[" * 5000])
def test_a_damaged_description_is_refused_with_what_to_do(about, tmp_path):
    path = written(line(), tmp_path)
    put(path, ABOUT, about)
    with pytest.raises(BadInput, match="delete the entry 'neurocompile'"):
        load_net(path)


def test_layers_that_were_changed_behind_their_description_are_refused(tmp_path):
    path = written(line([[2, -4], [6, 8]], target=population(2)), tmp_path)
    put(path, "layer/1/neuron/vThMant", 11)
    graph = load_net(path)  # a register alone is the layer's to say
    assert graph.nodes["lif"].vth == 11
    put(path, "layer/1/neuron/iDecay", np.array([7, 9, 9]))
    with pytest.raises(BadInput, match="its iDecay has the shape"):
        load_net(path)


def test_delays_of_a_layer_are_one_synapse_whatever_they_differ_by(plain):
    expected = load_net(plain)
    put(plain, "layer/1/delay", np.array([3, 1]))  # of two neurons
    graph = load_net(plain)
    assert list(graph.nodes) == list(expected.nodes)
    synapse = graph.nodes["layer1_synapse"]
    assert (synapse.delay, synapse.late.tolist()) == (1, [2, 0])
    np.testing.assert_array_equal(synapse.op.weight, expected.nodes["layer1_synapse"].op.weight)
    put(plain, "layer/1/delay", np.array([[2, 2], [2, 2]]))
    assert load_net(plain).nodes["layer1_synapse"].delay == 2
    for wait, least, late in (
        ([[1, 4], [1, 4]], 1, [[0, 3]]),  # of the neurons before
        ([[1, 2], [2, 2]], 1, [[0, 1], [1, 1]]),  # of the weights of one neuron
    ):
        put(plain, "layer/1/delay", np.array(wait))
        graph = load_net(plain)
        assert list(graph.nodes) == list(expected.nodes)
        synapse = graph.nodes["layer1_synapse"]
        assert (synapse.delay, synapse.late.tolist()) == (least, late)


@pytest.mark.parametrize("late", [[2, 0], [[0, 60]], [[0, 3], [1, 0]]])
def test_delays_of_each_form_come_back(tmp_path, late):
    """One weight is 0 and waits; the file tells its wait apart."""
    synapse = Synapse(Linear(np.array([[4, 0], [6, 8]], np.int16)), (2,), (2,), delay=1, late=late)
    neurons = CubaLIF((2,), 4095, 0, 90, 0, 6, 0)
    held = verify(chain({"in": SpikeInput((2,)), "s": synapse, "a": neurons}), "fixed")
    (tmp_path / "a.net").write_bytes(to_bytes(held))
    assert same(load_net(tmp_path / "a.net"), held)
    with h5py.File(tmp_path / "a.net") as file:
        steps = np.array([[3, 0], [1, 1]]) if np.ndim(late) == 1 else 1 + np.array(late)
        np.testing.assert_array_equal(
            file["layer/1/delay"][:], np.where(synapse.op.weight, steps, 0)
        )


@pytest.mark.parametrize("entry", ["shape", "stride", "groups"])
def test_numbers_are_counted_before_a_list_is_made_of_them(entry, tmp_path):
    path = convolution(tmp_path)
    with h5py.File(path, "r+") as file:
        del file[f"layer/0/{entry}"]
        many = {"dtype": np.int8, "chunks": (1 << 20,), "compression": "gzip", "fillvalue": 1}
        file.create_dataset(f"layer/0/{entry}", (1 << 25,), **many)
    tracemalloc.start()
    with pytest.raises(BadInput, match=f"its {entry} has 33554432 numbers, allowed"):
        load_net(path, input_shape=(3, 4, 5))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 27  # of int64 numbers alone it would be twice that
