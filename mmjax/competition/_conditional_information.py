"""Room competition: what each modality tells about the label that the others do not, from losses of classifiers."""

import jax.numpy as jnp
from jax import Array

from mmjax.competition._coalitions import num_modalities_of


def conditional_informations(losses: Array) -> Array:
    """Estimate I(X_m; Y | the other modalities) by differences of cross-entropies.

    D_m = CE(all but m) - CE(all), where I(X_m;Y|others) = H(Y|others) - H(Y|all). On held-out samples each
    cross-entropy is H plus the mean divergence of the true posterior from the classifier's, so that in expectation
      D_m = I(X_m;Y|others) + KL(all but m) - KL(all):
    a difference of two upper bounds, which is no bound of either side in general. It is an upper bound where the
    classifier of all is the best there is, a lower bound where that of the others is. The classifier of the others
    is far from the best, and D_m too large, where it is the fused model with a stand-in for m (`coalition_logits`)
    rather than one trained without m; D_m is then how much this model relies on m. An XOR has D_m = ln 2 for both
    modalities, though neither has unique information: what is synergistic counts for each.

    Args:
      losses: (2^M, ...), cross-entropies in nats in the order of `coalitions`, held out; only those of all modalities
        and of all but one are read. Further axes, such as samples, are kept.

    Returns:
      (M, ...), nats; negative where the modality does harm.

    Raises:
      ValueError: if the first axis has no length 2^M.
    """
    num_modalities = num_modalities_of(losses)
    everything = 2**num_modalities - 1
    return losses[everything - 2 ** jnp.arange(num_modalities)] - losses[everything][None]
