"""A trained run as a function from sentences to images; what `sample`, `evaluate` and the training loop share."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from ffgan_tf.config import TrainConfig
from ffgan_tf.data.captions import Vocabulary
from ffgan_tf.models import build
from ffgan_tf.models.generator import Generator
from ffgan_tf.models.text_encoder import TextEncoder
from ffgan_tf.run import settings
from ffgan_tf.run.checkpoints import Checkpoints
from ffgan_tf.utils.errors import UserError
from ffgan_tf.utils.grid import to_uint8

MAX_WORDS = 25  # a longer sentence keeps its first 25 words (AttnGAN's limit when sampling)


def truncated(noise: tf.Tensor, bound: tf.Tensor) -> tf.Tensor:
    """N(0, 1) draws → draws from the normal distribution cut off at ±`bound`, by its quantiles: no draw is repeated."""
    inside = tf.math.erf(bound / np.sqrt(2.0))  # the share of N(0, 1) within the bound
    folded = tf.math.ndtri(0.5 + 0.5 * tf.math.erf(noise / np.sqrt(2.0)) * inside)
    return tf.clip_by_value(folded, -bound, bound)  # rounding, and quantiles of 0 and 1


class Sampler:
    """Images from token ids with a generator in inference mode; compiled once, at one batch size.

    The image of sample i depends on its tokens, `seed` and `ids[i]` alone: not on its neighbours or the batch size.
    """

    def __init__(self, generator: Generator, text_encoder: TextEncoder, z_dim: int, c_dim: int, batch: int = 32):
        self._generator, self._encoder = generator, text_encoder
        self._z_dim, self._c_dim, self._batch = z_dim, c_dim, batch
        self._compiled = tf.function(
            self._generate,
            input_signature=[
                tf.TensorSpec([batch, MAX_WORDS], tf.int32),
                tf.TensorSpec([batch], tf.int32),
                tf.TensorSpec([batch], tf.int32),
                tf.TensorSpec([], tf.int32),
                tf.TensorSpec([], tf.float32),
            ],
        )

    def _generate(self, tokens, lengths, ids, seed, truncation):
        def draw(i):
            return tf.random.stateless_normal([self._z_dim + self._c_dim], tf.stack([seed, i]))

        noise = tf.map_fn(draw, ids, fn_output_signature=tf.float32)
        noise = tf.where(truncation > 0, truncated(noise, truncation), noise)
        sentence, words = self._encoder(tokens, lengths)
        mask = tf.sequence_mask(lengths, MAX_WORDS)
        return self._generator(sentence, words, mask, noise[:, : self._z_dim], noise[:, self._z_dim :]).image

    def __call__(
        self, tokens: Sequence[Sequence[int]], seed: int, ids: Sequence[int] | None = None, truncation: float = 0.0
    ) -> np.ndarray:
        """Images (N, S, S, 3) uint8 for N token lists (each not empty).

        `ids` number the noise vectors (default 0…N−1); `truncation` t > 0 draws z and ε from the normal distribution
        cut off at ±t.
        """
        count = len(tokens)
        ids = np.arange(count) if ids is None else np.asarray(ids)
        images = []
        for start in range(0, count, self._batch):
            part = [list(ids_)[:MAX_WORDS] for ids_ in tokens[start : start + self._batch]]
            padding = self._batch - len(part)
            padded = np.zeros((self._batch, MAX_WORDS), np.int32)
            for i, row in enumerate(part):
                padded[i, : len(row)] = row
            lengths = np.array([len(row) for row in part] + [1] * padding, np.int32)
            numbers = np.concatenate([ids[start : start + self._batch], np.zeros(padding)]).astype(np.int32)
            out = self._compiled(padded, lengths, numbers, np.int32(seed), np.float32(truncation))
            images.append(to_uint8(out.numpy()[: len(part)]))
        return np.concatenate(images)


class Run(NamedTuple):
    """A trained run, loaded."""

    folder: Path
    config: TrainConfig
    vocabulary: Vocabulary
    step: int
    sampler: Sampler
    generator: Generator
    text_encoder: TextEncoder


def load_run(
    run: str | Path, *, step: int | None = None, ema: bool = True, batch: int = 32, precision: str | None = None
) -> Run:
    """Loads a run's generator (its EMA by default) at its newest whole checkpoint, or at `step`; -1 is the best.

    Raises UserError where the folder is no run, has no checkpoint, or not that step's.
    """
    run = Path(run)
    config = settings.load(TrainConfig, run)
    checkpoints = Checkpoints(run / "checkpoints")
    if step is None:
        step = checkpoints.latest()
    elif step == -1:
        best = checkpoints.best()
        if best is None:
            raise UserError(f"--step=-1: no checkpoint of {run} is on record as the best. Fix: leave --step out.")
        step = best["step"]
    if step is None:
        raise UserError(f"{run / 'checkpoints'}: no checkpoint there yet. Fix: train first, or wait for the first one.")
    if step not in checkpoints.steps():
        kept = ", ".join(map(str, checkpoints.steps())) or "none"
        raise UserError(f"--step={step}: {run} has no checkpoint of that step (it has {kept}).")
    damage = checkpoints.damage(step)
    if damage:
        raise UserError(f"--step={step}: its checkpoint is damaged: {damage}. Fix: take another step.")
    vocabulary = Vocabulary.load(run / "vocabulary.json")
    generator = build.build_generator(config.model, precision or config.devices.precision)
    encoder = build.build_text_encoder(len(vocabulary))
    checkpoint = tf.train.Checkpoint(text_encoder=encoder, **{"ema" if ema else "generator": generator})
    checkpoints.restore(checkpoint, step, partial=True)
    sampler = Sampler(generator, encoder, config.model.z_dim, config.model.c_dim, batch)
    return Run(run, config, vocabulary, step, sampler, generator, encoder)
