"""GAN-INT-CLS and StackGAN, whose authors' code does not run today, against plain NumPy forms (docs/families.md)."""

from statistics import NormalDist

import numpy as np
import pytest
from networks import generator, generator_inputs, shake
from numpy_reference import array, batch_norm, conv2d, leaky_relu, nearest_up, tile

from ffgan_tf.config import ModelConfig
from ffgan_tf.models import build

SMALL = {"ngf": 4, "ndf": 4, "z_dim": 5, "c_dim": 6}


def relu(x):
    return np.maximum(x, 0)


def same(x):
    return x


def transposed(x, kernel):
    """4×4 transposed convolution of stride 2, kernel (4, 4, out, in): pixel (i, j) adds to rows 2i − 1 … 2i + 2."""
    batch, height, width, _ = x.shape
    y = np.zeros((batch, 2 * height + 2, 2 * width + 2, kernel.shape[2]))
    for a in range(4):
        for b in range(4):
            y[:, a : a + 2 * height : 2, b : b + 2 * width : 2] += x @ kernel[a, b].T
    return y[:, 1:-1, 1:-1]


def dense(x, layer):
    return x @ array(layer.kernel) + (array(layer.bias) if layer.use_bias else 0)


def read(sentence, normalise=True):
    return sentence / np.sqrt((sentence**2).mean(-1, keepdims=True)) if normalise else sentence


def conv_norm(x, layer, activation, training, stride=1):
    x = conv2d(x, array(layer.conv.kernel), stride)
    return activation(x if layer.norm is None else batch_norm(x, layer.norm, training))


def bottleneck(x, layer, activation, training):
    y = conv_norm(x, layer.first, activation, training)
    y = conv_norm(y, layer.second, activation, training)
    return activation(x + conv_norm(y, layer.third, same, training))


def gan_int_cls(model, sentence, noise, training):
    text = leaky_relu(dense(read(sentence), model.text))
    x = dense(np.concatenate([noise, text], -1), model.fc).reshape(len(noise), 4, 4, -1)
    x = bottleneck(batch_norm(x, model.fc_norm, training), model.block1, relu, training)
    x = batch_norm(transposed(x, array(model.up1.conv.kernel)), model.up1.norm, training)
    x = bottleneck(x, model.block2, relu, training)
    for up in (model.up2, model.up3):
        x = relu(batch_norm(transposed(x, array(up.conv.kernel)), up.norm, training))
    return np.tanh(transposed(x, array(model.to_image.kernel)))


def up_norm(x, layer, activation, training):
    return activation(batch_norm(conv2d(nearest_up(x), array(layer.conv.kernel)), layer.norm, training))


def truncated(drawn):
    """Quantiles of N(0, 1) between ±2 at the draws' own: Φ⁻¹(½ + (Φ(x) − ½)·P), P the share between them."""
    normal = NormalDist()
    share = normal.cdf(2) - normal.cdf(-2)
    return np.vectorize(lambda x: normal.inv_cdf(0.5 + (normal.cdf(x) - 0.5) * share))(drawn)


def augment(sentence, epsilon, layer):
    """StackGAN's conditioning augmentation; `epsilon` is truncated already."""
    mu, log_sigma = np.split(leaky_relu(dense(read(sentence), layer.linear)), 2, -1)
    return mu + np.exp(log_sigma) * epsilon


def stackgan1(model, sentence, noise, epsilon, training):
    x = dense(np.concatenate([augment(sentence, epsilon, model.augment), noise], -1), model.fc)
    x = batch_norm(x, model.fc_norm, training).reshape(len(noise), 4, 4, -1)  # by unit, over the batch alone
    x = up_norm(bottleneck(x, model.block1, relu, training), model.up1, same, training)
    x = bottleneck(x, model.block2, relu, training)
    for up in (model.up2, model.up3):
        x = up_norm(x, up, relu, training)
    return np.tanh(conv2d(nearest_up(x), array(model.to_image.kernel)))


def stackgan2(model, sentence, noise, epsilon, training):
    own, first = np.split(epsilon, 2, -1)
    x = stackgan1(model.first, sentence, noise, first, training)
    for layer, stride in zip(model.encode, (1, 2, 2)):
        x = conv_norm(x, layer, relu, training, stride)
    x = np.concatenate([x, tile(augment(sentence, own, model.augment), x)], -1)
    x = conv_norm(x, model.joint, relu, training)
    for block in model.blocks:
        x = relu(x + conv_norm(conv_norm(x, block.first, relu, training), block.second, same, training))
    for up in model.ups:
        x = up_norm(x, up, relu, training)
    return np.tanh(conv2d(x, array(model.to_image.kernel)))


def discriminator(model, images, sentence, activations, training):
    """`activations` of the trunk's layers before the bottleneck, those of 4×4 kernels with stride 2."""
    x = images
    for layer, activation in zip(model.trunk, activations):
        x = conv_norm(x, layer, activation, training, 2 if layer.conv.kernel.shape[0] == 4 else 1)
    x = bottleneck(x, model.trunk[-1], leaky_relu, training)
    text = dense(read(sentence), model.text)
    text = leaky_relu(text if model.text_norm is None else batch_norm(text, model.text_norm, training))
    x = conv_norm(np.concatenate([x, tile(text, x)], -1), model.joint, leaky_relu, training)
    return np.einsum("bhwc,hwc->b", x, array(model.conditional_logit.dense.kernel).reshape(4, 4, -1))


CASES = {
    "gan_int_cls": ("gan_int_cls", {}, (leaky_relu, leaky_relu, same, same)),
    "stage 1": ("stackgan", {}, (leaky_relu, leaky_relu, same, same)),
    # The last maps have ngf/4 channels; ReLU may leave nothing of a single one.
    "stage 2": ("stackgan", {"stage": 2, "image_size": 256, "ngf": 16}, (leaky_relu,) * 7 + (same,)),
}


def enlarge(model):
    """Four times larger kernels: with N(0, 0.02) and the moving averages of `shake`, hardly anything of the input is
    left in the output."""
    for variable in model.variables:
        if "kernel" in variable.name:
            variable.assign(4 * variable)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_generators_equal_numpy(case, training):
    family, settings, _ = CASES[case]
    config = ModelConfig.of_family(family, **{**SMALL, **settings})
    model, inputs = generator(config), generator_inputs(config)
    enlarge(model)
    epsilon = truncated(inputs["epsilon"]) if config.epsilon_dim else None
    expected = {
        "gan_int_cls": lambda: gan_int_cls(model, inputs["sentence"], inputs["noise"], training),
        "stage 1": lambda: stackgan1(model, inputs["sentence"], inputs["noise"], epsilon, training),
        "stage 2": lambda: stackgan2(model, inputs["sentence"], inputs["noise"], epsilon, training),
    }[case]()
    assert expected.std() > 0.01
    np.testing.assert_allclose(model(**inputs, training=training).image, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_discriminators_equal_numpy(case, training):
    family, settings, activations = CASES[case]
    config, rng = ModelConfig.of_family(family, **{**SMALL, **settings}), np.random.default_rng(6)
    model = build.build_discriminator(config, "float64")
    shake(model)
    enlarge(model)
    images = rng.uniform(-1, 1, (3, config.image_size, config.image_size, 3))
    sentence = rng.normal(size=(3, build.TEXT_DIM))
    found = model(images, sentence, training=training)
    expected = discriminator(model, images, sentence, activations, training)
    assert found[0] is None and np.std(expected) > 1e-3
    np.testing.assert_allclose(found[1], expected, rtol=0, atol=1e-9)
