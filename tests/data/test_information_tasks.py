import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from mmjax.data import (
    INFORMATION_TASKS,
    InformationTask,
    additive_noise_task,
    multinormal_task,
    noise_padded_task,
    student_task,
    transformed_task,
)
from tests.brute_ksg import ksg_information

COVARIANCE = np.array([[2.0, 0.5, -0.8], [0.5, 1.0, 0.3], [-0.8, 0.3, 1.5]])


@functools.partial(jax.jit, static_argnames=("task", "num_samples"))
def sample(key, task: InformationTask, num_samples: int):
    return task.sample(key, num_samples)


def draw(task: InformationTask, num_samples: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    x, y = sample(jax.random.key(seed), task, num_samples)
    return np.asarray(x, float), np.asarray(y, float)


# By hand. Dense: one canonical correlation, k r / (1 + (k - 1) r) with r = 1/2. Sparse: two correlations of 4/5.
NORMAL = np.log(16 / 7) / 2
SPARSE = -np.log(1 - 0.8**2)
DENSE = {k: -np.log(1 - (k / (k + 1)) ** 2) / 2 for k in (2, 3, 5, 25, 50)}


def information_of_student_entropies(dim: int, degrees: int) -> float:
    single, joint = (stats.multivariate_t(shape=np.eye(size), df=degrees).entropy() for size in (dim, 2 * dim))
    return 2 * single - joint


def test_information_of_the_catalogue():
    for name, task in INFORMATION_TASKS.items():
        if "additive" in name:
            expected = {"1v1-additive-0.1": 0.1 - np.log(0.2), "1v1-additive-0.75": 1 / 3}[name]
        elif "dense" in name:
            expected = DENSE[task.dim_x]
        elif "sparse" in name:
            expected = SPARSE
        elif "student" in name:
            expected = information_of_student_entropies(task.dim_x, int(name[-1]))
        else:
            expected = NORMAL
        assert task.information == pytest.approx(expected, abs=1e-12), name
        assert type(task.information) is float
        assert task.information_error == 0
    assert INFORMATION_TASKS["student-identity-1-1-1"].information == pytest.approx(np.log(8 * np.pi) - 3, abs=1e-12)
    assert INFORMATION_TASKS["student-identity-2-2-2"].information == pytest.approx(np.log(2) - 1 / 2, abs=1e-12)


def test_the_catalogue():
    assert len(INFORMATION_TASKS) == 40
    assert all(task.name == name for name, task in INFORMATION_TASKS.items())
    sizes = [(task.dim_x, task.dim_y) for task in INFORMATION_TASKS.values()]
    assert sizes.count((1, 1)) == 9
    assert sizes.count((2, 1)) == 1
    assert sizes.count((50, 50)) == 1
    with pytest.raises(TypeError):
        INFORMATION_TASKS["mine"] = INFORMATION_TASKS["1v1-normal-0.75"]


def test_every_task_has_its_shapes_and_type():
    for task in INFORMATION_TASKS.values():
        x, y = jax.eval_shape(functools.partial(task.sample, num_samples=7), jax.random.key(0))
        assert (x.shape, y.shape) == ((7, task.dim_x), (7, task.dim_y))
        assert x.dtype == y.dtype == jnp.float32


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", ["1v1-bimodal-0.75", "spiral-normal_cdf-multinormal-sparse-3-3-2-2.0"])
def test_double_precision(name):
    x, y = sample(jax.random.key(0), INFORMATION_TASKS[name], 5)
    assert x.dtype == y.dtype == jnp.float64


@pytest.mark.parametrize("name", ["asinh-student-identity-2-2-1", "1v1-bimodal-0.75", "1v1-additive-0.75"])
def test_keys_map_and_repeat(name):
    task = INFORMATION_TASKS[name]
    keys = jax.random.split(jax.random.key(1), 2)
    mapped = jax.vmap(lambda key: sample(key, task, 20))(keys)
    for i, key in enumerate(keys):
        alone = sample(key, task, 20)
        for part, one in zip(mapped, alone, strict=True):
            np.testing.assert_allclose(part[i], one, rtol=1e-5, atol=1e-6)
    jax.tree.map(np.testing.assert_array_equal, sample(keys[0], task, 20), sample(keys[0], task, num_samples=20))
    assert not np.allclose(mapped[0][0], mapped[0][1])


def test_a_task_is_static():
    @functools.partial(jax.jit, static_argnames="task")
    def mean_product(key, task):
        x, y = task.sample(key, 1000)
        return jnp.mean(x * y)

    assert mean_product(jax.random.key(0), INFORMATION_TASKS["1v1-normal-0.75"]) == pytest.approx(0.75, abs=0.1)
    assert {INFORMATION_TASKS["1v1-normal-0.75"]: 1}[INFORMATION_TASKS["1v1-normal-0.75"]] == 1


@pytest.mark.parametrize(
    "name",
    [
        "normal_cdf-1v1-normal-0.75",
        "1v1-additive-0.75",
        "1v1-bimodal-0.75",
        "wiggly-1v1-normal-0.75",
        "half_cube-1v1-normal-0.75",
        "asinh-student-identity-1-1-1",
        "swissroll_x-normal_cdf-1v1-normal-0.75",
        "student-identity-2-2-1",
    ],
)
def test_neighbours_see_the_information(name):
    task = INFORMATION_TASKS[name]
    assert ksg_information(*draw(task, 4000)) == pytest.approx(task.information, abs=0.06)


def test_multinormal_of_any_covariance():
    task = multinormal_task(COVARIANCE, 2, name="mine")
    x, y = draw(task, 40_000)
    np.testing.assert_allclose(np.cov(np.hstack([x, y]), rowvar=False), COVARIANCE, atol=0.06)
    # -1/2 log(1 - R^2), R^2 of the regression of the scalar y on x
    explained = COVARIANCE[2, :2] @ np.linalg.solve(COVARIANCE[:2, :2], COVARIANCE[:2, 2]) / COVARIANCE[2, 2]
    assert task.information == pytest.approx(-np.log(1 - explained) / 2, abs=1e-12)
    assert multinormal_task(np.eye(5), 3, name="none").information == 0


@pytest.mark.parametrize(("degrees", "dim_x"), [(1.0, 1), (2.0, 2), (3.5, 1)])
def test_information_of_student_samples(degrees, dim_x):
    """The mean over scipy's samples of what scipy's densities say."""
    joint = stats.multivariate_t(shape=COVARIANCE, df=degrees)
    first = stats.multivariate_t(shape=COVARIANCE[:dim_x, :dim_x], df=degrees)
    second = stats.multivariate_t(shape=COVARIANCE[dim_x:, dim_x:], df=degrees)
    xy = joint.rvs(100_000, random_state=0)
    pointwise = joint.logpdf(xy) - first.logpdf(xy[:, :dim_x]) - second.logpdf(xy[:, dim_x:])
    error = pointwise.std() / np.sqrt(len(xy))
    task = student_task(COVARIANCE, dim_x, degrees=degrees, name="mine")
    assert task.information == pytest.approx(pointwise.mean(), abs=4 * error)
    assert error < 0.005


def test_student_samples():
    degrees, num_samples = 1.0, 50_000
    xy = np.hstack(draw(student_task(COVARIANCE, 2, degrees=degrees, name="mine"), num_samples))
    square = np.sum(xy * np.linalg.solve(COVARIANCE, xy.T).T, axis=1) / 3
    assert stats.kstest(square, stats.f(3, degrees).cdf).statistic < 1.95 / np.sqrt(num_samples)
    scales = np.sqrt(np.diag(COVARIANCE))
    for column, scale in zip(xy.T, scales, strict=True):
        assert stats.kstest(column / scale, stats.t(degrees).cdf).statistic < 1.95 / np.sqrt(num_samples)


def test_heavy_tails_stay_finite():
    x, y = draw(INFORMATION_TASKS["student-identity-1-1-1"], 200_000)
    assert np.all(np.isfinite(x) & np.isfinite(y))
    assert np.max(np.abs(x)) > 1e4


@pytest.mark.parametrize("noise", [0.1, 0.5, 0.75, 2.0])
def test_information_under_additive_noise(noise):
    """h(Y) - h(N), the density of Y being the share of the noise's window that lies in [0, 1]."""
    edges = np.linspace(-noise, 1 + noise, 400_001)
    y = (edges[1:] + edges[:-1]) / 2
    density = (np.minimum(y + noise, 1) - np.maximum(y - noise, 0)) / (2 * noise)
    entropy = -np.sum(density * np.log(density)) * (edges[1] - edges[0])
    task = additive_noise_task(noise, name="mine")
    assert task.information == pytest.approx(entropy - np.log(2 * noise), abs=1e-7)


def test_additive_noise_samples():
    x, y = draw(INFORMATION_TASKS["1v1-additive-0.1"], 20_000)
    assert stats.kstest(x[:, 0], "uniform").statistic < 1.95 / np.sqrt(20_000)
    assert stats.kstest(((y - x)[:, 0] + 0.1) / 0.2, "uniform").statistic < 1.95 / np.sqrt(20_000)
    assert abs(np.corrcoef(x[:, 0], (y - x)[:, 0])[0, 1]) < 0.03


def test_a_transformed_task_maps_the_samples_of_the_old_one():
    task = multinormal_task(COVARIANCE, 2, name="mine")
    mapped = transformed_task(task, name="bent", transform_y=lambda y: jnp.hstack([y, y**2]), dim_y=2)
    assert (mapped.name, mapped.dim_x, mapped.dim_y, mapped.information) == ("bent", 2, 2, task.information)
    (x, y), (u, v) = draw(task, 10), draw(mapped, 10)
    np.testing.assert_array_equal(u, x)
    np.testing.assert_allclose(v, np.hstack([y, y**2]), rtol=1e-6)


def test_a_transform_of_another_dimension_than_it_says_fails():
    task = transformed_task(multinormal_task(COVARIANCE, 2, name="mine"), name="bent", transform_x=lambda x: x[:, :1])
    with pytest.raises(AssertionError):
        task.sample(jax.random.key(0), 10)


def test_noise_tells_nothing():
    task = noise_padded_task(INFORMATION_TASKS["1v1-normal-0.75"], name="padded", num_x=2, num_y=1)
    assert (task.dim_x, task.dim_y) == (3, 2)
    expected = np.eye(5)
    expected[0, 3] = expected[3, 0] = 0.75
    covariance = np.cov(np.hstack(draw(task, 20_000)), rowvar=False)
    np.testing.assert_allclose(covariance, expected, atol=0.04)
    assert task.information == multinormal_task(expected, 3, name="same").information


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: multinormal_task([[1, 2], [2, 1]], 1, name="bad"), "positive definite; got the eigenvalue -1"),
        (lambda: multinormal_task([[1, 0.5], [0.2, 1]], 1, name="bad"), "symmetric"),
        (lambda: multinormal_task(np.ones((2, 3)), 1, name="bad"), r"symmetric matrix; got shape \(2, 3\)"),
        (lambda: multinormal_task(np.eye(2), 2, name="bad"), r"dim_x must be in \[1, 1\]"),
        (lambda: multinormal_task(np.eye(2), 0, name="bad"), r"dim_x must be in \[1, 1\]"),
        (lambda: student_task(np.eye(2), 1, degrees=0, name="bad"), "degrees of freedom must be positive"),
        (lambda: student_task(np.eye(2), 1, degrees=float("nan"), name="bad"), "got nan"),
        (lambda: additive_noise_task(0.0, name="bad"), "noise must be positive"),
        (lambda: noise_padded_task(additive_noise_task(1.0, name="a"), name="bad", num_y=-1), "num_y=-1"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(ValueError, match=message):
        make()
