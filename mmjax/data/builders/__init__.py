"""Builders: data sets that TFDS prepares once from raw files and then reads at random, all without TensorFlow.

Importing this package imports TFDS (the `experiments` extra), which `mmjax.data` itself does not.
"""

from mmjax.data.builders._av_mnist import AvMnist, prepare_av_mnist

__all__ = ["AvMnist", "prepare_av_mnist"]
