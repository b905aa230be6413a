import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax import information, pid, synergy
from tests.random_tables import KINDS, random_tables

pytestmark = pytest.mark.usefixtures("quickly_compiled", "float64")

LANES = 512  # every batch of 2x2x2 tables is filled up to this, so that one program serves all
SHAPES = ((2, 2, 2), (2, 3, 2), (3, 3, 3), (2, 2, 5), (4, 2, 3), (4, 4, 4), (5, 3, 2), (8, 8, 4))


def _bounds(p):
    return synergy.bounds(*information.pairwise_marginals(p))


@jax.jit
@jax.vmap
def _everything(p):
    parts = pid.broja(p)
    pairs = information.pairwise_marginals(p)
    others = [
        synergy.disagreement_bound(*pairs, parts.unique1 + parts.gap, parts.unique2 + parts.gap),
        synergy.bhattacharyya_disagreement_bound(*pairs, parts.unique1 + parts.gap, parts.unique2 + parts.gap),
    ]
    return _bounds(p), parts.synergy, parts.gap, jnp.max(jnp.stack(others))


def _filled(tables):
    return jnp.asarray(np.concatenate([tables, np.repeat(tables[-1:], LANES - len(tables), axis=0)]))


def _bounds_of_few(tables):
    found, *_ = _everything(_filled(tables))
    return jax.tree.map(lambda x: np.asarray(x)[: len(tables)], found)


def _assert_rigorous(tables):
    found, truth, gap, other = _everything(jnp.asarray(tables))
    for name, value in found._asdict().items():
        assert np.all(np.isfinite(value)), name
    slack = 1e-9 + np.asarray(gap)
    assert np.all(found.lower <= truth + slack)
    assert np.all(truth <= found.upper + slack)
    assert np.all(found.achievable <= found.upper + slack)
    assert np.all(found.lower <= found.achievable + slack)
    assert np.all(found.lower >= other - slack)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(2, 2, 2), pytest.param((2, 3, 2), marks=pytest.mark.slow)])
def test_bounds_hold(shape, kind):
    _assert_rigorous(random_tables(kind, LANES, shape))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_bounds_hold_on_fifty_thousand_tables(shape, kind):
    num = 64 if shape == (8, 8, 4) else 1250
    for seed in range(1, 2 if shape == (8, 8, 4) else 3):
        _assert_rigorous(random_tables(kind, num, shape, seed=seed))


@pytest.mark.parametrize("kind", KINDS)
def test_accuracy_bounds_hold(kind):
    tables = random_tables(kind, 512, (2, 2, 2))
    found = jax.jit(jax.vmap(lambda p: synergy.accuracy_bounds(*information.pairwise_marginals(p))))(tables)
    best = tables.max(axis=3).sum(axis=(1, 2))
    assert np.all((found.lower <= best + 1e-9) & (best <= found.upper + 1e-9))


def _gate(function, num_labels=2):
    p = np.zeros((2, 2, num_labels))
    for i in range(2):
        for j in range(2):
            p[i, j, function(i, j)] = 0.25
    return p


def test_gates_have_their_exact_ranges():
    noisy_and = 0.8 * _gate(lambda i, j: i & j) + 0.2 * np.full((2, 2, 2), 1 / 8)
    gates = [_gate(lambda i, j: i & j), _gate(lambda i, j: i ^ j), noisy_and, _gate(lambda i, j: i)]
    found = _bounds_of_few(np.stack(gates))
    np.testing.assert_allclose(found.lower, [0.5, 0, 0.1881, 0], atol=5e-5)
    np.testing.assert_allclose(found.upper, [0.5, 1, 0.5540, 0], atol=5e-5)


def test_reference_values_of_both_bounds(reference):
    oracle = np.load(reference / "oracles" / "pid_public.npz")
    fields = list(oracle["fields"])
    rows = [row for row, name in enumerate(oracle["names"]) if oracle[f"P__{name}"].shape == (2, 2, 2)]
    tables = np.stack([oracle[f"P__{oracle['names'][row]}"] for row in rows])
    values = oracle["values"][rows]
    found = _bounds_of_few(tables)
    np.testing.assert_allclose(found.lower, values[:, fields.index("hp_lower_tight")], rtol=0, atol=1e-6)
    exact = values[:, fields.index("hp_upper_exact222")]
    known = np.isfinite(exact)
    assert known.sum() >= 40
    np.testing.assert_allclose(np.asarray(found.upper)[known], exact[known], rtol=0, atol=1e-7)


def _differentiable(p):
    found = _bounds(p)
    union = found.redundancy + found.unique1 + found.unique2
    s = information.joint_mutual_information(p) - union
    return jnp.stack([found.redundancy, found.unique1, found.unique2, s, found.lower, found.upper])


_reverse_and_values = jax.jit(jax.vmap(jax.jacrev(lambda p: (_differentiable(p),) * 2, has_aux=True)))


