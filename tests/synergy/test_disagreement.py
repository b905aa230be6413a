import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax import information, synergy

pytestmark = pytest.mark.usefixtures("quickly_compiled")

FAMILY = {
    "L2": synergy.euclidean_disagreement_bound,
    "L1": synergy.total_variation_disagreement_bound,
    "BC": synergy.bhattacharyya_disagreement_bound,
    "chernoff": synergy.disagreement_bound,
}


def _family(p, unique1, unique2):
    pairs = information.pairwise_marginals(p)
    return jnp.stack([bound(*pairs, unique1, unique2) for bound in FAMILY.values()])


family = jax.jit(jax.vmap(_family))


def _tables(num, shape, zeros=0.0, seed=0):
    rng = np.random.default_rng(seed)
    p = rng.gamma(0.5, size=(num, *shape)) * (rng.uniform(size=(num, *shape)) >= zeros)
    p[:, 0, 0, 0] += 0.05
    return p / p.sum((1, 2, 3), keepdims=True)


def _conditional(p):
    """I(X2;Y|X1) = U2 + S and I(X1;Y|X2) = U1 + S."""
    measure = jax.jit(jax.vmap(information.conditional_mutual_information))
    return measure(np.transpose(p, (0, 2, 3, 1))), measure(np.transpose(p, (0, 1, 3, 2)))


def test_gates(float64):
    """Pointwise unique: x1 and x2 never speak at once; disagreement finds its half bit of synergy."""
    pointwise_unique = np.zeros((3, 3, 2))
    for x1, x2, y in ((0, 1, 0), (1, 0, 0), (0, 2, 1), (2, 0, 1)):
        pointwise_unique[x1, x2, y] = 0.25
    zero = jnp.zeros(1)
    bounds = family(pointwise_unique[None], zero, zero)[0]
    # E||a-b||_2^2 = 1/2 and E||a-b||_1^2 = 1; Bhattacharyya coefficient 1/sqrt(2).
    np.testing.assert_allclose(bounds, [0.125 / np.log(2), 0.125 / np.log(2), 0.5, 0.5], rtol=1e-7)


@pytest.mark.parametrize("zeros", [0.0, 0.4])
def test_bounds_are_ordered_and_hold(float64, zeros):
    """S = I(X2;Y|X1) - U2, so for every split of informations the bounds must stay below."""
    p = _tables(200, (3, 2, 3), zeros)
    gain2, gain1 = _conditional(p)
    # Any U1, U2 with U1 - U2 = I(X1;Y|X2) - I(X2;Y|X1) and S = gain1 - U1 >= 0 satisfy the identities.
    for share in (0.0, 0.5, 1.0):
        synergy_share = share * np.minimum(gain1, gain2)
        bounds = np.asarray(family(p, gain1 - synergy_share, gain2 - synergy_share))
        assert (bounds <= synergy_share[:, None] + 1e-12).all()
        assert (np.diff(bounds, axis=1) >= -1e-12).all()
    assert (bounds[:, 3] > bounds[:, 2] + 1e-3).any()


def test_the_best_mixture_is_found(float64):
    p = _tables(20, (3, 2, 3), 0.3)
    unique1, unique2 = np.linspace(0, 0.3, 20), np.linspace(0.2, 0, 20)
    best = family(p, unique1, unique2)[:, 3]
    for table, u1, u2, found in zip(p, unique1, unique2, best, strict=True):
        p12, p1y, p2y = table.sum(2), table.sum(1), table.sum(0)
        with np.errstate(divide="ignore", invalid="ignore"):
            a = np.nan_to_num(p1y / p1y.sum(1, keepdims=True))[:, None, :]
            b = np.nan_to_num(p2y / p2y.sum(1, keepdims=True))[None, :, :]
        values = []
        for t in np.linspace(0, 1, 201):
            overlap = np.where((a > 0) & (b > 0), a**t * b ** (1 - t), 0).sum(2)
            values.append(-(p12 * np.log2(np.where(p12 > 0, overlap, 1))).sum() - t * u2 - (1 - t) * u1)
        assert np.max(values) - 1e-12 <= found <= np.max(values) + 1e-3


