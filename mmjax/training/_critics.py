"""Room training: critics, trained by an estimator of mutual information."""

from collections.abc import Callable
from typing import Any, Protocol

import jax
import jax.numpy as jnp
from jax import Array

from mmjax.data import Batch, Splits, batch_of
from mmjax.training._config import Metrics, TrainConfig, Tree
from mmjax.training._fit import best_of, make_fit
from mmjax.training._objective import NewStatistics, Objective, Variables, blockwise

PAIR = ("x", "y")
"""Names of the two modalities."""


class Network(Protocol):
    """A network as pure functions."""

    @property
    def init(self) -> Callable[[Array], Variables]:
        """From a key to variables."""

    @property
    def apply(self) -> Callable[..., Array]:
        """`apply(variables, x, y)`: scores (b, b) of all pairs."""


def pairs(x: Array, y: Array) -> Batch:
    """Make a batch of samples (n, ...) of two modalities "x" and "y"."""
    return batch_of({"x": x, "y": y}, jnp.zeros(x.shape[0], jnp.int32))


def critic_objective(critic: Network, estimator: Callable[[Array], Array], *, batch_size: int) -> Objective:
    """Make the objective that trains a critic to make an estimate of mutual information as large as it gets.

    Args:
      critic: such as `mmjax.models.network(SeparableCritic(...), x, y)`.
      estimator: from scores (b, b) to nats, such as `mmjax.estimators.info_nce`.
      batch_size: b of the evaluation, which is the mean over disjoint batches; that of training, for the estimate of a
        batch depends on its size.

    Returns:
      the objective, whose data are splits of `pairs`. Metrics: `information`, the estimate in nats, and `loss`, minus
      it. Runs of it need `TrainConfig(drop_last=True)`.
    """

    def information(variables: Variables, batch: Batch) -> Array:
        return estimator(critic.apply(variables, *(batch.modalities[name] for name in PAIR)))

    def loss(
        params: Tree, statistics: dict[str, Tree], memory: Tree, batch: Batch, key: Array
    ) -> tuple[Array, NewStatistics]:
        return -information({"params": params, **statistics}, batch), NewStatistics(statistics)

    def metrics(variables: Variables, batch: Batch) -> Metrics:
        nats = information(variables, batch)
        return {"loss": -nats, "information": nats}

    return Objective(critic.init, loss, blockwise(metrics, batch_size), full_batches=True)


def critic_fit(
    config: TrainConfig,
    critic: Network,
    estimator: Callable[[Array], Array],
    *,
    hparams: dict[str, Any],
    valid_fraction: float = 0.25,
) -> Callable[[Array, Array, Array], Variables]:
    """Make the `fit_fn` that `mmjax.estimators.held_out_bound` asks for.

    Args:
      config: of the run, with `drop_last=True`.
      critic: as for `critic_objective`.
      estimator: as for `critic_objective`.
      hparams: such as the learning rate.
      valid_fraction: share of the samples, the last ones, by which the segment is chosen.

    Returns:
      `fit_fn(key, x, y)`: the variables of the best segment, NaN where the fit diverged at once.

    Raises:
      ValueError: unless the fraction is in (0, 1), and when called with samples that fill no batch of each part, or
        without `drop_last`.
    """
    if not 0 < valid_fraction < 1:
        raise ValueError(f"valid_fraction must be in (0, 1); got {valid_fraction}")
    train = make_fit(config, critic_objective(critic, estimator, batch_size=config.batch_size))
    numbers = {name: jnp.asarray(value, float) for name, value in hparams.items()}

    @jax.jit
    def fit(key: Array, x: Array, y: Array) -> Variables:
        num_valid = int(valid_fraction * x.shape[0])
        chosen = pairs(x[-num_valid:], y[-num_valid:])
        splits = Splits(pairs(x[:-num_valid], y[:-num_valid]), chosen, chosen)
        return best_of(train, key, numbers, splits).variables

    return fit
