import itertools
import types

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from experiments import harness
from experiments.disagreement import objectives
from experiments.disagreement import trial as trial_module
from experiments.disagreement.__main__ import EXPERIMENT
from experiments.disagreement.config import NAMES, Config
from experiments.disagreement.figure import figure
from experiments.disagreement.networks import Critic, Network
from experiments.disagreement.objectives import OBJECTIVES
from experiments.disagreement.tables import chosen, of_label, tables
from experiments.disagreement.trial import make_trial, pre_training, probed
from experiments.disagreement.worlds import LABELS, WORLDS
from experiments.reproduce.synergy_readings import pretrained
from mmjax.competition import linear_probe, probe_logits
from mmjax.data import Splits, batch_of
from mmjax.estimators import info_nce, nce_club
from mmjax.training import TrainConfig, make_fit

pytestmark = pytest.mark.usefixtures("quickly_compiled", "optax_promotes")
NETWORK, WIDE = Network(4), Network(16)


def views():
    first, second = (jnp.asarray(x, jnp.float32) for x in np.random.default_rng(0).normal(size=(2, 2, 6, 3)))
    return tuple(first), tuple(second)


def parameters(objective, network=NETWORK):
    return network.init(jax.random.key(0), *views(), jax.random.key(1), method=objective)


def value(objective, variables, network=NETWORK):
    return network.apply(variables, *views(), jax.random.key(1), method=objective)


@pytest.mark.parametrize("name", WORLDS)
def test_labels_of_a_world_are_told_by_those_who_should(name):
    world = WORLDS[name]
    pairs = world.draw(jax.random.key(0), 4000)
    labels = {of: np.asarray(pairs.labels[of]) for of in LABELS}
    assert {of: len(np.unique(label)) for of, label in labels.items()} == dict(world.num_classes)
    binary = [labels["unique 1"] >= world.num_classes["unique 1"] // 2]
    binary += [labels["unique 2"] >= world.num_classes["unique 2"] // 2]
    np.testing.assert_array_equal(labels["synergy"], binary[0] ^ binary[1])
    for first, second in (("unique 1", "synergy"), ("unique 2", "synergy"), ("redundancy", "synergy")):
        share = [np.mean(labels[second][labels[first] == c]) for c in np.unique(labels[first])]
        np.testing.assert_allclose(share, 0.5, atol=0.06)


def probe_accuracies(name, which):
    """By linear probes of a modality as it is."""
    world = WORLDS[name]
    pairs = world.draw(jax.random.key(0), 3000)
    x = getattr(pairs, which).reshape(3000, -1)
    found = {}
    for label, num_classes in world.num_classes.items():
        probe = linear_probe(x[:2000], pairs.labels[label][:2000], num_classes=num_classes)
        right = jnp.argmax(probe_logits(probe, x[2000:]), axis=1) == pairs.labels[label][2000:]
        found[label] = float(jnp.mean(right)) * num_classes  # chance is 1
    return found


@pytest.mark.parametrize("name", WORLDS)
@pytest.mark.parametrize(("which", "own", "other"), [("x1", "unique 1", "unique 2"), ("x2", "unique 2", "unique 1")])
def test_a_modality_tells_its_own_label_and_no_other(name, which, own, other):
    found = probe_accuracies(name, which)
    assert found[own] > 1.6 and found["redundancy"] > 1.25
    assert found[other] == pytest.approx(1, abs=0.15) and found["synergy"] == pytest.approx(1, abs=0.1)


def test_a_view_of_vectors_is_near_them():
    world = WORLDS["vectors"]
    x = world.draw(jax.random.key(0), 2000).x1
    noise = np.asarray(world.view(jax.random.key(1), x) - x)
    assert np.std(noise) == pytest.approx(0.3, rel=0.05) and np.std(noise) < np.std(np.asarray(x))
    assert abs(np.corrcoef(noise.ravel(), np.asarray(x).ravel())[0, 1]) < 0.02


def test_views_of_images_are_rolled_each_its_own_way(monkeypatch):
    monkeypatch.setattr("experiments.disagreement.worlds.PIXEL_NOISE", 0.0)
    images = np.asarray(WORLDS["images"].draw(jax.random.key(0), 32).x1)
    moved = np.asarray(WORLDS["images"].view(jax.random.key(1), images))
    shifts = list(itertools.product(range(-2, 3), repeat=2))
    found = [
        {shift for shift in shifts if np.array_equal(np.roll(image, shift, (0, 1)), of)}
        for image, of in zip(images, moved, strict=True)
    ]
    assert all(found)
    assert not set.intersection(*found)


def test_disagreement_relaxes_prediction_to_that_by_the_mean_score():
    variables = parameters(OBJECTIVES["disagreement"])

    def of_mean_score(network, view, other, key):
        first, second = objectives._predictions(network, view, other)
        return -info_nce((first + second) / 2)

    relaxed, alone = (value(OBJECTIVES[name], variables) for name in ("disagreement", "prediction"))
    np.testing.assert_allclose(relaxed, value(of_mean_score, variables), rtol=1e-5)
    assert relaxed < alone
    assert jax.tree.structure(variables) == jax.tree.structure(parameters(OBJECTIVES["prediction"]))


def test_both_is_the_sum():
    variables = parameters(OBJECTIVES["both"])
    parts = [value(OBJECTIVES[name], variables) for name in ("agreement", "disagreement")]
    np.testing.assert_allclose(value(OBJECTIVES["both"], variables), sum(parts), rtol=1e-6)


def test_the_critic_of_an_upper_bound_is_trained_by_info_nce_and_held_for_the_latents():
    critic_of = lambda params: Critic(4).bind({"params": params["critics_common"]})  # noqa: E731
    (x, y), _ = views()

    def upper(params, x, y):
        return NETWORK.apply({"params": params}, x, y, method=lambda net, x, y: objectives._upper(net, "common", x, y))

    params = NETWORK.init(jax.random.key(0), x, y, method=lambda net, x, y: objectives._upper(net, "common", x, y))
    params = params["params"]
    np.testing.assert_allclose(upper(params, x, y), nce_club(critic_of(params)(x, y)), rtol=1e-6)
    of_params, of_x = jax.grad(upper, (0, 1))(params, x, y)
    trained = jax.grad(lambda params: -info_nce(critic_of(params)(x, y)))(params)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), of_params, trained)
    np.testing.assert_allclose(of_x, jax.grad(lambda x: nce_club(critic_of(params)(x, y)))(x), atol=1e-5)


