"""The families' losses against their formulas (docs/families.md), written out with sigmoid and log or as hinges."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from ffgan_tf.config.families import FACTS
from ffgan_tf.config.train import TrainConfig
from ffgan_tf.losses import gan

NAMES = gan.DiscriminatorLogits._fields


def logits_of(family: str, seed: int = 0) -> dict[str, np.ndarray]:
    """Logits of five samples on each input that the family's D has a head for."""
    random = np.random.default_rng(seed)
    return {name: random.normal(0, 2, 5) for name in NAMES if FACTS[family].unconditional or "_" in name}


def minus_log(x: np.ndarray) -> float:
    """−mean log sigmoid(x)."""
    return float(np.mean(-np.log(1 / (1 + np.exp(-x)))))


def d_loss(family: str, x: dict[str, np.ndarray]) -> float:
    """L_D as the family's paper or code has it, each term a mean."""

    def real(name):
        return minus_log(x[name])

    def fake(name):
        return minus_log(-x[name])

    def margin(values):
        return float(np.mean(np.maximum(0, 1 - values)))

    if family == "ffgan":
        return (real("real") + fake("fake")) / 2 + (
            real("real_matching") + fake("fake_matching") + fake("real_mismatching")
        ) / 3
    if family == "attngan":
        return (real("real") + real("real_matching")) / 2 + (
            fake("fake") + fake("fake_matching") + fake("real_mismatching")
        ) / 3
    if family in ("stackgan_v2", "resfpa"):  # the images of the wrong pairs are real ones, once more
        pairs = real("real_matching") + fake("real_mismatching") + fake("fake_matching")
        return pairs + real("real") + real("real") + fake("fake")
    if family == "dfgan":
        return margin(x["real_matching"]) + (margin(-x["fake_matching"]) + margin(-x["real_mismatching"])) / 2
    return real("real_matching") + (fake("fake_matching") + fake("real_mismatching")) / 2


def g_loss(family: str, x: dict[str, np.ndarray]) -> float:
    """The adversarial part of L_G of one discriminator."""
    terms = [x[name] for name in ("fake", "fake_matching") if name in x]
    if family == "dfgan":
        return -float(sum(map(np.mean, terms)))
    return sum(map(minus_log, terms)) / (2 if family == "ffgan" else 1)


@pytest.mark.parametrize("family", FACTS)
def test_each_family_weighs_its_terms_as_published(family):
    losses, x = TrainConfig.of_given(family=family).losses, logits_of(family)
    logits = gan.DiscriminatorLogits(*(tf.constant(x[name]) if name in x else None for name in NAMES))
    terms = gan.discriminator_terms(logits, losses.adversarial)
    assert list(terms) == list(x)
    assert float(gan.discriminator_loss(terms, losses.loss_weights)) == pytest.approx(d_loss(family, x), rel=1e-9)

    of_g = gan.generator_terms(logits.fake, logits.fake_matching, losses.adversarial)
    other = gan.generator_terms(logits.real, logits.real_matching, losses.adversarial)  # of a second discriminator
    renamed = {"fake_matching": x["real_matching"]} | ({"fake": x["real"]} if "real" in x else {})
    expected = g_loss(family, x) + g_loss(family, renamed)
    found = gan.generator_loss([of_g, other], None, 5.0, losses.generator_weights)
    assert float(found) == pytest.approx(expected, rel=1e-9)
    kl = tf.constant(0.3, tf.float64)
    with_kl = gan.generator_loss([of_g, other], kl, losses.kl_weight, losses.generator_weights)
    assert float(with_kl) == pytest.approx(expected + losses.kl_weight * 0.3, rel=1e-9)


def test_kl_weights_are_the_authors():
    found = {family: TrainConfig.of_given(family=family).losses.kl_weight for family in FACTS}
    assert {family for family, weight in found.items() if weight == 2} == {"stackgan", "stackgan_v2", "resfpa"}
    assert found["attngan"] == found["ffgan"] == 1


def test_rolled_sentences_are_wrong_for_the_same_pairs_as_drawn_images():
    """StackGAN's authors draw a wrong image for a sentence; we roll the batch's sentences. Over all orders of a pool,
    rolling pairs every image with each sentence of another class equally often. Where all classes are of one size, that
    is the mean over a wrong image drawn for each sentence as well."""
    classes = np.array([0, 0, 1, 2, 2])
    score = np.random.default_rng(1).normal(size=(5, 5))  # any function of image and sentence
    rolled = []
    for order in map(list, itertools.permutations(range(5))):
        wrong = gan.mismatch_index(tf.constant(classes[order], tf.int32)).numpy()
        rolled.append(np.mean([score[order[i], order[wrong[i]]] for i in range(5)]))
    by_image = np.mean([score[image, classes != classes[image]].mean() for image in range(5)])
    assert np.mean(rolled) == pytest.approx(by_image, rel=1e-12)
    balanced = np.array([0, 0, 1, 1])
    by_image = np.mean([score[image, :4][balanced != balanced[image]].mean() for image in range(4)])
    by_sentence = np.mean([score[:4, sentence][balanced != balanced[sentence]].mean() for sentence in range(4)])
    assert by_image == pytest.approx(by_sentence, rel=1e-12)
