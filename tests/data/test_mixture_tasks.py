import jax
import numpy as np
import pytest
from scipy import special, stats

from mmjax.data import gaussian_mixture_task, mixture_tasks

SLANT = 0.95 * np.sqrt(0.04 * 0.2)
COMPONENTS = {
    "X": ([[0, 0]] * 2, [[[1, -0.9], [-0.9, 1]], [[1, 0.9], [0.9, 1]]]),
    "AI": (
        [[1, 0], [1, 1], [1, -1], [-0.8, -0.2], [-1.2, 0], [-0.4, 0]],
        [
            np.diag([0.01, 0.2]),
            np.diag([0.05, 0.001]),
            np.diag([0.05, 0.001]),
            np.diag([0.03, 0.001]),
            [[0.04, SLANT], [SLANT, 0.2]],
            [[0.04, -SLANT], [-SLANT, 0.2]],
        ],
    ),
    "Waves": ([[1.5 * k, 0, 1.5 * (k % 4)] for k in range(12)], [np.diag([0.1, 1, 0.1])] * 12),
    "Galaxy": ([[-1.5] * 3, [1.5] * 3], [np.eye(3)] * 2),
}
"""Means and covariances as published, before the plane is bent; all weights are equal."""


def density(name, points, axes):
    """Density of some of the coordinates."""
    means, covariances = (np.asarray(part, float) for part in COMPONENTS[name])
    parts = [
        stats.multivariate_normal(mean[axes], covariance[np.ix_(axes, axes)]).pdf(points)
        for mean, covariance in zip(means, covariances, strict=True)
    ]
    return np.mean(parts, axis=0)


def published_samples(name, num_samples):
    means, covariances = (np.asarray(part, float) for part in COMPONENTS[name])
    rng = np.random.default_rng(0)
    component = rng.integers(len(means), size=num_samples)
    white = rng.normal(size=(num_samples, means.shape[1]))
    return means[component] + np.einsum("nij,nj->ni", np.linalg.cholesky(covariances)[component], white)


def bent(name, xy):
    """The published maps of the plane."""
    x, y = xy[:, :-1], xy[:, -1:]
    if name == "Waves":
        x = np.stack([0.1 * (x[:, 0] + 5 * np.sin(3 * x[:, 1])) - 0.8, 0.5 * x[:, 1]], axis=1)
    if name == "Galaxy":
        turn = np.exp(0.5j * np.sum(x**2, axis=1)) * (x[:, 0] + 1j * x[:, 1])
        x = np.stack([turn.real, turn.imag], axis=1)
    return np.hstack([x, y])


@pytest.mark.parametrize("name", ["X", "AI"])
def test_information_on_a_plain_grid(name):
    """h(X) + h(Y) - h(X, Y), each a sum over its own coordinates."""
    step = 0.05 if name == "X" else 0.012
    axis = np.arange(-7, 7, step) if name == "X" else np.arange(-3.2, 3.2, step)
    points = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1)

    def entropy(p, cell):
        return np.sum(special.entr(p)) * cell

    alone = [entropy(density(name, axis[:, None], [i]), step) for i in (0, 1)]
    task = mixture_tasks()[name]
    expected = sum(alone) - entropy(density(name, points, [0, 1]), step**2)
    assert task.information == pytest.approx(expected, abs=5e-6)
    assert task.information_error < 1e-4


@pytest.mark.parametrize("name", ["Waves", "Galaxy"])
def test_information_of_published_samples(name):
    """In the plane that is not bent, where the task says that one direction is noise."""
    xy = published_samples(name, 50_000)
    first, second = (density(name, xy[:, axes], axes) for axes in ([0, 1], [2]))
    pointwise = np.log(density(name, xy, [0, 1, 2]) / (first * second))
    error = pointwise.std() / np.sqrt(len(xy))
    task = mixture_tasks()[name]
    assert (task.dim_x, task.dim_y) == (2, 1)
    assert task.information == pytest.approx(pointwise.mean(), abs=4 * error)
    assert error < 0.005
    assert task.information_error < 1e-12


@pytest.mark.parametrize("name", list(COMPONENTS))
def test_samples_are_the_published_ones(name):
    """Along the axes and some directions between them."""
    num_samples = 20_000
    ours = np.hstack(jax.jit(mixture_tasks()[name].sample, static_argnums=1)(jax.random.key(0), num_samples))
    ours = ours.astype(float)
    theirs = bent(name, published_samples(name, num_samples))
    directions = np.vstack([np.eye(ours.shape[1]), np.random.default_rng(1).normal(size=(6, ours.shape[1]))])
    for direction in directions:
        assert stats.ks_2samp(ours @ direction, theirs @ direction).statistic < 1.95 * np.sqrt(2 / num_samples)


def test_one_component_is_normal():
    task = gaussian_mixture_task([1.0], [[2, -1]], [[[1, 0.9], [0.9, 3]]], name="mine")
    assert task.information == pytest.approx(-np.log(1 - 0.81 / 3) / 2, abs=1e-12)
    assert task.information_error < 1e-12


def test_far_components_tell_which_they_are():
    weights = np.array([0.2, 0.3, 0.5])
    means = 40.0 * np.array([[0, 0], [1, -1], [2, 1]])
    task = gaussian_mixture_task(weights, means, [np.eye(2)] * 3, name="mine")
    assert task.information == pytest.approx(stats.entropy(weights), abs=1e-12)
    x, _ = jax.jit(task.sample, static_argnums=1)(jax.random.key(0), 5000)
    share = [np.mean(np.abs(np.asarray(x) - mean) < 20) for mean in (0, 40, 80)]
    np.testing.assert_allclose(share, weights, atol=0.03)


@pytest.mark.parametrize(
    ("weights", "means", "covariances", "message"),
    [
        ([0.5, 0.5], [[0, 0]], [np.eye(2)], "expected weights"),
        ([0.5, 0.4], [[0, 0]] * 2, [np.eye(2)] * 2, "sum to 1"),
        ([1.5, -0.5], [[0, 0]] * 2, [np.eye(2)] * 2, "positive"),
        ([1.0], [[0, 0]], [[[1, 2], [2, 1]]], "positive definite"),
        ([1.0], [[0, 0]], [[[1, 0.5], [0, 1]]], "symmetric"),
    ],
)
def test_bad_input(weights, means, covariances, message):
    with pytest.raises(ValueError, match=message):
        gaussian_mixture_task(weights, means, covariances, name="bad")
