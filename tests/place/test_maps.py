"""Counts by axis and block equal those of the connection map, connection by connection."""

import tracemalloc
from dataclasses import replace
from itertools import product
from math import prod

import numpy as np
import pytest
import scipy.sparse as sp

from neurocompile.chip.read import load_chip
from neurocompile.ir.fixed import Synapse
from neurocompile.ir.linear import connections, out_shape, sparse_op
from neurocompile.ir.nodes import Conv, ConvTranspose, Linear
from neurocompile.place.boxes import Box, even, piece_lengths
from neurocompile.place.maps import DenseMap, Listed, Windows, map_of, messages_of
from neurocompile.place.memory import lists

MEMORY = load_chip("loihi-sim").memory


def random_conv(seed):
    """A convolution or a transposed one, in 1 or 2 dimensions, of few different weights."""
    rng = np.random.default_rng(seed)
    ndim = int(rng.integers(1, 3))
    groups = int(rng.integers(1, 4))
    ins, outs = (int(n) for n in rng.integers(1, 4, 2))

    def draw(low, high):
        return tuple(int(n) for n in rng.integers(low, high, ndim))

    kernel, stride, dilation, padding = draw(1, 5), draw(1, 4), draw(1, 3), draw(0, 3)
    shape = (ins * groups, *draw(9, 30 if ndim == 1 else 14))
    if seed % 2:
        weight = 2 * rng.integers(0, 2, (ins * groups, outs, *kernel))
        extra = tuple(int(rng.integers(0, max(p))) for p in zip(stride, dilation, strict=True))
        op = ConvTranspose(weight, None, stride, padding, extra, dilation, groups)
    else:
        weight = 2 * rng.integers(0, 2, (outs * groups, ins, *kernel))
        op = Conv(weight, None, stride, padding, dilation, groups)
    return rng, Synapse(op, shape, out_shape(op, shape), bits=int(rng.integers(2, 9)))


def random_block(rng, shape):
    ends = [sorted(rng.choice(n + 1, 2, replace=False).tolist()) for n in shape]
    return Box(shape, tuple((a, b) for a, b in ends))


@pytest.mark.parametrize("seed", range(120))
def test_a_block_of_a_convolution_takes_what_its_connections_take(seed):
    rng, synapse = random_conv(seed)
    fast = map_of(synapse, synapse.out_shape, wait=seed % 5)
    assert isinstance(fast, Windows)
    full = connections(synapse)
    for _ in range(8):
        block = random_block(rng, synapse.out_shape)
        base = int(rng.integers(0, 700))
        stored = sp.csc_array(full[block.neurons()])
        stored.sort_indices()
        assert fast.reach(block).tolist() == np.diff(stored.indptr).tolist()
        assert fast.axons(block) == np.count_nonzero(np.diff(stored.indptr))
        assert fast.stored(block, MEMORY, base) == lists(synapse, stored, MEMORY, fast.wait, base)


@pytest.mark.parametrize("seed", range(10))
def test_lists_that_start_in_different_windows_are_told_apart_in_large_images(seed):
    rng = np.random.default_rng(seed)
    op = Conv(2 * rng.integers(0, 2, (3, 2, 3, 3)), None, (1, 1), (1, 1), (1, 1), 1)
    synapse = Synapse(op, (2, 30, 34), (3, 30, 34))
    fast, full = map_of(synapse, (3, 30, 34)), connections(synapse)
    block, base = random_block(rng, (3, 30, 34)), int(rng.integers(0, 700))
    stored = sp.csc_array(full[block.neurons()])
    stored.sort_indices()
    assert fast.stored(block, MEMORY, base) == lists(synapse, stored, MEMORY, fast.wait, base)


