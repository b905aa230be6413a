"""Experiments, benchmarks: canonical correlations: one fit, a permutation null, and a gradient, single precision.

cca-zoo is fed arrays of single precision too. It has no null without fitting again, so part of the ratio is that
whitening does not change under permutations; its generalised objective goes through a matrix of samples by samples, for
which a formulation of ours stands.
"""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from experiments.benchmarks.timing import Comparison, compare, skip_missing
from mmjax.correlation import cca, maxvar, permutation_test, trace_norm

NULL_SAMPLES, NULL_WIDTH, NUM_PERMUTATIONS, FITS = 2000, 64, 200, 5
FIT_SAMPLES, FIT_WIDTH, NUM_COMPONENTS = 10_000, 256, 32
BATCH, NUM_VIEWS, WIDTH, RIDGE = 1024, 3, 32, 1e-4


def measure(repetitions: int) -> Iterator[Comparison]:
    """Yield the comparisons."""
    yield from skip_missing("permutation null", [_null(repetitions)])
    yield from skip_missing("CCA fit", [_fit(repetitions)])
    yield _generalised_step(repetitions)
    yield _eigenvector_step(repetitions)


def _views(num_samples: int, width: int, num_views: int = 2) -> list[Array]:
    """Return views of which a quarter of the directions are related."""
    keys = jax.random.split(jax.random.key(0), num_views + 1)
    shared = jax.random.normal(keys[0], (num_samples, width // 4))
    noise = [jax.random.normal(key, (num_samples, width)) for key in keys[1:]]
    return [x.at[:, : width // 4].add(shared) for x in noise]


def _null(repetitions: int) -> Iterator[Comparison]:
    from cca_zoo.linear import CCA

    x, y = _views(NULL_SAMPLES, NULL_WIDTH)
    first, second = np.asarray(x), np.asarray(y)
    rng = np.random.default_rng(0)
    test = jax.jit(lambda x, y: permutation_test(jax.random.key(1), x, y, 1, num_permutations=NUM_PERMUTATIONS).null)

    def theirs() -> None:
        for _ in range(FITS):
            CCA(n_components=1).fit([first, second[rng.permutation(NULL_SAMPLES)]])

    yield compare(
        "permutation null",
        f"{NULL_SAMPLES} samples of {NULL_WIDTH} and {NULL_WIDTH}",
        NUM_PERMUTATIONS,
        "cca-zoo, a fit a permutation",
        lambda: test(x, y),
        theirs,
        repetitions=repetitions,
        theirs_batch=FITS,
    )


def _fit(repetitions: int) -> Iterator[Comparison]:
    from cca_zoo.linear import CCA

    x, y = _views(FIT_SAMPLES, FIT_WIDTH)
    first, second = np.asarray(x), np.asarray(y)
    fit = jax.jit(lambda x, y: cca(x, y, NUM_COMPONENTS).correlations)
    yield compare(
        "CCA fit",
        f"{FIT_SAMPLES} samples of {FIT_WIDTH} and {FIT_WIDTH}",
        1,
        "cca-zoo",
        lambda: fit(x, y),
        lambda: CCA(n_components=NUM_COMPONENTS).fit([first, second]),
        repetitions=repetitions,
    )


def _generalised_step(repetitions: int) -> Comparison:
    views = _views(BATCH, WIDTH, NUM_VIEWS)
    ours = jax.jit(jax.value_and_grad(lambda views: maxvar(views, WIDTH, ridge=RIDGE)))
    theirs = jax.jit(jax.value_and_grad(lambda views: jnp.sum(jnp.linalg.eigvalsh(_projections(views))[-WIDTH:])))
    return compare(
        "generalised CCA, value and gradient",
        f"{NUM_VIEWS} views, {BATCH} samples of {WIDTH}",
        1,
        "JAX, eigenvalues of samples by samples",
        lambda: ours(views),
        lambda: theirs(views),
        repetitions=repetitions,
    )


def _projections(views: list[Array]) -> Array:
    total = jnp.zeros((BATCH, BATCH))
    for view in views:
        centred = view - jnp.mean(view, axis=0, keepdims=True)
        within = centred.T @ centred
        ridge = RIDGE * jnp.trace(within) / WIDTH * jnp.eye(WIDTH)
        total += centred @ jnp.linalg.solve(within + ridge, centred.T)
    return total


def _eigenvector_step(repetitions: int) -> Comparison:
    x, y = _views(BATCH, 2 * WIDTH)
    ours = jax.jit(jax.value_and_grad(trace_norm))
    theirs = jax.jit(jax.value_and_grad(_by_eigenvectors))
    return compare(
        "trace norm, value and gradient",
        f"{BATCH} samples of {2 * WIDTH} and {2 * WIDTH}",
        1,
        "JAX, inverse roots by eigenvectors",
        lambda: ours(x, y),
        lambda: theirs(x, y),
        repetitions=repetitions,
        note="the peer's gradient is NaN for white data",
    )


def _by_eigenvectors(x: Array, y: Array) -> Array:
    x, y = (z - jnp.mean(z, axis=0, keepdims=True) for z in (x, y))

    def inverse_root(z: Array) -> Array:
        values, vectors = jnp.linalg.eigh(z.T @ z / (BATCH - 1) + RIDGE * jnp.eye(z.shape[1]))
        return (vectors / jnp.sqrt(values)[None]) @ vectors.T

    cross = inverse_root(x) @ (x.T @ y / (BATCH - 1)) @ inverse_root(y)
    return jnp.sum(jnp.sqrt(jnp.maximum(jnp.linalg.eigvalsh(cross.T @ cross), 1e-12)))
