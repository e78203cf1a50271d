"""Layers and training for spiking networks: regularized LIF layers over Norse,
sigma-delta layers, and the rest.

In:  Norse's parameter tuples and PyTorch's synapse modules.
Out: layers, networks, penalties, activity figures and training.
"""

from neurocompile.nn.activity import LayerActivity, activity
from neurocompile.nn.adapting import ALIF, LSNN, ALIFParameters, LIFRefrac
from neurocompile.nn.autoencoder import SpikingAutoencoder
from neurocompile.nn.delays import Delay, LearnedDelay, narrow_delays
from neurocompile.nn.layers import LI, LIF, LIBox, LIFBox, SpikingOutput
from neurocompile.nn.network import SpikingNetwork
from neurocompile.nn.rates import RateNetwork
from neurocompile.nn.regularization import Regularization, regularization_loss
from neurocompile.nn.sigma_delta import Delta, Sigma, SigmaDelta
from neurocompile.nn.training import TrainingPlan, accuracy, reconstruction_error, train

__all__ = [
    "ALIF",
    "LI",
    "LIF",
    "LSNN",
    "ALIFParameters",
    "Delay",
    "Delta",
    "LIBox",
    "LIFBox",
    "LIFRefrac",
    "LayerActivity",
    "LearnedDelay",
    "RateNetwork",
    "Regularization",
    "Sigma",
    "SigmaDelta",
    "SpikingAutoencoder",
    "SpikingNetwork",
    "SpikingOutput",
    "TrainingPlan",
    "accuracy",
    "activity",
    "narrow_delays",
    "reconstruction_error",
    "regularization_loss",
    "train",
]
