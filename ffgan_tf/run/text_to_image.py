"""The front door: a trained run as an object that takes sentences. `load` imports TensorFlow; this file does not."""

import warnings
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ffgan_tf.config import TrainConfig
from ffgan_tf.config.train import PRECISIONS
from ffgan_tf.data.captions import Vocabulary
from ffgan_tf.run import source
from ffgan_tf.run.reading import Reading, UnknownWords, read_sentence
from ffgan_tf.utils.errors import UserError
from ffgan_tf.utils.garbage import paused_garbage_collection

if TYPE_CHECKING:
    from ffgan_tf.models.generator import Generator
    from ffgan_tf.models.text_encoder import TextEncoder
    from ffgan_tf.run.sampler import Run, Sampler

BATCH = 4  # images computed at once; one default for all users of the front door, so that all produce the same bytes


class Explanation(NamedTuple):
    """One image with its attention maps and features; S is the image size, T the number of `reading.words`.

    `image` (S, S, 3) uint8, the bytes of `generate`. `attention` A_1 (S/4, S/4, T) and A_2 (S/2, S/2, T) float32: the
    weight of each word at each pixel of stages 2 and 3, with sum 1 over the words. `features`, the paper's Fig. 5:
    `F1` (S/4, S/4, ngf), `F2f` (S/2, S/2, ngf), `F3f` (S, S, ngf) float32. With `--enlarge` maps and
    features are half as large. Other families have their own, or none (docs/families.md).
    """

    reading: Reading
    image: np.ndarray
    attention: tuple[np.ndarray, ...]
    features: dict[str, np.ndarray]


class TextToImage:
    """A trained run that turns sentences into images: `ffgan_tf.load("runs/cub").generate("a small yellow bird",
    count=4)`.

    `config` its settings (`TrainConfig`), `step` of its weights, `ema` whether they are the moving average,
    `vocabulary`, `image_size` S in pixels, `name`, `path` (the run's folder or the model file), `folder` (None for a
    file), `provenance`; `generator` and `text_encoder`, the networks; `sampler`, from
    token ids to images.
    The first image takes a second longer than later ones (TensorFlow prepares its graph). For one thread at a time.
    """

    def __init__(self, run: "Run", ema: bool = True):
        """Wraps a run loaded by `ffgan_tf.run.sampler.load_run`; users call `ffgan_tf.load`."""
        self._run, self.ema = run, ema

    def __repr__(self) -> str:
        return f"TextToImage({str(self.path)!r}, step={self.step}, ema={self.ema}, image_size={self.image_size})"

    @property
    def name(self) -> str:
        """The name of the run's folder, or what the model file calls itself."""
        return self._run.name

    @property
    def path(self) -> Path:
        """The run's folder, or the model file."""
        return self._run.path

    @property
    def folder(self) -> Path | None:
        """The run's folder; None for a model file."""
        return self._run.folder

    @property
    def provenance(self) -> dict[str, Any]:
        """What a model file says of where its weights come from (docs/export.md); empty for a run's folder."""
        return dict(self._run.file.provenance) if self._run.file else {}

    @property
    def config(self) -> TrainConfig:
        """The settings the run was trained with."""
        return self._run.config

    @property
    def step(self) -> int:
        """The training step of the weights."""
        return self._run.step

    @property
    def vocabulary(self) -> Vocabulary:
        """The words that the run knows."""
        return self._run.vocabulary

    @property
    def image_size(self) -> int:
        """S: the images are S×S pixels."""
        return self._run.config.model.image_size

    @property
    def sampler(self) -> "Sampler":
        """From token ids, seeds and numbers to images."""
        return self._run.sampler

    @property
    def generator(self) -> "Generator":
        """The generator (its moving average, unless loaded with `ema=False`)."""
        return self._run.generator

    @property
    def text_encoder(self) -> "TextEncoder":
        """The text encoder that the run was trained with."""
        return self._run.text_encoder

    def read(self, sentence: str) -> Reading:
        """How the run reads a sentence: words used, left out and cut (`Reading`).

        Raises UserError where no word is known.
        """
        return read_sentence(sentence, self.vocabulary)

    def generate(
        self,
        sentences: str | Sequence[str],
        count: int = 1,
        seed: int = 1,
        truncation: float = 0.0,
        *,
        seeds: Sequence[int] | None = None,
    ) -> np.ndarray:
        """`count` images of each of N sentences: uint8 (N·count, S, S, 3), all of the first sentence first.

        The same run, sentence, seed and truncation give the same images, the bytes that `python -m ffgan_tf.sample`
        writes. The n-th image of every sentence has the same noise, so that sentences compare along n. `seed` in
        [0, 2**63). `seeds` replaces `count` and `seed`: one image for each, the first of that seed.
        `truncation` t > 0 truncates the noise's normal distribution at ±t: less variety, often better images.

        Words outside the vocabulary are left out, with a warning (`UnknownWords`). Raises UserError for a sentence
        without a known word, for no sentence, a count below 1, a seed or truncation out of range.
        """
        readings = [self.read(sentence) for sentence in _listed(sentences)]
        if seeds is None:
            if count < 1:
                raise UserError(f"count {count}: must be at least 1.")
            numbers, noises = list(range(count)), [seed] * count
        else:
            noises = list(seeds)
            numbers = [0] * len(noises)
        if not readings or not noises:
            raise UserError("no sentence or no seed. Fix: pass at least one of each.")
        for reading in readings:
            _warn(reading)
        tokens = [reading.ids for reading in readings for _ in noises]
        return self.sampler(tokens, noises * len(readings), numbers * len(readings), truncation)

    def explain(self, sentence: str, seed: int = 1, number: int = 0, truncation: float = 0.0) -> Explanation:
        """One image with its attention maps and features (`Explanation`): `generate`'s image `number` of that seed.

        The maps come from a graph of their own, which may round differently from the image's (in bfloat16 by some
        percent). Raises and warns as `generate`.
        """
        reading = self.read(sentence)
        _warn(reading)
        image = self.sampler([reading.ids], seed, [number], truncation)[0]
        generated = self.sampler.explain(reading.ids, seed, number, truncation)
        maps = tuple(a[0, :, :, : len(reading.words)].astype(np.float32) for a in generated.attention)
        features = {name: value[0].astype(np.float32) for name, value in generated.features.items()}
        return Explanation(reading, image, maps, features)


