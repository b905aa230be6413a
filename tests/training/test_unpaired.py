"""The bound on synergy from unpaired data, trained."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax import synergy
from mmjax.data import GATES, Splits, Unpaired, batch_of, flip_label, only, table_data, unpaired
from mmjax.models import MLP, BatchNorm, LateLinear, Multimodal, functional
from mmjax.training import (
    NewStatistics,
    Objective,
    TrainConfig,
    adam,
    additive_logits,
    held_out_bounds,
    make_fit,
    run,
    unpaired_objective,
)

STEPS = 1500


def falling(hparams):
    """Adam with a rate that falls to 0, so that all digits of a convex minimum are reached."""
    return adam(hparams["learning_rate"], schedule=lambda step: 0.5 * (1 + jnp.cos(jnp.pi * step / STEPS)))


EXACTLY = TrainConfig(num_segments=1, steps_per_segment=STEPS, batch_size=120, optimizer_fn=falling)


def every_outcome(p):
    """All outcomes of a table of multiples of 1/120, as often as it says."""
    counts = np.rint(np.asarray(p) * 120).astype(int)
    assert counts.sum() == 120
    *xs, y = np.repeat(np.stack(np.unravel_index(np.arange(p.size), p.shape)), counts.ravel(), axis=1)
    return batch_of({f"x{m + 1}": np.eye(n)[x] for m, (x, n) in enumerate(zip(xs, p.shape[:-1], strict=True))}, y)


def table_objective(shape):
    """The bound with one free logit a symbol and class, in the dtype of JAX's floats."""

    def logits(params, name, batch):
        return batch.modalities[name] @ params[name]

    def bound(params, data):
        names = sorted(params)
        own = [logits(params, name, data.labelled[name]) for name in names]
        label = [
            jnp.take_along_axis(b, data.labelled[name].label[:, None], axis=1)[:, 0]
            for b, name in zip(own, names, strict=True)
        ]
        return synergy.conditional_entropy_bound([logits(params, name, data.tuples) for name in names], label)

    def init(key):
        return {"params": {f"x{m + 1}": jnp.zeros((n, shape[-1])) for m, n in enumerate(shape[:-1])}}

    return Objective(
        init=init,
        loss=lambda params, statistics, memory, batch, key: (bound(params, batch), NewStatistics({})),
        evaluate=lambda variables, data: {"loss": bound(variables["params"], data)},
    )


def random_table(shape, seed):
    rng = np.random.default_rng(seed)
    return rng.multinomial(120, rng.dirichlet(np.ones(np.prod(shape)))).reshape(shape) / 120


TABLES = [
    np.asarray(GATES["and"]),
    np.asarray(GATES["xor"]),
    np.rint(120 * np.asarray(flip_label(GATES["and"], 0.1), float)) / 120,
    random_table((2, 3, 2), 0),
    random_table((3, 2, 3), 1),
]


@functools.cache
def train_of(shape):
    return make_fit(EXACTLY, table_objective(shape))


@functools.cache
def exact_of(shape):
    return jax.jit(functools.partial(synergy.bounds, base=np.e))


@pytest.mark.parametrize(
    "p",
    [*TABLES[:-1], pytest.param(TABLES[-1], marks=pytest.mark.slow)],
    ids=["and", "xor", "noisy and", "2x3x2", "3x2x3"],
)
def test_on_tables_training_reaches_the_exact_bound(float64, p):
    """The lower bound on I(X1,X2;Y) of `synergy.bounds`, certified to less than 1e-8.

    Symbols of x1 and x2 that do not occur fill the tables up to 3 of each: one program for all of two classes.
    """
    p = np.pad(p, [(0, 3 - p.shape[0]), (0, 3 - p.shape[1]), (0, 0)])
    everything = every_outcome(p)
    data = Unpaired({name: only(everything, (name,)) for name in everything.modalities}, everything)
    finished = run(train_of(p.shape), jax.random.key(0), {"learning_rate": 5.0}, Splits(data, data, data))
    exact = exact_of(p.shape)(p.sum(2), p.sum(1), p.sum(0)).information_lower
    frequencies = p.sum((0, 1))
    label = -np.sum(frequencies * np.log(frequencies))
    assert exact - 1e-6 <= label - finished.state.best.loss <= exact + 1e-8


