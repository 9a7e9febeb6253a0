"""The GAN's training state and one step of it (docs/model.md sections 5 and 6).

`gan_inputs` makes what both networks see, `gan_losses` has Eq. 4 and 5, `gradients` moves the weights, `ema` averages
them.
"""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from ffgan_tf.config import TrainConfig
from ffgan_tf.models import build
from ffgan_tf.models.discriminator import Discriminator
from ffgan_tf.models.generator import Generated, Generator
from ffgan_tf.models.text_encoder import TextEncoder
from ffgan_tf.training.adam import adam
from ffgan_tf.training.augment import shown_to_d
from ffgan_tf.training.ema import copy_average, ema_decay, update_ema
from ffgan_tf.training.gan_inputs import Inputs, gan_inputs
from ffgan_tf.training.gan_losses import D_METRICS, G_METRICS, discriminator_part, generator_part
from ffgan_tf.training.gradients import apply_gradients, share_of_batch

METRICS = (*D_METRICS, *G_METRICS, "grad_norm/d", "grad_norm/g", "loss_scale/d", "loss_scale/g")


class Parts(NamedTuple):
    """What of a step is computed inside one replica, without meeting others: what XLA may compile where there are
    some."""

    generate: Callable[[Inputs], Generated]
    d_gradients: Callable[[Inputs, tf.Tensor], tuple[list[tf.Tensor], tf.Tensor]]
    g_loss: Callable[[Inputs, Generated], tuple[tf.Tensor, tf.Tensor]]


