"""How often do captions tell the colour?   python benchmarks/caption_colours.py --data=DIR --labels=FILE

No generator can agree with the colours more often than the captions allow. Linear classifiers (multinomial logistic
regression) learn the training images' colours from their captions and predict the test images': one sees the set of
words, the other, with --text_encoder=DIR, the frozen encoder's sentence vector s.
"""

import os
import sys
from pathlib import Path

import numpy as np
import scipy.optimize
import scipy.special
from absl import flags

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import ffgan_tf  # noqa: F401, settles which Keras before TensorFlow is imported

# isort: split
import tensorflow as tf

from ffgan_tf.config import TrainConfig
from ffgan_tf.config.commands import run_command
from ffgan_tf.data import records
from ffgan_tf.data.captions import Vocabulary
from ffgan_tf.data.pipeline import Split, load_split
from ffgan_tf.evaluation.colour_probe import labels_of, read_colour_labels
from ffgan_tf.training.gan_setup import make_text_encoder
from ffgan_tf.utils.errors import UserError

flags.DEFINE_string("data", "", "Folder of a converted data set.")
flags.DEFINE_string("labels", "", "CSV of the images' colours.")
flags.DEFINE_string("text_encoder", "", "Folder of a trained text encoder, with the data set's vocabulary.")
flags.DEFINE_integer("captions", 2, "Captions of a training image to learn from. Test images give their first one.")
flags.DEFINE_integer("max_words", 18, "Longest caption, in words; the rest is cut off.")

WEIGHT_DECAY = 1e-4


def fit(x: np.ndarray, y: np.ndarray, classes: int) -> np.ndarray:
    """Weights (F + 1, classes) of the least mean cross-entropy + WEIGHT_DECAY·‖W‖², the last row the biases."""
    x, onehot = np.hstack([x, np.ones([len(x), 1])]), np.eye(classes)[y]

    def objective(flat):
        weights = flat.reshape(-1, classes)
        log_p = scipy.special.log_softmax(x @ weights, axis=1)
        decayed = np.vstack([weights[:-1], np.zeros([1, classes])])
        gradient = x.T @ (np.exp(log_p) - onehot) / len(x) + 2 * WEIGHT_DECAY * decayed
        return -np.mean(log_p[np.arange(len(y)), y]) + WEIGHT_DECAY * np.sum(decayed**2), gradient.ravel()

    solution = scipy.optimize.minimize(
        objective, np.zeros(x.shape[1] * classes), jac=True, method="L-BFGS-B", options={"maxiter": 300}
    )
    return solution.x.reshape(-1, classes)


def captions(split: Split, count: int, max_words: int) -> tuple[np.ndarray, np.ndarray]:
    """Tokens (count·N, max_words), 0 beyond a caption's end, and lengths: all first captions, then all second ones …"""
    tokens = np.concatenate([split.tokens[:, k, :max_words] for k in range(count)])
    lengths = np.concatenate([np.minimum(split.lengths[:, k], max_words) for k in range(count)])
    return np.where(np.arange(tokens.shape[1]) < lengths[:, None], tokens, 0), lengths


def main(argv: list[str]) -> int:
    """Prints one line a classifier."""
    del argv
    args = flags.FLAGS
    if not args.data or not args.labels:
        raise UserError("--data and --labels are needed: a converted data set, and the CSV of its images' colours.")
    labels, splits = read_colour_labels(args.labels), [load_split(args.data, name) for name in ("train", "test")]
    colours = sorted(set(labels.values()))
    texts = [captions(split, count, args.max_words) for split, count in zip(splits, (args.captions, 1))]
    wanted = [
        np.tile([colours.index(colour) for colour in labels_of(split.names, labels, f"--labels={args.labels}")], count)
        for split, count in zip(splits, (args.captions, 1))
    ]
    words = 1 + max(int(tokens.max()) for tokens, _ in texts)
    readers = {
        "which words occur": lambda tokens, _: np.stack([np.bincount(row, minlength=words) > 0 for row in tokens])
    }
    if args.text_encoder:
        encoder = make_text_encoder(
            TrainConfig.of(data=args.data, text_encoder=args.text_encoder),
            Vocabulary.load(Path(args.data) / records.VOCABULARY),
        )
        readers["s of the text encoder"] = lambda tokens, lengths: np.concatenate(
            [
                encoder(tf.constant(tokens[i : i + 512], tf.int32), tf.constant(lengths[i : i + 512], tf.int32))[
                    0
                ].numpy()
                for i in range(0, len(tokens), 512)
            ]
        )
    for name, read in readers.items():
        train, test = (read(*text).astype(np.float64) for text in texts)
        mean, deviation = train.mean(0), np.maximum(train.std(0), 0.1)  # the floor keeps rare words from weighing more
        weights = fit((train - mean) / deviation, wanted[0], len(colours))
        right = [
            np.mean(np.argmax((x - mean) / deviation @ weights[:-1] + weights[-1], axis=1) == y)
            for x, y in zip((train, test), wanted)
        ]
        print(
            f"{name}: {right[1]:.3f} of {len(wanted[1]):,} test captions tell the colour "
            f"({right[0]:.3f} of the training ones; chance {1 / len(colours):.3f})",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    run_command(main)
