import numpy as np
import pytest

from mmjax import synergy

pytestmark = pytest.mark.usefixtures("quickly_compiled")

XOR = np.array([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]]) / 4
AND = np.array([[[1.0, 0.0], [1.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]]]) / 4


def _pairs(p):
    return p.sum(2), p.sum(1), p.sum(0)


@pytest.mark.parametrize(
    ("p", "lower", "upper"),
    [
        (XOR, 0.5, 1),
        (AND, 1, 1),
        (np.full((2, 2, 2), 1 / 8), 0.5, 1),
        (0.9 * AND + 0.1 * AND[:, :, ::-1], 0.85, 0.95),
        (0.9 * XOR + 0.1 * XOR[:, :, ::-1], 0.5, 1),
        (np.full((2, 3, 1), 1 / 6), 1, 1),
        (np.full((1, 1, 2), 1 / 2), 0.5, 0.5),
    ],
    ids=["xor", "and", "independent", "noisy and", "noisy xor", "one class", "one cell"],
)
def test_gates(p, lower, upper):
    found = synergy.accuracy_range(*_pairs(p))
    np.testing.assert_allclose([found.lower, found.upper_attained], [lower, upper], atol=1e-6)
    np.testing.assert_allclose(found.upper, upper, atol=1e-5)
    assert found.lower_exact and found.upper_exact


def _ends_of_binary(p):
    """For 2x2x2 the joints are p + t sigma, with accuracies piecewise linear in t, with corners where classes tie."""
    sigma = np.where(np.indices((2, 2, 2)).sum(0) % 2, -1, 1)
    ends = -p[sigma > 0].min(), p[sigma < 0].min()
    corners = (p[:, :, 1] - p[:, :, 0]) / (2 * sigma[:, :, 0])
    ts = np.clip(np.concatenate([ends, corners.ravel()]), *ends)
    accuracies = [(p + t * sigma).max(2).sum() for t in ts]
    return min(accuracies), max(accuracies)


def _assert_range(found, lower, upper):
    """Ends hold, to rounding, and are near."""
    assert lower - 1e-6 <= found.lower <= lower + 1e-12
    assert upper - 1e-12 <= found.upper <= upper + 1e-5
    assert found.upper_attained <= found.upper and found.lower_exact and found.upper_exact


def test_binary_tables_are_a_segment():
    for seed in range(10):
        p = np.random.default_rng(seed).dirichlet(np.ones(8)).reshape(2, 2, 2)
        _assert_range(synergy.accuracy_range(*_pairs(p)), *_ends_of_binary(p))


@pytest.mark.parametrize("seed", [0, 1, 2, 178])
def test_ends_hold_where_tolerances_of_the_solver_add_up(seed):
    """Blocks that share no cell: ends are sums over them."""
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.full(8, 0.5))
    blocks = [rng.dirichlet(np.full(8, 10 ** rng.uniform(-1, 0.5))).reshape(2, 2, 2) * of for of in weights]
    p = np.zeros((16, 16, 2))
    for place, block in enumerate(blocks):
        p[2 * place : 2 * place + 2, 2 * place : 2 * place + 2] = block
    lower, upper = np.sum([_ends_of_binary(block) for block in blocks], axis=0)
    _assert_range(synergy.accuracy_range(*_pairs(p)), lower, upper)


def test_the_classifier_keeps_its_promise():
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.full(18, 0.5)).reshape(3, 2, 3)
    found = synergy.accuracy_range(*_pairs(p))
    np.testing.assert_allclose(found.classifier.sum(2), 1, atol=1e-12)
    assert (found.classifier >= 0).all()
    # Other joints with the same marginals: p plus a product of vectors that sum to 0.
    for _ in range(20):
        step = np.einsum("i,j,k->ijk", *(v - v.mean() for v in map(rng.normal, (0, 0, 0), (1, 1, 1), p.shape)))
        largest = np.min(p[step < 0] / -step[step < 0])
        joint = p + rng.uniform() * largest * step
        assert (joint * found.classifier).sum() >= found.lower - 1e-12
        assert found.lower - 1e-9 <= joint.max(2).sum() <= found.upper + 1e-9


def test_oracle(reference):
    oracle = np.load(reference / "oracles" / "pid_public.npz")
    field = {name: i for i, name in enumerate(oracle["fields"])}
    small = [(n, v) for n, v in zip(oracle["names"], oracle["values"], strict=True) if oracle[f"P__{n}"].size <= 18]
    assert len(small) > 50
    for name, values in small[::2]:
        p = oracle[f"P__{name}"]
        found = synergy.accuracy_range(*_pairs(p))
        np.testing.assert_allclose(found.lower, values[field["hp_pacc_lp_min"]], atol=1e-7, err_msg=name)
        np.testing.assert_allclose(found.upper, values[field["hp_pacc_milp_max"]], atol=1e-5, err_msg=name)


