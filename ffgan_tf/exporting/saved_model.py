"""A SavedModel that takes raw sentences and needs TensorFlow alone: no ffgan_tf, no Keras.

The signatures take the same inputs, rows of one first dimension N, as TensorFlow Serving's row format wants them:
`text` (N,) string, `number` (N,) int64, `seed` (N,) int64, `truncation` (N,) float32. The noise is that of
`TextToImage.generate`: image `number` of `seed`.

- `serving_default`: `images` (N, S, S, 3) uint8
- `png`: `png_bytes` (N,) string (the ending tells TensorFlow Serving to answer in base64)
- `attention`, of networks with word attention: `images`, `attention_1` (N, S/4, S/4, 25), `attention_2` (N, S/2, S/2,
  25; of `--enlarge` half as large) float32, `words` (N, 25) string

and `known_words` (N,) int32, the number of words used: 0 means that the image shows the noise alone. An assertion
instead would fail a whole batch.
"""

from pathlib import Path

import tensorflow as tf
from absl import logging

from ffgan_tf.exporting.graph_tokenizer import GraphReader
from ffgan_tf.run.sampler import Run

INPUTS = (
    tf.TensorSpec([None], tf.string, "text"),
    tf.TensorSpec([None], tf.int64, "number"),
    tf.TensorSpec([None], tf.int64, "seed"),
    tf.TensorSpec([None], tf.float32, "truncation"),
)


class Served(tf.Module):
    """The signatures of a run that computes in float32, by name, in `answers`: `signatures` is TensorFlow's own."""

    def __init__(self, run: Run):
        super().__init__()
        self.reader = GraphReader(run.vocabulary)
        run.text_encoder.as_plain_loops()  # on every machine: cuDNN's is another graph, for GPUs alone
        # Variables alone: with the Keras models saving takes 45 seconds instead of 7, and loading 9 instead of 2.
        self.weights = [*run.generator.variables, *run.text_encoder.variables]

        @tf.function(input_signature=INPUTS, autograph=False)
        def generated(text, number, seed, truncation):
            tokens, lengths, words = self.reader(text)
            seeds = tf.stack([seed, number], axis=1)
            found = run.sampler.graph(tokens, tf.maximum(lengths, 1), seeds, truncation[:, None])
            levels = tf.round((found.image + 1) * 127.5)  # as utils.pixels.to_uint8
            images = tf.cast(tf.clip_by_value(levels, 0, 255), tf.uint8)
            return images, found.attention, words, lengths

        @tf.function(input_signature=INPUTS, autograph=False)
        def arrays(text, number, seed, truncation):
            images, _, _, known = generated(text, number, seed, truncation)
            return {"images": images, "known_words": known}

        @tf.function(input_signature=INPUTS, autograph=False)
        def png(text, number, seed, truncation):
            images, _, _, known = generated(text, number, seed, truncation)
            encoded = tf.map_fn(tf.io.encode_png, images, fn_output_signature=tf.string)
            return {"png_bytes": encoded, "known_words": known}

        @tf.function(input_signature=INPUTS, autograph=False)
        def attention(text, number, seed, truncation):
            images, maps, words, known = generated(text, number, seed, truncation)
            named = {f"attention_{stage}": each for stage, each in enumerate(maps, 1)}
            return {"images": images, **named, "words": words, "known_words": known}

        self.answers = {"serving_default": arrays, "png": png}
        if generated.get_concrete_function().structured_outputs[1]:
            self.answers["attention"] = attention


def write_saved_model(run: Run, folder: Path) -> None:
    """Writes the run, loaded in float32, into `folder`, which is made."""
    served = Served(run)
    before = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)  # it lists hundreds of variables under made-up names
    try:
        tf.saved_model.save(served, str(folder), signatures=dict(served.answers))
    finally:
        logging.set_verbosity(before)
