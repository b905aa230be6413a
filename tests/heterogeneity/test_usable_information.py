"""Tests of usable information: frequencies in closed form, the identity with transfer, classes never seen."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.heterogeneity import Fit, matrix_of, null_losses, pointwise_information


def test_literal_null_losses():
    train = jnp.asarray([0, 0, 0, 1, -1, -1])
    found = null_losses(jnp.asarray([0, 1, 2, -1, 3]), train, 3)
    np.testing.assert_allclose(found, [np.log(4 / 3), np.log(4), np.inf, np.nan, np.nan], rtol=1e-6)


def test_the_mean_null_loss_on_the_training_labels_is_their_entropy(float64):
    labels = jnp.repeat(jnp.arange(4), jnp.asarray([8, 4, 2, 2]), total_repeat_length=16)
    found = jax.jit(null_losses, static_argnums=2)(labels, labels, 4)
    assert found.dtype == jnp.float64
    np.testing.assert_allclose(jnp.mean(found), 1.75 * np.log(2), rtol=1e-12)


def test_null_losses_without_training_labels_are_nan():
    assert np.isnan(null_losses(jnp.asarray([0]), jnp.asarray([-1]), 2)).all()
    assert null_losses(jnp.asarray([0, 0]), jnp.asarray([0]), 1).tolist() == [0, 0]


def test_literal_information():
    losses = jnp.log(jnp.asarray([1.0, 2.0, 8.0]))
    null = jnp.log(jnp.full(3, 4.0))
    np.testing.assert_allclose(pointwise_information(losses, null), [2, 1, -1], rtol=1e-6)
    np.testing.assert_allclose(pointwise_information(losses, null, base=4.0), [1, 0.5, -0.5], rtol=1e-6)
    assert pointwise_information(jnp.zeros(1), jnp.asarray([jnp.inf])).tolist() == [np.inf]
    with pytest.raises(ValueError, match="base must be greater than 1"):
        pointwise_information(losses, null, base=1.0)


def test_transfer_is_the_usable_information_lost(float64):
    """mean(PVI direct - PVI transferred) = T / ln 2, whatever the null model."""
    direct, transferred = jax.random.exponential(jax.random.key(0), (2, 50))
    null = null_losses(jnp.arange(50) % 3, jnp.asarray([0, 0, 1, 2, 2]), 3)
    lost = pointwise_information(direct, null) - pointwise_information(transferred, null)
    transfer = matrix_of(Fit(None, direct[None], jnp.ones((1, 50))), transferred[None, None]).transfer
    np.testing.assert_allclose(jnp.mean(lost), transfer[0, 0] / np.log(2), rtol=1e-12)


def test_information_differentiates():
    assert jax.grad(pointwise_information)(1.0, 2.0) == pytest.approx(-1 / np.log(2))
