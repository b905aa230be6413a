"""A model of two linear modalities as plain functions, and data that it can learn."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
import pytest

from mmjax.competition import weighted_mean
from mmjax.data import Splits, batch_of


@pytest.fixture(scope="module", autouse=True)
def settings(quickly_compiled: None, optax_promotes: None) -> None:
    """Runs are short here: to compile their programs takes longer than to run them."""


class LinearModel(NamedTuple):
    """Latents are linear in the inputs, logits are their sum; a running mean of the logits is its statistic."""

    noise: float = 0.0
    num_classes: int = 2
    modalities: tuple[str, ...] = ("a", "b")

    def init(self, key: Any) -> dict[str, Any]:
        kernels = {
            name: 0.1 * jax.random.normal(k, (3, self.num_classes))
            for name, k in zip("ab", jax.random.split(key), strict=True)
        }
        return {"params": kernels, "running": {"mean": jnp.zeros(self.num_classes)}}

    def encode(self, variables, modalities, masks, *, key=None, train=False):
        latents = {name: masks[name][:, None] * (x @ variables["params"][name]) for name, x in modalities.items()}
        mean = variables["running"]["mean"]
        if not train:
            return latents, {"running": variables["running"]}
        if self.noise:
            latents = {name: z * (1 + self.noise * jax.random.normal(key, z.shape)) for name, z in latents.items()}
        return latents, {"running": {"mean": 0.9 * mean + 0.1 * sum(z.mean(0) for z in latents.values())}}

    def fuse(self, variables, latents, masks, *, key=None, train=False):
        return sum(latents.values())

    def unimodal(self, variables, latents):
        return latents

    def labels(self, params):
        return {name: f"encoder:{name}" for name in params}


def few_metrics(logits, label, weight):
    """Loss and accuracy alone, which compile in half the time of all metrics."""
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, label)
    right = (logits.argmax(1) == label).astype(logits.dtype)
    return {"loss": weighted_mean(losses, weight), "accuracy": weighted_mean(right, weight)}


def part(key, num_samples):
    x = jax.random.normal(key, (num_samples, 6))
    return batch_of({"a": x[:, :3], "b": x[:, 3:]}, (x.sum(1) > 0).astype(jnp.int32))


@pytest.fixture(scope="session")
def linear_model():
    return LinearModel(noise=0.1)


@pytest.fixture(scope="session")
def data():
    return Splits(*(part(key, n) for key, n in zip(jax.random.split(jax.random.key(1), 3), (70, 40, 50), strict=True)))
