"""Room training: optimisers made inside the trace from hyper-parameters, which may then differ from run to run.

A learning rate that is a Python number becomes a constant of the compiled program; one that is an argument does not.
"""

from collections.abc import Callable

import jax.numpy as jnp
import optax
from jax import Array
from jax.typing import ArrayLike

Schedule = Callable[[ArrayLike], Array]


def adam(
    learning_rate: ArrayLike, *, weight_decay: ArrayLike = 0.0, schedule: Schedule | None = None
) -> optax.GradientTransformation:
    """Make Adam (Kingma & Ba 2015, arXiv 1412.6980) with coupled L2: the decay is added to the gradient.

    What PyTorch calls `Adam(weight_decay=...)`; `adamw` decouples the decay.

    Args:
      learning_rate: a number or a traced scalar.
      weight_decay: factor of the parameters that is added to their gradients.
      schedule: from the step to a factor of the learning rate; its own lengths are static.

    Returns:
      the optimiser.
    """
    return optax.chain(
        optax.add_decayed_weights(_number(weight_decay)), optax.scale_by_adam(), *_rate(learning_rate, schedule)
    )


def adamw(
    learning_rate: ArrayLike, *, weight_decay: ArrayLike = 0.01, schedule: Schedule | None = None
) -> optax.GradientTransformation:
    """Make Adam with decoupled weight decay (Loshchilov & Hutter 2019, arXiv 1711.05101).

    Args:
      learning_rate: a number or a traced scalar.
      weight_decay: share of the parameters that a step of learning rate 1 takes off.
      schedule: as in `adam`.

    Returns:
      the optimiser.
    """
    return optax.chain(
        optax.scale_by_adam(), optax.add_decayed_weights(_number(weight_decay)), *_rate(learning_rate, schedule)
    )


def sgd(
    learning_rate: ArrayLike, *, momentum: ArrayLike = 0.9, schedule: Schedule | None = None
) -> optax.GradientTransformation:
    """Make gradient descent with momentum.

    Args:
      learning_rate: a number or a traced scalar.
      momentum: share of the last step's direction that is kept.
      schedule: as in `adam`.

    Returns:
      the optimiser.
    """
    return optax.chain(optax.trace(decay=_number(momentum)), *_rate(learning_rate, schedule))


def warm_restarts(*, num_constant: int, first_period: int = 4, growth: int = 2) -> Schedule:
    """Make the schedule of the public code of MCR (Kontras et al. 2024, arXiv 2411.07335): constant, then restarts.

    The factor is 1 for `num_constant` steps. From then on it is 1/2 (1 + cos(pi t / T_n)) with t the steps since the
    last restart and periods T_n = first_period growth^n (Loshchilov & Hutter 2017, arXiv 1608.03983), counted from step
    0, not from the end of the constant part, as that code does.

    Args:
      num_constant: steps at the full learning rate.
      first_period: steps of the first period.
      growth: factor from one period to the next, at least 2.

    Returns:
      from the step to the factor, in [0, 1].

    Raises:
      ValueError: if a period is empty or `growth` below 2.
    """
    if first_period < 1 or growth < 2:
        raise ValueError(f"first_period must be at least 1 and growth at least 2; got {first_period} and {growth}")
    num_periods = 1
    while first_period * (growth**num_periods - 1) // (growth - 1) < 2**31 - 1:
        num_periods += 1
    starts = [first_period * (growth**n - 1) // (growth - 1) for n in range(num_periods)]

    def factor(step: ArrayLike) -> Array:
        now = jnp.asarray(step, jnp.int32)
        period = jnp.sum(now >= jnp.asarray(starts, jnp.int32)) - 1
        since = now - jnp.asarray(starts, jnp.int32)[period]
        length = first_period * jnp.asarray(growth, float) ** period
        return jnp.where(now < num_constant, 1.0, 0.5 * (1 + jnp.cos(jnp.pi * since / length)))

    return factor


def _rate(learning_rate: ArrayLike, schedule: Schedule | None) -> list[optax.GradientTransformation]:
    rate = optax.scale(-_number(learning_rate))
    return [rate] if schedule is None else [rate, optax.scale_by_schedule(schedule)]


def _number(x: ArrayLike) -> Array:
    return jnp.asarray(x, float)
