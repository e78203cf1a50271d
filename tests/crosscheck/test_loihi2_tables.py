"""Placement on Loihi 2 is what Intel's compiler printed: cores, blocks and words of each layer."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from loihi2_tables import (
    DENSE_CORES,
    DENSE_LISTS,
    KERNEL_LISTS,
    PILOTNET,
    dense_network,
    pilotnet_without_weights,
    rows_of,
    weights_between,
)

from neurocompile.chip.read import load_chip
from neurocompile.ir.fixed import Synapse
from neurocompile.ir.nodes import Linear
from neurocompile.place import place
from neurocompile.place.words import powers_of_two, weight_bits, whole_words

LOIHI2 = load_chip("loihi2-sim")
WORDS = LOIHI2.memory


def _dense(low, high):
    return Synapse(Linear(weights_between((2, 2), low, high)), (2,), (2,))


@pytest.fixture(scope="module")
def placed():
    return place(pilotnet_without_weights(), LOIHI2, "halves")


def test_pilotnet_takes_the_74_cores_that_it_took_on_silicon(placed):
    assert len(placed.cores) == 74


def test_every_row_of_the_compilers_table_of_pilotnet_is_met(placed):
    known = [row._replace(axon_mem=-1) for row in PILOTNET]  # no rule for it is known
    assert rows_of(placed) == known


@pytest.mark.parametrize(("network", "cores"), [("oxford", [2, 2]), ("mnist", [3, 1, 1])])
def test_dense_networks_take_the_cores_that_the_compiler_printed_but_for_one(network, cores):
    placed = place(dense_network(network), LOIHI2, "halves")
    found = [
        sum(f"layer{k}" in core.held for core in placed.cores)
        for k in range(len(DENSE_CORES[network]))
    ]
    assert found == cores
    missed = [row[-1] - n for row, n in zip(DENSE_CORES[network], found, strict=True)]
    assert missed == ([1, 0] if network == "oxford" else [0, 0, 0])  # a rule not known


@pytest.mark.parametrize(("network", "low", "high", "neurons", "words"), DENSE_LISTS)
def test_a_dense_list_takes_the_words_that_the_compiler_printed(network, low, high, neurons, words):
    needed = weight_bits(_dense(low, high))
    width = next(w for w in WORDS.weight_widths.value if w >= needed)
    assert whole_words(neurons, width + 12, WORDS) == words * 64


@pytest.mark.parametrize(("network", "bits", "channels", "words"), KERNEL_LISTS)
def test_a_tap_takes_the_words_that_the_compiler_printed(network, bits, channels, words):
    assert whole_words(np.array(powers_of_two(channels)), bits, WORDS).sum() == words * 64


def laid_out(**values):
    """The layout of words with other widths, bits."""
    return replace(WORDS, **{k: replace(getattr(WORDS, k), value=v) for k, v in values.items()})


def test_no_other_word_and_index_explain_the_dense_figures():
    neurons = np.array([row[3] for row in DENSE_LISTS])
    words = np.array([row[4] for row in DENSE_LISTS])
    needed = [weight_bits(_dense(low, high)) for _, low, high, *_ in DENSE_LISTS]
    widths = np.array([next(w for w in WORDS.weight_widths.value if w >= n) for n in needed])
    found = {
        (word, index, header)
        for word, index, header in product((8, 16, 24, 32, 48, 64, 96, 128), range(33), range(65))
        if np.array_equal(
            whole_words(neurons, widths + index, laid_out(word_bits=word, header_bits=header)),
            words * word,
        )
    }
    assert found == {(64, 12, header) for header in range(2, 9)}


def test_a_kernels_words_fit_every_header_from_1_to_16_bits():
    fits = [
        header
        for header in range(33)
        if all(
            whole_words(np.array(powers_of_two(n)), bits, laid_out(header_bits=header)).sum()
            == words * 64
            for _, bits, n, words in KERNEL_LISTS
        )
    ]
    assert fits == list(range(1, 17))
