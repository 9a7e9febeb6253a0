"""The GAN's training state and one step of it (docs/model.md sections 5 and 6).

`gan_inputs` makes what both networks see, `gan_losses` has Eq. 4 and 5, `gradients` moves the weights, `ema` averages
them.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from ffgan_tf.config import ModelConfig, TrainConfig
from ffgan_tf.config.families import FACTS
from ffgan_tf.models import build
from ffgan_tf.models.blocks import blank_weights
from ffgan_tf.models.discriminator import Discriminator
from ffgan_tf.models.generator import Generated, Generator
from ffgan_tf.models.text_encoder import TextEncoder
from ffgan_tf.training.adam import adam
from ffgan_tf.training.augment import shown_to_d
from ffgan_tf.training.ema import copy_average, ema_decay, update_ema
from ffgan_tf.training.gan_inputs import Inputs, gan_inputs, generator_inputs, second_pass
from ffgan_tf.training.gan_losses import (
    TERMS,
    Judged,
    d_metrics,
    discriminator_part,
    g_metrics,
    generator_part,
    terms_of,
)
from ffgan_tf.training.gradients import apply_gradients, share_of_batch
from ffgan_tf.training.images import at_sizes
from ffgan_tf.training.schedule import Shares

Images = tuple[tf.Tensor, ...]  # of one sample's several sizes, small to large


class Parts(NamedTuple):
    """What of a step is computed inside one replica, without meeting others: what XLA may compile where there are
    some."""

    generate: Callable[[Inputs], Generated]
    d_gradients: Callable[[Inputs, Images], tuple[list[list[tf.Tensor]], tf.Tensor]]
    g_loss: Callable[[Inputs, Generated], tuple[tf.Tensor, tf.Tensor]]


def metric_names(
    terms: tuple[str, ...] = TERMS, sides: tuple[str, ...] = ("",), augments: bool = True, projected: bool = False
) -> tuple:
    """What a step reports, in order: of each discriminator, of G, of both networks' gradients.

    `sides`: "" for the discriminator of the largest image, the last, and the side for smaller ones (`loss_d64/real`).
    `augments`, `projected`: see `g_metrics`.
    """
    of_d = [name for side in sides for name in d_metrics(terms, side, projected)]
    last = [f"{kind}/{name}" for kind in ("grad_norm", "loss_scale") for name in (*(f"d{side}" for side in sides), "g")]
    return (*of_d, *g_metrics(terms, sides, augments, projected), *last)


METRICS = metric_names()  # FF-GAN's


def discriminator_names(model: ModelConfig) -> list[str]:
    """What a checkpoint calls the discriminators, small to large. Old runs know these names: they stay."""
    return [*(f"discriminator_{side}" for side in model.sizes[:-1]), "discriminator"]


class Gan:
    """Everything a run's checkpoint holds: frozen text encoder, generator, a discriminator for each of its images
    (FF-GAN has one), an Adam for each network, the generator's EMA, the step.

    `image_encoder`: images in [−1, 1] → regions, codes (DAMSM's), where `--damsm_weight` is not 0. `frozen_maps`:
    images in [−1, 1] → what D's projected heads look at, where `--d_projected` is not 0. Make both inside the scope of
    the strategy that is to run them.
    """

    def __init__(
        self,
        config: TrainConfig,
        text_encoder: TextEncoder,
        image_encoder: Callable | None = None,
        frozen_maps: Callable | None = None,
    ):
        self.config, self._strategy = config, tf.distribute.get_strategy()
        self.text_encoder, self._image_encoder, self._frozen_maps = text_encoder, image_encoder, frozen_maps
        tf.keras.utils.set_random_seed(config.schedule.seed)
        precision, sync = config.devices.precision, config.devices.sync_batch_norm
        self.generator = build.build_generator(config.model, precision, sync)
        self.discriminators = build.build_discriminators(config.model, precision, sync)
        with blank_weights():  # drawing what is overwritten would only cost time
            self.ema = build.build_generator(config.model, precision, sync)
        self.copy_to_average()
        self.penalised_discriminators = self._penalised_discriminators()
        scaling = precision == "mixed_float16"
        self.optimizer_g = adam(config.optimisers, config.optimisers.lr_g, scaling)
        self.optimizers_d = [adam(config.optimisers, config.optimisers.lr_d, scaling) for _ in self.discriminators]
        self.optimizer_g.build(self.generator.trainable_variables)
        for optimizer, d in zip(self.optimizers_d, self.discriminators):
            optimizer.build(d.trainable_variables)
        self.step = tf.Variable(0, dtype=tf.int64, name="step", aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)
        self.parts = Parts(self.generate, self.d_gradients, self.g_loss)
        self._second_pass = second_pass(config)
        self._sides = (*map(str, config.model.sizes[:-1]), "")
        terms, augments = terms_of(self.discriminator), FACTS[config.model.family].augments
        projected = frozen_maps is not None
        if projected != bool(config.model.d_projected):
            raise ValueError("--d_projected and frozen_maps belong together")
        self.metrics = metric_names(terms, self._sides, augments, projected)
        self._g_metrics = len(g_metrics(terms, self._sides, augments, projected))
        self._d_metrics = sum(len(d_metrics(terms, side, projected)) for side in self._sides)

    def _penalised_discriminators(self) -> list[Discriminator]:
        """Ds for the gradient penalty, whose second derivatives want float32: themselves, or twins with their
        weights."""
        config = self.config
        if config.losses.gradient_penalty == "none" or not config.devices.precision.startswith("mixed"):
            return self.discriminators
        with blank_weights():
            twins = build.build_discriminators(config.model, "float32", config.devices.sync_batch_norm)
        return [build.same_weights(d, twin) for d, twin in zip(self.discriminators, twins)]

    @property
    def discriminator(self) -> Discriminator:
        """The discriminator of the largest image; FF-GAN's only one."""
        return self.discriminators[-1]

    @property
    def penalised_discriminator(self) -> Discriminator:
        """The same for the gradient penalty."""
        return self.penalised_discriminators[-1]

    @property
    def optimizer_d(self) -> tf.keras.optimizers.Optimizer:
        """Its Adam."""
        return self.optimizers_d[-1]

    # ---------------------------------------------------------------- what is saved, what is shown

    @property
    def replicas(self) -> int:
        """How many devices share a batch."""
        return self._strategy.num_replicas_in_sync

    def checkpoint(self) -> tf.train.Checkpoint:
        """What is saved and restored. Old runs know these names: they stay."""
        of_d: dict[str, Any] = {}
        for name, d, optimizer in zip(discriminator_names(self.config.model), self.discriminators, self.optimizers_d):
            of_d |= {name: d, name.replace("discriminator", "optimizer_d"): optimizer}
        return tf.train.Checkpoint(
            text_encoder=self.text_encoder,
            generator=self.generator,
            ema=self.ema,
            optimizer_g=self.optimizer_g,
            step=self.step,
            **of_d,
        )

    def copy_to_average(self) -> None:
        """The moving average begins where the generator is."""
        for average, value in zip(self.ema.variables, self.generator.variables):
            average.assign(value)

    def set_learning_rates(self, shares: Shares) -> None:
        """These shares of those of the settings: a checkpoint restores the ones that it was trained with."""
        self.optimizer_g.learning_rate = shares.g * self.config.optimisers.lr_g
        for optimizer in self.optimizers_d:
            optimizer.learning_rate = shares.d * self.config.optimisers.lr_d

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
        """One step of each D and one of G, on the same fakes unless `--fresh_noise` or `--interpolate`. `batch`: this
        replica's share of what `training_batches` gives.

        Returns `metrics` of this share, float32. Gradients are those of the mean over the global batch. Where they are
        not finite, the step does not follow them (float16 then lowers its loss scale), so the weights stay fit to be
        looked at.
        """
        inputs = self.inputs(batch)
        if self.config.devices.accumulate > 1:
            values, norms = self._accumulated(inputs)
        else:
            values, norms = self._two_passes(inputs) if self._second_pass else self._plain(inputs)
        self.update_ema()
        self.step.assign_add(1)
        scales = [getattr(optimizer, "loss_scale", 1.0) for optimizer in (*self.optimizers_d, self.optimizer_g)]
        return tf.concat([values, [tf.cast(value, tf.float32) for value in (*norms, *scales)]], 0)

    def _plain(self, inputs: Inputs):
        """The whole share at once: one generator pass serves both networks' steps."""
        with tf.GradientTape() as tape:
            generated = self.parts.generate(inputs)
            with tape.stop_recording():
                gradients, d_values = self.parts.d_gradients(inputs, generated.images)
                d_norms = self.apply_d(gradients)
            # The same fakes again, through the discriminators that have just learned from them.
            loss, g_values = self.parts.g_loss(inputs, generated)
        g_norm = self.apply_g(tape.gradient(loss, self.generator.trainable_variables))
        return tf.concat([d_values, g_values], 0), (*d_norms, g_norm)

    def _two_passes(self, inputs: Inputs):
        """The whole share at once, with other fakes in G's step than in D's."""
        gradients, d_values = self.parts.d_gradients(inputs, self.parts.generate(inputs).images)
        d_norms = self.apply_d(gradients)
        gradients, g_values = self._g_gradients(inputs)
        return tf.concat([d_values, g_values], 0), (*d_norms, self.apply_g(gradients))

    def _accumulated(self, inputs: Inputs):
        """The share in `--accumulate` parts, one after the other: the same gradients (batch norm aside, which sees a
        part at a time) in a part's memory. The fakes are made twice, as no part's activations can wait for D's step."""
        count = self.config.devices.accumulate
        split = inputs.parts(count)

        totals = [[tf.zeros_like(variable) for variable in d.trainable_variables] for d in self.discriminators]
        d_values = tf.zeros([self._d_metrics])
        for k in tf.range(count):
            part = Inputs(*(value[k] for value in split))
            gradients, values = self.parts.d_gradients(part, self.parts.generate(part).images)
            totals = tf.nest.map_structure(tf.add, totals, gradients)
            d_values += values / count
        d_norms = self.apply_d(totals)

        totals = [tf.zeros_like(variable) for variable in self.generator.trainable_variables]
        g_values = tf.zeros([self._g_metrics])
        for k in tf.range(count):
            gradients, values = self._g_gradients(Inputs(*(value[k] for value in split)))
            totals = [total + gradient for total, gradient in zip(totals, gradients)]
            g_values += values / count
        return tf.concat([d_values, g_values], 0), (*d_norms, self.apply_g(totals))

    def _g_gradients(self, inputs: Inputs) -> tuple[list[tf.Tensor], tf.Tensor]:
        """Gradients of L_G on a part by a generator pass of its own, as `d_gradients` has those of L_D; its metrics."""
        inputs = generator_inputs(inputs, self.config)
        with tf.GradientTape() as tape:
            loss, values = self.parts.g_loss(inputs, self.parts.generate(inputs))
        return tape.gradient(loss, self.generator.trainable_variables), values

    # ---------------------------------------------------------------- its parts

    def inputs(self, batch: dict[str, tf.Tensor]) -> Inputs:
        """What both networks see of this replica's share of a batch."""
        return gan_inputs(batch, self.config, self.text_encoder, self.generator)

    def generate(self, inputs: Inputs) -> Generated:
        """G's images and what belongs to them, as in training."""
        return self.generator(inputs.sentence, inputs.words, inputs.mask, inputs.noise, inputs.epsilon, training=True)

    def shown_to_d(self, inputs: Inputs, fakes: Images) -> list[Judged]:
        """What each D sees of real images and fakes: those of its size, under `--d_blur` and `--augment`. The same for
        a fake in both steps."""
        own, of_fakes = tf.split(inputs.uniform, 2, axis=1)
        config, judged = self.config.losses, []
        for d, real, fake in zip(self.discriminators, at_sizes(inputs.real, self.config.model.sizes), fakes):
            real = shown_to_d(real, own, config, self.step)
            judged.append(Judged(d, inputs._replace(real=real), shown_to_d(fake, of_fakes, config, self.step)))
        return judged

    def d_gradients(self, inputs: Inputs, fakes: Images) -> tuple[list[list[tf.Tensor]], tf.Tensor]:
        """Gradients of each D's L_D on a part, as its share of the global batch's and times the loss scale; their
        metrics."""
        gradients, metrics = [], []
        shown = zip(self.shown_to_d(inputs, fakes), self.penalised_discriminators, self.optimizers_d)
        for (d, seen, fake), penalised, optimizer in shown:
            with tf.GradientTape() as tape:
                loss, values = discriminator_part(
                    d, penalised, seen, fake, self.config.losses, self.step, self._frozen_maps
                )
                scaled = share_of_batch(loss, optimizer, self.config.devices.accumulate)
            gradients.append(tape.gradient(scaled, d.trainable_variables))
            metrics.append(values)
        return gradients, tf.concat(metrics, 0)

    def g_loss(self, inputs: Inputs, generated: Generated) -> tuple[tf.Tensor, tf.Tensor]:
        """L_G on a part, as its share of the global batch's and times the loss scale; its metrics."""
        config, kind = self.config.losses, self.config.model.condition
        followed = config.condition_gradient == "g"
        if kind != "sentence" and (followed or self._second_pass):
            learned = {"ca": generated.condition, "mu": generated.mu}[kind]
            # Of one pass, the same numbers, not cut off from F_ca.
            learned = tf.cast(learned if followed else tf.stop_gradient(learned), inputs.condition.dtype)
            inputs = inputs._replace(condition=learned)
        judged = self.shown_to_d(inputs, generated.images)
        loss, values = generator_part(
            judged, inputs, generated, config, self.step, self._image_encoder, self._frozen_maps
        )
        return share_of_batch(loss, self.optimizer_g, self.config.devices.accumulate), values

    def apply_d(self, gradients: Sequence[Sequence[tf.Tensor]]) -> list[tf.Tensor]:
        """The Ds' updates; their gradients' norms over the global batch, before clipping."""
        clip_norm = self.config.optimisers.clip_norm
        return [
            apply_gradients(optimizer, own, d.trainable_variables, clip_norm)
            for optimizer, own, d in zip(self.optimizers_d, gradients, self.discriminators)
        ]

    def apply_g(self, gradients: Sequence[tf.Tensor]) -> tf.Tensor:
        """G's update; the gradients' norm over the global batch, before clipping."""
        weights, clip_norm = self.generator.trainable_variables, self.config.optimisers.clip_norm
        return apply_gradients(self.optimizer_g, gradients, weights, clip_norm)

    def update_ema(self) -> None:
        """The generator's moving average follows it by a step."""
        update_ema(self.ema.variables, self.generator.variables, ema_decay(self.config.optimisers, self.step))

    def compile_parts(self) -> None:
        """XLA compiles each of `parts` by itself."""
        self.parts = Parts(*(tf.function(part, jit_compile=True) for part in self.parts))