def test_a_dense_map_takes_what_its_connections_take():
    rng = np.random.default_rng(0)
    op = Linear(2 * rng.integers(-9, 9, (60, 7)))
    synapse = Synapse(op, (7,), (60,))
    fast, slow = map_of(synapse, (3, 4, 5)), Listed(synapse)
    assert isinstance(fast, DenseMap)
    block = Box((3, 4, 5), ((0, 2), (1, 4), (0, 5)))
    assert fast.reach(block).tolist() == slow.reach(block).tolist() == [30] * 7
    assert fast.axons(block) == slow.axons(block) == 7
    assert fast.stored(block, MEMORY, 9) == slow.stored(block, MEMORY, 9)


def test_a_dense_layer_on_each_row_is_listed_connection_by_connection():
    op = Linear(2 * np.ones((4, 3), np.int64))
    synapse = Synapse(op, (5, 3), (5, 4))
    slow = map_of(synapse, (5, 4))
    assert type(slow) is Listed
    # one row of 4 neurons sees the 3 values of its own row alone
    assert slow.reach(Box((5, 4), ((2, 3), (0, 4)))).tolist() == [0] * 6 + [4] * 3 + [0] * 6


@pytest.mark.parametrize("seed", range(30))
def test_messages_of_a_grid_of_blocks_equal_the_sum_over_its_blocks(seed):
    rng, synapse = random_conv(seed)
    fast = map_of(synapse, synapse.out_shape)
    sides = [int(rng.integers(1, n + 1)) for n in synapse.out_shape]
    lengths = [np.array([side]) for side in sides]
    total = 0
    for corner in np.ndindex(*(-(-n // s) for n, s in zip(synapse.out_shape, sides, strict=True))):
        box = tuple(
            (c * s, min(n, c * s + s))
            for c, s, n in zip(corner, sides, synapse.out_shape, strict=True)
        )
        total += fast.axons(Box(synapse.out_shape, box))
    assert messages_of([fast], synapse.out_shape, lengths).ravel().tolist() == [total]


def blocks_of(shape, sides):
    """The grid of blocks with these sides."""
    spans = [
        [(a, min(n, a + s)) for a in range(0, n, s)] for n, s in zip(shape, sides, strict=True)
    ]
    return [Box(shape, box) for box in product(*spans)]


@pytest.mark.parametrize("seed", range(10))
def test_messages_of_a_convolution_that_is_stored_as_a_matrix_are_exact(seed):
    # A source of a convolution without groups reaches a box, so its pieces multiply
    rng, synapse = random_conv(2 * seed)
    synapse = replace(synapse, op=replace(synapse.op, groups=1, weight=2 * rng.integers(
        1, 9, (len(synapse.op.weight), synapse.in_shape[0], *synapse.op.weight.shape[2:])
    )))  # fmt: skip
    shape = synapse.out_shape
    op = sparse_op(sp.csr_array(connections(synapse)), synapse.in_shape, shape, None)
    slow = map_of(replace(synapse, op=op), shape)
    assert type(slow) is Listed
    lengths = [np.array(sorted({1, n // 2 or 1, n})) for n in shape]
    counted = messages_of([slow], shape, lengths)
    for at in np.ndindex(*counted.shape):
        sides = [int(ell[k]) for ell, k in zip(lengths, at, strict=True)]
        assert counted[at] == sum(slow.axons(block) for block in blocks_of(shape, sides))


@pytest.mark.parametrize("seed", range(5))
def test_messages_of_any_other_matrix_are_a_bound(seed):
    rng = np.random.default_rng(seed)
    full = sp.csr_array(2 * rng.integers(1, 9, (60, 40)) * (rng.random((60, 40)) < 0.1))
    slow = map_of(Synapse(sparse_op(full, (40,), (60,), None), (40,), (60,)), (3, 4, 5))
    for sides in [(1, 1, 1), (3, 2, 5), (2, 4, 3), (3, 4, 5)]:
        (most,) = messages_of([slow], (3, 4, 5), [np.array([s]) for s in sides]).ravel()
        least = sum(slow.axons(block) for block in blocks_of((3, 4, 5), sides))
        assert least <= most <= full.nnz


@pytest.mark.parametrize("at_once", [1, 50, 1 << 22])
@pytest.mark.parametrize("shape", [(60,), (6, 10), (3, 4, 5)])
@pytest.mark.parametrize("density", [0.02, 0.3])
def test_messages_are_the_products_of_the_pieces_along_each_axis(
    monkeypatch, at_once, shape, density
):
    monkeypatch.setattr("neurocompile.place.maps.PIECES", at_once)
    rng = np.random.default_rng(len(shape))
    full = (rng.random((60, 40)) < density).astype(np.int64)
    full[:, 7] = np.arange(60) % 4 == 1  # one reaches far, with gaps; another only its neighbours
    full[:, 8] = np.arange(60) < 20
    slow = map_of(
        Synapse(sparse_op(sp.csr_array(2 * full), (40,), (60,), None), (40,), (60,)), shape
    )
    lengths = [piece_lengths(n) for n in shape]
    counted = messages_of([slow], shape, lengths)
    for at in np.ndindex(*counted.shape):
        total = 0
        for source in full.T:
            reached = np.unravel_index(np.flatnonzero(source), shape)
            pieces = [set(i // ell[k]) for i, ell, k in zip(reached, lengths, at, strict=True)]
            total += prod(map(len, pieces))
        assert counted[at] == min(total, full.sum())


def test_messages_of_many_neurons_with_few_sources_each_take_little_memory():
    # 1023 lengths of 262,144 sources would take 2 GB
    each = sp.eye_array(1 << 18, dtype=np.int64, format="csr")
    far = sp.csr_array(np.arange(1 << 18)[:, None] % 2)
    full = sp.csr_array(sp.hstack([2 * each, 2 * far]))
    sources, shape = ((1 << 18) + 1,), (1 << 18,)
    slow = map_of(Synapse(sparse_op(full, sources, shape, None), sources, shape), shape)
    _ = slow.rows
    tracemalloc.start()
    counted = messages_of([slow], shape, [piece_lengths(1 << 18)])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100e6
    assert counted[0] == (1 << 18) + (1 << 17)  # single neurons: one message for each synapse
    assert counted[-1] == (1 << 18) + 1  # one block: one for each source


@pytest.mark.parametrize("seed", range(8))
def test_blocks_that_are_alike_have_the_same_lists(seed):
    _, synapse = random_conv(seed)
    fast, full, seen = map_of(synapse, synapse.out_shape), connections(synapse), {}
    sides = [max(2, n // 3) for n in synapse.out_shape]
    for block in blocks_of(synapse.out_shape, sides):
        stored = sp.csc_array(full[block.neurons()])
        stored.sort_indices()
        found = lists(synapse, stored, MEMORY, 0, 300)
        assert seen.setdefault(fast.alike(block), found) == found


def test_a_block_lies_on_its_core_in_the_order_of_its_axes():
    block = Box((2, 3, 4), ((1, 2), (0, 2), (1, 3)))
    assert block.neurons().tolist() == [13, 14, 17, 18]
    assert (block.size, block.sides, block.strides) == (4, (1, 2, 2), (4, 2, 1))
    assert even(2, 9, 3) == [(2, 4), (4, 6), (6, 9)]


@pytest.mark.parametrize("seed", range(20))
def test_a_sparse_map_takes_what_its_connections_take(seed):
    rng = np.random.default_rng(seed)
    full = sp.csr_array(2 * rng.integers(1, 9, (60, 40)) * (rng.random((60, 40)) < 0.1))
    synapse = Synapse(sparse_op(full, (40,), (60,), None), (40,), (60,))
    slow = map_of(synapse, (3, 4, 5))
    for _ in range(8):
        block, base = random_block(rng, (3, 4, 5)), int(rng.integers(0, 300))
        stored = sp.csc_array(full[block.neurons()])
        stored.sort_indices()
        assert slow.axons(block) == np.count_nonzero(np.diff(stored.indptr))
        assert slow.stored(block, MEMORY, base) == lists(synapse, stored, MEMORY, slow.wait, base)
