import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.data import (
    GATES,
    HETEROGENEITY_SUITE,
    PAIR_RULES,
    SEQUENCE_SUITE,
    GatesRule,
    MixedRule,
    ModalityWorld,
    PairRule,
    QuadrantRule,
    SequenceRenderer,
    SetRenderer,
    WorldModality,
    WorldSuite,
    WorldTask,
    interaction_class,
    sample_task,
    world_maps,
)
from mmjax.information import joint_table
from mmjax.pid import broja

NUM_SAMPLES = 20_000
WORLD = ModalityWorld(
    (
        WorldModality("a", SequenceRenderer(3, 4), cluster=0),
        WorldModality("b", SequenceRenderer(3, 4), cluster=0),
        WorldModality("c", SequenceRenderer(3, 4), cluster=1),
        WorldModality("d", SetRenderer(4, 5), cluster=1),
        WorldModality("e", SequenceRenderer(3, 4), cluster=1),
    )
)
QUADRANT = QuadrantRule()
PARTS = {
    "and": (0.311278, 0, 0, 0.5),
    "xor": (0, 0, 0, 1),
    "unique1": (0, 1, 0, 0),
    "unique2": (0, 0, 1, 0),
    "redundant": (1, 0, 0, 0),
}


@functools.cache
def drawn_maps():
    return world_maps(jax.random.key(0), WORLD)


def sample(names, rule, seed=1, num_samples=NUM_SAMPLES):
    return sample_task(jax.random.key(seed), WORLD, drawn_maps(), WorldTask("y", names, rule), num_samples=num_samples)


def bits_of(rule, seed=0):
    factors, label = rule.sample(jax.random.key(seed), (2, NUM_SAMPLES, 3))
    return (factors[:, :, 0] > 0).astype(jnp.int32), label


@pytest.mark.parametrize("name", PAIR_RULES)
def test_bits_of_pair_rules_follow_their_gate_and_its_decomposition(name):
    (b1, b2), label = bits_of(PAIR_RULES[name])
    p = joint_table(b1, b2, label, sizes=(2, 2, 2))
    np.testing.assert_allclose(p, GATES[name], atol=0.015)
    np.testing.assert_array_equal(p[GATES[name] == 0], 0)
    pid = broja(p)
    np.testing.assert_allclose([pid.redundancy, pid.unique1, pid.unique2, pid.synergy], PARTS[name], atol=0.02)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_mixtures_have_the_mixture_of_the_tables(share):
    (b1, b2), label = bits_of(MixedRule(PAIR_RULES["xor"], PAIR_RULES["redundant"], share))
    expected = (1 - share) * GATES["xor"] + share * GATES["redundant"]
    np.testing.assert_allclose(joint_table(b1, b2, label, sizes=(2, 2, 2)), expected, atol=0.015)


def test_mixing_moves_from_synergy_to_redundancy():
    found = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        (b1, b2), label = bits_of(MixedRule(PAIR_RULES["xor"], PAIR_RULES["redundant"], share))
        pid = broja(joint_table(b1, b2, label, sizes=(2, 2, 2)))
        found.append((pid.redundancy, pid.synergy))
    redundancy, synergy = np.array(found).T
    assert np.all(np.diff(redundancy) > 0.02)
    assert np.all(np.diff(synergy) < -0.02)


@pytest.mark.parametrize(
    "rule", [*PAIR_RULES.values(), MixedRule(PAIR_RULES["and"], PAIR_RULES["redundant"], 0.4), QUADRANT]
)
def test_factors_are_standard_and_shared_or_independent(rule):
    factors, label = rule.sample(jax.random.key(0), (2, NUM_SAMPLES, 3))
    assert (factors.shape, label.shape, label.dtype) == ((2, NUM_SAMPLES, 3), (NUM_SAMPLES,), jnp.int32)
    share = {True: 1.0, False: 0.0}.get(getattr(rule, "same_factors", rule == QUADRANT))
    share = rule.share if isinstance(rule, MixedRule) else share
    expected = np.kron([[1, share], [share, 1]], np.eye(3))
    np.testing.assert_allclose(np.cov(np.concatenate(factors, axis=1).T), expected, atol=0.05)
    assert set(np.unique(label)) == set(range(rule.num_classes))


def test_the_label_of_three_quadrants_is_read_from_the_signs():
    task_sample = sample(("a", "c", "d"), QuadrantRule(2), num_samples=2000)
    for name in ("a", "c", "d"):
        np.testing.assert_array_equal(task_sample.factors[name], task_sample.factors["a"])
    signs = np.asarray(task_sample.factors["a"]) > 0
    np.testing.assert_array_equal(task_sample.batch.label, signs[:, 0] + 2 * signs[:, 1])
    np.testing.assert_allclose(np.bincount(task_sample.batch.label) / 2000, 1 / 4, atol=0.04)


