import jax
import jax.numpy as jnp
import numpy as np

from mmjax.competition._coalitions import coalition_logits
from mmjax.competition._logit_scales import logit_scales
from mmjax.competition._shapley import shapley_values
from tests.competition.conftest import model_of, samples


def plain(contributions, weight):
    shares = weight / weight.sum()
    scales = []
    for x in np.asarray(contributions, float):
        x = x - x.mean(1, keepdims=True)
        x = x - shares @ x
        scales.append(np.sqrt(shares @ (x**2).mean(1)))
    return scales


def test_by_hand():
    contributions = jnp.array([[[1.0, -1], [-1, 1]], [[13, 7], [13, 7]]])  # signs; the same for every sample
    np.testing.assert_allclose(logit_scales(contributions, jnp.ones(2)), [1, 0])


def test_formula_and_what_it_is_blind_to():
    x = jax.random.normal(jax.random.key(0), (3, 20, 4))
    weight = jax.random.uniform(jax.random.key(1), (20,)).at[:5].set(0)
    scales = jax.jit(logit_scales)(x, weight)
    np.testing.assert_allclose(scales, plain(x, np.asarray(weight)), rtol=1e-5)
    shifted = x + 3 * x[:, :, :1] + jnp.arange(4.0)[None, None]
    np.testing.assert_allclose(logit_scales(shifted, weight), scales, rtol=1e-4)
    np.testing.assert_allclose(logit_scales(5 * x, weight), 5 * scales, rtol=1e-5)
    np.testing.assert_allclose(jax.vmap(lambda y: logit_scales(y[None], weight)[0])(x), scales, rtol=1e-6)


def test_nothing_counts():
    assert not np.any(logit_scales(jnp.ones((2, 3, 4)), jnp.zeros(3)))


def test_shapley_values_of_the_logits_are_the_pieces_of_a_linear_head():
    model, batch = model_of(3), samples(jax.random.key(0), 12, 3)
    variables = model.init(jax.random.key(1))
    latents, _ = model.encode(variables, batch.modalities, batch.masks)
    shares = shapley_values(coalition_logits(model, variables, latents, batch.masks))
    pieces = jnp.stack([model.pieces(variables, latents)[name] for name in model.modalities])
    np.testing.assert_allclose(shares, pieces, atol=1e-6)
    np.testing.assert_allclose(
        logit_scales(shares, batch.weight), logit_scales(pieces, batch.weight), rtol=1e-4, atol=1e-6
    )
