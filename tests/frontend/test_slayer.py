"""Networks of lava-dl's slayer blocks: read as the integers that they are, 0 spikes different."""

import h5py
import numpy as np
import pytest
import random_slayer
import torch
from random_slayer import Blocks, alif, cuba
from torch import nn

import neurocompile as nc
from neurocompile.chip.read import load_chip
from neurocompile.compiler import compile
from neurocompile.data.inputs import encode
from neurocompile.data.samples import Data
from neurocompile.engines import fixed
from neurocompile.engines.decode import result_of
from neurocompile.errors import BadInput, Unsupported
from neurocompile.formats.netx.read import load_net
from neurocompile.frontend.peers.slayer import integers, why_not
from neurocompile.frontend.torch import trace
from neurocompile.ir import reference
from neurocompile.ir.graph import same
from neurocompile.ir.resonators import RF, RF_IZ
from neurocompile.ir.settings import Settings
from neurocompile.ir.sigma_delta import Delta, Sigma, SigmaDelta

pytestmark = pytest.mark.filterwarnings("ignore:.*weight_norm. is deprecated:FutureWarning")
STEPS = 25


def neuron(**options):
    return {"threshold": 1.0, "current_decay": 0.3, "voltage_decay": 0.1, **options}


def drawn(*shape):
    return np.random.default_rng(3).random((STEPS, *shape)) < 0.4


def read(model, *shape, settings=None):
    return integers(model, torch.zeros(1, *shape, STEPS), settings)


def test_ten_random_networks_give_slayers_spikes():
    kinds, spikes = set(), 0
    for seed in range(10):
        found = random_slayer.compared(seed)
        assert found.wrong == [], seed
        kinds |= found.kinds
        spikes += found.spikes
    both = {f"{kind}.{block}" for kind in ("cuba", "alif") for block in ("Dense", "Recurrent")}
    assert kinds >= {*both, "cuba.Conv", "cuba.Pool", "cuba.Flatten", "cuba.Input"}
    assert spikes > 2000


def test_the_network_of_the_oxford_tutorial_gives_its_output_steps_later():
    torch.manual_seed(1)
    model = Blocks(
        cuba.Dense(neuron(), 20, 24, weight_norm=True, weight_scale=4),
        cuba.Dense(neuron(), 24, 10, weight_norm=True, weight_scale=4),
    )
    x = drawn(20)
    with torch.no_grad():
        theirs = model(torch.from_numpy(np.moveaxis(x, 0, -1).astype(np.float32))[None])[0][0]
    graph = read(model, 20)
    ours, _ = reference.run_fixed(graph, {"input": x.astype(np.int64)}, STEPS)
    late = np.concatenate([np.zeros((1, 10)), ours["blocks.1"][:-1]])  # its own delay_shift
    assert theirs.sum() > 20
    np.testing.assert_array_equal(late, theirs.numpy().T)


def test_a_late_last_block_is_said_and_its_cure_counts_what_the_model_returns():
    torch.manual_seed(1)
    model = Blocks(
        cuba.Dense(neuron(), 20, 24, weight_scale=4), cuba.Dense(neuron(), 24, 10, weight_scale=4)
    )
    x = drawn(20)
    with torch.no_grad():
        theirs = model(torch.from_numpy(np.moveaxis(x, 0, -1).astype(np.float32))[None])[0][0]
    decoder = nc.Decoder("rate")
    graph = read(model, 20, settings=Settings(decoder=decoder))
    assert [a.line() for a in graph.settings.assumed if a.is_note] == [
        "note: slayer returns the spikes of the last block 'blocks.1' 1 step after its neurons "
        "make them (delay_shift, delay), and leaves out what comes after step 25. Here they are "
        "read where they are made: the decoder 'rate' counts those of all 25 steps. "
        "Settings(steps=24) (--steps 24) counts those that slayer returns."
    ]
    compiled = compile(graph, load_chip("loihi2-sim"))
    assert compiled.report["notes"] == [graph.settings.assumed[-1].sentence]
    assert graph.settings.steps == STEPS
    cured = read(model, 20, settings=Settings(steps=STEPS - 1, decoder=decoder))
    data = Data("drawn", "spikes", x[None].astype(np.float32))
    did = fixed.run(cured, encode(cured, data, 0, 1, STEPS - 1, 0)).recording
    assert theirs.sum() > 20
    assert not any(a.is_note for a in cured.settings.assumed)
    rate = result_of(cured, did)
    np.testing.assert_allclose(rate[0] * (STEPS - 1), theirs.sum(-1).numpy(), rtol=0, atol=1e-9)


