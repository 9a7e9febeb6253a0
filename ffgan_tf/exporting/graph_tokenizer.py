"""The tokenizer of `data/captions.py` as TensorFlow operations, for graphs that take raw sentences."""

import tensorflow as tf

from ffgan_tf.data.captions import MAX_WORDS, Vocabulary


def split_words(sentences: tf.Tensor) -> tf.RaggedTensor:
    """UTF-8 sentences (N,) string → their words (N, ragged) string: `tokenize` of each.

    RE2's `\\w` and `(?i)` know ASCII alone, so Python's `\\w` is spelled out: letters, numbers and the underscore.
    Equal on every code point that both Unicode tables assign; RE2's may be newer than Python's.
    """
    text = tf.strings.regex_replace(sentences, "\ufffd\ufffd", " ")
    # The two letters beyond ASCII whose lower case is ASCII: dotted I, whose dot becomes a mark that ends the word, and
    # the Kelvin sign.
    text = tf.strings.regex_replace(text, "\u0130", "i ")
    text = tf.strings.regex_replace(text, "\u212a", "k")
    text = tf.strings.lower(text)  # ASCII; with encoding="utf-8" it would end the string at a zero byte
    text = tf.strings.regex_replace(text, r"[^\pL\pN_]+", " ")
    text = tf.strings.regex_replace(text, r"[^\x00-\x7f]+", "")  # inside words: caf\u00e9 becomes caf
    return tf.strings.split(text)


class GraphReader(tf.Module):
    """How `read_sentence` reads sentences, in the graph: known words alone, the first 25 of them."""

    def __init__(self, vocabulary: Vocabulary):
        super().__init__()
        # The words lie in the graph, not in a file beside it. -1 marks unknown words; a StaticVocabularyTable would
        # give them ids of their own.
        keys = tf.lookup.KeyValueTensorInitializer(
            tf.constant(vocabulary.words[1:], tf.string), tf.range(1, len(vocabulary), dtype=tf.int64)
        )
        self.table = tf.lookup.StaticHashTable(keys, -1)

    def __call__(self, sentences: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Sentences (N,) → token ids (N, 25) int32, padded with 0; number of words (N,) int32, 0 where none is known;
        the words (N, 25) string, padded with ""."""
        words = split_words(sentences)
        ids = words.with_flat_values(self.table.lookup(words.flat_values))
        known = tf.greater_equal(ids, tf.constant(0, tf.int64))
        ids, words = tf.ragged.boolean_mask(ids, known), tf.ragged.boolean_mask(words, known)
        lengths = tf.cast(tf.minimum(ids.row_lengths(), MAX_WORDS), tf.int32)
        shape = [None, MAX_WORDS]
        return tf.cast(ids.to_tensor(0, shape=shape), tf.int32), lengths, words.to_tensor("", shape=shape)
