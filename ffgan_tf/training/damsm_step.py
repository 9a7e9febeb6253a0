"""DAMSM's training state and one step of it (docs/model.md section 9)."""

from typing import NamedTuple

import tensorflow as tf

from ffgan_tf.config import DamsmConfig
from ffgan_tf.data.pipeline import DROPOUT, seed_of
from ffgan_tf.losses.damsm import damsm_losses
from ffgan_tf.models import build
from ffgan_tf.models.image_encoder import Heads, InceptionTrunk, SmallTrunk
from ffgan_tf.models.text_encoder import DROPOUT as DROPOUT_RATE
from ffgan_tf.training.adam import adam
from ffgan_tf.utils.pixels import to_unit

LOSSES = ("w0", "w1", "s0", "s1")
METRICS = (*(f"loss/{name}" for name in LOSSES), "loss/total", "grad_norm/text", "grad_norm/image", "learning_rate")


class Encoded(NamedTuple):
    """B images and B captions in the common space."""

    regions: tf.Tensor  # (B, R, d), row by row
    codes: tf.Tensor  # (B, d)
    words: tf.Tensor  # (B, T, d)
    sentences: tf.Tensor  # (B, d)
    mask: tf.Tensor  # (B, T) bool


class Damsm:
    """Text encoder, image encoder, Adam and the step counter: all that a checkpoint holds.

    `frozen`: the frozen trunk, images in [−1, 1] → (local, pooled); None trains the small one. `images`: the number of
    training images, an epoch of the learning rate's schedule.
    """

    def __init__(self, config: DamsmConfig, words: int, images: int, frozen: InceptionTrunk | None = None):
        self.config, self._images = config, images
        self.text_encoder = build.build_text_encoder(words, config.text.text_init_range, config.schedule.seed)
        self.heads = Heads(seed=config.schedule.seed, name="heads")
        self.image_trunk: SmallTrunk | InceptionTrunk  # before the heads: the one that is trained, or the frozen one
        self.trunk: SmallTrunk | None = None
        if frozen is None:
            self.image_trunk = self.trunk = SmallTrunk(config.images.image_size, config.schedule.seed, name="trunk")
        else:
            self.image_trunk = frozen
        self.heads(*self.image_features(tf.zeros([1, config.images.image_size, config.images.image_size, 3], tf.uint8)))
        self.image_variables = [*self.heads.trainable_variables]
        if self.trunk:
            self.image_variables += self.trunk.trainable_variables
        self.optimizer = adam(config.optimisers, config.optimisers.lr)
        self.optimizer.build([*self.text_encoder.trainable_variables, *self.image_variables])
        self.step = tf.Variable(0, dtype=tf.int64, name="step")

    def checkpoint(self) -> tf.train.Checkpoint:
        """The saved state, without the frozen trunk, which has a file of its own."""
        parts = {"text_encoder": self.text_encoder, "heads": self.heads, "optimizer": self.optimizer, "step": self.step}
        return tf.train.Checkpoint(**parts, **({"trunk": self.trunk} if self.trunk else {}))

    def image_features(self, image, training: bool = False) -> tuple[tf.Tensor, tf.Tensor]:
        """Images (B, S, S, 3) uint8, or their cached features (local, pooled), → local, pooled, float32."""
        if isinstance(image, tuple):
            return tuple(tf.cast(part, tf.float32) for part in image)
        if self.trunk:
            return self.trunk(to_unit(image), training=training)
        return tuple(tf.stop_gradient(part) for part in self.image_trunk(to_unit(image)))

    def encode(self, image, tokens: tf.Tensor, lengths: tf.Tensor, dropout_seed: tf.Tensor | None = None) -> Encoded:
        """Encodes images (or cached features) and captions (B, T), (B,); with dropout if it gets a seed (2,)."""
        training = dropout_seed is not None
        embedded = self.text_encoder.embedding(tokens)
        if training:  # not the layer's own dropout: its random state would not survive a restart
            embedded = tf.nn.experimental.stateless_dropout(embedded, DROPOUT_RATE, dropout_seed)
        sentences, words = self.text_encoder.read(embedded, lengths)
        regions, codes = self.heads(*self.image_features(image, training))
        return Encoded(regions, codes, words, sentences, tf.sequence_mask(lengths, tf.shape(tokens)[1]))

    def losses(self, encoded: Encoded, classes: tf.Tensor) -> dict[str, tf.Tensor]:
        """The four losses with this run's γ."""
        config = self.config
        return damsm_losses(
            *encoded, classes, gamma1=config.losses.gamma1, gamma2=config.losses.gamma2, gamma3=config.losses.gamma3
        )

    def epoch(self, step: tf.Tensor | tf.Variable) -> tf.Tensor:
        """The epoch in which a step's first image lies, int64."""
        return step * self.config.schedule.batch // self._images

    def learning_rate(self) -> tf.Tensor:
        """lr · decay^epoch, never below its floor."""
        config, epoch = self.config, tf.cast(self.epoch(self.step), tf.float32)
        return config.optimisers.lr * tf.maximum(config.optimisers.lr_decay**epoch, config.optimisers.lr_floor)

    def start_epoch(self) -> None:
        """With --fresh_adam, a new Adam before an epoch's first step: a function of the step alone, so that a resumed
        run does the same."""
        if self.config.optimisers.fresh_adam:
            begins = self.epoch(self.step) != self.epoch(self.step - 1)
            tf.cond(begins, lambda: (self.optimizer.start_anew(), tf.constant(True))[1], lambda: tf.constant(False))

    def train_step(self, batch: dict[str, tf.Tensor]) -> tf.Tensor:
        """One step on a batch of `training_batches`; returns METRICS, float32."""
        seed = seed_of(self.config.schedule.seed, DROPOUT, self.step)
        with tf.GradientTape() as tape:
            encoded = self.encode(batch["image"], batch["tokens"], batch["lengths"], seed)
            losses = self.losses(encoded, batch["classes"])
            total = tf.add_n(list(losses.values()))
        text, image = tape.gradient(total, (self.text_encoder.trainable_variables, self.image_variables))
        # Dense first: in an embedding's sparse gradient, a repeated word would count wrongly in the norm.
        text, text_norm = tf.clip_by_global_norm(
            [tf.convert_to_tensor(part) for part in text], self.config.optimisers.rnn_clip
        )
        self.start_epoch()
        rate = self.learning_rate()
        self.optimizer.learning_rate.assign(rate)
        self.optimizer.apply_gradients(
            zip([*text, *image], [*self.text_encoder.trainable_variables, *self.image_variables])
        )
        self.step.assign_add(1)
        return tf.stack([*(losses[name] for name in LOSSES), total, text_norm, tf.linalg.global_norm(image), rate])
