"""Hinge and relativistic forms of Eq. 4 and 5 against NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from ffgan_tf.losses import gan


@pytest.fixture
def values():
    return np.random.default_rng(0).normal(0, 2, (5, 8))


def softplus(x):
    return np.log1p(np.exp(x)).mean()


def test_hinge(values):
    logits = gan.DiscriminatorLogits(*map(tf.constant, values))
    real, fake, matching, fake_matching, mismatching = values
    wanted = {
        "real": np.maximum(0, 1 - real),
        "fake": np.maximum(0, 1 + fake),
        "real_matching": np.maximum(0, 1 - matching),
        "fake_matching": np.maximum(0, 1 + fake_matching),
        "real_mismatching": np.maximum(0, 1 + mismatching),
    }
    found = gan.discriminator_terms(logits, "hinge")
    for name, value in wanted.items():
        assert float(found[name]) == pytest.approx(value.mean(), rel=1e-12), name
    terms = gan.generator_terms(logits.fake, logits.fake_matching, "hinge")
    assert float(terms["fake"]) == pytest.approx(-fake.mean()) and float(terms["fake_matching"]) == pytest.approx(
        -fake_matching.mean()
    )


def test_relativistic(values):
    logits = gan.DiscriminatorLogits(*map(tf.constant, values))
    real, fake, matching, fake_matching, mismatching = values
    found = gan.discriminator_loss(gan.discriminator_terms(logits, "relativistic"))
    # Eq. 4's weights: 1/2 + 1/2 of the unconditional pair, 1/3 + 1/6 of either conditional one.
    wanted = softplus(fake - real) + (softplus(fake_matching - matching) + softplus(mismatching - matching)) / 2
    assert float(found) == pytest.approx(wanted, rel=1e-12)
    terms = gan.generator_terms(logits.fake, logits.fake_matching, "relativistic", logits.real, logits.real_matching)
    assert float(terms["fake"]) == pytest.approx(softplus(real - fake), rel=1e-12)
    assert float(terms["fake_matching"]) == pytest.approx(softplus(matching - fake_matching), rel=1e-12)


def test_relativistic_terms_see_differences_alone(values):
    logits = gan.DiscriminatorLogits(*map(tf.constant, values))
    shifted = gan.DiscriminatorLogits(*(value + 100.0 for value in logits))
    one, other = (gan.discriminator_terms(x, "relativistic") for x in (logits, shifted))
    for name in one:
        assert float(one[name]) == pytest.approx(float(other[name]), rel=1e-12)


def test_projected_heads_losses_are_hinges_averaged_over_heads():
    random = np.random.default_rng(1)
    real, fake = ([random.normal(0, 2, shape) for shape in ((3, 5, 5), (3, 4, 4), (3, 3, 3))] for _ in range(2))
    of_heads = [np.maximum(0, 1 - one).mean() + np.maximum(0, 1 + other).mean() for one, other in zip(real, fake)]
    found = gan.projected_discriminator_loss([tf.constant(x) for x in real], [tf.constant(x) for x in fake])
    assert float(found) == pytest.approx(np.mean(of_heads), rel=1e-12)
    found = gan.projected_generator_loss([tf.constant(x) for x in fake])
    assert float(found) == pytest.approx(-np.mean([x.mean() for x in fake]), rel=1e-12)
