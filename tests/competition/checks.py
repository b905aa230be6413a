"""What every strategy that scales gradients must do: the same under jit and vmap, no NaN, no other part changed."""

import functools

import chex
import jax
import jax.numpy as jnp

from tests.competition.conftest import gradients_of, model_of, samples, started


def check_strategy(make, values, num_modalities=2, label="classes", *, thorough):
    """`make(value)` does the same under vmap over values as one by one; and nothing is NaN.

    What is compared are gradients, state and rates of a step after a segment. Thoroughly: a step is the same under
    jit as without, and one sample gives no NaN either.
    """
    model = model_of(num_modalities, num_outputs=3 if label == "classes" else 2)
    batch = samples(jax.random.key(3), num_modalities=num_modalities, label=label)
    params, statistics, start = started(make(values[0]), model)

    def step(value, params, state, batch):
        strategy = make(value)
        gradients, state, _ = gradients_of(strategy, model, params, statistics, state, batch)
        return gradients, state, strategy.rates(model, params, state)

    def run(value, params, batch):
        params, state = make(value).on_segment(model, {"params": params, **statistics}, start, batch, batch)
        return step(value, params, state, batch), state

    jitted = jax.jit(run)
    one_by_one, states = zip(*[jitted(value, params, batch) for value in values], strict=True)
    together, _ = jax.jit(jax.vmap(run, (0, None, None)))(values, params, batch)
    chex.assert_trees_all_close(together, jax.tree.map(lambda *x: jnp.stack(x), *one_by_one), rtol=1e-4, atol=1e-5)
    cases = {name: (params, hard) for name, hard in hard_batches(batch).items()}
    cases["zeros"] = (jax.tree.map(jnp.zeros_like, params), batch)
    if thorough:
        cases["one sample"] = (params, jax.tree.map(lambda x: x[:1], batch))
        chex.assert_trees_all_close(one_by_one[0], step(values[0], params, states[0], batch), rtol=1e-4, atol=1e-5)
    for name, case in cases.items():
        for x in jax.tree.leaves(jitted(values[0], *case)):
            assert not jnp.any(jnp.isnan(x)), name


def hard_batches(batch):
    """One class, no weight, an absent modality, huge logits."""
    return {
        "one class": batch._replace(label=jnp.ones_like(batch.label)),
        "no weight": batch._replace(weight=jnp.zeros_like(batch.weight)),
        "no x1": batch._replace(masks=batch.masks | {"x1": jnp.zeros_like(batch.masks["x1"])}),
        "huge": batch._replace(modalities=jax.tree.map(lambda x: 1e5 * x, batch.modalities)),
    }


@functools.cache
def first_step(strategy, num_modalities=2, head=None, label="classes"):
    """Gradients of the first step, what was computed on the way, and the new state; all gradients finite."""
    model = model_of(num_modalities, head, num_outputs=3 if label == "classes" else 2)
    batch = samples(jax.random.key(5), num_modalities=num_modalities, label=label)

    params, statistics, state = started(strategy, model)

    @jax.jit
    def run(params, state, batch):
        gradients, new, aux = gradients_of(strategy, model, params, statistics, state, batch)
        return gradients, aux, new

    made = run(params, state, batch)
    chex.assert_tree_all_finite(made[0])
    return made


def labels_that_differ(gradients, reference, labels):
    """Labels of the parameters whose gradients are not those of the reference."""
    triples = zip(*map(jax.tree.leaves, (labels(reference), gradients, reference)), strict=True)
    return {label for label, x, y in triples if not jnp.allclose(x, y, rtol=1e-5, atol=1e-7)}


def ratios_by_label(gradients, reference, labels):
    """Label to the factor by which its gradients differ from those of the reference; NaN where it is not one."""
    found = {}
    for label, x, y in zip(*map(jax.tree.leaves, (labels(reference), gradients, reference)), strict=True):
        found.setdefault(label, []).append((x.ravel(), y.ravel()))
    return {label: _ratio(*map(jnp.concatenate, zip(*pairs, strict=True))) for label, pairs in found.items()}


def _ratio(x, y):
    factor = float(x @ y / (y @ y))
    return factor if jnp.allclose(x, factor * y, rtol=1e-4, atol=1e-6) else float("nan")
