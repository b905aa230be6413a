"""Real modalities, Flax models and training together: many runs of one program."""

import jax
import jax.numpy as jnp
import numpy as np

from mmjax import models
from mmjax.competition import joint
from mmjax.data import digits_halves, splits_of, standardised
from mmjax.training import TrainConfig, make_train, select


def test_halves_of_digits_are_told_by_four_runs_of_one_program():
    everything = digits_halves()
    some = everything._replace(
        modalities={name: everything.modalities[name] for name in ("top", "bottom")},
        masks={name: everything.masks[name] for name in ("top", "bottom")},
    )
    data = standardised(splits_of(some, key=jax.random.key(0)))
    module = models.Multimodal(
        encoders={name: models.MLP((32,)) for name in some.modalities}, head=models.LateLinear(10), num_outputs=10
    )
    model = models.functional(module, jax.tree.map(lambda x: x[:1], data.train.modalities))
    train = make_train(TrainConfig(num_segments=3, steps_per_segment=60, batch_size=64), model, joint())
    rates = {"learning_rate": jnp.array([1e-2, 3e-3, 1e-3, 0.0])}
    metrics = jax.jit(jax.vmap(train.train, in_axes=(0, 0, None)))(jax.random.split(jax.random.key(1), 4), rates, data)
    best = jax.vmap(select)(metrics)
    assert np.all(best["test"]["accuracy"][:2] > 0.9)
    assert best["test"]["accuracy"][3] < 0.4
