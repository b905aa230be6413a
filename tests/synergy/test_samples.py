import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax import information, pid, synergy
from mmjax.information import PairwiseMarginals
from mmjax.synergy._samples import _realise

pytestmark = pytest.mark.usefixtures("quickly_compiled", "float64")

BITS = (2, 2, 2)
NUMS = (2000, 3000, 4000)  # labelled samples of both modalities, and pairs
NUM = 99

AND = np.zeros(BITS)
AND[[0, 0, 1, 1], [0, 1, 0, 1], [0, 0, 0, 1]] = 0.25


def _draw(table, num, rng):
    return np.unravel_index(rng.choice(table.size, num, p=table.ravel()), table.shape)


def _three_samples(table, seed):
    rng = np.random.default_rng(seed)
    first, second, third = (_draw(table, num, rng) for num in NUMS)
    return (first[0], first[2]), (second[1], second[2]), (third[0], third[1])


def _bounds(samples, seed=0, sizes=BITS, **options):
    return synergy.bounds_from_samples(jax.random.key(seed), *samples, sizes=sizes, num_replicates=NUM, **options)


def _share_covered(sizes, num_tables):
    rng = np.random.default_rng(1)
    tables = rng.dirichlet(np.ones(np.prod(sizes)), num_tables).reshape(-1, *sizes)
    truths = jax.jit(jax.vmap(pid.broja))(jnp.asarray(tables)).synergy
    covered = []
    for seed, (table, truth) in enumerate(zip(tables, truths, strict=True)):
        found = _bounds(_three_samples(table, seed), seed, sizes)
        assert found.lower <= found.estimate.lower + 1e-9
        assert found.upper >= found.estimate.upper - 1e-9
        covered.append(bool(found.lower <= truth <= found.upper))
    return np.mean(covered)


def test_interval_covers_synergy():
    assert _share_covered(BITS, 20) >= 0.95


@pytest.mark.slow
def test_interval_covers_synergy_of_larger_tables():
    assert _share_covered((3, 3, 2), 40) >= 0.95


def test_where_no_joint_fits_the_samples():
    """y = x1 and x2 identifies S = 1/2, but samples of it contradict each other: p(y=1) = p(x1=1, x2=1) fails."""
    samples = _three_samples(AND, 0)
    found = _bounds(samples)
    labelled1, labelled2, pairs = (np.histogram2d(*sample, bins=(2, 2))[0] / sample[0].size for sample in samples)
    consistent = information.project_marginals(pairs, labelled1, labelled2, weights=tuple(map(float, NUMS)))
    with pytest.raises(ValueError, match="no joint distribution"):
        information.check_joint_exists(*consistent[:3])
    assert found.joint_distance > 1e-3
    assert abs(found.estimate.lower - 0.5) < 0.03
    assert found.estimate.upper - found.estimate.lower < 1e-3
    assert found.lower < 0.5 < found.upper
    assert found.upper - found.lower < 0.1


def test_samples_of_different_populations():
    """They are made to agree, and the distance beside the expected one says that they should not have been."""
    one = _three_samples(np.full(BITS, 1 / 8), 0)
    table = np.full(BITS, 1 / 8)
    table[1] *= 1.5
    other = _three_samples(table / table.sum(), 1)
    same, mixed = _bounds(one), _bounds((one[0], one[1], other[2]))
    assert same.disagreement < 4 * same.expected_disagreement
    assert mixed.disagreement > 5 * mixed.expected_disagreement
    assert mixed.projection_distance > 0.02
    assert np.isfinite(mixed.estimate.lower)
    np.testing.assert_array_equal(same.num_samples, [NUMS[2], NUMS[0], NUMS[1]])


def test_tables_with_a_joint_stay_as_they_are():
    rng = np.random.default_rng(0)
    p = jnp.asarray(rng.dirichlet(np.ones(8), 5).reshape(-1, *BITS))
    pairs = PairwiseMarginals(*jax.vmap(information.pairwise_marginals)(p))
    realised, projection_distance, joint_distance = _realise(pairs, jnp.array(NUMS))
    for one, other in zip(pairs, realised, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    assert max(projection_distance.max(), joint_distance.max()) < 1e-6


def test_narrower_at_a_lower_level():
    samples = _three_samples(np.full(BITS, 1 / 8) + 0.05 * (-1.0) ** np.indices(BITS).sum(0), 0)
    wide, narrow = _bounds(samples, level=0.99), _bounds(samples, level=0.5)
    assert wide.lower <= narrow.lower
    assert narrow.upper < wide.upper


def test_no_sample():
    labelled1, labelled2, pairs = _three_samples(AND, 0)
    found = _bounds(((labelled1[0] + 1, labelled1[1]), labelled2, pairs))
    assert np.isnan(found.lower)
    assert np.isnan(found.upper)


X1, X2, Y = np.array([0, 1, 1]), np.array([1, 0, 1]), np.array([0, 1, 0])
NONE = np.zeros(0, int)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sizes": (2, 2, 1)}, "two classes or more for anything to be told about them; got 1"),
        ({"sizes": (2, 2, 3)}, "labelled1 has no sample of class 2"),
        ({"labelled2": (X2, 0 * Y)}, "labelled2 has no sample of class 1"),
        ({"labelled1": (X1, Y - 1)}, r"y of labelled1 must be in \[0, 2\); got -1"),
        ({"pairs": (X1, X2 + 1)}, r"x2 of pairs must be in \[0, 2\); got 2"),
        ({"pairs": (X1, X2 * 0.5)}, "x2 of pairs must be integers"),
        ({"labelled1": (X1, Y[:2])}, r"labelled1 must be two arrays of one length, \(x1, y\); got shapes"),
        ({"labelled2": (X2, X1, Y)}, "labelled2 must be two arrays of one length"),
        ({"pairs": (NONE, NONE)}, "pairs is empty"),
    ],
)
def test_unfit_samples(change, message):
    fit = {"labelled1": (X1, Y), "labelled2": (X2, Y), "pairs": (X1, X2), "sizes": BITS}
    synergy.check_samples(**fit)
    with pytest.raises(ValueError, match=message) as error:
        synergy.check_samples(**(fit | change))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("options", [{"level": 1.0}, {"num_replicates": 0}])
def test_wrong_options(options):
    with pytest.raises(ValueError, match=r"must be .*; got"):
        synergy.bounds_from_samples(jax.random.key(0), *_three_samples(AND, 0), sizes=BITS, **options)


@pytest.mark.slow
def test_ids_beyond_32_bits_are_out_of_range():
    good, bad = np.array([0, 1, 1, 0]), np.array([2**32, 1, 0, 1])
    with jax.enable_x64(False):
        found = _bounds(((bad, good), (good, good), (good, good)))
    for name in ("lower", "upper", "lower_samples", "disagreement"):
        assert np.all(np.isnan(getattr(found, name))), name
    assert np.isnan(found.estimate.lower)


def test_marginals_are_those_of_the_estimate():
    found = _bounds(_three_samples(AND, 0))
    again = synergy.bounds(*found.marginals)
    np.testing.assert_allclose(again.lower, found.estimate.lower, atol=1e-12)
    np.testing.assert_allclose(again.upper, found.estimate.upper, atol=1e-12)
