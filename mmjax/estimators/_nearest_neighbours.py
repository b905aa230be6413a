"""Room estimators: mutual information from distances to nearest neighbours."""

import functools

import chex
import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.special import digamma

from mmjax.numerics import as_floats, nan_unless

_BLOCK_ENTRIES = 2**18


@functools.partial(jax.jit, static_argnames="num_neighbours")
def ksg(x: Array, y: Array, *, num_neighbours: int = 3) -> Array:
    """Estimate I(X;Y) by counting neighbours.

    With e_i the distance from sample i to its k-th nearest neighbour in the maximum norm over (x, y), and n_x(i),
    n_y(i) the numbers of other samples strictly nearer than e_i in x and in y alone, the estimate is
    psi(k) + psi(n) - mean_i [psi(n_x(i) + 1) + psi(n_y(i) + 1)] (Kraskov, Stoegbauer, Grassberger 2004,
    cond-mat/0305641, algorithm 1). Features are taken as they are: scale them alike where their units differ.

    No bound of either side (`is_bound` is False), and not clipped: independent samples give values of either
    sign. Consistent for densities, with a bias that grows with dimension and dependence: the number of samples
    needed is exponential in I (Gao, Ver Steeg, Galstyan 2015, arXiv 1411.2003). On jointly normal samples the
    error is within 0.1 nat in one dimension for I <= 4; with 5 against 5 dimensions the estimate is .1 nat too
    low at I = .5 (n = 2000), .3 to .5 at I = 2 and .8 to 1.1 at I = 4 (n = 10000). Samples with ties (discrete
    or repeated) have no density; the counts stay what the formula says, and the estimate means little.

    Time grows as n^2; at most 2^18 distances, or those of one sample, are held at once. Piecewise constant in the
    samples: gradients are 0.

    Args:
      x: samples (n, d1), or (n,) for one dimension.
      y: samples (n, d2) or (n,) of the same n.
      num_neighbours: k >= 1; fewer have less bias, more have less variance.

    Returns:
      a scalar in nats; NaN where a sample is not finite.

    Raises:
      ValueError: if `num_neighbours` is not in 1..n-1.
    """
    x, y = jax.lax.stop_gradient(as_floats(x, y))
    x, y = (z[:, None] if z.ndim == 1 else z for z in (x, y))
    chex.assert_rank([x, y], 2)
    chex.assert_equal_shape_prefix([x, y], 1)
    num = x.shape[0]
    if not 1 <= num_neighbours < num:
        raise ValueError(f"num_neighbours must be in 1..n-1 for n={num} samples; got {num_neighbours}")

    def term(i: Array) -> Array:
        others = jnp.arange(num) != i
        to_x, to_y = (jnp.where(others, jnp.max(jnp.abs(z - z[i][None]), axis=1), jnp.inf) for z in (x, y))
        radius = _kth_smallest(jnp.maximum(to_x, to_y), num_neighbours)
        counts = jnp.stack([jnp.sum(to_x < radius), jnp.sum(to_y < radius)])
        return jnp.sum(digamma(counts.astype(x.dtype) + 1))

    rows = jax.lax.map(term, jnp.arange(num), batch_size=max(1, min(num, _BLOCK_ENTRIES // num)))
    known = digamma(jnp.asarray(num_neighbours, x.dtype)) + digamma(jnp.asarray(num, x.dtype))
    finite = jnp.all(jnp.isfinite(x)) & jnp.all(jnp.isfinite(y))
    return nan_unless(finite, known - jnp.mean(rows))


ksg.is_bound, ksg.side, ksg.log_b_ceiling = False, None, False  # type: ignore[attr-defined]  # as `estimator` does


def _kth_smallest(values: Array, k: int) -> Array:
    """The k-th smallest of (n,), equal ones counted apart: k scans, many times faster here than `top_k`."""

    def climb(_: int, reached: Array) -> Array:
        above = jnp.min(jnp.where(values > reached, values, jnp.inf))
        return jnp.where(jnp.sum(values <= reached) >= k, reached, above)

    return jax.lax.fori_loop(1, k, climb, jnp.min(values))
