"""DAMSM's losses against a loop over pairs, words and regions."""

import numpy as np
import pytest
import tensorflow as tf

from ffgan_tf.losses import damsm

LENGTHS, CLASSES, WIDTH = np.array([5, 2, 1, 4, 3]), np.array([7, 3, 7, 9, 3]), 5


def inputs(seed=0, batch=5, regions=6, d=8, dtype=np.float32):
    random = np.random.default_rng(seed)
    values = [
        random.normal(0, 0.7, shape) for shape in ((batch, regions, d), (batch, d), (batch, WIDTH, d), (batch, d))
    ]
    mask = np.arange(WIDTH) < LENGTHS[:, None]
    values[2] *= mask[:, :, None]  # words at padding are zero, as the text encoder gives them
    return [value.astype(dtype) for value in values], mask


def cosine(a, b):
    return a @ b / (np.linalg.norm(a) * np.linalg.norm(b))


def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


def looks_at(regions, words):
    """One image (R, d) and one caption without padding (T, d) → (T, R)."""
    chosen = np.array([softmax(words @ region) for region in regions])  # each region among words
    return np.array([softmax(4 * chosen[:, t]) for t in range(len(words))])


def cross_entropies(similarity, classes):
    """Both directions of a (B, B) table, pair by pair; same-class strangers left out."""
    batch, found = len(classes), []
    for table in (similarity, similarity.T):
        terms = []
        for i in range(batch):
            rivals = [j for j in range(batch) if j == i or classes[j] != classes[i]]
            scores = np.array([10 * table[i, j] for j in rivals])
            terms.append(-np.log(softmax(scores)[rivals.index(i)]))
        found.append(np.mean(terms))
    return found


def loop(regions, codes, words, sentences, lengths, classes):
    batch = len(regions)
    by_word, by_sentence = np.zeros((batch, batch)), np.zeros((batch, batch))
    for i in range(batch):
        for c in range(batch):
            caption = words[c, : lengths[c]]
            seen = looks_at(regions[i], caption) @ regions[i]
            by_word[i, c] = np.log(sum(np.exp(5 * cosine(word, view)) for word, view in zip(caption, seen)))
            by_sentence[i, c] = cosine(codes[i], sentences[c])
    return [*cross_entropies(by_word, classes), *cross_entropies(by_sentence, classes)]


@pytest.mark.parametrize("classes", [CLASSES, np.arange(5), np.array([1, 1, 1, 2, 2])])
def test_equals_the_loop(classes):
    (regions, codes, words, sentences), mask = inputs()
    found = damsm.damsm_losses(regions, codes, words, sentences, mask, classes)
    expected = loop(*(x.astype(np.float64) for x in (regions, codes, words, sentences)), LENGTHS, classes)
    assert list(found) == ["w0", "w1", "s0", "s1"]
    assert all(value.dtype == tf.float32 for value in found.values())
    np.testing.assert_allclose([float(value) for value in found.values()], expected, rtol=0, atol=1e-5)
    assert len({round(value, 6) for value in expected}) == 4  # no two of the four are the same by accident


def test_a_batch_of_one_class_has_nothing_to_tell_apart():
    (regions, codes, words, sentences), mask = inputs()
    found = damsm.damsm_losses(regions, codes, words, sentences, mask, np.ones(5, int))
    assert [float(value) for value in found.values()] == [0, 0, 0, 0]


def test_own_attention_is_the_pair_s_and_sums_to_one():
    (regions, _, words, _), mask = inputs()
    maps = damsm.own_attention(regions, words, mask).numpy()
    for b, length in enumerate(LENGTHS):
        np.testing.assert_allclose(maps[b, :length], looks_at(regions[b], words[b, :length]), atol=1e-6)
    np.testing.assert_allclose(maps.sum(-1), 1, atol=1e-6)


@pytest.mark.parametrize("content", [0.0, 3.0])
def test_padding_has_no_influence(content):
    (regions, codes, words, sentences), mask = inputs()
    more = np.pad(words, [(0, 0), (0, 3), (0, 0)])
    more_mask = np.pad(mask, [(0, 0), (0, 3)])
    more[~more_mask] = content
    one, other = (
        damsm.damsm_losses(regions, codes, w, sentences, m, CLASSES) for w, m in ((words, mask), (more, more_mask))
    )
    np.testing.assert_allclose(list(one.values()), list(other.values()), rtol=1e-6)


def test_gradients_are_finite_and_none_reaches_padding():
    values, mask = inputs()
    tensors = [tf.constant(value) for value in values]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        loss = tf.add_n(list(damsm.damsm_losses(*tensors, mask, CLASSES).values()))
    gradients = [gradient.numpy() for gradient in tape.gradient(loss, tensors)]
    for gradient in gradients:
        assert np.all(np.isfinite(gradient)) and np.any(gradient)
    assert not np.any(gradients[2][~mask])
    assert np.all(np.any(gradients[2][mask], axis=-1))


def test_gradient_is_the_slope():
    values, mask = inputs(dtype=np.float64)
    tensors = [tf.constant(value) for value in values]
    random = np.random.default_rng(1)
    directions = [
        random.normal(size=value.shape) * (mask[:, :, None] if value.ndim == 3 and i == 2 else 1)
        for i, value in enumerate(values)
    ]

    def total(step):
        moved = [value + step * direction for value, direction in zip(values, directions)]
        return float(tf.add_n(list(damsm.damsm_losses(*moved, mask, CLASSES).values())))

    with tf.GradientTape() as tape:
        tape.watch(tensors)
        loss = tf.add_n(list(damsm.damsm_losses(*tensors, mask, CLASSES).values()))
    slope = sum(
        float(np.sum(gradient.numpy() * direction))
        for gradient, direction in zip(tape.gradient(loss, tensors), directions)
    )
    assert slope == pytest.approx((total(1e-6) - total(-1e-6)) / 2e-6, rel=1e-6)
