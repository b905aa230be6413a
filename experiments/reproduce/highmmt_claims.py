"""Experiments, reproduce: results of arXiv 2203.01311 that follow from its own numbers, computed at once."""

import functools
import itertools
from collections.abc import Iterable

import jax
import numpy as np
from numpy.typing import NDArray

from experiments.highmmt.published import distances_of_interactions, distances_of_modalities
from experiments.reproduce.entry import Found
from mmjax.heterogeneity import cluster, low_rank, shortest_paths, spectral_shares, triangle_share
from mmjax.models.highmmt import Architecture, HighMMT, Layout, ModalitySpec, TaskSpec

_AV_MNIST = (ModalitySpec("image", (7, 7), 16), ModalitySpec("spectrogram", (7, 7), 256))
_CIFAR_ESC = (ModalitySpec("picture", (8, 8), 48), ModalitySpec("sound", (25, 25), 256))
_LARGE = Layout(
    (
        ModalitySpec("static", (5,), 1),
        ModalitySpec("timeseries", (24, 12), 1),
        *_AV_MNIST,
        *(ModalitySpec(f"feature{n}", (50,), width, num_bands=3) for n, width in ((1, 35), (2, 74), (3, 300))),
        *(ModalitySpec(f"feature{n}", (20,), width, num_bands=3) for n, width in ((4, 371), (5, 81))),
    ),
    (
        TaskSpec("MIMIC", ("static", "timeseries"), 2),
        TaskSpec("AV-MNIST", ("image", "spectrogram"), 10),
        TaskSpec("MOSEI", ("feature1", "feature2", "feature3"), 2),
        TaskSpec("UR-FUNNY", ("feature3", "feature4", "feature5"), 2),
    ),
)
_GROUPS = ((1, 1), (3, 1), (3, 3), (3, 4), (4, 5))
_PUBLISHED_GROUPS = (0, 1, 2, 2, 0, 0, 1, 1, 1, 1)
"""The three groups of encoders that the paper names, in the order of its Figure 5."""
_LINKAGES = ("average", "complete", "single")


def triangles() -> Found:
    """Return the shares of triples with the triangle inequality, counted as the paper does and as it should be."""
    counted, distinct = _triangles(1, repeats=True), _triangles(1, repeats=False)
    text = f"{_percent(counted)} %; of distinct triples {_percent(distinct)} %"
    return Found(text, bool(np.allclose(counted, [0.87, 0.86], atol=5e-3)))


def relaxed_triangles() -> Found:
    """Return the shares of triples with the triangle inequality relaxed by a factor of 5."""
    counted, distinct = _triangles(5, repeats=True), _triangles(5, repeats=False)
    text = f"{_percent(counted)} %; of distinct triples {_percent(distinct)} %"
    return Found(text, not np.allclose(counted, [0.96, 0.95], atol=5e-3))


def spectra() -> Found:
    """Return the share of the three largest singular values."""
    shares = [float(spectral_shares(d, 3).nuclear) for d in (distances_of_modalities(), distances_of_interactions())]
    return Found(f"{100 * shares[0]:.1f} and {100 * shares[1]:.1f} % of their sum", min(shares) > 0.965)


def completion() -> Found:
    """Return errors of hidden entries, 40 % measured: three ranks, and shortest paths."""
    shown, holds = [], True
    for name, d in (("modalities", distances_of_modalities()), ("interactions", distances_of_interactions())):
        ranks, paths = (
            np.median([_hidden_error(fill(d, known), d, known) for known in _masks(len(d), 20)])
            for fill in (functools.partial(low_rank, rank=3, num_iterations=200), shortest_paths)
        )
        shown.append(f"{name}: rank 3 off by {ranks:.1f}, paths by {paths:.1f}")
        holds &= bool(paths < ranks)
    return Found("; ".join(shown), holds)


def groups() -> Found:
    """Return how far clusters of the published distances agree with the published groups, at best."""
    from sklearn.metrics import adjusted_rand_score

    d = distances_of_modalities()
    found = {
        linkage: adjusted_rand_score(_PUBLISHED_GROUPS, cluster(d, 3, linkage=linkage))  # type: ignore[arg-type]
        for linkage in _LINKAGES
    }
    best = max(found, key=found.__getitem__)
    return Found(f"adjusted Rand index {found[best]:.2f} at best ({best} linkage)", found[best] < 1)


def parameters_of_groups() -> Found:
    """Return the parameters of the large setting by numbers of groups, in millions."""
    sizes = [_size(_LARGE, num_unimodal_groups=u, num_crossmodal_groups=c) / 1e6 for u, c in _GROUPS]
    off = [abs(x / y - 1) for x, y in zip(sizes, (1.07, 1.24, 2.47, 3.11, 4.23), strict=True)]
    return Found(f"{', '.join(f'{x:.2f}' for x in sizes)} M", max(off) > 0.05)


def checkpoint() -> Found:
    """Return the parameters of the architecture of the released weights."""
    sizes = Architecture(num_latents=16, width=32, head_size=32, embedding_width=10)
    number = _size(_LARGE, sizes)
    return Found(f"{number:,}", number == 147_378)


def parameters_of_retrieval() -> Found:
    """Return the parameters of one model of two tasks, and of two models, in millions."""
    tasks = (TaskSpec("AV-MNIST", ("image", "spectrogram"), 10), TaskSpec("CIFAR-ESC", ("picture", "sound"), 2))
    shared = _size(Layout((*_AV_MNIST, *_CIFAR_ESC), tasks))
    alone = sum(_size(Layout(of, (task,))) for of, task in zip((_AV_MNIST, _CIFAR_ESC), tasks, strict=True))
    return Found(f"{alone / 1e6:.2f} and {shared / 1e6:.2f} M", abs(alone / 1.04e6 - 1) > 0.01)


def head_of_push() -> Found:
    """Return how many inputs a head of four modalities has."""
    width, num_modalities = Architecture().width, 4
    inputs = width * num_modalities * (num_modalities - 1)
    return Found(f"{inputs} = {width} x {num_modalities} x {num_modalities - 1}", inputs != 756)


def _size(layout: Layout, sizes: Architecture | None = None, **groups: int) -> int:
    model = HighMMT(sizes or Architecture(), layout)
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), **groups))
    return sum(leaf.size for leaf in jax.tree.leaves(shapes))


def _triangles(factor: int, *, repeats: bool) -> list[float]:
    matrices = (distances_of_modalities(), distances_of_interactions())
    return [float(triangle_share(d, factor=factor, repeats=repeats)) for d in matrices]


def _masks(num: int, count: int) -> Iterable[NDArray[np.bool_]]:
    """Return masks with 40 % of the pairs, and those along a random path, so that every node is reached."""
    first, second = np.triu_indices(num, 1)
    for seed in range(count):
        generator = np.random.default_rng(seed)
        known = np.eye(num, dtype=bool)
        path = generator.permutation(num)
        order = [tuple(sorted(pair)) for pair in itertools.pairwise(path)]
        rest = [pair for pair in zip(first, second, strict=True) if pair not in order]
        more = generator.permutation(len(rest))[: max(0, round(0.4 * len(first)) - len(order))]
        for i, j in [*order, *(rest[place] for place in more)]:
            known[i, j] = known[j, i] = True
        yield known


def _hidden_error(filled: NDArray[np.float64], d: NDArray[np.float64], known: NDArray[np.bool_]) -> float:
    return float(np.abs(filled - d)[~known].mean())


def _percent(shares: Iterable[float]) -> str:
    return " and ".join(f"{100 * share:.1f}" for share in shares)
