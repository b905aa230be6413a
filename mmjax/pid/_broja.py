"""Room pid: the BROJA decomposition, certified and differentiable.

Redundancy, unique information and synergy are affine in one number, the union information I_Q = H(Y) + V with
V = min over q in Delta of -H_q(Y|X1,X2) (Bertschinger, Rauh, Olbrich, Jost, Ay 2014, arXiv 1311.2852).
"""

import math
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
from jax import Array

from mmjax.information import joint_mutual_information, mutual_information
from mmjax.numerics import as_floats, attach_gradient, in_base, is_table, nan_unless, scaled_entropy
from mmjax.pid._certificate import Potentials
from mmjax.pid._union_information import Optimum, optimum

MAX_ITERATIONS = 60
"""Default limit of interior-point iterations. Random tables need at most 25 or so; tables whose masses span twelve
decades may need 50, and a few of those end with a gap above the tolerance."""


class PID(NamedTuple):
    """A partial information decomposition of (x1, x2) about y, in units of the base asked for."""

    redundancy: Array
    """Information about y that either modality gives."""
    unique1: Array
    """Information that only x1 gives."""
    unique2: Array
    """Information that only x2 gives."""
    synergy: Array
    """Information that only both together give."""
    gap: Array
    """Certified error of each of the four: union_upper - union_lower."""
    union_lower: Array
    """Certified lower end of the union information I_Q = redundancy + unique1 + unique2."""
    union_upper: Array
    """Certified upper end of the union information."""
    iterations: Array
    """Interior-point iterations."""
    converged: Array
    """Whether the gap is within the tolerance."""


def broja(p: Array, *, tol: float | None = None, max_iterations: int = MAX_ITERATIONS, base: float = 2.0) -> PID:
    """Decompose what (x1, x2) tell about y into redundancy, unique information and synergy.

    With Delta = {q : q(x1,y) = p(x1,y), q(x2,y) = p(x2,y)} and I_Q = min over Delta of I_q(X1,X2;Y):
    R = I(X1;Y) + I(X2;Y) - I_Q, U1 = I_Q - I(X2;Y), U2 = I_Q - I(X1;Y), S = I_p(X1,X2;Y) - I_Q (Bertschinger et
    al. 2014, arXiv 1311.2852). All four come from the middle of the certified ends of I_Q, so R + U1 = I(X1;Y) and
    the total hold to rounding, and none is clipped: a zero may come out as minus a rounding error or half a gap.
    No decomposition is nonnegative, invariant under re-encoding and obeys a chain rule of the target (Matthias,
    Makkeh, Wibral, Gutknecht 2025, arXiv 2512.16662); this one gives up the last.

    Differentiable once in p, forward and reverse, along directions that keep the sum, by the envelope theorem; where
    the optimal potentials are not unique the gradient is a subgradient. A second derivative raises TypeError.

    Args:
      p: table (n1, n2, ny) of p(x1, x2, y).
      tol: certified gap at which to stop, in units of `base`; None means 1e-9 in float64 and 1e-4 in float32.
      max_iterations: limit of interior-point iterations, may be traced; 0 leaves the cheap start's certificate.
      base: of the logarithm; 2 for bits.

    Returns:
      the decomposition with its certificate; NaN where `p` is no probability table.

    Raises:
      ValueError: if `tol` is smaller than the dtype of `p` can certify.
    """
    (p,) = as_floats(p)
    chex.assert_rank(p, 3)
    p = nan_unless(is_table(p), p)  # the marginals of what is no table may be tables
    total = joint_mutual_information(p, base=base)
    return _decompose(jnp.sum(p, axis=1), jnp.sum(p, axis=0), total, tol, max_iterations, base)


