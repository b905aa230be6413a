import dataclasses
import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.data import (
    ImageRenderer,
    ModalityWorld,
    SequenceRenderer,
    SetRenderer,
    TableRenderer,
    WorldModality,
    factor_information,
    render_modality,
    world_maps,
)

SEQUENCE = SequenceRenderer(4, 6)
WORLD = ModalityWorld(
    (
        WorldModality("image", ImageRenderer(3, 3, 2), cluster=1, noise=0.5),
        WorldModality("first", SEQUENCE, cluster=0),
        WorldModality("second", SEQUENCE, cluster=0),
        WorldModality("other", SEQUENCE, cluster=2),
        WorldModality("third", SEQUENCE, cluster=3),
        WorldModality("set", SetRenderer(4, 6), cluster=0, noise=2.0),
        WorldModality("table", TableRenderer(5), cluster=0),
        WorldModality("static", SEQUENCE, carries=False),
    ),
    num_factors=3,
)
NAMES = [one.name for one in WORLD.modalities]
NUM_SAMPLES = 4000


@functools.cache
def maps(angle=None):
    return world_maps(jax.random.key(0), WORLD, angle=angle)


@functools.cache
def factors(num_samples=NUM_SAMPLES):
    return jax.random.normal(jax.random.key(1), (num_samples, 3))


def rendered(name, key=2):
    return render_modality(jax.random.key(key), WORLD, maps(), name, factors())


def test_arrays_have_their_shapes():
    shapes = {"image": (3, 3, 2), "set": (4, 6), "table": (5,)}
    for name in NAMES:
        x, mask = rendered(name)
        assert x.shape == (NUM_SAMPLES, *shapes.get(name, (4, 6)))
        assert (mask is not None) == (name == "set")
    assert maps().loadings["image"].shape == (9, 3, 2)
    assert maps().loadings["table"].shape == (1, 3, 5)


def test_modalities_of_one_cluster_and_renderer_are_the_same_for_the_same_key():
    np.testing.assert_array_equal(maps().loadings["first"], maps().loadings["second"])
    np.testing.assert_array_equal(rendered("first")[0], rendered("second")[0])
    assert np.max(np.abs(rendered("first", key=3)[0] - rendered("second")[0])) > 1
    assert np.max(np.abs(maps().loadings["first"] - maps().loadings["other"])) > 0.5


def test_groups_are_the_clusters_of_each_renderer_and_noise():
    expected = {"image": 0, "first": 1, "second": 1, "other": 2, "third": 3, "set": 4, "table": 5, "static": 6}
    assert WORLD.groups == expected
    more = WorldModality("more static", SEQUENCE, cluster=2, carries=False)
    assert ModalityWorld((*WORLD.modalities, more)).groups == {**expected, "more static": 6}


def test_loadings_of_clusters_are_unrelated_and_of_the_size_stated():
    keys = jax.random.split(jax.random.key(5), 300)
    drawn = jax.vmap(lambda key: world_maps(key, WORLD))(keys).loadings
    for name in NAMES[:-1]:
        assert np.mean(drawn[name] ** 2) == pytest.approx(1 / 3, rel=0.08)
    assert np.mean(drawn["first"] * drawn["other"]) == pytest.approx(0, abs=0.02)
    assert np.max(np.abs(drawn["static"])) == 0


def test_numbers_have_the_moments_of_the_formula():
    for name in ("image", "first", "table"):
        x = np.asarray(rendered(name)[0]).reshape(NUM_SAMPLES, -1)
        b = np.asarray(maps().loadings[name]).transpose(1, 0, 2).reshape(3, -1)
        np.testing.assert_allclose(np.linalg.lstsq(factors(), x, rcond=None)[0], b, atol=0.08)
        noise = x - np.asarray(factors()) @ b
        np.testing.assert_allclose(np.cov(noise.T), WORLD.modality(name).noise ** 2 * np.eye(len(x[0])), atol=0.1)


