"""Room pid: the decomposition of continuous modalities from the posteriors of classifiers.

Posteriors a_i = p(y|x1_i) and b_j = p(y|x2_j) on samples define the BROJA problem with the tables w1_i a_i(y) and
w2_j b_j(y): what it says is about the sample and about the posteriors as given. Posteriors that are wrong (not
calibrated, say) decompose another world exactly.
"""

import functools
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from mmjax.numerics import as_floats, in_base, scaled_entropy
from mmjax.pid._broja import PID, decomposition
from mmjax.pid._cell_optimum import cell_optimum
from mmjax.pid._cells import best_cell, logs_or_forbidden, merge
from mmjax.pid._totals import ConsistentPosteriors, posterior_information, project_posteriors, row_weights

NUM_CELLS = 512
"""Cells a modality's rows are merged into; fewer rows stay as they are."""


class UnionInformation(NamedTuple):
    """The union information of two samples of posteriors, in nats, and the potentials that prove its lower end."""

    lower: Array
    upper: Array
    potentials1: Array
    """(n1, ny), log of what a row contributes to its labels; feasible with every row of the other modality."""
    potentials2: Array
    """(n2, ny)."""
    information1: Array
    """Plug-in I(X1;Y)."""
    information2: Array
    iterations: Array


@functools.partial(jax.jit, static_argnames=("num_cells", "base"))
def from_posteriors(
    posterior1: ArrayLike,
    posterior2: ArrayLike,
    posterior12: ArrayLike | None = None,
    *,
    information: ArrayLike | None = None,
    label: ArrayLike | None = None,
    weights1: ArrayLike | None = None,
    weights2: ArrayLike | None = None,
    num_cells: int = NUM_CELLS,
    tol: ArrayLike = 1e-3,
    base: float = 2.0,
) -> PID:
    """Decompose what two continuous modalities tell about y, from calibrated posteriors on samples of them.

    The decomposition of `broja_from_marginals` for the tables p(x1_i, y) = w1_i a_i(y) and p(x2_j, y) = w2_j b_j(y)
    (Bertschinger et al. 2014, arXiv 1311.2852; posteriors in place of tables as in Liang et al. 2023, arXiv
    2302.12247), after `project_posteriors`. The samples need not be paired nor of equal size. Rows are merged into at
    most `num_cells` cells, whose problem is solved with a certificate; what merging loses is in the gap (ours):
    I_Q(cells) <= I_Q(rows) <= I_Q(cells) + [I(X1;Y) - I(K;Y)] + [I(X2;Y) - I(L;Y)] for cells K, L. So both ends of
    the union information hold for the sample and for the posteriors as given; for wrong posteriors they are ends of
    something else (`held_out_pid` asks the labels).

    I(X1;Y) and I(X2;Y) are plug-in values of the posteriors, so R + U1 = I(X1;Y) to rounding. I(X1,X2;Y) is one of
      * the plug-in value of `posterior12`: right where those are calibrated, too high where they are over-confident;
      * `information`, from elsewhere, such as H(Y) minus a held-out cross-entropy: too low in expectation, and so
        are synergies from it.

    Args:
      posterior1: (n1, ny), rows p(y|x1) that sum to 1.
      posterior2: (n2, ny).
      posterior12: (n12, ny), rows p(y|x1,x2), of equal weight; moved to the common p(y).
      information: scalar I(X1,X2;Y) in units of `base`.
      label: (ny,), p(y), such as the label frequencies; None means the mean of both modalities' posteriors.
      weights1: (n1,), nonnegative; None means equal ones.
      weights2: (n2,).
      num_cells: most cells of a modality, static; memory and time go with num_cells^2 ny and n num_cells ny.
      tol: gap to stop at, in units of `base`.
      base: of the logarithm; 2 for bits.

    Returns:
      the decomposition with its certificate, values from the middle of both ends; synergy NaN without I(X1,X2;Y).
      `gap` includes what merging loses, `converged` says whether it is within `tol`, `iterations` counts steps of
      the solver. All NaN where a posterior has a NaN, a negative entry, or a row that does not sum to 1.

    Raises:
      ValueError: if both `posterior12` and `information` are given, or `num_cells` is not positive.

    Not differentiable: the posteriors are constants (`aligned_information` differentiates in an alignment).
    """
    if posterior12 is not None and information is not None:
        raise ValueError("expected posterior12 or information, got both: leave one out")
    both = project_posteriors(posterior1, posterior2, label=label, weights1=weights1, weights2=weights2)
    tol = jnp.asarray(tol, both.label.dtype)
    union = union_information(
        both, row_weights(both.posterior1, weights1), row_weights(both.posterior2, weights2), num_cells, tol, base
    )
    if posterior12 is not None:
        total = in_base(_plug_in(posterior12, both.label), base)
    else:
        total = jnp.asarray(jnp.nan if information is None else information, both.label.dtype)
    first, second, lower, upper = (
        in_base(x, base) for x in (union.information1, union.information2, union.lower, union.upper)
    )
    return decomposition(first, second, total, lower, upper, union.iterations, tol)


