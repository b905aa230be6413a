import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax import synergy
from mmjax.synergy._resampling import _extrapolate

pytestmark = pytest.mark.usefixtures("quickly_compiled", "float64")

BITS = (2, 2, 2)
CELLS = (20, 20, 2)
NUM = 99

RIGHT = np.array([[0.9, 0.1], [0.1, 0.9]])
COPIES = 0.5 * RIGHT[:, None, :] * RIGHT[None, :, :]
COPIES_SYNERGY = 0.211081
NOISY_PARITY = np.full(BITS, 0.025) + 0.2 * (np.indices(BITS).sum(0) % 2 == 0)
NOISY_PARITY_SYNERGY = 0.531004  # 1 - h(.1)


def _draw(table, num, seed):
    rng = np.random.default_rng(seed)
    return np.unravel_index(rng.choice(table.size, num, p=table.ravel() / table.sum()), table.shape)


def _bootstrap(sample, seed=0, **options):
    return synergy.bootstrap(jax.random.key(seed), *sample, sizes=BITS, num_replicates=NUM, **options)


@pytest.mark.parametrize(("table", "truth"), [(COPIES, COPIES_SYNERGY), (NOISY_PARITY, NOISY_PARITY_SYNERGY)])
def test_bootstrap_covers(table, truth):
    """The interval of synergy has the truth in at least 19 of 20 samples less three standard errors."""
    intervals = [_bootstrap(_draw(table, 200, seed), seed) for seed in range(20)]
    covered = [found.lower.synergy <= truth <= found.upper.synergy for found in intervals]
    assert np.mean(covered) >= 0.8
    assert np.mean([found.upper.synergy - found.lower.synergy for found in intervals]) < 0.35


def test_bootstrap_covers_zero():
    """Fair independent bits: every true value is 0, every plug-in value above it."""
    for seed in range(5):
        found = _bootstrap(np.random.default_rng(seed).integers(0, 2, (3, 200)), seed)
        assert found.estimate.information > 0
        assert found.bias.information > 0
        for lower, upper in zip(found.lower, found.upper, strict=True):
            assert 0 <= lower <= 1e-3
            assert upper < 0.15


def test_bootstrap_shrinks_with_samples():
    widths = []
    for num in (200, 12800):
        found = _bootstrap(_draw(COPIES, num, 0))
        widths.append(float(found.upper.synergy - found.lower.synergy))
        assert found.num_samples == num
        np.testing.assert_allclose(sum(found.samples[:4]), found.samples.information, atol=1e-12)
    assert 4 < widths[0] / widths[1] < 16


def test_wider_at_a_higher_level():
    sample = _draw(COPIES, 200, 0)
    narrow, wide = _bootstrap(sample, level=0.5), _bootstrap(sample, level=0.99)
    assert wide.lower.synergy < narrow.lower.synergy < narrow.upper.synergy < wide.upper.synergy


def test_extrapolation_is_exact_for_a_parabola():
    nums = [101, 50, 25]
    values = [jnp.array(0.3 + 7 / n - 20 / n**2) for n in nums]
    np.testing.assert_allclose(_extrapolate(nums, values), 0.3, rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_corrected_synergy_of_noise(seed):
    """138 samples in 800 cells: extrapolation alone finds no bias, with shuffling all of it."""
    rng = np.random.default_rng(seed)
    sample = [rng.integers(0, size, 138) for size in CELLS]
    found = synergy.corrected_synergy(jax.random.key(seed), *sample, sizes=CELLS)
    assert found.plug_in > 0.6
    assert found.extrapolated > 0.6
    assert abs(found.corrected) < 0.16  # standard error .065, from samples of other seeds
    assert found.num_samples == 138


@pytest.mark.slow
@pytest.mark.parametrize(("table", "truth"), [(COPIES, COPIES_SYNERGY), (NOISY_PARITY, NOISY_PARITY_SYNERGY)])
def test_corrected_synergy_of_known_tables(table, truth):
    found = [
        synergy.corrected_synergy(jax.random.key(seed), *_draw(table, 400, seed), sizes=BITS)[:4] for seed in range(10)
    ]
    np.testing.assert_allclose(
        np.mean(found, axis=0), truth, atol=0.05
    )  # the kink of I_Q where a unique information is 0 biases S by -.03


def test_no_sample():
    x1, x2, y = _draw(COPIES, 400, 0)
    assert np.isnan(_bootstrap((x1[:200] + 1, x2[:200], y[:200])).lower.synergy)
    found = synergy.corrected_synergy(jax.random.key(0), x1, x2, y - 1, sizes=BITS)
    assert all(np.isnan(value) for value in found[:4])


@pytest.mark.parametrize(
    ("function", "options", "message"),
    [
        (synergy.bootstrap, {"level": 2}, "level must be between 0 and 1; got 2"),
        (synergy.bootstrap, {"num_replicates": 0}, "num_replicates must be 1 or more; got 0"),
        (synergy.corrected_synergy, {"num_partitions": 0}, "num_partitions must be 1 or more; got 0"),
        (synergy.corrected_synergy, {"num_permutations": 0}, "num_permutations must be 1 or more; got 0"),
    ],
)
def test_wrong_options(function, options, message):
    with pytest.raises(ValueError, match=message):
        function(jax.random.key(0), *_draw(COPIES, 200, 0), sizes=BITS, **options)


def test_too_few_samples_to_extrapolate():
    with pytest.raises(ValueError, match="needs 4 samples or more; got 3"):
        synergy.corrected_synergy(jax.random.key(0), *_draw(COPIES, 3, 0), sizes=BITS)
