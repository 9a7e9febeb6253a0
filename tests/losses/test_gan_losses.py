"""Eq. 4 and 5 against their own words: logarithms of sigmoids."""

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
import tensorflow as tf

from ffgan_tf.losses import gan


def logits_of(seed: int = 0, scale: float = 3.0) -> gan.DiscriminatorLogits:
    rng = np.random.default_rng(seed)
    return gan.DiscriminatorLogits(*(tf.constant(rng.normal(0, scale, 6)) for _ in range(5)))


def probability(logits) -> np.ndarray:
    return 1 / (1 + np.exp(-np.asarray(logits)))


def mean_log(values) -> float:
    return float(np.log(values).mean())


def test_discriminator_loss_is_equation_4():
    logits = logits_of()
    real, fake, real_matching, fake_matching, real_mismatching = (probability(x) for x in logits)
    expected = (
        -mean_log(real) / 2
        - mean_log(1 - fake) / 2
        - mean_log(real_matching) / 3
        - mean_log(1 - fake_matching) / 3
        - mean_log(1 - real_mismatching) / 3
    )
    assert float(gan.discriminator_loss(gan.discriminator_terms(logits))) == pytest.approx(expected, rel=1e-12)


def test_attngan_grouping():
    logits = logits_of(1)
    real, fake, real_matching, fake_matching, real_mismatching = (probability(x) for x in logits)
    expected = (-mean_log(real) - mean_log(real_matching)) / 2 + (
        -mean_log(1 - fake) - mean_log(1 - fake_matching) - mean_log(1 - real_mismatching)
    ) / 3
    found = gan.discriminator_loss(gan.discriminator_terms(logits), "attngan")
    assert float(found) == pytest.approx(expected, rel=1e-12)
    assert abs(float(gan.discriminator_loss(gan.discriminator_terms(logits), "paper")) - expected) > 1e-3


def test_no_information_gives_log_two_a_term():
    zero = gan.DiscriminatorLogits(*[tf.zeros(4, tf.float64)] * 5)
    terms = gan.discriminator_terms(zero)
    assert set(terms) == set(gan.DiscriminatorLogits._fields)
    for name, value in terms.items():
        assert float(value) == pytest.approx(np.log(2), rel=1e-14), name
    for grouping in ("paper", "attngan"):
        assert float(gan.discriminator_loss(terms, grouping)) == pytest.approx(2 * np.log(2), rel=1e-14)


def test_generator_loss_is_equation_5_with_the_kl_term():
    fake, fake_matching = logits_of(2)[:2]
    expected = -mean_log(probability(fake)) / 2 - mean_log(probability(fake_matching)) / 2
    terms = gan.generator_terms(fake, fake_matching)
    kl = tf.constant(0.7, tf.float64)
    assert float(gan.generator_loss([terms], kl, 0.0)) == pytest.approx(expected, rel=1e-12)  # the literal Eq. 5
    assert float(gan.generator_loss([terms], kl, 1.0)) == pytest.approx(expected + 0.7, rel=1e-12)
    assert float(gan.generator_loss([terms], kl, 2.5)) == pytest.approx(expected + 1.75, rel=1e-12)


@pytest.mark.parametrize("function,sign", [(gan.minus_log_d, 1), (gan.minus_log_one_minus_d, -1)])
def test_logits_of_ten_thousand_in_float32(function, sign):
    for logit, value, slope in ((-1e4, 1e4, -1.0), (1e4, 0.0, 0.0)):
        x = tf.constant([sign * logit], tf.float32)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = function(x)
        assert float(y) == value  # log σ(x) = x for x → −∞, exactly in float32; no infinity
        assert float(tape.gradient(y, x)[0]) == sign * slope


def test_generator_gradient_is_non_saturating():
    """Where D is sure of a fake, −log D still pulls at full strength; log(1 − D) would not."""
    fake = tf.constant([-40.0])
    with tf.GradientTape() as tape:
        tape.watch(fake)
        loss = gan.generator_terms(fake, fake)["fake"]
    assert float(tape.gradient(loss, fake)[0]) == pytest.approx(-1, abs=1e-6)