def union_information(
    both: ConsistentPosteriors, weights1: Array, weights2: Array, num_cells: int, tol: Array, base: float
) -> UnionInformation:
    """Return both ends of the union information of consistent posteriors, and potentials for each row."""
    if num_cells < 1:
        raise ValueError(f"num_cells must be 1 or more; got {num_cells}")
    posterior1, posterior2, label, _ = both
    tables = (merge(posterior1, weights1, num_cells), merge(posterior2, weights2, num_cells))
    information1 = posterior_information(posterior1, weights1)
    information2 = posterior_information(posterior2, weights2)
    entropy = scaled_entropy(label)
    kept = sum(scaled_entropy(jnp.sum(t, axis=1)) + entropy - scaled_entropy(t) for t in tables)
    loss = jnp.maximum(information1 + information2 - kept, 0)
    solver_tolerance = jnp.maximum(tol / in_base(jnp.ones_like(tol), base) - loss, 0.1 * loss)
    cells = cell_optimum(*tables, solver_tolerance)
    lower, potentials1, potentials2 = _lifted(both, weights1, weights2, cells.potentials)
    upper = jnp.minimum(cells.upper + entropy + loss, information1 + information2)
    lower = jnp.maximum(lower, cells.lower) + entropy
    return UnionInformation(
        lower, jnp.maximum(lower, upper), potentials1, potentials2, information1, information2, cells.iterations
    )


def _lifted(
    both: ConsistentPosteriors, weights1: Array, weights2: Array, cells: tuple[Array, Array]
) -> tuple[Array, Array, Array]:
    """The best feasible potentials of the rows among three: those of the best cells, log a alone, log b alone.

    Each row may take the potentials of any cell, because every pair of cells is feasible: the lower end of the rows
    needs no pair of rows. log a with 0 proves I_Q >= I(X1;Y), as 0 with log b proves I_Q >= I(X2;Y).
    """
    posterior1, posterior2, _, _ = both
    own1, own2 = (
        logs[best_cell(posterior, logs)] for posterior, logs in zip((posterior1, posterior2), cells, strict=True)
    )
    logs1, logs2 = logs_or_forbidden(posterior1), logs_or_forbidden(posterior2)
    candidates1 = jnp.stack([own1, logs1, jnp.zeros_like(logs1)])
    candidates2 = jnp.stack([own2, jnp.zeros_like(logs2), logs2])
    values = jnp.sum((weights1[:, None] * posterior1)[None] * candidates1, axis=(1, 2))
    values = values + jnp.sum((weights2[:, None] * posterior2)[None] * candidates2, axis=(1, 2))
    best = jnp.argmax(values)
    return values[best], candidates1[best], candidates2[best]


def _plug_in(posterior: ArrayLike, label: Array) -> Array:
    (posterior,) = as_floats(jax.lax.stop_gradient(posterior))
    chex.assert_shape(posterior, (None, *label.shape))
    both = project_posteriors(posterior, posterior, label=label)
    return posterior_information(both.posterior1, row_weights(posterior, None))
