import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from experiments import harness
from experiments.common_individual import leakage
from experiments.common_individual.__main__ import EXPERIMENT, PRESETS, items
from experiments.common_individual.config import Config
from experiments.common_individual.figure import figure
from experiments.common_individual.heads import Heads, representations, train
from experiments.common_individual.maps import share_inside
from experiments.common_individual.probes import score
from experiments.common_individual.requirements import REQUIREMENTS
from experiments.common_individual.systems import ajive, closed_form, principal_components, random_heads, trained
from experiments.common_individual.tables import tables
from mmjax.data import linear_views

pytestmark = pytest.mark.usefixtures("quickly_compiled")

PENALTIES = {
    "products": leakage.quadratic(),
    "cosines": leakage.random_features(),
    "independence": leakage.independence(),
    "adversary": leakage.adversary(),
}


@pytest.fixture(scope="module")
def drawn():
    return linear_views(jax.random.key(0), num_samples=400, dims=(6, 5), num_common=2, num_individual=2)


def same_space(x, y):
    """The smallest canonical correlation of two sets of variates, by least squares."""
    q, r = (np.linalg.qr(z - z.mean(axis=0))[0] for z in map(np.asarray, (x, y)))
    return np.linalg.svd(q.T @ r, compute_uv=False).min()


@pytest.mark.parametrize("stages", [False, True])
def test_trained_linear_heads_find_what_the_closed_form_finds(drawn, stages):
    heads = Heads(2, 2, ridge=1e-5, learning_rate=5e-2, num_steps=1000, batch_size=400, stages=stages)
    found = trained(heads)(jax.random.key(1), drawn.views)
    closed = closed_form(2, 2)(jax.random.key(1), drawn.views)
    np.testing.assert_allclose(found.correlations, closed.correlations, atol=1e-3)
    for ours, theirs in zip(found.variates(drawn.views), closed.variates(drawn.views), strict=True):
        assert min(map(same_space, ours, theirs)) > 0.99


def test_individual_losses_do_not_move_common_heads(drawn):
    made = [
        train(jax.random.key(1), Heads(2, 2, num_steps=5, batch_size=64, decorrelation=weight), drawn.views)
        for weight in (0.0, 5.0)
    ]
    jax.tree.map(np.testing.assert_array_equal, made[0]["common"], made[1]["common"])
    apart = jax.tree.map(lambda x, y: np.max(np.abs(x - y)), made[0]["individual"], made[1]["individual"])
    assert max(jax.tree.leaves(apart)) > 1e-3


@pytest.mark.parametrize("name", PENALTIES)
def test_heads_with_a_penalty_train(drawn, name):
    heads = Heads(2, 2, hidden=(8,), num_steps=3, batch_size=200, penalty=PENALTIES[name])
    params = train(jax.random.key(1), heads, drawn.views)
    common, individual = representations(heads, params, (6, 5))(drawn.views)
    assert all(np.all(np.isfinite(z)) for z in (*common, *individual))


@pytest.mark.parametrize("name", PENALTIES)
def test_penalties_tell_a_square_from_noise(name):
    """Of a component and its square, uncorrelated as they are; the adversary is trained for it here."""
    penalty = PENALTIES[name]
    keys = jax.random.split(jax.random.key(0), 3)
    common, noise = jax.random.normal(keys[0], (2, 400, 1))

    def value(params, individual):
        return penalty.loss(params, keys[1], [individual, individual], [common, common])

    def trained_value(individual):
        params = penalty.init(keys[2], 2, 1, 1)
        if penalty.network is None:
            return value(params, individual)
        step = jax.jit(lambda p: jax.tree.map(lambda x, g: x - 0.02 * g, p, jax.grad(value)(p, individual)))
        for _ in range(100):
            params = step(params)
        return value(params, individual) / -4  # the adversary's error is 5 times in it, and once taken off

    if name in ("products", "cosines", "independence"):
        assert trained_value(common**2) > trained_value(noise) + 0.1
    else:  # the sign of x cannot be read off its square, its size can off its cube
        assert trained_value(common**3) > trained_value(noise) + 0.1


def test_other_systems_split_as_they_should(drawn):
    for system, common_is_common in ((ajive(2, 2), True), (principal_components(2, 2), False)):
        common, individual = system(jax.random.key(1), drawn.views).variates(drawn.views)
        told = same_space(common[0], drawn.common), same_space(individual[0], drawn.common)
        assert [value > 0.8 for value in told] == [common_is_common, not common_is_common]


def test_heads_that_are_not_trained_are_random(drawn):
    fit = random_heads(Heads(2, 2))(jax.random.key(1), drawn.views)
    assert np.all(fit.correlations < 0.9)


def test_probes():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 2))
    halves = x[:400], x[400:]
    squares = tuple(half[:, :1] ** 2 for half in halves)
    assert score(halves, squares) < 0.1
    assert score(halves, squares, cosines=True) > 0.8
    assert score(halves, tuple((half[:, 0] > 0).astype(int) for half in halves)) > 0.95


def test_share_inside():
    energy = jnp.array([[[3.0, 1.0]], [[0.0, 2.0]]])
    assert share_inside(energy, jnp.array([[True, False]])) == 0.375


def rows_of(setting, system, **numbers):
    return {"setting": setting, "seed": 0, "system": system, **numbers}


def test_demands_are_judged_by_the_worst_number():
    rows = [
        rows_of("weak common", "AJIVE", **{"C to z": [0.9, 0.84]}),
        rows_of("weak common", "AJIVE", **{"C to z": [0.9, 0.83]}),
        rows_of("weak common", "AJIVE", **{"C to u": [-0.3, 0.01]}),
    ]
    (table,) = tables(Config(), rows)
    frame = table.frame.set_index("quantity")
    assert frame.loc["C to z", "met"] == "no"
    assert frame.loc["C to z", "worst"] == 0.83
    assert frame.loc["C to u", "met"] == "yes"


