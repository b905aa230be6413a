import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits

from mmjax.data import breast_cancer_views, digits_halves


def test_halves_of_digits_make_the_image():
    data = digits_halves()
    halves = data.modalities
    images = load_digits().images
    np.testing.assert_array_equal(np.concatenate([halves["top"], halves["bottom"]], axis=1), images)
    np.testing.assert_array_equal(np.concatenate([halves["left"], halves["right"]], axis=2), images)
    assert images.shape == (1797, 8, 8)
    assert np.bincount(data.label).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert data.label.dtype == np.int64


def test_views_of_tumours_are_the_named_statistics():
    data = breast_cancer_views()
    names = load_breast_cancer().feature_names
    x = load_breast_cancer().data
    for view, column in {"mean": "mean radius", "se": "radius error", "worst": "worst radius"}.items():
        assert data.modalities[view].shape == (569, 10)
        np.testing.assert_array_equal(data.modalities[view][:, 0], x[:, list(names).index(column)])
    assert np.bincount(data.label).tolist() == [212, 357]


def test_views_are_complete_and_without_a_split():
    for data in (digits_halves(), breast_cancer_views()):
        assert data.split is None
        assert set(data.masks) == set(data.modalities)
        assert all(mask.all() and mask.shape == data.label.shape for mask in data.masks.values())