def test_samples_are_a_batch_of_what_the_factors_show():
    batch, factors = sample(("d", "a"), PAIR_RULES["xor"])
    assert set(batch.modalities) == {"a", "d"}
    assert batch.modalities["d"].shape == (NUM_SAMPLES, 4, 5)
    assert (batch.masks["d"].shape, batch.masks["a"].shape) == ((NUM_SAMPLES, 4), (NUM_SAMPLES,))
    assert np.all(batch.masks["a"]) and np.all(batch.weight == 1)
    np.testing.assert_array_equal(batch.label, (factors["d"][:, 0] > 0) ^ (factors["a"][:, 0] > 0))
    x = np.asarray(batch.modalities["a"]).reshape(NUM_SAMPLES, -1)
    b = np.asarray(drawn_maps().loadings["a"]).transpose(1, 0, 2).reshape(2, -1)
    np.testing.assert_allclose(np.linalg.lstsq(factors["a"], x, rcond=None)[0], b, atol=0.03)
    np.testing.assert_allclose(np.linalg.lstsq(factors["d"], x, rcond=None)[0], 0, atol=0.03)


def test_noise_of_modalities_is_independent():
    batch, factors = sample(("a", "b"), QUADRANT)
    b = np.asarray(drawn_maps().loadings["a"])
    noise = [np.asarray(x) - np.einsum("nf,tfd->ntd", factors["a"], b) for x in batch.modalities.values()]
    assert np.max(np.abs(np.mean(noise[0] * noise[1], axis=0))) < 0.04


def test_swapped_rules_are_the_rules_of_the_reversed_pair():
    for rule in (*PAIR_RULES.values(), MixedRule(PAIR_RULES["unique1"], PAIR_RULES["and"], 0.5)):
        (b1, b2), label = bits_of(rule)
        (c1, c2), swapped = bits_of(rule.swapped)
        p = joint_table(b1, b2, label, sizes=(2, 2, 2))
        np.testing.assert_allclose(p.swapaxes(0, 1), joint_table(c1, c2, swapped, sizes=(2, 2, 2)), atol=0.02)
    assert PAIR_RULES["unique1"].swapped == PAIR_RULES["unique2"]
    assert {name for name, rule in PAIR_RULES.items() if rule.swapped == rule} == {"and", "xor", "redundant"}


def test_interactions_are_equal_for_equal_rules_and_groups_in_any_order():
    xor, unique1, unique2 = PAIR_RULES["xor"], PAIR_RULES["unique1"], PAIR_RULES["unique2"]
    of = functools.partial(interaction_class, WORLD)
    assert of(xor, ("a", "c")) == of(xor, ("b", "e")) == of(xor, ("c", "b"))
    assert of(QUADRANT, ("a", "c")) == of(QUADRANT, ("e", "b"))
    assert of(unique1, ("a", "c")) == of(unique2, ("c", "a")) == of(unique2, ("e", "b"))
    assert of(unique1, ("a", "b")) == of(unique2, ("a", "b"))
    different = [
        of(xor, ("a", "c")),
        of(xor, ("a", "b")),
        of(xor, ("a", "d")),
        of(xor, ("c", "d")),
        of(PAIR_RULES["and"], ("a", "c")),
        of(PAIR_RULES["redundant"], ("a", "c")),
        of(QUADRANT, ("a", "c")),
        of(QuadrantRule(1), ("a", "c")),
        of(unique1, ("a", "c")),
        of(unique2, ("a", "c")),
        of(MixedRule(xor, unique1, 0.2), ("a", "c")),
        of(MixedRule(xor, unique1, 0.3), ("a", "c")),
    ]
    assert len(set(different)) == len(different)
    with pytest.raises(ValueError, match="no modality 'z'"):
        of(xor, ("a", "z"))


def test_sampling_compiles_and_maps_over_keys_and_maps():
    task = WorldTask("y", ("a", "d"), MixedRule(PAIR_RULES["xor"], PAIR_RULES["redundant"], 0.5))
    keys = jax.random.split(jax.random.key(3), 2)
    maps = jax.vmap(lambda key: world_maps(key, WORLD))(keys)
    draw = functools.partial(sample_task, world=WORLD, task=task, num_samples=6)
    many = jax.jit(jax.vmap(lambda key, maps: draw(key, maps=maps)))(keys, maps)
    one = jax.tree.map(lambda x: x[1], maps)
    eager = draw(keys[1], maps=one)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a[1], b, atol=1e-5), many, eager)
    jax.tree.map(np.testing.assert_array_equal, draw(keys[1], maps=one), eager)
    assert np.any(many.batch.modalities["a"][0] != many.batch.modalities["a"][1])


