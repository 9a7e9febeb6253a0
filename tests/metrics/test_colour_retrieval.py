"""Colour retrieval on codes whose answer is known."""

import inspect

import numpy as np
import pytest

from ffgan_tf.metrics.colour_retrieval import colour_retrieval


def test_codes_that_say_the_colour_and_nothing_else():
    colours = np.random.default_rng(0).choice(["red", "blue", "white"], 90)
    codes = np.stack([colours == name for name in ("red", "blue", "white")], 1).astype(float)
    assert colour_retrieval(codes, 3 * codes, colours, candidates=40)[0] == 1
    # Each colour taken for the next one: right only where a set of candidates has none of that one, never here.
    assert colour_retrieval(codes, np.roll(codes, 1, axis=1), colours, candidates=40)[0] == 0


def test_codes_that_say_nothing_score_as_a_blind_choice():
    random = np.random.default_rng(1)
    colours = random.choice(["red", "blue", "white", "pink"], 2000, p=[0.4, 0.3, 0.2, 0.1])
    for images in (random.normal(size=(2000, 8)), np.ones((2000, 8))):
        sentences = random.normal(size=(2000, 8)) if images.std() else images
        share, blind = colour_retrieval(images, sentences, colours)
        # One candidate of a hundred is the image's own; the others are of its colour with probability Σp² = 0.3.
        assert blind == pytest.approx(0.01 + 0.99 * 0.3, abs=0.02)
        assert share == pytest.approx(blind, abs=4 * np.sqrt(0.3 * 0.7 / 2000))


def test_fewer_images_than_candidates():
    share, blind = colour_retrieval(np.eye(3), np.eye(3), ["red", "red", "blue"])
    assert share == 1 and blind == pytest.approx((2 / 3 + 2 / 3 + 1 / 3) / 3)


def test_directions_count_and_lengths_do_not():
    random = np.random.default_rng(2)
    images, sentences = random.normal(size=(2, 60, 4))
    colours = random.choice(["red", "blue", "white"], 60)
    plain = colour_retrieval(images, sentences, colours, candidates=20)
    lengths = random.uniform(0.01, 100, (2, 60, 1))
    assert colour_retrieval(lengths[0] * images, lengths[1] * sentences, colours, candidates=20) == plain
    zero = np.zeros((60, 4))  # a network that has collapsed: no direction at all
    assert np.isfinite(colour_retrieval(zero, zero, colours)).all()


def test_candidates_are_drawn_by_seed_a_hundred_at_a_time():
    random = np.random.default_rng(3)
    images, sentences = random.normal(size=(2, 150, 4))
    colours = random.choice(["red", "blue"], 150)
    assert colour_retrieval(images, sentences, colours) == colour_retrieval(images, sentences, colours, 100)
    assert colour_retrieval(images, sentences, colours, seed=1) != colour_retrieval(images, sentences, colours, seed=2)
    assert inspect.signature(colour_retrieval).parameters["candidates"].default == 100


@pytest.mark.parametrize("images, sentences, colours", [(3, 4, 3), (3, 3, 4), (4, 3, 3)])
def test_codes_and_colours_of_different_lengths_are_refused(images, sentences, colours):
    with pytest.raises(ValueError, match="differ in length"):
        colour_retrieval(np.ones((images, 2)), np.ones((sentences, 2)), ["red"] * colours)
