"""Room pid: the decomposition that held-out labels confirm, with standard errors.

Posteriors give potentials alpha(x1,y), beta(x2,y) that are feasible for all pairs; labels say what they are worth:
for any posteriors, right or wrong, E[alpha(X1,Y) + beta(X2,Y)] + H(Y) <= I_Q, as E log a(Y|X1) + H(Y) <= I(X1;Y).
The derivative of I_Q in the marginals is the optimal potentials (envelope theorem), so the influence of a sample on
the estimate is its own term and the standard error is that of a mean.
"""

import functools
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from mmjax.numerics import as_floats, in_base, log_or_zero, nan_unless
from mmjax.pid._posteriors import NUM_CELLS, union_information
from mmjax.pid._totals import project_posteriors, row_weights


class Estimate(NamedTuple):
    """A value with its standard error and interval, in units of the base asked for."""

    value: Array
    standard_error: Array
    lower: Array
    upper: Array


class HeldOutPID(NamedTuple):
    """A partial information decomposition of a labelled sample; redundancy + unique1 = information1 and so on."""

    redundancy: Estimate
    unique1: Estimate
    unique2: Estimate
    synergy: Estimate
    union: Estimate
    """Union information I_Q."""
    information1: Estimate
    """I(X1;Y): H(Y) minus the held-out cross-entropy, in expectation at most the truth."""
    information2: Estimate
    information12: Estimate
    """I(X1,X2;Y), likewise."""
    gap: Array
    """Certified gap of the union information of the sample, half of which widens the intervals to either side."""
    distance: Array
    """How far the posteriors of either modality were from the label frequencies (total variation)."""


@functools.partial(jax.jit, static_argnames=("num_cells", "level", "base"))
def held_out_pid(
    posterior1: ArrayLike,
    posterior2: ArrayLike,
    posterior12: ArrayLike,
    label: ArrayLike,
    *,
    num_cells: int = NUM_CELLS,
    level: float = 0.95,
    tol: ArrayLike = 1e-3,
    base: float = 2.0,
) -> HeldOutPID:
    """Decompose what two continuous modalities tell about y on labelled samples no classifier was trained on.

    With potentials alpha, beta of `from_posteriors` and label frequencies p(y), each sample contributes
      i1 = log a(y|x1)/p(y),  i2 = log b(y|x2)/p(y),  i12 = log c(y|x1,x2)/p(y),
      u = alpha(x1,y) + beta(x2,y) - log p(y),
    and the estimates are the means of i1 + i2 - u, u - i2, u - i1 and i12 - u (BROJA: Bertschinger et al. 2014, arXiv
    1311.2852; the estimator is ours). The means of i1, i2, i12 and u are, in expectation, at most the informations of
    the population, whatever the posteriors (but for the offsets of `project_posteriors`, which see the label
    frequencies: O(ny/n)); differences of them have no side. Standard errors are those of means: they leave out the
    training of the classifiers, and are too small where the optimal potentials are not unique.

    Args:
      posterior1: (n, ny), rows p(y|x1) that sum to 1, best of calibrated classifiers.
      posterior2: (n, ny), of the same samples.
      posterior12: (n, ny).
      label: (n,), integers in [0, ny).
      num_cells: as in `from_posteriors`, static.
      level: of the intervals, static; normal approximation.
      tol: as in `from_posteriors`.
      base: of the logarithm; 2 for bits.

    Returns:
      estimates with intervals. The certified gap moves the value of I_Q, and what is computed from it, by half of it,
      and widens its intervals by as much; all are wider by (ny-1)/(2n) nats for what is of second order, the only
      term where a part is 0 for a whole neighbourhood of distributions. An information is -inf where a posterior gives
      a label that occurs probability 0, and what would subtract two of them NaN; NaN where a posterior is none or a
      label out of range; standard errors NaN for a single sample.

    Raises:
      ValueError: if `level` is not in (0, 1), or `num_cells` not positive.

    Not differentiable.
    """
    if not 0 < level < 1:
        raise ValueError(f"level must be in (0, 1); got {level}")
    posterior1, posterior2, posterior12 = as_floats(posterior1, posterior2, posterior12)
    label = jnp.asarray(label)
    chex.assert_equal_shape([posterior1, posterior2, posterior12])
    chex.assert_shape(label, posterior1.shape[:1])
    onehot = jax.nn.one_hot(label, posterior1.shape[1], dtype=posterior1.dtype)
    frequencies = nan_unless(jnp.all(jnp.sum(onehot, axis=1) == 1), jnp.mean(onehot, axis=0))
    both = project_posteriors(posterior1, posterior2, label=frequencies)
    joint = project_posteriors(posterior12, posterior12, label=frequencies).posterior1
    weights = row_weights(posterior1, None)
    union = union_information(both, weights, weights, num_cells, jnp.asarray(tol, posterior1.dtype), base)

    def of_label(logs: Array) -> Array:
        return jnp.take_along_axis(logs, label[:, None], axis=1)[:, 0]

    def of_possible(logs: Array, *posteriors: Array) -> Array:
        # Judged on the posteriors as given: the projection's rounding leaves no zero.
        possible = functools.reduce(jnp.logical_and, [of_label(p) != 0 for p in posteriors])
        return jnp.where(possible, of_label(logs) - prior, -jnp.inf)

    prior = log_or_zero(frequencies)[label]
    i1 = of_possible(jnp.log(both.posterior1), posterior1)
    i2 = of_possible(jnp.log(both.posterior2), posterior2)
    i12 = of_possible(jnp.log(joint), posterior12)
    u = of_possible(union.potentials1 + union.potentials2, posterior1, posterior2)
    half_gap = (union.upper - union.lower) / 2
    # What offsets gain by seeing the label frequencies: half a chi-squared with ny - 1 degrees of freedom, over n.
    second_order = (frequencies.size - 1) / (2 * label.size)

    def estimate(terms: Array, sign: int) -> Estimate:
        value = in_base(jnp.mean(terms) + sign * half_gap, base)
        error = in_base(jnp.std(terms, ddof=1) / jnp.sqrt(jnp.asarray(terms.size, terms.dtype)), base)
        quantile = jax.scipy.stats.norm.ppf(jnp.asarray((1 + level) / 2, terms.dtype))
        margin = quantile * error + in_base(abs(sign) * half_gap + second_order, base)
        return Estimate(value, error, value - margin, value + margin)

    return HeldOutPID(
        redundancy=estimate(i1 + i2 - u, -1),
        unique1=estimate(u - i2, 1),
        unique2=estimate(u - i1, 1),
        synergy=estimate(i12 - u, -1),
        union=estimate(u, 1),
        information1=estimate(i1, 0),
        information2=estimate(i2, 0),
        information12=estimate(i12, 0),
        gap=in_base(2 * half_gap, base),
        distance=both.distance,
    )
