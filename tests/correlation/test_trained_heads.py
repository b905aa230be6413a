import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.correlation import canonical_heads, common_variates, fit_common_individual, individual_variates
from mmjax.data import linear_views

pytestmark = pytest.mark.usefixtures("float64", "quickly_compiled")


@functools.cache
def setting(dims=(7, 6)):
    """Views, and representations whose columns span the common and individual variates, turned and stretched."""
    views = linear_views(jax.random.key(0), num_samples=400, dims=dims, num_common=2, num_individual=3).views
    fit = fit_common_individual(views, 2, 3)
    return views, fit, common_variates(fit, views), individual_variates(fit, views)


def changed(representations, seed=0):
    rng = np.random.default_rng(seed)
    return [z @ rng.normal(size=(z.shape[1],) * 2) + rng.normal(size=(1, z.shape[1])) for z in representations]


def variates(commons, individuals, views):
    fit = canonical_heads(commons, individuals, views)
    both = [jnp.concatenate(pair, axis=1) for pair in zip(commons, individuals, strict=True)]
    return fit, common_variates(fit, both), individual_variates(fit, both)


@pytest.mark.parametrize("dims", [(7, 6), (7, 6, 8)])
def test_linear_heads_of_the_right_spaces_become_the_closed_form(dims):
    views, closed, commons, individuals = setting(dims)
    fit, a, b = variates(changed(commons), changed(individuals, 1), views)
    np.testing.assert_allclose(fit.correlations, closed.correlations, rtol=1e-8)
    np.testing.assert_allclose(fit.explained, closed.explained, rtol=1e-8)
    for found, expected in ((a, commons), (b, individuals)):
        for x, y in zip(found, expected, strict=True):
            np.testing.assert_allclose(jnp.abs(x.T @ y) / len(x), jnp.abs(y.T @ y) / len(x), atol=1e-6)


def test_they_do_not_depend_on_the_basis_of_a_representation():
    views, _, commons, individuals = setting()
    _, a, b = variates(commons, individuals, views)
    _, other_a, other_b = variates(changed(commons, 2), changed(individuals, 3), views)
    chex.assert_trees_all_close((a, b), (other_a, other_b), atol=1e-6)


def test_individual_variates_are_white_and_fall_in_what_they_explain():
    views, _, commons, _ = setting()
    rng = np.random.default_rng(5)
    individuals = [z @ rng.normal(size=(z.shape[1], 4)) for z in views]
    fit, a, b = variates(commons, individuals, views)
    for k, z in enumerate(views):
        np.testing.assert_allclose(np.cov(b[k].T), np.eye(4), atol=1e-8)
        centred = z - z.mean(axis=0, keepdims=True)
        left = centred - a[k] @ np.linalg.lstsq(a[k], centred)[0]
        explained = np.sum((b[k].T @ left) ** 2, axis=1)
        assert np.all(np.diff(explained) <= 1e-9 * explained[0])
        np.testing.assert_allclose(fit.explained[k], explained.sum() / np.sum(left**2) / (len(z) - 1), rtol=1e-6)


def test_collapsed_representations_give_zeros():
    views, _, commons, individuals = setting()
    flat = [jnp.ones_like(individuals[0]), *individuals[1:]]
    fit, a, b = variates(commons, flat, views)
    assert not np.any(b[0])
    assert fit.explained[0] == 0
    nothing, a, _ = variates([jnp.ones_like(commons[0]), *commons[1:]], individuals, views)
    assert not np.any(a[0])
    np.testing.assert_array_equal(nothing.correlations, 0)


def test_nan_stays_nan():
    views, _, commons, individuals = setting()
    broken = [commons[0].at[0, 0].set(jnp.nan), commons[1]]
    assert np.all(np.isnan(canonical_heads(broken, individuals, views).correlations))


def test_other_numbers_of_representations_are_refused():
    views, _, commons, individuals = setting()
    with pytest.raises(ValueError, match="got 2, 1 and 2"):
        canonical_heads(commons, individuals[:1], views)
    with pytest.raises(ValueError, match="got 1, 1 and 1"):
        canonical_heads(commons[:1], individuals[:1], views[:1])
    with pytest.raises(ValueError, match=r"common ones of widths \[1, 2\]"):
        canonical_heads([commons[0], commons[1][:, :1]], individuals, views)
    with pytest.raises(ValueError, match="399"):
        canonical_heads(commons, [individuals[0][1:], individuals[1]], views)
