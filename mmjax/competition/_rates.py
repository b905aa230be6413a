"""Room competition: an optimiser whose learning rate a strategy scales, or sets to 0, part by part and step by step."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array

from mmjax.competition._strategy import Model, Tree


def with_rates(optimizer: optax.GradientTransformation) -> optax.GradientTransformationExtraArgs:
    """Let an optimiser take factors of its learning rate with each step.

    A gradient of 0 does not hold a parameter: weight decay and momentum still move it. A rate of 0 does.

    Args:
      optimizer: the optimiser; its state is as it was.

    Returns:
      the optimiser, whose `update(gradients, state, params, *, rates=None)` multiplies its updates by the rates, a
      tree like `params` of scalars, or of arrays that broadcast with its own; where a rate is 0, what it remembers of
      that parameter (momentum, for example) stays as it is too. With None it does what it did before.
    """

    def update(
        gradients: Tree, state: Tree, params: Tree | None = None, *, rates: Tree | None = None, **extra: Any
    ) -> tuple[Tree, Tree]:
        updates, new = optax.with_extra_args_support(optimizer).update(gradients, state, params, **extra)
        if rates is None:
            return updates, new
        moved = jax.tree.map(lambda rate, update: jnp.where(rate == 0, 0, rate * update), rates, updates)
        of_state = optax.tree_utils.tree_map_params(
            optimizer, lambda _, rate: rate, new, rates, transform_non_params=lambda _: jnp.ones(())
        )
        kept = jax.tree.map(lambda rate, new, old: jnp.where(rate == 0, old, new), of_state, new, state)
        return moved, kept

    return optax.GradientTransformationExtraArgs(optimizer.init, update)


def rates_by_label(model: Model, params: Tree, rates: dict[str, Array]) -> Tree:
    """Return a tree like `params` of the rates of its labels ("encoder:<modality>", "head", ...); 1 for others."""
    one = jnp.ones(())
    return jax.tree.map(lambda label: rates.get(label, one), model.labels(params))


def scale_by_label(model: Model, gradients: Tree, factors: dict[str, Array]) -> Tree:
    """Multiply gradients by the factors of their labels ("encoder:<modality>", "head:<modality>", ...); others stay.

    Args:
      model: whose labels they are.
      gradients: a tree like its parameters.
      factors: label to a scalar.

    Returns:
      the scaled gradients, in their own dtypes.
    """
    return jax.tree.map(
        lambda label, gradient: gradient * factors[label].astype(gradient.dtype) if label in factors else gradient,
        model.labels(gradients),
        gradients,
    )
