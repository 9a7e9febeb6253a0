"""A trained run as a function from token ids to images; shared by the front door, `evaluate` and the training loop."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from ffgan_tf.config import TrainConfig
from ffgan_tf.data.captions import MAX_WORDS, Vocabulary
from ffgan_tf.models import blocks, build, cpu_convolutions
from ffgan_tf.models.conditioning import truncated
from ffgan_tf.models.generator import Generated
from ffgan_tf.models.text_encoder import TextEncoder
from ffgan_tf.run import model_file, model_weights, source
from ffgan_tf.run.checkpoints import CheckpointGone, Checkpoints
from ffgan_tf.utils.errors import UserError
from ffgan_tf.utils.pixels import to_uint8
from ffgan_tf.utils.seeds import check_seed


def check_truncation(truncation: float) -> float:
    """`truncation` as a float. Raises UserError unless it is finite and at least 0."""
    if not (np.isfinite(truncation) and truncation >= 0):
        raise UserError(f"truncation {truncation}: must be finite and at least 0 (off). Fix: 0, or between 0.5 and 2.")
    return float(truncation)


class Sampler:
    """Images from token ids with a generator in inference mode; compiled once, at one batch size.

    The image of sample i depends on its tokens, seed, `ids[i]` and truncation alone, not on its neighbours. Another
    batch size, or on some machines another place in the batch (`alike`), may change the order of summation, and so some
    pixels by one of 256 grey levels.
    """

    def __init__(
        self, generator: tf.keras.Model, text_encoder: TextEncoder, z_dim: int, epsilon_dim: int, batch: int = 32
    ):
        self._generator, self._encoder = generator, text_encoder
        self._z_dim, self._epsilon_dim, self._batch = z_dim, epsilon_dim, batch
        self._images = self._compiled(lambda *inputs: self.graph(*inputs).image, batch)
        self._everything: tf.types.experimental.GenericFunction | None = None

    @staticmethod
    def _compiled(function, batch: int) -> tf.types.experimental.GenericFunction:
        # No autograph: no branch depends on a tensor's value, and searching for one takes longer than the tracing
        # itself.
        return tf.function(
            function,
            autograph=False,
            input_signature=[
                tf.TensorSpec([batch, MAX_WORDS], tf.int32),
                tf.TensorSpec([batch], tf.int32),
                tf.TensorSpec([batch, 2], tf.int64),
                tf.TensorSpec([batch, 1], tf.float32),
            ],
        )

    def graph(self, tokens: tf.Tensor, lengths: tf.Tensor, seeds: tf.Tensor, truncation: tf.Tensor) -> Generated:
        """`tokens` (B, 25) int, padded with 0, `lengths` (B,) from 1 to 25, `seeds` (B, 2) int64, the seed and the
        number, and `truncation` (B, 1) float32 → all that the generator makes of them, as tensors."""

        def draw(seed):
            return tf.random.stateless_normal([self._z_dim + self._epsilon_dim], seed)

        noise = tf.map_fn(draw, seeds, fn_output_signature=tf.float32)
        noise = tf.where(truncation > 0, truncated(noise, truncation), noise)
        with cpu_convolutions.without_gradients():
            sentence, words = self._encoder(tokens, lengths)
            mask = tf.sequence_mask(lengths, MAX_WORDS)
            return self._generator(sentence, words, mask, noise[:, : self._z_dim], noise[:, self._z_dim :])

    def __call__(
        self,
        tokens: Sequence[Sequence[int]],
        seed: int | Sequence[int],
        ids: Sequence[int] | None = None,
        truncation: float | Sequence[float] = 0.0,
    ) -> np.ndarray:
        """Images (N, S, S, 3) uint8 for N token lists (each not empty).

        `seed`, one in [0, 2**63) or N, and `ids` (default 0…N−1) index the noise vectors; `truncation` t > 0, one or
        N, draws z and ε from the normal distribution truncated at ±t. Raises UserError for a seed or truncation out of
        range.
        """
        seeds, bounds = self._numbers(len(tokens), seed, ids, truncation)
        images = []
        for start in range(0, len(tokens), self._batch):
            part = slice(start, start + self._batch)
            inputs = padded(tokens[part], seeds[part], bounds[part], self._batch)
            images.append(to_uint8(self._images(*inputs).numpy()[: len(tokens[part])]))
        return np.concatenate(images)

    def trace(self) -> None:
        """Traces the graph now instead of at the first images."""
        self._images.get_concrete_function()

    def alike(self) -> list[int]:
        """For each place of a batch the first place that computes the same, bit for bit: [0, 0, 0, 3], say.

        Neighbours do not matter, but a processor may take the last row of a matrix by another routine, which adds up in
        another order. Found by drawing one sample in all places, twice.
        """
        seen = []
        for token, bound in ((1, 0.0), (2, 0.7)):
            numbers = self._numbers(self._batch, 1, [0] * self._batch, bound)
            seen.append(self._images(*padded([[token] * (3 * token)] * self._batch, *numbers, self._batch)).numpy())

        def equal(one: int, other: int) -> bool:
            return all(images[one].tobytes() == images[other].tobytes() for images in seen)

        return [next(first for first in range(place + 1) if equal(first, place)) for place in range(self._batch)]

    def explain(self, tokens: Sequence[int], seed: int, number: int = 0, truncation: float = 0.0) -> Generated:
        """All that the generator returns (`Generated`) for one token list, as arrays of a batch of one, T = 25."""
        if self._everything is None:
            self._everything = self._compiled(self.graph, 1)
        seeds, bounds = self._numbers(1, seed, [number], truncation)
        everything = self._everything(*padded([tokens], seeds, bounds, 1))
        return tf.nest.map_structure(lambda value: None if value is None else np.asarray(value), everything)

    @staticmethod
    def _numbers(count: int, seed, ids, truncation) -> tuple[np.ndarray, np.ndarray]:
        """Seeds (count, 2) int64, the seed and the number, and bounds (count, 1) float32."""
        one = [check_seed(seed)] * count if np.ndim(seed) == 0 else [check_seed(value) for value in seed]
        numbers = np.arange(count) if ids is None else np.asarray(ids)
        bounds = [check_truncation(value) for value in np.broadcast_to(truncation, [count])]
        return np.stack([np.array(one, np.int64), numbers.astype(np.int64)], axis=1), np.array([bounds], np.float32).T


def padded(tokens: Sequence[Sequence[int]], seeds: np.ndarray, bounds: np.ndarray, batch: int) -> tuple:
    """The sampler's inputs of up to `batch` samples, filled up to it with samples of one word."""
    words, lengths = np.zeros((batch, MAX_WORDS), np.int32), np.ones(batch, np.int32)
    for i, row in enumerate(tokens):
        row = list(row)[:MAX_WORDS]
        words[i, : len(row)], lengths[i] = row, len(row)
    fill = ((0, batch - len(tokens)), (0, 0))
    return words, lengths, np.pad(seeds, fill), np.pad(bounds, fill)