def test_the_steps_of_the_example_are_those_of_a_sample_unless_the_settings_say_otherwise():
    model = Blocks(cuba.Dense(neuron(), 4, 3, delay_shift=False))
    read_so = read(model, 4).settings
    assert (read_so.steps, [a.key for a in read_so.assumed]) == (STEPS, ["dt"])
    (said,) = (a for a in read(model, 4, settings=Settings(1e-3, 7)).settings.assumed)
    assert said.line() == (
        "note: a sample takes 7 steps, as the settings say; the example (1, 4, 25) is read as "
        "(N, ..., T) and has 25."
    )


def test_what_waits_in_the_last_block_is_said_by_its_range():
    model = Blocks(cuba.Dense(neuron(), 4, 3, delay=True))
    model(torch.zeros(1, 4, 3))
    model.blocks[0].delay.delay.data = torch.tensor([0.5, 2.0, 3.0])
    (said,) = (a for a in read(model, 4).settings.assumed if a.is_note)
    assert "'blocks.0' 1 to 4 steps after" in said.sentence
    assert "Settings(steps" not in said.sentence  # no number of steps fits each neuron
    last = Blocks(cuba.Dense(neuron(), 4, 3, delay_shift=False))
    assert not any(a.is_note for a in read(last, 4).settings.assumed)


def test_weights_decays_and_delays_are_slayers_own_integers():
    model = Blocks(cuba.Dense(neuron(), 2, 2, delay=True), cuba.Dense(neuron(), 2, 1))
    model(torch.zeros(1, 2, 3))
    for block, weight in zip(
        model.blocks, ([[1.0, -0.51], [9.0, 0.0]], [[0.5, 0.25]]), strict=True
    ):
        block.synapse.weight.data = torch.tensor(weight).reshape(block.synapse.weight.shape)
    model.blocks[0].delay.delay.data = torch.tensor([0.9, 2.0])
    graph = read(model, 2)
    # 64 a unit in steps of 2: 64, -32.64 -> -32; 576 is cut to 254
    assert graph.nodes["blocks.0_synapse"].op.weight.tolist() == [[64, -32], [254, 0]]
    node = graph.nodes["blocks.0"]
    # 0.3 * 4096 = 1228.8 and 0.1 * 4096 = 409.6; a current register holds one less
    assert (int(node.du), int(node.dv), int(node.vth)) == (1228, 410, 64)
    into = graph.nodes["blocks.1_synapse"]
    assert (into.op.weight.tolist(), into.delay) == ([[32, 16]], 1)  # a step of delay_shift
    assert into.late.tolist() == [[0, 2]]


def test_saving_keeps_the_integers_and_leaves_the_model_as_it_was(tmp_path):
    model = Blocks(cuba.Dense(neuron(), 6, 5, weight_norm=True), cuba.Recurrent(neuron(), 5, 3))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    graph = nc.save(
        model, tmp_path / "net.pt", torch.zeros(1, 6, STEPS), settings=Settings(steps=7)
    )
    assert same(nc.load(tmp_path / "net.pt"), graph)
    assert (graph.fixed, graph.settings.steps) == (True, 7)
    after = model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_the_integers_compile_for_a_loihi():
    model = Blocks(cuba.Conv(neuron(), 1, 2, 3), cuba.Flatten(), cuba.Dense(neuron(), 32, 3))
    compiled = compile(read(model, 1, 6, 6), load_chip("loihi-sim"))
    assert compiled.fixed_graph.fixed


def with_norm():
    from lava.lib.dl.slayer.neuron.norm import MeanOnlyBatchNorm

    return Blocks(cuba.Dense(neuron(norm=MeanOnlyBatchNorm), 4, 3))


class Branch(Blocks):
    def forward(self, spike):
        return self.blocks[0](spike) + self.blocks[1](spike)


