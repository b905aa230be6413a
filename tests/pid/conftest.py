"""What the tests of this room share: tables of every kind, and one compiled program for all that fit 4x4x4."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest
from jax import Array

from mmjax import pid

KINDS = ("dense", "peaked", "zeros", "counts", "deterministic", "near_deterministic")
LARGEST = (4, 4, 4)
BATCH = 2048


def random_tables(kind: str, num: int, shape: tuple[int, int, int], seed: int = 0) -> np.ndarray:
    """Tables (num, *shape) in float64: Dirichlet(1), Gamma(.1), 60 % zeros, sparse counts, y = f(x1, x2), nearly so."""
    rng = np.random.default_rng(seed)
    size = (num, *shape)
    if kind in ("deterministic", "near_deterministic"):
        label = rng.integers(0, shape[2], size=size[:3])
        cells = (label[..., None] == np.arange(shape[2])) * rng.gamma(1.0, size=size[:3])[..., None]
        if kind == "near_deterministic":
            cells = cells / cells.sum((1, 2, 3), keepdims=True) + 1e-7 * rng.uniform(size=size)
    elif kind == "counts":
        cells = rng.poisson(0.5, size=size).astype(float)
    else:
        cells = rng.gamma(0.1 if kind == "peaked" else 1.0, size=size)
        if kind == "zeros":
            cells *= rng.uniform(size=size) > 0.6
    cells[:, 0, 0, 0] += cells.sum((1, 2, 3)) == 0
    return cells / cells.sum((1, 2, 3), keepdims=True)


@pytest.fixture(scope="session")
def tables() -> Callable[..., np.ndarray]:
    return random_tables


def _with_gradient(p: Array) -> tuple[pid.PID, Array]:
    def synergy(p: Array) -> tuple[Array, pid.PID]:
        result = pid.broja(p)
        return result.synergy, result

    gradient, result = jax.grad(synergy, has_aux=True)(p)
    return result, gradient


OPTIMISED = {"xla_backend_optimization_level": 3, "xla_llvm_disable_expensive_passes": False}
"""Whatever else a module compiles quickly: this program runs often."""

_compiled = jax.jit(jax.vmap(_with_gradient), compiler_options=OPTIMISED if jax.default_backend() == "cpu" else None)


def decompose_with_gradient(p: np.ndarray) -> tuple[pid.PID, np.ndarray]:
    """`broja` of tables (num, n1, n2, ny) and the gradient of the synergy, in the dtype of `p`.

    Tables up to 4x4x4 are filled up with zeros, batches with copies of a table, so that one program serves all.
    """
    num, *shape = p.shape
    fits = num <= BATCH and all(size <= most for size, most in zip(shape, LARGEST, strict=True))
    if fits:
        p = np.pad(p, [(0, 0), *((0, most - size) for size, most in zip(shape, LARGEST, strict=True))])
        p = np.concatenate([p, np.broadcast_to(_at_once(p.dtype), (BATCH - num, *LARGEST))])
    with jax.enable_x64(p.dtype == np.float64):
        result, gradient = jax.device_get(_compiled(p))
    kept = tuple(slice(size) for size in (num, *shape))
    return jax.tree.map(lambda x: x[:num], result), gradient[kept]


def _at_once(dtype: Any) -> np.ndarray:
    """A table that needs no iterations."""
    table = np.zeros(LARGEST, dtype)
    table[0, 0, 0] = 1
    return table


@pytest.fixture(scope="session")
def decompose() -> Callable[[np.ndarray], pid.PID]:
    return lambda p: decompose_with_gradient(p)[0]


@pytest.fixture(scope="session")
def with_gradient() -> Callable[[np.ndarray], tuple[pid.PID, np.ndarray]]:
    return decompose_with_gradient
