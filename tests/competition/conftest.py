"""Small models of any number of modalities, batches for each kind of label, and the step of a user's own loop."""

import jax
import jax.numpy as jnp
import optax
import pytest

from mmjax.competition import with_rates
from mmjax.data import batch_of
from mmjax.models import MLP, LateLinear, Multimodal, functional

WIDTH, NUM_CLASSES = 4, 3


@pytest.fixture(scope="module", autouse=True)
def settings(quickly_compiled: None, optax_promotes: None) -> None:
    """Models are tiny here: to compile their programs takes longer than to run them."""


@pytest.fixture(params=[False, pytest.param(True, marks=pytest.mark.slow)], ids=["jit and vmap", "thorough"])
def thorough(request: pytest.FixtureRequest) -> bool:
    """Whether to compare with what a strategy does outside of jit too, and with a batch of one sample."""
    return request.param


def names_of(num_modalities):
    return [f"x{m + 1}" for m in range(num_modalities)]


def model_of(num_modalities=2, head=None, num_outputs=NUM_CLASSES):
    """Encoders of two layers for modalities "x1", "x2", ... of three numbers, and a fusion head, linear by default."""
    names = names_of(num_modalities)
    encoders = {name: MLP((5, WIDTH)) for name in names}
    module = Multimodal(encoders, LateLinear(num_outputs) if head is None else head, num_outputs)
    return functional(module, {name: jnp.zeros((1, 3)) for name in names})


def samples(key, num_samples=8, num_modalities=2, label="classes"):
    """Modalities of independent normal numbers, and a label of the sum of their first ones."""
    keys = jax.random.split(key, num_modalities)
    x = {name: jax.random.normal(k, (num_samples, 3)) for name, k in zip(names_of(num_modalities), keys, strict=True)}
    sums = sum(values[:, 0] for values in x.values())
    made = {
        "classes": jnp.digitize(sums, jnp.array([-0.5, 0.5])),
        "labels": (jnp.stack([sums, -sums, sums - 1], axis=1) > 0).astype(float),
        "targets": jnp.stack([sums, 2 * sums], axis=1),
    }
    return batch_of(x, made[label])


def started(strategy, model, key=None):
    """Parameters, statistics and state at the start of a run."""
    init_key, strategy_key = jax.random.split(jax.random.key(0) if key is None else key)
    variables = model.init(init_key)
    params, state = strategy.init(strategy_key, model, variables["params"])
    return params, {name: tree for name, tree in variables.items() if name != "params"}, state


def gradients_of(strategy, model, params, statistics, state, batch, key=None):
    """Gradients as the optimiser gets them, the new state and what the loss has computed."""
    key = jax.random.key(1) if key is None else key
    losses, pull_back, aux = jax.vjp(
        lambda p: strategy.loss(model, p, statistics, state, batch, key), params, has_aux=True
    )
    if losses.ndim:
        gradients = jax.vmap(pull_back)(jnp.eye(losses.shape[0], dtype=losses.dtype))[0]
    else:
        gradients = pull_back(jnp.ones_like(losses))[0]
    gradients, state = strategy.update(model, gradients, state, aux)
    return gradients, state, aux


def make_step(strategy, model, optimizer=None):
    """A jitted step `(params, statistics, state, memory, batch, key)`, and the optimiser."""
    optimizer = with_rates(optax.adam(1e-2) if optimizer is None else optimizer)

    @jax.jit
    def step(params, statistics, state, memory, batch, key):
        gradients, state, aux = gradients_of(strategy, model, params, statistics, state, batch, key)
        rates = strategy.rates(model, params, state)
        updates, memory = optimizer.update(gradients, memory, params, rates=rates)
        return optax.apply_updates(params, updates), aux.statistics, state, memory

    return step, optimizer
