"""Experiments, estimators: a critic and its companions, and every estimator as a training loss and an estimate.

One set of networks serves all estimators, so that which of them a run trains is a number, and a sweep over estimators
one compiled program.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import Array

from mmjax import estimators
from mmjax.data import Batch
from mmjax.models import MLP, ConcatenatedCritic, SeparableCritic, network
from mmjax.training import NewStatistics, Objective, blockwise

EMBEDDING = 32


class Outputs(NamedTuple):
    """What the networks make of a batch of b pairs."""

    scores: Array
    """Of all pairs (b, b)."""
    log_baseline: Array
    """Of each x (b,), for TUBA."""
    pointwise: Array
    """Of each sampled pair (b,), u(x, y) of FLO."""
    mean: Array
    """Of y given x (b, dim_y), for CLUB."""
    log_variance: Array
    y: Array


class Networks(nn.Module):
    """The networks that some estimator needs."""

    width: int
    separable: bool = True

    @nn.compact
    def __call__(self, x: Array, y: Array) -> Outputs:
        """Apply all to x (b, dim_x) and y (b, dim_y)."""
        width = self.width
        critic = (
            SeparableCritic(MLP((width, width, EMBEDDING)), MLP((width, width, EMBEDDING)))
            if self.separable
            else ConcatenatedCritic((width, width))
        )
        conditional = MLP((width, 2 * y.shape[1]))(x)
        return Outputs(
            scores=critic(x, y),
            log_baseline=MLP((width, 1))(x)[:, 0],
            pointwise=MLP((width, width, 1))(jnp.concatenate([x, y], axis=1))[:, 0],
            mean=conditional[:, : y.shape[1]],
            log_variance=conditional[:, y.shape[1] :],
            y=y,
        )


class Contender(NamedTuple):
    """An estimator as a run sees it."""

    estimate: Callable[[Outputs], Array]
    """In nats."""
    side: str | None
    """Of a bound."""
    loss: Callable[[Outputs], Array] | None = None
    """What trains the networks; None: minus the estimate."""


def _of_scores(estimator: Any) -> Contender:
    return Contender(lambda out: estimator(out.scores), estimator.side)


CONTENDERS: dict[str, Contender] = {
    "InfoNCE": _of_scores(estimators.info_nce),
    "NWJ": _of_scores(estimators.nwj),
    "TUBA": Contender(lambda out: estimators.tuba(out.scores, out.log_baseline), "lower"),
    "FLO": Contender(lambda out: estimators.flo(out.scores, out.pointwise), "lower"),
    "DV (MINE)": _of_scores(estimators.donsker_varadhan),
    "SMILE": Contender(
        lambda out: estimators.smile(out.scores), None, lambda out: -estimators.jensen_shannon(out.scores)
    ),
    "JS": Contender(
        lambda out: estimators.jensen_shannon_information(out.scores),
        None,
        lambda out: -estimators.jensen_shannon(out.scores),
    ),
    "NCE-CLUB": Contender(
        lambda out: estimators.nce_club(out.scores), None, lambda out: -estimators.info_nce(out.scores)
    ),
    "vCLUB": Contender(
        lambda out: estimators.variational_club(out.mean, out.log_variance, out.y),
        None,
        lambda out: estimators.variational_club_loss(out.mean, out.log_variance, out.y),
    ),
    "vL1Out": Contender(
        lambda out: estimators.leave_one_out(estimators.gaussian_log_conditional(out.mean, out.log_variance, out.y)),
        None,
        lambda out: estimators.variational_club_loss(out.mean, out.log_variance, out.y),
    ),
}
"""Estimators that train networks. CLUB and leave-one-out with a learned conditional (v) are no bounds."""


def objective(
    names: Sequence[str], chosen: Array, dims: tuple[int, int], *, width: int, separable: bool, batch_size: int
) -> Objective:
    """Make the objective of one estimator among several.

    Args:
      names: of `CONTENDERS`; static.
      chosen: which of them, a scalar that may be traced.
      dims: of x and y.
      width: hidden units of all networks.
      separable: whether scores are inner products of embeddings, or a network's of the pair.
      batch_size: of training and evaluation.

    Returns:
      the objective; its metrics are `loss` and `information`.
    """
    networks = network(Networks(width, separable), *(jax.ShapeDtypeStruct((1, dim), jnp.float32) for dim in dims))
    estimates = [CONTENDERS[name].estimate for name in names]
    losses = [CONTENDERS[name].loss or _negative(CONTENDERS[name].estimate) for name in names]

    def outputs(variables: dict[str, Any], batch: Batch) -> Outputs:
        return networks.apply(variables, batch.modalities["x"], batch.modalities["y"])

    def one_of(functions: Sequence[Callable[[Outputs], Array]], out: Outputs) -> Array:
        return jax.lax.switch(jnp.asarray(chosen, int), functions, out)

    def loss(params: Any, statistics: Any, memory: Any, batch: Batch, key: Array) -> tuple[Array, NewStatistics]:
        return one_of(losses, outputs({"params": params}, batch)), NewStatistics({})

    def metrics(variables: dict[str, Any], batch: Batch) -> dict[str, Array]:
        out = outputs(variables, batch)
        return {"loss": one_of(losses, out), "information": one_of(estimates, out)}

    return Objective(networks.init, loss, blockwise(metrics, batch_size), full_batches=True)


def _negative(estimate: Callable[[Outputs], Array]) -> Callable[[Outputs], Array]:
    return lambda out: -estimate(out)
