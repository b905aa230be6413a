"""Room competition: joint training, the baseline of every strategy: one loss on the fused logits."""

from jax import Array

from mmjax.competition._strategy import (
    Auxiliary,
    Model,
    Samples,
    Strategy,
    Tree,
    forward,
    weighted_mean,
    without_state,
)
from mmjax.competition._task import Task, classification


def joint(task: Task = classification) -> Strategy:
    """Train all parts of a model together on the loss of its fused logits.

    Args:
      task: what the label is.

    Returns:
      the strategy; it has no state and passes gradients on as they are.
    """

    def loss(
        model: Model, params: Tree, statistics: dict[str, Tree], state: Tree, batch: Samples, key: Array
    ) -> tuple[Array, Auxiliary]:
        made = forward(model, params, statistics, batch, key)
        value = weighted_mean(task.losses(made.logits, batch.label), batch.weight)
        return value, Auxiliary(made.logits, made.statistics)

    return Strategy(without_state, loss)