def _listed(sentences: str | Sequence[str]) -> Sequence[str]:
    return [sentences] if isinstance(sentences, str) else sentences


def _warn(reading: Reading) -> None:
    if reading.warning:
        warnings.warn(reading.warning, UnknownWords, stacklevel=3)  # the caller of generate or explain


def load(
    run: str | PathLike,
    step: int | None = None,
    ema: bool = True,
    *,
    batch: int = BATCH,
    precision: str | None = None,
    sha256: str | None = None,
) -> TextToImage:
    """A trained model, ready to turn sentences into images: `ffgan_tf.load("runs/cub")` → `TextToImage`.

    `run`: a run's folder; a model file (`python -m ffgan_tf.export --format=safetensors`); the name of a model that
    comes with the package, such as "birds-demo", unless a file or folder here has that name; or an https URL of a model
    file, with its `sha256` (64 hex digits), which is downloaded once into `~/.cache/ffgan_tf` or `FFGAN_TF_CACHE`.
    `step`: the checkpoint of that training step; None the newest whole one, -1 the one on record as the best. `ema`:
    the generator's moving average, or its last weights. `batch` images are computed at once; more is faster on a GPU,
    and another batch size may change some pixels by one of 256 grey levels. `precision`: the Keras policy to compute
    in, `float32` or `mixed_bfloat16`; None is the run's own, and float32 for a file.

    Raises UserError where there is no such run or model, no checkpoint, not that step's, or a damaged one.
    """
    if batch < 1:
        raise UserError(f"batch {batch}: must be at least 1.")
    if precision not in (None, *PRECISIONS):
        raise UserError(f"precision {precision!r}: must be one of {', '.join(PRECISIONS)}.")
    path = source.locate(run, sha256)
    source.find(path)  # reports a folder that is no run before TensorFlow loads
    with paused_garbage_collection():
        from ffgan_tf.run.sampler import load_run

        loaded = load_run(path, step=step, ema=ema, batch=batch, precision=precision)
        loaded.sampler.trace()
    return TextToImage(loaded, ema)