@pytest.mark.parametrize("time_limit", [0.0, 1e-3])
def test_both_ends_hold_when_the_time_is_up(time_limit):
    p = np.random.default_rng(0).dirichlet(np.ones(150)).reshape(5, 5, 6)
    found = synergy.accuracy_range(*_pairs(p), time_limit=time_limit)
    assert not found.lower_exact and not found.upper_exact
    unimodal = max(p.sum(1).max(1).sum(), p.sum(0).max(1).sum())
    np.testing.assert_allclose(found.lower, unimodal, rtol=1e-9)
    assert found.lower <= p.max(2).sum() <= found.upper <= 1
    np.testing.assert_allclose(found.classifier.sum(2), 1)


def _random_joint(seed, shape=(3, 2, 3)):
    return np.random.default_rng(seed).dirichlet(np.full(np.prod(shape), 0.5)).reshape(shape)


def test_known_entries_leave_one_accuracy_and_free_ones_all():
    p = _random_joint(0)
    free, none = synergy.accuracy_range(*_pairs(p)), (np.zeros(p.shape), np.ones(p.shape))
    wide = synergy.accuracy_range(*_pairs(p), intervals=none)
    np.testing.assert_allclose([wide.lower, wide.upper], [free.lower, free.upper], atol=1e-12)
    exact = synergy.accuracy_range(*_pairs(p), intervals=(p, p))
    np.testing.assert_allclose([exact.lower, exact.upper], p.max(2).sum(), atol=1e-5)


def test_intervals_of_a_binary_table_shorten_its_segment():
    sigma = np.where(np.indices((2, 2, 2)).sum(0) % 2, -1, 1)
    for seed in range(5):
        p = np.random.default_rng(seed).dirichlet(np.ones(8)).reshape(2, 2, 2)
        widths = np.random.default_rng(seed + 99).uniform(0, 0.05, (2, 2, 2, 2))
        low, high = np.maximum(p - widths[0], 0), p + widths[1]
        up = np.where(sigma > 0, high - p, p - low).min()
        down = np.where(sigma > 0, p - low, high - p).min()
        ts = np.linspace(-down, up, 20_001)
        accuracies = (p[..., None] + ts * sigma[..., None]).max(2).sum((0, 1))
        found = synergy.accuracy_range(*_pairs(p), intervals=(low, high))
        np.testing.assert_allclose([found.lower, found.upper], [accuracies.min(), accuracies.max()], atol=1e-5)


def test_narrower_intervals_give_narrower_ranges_that_hold():
    p = _random_joint(3)
    last = synergy.accuracy_range(*_pairs(p))
    for width in (0.1, 0.03, 0.01):
        found = synergy.accuracy_range(*_pairs(p), intervals=(p - width, p + width))
        assert last.lower - 1e-7 <= found.lower <= p.max(2).sum() <= found.upper <= last.upper + 1e-6
        assert (p * found.classifier).sum() >= found.lower - 1e-12
        last = found
    assert last.upper - last.lower < 0.15


def test_intervals_that_no_joint_has_are_refused():
    p = _random_joint(0)
    with pytest.raises(ValueError, match="no joint distribution"):
        synergy.accuracy_range(*_pairs(p), intervals=(np.full(p.shape, 0.2), np.ones(p.shape)))
    with pytest.raises(ValueError, match="no joint distribution"):
        synergy.accuracy_range(*_pairs(p), intervals=(np.zeros(p.shape), 0.9 * p))
    with pytest.raises(ValueError, match=r"intervals must have the shape \(3, 2, 3\)"):
        synergy.accuracy_range(*_pairs(p), intervals=(p[:2], p[:2]))


def test_single_precision_tables_are_taken():
    p = np.random.default_rng(0).dirichlet(np.ones(12)).reshape(2, 3, 2).astype(np.float32)
    narrow, wide = (synergy.accuracy_range(*_pairs(q)) for q in (p, p.astype(float)))
    np.testing.assert_allclose(narrow.lower, wide.lower, atol=1e-6)
    np.testing.assert_allclose(narrow.upper, wide.upper, atol=1e-6)


@pytest.mark.parametrize("seed", range(12))
def test_single_precision_tables_with_zeros_have_a_joint(seed):
    """Rounded marginals of a deterministic label have none to the last bit: the range is of what rounds to them."""
    rng = np.random.default_rng(seed)
    p12 = rng.dirichlet(np.full(12, 0.5)).reshape(3, 4)
    p = np.where(np.arange(3) == rng.integers(0, 3, (3, 4, 1)), p12[:, :, None], 0)
    found = synergy.accuracy_range(*(table.astype(np.float32) for table in _pairs(p)))
    wide = synergy.accuracy_range(*_pairs(p))
    assert found.lower <= wide.lower + 1e-12 and found.upper == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(found.lower, wide.lower, atol=1e-4)


def test_what_has_no_joint_is_refused():
    same = np.eye(2) / 2
    with pytest.raises(ValueError, match="no joint distribution has these p12, p1y, p2y"):
        synergy.accuracy_range(same, same, same[::-1])
    with pytest.raises(ValueError, match="p12 and p1y must agree"):
        synergy.accuracy_range(same, [[0.3, 0.3], [0.2, 0.2]], same)
    with pytest.raises(ValueError, match="p12 must sum to 1"):
        synergy.accuracy_range(same * 2, same, same)
