import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmjax.data import MultimodalData, Splits, batch_of, cut, only, split_codes, splits_of, standardised

KEY = jax.random.key(0)


def data_of(label, split=None):
    label = np.asarray(label, np.int64)
    number = np.arange(len(label), dtype=np.float32)
    masks = {"number": np.ones(len(label), bool), "even": number % 2 == 0}
    codes = None if split is None else np.asarray(split, np.int8)
    return MultimodalData({"number": number[:, None], "even": number[:, None]}, label, codes, masks)


def rows(batch):
    """Which samples a part holds."""
    return batch.modalities["number"][:, 0].astype(int).tolist()


def test_the_split_of_the_file_is_taken_as_it_is():
    splits = splits_of(data_of([0, 1, 0, -1, 1], split=[0, 0, 1, 2, 2]), key=KEY)
    assert [rows(part) for part in splits] == [[0, 1], [2], [3, 4]]
    assert splits.test.label.tolist() == [0, 1]
    assert splits.test.weight.tolist() == [0, 1]
    assert splits.test.masks["even"].tolist() == [False, True]


@pytest.mark.parametrize("split", [None, [0, 0, 1, 2] * 8])
def test_codes_are_those_of_the_parts(split):
    data = data_of([0, 1, 0, 1] * 8, split)
    codes = split_codes(data, key=KEY)
    assert [np.flatnonzero(codes == code).tolist() for code in range(3)] == [rows(p) for p in splits_of(data, key=KEY)]


@pytest.mark.parametrize(
    ("x", "label"),
    [
        (np.array([0, 2**31]), np.array([0, 1])),
        (np.array([0.0, 1e200]), np.array([0, 1])),
        (np.zeros(2), np.array([0, 2**32])),
        (np.array([0, 2**31], np.uint32), np.array([0, 1])),
    ],
)
def test_numbers_that_the_device_would_change_are_refused(x, label):
    with pytest.raises(ValueError, match=r"numbers of a batch must fit into (int|float)32; got 0"):
        batch_of({"x": x}, label)


def test_wide_numbers_that_fit_are_taken():
    batch = batch_of({"x": np.array([-(2**31) + 1, 2**31 - 1]), "y": np.array([1e38, np.nan])}, np.array([0, 1]))
    np.testing.assert_array_equal(batch.modalities["x"], [-(2**31) + 1, 2**31 - 1])
    assert batch.modalities["y"].dtype == jnp.float32


def test_a_drawn_split_keeps_the_classes_in_proportion():
    label = np.repeat([0, 1, 2], [200, 80, 40])
    splits = splits_of(data_of(label), key=KEY)
    counts = [np.bincount(part.label, minlength=3).tolist() for part in splits]
    assert counts == [[140, 56, 28], [30, 12, 6], [30, 12, 6]]
    assert sorted(row for part in splits for row in rows(part)) == list(range(320))
    assert all(part.label.tolist() == label[rows(part)].tolist() for part in splits)


def test_a_drawn_split_is_a_function_of_the_key():
    data = data_of([0, 1] * 20)
    draws = [rows(splits_of(data, key=jax.random.key(seed)).test) for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]


def test_unlabelled_samples_go_to_train_with_weight_0():
    splits = splits_of(data_of([0, 1] * 10 + [-1] * 5), key=KEY)
    assert rows(splits.train)[-5:] == [20, 21, 22, 23, 24]
    assert splits.train.weight.tolist() == [1] * 14 + [0] * 5
    assert splits.train.label.min() == 0
    assert splits.valid.weight.tolist() == splits.test.weight.tolist() == [1, 1, 1]


@settings(max_examples=15, deadline=None)
@given(counts=st.lists(st.integers(1, 9), min_size=2, max_size=6).filter(lambda counts: sum(counts) >= 16))
def test_every_class_is_in_train_and_no_part_strays_from_its_share(counts):
    label = np.repeat(np.arange(len(counts)), counts)
    train, valid, test = (np.bincount(part.label, minlength=len(counts)) for part in splits_of(data_of(label), key=KEY))
    assert (train >= 1).all()
    assert (train + valid + test == counts).all()
    assert (np.abs(train - 0.7 * np.array(counts)) <= 1).all()
    assert (np.abs(valid - test) <= 1).all()


