"""The decomposition of samples of posteriors: tables as samples, both ends, merging, symmetry, bad input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax import pid
from mmjax.pid._cell_optimum import _alternate, cell_optimum
from mmjax.pid._cells import FORBIDDEN, merge

PARTS = ("redundancy", "unique1", "unique2", "synergy")
CELLS = 16


def table(name: str) -> np.ndarray:
    """(2, 2, 2) and (3, 4, 2) tables."""
    p = np.zeros((2, 2, 2))
    for a, b in ((0, 0), (0, 1), (1, 0), (1, 1)):
        p[a, b, a & b if name == "and" else a ^ b] = 0.25
    return p if name in ("and", "xor") else np.random.default_rng(int(name)).dirichlet(np.ones(24)).reshape(3, 4, 2)


def as_samples(p: np.ndarray, n: int = 64) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Rows of either modality repeated in shuffled order, with weights that give the table back; and p(y|x1,x2)."""
    rng = np.random.default_rng(0)
    arguments = {}
    for name, q in (("1", p.sum(1)), ("2", p.sum(0))):
        rows = rng.permutation(np.arange(n) % len(q))
        arguments["posterior" + name] = (q / q.sum(1, keepdims=True))[rows]
        arguments["weights" + name] = (q.sum(1) / np.bincount(rows))[rows]
    return arguments, p / p.sum(2, keepdims=True)


