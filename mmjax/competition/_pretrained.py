"""Room competition: encoders that are trained alone first, and then fused."""

from jax.typing import ArrayLike

from mmjax.competition._held import encoders_held
from mmjax.competition._joint import joint
from mmjax.competition._multi_loss import ensemble
from mmjax.competition._staged import staged
from mmjax.competition._strategy import Strategy
from mmjax.competition._task import Task, classification


def frozen(task: Task = classification, *, num_segments: ArrayLike) -> Strategy:
    """Train every encoder alone, then hold the encoders and train the fusion head on what they give.

    For `num_segments` segments L = sum_m L(u_m), u_m the logits of the unimodal head of modality m, as `ensemble`; then
    L = L(y), y the fused logits, with encoders that stay bit by bit as they are, running statistics included, and
    encode as in evaluation (`encoders_held`). The row "Uni-Pre Frozen" of the tables of Kontras et al. (2024, arXiv
    2411.07335). There each encoder is trained by a run of its own and taken at its own best epoch; here one number of
    segments serves all, within the same run (ours).

    Args:
      task: what the label is.
      num_segments: of the first stage, at least 1, below those of the run; may be traced.

    Returns:
      the strategy: see `staged` for its state, for what the optimiser remembers and for what is held when. Segments of
      the first stage are never selected.
    """
    return staged(ensemble(task), encoders_held(joint(task)), num_segments=num_segments)


def finetuned(task: Task = classification, *, num_segments: ArrayLike) -> Strategy:
    """Train every encoder alone, then all of the model together.

    As `frozen`, but in the second stage L(y) trains the encoders too: the row "Uni-Pre Finetuned" of Kontras et al.
    (2024, arXiv 2411.07335). Any other strategy follows on the same preparation by `staged(ensemble(task), strategy,
    num_segments=...)`.

    Args:
      task: what the label is.
      num_segments: of the first stage, at least 1, below those of the run; may be traced.

    Returns:
      the strategy; see `staged`.
    """
    return staged(ensemble(task), joint(task), num_segments=num_segments)
