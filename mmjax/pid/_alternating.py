"""Room pid: the alternating scheme for the BROJA optimum, a cheap start for the interior point.

Alternates between the I-projection of r(x1,x2) u(x1,y) v(x2,y) onto the two marginals and the update of r
(Banerjee, Rauh, Montufar 2018, arXiv 1709.07487, here with one sweep of the projection a step, which makes it
mirror descent on the joint). Every step is three small contractions and no factorisation.
"""

import jax
import jax.numpy as jnp
from jax import Array

from mmjax.lanes import total
from mmjax.numerics import divide_or_zero, log_or_zero
from mmjax.pid._certificate import Marginals, Potentials


def alternate(marginals: Marginals, num_steps: int) -> tuple[Array, Potentials]:
    """Return the weights r (I, J, lanes) and potentials log u, log v after `num_steps` steps."""
    first, second, support = marginals
    label = total(first, 0)
    independent = first[:, None] * divide_or_zero(second, jnp.broadcast_to(label, second.shape))[None]

    def step(state: tuple[Array, Array, Array], nothing: None) -> tuple[tuple[Array, Array, Array], None]:
        r, _, v = state
        u = divide_or_zero(first, total(r[:, :, None] * v[None], 1))
        v = divide_or_zero(second, total(r[:, :, None] * u[:, None], 0))
        r = r * total(u[:, None] * v[None], 2)
        return (r, u, v), None

    start = (
        total(jnp.where(support, independent, 0), 2),
        first,
        divide_or_zero(second, jnp.broadcast_to(label, second.shape)),
    )
    (r, u, v), _ = jax.lax.scan(step, start, None, length=num_steps)
    return r, Potentials(log_or_zero(u), log_or_zero(v))