class Skipped(Blocks):
    def forward(self, spike):
        return self.blocks[1](self.blocks[0](spike) * 1)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (
            lambda: Blocks(cuba.Input(neuron())),
            r"layer 'blocks.0' \(Input\): its neurons take real",
        ),
        (
            lambda: Blocks(cuba.Affine(neuron(), 4, 3)),
            r"layer 'blocks.0' \(Affine\): it has weights, and no neurons that could spike.",
        ),
        (with_norm, r"\(Dense\): its neurons have norm. Use norm=None"),
        (
            lambda: Blocks(cuba.Dense(neuron(graded_spike=True), 4, 3)),
            "its neurons have graded_spike. Use graded_spike=False",
        ),
        (
            lambda: Blocks(cuba.Dense(neuron(), 4, 3, pre_hook_fx=lambda x, descale=False: 64 * x)),
            "its pre_hook_fx gives weights from .* Leave pre_hook_fx out",
        ),
        (
            lambda: Blocks(cuba.Dense(neuron(), 4, 3, delay=True)),
            "its delays have no values yet. Run the model once",
        ),
        (
            lambda: Blocks(cuba.Dense(neuron(shared_param=False), 4, 3)),
            "its decays have no values yet. Run the model once",
        ),
        (
            lambda: Branch(cuba.Dense(neuron(), 4, 3), cuba.Dense(neuron(), 4, 3)),
            r"layer 'blocks.1' \(Dense\): it is not given what the block before it gave",
        ),
        (
            lambda: Skipped(cuba.Dense(neuron(), 4, 3), cuba.Dense(neuron(), 3, 3)),
            r"layer 'blocks.1' \(Dense\): it is not given what the block before it gave",
        ),
        (
            lambda: nn.Sequential(cuba.Dense(neuron(), 4, 3), nn.ReLU()),
            r"layer '0' \(Dense\): the model returns something else than what this last block",
        ),
    ],
)
def test_what_is_no_chain_of_spiking_blocks_is_refused_by_name(made, words):
    with pytest.raises(Unsupported, match=words):
        read(made(), 4)


def test_an_adaptive_block_keeps_its_own_registers():
    params = {**neuron(), "threshold_step": 0.5, "threshold_decay": 0.25, "refractory_decay": 0.5}
    node = read(Blocks(alif.Dense(params, 4, 3)), 4).nodes["blocks.0"]
    plain = read(Blocks(cuba.Dense(neuron(), 4, 3)), 4).nodes["blocks.0"]
    assert (int(node.dtheta), int(node.dr), int(node.theta_step)) == (1024, 2048, 32)  # 64 a unit
    assert (node.theta_0, node.du, node.dv) == (plain.vth, plain.du, plain.dv)


def adaptive_resonators(*shape):
    from lava.lib.dl.slayer.block import adrf

    params = {"threshold": 1.0, "threshold_step": 0.1, "period": 10.0, "decay": 0.1}
    params |= {"threshold_decay": 0.5, "refractory_decay": 0.5}
    return adrf.Dense(params, *shape)


def test_blocks_of_other_neurons_are_refused_by_name():
    with pytest.raises(Unsupported, match=r"layer 'blocks.0' \(Dense\): it has resonate-and-fire"):
        read(Blocks(adaptive_resonators(4, 3)), 4)


@pytest.mark.parametrize("seed", range(4))
def test_resonating_blocks_give_slayers_spikes(seed):
    from lava.lib.dl.slayer.block import rf, rf_iz

    torch.manual_seed(seed)
    kind, node = ((rf, RF), (rf_iz, RF_IZ))[seed % 2]
    params = {"threshold": 0.3, "period": 5.0 + seed, "decay": 0.05}
    if seed > 1:  # a period and a decay per neuron
        params |= {"shared_param": False, "period": [5.0, 12.0], "decay": [0.02, 0.1]}
    model = Blocks(
        kind.Dense(params, 10, 8, weight_scale=3),
        kind.Dense(params, 8, 5, weight_scale=4, weight_norm=seed > 1),
    )
    x = drawn(10)
    with torch.no_grad():
        theirs = model(torch.from_numpy(x.T[None].astype(np.float32)))[0][0].numpy()
    graph = read(model, 10)
    assert [type(graph.nodes[f"blocks.{i}"]) for i in range(2)] == [node, node]
    fired, _ = reference.run_fixed(graph, {"input": x.astype(np.int64)}, STEPS)
    assert np.array_equal(fired["blocks.1"].T[:, :-1], theirs[:, 1:] != 0)  # it shifts by a step
    assert fired["blocks.1"].sum() > 5


