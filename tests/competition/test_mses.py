"""MSES: who stops and when, and that what has stopped stays."""

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from mmjax.competition import multi_loss
from mmjax.competition._mses import _judged, mses
from mmjax.models import MLP, LateLinear, Multimodal, functional
from tests.competition.checks import check_strategy, first_step, labels_that_differ
from tests.competition.conftest import make_step, model_of, samples, started

MODEL = model_of()


SEEN = {"x1": jnp.asarray(True), "x2": jnp.asarray(True)}


def test_a_modality_that_no_validation_sample_has_is_not_stopped():
    _, _, state = started(mses(patience=1), MODEL)
    for _ in range(5):
        losses = {"x1": jnp.asarray(1.0), "x2": jnp.asarray(0.0)}
        state = _judged(state, losses, SEEN | {"x2": jnp.asarray(False)}, 1)
    assert state.stopped["x1"] and not state.stopped["x2"] and jnp.isinf(state.best["x2"])


def test_who_stops():
    _, _, state = started(mses(patience=1), MODEL)
    stopped = []
    for losses in ((1.0, 1.0), (0.9, 1.1), (0.95, 0.8), (0.96, 0.7), (0.5, jnp.nan), (0.4, jnp.nan)):
        state = _judged(state, dict(zip(("x1", "x2"), map(jnp.asarray, losses), strict=True)), SEEN, 1)
        stopped.append((bool(state.stopped["x1"]), bool(state.stopped["x2"])))
    assert stopped == [(False, False)] * 3 + [(True, False)] * 2 + [(True, True)]


def test_an_encoder_that_has_stopped_stays():
    """With weight decay and momentum, and running statistics too."""

    class Normed(nn.Module):
        @nn.compact
        def __call__(self, x, mask, *, train=False):
            return MLP((4,))(nn.BatchNorm(use_running_average=not train)(x), train=train)

    module = Multimodal({name: Normed() for name in ("x1", "x2")}, LateLinear(3), 3)
    model, batch, strategy = (
        functional(module, {n: jnp.zeros((1, 3)) for n in ("x1", "x2")}),
        samples(jax.random.key(5)),
        mses(),
    )
    params, statistics, state = started(strategy, model)
    step, optimizer = make_step(strategy, model, optax.adamw(1e-2, weight_decay=0.1))
    params, statistics, state, memory = step(
        params, statistics, state, optimizer.init(params), batch, jax.random.key(5)
    )
    state = state._replace(stopped={"x1": jnp.asarray(True), "x2": jnp.asarray(False)})
    moved, new, _, _ = step(params, statistics, state, memory, batch, jax.random.key(2))
    assert labels_that_differ(moved, params, model.labels) == {"encoder:x2", "head:x1", "head:x2", "head"}
    assert labels_that_differ(new["batch_stats"], statistics["batch_stats"], model.labels) == {"encoder:x2"}


def test_gradients_are_those_of_all_losses():
    assert not labels_that_differ(first_step(mses())[0], first_step(multi_loss())[0], MODEL.labels)


def test_jit_vmap_and_hard_batches(thorough):
    check_strategy(lambda patience: mses(patience=patience), jnp.array([0, 10]), thorough=thorough)
