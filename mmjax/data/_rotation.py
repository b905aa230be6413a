"""Data, rotation: orthogonal matrices drawn uniformly."""

import jax
import jax.numpy as jnp
from jax import Array


def random_rotation(key: Array, *, dim: int) -> Array:
    """Draw an orthogonal matrix (dim, dim) uniformly, as mirrors and signs (Stewart 1980).

    Mirror k sends axis k to a random direction of the axes from k on. A QR decomposition would do as well, but
    batches of them can block the threads of a CPU with few cores for good.
    """
    direction_key, sign_key = jax.random.split(key)
    directions = jnp.triu(jax.random.normal(direction_key, (dim, dim)))
    lengths = jnp.copysign(jnp.linalg.norm(directions, axis=1), jnp.diag(directions))  # the sign avoids cancellation
    normals = directions + jnp.diag(lengths)

    def reflect(q: Array, normal: Array) -> tuple[Array, None]:
        along = jnp.sum(q * normal[None], axis=1) / jnp.sum(normal**2)
        return q - 2 * along[:, None] * normal[None], None

    mirrored, _ = jax.lax.scan(reflect, jnp.eye(dim), normals)
    return mirrored * jax.random.rademacher(sign_key, (dim,), mirrored.dtype)[None]


def rotate(x: Array, rotation: Array) -> Array:
    """Multiply samples (n, k) by rows of a rotation (k, dim), which accelerators do at low precision unless told."""
    return jnp.matmul(x, rotation, precision=jax.lax.Precision.HIGHEST)