def test_what_is_absent_does_not_enter_the_fusion():
    (x1, x2), (y1, _) = views()

    def alone(network, x1, x2):
        latents = network.encode(x1, x2)
        return network.fuse(latents, (jnp.zeros_like(latents[0]), jnp.ones_like(latents[1])))

    variables = NETWORK.init(jax.random.key(0), x1, x2, method=alone)
    of = [NETWORK.apply(variables, x, x2, method=alone) for x in (x1, y1)]
    np.testing.assert_array_equal(*of)


def test_what_stands_for_an_absent_latent_may_be_negative():
    (x1, x2), _ = views()

    def nothing(network, x1, x2):
        latents = network.encode(x1, x2)
        of = tuple(jnp.zeros_like(latent) for latent in latents)
        stands_in = jnp.broadcast_to(network.absent.reshape(1, -1), (len(x1), 8))
        return network.fuse(latents, of), jax.nn.relu(network.fusion(stands_in))

    fused, expected = NETWORK.apply(NETWORK.init(jax.random.key(0), x1, x2, method=nothing), x1, x2, method=nothing)
    np.testing.assert_allclose(fused, expected, rtol=1e-6)


def test_fused_views_are_recognised_whole_and_by_each_modality_alone():
    """CoMM's three terms, each both ways and from both views."""

    def terms(network, view, other, _):
        a, b = network.encode(*view), network.encode(*other)
        ones, zeros = jnp.ones_like(a[0]), jnp.zeros_like(a[0])
        score = lambda x, y: network.critics["fused"](x, y)  # noqa: E731
        return jnp.stack(
            [
                info_nce(way)
                for present in ((ones, ones), (ones, zeros), (zeros, ones))
                for x, y in ((a, b), (b, a))
                for of in [score(network.fuse(x, present), network.fuse(y))]
                for way in (of, of.T)
            ]
        )

    variables = parameters(OBJECTIVES["CoMM"])
    np.testing.assert_allclose(value(OBJECTIVES["CoMM"], variables), -value(terms, variables).mean(), rtol=1e-5)


def test_masked_terms_are_two_of_five():
    variables = parameters(OBJECTIVES["InfMasking"])

    def masked(network, view, other, key):
        return sum(
            objectives._masked_term(network, of, k) for of, k in zip((view, other), jax.random.split(key), strict=True)
        )

    expected = (3 * value(OBJECTIVES["CoMM"], variables) + value(masked, variables)) / 5
    np.testing.assert_allclose(value(OBJECTIVES["InfMasking"], variables), expected, rtol=1e-5)


