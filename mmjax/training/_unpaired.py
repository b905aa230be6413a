"""Room training: the bound on synergy from unpaired data as an objective, for any encoders."""

import functools
import math
import operator
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from mmjax.competition import Model
from mmjax.data import Batch, Unpaired
from mmjax.synergy import (
    UnpairedBounds,
    conditional_entropy_bound,
    conditional_entropy_standard_error,
    unpaired_bounds,
)
from mmjax.training._config import Metrics, Tree
from mmjax.training._objective import NewStatistics, Objective, Variables

EVALUATION_BATCH = 1024
"""Samples evaluated at once."""


def unpaired_objective(models: Mapping[str, Model], *, num_samples: int, caution: ArrayLike = 3.0) -> Objective:
    """Make the objective that bounds H(Y|X1,...,XM) from above without labelled tuples.

    The loss is L + caution SE, L the `mmjax.synergy.conditional_entropy_bound` of the models' logits on a batch and SE
    its standard error, scaled to the number of training samples. L alone has no minimum on finitely many samples: their
    marginals are those of no joint, and logits that grow without end exploit it. The second term, a penalty of the
    variance in the manner of Maurer and Pontil (2009, arXiv 0907.3740), lets them grow only as far as the samples can
    tell (ours). The minimiser is also a classifier of all modalities, `additive_logits`. Runs need
    `TrainConfig(drop_last=True)`.

    Args:
      models: modality to a model of it alone, such as `functional(Multimodal({name: encoder}, head, ny), example)`;
        its logits enter as log-softmax, which changes no bound and lowers the variance.
      num_samples: of the smallest of the sets that are trained on; static.
      caution: standard errors added to L, at least 0, may be traced. With few of them, 1 or none, the bound overfits.

    Returns:
      the objective, whose data are splits of `mmjax.data.Unpaired`. Metrics: `loss`, L + caution SE on these data, by
      which a segment is chosen, and `conditional_entropy` (L), `information`, `accuracy`, `classifier_accuracy` as in
      `mmjax.synergy.UnpairedBounds` in nats, each with its standard error under `<name>_error`.

    Raises:
      ValueError: if there is no model, and when run in batches of a single sample, which have no standard error.
    """
    names = _names(models)

    def init(key: Array) -> Variables:
        keys = jax.random.split(key, len(names))
        return _by_collection({name: models[name].init(k) for name, k in zip(names, keys, strict=True)})

    def loss(
        params: Tree, statistics: dict[str, Tree], memory: Tree, batch: Unpaired, key: Array
    ) -> tuple[Array, NewStatistics]:
        if batch.tuples.label.shape[0] < 2:
            raise ValueError("the standard error of a batch needs at least 2 samples; use a larger batch_size")
        variables = {"params": params, **statistics}
        pair_logits, label_logits, new = [], [], {}
        for name, k in zip(names, jax.random.split(key, len(names)), strict=True):
            labelled = batch.labelled[name]
            rows = jnp.concatenate([labelled.modalities[name], batch.tuples.modalities[name]])
            logits, new[name] = _logits(models[name], _of(variables, name), name, rows, key=k, train=True)
            size = labelled.label.shape[0]
            pair_logits.append(logits[size:])
            label_logits.append(jnp.take_along_axis(logits[:size], labelled.label[:, None], axis=1)[:, 0])
        bound = conditional_entropy_bound(pair_logits, label_logits)
        error = conditional_entropy_standard_error(pair_logits, label_logits)
        of_all = error * math.sqrt(batch.tuples.label.shape[0] / num_samples)
        return bound + jnp.asarray(caution, bound.dtype) * of_all, NewStatistics(_by_collection(new))

    def evaluate(variables: Variables, data: Unpaired) -> Metrics:
        bounds = held_out_bounds(models, variables, data)
        values = {name: x.value for name, x in bounds._asdict().items()}
        errors = {f"{name}_error": x.standard_error for name, x in bounds._asdict().items()}
        value, error = bounds.conditional_entropy
        return {"loss": value + jnp.asarray(caution, value.dtype) * error, **values, **errors}

    return Objective(init, loss, evaluate, full_batches=True)


def held_out_bounds(models: Mapping[str, Model], variables: Variables, data: Unpaired) -> UnpairedBounds:
    """Bound information and accuracy of all modalities by trained models, on samples they were not trained on.

    Args:
      models: as for `unpaired_objective`.
      variables: as its runs give them, such as `state.best.variables`.
      data: unpaired samples.

    Returns:
      the bounds in nats.
    """
    names = _names(models)
    pairs = [_predict(models[name], _of(variables, name), name, data.tuples) for name in names]
    own = [_predict(models[name], _of(variables, name), name, data.labelled[name]) for name in names]
    return unpaired_bounds(pairs, own, [data.labelled[name].label for name in names])


def additive_logits(models: Mapping[str, Model], variables: Variables, data: Batch) -> Array:
    """Return the logits sum_m Bm(xm, .) (n, ny) of the classifier that was trained without labelled tuples.

    Args:
      models: as for `unpaired_objective`.
      variables: as its runs give them.
      data: n samples of all modalities; labels are not looked at.
    """
    names = _names(models)
    parts = [_predict(models[name], _of(variables, name), name, data) for name in names]
    return functools.reduce(operator.add, parts)


def _names(models: Mapping[str, Model]) -> list[str]:
    if not models:
        raise ValueError("expected a model for each modality; got none")
    return sorted(models)


def _predict(model: Model, variables: Variables, name: str, data: Batch) -> Array:
    def of_sample(x: Array) -> Array:
        return _logits(model, variables, name, x[None])[0][0]

    return jax.lax.map(of_sample, data.modalities[name], batch_size=EVALUATION_BATCH)


def _logits(model: Model, variables: Variables, name: str, x: Array, **options: Any) -> tuple[Array, dict[str, Tree]]:
    latents, statistics = model.encode(variables, {name: x}, None, **options)
    return jax.nn.log_softmax(model.fuse(variables, latents, None, **options)), statistics


def _of(variables: Variables, name: str) -> Variables:
    return {collection: trees[name] for collection, trees in variables.items() if name in trees}


def _by_collection(by_model: Mapping[str, dict[str, Tree]]) -> Variables:
    """Turn modality to collection to tree into collection to modality to tree."""
    collections = sorted({collection for trees in by_model.values() for collection in trees})
    return {
        collection: {name: trees[collection] for name, trees in by_model.items() if collection in trees}
        for collection in collections
    }
