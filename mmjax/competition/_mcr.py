"""Room competition: the multimodal competition regulariser."""

from typing import NamedTuple

import jax
from jax import Array
from jax.typing import ArrayLike

from mmjax.competition._bottleneck import BottleneckInput, bottleneck_loss, bottleneck_params
from mmjax.competition._contrastive import Positives, nt_xent, same_class
from mmjax.competition._game import Game, paper
from mmjax.competition._multi_loss import total, unimodal_losses
from mmjax.competition._perturbations import Perturbation, permutations
from mmjax.competition._sensitivity import Subsets, sensitivities, singletons
from mmjax.competition._strategy import (
    Auxiliary,
    Model,
    Samples,
    Strategy,
    Tree,
    forward,
    weighted_mean,
)
from mmjax.competition._task import Task, classification

_GREEDY = paper()
_PERMUTATIONS = permutations()


class Terms(NamedTuple):
    """What MCR has measured on a batch, each without its weight: the `signals` of its `Auxiliary`."""

    fused: Array
    """The loss of the fused logits."""
    unimodal: dict[str, Array]
    """Modality to the loss of its unimodal head."""
    sensitivity: dict[str, Array]
    """The modalities perturbed, joined by "+", to J_S. The sum that the loss has of them tells nothing of a game."""
    contrastive: Array | None
    """None where it is off."""
    bottleneck: Array | None
    """None where it is off."""


def mcr(
    task: Task = classification,
    *,
    game: Game = _GREEDY,
    unimodal_weight: ArrayLike = 0.01,
    sensitivity_weight: ArrayLike = 0.1,
    contrastive_weight: ArrayLike = 1.0,
    bottleneck_weight: ArrayLike = 1.0,
    temperature: ArrayLike = 0.5,
    perturbation: Perturbation = _PERMUTATIONS,
    subsets: Subsets = singletons,
    positives: Positives | None = same_class,
    bottleneck: BottleneckInput | None = None,
    num_at_once: int | None = None,
) -> Strategy:
    """Train with the multimodal competition regulariser of Kontras et al. (2024, arXiv 2411.07335).

    The loss is

        L(y) + unimodal_weight * sum_m L(u_m) - sensitivity_weight * sum_S J_S
             + contrastive_weight * L_Con + bottleneck_weight * L_CEB

    with y the fused logits and u_m those of the unimodal head of modality m.

    J_S, the paper's MIPD, is how far the prediction moves when the latents of the modalities in S are perturbed while
    the others stay: the mean divergence `task.divergence` of the two predictions (`sensitivities`). Its gradients reach
    each part of the model in the shares of a game: by default, encoder i raises the J_S of the subsets that it is in
    and lowers those of the others. One backward pass makes them all.

    What J_S is and is not: the paper maximises it as a lower bound of I(X_S; Y | the others). It bounds nothing. For a
    Bayes-optimal predictor E[log p(y|x) - log p(y|x~)], where x~ has X_S drawn anew from its own marginal, is an upper
    bound of that information. The Jensen-Shannon form used here is at most ln 2 nats, and 0 only where the prediction
    does not depend on X_S, but lies on either side of the information. Synergy raises it as unique information does:
    with y = x1 XOR x2, I(X1; Y | X2) is one bit and neither modality is unique. For regression it is a squared
    difference without bound, which wants a small weight.

    L_Con, a contrastive loss on all pairs of latents of one class (`nt_xent`), is to raise shared information; L_CEB,
    the error of predicting the latents from y (`bottleneck_loss`), to lower what modalities share beside the label.

    Published weights (sensitivity, unimodal, contrastive, bottleneck), with temperature .5 and 32 permutations, most of
    them from pre-trained encoders: CREMA-D (.1, .01, 1, 0) and AVE (.01, .01, 1, 0) with ResNets, (.1, 1, 1, 1) and
    (.01, 1, 1, 1) with transformers; UCF (.001, .1, 1, 0); MOSI (.001, .001, 1, 0), with three modalities (.01, .01,
    1, 0); MOSEI (.01, .1, 1, 1), with three (.001, .001, 1, 1); Something-Something (.1, 1, 1, 1) with 16 permutations.

    For three modalities or more the rule is that of the published code, whose list of subsets is `proper_subsets`. Ours
    are: latents of the training step on both sides of the divergence and a fusion head without dropout, where the code
    encodes the batch a second time; one permutation for all modalities in S, so that X_S is drawn from its joint
    marginal; weights and masks; the perturbations `derangements` and `all_pairs`, the expectation that permutations
    estimate.

    Args:
      task: what the label is.
      game: in which shares the gradients of J_S reach each part of the model, `paper(k=-1)` by default, or one of
        `code_greedy`, `code_ind`, `code_colab`, `paper_literal`; its numbers may be traced.
      unimodal_weight: of the losses of the unimodal heads, not negative; may be traced.
      sensitivity_weight: of the J_S, not negative; may be traced.
      contrastive_weight: of L_Con, not negative; may be traced.
      bottleneck_weight: of L_CEB, not negative; may be traced.
      temperature: of L_Con, positive; may be traced.
      perturbation: what is done to the modalities in S: `permutations(32)` by default, `derangements`, `all_pairs`,
        `noise` or `zeros`.
      subsets: from the modalities to the subsets S: `singletons` or `proper_subsets`.
      positives: from labels to which samples L_Con takes as alike: `same_class`, which takes a sample with targets as
        like itself alone, or `same_sample`; None leaves L_Con out. It needs latents of one width.
      bottleneck: from fused logits and labels to what L_CEB predicts the latents from: `fused_logits` (the published
        code), `fused_probabilities` or `one_hot_label`; None leaves L_CEB and its parameters out.
      num_at_once: permutations, or other draws, that are computed together, and again in the backward pass: the fewer,
        the less memory. None: one on a CPU, where that is fastest, and all of them elsewhere.

    Returns:
      the strategy; it has no state, and `Terms` as signals. Padding (weight 0) and absent modalities neither give nor
      take a latent.
    """

    def init(key: Array, model: Model, params: Tree) -> tuple[Tree, Tree]:
        if bottleneck is None:
            return params, ()
        return {**params, "strategy": bottleneck_params(key, model, params)}, ()

    def loss(
        model: Model, params: Tree, statistics: dict[str, Tree], state: Tree, batch: Samples, key: Array
    ) -> tuple[Array, Auxiliary]:
        made = forward(model, params, statistics, batch, key)
        moved = sensitivities(
            jax.random.fold_in(key, 2),  # 0 and 1 are those of `forward`
            model,
            made,
            batch,
            divergence=task.divergence,
            perturbation=perturbation,
            subsets=subsets,
            game=game,
            encode_key=jax.random.split(key)[0],
            num_at_once=num_at_once,
        )
        fused = weighted_mean(task.losses(made.logits, batch.label), batch.weight)
        alone = unimodal_losses(task, model, made, batch)
        value = fused + unimodal_weight * total(alone.values()) - sensitivity_weight * total(moved.values())
        contrastive = error = None
        if positives is not None:
            alike = positives(batch.label)
            contrastive = nt_xent(made.latents, alike, batch.masks, batch.weight, temperature=temperature)
            value = value + contrastive_weight * contrastive
        if bottleneck is not None:
            y = bottleneck(made.logits, batch.label)
            error = bottleneck_loss(params["strategy"], y, made.latents, batch)
            value = value + bottleneck_weight * error
        return value, Auxiliary(made.logits, made.statistics, Terms(fused, alone, moved, contrastive, error))

    return Strategy(init, loss)
