import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax import information

SHAPE = (3, 4, 2)


def _pairs(p):
    return p.sum(-1), p.sum(-2), p.sum(-3)


def _mixed(tables, num=1, kind="dense"):
    """Pairwise tables of three different joints, which disagree."""
    return tuple(_pairs(tables(num, SHAPE, kind, seed=seed))[seed] for seed in range(3))


project = jax.jit(information.project_marginals)


def test_disagreement_of_literal_tables():
    p12, p1y, p2y = jnp.full((2, 2), 0.25), jnp.array([[0.4, 0.2], [0.3, 0.1]]), jnp.full((2, 2), 0.25)
    # p(x1): (.5, .5) and (.6, .4); p(x2): equal; p(y): (.7, .3) and (.5, .5).
    np.testing.assert_allclose(information.marginal_disagreement(p12, p1y, p2y), 0.2, rtol=1e-6)
    assert np.isnan(information.marginal_disagreement(p12, p1y * 2, p2y))


def test_pairs_of_one_joint_agree_and_stay(float64, tables):
    for kind in ("dense", "zeros"):
        pairs = _pairs(tables(1, SHAPE, kind)[0])
        assert information.marginal_disagreement(*pairs) < 1e-15
        projected = project(*pairs)
        assert projected.distance < 1e-15
        for ours, given in zip(projected[:3], pairs, strict=True):
            np.testing.assert_allclose(ours, given, atol=1e-15)


@pytest.mark.parametrize("kind", ["dense", "peaked", "zeros"])
def test_projections_agree_and_are_tables(float64, tables, kind):
    given = _mixed(tables, 20, kind)
    projected = jax.jit(jax.vmap(information.project_marginals))(*given)
    disagreement = jax.vmap(information.marginal_disagreement)(*projected[:3])
    np.testing.assert_allclose(disagreement, 0, atol=1e-15)
    moved = [np.abs(p - q).sum((1, 2)) / 2 for p, q in zip(projected[:3], given, strict=True)]
    np.testing.assert_allclose(projected.distance, np.max(moved, axis=0), rtol=1e-12)
    assert all((p >= 0).all() for p in projected[:3])


def test_single_precision(tables):
    given = [p[0].astype(np.float32) for p in _mixed(tables)]
    projected = project(*given)
    assert information.marginal_disagreement(*projected[:3]) < 2e-7
    assert projected.p12.dtype == jnp.float32


def test_shared_marginals_are_averaged_by_weight(float64, tables):
    p12, p1y, p2y = (p[0] for p in _mixed(tables))
    projected = project(p12, p1y, p2y, weights=jnp.array([100.0, 300.0, 50.0]))
    np.testing.assert_allclose(projected.p12.sum(1), (p12.sum(1) + 3 * p1y.sum(1)) / 4, rtol=1e-12)
    np.testing.assert_allclose(projected.p2y.sum(1), (2 * p12.sum(0) + p2y.sum(1)) / 3, rtol=1e-12)
    np.testing.assert_allclose(projected.p2y.sum(0), (6 * p1y.sum(0) + p2y.sum(0)) / 7, rtol=1e-12)
    trusted = project(p12, p1y, p2y, weights=jnp.array([0.0, 1.0, 1.0]))
    np.testing.assert_allclose(trusted.p12.sum(1), p1y.sum(1), rtol=1e-12)


def test_projection_keeps_odds_ratios_and_empty_cells(float64):
    p12 = jnp.array([[0.3, 0.1, 0.0], [0.2, 0.2, 0.2]])
    p1y, p2y = jnp.array([[0.3, 0.2], [0.25, 0.25]]), jnp.array([[0.3, 0.2], [0.2, 0.1], [0.1, 0.1]])
    q = project(p12, p1y, p2y).p12
    assert q[0, 2] == 0
    np.testing.assert_allclose(q[0, 0] * q[1, 1] / (q[0, 1] * q[1, 0]), 3, rtol=1e-12)


def test_an_empty_row_is_filled_with_the_independent_product(float64):
    p12 = jnp.array([[0.5, 0.5], [0.0, 0.0]])
    p1y = jnp.array([[0.25, 0.25], [0.25, 0.25]])
    projected = project(p12, p1y, p1y)
    np.testing.assert_allclose(projected.p12, [[0.375, 0.375], [0.125, 0.125]], rtol=1e-12)
    np.testing.assert_allclose(projected.p1y.sum(1), [0.75, 0.25], rtol=1e-12)


