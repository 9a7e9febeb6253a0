"""DAMSM's losses (AttnGAN, Xu et al. 2018, Eq. 7 to 13; docs/model.md section 9) as pure functions of features.

All (image, caption) pairs of a batch at once. B images with R regions, B captions of T words padded, d features.
"""

import tensorflow as tf

GAMMA1, GAMMA2, GAMMA3 = 4.0, 5.0, 10.0
TINY = 1e-16  # the smallest squared length that a cosine divides by


def attention(regions: tf.Tensor, words: tf.Tensor, mask: tf.Tensor, gamma1: float = GAMMA1) -> tf.Tensor:
    """Attention of each word of each caption over an image's regions, summing to 1: (B, C·T, R).

    `regions` (B, R, d); `words` (B, C, T, d), or (1, C, T, d) for the same C captions with all images; `mask` bool,
    true at words, likewise. Softmax over the words of a caption (every region chooses among them), then softmax over
    regions of γ1 times that. Rows at padding are meaningless: leave them out of any sum.
    """
    captions, length = tf.shape(words)[1], tf.shape(words)[2]
    flat = tf.reshape(words, [tf.shape(words)[0], captions * length, words.shape[-1]])
    scores = tf.matmul(regions, flat, transpose_b=True)  # (B, R, C·T): words last, as the first softmax runs over them
    scores = tf.reshape(scores, [tf.shape(regions)[0], -1, captions, length])
    # The lowest finite number stands for −∞: its exponential is exactly 0, and its gradient is no NaN.
    chosen = tf.nn.softmax(tf.where(mask[:, None], scores, scores.dtype.min))
    chosen = tf.reshape(chosen, [tf.shape(regions)[0], -1, captions * length])
    return tf.nn.softmax(gamma1 * tf.transpose(chosen, [0, 2, 1]))


def own_attention(regions: tf.Tensor, words: tf.Tensor, mask: tf.Tensor, gamma1: float = GAMMA1) -> tf.Tensor:
    """Attention of the words of each image's own caption: (B, R, d), (B, T, d), (B, T) → (B, T, R)."""
    return attention(regions, words[:, None], mask[:, None], gamma1)


def word_similarity(
    regions: tf.Tensor, words: tf.Tensor, mask: tf.Tensor, gamma1: float = GAMMA1, gamma2: float = GAMMA2
) -> tf.Tensor:
    """log Σ_t exp(γ2 · cos(word t, regions it attends to)) for every image i and caption c: (B, B), [i, c]."""
    attended = tf.matmul(attention(regions, words[None], mask[None], gamma1), regions)  # (B, B·T, d)
    # Not _unit(attended): the pairs' features are the largest tensors here, and every operation on them counts.
    square = tf.reduce_sum(tf.square(attended), axis=-1)
    cosine = tf.reduce_sum(attended * tf.reshape(_unit(words), [1, -1, words.shape[-1]]), axis=-1)
    cosine *= tf.math.rsqrt(tf.maximum(square, TINY))
    cosine = tf.reshape(cosine, [tf.shape(regions)[0], tf.shape(words)[0], tf.shape(words)[1]])
    return tf.reduce_logsumexp(tf.where(mask[None], gamma2 * cosine, cosine.dtype.min), axis=-1)


def sentence_similarity(codes: tf.Tensor, sentences: tf.Tensor) -> tf.Tensor:
    """Cosine of every image code (B, d) and sentence (B, d): (B, B), [image, caption]."""
    return tf.matmul(_unit(codes), _unit(sentences), transpose_b=True)


def matching_losses(similarity: tf.Tensor, classes: tf.Tensor, gamma3: float = GAMMA3) -> tuple[tf.Tensor, tf.Tensor]:
    """Batch cross-entropy of γ3 · similarity (B, B), [image, caption], where image i belongs to caption i.

    Returns the loss of finding an image's caption and that of finding a caption's image (the four losses' …0 and …1).
    Other pairs of the same class (`classes` (B,)) do not count as wrong: their logit is −∞.
    """
    same = tf.equal(classes[:, None], classes[None, :]) & ~tf.eye(tf.shape(classes)[0], dtype=tf.bool)
    logits = tf.where(same, similarity.dtype.min, gamma3 * similarity)
    own = tf.range(tf.shape(classes)[0])
    return tuple(
        tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(own, direction))
        for direction in (logits, tf.transpose(logits))
    )


def damsm_losses(
    regions: tf.Tensor,
    codes: tf.Tensor,
    words: tf.Tensor,
    sentences: tf.Tensor,
    mask: tf.Tensor,
    classes: tf.Tensor,
    gamma1: float = GAMMA1,
    gamma2: float = GAMMA2,
    gamma3: float = GAMMA3,
) -> dict[str, tf.Tensor]:
    """The four losses, scalars: `w0` and `w1` by words and regions, `s0` and `s1` by sentence and whole image."""
    w0, w1 = matching_losses(word_similarity(regions, words, mask, gamma1, gamma2), classes, gamma3)
    s0, s1 = matching_losses(sentence_similarity(codes, sentences), classes, gamma3)
    return {"w0": w0, "w1": w1, "s0": s0, "s1": s1}


def _unit(x: tf.Tensor) -> tf.Tensor:
    """x / |x| over the last axis; a zero vector stays zero, with a finite gradient."""
    return tf.math.l2_normalize(x, axis=-1, epsilon=TINY)