def test_one_sample_and_float64(float64):
    maps = jax.tree.map(lambda x: x.astype(float), drawn_maps())
    task = WorldTask("y", ("d", "a"), PAIR_RULES["and"])
    batch, _ = sample_task(jax.random.key(0), WORLD, maps, task, num_samples=1)
    assert batch.modalities["d"].shape == (1, 4, 5)
    assert (batch.modalities["a"].dtype, batch.label.dtype) == (jnp.float64, jnp.int32)


def guesses(x, signs):
    """Guess signs (n, k) on the second half of the samples from the least squares of the first."""
    half = len(x) // 2
    return x[half:] @ np.linalg.lstsq(x[:half], 2.0 * signs[:half] - 1, rcond=None)[0] > 0


def test_further_modalities_help_and_each_is_better_than_chance():
    world, names = HETEROGENEITY_SUITE.world, ("vitals", "audio", "camera", "lidar")
    maps = world_maps(jax.random.key(0), world)
    task = WorldTask("y", names, QUADRANT)
    batch, factors = sample_task(jax.random.key(1), world, maps, task, num_samples=NUM_SAMPLES)
    flat = {name: np.asarray(batch.modalities[name]).reshape(NUM_SAMPLES, -1) for name in names}
    flat["lidar"] = np.sum(batch.modalities["lidar"], axis=1) / np.mean(batch.masks["lidar"], axis=1)[:, None]
    signs = np.asarray(factors["vitals"]) > 0

    def accuracy(some):
        guess = guesses(np.concatenate([flat[name] for name in some], axis=1), signs)
        return np.mean(np.all(guess == signs[NUM_SAMPLES // 2 :], axis=1))

    for name in names:
        assert 0.6 < accuracy([name]) < 0.9  # chance is 1 / 4
    grown = [accuracy(names[:count]) for count in range(1, 4)]
    assert np.all(np.diff(grown) > 0.01)


def test_synergy_is_invisible_to_linear_models_and_seen_by_the_product_of_the_modalities():
    world = HETEROGENEITY_SUITE.world
    (task,) = (task for task in HETEROGENEITY_SUITE.tasks if task.name == "irony")
    maps = world_maps(jax.random.key(0), world)
    batch, factors = sample_task(jax.random.key(1), world, maps, task, num_samples=NUM_SAMPLES)
    flat = [np.asarray(batch.modalities[name]).reshape(NUM_SAMPLES, -1) for name in task.modalities]
    label = np.asarray(batch.label)[:, None] == 1
    tested = label[NUM_SAMPLES // 2 :]
    assert np.mean(guesses(np.concatenate(flat, axis=1), label) == tested) == pytest.approx(0.5, abs=0.03)
    bits = [guesses(x, np.asarray(factors[name])[:, :1] > 0) for x, name in zip(flat, task.modalities, strict=True)]
    assert np.mean((bits[0] ^ bits[1]) == tested) > 0.75


def test_the_suite_is_what_it_says():
    world, tasks = HETEROGENEITY_SUITE.world, HETEROGENEITY_SUITE.tasks
    assert (len(world.modalities), len(tasks), len(set(world.groups.values()))) == (10, 15, 6)
    assert len({type(one.renderer) for one in world.modalities}) == len({one.cluster for one in world.modalities}) == 4
    used = [name for task in tasks for name in task.modalities]
    assert min(used.count(one.name) for one in world.modalities) >= 2
    assert {len(task.modalities) for task in tasks} == {1, 2, 3}
    assert set(PAIR_RULES.values()) < {task.rule for task in tasks}
    classes = {
        task.name: interaction_class(world, task.rule, task.modalities) for task in tasks if len(task.modalities) == 2
    }
    same = {(a, b) for a in classes for b in classes if a < b and classes[a] == classes[b]}
    assert same == {("scene", "speaker"), ("humour", "irony")}
    hash(HETEROGENEITY_SUITE)


def test_the_sequences_are_what_they_say():
    world, tasks = SEQUENCE_SUITE.world, SEQUENCE_SUITE.tasks
    assert list(world.groups.values()) == [0, 0, 0, 1, 1, 2]
    assert {(one.renderer, one.noise) for one in world.modalities} == {(SequenceRenderer(6, 8), 0.7)}
    assert [(task.name, task.modalities, task.rule.num_classes) for task in tasks] == [
        (f"y{m}", (f"x{m}",), 4) for m in range(1, 7)
    ]


@pytest.mark.parametrize("suite", [HETEROGENEITY_SUITE, SEQUENCE_SUITE])
def test_all_tasks_of_suites_can_be_sampled(suite):
    shapes = jax.eval_shape(functools.partial(world_maps, world=suite.world), jax.random.key(0))
    for task in suite.tasks:
        draw = functools.partial(sample_task, world=suite.world, task=task, num_samples=3)
        batch = jax.eval_shape(lambda key, maps, draw=draw: draw(key, maps=maps), jax.random.key(0), shapes).batch
        for name in task.modalities:
            assert batch.modalities[name].shape == (3, *suite.world.modality(name).renderer.shape)


@pytest.mark.parametrize("rule", [PAIR_RULES["xor"], MixedRule(PAIR_RULES["xor"], PAIR_RULES["and"], 0.5)])
@pytest.mark.parametrize("names", [("a",), ("a", "b", "c")])
def test_rules_of_pairs_refuse_other_numbers_of_modalities(rule, names):
    with pytest.raises(ValueError, match="task 'y' has a rule for 2 modalities; got"):
        WorldTask("y", names, rule)


@pytest.mark.parametrize("names", [(), ("a", "a")])
def test_modalities_of_a_task_are_some_and_different(names):
    with pytest.raises(ValueError, match="one modality or more, each once"):
        WorldTask("y", names, QUADRANT)


def test_tasks_of_another_world_are_refused():
    with pytest.raises(ValueError, match="no modality 'z'; there are a, b, c, d"):
        sample(("a", "z"), QUADRANT)
    with pytest.raises(ValueError, match="task 'y' reads 3 factors; the world has 2"):
        sample(("a",), QuadrantRule(3))
    with pytest.raises(ValueError, match="no modality 'z'"):
        WorldSuite(WORLD, (WorldTask("y", ("z",), QUADRANT),))
    task = WorldTask("y", ("a",), QUADRANT)
    with pytest.raises(ValueError, match="names of tasks must differ; got y, y"):
        WorldSuite(WORLD, (task, dataclasses.replace(task, modalities=("b",))))
    with pytest.raises(ValueError, match="a suite needs a task"):
        WorldSuite(WORLD, ())


def test_numbers_of_rules_out_of_range_are_refused():
    with pytest.raises(ValueError, match="num_bits must be positive; got 0"):
        QuadrantRule(0)
    for share in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match=r"share must be in \[0, 1\]"):
            MixedRule(PAIR_RULES["xor"], PAIR_RULES["and"], share)


def test_a_gate_of_one_s_own():
    copy = PairRule(((0, 1), (2, 3)))
    (b1, b2), label = bits_of(copy)
    np.testing.assert_array_equal(label, 2 * b1 + b2)
    assert (copy.num_classes, copy.swapped) == (4, PairRule(((0, 2), (1, 3))))


def test_gates_make_the_bits_of_a_label_from_sources():
    xor, both = PAIR_RULES["xor"], PAIR_RULES["and"]
    rule = GatesRule((0, 1, 0, 2), ((0, 1, xor), (2, 0, both)))
    factors, label = rule.sample(jax.random.key(0), (4, 1000, 2))
    np.testing.assert_array_equal(factors[0], factors[2])
    b = np.asarray(factors[:, :, 0] > 0)
    assert (b[0] != b[1]).mean() == pytest.approx(0.5, abs=0.05)
    np.testing.assert_array_equal(label, (b[0] ^ b[1]) + 2 * (b[3] & b[0]))
    assert (rule.num_modalities, rule.num_bits, rule.num_classes) == (4, 1, 4)
    assert rule.swapped == GatesRule((2, 0, 1, 0), rule.gates)
    with pytest.raises(ValueError, match="rules of two modalities"):
        interaction_class(WORLD, rule, ("a", "b"))


def test_gates_of_nothing_are_refused():
    xor = PAIR_RULES["xor"]
    for gates in (((0, 0, xor),), ((0, 2, xor),)):
        with pytest.raises(ValueError, match="two sources that modalities see"):
            GatesRule((0, 1), gates)
    for gate in (PAIR_RULES["redundant"], PairRule(((0, 1), (2, 3)))):
        with pytest.raises(ValueError, match="one bit of two independent ones"):
            GatesRule((0, 1), ((0, 1, gate),))
    with pytest.raises(ValueError, match="needs a gate"):
        GatesRule((0, 1), ())
