"""DAMSM on the test split: loss, R-precision, colour retrieval, and sheets of the words' attention."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from ffgan_tf.data.captions import MAX_WORDS, Vocabulary
from ffgan_tf.data.pipeline import Split, centre_crops, centre_images
from ffgan_tf.losses.damsm import own_attention
from ffgan_tf.metrics.colour_retrieval import colour_retrieval
from ffgan_tf.metrics.r_precision import GROUPS, WRONG, r_precision
from ffgan_tf.training.damsm_step import Damsm
from ffgan_tf.utils.errors import UserError
from ffgan_tf.visuals.maps import upsample

SHEET_WORDS = 12  # words of a caption in the attention sheet


class AttentionSheet(NamedTuple):
    """Images and, beside each, the attention of its words: tiles (N, S, S, 3) uint8 row by row, their labels, and the
    length of a row."""

    tiles: np.ndarray
    labels: list[str]
    columns: int


class Validation:
    """The test split, each image with one of its captions in turn, in an order that mixes classes."""

    def __init__(
        self,
        damsm: Damsm,
        split: Split,
        vocabulary: Vocabulary,
        max_size: int,
        features: Callable | None = None,
        colours: dict[str, str] | None = None,
        images: int = 6,
    ):
        """`features(index)` gives an image's cached features; `colours` the colours of images by name.

        Raises UserError if the split has too few classes or captions.
        """
        self._damsm, self._split, self._max_size, self._features = damsm, split, max_size, features
        count = len(split.names)
        self._vocabulary = vocabulary
        classes, sizes = np.unique(split.classes, return_counts=True)
        self._wrong, self._groups = min(WRONG, count - int(sizes.max())), min(GROUPS, count)
        if len(classes) < 2:
            raise UserError(
                f"--data={damsm.config.data}: its test split is of one class; R-precision, by which the "
                "best encoder is kept, needs sentences of others. Fix: convert with more test classes."
            )
        self._order = np.random.default_rng(0).permutation(count)
        which = np.arange(count) % split.caption_counts
        self._tokens = split.tokens[np.arange(count), which][:, :MAX_WORDS]
        self._lengths = np.minimum(split.lengths[np.arange(count), which], MAX_WORDS)
        self._colours = colours and [colours[name] for name in split.names]
        self._sheet = np.linspace(0, count - 1, min(images, count)).astype(int)
        self._encode = tf.function(damsm.encode, autograph=False)
        self._loss = tf.function(
            lambda encoded, classes: tf.add_n(list(damsm.losses(encoded, classes).values())), autograph=False
        )

    def _images(self, rows: Sequence[int], batch: int) -> tf.data.Dataset:
        if self._features is None:
            return centre_images(
                self._split,
                max_size=self._max_size,
                image_size=self._damsm.config.images.image_size,
                batch=batch,
                only=rows,
            )
        data = tf.data.Dataset.from_tensor_slices(list(rows)).map(self._features, num_parallel_calls=tf.data.AUTOTUNE)
        return data.batch(batch).prefetch(2)

    def __call__(self) -> dict[str, float]:
        """`validation/loss` (mean over whole batches), `…/r_precision`; with labels `…/colour` and `…/colour_blind`."""
        order, batch = self._order, min(self._damsm.config.schedule.batch, len(self._order))
        codes, sentences = (np.empty([len(order), self._damsm.text_encoder.d], np.float32) for _ in range(2))
        losses = []
        for start, image in zip(range(0, len(order), batch), self._images(order, batch)):
            rows = order[start : start + batch]
            encoded = self._encode(image, self._tokens[rows], self._lengths[rows])
            codes[rows], sentences[rows] = encoded.codes, encoded.sentences
            if len(rows) == batch:
                losses.append(float(self._loss(encoded, self._split.classes[rows])))
        scores = {
            "validation/loss": float(np.mean(losses)),
            "validation/r_precision": r_precision(
                codes, sentences, self._split.classes, sentences, self._split.classes, self._wrong, self._groups
            )[0],
        }
        if self._colours:
            scores |= zip(
                ("validation/colour", "validation/colour_blind"), colour_retrieval(codes, sentences, self._colours)
            )
        return scores

    def chance(self) -> float:
        """R-precision of a random choice."""
        return 1 / (self._wrong + 1)

    def sheet(self) -> AttentionSheet:
        """Test images, each followed by copies with one word's attention as light on it."""
        split, rows = self._split, self._sheet
        tokens, lengths = self._tokens[rows], np.minimum(self._lengths[rows], SHEET_WORDS)
        encoded = self._encode(next(iter(self._images(rows, len(rows)))), tokens, self._lengths[rows])
        maps = own_attention(encoded.regions, encoded.words, encoded.mask, self._damsm.config.losses.gamma1).numpy()
        size = self._damsm.config.images.image_size
        images = centre_crops(split, max_size=self._max_size, image_size=size, only=rows)
        columns, tiles, labels = 1 + int(lengths.max()), [], []
        for line, row in enumerate(rows):
            text = split.texts[row][int(row % split.caption_counts[row])]
            tiles.append(images[line])
            labels.append(text)
            for t in range(columns - 1):
                there = t < lengths[line]
                tiles.append(
                    attention_overlay(images[line], maps[line, t]) if there else np.full_like(images[line], 255)
                )
                labels.append(self._vocabulary.words[tokens[line, t]] if there else "")
        return AttentionSheet(np.stack(tiles), labels, columns)


def attention_overlay(image: np.ndarray, attention: np.ndarray) -> np.ndarray:
    """An image (S, S, 3) uint8 darkened except where the attention (R,) over its square of regions is high."""
    side = int(round(len(attention) ** 0.5))
    spread = max(float(np.ptp(attention)), 1e-12)
    light = upsample(((attention - attention.min()) / spread).reshape(side, side), *image.shape[:2])
    return np.rint(image * (0.25 + 0.75 * np.clip(light, 0, 1))[:, :, None]).astype(np.uint8)
