"""TensorBoard's panels beside the scalars: attention, the feature maps of Fig. 5, D's outputs, settings."""

import hashlib

import numpy as np
import tensorflow as tf

from ffgan_tf.config import TrainConfig
from ffgan_tf.data.captions import MAX_WORDS, Vocabulary
from ffgan_tf.models.generator import Generator
from ffgan_tf.run.log import Log
from ffgan_tf.run.reading import read_sentence
from ffgan_tf.run.text_to_image import Explanation
from ffgan_tf.training.gan_losses import TERMS, terms_of
from ffgan_tf.training.gan_setup import GanData
from ffgan_tf.training.gan_step import Gan
from ffgan_tf.utils.pixels import to_uint8
from ffgan_tf.visuals.sentences import choose_captions
from ffgan_tf.visuals.sheets import draw_attention, draw_features

SIDE = 96  # pixels of a tile: a sheet of a 256×256 run stays below a megabyte
WON = 0.02  # D is this sure of real and of generated images where it has won
APART = 0.02  # D(t|I_s) − D(t|Î_s): below it D does not read the sentence


def explain(gan: Gan, generator: Generator, sentence: str, vocabulary: Vocabulary, noise: tf.Tensor) -> Explanation:
    """The image of a sentence and noise (z + c,) with attention and features; runs eagerly, so no graph is traced."""
    reading = read_sentence(sentence, vocabulary)
    ids, z = tf.constant([reading.ids[:MAX_WORDS]], tf.int32), gan.config.model.z_dim
    code, words = gan.text_encoder(ids, tf.constant([ids.shape[1]]))
    mask = tf.ones(ids.shape, tf.bool)
    output = generator(code, words, mask, noise[None, :z], noise[None, z:])
    maps = tuple(attention[0].numpy().astype(np.float32) for attention in output.attention)
    features = {name: tf.cast(value[0], tf.float32).numpy() for name, value in output.features.items()}
    return Explanation(reading, to_uint8(output.image[0].numpy()), maps, features)


def discriminator_outputs(gan: Gan, batch: dict[str, tf.Tensor]) -> dict[str, np.ndarray]:
    """The probabilities (b,) of the largest image's D for each image of a batch, on its five inputs (Eq. 4) or, without
    an unconditional head, three: by `terms_of`.

    In inference mode, with batch norm's moving averages, so that the training's state does not change. Hence they
    differ slightly from the scalars `D/…`, the means of training batches. On one device only.
    """
    inputs, d = gan.inputs(batch), gan.discriminator
    fake = gan.generator(inputs.sentence, inputs.words, inputs.mask, inputs.noise, inputs.epsilon).image
    real_features, fake_features = d.features(inputs.real), d.features(fake)
    logits = (
        d.unconditional(real_features, inputs.real),
        d.unconditional(fake_features, fake),
        d.conditional(real_features, inputs.condition),
        d.conditional(fake_features, inputs.condition),
        d.conditional(real_features, inputs.wrong),
    )
    outputs = dict(zip(TERMS, logits))
    return {term: tf.sigmoid(outputs[term]).numpy() for term in terms_of(d)}


def hints(outputs: dict[str, np.ndarray]) -> list[str]:
    """Problems that D's outputs (`discriminator_outputs`) show, each with the scalars to look at."""
    means = {term: float(values.mean()) for term, values in outputs.items()}
    lines = []
    real, fake = (means.get(term, means[f"{term}_matching"]) for term in ("real", "fake"))
    if real > 1 - WON and fake < WON:
        lines.append(
            f"D tells all images apart: D(t) {real:.2f}, D(t̂) {fake:.2f}. G learns nothing from it "
            "now. Look at grad_norm/g and loss_d/total; a smaller --lr_d or --gradient_penalty=magp keeps D back."
        )
    if abs(means["real_matching"] - means["real_mismatching"]) < APART:
        lines.append(
            f"D takes right and wrong sentences alike: D(t|I) {means['real_matching']:.2f}, D(t|wrong) "
            f"{means['real_mismatching']:.2f}. Early in a run that is so; if it stays, look at text/mu_spread and "
            "docs/troubleshooting.md, “The text has no effect”."
        )
    return lines


def settings_table(config: TrainConfig) -> str:
    """The settings as a Markdown table."""
    rows = [f"| --{name} | {str(value).replace('|', chr(92) + '|') or '–'} |" for name, value in config.flat().items()]
    return "\n".join(["| setting | value |", "|---|---|", *rows])


class Board:
    """Called with a step, logs attention and feature sheets of two sentences of the sample grid, with its weights and
    noise, and histograms of D's outputs on the first training batch, with hints if they look wrong."""

    def __init__(
        self, config: TrainConfig, data: GanData, gan: Gan, generator: Generator, vocabulary: Vocabulary, log: Log
    ):
        self._config, self._gan, self._generator, self._vocabulary, self._log = config, gan, generator, vocabulary, log
        captions = choose_captions(data.test.names, data.test.texts, config.schedule.grid_captions)
        self.rows = sorted({0, len(captions) // 2})
        self.sentences = [captions[row].text for row in self.rows]
        self._data = data

    def begin(self, step: int) -> None:
        """Settings as text; for HParams once, at a run's start: a trial keeps its first entry."""
        self._log.text("settings", settings_table(self._config), step)
        if step == 0:
            trial = hashlib.sha256(str(self._log.run.absolute()).encode()).hexdigest()
            self._log.hparams(self._config.flat(), trial)

    def __call__(self, step: int) -> None:
        sheets = {}
        size = self._config.model.z_dim + self._config.model.epsilon_dim
        for row, sentence in zip(self.rows, self.sentences):
            seed = tf.constant([self._config.schedule.seed, row], tf.int64)
            noise = tf.random.stateless_normal([size], seed)  # that of the grid's image
            explanation = explain(self._gan, self._generator, sentence, self._vocabulary, noise)
            if explanation.attention:
                sheets[f"attention/{row + 1}"] = draw_attention(explanation, sentence, side=SIDE)
            if explanation.features:
                sheets[f"features/{row + 1}"] = draw_features(explanation, sentence, side=SIDE)
        self._log.sheets(step, sheets)
        if self._gan.replicas == 1:
            outputs = discriminator_outputs(self._gan, next(iter(self._data.batches(0))))
            self._log.histograms(step, {f"D_outputs/{term}": values for term, values in outputs.items()})
            if lines := hints(outputs):
                self._log.text("hints", "\n\n".join(lines), step)
