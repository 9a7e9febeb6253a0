"""Text encoder φ (docs/model.md section 1; AttnGAN's `RNN_ENCODER`)."""

import tensorflow as tf

from ffgan_tf import compat
from ffgan_tf.models.cpu_convolutions import on_cpu

TEXT_DIM = 256  # d: sentence and word features
EMBEDDING = 300
DROPOUT = 0.5


class TextEncoder(tf.keras.Model):
    """Tokens → sentence s and words e: embedding → dropout 0.5 → one bidirectional LSTM.

    `tokens` (B, T) int, padded with 0; `lengths` (B,) int in 1…T. Returns s (B, d) = [last forward state, last backward
    state] and e (B, T, d), zero at padding. Always float32 or wider: it is frozen while the GAN trains and too small
    for lower precision to save time.
    """

    def __init__(self, n_words: int, d: int = TEXT_DIM, init_range: float = 0.1, seed: int | None = None, **kwargs):
        kwargs.setdefault("dtype", "float64" if tf.keras.backend.floatx() == "float64" else "float32")
        super().__init__(**kwargs)
        self.n_words, self.d = n_words, d
        dtype = self.dtype
        uniform = tf.keras.initializers.RandomUniform
        seeds = [None if seed is None else seed * 100 + i for i in range(7)]
        self.embedding = tf.keras.layers.Embedding(
            n_words,
            EMBEDDING,
            embeddings_initializer=uniform(-init_range, init_range, seeds[0]),
            name="embedding",
            dtype=dtype,
        )
        self.dropout = tf.keras.layers.Dropout(DROPOUT, dtype=dtype)
        bound = (d // 2) ** -0.5  # PyTorch's LSTM, hence AttnGAN's, draws all its weights from U(-bound, bound)

        def lstm(name, first_seed, **extra):
            return tf.keras.layers.LSTM(
                d // 2,
                return_sequences=True,
                return_state=True,
                unit_forget_bias=False,
                name=name,
                dtype=dtype,
                kernel_initializer=uniform(-bound, bound, first_seed),
                recurrent_initializer=uniform(-bound, bound, first_seed and first_seed + 1),
                bias_initializer=uniform(-bound, bound, first_seed and first_seed + 2),
                **extra,
            )

        self.forward = lstm("forward", seeds[1])
        self.backward = lstm("backward", seeds[4], go_backwards=True)
        if on_cpu():
            self.as_plain_loops()

    def as_plain_loops(self) -> None:
        """From now on the LSTMs are loops over the words, and cuDNN is no choice: smaller graphs that run anywhere."""
        for layer in (self.forward, self.backward):
            compat.plain_lstm(layer)

    def call(self, tokens, lengths, training=False):
        return self.read(self.dropout(self.embedding(tokens), training=training), lengths)

    def read(self, x, lengths):
        """Embedded tokens (B, T, 300) → s, e."""
        mask = tf.sequence_mask(lengths, tf.shape(x)[1])
        ahead, s_ahead, _ = self.forward(x, mask=mask)
        behind, s_behind, _ = self.backward(x, mask=mask)
        words = tf.concat([ahead, tf.reverse(behind, [1])], axis=-1)
        words *= tf.cast(mask, words.dtype)[:, :, None]
        return tf.concat([s_ahead, s_behind], axis=-1), words