def test_sets_have_tokens_of_the_formula_and_noise_on_each():
    silent = maps()._replace(noise={**maps().noise, "set": jnp.array(0.0)})
    x, mask = render_modality(jax.random.key(0), WORLD, silent, "set", factors(50))
    full = np.einsum("nf,tfd->ntd", factors(50), maps().loadings["set"])
    distance = np.abs(np.asarray(x)[:, :, None] - full[:, None]).max(3)
    assert np.all(distance.min(2)[np.asarray(mask)] < 1e-5)
    x, mask = rendered("set")
    signal = np.mean(np.sum(np.asarray(maps().loadings["set"]) ** 2, axis=1))
    assert np.asarray(x)[np.asarray(mask)].var() == pytest.approx(2.0**2 + signal, rel=0.05)


def test_noise_tells_nothing_of_the_factors():
    x = np.asarray(rendered("static")[0]).reshape(NUM_SAMPLES, -1)
    np.testing.assert_allclose(np.cov(x.T), np.eye(24), atol=0.12)
    correlation = np.corrcoef(x.T, np.asarray(factors()).T)[:24, 24:]
    assert np.max(np.abs(correlation)) < 0.07
    assert factor_information(maps(), ["static"]) == 0


def test_information_is_the_difference_of_entropies():
    together = ["first", "second", "other", "image"]
    for names in (["image"], ["first"], ["table"], together, [*together, "static"]):
        b = np.concatenate(
            [np.asarray(maps().loadings[name], float).swapaxes(0, 1).reshape(3, -1) for name in names], 1
        )
        noise = np.concatenate([np.full(maps().loadings[n][:, 0].size, WORLD.modality(n).noise ** 2) for n in names])
        # I(s; x) = h(x) - h(x | s) from the covariances of the numbers.
        nats = (np.linalg.slogdet(b.T @ b + np.diag(noise))[1] - np.sum(np.log(noise))) / 2
        assert factor_information(maps(), names) == pytest.approx(nats, rel=1e-4)


def test_information_of_one_factor_in_one_number():
    loadings, noise = {"x": jnp.full((1, 1, 1), 3.0)}, {"x": jnp.array(0.5)}
    expected = np.log(1 + 36) / 2
    assert factor_information(maps()._replace(loadings=loadings, noise=noise), ["x"]) == pytest.approx(expected)


def test_at_angle_0_the_world_is_homogeneous():
    loadings = maps(angle=0.0).loadings
    for name in ("second", "other", "third"):
        np.testing.assert_allclose(loadings[name], loadings["first"], atol=1e-6)
    assert np.max(np.abs(loadings["static"])) == 0
    np.testing.assert_array_equal(loadings["first"], maps().loadings["first"])


@pytest.mark.parametrize("angle", [0.4, 1.5707963, 3.0])
def test_clusters_are_turned_by_the_angle(angle):
    loadings = maps(angle=angle).loadings
    for name in ("other", "third"):
        product = np.sum(loadings["first"] * loadings[name], axis=2)
        np.testing.assert_allclose(product, np.cos(angle) * np.sum(loadings["first"] ** 2, axis=2), atol=1e-5)
        np.testing.assert_allclose(np.sum(loadings[name] ** 2), np.sum(loadings["first"] ** 2), rtol=1e-5)
    assert np.max(np.abs(loadings["other"] - loadings["third"])) > 0.1


def test_other_clusters_have_the_square_of_the_cosine_on_average():
    keys = jax.random.split(jax.random.key(5), 500)
    world = ModalityWorld(tuple(WORLD.modality(name) for name in ("first", "other", "third")))
    drawn = jax.vmap(lambda key: world_maps(key, world, angle=0.8))(keys).loadings
    correlation = np.sum(drawn["other"] * drawn["third"], axis=(1, 2, 3)) / np.sum(drawn["first"] ** 2, axis=(1, 2, 3))
    assert correlation.mean() == pytest.approx(np.cos(0.8) ** 2, abs=0.03)


