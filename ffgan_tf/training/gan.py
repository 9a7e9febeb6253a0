"""The GAN's training state and one step of it (spec sections 5 and 6)."""

import tensorflow as tf

from ffgan_tf.config import TrainConfig
from ffgan_tf.losses import gan as losses
from ffgan_tf.models import build
from ffgan_tf.models.text_encoder import TextEncoder

# What a step reports, in this order. `D/…` are D's mean outputs, as probabilities, on its five inputs.
TERMS = ("real", "fake", "real_matching", "fake_matching", "real_mismatching")
METRICS = (*(f"loss_d/{term}" for term in TERMS), "loss_d/total", "loss_g/fake", "loss_g/fake_matching", "loss_g/kl",
           "loss_g/total", *(f"D/{term}" for term in TERMS), "grad_norm/d", "grad_norm/g", "text/mu_spread")


def to_unit(images: tf.Tensor) -> tf.Tensor:
    """uint8 pictures → float32 in [−1, 1]."""
    return tf.cast(images, tf.float32) / 127.5 - 1.0


def adam(config: TrainConfig, rate: float) -> tf.keras.optimizers.Optimizer:
    """Adam with the recipe's settings. Keras adds ε beside the uncorrected √v; at 1e-8 the two forms are one."""
    return tf.keras.optimizers.Adam(rate, beta_1=config.beta1, beta_2=config.beta2, epsilon=config.adam_epsilon)


class Gan(tf.Module):
    """Everything a run's checkpoint holds: frozen text encoder, both networks, both Adams, the generator's EMA, the step.

    The EMA covers all of the generator's variables: batch norm's moving statistics belong to the weights they were
    measured with.
    """

    def __init__(self, config: TrainConfig, text_encoder: TextEncoder):
        super().__init__(name="gan")
        self.config = config
        self.text_encoder = text_encoder
        tf.keras.utils.set_random_seed(config.seed)
        self.generator = build.build_generator(config, config.precision)
        self.discriminator = build.build_discriminator(config, config.precision)
        self.ema = build.build_generator(config, config.precision)
        for average, value in zip(self.ema.variables, self.generator.variables):
            average.assign(value)
        self.optimizer_g, self.optimizer_d = adam(config, config.lr_g), adam(config, config.lr_d)
        self.optimizer_g.build(self.generator.trainable_variables)
        self.optimizer_d.build(self.discriminator.trainable_variables)
        self.step = tf.Variable(0, dtype=tf.int64, name="step")

    def checkpoint(self) -> tf.train.Checkpoint:
        """What is saved and restored."""
        return tf.train.Checkpoint(text_encoder=self.text_encoder, generator=self.generator, ema=self.ema,
                                   discriminator=self.discriminator, optimizer_g=self.optimizer_g,
                                   optimizer_d=self.optimizer_d, step=self.step)

    def train_step(self, batch: dict[str, tf.Tensor]) -> tf.Tensor:
        """One D step and one G step on the same fakes. `batch` as of `training_batches`; returns METRICS, float32."""
        config = self.config
        real, tokens, lengths = to_unit(batch["image"]), batch["tokens"], batch["lengths"]
        noise, epsilon = batch["noise"][:, :config.z_dim], batch["noise"][:, config.z_dim:]
        sentence, words = self.text_encoder(tokens, lengths)
        sentence, words = tf.stop_gradient(sentence), tf.stop_gradient(words)
        mask = tf.sequence_mask(lengths, tokens.shape[1])

        with tf.GradientTape() as tape_g:
            generated = self.generator(sentence, words, mask, noise, epsilon, training=True)
            condition = build.d_condition(config.condition, sentence, generated)
            with tape_g.stop_recording(), tf.GradientTape() as tape_d:
                logits = self._d_logits(real, generated.image, condition, batch["classes"])
                terms_d = losses.discriminator_terms(logits)
                loss_d = losses.discriminator_loss(terms_d, config.loss_weights)
            with tape_g.stop_recording():
                norm_d = self._apply(tape_d, loss_d, self.discriminator, self.optimizer_d)
            # The same fakes again, through the discriminator that has just learned from them.
            features = self.discriminator.features(generated.image, training=True)
            terms_g = losses.generator_terms(
                self.discriminator.unconditional(features),
                self.discriminator.conditional(features, condition, training=True))
            kl = losses.kl_divergence(generated.mu, generated.log_var)
            loss_g = losses.generator_loss(terms_g, kl, config.kl_weight)
        norm_g = self._apply(tape_g, loss_g, self.generator, self.optimizer_g)
        self._update_ema()
        self.step.assign_add(1)

        spread = tf.reduce_mean(tf.math.reduce_std(generated.mu, axis=0))
        values = [*(terms_d[term] for term in TERMS), loss_d, terms_g["fake"], terms_g["fake_matching"], kl, loss_g,
                  *(tf.reduce_mean(tf.sigmoid(getattr(logits, term))) for term in TERMS), norm_d, norm_g, spread]
        return tf.stack([tf.cast(value, tf.float32) for value in values])

    def _d_logits(self, real, fake, condition, classes) -> losses.DiscriminatorLogits:
        d = self.discriminator
        real_features, fake_features = d.features(real, training=True), d.features(fake, training=True)
        wrong = tf.gather(condition, losses.mismatch_index(classes))
        return losses.DiscriminatorLogits(
            d.unconditional(real_features), d.unconditional(fake_features),
            d.conditional(real_features, condition, training=True),
            d.conditional(fake_features, condition, training=True),
            d.conditional(real_features, wrong, training=True))

    @staticmethod
    def _apply(tape, loss, model, optimizer) -> tf.Tensor:
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables))
        return tf.linalg.global_norm(gradients)

    def _update_ema(self) -> None:
        t = tf.cast(self.step, tf.float32)
        decay = tf.constant(self.config.ema_decay)
        if self.config.ema_warmup:
            decay = tf.minimum(decay, (1 + t) / (10 + t))
        for average, value in zip(self.ema.variables, self.generator.variables):
            average.assign_sub(tf.cast(1 - decay, value.dtype) * (average - value))
