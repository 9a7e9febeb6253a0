"""What stands at 16×16, of all three kinds, against NumPy."""

import importlib.util

import numpy as np
import numpy_reference as ref
import pytest
import tensorflow as tf
from networks import made, tiny, trainable_count

from ffgan_tf.config import ModelConfig
from ffgan_tf.models import build, fpam
from ffgan_tf.utils.errors import UserError

ADDONS = importlib.util.find_spec("tensorflow_addons") is not None
needs_addons = pytest.mark.skipif(not ADDONS, reason="spp is built on tensorflow-addons, which is not on this stack")


def kernels_of(*kernels):
    return ModelConfig(pyramid_kernels=",".join(map(str, kernels)))


@pytest.fixture
def x():
    return np.random.default_rng(4).normal(size=(3, 16, 16, 8))


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("kernels", [(7, 5, 3, 1), (3, 3), (5,)])
def test_fpam_equals_numpy(x, kernels, training):
    layer = made(lambda: fpam.FPAM(8, kernels_of(*kernels)), x)
    y = layer(x, training=training)
    assert y.shape == x.shape
    np.testing.assert_allclose(y, ref.fpam(x, layer, training), rtol=0, atol=1e-10)


def test_what_is_ours_can_be_left_out(x):
    layer = made(lambda: fpam.FPAM(8, ModelConfig(fpam_residual=False, pyramid_norm=False, pyramid_reduction=2)), x)
    assert layer.pyramid.norm is None and layer.pyramid.down[0].conv.filters == 4
    pooled = ref.conv(x.mean((1, 2), keepdims=True), layer.pooled)
    expected = ref.conv(x, layer.own) * layer.pyramid(x).numpy() + pooled
    np.testing.assert_allclose(layer(x), expected, rtol=0, atol=1e-10)


def test_pyramid_has_four_scales_with_their_kernels(x):
    layer = made(lambda: fpam.Pyramid(8, 2, (7, 5, 3, 1)), x)
    y = x
    for down, refine, kernel, size in zip(layer.down, layer.refine, (7, 5, 3, 1), (8, 4, 2, 1)):
        y = down(y)
        assert y.shape == (3, size, size, 2)  # C/4 wide
        assert refine(y).shape == y.shape
        assert down.conv.kernel.shape[:2] == refine.conv.kernel.shape[:2] == (kernel, kernel)
        assert y.numpy().min() == 0  # ReLU
    assert len(layer.down) == len(layer.refine) == 4
    # k²·in·out for both convolutions of a level, two batch-norm weights a channel; the join back to 8.
    count = sum(k * k * (c + 2) * 2 + 2 * 2 * 2 for k, c in zip((7, 5, 3, 1), (8, 2, 2, 2))) + 2 * 8 + 2 * 8
    assert trainable_count(layer) == count


def test_each_branch_of_fpam_alone(x):
    layer = made(lambda: fpam.FPAM(8, ModelConfig()), x)
    own, pooled = layer.own.kernel.numpy(), layer.pooled.kernel.numpy()
    layer.own.kernel.assign(0 * own), layer.pooled.kernel.assign(0 * pooled)
    np.testing.assert_allclose(layer(x), x, rtol=0, atol=1e-12)  # the outer x +
    layer.pooled.kernel.assign(pooled)
    branch = layer(x) - x
    np.testing.assert_allclose(branch, np.broadcast_to(branch[:, :1, :1], x.shape), rtol=0, atol=1e-12)
    np.testing.assert_allclose(branch[:, 0, 0], x.mean((1, 2)) @ pooled[0, 0], rtol=0, atol=1e-12)
    layer.own.kernel.assign(own), layer.pooled.kernel.assign(0 * pooled)
    attended = (x @ own[0, 0]) * layer.pyramid(x).numpy()  # a factor for each pixel and channel
    np.testing.assert_allclose(layer(x) - x, attended, rtol=0, atol=1e-12)


@needs_addons
def test_spp_equals_numpy(x):
    layer = made(lambda: fpam.SPP(8, 2), x)
    y = layer(x)
    assert y.shape == x.shape
    np.testing.assert_allclose(y, ref.spp(x, layer), rtol=0, atol=1e-5)  # tf.image.resize computes in float32
    assert trainable_count(layer) == 4 * 8 * 2 + (8 + 4 * 2) * 8


@pytest.mark.parametrize("kind", ["fpam", "none", pytest.param("spp", marks=needs_addons)])
@pytest.mark.parametrize("training", [False, True])
def test_where_the_text_enters(x, kind, training):
    condition = np.random.default_rng(5).normal(size=(3, 6))
    layer = made(lambda: fpam.TextPyramid(8, ModelConfig(pyramid=kind)), x, condition)
    y = layer(x, condition, training=training)
    assert y.shape == x.shape
    np.testing.assert_allclose(
        y, ref.text_pyramid(x, condition, layer, kind, training), rtol=0, atol=1e-5 if kind == "spp" else 1e-10
    )
    others = layer(x, np.roll(condition, 1, axis=0), training=training)
    assert np.abs(y - others).max() > 1e-2


@pytest.mark.skipif(ADDONS, reason="tensorflow-addons is here")
def test_spp_without_addons_is_a_user_error():
    with pytest.raises(UserError, match=r"--pyramid=spp.*tensorflow-addons.*not installed"):
        build.build_generator(tiny(pyramid="spp"))


@pytest.mark.parametrize("kind", ["fpam", "none", pytest.param("spp", marks=needs_addons)])
def test_mixed_precision_keeps_shape_and_is_finite(x, kind):
    with build.precision_scope("mixed_bfloat16"):
        layer = fpam.TextPyramid(8, ModelConfig(pyramid=kind))
    y = layer(tf.cast(x, tf.bfloat16), tf.zeros([3, 6], tf.bfloat16), training=True)
    assert y.dtype == tf.bfloat16 and y.shape == x.shape
    assert np.all(np.isfinite(tf.cast(y, tf.float32)))
