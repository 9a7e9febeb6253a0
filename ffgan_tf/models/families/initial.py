"""Initial weights of the older families.

Each layer takes a new initialiser: called twice, one initialiser draws the same numbers again.
"""

import tensorflow as tf

from ffgan_tf.models.blocks import Blank


def normal() -> Blank:
    """N(0, 0.02), DCGAN's and GAN-INT-CLS's."""
    return Blank(tf.keras.initializers.RandomNormal(0.0, 0.02))


def truncated_normal() -> Blank:
    """N(0, 0.02) truncated at two standard deviations, StackGAN's."""
    return Blank(tf.keras.initializers.TruncatedNormal(0.0, 0.02))


class FanIn(tf.keras.initializers.Initializer):
    """U(±1/√n), Torch's default; n: `fan_in`, or for a kernel the number of its inputs."""

    def __init__(self, fan_in: int = 0):
        self.fan_in = fan_in

    def __call__(self, shape, dtype=None, **kwargs):
        inputs = self.fan_in or tf.TensorShape(shape[:-1]).num_elements()
        bound = inputs**-0.5
        return Blank(tf.keras.initializers.RandomUniform(-bound, bound))(shape, dtype, **kwargs)