@pytest.mark.parametrize("dim", [2, 5])
def test_turns_are_the_exponentials_of_skew_matrices(dim):
    world = ModalityWorld(
        (WorldModality("fixed", TableRenderer(dim)), WorldModality("turned", TableRenderer(dim), cluster=1)), dim
    )

    def turn(angle):
        loadings = world_maps(jax.random.key(3), world, angle=angle).loadings
        return jnp.linalg.solve(loadings["fixed"][0], loadings["turned"][0])

    skew = np.asarray(jax.jacfwd(turn)(0.0))
    np.testing.assert_allclose(skew, -skew.T, atol=1e-3)
    expected = np.concatenate([np.ones(dim - dim % 2), np.zeros(dim % 2)])
    np.testing.assert_allclose(np.linalg.svd(skew)[1], expected, atol=1e-3)
    np.testing.assert_allclose(turn(0.7), jax.scipy.linalg.expm(0.7 * skew), atol=1e-3)


def test_a_modality_appended_leaves_the_other_maps():
    more = dataclasses.replace(WORLD, modalities=(*WORLD.modalities, WorldModality("more", TableRenderer(9), 4)))
    drawn = world_maps(jax.random.key(0), more)
    for name in NAMES:
        np.testing.assert_array_equal(drawn.loadings[name], maps().loadings[name])


def test_maps_and_arrays_compile_and_map_over_keys_and_angles():
    world = ModalityWorld((WORLD.modality("first"), WORLD.modality("set"), WORLD.modality("other")))
    keys, angles, s = jax.random.split(jax.random.key(0), 2), jnp.array([0.3, 1.0]), jnp.ones((5, 2))
    chex.clear_trace_counter()

    def draw(key, angle, maps_fn=world_maps):
        drawn = maps_fn(key, world, angle=angle)
        return drawn, [render_modality(key, world, drawn, name, s) for name in ("set", "other")]

    compiled = jax.jit(chex.assert_max_traces(draw, n=1))
    many = jax.vmap(compiled)(keys, angles)
    for i in range(2):
        eager = draw(keys[i], angles[i], world_maps.__wrapped__)
        jax.tree.map(lambda a, b, i=i: np.testing.assert_allclose(a[i], b, atol=1e-5), many, eager)


def test_noise_can_be_replaced_under_jit():
    def spread(noise):
        loud = maps()._replace(noise={**maps().noise, "static": noise})
        return jnp.std(render_modality(jax.random.key(0), WORLD, loud, "static", factors())[0])

    np.testing.assert_allclose(jax.jit(jax.vmap(spread))(jnp.array([0.0, 3.0])), [0, 3], rtol=0.02)


def test_float64(float64):
    world = ModalityWorld((WORLD.modality("table"), WorldModality("set", SetRenderer(4, 6), cluster=1)))
    drawn = world_maps(jax.random.key(0), world, angle=0.5)
    x, _ = render_modality(jax.random.key(0), world, drawn, "set", jnp.ones((2, 2)))
    assert x.dtype == drawn.loadings["set"].dtype == drawn.noise["table"].dtype == jnp.float64


@pytest.mark.parametrize("options", [{"cluster": -1}, {"noise": 0.0}, {"noise": float("nan")}])
def test_clusters_and_noise_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match="cluster must not be negative, and noise be positive"):
        WorldModality("x", SEQUENCE, **options)


def test_what_is_no_world_is_refused():
    twice = (WorldModality("x", SEQUENCE), WorldModality("x", SEQUENCE, cluster=1))
    with pytest.raises(ValueError, match="names of modalities must differ; got x, x"):
        ModalityWorld(twice)
    with pytest.raises(ValueError, match="a modality and a factor"):
        ModalityWorld(())
    with pytest.raises(ValueError, match="num_factors 0"):
        ModalityWorld(twice[:1], num_factors=0)


def test_what_cannot_be_rendered_is_refused():
    with pytest.raises(ValueError, match="no modality 'smell'; there are image, first"):
        render_modality(jax.random.key(0), WORLD, maps(), "smell", factors())
    with pytest.raises(AssertionError):
        render_modality(jax.random.key(0), WORLD, maps(), "first", jnp.ones((2, 4)))


def test_one_channel_cannot_be_turned():
    world = ModalityWorld((WorldModality("mono", SequenceRenderer(4, 1)),))
    assert world_maps(jax.random.key(0), world).loadings["mono"].shape == (4, 2, 1)
    with pytest.raises(ValueError, match="takes two of them; 'mono' has one"):
        world_maps(jax.random.key(0), world, angle=0.1)
