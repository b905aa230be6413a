import functools
import operator

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.competition import jensen_shannon, multi_loss, multilabel, regression
from mmjax.competition._bottleneck import bottleneck_loss, fused_logits
from mmjax.competition._contrastive import nt_xent, same_class, same_sample
from mmjax.competition._game import code_ind, paper
from mmjax.competition._mcr import Terms, mcr
from mmjax.competition._perturbations import all_pairs, permutations
from mmjax.competition._sensitivity import sensitivities, singletons
from mmjax.competition._strategy import forward
from mmjax.models import MLP, LateLinear, Multimodal, functional
from tests.competition.conftest import gradients_of, model_of, samples, started

KEY = jax.random.key(1)
WEIGHTS = {"unimodal": 0.3, "sensitivity": 0.7, "contrastive": 0.2, "bottleneck": 0.5}


def close(tree, other):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6), tree, other)


def step(strategy, model, params, batch):
    return jax.jit(lambda p: gradients_of(strategy, model, p, {}, (), batch, KEY)[::2])(params)


def test_the_loss_is_the_weighted_sum_of_its_terms_and_so_is_the_gradient():
    model, batch = model_of(), samples(jax.random.key(3))
    weights = {f"{name}_weight": weight for name, weight in WEIGHTS.items()}
    chosen = {"game": code_ind(), "perturbation": all_pairs()}
    strategy = mcr(**weights, **chosen, bottleneck=fused_logits, temperature=0.2)
    params, _, state = started(strategy, model)
    assert state == ()

    def terms(params):
        made = forward(model, params, {}, batch, KEY)
        moved = sensitivities(KEY, model, made, batch, **chosen, **SENSITIVITY)
        y = jax.lax.stop_gradient(made.logits)
        return {
            "fused": multi_loss(unimodal_weight=0.3).loss(model, params, {}, (), batch, KEY)[0],
            "sensitivity": -sum(moved.values()),
            "contrastive": nt_xent(made.latents, same_class(batch.label), batch.masks, batch.weight, temperature=0.2),
            "bottleneck": bottleneck_loss(params["strategy"], y, made.latents, batch),
        }

    parts, values = jax.jit(jax.jacrev(lambda params: (terms(params),) * 2, has_aux=True))(params)
    gradient, aux = step(strategy, model, params, batch)
    factors = [WEIGHTS.get(name, 1) for name in parts]
    close(gradient, jax.tree.map(lambda *g: sum(map(operator.mul, factors, g)), *parts.values()))
    signals: Terms = aux.signals
    for name in ("contrastive", "bottleneck"):
        np.testing.assert_allclose(getattr(signals, name), values[name], rtol=1e-5)
    np.testing.assert_allclose(-sum(signals.sensitivity.values()), values["sensitivity"], rtol=1e-5)
    assert signals.sensitivity.keys() == signals.unimodal.keys() == {"x1", "x2"}
    assert jax.tree.all(jax.tree.map(lambda g: jnp.all(g == 0), parts["bottleneck"]["head"]))
    assert jnp.any(gradient["strategy"]["hidden"] != 0)


SENSITIVITY = {
    "divergence": jensen_shannon,
    "subsets": singletons,
    "encode_key": jax.random.split(KEY)[0],
}


def test_without_its_terms_it_is_multi_loss():
    model, batch = model_of(), samples(jax.random.key(3))
    strategy = mcr(unimodal_weight=0.5, sensitivity_weight=0.0, contrastive_weight=0.0, perturbation=permutations(2))
    params, _, _ = started(strategy, model)
    assert "strategy" not in params
    gradient, aux = step(strategy, model, params, batch)
    close(gradient, step(multi_loss(unimodal_weight=0.5), model, params, batch)[0])
    assert aux.signals.bottleneck is None
    close(aux.logits, forward(model, params, {}, batch, KEY).logits)


def test_the_greedy_game_moves_no_shared_parameter_and_no_unimodal_head():
    model, batch = model_of(), samples(jax.random.key(3))
    params, _, _ = started(mcr(), model)

    @jax.jit
    def of(weight):
        strategy = mcr(sensitivity_weight=weight, perturbation=permutations(2))
        return gradients_of(strategy, model, params, {}, (), batch, KEY)[0]

    made, other = of(0.0), of(5.0)
    close(made["head"]["bias"], other["head"]["bias"])
    close(made["unimodal_heads"], other["unimodal_heads"])
    for part in (("head", "slices", "x1"), ("encoders_x2", "Dense_1")):
        one, two = (functools.reduce(lambda tree, name: tree[name], part, g)["kernel"] for g in (made, other))
        assert jnp.max(jnp.abs(one - two)) > 1e-3


def test_hyper_parameters_under_vmap_are_as_one_by_one_and_as_without_jit(thorough):
    model, batch = model_of(), samples(jax.random.key(3))
    params, _, _ = started(mcr(), model)

    def loss(params, k, weight, temperature):
        weights = {f"{name}_weight": weight for name in ("unimodal", "sensitivity", "contrastive")}
        strategy = mcr(game=paper(k), **weights, temperature=temperature, perturbation=permutations(2))
        return strategy.loss(model, params, {}, (), batch, KEY)[0]

    values = jnp.array([[-1.0, 0.1, 0.5], [0.5, 1.0, 0.1], [1.0, 0.0, 2.0]])
    one = jax.jit(jax.value_and_grad(loss))
    together = jax.jit(jax.vmap(jax.value_and_grad(loss), (None, 0, 0, 0)))(params, *values.T)
    for i, value in enumerate(values):
        close(jax.tree.map(lambda x, i=i: x[i], together), one(params, *value))
    if thorough:
        np.testing.assert_allclose(loss(params, *values[0]), together[0][0], rtol=1e-5)


@pytest.mark.parametrize(("task", "label"), [(multilabel, "labels"), (regression, "targets")])
def test_three_modalities_and_other_tasks(task, label):
    num_outputs = 2 if task is regression else 3
    model, batch = model_of(3, num_outputs=num_outputs), samples(jax.random.key(3), 8, 3, label)
    strategy = mcr(task, perturbation=permutations(2), positives=same_sample)
    params, _, _ = started(strategy, model)
    gradient, aux = step(strategy, model, params, batch)
    assert len(aux.signals.sensitivity) == 3
    assert all(value > 0 for value in aux.signals.sensitivity.values())
    assert all(jnp.all(jnp.isfinite(g)) for g in jax.tree.leaves(gradient))


def test_latents_of_several_widths_do_without_the_contrastive_loss():
    module = Multimodal({"x1": MLP((2,)), "x2": MLP((5,))}, LateLinear(3), 3)
    model, batch = functional(module, {name: jnp.zeros((1, 3)) for name in ("x1", "x2")}), samples(jax.random.key(3))
    options = {"perturbation": permutations(2), "bottleneck": fused_logits}
    params, _, _ = started(mcr(**options), model)
    assert params["strategy"]["output"].shape == (5, 7)
    _, aux = step(mcr(**options, positives=None), model, params, batch)
    assert aux.signals.contrastive is None
    with pytest.raises(ValueError, match="latents of one width"):
        mcr(**options).loss(model, params, {}, (), batch, KEY)