def test_kl_is_the_closed_form():
    rng = np.random.default_rng(3)
    mu, log_var = rng.normal(size=(4, 5)), rng.normal(size=(4, 5))
    expected = np.mean([(m * m + np.exp(v) - v - 1) / 2 for m, v in zip(mu.ravel(), log_var.ravel())])
    assert float(gan.kl_divergence(tf.constant(mu), tf.constant(log_var))) == pytest.approx(expected, rel=1e-12)
    assert float(gan.kl_divergence(tf.zeros([2, 3]), tf.zeros([2, 3]))) == 0


@pytest.mark.parametrize("mu,sigma", [(0.0, 1.0), (1.5, 0.5), (-0.3, 2.0)])
def test_kl_is_the_integral(mu, sigma):
    p, q = scipy.stats.norm(mu, sigma), scipy.stats.norm()
    integral, _ = scipy.integrate.quad(
        lambda x: p.pdf(x) * (p.logpdf(x) - q.logpdf(x)), mu - 12 * sigma, mu + 12 * sigma
    )
    log_var = tf.fill([2, 3], tf.constant(2 * np.log(sigma), tf.float64))
    found = gan.kl_divergence(tf.fill([2, 3], tf.constant(mu, tf.float64)), log_var)
    assert float(found) == pytest.approx(integral, abs=1e-9)


def walk(classes: list[int]) -> list[int]:
    """For each sample the first one of another class, walking on from its neighbour round the end."""
    count = len(classes)
    found = []
    for i in range(count):
        j = (i + 1) % count
        while classes[j] == classes[i]:
            j = (j + 1) % count
        found.append(j)
    return found


def test_mismatching_sentences_are_of_another_class():
    rng = np.random.default_rng(4)
    mismatch = tf.function(gan.mismatch_index, input_signature=[tf.TensorSpec([None], tf.int32)])
    seen = 0
    for _ in range(300):
        classes = rng.integers(0, rng.integers(2, 8), rng.integers(2, 24)).astype(np.int32)
        if len(set(classes)) < 2:
            continue
        index = mismatch(classes).numpy()
        assert np.all(classes[index] != classes)
        assert index.tolist() == walk(classes.tolist())
        neighbour = np.roll(np.arange(len(classes)), -1)
        rolled = classes[neighbour] != classes
        np.testing.assert_array_equal(index[rolled], neighbour[rolled])
        seen += 1
    assert seen > 200


def test_mismatch_of_all_different_classes_is_the_batch_rolled_by_one():
    assert gan.mismatch_index(tf.constant([5, 9, 2, 7])).numpy().tolist() == [1, 2, 3, 0]


@pytest.mark.parametrize("classes", [[3, 3, 3], [1], [0, 0]])
def test_a_batch_of_one_class_is_an_error_that_says_so(classes):
    for function in (gan.mismatch_index, tf.function(gan.mismatch_index)):
        with pytest.raises(tf.errors.InvalidArgumentError, match="one class only"):
            function(tf.constant(classes))


def test_gradient_penalties_of_given_gradients():
    """By hand: squared norms 25 and 0 by the images, 4 and 1 by the condition."""
    images, condition = tf.constant([[3.0, 4.0], [0.0, 0.0]]), tf.constant([[0.0, 2.0], [-1.0, 0.0]])
    assert float(gan.r1_penalty(images)) == 25 / 2
    assert float(gan.matching_aware_penalty(images, condition)) == ((25 + 4) ** 3 + (0 + 1) ** 3) / 2
    maps = tf.reshape(images, [2, 1, 1, 2])  # images have more axes than conditions
    assert float(gan.r1_penalty(maps)) == 25 / 2
    assert float(gan.matching_aware_penalty(maps, condition)) == (29**3 + 1) / 2
