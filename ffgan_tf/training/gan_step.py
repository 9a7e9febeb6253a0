"""The GAN's training state and one step of it (docs/model.md sections 5 and 6)."""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from ffgan_tf.config import TrainConfig
from ffgan_tf.losses import damsm
from ffgan_tf.losses import gan as losses
from ffgan_tf.models import build
from ffgan_tf.models.generator import Generated, Generator
from ffgan_tf.models.text_encoder import TextEncoder
from ffgan_tf.training.adam import FusedAdam

# What a step reports, in this order. `D/…` are D's mean outputs, as probabilities, on its five inputs.
TERMS = ("real", "fake", "real_matching", "fake_matching", "real_mismatching")
D_METRICS = (*(f"loss_d/{term}" for term in TERMS), "loss_d/penalty", "loss_d/total", *(f"D/{term}" for term in TERMS))
G_METRICS = ("loss_g/fake", "loss_g/fake_matching", "loss_g/kl", "loss_g/damsm", "loss_g/total", "text/mu_spread")
METRICS = (*D_METRICS, *G_METRICS, "grad_norm/d", "grad_norm/g", "loss_scale/d", "loss_scale/g")


class Inputs(NamedTuple):
    """A replica's share of a batch, or a part of it, as both networks see it. b images."""

    real: tf.Tensor  # t (b, S, S, 3) in [−1, 1]
    sentence: tf.Tensor  # s (b, d)
    words: tf.Tensor  # e (b, T, d)
    mask: tf.Tensor  # (b, T) bool
    noise: tf.Tensor  # z (b, z_dim)
    epsilon: tf.Tensor  # ε (b, c_dim)
    condition: tf.Tensor  # what D is told, I_s by --condition (b, ·)
    wrong: tf.Tensor  # Î_s (b, ·)
    classes: tf.Tensor  # (b,)


def to_unit(images: tf.Tensor) -> tf.Tensor:
    """uint8 images → float32 in [−1, 1]."""
    return tf.cast(images, tf.float32) / 127.5 - 1.0


def adam(config: TrainConfig, rate: float) -> tf.keras.optimizers.Optimizer:
    """Adam with the recipe's settings. Keras adds ε beside the uncorrected √v; at 1e-8 the two forms are one."""
    return FusedAdam(
        rate, beta_1=config.optimisers.beta1, beta_2=config.optimisers.beta2, epsilon=config.optimisers.adam_epsilon
    )


