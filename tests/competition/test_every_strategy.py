"""What every strategy must do, on hard random batches above all."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mmjax.competition import classification, multilabel, regression, weighted_mean, with_rates
from mmjax.data import Batch, Splits
from mmjax.training import TrainConfig, make_train, run
from tests.competition.conftest import gradients_of, model_of, names_of, samples
from tests.competition.strategies import HEADS, NUM_MODALITIES, NUM_OUTPUTS, STRATEGIES

TASKS = {"classes": classification, "labels": multilabel, "targets": regression}
NUM_CASES, NUM_SAMPLES = 1000, 6
OPTIMIZER = with_rates(optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(0.1)))
"""No Adam: it makes steps of full length out of gradients that are rounding errors."""
QUICK_HEADS = tuple(name for name in HEADS if name != "attention")


def model_for(head, label):
    return model_of(NUM_MODALITIES, HEADS[head](NUM_OUTPUTS[label]), NUM_OUTPUTS[label])


def make_run(entry, head, label):
    """Six segments of one batch: from key, parameters, hyper-parameters and samples to parameters and logits."""
    model, task = model_for(head, label), TASKS[label]

    def run(key, params, values, batch):
        strategy = entry.make(task, **values)
        params, state = strategy.init(key, model, params)

        def step(carry, key):
            params, statistics, state, memory = carry
            gradients, state, aux = gradients_of(strategy, model, params, statistics, state, batch, key)
            rates = strategy.rates(model, params, state)
            updates, memory = OPTIMIZER.update(gradients, memory, params, rates=rates)
            return (optax.apply_updates(params, updates), aux.statistics, state, memory), None

        def segment(carry, keys):
            (params, statistics, state, memory), _ = jax.lax.scan(step, carry, keys)
            params, state = strategy.on_segment(model, {"params": params, **statistics}, state, batch, batch)
            return (params, statistics, state, memory), None

        keys = jax.random.split(key, (6, strategy.steps_per_batch))
        (params, statistics, *_), _ = jax.lax.scan(segment, (params, {}, state, OPTIMIZER.init(params)), keys)
        variables = {"params": params, **statistics}
        latents, _ = model.encode(variables, batch.modalities, batch.masks)
        return params, strategy.predict(model, variables, latents, batch.masks)

    return run


@functools.cache
def hard_batches(label):
    """Random batches with one class, one sample or none that counts, modalities that are absent, inputs up to 1e5."""
    rng = np.random.default_rng(0)
    scale = rng.choice([0, 1e-3, 1, 1e2, 1e4], (NUM_CASES, 1, 1))
    size = (NUM_CASES, NUM_SAMPLES)
    x = {name: (scale * rng.normal(size=(*size, 3))).astype(np.float32) for name in names_of(NUM_MODALITIES)}
    made = {
        "classes": rng.integers(0, 3, size).astype(np.int32),
        "labels": rng.integers(0, 2, (*size, 3)).astype(np.float32),
        "targets": (rng.choice([1, 100], (NUM_CASES, 1, 1)) * rng.normal(size=(*size, 2))).astype(np.float32),
    }[label]
    alike = rng.random(NUM_CASES) < 0.25
    made[alike] = made[alike, :1]
    share = rng.choice([0, 0.5, 1], (NUM_CASES, 1))
    masks = {name: rng.random(size) < share for name in x}
    kinds = [np.ones(size), np.zeros(size), np.eye(1, NUM_SAMPLES).repeat(NUM_CASES, 0), rng.choice([0, 0.3, 2], size)]
    weight = np.choose(rng.integers(0, 4, (NUM_CASES, 1)), kinds).astype(np.float32)
    return jax.tree.map(jnp.asarray, Batch(x, made, masks, weight))


def random_params(head, label, num):
    """Parameters (num, ...) of models, drawn by NumPy: compiling initialisers takes longer than all else."""
    rng = np.random.default_rng(2)
    shapes = jax.eval_shape(model_for(head, label).init, jax.random.key(0))["params"]
    return jax.tree.map(lambda x: jnp.asarray(rng.normal(0, 0.5, (num, *x.shape)), x.dtype), shapes)


def settings(entry, num):
    """Hyper-parameters (num,) in their ranges: the ends first."""
    rng = np.random.default_rng(1)
    drawn = {}
    for name, (low, high) in entry.values.items():
        inside = rng.integers(low, high + 1, num) if isinstance(low, int) else rng.uniform(low, high, num)
        inside[:2] = low, high
        drawn[name] = jnp.asarray(inside, jnp.int32 if isinstance(low, int) else jnp.float32)
    return drawn


def check(name, head, label, *, one_by_one=False):
    """Run a strategy on plain samples at both ends of its hyper-parameters, on hard ones, and on what is no number."""
    entry = STRATEGIES[name]
    floats = [hyper for hyper, (low, _) in entry.values.items() if isinstance(low, float)]
    plain = samples(jax.random.key(0), NUM_SAMPLES, NUM_MODALITIES, label)
    plain = plain._replace(weight=plain.weight.at[-1].set(0))
    without_number = plain._replace(weight=plain.weight.at[0].set(jnp.nan))
    kinds = (repeated(plain, 2 + len(floats)), repeated(without_number, 1), hard_batches(label))
    batches = jax.tree.map(lambda *x: jnp.concatenate(x), *kinds)
    first, num = 3 + len(floats), batches.weight.shape[0]
    values = settings(entry, num)
    values = {hyper: x.at[2:first].set(entry.values[hyper][0]) for hyper, x in values.items()}
    for i, hyper in enumerate(floats):
        values[hyper] = values[hyper].at[2 + i].set(jnp.nan)
    lanes = (jax.random.split(jax.random.key(1), num), random_params(head, label, num), values, batches)
    one = make_run(entry, head, label)
    params, logits = jax.jit(jax.vmap(one))(*lanes)

    finite = [np.isfinite(x).reshape(num, -1).all(1) for x in (logits, *jax.tree.leaves(params))]
    wrong = np.flatnonzero(~np.all(finite, axis=0))
    assert set(wrong[wrong >= first]) == set(), "not finite"
    hidden = np.isfinite(logits[2:first]).all((1, 2))
    assert [word for word, x in zip([*floats, "weight"], hidden, strict=True) if x] == [], "NaN is hidden"
    alone = jax.jit(one)
    for i in range(2 * one_by_one):
        expected = alone(*jax.tree.map(lambda x, i=i: x[i], lanes))[1]
        np.testing.assert_allclose(logits[i], expected, rtol=1e-4, atol=1e-4)


def repeated(batch, num):
    return jax.tree.map(lambda x: jnp.stack([x] * num), batch)


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_thousand_hard_batches_and_settings_give_no_nan_and_a_nan_gives_one(name):
    heads = [head for head in QUICK_HEADS if head in STRATEGIES[name].heads]
    check(name, heads[list(STRATEGIES).index(name) % len(heads)], "classes")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "head", "label"),
    [(name, head, label) for name, entry in STRATEGIES.items() for head in entry.heads for label in entry.tasks],
)
def test_any_head_and_label_one_by_one_as_together(name, head, label):
    check(name, head, label, one_by_one=True)


QUICKLY_RESUMED = ("mla",)


@pytest.mark.parametrize(
    "name", [pytest.param(x, marks=[] if x in QUICKLY_RESUMED else pytest.mark.slow) for x in STRATEGIES]
)
def test_a_run_that_was_interrupted_ends_as_if_it_had_not_been(name, tmp_path):
    entry = STRATEGIES[name]
    shapes = jax.eval_shape(model_for(entry.heads[0], "classes").init, jax.random.key(0))
    model = model_for(entry.heads[0], "classes")._replace(
        init=lambda key: jax.tree.map(lambda x: jnp.sin(jnp.arange(1.0, x.size + 1)).reshape(x.shape), shapes)
    )
    config = TrainConfig(num_segments=3, steps_per_segment=2, batch_size=8, metrics_fn=loss_alone)
    data = Splits(*(samples(key, 12, NUM_MODALITIES) for key in jax.random.split(jax.random.key(0), 3)))
    train = make_train(config, model, lambda hparams: entry.make(classification, **chosen(entry, hparams)))
    hparams = {"learning_rate": 0.05} | {hyper: high for hyper, (_, high) in entry.values.items()}

    def interrupt(number, metrics):
        if number == 1:
            raise KeyboardInterrupt

    whole = run(train, jax.random.key(3), hparams, data)
    with pytest.raises(KeyboardInterrupt):
        run(train, jax.random.key(3), hparams, data, checkpoint=tmp_path, progress=interrupt)
    resumed = run(train, jax.random.key(3), hparams, data, checkpoint=tmp_path)
    chex.assert_trees_all_equal(resumed.metrics, whole.metrics)
    chex.assert_trees_all_equal(resumed.state._replace(key=None), whole.state._replace(key=None))
    assert np.all(np.isfinite(whole.metrics["test"]["loss"]))


def chosen(entry, hparams):
    """The strategy's hyper-parameters among a run's, which are floats."""
    return {
        hyper: hparams[hyper].astype(jnp.int32) if isinstance(low, int) else hparams[hyper]
        for hyper, (low, _) in entry.values.items()
    }


def loss_alone(logits, label, weight):
    return {"loss": weighted_mean(classification.losses(logits, label), weight)}
