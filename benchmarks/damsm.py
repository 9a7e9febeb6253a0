"""Speed of DAMSM's step, with and without cached features.   python benchmarks/damsm.py

Random images, captions and weights at the published sizes (256 px, batch 48, 18 words). Prints a Markdown table of
the fastest of --steps, after two that compile. `cached` reads its features from disk, as training does. `losses and
gradient` measures the losses alone, at once and in a loop over captions as in AttnGAN's public code.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

from absl import flags

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import ffgan_tf  # noqa: F401, settles which Keras before TensorFlow is imported

# isort: split
import numpy as np
import tensorflow as tf

from ffgan_tf.config import DamsmConfig
from ffgan_tf.config.commands import run_command
from ffgan_tf.losses import damsm as losses
from ffgan_tf.models.image_encoder import LOCAL_SHAPE, POOLED_SIZE, InceptionTrunk
from ffgan_tf.training.damsm_step import Damsm
from ffgan_tf.training.feature_cache import PER_FOLDER, Features

flags.DEFINE_integer("steps", 10, "Steps to time.")
flags.DEFINE_integer("batch", 48, "Pairs a step.")
flags.DEFINE_integer("words", 18, "Words a caption.")
flags.DEFINE_integer("vocabulary", 5450, "Words of the vocabulary.")
flags.DEFINE_boolean("uncached", True, "Time Inception in every step, too.")


def looped_losses(regions, codes, words, sentences, lengths, classes):
    """The four losses with a loop over captions, each sliced to its length."""
    columns = []
    for c in range(words.shape[0]):
        word = words[c, : lengths[c]]
        scores = tf.matmul(regions, word, transpose_b=True)  # (B, R, T)
        looks = tf.nn.softmax(losses.GAMMA1 * tf.transpose(tf.nn.softmax(scores), [0, 2, 1]))
        seen = tf.matmul(looks, regions)
        cosine = tf.reduce_sum(tf.math.l2_normalize(word, -1) * tf.math.l2_normalize(seen, -1), -1)
        columns.append(tf.reduce_logsumexp(losses.GAMMA2 * cosine, -1))
    return [
        *losses.matching_losses(tf.stack(columns, 1), classes),
        *losses.matching_losses(losses.sentence_similarity(codes, sentences), classes),
    ]


def seconds(steps: int, *runs) -> list[float]:
    """Seconds of the fastest of `steps` calls of each of `runs`, which return tensors. They take turns, so that other
    load on the machine affects all alike."""
    taken = [[] for _ in runs]
    for number in range(steps + 2):
        for run, times in zip(runs, taken):
            began = time.perf_counter()
            run().numpy()
            if number >= 2:  # the first calls compile
                times.append(time.perf_counter() - began)
    return [min(times) for times in taken]


def with_gradient(loss, tensors):
    """A compiled function of no arguments: loss and gradient, as one number."""

    def run():
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            total = tf.add_n(loss(*tensors))
        return total + tf.add_n([tf.reduce_sum(gradient) for gradient in tape.gradient(total, tensors)])

    return tf.function(run)


def cached_batches(folder: Path, images: int, captions: dict, batch: int):
    """Batches of features that are read from disk, in random order."""
    for name, shape in (("local", LOCAL_SHAPE), ("pooled", (POOLED_SIZE,))):
        random = np.random.default_rng(0).random((images, 2, *shape), np.float32)
        np.save(folder / f"{name}.npy", random.astype(np.float16))
    features = Features([folder])
    data = tf.data.Dataset.random(seed=1).map(
        lambda i: features.tensors(i % images, i % 3 == 0), num_parallel_calls=tf.data.AUTOTUNE
    )
    return iter(data.batch(batch).map(lambda *image: {"image": image, **captions}).prefetch(2))


def main(argv: list[str]) -> int:
    """Prints the table."""
    del argv
    args, random = flags.FLAGS, np.random.default_rng(0)
    batch, words = args.batch, args.words
    lengths = random.integers(min(8, words), words + 1, batch).astype(np.int32)
    tokens = np.where(np.arange(words) < lengths[:, None], random.integers(1, args.vocabulary, (batch, words)), 0)
    captions = {
        "tokens": tf.constant(tokens, tf.int32),
        "lengths": tf.constant(lengths),
        "classes": tf.constant(random.integers(0, 150, batch), tf.int32),
    }
    rows = []

    values = [
        tf.constant(random.normal(0, 0.5, shape), tf.float32)
        for shape in ((batch, LOCAL_SHAPE[0] * LOCAL_SHAPE[1], 256), (batch, 256), (batch, words, 256), (batch, 256))
    ]
    mask, classes = np.arange(words) < lengths[:, None], captions["classes"]
    at_once, loop = seconds(
        args.steps,
        with_gradient(lambda *x: list(losses.damsm_losses(*x, mask, classes).values()), values),
        with_gradient(lambda *x: looped_losses(*x, lengths, classes), values),
    )
    rows += [("losses and gradient, at once", at_once, loop), ("losses and gradient, loop over captions", loop, loop)]

    config = DamsmConfig.of(batch=batch, max_words=words)
    with tempfile.TemporaryDirectory() as folder:
        network = tf.keras.applications.InceptionV3(include_top=False, weights=None, input_shape=(299, 299, 3))
        network.save_weights(os.path.join(folder, "random_notop.h5"))
        damsm = Damsm(config, args.vocabulary, 10_000, InceptionTrunk(os.path.join(folder, "random_notop.h5")))
        step, batches = tf.function(damsm.train_step), cached_batches(Path(folder), PER_FOLDER, captions, batch)
        cached = seconds(args.steps, lambda: step(next(batches)))[0]
        if args.uncached:
            images = tf.constant(random.integers(0, 256, (batch, 256, 256, 3)), tf.uint8)
            step = tf.function(damsm.train_step)
            uncached = seconds(args.steps, lambda: step({"image": images, **captions}))[0]
            rows += [
                ("training step, cached", cached, uncached),
                ("training step, Inception every step", uncached, uncached),
            ]
        else:
            rows.append(("training step, cached", cached, cached))

    devices = [device.name for device in tf.config.list_logical_devices("GPU")] or [f"CPU, {os.cpu_count()} cores"]
    print(f"batch {batch}, {words} words, TensorFlow {tf.__version__}, {', '.join(devices)}\n")
    print("| | s a step | steps/s | times faster |\n|---|---|---|---|")
    for name, own, reference in rows:
        print(f"| {name} | {own:.4f} | {1 / own:.2f} | {reference / own:.1f} |")
    return 0


if __name__ == "__main__":
    run_command(main)