def test_delays_reach_both_parts_of_complex_weights_and_loops_of_resonators_are_refused():
    from lava.lib.dl.slayer.block import rf

    params = {"threshold": 0.3, "period": 5.0, "decay": 0.05}
    model = Blocks(rf.Dense(params, 4, 3, delay=True), rf.Dense(params, 3, 3))
    model(torch.zeros(1, 4, 2))
    model.blocks[0].delay.delay.data = torch.arange(3.0)
    graph = read(model, 4)
    for part in ("real", "imag"):
        assert graph.nodes[f"blocks.1_{part}"].late.tolist() == [[0, 1, 2]]
    assert "Use a Dense block." in why_not(rf.Recurrent)


def test_sigma_delta_blocks_are_refused_and_their_file_is_read(tmp_path):
    from lava.lib.dl.slayer.block import sigma_delta

    params = {"threshold": 0.1, "activation": torch.nn.functional.relu}
    first, dense = sigma_delta.Input(params), sigma_delta.Dense(params, 6, 5)
    model = Blocks(first, dense, sigma_delta.Output(params, 5, 2))
    model(torch.zeros(1, 6, STEPS))
    with pytest.raises(Unsupported, match="it has sigma-delta neurons") as refused:
        read(model, 6)
    assert len(refused.value.reasons) == 3
    assert "Write the network with export_hdf5 and read the .net" in str(refused.value)
    path = tmp_path / "network.net"  # the cure
    with h5py.File(path, "w") as file:
        for number, block in enumerate(model.blocks):
            block.export_hdf5(file.create_group(f"layer/{number}"))
    graph = load_net(path)
    weight = dense.synapse.pre_hook_fx(dense.synapse.weight, descale=True).detach().numpy()
    assert np.array_equal(graph.nodes["layer1_synapse"].op.weight, weight.reshape(5, 6))
    assert [type(graph.nodes[f"layer{i}"]) for i in range(3)] == [Delta, SigmaDelta, Sigma]


def test_every_block_that_has_no_integers_is_listed():
    graded = cuba.Dense(neuron(graded_spike=True), 3, 3)
    with pytest.raises(Unsupported) as refused:
        read(Blocks(adaptive_resonators(4, 3), cuba.Dense(neuron(), 3, 3), graded), 4)
    first, last = refused.value.reasons
    assert first.startswith("layer 'blocks.0' (Dense): it has resonate-and-fire")
    assert last.startswith("layer 'blocks.2' (Dense): its neurons have graded_spike.")


def test_a_pool_that_mixes_channels_is_refused():
    with pytest.raises(Unsupported, match=r"its kernel \(2, 2\), stride .* on \(5, 5\) let slayer"):
        read(Blocks(cuba.Pool(neuron(), 2)), 2, 5, 5)


def test_an_example_without_steps_is_refused():
    with pytest.raises(BadInput, match=r"example_input has shape \(1, 4\), but slayer's blocks"):
        integers(Blocks(cuba.Dense(neuron(), 4, 3)), torch.zeros(1, 4), None)


@pytest.mark.parametrize("shape", [(STEPS, 1, 4), (1, STEPS, 4)])
def test_an_example_whose_axes_are_in_another_order_names_the_layer_and_the_order(shape):
    model = Blocks(cuba.Input(None, delay_shift=False), cuba.Dense(neuron(), 4, 3))
    words = (
        rf"layer 'blocks.1' \(Dense\) cannot take the shape \(1, {shape[1]}, .* is read as "
        rf"\(N, ..., T\): 4 steps of samples of shape \({shape[1]},\). Put the batch first"
    )
    with pytest.raises(BadInput, match=words):
        integers(model, torch.zeros(shape), None)


def test_a_trace_points_to_save():
    with pytest.raises(Unsupported, match=r"Blocks is made of lava-dl's slayer blocks.*Use neuro"):
        trace(Blocks(cuba.Dense(neuron(), 4, 3)), torch.zeros(1, 4, 5))
