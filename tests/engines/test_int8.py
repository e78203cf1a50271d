"""Products in int8: exact at every extreme, refused where a sum may not be.

Expected sums are numpy's in int64, over `ir.linear.connections`, which defines a synapse.
"""

import llvmlite.binding as llvm
import numpy as np
import pytest
import torch

from neurocompile.data.inputs import Encoded
from neurocompile.engines import fixed
from neurocompile.engines.fixed import int8
from neurocompile.engines.fixed.choice import FLOAT, INT8, PathChoice
from neurocompile.engines.fixed.dense import Dense
from neurocompile.engines.fixed.tables import channels_last, table
from neurocompile.ir.fixed import CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import Graph
from neurocompile.ir.linear import connections
from neurocompile.ir.nodes import Conv, ConvTranspose, Linear, size
from neurocompile.ir.payloads import largest_row

no_units = int8.why_not() != ""
needs_units = pytest.mark.skipif(no_units, reason=f"no int8 products: {int8.why_not()}")


@pytest.fixture
def asked_anew():
    """Let `why_not` look again, in the test and after it."""
    int8.why_not.cache_clear()
    yield
    int8.why_not.cache_clear()


def synapses(seed):
    """One synapse of each kind that has a product, of random shape; weights at the extremes."""
    rng = np.random.default_rng(seed)
    step = int(rng.choice([2, 4, 64, 128]))  # 8, 7, 3 and 2 bits

    def weights(*shape):
        if seed % 3 == 0:
            return np.full(shape, -256, np.int16)
        if seed % 3 == 1:
            return rng.choice([-256, 256 - step], shape).astype(np.int16)
        return (step * rng.integers(-256 // step, 256 // step, shape)).astype(np.int16)

    inputs, outputs = (int(n) for n in rng.integers(1, 90, 2))
    yield Synapse(Linear(weights(outputs, inputs)), (inputs,), (outputs,))
    for kind in (Conv, ConvTranspose):
        for axes in (1, 2):
            groups = int(rng.choice([1, 1, 2]))
            into, out = (groups * int(n) for n in rng.integers(1, 6, 2))
            kernel, stride, dilation = (
                tuple(int(n) for n in rng.integers(1, high, axes)) for high in (4, 3, 3)
            )
            padding = tuple(int(rng.integers(0, k)) for k in kernel)
            space = tuple(int(n) for n in rng.integers(7, 10, axes))
            first, second = (out, into) if kind is Conv else (into, out)
            values = weights(first, second // groups, *kernel)
            args = (values, None, stride, padding, dilation, groups)
            extra = (0,) * axes
            op = Conv(*args) if kind is Conv else ConvTranspose(*args[:4], extra, *args[4:])
            shape = op_shape(op, (into, *space))
            yield Synapse(op, (into, *space), shape)


def op_shape(op, shape):
    """Shape of what a convolution returns."""
    from neurocompile.engines.torch_ops import apply

    return tuple(apply(op, torch.zeros(1, *shape), shape).shape[1:])


def dense(synapse, *, signed, last):
    """The dense path of a synapse, with the channels of images last or in C order."""
    orders = [
        channels_last(shape) if last and len(shape) > 1 else np.arange(size(shape))
        for shape in (synapse.in_shape, synapse.out_shape)
    ]
    if isinstance(synapse.op, Conv | ConvTranspose):
        orders[1] = channels_last(synapse.out_shape)
    made = table(synapse, *orders)
    return Dense(synapse, *orders, made, largest_row(synapse), signed=signed), orders


@needs_units
@pytest.mark.parametrize("largest", [1, 127])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_a_product_in_int8_is_the_product_of_whole_numbers(seed, last, largest):
    rng = np.random.default_rng(seed)
    taken = set()
    for synapse in synapses(seed):
        product, (source, target) = dense(synapse, signed=largest > 1, last=last)
        bound = product.row * largest
        if INT8 not in product.exact(bound):
            continue
        taken.add(type(synapse.op))
        n = size(synapse.in_shape)
        if largest == 1:
            rows = [np.ones(n), rng.integers(0, 2, n), rng.random(n) < 0.1]
            fired = np.array(rows).astype(np.uint8)
        else:
            rows = [np.full(n, -127), np.full(n, 127), rng.choice([-127, 0, 127], n)]
            fired = np.array([*rows, rng.integers(-127, 128, n)]).astype(np.int32)
        total = np.empty((len(fired), len(target)), np.int64)
        product.sums(fired, total, bound, INT8)
        m = connections(synapse).toarray().astype(np.int64)[target][:, source]
        np.testing.assert_array_equal(total, fired.astype(np.int64) @ m.T, err_msg=repr(synapse))
    assert taken >= {Linear, Conv}


@needs_units
def test_a_sum_is_exact_up_to_the_last_one_that_32_bits_hold():
    n = 131_072  # -256 x 127 x 66,051 is the last such sum below 2^31 in halves
    weights = np.full((1, n), -256, np.int16)
    product, _ = dense(Synapse(Linear(weights), (n,), (1,)), signed=True, last=False)
    fired = np.full((1, n), 127, np.int32)
    assert product.row * 127 >> 1 < int8.EXACT_INT32
    assert INT8 in product.exact(product.row * 127)
    total = np.empty((1, 1), np.int64)
    product.sums(fired, total, product.row * 127, INT8)
    assert total.item() == -256 * 127 * n


def test_payloads_in_two_digits_are_what_they_were():
    every = np.arange(-int8.LARGEST_OF_TWO, int8.LARGEST_OF_TWO + 1, dtype=np.int32)
    high, low = int8.digits(every)
    assert high.dtype == low.dtype == np.int8
    assert (high.min(), high.max(), low.min(), low.max()) == (-127, 127, -64, 63)
    np.testing.assert_array_equal(high.astype(np.int64) * 128 + low, every)


@needs_units
@pytest.mark.parametrize("largest", [128, 16_319])
def test_a_matrix_takes_payloads_in_two_digits_up_to_the_last_sum_of_32_bits(largest):
    rng = np.random.default_rng(largest)
    n = ((1 << 31) - 1) // (128 * largest)
    n = min(n, 50_000)
    weights = np.full((2, n), -256, np.int16)
    weights[1] = rng.choice([-256, 254], n)
    product, _ = dense(Synapse(Linear(weights), (n,), (2,)), signed=True, last=False)
    bound = product.row * largest
    assert INT8 in product.exact(bound)
    fired = rng.choice([-largest, 127, largest], (5, n)).astype(np.int32)
    fired[0], fired[1] = largest, -largest
    total = np.empty((5, 2), np.int64)
    product.sums(fired, total, bound, INT8)
    np.testing.assert_array_equal(total, fired.astype(np.int64) @ weights.T.astype(np.int64))


@needs_units
def test_int8_is_offered_only_where_weights_payloads_and_sums_fit():
    def offered(synapse, largest):
        product, _ = dense(synapse, signed=True, last=True)
        return INT8 in product.exact(product.row * largest)

    weights = np.full((3, 40), -256, np.int16)
    assert offered(Synapse(Linear(weights), (40,), (3,)), 16_319)  # 127 x 128 + 63
    assert not offered(Synapse(Linear(weights), (40,), (3,)), 16_320)
    kernel = Conv(weights[:, :, None], None, (1,), (0,), (1,), 1)
    assert offered(Synapse(kernel, (40, 2), (3, 2)), 127)
    assert not offered(Synapse(kernel, (40, 2), (3, 2)), 128)
    assert not offered(Synapse(Linear(weights + 1), (40,), (3,)), 1)  # -255 has no half
    assert not offered(Synapse(Linear(weights * 2), (40,), (3,)), 1)
    many = np.full((1, 133_000), -256, np.int16)
    assert not offered(Synapse(Linear(many), (133_000,), (1,)), 127)  # 2.16e9 in halves
    # A convolution comes in float32: 128 x 127 x channels must stay below 2^24.
    for channels, fits in ((1000, True), (1040, False)):
        op = Conv(np.full((1, channels, 1), -256, np.int16), None, (1,), (0,), (1,), 1)
        assert offered(Synapse(op, (channels, 2), (1, 2)), 127) == fits


def test_a_processor_without_int8_units_is_named(asked_anew, monkeypatch):
    monkeypatch.setattr(llvm, "get_host_cpu_features", lambda: {"avx2": True})
    assert int8.why_not() == "the processor has neither avx512vnni nor avxvnni"


@needs_units
def test_a_product_that_stops_at_16_bits_is_found_before_its_first_use(asked_anew, monkeypatch):
    def stopping(x, w):
        """Pairs in 16 bits, as x86 without VNNI adds them: x + 128 is unsigned."""
        pairs = (x.int() + 128).reshape(len(x), -1, 2, 1) * w.int().reshape(-1, 2, w.shape[1])
        stopped = pairs.sum(2).clamp(-(1 << 15), (1 << 15) - 1).sum(1)
        return (stopped - 128 * w.int().sum(0)).int()

    small = torch.ones(2, 4, dtype=torch.int8)
    assert torch.equal(stopping(small, small.T.contiguous()), torch.full((2, 2), 4).int())
    monkeypatch.setattr(torch, "_int_mm", stopping)
    assert int8.why_not().endswith("computes a wrong matrix product")


@needs_units
@pytest.mark.parametrize("name", ["_int_mm", "onednn"])
def test_a_torch_without_these_functions_is_named(asked_anew, monkeypatch, name):
    if name == "onednn":
        monkeypatch.setattr(torch.ops, "onednn", None)
    else:
        monkeypatch.delattr(torch, name)
    assert int8.why_not().startswith(f"torch {torch.__version__} computes none: ")


def test_without_int8_products_a_run_takes_floats_and_the_same_bits(asked_anew, monkeypatch):
    rng = np.random.default_rng(0)
    weights = (2 * rng.integers(-128, 128, (300, 400))).astype(np.int16)
    nodes = {
        "in": SpikeInput((400,)),
        "s": Synapse(Linear(weights), (400,), (300,)),
        "out": CubaLIF((300,), 4095, 100, 50, 0, 0, 0),
    }
    edges = (("in", "s"), ("s", "out"))
    encoded = Encoded({"in": rng.integers(0, 2, (9, 20, 400), dtype=np.uint8)}, 20)
    taken = []
    learned = PathChoice.went_as_product

    def learn(self, product, seconds, rows):
        taken.append(product)
        learned(self, product, seconds, rows)

    monkeypatch.setattr(PathChoice, "went_as_product", learn)
    here = fixed.run(Graph(nodes, edges), encoded).recording
    with_units = set(taken)
    taken.clear()
    int8.why_not.cache_clear()
    monkeypatch.setattr(llvm, "get_host_cpu_features", dict)
    there = fixed.run(Graph(nodes, edges), encoded).recording
    assert set(taken) == {FLOAT}
    assert with_units == ({FLOAT} if no_units else {INT8, FLOAT})
    np.testing.assert_array_equal(here.spikes["out"], there.spikes["out"])
    np.testing.assert_array_equal(here.membrane["out"], there.membrane["out"])