class Run(NamedTuple):
    """A trained model, loaded: a run (`folder`), or a model file (`file`; `folder` is None)."""

    folder: Path | None
    config: TrainConfig
    vocabulary: Vocabulary
    step: int
    sampler: Sampler
    generator: tf.keras.Model
    text_encoder: TextEncoder
    file: model_file.ModelFile | None = None

    @property
    def path(self) -> Path:
        """The run's folder or the model file."""
        return self.file.path if self.file else self.folder or Path()

    @property
    def name(self) -> str:
        """The name of the run's folder, or what the model file calls itself."""
        return self.file.name if self.file else self.path.resolve().name


def choose_step(run: str | Path, step: int | None = None) -> int:
    """The step of a run's newest whole checkpoint, or `step` if its checkpoint exists and is whole; -1 is the best.

    Raises UserError where there is no such checkpoint.
    """
    checkpoints = Checkpoints(Path(run) / "checkpoints")
    if step is None:
        step = checkpoints.latest()
        if step is None:
            raise UserError(
                f"{checkpoints.folder}: no checkpoint there yet. Fix: train first, or wait for the first one."
            )
        return step
    if step == -1:
        best = checkpoints.best()
        if best is None:
            raise UserError(f"--step=-1: no checkpoint of {run} is on record as the best. Fix: leave --step out.")
        step = best["step"]
    if step not in checkpoints.steps():
        kept = ", ".join(map(str, checkpoints.steps())) or "none"
        raise UserError(f"--step={step}: {run} has no checkpoint of that step (it has {kept}). Fix: one of these.")
    damage = checkpoints.damage(step)
    if damage:
        raise UserError(f"--step={step}: its checkpoint is damaged: {damage}. Fix: choose another step.")
    return step


