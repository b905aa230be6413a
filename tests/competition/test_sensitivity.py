import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.competition import classification, jensen_shannon, multilabel, regression
from mmjax.competition._game import code_colab, code_greedy, code_ind, paper, paper_literal
from mmjax.competition._perturbations import Rearrangement, all_pairs, derangements, noise, permutations, zeros
from mmjax.competition._sensitivity import proper_subsets, sensitivities, singletons
from mmjax.competition._strategy import forward
from mmjax.information import conditional_mutual_information
from mmjax.models import MLP, ConcatMLP, FiLM, GatedFusion, LateLinear, Multimodal, SumMLP, functional
from tests.competition.conftest import NUM_CLASSES, model_of, samples

KEY = jax.random.key(7)
IDENTITY = Rearrangement(lambda key, num_samples: jnp.arange(num_samples)[None])
HEADS = {
    "linear": LateLinear(NUM_CLASSES),
    "sum": SumMLP(NUM_CLASSES, (6, 6), dropout=0.0),
    "concatenation": ConcatMLP(NUM_CLASSES, (6,)),
    "gated": GatedFusion(NUM_CLASSES, 5),
    "film": FiLM(NUM_CLASSES, "x1"),
}
OTHERS = all_pairs(include_self=False)


def measured(model, params, batch, key=KEY, *, task=classification, game=None, subsets=singletons, **options):
    """J_S of a model without running statistics."""
    made = forward(model, params, {}, batch, KEY)
    options = {"perturbation": OTHERS, "encode_key": jax.random.split(KEY)[0]} | options
    game = code_greedy() if game is None else game
    return sensitivities(key, model, made, batch, divergence=task.divergence, game=game, subsets=subsets, **options)


jitted = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})  # compiles in half the time


@functools.partial(jitted, static_argnames=("model", "task", "subsets", "perturbation", "num_at_once"))
def with_gradient(model, params, batch, game, **options):
    """J_S, and the gradient of the regulariser, minus their sum."""

    def regulariser(params):
        values = measured(model, params, batch, game=game, **options)
        return -sum(values.values()), values

    gradient, values = jax.grad(regulariser, has_aux=True)(params)
    return values, gradient


@functools.cache
def setting(num_modalities=2, head="linear"):
    model = model_of(num_modalities, HEADS[head])
    batch = samples(jax.random.key(3), 6, num_modalities)
    return model, params_of(model), batch


def params_of(model):
    """Random parameters, without a program to make them."""
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(model.init, jax.random.key(0))["params"]
    return jax.tree.map(lambda x: jnp.asarray(0.7 * rng.normal(size=x.shape), x.dtype), shapes)


def assert_close(tree, other, atol=1e-6):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5, atol=atol), tree, other)


def plainly(model, base_params, params, batch, chosen, divergence=jensen_shannon):
    """J_S through `fuse` alone, with parameters of its own for the prediction as it is: (number of subsets,)."""
    base, _ = model.encode({"params": base_params}, batch.modalities, batch.masks)
    z, _ = model.encode({"params": params}, batch.modalities, batch.masks)
    y = model.fuse({"params": base_params}, base, batch.masks)

    def one(donors, in_subset):
        moved = {name: jnp.where(in_subset[name], x[donors], x) for name, x in z.items()}
        return jnp.mean(divergence(y, model.fuse({"params": params}, moved, batch.masks)))

    in_subset = {name: jnp.array([name in s for s in chosen]) for name in z}
    each = jax.vmap(jax.vmap(one, (None, 0)), (0, None))(OTHERS.donors(KEY, len(batch.label)), in_subset)
    return jnp.mean(each, axis=0)


@functools.cache
def separate_gradients(num_modalities, head, subsets):
    """Subset to the gradients of J_S through the prediction as it is and through the perturbed one."""
    model, params, batch = setting(num_modalities, head)
    chosen = subsets(model.modalities)

    jacobian = jitted(jax.jacrev(lambda *p: plainly(model, *p, batch, chosen), (0, 1)))(params, params)
    jacobian = jax.device_get(jacobian)
    return {s: tuple(jax.tree.map(lambda x, i=i: x[i], tree) for tree in jacobian) for i, s in enumerate(chosen)}


def composed(num_modalities, head, subsets, factors):
    """The regulariser's gradient from separate ones, times factors of a parameter's label and the subset."""
    made = separate_gradients(num_modalities, head, subsets)
    model, params, _ = setting(num_modalities, head)

    def combine(label, *pairs):
        terms = zip(made, zip(pairs[::2], pairs[1::2], strict=True), strict=True)
        return -sum(f * g for s, pair in terms for f, g in zip(factors(label, s), pair, strict=True))

    return jax.tree.map(combine, model.labels(params), *[tree for pair in made.values() for tree in pair])


