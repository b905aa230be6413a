import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax import information
from mmjax.synergy._maximum_entropy import conditional_entropy_ceiling
from tests.random_tables import KINDS, random_tables

pytestmark = pytest.mark.usefixtures("quickly_compiled", "float64")


@jax.jit
@jax.vmap
def _ceiling_and_entropy(p):
    return _ceiling(p), information.conditional_entropy(p, given=(0, 1), base=np.e)


def _ceiling(p):
    return conditional_entropy_ceiling(*information.pairwise_marginals(p))


def _proportional_fit(p, num_sweeps=3000):
    """H(Y|X1,X2) of the maximum-entropy joint by plain iterative proportional fitting."""
    r = np.ones_like(p)
    for _ in range(num_sweeps):
        r *= (p.sum(2) / r.sum(2))[:, :, None]
        r *= (p.sum(1) / r.sum(1))[:, None, :]
        r *= (p.sum(0) / r.sum(0))[None]
    return -(r * np.log(r)).sum() + (r.sum(2) * np.log(r.sum(2))).sum()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(2, 2, 2), (3, 4, 3)])
def test_never_below_the_entropy_of_a_joint_with_the_marginals(kind, shape):
    ceiling, entropy = _ceiling_and_entropy(jnp.asarray(random_tables(kind, 500, shape)))
    assert np.all(np.isfinite(ceiling))
    assert np.min(ceiling - entropy) > -1e-13


def test_equals_iterative_proportional_fitting():
    tables = random_tables("dirichlet", 8, (3, 4, 3), seed=1)
    ceiling, _ = _ceiling_and_entropy(jnp.asarray(tables))
    np.testing.assert_allclose(ceiling, [_proportional_fit(p) for p in tables], rtol=0, atol=1e-11)


def test_and_gate_is_identified_and_xor_is_not():
    gate_and, gate_xor = np.zeros((2, 2, 2)), np.zeros((2, 2, 2))
    for i in range(2):
        for j in range(2):
            gate_and[i, j, i & j] = gate_xor[i, j, i ^ j] = 0.25
    ceiling, _ = _ceiling_and_entropy(jnp.asarray(np.stack([gate_and, gate_xor])))
    np.testing.assert_allclose(ceiling, [0, np.log(2)], atol=1e-12)


def test_matches_the_reference_values(reference):
    oracle = np.load(reference / "oracles" / "pid_public.npz")
    fields, values = list(oracle["fields"]), oracle["values"]
    for row, name in enumerate(oracle["names"]):
        p = oracle[f"P__{name}"]
        if p.shape != (2, 2, 2):
            continue
        expected = values[row, fields.index("hp_Hmax3")] - values[row, fields.index("hp_q_H12")]
        ceiling, _ = _ceiling_and_entropy(jnp.asarray(p)[None])
        np.testing.assert_allclose(ceiling[0] / np.log(2), expected, rtol=0, atol=1e-9, err_msg=str(name))


def test_gradient_matches_finite_differences():
    rng = np.random.default_rng(3)
    tables = jnp.asarray(random_tables("dirichlet", 4, (3, 4, 3), seed=2))
    directions = rng.normal(size=tables.shape) * np.asarray(tables)
    directions -= np.asarray(tables) * directions.sum((1, 2, 3), keepdims=True)
    value = jax.jit(jax.vmap(_ceiling))
    gradient = jax.jit(jax.vmap(jax.grad(_ceiling)))(tables)
    step = 1e-4
    differences = (value(tables + step * directions) - value(tables - step * directions)) / (2 * step)
    np.testing.assert_allclose((gradient * directions).sum((1, 2, 3)), differences, rtol=0, atol=1e-8)


def test_not_a_number_stays_one_and_harms_no_neighbour():
    tables = random_tables("dirichlet", 3, (2, 2, 2))
    alone, _ = _ceiling_and_entropy(jnp.asarray(tables))
    tables[1, 0, 0, 0] = np.nan
    together, _ = _ceiling_and_entropy(jnp.asarray(tables))
    assert np.isnan(together[1])
    np.testing.assert_allclose(together[::2], alone[::2], rtol=0, atol=1e-14)
