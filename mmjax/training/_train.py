"""Room training: the run that trains a multimodal model by a strategy."""

import functools
from collections.abc import Callable

import jax
from jax import Array

from mmjax.competition import Model, Strategy, joint
from mmjax.data import Batch
from mmjax.training._config import Hparams, TrainConfig
from mmjax.training._fit import Train, make_fit
from mmjax.training._objective import Objective, Variables

JOINT = joint()


def make_train(
    config: TrainConfig,
    model: Model,
    strategy: Strategy | Callable[[Hparams], Strategy],
) -> Train:
    """Make a training run from a model and a strategy.

    Args:
      config: what is static.
      model: pure functions, as `mmjax.models.functional` makes them; also `init(key) -> variables`.
      strategy: how losses and gradients are made; or a function from hyper-parameters to it, for hyper-parameters of
        its own that differ from run to run.

    Returns:
      the run. Metrics are a dict of `train` (`loss`, the mean over the segment's steps, in the strategy's unit),
      `valid` and `test` (what `config.metrics_fn` gives), `segment`, and `running`, False in the segments after the
      run has stopped.
    """

    def objective(hparams: Hparams) -> Objective:
        chosen = strategy if isinstance(strategy, Strategy) else strategy(hparams)

        def evaluate(variables: Variables, data: Batch) -> dict[str, Array]:
            return config.metrics_fn(predict(config, model, variables, data, chosen), data.label, data.weight)

        return Objective(
            init=model.init,
            loss=functools.partial(chosen.loss, model),
            evaluate=evaluate,
            begin=lambda key, params: chosen.init(key, model, params),
            update=functools.partial(chosen.update, model),
            on_segment=functools.partial(chosen.on_segment, model),
            rates=functools.partial(chosen.rates, model),
            selectable=chosen.selectable,
            steps_per_batch=chosen.steps_per_batch,
        )

    return make_fit(config, objective)


def predict(config: TrainConfig, model: Model, variables: Variables, data: Batch, strategy: Strategy = JOINT) -> Array:
    """Compute logits (n, num_outputs) without noise, `evaluation_batch` samples at a time.

    Args:
      config: whose `evaluation_batch` counts.
      model: pure functions.
      variables: those to predict with.
      data: n samples.
      strategy: whose prediction it is, such as a sum of unimodal logits; by default the fused logits.

    Returns:
      the logits.
    """

    def logits_of(sample: tuple[dict[str, Array], dict[str, Array]]) -> Array:
        modalities, masks = jax.tree.map(lambda x: x[None], sample)
        latents, _ = model.encode(variables, modalities, masks)
        return strategy.predict(model, variables, latents, masks)[0]

    return jax.lax.map(logits_of, (data.modalities, data.masks), batch_size=config.evaluation_batch)
