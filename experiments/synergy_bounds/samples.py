"""Experiments, synergy_bounds: modalities cut into cells, and a row of results from the cells of two of them."""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from experiments.harness import Row
from experiments.synergy_bounds.measurement import measured
from mmjax import information, synergy

Recipe = Literal["std", "repo"]
Ids = NDArray[np.int64]
_CLIP = 5.0
_STD_COMPONENTS, _REPO_COMPONENTS = 10, 5


def cells(x: NDArray[np.generic], num_cells: int, *, recipe: Recipe, fit: NDArray[np.bool_]) -> Ids:
    """Cut a modality into cells.

    Args:
      x: samples (n, ...).
      num_cells: the most cells.
      recipe: "std" standardises, clips at 5 standard deviations, and clusters ten principal components; "repo", that
        of the public code of arXiv 2306.04539, clusters five of the rows divided by their norms.
      fit: (n,), the samples from which means, components and clusters are found.

    Returns:
      a cell for each sample; a modality of whole numbers with few enough values keeps these as they are.
    """
    if x.ndim == 1 and len(np.unique(x)) <= num_cells:
        return np.unique(x, return_inverse=True)[1]
    flat = x.reshape(len(x), -1).astype(np.float64)
    if recipe == "repo":
        return _clusters(_unit_rows(flat), num_cells, _REPO_COMPONENTS, fit)
    mean, scale = flat[fit].mean(0), flat[fit].std(0)
    standard = np.clip((flat - mean) / np.where(scale > 0, scale, 1), -_CLIP, _CLIP)
    return _clusters(standard, num_cells, _STD_COMPONENTS, fit)


def cells_of_unit_rows(x: NDArray[np.generic], num_cells: int, num_components: int) -> Ids:
    """Cut samples (n, d) into clusters of the principal components of the rows divided by their norms."""
    return _clusters(_unit_rows(x.astype(np.float64)), num_cells, num_components, np.ones(len(x), bool))


class Repetitions(NamedTuple):
    """How often a sample is drawn anew."""

    permutations: int
    """Of the second modality within each class, for the null."""
    resamples: int
    """With replacement, for the interval of the synergy."""


def pair_row(
    key: Array, name: str, x1: Ids, x2: Ids, label: Ids, *, sizes: tuple[int, int, int], repetitions: Repetitions
) -> Row:
    """Decompose labelled pairs of cells, and bound their synergy from the marginals.

    Args:
      key: PRNG key of the permutations.
      name: what to call the pair.
      x1: cells of the first modality (n,).
      x2: cells of the second modality (n,).
      label: classes (n,).
      sizes: of the table; the same for pairs that are to share a compiled program.
      repetitions: how often the sample is permuted and resampled.
    """
    with jax.enable_x64(True):
        ids = [jnp.asarray(np.asarray(x), jnp.int32) for x in (x1, x2, label)]
        null = synergy.conditional_independence_null(key, *ids, sizes=sizes, num_permutations=repetitions.permutations)
        resampled = synergy.bootstrap(key, *ids, sizes=sizes, num_replicates=repetitions.resamples)
        table = np.asarray(information.joint_table(*ids, sizes=sizes))
    return {
        "pair": name,
        "n": len(x1),
        **measured(table),
        "synergy_from": float(resampled.lower.synergy),
        "synergy_to": float(resampled.upper.synergy),
        "synergy_null": float(null.mean),
        "synergy_null_from": float(null.lower),
        "synergy_null_to": float(null.upper),
        "synergy_independent": float(null.synergy_independent),
        "p_value": float(null.p_value),
    }


def _unit_rows(flat: NDArray[np.float64]) -> NDArray[np.float64]:
    norm = np.linalg.norm(flat, axis=1, keepdims=True)
    return flat / np.where(norm > 0, norm, 1)


def _clusters(x: NDArray[np.float64], num_cells: int, num_components: int, fit: NDArray[np.bool_]) -> Ids:
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    if not np.ptp(x[fit], axis=0).any():
        return np.zeros(len(x), np.int64)
    with threadpool_limits(1):  # threads of k-means on so few samples do little but wait for each other
        components = PCA(min(num_components, *x[fit].shape), random_state=0).fit(x[fit])
        reduced = components.transform(x)
        num_distinct = len(np.unique(reduced[fit], axis=0))
        clusters = KMeans(min(num_cells, num_distinct), n_init=10, random_state=0).fit(reduced[fit])
        return clusters.predict(reduced).astype(np.int64)