def rule(k, label, subset):
    """Factors of equations 12 and 13, and of the head as `paper` says, for both predictions."""
    modality = label.partition(":")[2]
    own = 1 if modality in subset else k
    return 0, own if modality else min(max(1 + k, 0), 1)


def literal_rule(k, label, subset):
    owner, _, modality = label.partition(":")
    factor = 0 if owner == "head" else 1 if modality in subset else k
    return factor, factor


CASES = [
    (2, "linear", singletons),
    pytest.param(2, "sum", singletons, marks=pytest.mark.slow),
    (2, "concatenation", singletons),
    pytest.param(2, "gated", singletons, marks=pytest.mark.slow),
    pytest.param(3, "linear", singletons, marks=pytest.mark.slow),
    (3, "gated", proper_subsets),
    pytest.param(4, "concatenation", singletons, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("num_modalities", "head", "subsets"), CASES)
def test_one_backward_pass_gives_each_part_its_own_gradient(num_modalities, head, subsets):
    model, params, batch = setting(num_modalities, head)
    for game, factors in ((paper, rule), (paper_literal, literal_rule)):
        for k in (-1.0, 0.0, 1.0, 0.5):
            traced = jax.tree.map(np.float32, game(k))  # one program for all
            values, gradient = with_gradient(model, params, batch, traced, subsets=subsets)
            assert_close(gradient, composed(num_modalities, head, subsets, functools.partial(factors, k)))
    chosen = subsets(model.modalities)
    expected = plainly(model, params, params, batch, chosen)
    assert_close(values, {"+".join(s): expected[i] for i, s in enumerate(chosen)})


def released(mode, model, params, batch):
    """What the released code adds to the loss of two modalities, with its detached contributions to the logits."""
    z, _ = model.encode({"params": params}, batch.modalities, batch.masks)
    a, b = model.pieces({"params": params}, z).values()
    stop = jax.lax.stop_gradient

    def divergence(a_moved, b_moved):
        y, other = (model.combine({"params": params}, {"x1": u, "x2": v}) for u, v in ((a, b), (a_moved, b_moved)))
        return jensen_shannon(y, other)

    def of(term):
        return jnp.mean(jax.vmap(term)(OTHERS.donors(KEY, len(batch.label))))

    first_b_stopped = of(lambda d: divergence(a[d], stop(b)))
    first_a_stopped = of(lambda d: divergence(stop(a)[d], b))
    second_a_stopped = of(lambda d: divergence(stop(a), b[d]))
    second_b_stopped = of(lambda d: divergence(a, stop(b)[d]))
    return {
        "greedy": -first_b_stopped + first_a_stopped - second_a_stopped + second_b_stopped,
        "ind": -first_b_stopped - second_a_stopped,
        "colab": -of(lambda d: divergence(a[d], b)) - of(lambda d: divergence(a, b[d])),
    }[mode]


MODES = {"greedy": code_greedy(), "ind": code_ind(), "colab": code_colab()}


def test_the_presets_of_the_code_differentiate_what_it_does():
    model, params, batch = setting(2, "sum")
    of_modes = jax.jacrev(lambda p: {mode: released(mode, model, p, batch) for mode in MODES})
    for mode, expected in jitted(of_modes)(params).items():
        assert_close(with_gradient(model, params, batch, MODES[mode])[1], expected)


def test_the_greedy_game_in_numbers_stops_what_traced_numbers_scale_by_zero():
    model, params, batch = setting(2, "concatenation")
    constant = jitted(jax.grad(lambda p: -sum(measured(model, p, batch, game=paper()).values())))(params)
    assert_close(constant, with_gradient(model, params, batch, paper())[1])
    np.testing.assert_array_equal(constant["head"]["joined"]["kernel"], 0)


def test_the_presets_meet_at_whole_numbers():
    assert paper() == paper(-1) == code_greedy()
    assert [paper(k).perturbed.head for k in (-3.0, -1.0, -0.25, 0.0, 0.5, 1.0, 2.0)] == [0, 0, 0.75, 1, 1, 1, 1]


def test_permutations_estimate_all_pairs_and_derangements_all_others():
    model, params, batch = setting()

    @functools.partial(jax.jit, static_argnums=0)
    def of(perturbation, key=KEY):
        return measured(model, params, batch, key, perturbation=perturbation, num_at_once=8)["x1"]

    with_self, others = of(all_pairs()), of(OTHERS)
    np.testing.assert_allclose(others, with_self * 6 / 5, rtol=1e-5)
    np.testing.assert_allclose(of(permutations(4000)), with_self, rtol=0.02)
    np.testing.assert_allclose(of(derangements(4000)), others, rtol=0.02)


@pytest.mark.parametrize("head", ["sum", "gated", "film"])
def test_a_head_in_two_steps_gives_what_it_gives_as_a_whole(head):
    model, params, batch = setting(2, head)
    batch = batch._replace(masks=batch.masks | {"x1": batch.masks["x1"].at[0].set(False)})
    whole = model._replace(pieces=lambda variables, latents: latents, combine=model.fuse)
    assert_close(*[with_gradient(m, params, batch, code_ind()) for m in (model, whole)])


@pytest.mark.parametrize(("num_modalities", "mirrored"), [(2, {"x2"}), (3, {"x1+x2", "x1+x3", "x2+x3"})])
def test_one_permutation_moves_modalities_and_its_inverse_the_others(num_modalities, mirrored):
    model, params, batch = setting(num_modalities, "film")
    batch = batch._replace(
        weight=jnp.array([1.0, 2.0, 0.5, 0.0, 1.0, 3.0]),
        masks=batch.masks | {"x2": jnp.array([1, 0, 1, 1, 1, 1], bool)},
    )
    order = np.array([3, 0, 4, 2, 5, 1])
    latents, _ = model.encode({"params": params}, batch.modalities, batch.masks)
    y = model.fuse({"params": params}, latents, batch.masks)

    def directly(subset, donors):
        def moved(arrays):
            return {name: x[donors] if name in subset else x for name, x in arrays.items()}

        weight = batch.weight * jnp.stack([batch.masks[name] for name in subset]).all(axis=0)
        counts = weight * weight[donors]
        logits = model.fuse({"params": params}, moved(latents), moved(batch.masks))
        return jnp.sum(counts * jensen_shannon(y, logits)) / counts.sum()

    single = Rearrangement(lambda key, num_samples: jnp.asarray(order)[None])
    found = jitted(lambda p: measured(model, p, batch, perturbation=single, subsets=proper_subsets))(params)
    for name, value in found.items():
        donors = np.argsort(order) if name in mirrored else order
        np.testing.assert_allclose(value, directly(name.split("+"), donors), rtol=1e-5)


def test_draws_computed_one_by_one_in_chunks_or_together_are_the_same():
    model, params, batch = setting()
    draws = permutations(5)
    together, *others = [
        with_gradient(model, params, batch, code_ind(), perturbation=draws, num_at_once=num) for num in (5, 1, 2)
    ]
    for other in others:
        assert_close(other, together)


def test_a_permutation_that_changes_nothing_gives_nothing_despite_dropout():
    encoders = {name: MLP((5, 4), dropout=0.5) for name in ("x1", "x2")}
    head = SumMLP(NUM_CLASSES, (6,), dropout=0.5)
    model = functional(Multimodal(encoders, head, NUM_CLASSES), {name: jnp.zeros((1, 3)) for name in encoders})
    params, batch = params_of(model), setting()[2]
    made = jitted(lambda p: measured(model, p, batch, perturbation=IDENTITY))(params)
    assert_close(made, {"x1": 0.0, "x2": 0.0}, 1e-7)  # but for the rounding of log 2


def test_samples_that_do_not_count_or_lack_the_modality_neither_give_nor_take():
    model, params, batch = setting(2, "gated")
    huge = {name: x.at[4:].set(1e3) for name, x in batch.modalities.items()}
    padded = batch._replace(modalities=huge, weight=batch.weight.at[4].set(0), masks=batch.masks | {"x1": MASK})
    of = jitted(lambda batch: measured(model, params, batch, perturbation=all_pairs()))
    made, of_four = of(padded), of(jax.tree.map(lambda x: x[:4], batch))
    assert_close(made["x1"], of_four["x1"])
    assert made["x2"] != of_four["x2"]  # the sixth has x2


MASK = jnp.array([True] * 5 + [False])


@pytest.mark.parametrize(
    ("perturbation", "num_at_once"),
    [(permutations(2), 1), pytest.param(OTHERS, 1, marks=pytest.mark.slow), (OTHERS, None)],
)
def test_without_another_sample_it_is_zero_and_so_is_its_gradient(perturbation, num_at_once):
    model, params, batch = setting()
    one = jax.tree.map(lambda x: x[:1], batch)
    for case in (one, batch._replace(weight=jnp.zeros(6)), batch._replace(weight=jnp.eye(6)[2])):
        made = with_gradient(model, params, case, code_colab(), perturbation=perturbation, num_at_once=num_at_once)
        jax.tree.map(lambda x: np.testing.assert_allclose(x, 0, atol=1e-7), made)


def test_zeros_are_the_prediction_without_the_modality():
    model, params, batch = setting()
    z, _ = model.encode({"params": params}, batch.modalities, batch.masks)
    y = model.fuse({"params": params}, z)
    without = model.fuse({"params": params}, z | {"x1": jnp.zeros_like(z["x1"])})
    blank, _ = model.encode({"params": params}, batch.modalities | {"x1": jnp.zeros((6, 3))})
    made, of_inputs = [
        jitted(lambda p, x=x: measured(model, p, batch, perturbation=zeros(inputs=x)))(params) for x in (False, True)
    ]
    assert_close(made["x1"], jnp.mean(jensen_shannon(y, without)))
    assert_close(of_inputs["x1"], jnp.mean(jensen_shannon(y, model.fuse({"params": params}, blank))))


NOISE = {inputs: noise(2, inputs=inputs) for inputs in (False, True)}


@pytest.mark.parametrize("inputs", NOISE)
def test_encoders_of_replaced_modalities_follow_the_game(inputs):
    model, params, batch = setting()
    perturbed = paper(0.0).perturbed
    one, two = [
        with_gradient(model, params, batch, game, perturbation=NOISE[inputs])[1]
        for game in (paper(0.0), paper(0.0)._replace(perturbed=perturbed._replace(own=2.0)))
    ]
    for name in ("encoders_x1", "encoders_x2"):
        assert jnp.linalg.norm(one[name]["Dense_1"]["kernel"]) > 0
        assert_close(two[name], jax.tree.map(lambda g: 2 * g, one[name]))
    assert_close(two["head"], one["head"])


@pytest.mark.parametrize(("task", "label"), [(multilabel, "labels"), (regression, "targets")])
def test_other_tasks_have_divergences_of_their_own(task, label):
    model = model_of(2, num_outputs=2)
    params, batch = params_of(model), setting()[2]
    made = jitted(lambda p: measured(model, p, batch, task=task))(params)
    assert_close(made["x1"], plainly(model, params, params, batch, [("x1",)], task.divergence)[0])
    if task is multilabel:
        assert 0 < made["x1"] < jnp.log(2)


def test_one_modality_and_logits_of_any_size_are_no_trouble():
    model, params, batch = setting(1)
    assert with_gradient(model, params, batch, code_colab())[0]["x1"] > 0
    assert proper_subsets(("a",)) == singletons(("a",)) == (("a",),)
    huge = jax.tree.map(lambda x: 1e2 * x, params)
    for x in jax.tree.leaves(with_gradient(model, huge, batch, code_colab())):
        assert jnp.all(jnp.isfinite(x))


def test_proper_subsets_are_all_but_none_and_all():
    assert proper_subsets(("a", "b")) == (("a",), ("b",))
    assert [len(proper_subsets(tuple("abcde"[:m]))) for m in (2, 3, 4, 5)] == [2, 6, 14, 30]


def test_no_dtype_is_promoted_silently():
    model, params, batch = setting()
    with jax.numpy_dtype_promotion("strict"):
        shapes = jax.eval_shape(lambda p: measured(model, p, batch), params)
    assert shapes["x1"].dtype == jnp.float32


def bayes_sensitivity(p):
    """Of the Bayes-optimal predictor to x1, on a table (x1, x2, y): by Jensen-Shannon, and of the log-ratio; nats."""
    given = np.log(p / p.sum(2, keepdims=True))
    first, pairs = p.sum((1, 2)), p.sum(2)
    shannon = jensen_shannon(jnp.asarray(given)[:, None], jnp.asarray(given)[None])  # (x1, x1 drawn anew, x2)
    ratio = np.einsum("ijy,k,ijky->", p, first, given[:, :, None] - given.transpose(1, 0, 2)[None])
    return np.einsum("ij,k,ikj->", pairs, first, np.asarray(shannon)), ratio


def test_what_it_bounds_and_what_not(float64):
    tables = np.random.default_rng(0).dirichlet(np.full(27, 0.5), 300).reshape(-1, 3, 3, 3) + 1e-9
    tables /= tables.sum((1, 2, 3), keepdims=True)
    # I(X1; Y | X2) is that of the axes (x1, y, x2).
    truth = np.array([conditional_mutual_information(jnp.asarray(p.swapaxes(1, 2)), base=np.e) for p in tables])
    shannon, ratio = np.array([bayes_sensitivity(p) for p in tables]).T
    assert np.all(ratio >= truth)
    assert np.any(shannon > truth)
    assert np.any(shannon < truth)
    assert np.all((shannon > 0) & (shannon < np.log(2)))


def test_synergy_raises_it_as_unique_information_does():
    p = np.full((2, 2, 2), 1e-30)
    p[[0, 0, 1, 1], [0, 1, 0, 1], [0, 1, 1, 0]] = 0.25
    np.testing.assert_allclose(bayes_sensitivity(p)[0], np.log(2) / 2, rtol=1e-6)  # half of the draws flip y
