import itertools

import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.competition._conditional_information import conditional_informations
from mmjax.information import conditional_entropy, conditional_mutual_information

pytestmark = pytest.mark.usefixtures("float64")


def entropies(p):
    """H(Y | S) of a table (n1, ..., nM, ny) for every set S, in nats."""
    num_modalities = p.ndim - 1
    return jnp.stack(
        [
            conditional_entropy(
                p.sum(tuple(m for m in range(num_modalities) if not s >> m & 1)), given=given, base=np.e
            )
            for s in range(2**num_modalities)
            for given in [tuple(range(s.bit_count()))]
        ]
    )


def test_losses_of_the_best_classifiers_give_the_informations():
    p = np.random.default_rng(0).dirichlet(np.full(24, 0.5)).reshape(2, 3, 2, 2)
    found = conditional_informations(entropies(p))
    for m in range(3):
        others = [k for k in range(3) if k != m]
        table = p.transpose(m, 3, *others).reshape(p.shape[m], 2, -1)
        expected = conditional_mutual_information(jnp.asarray(table), base=np.e)
        assert float(found[m]) == pytest.approx(float(expected), abs=1e-12)


def test_what_is_synergistic_counts_for_each_modality():
    xor = np.zeros((2, 2, 2))
    for a, b in itertools.product(range(2), range(2)):
        xor[a, b, a ^ b] = 0.25
    np.testing.assert_allclose(conditional_informations(entropies(xor)), np.log(2), atol=1e-12)


def test_difference_of_two_upper_bounds_is_neither():
    true = jnp.array([0.7, 0.5, 0.4, 0.3])
    information = conditional_informations(true)
    poor_others, poor_all = true.at[2].add(0.1), true.at[3].add(0.1)
    assert conditional_informations(poor_others)[0] > information[0]
    assert conditional_informations(poor_all)[0] < information[0]


def test_samples_are_kept():
    losses = np.random.default_rng(1).random((4, 5))
    found = conditional_informations(jnp.asarray(losses))
    np.testing.assert_allclose(found, [losses[2] - losses[3], losses[1] - losses[3]])
