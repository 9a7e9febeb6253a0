"""Maps for D's projected heads without Inception-v3: linear in the images."""

import numpy as np
import tensorflow as tf

from ffgan_tf.models.projected import CHANNELS, map_sides


def linear_maps(images: tf.Tensor) -> list[tf.Tensor]:
    """(B, s, s, 3) → four maps of the right shapes."""
    maps = []
    for i, (side, channels) in enumerate(zip(map_sides(images.shape[1]), CHANNELS)):
        matrix = tf.constant(np.random.default_rng(i).normal(size=(3, channels)), images.dtype)
        maps.append(tf.cast(tf.image.resize(images, [side, side]), images.dtype) @ matrix)
    return maps