def restore_chosen(checkpoint: tf.train.Checkpoint, run: Path, step: int, newest: bool) -> int:
    """Restores a step; with `newest`, the newest one instead where training has removed the step in the meantime."""
    for _ in range(10):
        try:
            Checkpoints(run / "checkpoints").restore(checkpoint, step, partial=True)
            return step
        except CheckpointGone:
            if not newest:
                raise
            step = choose_step(run, None)
    raise CheckpointGone(f"{run / 'checkpoints'}: checkpoints are replaced too fast. Fix: a larger --keep_checkpoints.")


def load_run(
    run: str | Path, *, step: int | None = None, ema: bool = True, batch: int = 32, precision: str | None = None
) -> Run:
    """Loads a run's generator (its EMA by default) at its newest whole checkpoint, or at `step`; -1 is the best.

    A model file, a shipped model's name and a URL serve as well (`source.find`): they hold one step and compute in
    float32. `precision` is the Keras policy to compute in; None is the run's own. Raises UserError where the folder is
    no run, or has no checkpoint (of that step).
    """
    found, wanted = source.find(run), step
    if found.file:
        return _load_file(found.file, step, ema, batch, precision or "float32")
    folder, config, vocabulary = found.path, found.config, found.vocabulary
    # In a thread: the checksum (the file also holds the discriminator and Adam's moments) takes a while, without the
    # GIL.
    with ThreadPoolExecutor(1) as pool:
        chosen = pool.submit(choose_step, folder, step)
        with blocks.blank_weights():
            generator = build.build_generator(config.model, precision or config.devices.precision)
            encoder = build.build_text_encoder(len(vocabulary))
        step = chosen.result()
        checkpoint = tf.train.Checkpoint(text_encoder=encoder, **{"ema" if ema else "generator": generator})
        step = restore_chosen(checkpoint, folder, step, newest=wanted is None)
    sampler = Sampler(generator, encoder, config.model.z_dim, config.model.epsilon_dim, batch)
    return Run(folder, config, vocabulary, step, sampler, generator, encoder)


def _load_file(model: model_file.ModelFile, step: int | None, ema: bool, batch: int, precision: str) -> Run:
    """A model file as `load_run` returns it. Raises UserError where it is damaged, or another step or weights are asked
    for."""
    if step not in (None, model.step):
        raise UserError(f"--step={step}: {model.path} holds step {model.step} alone. Fix: leave --step out.")
    if ema != (model.weights == "ema"):
        held = "the moving average (EMA)" if model.weights == "ema" else "the last weights"
        raise UserError(
            f"{model.path} holds {held} alone. Fix: {'leave --noema out' if not ema else '--noema, or ema=False'}."
        )
    model, tensors = model_file.read(model.path)
    settings = model.config.model
    try:
        with blocks.blank_weights(most=sum(value.size for value in tensors.values())):
            generator = build.build_generator(settings, precision)
            encoder = build.build_text_encoder(len(model.vocabulary))
    except blocks.TooManyWeights:
        raise UserError(
            f"{model.path}: its settings describe larger networks than it holds. {model_file.FIX}"
        ) from None
    model_weights.fill(generator, encoder, tensors, model.path)
    sampler = Sampler(generator, encoder, settings.z_dim, settings.epsilon_dim, batch)
    return Run(None, model.config, model.vocabulary, model.step, sampler, generator, encoder, model)