def test_masks_that_keep_all_leave_no_spread(monkeypatch):
    """Then the loss is the cross-entropy of the pair among all copies of the others, masked and whole, and itself."""
    monkeypatch.setattr(objectives, "KEPT", 1.0)

    def masked(network, view, other, key):
        return objectives._masked_term(network, view, key)

    def plain(network, view, other, key):
        whole = network.fuse(network.encode(*view))
        scores = network.critics["fused"](whole, whole)
        others = jnp.where(jnp.eye(len(scores), dtype=bool), -jnp.inf, scores + jnp.log(objectives.NUM_MASKS + 1))
        own = jnp.diagonal(scores)
        return jnp.mean(jnp.logaddexp(own, jax.nn.logsumexp(others, axis=1)) - own)

    variables = parameters(masked)
    np.testing.assert_allclose(value(masked, variables), value(plain, variables), rtol=1e-5)


def test_what_masks_differ_by_weighs_half_its_variance():
    """By the embeddings of the masks that were drawn, in NumPy."""
    key = jax.random.key(3)

    def masked(network, view, other, _):
        return objectives._masked_term(network, view, key)

    def embedded(network, view, other, _):
        latents = network.encode(*view)
        whole = network.fuse(latents)
        found = []
        for of_mask in jax.random.split(key, objectives.NUM_MASKS):
            keys = jax.random.split(of_mask)
            kept = [jax.random.bernoulli(k, 0.3, x.shape) for k, x in zip(keys, latents, strict=True)]
            found.append(network.critics["fused"].embed(whole, network.fuse(latents, tuple(kept))))
        return found, network.critics["fused"].embed(whole, whole)[1]

    variables = parameters(masked)
    found, itself = value(embedded, variables)
    query, masks = np.asarray(found[0][0], float), np.array([of for _, of in found], float)
    losses = []
    for i in range(len(query)):
        own = masks[:, i] @ query[i] / 0.1
        others = np.concatenate([masks, itself[None]])
        others = np.exp(np.delete(others, i, axis=1) @ query[i] / 0.1).sum()
        losses.append(np.log(np.exp(own.mean() + own.var() / 2) + others) - own.mean())
    np.testing.assert_allclose(value(masked, variables), np.mean(losses), rtol=1e-4)


def test_the_terms_of_the_factorised_objective():
    def terms(network, view, other, _):
        (a1, a2), (b1, b2) = network.encode(*view), network.encode(*other)
        given = jnp.concatenate([a1[:, :2], b1[:, :2]], axis=1), jnp.concatenate([a2[:, :2], b2[:, :2]], axis=1)
        of_unique = jnp.concatenate([a1[:, 2:], b1[:, 2:]], axis=1), jnp.concatenate([a2[:, 2:], b2[:, 2:]], axis=1)
        score = lambda name, x, y: network.critics[name](x, y)  # noqa: E731
        return (
            info_nce(score("shared", a1[:, :2], a2[:, :2])) - nce_club(score("shared given views", *given)),
            info_nce(score("unique 1", a1[:, 2:], b1[:, 2:])) + info_nce(score("unique 2", a2[:, 2:], b2[:, 2:])),
            info_nce(score("common given views", *of_unique)) - nce_club(score("common", a1[:, 2:], a2[:, 2:])),
        )

    variables = parameters(OBJECTIVES["FactorCL"])
    shared, each, between = value(terms, variables)
    np.testing.assert_allclose(value(OBJECTIVES["FactorCL"], variables), -(shared + each + 2 * between), rtol=1e-4)


def test_agreement_is_info_nce_of_cosines_both_ways():
    """In NumPy, of the first modality of a view and the second of the other."""
    variables = parameters(OBJECTIVES["agreement"], WIDE)

    def embedded(network, view, other, key):
        return network.critics["modalities"].embed(network.encode(*view)[0], network.encode(*other)[1])

    first, second = (np.asarray(x, float) for x in value(embedded, variables, WIDE))
    for of in (first, second):
        np.testing.assert_allclose(np.linalg.norm(of, axis=1), 1, rtol=1e-5)
    scores = first @ second.T / 0.1
    ways = [np.mean(np.diag(s) - np.log(np.mean(np.exp(s), axis=1))) for s in (scores, scores.T)]
    np.testing.assert_allclose(value(OBJECTIVES["agreement"], variables, WIDE), -np.mean(ways), rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "least"), [(name, 1) for name in OBJECTIVES if name not in ("both", "FactorCL")] + [("both", 2)]
)
def test_what_is_learned_nears_the_most_that_a_batch_can_tell(name, least):
    """Of b pairs log b nat, of each of the terms of `both`; nothing is told by independent latents, at 0."""
    variables = parameters(OBJECTIVES[name], WIDE)
    slope = jax.jit(jax.grad(lambda variables: value(OBJECTIVES[name], variables, WIDE)))
    before = value(OBJECTIVES[name], variables, WIDE)
    optimizer = optax.adam(1e-2)
    state = optimizer.init(variables)
    for _ in range(60):
        updates, state = optimizer.update(slope(variables), state)
        variables = optax.apply_updates(variables, updates)
    after = value(OBJECTIVES[name], variables, WIDE)
    assert -least * np.log(6) <= after < before - 0.3 * np.log(6)