def logistic(slope: float, n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    z = slope * rng.choice([-1, 1], n) + rng.normal(size=n)
    p = 1 / (1 + np.exp(-2 * slope * z))
    return np.stack([p, 1 - p], axis=1)


@pytest.fixture(scope="module")
def samples() -> tuple[np.ndarray, np.ndarray]:
    return logistic(1.0, 150, 0), logistic(1.5, 120, 1)


def assert_parts(found: pid.PID, expected: pid.PID, names: tuple[str, ...] = PARTS, atol: float = 1e-12) -> None:
    margin = found.gap + expected.gap + atol
    for name in names:
        assert abs(getattr(found, name) - getattr(expected, name)) <= margin, name


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", ["and", "xor", "1"])
def test_tables_as_samples_equal_broja(name: str):
    p = table(name)
    arguments, _ = as_samples(p)
    expected = pid.broja(jnp.asarray(p))
    total = expected.union_lower + expected.gap / 2 + expected.synergy
    found = pid.from_posteriors(**arguments, information=total, num_cells=CELLS)
    assert found.gap <= 1e-8 and found.converged
    assert_parts(found, expected)


@pytest.mark.usefixtures("float64")
def test_plug_in_total_of_joint_posteriors():
    p = table("and")
    expected = pid.broja(jnp.asarray(p))
    found = pid.from_posteriors(
        np.eye(2)[[0, 0, 1, 1]] @ [[1, 0], [0.5, 0.5]], np.array([[1, 0], [0.5, 0.5]] * 2), p.reshape(4, 2) * 4
    )
    assert_parts(found, expected)
    np.testing.assert_allclose(found.synergy, 0.5, atol=1e-8)  # the AND gate
    np.testing.assert_allclose(found.redundancy, 0.311278124459133, atol=1e-8)


@pytest.mark.usefixtures("float64")
def test_ends_bracket_the_value_of_every_resolution(samples: tuple[np.ndarray, np.ndarray]):
    exact = pid.from_posteriors(*samples, tol=1e-5)  # rows as they are
    assert exact.converged and exact.gap <= 1e-5
    for num_cells in (16, 80):  # by the interior point, by alternation
        coarse = pid.from_posteriors(*samples, num_cells=num_cells, tol=1e-5)
        assert coarse.union_lower <= exact.union_upper and exact.union_lower <= coarse.union_upper
        # What does not depend on the cells: informations of the whole sample.
        np.testing.assert_allclose(coarse.redundancy + coarse.unique1, exact.redundancy + exact.unique1, atol=1e-12)
        assert coarse.gap < 0.6 / num_cells**1.5
    assert exact.gap < coarse.gap


@pytest.mark.usefixtures("float64")
def test_merging_loses_information_and_at_most_what_is_promised():
    rng = np.random.default_rng(3)
    for seed in range(20):
        p = rng.dirichlet(np.full(24, 0.5)).reshape(3, 4, 2)
        p1y, p2y = p.sum(1), p.sum(0)
        merged = np.stack([p1y[0] + p1y[1], p1y[2], 0 * p1y[0]])  # one shape, one compiled program
        whole = pid.broja_from_marginals(p1y, p2y)
        parts = pid.broja_from_marginals(merged, p2y)
        loss = whole.redundancy + whole.unique1 - parts.redundancy - parts.unique1
        assert parts.union_lower <= whole.union_upper + 1e-12, seed
        assert whole.union_lower <= parts.union_upper + loss + 1e-12, seed


@pytest.mark.usefixtures("float64")
def test_different_rows_keep_cells_of_their_own():
    rng = np.random.default_rng(4)
    rows = rng.dirichlet(np.ones(3), 5)
    ids = rng.integers(0, 5, 40)
    weights = rng.gamma(1.0, size=40)
    found = merge(jnp.asarray(rows[ids]), jnp.asarray(weights), 8)
    expected = np.zeros((5, 3))
    np.add.at(expected, ids, weights[:, None] * rows[ids])
    found = found[found.sum(1) > 0]
    np.testing.assert_allclose(found[np.argsort(found[:, 0])], expected[np.argsort(expected[:, 0])], atol=1e-12)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("kind", ["dense", "zeros"])
def test_both_solvers_agree_and_their_potentials_are_feasible(kind: str):
    rng = np.random.default_rng(5)
    p = rng.dirichlet(np.ones(60)).reshape(5, 4, 3) * (rng.uniform(size=(5, 4, 3)) > 0.6 * (kind == "zeros"))
    p1y, p2y = jnp.asarray(p.sum(1) / p.sum()), jnp.asarray(p.sum(0) / p.sum())
    interior = cell_optimum(p1y, p2y, jnp.asarray(1e-4))
    alternate = jax.jit(_alternate)(p1y, p2y, jnp.asarray(1e-4))
    assert interior.lower <= alternate.upper and alternate.lower <= interior.upper
    assert alternate.upper - alternate.lower <= 1e-2
    for solution in (interior, alternate):
        alpha, beta = solution.potentials
        assert jax.nn.logsumexp(alpha[:, None] + beta[None], axis=2).max() <= 1e-12
        assert np.all((alpha > FORBIDDEN / 2) | (p1y == 0))
        value = jnp.sum(jnp.where(p1y > 0, p1y * alpha, 0)) + jnp.sum(jnp.where(p2y > 0, p2y * beta, 0))
        np.testing.assert_allclose(value, solution.lower, atol=1e-12)


@pytest.mark.usefixtures("float64")
def test_order_and_exchange_of_modalities(samples: tuple[np.ndarray, np.ndarray]):
    rng = np.random.default_rng(6)
    found = pid.from_posteriors(*samples)
    moved = pid.from_posteriors(*(rng.permutation(s) for s in samples))
    assert_parts(moved, found, PARTS[:3])
    exchanged = pid.from_posteriors(*samples[::-1])
    assert_parts(exchanged._replace(unique1=exchanged.unique2, unique2=exchanged.unique1), found, PARTS[:3])
    relabelled = pid.from_posteriors(samples[0][:, ::-1], samples[1][:, ::-1])
    assert_parts(relabelled, found, PARTS[:3])


def test_vmap_is_a_loop_in_float32(samples: tuple[np.ndarray, np.ndarray]):
    first = np.stack([samples[0], samples[0][::-1] ** 2 / (samples[0][::-1] ** 2).sum(1, keepdims=True)])
    first = first.astype(np.float32)
    second = samples[1].astype(np.float32)
    both = jax.vmap(lambda a: pid.from_posteriors(a, second))(first)
    for k in range(2):
        one = pid.from_posteriors(first[k], second)
        np.testing.assert_allclose(both.redundancy[k], one.redundancy, atol=float(one.gap) + 1e-4)
        assert both.gap[k] < 0.02


@pytest.mark.usefixtures("float64")
def test_a_single_modality_and_equal_ones():
    first = logistic(1.0, 150, 0)
    nothing = pid.from_posteriors(first, first.mean(0, keepdims=True))
    np.testing.assert_allclose([nothing.redundancy, nothing.unique2], 0, atol=float(nothing.gap) + 1e-12)
    same = pid.from_posteriors(first, first)
    np.testing.assert_allclose([same.unique1, same.unique2], 0, atol=float(same.gap) + 1e-12)
    assert nothing.gap < 1e-3 and same.gap < 1e-3
    np.testing.assert_allclose(nothing.unique1, same.redundancy, atol=1e-3)


@pytest.mark.usefixtures("float64")
def test_degenerate_posteriors():
    certain = np.eye(2)[[0, 1, 1, 0]]
    found = pid.from_posteriors(certain, certain)  # the label is a function of either modality: zeros everywhere
    np.testing.assert_allclose([*found[:3]], [1, 0, 0], atol=1e-8)
    constant = np.full((4, 2), [0.3, 0.7])
    np.testing.assert_allclose([*pid.from_posteriors(constant, constant)[:3]], 0, atol=1e-8)
    single = np.array([[1.0]])  # one sample, one class
    np.testing.assert_allclose([*pid.from_posteriors(single, single, single)[:4]], 0, atol=1e-8)


@pytest.mark.usefixtures("float64")
def test_refuses_what_is_no_posterior():
    good = np.full((4, 2), [0.3, 0.7])
    bads = (2 * good, good - 0.5, np.where(good < 0.5, np.nan, good))
    for bad in bads:
        found = pid.from_posteriors(good, bad)
        assert all(np.isnan(x) for x in found[:7]) and not found.converged
    assert np.isnan(pid.from_posteriors(good, good, bads[0]).synergy)
    with pytest.raises(ValueError, match="expected posterior12 or information, got both"):
        pid.from_posteriors(good, good, good, information=0.1)
    with pytest.raises(ValueError, match="num_cells must be 1 or more; got 0"):
        pid.from_posteriors(good, good, num_cells=0)
    with pytest.raises(AssertionError):
        pid.from_posteriors(good, np.ones((4, 3)) / 3)
