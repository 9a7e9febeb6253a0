"""The optimiser of both trainings."""

import tensorflow as tf

from ffgan_tf.compat import FusedAdam
from ffgan_tf.config.shared import AdamConfig


def adam(config: AdamConfig, rate: float, loss_scaling: bool = False) -> tf.keras.optimizers.Optimizer:
    """Adam by the run's settings; with `loss_scaling` for float16, whose small gradients would be zero.

    Keras adds ε to the uncorrected √v. At 1e-8 that equals Adam's own form, except for gradients below 3e-7.
    """
    optimizer = FusedAdam(rate, beta_1=config.beta1, beta_2=config.beta2, epsilon=config.adam_epsilon)
    return tf.keras.mixed_precision.LossScaleOptimizer(optimizer) if loss_scaling else optimizer