def test_empty_cells_that_contradict_the_targets_are_filled(float64):
    p12 = jnp.eye(2) / 2
    p1y, p2y = jnp.array([[0.3, 0.3], [0.2, 0.2]]), jnp.full((2, 2), 0.25)
    projected = project(p12, p1y, p2y)  # p(x1) = (.55, .45) and p(x2) = (.5, .5) are not of a diagonal table
    assert information.marginal_disagreement(*projected[:3]) < 1e-15
    np.testing.assert_allclose(projected.p12, [[0.5, 0.05], [0.0, 0.45]], atol=1e-12)
    np.testing.assert_allclose(projected.distance, 0.05, atol=1e-12)


def test_projections_of_no_table_are_nan(tables):
    p12, p1y, p2y = (jnp.asarray(p[0].astype(np.float32)) for p in _mixed(tables))
    assert all(np.isnan(x).all() for x in project(p12, p1y.at[0, 0].add(0.1), p2y))
    assert all(np.isnan(x).all() for x in project(p12, p1y, p2y, weights=jnp.array([1.0, -1.0, 2.0])))


def test_projection_is_differentiable_and_finite_at_zeros(float64, tables):
    given = tuple(jnp.asarray(p[0]) for p in _mixed(tables))

    @jax.jit
    def f(p12):
        projected = information.project_marginals(p12, *given[1:])
        return information.mutual_information(projected.p12) + information.entropy(projected.p2y)

    gradient = jax.grad(f)(given[0])
    step = 1e-6
    along = jnp.zeros_like(given[0]).at[0, 1].set(1).at[2, 2].set(-1)
    difference = (f(given[0] + step * along) - f(given[0] - step * along)) / (2 * step)
    np.testing.assert_allclose(gradient[0, 1] - gradient[2, 2], difference, rtol=1e-6)
    with_zeros = given[0].at[1].set(0)
    assert np.isfinite(jax.grad(f)(with_zeros / with_zeros.sum())).all()


def test_sweeps_may_not_be_negative(tables):
    with pytest.raises(ValueError, match="num_sweeps must be 0 or more"):
        information.project_marginals(*(p[0] for p in _mixed(tables)), num_sweeps=-1)


def test_sampling_disagreement_is_what_samples_of_one_population_show(tables):
    p = tables(1, (4, 3, 5))[0]
    num_samples = (400, 200, 100)
    rng = np.random.default_rng(0)
    seen = []
    for _ in range(300):
        pairs = [
            rng.multinomial(n, q.ravel()).reshape(q.shape) / n for n, q in zip(num_samples, _pairs(p), strict=True)
        ]
        tv = [
            np.abs(pairs[0].sum(1) - pairs[1].sum(1)).sum() / 2,
            np.abs(pairs[0].sum(0) - pairs[2].sum(1)).sum() / 2,
            np.abs(pairs[1].sum(0) - pairs[2].sum(0)).sum() / 2,
        ]
        seen.append(tv)
    expected = information.sampling_disagreement(*(q.astype(np.float32) for q in _pairs(p)), jnp.array(num_samples))
    np.testing.assert_allclose(expected, np.mean(seen, axis=0).max(), rtol=0.05)


def test_shapes_must_fit_together():
    p = jnp.full((2, 2), 0.25)
    with pytest.raises(AssertionError):
        information.marginal_disagreement(p, jnp.full((3, 2), 1 / 6), p)
    with pytest.raises(AssertionError):
        information.project_marginals(p, p, jnp.full((2, 3), 1 / 6))


def test_tables_of_one_joint_agree_and_others_do_not():
    p = np.random.default_rng(0).dirichlet(np.ones(12)).reshape(2, 3, 2).astype(np.float32)
    p12, p1y, p2y = (jnp.asarray(x) for x in information.pairwise_marginals(p))
    assert information.marginals_agree(p12, p1y, p2y)
    assert not information.marginals_agree(p12, p1y[::-1], p2y)
    assert not information.marginals_agree(2 * p12, 2 * p1y, 2 * p2y)
    with pytest.raises(AssertionError):
        information.marginals_agree(p12, p1y, p2y[:2])
