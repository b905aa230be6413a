import jax
import numpy as np
import pytest

from mmjax import information, synergy
from mmjax.synergy._significance import within_class_permutation

pytestmark = pytest.mark.usefixtures("quickly_compiled", "float64")

CELLS = (20, 20, 2)  # one shape for all samples on many cells, one for all on few: programs are compiled once
BITS = (2, 2, 2)
NUM = 99
LEAST_P = 1 / (1 + NUM)


def _noise(seed, num=138):
    """Independent modalities and a fair label."""
    rng = np.random.default_rng(seed)
    return tuple(rng.integers(0, size, num) for size in CELLS)


def _samples_of(counts):
    """Samples whose table is exactly the one of the counts."""
    cells = np.repeat(np.arange(counts.size), counts.ravel())
    return tuple(np.unravel_index(cells, counts.shape))


def _copies(scale=1):
    """Two copies of a fair bit, each wrong with probability .1 independently of the other."""
    right = np.array([[9, 1], [1, 9]])
    return _samples_of(scale * right[:, None, :] * right[None, :, :])


def _parity(num=200):
    return _samples_of(np.array([[[num // 4, 0], [0, num // 4]], [[0, num // 4], [num // 4, 0]]]))


def _null(sample, sizes=BITS, seed=0, **options):
    key = jax.random.key(seed)
    return synergy.conditional_independence_null(key, *sample, sizes=sizes, num_permutations=NUM, **options)


def _label_null(sample, seed=0, **options):
    return synergy.label_permutation_null(jax.random.key(seed), *sample, sizes=BITS, num_permutations=NUM, **options)


def test_copies_have_the_synergy_of_conditional_independence():
    found = _null(_copies())
    np.testing.assert_allclose([found.synergy, found.synergy_independent], 0.211081, atol=1e-6)
    assert abs(found.difference) < 1e-12
    assert found.lower <= found.synergy <= found.upper
    assert found.p_value > 0.2


def test_parity_is_beyond_conditional_independence():
    found = _null(_parity())
    np.testing.assert_allclose([found.synergy, found.synergy_independent, found.difference], [1, 0, 1], atol=1e-8)
    np.testing.assert_allclose(found.p_value, LEAST_P)
    assert found.corrected_difference > 0.95
    assert found.num_samples == 200


@pytest.mark.parametrize("seed", range(4))
def test_noise_looks_synergistic_and_is_inside_its_null(seed):
    """138 samples in 800 cells, as many as MUStARD's test split: .7 bit of synergy, and none."""
    found = _null(_noise(seed), CELLS, seed)
    assert found.synergy > 0.6
    assert found.lower <= found.synergy <= found.upper
    assert found.p_value > 0.025
    assert abs(found.corrected_difference) < 0.1
    assert found.num_samples == 138


def test_mosi(reference):
    """The synergy of text and audio is as large without their dependence given the label."""
    with np.load(reference / "data" / "clusters.npz", allow_pickle=False) as file:
        label = file["mosi_utt.label"][file["mosi_utt.split"] == 2]
        sample = [file["mosi_utt.repo20.text"], file["mosi_utt.repo20.audio"], label]
    x1, x2, y = (np.asarray(ids).astype(int) for ids in sample)
    found = _null((x1, x2, y), CELLS)
    np.testing.assert_allclose(found.synergy, 0.32147, atol=1e-4)
    np.testing.assert_allclose(found.synergy_independent, 0.017, atol=1e-3)
    assert 0.29 < found.mean < 0.31
    assert abs(found.corrected_difference) < 0.04
    assert found.num_samples == 752


def test_permutation_is_within_classes():
    """It keeps p(x1,y) and p(x2,y), so I_Q with them, and changes p(x1,x2,y)."""
    _, x2, y = _noise(3)
    for seed in range(3):
        first, second = (
            np.asarray(order) for order in within_class_permutation(jax.random.key(seed), jax.numpy.array(y))
        )
        np.testing.assert_array_equal(np.sort(first), np.arange(y.size))
        np.testing.assert_array_equal(np.sort(second), np.arange(y.size))
        np.testing.assert_array_equal(y[first], y[second])
        assert (x2[first] != x2[second]).mean() > 0.5


def test_permutations_are_uniform():
    y = jax.numpy.array([1, 0, 1, 1])
    keys = jax.random.split(jax.random.key(0), 600)
    _, second = jax.vmap(lambda key: within_class_permutation(key, y))(keys)
    orders, counts = np.unique(np.asarray(second)[:, 1:], axis=0, return_counts=True)
    assert len(orders) == 6
    assert counts.min() > 70  # 100 expected, standard deviation 9


def test_level_is_the_share_of_false_alarms():
    """Samples of two noisy copies: the hypothesis holds, and is rejected at the level's rate."""
    right = np.array([[0.9, 0.1], [0.1, 0.9]])
    table = 0.5 * right[:, None, :] * right[None, :, :]
    rng = np.random.default_rng(0)
    p_values = [
        float(_null(np.unravel_index(rng.choice(8, 100, p=table.ravel()), BITS), seed=seed).p_value)
        for seed in range(40)
    ]
    assert np.mean(np.array(p_values) <= 0.1) < 0.25
    assert 0.3 < np.mean(p_values) < 0.75


def test_label_permutation():
    parity = _label_null(_parity())
    np.testing.assert_allclose(parity.observed, [0, 0, 0, 1, 1], atol=1e-8)
    np.testing.assert_allclose([parity.p_value.information, parity.p_value.synergy], LEAST_P)
    assert max(parity.upper.information, parity.upper.synergy) < 0.1
    assert parity.gap < 1e-8


def test_label_permutation_without_information():
    x1, x2, y = np.random.default_rng(0).integers(0, 2, (3, 200))
    noise = _label_null((x1, x2, y))
    assert noise.p_value.information > 0.05
    assert noise.observed.information > 0
    assert abs(noise.corrected.information) < 0.02
    for mean in noise.mean:
        assert mean > -1e-9
    np.testing.assert_allclose(sum(noise.samples[:4]), noise.samples.information, atol=1e-12)


def test_no_sample():
    """NaN, not a p-value, where an id is out of range."""
    x1, x2, y = _parity()
    for broken in ((x1 + 1, x2, y), (x1, x2 - 1, y), (x1, x2, np.where(y == 1, -1, y))):
        found = _null(broken)
        for name in ("synergy", "difference", "mean", "lower", "upper", "p_value", "corrected_difference"):
            assert np.isnan(getattr(found, name)), name
    label_null = _label_null((x1, x2, y - 1))
    assert np.isnan(label_null.p_value.information)
    assert np.isnan(label_null.mean.synergy)


@pytest.mark.parametrize("null", [synergy.conditional_independence_null, synergy.label_permutation_null])
@pytest.mark.parametrize("options", [{"level": 1.0}, {"level": 0.0}, {"num_permutations": 0}])
def test_wrong_options(null, options):
    with pytest.raises(ValueError, match=f"{next(iter(options))} must be .*; got"):
        null(jax.random.key(0), *_parity(), sizes=BITS, **options)


def test_reproducible_by_key():
    assert np.array_equal(_null(_copies(), seed=5).samples, _null(_copies(), seed=5).samples)
    assert not np.array_equal(_null(_copies(), seed=5).samples, _null(_copies(), seed=6).samples)


@pytest.mark.slow
def test_compiled_and_batched_as_eager():
    x1, x2, y = (np.asarray(ids) for ids in _copies())
    keys = jax.random.split(jax.random.key(0), 2)

    def p_value(key):
        return synergy.conditional_independence_null(key, x1, x2, y, sizes=BITS, num_permutations=NUM)[:-1]

    batched = jax.jit(jax.vmap(p_value))(keys)
    for i in range(2):
        for one, other in zip(p_value(keys[i]), batched, strict=True):
            np.testing.assert_allclose(one, other[i], atol=1e-12)


def test_agrees_with_tables():
    """The samples of the null are synergies of tables with the same pairwise marginals."""
    x1, x2, y = _copies()
    table = information.joint_table(x1, x2, y, sizes=BITS)
    found = _null((x1, x2, y))
    _, p1y, p2y = information.pairwise_marginals(table)
    independent = p1y[:, None] * (p2y / p2y.sum(0, keepdims=True))[None]
    expected = information.joint_mutual_information(independent) - information.joint_mutual_information(table)
    np.testing.assert_allclose(found.synergy_independent - found.synergy, expected, atol=1e-12)