def test_training_lowers_what_is_minimised_on_two_views_of_each_batch():
    world, network = WORLDS["vectors"], Network(8)
    pairs = world.draw(jax.random.key(0), 256)
    batch = batch_of({"x1": pairs.x1, "x2": pairs.x2}, pairs.labels["synergy"])
    config = TrainConfig(num_segments=6, steps_per_segment=30, batch_size=64, drop_last=True)
    objective = pre_training(network, world, OBJECTIVES["prediction"], lambda *_: {"loss": jnp.float32(0)}, pairs)
    run = make_fit(config, objective).train(
        jax.random.key(1), {"learning_rate": jnp.float32(1e-2)}, Splits(batch, pairs, pairs)
    )
    assert run["train"]["loss"][-1] < run["train"]["loss"][0] - 0.5

    def apart(network, view, other, key):
        of_source = [jnp.std(x - y) for of in (view, other) for x, y in zip(of, (pairs.x1, pairs.x2), strict=True)]
        return jnp.stack([*of_source, *(jnp.std(x - y) for x, y in zip(view, other, strict=True))])

    params = network.init(jax.random.key(2), pairs.x1, pairs.x2)["params"]
    found, _ = pre_training(network, world, apart, lambda *_: {}, pairs).loss(params, {}, (), batch, jax.random.key(3))
    np.testing.assert_allclose(found[:4], 0.3, rtol=0.1)
    np.testing.assert_allclose(found[4:], 0.3 * np.sqrt(2), rtol=0.1)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_objectives_are_finite_and_have_finite_derivatives(name):
    variables = parameters(OBJECTIVES[name])
    loss, gradient = jax.jit(jax.value_and_grad(lambda variables: value(OBJECTIVES[name], variables)))(variables)
    assert np.isfinite(loss)
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(gradient))
    assert any(np.any(leaf != 0) for leaf in jax.tree.leaves(gradient["params"]["encoder1"]))


def trials():
    """Two seeds and rates of three objectives; the second rate is better by validation and worse by test."""
    return [
        {"world": "vectors", "objective": objective, "learning_rate": rate, "seed": seed}
        | {"valid/loss": 0.3 - 10 * rate}
        | {f"test/{label}": 0.6 + 0.1 * place + 0.01 * seed - 10 * rate for label in LABELS}
        for place, objective in enumerate(("untrained", "agreement", "disagreement"))
        for rate in (1e-3, 3e-3)
        for seed in (1, 0)
    ]


def test_rates_are_chosen_by_validation_and_differences_paired():
    config = Config(objectives=("untrained", "agreement", "disagreement"))
    (table,) = tables(config, trials())
    row = table.frame.set_index("objective").loc["disagreement"]
    assert row["rate"] == "0.003" and table.frame["rate"][0] == ""
    np.testing.assert_allclose(row["synergy"], 77.5)
    assert row["synergy over agreement"] == "+10.0 [+10.0, +10.0]"
    assert row["synergy over untrained"] == "+20.0 [+20.0, +20.0]"
    assert table.frame.set_index("objective").loc["agreement", "synergy over agreement"] == ""
    np.testing.assert_allclose(of_label(chosen(trials(), "vectors"), "agreement", "synergy"), [67.0, 68.0])
    panels = figure(config, trials()).axes
    assert [panel.get_title() for panel in panels] == [f"vectors: {label}" for label in LABELS]


def test_the_ledger_reads_the_table():
    config = Config(objectives=("untrained", "agreement", "disagreement", "both"))
    both = [row | {"objective": "both"} for row in trials() if row["objective"] == "disagreement"]
    (table,) = tables(config, [*trials(), *both])
    found = pretrained(types.SimpleNamespace(table={"Probes of vectors": table.frame}.__getitem__)).text
    assert found.count("+10.0 [+10.0, +10.0], over none +20.0 [+20.0, +20.0]") == 2


