"""The same layers without spikes: an autoencoder, with weight decay, and variational ones.

In:  a question: architecture, kind, seed, number of epochs.
Out: a trained module: images (N, 1, 28, 28) -> reconstructions; `encode` gives its latent.
ReLU replaces the spiking neurons, except in the latent layer of a variational autoencoder.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from paper.study import Json
from paper.training import digits
from paper.weights import descend, fitted

WEIGHT_DECAY = 1e-3  # of the sum of squared weights, in the loss
BETA = 0.1  # of the beta-VAE; a VAE has 1


class PlainAutoencoder(nn.Module):
    """Encoder, latent and decoder of one of the two architectures.

    Attributes:
        variational: Whether the latent is drawn from N(mu, exp(logvar)) in training.
    """

    def __init__(
        self,
        architecture: str,
        latent: int,
        *,
        variational: bool,
        seed: int,
        channels: tuple[int, int] = (16, 32),
    ):
        super().__init__()
        self.variational = variational
        paper = architecture == "paper"
        size, kernel = (20, 5) if paper else (7, 4)
        outputs = 2 * latent if variational else latent
        first, second = channels
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            down = (
                [nn.Conv2d(1, first, 5), nn.Conv2d(first, second, 5)]
                if paper
                else [nn.Conv2d(1, first, 3, 2, 1), nn.Conv2d(first, second, 3, 2, 1)]
            )
            stride, padding = (1, 0) if paper else (2, 1)
            pairs = ((second, first), (first, 1))
            up = [nn.ConvTranspose2d(a, b, kernel, stride, padding) for a, b in pairs]
            inner = second * size * size
            self.encoder = nn.Sequential(
                down[0], nn.ReLU(), down[1], nn.ReLU(), nn.Flatten(), nn.Linear(inner, outputs)
            )
            self.decoder = nn.Sequential(
                nn.Linear(latent, inner), nn.ReLU(), nn.Unflatten(1, (second, size, size)),
                up[0], nn.ReLU(), up[1],
            )  # fmt: skip

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of the latent, (N, latent) each; log variance 0 where plain."""
        code = self.encoder(images)
        if self.variational:
            mean, log_variance = code.chunk(2, dim=1)
            return mean, log_variance
        return code.relu(), torch.zeros_like(code)

    def forward(self, images: Tensor, first_index: int = 0) -> Tensor:
        """Reconstructions; of the mean latent."""
        return self.decoder(self.encode(images)[0])


def question(architecture: str, kind: str, seed: int, *, epochs: int) -> Json:
    """The question that a training answers; kind: "ae", "ae-decay", "vae" or "beta-vae"."""
    batch, rate = (32, 2e-3) if architecture == "chip" else (20, 1e-3)
    return {
        "architecture": architecture,
        "kind": kind,
        "seed": seed,
        "latent": 100,
        "epochs": epochs,
        "batch": batch,
        "learning_rate": rate,
        "weight_decay": WEIGHT_DECAY if kind == "ae-decay" else 0.0,
        "kl": {"vae": 1.0, "beta-vae": BETA}.get(kind, 0.0),
    }


def trained(asked: Json) -> PlainAutoencoder:
    """The module that a question asks for; trained now where it is not kept."""
    variational = asked["kl"] > 0
    model = PlainAutoencoder(
        asked["architecture"], asked["latent"], variational=variational, seed=asked["seed"]
    )
    images = digits("train")[0]
    return fitted("plain-", asked, model, lambda _: _train(model, images, asked))


def _train(model: PlainAutoencoder, images: Tensor, asked: Json) -> None:
    descend(
        model,
        images,
        lambda x, random: _loss(model, x, asked, random),
        **{key: asked[key] for key in ("epochs", "batch", "learning_rate", "seed")},
    )


def _loss(model: PlainAutoencoder, x: Tensor, asked: Json, random: torch.Generator) -> Any:
    """Squared error an image, with the penalties of the kind."""
    mean, log_variance = model.encode(x)
    code = mean
    if model.variational:
        noise = torch.randn(mean.shape, generator=random)
        code = mean + (log_variance / 2).exp() * noise
    loss = (model.decoder(code) - x).square().sum() / len(x)
    if model.variational:
        divergence = -0.5 * (1 + log_variance - mean.square() - log_variance.exp())
        loss = loss + asked["kl"] * divergence.sum() / len(x)
    if asked["weight_decay"]:
        weights = (p.square().sum() for p in model.parameters() if p.dim() > 1)
        loss = loss + asked["weight_decay"] * sum(weights)
    return loss