def broja_from_marginals(
    p1y: Array,
    p2y: Array,
    *,
    tol: float | None = None,
    max_iterations: int = MAX_ITERATIONS,
    base: float = 2.0,
) -> PID:
    """Decompose without the joint: redundancy and unique information depend on the labelled marginals alone.

    R, U1 and U2 of `broja` (Bertschinger et al. 2014, arXiv 1311.2852), of any joint with these marginals.
    Differentiable as `broja` is.

    Args:
      p1y: table (n1, ny) of p(x1, y).
      p2y: table (n2, ny) of p(x2, y); its p(y) must agree with that of `p1y`
        (`mmjax.information.project_marginals` makes estimates agree).
      tol: as in `broja`.
      max_iterations: as in `broja`.
      base: of the logarithm; 2 for bits.

    Returns:
      as `broja`, with synergy NaN; all NaN where an argument is no probability table or the two disagree about p(y)
      by more than the square root of the rounding unit.

    Raises:
      ValueError: if `tol` is smaller than the dtype can certify.
    """
    p1y, p2y = as_floats(p1y, p2y)
    chex.assert_rank([p1y, p2y], 2)
    chex.assert_equal_shape_suffix([p1y, p2y], 1)
    return _decompose(p1y, p2y, jnp.asarray(jnp.nan, p1y.dtype), tol, max_iterations, base)


def _decompose(p1y: Array, p2y: Array, total: Array, tol: float | None, max_iterations: int, base: float) -> PID:
    solution = solve(p1y, p2y, certifiable(tol, p1y.dtype, base), max_iterations)
    label = scaled_entropy(jnp.sum(p1y, axis=0))
    lower, upper = (in_base(label + end, base) for end in ends(solution, p1y, p2y))
    first, second = mutual_information(p1y, base=base), mutual_information(p2y, base=base)
    tolerance = certifiable(tol, p1y.dtype, base) / math.log(base)
    return decomposition(first, second, total, lower, upper, solution.iterations, tolerance)


def decomposition(
    first: Array,
    second: Array,
    total: Array,
    lower: Array,
    upper: Array,
    iterations: Array,
    tolerance: Array | float,
) -> PID:
    """Put a decomposition together from I(X1;Y), I(X2;Y), I(X1,X2;Y) and both ends of I_Q, all in one unit."""
    union = (lower + upper) / 2
    gap = jnp.maximum(upper - lower, 0)  # the compiler may compute an end twice and round it differently
    return PID(
        redundancy=first + second - union,
        unique1=union - second,
        unique2=union - first,
        synergy=total - union,
        gap=gap,
        union_lower=lower,
        union_upper=upper,
        iterations=iterations,
        converged=gap <= tolerance,
    )


def certifiable(tol: float | None, dtype: jnp.dtype, base: float) -> float:
    """Return the gap to reach, in nats; a `ValueError` if the dtype cannot certify it."""
    least = 64 * float(jnp.finfo(dtype).eps)
    if tol is None:
        tol = 1e-9 if least < 1e-9 else 1e-4
    if not tol * math.log(base) >= least:
        raise ValueError(
            f"tol={tol} cannot be certified in {dtype.name}, whose least is {least / math.log(base):.1e}; "
            "ask for more, or compute in float64 (jax.enable_x64)"
        )
    return tol * math.log(base)


def solve(p1y: Array, p2y: Array, tolerance: float, max_iterations: int) -> Optimum:
    """Solve for V = I_Q - H(Y) in nats, without derivatives; NaN for tables that are none or disagree."""
    p1y, p2y = jax.lax.stop_gradient((p1y, p2y))
    disagreement = jnp.max(jnp.abs(jnp.sum(p1y, axis=0) - jnp.sum(p2y, axis=0)))
    valid = is_table(p1y) & is_table(p2y) & (disagreement <= jnp.finfo(p1y.dtype).eps ** 0.5)
    solution = optimum(
        nan_unless(valid, p1y),
        nan_unless(valid, p2y),
        jnp.asarray(tolerance, p1y.dtype),
        jnp.asarray(max_iterations, jnp.int32),
    )
    return solution


def ends(solution: Optimum, p1y: Array, p2y: Array) -> tuple[Array, Array]:
    """Return both certified ends of V in nats, with the envelope gradient of V: the optimal potentials."""
    gradient: Potentials = solution.potentials
    return (
        attach_gradient(solution.lower, (p1y, p2y), tuple(gradient)),
        attach_gradient(solution.upper, (p1y, p2y), tuple(gradient)),
    )