def test_a_trial_reads_labels_off_trained_latents():
    static = {"world": "vectors", "width": 8, "num_samples": 256, "num_labelled": 256}
    static |= {"num_steps": 50, "batch_size": 128}
    found = {}
    for name in ("untrained", "agreement"):
        trial, data = make_trial(static | {"objective": name})
        found[name] = jax.jit(trial)(jax.random.key(0), {"learning_rate": jnp.float32(1e-2)}, data)
    for of in found.values():
        accuracies = np.array([of["valid"][label] for label in LABELS])
        np.testing.assert_allclose(of["valid"]["loss"], 1 - accuracies.mean(), rtol=1e-5)
        assert np.all((accuracies > 0.4) & (accuracies <= 1))
    assert found["agreement"]["test"]["redundancy"] > 0.75
    assert found["agreement"]["test"] != found["untrained"]["test"]


def test_probes_are_chosen_and_tested_on_pairs_of_their_own(monkeypatch):
    """A trial's numbers are of slices of what it draws: 64 pairs to train on, those to choose by, those of the test."""
    monkeypatch.setattr(trial_module, "probed", lambda *of: {"loss": jnp.mean(of[-1].x1)})
    static = {"world": "vectors", "width": 4, "num_samples": 64, "num_labelled": 64, "num_steps": 5, "batch_size": 64}
    trial, data = make_trial(static | {"objective": "untrained"})
    found = trial(jax.random.key(0), {"learning_rate": jnp.float32(1e-2)}, data)
    drawn = WORLDS["vectors"].draw(jax.random.split(jax.random.key(0))[0], 64 + 2 * trial_module.NUM_TEST).x1
    np.testing.assert_allclose(found["valid"]["loss"], np.mean(drawn[64 : 64 + trial_module.NUM_TEST]), rtol=1e-4)
    np.testing.assert_allclose(found["test"]["loss"], np.mean(drawn[64 + trial_module.NUM_TEST :]), rtol=1e-4)


def test_training_that_diverged_has_no_accuracy():
    world, network = WORLDS["vectors"], Network(4)
    pairs = world.draw(jax.random.key(0), 64)
    variables = network.init(jax.random.key(1), pairs.x1, pairs.x2)
    found = probed(network, world, pairs, variables, pairs)
    assert all(0 <= of <= 1 for of in found.values())
    lost = probed(network, world, pairs, jax.tree.map(lambda x: x * jnp.nan, variables), pairs)
    assert all(np.isnan(of) for of in lost.values())


def test_untrained_networks_start_as_trained_ones_do():
    """With a learning rate of nothing both have the same accuracies."""
    static = {"world": "vectors", "width": 4, "num_samples": 64, "num_labelled": 64, "num_steps": 5, "batch_size": 64}
    found = []
    for name in ("untrained", "CoMM"):
        trial, data = make_trial(static | {"objective": name})
        found.append(trial(jax.random.key(0), {"learning_rate": jnp.float32(0)}, data)["test"])
    assert {k: float(v) for k, v in found[0].items()} == {k: float(v) for k, v in found[1].items()}


def test_the_command_writes_its_table_and_reads_a_finished_run(tmp_path, capsys):
    small = ["--objectives", "untrained", "--num-samples", "128", "--num-labelled", "64", "--width", "4"]
    arguments = [*small, "--num-seeds", "1", "--out", str(tmp_path / "out")]
    assert harness.main(EXPERIMENT, arguments) == 0
    assert "Probes of vectors" in capsys.readouterr().out
    assert (tmp_path / "out" / "figure.png").stat().st_size > 0
    assert harness.main(EXPERIMENT, arguments) == 0
    assert "is finished" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--objectives", "infonce"], ["infonce", *NAMES]),
        (["--worlds", "audio"], ["audio", "vectors", "images"]),
        (["--num-labelled", "9000"], ["9000", "4096"]),
        (["--num-samples", "100"], ["batch_size", "100", "128"]),
        (["--rates", "0"], ["rates", "positive"]),
        (["--rates", "1e-3", "1e-3"], ["rates", "each once"]),
        (["--objectives", "untrained", "untrained"], ["objectives", "each once"]),
        (["--worlds", "vectors", "vectors"], ["worlds", "each once"]),
        (["--num-steps", "7"], ["num_steps", "multiple of 5", "7"]),
        (["--num-steps", "20000000000"], ["num_steps", "below 2^31"]),
        (["--seed", "3000000000"], ["seed", "below 2^31"]),
    ],
)
def test_what_cannot_be_run_is_refused(refusal, arguments, words):
    error = refusal(EXPERIMENT, arguments)
    assert all(word in error for word in words)