@functools.lru_cache(maxsize=4)
def models_of(names, num_classes, *sizes, norm=False):
    def one(name, size):
        encoder = Normed() if norm else MLP((16, 16))
        return functional(
            Multimodal({name: encoder}, LateLinear(num_classes), num_classes),
            {name: jax.ShapeDtypeStruct((1, size), jnp.float32)},
        )

    return {name: one(name, size) for name, size in zip(names, sizes, strict=True)}


class Normed(MLP):
    """A perceptron of normalised inputs, which has running statistics."""

    features: tuple[int, ...] = (8,)

    def setup(self):
        self.norm = BatchNorm()

    def __call__(self, x, mask=None, *, train=False):
        return self.norm(x, mask, train=train)


CONFIG = TrainConfig(num_segments=5, steps_per_segment=60, batch_size=64, drop_last=True)


def gate_splits(p, key, sizes=(3000, 3000, 3000)):
    keys = jax.random.split(key, 6)
    parts = [
        unpaired(table_data(k, p, num_samples=size), key=deal)
        for k, deal, size in zip(keys[:3], keys[3:], sizes, strict=True)
    ]
    return Splits(*parts)


def bounds_of(models, variables, data):
    return jax.jit(lambda variables, data: held_out_bounds(models, variables, data))(variables, data)


def test_encoders_learn_the_and_gate_without_a_labelled_pair():
    splits = gate_splits(GATES["and"], jax.random.key(0))
    models = models_of(("x1", "x2"), 2, 2, 2)
    finished = run(
        make_fit(CONFIG, unpaired_objective(models, num_samples=1000)),
        jax.random.key(1),
        {"learning_rate": 0.02},
        splits,
    )
    variables = finished.state.best.variables
    bounds = bounds_of(models, variables, splits.test)
    truth = np.log(4) - 0.75 * np.log(3)
    assert bounds.information.value > 0.9 * truth
    assert bounds.information.value < truth + 3 * bounds.information.standard_error
    assert bounds.classifier_accuracy.value > 0.9
    inputs = batch_of({"x1": np.eye(2)[[0, 0, 1, 1]], "x2": np.eye(2)[[0, 1, 0, 1]]}, np.zeros(4, int))
    assert np.argmax(jax.jit(lambda v, x: additive_logits(models, v, x))(variables, inputs), axis=1).tolist() == [
        0,
        0,
        0,
        1,
    ]
    metrics = {
        name: finished.metrics["test"][name][finished.state.best.segment]
        for name in ("conditional_entropy", "information")
    }
    np.testing.assert_allclose(metrics["conditional_entropy"], bounds.conditional_entropy.value, rtol=1e-5)
    np.testing.assert_allclose(metrics["information"], bounds.information.value, rtol=1e-4)


def test_three_modalities_of_which_the_label_needs_all():
    """y = x1 and x2 and x3: again the marginals determine the joint."""
    p = np.zeros((2, 2, 2, 2))
    p[..., 0] = 1 / 8
    p[1, 1, 1] = [0, 1 / 8]
    splits = gate_splits(p, jax.random.key(0), sizes=(4000, 4000, 4000))
    models = models_of(("x1", "x2", "x3"), 2, 2, 2, 2)
    finished = run(
        make_fit(CONFIG, unpaired_objective(models, num_samples=1000)),
        jax.random.key(1),
        {"learning_rate": 0.02},
        splits,
    )
    bounds = bounds_of(models, finished.state.best.variables, splits.test)
    truth = np.log(8) - 7 / 8 * np.log(7)
    assert 0.8 * truth < bounds.information.value < truth + 3 * bounds.information.standard_error


def test_running_statistics_of_the_encoders_are_kept():
    splits = gate_splits(GATES["and"], jax.random.key(0), sizes=(400, 400, 400))
    models = models_of(("x1", "x2"), 2, 2, 2, norm=True)
    train = make_fit(CONFIG, unpaired_objective(models, num_samples=1000))
    state = train.init(jax.random.key(0), {"learning_rate": jnp.float32(0.01)})
    moved, metrics = train.segment(state, {"learning_rate": jnp.float32(0.01)}, splits)
    changed = jax.tree.map(lambda a, b: bool(jnp.any(a != b)), state.statistics, moved.statistics)
    assert jax.tree.leaves(changed) and all(jax.tree.leaves(changed))
    assert np.isfinite(metrics["test"]["information"])


def test_no_model_is_refused():
    with pytest.raises(ValueError, match="a model for each modality; got none"):
        unpaired_objective({}, num_samples=1)
