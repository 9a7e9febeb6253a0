"""Maps of a trained, frozen Inception-v3 that the projected heads of D (`--d_projected`) look at."""

from pathlib import Path

import tensorflow as tf

from ffgan_tf.evaluation.inception.graph import inception_maps
from ffgan_tf.evaluation.inception.weights import from_keras_h5
from ffgan_tf.models.projected import LEAST_SIDE
from ffgan_tf.utils.files import sha256_file

MAPS = ("pool1", "pool2", "Mixed_5d", "Mixed_6e")  # of models.projected.CHANNELS


class FrozenMaps:
    """Images (B, s, s, 3) in [−1, 1] → Inception-v3's four `MAPS`, of `models.projected.map_sides`, in `dtype`.

    Images of less than `LEAST_SIDE` pixels are enlarged to it first (bilinear). Differentiable with respect to the
    images. Not a tf.Module, so that what holds one neither trains nor saves it.
    """

    def __init__(self, weights: Path, dtype: str = "float32"):
        """`weights`: of Keras's layout, with or without its top. Raises UserError where the file is damaged or another
        network's."""
        self.weights_sha256 = sha256_file(weights)
        inputs = tf.keras.Input((None, None, 3), dtype=dtype)
        maps = inception_maps(inputs, from_keras_h5(str(weights)), dtype, until=MAPS[-1])
        self._model = tf.keras.Model(inputs, [maps[name] for name in MAPS], name="frozen_maps")
        self._model.trainable = False
        self._dtype = dtype

    def __call__(self, images: tf.Tensor) -> list[tf.Tensor]:
        if images.shape[1] < LEAST_SIDE:
            images = tf.image.resize(images, [LEAST_SIDE, LEAST_SIDE])
        return self._model(tf.cast(images, self._dtype), training=False)
