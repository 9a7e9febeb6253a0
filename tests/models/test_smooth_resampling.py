"""The settings against blocks and aliases: bilinear laterals, blurs after nearest ×2 and before D's strides."""

import numpy as np
import pytest
import tensorflow as tf

from ffgan_tf.models import blocks, build
from ffgan_tf.models.discriminator import ConvNormLeaky
from ffgan_tf.models.fpam import Pyramid
from ffgan_tf.models.generator import Lateral
from tests import networks


@pytest.fixture(autouse=True)
def _float32():
    """Whatever policy other tests have left: tf.image.resize, the reference, knows float32 alone."""
    with build.precision_scope("float32"):
        yield


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_blur_after_nearest_is_bilinear_upsampling(rng):
    x = tf.constant(rng.normal(size=(2, 5, 7, 3)), tf.float32)
    # TensorFlow's half-pixel bilinear ×2: weights 1/4 and 3/4, the edges repeated.
    np.testing.assert_allclose(
        blocks.blur(blocks.nearest_up(x)).numpy(), tf.image.resize(x, (10, 14)).numpy(), rtol=1e-6, atol=1e-6
    )


def test_blur_keeps_constants_and_takes_out_period_two():
    board = (np.indices((6, 6)).sum(0) % 2 * 2.0 - 1)[None, :, :, None]
    found = blocks.blur(tf.constant(3 + board)).numpy()[0, :, :, 0]
    np.testing.assert_allclose(found[1:-1, 1:-1], 3.0)
    np.testing.assert_allclose(blocks.blur(tf.ones((1, 4, 4, 2))).numpy(), 1.0)


def test_bilinear_lateral_is_convolution_then_bilinear_upsampling(rng):
    x = tf.constant(rng.normal(size=(2, 4, 4, 3)), tf.float32)
    lateral = Lateral(5, "bilinear")
    found = lateral(x)
    np.testing.assert_allclose(found.numpy(), tf.image.resize(lateral.conv(x), (8, 8)).numpy(), rtol=1e-5, atol=1e-6)
    plain = Lateral(5)
    plain(x), plain.set_weights(lateral.get_weights())
    assert np.abs(plain(x).numpy() - found.numpy()).max() > 0.1


def test_up_blurs_what_its_convolution_gives(rng):
    x = rng.normal(size=(2, 4, 4, 3))
    layer = networks.made(lambda: blocks.Up(2, smooth=True), tf.constant(x))
    wanted = blocks.glu(layer.norm(blocks.blur(layer.conv(tf.constant(x)))))
    np.testing.assert_allclose(layer(tf.constant(x)).numpy(), wanted.numpy(), rtol=1e-12)
    plain = networks.made(lambda: blocks.Up(2), tf.constant(x))
    plain.set_weights(layer.get_weights())
    assert np.abs(plain(tf.constant(x)).numpy() - wanted.numpy()).max() > 0.05


def test_d_blurs_before_its_strides_and_leaves_its_norm_out(rng):
    x, y = (tf.constant(rng.normal(size=(2, 8, 8, 3))) for _ in range(2))
    layer = networks.made(lambda: ConvNormLeaky(4, 4, 2, norm=False, smooth=True), x)
    wanted = [blocks.leaky_relu(layer.conv(blocks.blur(value))).numpy() for value in (x, y)]
    np.testing.assert_allclose(layer(x).numpy(), wanted[0], rtol=1e-12)
    for found, value in zip(layer.of_both(x, y), wanted):
        np.testing.assert_allclose(found.numpy(), value, rtol=1e-12)


def test_bilinear_pyramid_is_resized_level_by_level(rng):
    x = tf.constant(rng.normal(size=(2, 8, 8, 6)), tf.float32)
    pyramid = Pyramid(6, 3, (3, 1), norm=False, bilinear=True)
    found = pyramid(x)
    first = pyramid.down[0](x)
    fine, coarse = pyramid.refine[0](first), pyramid.refine[1](pyramid.down[1](first))
    wanted = tf.image.resize(pyramid.join(tf.image.resize(coarse, (4, 4)) + fine), (8, 8))
    np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=1e-5, atol=1e-6)
    plain = Pyramid(6, 3, (3, 1), norm=False)
    plain(x), plain.set_weights(pyramid.get_weights())
    np.testing.assert_array_equal(plain(x).numpy()[:, 1::2, 1::2], plain(x).numpy()[:, ::2, ::2])  # blocks of two
    assert np.abs(plain(x).numpy() - found.numpy()).max() > 0.01


@pytest.mark.parametrize(
    "up_filter, smooth",  # stage 1 before the text pyramid, after it (S = 128 has one up there), stages 2 and 3
    [
        ("none", (False, False, False, False)),
        ("inner", (True, True, True, False)),
        ("last", (False, False, False, True)),
        ("late", (False, False, True, True)),
        ("tail", (False, True, True, True)),
        ("blur", (True, True, True, True)),
    ],
)
def test_settings_reach_the_networks(up_filter, smooth):
    config = networks.tiny(
        image_size=128,
        lateral="bilinear",
        pyramid_upsampling="bilinear",
        up_filter=up_filter,
        d_filter="blur",
        d_norm="none",
    )
    generator, discriminator = networks.generator(config), networks.discriminator(config)
    assert generator.lateral1.bilinear and generator.lateral2.bilinear
    assert generator.stage1.text.pyramid.pyramid.bilinear
    ups = [*generator.stage1.ups, *generator.stage1.tail, generator.stage2.up, generator.stage3.up]
    assert [up.smooth for up in ups] == [smooth[0], *smooth]
    # Not before the first: nothing would see the images' own period two.
    assert [layer.smooth for layer in discriminator.trunk] == [False, True, True, True, True, False, False]
    assert not any(isinstance(layer, tf.keras.layers.BatchNormalization) for layer in discriminator._flatten_layers())


def test_the_papers_networks_are_the_default():
    generator, discriminator = networks.generator(networks.tiny()), networks.discriminator(networks.tiny())
    assert not generator.lateral1.bilinear and not generator.stage1.text.pyramid.pyramid.bilinear
    assert not generator.stage3.up.smooth and not generator.stage1.ups[0].smooth
    assert not any(layer.smooth for layer in discriminator.trunk)
    assert [layer.norm is None for layer in discriminator.trunk] == [True] + 5 * [False]
