"""The causes of a spike that differs, in words.

In:  what `causes.cause` returns.
Out: phrases for sentences.
"""

CAUSES = {
    "weight": "rounding of the weights",
    "threshold": "rounding of the threshold",
    "bias": "rounding of the bias",
    "decay": "rounding of the decays",
    "start": "no rounding; biases count as sent before step 1, as a chip would send them early",
    "sum": "rounding of the sum of weights, which a negative weight exponent rounds down",
    "combined": "all rounding together, no class of parameters by itself",
    "wrap": "its synaptic current wrapped around 24 bits",
    "saturation": "its membrane was cut to 24 bits",
    "truncation": "the chip drops a fraction at each decay; no rounded parameter explains it",
    "tie": "none; the float potential equals the threshold within the precision of float64",
}
