"""Broken silicon: what a network does when words, neurons or cores of its chip fail.

In:  a placed network; which kind of fault, in which share of its places, drawn from a seed.
Out: the faulty network, as integers that every engine runs; what it costs, over many draws.
"""

KINDS = {  # name, and what it does to the integers, in one sentence
    "weight-flips": "One bit of a stored weight, a word of two's complement, is turned over.",
    "stuck-weights": "A stored weight reads 0.",
    "dead-neurons": (
        "A neuron never spikes: the weights into it, its bias and its first potential are 0."
    ),
    "silent-cores": "All neurons of a core are dead, and the potentials of its readouts stay 0.",
    "membrane-flips": (
        "In every sample, after one step that all hit neurons share, one bit of the potential v, "
        "a word of 24 bits in two's complement, is turned over."
    ),
    "threshold-flips": "One bit of a threshold register is turned over.",
    "threshold-drift": (
        "A threshold register is multiplied or, as likely, divided by the factor, and rounded to "
        "the nearest number that it holds."
    ),
}
DRIFTS = "threshold-drift"  # the kind that has a factor
FACTOR = 1.25
DRAWS, SHARE = 20, 0.01
"""What is drawn unless a user says otherwise."""