def test_oracle(float64, reference):
    oracle = np.load(reference / "oracles" / "pid_public.npz")
    field = {name: i for i, name in enumerate(oracle["fields"])}
    bound = jax.jit(_family)
    for name, values in zip(oracle["names"], oracle["values"], strict=True):
        p = oracle[f"P__{name}"]
        if p.size not in (8, 27, 256):
            continue
        expected = {key: values[field[f"hp_lower_diff_{key}"]] for key in ("L2", "L1", "BC", "chernoff41")}
        found = dict(zip(FAMILY, bound(p, values[field["hp_U1"]], values[field["hp_U2"]]), strict=True))
        for key in ("L2", "L1", "BC"):
            np.testing.assert_allclose(found[key], expected[key], atol=1e-9, err_msg=name)
        assert expected["chernoff41"] - 1e-9 <= found["chernoff"] <= values[field["hp_lower_tight"]] + 1e-6


def test_units_and_single_precision():
    p = _tables(1, (2, 3, 2))[0].astype(np.float32)
    pairs = information.pairwise_marginals(p)
    for bound in (synergy.disagreement_bound, synergy.euclidean_disagreement_bound):
        bits = bound(*pairs, 0.1, 0.2)
        nats = bound(*pairs, 0.1 * np.log(2), 0.2 * np.log(2), base=np.e)
        np.testing.assert_allclose(nats, bits * np.log(2), rtol=1e-4, atol=1e-6)
        assert bits.dtype == jnp.float32
        with jax.enable_x64(True):
            wide = bound(*information.pairwise_marginals(p.astype(float)), 0.1, 0.2)
        np.testing.assert_allclose(bits, wide, atol=1e-6)


def test_derivatives(float64):
    p = jnp.asarray(_tables(1, (2, 2, 2))[0])

    def f(p):
        return _family(p, 0.02, 0.05)

    step, directions = 1e-6, jnp.eye(8).reshape(8, 2, 2, 2)
    many, slopes = jax.jit(jax.vmap(f)), jax.jit(jax.vmap(jax.jacrev(f)))
    differences = (many(p[None] + step * directions) - many(p[None] - step * directions)) / (2 * step)
    jacobian = slopes(p[None] + 0 * directions)[0].reshape(4, 8)
    np.testing.assert_allclose(jacobian, differences.T, rtol=1e-6, atol=1e-8)
    # Second derivatives along one direction, which moves the best mixture.
    differences = (slopes(p[None] + step * directions) - slopes(p[None] - step * directions))[3] / (2 * step)
    curvature = jax.jit(lambda p: jax.jvp(jax.jacrev(f), (p,), (directions[3],))[1])(p)
    np.testing.assert_allclose(curvature, differences, rtol=1e-4, atol=1e-5)


def test_derivatives_are_finite_at_zeros_and_ties(float64):
    copy = np.zeros((2, 2, 2))
    copy[0, 0, 0] = copy[1, 1, 1] = 0.5
    empty_row = np.zeros((2, 2, 2))
    empty_row[0] = [[0.3, 0.2], [0.1, 0.4]]
    p = np.stack([copy, empty_row, np.full((2, 2, 2), 1 / 8)])
    values = family(p, jnp.zeros(3), jnp.zeros(3))
    gradients = jax.jit(jax.vmap(jax.jacrev(_family)))(p, jnp.zeros(3), jnp.zeros(3))
    assert np.isfinite(values).all() and np.isfinite(gradients).all()
    np.testing.assert_allclose(values[jnp.array([0, 2])], 0, atol=1e-15)


def test_contradictions_and_no_tables_are_nan():
    same = jnp.eye(2) / 2
    zero = jnp.zeros(())
    # x1 = x2, x1 = y and x2 != y: no label is possible.
    assert np.isnan(synergy.disagreement_bound(same, same, same[::-1], zero, zero))
    for bound in FAMILY.values():
        assert np.isnan(bound(same * 2, same, same, zero, zero))
    with pytest.raises(AssertionError):
        synergy.disagreement_bound(same, same, jnp.full((3, 2), 1 / 6), zero, zero)


@pytest.mark.parametrize("bound", FAMILY.values(), ids=FAMILY.keys())
def test_marginals_that_disagree_give_no_bound(bound):
    p12 = jnp.array([[0.9, 0.0], [0.0, 0.1]])
    p1y, p2y = jnp.array([[0.4, 0.1], [0.1, 0.4]]), jnp.array([[0.1, 0.4], [0.4, 0.1]])
    assert np.isnan(bound(p12, p1y, p2y, 0.0, 0.0))
