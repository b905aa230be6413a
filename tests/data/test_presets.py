import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.data import PRESETS, MultimodalData, Preset, check_preset, random_like

KEY = jax.random.key(0)
TOY = Preset("toy", (("image", (2, 3)), ("sound", (None, 4))), "ours", num_classes=3)
GOOD = MultimodalData(
    {"image": np.zeros((5, 2, 3), np.uint8), "sound": np.zeros((5, 9, 4)), "more": np.zeros(5)},
    np.array([0, 1, 2, -1, 0]),
    None,
    {},
)


def test_presets_are_the_published_shapes():
    assert PRESETS["mosei_binary"].modalities == {"video": (50, 35), "audio": (50, 74), "text": (50, 300)}
    assert PRESETS["mosi"].modalities == {"video": (None, 20), "audio": (None, 5), "text": (None, 300)}
    assert PRESETS["mimic"].modalities == {"static": (5,), "timeseries": (24, 12)}
    assert PRESETS["push"].num_targets == 16 * 2
    classes = {name: preset.num_classes for name, preset in PRESETS.items() if preset.num_classes}
    assert classes == {
        "mosei_binary": 2,
        "ur_funny": 2,
        "mimic": 2,
        "av_mnist": 10,
        "enrico": 20,
        "crema_d": 6,
        "ave": 28,
        "ucf101": 51,
        "something_something": 174,
    }


@pytest.mark.parametrize("name", PRESETS)
def test_random_samples_are_what_the_preset_says(name):
    preset = PRESETS[name]
    shapes = jax.eval_shape(lambda key: random_like(key, preset, 2), KEY)
    batch = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), shapes)
    check_preset(batch, preset)
    assert set(batch.modalities) == set(batch.masks) == set(preset.modalities)


def test_random_samples_are_random():
    batch = random_like(KEY, TOY, 300)
    assert batch.modalities["sound"].shape == (300, 8, 4)
    assert batch.label.dtype == jnp.int32
    assert (np.bincount(batch.label) > 50).all()
    assert batch.weight.all() and batch.masks["image"].all()
    assert abs(float(jnp.std(batch.modalities["image"])) - 1) < 0.1
    compiled = jax.jit(random_like, static_argnums=(1, 2))(KEY, TOY, 300)
    np.testing.assert_allclose(compiled.modalities["image"], batch.modalities["image"], rtol=1e-5)
    other = random_like(jax.random.key(1), TOY, 300)
    assert not jnp.array_equal(other.label, batch.label)


def test_good_data_pass():
    check_preset(GOOD, TOY)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"modalities": {"image": GOOD.modalities["image"]}}, r"no modality 'sound', shape \(\*, 4\); got image"),
        (
            {"modalities": GOOD.modalities | {"image": np.zeros((5, 3, 2))}},
            r"'image' has shape \(3, 2\); expected \(2, 3\)",
        ),
        (
            {"modalities": GOOD.modalities | {"sound": np.zeros((5, 4))}},
            r"'sound' has shape \(4,\); expected \(\*, 4\)",
        ),
        ({"label": np.array([0, 3])}, "'label' holds 3; expected classes .* from 0 to 2"),
        ({"label": np.array([0, -2])}, "'label' holds -2"),
        ({"label": np.array([0.5])}, "'label' has shape .* dtype float64"),
        ({"label": np.array([[1]])}, r"'label' has shape \(1, 1\)"),
    ],
)
def test_what_differs_is_named(change, message):
    with pytest.raises(ValueError, match=message) as caught:
        check_preset(GOOD._replace(**change), TOY)
    assert str(caught.value).startswith("toy: ")


def test_targets_are_checked():
    preset = dataclasses.replace(TOY, num_classes=0, num_targets=2)
    check_preset(random_like(KEY, preset, 3), preset)
    with pytest.raises(ValueError, match=r"'label' has shape \(5,\); expected \(n, 2\) targets"):
        check_preset(GOOD, preset)


@pytest.mark.parametrize("label", [{}, {"num_classes": 2, "num_targets": 1}])
def test_a_label_is_classes_or_targets(label):
    with pytest.raises(ValueError, match="either classes or targets"):
        Preset("toy", (), "ours", **label)