def test_the_figure_of_images_says_where_scores_come_from():
    pixels = np.random.default_rng(0).random((4, 20, 20))
    region = np.zeros((2, 20, 20), bool)
    region[0, 2:9, 3:10] = region[1, 10:17, 9:16] = True
    maps = {"image": pixels[:3], "common": pixels[:3], "individual": pixels[:3]}
    maps |= {"mean common": pixels[3], "mean individual": pixels[3]}
    shares = {"common in region": [0.87, 0.88], "individual in region": [0.07, 0.06]}
    shares["common in the other view's region"] = [0.01, 0.02]
    rows = [
        rows_of("images", system, maps={"views": [maps, maps], "region": region.tolist()}, **shares)
        for system in ("heads", "heads, not trained")
    ]
    part = figure(Config(), rows).subfigs[0]
    labels = [axes.get_ylabel() for axes in part.axes]
    assert [text for text in labels if text][:4] == ["view 1", "view 2", "common\n87% in box", "common\n88% in box"]
    assert "common,\nnot trained\n87% in box" in labels
    assert any("2% in\nthe other view's box" in axes.get_title() for axes in part.axes)


def test_every_demand_is_of_a_system_that_is_run():
    from experiments.common_individual.measurement import systems_of

    for requirement in REQUIREMENTS:
        assert requirement.system in systems_of(requirement.setting, thorough=True)


@pytest.fixture
def file(tmp_path):
    def write(views=("image", "sound"), num_samples=200, **more):
        rng = np.random.default_rng(0)
        shared = rng.normal(size=(num_samples, 2))
        arrays = {name: np.c_[shared, rng.normal(size=(num_samples, 3))] @ rng.normal(size=(5, 5)) for name in views}
        path = tmp_path / "data.npz"
        np.savez(path, **{"label": (shared[:, 0] > 0).astype(int)} | arrays | more)
        return path

    return write


def test_a_file_gives_its_spectrum_and_probes(file, tmp_path):
    out = tmp_path / "out"
    made = harness.run(EXPERIMENT, Config(data=file(), num_permutations=49, num_individual=2), out)
    spectrum, classes = (table.frame for table in made)
    np.testing.assert_allclose(spectrum["correlation"][:2], 1, atol=1e-5)
    assert list(spectrum["p"] <= 0.05) == [True, True, False, False]
    assert list(classes["view"]) == ["image", "sound"]
    assert np.all(classes["common"] > 0.9)
    assert np.all(classes["individual"] < 0.75)
    assert (out / "figure.png").stat().st_size > 10_000
    assert set(pd.read_csv(out / "table.csv")["table"]) == {table.name for table in made}


def test_samples_without_a_label_are_split_and_not_probed(file, tmp_path):
    classes = np.random.default_rng(1).integers(0, 2, 200)
    path = file(label=np.where(np.arange(200) % 4 == 0, -1, classes))
    spectrum, probes = harness.run(EXPERIMENT, Config(data=path, num_permutations=19), tmp_path / "out")
    assert len(spectrum.frame) == 4
    assert np.all(probes.frame["all features"] < 0.8)  # taken for a class, they would be one more to get right
    assert "largest class: 0.5" in probes.note or "largest class: 0.4" in probes.note


def test_pairs_of_three_views_have_spectra_of_their_own(file, tmp_path):
    third = np.random.default_rng(3).normal(size=(200, 4))
    made = harness.run(EXPERIMENT, Config(data=file(third=third), num_permutations=19), tmp_path / "out")
    frame = made[0].frame.set_index("views")
    assert list(dict.fromkeys(frame.index)) == ["image, sound", "image, third", "sound, third"]
    np.testing.assert_allclose(frame.loc["image, sound", ["correlation", "held out"]][:2], 1, atol=1e-4)
    assert frame.loc["image, third", "correlation"].max() < 0.6
    assert "1 common components" in made[1].note  # no more than chance between the third and the others


def test_more_common_components_than_features_are_refused(file, capsys, tmp_path):
    path = file()
    arguments = ["--data", str(path), "--num-common", "5", "--num-permutations", "19", "--out", str(tmp_path / "out")]
    assert harness.main(EXPERIMENT, arguments) == 2
    assert "num_common must be at most 4" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("make", "message"),
    [
        ({"views": ("image",)}, "needs two modalities or more; got image"),
        ({"mask_image": np.r_[0, np.ones(199)]}, "some samples lack image"),
        ({"image": np.random.default_rng(0).normal(size=(200, 1))}, "image: needs 2 features or more that vary"),
        ({"num_samples": 12}, "training samples are too few for views of"),
    ],
)
def test_files_that_cannot_be_split_are_refused_in_one_line(file, capsys, tmp_path, make, message):
    out = tmp_path / "out"
    assert harness.main(EXPERIMENT, ["--data", str(file(**make)), "--out", str(out)]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert message in error


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"num_seeds": 0}, "num_seeds must be at least 1"),
        ({"modalities": ("a", "b")}, "give one by --data"),
        ({"data": "x.npz", "modalities": ("a",)}, "two or more, each once"),
        ({"num_common": 0}, "num_common must be at least 1"),
        ({"num_permutations": 18}, "at least 19"),
        ({"settings": ()}, "settings must be one or more"),
    ],
)
def test_configurations_that_cannot_be_run_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        Config(**fields)


def test_items_are_those_of_the_settings_and_seeds():
    made = items(Config(settings=("three views", "digits"), num_seeds=2))
    assert list(made) == ["three_views,seed=0", "three_views,seed=1", "digits"]
    assert PRESETS["full"].num_seeds == 3