def _tables_and_directions(num, shape):
    tables = random_tables("dirichlet", num, shape, seed=5)
    directions = np.random.default_rng(6).uniform(-1, 1, size=tables.shape) * tables
    directions -= tables * directions.sum((1, 2, 3), keepdims=True)
    return jnp.asarray(tables), jnp.asarray(directions)


@pytest.mark.parametrize(("shape", "num"), [((2, 2, 2), 1024), pytest.param((2, 3, 2), 256, marks=pytest.mark.slow)])
def test_derivatives_match_central_differences(shape, num):
    """Of redundancy, unique parts, synergy and both bounds; all but a few tables, which lie at a kink."""
    tables, directions = _tables_and_directions(num, shape)
    reverse, _ = _reverse_and_values(tables)
    forward = jax.jit(jax.vmap(lambda p, d: jax.jvp(_differentiable, (p,), (d,))[1]))(tables, directions)
    chex.assert_trees_all_close(forward, jnp.einsum("nfijk,nijk->nf", reverse, directions), rtol=0, atol=1e-10)

    def difference(step):
        ahead, behind = (_reverse_and_values(tables + size * directions)[1] for size in (step, -step))
        return ahead - behind

    errors = np.abs(forward - (8 * difference(1e-4) - difference(2e-4)) / 12e-4)
    assert np.all(np.quantile(errors, 0.99, axis=0) <= 1e-6)
    assert np.all(errors[:, :5] <= 1e-4)


def test_forward_mode_and_scan_agree_with_reverse_mode():
    tables, _ = _tables_and_directions(1024, (2, 2, 2))
    reverse, tables = _reverse_and_values(tables)[0][:4], tables[:4]
    _, forward = jax.jit(lambda p: jax.lax.scan(lambda _, p: (None, jax.jacfwd(_differentiable)(p)), None, p))(tables)
    np.testing.assert_allclose(forward, reverse, rtol=0, atol=1e-12)


_of_marginals = jax.jit(jax.vmap(chex.assert_max_traces(lambda *marginals: synergy.bounds(*marginals), n=1)))
"""Of four tables, and of no other number: it may be traced once."""


def test_tables_that_are_none_give_nan():
    p = random_tables("dirichlet", 1, (2, 2, 2))[0]
    pairs = [np.asarray(x) for x in information.pairwise_marginals(jnp.asarray(p))]
    spoiled = [[x.copy() for x in pairs] for _ in range(3)]
    for index, spoil in ((0, -1), (1, np.nan), (2, 2.0)):
        spoiled[index][index][0, 0] = spoil
    disagreeing = [pairs[0], pairs[1][::-1], pairs[2]]
    found = _of_marginals(*map(jnp.asarray, map(np.stack, zip(*spoiled, disagreeing, strict=True))))
    assert np.all(np.isnan(found.lower))
    assert all(np.isnan(value[-1]) for value in found)
    assert np.isnan(synergy.accuracy_bounds(*map(jnp.asarray, disagreeing)).upper)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(AssertionError):
        synergy.bounds(jnp.ones((2, 3)) / 6, jnp.ones((2, 2)) / 4, jnp.ones((2, 2)) / 4)


def test_compiles_once_for_all_batches_of_a_size():
    for seed in range(3):
        tables = jnp.asarray(random_tables("dirichlet", 4, (2, 2, 2), seed=seed))
        found = _of_marginals(*jax.vmap(information.pairwise_marginals)(tables))
        assert np.all(found.lower <= found.upper)


def test_sharded_over_devices_equals_unsharded():
    tables = jnp.asarray(random_tables("zeros", 64, (2, 2, 2)))
    mesh = jax.make_mesh((8,), ("tables",), axis_types=(jax.sharding.AxisType.Auto,))
    spec = jax.P("tables")
    sharded = jax.jit(jax.shard_map(jax.vmap(_bounds), mesh=mesh, in_specs=spec, out_specs=spec))(tables)
    chex.assert_trees_all_close(sharded, _bounds_of_few(tables), rtol=0, atol=2e-9)


@pytest.mark.parametrize("total", [1 - 9e-4, 1 + 9e-4])
def test_bounds_hold_for_tables_that_sum_to_one_nearly(total):
    _assert_rigorous(total * random_tables("gamma", LANES, (2, 2, 2), seed=9))
    _assert_rigorous(total * random_tables("deterministic", LANES, (2, 2, 2), seed=9))


def test_no_tables_give_no_bounds():
    found = jax.vmap(synergy.bounds)(jnp.zeros((0, 3, 3)), jnp.zeros((0, 3, 2)), jnp.zeros((0, 3, 2)))
    assert all(x.shape == (0,) for x in found)


@pytest.mark.parametrize("bounds", [synergy.bounds, synergy.accuracy_bounds])
def test_a_process_may_use_both_precisions(bounds):
    p = np.random.default_rng(0).dirichlet(np.ones(27)).reshape(3, 3, 3)
    found = []
    for wide in (False, True, False):
        with jax.enable_x64(wide):
            found.append(float(bounds(*(jnp.asarray(p.sum(axis)) for axis in (2, 1, 0))).lower))
    np.testing.assert_allclose(found, found[0], atol=1e-4)
