"""A model that compiles fast, what every strategy must do with it, and tiny runs."""

import functools
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax

from mmjax.competition import weighted_mean
from mmjax.data import Splits
from mmjax.models import parameter_labels
from mmjax.training import TrainConfig, adamw, make_train
from tests.competition.checks import hard_batches
from tests.competition.conftest import gradients_of, names_of, samples

WIDTH = 4
FAST = {"xla_backend_optimization_level": 0}
"""Compile fast."""


class PlainModel(NamedTuple):
    """Latents leaky_relu(x A_m), logits sum_m z_m W_m + b, or their sines; running means of latents."""

    num_modalities: int = 2
    num_outputs: int = 3
    linear: bool = True

    @property
    def modalities(self) -> tuple[str, ...]:
        return tuple(names_of(self.num_modalities))

    def init(self, key: Any) -> dict[str, Any]:
        rng = np.random.default_rng(3)

        def kernels(rows: int, columns: int) -> dict[str, Any]:
            drawn = {name: rng.normal(size=(rows, columns)) / 2 for name in self.modalities}
            return {name: {"kernel": jnp.asarray(x, float)} for name, x in drawn.items()}

        encoders = {f"encoders_{name}": tree for name, tree in kernels(3, WIDTH).items()}
        head = {"slices": kernels(WIDTH, self.num_outputs), "bias": jnp.full(self.num_outputs, 0.1)}
        params = {**encoders, "head": head, "unimodal_heads": kernels(WIDTH, self.num_outputs)}
        return {"params": params, "running": {name: jnp.zeros(WIDTH) for name in encoders}}

    def encode(self, variables, modalities, masks=None, *, key=None, train=False):
        latents = {
            name: jnp.where(mask[:, None], jax.nn.leaky_relu(x @ variables["params"][f"encoders_{name}"]["kernel"]), 0)
            for (name, x), mask in zip(sorted(modalities.items()), self._masks(modalities, masks), strict=True)
        }
        running = variables.get("running", {})
        if train:
            running = {name: 0.9 * mean + 0.1 * latents[name[9:]].mean(0) for name, mean in running.items()}
        return latents, {"running": running}

    def _masks(self, arrays, masks):
        return [jnp.ones(arrays[name].shape[0], bool) if masks is None else masks[name] for name in self.modalities]

    def fuse(self, variables, latents, masks=None, *, key=None, train=False):
        kept = zip(sorted(latents.items()), self._masks(latents, masks), strict=True)
        present = {name: jnp.where(mask[:, None], z, 0) for (name, z), mask in kept}
        return self.combine(variables, self.pieces(variables, present))

    def unimodal(self, variables, latents):
        return {name: z @ variables["params"]["unimodal_heads"][name]["kernel"] for name, z in latents.items()}

    def pieces(self, variables, latents):
        return {name: z @ variables["params"]["head"]["slices"][name]["kernel"] for name, z in latents.items()}

    def combine(self, variables, pieces, masks=None, *, key=None, train=False):
        logits = sum(pieces.values()) + variables["params"]["head"]["bias"][None]
        return logits if self.linear else jnp.sin(logits)

    def labels(self, params):
        return parameter_labels(params)


def started(strategy, model):
    """Parameters, statistics and state at the start of a run."""
    variables = model.init(jax.random.key(0))
    params, state = strategy.init(jax.random.key(1), model, variables["params"])
    return params, {"running": variables["running"]}, state


def plain(tree):
    """The tree with PRNG keys as numbers."""

    def numbers(x):
        return jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x

    return jax.tree.map(numbers, tree)


def check_strategy(make, values, num_modalities=2, label="classes", *, thorough):
    """After a segment, a step's gradients, state and rates: vmap = one by one, no NaN.

    Thoroughly: its loss is the same under jit as without, and one sample gives no NaN either.
    """
    model = PlainModel(num_modalities, 3 if label == "classes" else 2)
    batch = samples(jax.random.key(3), num_modalities=num_modalities, label=label)
    params, statistics, start = started(make(values[0]), model)

    def run(value, params, batch):
        strategy = make(value)
        params, state = strategy.on_segment(model, {"params": params, **statistics}, start, batch, batch)
        loss = strategy.loss(model, params, statistics, state, batch, jax.random.key(1))[0]
        gradients, new, _ = gradients_of(strategy, model, params, statistics, state, batch)
        return gradients, plain(new), strategy.rates(model, params, new), params, state, loss

    jitted = jax.jit(run, compiler_options=FAST)
    one_by_one = [jitted(value, params, batch) for value in values]
    together = jax.jit(jax.vmap(run, (0, None, None)), compiler_options=FAST)(values, params, batch)
    stacked = jax.tree.map(lambda *x: jnp.stack(x), *map(plain, one_by_one))
    chex.assert_trees_all_close(plain(together), stacked, rtol=1e-4, atol=1e-5)
    cases = {name: (params, hard) for name, hard in hard_batches(batch).items()}
    cases["zeros"] = (jax.tree.map(jnp.zeros_like, params), batch)
    if thorough:
        cases["one sample"] = (params, jax.tree.map(lambda x: x[:1], batch))
        *_, after, state, loss = one_by_one[0]
        eager = make(values[0]).loss(model, after, statistics, state, batch, jax.random.key(1))[0]
        chex.assert_trees_all_close(eager, loss, rtol=1e-4, atol=1e-5)
    for case in cases.values():
        chex.assert_tree_all_finite(plain(jitted(values[0], *case)))


@functools.cache
def own_gradients(strategy, num_modalities=2, linear=True):
    """Gradients of the first step, with the model and what was computed on the way."""
    model = PlainModel(num_modalities, linear=linear)
    batch = samples(jax.random.key(5), num_modalities=num_modalities)
    params, statistics, state = started(strategy, model)
    run = jax.jit(lambda batch: gradients_of(strategy, model, params, statistics, state, batch), compiler_options=FAST)
    gradients, state, aux = run(batch)
    return gradients, model, aux, (params, batch, state)


def few_metrics(logits, label, weight):
    """The loss alone, which compiles fast."""
    return {"loss": weighted_mean(optax.softmax_cross_entropy_with_integer_labels(logits, label), weight)}


def splits(num_modalities=2):
    """Training, validation and test data of a few samples."""
    return Splits(*(samples(jax.random.key(n), n, num_modalities) for n in (20, 12, 8)))


def tiny_run(strategy, model, num_segments):
    """A run of few steps, with decay of the weights and Adam's memory."""
    config = TrainConfig(
        num_segments=num_segments,
        steps_per_segment=3,
        batch_size=8,
        metrics_fn=few_metrics,
        optimizer_fn=lambda hparams: adamw(hparams["learning_rate"], weight_decay=0.5),
    )
    train = make_train(config, model, strategy)
    return train._replace(segment=jax.jit(train.segment, compiler_options=FAST))


def states_of(train, hparams, data, num_segments):
    """States before the run and after each of its segments, and the metrics."""
    states, metrics = [train.init(jax.random.key(7), hparams)], []
    for _ in range(num_segments):
        state, one = train.segment(states[-1], hparams, data)
        states.append(state)
        metrics.append(one)
    return states, metrics


def moved(model, before, after):
    """Labels of the parameters that differ in any bit."""
    triples = zip(*map(jax.tree.leaves, (model.labels(before), before, after)), strict=True)
    return {label for label, x, y in triples if not np.array_equal(x, y)}
