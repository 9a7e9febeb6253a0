"""Interpolation between sentences and between noise vectors."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from ffgan_tf.models import cpu_convolutions
from ffgan_tf.models.conditioning import truncated
from ffgan_tf.run.text_to_image import TextToImage
from ffgan_tf.utils.pixels import to_uint8
from ffgan_tf.visuals.sentences import Stop

BATCH = 4  # images in a batch


class Between:
    """Interpolates from one sentence and noise to another, by a loaded run's generator.

    At share t between stop a and stop b:
      noise      cos(πt/2)·n_a + sin(πt/2)·n_b, standard normal for every t as n_a and n_b are; then truncated
      sentence   (1 − t)·s_a + t·s_b
      words      those of both; in the softmax of A_1 and A_2 a's count (1 − t)-fold, b's t-fold
    so that t = 0 and t = 1 are the two stops' own inputs.
    """

    def __init__(self, model: TextToImage):
        self._model = model
        settings, width = model.config.model, model.text_encoder.d
        self._noise = settings.z_dim + settings.epsilon_dim
        generator, z = model.generator, settings.z_dim

        def images(sentence, words, weights, noise):
            with cpu_convolutions.without_gradients():
                return generator(sentence, words, weights, noise[:, :z], noise[:, z:]).image

        shapes = ([BATCH, width], [BATCH, None, width], [BATCH, None], [BATCH, self._noise])
        self._images = tf.function(images, autograph=False, input_signature=[tf.TensorSpec(shape) for shape in shapes])

    def __call__(self, start: Stop, stop: Stop, shares: Sequence[float], truncation: float = 0.0) -> np.ndarray:
        """The images (len(shares), S, S, 3) uint8 at `shares` in [0, 1] of the way from `start` to `stop`."""
        t = np.asarray(shares, np.float32)[:, None]
        (code_a, words_a), (code_b, words_b) = self._read(start.sentence), self._read(stop.sentence)
        if start.sentence == stop.sentence:
            weights, words = np.ones([len(t), len(words_a)], np.float32), words_a
        else:
            weights = np.concatenate([np.repeat(1 - t, len(words_a), 1), np.repeat(t, len(words_b), 1)], 1)
            words = np.concatenate([words_a, words_b])
        noise = np.repeat(self._draw(start.seed)[None], len(t), 0)
        if start.seed != stop.seed:
            noise = np.cos(np.pi / 2 * t) * noise + np.sin(np.pi / 2 * t) * self._draw(stop.seed)
        if truncation:
            noise = truncated(tf.constant(noise, tf.float32), tf.constant(truncation, tf.float32)).numpy()
        return self._in_batches((1 - t) * code_a + t * code_b, words, weights, noise)

    def _read(self, sentence: str) -> tuple[np.ndarray, np.ndarray]:
        """s (d,) and e (T, d)."""
        ids = list(self._model.read(sentence).ids)
        code, words = self._model.text_encoder(tf.constant([ids], tf.int32), tf.constant([len(ids)]))
        return code[0].numpy(), words[0].numpy()

    def _draw(self, seed: int) -> np.ndarray:
        """The draws from N(0, 1) of a seed's first image, (z + c,)."""
        return tf.random.stateless_normal([self._noise], tf.constant([seed, 0], tf.int64)).numpy()

    def _in_batches(self, codes, words, weights, noise) -> np.ndarray:
        images = []
        for begin in range(0, len(codes), BATCH):
            part = slice(begin, begin + BATCH)
            count = len(codes[part])
            fill = [(0, BATCH - count), (0, 0)]
            out = self._images(
                np.pad(codes[part], fill).astype(np.float32),
                np.broadcast_to(words, [BATCH, *words.shape]).astype(np.float32),
                np.pad(weights[part], fill, constant_values=1).astype(np.float32),
                np.pad(noise[part], fill).astype(np.float32),
            )
            images.append(to_uint8(out.numpy()[:count]))
        return np.concatenate(images)