@pytest.mark.parametrize(
    ("label", "split", "message"),
    [
        ([0, 1, 0], [0, 0, 1], "test has no labelled sample"),
        ([0, 1, 0, -1], [0, 0, 1, 2], "test has no labelled sample"),
        ([0, 1, 0, 2], [0, 0, 1, 2], "class 2 has no sample in train"),
        ([0, 1], None, "valid has no labelled sample"),
    ],
)
def test_a_part_without_samples_or_classes_is_refused(label, split, message):
    with pytest.raises(ValueError, match=message) as caught:
        splits_of(data_of(label, split), key=KEY)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("fractions", [(0.5, 0.5), (0.8, 0.2, 0.0), (0.7, 0.2, 0.2)])
def test_fractions_that_are_no_shares_are_refused(fractions):
    with pytest.raises(ValueError, match="three positive shares of sum 1"):
        splits_of(data_of([0, 1] * 10), key=KEY, fractions=fractions)


def parts_of(train, test, mask=None):
    present = None if mask is None else {"x": np.array(mask)}
    test = batch_of({"x": np.asarray(test)}, [0] * len(test))
    return Splits(batch_of({"x": np.asarray(train)}, [0] * len(train), present), test, test)


def test_the_scale_is_that_of_train():
    splits = standardised(parts_of([[0.0, 5.0], [4.0, 7.0]], [[6.0, 6.0]]))
    np.testing.assert_allclose(splits.train.modalities["x"], [[-1, -1], [1, 1]], rtol=1e-6)
    np.testing.assert_allclose(splits.test.modalities["x"], [[2, 0]], rtol=1e-6)


def test_absent_samples_count_for_nothing_and_become_0():
    splits = standardised(parts_of([0.0, np.nan, 4.0, 1e6], [2.0], mask=[1, 0, 1, 0]))
    np.testing.assert_allclose(splits.train.modalities["x"], [-1, 0, 1, 0], rtol=1e-6)
    np.testing.assert_allclose(splits.test.modalities["x"], [0], atol=1e-6)


def test_constant_features_become_exactly_0_everywhere():
    # The mean of three times 0.1 is not 0.1 in float32.
    splits = standardised(parts_of([[0.1, 1.0], [0.1, 2.0], [0.1, 3.0]], [[9.0, 2.0]]))
    assert splits.train.modalities["x"][:, 0].tolist() == [0, 0, 0]
    assert splits.test.modalities["x"].tolist() == [[0, 0]]
    assert standardised(parts_of([3.0], [4.0])).train.modalities["x"].tolist() == [0]


@pytest.mark.parametrize("unit", [1e-30, 1e30])
def test_units_do_not_matter(unit):
    sequences = np.random.default_rng(0).normal(size=(50, 3, 2)).astype(np.float32)
    scaled = [standardised(parts_of(u * sequences, sequences)).train.modalities["x"] for u in (1, unit)]
    np.testing.assert_allclose(scaled[1], scaled[0], atol=1e-5)
    np.testing.assert_allclose(jnp.std(scaled[0], axis=0), np.ones((3, 2)), rtol=1e-5)


def test_integers_and_all_but_modalities_are_left_alone():
    splits = parts_of([[3], [5]], [[7]])
    jax.tree.map(np.testing.assert_array_equal, standardised(splits), splits)


def test_a_modality_that_train_lacks_is_refused():
    with pytest.raises(ValueError, match="no sample of train has modality 'x'"):
        standardised(parts_of([1.0, 2.0], [3.0], mask=[0, 0]))


def test_a_sample_is_cut_in_its_order():
    everything = batch_of({"number": np.arange(6.0)[:, None]}, np.arange(6) % 2)
    parts = cut(everything, (3, 1, 2))
    assert [rows(part) for part in parts] == [[0, 1, 2], [3], [4, 5]]
    assert parts.test.label.tolist() == [0, 1]
    for sizes in ((3, 1), (3, 1, 1), (5, 1, 0)):
        with pytest.raises(ValueError, match="at least 1 each and 6 together"):
            cut(everything, sizes)


def test_other_modalities_are_left_out_with_their_masks():
    data = data_of([0, 1, 0])
    for samples in (data, batch_of(data.modalities, data.label, data.masks)):
        some = only(samples, ["even"])
        assert type(some) is type(samples)
        assert [*some.modalities] == [*some.masks] == ["even"]
        np.testing.assert_array_equal(some.label, samples.label)
    for names in ((), ("odd",)):
        with pytest.raises(ValueError, match=r"no modality .*; name some of number, even"):
            only(data, names)