class Gan:
    """Everything a run's checkpoint holds: frozen text encoder, both networks, both Adams, the generator's EMA, the
    step.

    `image_encoder`: images in [−1, 1] → regions, codes (DAMSM's), where `--damsm_weight` is not 0. Make it inside the
    scope of the strategy that is to run it.
    """

    def __init__(self, config: TrainConfig, text_encoder: TextEncoder, image_encoder: Callable | None = None):
        self.config, self._strategy = config, tf.distribute.get_strategy()
        self.text_encoder, self._image_encoder = text_encoder, image_encoder
        tf.keras.utils.set_random_seed(config.schedule.seed)
        precision, sync = config.devices.precision, config.devices.sync_batch_norm
        self.generator = build.build_generator(config.model, precision, sync)
        self.discriminator = build.build_discriminator(config.model, precision, sync)
        self.ema = build.build_generator(config.model, precision, sync)
        for average, value in zip(self.ema.variables, self.generator.variables):
            average.assign(value)
        self.penalised_discriminator = self._penalised_discriminator()
        scaling = precision == "mixed_float16"
        self.optimizer_g = adam(config.optimisers, config.optimisers.lr_g, scaling)
        self.optimizer_d = adam(config.optimisers, config.optimisers.lr_d, scaling)
        self.optimizer_g.build(self.generator.trainable_variables)
        self.optimizer_d.build(self.discriminator.trainable_variables)
        self.step = tf.Variable(0, dtype=tf.int64, name="step", aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)
        self.parts = Parts(self.generate, self.d_gradients, self.g_loss)

    def _penalised_discriminator(self) -> Discriminator:
        """D for the gradient penalty, whose second derivatives want float32: itself, or a twin with its weights."""
        config = self.config
        if config.losses.gradient_penalty == "none" or not config.devices.precision.startswith("mixed"):
            return self.discriminator
        twin = build.build_discriminator(config.model, "float32", config.devices.sync_batch_norm)
        return build.same_weights(self.discriminator, twin)

    # ---------------------------------------------------------------- what is saved, what is shown

    @property
    def replicas(self) -> int:
        """How many devices share a batch."""
        return self._strategy.num_replicas_in_sync

    def checkpoint(self) -> tf.train.Checkpoint:
        """What is saved and restored. Old runs know these names: they stay."""
        return tf.train.Checkpoint(
            text_encoder=self.text_encoder,
            generator=self.generator,
            ema=self.ema,
            discriminator=self.discriminator,
            optimizer_g=self.optimizer_g,
            optimizer_d=self.optimizer_d,
            step=self.step,
        )

    def set_learning_rates(self) -> None:
        """Those of the settings: a checkpoint restores the ones that it was trained with."""
        self.optimizer_g.learning_rate = self.config.optimisers.lr_g
        self.optimizer_d.learning_rate = self.config.optimisers.lr_d

    def sampling_generator(self) -> Generator:
        """The EMA generator, for images: itself on one device. To read the statistics that several replicas keep, all
        workers must take part; so there it is a copy which one worker can use alone, of when `refresh` was last
        called."""
        if self.replicas == 1:
            return self.ema
        return build.build_generator(self.config.model, self.config.devices.precision)

    def refresh(self, target: Generator) -> None:
        """Brings what `sampling_generator` gave up to date; on all workers at once."""
        copy_average(self.ema, target, self._strategy)

    # ---------------------------------------------------------------- the step

    def train_step(self, batch: dict[str, tf.Tensor]) -> tf.Tensor:
        """One D step and one G step on the same fakes. `batch`: this replica's share of what `training_batches` gives.

        Returns METRICS of this share, float32. Gradients are those of the mean over the global batch. Where they are
        not finite, the step does not follow them (float16 then lowers its loss scale), so the weights stay fit to be
        looked at.
        """
        inputs = self.inputs(batch)
        step = self._accumulated if self.config.devices.accumulate > 1 else self._plain
        values, norms = step(inputs)
        self.update_ema()
        self.step.assign_add(1)
        scales = [getattr(optimizer, "loss_scale", 1.0) for optimizer in (self.optimizer_d, self.optimizer_g)]
        return tf.concat([values, [tf.cast(value, tf.float32) for value in (*norms, *scales)]], 0)

    def _plain(self, inputs: Inputs):
        """The whole share at once: one generator pass serves both networks' steps."""
        with tf.GradientTape() as tape:
            generated = self.parts.generate(inputs)
            with tape.stop_recording():
                gradients, d_values = self.parts.d_gradients(inputs, generated.image)
                d_norm = self.apply_d(gradients)
            # The same fakes again, through the discriminator that has just learned from them.
            loss, g_values = self.parts.g_loss(inputs, generated)
        g_norm = self.apply_g(tape.gradient(loss, self.generator.trainable_variables))
        return tf.concat([d_values, g_values], 0), (d_norm, g_norm)

    def _accumulated(self, inputs: Inputs):
        """The share in `--accumulate` parts, one after the other: the same gradients (batch norm aside, which sees a
        part at a time) in a part's memory. The fakes are made twice, as no part's activations can wait for D's step."""
        count = self.config.devices.accumulate
        split = inputs.parts(count)

        totals = [tf.zeros_like(variable) for variable in self.discriminator.trainable_variables]
        d_values = tf.zeros([len(D_METRICS)])
        for k in tf.range(count):
            part = Inputs(*(value[k] for value in split))
            gradients, values = self.parts.d_gradients(part, self.parts.generate(part).image)
            totals = [total + gradient for total, gradient in zip(totals, gradients)]
            d_values += values / count
        d_norm = self.apply_d(totals)

        totals = [tf.zeros_like(variable) for variable in self.generator.trainable_variables]
        g_values = tf.zeros([len(G_METRICS)])
        for k in tf.range(count):
            part = Inputs(*(value[k] for value in split))
            with tf.GradientTape() as tape:
                loss, values = self.parts.g_loss(part, self.parts.generate(part))
            gradients = tape.gradient(loss, self.generator.trainable_variables)
            totals = [total + gradient for total, gradient in zip(totals, gradients)]
            g_values += values / count
        g_norm = self.apply_g(totals)
        return tf.concat([d_values, g_values], 0), (d_norm, g_norm)

    # ---------------------------------------------------------------- its parts

    def inputs(self, batch: dict[str, tf.Tensor]) -> Inputs:
        """What both networks see of this replica's share of a batch."""
        return gan_inputs(batch, self.config.model, self.text_encoder, self.generator)

    def generate(self, inputs: Inputs) -> Generated:
        """G's images and what belongs to them, as in training."""
        return self.generator(inputs.sentence, inputs.words, inputs.mask, inputs.noise, inputs.epsilon, training=True)

    def shown_to_d(self, inputs: Inputs, fake: tf.Tensor) -> tuple[Inputs, tf.Tensor]:
        """Real images and fakes as D sees them: `--d_blur`, `--augment`. The same for a fake in both steps."""
        own, fakes = tf.split(inputs.uniform, 2, axis=1)
        config = self.config.losses
        real = shown_to_d(inputs.real, own, config, self.step)
        return inputs._replace(real=real), shown_to_d(fake, fakes, config, self.step)

    def d_gradients(self, inputs: Inputs, fake: tf.Tensor) -> tuple[list[tf.Tensor], tf.Tensor]:
        """Gradients of L_D on a part, as its share of the global batch's and times the loss scale; D_METRICS."""
        inputs, fake = self.shown_to_d(inputs, fake)
        with tf.GradientTape() as tape:
            loss, values = discriminator_part(
                self.discriminator, self.penalised_discriminator, inputs, fake, self.config.losses, self.step
            )
            scaled = share_of_batch(loss, self.optimizer_d, self.config.devices.accumulate)
        return tape.gradient(scaled, self.discriminator.trainable_variables), values

    def g_loss(self, inputs: Inputs, generated: Generated) -> tuple[tf.Tensor, tf.Tensor]:
        """L_G on a part, as its share of the global batch's and times the loss scale; G_METRICS."""
        inputs, fake = self.shown_to_d(inputs, generated.image)
        kind = self.config.model.condition
        if self.config.losses.condition_gradient == "g" and kind != "sentence":
            learned = {"ca": generated.condition, "mu": generated.mu}[kind]
            # The same numbers, not cut off from F_ca.
            inputs = inputs._replace(condition=tf.cast(learned, inputs.condition.dtype))
        loss, values = generator_part(
            self.discriminator, inputs, generated, self.config.losses, self.step, self._image_encoder, fake
        )
        return share_of_batch(loss, self.optimizer_g, self.config.devices.accumulate), values

    def apply_d(self, gradients: list[tf.Tensor]) -> tf.Tensor:
        """D's update; the gradients' norm over the global batch, before clipping."""
        weights, clip_norm = self.discriminator.trainable_variables, self.config.optimisers.clip_norm
        return apply_gradients(self.optimizer_d, gradients, weights, clip_norm)

    def apply_g(self, gradients: list[tf.Tensor]) -> tf.Tensor:
        """G's update; the gradients' norm over the global batch, before clipping."""
        weights, clip_norm = self.generator.trainable_variables, self.config.optimisers.clip_norm
        return apply_gradients(self.optimizer_g, gradients, weights, clip_norm)

    def update_ema(self) -> None:
        """The generator's moving average follows it by a step."""
        update_ema(self.ema.variables, self.generator.variables, ema_decay(self.config.optimisers, self.step))

    def compile_parts(self) -> None:
        """XLA compiles each of `parts` by itself."""
        self.parts = Parts(*(tf.function(part, jit_compile=True) for part in self.parts))
