"""Eq. 4 and 5 with what is added to them, on networks whose gradients are known."""

import numpy as np
import pytest
import tensorflow as tf

from ffgan_tf.config.train import LossConfig
from ffgan_tf.losses import damsm
from ffgan_tf.models.generator import Generated
from ffgan_tf.training.gan_inputs import Inputs
from ffgan_tf.training.gan_losses import G_METRICS, Judged, generator_part, gradient_penalty
from ffgan_tf.training.gan_setup import collapse_warning

B, SIDE, C, D, WORDS = 4, 3, 5, 6, 2


class LinearD:
    """D(t) = ⟨u, t⟩ and D(t|I) = ⟨u, t⟩ + ⟨w, t⟩ + ⟨v, I⟩: gradients u, and (u + w, v)."""

    compute_dtype = "float32"

    def __init__(self):
        random = np.random.default_rng(0)
        self.u, self.w = (tf.constant(random.normal(size=(SIDE, SIDE, 3)), tf.float32) for _ in range(2))
        self.v = tf.constant(random.normal(size=C), tf.float32)

    def features(self, images, training):
        assert training
        return images

    def unconditional(self, features, images):
        assert images is features
        return tf.einsum("bhwc,hwc->b", features, self.u)

    def conditional(self, features, condition, training):
        assert training
        return tf.einsum("bhwc,hwc->b", features, self.u + self.w) + tf.linalg.matvec(condition, self.v)

    def __call__(self, images, condition, training):
        return self.unconditional(images, images), self.conditional(images, condition, training)


def normal(*shape, seed=1):
    return tf.constant(np.random.default_rng(seed).normal(size=shape), tf.float32)


def inputs() -> Inputs:
    return Inputs(
        real=normal(B, SIDE, SIDE, 3),
        sentence=normal(B, D, seed=2),
        words=normal(B, WORDS, D, seed=3),
        mask=tf.ones([B, WORDS], tf.bool),
        noise=normal(B, 2),
        epsilon=normal(B, C),
        condition=normal(B, C, seed=4),
        wrong=normal(B, C, seed=5),
        classes=tf.constant([1, 1, 2, 3]),
        uniform=tf.zeros([B, 0]),
        fresh=tf.zeros([B, 0]),
    )


def square(*values) -> float:
    return float(sum(np.sum(np.square(value, dtype=np.float64)) for value in values))


def test_penalties_of_a_discriminator_whose_gradient_is_known():
    d = LinearD()
    assert float(gradient_penalty("none", d, inputs())) == 0
    assert float(gradient_penalty("r1", d, inputs())) == pytest.approx(square(d.u), rel=1e-5)
    both = square(d.u + d.w, d.v)  # one squared norm of both gradients, cubed: DF-GAN's code
    assert float(gradient_penalty("magp", d, inputs())) == pytest.approx(both**3, rel=1e-5)


def encode(images):
    """An image encoder: regions (B, 9, D) and codes (B, D), linear in the image."""
    regions = tf.reshape(tf.einsum("bhwc,cd->bhwd", images, normal(3, D, seed=7)), [B, SIDE * SIDE, D])
    return regions, tf.reduce_mean(regions, 1)


@pytest.mark.parametrize("weight", [0.5, 5.0])
def test_damsms_losses_are_part_of_what_the_generator_follows(weight):
    given, d, step = inputs(), LinearD(), tf.Variable(0, dtype=tf.int64)
    image, config = tf.Variable(normal(B, SIDE, SIDE, 3, seed=8)), LossConfig(damsm_weight=weight)
    losses, gradients = {}, {}
    for encoder in (None, encode):
        with tf.GradientTape() as tape:
            generated = Generated((tf.identity(image),), None, normal(B, C), normal(B, C), None, None)
            losses[encoder], values = generator_part(
                [Judged(d, given, generated.image)], given, generated, config, step, encoder
            )
        gradients[encoder] = tape.gradient(losses[encoder], image)
    with tf.GradientTape() as tape:
        four = damsm.damsm_losses(*encode(image), given.words, given.sentence, given.mask, given.classes)
        matching = sum(four.values())
    report = dict(zip(G_METRICS, values.numpy()))
    assert float(matching) > 0.1 and report["loss_g/damsm"] == pytest.approx(float(matching), rel=1e-5)
    assert float(losses[encode] - losses[None]) == pytest.approx(weight * float(matching), rel=1e-4)
    assert report["loss_g/total"] == pytest.approx(float(losses[encode]), rel=1e-6)
    added = (gradients[encode] - gradients[None]).numpy()
    np.testing.assert_allclose(added, weight * tape.gradient(matching, image), rtol=1e-3, atol=1e-5)


def test_the_collapse_of_i_s_is_told_and_nothing_else():
    """μ that is alike for all sentences of a batch, where D sees I_s; ordinary spreads are between 0.1 and 1."""
    assert "I_s has collapsed" in collapse_warning({"text/mu_spread": 0.001}, "ca")
    assert "I_s has collapsed" in collapse_warning({"text/mu_spread": 0.001}, "mu")
    assert collapse_warning({"text/mu_spread": 0.001}, "sentence") == ""
    assert collapse_warning({"text/mu_spread": 0.4}, "ca") == collapse_warning({"text/mu_spread": 0.4}, "mu") == ""
