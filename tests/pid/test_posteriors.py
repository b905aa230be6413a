"""The decomposition of samples of posteriors: tables as samples, both ends, merging, symmetry, bad input."""

import functools

import jax
import numpy as np
import pytest

from mmjax import pid
from mmjax.pid._cell_optimum import _alternate, cell_optimum
from mmjax.pid._cells import FORBIDDEN, merge
from tests.pid.alternating import union_information

pytestmark = pytest.mark.usefixtures("quickly_compiled")

PARTS = ("redundancy", "unique1", "unique2", "synergy")
ROWS, CELLS, MANY_CELLS = 96, 16, 72  # 72 cells of two labels are too many for the interior point


@jax.jit
def by_interior_point(first, second, joint, weights1, weights2):
    return pid.from_posteriors(first, second, joint, weights1=weights1, weights2=weights2, num_cells=CELLS)


@functools.partial(jax.jit, static_argnames="num_cells")
def by_alternation(first, second, weights1, weights2, information, tol, num_cells=ROWS):
    weights = {"weights1": weights1, "weights2": weights2}
    return pid.from_posteriors(first, second, information=information, **weights, num_cells=num_cells, tol=tol)


interior_optimum = jax.jit(cell_optimum)


def filled(rows: np.ndarray, weights: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """`ROWS` rows, of which those that are added weigh nothing: one shape, one compiled program."""
    weights = np.full(len(rows), 1 / len(rows)) if weights is None else weights
    added = ROWS - len(rows)
    return np.concatenate([rows, np.repeat(rows[-1:], added, axis=0)]), np.pad(weights, (0, added))


def interior(first: np.ndarray, second: np.ndarray, joint: np.ndarray | None = None) -> pid.PID:
    (a, v), (b, w) = filled(first), filled(second)
    return by_interior_point(a, b, np.full((ROWS, 2), 0.5) if joint is None else joint, v, w)


def alternating(first: np.ndarray, second: np.ndarray, tol: float = 1e-3, **options: int) -> pid.PID:
    (a, v), (b, w) = filled(first), filled(second)
    return by_alternation(a, b, v, w, 0.9, tol, **options)


def table(name: str) -> np.ndarray:
    """Multiples of 1/96 for (x1, x2): the gates (2, 2, 2), and a random table (3, 4, 2)."""
    if name == "random":
        rng = np.random.default_rng(1)
        pairs = 1 + rng.multinomial(ROWS - 12, rng.dirichlet(np.ones(12)))
        return (pairs / ROWS)[:, None].repeat(2, 1).reshape(3, 4, 2) * rng.dirichlet(np.ones(2), (3, 4))
    p = np.zeros((2, 2, 2))
    for a, b in ((0, 0), (0, 1), (1, 0), (1, 1)):
        p[a, b, a & b if name == "and" else a ^ b] = 0.25
    return p


def as_samples(p: np.ndarray) -> tuple[np.ndarray, ...]:
    """Rows of either modality repeated in shuffled order, and p(y|x1,x2), with weights that give the table back."""
    rng = np.random.default_rng(0)
    posteriors, weights = [], []
    for q in (p.sum(1), p.sum(0)):
        rows = rng.permutation(np.arange(ROWS) % len(q))
        posteriors.append((q / q.sum(1, keepdims=True))[rows])
        weights.append((q.sum(1) / np.bincount(rows))[rows])
    pairs = p.sum(2).ravel()
    joint = (p.reshape(-1, p.shape[2]) / pairs[:, None]).repeat(np.rint(ROWS * pairs).astype(int), axis=0)
    return posteriors[0], posteriors[1], joint, weights[0], weights[1]


def in_bits(table: np.ndarray) -> float:
    """I(X;Y) of a table (n, ny)."""
    independent = table.sum(1, keepdims=True) * table.sum(0, keepdims=True)
    return np.sum(table * np.log2(np.where(table > 0, table, 1) / np.where(table > 0, independent, 1)))


def parts_of(p: np.ndarray) -> list[float]:
    """Of a positive table, by alternate minimisation."""
    first, second, total = in_bits(p.sum(1)), in_bits(p.sum(0)), in_bits(p.reshape(-1, p.shape[2]))
    union = union_information(p.sum(1), p.sum(0)) / np.log(2)
    return [first + second - union, union - second, union - first, total - union]


def logistic(slope: float, n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    z = slope * rng.choice([-1, 1], n) + rng.normal(size=n)
    p = 1 / (1 + np.exp(-2 * slope * z))
    return np.stack([p, 1 - p], axis=1)


@pytest.fixture(scope="module")
def samples() -> tuple[np.ndarray, np.ndarray]:
    return logistic(1.0, ROWS, 0), logistic(1.5, 80, 1)


def assert_parts(found: pid.PID, expected: pid.PID, names: tuple[str, ...] = PARTS, atol: float = 1e-12) -> None:
    margin = found.gap + expected.gap + atol
    for name in names:
        assert abs(getattr(found, name) - getattr(expected, name)) <= margin, name


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", ["and", "xor", "random"])
def test_tables_as_samples(name: str):
    p = table(name)
    gates = {"and": [0.311278124459133, 0, 0, 0.5], "xor": [0, 0, 0, 1]}
    found = by_interior_point(*as_samples(p))
    assert found.gap <= 1e-8 and found.converged
    np.testing.assert_allclose([*found[:4]], gates[name] if name in gates else parts_of(p), atol=1e-8)


@pytest.mark.usefixtures("float64")
def test_ends_bracket_the_value_of_every_resolution(samples: tuple[np.ndarray, np.ndarray]):
    exact = alternating(*samples, tol=1e-5)  # rows as they are
    assert exact.converged and exact.gap <= 1e-5
    merged = {CELLS: interior(*samples), MANY_CELLS: alternating(*samples, tol=1e-5, num_cells=MANY_CELLS)}
    for num_cells, coarse in merged.items():
        assert coarse.union_lower <= exact.union_upper and exact.union_lower <= coarse.union_upper
        # What does not depend on the cells: informations of the whole sample.
        np.testing.assert_allclose(coarse.redundancy + coarse.unique1, exact.redundancy + exact.unique1, atol=1e-12)
        assert coarse.gap < 0.6 / num_cells**1.5
        assert exact.gap < coarse.gap


def padded(p1y: np.ndarray, p2y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Tables (5, 3) and (4, 3), filled up with zeros."""
    return tuple(np.pad(q, [(0, n - len(q)), (0, 3 - q.shape[1])]) for q, n in ((p1y, 5), (p2y, 4)))


@pytest.mark.usefixtures("float64")
def test_merging_loses_information_and_at_most_what_is_promised():
    rng = np.random.default_rng(3)
    for seed in range(20):
        p = rng.dirichlet(np.full(24, 0.5)).reshape(3, 4, 2)
        p1y, p2y = p.sum(1), p.sum(0)
        merged = np.stack([p1y[0] + p1y[1], p1y[2]])
        whole, parts = (interior_optimum(*padded(q, p2y), 1e-4) for q in (p1y, merged))
        loss = (in_bits(p1y) - in_bits(merged)) * np.log(2)
        assert parts.lower <= whole.upper + 1e-12, seed
        assert whole.lower <= parts.upper + loss + 1e-12, seed


@pytest.mark.usefixtures("float64")
def test_different_rows_keep_cells_of_their_own():
    rng = np.random.default_rng(4)
    rows = rng.dirichlet(np.ones(3), 5)
    ids = rng.integers(0, 5, 40)
    weights = rng.gamma(1.0, size=40)
    found = np.asarray(jax.jit(merge, static_argnums=2)(rows[ids], weights, 8))
    expected = np.zeros((5, 3))
    np.add.at(expected, ids, weights[:, None] * rows[ids])
    found = found[found.sum(1) > 0]
    np.testing.assert_allclose(found[np.argsort(found[:, 0])], expected[np.argsort(expected[:, 0])], atol=1e-12)


alternate_optimum = jax.jit(_alternate)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("kind", ["dense", "zeros"])
def test_both_solvers_agree_and_their_potentials_are_feasible(kind: str):
    rng = np.random.default_rng(5)
    p = rng.dirichlet(np.ones(60)).reshape(5, 4, 3) * (rng.uniform(size=(5, 4, 3)) > 0.6 * (kind == "zeros"))
    p1y, p2y = p.sum(1) / p.sum(), p.sum(0) / p.sum()
    interior, alternate = (f(p1y, p2y, 1e-4) for f in (interior_optimum, alternate_optimum))
    assert interior.lower <= alternate.upper and alternate.lower <= interior.upper
    assert alternate.upper - alternate.lower <= 1e-2
    for solution in (interior, alternate):
        alpha, beta = (np.asarray(z) for z in solution.potentials)
        assert np.logaddexp.reduce(alpha[:, None] + beta[None], axis=2).max() <= 1e-12
        assert np.all((alpha > FORBIDDEN / 2) | (p1y == 0))
        value = np.sum(np.where(p1y > 0, p1y * alpha, 0)) + np.sum(np.where(p2y > 0, p2y * beta, 0))
        np.testing.assert_allclose(value, solution.lower, atol=1e-12)


@pytest.mark.usefixtures("float64")
def test_order_and_exchange_of_modalities(samples: tuple[np.ndarray, np.ndarray]):
    rng = np.random.default_rng(6)
    found = alternating(*samples)
    moved = alternating(*(rng.permutation(s) for s in samples))
    assert_parts(moved, found)
    exchanged = alternating(*samples[::-1])
    assert_parts(exchanged._replace(unique1=exchanged.unique2, unique2=exchanged.unique1), found)
    relabelled = alternating(samples[0][:, ::-1], samples[1][:, ::-1])
    assert_parts(relabelled, found)
    total = found.synergy + (found.union_lower + found.union_upper) / 2
    np.testing.assert_allclose(total, 0.9, atol=1e-12)  # the information that was given


def test_vmap_in_float32_is_a_loop_in_float64(samples: tuple[np.ndarray, np.ndarray]):
    first = np.stack([samples[0], samples[0][::-1] ** 2 / (samples[0][::-1] ** 2).sum(1, keepdims=True)])
    both = jax.jit(jax.vmap(pid.from_posteriors, (0, None)))(first.astype(np.float32), samples[1].astype(np.float32))
    assert both.redundancy.dtype == np.float32 and np.all(np.isnan(both.synergy))  # of no information
    with jax.enable_x64(True):
        alone = [alternating(rows, samples[1]) for rows in first]
    for k, one in enumerate(alone):
        np.testing.assert_allclose(both.redundancy[k], one.redundancy, atol=float(one.gap) + 1e-4)
        assert both.gap[k] < 0.02


@pytest.mark.usefixtures("float64")
def test_a_single_modality_and_equal_ones():
    first = logistic(1.0, ROWS, 0)
    nothing = alternating(first, first.mean(0, keepdims=True))
    np.testing.assert_allclose([nothing.redundancy, nothing.unique2], 0, atol=float(nothing.gap) + 1e-12)
    same = alternating(first, first)
    np.testing.assert_allclose([same.unique1, same.unique2], 0, atol=float(same.gap) + 1e-12)
    assert nothing.gap < 1e-3 and same.gap < 1e-3
    np.testing.assert_allclose(nothing.unique1, same.redundancy, atol=1e-3)


@pytest.mark.usefixtures("float64")
def test_degenerate_posteriors():
    certain = np.eye(2)[[0, 1, 1, 0]]
    found = interior(certain, certain)  # the label is a function of either modality: zeros everywhere
    np.testing.assert_allclose([*found[:3]], [1, 0, 0], atol=1e-8)
    constant = np.full((4, 2), [0.3, 0.7])
    np.testing.assert_allclose([*interior(constant, constant)[:3]], 0, atol=1e-8)
    np.testing.assert_allclose([*interior(constant[:1], constant[:1])[:3]], 0, atol=1e-8)


@pytest.mark.usefixtures("float64")
def test_one_sample_of_one_class():
    single = np.array([[1.0]])
    np.testing.assert_allclose([*pid.from_posteriors(single, single, single)[:4]], 0, atol=1e-8)


@pytest.mark.usefixtures("float64")
def test_refuses_what_is_no_posterior():
    good = np.full((ROWS, 2), [0.3, 0.7])
    bads = (2 * good, good - 0.5, np.where(good < 0.5, np.nan, good))
    for bad in bads:
        found = interior(good, bad, good)
        assert all(np.isnan(x) for x in found[:7]) and not found.converged
    assert np.isnan(interior(good, good, bads[0]).synergy)
    with pytest.raises(ValueError, match="expected posterior12 or information, got both"):
        pid.from_posteriors(good, good, good, information=0.1)
    with pytest.raises(ValueError, match="num_cells must be 1 or more; got 0"):
        pid.from_posteriors(good, good, num_cells=0)
    with pytest.raises(AssertionError):
        pid.from_posteriors(good, np.ones((4, 3)) / 3)
