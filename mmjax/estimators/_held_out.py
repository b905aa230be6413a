"""Room estimators: an estimate on rows that no fit has seen, and the check that it does not hang on their number."""

import functools
import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import ArrayLike, NDArray

from mmjax.estimators._lower_bounds import info_nce

ScoreFn = Callable[[Any, Array, Array], Array]
FitFn = Callable[[Array, Array, Array], Any]
Floats = NDArray[np.floating[Any]]

CEILING_MARGIN = 0.1
"""An estimate above (1 - CEILING_MARGIN) times its ceiling is reported as being at the ceiling."""
NUM_ERRORS = 2.0
"""A drift is beyond its noise when it exceeds so many of its standard errors."""


class HeldOutBound(NamedTuple):
    """An estimate on held-out rows in nats, and whether to trust it."""

    information: float
    """The estimate, NaN where it is refused."""
    standard_error: float
    """Of the estimate over test batches, for the critic at hand; NaN for a single batch."""
    refusal: str
    """Why the estimate is refused, in words; empty where it is not."""
    estimate: float
    """Mean over test batches for the critic fitted to all training rows, refused or not."""
    extrapolated: float
    """Value at 1/n -> 0 of the line in 1/n through the estimates by n training rows; NaN without subsamples."""
    drift_error: float
    """Standard error of extrapolated - estimate, from test batches and from the spread of fits; NaN likewise."""
    ceiling: float
    """What the estimate cannot, or not credibly, exceed."""
    num_train: NDArray[np.integer[Any]]
    """(k,), training rows of each fit; the first has all."""
    estimates: Floats
    """(k, num_batches), one a fit and test batch."""


