"""Room estimators: what an estimator promises, carried by the function itself."""

from collections.abc import Callable
from typing import Literal, ParamSpec, Protocol, cast

import jax
from jax import Array

Side = Literal["lower", "upper"]
Arguments = ParamSpec("Arguments")


class Estimator(Protocol[Arguments]):
    """A compiled function of score matrices that says what its value promises about an information."""

    is_bound: bool
    """Whether the expectation over independent samples is a bound, under the conditions the docstring names."""
    side: Side | None
    """Of which side; None for what is no bound."""
    log_b_ceiling: bool
    """Whether no batch of b samples can give more than log b, whatever the information."""

    def __call__(self, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Array:
        """Return the estimate in nats."""
        ...


def estimator(
    *, side: Side | None, log_b_ceiling: bool = False
) -> Callable[[Callable[Arguments, Array]], Estimator[Arguments]]:
    """Decorate a pure function of arrays: compile it and attach what it promises.

    Args:
      side: "lower" or "upper" where the expectation is a bound of that side; None where it is no bound.
      log_b_ceiling: whether a batch of b samples cannot give more than log b.

    Returns:
      a decorator that keeps name, docstring and signature.
    """

    def decorate(function: Callable[Arguments, Array]) -> Estimator[Arguments]:
        decorated = cast(Estimator[Arguments], jax.jit(function))
        decorated.is_bound, decorated.side, decorated.log_b_ceiling = side is not None, side, log_b_ceiling
        return decorated

    return decorate
