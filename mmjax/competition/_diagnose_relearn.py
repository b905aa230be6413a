"""Room competition: diagnosing how far each modality is memorised, and re-learning as far."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from mmjax.competition._classes import check_classes
from mmjax.competition._contributions import weight_with
from mmjax.competition._k_means import k_means, min_max_scaled, purity
from mmjax.competition._multi_loss import multi_loss
from mmjax.competition._samples import latents_of
from mmjax.competition._strategy import Auxiliary, Model, Samples, Strategy, Tree, Variables
from mmjax.competition._task import Task, classification


class RelearningState(NamedTuple):
    """What diagnosing and re-learning remembers."""

    key: Array
    """PRNG key of the samples and clusters to come."""
    initial: Tree
    """The parameters at the start."""
    segment: Array
    """Segments made."""
    times: Array
    """How often encoders were set back."""


def diagnose_relearn(
    task: Task = classification,
    *,
    strength: ArrayLike = 3.0,
    period: ArrayLike = 20,
    max_times: ArrayLike = 3,
    num_samples: int = 1024,
    num_iterations: int = 30,
) -> Strategy:
    """Set each encoder back towards its initial parameters, the farther the more it has memorised.

    After every `period` segments ("epochs" in the source), `max_times` at most, for each modality m

      theta_m <- w_m theta_m(0) + (1 - w_m) theta_m,    w_m = tanh(strength |purity_train - purity_valid|),

    purity that of k-means clusters of the modality's latents, each feature mapped to [-1, 1], with as many clusters as
    classes: the share of samples whose class is the most frequent one of their cluster. Diagnosing and re-learning (Wei
    et al. 2024, arXiv 2407.09705). In between it is `multi_loss`, as in the comparison of Kontras et al. (2024, arXiv
    2411.07335). Only parameters of encoders are set back, neither their running statistics nor what the optimiser
    remembers of them.

    Ours: both sets are sampled, and lacking modalities and samples of weight 0 have no say; k-means has four starts
    and a fixed number of iterations. Under `vmap` the diagnosis is made after every segment, if it is used or not.

    Args:
      task: what the label is: classes.
      strength: not negative; 3, and 5 on UCF.
      period: R, at least 1; 20 with ResNets, 4 with Conformers.
      max_times: K, not negative; 3. All three may be traced.
      num_samples: of each set, drawn without replacement at each diagnosis; all if there are not more. Static.
      num_iterations: of k-means. Static.

    Returns:
      the strategy; its state, a `RelearningState`, holds a copy of the initial parameters.

    Raises:
      ValueError: when its loss is called, if labels are no classes.
    """
    base = multi_loss(task)

    def init(key: Array, model: Model, params: Tree) -> tuple[Tree, RelearningState]:
        return params, RelearningState(key, params, jnp.int32(0), jnp.int32(0))

    def loss(
        model: Model, params: Tree, statistics: dict[str, Tree], state: RelearningState, batch: Samples, key: Array
    ) -> tuple[Array, Auxiliary]:
        check_classes("diagnose_relearn", batch.label)
        return base.loss(model, params, statistics, state, batch, key)

    def on_segment(
        model: Model, variables: Variables, state: RelearningState, train: Samples, valid: Samples
    ) -> tuple[Tree, RelearningState]:
        key, next_key = jax.random.split(state.key)
        segment = state.segment + 1
        due = (segment % jnp.asarray(period) == 0) & (state.times < max_times)

        def diagnosed(key: Array, samples: Samples) -> dict[str, Array]:
            sample_key, start_key = jax.random.split(key)
            return purities(start_key, model, variables, _some(sample_key, samples, num_samples), num_iterations)

        def relearn() -> Tree:
            train_key, valid_key = jax.random.split(key)
            of_train, of_valid = diagnosed(train_key, train), diagnosed(valid_key, valid)
            back = {
                f"encoder:{name}": jnp.tanh(strength * jnp.abs(of_train[name] - of_valid[name])) for name in of_train
            }
            return jax.tree.map(
                lambda label, start, now: back[label] * start + (1 - back[label]) * now if label in back else now,
                model.labels(variables["params"]),
                state.initial,
                variables["params"],
            )

        params = jax.lax.cond(due, relearn, lambda: variables["params"])
        return params, RelearningState(next_key, state.initial, segment, state.times + due)

    return base._replace(init=init, loss=loss, on_segment=on_segment)


def purities(
    key: Array, model: Model, variables: Variables, samples: Samples, num_iterations: int = 30
) -> dict[str, Array]:
    """Return modality to the purity of the k-means clusters of its latents, as many as classes.

    Args:
      key: PRNG key of the clusters' start.
      model: the model.
      variables: its variables.
      samples: n samples with classes.
      num_iterations: of k-means.

    Returns:
      scalars in [0, 1].
    """
    latents = latents_of(model, variables, samples)
    num_classes = jax.eval_shape(model.unimodal, variables, latents)[model.modalities[0]].shape[1]

    def of_one(key: Array, name: str) -> Array:
        weight = weight_with(samples, name)
        points = min_max_scaled(latents[name], weight)
        clusters = k_means(key, points, weight, num_clusters=num_classes, num_iterations=num_iterations)
        return purity(clusters, samples.label, weight, num_clusters=num_classes, num_classes=num_classes)

    keys = jax.random.split(key, len(model.modalities))
    return {name: of_one(k, name) for k, name in zip(keys, model.modalities, strict=True)}


class _Some(NamedTuple):
    modalities: dict[str, Array]
    label: Array
    masks: dict[str, Array]
    weight: Array


def _some(key: Array, samples: Samples, num_samples: int) -> Samples:
    """Draw some of the samples without replacement; all if there are not more."""
    if samples.weight.shape[0] <= num_samples:
        return samples
    places = jax.random.permutation(key, samples.weight.shape[0])[:num_samples]
    all_ = _Some(dict(samples.modalities), samples.label, dict(samples.masks), samples.weight)
    return jax.tree.map(lambda x: x[places], all_)
