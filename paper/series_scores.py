"""How unusual a window is: scores of residuals, and two methods without a network.

In:  training windows (n, channels, length), or the residuals of their reconstructions.
Out: functions from windows or residuals to one score each; higher is less normal.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest

from neurocompile.ir.arrays import Array

Score = Callable[[Array], Array]  # (n, channels, length) -> (n,), higher is less normal
Model = Callable[[Array], Array]  # windows -> reconstructions


def score(usual: Array) -> Score:
    """How unusual is what a reconstruction leaves of a window.

    The squared Mahalanobis distance of the residual under the mean and the covariance of training
    residuals, shrunk after Ledoit and Wolf: noise that every reconstruction has, such as that of
    spikes, counts little, and a small error where there is never one counts much.

    Args:
        usual: (n, channels, length) residuals of training windows.
    """
    law = LedoitWolf().fit(usual.reshape(len(usual), -1))
    return lambda left: np.asarray(law.mahalanobis(left.reshape(len(left), -1)))


def worst_channel(usual: Array) -> Score:
    """The largest squared error of a channel, in units of its mean over training residuals.

    Args:
        usual: (n, channels, length) residuals of training windows.
    """
    mean = np.square(usual).mean(axis=(0, 2))
    return lambda left: np.asarray((np.square(left).mean(axis=2) / mean).max(axis=1))


def principal(train: Array, components: int) -> Model:
    """Reconstructions by as many principal components as the latent has neurons."""
    fitted = PCA(components, svd_solver="full").fit(train.reshape(len(train), -1))
    return lambda x: np.asarray(
        fitted.inverse_transform(fitted.transform(x.reshape(len(x), -1))).reshape(x.shape)
    )


def forest(train: Array, trees: int, seed: int) -> Score:
    """An isolation forest on the raw windows."""
    fitted = IsolationForest(n_estimators=trees, random_state=seed)
    fitted.fit(train.reshape(len(train), -1))
    return lambda x: -np.asarray(fitted.score_samples(x.reshape(len(x), -1)))
