"""Repeated edges in place of zero padding: against the plain forms, in float64."""

import numpy as np
import pytest
import tensorflow as tf

from ffgan_tf import ModelConfig
from ffgan_tf.models import blocks, build, fast_ops
from ffgan_tf.models.residual_stack import ResidualStack


def draw(*shape):
    return tf.constant(np.random.default_rng(sum(shape)).normal(size=shape))


def plain_conv(x, kernel):
    """3×3 convolution, edge pixels repeated: NumPy's own padding and nine shifted products."""
    padded = np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)], mode="edge")
    height, width = x.shape[1:3]
    return sum(padded[:, i : i + height, j : j + width] @ np.asarray(kernel)[i, j] for i in range(3) for j in range(3))


def tiled(vector, height, width):
    return np.broadcast_to(np.asarray(vector)[:, None, None], (vector.shape[0], height, width, vector.shape[1]))


def test_up_conv():
    x, kernel = draw(2, 3, 5, 4), draw(3, 3, 4, 6)
    plain = plain_conv(np.asarray(x).repeat(2, axis=1).repeat(2, axis=2), kernel)
    np.testing.assert_allclose(fast_ops.up_conv_with_edges(x, kernel), plain, atol=1e-10)


def test_conv_beside_a_vector():
    x, vector, kernel = draw(2, 4, 3, 4), draw(2, 5), draw(3, 3, 9, 6)
    plain = plain_conv(np.concatenate([x, tiled(vector, 4, 3)], axis=-1), kernel)
    np.testing.assert_allclose(fast_ops.conv_beside_vector(x, vector, kernel, True), plain, atol=1e-10)


def test_up_conv_of_joined():
    x, vector, matrix, kernel = draw(2, 3, 4, 5), draw(2, 6), draw(11, 7), draw(3, 3, 7, 2)
    joined = np.concatenate([x, tiled(vector, 3, 4)], axis=-1) @ np.asarray(matrix)
    plain = plain_conv(joined.repeat(2, axis=1).repeat(2, axis=2), kernel)
    np.testing.assert_allclose(fast_ops.up_conv_of_joined(x, vector, matrix, kernel, True), plain, atol=1e-10)


@pytest.mark.parametrize("stage_block", ["dense", "residual"])
@pytest.mark.parametrize("edges", ["zero", "repeat"])
def test_only_repeated_edges_leave_no_rim(edges, stage_block):
    """Constant maps through stage 2: without a rim, and only then, all pixels are alike."""
    config = ModelConfig(image_size=64, ngf=4, ndf=4, dense_growth=4, edges=edges, stage_block=stage_block)
    generator = build.build_generator(config)
    constant = tf.ones([2, 16, 16, 4]) * tf.reshape(tf.range(1.0, 5), [1, 1, 1, 4])
    y = generator.stage2(constant, tf.ones([2, config.c_dim]), constant)
    assert (spread(y) < 1e-5) == (edges == "repeat")


def spread(y) -> float:
    """How far pixels differ from one of the inner ones."""
    return float(tf.reduce_max(tf.abs(y - y[:, 8:9, 8:9])) / tf.reduce_max(tf.abs(y)))


@pytest.mark.parametrize("edges", ["zero", "repeat"])
@pytest.mark.parametrize("up_filter", ["none", "tail"])
def test_stage_one_repeats_them_after_the_pyramid(edges, up_filter):
    """S = 256 has two ups there; those before the pyramid are padded with zeros as ever."""
    config = ModelConfig(image_size=256, ngf=4, ndf=4, dense_growth=4, edges=edges, up_filter=up_filter)
    stage1 = build.build_generator(config).stage1
    y = tf.ones([2, 16, 16, 16]) * tf.range(1.0, 17)
    for up in stage1.tail:
        y = up(y)
    assert y.shape == (2, 64, 64, 4) and (spread(y) < 1e-5) == (edges == "repeat")
    assert not any(up.conv.edges for up in stage1.ups)


def test_residual_blocks_differ_at_the_edges_alone():
    """Four 3×3 convolutions carry the padding four pixels inwards."""
    x, vector = (tf.cast(draw(*shape), tf.float32) for shape in ((1, 16, 16, 5), (1, 3)))
    padded, repeated = (ResidualStack(2, 4, edges=edges) for edges in (False, True))
    for stack in (padded, repeated):
        stack((x, vector))
    repeated.set_weights(padded.get_weights())
    apart = np.abs(padded((x, vector)) - repeated((x, vector))).max(axis=(0, 3))
    assert apart[4:-4, 4:-4].max() < 1e-4 < apart[[0, 0, -1, -1], [0, -1, 0, -1]].min()


@pytest.mark.parametrize("edges", ["zero", "repeat"])
def test_the_blocks_before_the_image_repeat_them(edges):
    config = ModelConfig(image_size=64, ngf=4, ndf=4, dense_growth=4, edges=edges, refine=1)
    y = tf.ones([2, 24, 24, 4]) * tf.range(1.0, 5)
    for block in build.build_generator(config).refine:
        y = block(y) - y
    assert (spread(y) < 1e-5) == (edges == "repeat")


def test_the_last_convolution_repeats_edges_too():
    config = ModelConfig(image_size=64, ngf=4, ndf=4, dense_growth=4, edges="repeat")
    generator = build.build_generator(config)
    assert generator.to_image.padding == "valid"
    x = draw(1, 6, 6, 4)
    y = generator.to_image(fast_ops.repeat_edges(tf.cast(x, tf.float32)))
    np.testing.assert_allclose(y, plain_conv(x, generator.to_image.kernel), atol=1e-4)
    assert isinstance(generator.to_image, blocks.Conv)
