"""Experiments, disagreement: what pre-training minimises, on two views of the same pairs.

Agreement alone: InfoNCE between modalities. What lets modalities differ: the fused pair predicted from each of them
with and without the bonus for disagreement (ours), and FactorCL, CoMM and InfMasking, formulated by us after their
papers and public code on the same networks, each with InfoNCE as `mmjax.estimators` has it: negatives are those of the
other view, and the two sides have embeddings of their own. Agreement and FactorCL do not train the fusion. All are in
nats, to be minimised.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from experiments.disagreement.networks import TEMPERATURE, Latents, Network
from mmjax.estimators import disagreement, info_nce, nce_club

View = tuple[Array, Array]
"""The first and the second modality of some pairs."""
OfViews = Callable[[Network, View, View, Array], Array]
"""From a network, two views of the same pairs and a key to what is minimised."""
NUM_MASKS, KEPT = 6, 0.3
"""Of InfMasking: masks of a pair, and the share of latents that each keeps; those of its public run on Trifeature."""


def agreement(network: Network, view: View, other: View, key: Array) -> Array:
    """Recognise each modality by the other: InfoNCE (van den Oord et al. 2018, arXiv 1807.03748), both ways."""
    del key
    (first, _), (_, second) = network.encode(*view), network.encode(*other)
    return -_both_ways(network.critics["modalities"](first, second))


def prediction(network: Network, view: View, other: View, key: Array) -> Array:
    """Recognise the other view of the pair, fused, by each modality alone: all of them must agree on it."""
    del key
    first, second = _predictions(network, view, other)
    return -(info_nce(first) + info_nce(second)) / 2


def with_disagreement(network: Network, view: View, other: View, key: Array) -> Array:
    """Add to `prediction` how much the modalities disagree: recognise the pair by their mean score (ours).

    By the identity in `mmjax.estimators.disagreement` the sum is InfoNCE of the mean score.
    """
    return prediction(network, view, other, key) - disagreement(_predictions(network, view, other))


def relaxed_agreement(network: Network, view: View, other: View, key: Array) -> Array:
    """Agree, and disagree: the sum of `agreement` and `with_disagreement` (ours)."""
    return agreement(network, view, other, key) + with_disagreement(network, view, other, key)


def factorised(network: Network, view: View, other: View, key: Array) -> Array:
    """FactorCL without labels (Liang et al. 2023, arXiv 2306.05268): half of the latents shared, half of them unique.

    Other views take the place of the label: I(X1;X2) - I(X1;X2|views) of the shared halves, and I(Xm;views) - I(X1;X2)
    + I(X1;X2|views) of the unique ones. InfoNCE stands for what is added, NCE-CLUB for what is subtracted. As in the
    public code, latents are put beside those of their views where the information is given these: what is estimated is
    I(X1,view 1;X2,view 2), at least I(X1;X2), so that the shared term is none of information. That code has embeddings
    of their own for each term in the place of halves, counts what the unique terms share once, here it is of each, and
    trains the critics of upper bounds for five steps of one here.
    """
    del key
    half = network.width // 2
    shared, unique = (
        [of[:, part] for latents in (network.encode(*view), network.encode(*other)) for of in latents]
        for part in (slice(half), slice(half, None))
    )

    def lower(name: str, x: Array, y: Array) -> Array:
        return info_nce(network.critics[name](x, y))

    of_shared = lower("shared", *shared[:2]) - _upper(network, "shared given views", *_beside(shared))
    of_each = lower("unique 1", unique[0], unique[2]) + lower("unique 2", unique[1], unique[3])
    between = lower("common given views", *_beside(unique)) - _upper(network, "common", *unique[:2])
    return -(of_shared + of_each + 2 * between)


def fused_views(network: Network, view: View, other: View, key: Array) -> Array:
    """CoMM (Dufumier, Castillo-Navarro et al. 2025, arXiv 2409.07402): the pair and each modality tell the pair."""
    del key
    return -jnp.mean(_fused_terms(network, view, other))


def masked_views(network: Network, view: View, other: View, key: Array) -> Array:
    """InfMasking (Wen et al. 2025, arXiv 2509.25270): CoMM, and the pair tells itself with most latents masked.

    In this term negatives are those of the same view, masked and whole. Embeddings k_t of random masks are taken for
    Gaussian: the expected exponential of a positive q . k is then that of q . mean(k) + Var_t(q . k_t) / 2. The public
    code lets the weight of the variance grow over the training to that of 1 here, and masks tokens, not latents.
    """
    masked = [_masked_term(network, of, k) for of, k in zip((view, other), jax.random.split(key), strict=True)]
    return jnp.mean(jnp.stack([*-_fused_terms(network, view, other), *masked]))


OBJECTIVES: Mapping[str, OfViews] = {
    "agreement": agreement,
    "prediction": prediction,
    "disagreement": with_disagreement,
    "both": relaxed_agreement,
    "FactorCL": factorised,
    "CoMM": fused_views,
    "InfMasking": masked_views,
}


def _predictions(network: Network, view: View, other: View) -> list[Array]:
    """Score the fused other view of all pairs by the latents of each modality, (n, n) each."""
    target = network.fuse(network.encode(*other))
    names = ("first", "second")
    return [network.critics[name](of, target) for name, of in zip(names, network.encode(*view), strict=True)]


def _both_ways(scores: Array) -> Array:
    return (info_nce(scores) + info_nce(scores.T)) / 2


def _beside(halves: list[Array]) -> tuple[Array, Array]:
    """Put the latents of each modality beside those of its other view."""
    first, second, first_other, second_other = halves
    return jnp.concatenate([first, first_other], axis=1), jnp.concatenate([second, second_other], axis=1)


def _upper(network: Network, name: str, x: Array, y: Array) -> Array:
    """Return NCE-CLUB with a critic that is held here, and trained by InfoNCE on held latents.

    The value is NCE-CLUB's; the gradient is that of both.
    """
    critic = network.critics[name]
    trained = info_nce(critic(*jax.lax.stop_gradient((x, y))))
    apply: Callable[..., Any] = critic.clone(parent=None).apply
    held = nce_club(apply(jax.lax.stop_gradient(critic.variables), x, y))
    return held - (trained - jax.lax.stop_gradient(trained))


def _fused_terms(network: Network, view: View, other: View) -> Array:
    """Return what the fused pair and each modality alone, the other masked, tell of the other view, fused (3,)."""
    mine, its = network.encode(*view), network.encode(*other)
    here, absent = jnp.ones_like(mine[0]), jnp.zeros_like(mine[0])

    def told(present: Latents) -> Array:
        scores = [
            network.critics["fused"](network.fuse(a, present), network.fuse(b)) for a, b in ((mine, its), (its, mine))
        ]
        return (_both_ways(scores[0]) + _both_ways(scores[1])) / 2

    return jnp.stack([told(present) for present in ((here, here), (here, absent), (absent, here))])


def _masked_term(network: Network, view: View, key: Array) -> Array:
    latents = network.encode(*view)
    whole = network.fuse(latents)

    def masked(key: Array) -> Array:
        keep1, keep2 = (
            jax.random.bernoulli(k, KEPT, of.shape) for k, of in zip(jax.random.split(key), latents, strict=True)
        )
        return network.fuse(latents, (keep1, keep2))

    embed = network.critics["fused"].embed
    (query, itself), *masks = embed(whole, whole), *(embed(whole, masked(k)) for k in jax.random.split(key, NUM_MASKS))
    scores = jnp.stack([query @ of.T for of in (itself, *(of for _, of in masks))]) / TEMPERATURE
    own = jax.vmap(jnp.diagonal)(scores[1:])
    positive, spread = jnp.mean(own, axis=0), jnp.var(own, axis=0)
    others = ~jnp.eye(len(query), dtype=bool)
    negatives = jax.nn.logsumexp(scores, axis=(0, 2), where=jnp.broadcast_to(others, scores.shape))
    return jnp.mean(jnp.logaddexp(positive + spread / 2, negatives) - positive)
