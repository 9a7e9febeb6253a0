"""The frozen network's maps against Keras's own layers, and what they let through."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from ffgan_tf.models.projected import CHANNELS
from ffgan_tf.training.frozen_maps import FrozenMaps
from ffgan_tf.utils.errors import UserError


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """Keras's network with random weights and statistics, and their file."""
    tf.keras.utils.set_random_seed(3)
    model = tf.keras.applications.InceptionV3(include_top=False, weights=None, input_shape=(128, 128, 3))
    random = np.random.default_rng(4)
    for variable in model.variables:
        if "moving_variance" in variable.name:
            variable.assign(random.uniform(0.5, 1.5, variable.shape))
        elif "kernel" not in variable.name:
            variable.assign(random.normal(0, 0.3, variable.shape))
    path = tmp_path_factory.mktemp("weights") / "inception_v3_notop.h5"
    model.save_weights(path)
    pools = [layer.name for layer in model.layers if type(layer).__name__ == "MaxPooling2D"][:2]
    outputs = [model.get_layer(name).output for name in (*pools, "mixed2", "mixed7")]
    return tf.keras.Model(model.input, outputs), path


@pytest.fixture(scope="module")
def frozen(network):
    return FrozenMaps(network[1])


def test_the_maps_are_kerass(network, frozen):
    images = np.random.default_rng(0).uniform(-1, 1, (2, 128, 128, 3)).astype(np.float32)
    for found, wanted, channels in zip(frozen(images), network[0](images), CHANNELS, strict=True):
        assert found.shape[-1] == channels
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-4 * np.abs(wanted).max())


def test_small_images_are_enlarged_first(frozen):
    images = np.random.default_rng(1).uniform(-1, 1, (1, 64, 64, 3)).astype(np.float32)
    channels = [Image.fromarray(images[0, ..., i]).resize((128, 128), Image.Resampling.BILINEAR) for i in range(3)]
    enlarged = np.stack([np.asarray(channel) for channel in channels], axis=-1)[None]
    for found, wanted in zip(frozen(tf.constant(images)), frozen(tf.constant(enlarged))):
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-3 * np.abs(wanted).max())


def test_gradients_reach_the_images(frozen):
    images = tf.Variable(np.random.default_rng(2).uniform(-1, 1, (1, 64, 64, 3)).astype(np.float32))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(frozen(images)[-1])
    assert np.abs(tape.gradient(loss, images)).max() > 0
    assert not isinstance(frozen, tf.Module)  # or what holds it would train and save it


def test_bfloat16_maps_are_near(network, frozen):
    images = tf.constant(np.random.default_rng(3).uniform(-1, 1, (2, 128, 128, 3)), tf.float32)
    for half, whole in zip(FrozenMaps(network[1], "bfloat16")(images), frozen(images)):
        assert half.dtype == tf.bfloat16
        assert np.corrcoef(np.ravel(tf.cast(half, tf.float32)), np.ravel(whole))[0, 1] > 0.999


def test_another_file_is_refused(tmp_path):
    path = tmp_path / "weights_notop.h5"
    path.write_bytes(b"not HDF5")
    with pytest.raises(UserError, match="weights_notop.h5"):
        FrozenMaps(path)