class Gan(tf.Module):
    """Everything a run's checkpoint holds: frozen text encoder, both networks, both Adams, the generator's EMA, the step.

    The EMA covers all of the generator's variables: batch norm's moving statistics belong to the weights they were
    measured with. `image_encoder`: images in [−1, 1] → regions, codes (DAMSM's), where `--damsm_weight` is not 0. Make
    it inside the scope of the strategy that is to run it.
    """

    def __init__(self, config: TrainConfig, text_encoder: TextEncoder, image_encoder: Callable | None = None):
        super().__init__(name="gan")
        self.config, self._strategy = config, tf.distribute.get_strategy()
        self.text_encoder = text_encoder
        self._image_encoder = image_encoder
        tf.keras.utils.set_random_seed(config.schedule.seed)
        sync = config.devices.sync_batch_norm
        self.generator = build.build_generator(config.model, config.devices.precision, sync)
        self.discriminator = build.build_discriminator(config.model, config.devices.precision, sync)
        self.ema = build.build_generator(config.model, config.devices.precision, sync)
        for average, value in zip(self.ema.variables, self.generator.variables):
            average.assign(value)
        self._penalty_discriminator = (
            self.discriminator
        )  # for the gradient penalty, whose second derivatives want float32
        if config.losses.gradient_penalty != "none" and config.devices.precision.startswith("mixed"):
            self._penalty_discriminator = build.same_weights(
                self.discriminator, build.build_discriminator(config.model, "float32", sync)
            )
        self.optimizer_g, self.optimizer_d = adam(config, config.optimisers.lr_g), adam(config, config.optimisers.lr_d)
        if config.devices.precision == "mixed_float16":  # whose small gradients would be zero
            scaled = tf.keras.mixed_precision.LossScaleOptimizer
            self.optimizer_g, self.optimizer_d = scaled(self.optimizer_g), scaled(self.optimizer_d)
        self.optimizer_g.build(self.generator.trainable_variables)
        self.optimizer_d.build(self.discriminator.trainable_variables)
        self.step = tf.Variable(0, dtype=tf.int64, name="step", aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)

    def checkpoint(self) -> tf.train.Checkpoint:
        """What is saved and restored."""
        return tf.train.Checkpoint(
            text_encoder=self.text_encoder,
            generator=self.generator,
            ema=self.ema,
            discriminator=self.discriminator,
            optimizer_g=self.optimizer_g,
            optimizer_d=self.optimizer_d,
            step=self.step,
        )

    def sampling_generator(self) -> Generator:
        """The EMA generator, for images: itself on one device. To read the statistics that several replicas keep, all
        workers must take part; so there it is a copy which one worker can use alone, of when `show` was last called."""
        if self._strategy.num_replicas_in_sync == 1:
            return self.ema
        return build.build_generator(self.config.model, self.config.devices.precision)

    def refresh(self, copy: Generator) -> None:
        """Brings what `shown` gave up to date; on all workers at once."""
        if copy is not self.ema:
            with self._strategy.scope():
                values = [average.read_value() for average in self.ema.variables]
            for variable, value in zip(copy.variables, values):
                variable.assign(value)

    def train_step(self, batch: dict[str, tf.Tensor]) -> tf.Tensor:
        """One D step and one G step on the same fakes. `batch`: this replica's share of what `training_batches` gives.

        Returns METRICS of this share, float32. Gradients are those of the mean over the global batch. Where they are
        not finite, the step does not follow them (float16 then lowers its loss scale), so the weights stay fit to be
        looked at.
        """
        inputs = self._inputs(batch)
        step = self._accumulated if self.config.devices.accumulate > 1 else self._plain
        values, norms = step(inputs)
        self._update_ema()
        self.step.assign_add(1)
        scales = [getattr(optimizer, "loss_scale", 1.0) for optimizer in (self.optimizer_d, self.optimizer_g)]
        return tf.concat([values, [tf.cast(value, tf.float32) for value in (*norms, *scales)]], 0)

    def _inputs(self, batch) -> Inputs:
        config = self.config
        real, tokens, lengths, classes = to_unit(batch["image"]), batch["tokens"], batch["lengths"], batch["classes"]
        noise, epsilon = batch["noise"][:, : config.model.z_dim], batch["noise"][:, config.model.z_dim :]
        sentence, words = self.text_encoder(tokens, lengths)
        sentence, words = tf.stop_gradient(sentence), tf.stop_gradient(words)
        condition = build.discriminator_condition(
            config.model.condition, sentence, *self.generator.augment(sentence, epsilon)[:2]
        )
        # A wrong sentence is any of the global batch: the same one however many replicas share it.
        everyone, own = condition, tf.range(tf.shape(condition)[0])
        context = tf.distribute.get_replica_context()
        if context.num_replicas_in_sync > 1:
            # (An identity, because gathering wants to know a tensor's device, and the pipeline's have none.)
            everyone, classes_of_all = (context.all_gather(tf.identity(value), 0) for value in (condition, classes))
            own += context.replica_id_in_sync_group * tf.shape(condition)[0]
        else:
            classes_of_all = classes
        wrong = tf.gather(everyone, tf.gather(losses.mismatch_index(classes_of_all), own))
        wrong = tf.ensure_shape(wrong, condition.shape)  # which gathering forgets
        return Inputs(
            real, sentence, words, tf.sequence_mask(lengths, tokens.shape[1]), noise, epsilon, condition, wrong, classes
        )

    def _plain(self, inputs: Inputs):
        """The whole share at once: one generator pass serves both networks' steps."""
        with tf.GradientTape() as tape:
            generated = self._generate(inputs)
            with tape.stop_recording():
                gradients, d_values = self._d_gradients(inputs, generated.image)
                d_norm = self._apply(gradients, self.discriminator, self.optimizer_d)
            # The same fakes again, through the discriminator that has just learned from them.
            loss, g_values = self._g_loss(inputs, generated)
        g_norm = self._apply(tape.gradient(loss, self.generator.trainable_variables), self.generator, self.optimizer_g)
        return tf.concat([d_values, g_values], 0), (d_norm, g_norm)

    def _accumulated(self, inputs: Inputs):
        """The share in `--accumulate` parts, one after the other: the same gradients (batch norm aside, which sees a part
        at a time) in a part's memory. The fakes are made twice, as no part's activations can wait for D's step."""
        parts = self.config.devices.accumulate
        split = [tf.reshape(value, [parts, value.shape[0] // parts, *value.shape[1:]]) for value in inputs]

        totals = [tf.zeros_like(variable) for variable in self.discriminator.trainable_variables]
        d_values = tf.zeros([len(D_METRICS)])
        for k in tf.range(parts):
            part = Inputs(*(value[k] for value in split))
            gradients, values = self._d_gradients(part, self._generate(part).image)
            totals = [total + gradient for total, gradient in zip(totals, gradients)]
            d_values += values / parts
        d_norm = self._apply(totals, self.discriminator, self.optimizer_d)

        totals = [tf.zeros_like(variable) for variable in self.generator.trainable_variables]
        g_values = tf.zeros([len(G_METRICS)])
        for k in tf.range(parts):
            part = Inputs(*(value[k] for value in split))
            with tf.GradientTape() as tape:
                loss, values = self._g_loss(part, self._generate(part))
            gradients = tape.gradient(loss, self.generator.trainable_variables)
            totals = [total + gradient for total, gradient in zip(totals, gradients)]
            g_values += values / parts
        g_norm = self._apply(totals, self.generator, self.optimizer_g)
        return tf.concat([d_values, g_values], 0), (d_norm, g_norm)

    def _generate(self, inputs: Inputs) -> Generated:
        return self.generator(inputs.sentence, inputs.words, inputs.mask, inputs.noise, inputs.epsilon, training=True)

    def _d_gradients(self, inputs: Inputs, fake: tf.Tensor):
        """Gradients of Eq. 4 on a part, scaled as `_scaled` says, and D_METRICS."""
        d, config = self.discriminator, self.config
        with tf.GradientTape() as tape:
            real_features, fake_features = d.features_of_both(inputs.real, fake, training=True)
            logits = losses.DiscriminatorLogits(
                d.unconditional(real_features),
                d.unconditional(fake_features),
                d.conditional(real_features, inputs.condition, training=True),
                d.conditional(fake_features, inputs.condition, training=True),
                d.conditional(real_features, inputs.wrong, training=True),
            )
            terms = losses.discriminator_terms(logits)
            penalty = self._penalty(inputs)
            loss = losses.discriminator_loss(terms, config.losses.loss_weights)
            loss += config.losses.penalty_weight * tf.cast(penalty, loss.dtype)
            scaled = self._scaled(loss, self.optimizer_d)
        values = [
            *(terms[term] for term in TERMS),
            penalty,
            loss,
            *(tf.reduce_mean(tf.sigmoid(getattr(logits, term))) for term in TERMS),
        ]
        return tape.gradient(scaled, d.trainable_variables), tf.stack([tf.cast(value, tf.float32) for value in values])

    def _penalty(self, inputs: Inputs) -> tf.Tensor:
        """`--gradient_penalty` of D on real images, by this batch's batch-norm statistics; 0 without one."""
        kind, judge = self.config.losses.gradient_penalty, self._penalty_discriminator
        if kind == "none":
            return tf.constant(0.0)
        real, condition = (tf.cast(value, judge.compute_dtype) for value in (inputs.real, inputs.condition))
        with tf.GradientTape() as tape:
            tape.watch([real, condition])
            features = judge.features(real, training=True)
            logits = (
                judge.unconditional(features) if kind == "r1" else judge.conditional(features, condition, training=True)
            )
            score = tf.reduce_sum(logits)
        if kind == "r1":
            return losses.r1_penalty(tape.gradient(score, real))
        return losses.matching_aware_penalty(*tape.gradient(score, [real, condition]))

    def _g_loss(self, inputs: Inputs, generated: Generated):
        """Eq. 5 on a part, scaled as `_scaled` says, and G_METRICS."""
        d, config = self.discriminator, self.config
        features = d.features(generated.image, training=True)
        terms = losses.generator_terms(
            d.unconditional(features), d.conditional(features, inputs.condition, training=True)
        )
        kl = losses.kl_divergence(generated.mu, generated.log_var)
        loss = losses.generator_loss(terms, kl, self._kl_weight(kl.dtype))
        matching = tf.zeros([], loss.dtype)
        if self._image_encoder:
            regions, codes = self._image_encoder(tf.cast(generated.image, tf.float32))
            found = damsm.damsm_losses(regions, codes, inputs.words, inputs.sentence, inputs.mask, inputs.classes)
            matching = tf.cast(tf.add_n(list(found.values())), loss.dtype)
            loss += config.losses.damsm_weight * matching
        spread = tf.reduce_mean(tf.math.reduce_std(generated.mu, axis=0))
        values = [terms["fake"], terms["fake_matching"], kl, matching, loss, spread]
        return self._scaled(loss, self.optimizer_g), tf.stack([tf.cast(value, tf.float32) for value in values])

    def _kl_weight(self, dtype: tf.DType) -> tf.Tensor | float:
        """λ_KL, rising linearly from 0 over `--kl_warmup` steps."""
        if not self.config.losses.kl_warmup:
            return self.config.losses.kl_weight
        return self.config.losses.kl_weight * tf.minimum(tf.cast(self.step, dtype) / self.config.losses.kl_warmup, 1.0)

    def _scaled(self, loss: tf.Tensor, optimizer) -> tf.Tensor:
        """A part's mean as its share of the global batch's, times float16's loss scale."""
        loss /= tf.distribute.get_replica_context().num_replicas_in_sync * self.config.devices.accumulate
        return optimizer.get_scaled_loss(loss) if hasattr(optimizer, "get_scaled_loss") else loss

    def _apply(self, gradients: list[tf.Tensor], model, optimizer) -> tf.Tensor:
        """Sums the replicas' gradients, clips, applies. Returns their norm before clipping."""
        scaled = hasattr(optimizer, "get_unscaled_gradients")
        if scaled:
            gradients = optimizer.get_unscaled_gradients(gradients)
        context = tf.distribute.get_replica_context()
        if context.num_replicas_in_sync > 1:
            gradients = context.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        norm = tf.linalg.global_norm(gradients)
        factor = tf.ones_like(norm)
        if self.config.optimisers.clip_norm:
            factor = tf.minimum(factor, self.config.optimisers.clip_norm / norm)
        if not scaled:  # a loss-scaling optimiser must see what is not finite, and leaves the step out by itself
            factor = tf.where(tf.math.is_finite(norm), factor, 0.0)
        if scaled and self.config.optimisers.clip_norm:
            gradients = [gradient * factor for gradient in gradients]
        elif not scaled:  # 0 · NaN = 0 here; such a step only coasts on Adam's averages
            gradients = [tf.math.multiply_no_nan(gradient, factor) for gradient in gradients]
        optimizer.apply_gradients(zip(gradients, model.trainable_variables), skip_gradients_aggregation=True)
        return norm

    def _update_ema(self) -> None:
        t = tf.cast(self.step, tf.float32)
        decay = tf.constant(self.config.optimisers.ema_decay)
        if self.config.optimisers.ema_warmup:
            decay = tf.minimum(decay, (1 + t) / (10 + t))

        def move(average, value, decay):
            average.assign_sub(tf.cast(1 - decay, value.dtype) * (average - value))

        pairs = list(zip(self.ema.variables, self.generator.variables))
        context = tf.distribute.get_replica_context()
        if context.num_replicas_in_sync == 1:
            for average, value in pairs:
                move(average, value, decay)
            return
        # A replica moves its own copy of batch norm's statistics; copies of the weights all replicas move together.
        own = [pair for pair in pairs if pair[0].synchronization == tf.VariableSynchronization.ON_READ]
        shared = [pair for pair in pairs if pair[0].synchronization != tf.VariableSynchronization.ON_READ]
        for average, value in own:
            move(average, value, decay)

        def move_all(strategy, decay):
            for average, value in shared:
                strategy.extended.update(average, move, args=(value, decay), group=False)

        context.merge_call(move_all, args=(decay,))