def held_out_bound(
    score_fn: ScoreFn,
    fit_fn: FitFn,
    x: ArrayLike,
    y: ArrayLike,
    *,
    key: Array,
    estimator: Callable[[Array], Array] = info_nce,
    batch_size: int = 128,
    test_fraction: float = 0.5,
    subsamples: Sequence[int] = (2, 4),
    tolerance: float = 0.05,
) -> HeldOutBound:
    """Estimate an information on held-out rows and refuse where it has not settled in the number of training rows.

    Rows are split at random. A critic fitted to the training rows is scored on disjoint batches of test rows, so for a
    bound of expectation the mean over batches is an unbiased estimate of a bound that holds for this critic.

    Whether the bound says what the information is, is checked by subsampling in the manner of Abdelaleem, Martini,
    Nemenman (2025, arXiv 2506.00330): for each k of `subsamples` the training rows are cut into k disjoint parts, a
    critic is fitted to each, and a line in 1/n through all fits, on the same test batches, gives the value at
    1/n -> 0. The estimate is refused when it drifts: when that value is farther from it than `NUM_ERRORS` standard
    errors and than `tolerance`. (The rule is ours. Its noise is the spread of the difference over test batches and, as
    one variance for all n, that of fits of one size.) What it cannot see is a drift within its noise, for which
    `drift_error` is to be read, and a critic that no n at hand makes better: nothing learned at any size passes as
    information 0, which as a lower bound it is.

    Args:
      score_fn: (params, x (b, ...), y (b, ...)) -> scores (b, b), traceable by JAX.
      fit_fn: (key, x_train, y_train) -> params, a pytree of arrays; called 1 + sum(subsamples) times.
      x: (n, ...), finite; one row a sample. Constant features are allowed: they inform about nothing.
      y: (n, ...), finite, row i belonging to row i of x.
      key: PRNG key.
      estimator: of one score matrix; `functools.partial` sets its options, best once: each new one is compiled anew.
      batch_size: rows in a test batch, b >= 2. Test rows that fill no batch are not used.
      test_fraction: share of rows held out, in (0, 1).
      subsamples: numbers of parts, each >= 2; empty for no check.
      tolerance: drift in nats that is never a reason to refuse.

    Returns:
      the bound. A single test batch has no spread: its standard error is NaN and only the spread of fits counts as
      noise of the drift. A refused information is NaN; so is one whose estimates are not finite.

    Raises:
      ValueError: if lengths differ, a value is not finite, there are fewer test rows than a batch, fewer than 2
        training rows in a part, or an option is out of its range.

    Warns:
      UserWarning: if the estimate is within `CEILING_MARGIN` of its ceiling: log b where the estimator has it, else
        log of the number of test rows, beyond which no distribution-free lower bound holds with high confidence
        (McAllester & Stratos 2020, arXiv 1811.04251).

    On the host; not differentiable.
    """
    x, y = _checked_rows(x, "x"), _checked_rows(y, "y")
    _check_options(len(x), len(y), batch_size, test_fraction, subsamples, tolerance)
    key_split, key_fit = jax.random.split(key)
    order = np.asarray(jax.random.permutation(key_split, len(x)))
    train, test = np.split(order, [len(x) - _num_test(len(x), test_fraction)])
    _check_sizes(len(train), len(test), batch_size, subsamples)
    parts = [part for count in (1, *subsamples) for part in _equal_parts(train, count)]
    batches = _equal_parts(test, len(test) // batch_size, batch_size)
    test_x, test_y = jnp.asarray(x[batches]), jnp.asarray(y[batches])
    estimates = []
    for fit, rows in zip(jax.random.split(key_fit, len(parts)), parts, strict=True):
        params = fit_fn(fit, jnp.asarray(x[rows]), jnp.asarray(y[rows]))
        estimates.append(np.asarray(_batch_estimates(score_fn, estimator, params, test_x, test_y), float))
    ceiling = math.log(batch_size if getattr(estimator, "log_b_ceiling", False) else batches.size)
    result = _judged(np.stack(estimates), np.array([len(part) for part in parts]), ceiling, tolerance)
    if getattr(estimator, "side", None) != "upper" and result.estimate > (1 - CEILING_MARGIN) * ceiling:
        warnings.warn(
            f"the estimate, {result.estimate:.3f} nats, is at its ceiling of {ceiling:.3f}: the information may be "
            "larger, and is not confirmed to be as large; use larger batches or more test rows",
            stacklevel=2,
        )
    return result


@functools.partial(jax.jit, static_argnames=("score_fn", "estimator"))
def _batch_estimates(
    score_fn: ScoreFn, estimator: Callable[[Array], Array], params: Any, xs: Array, ys: Array
) -> Array:
    return jax.lax.map(lambda batch: estimator(score_fn(params, *batch)), (xs, ys))


def _judged(estimates: Floats, num_train: NDArray[np.integer[Any]], ceiling: float, tolerance: float) -> HeldOutBound:
    """The mean of the first fit, with the line in 1/n through all of them as its judge."""
    mean = float(np.mean(estimates[0]))
    extrapolated, drift_error = float("nan"), float("nan")
    finite = bool(np.all(np.isfinite(estimates)))
    if finite and len(num_train) > 1:
        extrapolated, drift_error = _extrapolation(estimates, num_train)
    refusal = ""
    if not finite:
        refusal = "a test batch has no finite estimate: the scores overflow, or a fit has diverged"
    elif abs(extrapolated - mean) > max(NUM_ERRORS * drift_error, tolerance):
        refusal = (
            f"the estimate drifts with the number of training rows: {mean:.3f} nats at n = {num_train[0]}, "
            f"{extrapolated:.3f} +- {drift_error:.3f} extrapolated to 1/n = 0; more rows or a simpler critic are needed"
        )
    return HeldOutBound(
        information=float("nan") if refusal else mean,
        standard_error=_standard_error(estimates[0]) if finite else float("nan"),
        refusal=refusal,
        estimate=mean,
        extrapolated=extrapolated,
        drift_error=drift_error,
        ceiling=ceiling,
        num_train=num_train,
        estimates=estimates,
    )


def _extrapolation(estimates: Floats, num_train: NDArray[np.integer[Any]]) -> tuple[float, float]:
    """The line in 1/n at 1/n = 0, by least squares over fits, and the standard error of its distance to the first."""
    inverse = num_train[0] / num_train
    centred = inverse - np.mean(inverse)
    weights = 1 / len(inverse) - np.mean(inverse) * centred / np.sum(centred**2)
    difference = weights - (np.arange(len(inverse)) == 0)
    test_error = _standard_error(difference @ estimates)
    variance = (0 if np.isnan(test_error) else test_error) ** 2 + _fit_variance(estimates, num_train) * (
        difference @ difference
    )
    return float(weights @ np.mean(estimates, axis=1)), float(np.sqrt(variance))


def _fit_variance(estimates: Floats, num_train: NDArray[np.integer[Any]]) -> float:
    """The variance of a fit's mean estimate, pooled over fits of one size."""
    means = np.mean(estimates, axis=1)
    groups = [means[num_train == size] for size in np.unique(num_train)]
    deviations = [group - np.mean(group) for group in groups]
    freedom = len(means) - len(deviations)
    return sum(float(deviation @ deviation) for deviation in deviations) / freedom


def _equal_parts(rows: NDArray[Any], num_parts: int, size: int | None = None) -> NDArray[Any]:
    """Disjoint parts of the rows, (num_parts, size); what is left over is not used."""
    size = len(rows) // num_parts if size is None else size
    return rows[: num_parts * size].reshape(num_parts, size)


def _standard_error(values: Floats) -> float:
    return float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")


def _num_test(num_rows: int, test_fraction: float) -> int:
    return round(num_rows * test_fraction)


def _checked_rows(values: ArrayLike, name: str) -> NDArray[Any]:
    rows = np.asarray(values)
    if rows.ndim == 0 or not np.issubdtype(rows.dtype, np.number):
        raise ValueError(f"expected {name} of numbers (n, ...), got shape {rows.shape} of {rows.dtype}")
    bad = np.count_nonzero(~np.isfinite(rows).all(axis=tuple(range(1, rows.ndim))))
    if bad:
        raise ValueError(
            f"expected finite values, got NaN or inf in {bad} of {len(rows)} rows of {name}: drop or fill them"
        )
    return rows


def _check_options(
    num_x: int, num_y: int, batch_size: int, test_fraction: float, subsamples: Sequence[int], tolerance: float
) -> None:
    if num_x != num_y:
        raise ValueError(
            f"expected x and y of equal length, got {num_x} and {num_y} rows: keep the rows that both have"
        )
    if batch_size < 2:
        raise ValueError(f"expected batch_size of at least 2, got {batch_size}: a single row has no negative")
    if not 0 < test_fraction < 1:
        raise ValueError(f"expected test_fraction in (0, 1), got {test_fraction}")
    if any(count < 2 for count in subsamples) or not tolerance >= 0:
        raise ValueError(
            f"expected subsamples of at least 2 parts each and tolerance >= 0, got {tuple(subsamples)} and {tolerance}"
        )


def _check_sizes(num_train: int, num_test: int, batch_size: int, subsamples: Sequence[int]) -> None:
    if num_test < batch_size:
        raise ValueError(
            f"expected at least {batch_size} test rows for one batch, got {num_test}: "
            "lower batch_size, raise test_fraction or bring more rows"
        )
    if num_train < 2 * max(subsamples, default=1):
        raise ValueError(
            f"expected at least 2 training rows in each of {max(subsamples, default=1)} parts, got {num_train} in all: "
            "lower test_fraction or the subsamples, or bring more rows"
        )
